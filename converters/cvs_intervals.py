"""From rows of the Cholec80-CVS sheet to stretches of time that have one score each.

Rules of ours where the authors' code lets the later row win: what rows with different scores claim
is used by none of them; overlapping rows of one score are one stretch; a backward row is dropped.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from converters.cholec80_files import FPS
from converters.cvs_workbook import Cell, NativeRow
from converters.issue_log import DROPPED, FLAGGED, REPAIRED
from converters.native_json import as_int, shown
from schemas.annotation import CvsInterval, Disposition, Issue
from schemas.errors import bounded

CRITERIA: Final = ("two_structures", "cystic_plate", "hepatocystic_triangle")
CRITICAL_VIEW_TOTAL: Final = 5
"""From this sum of the three scores on, the authors call the view critical."""

MAX_MINUTES: Final = 600
_TIMES: Final = ("initial_minute", "initial_second", "final_minute", "final_second")
_NUMBERS: Final = (*_TIMES, *CRITERIA, "Total", "critical_view")
_DIGITS: Final = re.compile(r"[0-9]{1,6}")
_REWRITE: Final = "Correct the row in the workbook."

Scores = tuple[int, int, int]
Span = tuple[int, int]
"""First tick inside and first tick after."""


@dataclass(slots=True)
class SheetLog:
    """Faults of one video's rows.

    Attributes:
        file: The workbook, relative to the source root.
        issues: In the order found.
    """

    file: str
    issues: list[Issue] = field(default_factory=list)

    def add(
        self,
        reason: str,
        disposition: Disposition,
        detail: str,
        action: str = _REWRITE,
        *,
        line: int | None = None,
        column: str | None = None,
        kind: str = "row",
        file: str | None = None,
    ) -> None:
        """Note one fault; `line` is the row number in the sheet."""
        self.issues.append(
            Issue(
                reason=reason, kind=kind, disposition=disposition, detail=detail, action=action,
                file=file or self.file, line=line, field=column,
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A stretch of time with one score.

    Attributes:
        start: First tick inside.
        end: First tick after.
        scores: The three scores, in the order of `CRITERIA`.
        lines: Rows of the sheet that say so, ascending.
    """

    start: int
    end: int
    scores: Scores
    lines: tuple[int, ...]

    def interval(self) -> CvsInterval:
        """The stretch as the shared schema has it."""
        scores = dict(zip(CRITERIA, self.scores, strict=True))
        return CvsInterval(start=self.start, end=self.end, **scores)


@dataclass(frozen=True, slots=True)
class Scoring:
    """All scores of one video.

    Attributes:
        spans: Sorted, without overlap.
        ambiguous: Stretches that rows with different scores claim, sorted, without overlap.
    """

    spans: tuple[ScoredSpan, ...]
    ambiguous: tuple[Span, ...]


def parse_whole(cell: Cell) -> int | None:
    """Return a whole number a cell holds as number or as digits, None for anything else."""
    if isinstance(cell, str):
        text = cell.strip()
        return int(text) if _DIGITS.fullmatch(text) else None
    return as_int(cell)


def read_scoring(rows: Sequence[NativeRow], limit: int | None, log: SheetLog) -> Scoring:
    """Turn a video's rows into stretches of one score.

    Args:
        rows: Rows of one video, in sheet order.
        limit: First tick past which no score counts, as the first clip sits there; None where it
            is not known.
        log: Takes the faults.
    """
    parsed = [_parse_row(row, log) for row in rows]
    kept = [_cut(span, limit, log) for span in parsed if span is not None]
    spans = sorted(
        (span for span in kept if span is not None), key=lambda s: (s.start, s.end, s.lines)
    )
    claims = _unite(spans, log)
    ambiguous = _find_ambiguous(claims, log)
    pieces: list[ScoredSpan] = []
    for claim in claims:
        parts = subtract((claim.start, claim.end), ambiguous)
        pieces.extend(ScoredSpan(a, b, claim.scores, claim.lines) for a, b in parts)
        for line in claim.lines if not parts else ():
            log.add(
                "wholly_ambiguous", DROPPED,
                f"every second of row {line} is claimed by a row with other scores.",
                "Decide which of the rows holds, and delete the other.", line=line,
            )  # fmt: skip
    _note_order(rows, parsed, log)
    return Scoring(tuple(sorted(pieces, key=lambda s: s.start)), ambiguous)


def subtract(span: Span, holes: Iterable[Span]) -> list[Span]:
    """Return what is left of a stretch outside some others, in time order.

    Args:
        span: First tick inside and first tick after.
        holes: Stretches to leave out, sorted by start.

    >>> subtract((0, 10), [(2, 4), (3, 5), (9, 12)])
    [(0, 2), (5, 9)]
    """
    start, end = span
    parts: list[Span] = []
    for hole_start, hole_end in holes:
        if hole_start > start and start < end:
            parts.append((start, min(hole_start, end)))
        start = max(start, hole_end)
    if start < end:
        parts.append((start, end))
    return parts


def _parse_row(row: NativeRow, log: SheetLog) -> ScoredSpan | None:
    """Read one row; a row that cannot be trusted is dropped with its reason."""
    values: dict[str, int] = {}
    for column in _NUMBERS:
        number = parse_whole(row.cells[column])
        if number is None:
            found = row.cells[column]
            blank = found is None or found == ""
            log.add(
                "blank_cell" if blank else "bad_cell", DROPPED,
                "the cell is blank." if blank else f"{shown(found)} is no whole number.",
                line=row.line, column=column,
            )  # fmt: skip
            return None
        values[column] = number
    texts = [column for column in _NUMBERS if isinstance(row.cells[column], str)]
    if texts:
        log.add(
            "text_number", REPAIRED, f"cells hold numbers as text: {', '.join(texts)}.",
            "Nothing to do: they were read as numbers.", line=row.line, column=texts[0],
        )  # fmt: skip
    return _checked_span(row.line, values, log)


def _checked_span(line: int, values: Mapping[str, int], log: SheetLog) -> ScoredSpan | None:
    for column in _TIMES:
        top = MAX_MINUTES if column.endswith("minute") else 59
        if not 0 <= values[column] <= top:
            detail = f"{shown(values[column])} is outside 0 to {top}."
            log.add("bad_time", DROPPED, detail, line=line, column=column)
            return None
    for column in CRITERIA:
        if values[column] not in (0, 1, 2):
            detail = f"{shown(values[column])} is no score of 0, 1 or 2."
            log.add("bad_score", DROPPED, detail, line=line, column=column)
            return None
    scores = (values[CRITERIA[0]], values[CRITERIA[1]], values[CRITERIA[2]])
    total = values["Total"]
    if total != sum(scores):
        detail = f"Total is {shown(total)}, the scores {scores} add up to {sum(scores)}."
        log.add("total_mismatch", DROPPED, detail, line=line, column="Total")
        return None
    first = 60 * values["initial_minute"] + values["initial_second"]
    last = 60 * values["final_minute"] + values["final_second"]
    if last < first:
        detail = f"the row runs backwards, from {clock(first)} to {clock(last)}."
        log.add("backward_interval", DROPPED, detail, line=line, column="final_minute")
        return None
    if values["critical_view"] != (total >= CRITICAL_VIEW_TOTAL):
        log.add(
            "critical_view_mismatch", FLAGGED,
            f"critical_view is {shown(values['critical_view'])} with a total of {total}.",
            "Nothing to do: the column is not used.", line=line, column="critical_view",
        )  # fmt: skip
    # The final second belongs to the interval.
    return ScoredSpan(first * FPS, (last + 1) * FPS, scores, (line,))


def _cut(span: ScoredSpan, limit: int | None, log: SheetLog) -> ScoredSpan | None:
    """Cut a stretch where the first clip sits, as the authors do."""
    if limit is None or span.end <= limit:
        return span
    end_s, limit_s = span.end // FPS - 1, limit / FPS
    if span.start >= limit:
        log.add(
            "after_first_clip", DROPPED,
            f"the row starts at {clock(span.start // FPS)}, scoring ends at {limit_s:.2f} s.",
            line=span.lines[0], column="initial_minute",
        )  # fmt: skip
        return None
    log.add(
        "past_first_clip", REPAIRED,
        f"the row ends with second {clock(end_s)}, scoring ends at {limit_s:.2f} s.",
        "Nothing to do: it was cut there.", line=span.lines[0], column="final_minute",
    )  # fmt: skip
    return ScoredSpan(span.start, limit, span.scores, span.lines)


def _unite(spans: Sequence[ScoredSpan], log: SheetLog) -> list[ScoredSpan]:
    """Unite rows of equal scores that share time; rows that only touch stay apart."""
    united: list[ScoredSpan] = []
    for scores in sorted({span.scores for span in spans}):
        open_ = -1
        for span in (span for span in spans if span.scores == scores):
            if open_ >= 0 and span.start < united[open_].end:
                before = united[open_]
                lines = tuple(sorted((*before.lines, *span.lines)))
                end = max(before.end, span.end)
                united[open_] = ScoredSpan(before.start, end, scores, lines)
            else:
                open_ = len(united)
                united.append(span)
    for span in united:
        if len(span.lines) > 1:
            log.add(
                "united_overlap", REPAIRED,
                f"rows {bounded(span.lines)} overlap and agree on the scores {span.scores}.",
                "Nothing to do: they count as one interval.", line=span.lines[0],
            )  # fmt: skip
    return sorted(united, key=lambda s: (s.start, s.end, s.lines))


def _find_ambiguous(claims: Sequence[ScoredSpan], log: SheetLog) -> tuple[Span, ...]:
    """Stretches claimed more than once; claims of one score do not overlap any more."""
    edges = sorted({edge for claim in claims for edge in (claim.start, claim.end)})
    found: list[tuple[int, int, tuple[int, ...]]] = []
    active: list[ScoredSpan] = []
    waiting = list(reversed(claims))
    for start, end in pairwise(edges):
        while waiting and waiting[-1].start <= start:
            active.append(waiting.pop())
        active = [claim for claim in active if claim.end > start]
        if len(active) > 1:
            lines = tuple(sorted(line for claim in active for line in claim.lines))
            if found and found[-1][1:] == (start, lines):
                found[-1] = (found[-1][0], end, lines)
            else:
                found.append((start, end, lines))
    for start, end, lines in found:
        log.add(
            "ambiguous_scores", DROPPED,
            f"seconds {clock(start // FPS)} to {clock((end - 1) // FPS)} are claimed by rows"
            f" {bounded(lines)} with different scores.",
            "Decide which of the rows holds, and correct the times of the others.",
            line=lines[0], kind="stretch",
        )  # fmt: skip
    return tuple((start, end) for start, end, _ in found)


def _note_order(
    rows: Sequence[NativeRow], parsed: Sequence[ScoredSpan | None], log: SheetLog
) -> None:
    starts = [span.start for span in parsed if span is not None]
    if any(a > b for a, b in pairwise(starts)):
        log.add(
            "unsorted_rows", REPAIRED, "the rows do not stand in time order.",
            "Nothing to do: they were sorted.", line=rows[0].line, kind="video",
        )  # fmt: skip


def clock(second: int) -> str:
    """A second of the video as the sheet has it.

    >>> clock(125)
    '2:05'
    """
    return f"{second // 60}:{second % 60:02d}"
