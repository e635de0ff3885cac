"""The board: who stands where, under which rules, over which rows; and its export."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import select

from medvid.evaluation.leaderboard.entries import PUBLISHED, SCORED, Entry, list_entries
from medvid.evaluation.leaderboard.public import ALL, PublicResult
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.tables import scores
from medvid.evaluation.ranking import RankedEntry, rank_entries
from medvid.evaluation.rows import COLUMNS, STRICT_COLUMNS, Profile
from schemas.hashing import canonical_json

Value = float | None
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class BoardLine:
    """One entry's line.

    Attributes:
        entry: The entry.
        rank: Its place and ranks; None where it was scored against another truth.
        official: Values under the official rules.
        strict: Values under the strict rules, empty for published scores.
    """

    entry: Entry
    rank: RankedEntry | None
    official: Mapping[str, Value]
    strict: Mapping[str, Value]

    @property
    def published(self) -> bool:
        """Whether the scores were published by others and not evaluated here."""
        return self.entry.origin == PUBLISHED


@dataclass(frozen=True, slots=True)
class Board:
    """The table.

    Attributes:
        lines: By place; entries scored against another truth last.
        profile: Rules that order it.
        scope: `all`, `source:…` or `task:…`.
        columns: Columns that have a value, in the table's order.
    """

    lines: tuple[BoardLine, ...]
    profile: Profile
    scope: str
    columns: tuple[str, ...]


def load_board(
    store: BoardStore,
    truth_key: str,
    *,
    profile: Profile = "official",
    scope: str = ALL,
    published: bool = True,
) -> Board:
    """Order all listed entries.

    Only entries scored against the same truth are ranked together. Published scores stand for the
    public test split whatever truth this server has; leave them out where that is another.

    Args:
        store: The database.
        truth_key: Hash of the server's truth.
        profile: Rules to order by; published scores have official values alone.
        scope: Rows to order by.
        published: Whether published scores take part.
    """
    listed = [e for e in list_entries(store) if e.state == SCORED]
    values = _values(store, scope)
    chosen = []
    for entry in listed:
        own = values.get(entry.id, {})
        if entry.origin == PUBLISHED and not (published and profile == "official" and own):
            continue
        chosen.append((entry, own.get("official", {}), own.get("strict", {})))
    ranked = [
        line for line in chosen if line[0].origin == PUBLISHED or line[0].truth_key == truth_key
    ]
    columns = _columns(chosen)
    judged = {e.name: (official if profile == "official" else strict)
              for e, official, strict in ranked}  # fmt: skip
    ranks = {r.name: r for r in rank_entries(judged, columns)} if columns else {}
    lines = [
        BoardLine(entry, ranks.get(entry.name) if entry.name in judged else None, official, strict)
        for entry, official, strict in chosen
    ]
    lines.sort(key=lambda line: (line.rank is None, line.rank.place if line.rank else 0))
    return Board(tuple(lines), profile, scope, columns)


def _columns(
    chosen: Sequence[tuple[Entry, Mapping[str, Value], Mapping[str, Value]]],
) -> tuple[str, ...]:
    """The ten columns; over part of the rows those that have values there."""
    present = {
        name
        for _, official, strict in chosen
        for values in (official, strict)
        for name, value in values.items()
        if value is not None
    }
    return tuple(name for name in COLUMNS if name in present)


def list_scopes(store: BoardStore) -> list[str]:
    """Scopes for which scores are kept, `all` first."""
    with store.reading() as connection:
        found = connection.execute(select(scores.c.scope).distinct()).scalars()
        return [ALL, *sorted(scope for scope in found if scope != ALL)]


def would_be_place(store: BoardStore, truth_key: str, entry: Entry) -> tuple[int, int] | None:
    """Place an entry has, or would have if it were listed.

    Returns:
        The place, and the number of entries it is among; None without scores.
    """
    board = load_board(store, truth_key)
    own = _values(store, ALL).get(entry.id, {}).get("official")
    if own is None:
        return None
    # The receipt's entry may bear a listed one's name: number and name together are unique.
    field = {(line.entry.id, line.entry.name): line.official for line in board.lines if line.rank}
    field[(entry.id, entry.name)] = own
    named = {f"{name}\x00{number}": values for (number, name), values in field.items()}
    mine = f"{entry.name}\x00{entry.id}"
    return next(r.place for r in rank_entries(named) if r.name == mine), len(named)


def team_history(store: BoardStore, truth_key: str, team: str) -> list[BoardLine]:
    """Listed entries of a team, oldest first, with their places on the whole board."""
    board = load_board(store, truth_key)
    mine = [line for line in board.lines if line.entry.team == team]
    return sorted(mine, key=lambda line: line.entry.created_at)


def export_json(board: Board) -> bytes:
    """The table as one JSON document."""
    return canonical_json({
        "profile": board.profile, "scope": board.scope, "columns": list(board.columns),
        "entries": [_document(line) for line in board.lines],
    })  # fmt: skip


def export_csv(board: Board) -> bytes:
    """The table as CSV; text that a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    extra = [*COLUMNS, *STRICT_COLUMNS]
    writer.writerow([
        "place", "mean_rank", "model", "team", "institution", "origin", "parsed_rate", "judge",
        "date", *COLUMNS, *(f"strict {name}" for name in extra),
    ])  # fmt: skip
    for line in board.lines:
        e, rank = line.entry, line.rank
        writer.writerow([
            rank.place if rank else "", f"{rank.mean_rank:.3f}" if rank else "", _plain(e.name),
            _plain(e.team), _plain(e.institution), e.origin, _number(e.parsed_rate),
            _plain(e.judge), shown_date(e), *(_number(line.official.get(c)) for c in COLUMNS),
            *(_number(line.strict.get(c)) for c in extra),
        ])  # fmt: skip
    return out.getvalue().encode("utf-8")


def shown_date(entry: Entry) -> str:
    """Day of an upload; published scores have none."""
    if entry.origin == PUBLISHED:
        return ""
    return datetime.fromtimestamp(entry.created_at, UTC).strftime("%Y-%m-%d")


def overall(result: PublicResult, profile: Profile) -> dict[str, Value]:
    """Values of an entry's columns."""
    return {name: column.value for name, column in result.columns[profile].items()}


def _values(store: BoardStore, scope: str) -> dict[int, dict[str, dict[str, Value]]]:
    found: dict[int, dict[str, dict[str, Value]]] = defaultdict(lambda: defaultdict(dict))
    with store.reading() as connection:
        for row in connection.execute(select(scores).where(scores.c.scope == scope)):
            found[row.entry_id][row.profile][row.column_name] = row.value
    return found


def _document(line: BoardLine) -> dict[str, Any]:
    entry, rank = line.entry, line.rank
    return {
        "place": rank.place if rank else None, "mean_rank": rank.mean_rank if rank else None,
        "ranks": dict(rank.ranks) if rank else {}, "model": entry.name, "team": entry.team,
        "institution": entry.institution, "authors": entry.authors, "link": entry.link,
        "remark": entry.remark, "origin": entry.origin, "judge": entry.judge,
        "parsed_rate": entry.parsed_rate, "date": shown_date(entry),
        "official": dict(line.official), "strict": dict(line.strict),
    }  # fmt: skip


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _number(value: Value) -> str:
    return "" if value is None else f"{value:.3f}"
