"""SA_acc and CVS_acc as the leaderboard computes them."""

from collections.abc import Mapping, Sequence

import numpy as np

from medvid.evaluation.columns import (
    Means,
    TaskScores,
    Value,
    make_column,
    mean_present,
    quotient,
    row_scores,
)
from medvid.evaluation.official.reading import read_cvs, read_skill
from medvid.evaluation.rows import FloatArray, TruthRow


def score_skill(rows: Sequence[TruthRow], texts: Sequence[str], _: Means) -> TaskScores:
    """SA_acc, §3.4 of the format notes: mean over aspects of exact scores among those read."""
    read = [read_skill(text) for text in texts]
    return _aspect_column("SA_acc", rows, [row.skill for row in rows], read)


def score_cvs(rows: Sequence[TruthRow], texts: Sequence[str], _: Means) -> TaskScores:
    """CVS_acc, §3.5 of the format notes: mean over criteria of exact scores among those read."""
    read = [read_cvs(text) for text in texts]
    return _aspect_column("CVS_acc", rows, [row.cvs for row in rows], read)


def _aspect_column(
    name: str,
    rows: Sequence[TruthRow],
    truths: Sequence[Mapping[str, int]],
    read: Sequence[Mapping[str, int]],
) -> TaskScores:
    """`mean over aspects with any score read of (exact / read)`; 0 where nothing is read.

    An aspect that a row's answer does not name leaves that aspect's denominator.
    """
    aspects = sorted({aspect for truth in truths for aspect in truth})
    terms = np.zeros((len(rows), 2, len(aspects)))
    values: list[dict[str, Value]] = []
    notes: list[str] = []
    for place, (truth, guess) in enumerate(zip(truths, read, strict=True)):
        seen = [aspect for aspect in truth if aspect in guess]
        for aspect in seen:
            terms[place, :, aspects.index(aspect)] = (truth[aspect] == guess[aspect], 1)
        values.append({name: float(terms[place, 0].sum()) / len(seen) if seen else None})
        notes.append(f"{len(seen)} of {len(truth)} scores read" if len(seen) < len(truth) else "")
    parsed = [value[name] is not None for value in values]

    def combine(totals: FloatArray) -> FloatArray:
        exact, seen = np.moveaxis(totals.reshape(-1, 2, len(aspects)), 1, 0)
        return mean_present(quotient(exact, seen), (seen > 0).astype(np.float64))

    column = make_column(name, rows, terms, combine, counted=parsed, parsed=parsed)
    return TaskScores((column,), row_scores(rows, values, parsed, notes))
