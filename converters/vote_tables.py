"""Read AVOS's tables of labelers' votes into stretches of time."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_DOWN, Decimal
from typing import Final, TextIO

from converters.issue_log import DROPPED, FLAGGED, REPAIRED, IssueLog
from converters.native_json import shown
from converters.open_surgery import ABSTAIN, ACTION, BACKGROUND, DATASET, FRAME_HZ, NONE, TICK_HZ
from schemas.annotation import Disposition
from schemas.errors import MalformedSourceError, bounded

ROW_COLUMNS: Final = (
    "", "labeler_1", "labeler_2", "labeler_3", "label", "start_seconds", "end_seconds",
    "start_frame", "end_frame",
)  # fmt: skip
"""What is kept of a row of votes, absent columns being empty; the unnamed one is its number."""

VOTE_COLUMNS: Final = frozenset({"labeler_1", "labeler_2", "start_seconds", "end_seconds"})
"""Columns that both tables of votes must have."""

UNREADABLE: Final = "unreadable_label"
_KNOWN: Final = frozenset({*ACTION.labels, BACKGROUND, ABSTAIN})
_SECONDS: Final = re.compile(r"-?[0-9]{1,5}(\.[0-9]{1,6})?")

Cells = Sequence[str]
"""A row's values in the order of `ROW_COLUMNS`."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One row of a table, with readable times.

    Attributes:
        start: First tick inside.
        end: First tick after.
        label: An action, `background`, `abstain`, or `unreadable_label`.
        row: Number of the row in the table, None where it has none.
        flags: What the votes behind it leave in doubt, sorted.
    """

    start: int
    end: int
    label: str
    row: int | None
    flags: tuple[str, ...] = ()


def parse_table(
    handle: TextIO, required: Iterable[str], *, source: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a comma-separated table with a header that names `video_id`.

    Args:
        handle: Open text handle, decoded as UTF-8 with or without a byte order mark.
        required: Further columns the table must have.
        source: File relative to the source root, for the error.

    Yields:
        Video id as it stands there and the row by column, in file order; columns that a short row
        lacks are empty, and empty rows are left out.

    Raises:
        MalformedSourceError: The text is not UTF-8, holds NUL characters, or lacks a column.
    """
    reader = csv.DictReader(handle, restval="")
    try:
        missing = {"video_id", *required} - set(reader.fieldnames or ())
        if missing:
            raise MalformedSourceError(
                f"the table lacks columns: {bounded(sorted(missing))}.", dataset=DATASET,
                source=source, line=1,
            )  # fmt: skip
        for row in reader:
            yield row["video_id"].strip(), {key: row[key] for key in row if key is not None}
    except (csv.Error, UnicodeDecodeError) as error:
        raise MalformedSourceError(
            f"the file cannot be read as a table: {error}.", dataset=DATASET, source=source,
            line=reader.line_num + 1,
        ) from error  # fmt: skip


def vote(labeler_1: str, labeler_2: str, labeler_3: str) -> str:
    """What the votes on one stretch come to: the authors' own rule.

    The third labeler, who was called to settle disputes, decides; else the second, in whose words
    `none` is background; else the first. Without any vote a stretch is background.

    >>> vote("background", "cutting", ""), vote("suturing", "none", ""), vote("tying", "", "")
    ('cutting', 'background', 'tying')
    """
    chosen = labeler_3 or labeler_2 or labeler_1 or BACKGROUND
    return BACKGROUND if chosen == NONE else chosen


def parse_tick(text: str) -> int | None:
    """Turn seconds, which may be negative, into the nearest tick; None where they are no time.

    >>> parse_tick("-2.0"), parse_tick("1e3")
    (-180000, None)
    """
    if not _SECONDS.fullmatch(text.strip()):
        return None
    return int((Decimal(text.strip()) * TICK_HZ).to_integral_value(ROUND_HALF_DOWN))


def read_stretches(log: IssueLog, rows: Iterable[Cells], *, windows: bool) -> list[Stretch]:
    """Read one video's rows of a table of votes.

    A row whose label cannot be read keeps its time, so that nothing is claimed about it.

    Args:
        log: Takes faults and counts: `window`, or `segment` and `background`.
        rows: Values in the order of `ROW_COLUMNS`.
        windows: Whether the rows are windows, which have votes and frames but no label.

    Returns:
        Stretches by start, end and row; equal rows once, negative starts set to 0.
    """
    found: list[Stretch] = []
    seen = set()
    for position, cells in enumerate(rows):
        number = cells[0] if cells[0].isascii() and cells[0].isdecimal() else str(position)
        label, votes = _read_label(cells, windows=windows), tuple(cells[1:4])
        kind = "window" if windows else "background" if label == BACKGROUND else "segment"
        log.counts[kind] += 1
        note = _Note(log, kind, f"row[{number}]", position)
        span = _read_span(note, cells)
        if span is None:
            continue
        if (key := (*span, label, votes)) in seen:
            note(
                "duplicate_row", DROPPED, "an earlier row is equal.",
                "Nothing to do: one of the two is used.",
            )  # fmt: skip
            continue
        seen.add(key)
        _check_row(note, cells, label, windows=windows)
        row = int(number) if cells[0] else None
        found.append(Stretch(*span, label if label in _KNOWN else UNREADABLE, row, _doubts(cells)))
    return sorted(found, key=lambda s: (s.start, s.end, s.row or 0))


@dataclass(frozen=True, slots=True)
class _Note:
    """Adds faults of one row to a log."""

    log: IssueLog
    kind: str
    where: str
    position: int

    def __call__(self, reason: str, disposition: Disposition, detail: str, action: str) -> None:
        self.log.add(
            reason, self.kind, disposition, detail, action, where=self.where, at=(self.position, 0)
        )


def _read_label(cells: Cells, *, windows: bool) -> str:
    voted = vote(cells[1], cells[2], cells[3])
    label = voted if windows else cells[4] or voted
    return BACKGROUND if label == NONE else label


def _read_span(note: _Note, cells: Cells) -> tuple[int, int] | None:
    start, end = parse_tick(cells[5]), parse_tick(cells[6])
    if start is None or end is None:
        note(
            "malformed_times", DROPPED,
            f"{shown(cells[5])} to {shown(cells[6])} are no seconds of a video.",
            "Correct start_seconds and end_seconds of the row.",
        )  # fmt: skip
        return None
    if start >= end or end <= 0:
        reason = "zero_length" if start == end else "reversed_times" if start > end else "no_time"
        note(
            reason, DROPPED, f"the row runs from {cells[5]} to {cells[6]} seconds.",
            "Correct start_seconds and end_seconds of the row.",
        )  # fmt: skip
        return None
    if start < 0:
        note(
            "negative_start", REPAIRED, f"the row starts at {cells[5]} seconds; 0 is used.",
            "Nothing to do: nothing is shown before the video starts.",
        )  # fmt: skip
    return max(start, 0), end


def _check_row(note: _Note, cells: Cells, label: str, *, windows: bool) -> None:
    """Note a label that cannot be used, and what contradicts the rest of its row."""
    if label == ABSTAIN and not windows:
        note(
            "abstained", DROPPED, f"labelers could not say what {cells[5]} to {cells[6]} s shows.",
            "Have it labelled; until then no clip touches that time.",
        )  # fmt: skip
    elif label not in _KNOWN:
        note(
            "unknown_label", DROPPED, f"{shown(label)} is no action, background or abstention.",
            "Correct the label; until then no clip touches that time.",
        )  # fmt: skip
    elif not windows and label != vote(cells[1], cells[2], cells[3]):
        note(
            "label_not_voted", FLAGGED, f"the label is {label}, the votes come to another.",
            "Check the votes; the label is used.",
        )  # fmt: skip
    if any(cells[7:9]) and [_frame_tick(cell) for cell in cells[7:9]] != [
        parse_tick(cell) for cell in cells[5:7]
    ]:
        note(
            "frame_mismatch", FLAGGED,
            f"frames {shown(cells[7])} to {shown(cells[8])} are not the seconds times {FRAME_HZ}.",
            "Check the row; its seconds are used.",
        )  # fmt: skip


def _frame_tick(text: str) -> int | None:
    number = text.removesuffix(".0")
    if not re.fullmatch(r"-?[0-9]{1,8}", number):
        return None
    return int(number) * TICK_HZ // FRAME_HZ


def _doubts(cells: Cells) -> tuple[str, ...]:
    """How far labelers agree about a stretch: nothing to say where the first two do."""
    if cells[3]:
        return ("adjudicated",)
    if not cells[2]:
        return ("one_labeler",)
    return ("labelers_disagree",) if cells[1] != cells[2] else ()
