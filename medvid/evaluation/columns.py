"""Columns from rows: what each row adds, and how the sums become a value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from medvid.evaluation.rows import (
    ColumnScore,
    FloatArray,
    PairScores,
    RowScore,
    SentenceEncoder,
    TruthRow,
)

Value: TypeAlias = float | None
Combine: TypeAlias = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Means:
    """What scoring may use beside the rows.

    Attributes:
        encoder: Sentence encoder, or None where none is installed.
        judged: Scores of caption pairs, or None where no judge ran.
    """

    encoder: SentenceEncoder | None = None
    judged: PairScores | None = None


@dataclass(frozen=True, slots=True)
class TaskScores:
    """Columns and rows of one task."""

    columns: tuple[ColumnScore, ...]
    rows: tuple[RowScore, ...]


def ratio(totals: FloatArray, empty: float = 0.0) -> FloatArray:
    """First term over second term, (draws, 2) to (draws,); `empty` where the second is 0."""
    return quotient(totals[:, 0], totals[:, 1], empty)


def quotient(part: FloatArray, whole: FloatArray, empty: float = 0.0) -> FloatArray:
    """`part / whole` element by element, `empty` where `whole` is 0."""
    result = np.full(part.shape, empty)
    np.divide(part, whole, out=result, where=whole != 0)
    return result


def unknown(totals: FloatArray) -> FloatArray:
    """No value for any draw: what the column needs was not given."""
    return np.full(totals.shape[0], np.nan)


def mean_present(values: FloatArray, present: FloatArray, empty: float = 0.0) -> FloatArray:
    """Mean over the last axis of the values that are present, `empty` where none is.

    Args:
        values: (..., n), finite.
        present: 1 or 0 for each, (..., n).
        empty: What stands for a mean of nothing.
    """
    return quotient((values * present).sum(axis=-1), present.sum(axis=-1), empty)


def make_column(
    name: str,
    rows: Sequence[TruthRow],
    terms: ArrayLike,
    combine: Combine,
    *,
    counted: Sequence[bool],
    parsed: Sequence[bool],
) -> ColumnScore:
    """Build a column.

    Args:
        name: The column.
        rows: Rows of the task.
        terms: What each row adds, (rows, terms).
        combine: From sums of terms (draws, terms) to values (draws,), NaN where undefined.
        counted: Whether each row bears on the value.
        parsed: Whether each answer could be read.
    """
    table = np.asarray(terms, dtype=np.float64)
    sums = table.reshape(len(rows), -1 if table.size else 0)
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.source, []).append(place)
    totals = [sums.sum(axis=0), *(sums[places[source]].sum(axis=0) for source in sorted(places))]
    values = [_known(float(v)) for v in combine(np.stack(totals))] if rows else [None]
    return ColumnScore(
        name=name, value=values[0], rows=len(rows), counted=sum(counted),
        parsed_rate=sum(parsed) / len(rows) if rows else None,
        by_source=dict(zip(sorted(places), values[1:], strict=True)),
        row_index=np.array([row.index for row in rows], dtype=np.int64), sums=sums, combine=combine,
    )  # fmt: skip


def mean_column(
    name: str, rows: Sequence[TruthRow], values: Sequence[Value], parsed: Sequence[bool]
) -> ColumnScore:
    """Build a column that is the mean of its rows' values, None being left out; 0 over nothing."""
    terms = [(0.0, 0.0) if value is None else (value, 1.0) for value in values]
    counted = [value is not None for value in values]
    return make_column(name, rows, terms, ratio, counted=counted, parsed=parsed)


def row_scores(
    rows: Sequence[TruthRow],
    values: Sequence[Mapping[str, Value]],
    parsed: Sequence[bool],
    notes: Sequence[str],
) -> tuple[RowScore, ...]:
    """Pair rows with what they earned."""
    return tuple(
        RowScore(index=row.index, values=value, parsed=read, note=note)
        for row, value, read, note in zip(rows, values, parsed, notes, strict=True)
    )


def aspect_mean(scores: Mapping[str, float]) -> float:
    """Mean of a judged pair over its aspects."""
    return sum(scores.values()) / len(scores)


def _known(value: float) -> Value:
    return None if np.isnan(value) else value
