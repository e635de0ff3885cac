"""Hand-made sources and videos, small enough to check an answer by eye."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from medvid.tasks import get_task
from medvid.tasks.base import ClipContext, TaskSettings
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.geometry import Box
from schemas.sample import Sample
from schemas.source import DataCard, Licence, QuestionVoice, SourceSpec, TaskName
from schemas.timeline import Interval, Segment, SegmentKind, TimeBase
from schemas.video import Video
from schemas.vocabulary import Vocabulary

ONE_HZ = TimeBase(rate_num=1, frame_rate_num=1)
LABELS = ("cutting", "tying", "suturing", "Clean wound")


SpecMaker = Callable[..., SourceSpec]
VideoMaker = Callable[..., VideoAnnotation]
ClipMaker = Callable[..., Clip]


@pytest.fixture(scope="session")
def make_spec() -> SpecMaker:
    licence = Licence(
        id="cc0-1.0", name="CC0", url=None, share_media=True, share_labels=True,
        derivatives=True, commercial=True, share_alike=False,
    )  # fmt: skip
    card = DataCard(
        name="drawn", title="Drawn", licence=licence, citation="@misc{drawn}", access="made here",
        homepage="https://example.org", procedures=("drawn surgery",),
    )  # fmt: skip
    fields: dict[str, Any] = {
        "name": "drawn", "dataset_name": "Drawn", "version": 1, "card": card,
        "tasks": tuple(TaskName), "clip_kinds": (SegmentKind.ACTION,),
        "label_kind": SegmentKind.ACTION,
        "vocabularies": {
            "action": Vocabulary(name="action", labels=LABELS),
            "instrument": Vocabulary(name="instrument", labels=("grasper", "hook")),
        },
        "voice": QuestionVoice(
            roles=("You read surgery.", "You review surgery.", "You study surgery."),
            contexts=("The clip is drawn.", "It shows {procedure}.", "A drawn scene is shown."),
            step_word="drawn actions",
        ),
        "max_rate_num": 3,
    }  # fmt: skip

    def make(**changes: object) -> SourceSpec:
        return SourceSpec(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def make_video() -> VideoMaker:
    # `(start, end, label)` rows become segments in the order of their native index.
    def make(
        rows: Iterable[tuple[int, int, str]] = (),
        *,
        kind: SegmentKind = SegmentKind.ACTION,
        boxes: Iterable[Box] = (),
        base: TimeBase = ONE_HZ,
        excluded: Iterable[tuple[int, int]] = (),
        **changes: object,
    ) -> VideoAnnotation:
        video = Video(
            source="drawn", video_id="V1", identity="drawn:1", resolution_wh=(640, 480),
            media=None, time_base=base, licence="cc0-1.0",
        )  # fmt: skip
        segments = [
            Segment(start=start, end=end, kind=kind, label=label, native_index=native)
            for native, (start, end, label) in enumerate(rows)
        ]
        segments.sort(key=lambda s: (s.start, s.end, s.native_index or 0))
        fields: dict[str, Any] = {
            "video": video, "segments": tuple(segments), "revision": "r1",
            "boxes": tuple(sorted(boxes, key=lambda b: (b.tick, b.label, b.track or ""))),
            "excluded": tuple(Interval(start=s, end=e, reason="out_of_body") for s, e in excluded),
        }  # fmt: skip
        return VideoAnnotation(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def make_clip() -> ClipMaker:
    def make(ticks: Iterable[int], **changes: object) -> Clip:
        frame_tick = tuple(ticks)
        fields: dict[str, Any] = {
            "source": "drawn", "video_id": "V1", "kind": SegmentKind.ACTION,
            "start": frame_tick[0], "end": frame_tick[-1] + 1, "rate_num": 1,
            "frame_index": frame_tick, "frame_tick": frame_tick,
        }  # fmt: skip
        return Clip(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def make_context(
    make_spec: SpecMaker,
) -> Callable[..., ClipContext]:
    def make(
        annotation: VideoAnnotation,
        clip: Clip,
        *,
        captions: Iterable[Caption] = (),
        settings: Mapping[str, int] | None = None,
        **spec: object,
    ) -> ClipContext:
        return ClipContext(
            annotation=annotation, spec=make_spec(**spec), clip=clip, captions=tuple(captions),
            settings=TaskSettings(**(settings or {})),
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def ask() -> Callable[[str, ClipContext], list[Sample]]:
    """Build a task's samples and hold them to what every task promises."""

    def build(task: str, context: ClipContext) -> list[Sample]:
        samples = list(get_task(task).build(context))
        for sample in samples:
            assert get_task(task).parse_(sample.answer) == sample.target_value()
            assert sample.qa_type.startswith(task)
            if sample.candidates:
                shown = (repr(list(sample.candidates)), ", ".join(sample.candidates))
                assert any(text in sample.question for text in shown)
        return samples

    return build


@pytest.fixture(scope="session")
def caption() -> Callable[..., Caption]:
    def make(
        clip: Clip, scope: str, start: int, end: int, label: str = "", **changes: object
    ) -> Caption:
        fields: dict[str, Any] = {
            "clip_id": clip.clip_id, "scope": scope, "start": start, "end": end, "label": label,
            "subject": f"{start}:{end}:{label}" if scope == "event" else "",
            "text": f"The {label or 'scene'} is seen.", "writer": "label", "writer_version": 1,
        }  # fmt: skip
        return Caption(**(fields | changes))

    return make
