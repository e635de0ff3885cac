"""Schema to Label Studio and back: nothing is lost, nothing is made up."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_studio_sdk.label_interface.interface import LabelInterface

from annotation.codec import decode_results, encode_results
from annotation.configs import label_colour, labelling_config
from annotation.forms import CVS_CRITERIA
from annotation.jobs import MARK_LABELS, AnnotationTask, Item, Job, Mark, region_id
from schemas.correction import CorrectionKind

LABELS = ("cutting", "näht – 縫う", 'tie & "knot"', "wash <b>")
VOCABULARY: dict[Job, dict[str, tuple[str, ...]]] = {
    Job.TIMELINE: {"phase": LABELS, "action": LABELS[:2]},
    Job.BOXES: {"objects": LABELS},
    Job.EXCLUDED: {"excluded": ("out_of_body", "face")},
    Job.CVS: {"interval": ("critical view",)},
    Job.SKILL: {
        "level": ("N", "I", "E"), "Respect for tissue": tuple("12345"),
        "Suture/needle handling": tuple("12345"),
    },
    Job.CAPTION: {},
    Job.REVIEW: {},
}  # fmt: skip
SAID = {"who": "annotator 7", "when": "2026-01-01T10:00:00Z", "tool": "test 1"}
WIDTH, HEIGHT = 854, 480

ticks = st.lists(st.integers(1, 400), min_size=2, max_size=40).map(
    lambda steps: tuple(sum(steps[:k]) for k in range(len(steps)))
)
"""Times of frames: irregular, as of variable-rate and sparse video."""


def _task(
    job: Job, frame_tick: tuple[int, ...], contents: list[dict[str, Any]], subject: str = ""
) -> AnnotationTask:
    items = tuple(
        Item(region_id=str(content.pop("_region", region_id(k))), content=content)
        for k, content in enumerate(copy.deepcopy(contents))
    )
    return AnnotationTask(
        job=job, source="cholect50", video_id="VID01", clip_id="c1", subject=subject,
        base_revision="r1", frame_index=tuple(3 * k for k in range(len(frame_tick))),
        frame_tick=frame_tick, end_tick=frame_tick[-1] + 7, width=WIDTH, height=HEIGHT, fps=5,
        video="/v.mp4", vocabulary=VOCABULARY[job], items=items,
    )  # fmt: skip


def _as_page(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the page submits for a pre-filled annotation that nobody touched."""
    return [copy.deepcopy(result) | {"origin": "prediction"} for result in results]


def _validates(task: AnnotationTask, results: list[dict[str, Any]]) -> bool:
    interface = LabelInterface(labelling_config(task.job, dict(task.vocabulary)))
    prediction = {"result": results}
    return not interface.validate_prediction(prediction, return_errors=True)  # type: ignore[no-untyped-call]


@st.composite
def ranges(draw: st.DrawFn, job: Job) -> AnnotationTask:
    frame_tick = draw(ticks)
    last = frame_tick[-1] + 300
    contents: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, last))
        content: dict[str, Any] = {"start": start, "end": start + draw(st.integers(1, 900))}
        if job is Job.EXCLUDED:
            content["reason"] = draw(st.sampled_from(VOCABULARY[job]["excluded"]))
        elif job is Job.CVS:
            content |= {name: draw(st.integers(0, 2)) for name in CVS_CRITERIA}
        else:
            kind = draw(st.sampled_from(sorted(VOCABULARY[job])))
            content |= {"kind": kind, "label": draw(st.sampled_from(VOCABULARY[job][kind]))}
            content |= {"native_index": draw(st.none() | st.integers(0, 99)), "flags": ["bridged"]}
        contents.append(content)
    return _task(job, frame_tick, contents)


@st.composite
def boxes(draw: st.DrawFn) -> AnnotationTask:
    frame_tick = draw(ticks)
    contents: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 4))):
        label = draw(st.sampled_from(LABELS))
        for tick in sorted(draw(st.sets(st.sampled_from(frame_tick), min_size=1))):
            x1 = draw(st.floats(0, WIDTH - 1))
            y1 = draw(st.floats(0, HEIGHT - 1))
            x2 = draw(st.floats(x1 + 0.5, WIDTH)) if x1 + 0.5 < WIDTH else WIDTH
            y2 = draw(st.floats(y1 + 0.5, HEIGHT)) if y1 + 0.5 < HEIGHT else HEIGHT
            contents.append({
                "_region": region_id("track", number), "tick": tick, "xyxy": [x1, y1, x2, y2],
                "label": label, "track": str(number), "triplet": None, "operator": None,
                "flags": [],
            })  # fmt: skip
    return _task(Job.BOXES, frame_tick, contents)


@st.composite
def forms(draw: st.DrawFn, job: Job) -> AnnotationTask:
    content: dict[str, Any]
    if job is Job.SKILL:
        aspects = list(VOCABULARY[job])[1:]
        content = {
            "level": draw(st.sampled_from("NIE")),
            "scores": {aspect: draw(st.integers(1, 5)) for aspect in aspects},
        }
    elif job is Job.CAPTION:
        text = draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
        content = {"clip_id": "c1", "scope": "event", "subject": "0:9:x", "text": f"A {text} ü 三"}
    else:
        content = {"sample_id": "s", "verdict": draw(st.sampled_from(["accept", "reject"]))}
    task = _task(job, draw(ticks), [content], "s" if job is Job.REVIEW else "x")
    return task if job is Job.SKILL else task.model_copy(update={"marks": draw(marks(task.frames))})


@st.composite
def marks(draw: st.DrawFn, frames: int) -> tuple[Mark, ...]:
    found = []
    for label in draw(st.lists(st.sampled_from(MARK_LABELS), max_size=3)):
        first = draw(st.integers(1, frames))
        boxed = draw(st.sets(st.integers(1, frames), max_size=4))
        found.append(
            Mark(
                label=label, frames=draw(st.none() | st.just((first, frames))),
                boxes=dict.fromkeys(boxed, (1.5, 2.0, WIDTH / 2, HEIGHT)),
            )
        )  # fmt: skip
    return tuple(found)


STRATEGIES: dict[Job, Any] = {
    Job.TIMELINE: ranges(Job.TIMELINE), Job.EXCLUDED: ranges(Job.EXCLUDED),
    Job.CVS: ranges(Job.CVS), Job.BOXES: boxes(), Job.SKILL: forms(Job.SKILL),
    Job.CAPTION: forms(Job.CAPTION), Job.REVIEW: forms(Job.REVIEW),
}  # fmt: skip


@pytest.mark.parametrize("job", list(Job))
@settings(max_examples=200, deadline=None)
@given(picker=st.data())
def test_an_annotation_nobody_touched_comes_back_as_no_correction(
    job: Job, picker: st.DataObject
) -> None:
    task = picker.draw(STRATEGIES[job])
    results = encode_results(task)
    decoded = decode_results(task, _as_page(results), **SAID)
    assert decoded.problems == ()
    assert decoded.corrections == ()


@settings(max_examples=50, deadline=None)
@given(task=forms(Job.REVIEW), picker=st.data())
def test_whatever_becomes_of_marks_changes_nothing(
    task: AnnotationTask, picker: st.DataObject
) -> None:
    results = _as_page(encode_results(task))
    filled = [r for r in results if r["from_name"] == "verdict"]
    others = [r for r in results if r["from_name"] != "verdict"]
    kept = [r for r in others if picker.draw(st.booleans())]
    for result in kept:
        for key in result["value"].get("sequence", ()):
            key["x"] += 3.0
    decoded = decode_results(task, [*kept, *filled], **SAID)
    assert decoded == decode_results(task.model_copy(update={"marks": ()}), filled, **SAID)


@pytest.mark.parametrize("job", list(Job))
@settings(max_examples=5, deadline=None)
@given(picker=st.data())
def test_label_studio_itself_accepts_what_is_filled_in(job: Job, picker: st.DataObject) -> None:
    task = picker.draw(STRATEGIES[job])
    assert _validates(task, encode_results(task))


@settings(max_examples=100, deadline=None)
@given(ranges(Job.TIMELINE), st.data())
def test_a_moved_edge_changes_that_edge_alone(task: AnnotationTask, picker: st.DataObject) -> None:
    results = encode_results(task)
    if not results:
        return
    region = picker.draw(st.sampled_from(results))
    span = region["value"]["ranges"][0]
    moved = picker.draw(st.integers(1, span["end"]))
    shown = next(item for item in task.items if item.region_id == region["id"])
    was, span["start"] = span["start"], moved
    decoded = decode_results(task, results, **SAID)
    if moved == was:
        assert decoded.corrections == ()
        return
    start = task.frame_tick[moved - 1]
    if start == shown.content["start"]:
        return
    (fix,) = decoded.corrections
    assert fix.before == shown.content
    assert fix.after is not None
    assert fix.after == shown.content | {"start": start}


@settings(max_examples=100, deadline=None)
@given(boxes(), st.data())
def test_a_moved_box_moves_to_a_hundredth_of_a_pixel(
    task: AnnotationTask, picker: st.DataObject
) -> None:
    results = encode_results(task)
    if not results:
        return
    key = picker.draw(st.sampled_from(picker.draw(st.sampled_from(results))["value"]["sequence"]))
    wanted = (10.25, 20.5, 300.75, 400.01)
    key |= {
        "x": 100 * wanted[0] / WIDTH, "y": 100 * wanted[1] / HEIGHT,
        "width": 100 * (wanted[2] - wanted[0]) / WIDTH,
        "height": 100 * (wanted[3] - wanted[1]) / HEIGHT,
    }  # fmt: skip
    (fix,) = decode_results(task, results, **SAID).corrections
    assert fix.kind is CorrectionKind.BOX
    assert fix.after is not None
    xyxy: Any = fix.after["xyxy"]
    assert max(abs(a - b) for a, b in zip(xyxy, wanted, strict=True)) <= 0.01
    assert fix.after["tick"] == task.frame_tick[key["frame"] - 1]


def test_a_new_box_follows_straight_lines_between_its_key_frames() -> None:
    task = _task(Job.BOXES, (0, 10, 20, 35, 50), [])
    drawn = {
        "id": "abc", "type": "videorectangle", "from_name": "box", "to_name": "video",
        "value": {"labels": [LABELS[0]], "sequence": [
            {"frame": 2, "enabled": True, "rotation": 0, "x": 0, "y": 0, "width": 10, "height": 10},
            {"frame": 4, "enabled": False, "rotation": 0, "x": 20, "y": 0, "width": 10,
             "height": 10},
        ]},
    }  # fmt: skip
    fixes = decode_results(task, [drawn], **SAID).corrections
    found = [fix.after for fix in fixes if fix.after is not None]
    assert [(item["tick"], item["xyxy"]) for item in found] == [
        (10, [0.0, 0.0, 85.4, 48.0]), (20, [85.4, 0.0, 170.8, 48.0]),
        (35, [170.8, 0.0, 256.2, 48.0]),
    ]  # fmt: skip
    assert {item["track"] for item in found} == {"drawn-abc"}


def test_a_deleted_region_takes_its_item_away_and_a_new_one_adds_it() -> None:
    contents = [{"start": 0, "end": 25, "kind": "phase", "label": LABELS[0]}]
    task = _task(Job.TIMELINE, (0, 10, 20, 30), contents)
    new = encode_results(task)[0] | {"id": "fresh"}
    new = copy.deepcopy(new)
    new["value"] |= {"ranges": [{"start": 3, "end": 4}], "timelinelabels": [LABELS[1]]}
    fixes = decode_results(task, [new], **SAID).corrections
    assert [(fix.before, fix.after) for fix in fixes] == [
        (contents[0], None),
        (None, {"start": 20, "end": 37, "kind": "phase", "label": LABELS[1]}),
    ]


def test_a_page_that_renames_regions_changes_nothing() -> None:
    contents = [{"start": 0, "end": 20, "kind": "phase", "label": LABELS[0]}]
    task = _task(Job.TIMELINE, (0, 10, 20, 30), contents)
    renamed = [result | {"id": "other"} for result in encode_results(task)]
    assert decode_results(task, renamed, **SAID).corrections == ()


Spoil = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda v: v.update(timelinelabels=["dance"]), "not in the vocabulary"),
        (lambda v: v.update(timelinelabels=[]), "exactly one"),
        (lambda v: v["ranges"][0].update(start=4, end=2), "after its end"),
        (lambda v: v["ranges"][0].update(end=99), "leaves the clip's 4 frames"),
        (lambda v: v["ranges"][0].update(start=0), "leaves the clip's 4 frames"),
        (lambda v: v["ranges"][0].update(start=1.5), "whole frames"),
        (lambda v: v.update(ranges=None), "exactly one range"),
    ],
)
def test_a_region_that_means_nothing_is_named_and_nothing_is_taken_away(
    spoil: Spoil, words: str
) -> None:
    contents = [
        {"start": 0, "end": 10, "kind": "phase", "label": LABELS[0]},
        {"start": 20, "end": 30, "kind": "phase", "label": LABELS[1]},
    ]
    results = encode_results(_task(Job.TIMELINE, (0, 10, 20, 30), contents))
    task = _task(Job.TIMELINE, (0, 10, 20, 30), contents)
    spoil(results[0]["value"])
    decoded = decode_results(task, results[:1], **SAID)
    assert decoded.corrections == ()
    assert words in decoded.problems[0].detail
    assert decoded.problems[0].region == results[0]["id"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rotation": 30}, "upright"),
        ({"frame": 9}, "leaves the clip"),
        ({"x": None}, "no place"),
        ({"x": 120.0}, "nothing inside"),
    ],
)
def test_a_box_that_means_nothing_is_named(change: dict[str, Any], words: str) -> None:
    content = {"tick": 10, "xyxy": [1.0, 2.0, 30.0, 40.0], "label": LABELS[0], "track": "1"}
    task = _task(Job.BOXES, (0, 10, 20, 30), [content])
    results = encode_results(task)
    results[0]["value"]["sequence"][0] |= change
    decoded = decode_results(task, results, **SAID)
    assert decoded.corrections == ()
    assert words in decoded.problems[0].detail


def test_a_stretch_marked_twice_is_named() -> None:
    contents = [{"start": 0, "end": 20, "kind": "phase", "label": LABELS[0]}]
    task = _task(Job.TIMELINE, (0, 10, 20, 30), contents)
    shown = encode_results(task)
    decoded = decode_results(task, [*shown, shown[0] | {"id": "again"}], **SAID)
    assert decoded.corrections == ()
    assert "twice" in decoded.problems[0].detail


def test_half_a_rating_and_an_empty_caption_are_named() -> None:
    scores = {"Respect for tissue": 2, "Suture/needle handling": 3}
    skill = _task(Job.SKILL, (0, 10), [{"level": "N", "scores": scores}])
    decoded = decode_results(skill, encode_results(skill)[:-1], **SAID)
    assert "Suture/needle handling" in decoded.problems[0].detail
    caption = _task(
        Job.CAPTION, (0, 10), [{"clip_id": "c", "scope": "summary", "subject": "", "text": "x"}]
    )
    assert "empty" in decode_results(caption, [], **SAID).problems[0].detail


def test_colours_are_of_the_label_alone() -> None:
    assert label_colour("hook") != label_colour("grasper")
    first = labelling_config(Job.BOXES, {"objects": ("hook", "grasper")})
    second = labelling_config(Job.BOXES, {"objects": ("grasper", "hook")})
    assert first.count(label_colour("hook")) == second.count(label_colour("hook")) == 1
