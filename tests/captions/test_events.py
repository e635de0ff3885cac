"""Event captions: what they say, and that order and share are said only where labels show them."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from medvid.captions import CaptionSettings, write_captions
from schemas.annotation import VideoAnnotation
from schemas.clip import Clip
from schemas.source import SourceSpec
from schemas.timeline import SegmentKind

Make = Callable[..., VideoAnnotation]
MakeSpec = Callable[..., SourceSpec]
MakeClip = Callable[..., Clip]


def told(
    annotation: VideoAnnotation, spec: SourceSpec, clip: Clip, *, at: int = 0, seeds: int = 120
) -> list[str]:
    """One event's captions under many seeds."""
    texts = []
    for seed in range(seeds):
        build = write_captions(
            annotation, spec, [clip], CaptionSettings(seed=seed), scopes=("event",)
        )
        texts.append(build.captions[at].text)
    return texts


def test_every_segment_with_a_frame_gets_one_caption(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    annotation = make_annotation(
        segments=[(0, 30, "preparation"), (30, 32, "calot-dissection"), (35, 90, "preparation")]
    )
    clip = make_clip(10, 80, step=10)
    build = write_captions(annotation, make_spec(), [clip], CaptionSettings(), scopes=("event",))
    assert [(c.start, c.end, c.label) for c in build.captions] == [
        (250, 750, "preparation"), (750, 800, "calot-dissection"), (875, 2000, "preparation"),
    ]  # fmt: skip
    assert [c.subject for c in build.captions] == [
        f"{c.start}:{c.end}:{c.label}" for c in build.captions
    ]
    assert {c.scope for c in build.captions} == {"event"}
    between = write_captions(
        annotation, make_spec(), [make_clip(5, 80, step=10)], CaptionSettings(), scopes=("event",)
    )
    assert between.drops["event_without_frame"] == 1
    assert len(between.captions) == 2


def test_equal_segments_are_told_once(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    annotation = make_annotation(
        segments=[(0, 30, "Check"), (0, 30, "Check")], kind=SegmentKind.ACTION
    )
    build = write_captions(
        annotation, make_spec(SegmentKind.ACTION), [make_clip(0, 30)], CaptionSettings()
    )
    assert [c.scope for c in build.captions] == ["event", "summary"]
    assert build.drops["event_repeated"] == 1


@pytest.mark.parametrize(
    ("label", "step_word", "texts"),
    [
        ("Disinfect skin", "nursing actions",
         {"The clinician disinfects the skin.", "The skin is being disinfected.",
          "This segment shows the clinician disinfecting the skin."}),
        ("Disinfect skin", "steps", {"The skin is disinfected.", "Here, the skin is disinfected."}),
        ("Handwashing", "nursing actions",
         {"Handwashing is performed.", "The clinician performs handwashing."}),
        ("Handwashing", "steps", {"Handwashing is carried out."}),
        ("Check", "steps", {"Checking takes place.", "Here, checking is under way."}),
        ("Perform chest compressions", "steps",
         {"Chest compressions are performed.", "Chest compressions are being performed."}),
        ("Two-person transfer", "steps", {"A two-person transfer takes place."}),
        ("Frobnication kit", "steps", {'The action "frobnication kit" takes place.'}),
    ],
)  # fmt: skip
def test_actions_are_said_by_their_label(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip,
    label: str, step_word: str, texts: set[str],
) -> None:  # fmt: skip
    annotation = make_annotation(segments=[(0, 30, label)], kind=SegmentKind.ACTION)
    spec = make_spec(SegmentKind.ACTION, step_word)
    written = set(told(annotation, spec, make_clip(0, 30), seeds=400))
    assert texts <= written
    assert step_word == "nursing actions" or not any("clinician" in text for text in written)


def test_gestures_are_an_operators(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    annotation = make_annotation(segments=[(0, 30, "positioning needle")], kind=SegmentKind.GESTURE)
    written = told(annotation, make_spec(SegmentKind.GESTURE, "gestures"), make_clip(0, 30))
    assert "The operator positions the needle." in written
    assert len(set(written)) > 15


def test_the_procedure_is_named_where_there_is_one(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    annotation = make_annotation(
        segments=[(0, 30, "Check")], kind=SegmentKind.ACTION, procedure="Intravenous Injection"
    )
    written = told(annotation, make_spec(SegmentKind.ACTION, "nursing"), make_clip(0, 30))
    named = sum("the intravenous injection procedure" in text for text in written)
    assert 0 < named < len(written)


def test_deeds_of_one_time_are_joined_by_while(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    both = [
        (t, instrument, verb, target)
        for t in range(30)
        for instrument, verb, target in (
            ("grasper", "retract", "gallbladder"), ("hook", "dissect", "cystic_duct"),
        )
    ]  # fmt: skip
    annotation = make_annotation(
        segments=[(0, 60, "calot-dissection")], triplets=both, labelled=range(60)
    )
    written = told(annotation, make_spec(), make_clip(0, 60))
    busy = [text for text in written if "hook" in text]
    assert len(busy) > 0.8 * len(written)
    assert all(re.search(r" (while|as) the hook dissects the cystic duct", text) for text in busy)
    assert not any("then" in text.lower() or "most" in text for text in written)
    assert all("Calot's triangle dissection" in text for text in written)


def test_deeds_that_follow_each_other_are_joined_by_then(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets: list[tuple[int, str, str, str]] = [
        *((t, "irrigator", "aspirate", "fluid") for t in range(20)),
        *((t, "scissors", "cut", "cystic_duct") for t in range(20, 25)),
    ]
    annotation = make_annotation(
        segments=[(0, 60, "preparation")], triplets=triplets, labelled=range(60)
    )
    written = [text for text in told(annotation, make_spec(), make_clip(0, 60)) if "scis" in text]
    order = re.compile(r"(then|After that,|Later,|Afterward,) the scissors( briefly)? cut")
    assert written
    assert all(order.search(text) for text in written)
    assert all("fluid" in text.split("scissors")[0] for text in written)
    assert not any(" while " in text or " as the" in text for text in written)


def test_deeds_without_order_are_only_added(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets = [(t, "hook", "dissect" if t % 3 else "coagulate", "cystic_plate") for t in range(60)]
    annotation = make_annotation(
        segments=[(0, 60, "preparation")], triplets=triplets, labelled=range(60)
    )
    written = [text for text in told(annotation, make_spec(), make_clip(0, 60)) if "hook" in text]
    assert any("The hook also coagulates the cystic plate." in text for text in written)
    assert not re.search("while|then|later|after", " ".join(written).lower())
    assert any("for most of the time" in text for text in written)


def test_what_no_sampled_frame_shows_is_not_said(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets = [(t, "clipper" if t % 10 else "hook", "clip", "cystic_duct") for t in range(60)]
    annotation = make_annotation(
        segments=[(0, 60, "preparation")], triplets=triplets, labelled=range(60)
    )
    written = " ".join(told(annotation, make_spec(), make_clip(0, 60, step=10)))
    assert "hook" in written
    assert "clipper" not in written


def test_resting_instruments_are_idle_and_nothing_more(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets = [(t, "scissors", "null_verb", "null_target") for t in range(20)]
    annotation = make_annotation(
        segments=[(0, 60, "preparation")], triplets=triplets, labelled=range(60)
    )
    written = [text for text in told(annotation, make_spec(), make_clip(0, 60)) if "scis" in text]
    assert any("the scissors are idle" in text for text in written)
    assert not re.search("null|cut|target", " ".join(written))


def test_an_instrument_that_works_elsewhere_in_the_event_is_not_called_idle(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    work, rest = ("hook", "dissect", "gallbladder"), ("hook", "null_verb", "null_target")
    triplets = [(t, *(work if t % 10 else rest)) for t in range(60)]
    annotation = make_annotation(segments=[(0, 60, "preparation")], triplets=triplets)
    assert "hook" not in " ".join(told(annotation, make_spec(), make_clip(0, 60, step=10)))


def test_nothing_is_claimed_where_no_verb_is_labelled(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets = [(t, "hook", None, None) for t in range(60)]
    annotation = make_annotation(segments=[(0, 60, "preparation")], triplets=triplets)
    written = " ".join(told(annotation, make_spec(), make_clip(0, 60)))
    assert "hook" not in written
    assert "idle" not in written


def test_two_of_a_kind_take_the_indefinite_article(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets = [
        (t, "grasper", verb, target)
        for t in range(40)
        for verb, target in (("retract", "gallbladder"), ("grasp", "omentum"))
    ]
    annotation = make_annotation(
        segments=[(0, 60, "preparation")], triplets=triplets, labelled=range(60)
    )
    written = [text for text in told(annotation, make_spec(), make_clip(0, 60)) if "grasp" in text]
    assert not any("the grasper" in text.lower() for text in written)
    assert not any(" while " in text for text in written)


def test_short_deeds_are_brief_only_in_dense_labels(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets = [(t, "scissors", "cut", "cystic_duct") for t in range(20, 23)]
    segments = [(0, 60, "preparation")]
    dense = make_annotation(segments=segments, triplets=triplets, labelled=range(60))
    sparse = make_annotation(segments=segments, triplets=triplets, labelled=range(60), sparse=True)
    scattered = make_annotation(
        segments=segments, labelled=range(60),
        triplets=[(t, "scissors", "cut", "cystic_duct") for t in (5, 30, 50)],
    )  # fmt: skip
    clip = make_clip(0, 60)
    assert any("briefly" in text for text in told(dense, make_spec(), clip))
    assert not any("briefly" in text for text in told(sparse, make_spec(), clip))
    assert not any("briefly" in text for text in told(scattered, make_spec(), clip))


def test_coming_back_needs_something_in_between(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    again = re.compile("(Once again|Again|Once more), ")
    spec = make_spec(SegmentKind.ACTION)
    gap = make_annotation(segments=[(0, 10, "Check"), (20, 30, "Check")], kind=SegmentKind.ACTION)
    between = make_annotation(
        segments=[(0, 10, "Check"), (10, 20, "Handwashing"), (20, 30, "Check")],
        kind=SegmentKind.ACTION,
    )
    assert not any(again.match(text) for text in told(gap, spec, make_clip(0, 30), at=1))
    assert any(again.match(text) for text in told(between, spec, make_clip(0, 30), at=2))


def test_order_words_stand_where_events_do_not_overlap(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    order = re.compile(
        "First|To begin|At the beginning|Next|Then|After|Finally|Last|At the end|Again|Once"
    )
    spec, clip = make_spec(SegmentKind.ACTION), make_clip(0, 30)
    apart = make_annotation(
        segments=[(0, 10, "Check"), (10, 30, "Handwashing")], kind=SegmentKind.ACTION
    )
    overlap = make_annotation(
        segments=[(0, 20, "Check"), (10, 30, "Handwashing")], kind=SegmentKind.ACTION
    )
    assert any(order.match(text) for text in told(apart, spec, clip))
    assert any(order.match(text) for text in told(apart, spec, clip, at=1))
    for at in (0, 1):
        assert not any(order.match(text) for text in told(overlap, spec, clip, at=at))


def test_neighbours_do_not_open_alike(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    labels = ("Disinfect skin", "Perform chest compressions")
    annotation = make_annotation(
        segments=[(10 * i, 10 * i + 10, labels[i % 2]) for i in range(40)],
        kind=SegmentKind.ACTION,
    )
    spec = make_spec(SegmentKind.ACTION, "nursing actions")
    build = write_captions(
        annotation, spec, [make_clip(0, 400)], CaptionSettings(), scopes=("event",)
    )
    openings = [c.text.split()[:2] for c in build.captions]
    assert sum(a == b for a, b in pairwise(openings)) <= 1


def test_a_stay_in_view_is_said_with_what_its_instrument_does(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip
) -> None:
    triplets = [
        (t, instrument, verb, "gallbladder")
        for t in range(30)
        for instrument, verb in (("hook", "dissect"), ("grasper", "retract"))
    ]
    annotation = make_annotation(
        segments=[(0, 30, "hook"), (30, 60, "scissors")], kind=SegmentKind.PRESENCE,
        triplets=triplets,
    )  # fmt: skip
    spec = make_spec(SegmentKind.PRESENCE)
    first = told(annotation, spec, make_clip(0, 60))
    assert all("hook" in text and "grasper" not in text for text in first)
    second = told(annotation, spec, make_clip(0, 60), at=1)
    assert all(re.search("scissors are (in view|visible)", text) for text in second)
