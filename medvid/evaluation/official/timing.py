"""Overlaps as the leaderboard computes them; three that differ, each where the board has it."""

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import pairwise

from medvid.evaluation.official.reading import ReadEvent
from medvid.evaluation.rows import Box, Span

_UNION_FLOOR = 1e-6
_DVC_FLOOR = 1e-8


def hull_iou(a: Span, b: Span) -> float:
    """Overlap over hull, §3.1: 0 where the hull has no length.

    For spans apart the hull holds the gap, for spans that run backwards it may be negative.
    """
    hull = max(a[1], b[1]) - min(a[0], b[0])
    inside = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return inside / hull if hull > 0 else 0.0


def union_iou(a: Span, b: Span) -> float:
    """Overlap over union of lengths, §3.7: 0 where the union has no length."""
    inside = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - inside
    return inside / union if union > 0 else 0.0


def frame_iou(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Overlap of two pairs of frame numbers, §3.6, either end first.

    `overlap / (min(hull, sum of lengths) + 1e-8)`.
    """
    a, b = (min(a), max(a)), (min(b), max(b))
    inside = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    hull = max(a[1], b[1]) - min(a[0], b[0])
    return float(inside) / (min(hull, a[1] - a[0] + b[1] - b[0]) + _DVC_FLOOR)


def box_iou(a: Box, b: Box) -> float:
    """Overlap of two boxes, §3.2: the union is at least 1e-6; 0 where it is no number."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    inside = width * height
    union = _area(a) + _area(b) - inside
    score = inside / max(union, _UNION_FLOOR)
    return score if score >= 0 else 0.0


def flatten(events: Sequence[ReadEvent]) -> list[ReadEvent]:
    """Cut events at all boundaries where any two overlap, §3.6.

    Returns:
        The events as they stand where none overlaps the one that starts next; else pieces between
        neighbouring boundaries, each with the caption of the longest event over it, the first of
        equals. Events without length vanish with the cutting.
    """
    ordered = sorted(events, key=lambda event: (event.start, event.end))
    if all(after.start >= before.end for before, after in pairwise(ordered)):
        return list(events)
    bounds = sorted({event.start for event in events} | {event.end for event in events})
    waiting = sorted(range(len(events)), key=lambda place: events[place].start, reverse=True)
    over: list[tuple[float, int]] = []
    pieces: list[ReadEvent] = []
    for start, end in pairwise(bounds):
        while waiting and events[waiting[-1]].start <= start:
            place = waiting.pop()
            heappush(over, (events[place].start - events[place].end, place))
        while over and events[over[0][1]].end <= start:
            heappop(over)
        if over:
            pieces.append(ReadEvent(start, end, events[over[0][1]].caption))
    return pieces


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
