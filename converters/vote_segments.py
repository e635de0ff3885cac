"""Turn AVOS's voted stretches into segments, and say which time nothing is known about."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Final

from converters.issue_log import FLAGGED, REPAIRED, IssueLog
from converters.open_surgery import ABSTAIN, ACTION, TICK_HZ
from converters.vote_tables import UNREADABLE, Stretch
from schemas.errors import bounded
from schemas.timeline import Interval, Segment, SegmentKind

LONGEST_FILLED_TICKS: Final = 2 * TICK_HZ
"""Holes between windows up to this long belong to the window before, as in the smoothed table."""


def join_windows(windows: Sequence[Stretch]) -> list[Stretch]:
    """Rebuild stretches from windows, for videos the smoothed table lacks.

    A hole of up to two seconds belongs to the window before it; longer ones stay unlabelled. In
    v0.5.0 this agrees with the smoothed table on 1,675 of 1,685 holes up to two seconds, while only
    819 of 1,683 longer ones are background there.

    Args:
        windows: Sorted by start.

    Returns:
        Stretches by start.
    """
    joined = []
    for window, following in zip(windows, [*windows[1:], None], strict=True):
        hole = following.start - window.end if following is not None else 0
        end = window.end + hole if 0 < hole <= LONGEST_FILLED_TICKS else window.end
        joined.append(replace(window, end=end))
    return joined


def unite_stretches(log: IssueLog, stretches: Sequence[Stretch]) -> list[Segment]:
    """Make segments of the actions; stretches of one action that touch or overlap are one.

    Args:
        log: Takes `rows_united`, one for each segment that more than one stretch went into.
        stretches: Sorted by start.

    Returns:
        Segments by start, end and row, each named by its first row.
    """
    segments: list[Segment] = []
    for label in ACTION.labels:
        rows: list[list[Stretch]] = []
        end = -1
        for stretch in (s for s in stretches if s.label == label):
            if rows and stretch.start <= end:
                rows[-1].append(stretch)
            else:
                rows.append([stretch])
            end = max(end, stretch.end)
        segments += [_make_segment(log, group) for group in rows]
    return sorted(segments, key=lambda s: (s.start, s.end, s.native_index or 0))


def _make_segment(log: IssueLog, rows: Sequence[Stretch]) -> Segment:
    first = rows[0]
    if len(rows) > 1:
        numbers = [row.row for row in rows if row.row is not None]
        log.add(
            "rows_united", "segment", REPAIRED,
            f"rows of {first.label} that touch or overlap are one segment: {bounded(numbers)}.",
            "Nothing to do, unless the action pauses between them.",
            where=f"row[{first.row}]", at=(first.row or 0, 1),
        )  # fmt: skip
    return Segment(
        start=first.start, end=max(row.end for row in rows), kind=SegmentKind.ACTION,
        label=first.label, native_index=first.row,
        flags=tuple(sorted({flag for row in rows for flag in row.flags})),
    )  # fmt: skip


def list_unknown_time(stretches: Sequence[Stretch]) -> tuple[Interval, ...]:
    """Time between the first stretch and the last of which nothing can be claimed.

    Returns:
        Intervals in time order: `abstained` or `unreadable_label` as a stretch says, `contested`
        where stretches of different labels overlap, `unlabelled` where there is none.
    """
    edges = sorted(
        [(s.start, 1, s.label) for s in stretches] + [(s.end, -1, s.label) for s in stretches]
    )
    active: Counter[str] = Counter()
    found: list[tuple[int, int, str]] = []
    at = edges[0][0] if edges else 0
    for tick, group in groupby(edges, key=itemgetter(0)):
        reason = _unknown(active)
        if reason is not None and tick > at:
            if found and found[-1][1:] == (at, reason):
                found[-1] = (found[-1][0], tick, reason)
            else:
                found.append((at, tick, reason))
        for _, change, label in group:
            active[label] += change
            if not active[label]:
                del active[label]
        at = tick
    return tuple(Interval(start=start, end=end, reason=reason) for start, end, reason in found)


def _unknown(active: Counter[str]) -> str | None:
    if ABSTAIN in active:
        return "abstained"
    if UNREADABLE in active:
        return UNREADABLE
    if len(active) > 1:
        return "contested"
    return None if active else "unlabelled"


def note_unknown_time(log: IssueLog, intervals: Sequence[Interval]) -> None:
    """Say how much time clips keep away from beside what single rows told."""
    for reason, cause in (("contested", "rows of different labels overlap"),
                          ("unlabelled", "no row covers it")):  # fmt: skip
        ticks = [i.end - i.start for i in intervals if i.reason == reason]
        if ticks:
            log.add(
                f"{reason}_time", "video", FLAGGED,
                f"{sum(ticks) / TICK_HZ:g} s in {len(ticks)} stretches are unknown: {cause}.",
                "Have it labelled; until then no clip touches that time.",
            )  # fmt: skip


def compare_with_windows(
    log: IssueLog, segments: Sequence[Segment], windows: Sequence[Stretch]
) -> list[Segment]:
    """Use the windows as evidence: flag the segments that some window contradicts.

    Args:
        log: Takes `windows_disagree`, one for a video.
        segments: Read from the smoothed table.
        windows: The same video's windows, sorted by start.

    Returns:
        The segments; those that a window of another label overlaps flagged `windows_disagree`.
    """
    starts = [window.start for window in windows]
    longest = max((window.end - window.start for window in windows), default=0)
    checked = []
    for segment in segments:
        near = windows[
            bisect_right(starts, segment.start - longest) : bisect_left(starts, segment.end)
        ]
        if any(w.end > segment.start and w.label != segment.label for w in near):
            flags = tuple(sorted({*segment.flags, "windows_disagree"}))
            segment = segment.model_copy(update={"flags": flags})
            log.add(
                "windows_disagree", "segment", FLAGGED,
                f"a window inside {segment.label} from {segment.start / TICK_HZ:g} s on has another"
                " label.",
                "Look at the segment; the smoothed table is used.",
                where=f"row[{segment.native_index}]", at=(segment.native_index or 0, 2),
            )  # fmt: skip
        checked.append(segment)
    return checked
