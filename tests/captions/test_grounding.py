"""Random labels: nothing ungrounded, nothing unlabelled, nothing ungrammatical."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.captions import (
    CaptionSettings,
    allowed_phrases,
    ungrounded_words,
    write_captions,
)
from medvid.captions.grounding import SCOPE_WORDS
from medvid.captions.morphology import inflections
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.source import SourceSpec
from schemas.timeline import SegmentKind

Make = Callable[..., VideoAnnotation]
MakeSpec = Callable[..., SourceSpec]
MakeClip = Callable[..., Clip]
Second = tuple[int, str, str | None, str | None]

LABELS = {
    SegmentKind.PHASE: ("preparation", "calot-dissection", "clipping-and-cutting"),
    SegmentKind.ACTION: (
        "Disinfect skin", "Handwashing", "Check", "Perform chest compressions",
        "Two-person transfer", "Frobnication kit", "Move and transfer",
    ),
    SegmentKind.GESTURE: ("positioning needle", "pulling suture with both hands"),
    SegmentKind.PRESENCE: ("hook", "scissors"),
}  # fmt: skip
SINGULAR = ("grasper", "hook", "irrigator", "specimen-bag")
PLURAL = ("scissors", "bipolar")
VERBS = ("grasp", "retract", "dissect", "coagulate", "cut", "aspirate", "null_verb", None)
TARGETS = ("gallbladder", "cystic_duct", "cystic_plate", "fluid", "null_target", None)
FLAGS = ("occluded", "smoke", "bleeding", "blurred", "crowded", "out_of_view", "box_over_edge")

_SINGULAR = "grasper|hook|irrigator|specimen bag"
_PLURAL = "scissors|bipolar forceps"
_THIRD = "grasps|retracts|dissects|coagulates|cuts|aspirates|stays|moves|shifts|remains|alternates"
_BASE = "grasp|retract|dissect|coagulate|cut|aspirate|stay|move|shift|remain|alternate"
DISAGREEMENT = re.compile(
    rf"(?<!and )the ({_SINGULAR})( also| briefly)* ({_BASE}|are)\b"
    rf"|the ({_PLURAL})( also| briefly)* ({_THIRD}|is)\b"
)
WRONG_ARTICLE = re.compile(
    r"\ba (?=[aeio]|un(?!i))|\ban (?=[^aeio8\W]|uni)|\b(a|an|the) (a|an|the)\b"
)


@st.composite
def bouts(draw: st.DrawFn, length: int) -> list[tuple[Second, dict[str, Any]]]:
    """One instrument's stay: a triplet and a box a second, with changes of verb and holes."""
    label = draw(st.sampled_from(SINGULAR + PLURAL))
    start = draw(st.integers(0, length - 1))
    triplets = st.tuples(st.sampled_from(VERBS), st.sampled_from(TARGETS))
    deeds = draw(st.lists(triplets, min_size=1, max_size=3))
    x, dx = draw(st.integers(0, 900)), draw(st.integers(-20, 20))
    track = draw(st.sampled_from(["1", "2", None]))
    operator = draw(st.sampled_from(["main-surgeon-left-hand", "null", None]))
    flags = tuple(sorted(draw(st.sets(st.sampled_from(FLAGS), max_size=2))))
    on_box = draw(st.booleans())
    found = []
    for step in range(draw(st.integers(1, 50))):
        if start + step >= length or (step > 2 and draw(st.integers(0, 9)) == 0):
            continue
        verb, target = deeds[step * len(deeds) // 50 if len(deeds) < 3 else step % 3]
        left = min(940, max(0, x + dx * step))
        box = {
            "tick": start + step, "xyxy": (left, 200, left + 60, 260), "label": label,
            "track": track, "operator": operator, "flags": flags,
            "triplet": {"instrument": label, "verb": verb, "target": target} if on_box else None,
        }  # fmt: skip
        found.append(((start + step, label, verb, target), box))
    return found


@st.composite
def videos(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of a video and its source."""
    kind = draw(st.sampled_from(sorted(LABELS)))
    segments, at = [], 0
    for _ in range(draw(st.integers(1, 6))):
        end = at + draw(st.integers(2, 30))
        segments.append((at, end, draw(st.sampled_from(LABELS[kind]))))
        at = max(1, end + draw(st.sampled_from([-3, 0, 0, 5])))
    length = max(end for _, end, _ in segments)
    stays = [stay for bout in draw(st.lists(bouts(length), max_size=3)) for stay in bout]
    boxes = {(box["tick"], box["label"], box["track"]): box for _, box in stays}
    return {
        "kind": kind, "segments": segments, "triplets": [triplet for triplet, _ in stays],
        "boxes": list(boxes.values()), "labelled": range(length) if draw(st.booleans()) else None,
        "procedure": draw(st.sampled_from([None, "Change Wound Dressings"])),
        "sparse": draw(st.booleans()),
    }  # fmt: skip


def instruments_named(text: str) -> set[str]:
    return {label for label in SINGULAR + PLURAL if label.replace("-", " ") in text.lower()}


def shown(annotation: VideoAnnotation, caption: Caption) -> set[str]:
    """Classes labelled in a caption's time."""
    inside = [t for t in annotation.triplets if caption.start <= t.tick < caption.end]
    boxes = [b for b in annotation.boxes if caption.start <= b.tick < caption.end]
    return {t.triplet.instrument for t in inside} | {b.label for b in boxes} | {caption.label}


def check_order(annotation: VideoAnnotation, caption: Caption) -> None:
    """`while` needs a shared frame, `then` a strict order of two deeds."""
    ticks: dict[tuple[str, str], set[int]] = {}
    for item in annotation.triplets:
        verb = item.triplet.verb
        if caption.start <= item.tick < caption.end and verb not in (None, "null_verb"):
            ticks.setdefault((item.triplet.instrument, f"{verb} {item.triplet.target}"), set()).add(
                item.tick
            )
    deeds = list(ticks.items())
    if re.search(" while | as (the|a|an|scissors|bipolar) ", caption.text.replace("as part", "")):
        assert any(a[0] != b[0] and x & y for a, x in deeds for b, y in deeds), caption.text
    further = caption.text[len("After") :]
    if re.search("and then |, then |Later|After that|Afterward", further):
        assert any(max(x) < min(y) for _, x in deeds for _, y in deeds), caption.text


@settings(max_examples=100, deadline=None)
@given(video=videos(), step=st.sampled_from([1, 1, 2, 5]), seed=st.integers(0, 1000))
def test_captions_say_what_labels_say(
    make_annotation: Make, make_spec: MakeSpec, make_clip: MakeClip,
    video: dict[str, Any], step: int, seed: int,
) -> None:  # fmt: skip
    annotation = make_annotation(**video)
    spec = make_spec(video["kind"], ("surgical phases", "nursing actions", "steps")[seed % 3])
    clip = make_clip(0, max(end for _, end, _ in video["segments"]), step=step)
    build = write_captions(annotation, spec, [clip], CaptionSettings(seed=seed))
    assert build.captions
    for caption in build.captions:
        text = caption.text
        allowed = allowed_phrases(caption, annotation, spec)
        assert ungrounded_words(text, allowed, scope=caption.scope) == [], text
        assert instruments_named(text) <= shown(annotation, caption), text
        assert text == " ".join(text.split())
        assert text[0].isupper()
        assert text.endswith(".")
        assert not re.search(r"[.,;] ?[.,;]|None|null|\bunnamed\b", text), text
        assert not WRONG_ARTICLE.search(text), text
        assert not DISAGREEMENT.search(text), text
        assert all(s[0].isupper() for s in re.split(r"(?<=[.]) ", text)), text
        if caption.scope == "event" and video["kind"] is not SegmentKind.GESTURE:
            check_order(annotation, caption)


@settings(max_examples=40, deadline=None)
@given(video=videos(), seed=st.integers(0, 1000))
def test_regions_stand_on_boxes(
    make_annotation: Make,
    make_spec: MakeSpec,
    make_clip: MakeClip,
    video: dict[str, Any],
    seed: int,
) -> None:
    annotation = make_annotation(**video)
    clip = make_clip(0, max(end for _, end, _ in video["segments"]))
    build = write_captions(
        annotation, make_spec(), [clip], CaptionSettings(seed=seed), scopes=("region",)
    )
    assert len(build.captions) <= 8
    assert len({caption.subject for caption in build.captions}) == len(build.captions)
    for caption in build.captions:
        name = caption.subject.rsplit(":", 2)[0]
        mine = {
            box.tick
            for box in annotation.boxes
            if box.label == caption.label and (box.track or box.label) == name
        }
        sampled = [tick for tick in clip.frame_tick if caption.start <= tick < caption.end]
        assert caption.start == sampled[0]
        assert caption.start in mine
        assert caption.end == sampled[-1] + 1
        assert 4 <= (sampled[-1] - sampled[0]) / 25 <= 30
        assert sum(tick in mine for tick in sampled) >= 0.8 * len(sampled)
        verbs = {
            t.triplet.verb
            for t in annotation.triplets
            if t.triplet.instrument == caption.label and caption.start <= t.tick < caption.end
        } | {
            box.triplet.verb
            for box in annotation.boxes
            if box.triplet and box.label == caption.label
            and caption.start <= box.tick < caption.end
        }  # fmt: skip
        said = {v for v in VERBS if v and inflections(v) & set(re.findall(r"\w+", caption.text))}
        assert said <= verbs, caption.text
        assert "idle" not in caption.text or "null_verb" in verbs


@pytest.mark.parametrize(
    ("text", "strange"),
    [
        ("The hook dissects the cystic plate.", []),
        ("The hook carefully dissects the cystic plate.", ["carefully"]),
        ("The hooks dissected the cystic plate to prevent bleeding.", ["prevent", "bleeding"]),
        ("Two hooks dissect the left cystic plate.", ["two", "left"]),
        ("The grasper dissects the cystic plate.", ["grasper"]),
    ],
)
def test_strange_words_are_found(text: str, strange: list[str]) -> None:
    assert ungrounded_words(text, ["hook", "dissect", "cystic plate"]) == strange


def test_places_belong_to_regions_alone() -> None:
    text = "The hook moves toward the upper left of the view."
    assert ungrounded_words(text, ["hook"], scope="region") == []
    assert ungrounded_words(text, ["hook"]) == ["moves", "toward", "upper", "left"]


def test_template_words_name_no_thing() -> None:
    things = (
        "grasper hook scissors forceps gallbladder liver duct tissue skin patient bleeding smoke"
    )
    people = "surgeon clinician operator assistant"
    claims = "successfully carefully gently because prevents safe two three"
    forbidden = {*things.split(), *people.split(), *claims.split()}
    for words in SCOPE_WORDS.values():
        assert not words & forbidden
        for verb in ("grasp", "retract", "dissect", "coagulate", "clip", "cut", "irrigate", "pack"):
            assert not words & inflections(verb)
