"""Sampling grids in exact integers: which native frame stands for each grid point of a clip."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from medvid.tasks.runs import CODE
from schemas.timeline import FrameList, IntArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GridRules:
    """What a legal clip is.

    Attributes:
        min_ticks: Shortest clip in ticks, inclusive.
        max_ticks: Longest clip in ticks, inclusive.
        min_frames: Fewest sampled frames.
        max_frames: Most sampled frames.
        max_missing_share: Largest legal share of grid points without a frame.
        max_hole_steps: Most grid points without a frame in a row.
    """

    min_ticks: int
    max_ticks: int
    min_frames: int
    max_frames: int
    max_missing_share: Fraction
    max_hole_steps: int


@dataclass(frozen=True, slots=True)
class GridFit:
    """What one rate gives for runs that share their start; parallel arrays of shape (runs,).

    Attributes:
        end: First tick after the clip: the run's end, or where missing frames ended the clip.
        points: Grid points of the clip.
        frames: Sampled frames of the clip.
        legal: Whether the clip is long enough and has a legal number of frames.
        cause: Code of the fate that explains a shortened or illegal clip, else -1.
        promising: Whether the run would be legal at this rate were no frame missing.
    """

    end: IntArray
    points: IntArray
    frames: IntArray
    legal: BoolArray
    cause: IntArray
    promising: BoolArray


@dataclass(frozen=True, slots=True)
class _Prefixes:
    """Facts about the first m grid points, int64 arrays indexed by m from 0 to the grid's size."""

    missing: IntArray
    missing_in_a_row: IntArray
    last_found: IntArray
    last_valid: IntArray
    hole_free: int


def grid_points(length: IntArray | int, step: Fraction) -> IntArray:
    """Number of grid points k >= 0 with `k * step < length`, lengths and step in ticks."""
    return -(-np.asarray(length, dtype=np.int64) * step.denominator // step.numerator)


def nearest_frames(
    ticks: IntArray, start: int, end: int | None, step: Fraction, points: int
) -> tuple[IntArray, IntArray, BoolArray]:
    """Find the native frame nearest to each grid point, ties to the earlier.

    Only frames inside `[start, end)` count, so that a clip never shows what lies outside it. A
    frame further than half a step from its point does not stand for it; nor does a frame that
    stands for the point before.

    Args:
        ticks: Times of the native frames, int64, shape (n,), strictly increasing.
        start: First tick inside, the place of grid point 0.
        end: First tick after, or None for no limit.
        step: Ticks from one grid point to the next.
        points: Number of grid points.

    Returns:
        Of shape (points,): positions in `ticks` of the nearest frames, positions of the frames
        before each point, and whether the point has a frame.
    """
    low = int(np.searchsorted(ticks, start))
    high = ticks.size if end is None else int(np.searchsorted(ticks, end))
    if low >= high:
        nowhere = np.full(points, -1, dtype=np.int64)
        return nowhere, nowhere, np.zeros(points, dtype=np.bool_)
    place = start * step.denominator + np.arange(points, dtype=np.int64) * step.numerator
    after = np.searchsorted(ticks, -(-place // step.denominator))
    right = np.minimum(after, high - 1)
    left = np.maximum(np.minimum(after - 1, high - 1), low)
    left_off = np.abs(place - ticks[left] * step.denominator)
    right_off = np.abs(ticks[right] * step.denominator - place)
    nearest = np.where(left_off <= right_off, left, right)
    found = 2 * np.minimum(left_off, right_off) <= step.numerator
    taken = found[:-1] & (nearest[1:] == nearest[:-1])
    found[1:] &= ~taken
    return nearest, after - 1, found


def sample_grid(
    frames: FrameList, start: int, end: int, step: Fraction, points: int
) -> tuple[IntArray, IntArray]:
    """Native numbers and ticks of the frames that stand for a clip's grid points."""
    nearest, _, found = nearest_frames(frames.tick, start, end, step, points)
    chosen = nearest[found]
    return frames.index[chosen], frames.tick[chosen]


def fit_grid(
    ticks: IntArray, start: int, ends: IntArray, step: Fraction, rules: GridRules
) -> GridFit:
    """Fit the grid of one rate to all runs that begin at one tick.

    Where over `max_missing_share` of the grid or over `max_hole_steps` points in a row have no
    frame, the clip is the longest prefix of the grid that obeys both rules, cut after its last
    found point, and ends one step after that frame, at the latest with the run.

    Args:
        ticks: Times of the native frames, int64, shape (n,), strictly increasing.
        start: First tick of the runs.
        ends: First ticks after the runs, int64, shape (runs,).
        step: Ticks from one grid point to the next.
        rules: What a legal clip is.
    """
    points = grid_points(ends - start, step)
    nearest, before, found = nearest_frames(ticks, start, None, step, int(points.max()))
    prefix = _prefixes(found, rules)
    last_has_frame = _last_has_frame(ticks, start, ends, step, points, nearest, before, found)
    missing = prefix.missing[points - 1] + ~last_has_frame
    in_a_row = np.where(last_has_frame, 0, prefix.missing_in_a_row[points - 1] + 1)
    no_hole = (points - 1 <= prefix.hole_free) & (in_a_row <= rules.max_hole_steps)
    whole = no_hole & _share_is_legal(missing, points, rules)
    cut = prefix.last_found[prefix.last_valid[points - 1]]
    last_tick = ticks[nearest[np.maximum(cut - 1, 0)]] if ticks.size else np.zeros_like(cut)
    cut_end = np.minimum(last_tick + -(-step.numerator // step.denominator), ends)
    end = np.where(whole, ends, np.where(cut > 0, cut_end, start))
    frames = np.where(whole, points - missing, cut - prefix.missing[cut])
    length = end - start
    legal = (frames >= rules.min_frames) & (frames <= rules.max_frames)
    legal &= (length >= rules.min_ticks) & (length <= rules.max_ticks)
    cause = np.full(points.size, -1, dtype=np.int64)
    cause[~legal & (frames < rules.min_frames)] = CODE["too_few_frames"]
    cause[~legal & (frames > rules.max_frames)] = CODE["too_many_frames"]
    cause[~whole] = np.where(no_hole, CODE["missing_frames"], CODE["hole"])[~whole]
    return GridFit(
        end=end, points=np.where(whole, points, cut), frames=frames, legal=legal, cause=cause,
        promising=(points >= rules.min_frames) & (points <= rules.max_frames),
    )  # fmt: skip


def _prefixes(found: BoolArray, rules: GridRules) -> _Prefixes:
    lengths = np.arange(found.size + 1, dtype=np.int64)
    missing = np.concatenate(([0], np.cumsum(~found))).astype(np.int64)
    seen = np.concatenate(([0], np.where(found, lengths[1:], 0)))
    last_found = np.maximum.accumulate(seen)
    in_a_row = lengths - last_found
    holes = np.flatnonzero(in_a_row > rules.max_hole_steps)
    hole_free = int(holes[0]) - 1 if holes.size else found.size
    valid = (lengths <= hole_free) & _share_is_legal(missing, lengths, rules)
    last_valid = np.maximum.accumulate(np.where(valid, lengths, 0))
    return _Prefixes(missing, in_a_row, last_found, last_valid, hole_free)


def _share_is_legal(missing: IntArray, points: IntArray, rules: GridRules) -> BoolArray:
    share = rules.max_missing_share
    legal: BoolArray = missing * share.denominator <= points * share.numerator
    return legal


def _last_has_frame(
    ticks: IntArray,
    start: int,
    ends: IntArray,
    step: Fraction,
    points: IntArray,
    nearest: IntArray,
    before: IntArray,
    found: BoolArray,
) -> BoolArray:
    """Whether the last grid point of each run has a frame that lies inside the run.

    Only the last point can have its nearest frame past the end: half a step before the end there
    is no other. The frame before the point takes its place where it is near enough and free.
    """
    if not ticks.size:
        return np.zeros(points.size, dtype=np.bool_)
    last = points - 1
    inside = ticks[nearest[last]] < ends
    left = before[last]
    place = start * step.denominator + last * step.numerator
    left_tick = ticks[np.maximum(left, 0)]
    near = 2 * (place - left_tick * step.denominator) <= step.numerator
    usable = (left >= 0) & (left_tick >= start) & near
    previous = np.maximum(last - 1, 0)
    free = (last == 0) | ~found[previous] | (nearest[previous] != left)
    result: BoolArray = np.where(inside, found[last], usable & free)
    return result
