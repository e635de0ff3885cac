"""Region captions: which boxed objects and intervals, and what is said of them."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from medvid.captions import CaptionSettings, write_captions
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.source import SourceSpec

Make = Callable[..., VideoAnnotation]
MakeSpec = Callable[..., SourceSpec]
MakeClip = Callable[..., Clip]
Boxes = list[dict[str, Any]]


def boxed(label: str, seconds: range | list[int], **facts: Any) -> Boxes:
    """One box of 40 x 40 pixels a second, which moves by `dx` a second."""
    dx, x, y = facts.pop("dx", 0), facts.pop("x", 300), facts.pop("y", 230)
    return [
        {"tick": t, "xyxy": (x + dx * i, y, x + dx * i + 40, y + 40), "label": label, **facts}
        for i, t in enumerate(seconds)
    ]


@pytest.fixture
def write(make_spec: MakeSpec) -> Callable[..., list[Caption]]:
    """Write the regions of one clip."""

    def run(annotation: VideoAnnotation, clip: Clip, **settings: Any) -> list[Caption]:
        return write_captions(
            annotation, make_spec(), [clip], CaptionSettings(**settings), scopes=("region",)
        ).captions

    return run


@pytest.fixture
def told(
    make_annotation: Make, make_clip: MakeClip, write: Callable[..., Any]
) -> Callable[..., Any]:
    """All texts about 31 s of boxes, over many seeds."""

    def run(boxes: Boxes, **facts: Any) -> str:
        annotation = make_annotation(boxes=boxes, **facts)
        last = max(box["tick"] for box in boxes)
        captions = [
            caption
            for seed in range(60)
            for caption in write(annotation, make_clip(0, last + 1), seed=seed)
        ]
        assert captions
        return "\n".join(caption.text for caption in captions)

    return run


def test_intervals_start_on_a_box_and_keep_their_lengths(
    make_annotation: Make, make_clip: MakeClip, write: Callable[..., list[Caption]]
) -> None:
    boxes = [
        *boxed("hook", range(170), track="1"), *boxed("grasper", range(40, 60), track="2"),
        *boxed("irrigator", range(100, 103), track="3"),
    ]  # fmt: skip
    annotation = make_annotation(boxes=boxes)
    clip = make_clip(0, 170)
    lengths = set()
    for seed in range(20):
        captions = write(annotation, clip, seed=seed, max_regions_per_clip=4)
        assert len(captions) == 4
        assert captions == sorted(captions, key=lambda c: (c.start, c.label, c.subject))
        assert {c.label for c in captions} == {"hook", "grasper"}
        for caption in captions:
            track, start, end = caption.subject.rsplit(":", 2)
            assert (int(start), int(end)) == (caption.start, caption.end)
            assert caption.start in {25 * b["tick"] for b in boxes if b["track"] == track}
            assert caption.end - 1 in clip.frame_tick
            lengths.add((caption.end - 1 - caption.start) // 25)
    assert min(lengths) >= 4
    assert max(lengths) <= 30
    assert len(lengths) > 10


def test_each_object_has_its_turn(
    make_annotation: Make, make_clip: MakeClip, write: Callable[..., list[Caption]]
) -> None:
    boxes = [
        box for track in "abcd" for box in boxed("grasper", range(170), track=track, x=ord(track))
    ]
    annotation = make_annotation(boxes=boxes)
    for seed in range(10):
        captions = write(annotation, make_clip(0, 170), seed=seed, max_regions_per_clip=4)
        assert {c.subject[0] for c in captions} == set("abcd")


def test_an_object_needs_boxes_on_four_fifths_of_the_frames(
    make_annotation: Make, make_clip: MakeClip, write: Callable[..., list[Caption]]
) -> None:
    seconds = [t for t in range(60) if t % 2]
    flicker = make_annotation(boxes=boxed("hook", seconds, track="1"))
    holes = make_annotation(boxes=boxed("hook", [t for t in range(60) if t % 6], track="1"))
    assert not write(flicker, make_clip(0, 60))
    for caption in write(holes, make_clip(0, 60)):
        ticks = range(caption.start, caption.end, 25)
        present = sum(t // 25 % 6 != 0 for t in ticks)
        assert present >= 0.8 * len(ticks)


def test_untracked_objects_must_be_alone_of_their_class(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    boxes = [*boxed("grasper", range(40)), *boxed("grasper", range(20, 40), x=600)]
    annotation = make_annotation(boxes=boxes)
    build = write_captions(
        annotation, make_spec(), [make_clip(0, 40)], CaptionSettings(), scopes=("region",)
    )
    assert build.captions
    assert build.drops["region_ambiguous"] == 40
    for caption in build.captions:
        assert caption.subject.startswith("grasper:")
        alone = sum(t < 500 for t in range(caption.start, caption.end, 25))
        assert alone >= 0.8 * ((caption.end - 1 - caption.start) // 25 + 1)


def test_low_rates_take_one_long_step(
    make_annotation: Make, make_clip: MakeClip, write: Callable[..., list[Caption]]
) -> None:
    annotation = make_annotation(boxes=boxed("hook", range(200), track="1"))
    captions = write(annotation, make_clip(0, 200, step=40))
    assert {c.end - 1 - c.start for c in captions} == {1000}


def test_a_hole_in_the_frames_is_crossed_in_one_step_or_not_at_all(
    make_annotation: Make, make_clip: MakeClip, write: Callable[..., list[Caption]]
) -> None:
    ticks = tuple(25 * second for second in (0, 3, 40, 43))
    clip = make_clip(0, 44).model_copy(update={"frame_tick": ticks, "frame_index": ticks})
    annotation = make_annotation(boxes=boxed("hook", range(44), track="1"))
    captions = [caption for seed in range(20) for caption in write(annotation, clip, seed=seed)]
    assert {(c.start, c.end - 1) for c in captions} == {(75, 1000)}


def test_hidden_objects_are_not_asked_about(
    make_annotation: Make, make_clip: MakeClip, write: Callable[..., list[Caption]]
) -> None:
    boxes = boxed("hook", range(60), track="1", flags=("out_of_view",))
    assert not write(make_annotation(boxes=boxes), make_clip(0, 60))


def test_one_deed_is_said_with_its_share(told: Callable[..., str]) -> None:
    deed = {"instrument": "hook", "verb": "dissect", "target": "cystic_plate"}
    idle = {"instrument": "hook", "verb": "null_verb", "target": "null_target"}
    always = told(boxed("hook", range(31), track="1", triplet=deed))
    assert "hook dissects the cystic plate throughout" in always
    assert "most" not in always
    boxes = boxed("hook", range(5), track="1", triplet=deed)
    boxes[4]["triplet"] = idle
    mostly = told(boxes)
    assert re.search("for most of the time|most of the time", mostly)
    assert "otherwise idle" in mostly


def test_deeds_in_order_and_in_turn(told: Callable[..., str]) -> None:
    cut = {"instrument": "scissors", "verb": "cut", "target": "cystic_duct"}
    grasp = {"instrument": "scissors", "verb": "grasp", "target": "adhesion"}
    boxes = boxed("scissors", range(6), track="1")
    for box, triplet in zip(boxes, (cut, cut, cut, grasp, grasp, grasp), strict=True):
        box["triplet"] = triplet
    text = told(boxes)
    assert "first cut the cystic duct, then grasp the adhesion" in text
    for box, triplet in zip(boxes, (cut, grasp) * 3, strict=True):
        box["triplet"] = triplet
    text = told(boxes)
    assert "alternate between cutting the cystic duct and grasping the adhesion" in text
    assert "then" not in text


def test_without_verbs_only_the_boxes_speak(told: Callable[..., str]) -> None:
    still = told(boxed("hook", range(31), track="1", x=480))
    places = "(stays|stays in place|remains) in the center of the view"
    assert all(re.fullmatch(f"The hook {places}[.]", line) for line in still.splitlines())
    moving = told(boxed("hook", range(8), track="1", dx=60))
    assert "toward the right" in moving
    for text in (still, moving):
        assert not re.search("idle|dissect|grasp|retract|while", text)


def test_a_triplet_about_another_instrument_is_not_used(told: Callable[..., str]) -> None:
    other = {"instrument": "grasper", "verb": "grasp", "target": "specimen_bag"}
    text = told(boxed("specimen-bag", range(31), track="1", triplet=other))
    assert "grasp" not in text
    assert "The specimen bag" in text


def test_frame_triplets_serve_a_lone_instrument(told: Callable[..., str]) -> None:
    triplets = [(t, "hook", "dissect", "cystic_plate") for t in range(31)]
    alone = told(boxed("hook", range(31), track="1"), triplets=triplets)
    assert "dissects the cystic plate" in alone
    two = [*boxed("hook", range(31), track="1"), *boxed("hook", range(31), track="2", x=600)]
    assert "dissect" not in told(two, triplets=triplets)
    both = sorted([*triplets, *((t, "hook", "retract", "liver") for t in range(31))])
    assert not re.search(
        "dissect|retract", told(boxed("hook", range(31), track="1"), triplets=both)
    )


def test_hands_are_named_from_operators_only(told: Callable[..., str]) -> None:
    left = told(boxed("hook", range(31), track="1", operator="main-surgeon-left-hand"))
    assert all("held by the main surgeon's left hand" in x.lower() for x in left.splitlines())
    assistant = told(boxed("hook", range(31), track="1", operator="camera assistant"))
    assert all("used by the camera assistant" in x.lower() for x in assistant.splitlines())
    nobody = told(boxed("hook", range(31), track="1", operator="null"))
    changing = boxed("hook", range(5), track="1", operator="main-surgeon-left-hand")
    changing[3]["operator"] = "camera assistant"
    for text in (nobody, told(changing), told(boxed("hook", range(31), track="1"))):
        assert "by the" not in text


def test_flags_are_said_where_most_boxes_have_them(told: Callable[..., str]) -> None:
    smoke = told(boxed("scissors", range(31), track="1", flags=("occluded", "smoke")))
    assert "smoke is visible throughout" in smoke
    assert "the scissors are occluded throughout" in smoke
    boxes = boxed("hook", range(10), track="1")
    for box in boxes[:2]:
        box["flags"] = ("smoke",)
    assert "smoke" not in told(boxes)
    assert "box_over_edge" not in told(boxed("hook", range(9), flags=("box_over_edge",)))


def test_leaving_the_view_needs_labelled_frames(
    make_annotation: Make, make_clip: MakeClip, write: Callable[..., list[Caption]]
) -> None:
    def texts(**facts: Any) -> str:
        annotation = make_annotation(boxes=boxed("hook", range(25), track="1"), **facts)
        return "\n".join(
            c.text for seed in range(80) for c in write(annotation, make_clip(0, 31), seed=seed)
        )

    assert "is out of view at the end" in texts(labelled=range(31))
    assert "out of view" not in texts(labelled=range(25))


def test_sparse_boxes_make_no_claim_about_the_time_between(
    make_annotation: Make, make_clip: MakeClip, write: Callable[..., list[Caption]]
) -> None:
    deed = {"instrument": "hook", "verb": "dissect", "target": "cystic_plate"}
    boxes = boxed("hook", list(range(0, 140, 7)), triplet=deed)
    annotation = make_annotation(boxes=boxes, sparse=True)
    clip = make_clip(0, 140, step=7)
    text = "\n".join(c.text for seed in range(40) for c in write(annotation, clip, seed=seed))
    assert "The hook dissects the cystic plate" in text
    assert not re.search("throughout|whole|most|part of the time", text)


def test_objects_without_a_place_are_counted(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    crowd = [box for track in "abcde" for box in boxed("grasper", range(60), track=track)]
    shared = [box for label in ("hook", "scissors") for box in boxed(label, range(5), track="1")]
    build = write_captions(
        make_annotation(boxes=crowd), make_spec(), [make_clip(0, 60)],
        CaptionSettings(max_regions_per_clip=3), scopes=("region",),
    )  # fmt: skip
    assert (len(build.captions), build.drops) == (3, {"region_over_cap": 2})
    build = write_captions(
        make_annotation(boxes=shared), make_spec(), [make_clip(0, 5)], CaptionSettings(),
        scopes=("region",),
    )  # fmt: skip
    assert (len(build.captions), build.drops) == (1, {"region_same_subject": 1})


def test_no_motion_beside_a_verb_where_nothing_is_tracked(told: Callable[..., str]) -> None:
    deed = {"instrument": "hook", "verb": "dissect", "target": "gallbladder"}
    untracked = told(boxed("hook", range(8), dx=60, triplet=deed))
    tracked = told(boxed("hook", range(8), dx=60, triplet=deed, track="1"))
    motion = re.compile("mov|toward|shift|slid|travel|drift")
    assert motion.search(tracked)
    assert not motion.search(untracked)
