"""When the frames of an official row were taken, which the row itself does not say.

Rows name source frame numbers; each dataset counts them at its own rate. That rate holds where the
commonest stride fits it, since another extraction of the same videos may number frames otherwise.
Else the rate comes from the folder name (`frames_15fps`), else from the commonest stride times the
sampling rate, else every frame is a sampling step after the one before.
"""

import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from medvid.tasks.official.rows import OfficialRow
from schemas.errors import SampleError

NATIVE_RATES: Final = {
    "avos": (Fraction(15), 0),
    "cholect50": (Fraction(1), 0),
    "cholectrack20": (Fraction(25), 1),
    "copesd": (Fraction(1), 0),
    "egosurgery": (Fraction(1, 2), 0),
    "nurvid": (Fraction(2), 1),
}
"""Frames a second and number of the first frame, of the six datasets whose rows are public."""

_FOLDER_RATE: Final = re.compile(r"/frames_([1-9][0-9]{0,2})fps/")
_MAX_DENOMINATOR: Final = 1000
_AGREEMENT: Final = Fraction(3, 2)


class FrameTimes(NamedTuple):
    """Frames of a row with their times.

    Attributes:
        numbers: Source frame numbers, each once.
        tick: Their times in ticks, strictly increasing.
        tick_rate: Ticks a second.
        rule: Where the rate comes from: `dataset`, `folder`, `stride` or `sampling`.
        repeated: Frames left out because the row repeats them.
    """

    numbers: tuple[int, ...]
    tick: tuple[int, ...]
    tick_rate: Fraction
    rule: str
    repeated: int


def sampling_rate(row: OfficialRow) -> Fraction:
    """Sampled frames a second as a fraction of small numbers.

    Raises:
        SampleError: The rate is too small to be one.
    """
    rate = Fraction(str(row.fps)).limit_denominator(_MAX_DENOMINATOR)
    if rate <= 0:
        raise SampleError(f"{row.fps} frames a second is no sampling rate.", field="metadata.fps")
    return rate


def frame_times(row: OfficialRow) -> FrameTimes:
    """Times of the frames of a row.

    Raises:
        SampleError: Frame numbers run backwards, or begin before the dataset's first.
    """
    numbers = row.sampled_video_frames
    if any(a > b for a, b in pairwise(numbers)):
        raise SampleError(
            "frame numbers run backwards.", field="sampled_video_frames",
            action="Order the frames by time, or leave the row out.",
        )  # fmt: skip
    index = tuple(dict.fromkeys(numbers))
    rate, first, rule = _native_rate(row, index)
    if index[0] < first:
        raise SampleError(
            f"frame {index[0]} comes before {first}, the first of {row.dataset_name}.",
            field="sampled_video_frames", action="Correct the numbers, or leave the row out.",
        )  # fmt: skip
    tick = tuple(number - first for number in index)
    return FrameTimes(index, tick, rate, rule, len(numbers) - len(index))


def _native_rate(row: OfficialRow, index: tuple[int, ...]) -> tuple[Fraction, int, str]:
    strides = Counter(b - a for a, b in pairwise(index))
    # The smallest of the commonest, so that equal counts do not make the choice depend on order.
    stride = min(strides, key=lambda step: (-strides[step], step)) if strides else None
    counted = sampling_rate(row) * stride if stride else None
    known = NATIVE_RATES.get(row.source or "")
    if known and (counted is None or 1 / _AGREEMENT <= counted / known[0] <= _AGREEMENT):
        return (*known, "dataset")
    folder = _FOLDER_RATE.search(row.video[0])
    if folder:
        return Fraction(int(folder.group(1))), 0, "folder"
    if counted:
        return counted, 0, "stride"
    return sampling_rate(row), 0, "sampling"
