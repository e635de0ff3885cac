"""Every label of every source's vocabularies, said in all the ways there are."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.registry import load_converters
from medvid.captions import (
    CaptionSettings,
    allowed_phrases,
    ungrounded_words,
    write_captions,
)
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.source import SourceSpec
from schemas.timeline import SegmentKind

Make = Callable[..., VideoAnnotation]
MakeClip = Callable[..., Clip]
FAULTS = re.compile(
    r"\b(a|an|the) (a|an|the)\b|[.,;] ?[.,;]|\bnull|_|"
    r"\ba (?=[aei]|o(?!ne))|\b(scissors|forceps) (is|cuts|clips|grasps|retracts|dissects)\b"
)


WITH_TRIPLETS = [
    name for name, source in load_converters().items() if "triplet" in source.spec.vocabularies
]


def check(caption: Caption, annotation: VideoAnnotation, spec: SourceSpec) -> None:
    """Grammar and grounding of one caption."""
    allowed = allowed_phrases(caption, annotation, spec)
    assert ungrounded_words(caption.text, allowed, scope=caption.scope) == [], caption.text
    assert not FAULTS.search(caption.text), caption.text
    assert caption.text == " ".join(caption.text.split())
    assert caption.text[0].isupper()
    assert caption.text.endswith(".")


@pytest.mark.parametrize("source", sorted(load_converters()))
def test_every_label_is_said_well(source: str, make_annotation: Make, make_clip: MakeClip) -> None:
    spec = load_converters()[source].spec
    kind = spec.label_kind or SegmentKind.PRESENCE
    labels = spec.vocabularies[kind.value].labels if spec.label_kind else ()
    procedures = spec.vocabularies["procedure"].labels if "procedure" in spec.vocabularies else ()
    for position, label in enumerate(labels):
        procedure = procedures[position % len(procedures)] if procedures else None
        annotation = make_annotation(
            segments=[(0, 20, label), (20, 40, labels[position - 1]), (40, 60, label)],
            kind=kind, procedure=procedure,
        )  # fmt: skip
        for seed in range(4):
            build = write_captions(annotation, spec, [make_clip(0, 60)], CaptionSettings(seed=seed))
            assert len(build.captions) == 4
            for caption in build.captions:
                check(caption, annotation, spec)


@pytest.mark.parametrize("source", WITH_TRIPLETS)
def test_every_triplet_is_said_well(
    source: str, make_annotation: Make, make_clip: MakeClip
) -> None:
    spec = load_converters()[source].spec
    for label in spec.vocabularies["triplet"].labels:
        instrument, verb, target = label.split(",")
        annotation = make_annotation(
            segments=[(0, 20, spec.vocabularies["phase"].labels[0])],
            triplets=[(t, instrument, verb, target) for t in range(15)],
            boxes=[{"tick": t, "xyxy": (9, 9, 50, 50), "label": instrument} for t in range(15)],
        )
        for seed in range(4):
            build = write_captions(annotation, spec, [make_clip(0, 20)], CaptionSettings(seed=seed))
            assert {c.scope for c in build.captions} == {"event", "summary", "region"}
            for caption in build.captions:
                check(caption, annotation, spec)


@pytest.mark.native
@pytest.mark.parametrize("source", ["cholect50", "nurvid"])
def test_real_labels_are_said_well(source: str) -> None:
    root = os.environ.get("MEDVID_NATIVE")
    if root is None or source not in load_converters():
        pytest.skip("MEDVID_NATIVE names no folder of real labels")
    converter = load_converters()[source]
    for recording in converter.discover(Path(root) / source)[::40]:
        annotation = converter.convert(recording)
        video = annotation.video
        kind = converter.spec.label_kind
        assert kind is not None
        for segment in [s for s in annotation.segments if s.kind is kind][:6]:
            step = max(1, (segment.end - segment.start) // 20)
            grid = range(segment.start, segment.end, step)
            ticks = [t for t in annotation.labelled_ticks if segment.start <= t < segment.end]
            frames = tuple(ticks or grid)
            clip = Clip(
                source=video.source, video_id=video.video_id, kind=kind, start=segment.start,
                end=segment.end, rate_num=1, frame_index=frames, frame_tick=frames,
            )  # fmt: skip
            build = write_captions(annotation, converter.spec, [clip], CaptionSettings())
            assert any(caption.scope == "event" for caption in build.captions)
            for caption in build.captions:
                check(caption, annotation, converter.spec)
