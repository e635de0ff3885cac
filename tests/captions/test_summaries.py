"""Summaries: course, repetition and the commonest instruments, without times."""

import re
from collections.abc import Callable

from medvid.captions import CaptionSettings, write_captions
from schemas.annotation import VideoAnnotation
from schemas.clip import Clip
from schemas.source import SourceSpec
from schemas.timeline import SegmentKind

Make = Callable[..., VideoAnnotation]
MakeSpec = Callable[..., SourceSpec]
MakeClip = Callable[..., Clip]


def told(annotation: VideoAnnotation, spec: SourceSpec, clip: Clip) -> list[str]:
    """The clip's summary under many seeds."""
    return [
        write_captions(annotation, spec, [clip], CaptionSettings(seed=seed), scopes=("summary",))
        .captions[0]
        .text
        for seed in range(60)
    ]


def test_events_are_told_in_order(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    names = ("preparation", "Calot's triangle dissection", "the clipping and cutting phase")
    labels = ("preparation", "calot-dissection", "clipping-and-cutting")
    annotation = make_annotation(
        segments=[(20 * i, 20 * i + 20, label) for i, label in enumerate(labels)]
    )
    for text in told(annotation, make_spec(), make_clip(0, 60)):
        places = [text.index(name) for name in names]
        assert places == sorted(places)
        assert not re.search(r"\d", text)
        assert text.count(". ") <= 2


def test_a_return_is_told_as_one(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    labels = ("preparation", "calot-dissection", "preparation")
    annotation = make_annotation(
        segments=[(20 * i, 20 * i + 20, label) for i, label in enumerate(labels)]
    )
    for text in told(annotation, make_spec(), make_clip(0, 60)):
        assert re.search("(returns|comes back) to preparation", text)


def test_repeated_labels_are_named_and_pauses_are_not(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    spec, kind = make_spec(SegmentKind.ACTION), SegmentKind.ACTION
    repeated = make_annotation(
        segments=[
            (0, 10, "Check"), (10, 20, "Handwashing"), (20, 30, "Check"),
            (30, 40, "PICC insertion"),
        ],
        kind=kind,
    )  # fmt: skip
    paused = make_annotation(
        segments=[(0, 10, "Check"), (20, 30, "Check"), (30, 40, "Handwashing")], kind=kind
    )
    for text in told(repeated, spec, make_clip(0, 40)):
        assert re.search("Checking (occurs|takes place|appears) more than once[.]", text)
    assert not any("more than once" in text for text in told(paused, spec, make_clip(0, 40)))


def test_overlapping_events_are_not_put_in_order(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    annotation = make_annotation(
        segments=[(0, 30, "Handwashing"), (10, 40, "Check"), (15, 40, "PICC insertion")],
        kind=SegmentKind.ACTION,
    )
    for text in told(annotation, make_spec(SegmentKind.ACTION), make_clip(0, 40)):
        assert "handwashing, checking and PICC insertion at overlapping times" in text


def test_long_clips_are_shortened_openly(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    labels = ("Check", "Handwashing", "PICC insertion", "Blood collection", "Disinfect skin") * 3
    annotation = make_annotation(
        segments=[(10 * i, 10 * i + 10, label) for i, label in enumerate(labels)],
        kind=SegmentKind.ACTION,
    )
    for text in told(annotation, make_spec(SegmentKind.ACTION), make_clip(0, 150)):
        assert "other actions" in text
        assert len(text.split()) < 60


def test_instruments_and_deeds_are_ranked_by_sampled_frames(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets = [
        *((t, "hook", "dissect", "cystic_plate") for t in range(30)),
        *((t, "grasper", "retract", "gallbladder") for t in range(20)),
        *((t, "scissors", "null_verb", "null_target") for t in range(5)),
    ]
    annotation = make_annotation(segments=[(0, 60, "preparation")], triplets=triplets)
    texts = told(annotation, make_spec(), make_clip(0, 60))
    assert all("The hook and the grasper are" in text for text in texts)
    assert all("most often" in text for text in texts)
    assert any(
        "the most frequent action is the hook dissecting the cystic plate" in text for text in texts
    )
    assert not any("scissors" in text or "retract" in text for text in texts)


def test_a_tie_has_no_leader(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets = [
        (t, instrument, "dissect", "cystic_plate")
        for t in range(30)
        for instrument in ("hook", "grasper", "scissors")
    ]
    annotation = make_annotation(segments=[(0, 60, "preparation")], triplets=triplets)
    for text in told(annotation, make_spec(), make_clip(0, 60)):
        assert "most" not in text
        assert "The grasper, the hook and the scissors are" in text


def test_clips_without_events_tell_what_is_in_view(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    boxes = [{"tick": t, "xyxy": (1, 1, 9, 9), "label": "scissors"} for t in range(30)]
    annotation = make_annotation(boxes=boxes)
    for text in told(annotation, make_spec(None), make_clip(0, 60)):
        assert re.fullmatch(
            "In (this|the) (excerpt|video), the scissors are (seen|visible|in view)[.]", text
        )


def test_clips_without_labels_are_counted(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    build = write_captions(make_annotation(), make_spec(), [make_clip(0, 60)], CaptionSettings())
    assert not build.captions
    assert build.drops == {"summary_without_labels": 1}
