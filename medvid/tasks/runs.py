"""Candidate runs: every stretch of consecutive segments, listed with what rules it out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.annotation import VideoAnnotation
from schemas.timeline import IntArray, Interval, SegmentKind

LEGAL = -1
"""Code of a run that no rule about its extent rules out."""

FATES = (
    "excluded",
    "too_long",
    "too_short",
    "no_rate",
    "no_frames",
    "too_few_frames",
    "too_many_frames",
    "hole",
    "missing_frames",
    "over_cap",
)
"""Why a candidate gives no clip, by code, from the first rule to the last: where several
candidates hold a segment, the one that came furthest says what became of it."""

CODE = {fate: code for code, fate in enumerate(FATES)}


@dataclass(frozen=True, slots=True)
class Pieces:
    """Segments of one kind, cut where an excluded interval interrupts them.

    Attributes:
        start: First tick inside, int64, shape (n,), ascending.
        end: First tick after, int64, shape (n,).
        position: Place of the segment in `VideoAnnotation.segments`, int64, shape (n,).
        barrier: Start of the first excluded interval at or after each piece, int64, shape (n,).
    """

    start: IntArray
    end: IntArray
    position: IntArray
    barrier: IntArray

    def __len__(self) -> int:
        return int(self.start.size)


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of consecutive pieces, as parallel int64 arrays of shape (m,).

    Attributes:
        first: First piece of the run.
        last: Last piece of the run.
        start: First tick inside.
        end: First tick after.
        code: `LEGAL`, or the code of the fate that its extent decides.
        count: How many runs the row stands for: the runs from `first` that are too long already
            where piece `last` starts are one row.
    """

    first: IntArray
    last: IntArray
    start: IntArray
    end: IntArray
    code: IntArray
    count: IntArray


def cut_pieces(annotation: VideoAnnotation, kind: SegmentKind) -> Pieces:
    """Cut the segments of a kind at the excluded intervals; what lies inside one is left out."""
    excluded = _merged(annotation.excluded)
    rows: list[tuple[int, int, int]] = []
    for position, segment in enumerate(annotation.segments):
        if segment.kind is kind:
            rows.extend(
                (start, end, position)
                for start, end in _outside(segment.start, segment.end, excluded)
            )
    rows.sort()
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 3)
    starts = np.asarray([start for start, _ in excluded], dtype=np.int64)
    far = np.iinfo(np.int64).max
    barrier = np.append(starts, far)[np.searchsorted(starts, table[:, 0])]
    return Pieces(table[:, 0], table[:, 1], table[:, 2], barrier)


def list_runs(pieces: Pieces, min_ticks: int, max_ticks: int) -> Runs:
    """List all runs i..j of consecutive pieces, gaps included.

    Args:
        pieces: Pieces sorted by start.
        min_ticks: Shortest legal run in ticks, inclusive.
        max_ticks: Longest legal run in ticks, inclusive.

    Returns:
        Runs by first piece, then last piece; `count` adds up to n (n + 1) / 2.
    """
    parts: list[IntArray] = [np.empty((0, 6), dtype=np.int64)]
    total = len(pieces)
    for first in range(total):
        start = int(pieces.start[first])
        # A later piece that starts past the longest run makes every longer run too long as well.
        stop = int(np.searchsorted(pieces.start, start + max_ticks, side="left"))
        stop = max(stop, first + 1)
        last = np.arange(first, stop, dtype=np.int64)
        end = np.maximum.accumulate(pieces.end[first:stop])
        code = np.full(last.size, LEGAL, dtype=np.int64)
        code[end - start < min_ticks] = CODE["too_short"]
        code[end - start > max_ticks] = CODE["too_long"]
        code[end > pieces.barrier[first]] = CODE["excluded"]
        ones = np.ones_like(last)
        parts.append(np.column_stack((ones * first, last, ones * start, end, code, ones)))
        if stop < total:
            row = (first, total - 1, start, start + max_ticks + 1, CODE["too_long"], total - stop)
            parts.append(np.asarray([row], dtype=np.int64))
    return Runs(*np.concatenate(parts).T)


def _merged(intervals: Sequence[Interval]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted((interval.start, interval.end) for interval in intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _outside(start: int, end: int, excluded: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    parts: list[tuple[int, int]] = []
    for cut_start, cut_end in excluded:
        if cut_end <= start or cut_start >= end:
            continue
        if cut_start > start:
            parts.append((start, cut_start))
        start = cut_end
    if start < end:
        parts.append((start, end))
    return parts
