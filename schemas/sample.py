"""One instruction pair, flat and typed alike for every task."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Self

import orjson
from pydantic import (
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_serializer,
    field_validator,
    model_validator,
)

from schemas.clip import Clip
from schemas.hashing import canonical_json, stable_id
from schemas.scalars import SCHEMA_VERSION, FrameIndex, Label, Model, SourceName, Tick, VideoId
from schemas.source import TaskName

NO_REGION = (-1.0, -1.0, -1.0, -1.0)
"""`region_xyxy` of a sample that asks about no box."""


class _CheckedOnce:
    """Passes tuples that were found legal before, known by the object itself.

    All samples of a clip hold the clip's own two tuples, hundreds of numbers each; an immutable
    object that was legal stays legal.
    """

    def __init__(self, keep: int = 8) -> None:
        self._keep = keep
        self._held: dict[int, tuple[int, ...]] = {}

    def __call__(self, value: object, check: ValidatorFunctionWrapHandler) -> tuple[int, ...]:
        if isinstance(value, tuple) and self._held.get(id(value)) is value:
            return value
        legal: tuple[int, ...] = check(value)
        if isinstance(value, tuple) and all(type(number) is int for number in value):
            self._held[id(value)] = value  # held, so that its id cannot become another's
            if len(self._held) > self._keep:
                del self._held[next(iter(self._held))]
            return value
        return legal


class Sample(Model):
    """An instruction pair: a clip, a question, an answer in its task's grammar.

    Every sample has the same flat keys of the same types; what differs by task is JSON text, since
    Arrow readers infer features from the first samples they meet.

    Attributes:
        sample_id: Hash of clip id, task, qa type and subject; wording is not identity.
        source: Module name of the source.
        dataset_name: Spelling in official rows.
        video_id: The source's own name of the video.
        identity: What must never cross a split.
        clip_id: The clip.
        task: One of the eight tasks.
        qa_type: The benchmark's row type, or `…_label` for label-grounded captions.
        subject: JSON of the structured thing asked about, `{}` where there is none.
        label: The label balanced over: action, object or score pattern; empty where there is none.
        question: Role, context, candidates and ask, joined by spaces; no `<video>` token.
        answer: Text in the task's grammar, clip-relative seconds and original-frame pixels.
        candidates: Labels the question lists, in the order it lists them; JSON text in a shard,
            since readers take an empty list for a list of nulls.
        target: JSON of the structured answer, as the task's `parse_` returns it from the answer.
        clip_start: First tick of the clip.
        clip_end: First tick after the clip.
        rate_num: Sampled frames per `rate_den` seconds.
        rate_den: Seconds per `rate_num` sampled frames.
        tick_rate_num: Ticks per `tick_rate_den` seconds.
        tick_rate_den: Seconds per `tick_rate_num` ticks.
        frame_index: Native numbers of the sampled frames.
        frame_tick: Their times in ticks.
        width: Width of the original image in pixels.
        height: Height of the original image in pixels.
        region_frame: Native number of the frame whose box is asked about, -1 where none.
        region_xyxy: That box in pixels of the original image, four times -1 where none.
        sparse: Whether the clip was made under the sparse rule.
        licence: Licence id.
        provenance: JSON: native records, template, caption key, revision.
    """

    schema_version: int = SCHEMA_VERSION
    sample_id: Label
    source: SourceName
    dataset_name: Label
    video_id: VideoId
    identity: Label
    clip_id: Label
    task: TaskName
    qa_type: Label
    subject: str
    label: str
    question: Label
    answer: Label
    candidates: tuple[str, ...]
    target: str
    clip_start: Tick
    clip_end: Tick
    rate_num: int
    rate_den: int
    tick_rate_num: int
    tick_rate_den: int
    frame_index: Annotated[tuple[FrameIndex, ...], WrapValidator(_CheckedOnce())]
    frame_tick: Annotated[tuple[Tick, ...], WrapValidator(_CheckedOnce())]
    width: int
    height: int
    region_frame: int = -1
    region_xyxy: tuple[float, float, float, float] = NO_REGION
    sparse: bool
    licence: Label
    provenance: str

    @model_validator(mode="after")
    def _region_is_whole(self) -> Self:
        if (self.region_frame >= 0) != (self.region_xyxy != NO_REGION):
            raise ValueError("region_frame and region_xyxy come together")
        return self

    @field_validator("candidates", mode="before")
    @classmethod
    def _read_candidates(cls, value: object) -> object:
        return orjson.loads(value) if isinstance(value, str) else value

    @field_serializer("candidates", when_used="json")
    def _write_candidates(self, value: tuple[str, ...]) -> str:
        return orjson.dumps(list(value)).decode()

    def target_value(self) -> Any:  # noqa: ANN401 - the JSON edge
        """The structured answer."""
        return orjson.loads(self.target)

    def to_json(self) -> bytes:
        """Canonical bytes of a shard member."""
        fields = dict(self.__dict__)
        fields["candidates"] = self._write_candidates(self.candidates)
        # A clip's samples come one after the other and repeat its frames, most of their bytes.
        for name in ("frame_index", "frame_tick"):
            fields[name] = orjson.Fragment(_numbers_json(fields[name]))
        return canonical_json(fields)


@lru_cache(maxsize=8)
def _numbers_json(numbers: tuple[int, ...]) -> bytes:
    return orjson.dumps(numbers)


def sample_id(clip: Clip, task: TaskName, qa_type: str, subject: Mapping[str, object]) -> str:
    """Identity of a sample: clip, task, qa type and the structured thing asked about."""
    return stable_id("sample", clip.clip_id, task, qa_type, canonical_json(dict(subject)).decode())


def frame_key(source: str, video_id: str, index: int) -> str:
    """Key of a frame in a media shard; unique over a release, sorts by video and time.

    >>> frame_key("cholect50", "VID75", 548)
    'cholect50_VID75_00000548'
    """
    return f"{source}_{video_id}_{index:08d}"
