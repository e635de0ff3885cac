"""Made-up sources and videos that caption tests share."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from schemas.annotation import FrameTriplet, VideoAnnotation
from schemas.clip import Clip
from schemas.geometry import Box, Triplet
from schemas.source import DataCard, Licence, QuestionVoice, SourceSpec, TaskName
from schemas.timeline import Segment, SegmentKind, TimeBase
from schemas.video import Video
from schemas.vocabulary import Vocabulary

LICENCE = Licence(
    id="cc0", name="CC0", url=None, share_media=True, share_labels=True, derivatives=True,
    commercial=True, share_alike=False,
)  # fmt: skip
ACTIONS = (
    "Disinfect skin", "Handwashing", "Check", "Perform chest compressions", "Blood collection",
    "Turn patient to left lateral position", "Clean and scrub the perineum", "Two-person transfer",
    "PICC insertion", "Move and transfer", "Frobnication kit",
)  # fmt: skip
PHASES = ("preparation", "calot-dissection", "clipping-and-cutting", "gallbladder_packaging")
GESTURES = (
    "reaching for needle with right hand", "positioning needle", "pulling suture with both hands",
    "dropping suture at end and moving to end points",
)  # fmt: skip
INSTRUMENTS = ("grasper", "bipolar", "hook", "scissors", "irrigator", "specimen-bag")
VERBS = ("grasp", "retract", "dissect", "coagulate", "clip", "cut", "aspirate", "null_verb")
TARGETS = ("gallbladder", "cystic_duct", "cystic_plate", "fluid", "adhesion", "null_target")
OPERATORS = ("null", "main-surgeon-left-hand", "camera assistant")


def _vocabularies() -> dict[str, Vocabulary]:
    words = {
        "gesture": GESTURES, "verb": VERBS, "target": TARGETS,
        "procedure": ("Intravenous Injection", "Change Wound Dressings"),
    }  # fmt: skip
    plain = {name: Vocabulary(name=name, labels=labels) for name, labels in words.items()}
    return plain | {
        "action": Vocabulary(
            name="action", labels=ACTIONS, phrases={"Two-person transfer": "two-person transfer"}
        ),
        "phase": Vocabulary(
            name="phase", labels=PHASES, phrases={"calot-dissection": "Calot's triangle dissection"}
        ),
        "instrument": Vocabulary(
            name="instrument", labels=INSTRUMENTS, phrases={"bipolar": "bipolar forceps"}
        ),
        "operator": Vocabulary(
            name="operator", labels=OPERATORS,
            phrases={"main-surgeon-left-hand": "main surgeon's left hand"},
        ),
    }  # fmt: skip


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., SourceSpec]:
    """Build a source: `make_spec(kind, step_word)`."""

    def make(
        kind: SegmentKind | None = SegmentKind.PHASE, step_word: str = "surgical phases"
    ) -> SourceSpec:
        return SourceSpec(
            name="theatre", dataset_name="Theatre", version=1,
            card=DataCard(
                name="theatre", title="Theatre", licence=LICENCE, citation="none", access="none",
                homepage="https://example.org", procedures=("made-up surgery",),
            ),
            tasks=(TaskName.DENSE_CAPTIONING,), clip_kinds=(SegmentKind.PHASE,), label_kind=kind,
            vocabularies=_vocabularies(),
            voice=QuestionVoice(
                roles=("a", "b", "c"), contexts=("a", "b", "c"), step_word=step_word
            ),
            max_rate_num=1,
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def make_annotation() -> Callable[..., VideoAnnotation]:
    """Build a video at 25 ticks a second, labelled once a second, of 1000 x 500 pixels."""

    def make(
        *,
        segments: Sequence[tuple[int, int, str]] = (),
        kind: SegmentKind = SegmentKind.PHASE,
        triplets: Sequence[tuple[int, str, str | None, str | None]] = (),
        boxes: Sequence[dict[str, Any]] = (),
        labelled: Sequence[int] | None = None,
        procedure: str | None = None,
        sparse: bool = False,
    ) -> VideoAnnotation:
        """Build it; times are seconds, triplets are `(second, instrument, verb, target)`."""
        time_base = TimeBase(rate_num=25, frame_rate_num=25, label_step=25, sparse=sparse)
        made = [Box(**{**box, "tick": 25 * box["tick"]}) for box in boxes]
        found = sorted(triplets, key=lambda item: item[0])
        return VideoAnnotation(
            video=Video(
                source="theatre", video_id="V1", identity="theatre:1", resolution_wh=(1000, 500),
                media=None, time_base=time_base, licence="cc0",
            ),
            procedure=procedure,
            labelled_ticks=tuple(25 * second for second in labelled or ()),
            segments=tuple(
                Segment(start=25 * start, end=25 * end, kind=kind, label=label)
                for start, end, label in sorted(segments)
            ),
            boxes=tuple(sorted(made, key=lambda b: (b.tick, b.label, b.track or ""))),
            triplets=tuple(
                FrameTriplet(
                    tick=25 * second,
                    triplet=Triplet(instrument=instrument, verb=verb, target=target),
                )
                for second, instrument, verb, target in found
            ),
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Clip]:
    """Build a clip of the video above: `make_clip(start_s, end_s, step_s=1)`."""

    def make(start: int, end: int, *, step: int = 1, kind: SegmentKind = SegmentKind.PHASE) -> Clip:
        ticks = tuple(range(25 * start, 25 * end, 25 * step))
        return Clip(
            source="theatre", video_id="V1", kind=kind, start=25 * start, end=25 * end,
            rate_num=1, rate_den=step, frame_index=ticks, frame_tick=ticks,
        )  # fmt: skip

    return make
