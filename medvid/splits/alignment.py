"""Whether two videos run along each other: a line through their near frames, and its proof.

Near frames alone prove nothing: two operations under one lamp, or two still pictures of one table,
agree at every moment with every other. So frames must agree in time: at a fixed speed and offset,
densely, for long enough, and each better with its own moment than with other moments of the same
stretch. Where nothing changes nothing is proved, and no edge is drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medvid.splits.hamming import HashArray, hamming
from schemas.timeline import IntArray

FloatArray = npt.NDArray[np.float64]
SPEEDS = np.geomspace(0.5, 2.0, 15)
"""Speeds tried first, a tenth apart: over 40 s the line is off by two seconds at most."""

_SPEED_LIMITS = (0.48, 2.08)
_SLACK_S = 4.0
_LINES = 3
_BLOCK_S = 3.0
_WINDOW_S = 90.0
_ROUNDS = 3
_SAME_BITS = 3
_WORTH = 12
"""Bits from which an agreement counts for nothing; below, by its square, so that few good ones
outweigh the many fair ones of a like scene."""


@dataclass(frozen=True, slots=True)
class Track:
    """Frames of one video that say something.

    Attributes:
        time_s: Times, (n,), increasing.
        hashes: (n, variants).
    """

    time_s: FloatArray
    hashes: HashArray


@dataclass(frozen=True, slots=True)
class Line:
    """`t_b = speed * t_a + offset_s`."""

    speed: float
    offset_s: float

    def reversed(self) -> "Line":
        """The same line, from `b` to `a`."""
        return Line(1 / self.speed, -self.offset_s / self.speed)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an aligned match must keep to; see `DuplicateSettings`."""

    min_matched_s: float
    match_bits: int
    mean_bits: float
    max_gap_s: float
    min_share: float
    min_matches: int
    min_pictures: float
    max_rank: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """An aligned match.

    Attributes:
        line: From the first video to the second.
        matched_s: Its length in the slower of the two.
        matches: Frames of the sparser video that agree.
        distance: Mean bits in which they differ.
        rank: Mean share of the stretch's other pictures that agree better, 0 to 1; 0.5 by chance.
    """

    line: Line
    matched_s: float
    matches: int
    distance: float
    rank: float


def lines_through(
    a_s: FloatArray, b_s: FloatArray, least: int
) -> Iterator[tuple[Line, npt.NDArray[np.bool_]]]:
    """The lines that most near frames lie about, at any speed from half to double, best first.

    Near frames come in clumps where both videos hold still, so they are counted by blocks of three
    seconds, and those that share a block with others count in part. Only a minute and a half
    counts at a time: over an hour, chance makes lines too.

    Args:
        a_s: Times of the near frames in one video, (m,).
        b_s: Times in the other, (m,).
        least: Distinct blocks there must be on each side.

    Yields:
        A line, and which near frames lie within 4 s of it; no near frame is given twice.
    """
    blocks = np.stack([np.floor(a_s / _BLOCK_S), np.floor(b_s / _BLOCK_S)], axis=1)
    cells, left = np.unique(blocks, axis=0, return_index=True)
    _, a_of, a_many = np.unique(cells[:, 0], return_inverse=True, return_counts=True)
    _, b_of, b_many = np.unique(cells[:, 1], return_inverse=True, return_counts=True)
    worth = 1 / np.maximum(a_many[a_of], b_many[b_of])
    for _ in range(_LINES):
        if left.size < least:
            return
        line, on = _best_line(a_s[left], b_s[left], worth)
        if min(np.unique(cells[on, side]).size for side in (0, 1)) < least:
            return
        given = np.zeros(a_s.size, dtype=np.bool_)
        given[left[on]] = True
        yield line, given
        left, cells, worth = left[~on], cells[~on], worth[~on]


def _best_line(
    a_s: FloatArray, b_s: FloatArray, worth: FloatArray
) -> tuple[Line, npt.NDArray[np.bool_]]:
    """The line whose surroundings are worth most, and which near frames lie there."""
    best: tuple[float, Line, IntArray] = (-1.0, Line(1.0, 0.0), np.zeros(0, dtype=np.int64))
    half = _WINDOW_S / 2
    for speed in SPEEDS.tolist():
        offset = b_s - speed * a_s
        apart = float(np.ptp(offset)) + 4 * _SLACK_S
        for shift in (0.0, half):
            place = np.floor((a_s + shift) / _WINDOW_S) * apart + offset
            order = np.argsort(place, kind="stable")
            ends = np.searchsorted(place[order], place[order] + 2 * _SLACK_S, side="right")
            total = np.concatenate([[0.0], np.cumsum(worth[order])])
            gain = total[ends] - total[:-1]
            at = int(gain.argmax())
            if float(gain[at]) > best[0] + 1e-9:
                on = order[at : ends[at]].astype(np.int64)
                best = (float(gain[at]), Line(speed, float(np.median(offset[on]))), on)
    mask = np.zeros(a_s.size, dtype=np.bool_)
    mask[best[2]] = True
    return best[1], mask


def align(a: Track, b: Track, seeds: tuple[IntArray, IntArray], start: Line, limits: Limits) -> (
    Alignment | None
):  # fmt: skip
    """Prove that two videos run along each other near some seeds.

    Args:
        a: The first video.
        b: The second.
        seeds: Places of near frames in `a` and in `b` that lie about on one line, (m,) each.
        start: That line.
        limits: What to keep to.
    """
    distance = _distances(a, b, seeds)
    pivot = float(np.median(a.time_s[seeds[0]]))
    line = _refine(a.time_s, b.time_s, distance, start, _Search(pivot, 72.0, 0.24, 6.0))
    places, value = on_line(a.time_s, b.time_s, distance, line)
    good = a.time_s[places[value <= _WORTH // 2]]
    if good.size:
        near = good[np.abs(good - pivot) <= 150.0]
        pivot = float(np.median(near if near.size else good))
        line = _refine(a.time_s, b.time_s, distance, line, _Search(pivot, 300.0, 0.06, 3.0))
    step_a, step_b = _step(a.time_s) * line.speed, _step(b.time_s)
    if step_a >= step_b * 0.999:
        return _judge(a.time_s, b, distance, line, limits)
    found = _judge(b.time_s, a, distance.T, line.reversed(), limits)
    if found is None:
        return None
    return Alignment(
        found.line.reversed(), found.matched_s, found.matches, found.distance, found.rank
    )


def _distances(a: Track, b: Track, seeds: tuple[IntArray, IntArray]) -> npt.NDArray[np.uint8]:
    """Bits between all frames, in the windows that fit the seeds best; (n_a, n_b)."""
    left, right = a.hashes[seeds[0]], b.hashes[seeds[1]]
    by_a = hamming(left, right[:, :1]).mean(axis=0)
    by_b = hamming(left[:, :1], right).mean(axis=0)
    if by_a.min() <= by_b.min():
        return hamming(a.hashes[:, int(by_a.argmin()), None], b.hashes[None, :, 0])
    return hamming(a.hashes[:, 0, None], b.hashes[None, :, int(by_b.argmin())])


def _step(time_s: FloatArray) -> float:
    return float(np.median(np.diff(time_s))) if time_s.size > 1 else 1.0


def on_line(
    probe_s: FloatArray, other_s: FloatArray, distance: npt.NDArray[np.uint8], line: Line
) -> tuple[IntArray, npt.NDArray[np.uint8]]:
    """Frames of one video whose moment the other shows, with the lesser distance of two frames.

    A moment between two frames of the other video takes the nearer in bits: sampling once a
    second puts the true frame up to half a second away.

    Returns:
        Places in `probe_s` and distances, (m,) each.
    """
    places, value = _on_lines(
        probe_s, other_s, distance, np.array([line.speed]), np.array([line.offset_s])
    )
    kept = places[0]
    return np.flatnonzero(kept).astype(np.int64), value[0][kept]


def _on_lines(
    probe_s: FloatArray,
    other_s: FloatArray,
    distance: npt.NDArray[np.uint8],
    speeds: FloatArray,
    offsets: FloatArray,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint8]]:
    """Whether each probe frame's moment is shown, and its distance, (lines, n) each."""
    wanted = speeds[:, None] * probe_s[None] + offsets[:, None]
    reach = max(1.0, _step(other_s)) * 1.001
    after = np.clip(np.searchsorted(other_s, wanted), 0, other_s.size - 1)
    before = np.maximum(after - 1, 0)
    rows = np.arange(probe_s.size)[None]
    far = np.uint8(64)
    late = np.where(np.abs(other_s[after] - wanted) <= reach, distance[rows, after], far)
    early = np.where(np.abs(wanted - other_s[before]) <= reach, distance[rows, before], far)
    value = np.minimum(late, early)
    shown = (np.abs(other_s[after] - wanted) <= reach) | (np.abs(wanted - other_s[before]) <= reach)
    return shown, value


@dataclass(frozen=True, slots=True)
class _Search:
    """Where a better line is looked for.

    Attributes:
        pivot_s: Moment of the first video about which the line turns.
        window_s: Seconds about it that count.
        turn: Greatest change of speed, as a share.
        shift_s: Greatest shift at the pivot.
    """

    pivot_s: float
    window_s: float
    turn: float
    shift_s: float


def _refine(
    a_s: FloatArray,
    b_s: FloatArray,
    distance: npt.NDArray[np.uint8],
    start: Line,
    search: _Search,
) -> Line:
    """Turn and shift a line to where frames agree best, in ever finer steps."""
    center = start.speed * search.pivot_s + start.offset_s
    speed = start.speed
    window = np.abs(a_s - search.pivot_s) <= search.window_s
    near_s, near = a_s[window], distance[window]
    turn, shift = search.turn, search.shift_s
    for _ in range(_ROUNDS):
        turns = np.clip(speed * np.linspace(1 - turn, 1 + turn, 17), *_SPEED_LIMITS)
        shifts = center + np.linspace(-shift, shift, 17)
        speeds, centers = (grid.ravel() for grid in np.meshgrid(turns, shifts, indexing="ij"))
        _, value = _on_lines(near_s, b_s, near, speeds, centers - speeds * search.pivot_s)
        gain = (np.maximum(0, _WORTH - value.astype(np.int64)) ** 2).sum(axis=1)
        best = int(gain.argmax())
        speed, center = float(speeds[best]), float(centers[best])
        turn, shift = turn / 4, shift / 4
    return Line(speed, center - speed * search.pivot_s)


def _judge(
    probe_s: FloatArray,
    other: Track,
    distance: npt.NDArray[np.uint8],
    line: Line,
    limits: Limits,
) -> Alignment | None:
    """The longest aligned match along a line, if it keeps to the limits."""
    places, value = on_line(probe_s, other.time_s, distance, line)
    best: Alignment | None = None
    for run in _runs(probe_s[places], value <= limits.match_bits, limits):
        own, bits = places[run], value[run]
        matched = bits <= limits.match_bits
        length = float(probe_s[own[-1]] - probe_s[own[0]]) + _step(probe_s)
        matched_s = length * max(1.0, line.speed)
        mean = float(bits[matched].mean())
        if matched_s < limits.min_matched_s or mean > limits.mean_bits:
            continue
        rank, pictures = _rank(probe_s[own], other, distance[own], bits, line)
        if rank > limits.max_rank or pictures < limits.min_pictures:
            continue
        found = Alignment(line, matched_s, int(matched.sum()), mean, rank)
        if best is None or found.matched_s > best.matched_s:
            best = found
    return best


def _runs(time_s: FloatArray, matched: npt.NDArray[np.bool_], limits: Limits) -> list[IntArray]:
    """Stretches, from match to match, without a long gap and dense in matches."""
    hits = np.flatnonzero(matched)
    if hits.size < limits.min_matches:
        return []
    breaks = np.flatnonzero(np.diff(time_s[hits]) > limits.max_gap_s) + 1
    runs = []
    for piece in np.split(hits, breaks):
        run = np.arange(piece[0], piece[-1] + 1)
        if piece.size >= limits.min_matches and piece.size >= limits.min_share * run.size:
            runs.append(run)
    return runs


def _rank(
    probe_s: FloatArray,
    other: Track,
    distance: npt.NDArray[np.uint8],
    bits: npt.NDArray[np.uint8],
    line: Line,
) -> tuple[float, float]:
    """How much better the frames of a stretch agree with their own moment than with others.

    Moments at which the other video shows the same picture are no others, and frames that show the
    same picture weigh as one: a still proves nothing, however long it stands.

    Returns:
        Mean share of the other moments that agree better, equal ones counted half; and the number
        of different pictures that were compared.
    """
    wanted = line.speed * probe_s + line.offset_s
    inside = np.flatnonzero((other.time_s >= wanted[0] - 1) & (other.time_s <= wanted[-1] + 1))
    if inside.size < 2:
        return 1.0, 0.0
    time_s, hashes = other.time_s[inside], other.hashes[inside, 0]
    own = np.abs(time_s[None] - wanted[:, None]).argmin(axis=1)
    like = hamming(hashes[own, None], hashes[None]) <= _SAME_BITS
    far_s = max(4.0, 0.1 * float(wanted[-1] - wanted[0]))
    far = np.abs((time_s[:-1] + time_s[1:])[None] / 2 - wanted[:, None]) > far_s
    far &= ~(like[:, :-1] | like[:, 1:])
    pairs = np.minimum(distance[:, inside[:-1]], distance[:, inside[1:]])
    better = (pairs < bits[:, None]) + 0.5 * (pairs == bits[:, None])
    counted = far.sum(axis=1)
    told = counted > 0
    weight = 1 / like[:, own].sum(axis=1)[told]
    if not told.any():
        return 1.0, 0.0
    ranks = (better * far).sum(axis=1)[told] / counted[told]
    return float((weight * ranks).sum() / weight.sum()), float(weight.sum())
