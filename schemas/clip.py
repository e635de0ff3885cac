"""A clip: a stretch of one video with the frames a model sees."""

from bisect import bisect_left
from fractions import Fraction
from itertools import pairwise
from typing import Self

import numpy as np
from pydantic import model_validator

from schemas.hashing import stable_id
from schemas.scalars import FrameIndex, Label, Model, PositiveInt, SourceName, Tick, VideoId
from schemas.timeline import IntArray, SegmentKind, TimeBase


class Clip(Model):
    """A stretch of one video and its sampled frames.

    Grid point k is the native frame nearest to start + k/rate, ties to the earlier; time zero is
    `frame_tick[0]`. A grid point without a frame is left out, never filled.

    Attributes:
        source: Module name of the source.
        video_id: The source's own name of the video.
        kind: Kind of the segments the run is made of.
        start: First tick inside.
        end: First tick after.
        rate_num: Sampled frames per `rate_den` seconds.
        rate_den: Seconds per `rate_num` sampled frames.
        frame_index: Native numbers of the sampled frames.
        frame_tick: Their times in ticks, strictly increasing.
        missing: Grid points without a frame.
        sparse: Whether the source's sparse rule let the clip have fewer than 50 frames.
    """

    source: SourceName
    video_id: VideoId
    kind: SegmentKind
    start: Tick
    end: Tick
    rate_num: PositiveInt
    rate_den: PositiveInt = 1
    frame_index: tuple[FrameIndex, ...]
    frame_tick: tuple[Tick, ...]
    missing: int = 0
    sparse: bool = False

    @model_validator(mode="after")
    def _is_legal(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"clip [{self.start}, {self.end}) needs start < end")
        if len(self.frame_index) != len(self.frame_tick) or not self.frame_tick:
            raise ValueError("a clip needs as many frame ticks as frame indices, at least one")
        if any(a >= b for a, b in pairwise(self.frame_tick)):
            raise ValueError("frame ticks must increase strictly")
        return self

    @property
    def clip_id(self) -> Label:
        """Hash of source, video, extent and rate."""
        return stable_id(
            "clip", self.source, self.video_id, self.start, self.end, self.rate_num, self.rate_den
        )

    @property
    def rate(self) -> Fraction:
        """Sampled frames per second."""
        return Fraction(self.rate_num, self.rate_den)

    def seconds(self, tick: int, time_base: TimeBase) -> float:
        """Clip-relative seconds of a tick; 0 at the first sampled frame."""
        return time_base.seconds(tick - self.frame_tick[0])

    def sampled_span(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last sampled tick inside `[start, end)`, None where no frame was sampled."""
        first = bisect_left(self.frame_tick, start)
        after = bisect_left(self.frame_tick, end)
        if first >= after:
            return None
        return self.frame_tick[first], self.frame_tick[after - 1]

    @property
    def tick_array(self) -> IntArray:
        """`frame_tick` as int64 of shape (n,)."""
        return np.asarray(self.frame_tick, dtype=np.int64)
