"""Lay out a video's scored intervals for clips: what to cut them from, and where never to cross.

Clips are runs of consecutive segments, and a clip about the critical view lies within one scored
interval. So an interval becomes one to four segments, and between any two intervals an excluded
stretch keeps runs apart: the time that no row or too many rows score, or, where intervals touch,
one frame of the longer one.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from converters.cholec80_files import FPS
from converters.cvs_intervals import ScoredSpan, Scoring, subtract
from schemas.hashing import hash_order
from schemas.timeline import Interval, Segment, SegmentKind
from schemas.vocabulary import Vocabulary

SHORTEST_PIECE: Final = 20 * FPS
"""Ticks; a little over the 17 s that the shortest clip has."""

MOST_PIECES: Final = 4
MOST_RUNS: Final = 60
"""Clips a build keeps of one video unless told otherwise: no interval is cut so finely that the
choice among runs would leave another interval without its clip."""

_SHARES: Final = (0, 1, 3, 9)
"""How the pieces share what an interval has beyond their shortest lengths: from a piece of 20 s to
two thirds of the interval, so that a clip's length does not betray a score that lasted long."""

ASSESSMENT: Final = Vocabulary(
    name="step",
    labels=("critical-view-assessment",),
    phrases={"critical-view-assessment": "assessment of the critical view of safety"},
)


def lay_segments(scoring: Scoring, video_id: str) -> tuple[Segment, ...]:
    """Cut every interval into the segments clips are planned from, in time order.

    Args:
        scoring: The video's intervals.
        video_id: The video; with an interval's start it decides the order of the pieces.

    Returns:
        Segments that fill the intervals; `native_index` is the sheet row, from 0.
    """
    most = _pieces_allowed(scoring.spans)
    segments: list[Segment] = []
    for span in scoring.spans:
        edge = span.start
        for length in _piece_lengths(span, most, video_id):
            segments.append(
                Segment(
                    start=edge, end=edge + length, kind=SegmentKind.STEP,
                    label=ASSESSMENT.labels[0], native_index=span.lines[0] - 1,
                )
            )  # fmt: skip
            edge += length
    return tuple(segments)


def lay_barriers(scoring: Scoring) -> tuple[Interval, ...]:
    """List what no clip may touch from the first interval to the last, in time order."""
    barriers = [Interval(start=a, end=b, reason="ambiguous_scores") for a, b in scoring.ambiguous]
    for before, after in pairwise(scoring.spans):
        if before.end == after.start:
            # Taken from the longer one, so that an interval of 17 s keeps its whole length.
            longer_after = after.end - after.start > before.end - before.start
            start = after.start if longer_after else before.end - 1
            barriers.append(Interval(start=start, end=start + 1, reason="score_boundary"))
        else:
            gaps = subtract((before.end, after.start), scoring.ambiguous)
            barriers.extend(Interval(start=a, end=b, reason="not_scored") for a, b in gaps)
    return tuple(sorted(barriers, key=lambda barrier: barrier.start))


def _piece_count(span: ScoredSpan, most: int) -> int:
    return max(1, min(most, (span.end - span.start) // SHORTEST_PIECE))


def _pieces_allowed(spans: Sequence[ScoredSpan]) -> int:
    """Most pieces of an interval such that all runs of a video fit into its share of clips."""
    for most in range(MOST_PIECES, 1, -1):
        counts = [_piece_count(span, most) for span in spans]
        if sum(count * (count + 1) // 2 for count in counts) <= MOST_RUNS:
            return most
    return 1


def _piece_lengths(span: ScoredSpan, most: int, video_id: str) -> list[int]:
    """Lengths in ticks, whole seconds but for one, in an order chosen by hash."""
    count, length = _piece_count(span, most), span.end - span.start
    if count == 1:
        return [length]
    shares = _SHARES[:count]
    rest = length - count * SHORTEST_PIECE
    lengths = [SHORTEST_PIECE + rest * share // sum(shares) // FPS * FPS for share in shares]
    lengths[-1] += length - sum(lengths)
    order = hash_order(range(count), 0, "pieces", video_id, span.start)
    return [lengths[place] for place in order]
