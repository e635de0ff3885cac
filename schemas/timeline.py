"""Integer time: time bases, half-open segments and lists of frames."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from schemas.scalars import FrameIndex, Label, Model, PositiveInt, Tick

IntArray = npt.NDArray[np.int64]


class TimeBase(Model):
    """How a source counts frames, and how ticks become seconds.

    Tick 0 is the first frame of the video; tick t is at `t * rate_den / rate_num` seconds. Where
    the frame rate equals the tick rate, native frame i sits at tick `i - first_index`; where a
    source labels in seconds, ticks are finer than frames (90 kHz, in which 0.01 s and the frame
    durations at 25, 29.97 and 30 fps are whole numbers).

    Attributes:
        rate_num: Ticks per `rate_den` seconds.
        rate_den: Seconds per `rate_num` ticks.
        frame_rate_num: Nominal frames per `frame_rate_den` seconds, as the source numbers them.
        frame_rate_den: Seconds per `frame_rate_num` frames.
        first_index: Native number of the frame at tick 0.
        label_step: Ticks from one labelled frame to the next where every frame of the label grid
            is labelled; 1 for labels given in seconds.
        sparse: Whether labelled frames are missing as a rule, as in CholecT50's challenge clips.
    """

    rate_num: PositiveInt
    rate_den: PositiveInt = 1
    frame_rate_num: PositiveInt
    frame_rate_den: PositiveInt = 1
    first_index: FrameIndex = 0
    label_step: PositiveInt = 1
    sparse: bool = False

    @property
    def tick_rate(self) -> Fraction:
        """Ticks per second."""
        return Fraction(self.rate_num, self.rate_den)

    @property
    def frame_rate(self) -> Fraction:
        """Nominal native frames per second."""
        return Fraction(self.frame_rate_num, self.frame_rate_den)

    def seconds(self, ticks: int) -> float:
        """Ticks as seconds, rounded once to the nearest float."""
        return float(Fraction(ticks * self.rate_den, self.rate_num))

    def tick_of_index(self, index: int) -> int:
        """Tick nearest to native frame `index` at the nominal frame rate, ties to the earlier."""
        exact = Fraction(index - self.first_index) * self.tick_rate / self.frame_rate
        return -int((-exact + Fraction(1, 2)) // 1) if exact.denominator != 1 else int(exact)

    def ticks_of_indices(self, indices: IntArray) -> IntArray:
        """`tick_of_index` for an int64 array of shape (n,)."""
        ratio = self.tick_rate / self.frame_rate
        exact = (indices - self.first_index) * ratio.numerator
        doubled = 2 * exact - ratio.denominator
        return -(-doubled // (2 * ratio.denominator))


class SegmentKind(StrEnum):
    """What a segment is a piece of.

    `PRESENCE` is an instrument's stay in view; it plans clips for sources that track instruments
    and label no actions.
    """

    PHASE = "phase"
    ACTION = "action"
    GESTURE = "gesture"
    STEP = "step"
    PRESENCE = "presence"


class Segment(Model):
    """A labelled stretch of time, half-open in ticks.

    Labelled frames a..b at step s become `[a, b+s)`.

    Attributes:
        start: First tick inside.
        end: First tick after.
        kind: What the label names.
        label: Class label, spelled as in the source's vocabulary.
        native_index: Position of the record in the native file, from 0, where it names something.
        flags: Repairs and doubts, sorted.
    """

    start: Tick
    end: Tick
    kind: SegmentKind
    label: Label
    native_index: int | None = None
    flags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"segment [{self.start}, {self.end}) needs start < end")
        return self


class Interval(Model):
    """An unlabelled stretch of time, half-open in ticks.

    Attributes:
        start: First tick inside.
        end: First tick after.
        reason: Why it is set apart, e.g. `out_of_body`.
    """

    start: Tick
    end: Tick
    reason: Label

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"interval [{self.start}, {self.end}) needs start < end")
        return self


@dataclass(frozen=True, slots=True)
class FrameList:
    """The frames that really exist, in time order.

    Attributes:
        index: Native frame numbers, int64, shape (n,).
        tick: Their times in ticks, int64, shape (n,), strictly increasing.
    """

    index: IntArray
    tick: IntArray

    def __post_init__(self) -> None:
        if self.index.shape != self.tick.shape or self.index.ndim != 1:
            raise ValueError("index and tick must be one-dimensional and of equal length")
        if self.tick.size > 1 and not bool((np.diff(self.tick) > 0).all()):
            raise ValueError("frame ticks must increase strictly")

    def __len__(self) -> int:
        return int(self.tick.size)


def rate_text(rate: Fraction) -> str:
    """A sampling rate as the benchmark writes it.

    >>> rate_text(Fraction(1, 10)), rate_text(Fraction(1)), rate_text(Fraction(1, 4))
    ('0.1', '1.0', '0.25')
    """
    return repr(float(rate))
