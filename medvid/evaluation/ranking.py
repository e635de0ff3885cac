"""The leaderboard's order: mean dense rank over the ten columns, and what breaks ties."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medvid.evaluation.rows import COLUMNS, LOWER_IS_BETTER
from schemas.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RankedEntry:
    """An entry's place on the board.

    Attributes:
        name: The entry.
        place: From 1, each place once.
        mean_rank: Mean of `ranks`.
        firsts: Columns in which the entry is first, alone or with others.
        ranks: Dense rank by column, from 1.
        normalised_sum: Sum over columns of value over the column's best.
    """

    name: str
    place: int
    mean_rank: float
    firsts: int
    ranks: Mapping[str, int]
    normalised_sum: float


def rank_entries(
    entries: Mapping[str, Mapping[str, float | None]], columns: Sequence[str] = COLUMNS
) -> list[RankedEntry]:
    """Order entries as the leaderboard does.

    In each column equal values share a rank and the next value has the next rank; no value ranks
    after all values. Order is by mean rank, then by number of first ranks (more first), rank sum,
    sum of values over the column's greatest value (more first; a column whose greatest is not
    positive adds nothing), name.

    Args:
        entries: Values by column, by name of the entry; as stored, with three decimals, where the
            board's own order is wanted.
        columns: Columns that count.

    Returns:
        By place.

    Raises:
        ConfigError: There is no column.
    """
    if not columns:
        raise ConfigError("no columns to rank by.", action="Name at least one column.")
    ranks, sums = _ranks_and_sums(entries, columns)
    firsts = {name: sum(rank == 1 for rank in own.values()) for name, own in ranks.items()}

    def key(name: str) -> tuple[int, int, float, str]:
        # Every entry has a rank in every column: the order of means is that of sums.
        return sum(ranks[name].values()), -firsts[name], -sums[name], name

    return [
        RankedEntry(
            name, place, sum(ranks[name].values()) / len(columns), firsts[name], ranks[name],
            sums[name],
        )
        for place, name in enumerate(sorted(entries, key=key), start=1)
    ]  # fmt: skip


def _ranks_and_sums(
    entries: Mapping[str, Mapping[str, float | None]], columns: Sequence[str]
) -> tuple[dict[str, dict[str, int]], dict[str, float]]:
    """Dense ranks by entry and column, and each entry's sum of shares of the column's greatest."""
    ranks: dict[str, dict[str, int]] = {name: {} for name in entries}
    sums = dict.fromkeys(entries, 0.0)
    for column in columns:
        values = {name: entry.get(column) for name, entry in entries.items()}
        known = {name: value for name, value in values.items() if value is not None}
        order = sorted(set(known.values()), reverse=column not in LOWER_IS_BETTER)
        place = {value: rank for rank, value in enumerate(order, start=1)}
        greatest = max(order, default=0.0)
        for name in entries:
            ranks[name][column] = place[known[name]] if name in known else len(order) + 1
            if name in known and greatest > 0 and column not in LOWER_IS_BETTER:
                sums[name] += known[name] / greatest
    return ranks, sums
