"""The pages' HTML: every stranger's word is escaped by the template engine, none is trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined

from medvid.evaluation.findings import cut
from medvid.evaluation.leaderboard.board import Board, BoardLine, shown_date
from medvid.evaluation.leaderboard.entries import Entry
from medvid.evaluation.leaderboard.intake import Receipt
from medvid.evaluation.leaderboard.plots import SHORT
from medvid.evaluation.leaderboard.public import PublicColumn, PublicResult
from medvid.evaluation.leaderboard.queue import QueuedJob
from medvid.evaluation.leaderboard.registration import Registration
from medvid.evaluation.rows import COLUMNS, STRICT_COLUMNS, Profile, TruthRow
from schemas.errors import SubmissionError

Value = float | None
MAX_TEXT: Final = 2_400
_NAMES: Final = ("board", "entry", "message", "history", "comparison", "jobs", "macros")
MEANING: Final[Mapping[str, str]] = {
    "CVS_acc": "critical view of safety, accuracy",
    "NAP_acc": "next action, accuracy",
    "SA_acc": "skill assessment, accuracy",
    "STG_mIoU": "spatiotemporal grounding, mean IoU",
    "TAG_mIoU@0.3": "temporal grounding, mean IoU at 0.3",
    "TAG_mIoU@0.5": "temporal grounding, mean IoU at 0.5",
    "DVC_F1": "dense captioning, temporal F1",
    "DVC_llm": "dense captioning, judged 1 to 5",
    "VS_llm": "video summary, judged 1 to 5",
    "RC_llm": "region caption, judged 1 to 5",
}


@dataclass(frozen=True, slots=True)
class ColumnLine:
    """A column of an entry under both profiles."""

    name: str
    official: PublicColumn | None
    strict: PublicColumn | None

    @property
    def shown(self) -> PublicColumn:
        """Whichever profile has the column."""
        found = self.official or self.strict
        return found or PublicColumn(value=None, rows=0, counted=0, parsed_rate=None)


def board_page(board: Board) -> str:
    """The table."""
    best: dict[str, Value] = {}
    for column in board.columns:
        values = [_ordering(line, board.profile).get(column) for line in board.lines if line.rank]
        best[column] = max((v for v in values if v is not None), default=None)
    return _render(
        "board", board=board, columns=board.columns, best=best, meaning=MEANING,
        judges=sorted({line.entry.judge for line in board.lines if line.entry.judge}),
    )  # fmt: skip


def entry_page(entry: Entry, result: PublicResult | None) -> str:
    """An entry as a whole."""
    return _render("entry", entry=entry, result=result, lines=column_lines(result))


def status_page(
    entry: Entry,
    findings: Sequence[Mapping[str, Any]],
    queued: int | None,
    place: tuple[int, int] | None,
    result: PublicResult | None,
) -> str:
    """What became of an upload."""
    return _render(
        "entry", entry=entry, result=result, lines=column_lines(result), status=True,
        queued=queued, place=place, findings=findings,
    )  # fmt: skip


def column_lines(result: PublicResult | None) -> list[ColumnLine]:
    """Columns of a result in the table's order."""
    if result is None:
        return []
    official, strict = (result.columns.get(p, {}) for p in ("official", "strict"))
    return [
        ColumnLine(name, official.get(name), strict.get(name))
        for name in (*COLUMNS, *STRICT_COLUMNS)
        if name in official or name in strict
    ]


def receipt_page(receipt: Receipt, registration: Registration) -> str:
    """What a team reads after an upload."""
    return _render(
        "message", kind="good", title="Taken", findings=receipt.findings, receipt=receipt.word,
        text=f"{registration.name} waits to be evaluated"
        + (", and will not be listed." if registration.evaluate_only else "."),
    )  # fmt: skip


def refusal_page(error: SubmissionError) -> str:
    """Why something was refused, and what to do."""
    where = error.source or ""
    if error.line is not None:
        where = f"{where}, line {error.line}" if where else f"line {error.line}"
    where = "; ".join(part for part in (where, error.field or "") if part)
    return _render(
        "message", kind="bad", title="Not taken", text=cut(error.problem, 1_200),
        where=cut(where), action=error.action, findings=getattr(error, "findings", ()),
    )  # fmt: skip


def note_page(text: str) -> str:
    """A sentence."""
    return _render("message", kind="note", title="", text=text)


def history_page(lines: Sequence[BoardLine]) -> str:
    """A team's entries, oldest first, with the change from one to the next."""
    steps = []
    before: Mapping[str, Value] = {}
    for line in lines:
        steps.append((line, {c: _change(before.get(c), line.official.get(c)) for c in COLUMNS}))
        before = line.official
    return _render("history", steps=steps, columns=COLUMNS, meaning=MEANING)


def comparison_page(
    row: TruthRow, entries: Sequence[Entry], texts: Sequence[str], truth: str | None
) -> str:
    """Two answers to one question."""
    answers = [
        (letter, entry.name, cut_text(text))
        for letter, entry, text in zip("AB", entries, texts, strict=True)
    ]
    return _render("comparison", row=row, answers=answers, truth=truth, question=row.question)


def jobs_page(jobs: Sequence[QueuedJob], entries: Sequence[Entry]) -> str:
    """The queue and all entries, for the admin."""
    return _render("jobs", jobs=jobs, entries=entries)


def scope_name(scope: str) -> str:
    """A scope in words.

    >>> scope_name("source:avos"), scope_name("all")
    ('source avos', 'all rows')
    """
    return "all rows" if scope == "all" else scope.replace(":", " ", 1).replace("_", " ")


def row_name(row: TruthRow) -> str:
    """A row in a list of choices."""
    return f"{row.index}: {row.task.value} · {row.source} {row.video_id}"


def cut_text(text: str) -> str:
    """A model's answer at a length that a page can show."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text):,} characters)"


def stylesheet() -> str:
    """The pages' CSS."""
    return files(__package__).joinpath("templates/board.css").read_text(encoding="utf-8")


def _ordering(line: BoardLine, profile: Profile) -> Mapping[str, Value]:
    return line.official if profile == "official" else line.strict


def _change(before: Value, after: Value) -> Value:
    return None if before is None or after is None else after - before


def _render(name: str, **values: object) -> str:
    return _templates().get_template(f"{name}.html").render(**values)


@cache
def _templates() -> Environment:
    folder = files(__package__).joinpath("templates")
    loader = DictLoader({
        f"{name}.html": folder.joinpath(f"{name}.html").read_text(encoding="utf-8")
        for name in _NAMES
    })  # fmt: skip
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "score": lambda value: "–" if value is None else f"{value:.3f}",
        "share": lambda value: "–" if value is None else f"{100 * value:.1f} %",
        "short": lambda name: SHORT.get(name, name), "day": shown_date,
        "change": lambda value: "" if not value else f"{value:+.3f}",
        "count": lambda value: f"{value:,}", "cut": cut,
    }  # fmt: skip
    return environment
