"""From annotations to whole labellings: what was kept, moved, added and taken away."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.archive import PulledAnnotation
from annotation.codec import decode_results
from annotation.jobs import AnnotationTask, Job
from annotation.reliability.coefficients import Metric
from annotation.reliability.units import (
    Intake,
    apply_corrections,
    gather_answers,
    judge,
    read_labelling,
)

MakeTask = Callable[..., AnnotationTask]
MakeAnswer = Callable[..., PulledAnnotation]
Content = dict[str, Any]
FIXED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _phase(start: int, end: int, label: str = "cut", kind: str = "phase") -> Content:
    return {"start": start, "end": end, "kind": kind, "label": label}


def _read(annotation: PulledAnnotation) -> list[Content]:
    labelling = read_labelling(annotation)
    assert labelling is not None
    return [dict(item) for item in labelling.items]


def test_what_nobody_touches_is_what_was_shown(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    task = make_task(Job.TIMELINE, [_phase(93, 127), _phase(127, 155, "wash <b>")])
    labelling = read_labelling(make_answer(task, "ada"))
    assert labelling is not None
    assert labelling.items == [item.content for item in task.items]
    assert not labelling.changed
    phases = judge(task, labelling.items)["phase"]
    assert phases.values == [("cut",)] * 3 + [("wash <b>",)] * 3 + [()] * 4
    assert phases.spans == {"cut": [(100, 127)], "wash <b>": [(127, 155)]}
    assert judge(task, labelling.items)["action"].values == [()] * 10


ranges = st.lists(
    st.tuples(
        st.integers(0, 9), st.integers(1, 6), st.sampled_from(("phase", "action")),
        st.sampled_from(("cut", "näht – 縫う")),
    ).map(lambda r: _phase(100 + 10 * r[0], min(200, 110 + 10 * (r[0] + r[1])), r[3], r[2])),
    max_size=5, unique_by=lambda content: tuple(content.values()),
)  # fmt: skip


@FIXED
@given(ranges, ranges)
def test_a_timeline_read_back_is_what_the_annotator_left(
    make_task: MakeTask, make_answer: MakeAnswer, shown: list[Content], left: list[Content]
) -> None:
    task = make_task(Job.TIMELINE, shown)
    read = _read(make_answer(task, "ada", left))
    assert sorted(map(repr, read)) == sorted(map(repr, left))


@st.composite
def boxes(draw: st.DrawFn) -> list[Content]:
    """Tracks on some frames, some of them moved, cut short, renamed or new to the task."""
    contents: list[Content] = []
    for track in draw(st.sets(st.integers(0, 3), max_size=3)):
        label = draw(st.sampled_from(("cut", "wash <b>")))
        for frame in sorted(draw(st.sets(st.integers(0, 9), min_size=1, max_size=4))):
            x1, y1 = draw(st.floats(0, 400)), draw(st.floats(0, 300))
            wide, high = draw(st.floats(0.004, 90)), draw(st.floats(0.3, 90))
            contents.append({
                "_region": f"track{track}", "tick": 100 + 10 * frame, "label": label,
                "xyxy": [x1, y1, x1 + wide, y1 + high], "track": str(track), "triplet": None,
                "operator": None, "flags": [],
            })  # fmt: skip
    return contents


@FIXED
@given(boxes(), boxes())
def test_boxes_read_quickly_are_those_the_corrections_make(
    make_task: MakeTask, make_answer: MakeAnswer, shown: list[Content], left: list[Content]
) -> None:
    task = make_task(Job.BOXES, shown)
    annotation = make_answer(task, "ada", left)
    slow = decode_results(task, annotation.results, who="ada", when="w", tool="t")
    quick = read_labelling(annotation)
    assert (quick is None) == bool(slow.problems)
    if quick is not None:
        made = apply_corrections(task, slow.corrections)
        assert sorted((c["tick"], c["label"], *c["xyxy"]) for c in quick.items) == sorted(
            (c["tick"], c["label"], *c["xyxy"]) for c in made
        )
        assert quick.changed == bool(slow.corrections)


def test_boxes_are_judged_by_frame_and_label(make_task: MakeTask) -> None:
    task = make_task(Job.BOXES, [], frames=3)
    items = [
        {"tick": 110, "label": "cut", "xyxy": [0.0, 0.0, 9.0, 9.0]},
        {"tick": 110, "label": "cut", "xyxy": [20.0, 0.0, 29.0, 9.0]},
        {"tick": 115, "label": "cut", "xyxy": [0.0, 0.0, 9.0, 9.0]},
    ]
    judged = judge(task, items)["objects"]
    assert judged.values == [(), ("cut",), ()]
    assert list(judged.boxes) == ["cut"]
    assert judged.boxes["cut"].frames.tolist() == [2, 2]
    assert judged.boxes["cut"].xyxy.tolist() == [items[0]["xyxy"], items[1]["xyxy"]]


def test_cvs_has_scores_only_inside_intervals(make_task: MakeTask, make_answer: MakeAnswer) -> None:
    scores = {"two_structures": 2, "cystic_plate": 0, "hepatocystic_triangle": 1}
    task = make_task(Job.CVS, [{"start": 120, "end": 150, **scores}], frames=6)
    topics = judge(task, _read(make_answer(task, "ada")))
    assert topics["two_structures"].values == [None, None, 2, 2, 2, None]
    assert topics["cystic_plate"].values == [None, None, 0, 0, 0, None]
    assert topics["cystic_plate"].metric is Metric.ORDINAL
    assert topics["interval"].values == [(), (), *[("interval",)] * 3, ()]


def test_forms_are_judged_once_a_clip(make_task: MakeTask, make_answer: MakeAnswer) -> None:
    skill = make_task(Job.SKILL, [])
    said = [{"level": "E", "scores": {"Respect for tissue": 4}}]
    topics = judge(skill, _read(make_answer(skill, "ada", said)))
    assert {name: topic.values for name, topic in topics.items()} == {
        "level": [2], "Respect for tissue": [3],
    }  # fmt: skip
    pair = make_task(Job.REVIEW, [])
    verdict = [{"sample_id": "s", "verdict": "reject"}]
    assert judge(pair, verdict)["verdict"].values == [("reject",)]
    assert judge(pair, [])["verdict"].values == [None]
    caption = {"clip_id": "c1", "scope": "summary", "subject": "", "text": "The hook cuts."}
    clip = make_task(Job.CAPTION, [caption])
    left = _read(make_answer(clip, "ada", [caption | {"text": "A hook – 縫う."}]))
    assert judge(clip, left)["text"].text == "A hook – 縫う."
    excluded = make_task(Job.EXCLUDED, [{"start": 100, "end": 130, "reason": "face"}], frames=4)
    assert judge(excluded, _read(make_answer(excluded, "ada")))["excluded"].values == [
        ("face",), ("face",), ("face",), (),
    ]  # fmt: skip


def test_every_annotation_is_counted_once(make_task: MakeTask, make_answer: MakeAnswer) -> None:
    task = make_task(Job.TIMELINE, [_phase(100, 150)])
    lone = make_task(Job.TIMELINE, [_phase(100, 150)], number=2)
    damaged = make_answer(task, "eve")
    damaged.results[0]["value"]["timelinelabels"] = ["dance"]
    given_annotations = [
        make_answer(task, "ada", [_phase(100, 120)]),
        make_answer(task, "ada", when="2026-01-02T10:00:00Z"),
        make_answer(task, "bob", [_phase(100, 130)], annotation_id="first"),
        make_answer(task, "bob", [_phase(100, 140)], when="2026-01-03T10:00:00Z"),
        damaged,
        make_answer(task, "max", skipped=True),
        make_answer(lone, "ada"),
    ]
    counts = Intake()
    found = list(gather_answers(reversed(given_annotations), counts))
    assert counts == Intake(
        annotations=7, older=1, skipped=1, unusable=1, repeated=1, alone=1, compared=2, unchanged=1
    )
    assert [list(answers.judgements) for answers in found] == [["ada", "bob"]]
    said = found[0].judgements
    assert said["ada"]["phase"].spans == {"cut": [(100, 150)]}
    assert said["bob"]["phase"].spans == {"cut": [(100, 140)]}


def test_answers_to_filled_in_tasks_can_be_left_out(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    task, lone = (make_task(Job.TIMELINE, [_phase(100, 150)], number=n) for n in (1, 2))
    answers = [
        make_answer(task, "ada", led=False), make_answer(task, "bob", led=False),
        make_answer(task, "cai", led=True), make_answer(task, "dan"),
        make_answer(lone, "ada", led=False), make_answer(lone, "bob", led=True),
    ]  # fmt: skip
    every, unled = Intake(), Intake()
    assert len(list(gather_answers(answers, every))) == 2
    assert (every.compared, every.led, every.unled, every.passed_over) == (6, 2, 3, 0)
    (found,) = gather_answers(answers, unled, unled_only=True)
    assert list(found.judgements) == ["ada", "bob"]
    assert (unled.compared, unled.unled, unled.alone, unled.passed_over) == (2, 2, 1, 3)


def test_clips_of_other_frames_are_not_held_against_each_other(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    short, long = (make_task(Job.TIMELINE, [], frames=n) for n in (5, 6))
    assert short.task_key == long.task_key
    counts = Intake()
    assert list(gather_answers([make_answer(short, "ada"), make_answer(long, "bob")], counts)) == []
    assert counts.alone == 2


def test_an_unreadable_newest_answer_leaves_the_one_before(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    task = make_task(Job.TIMELINE, [_phase(100, 150)])
    damaged = make_answer(task, "ada", when="2026-01-09T10:00:00Z", annotation_id="second")
    damaged.results[0]["value"]["ranges"] = None
    counts = Intake()
    found = list(
        gather_answers([make_answer(task, "ada"), damaged, make_answer(task, "bob")], counts)
    )
    assert len(found) == 1
    assert (counts.unusable, counts.compared) == (1, 2)
    assert counts.unchanged == 2
