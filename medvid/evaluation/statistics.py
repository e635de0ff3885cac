"""How sure a score is, and whether two models differ: resampling by video, not by row.

Rows of one video share its frames, often the whole clip, so they are not independent: intervals
over rows come out far too narrow. Whole clusters (a video, or the person that several videos show)
are drawn with replacement instead (Field and Welsh, 2007), and two models are compared by swapping
their answers cluster by cluster (a paired permutation test; Dror et al., 2018, for the field).

Columns are functions of sums (`rows`), so a draw is one row of a matrix product and a thousand
draws over the whole benchmark take well under a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from medvid.evaluation.rows import ColumnScore, FloatArray, IntArray
from schemas.hashing import hash_rank

DRAWS: Final = 1000
LEVEL: Final = 0.95
EXACT_CLUSTERS: Final = 12
"""Up to this many clusters every swap is tried; beyond, `swaps` random ones."""

FEW_CLUSTERS: Final = 10
"""Below this an interval is a rough guide: percentile intervals are too narrow."""

_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval of a column.

    Attributes:
        low: Lower end.
        high: Upper end.
        level: Share of draws inside.
        draws: Draws that gave a value.
        clusters: Videos (or persons) drawn from.
    """

    low: float
    high: float
    level: float
    draws: int
    clusters: int

    def to_json(self) -> dict[str, Any]:
        """The interval as JSON values."""
        return {
            "low": self.low, "high": self.high, "level": self.level, "draws": self.draws,
            "clusters": self.clusters, "rough": self.clusters < FEW_CLUSTERS,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """One column of two models on the same rows.

    Attributes:
        column: The column.
        first: Value of the first model.
        second: Value of the second model.
        difference: Second minus first.
        interval: Bootstrap interval of the difference, None where it has no spread to show.
        p_value: Two-sided, of swapping whole clusters.
        p_holm: The same, held against all columns compared (Holm, 1979).
        better: Clusters in which the second model scores higher.
        worse: Clusters in which it scores lower.
        clusters: Clusters compared.
    """

    column: str
    first: float
    second: float
    difference: float
    interval: Interval | None
    p_value: float
    p_holm: float
    better: int
    worse: int
    clusters: int

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "column": self.column, "first": self.first, "second": self.second,
            "difference": self.difference,
            "interval": self.interval.to_json() if self.interval else None,
            "p_value": self.p_value, "p_holm": self.p_holm, "better": self.better,
            "worse": self.worse, "clusters": self.clusters,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clusters:
    """Sums of a column's terms by cluster.

    Attributes:
        names: Clusters that have rows in the column, sorted.
        sums: Summed terms, (clusters, terms).
        rows: Rows of each cluster, (clusters,).
    """

    names: tuple[str, ...]
    sums: FloatArray
    rows: IntArray


def sum_groups(column: ColumnScore, group_of_row: Sequence[str]) -> Clusters:
    """Sum a column's terms within groups of rows.

    Args:
        column: The column.
        group_of_row: Group of each row of truth, by `TruthRow.index`.
    """
    groups = [group_of_row[index] for index in column.row_index.tolist()]
    names, code = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), column.sums.shape[1]))
    np.add.at(sums, code, column.sums)
    rows: IntArray = np.bincount(code, minlength=len(names)).astype(np.int64)
    return Clusters(tuple(names.tolist()), sums, rows)


def group_values(column: ColumnScore, group_of_row: Sequence[str]) -> dict[str, float | None]:
    """Value of a column within each group of rows; None where a group has nothing to score."""
    if not len(column.row_index):
        return {}
    groups = sum_groups(column, group_of_row)
    values = column.combine(groups.sums)
    return {name: _number(value) for name, value in zip(groups.names, values, strict=True)}


def bootstrap_interval(
    column: ColumnScore, cluster_of_row: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> Interval | None:
    """Percentile interval of a column by drawing clusters with replacement.

    Args:
        column: The column.
        cluster_of_row: Cluster of each row of truth, by `TruthRow.index`.
        draws: Resamplings.
        seed: Seed; with the clusters' names it fixes every draw.

    Returns:
        None where the column has no value or one cluster alone.
    """
    if column.value is None:
        return None
    clusters = sum_groups(column, cluster_of_row)
    if len(clusters.names) < 2:
        return None
    return _interval(
        column.combine(_weights(clusters.names, draws, seed) @ clusters.sums), clusters
    )


def compare_columns(
    first: ColumnScore,
    second: ColumnScore,
    cluster_of_row: Sequence[str],
    *,
    draws: int = DRAWS,
    swaps: int = 10_000,
    seed: int = 0,
) -> Comparison | None:
    """Compare one column of two models that answered the same rows.

    Args:
        first: Column of the first model.
        second: Column of the second model.
        cluster_of_row: Cluster of each row of truth, by `TruthRow.index`.
        draws: Resamplings for the interval of the difference.
        swaps: Random swaps for the p-value where there are too many clusters to try all.
        seed: Seed.

    Returns:
        The comparison, with `p_holm` still equal to `p_value`; None where either has no value.
    """
    if first.value is None or second.value is None:
        return None
    one, two = sum_groups(first, cluster_of_row), sum_groups(second, cluster_of_row)
    difference = second.value - first.value
    interval = None
    if len(one.names) > 1:
        weights = _weights(one.names, draws, seed)
        spread = second.combine(weights @ two.sums) - first.combine(weights @ one.sums)
        interval = _interval(spread, one)
    gain = second.combine(two.sums) - first.combine(one.sums)
    p_value = _swap_test(first, (one, two), difference, swaps, seed)
    return Comparison(
        first.name, first.value, second.value, difference, interval, p_value, p_value,
        int((gain > 1e-12).sum()), int((gain < -1e-12).sum()), len(one.names),
    )  # fmt: skip


def hold_together(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Adjust p-values for the number of columns looked at (Holm, 1979)."""
    ranked = sorted(range(len(comparisons)), key=lambda i: comparisons[i].p_value)
    adjusted = [0.0] * len(comparisons)
    highest = 0.0
    for rank, place in enumerate(ranked):
        highest = max(highest, min(1.0, (len(ranked) - rank) * comparisons[place].p_value))
        adjusted[place] = highest
    return tuple(
        Comparison(
            c.column, c.first, c.second, c.difference, c.interval, c.p_value, p, c.better, c.worse,
            c.clusters,
        )
        for c, p in zip(comparisons, adjusted, strict=True)
    )  # fmt: skip


def _generator(names: Sequence[str], seed: int, use: str) -> np.random.Generator:
    return np.random.default_rng(hash_rank(seed, use, *names))


def _weights(names: Sequence[str], draws: int, seed: int) -> FloatArray:
    """How often each cluster is drawn, (draws, clusters); rows sum to the number of clusters."""
    count = len(names)
    shares = np.full(count, 1 / count)
    drawn = _generator(names, seed, "bootstrap").multinomial(count, shares, size=draws)
    weights: FloatArray = drawn.astype(np.float64)
    return weights


def _interval(values: FloatArray, clusters: Clusters) -> Interval | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high), LEVEL, len(known), len(clusters.names))


def _swap_test(
    column: ColumnScore,
    sums: tuple[Clusters, Clusters],
    difference: float,
    swaps: int,
    seed: int,
) -> float:
    """Share of swaps of whole clusters whose difference is at least as large as the one seen."""
    one, two = sums
    gap = two.sums - one.sums
    count = len(one.names)
    exact = count <= EXACT_CLUSTERS
    total = 1 << count if exact else swaps
    rng = _generator(one.names, seed, "swap")
    extreme = tried = 0
    edges = [*range(0, total, _BLOCK), total]
    for start, stop in pairwise(edges):
        if exact:
            masks = (np.arange(start, stop)[:, None] >> np.arange(count)) & 1
        else:
            masks = rng.integers(0, 2, size=(stop - start, count))
        moved = masks.astype(np.float64) @ gap
        spread = column.combine(two.sums.sum(0) - moved) - column.combine(one.sums.sum(0) + moved)
        known = np.isfinite(spread)
        extreme += int((np.abs(spread[known]) >= abs(difference) - 1e-12).sum())
        tried += int(known.sum())
    return extreme / tried if exact and tried else (extreme + 1) / (tried + 1)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
