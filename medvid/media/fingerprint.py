"""Perceptual hashes of a recording's frames, about one a second, to find the same footage again.

Each hash is a difference hash (dHash) of 64 bits, laid out by measurement. The usual 9x8 grid of
neighbouring cells loses 8 bits at the median to a crop of 5 % a side, and 18 in one frame of ten;
a 6x6 grid compared both ways loses 6 and 10, because its cells are wider than the crop, while two
pictures of different recordings still differ in 28. What a crop moves is then taken back: beside
the whole picture, fifteen windows cut 5 % off the left, top, right or bottom are hashed, so that
for any crop of up to 5 % a side some window of one copy is within 2.5 % of the other's picture.
Letterboxes, pillarboxes and the black ground of an endoscope's circle are trimmed first, over the
whole recording at once, so that one dark frame moves no border.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from medvid.media.libav import RgbArray
from medvid.media.probe import VideoProbe

FloatArray = npt.NDArray[np.float64]

VARIANTS = 16
"""Windows a frame is hashed in: the whole picture first, then all that cut 5 % off some sides."""

_CUT = 0.05
_GRID = 6
_THUMB = 48
_LEVEL = 1.0
"""Grey levels by which a cell must be brighter: flat areas give 0, not the codec's noise."""

_CLEAR = 2.0
"""Grey levels from which a difference counts as something to see."""

_DARK = 16.0
_BORDER = 12.0
"""Mean grey of a dark frame, and of a row or column that is border."""

_LIT_SHARE = 0.25
"""Share of the bright frames in which a row or column must be lit to be picture."""

_PROFILE = 256
_LEAST_SIDE = 0.3
"""A picture trimmed to less than this of a side is left as it is: the trim found no border."""


@dataclass(frozen=True, slots=True)
class FrameHashes:
    """Hashes of sampled frames.

    Attributes:
        number: Place of each frame in display order, or native number of each image, int64, (n,),
            increasing.
        hashes: uint64, (n, `VARIANTS`); column 0 is of the whole picture, the last of its middle,
            cut on all sides.
        detail: How many of the 64 differences are clear, uint8, (n,); few in a black, uniform or
            nearly empty picture, whose hash says little.
    """

    number: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    detail: npt.NDArray[np.uint8]


class FrameHasher:
    """Takes pictures one by one, keeps 2 kB of each, and hashes them at the end."""

    def __init__(self) -> None:
        self._wanted: dict[int, int] = {}
        self._numbers: list[int] = []
        self._thumbs: list[npt.NDArray[np.uint8]] = []
        self._bright = 0
        self._lit_rows = np.zeros(_PROFILE)
        self._lit_columns = np.zeros(_PROFILE)

    def plan(self, probe: VideoProbe) -> None:
        """Choose the frames nearest to whole seconds of a video's playback."""
        places = nearest_to_seconds(probe.pts * float(probe.time_base))
        keys = probe.pts[places] if probe.exact else places
        self._wanted = dict(zip(keys.tolist(), places.tolist(), strict=True))

    def place_of(self, key: int) -> int | None:
        """Place of a chosen frame, None for others.

        Args:
            key: Time stamp of a frame, or its count from 0 where the probe is not exact.
        """
        return self._wanted.get(key)

    def add(self, number: int, rgb: RgbArray) -> None:
        """Take a picture.

        Args:
            number: Its place or native number.
            rgb: (h, w, 3).
        """
        grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
        thumb = cv2.resize(grey, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
        self._numbers.append(number)
        self._thumbs.append(np.asarray(thumb, np.uint8))
        if float(grey.mean()) < _DARK:
            return
        self._bright += 1
        self._lit_rows += _profile(grey, 1) > _BORDER
        self._lit_columns += _profile(grey, 0) > _BORDER

    def finish(self) -> FrameHashes:
        """Hash what was taken."""
        order = np.argsort(np.array(self._numbers, dtype=np.int64), kind="stable")
        numbers = np.array(self._numbers, dtype=np.int64)[order]
        if not numbers.size:
            nothing = np.zeros((0, VARIANTS), np.uint64)
            return FrameHashes(numbers, nothing, np.zeros(0, np.uint8))
        thumbs = np.stack(self._thumbs)[order]
        rows = _extent(self._lit_rows, self._bright)
        columns = _extent(self._lit_columns, self._bright)
        differences = [_differences(thumbs, *window) for window in _windows(rows, columns)]
        hashes = np.stack([_pack(found > _LEVEL) for found in differences], axis=1)
        clear = (np.abs(differences[0]) > _CLEAR).sum(axis=1)
        return FrameHashes(numbers, hashes, clear.astype(np.uint8))


def nearest_to_seconds(times: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Places of the times nearest to 0 s, 1 s, 2 s, … after the first, each once, ties to earlier.

    Args:
        times: Seconds, increasing, (n,), at least one.
    """
    times = times - times[0]
    seconds = np.arange(int(times[-1]) + 1, dtype=np.float64)
    after = np.clip(np.searchsorted(times, seconds), 1, max(1, times.size - 1))
    before = after - 1
    after = np.minimum(after, times.size - 1)
    nearer = seconds - times[before] <= times[after] - seconds
    places: npt.NDArray[np.int64] = np.unique(np.where(nearer, before, after)).astype(np.int64)
    return places


def _profile(grey: npt.NDArray[np.uint8], axis: int) -> FloatArray:
    """Mean grey of each row (axis 1) or column (axis 0), as if there were `_PROFILE` of them."""
    means = np.asarray(cv2.reduce(grey, axis, cv2.REDUCE_AVG, dtype=cv2.CV_64F), np.float64)
    line = cv2.resize(means.reshape(1, -1), (_PROFILE, 1), interpolation=cv2.INTER_AREA)
    return np.asarray(line[0], np.float64)


def _extent(lit: FloatArray, bright: int) -> tuple[float, float]:
    """Where the picture begins and ends along one side, as shares of it."""
    inside = np.flatnonzero(lit > _LIT_SHARE * bright)
    if not bright or not inside.size:
        return 0.0, 1.0
    start, end = int(inside[0]) / _PROFILE, (int(inside[-1]) + 1) / _PROFILE
    return (start, end) if end - start >= _LEAST_SIDE else (0.0, 1.0)


Extent = tuple[float, float]


def _windows(rows: Extent, columns: Extent) -> Iterator[tuple[Extent, Extent]]:
    """The sixteen windows of a picture, the whole one first."""
    for cuts in product((0.0, _CUT), repeat=4):
        yield _cut(rows, cuts[0], cuts[1]), _cut(columns, cuts[2], cuts[3])


def _cut(extent: Extent, first: float, last: float) -> Extent:
    side = extent[1] - extent[0]
    return extent[0] + first * side, extent[1] - last * side


def _differences(thumbs: npt.NDArray[np.uint8], rows: Extent, columns: Extent) -> FloatArray:
    """The 64 grey-level differences of each picture in a window, (n, 64), in order of the bits.

    Thirty between horizontal neighbours of a 6x6 grid of cell means, thirty between vertical ones,
    and four between halves and opposite quarters.
    """
    cells = _cell_weights(rows) @ thumbs.astype(np.float64) @ _cell_weights(columns).T
    half = _GRID // 2
    quarters = cells.reshape(-1, 2, half, 2, half).mean(axis=(2, 4))
    halves = (
        quarters[:, :, 1].sum(axis=1) - quarters[:, :, 0].sum(axis=1),
        quarters[:, 1].sum(axis=1) - quarters[:, 0].sum(axis=1),
        quarters[:, 1, 1] - quarters[:, 0, 0],
        quarters[:, 1, 0] - quarters[:, 0, 1],
    )
    found = np.concatenate(
        [
            np.diff(cells, axis=2).reshape(len(cells), -1),
            np.diff(cells, axis=1).reshape(len(cells), -1),
            np.stack(halves, axis=1),
        ],
        axis=1,
    )
    # Rounded: the order in which a machine adds must not decide a bit. Spread: neighbouring bits
    # go together, and a search by parts of the hash wants parts that vary.
    return np.asarray(np.round(found, 6)[:, _SPREAD])


_SPREAD = np.arange(64).reshape(8, 8).T.ravel()


def _cell_weights(extent: Extent) -> FloatArray:
    """Weight of each thumbnail row in the mean of each cell row, (grid, thumb)."""
    edges = np.linspace(extent[0], extent[1], _GRID + 1) * _THUMB
    pixels = np.arange(_THUMB, dtype=np.float64)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    covered = np.maximum(high - low, 0.0)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True))


def _pack(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    packed = np.ascontiguousarray(np.packbits(bits, axis=1))
    return packed.view(">u8")[:, 0].astype(np.uint64)
