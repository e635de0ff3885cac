"""Strict scores of skill and of the critical view of safety: what is not answered is wrong."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from medvid.evaluation.columns import (
    Means,
    TaskScores,
    Value,
    make_column,
    mean_column,
    mean_present,
    quotient,
    row_scores,
)
from medvid.evaluation.rows import ColumnScore, FloatArray, TruthRow
from medvid.evaluation.strict.classes import (
    balanced_accuracy,
    class_terms,
    macro_f1,
    per_question,
)
from medvid.evaluation.strict.reading import read_scores
from medvid.tasks.modules.cvs_assessment import CRITERIA
from medvid.tasks.modules.skill_assessment import ASPECTS, BEST, WORST

_SKILL: Final = range(WORST, BEST + 1)
_CVS: Final = range(3)
_Scores = Sequence[Mapping[str, int]]


def score_skill(rows: Sequence[TruthRow], texts: Sequence[str], _: Means) -> TaskScores:
    """SA_acc, SA_kappa and SA_MAE over all rows and all aspects of the truth.

    `SA_acc` is the mean over aspects of `exact / rows`. For `SA_kappa`, the mean over aspects of
    the quadratic-weighted kappa (Cohen 1968), and `SA_MAE`, the mean absolute error over rows and
    aspects, a score that is not read is the allowed one farthest from the truth, 1 where two are.
    """
    truths = [row.skill for row in rows]
    names = _names(truths, ASPECTS)
    read = [read_scores(text, names, _SKILL, BEST) for text in texts]
    base = _exact("SA_acc", rows, truths, read)
    filled = [
        {name: guess.get(name, _farthest(score)) for name, score in truth.items()}
        for truth, guess in zip(truths, read, strict=True)
    ]
    parsed = [row.parsed for row in base.rows]
    errors = [
        sum(abs(guess[name] - truth[name]) for name in truth) / len(truth) if truth else None
        for truth, guess in zip(truths, filled, strict=True)
    ]
    kappa = _kappa_column(rows, truths, filled, parsed)
    mae = mean_column("SA_MAE", rows, errors, parsed)
    values = [{**row.values, "SA_MAE": error} for row, error in zip(base.rows, errors, strict=True)]
    notes = [row.note for row in base.rows]
    return TaskScores((*base.columns, kappa, mae), row_scores(rows, values, parsed, notes))


def score_cvs(rows: Sequence[TruthRow], texts: Sequence[str], _: Means) -> TaskScores:
    """CVS_acc, CVS_F1 and CVS_balanced over all rows and all criteria.

    `CVS_acc` is the mean over criteria of `exact / rows`; the other two are means over criteria of
    macro F1 and balanced accuracy over the scores that the truth shows, so that answering all zeros
    earns no more than one class in three.
    """
    truths = [row.cvs for row in rows]
    names = _names(truths, CRITERIA)
    read = [read_scores(text, names, _CVS, _CVS[-1]) for text in texts]
    base = _exact("CVS_acc", rows, truths, read)
    parsed = [row.parsed for row in base.rows]
    terms = np.zeros((len(rows), len(names), 3, len(_CVS)))
    for place, name in enumerate(names):
        asked = [row for row, truth in enumerate(truths) if name in truth]
        terms[asked, place] = class_terms(
            [truths[row][name] for row in asked], [read[row].get(name) for row in asked], _CVS
        )
    everyone = [True] * len(rows)
    others = tuple(
        make_column(
            name, rows, terms, per_question(measure, len(names)), counted=everyone, parsed=parsed
        )
        for name, measure in (("CVS_F1", macro_f1), ("CVS_balanced", balanced_accuracy))
    )
    return TaskScores((*base.columns, *others), base.rows)


def _exact(name: str, rows: Sequence[TruthRow], truths: _Scores, read: _Scores) -> TaskScores:
    """Mean over aspects of exact scores over rows that are asked for the aspect."""
    aspects = sorted({aspect for truth in truths for aspect in truth})
    terms = np.zeros((len(rows), 2, len(aspects)))
    values: list[dict[str, Value]] = []
    notes: list[str] = []
    for place, (truth, guess) in enumerate(zip(truths, read, strict=True)):
        for aspect, score in truth.items():
            terms[place, :, aspects.index(aspect)] = (guess.get(aspect) == score, 1)
        values.append({name: float(terms[place, 0].sum()) / len(truth) if truth else None})
        missing = len(truth.keys() - guess.keys())
        notes.append(f"{missing} of {len(truth)} scores missing" if missing else "")

    def combine(totals: FloatArray) -> FloatArray:
        exact, asked = np.moveaxis(totals.reshape(-1, 2, len(aspects)), 1, 0)
        return mean_present(quotient(exact, asked), (asked > 0).astype(np.float64))

    parsed = [bool(guess) for guess in read]
    counted = [bool(truth) for truth in truths]
    column = make_column(name, rows, terms, combine, counted=counted, parsed=parsed)
    return TaskScores((column,), row_scores(rows, values, parsed, notes))


def _kappa_column(
    rows: Sequence[TruthRow], truths: _Scores, filled: _Scores, parsed: Sequence[bool]
) -> ColumnScore:
    """Mean over aspects of `1 - sum (t - p)^2 / sum of the same expected from the margins`.

    Terms of an aspect are the margins of truth and of guesses and the squared error. Where nothing
    else can be expected (one score throughout, on both sides) agreement is whole: 1.
    """
    aspects, size = sorted({aspect for truth in truths for aspect in truth}), len(_SKILL)
    terms = np.zeros((len(rows), len(aspects), 2 * size + 1))
    for place, (truth, guess) in enumerate(zip(truths, filled, strict=True)):
        for aspect, score in truth.items():
            row = terms[place, aspects.index(aspect)]
            row[score - WORST] = row[size + guess[aspect] - WORST] = 1
            row[-1] = (score - guess[aspect]) ** 2
    weights = np.subtract.outer(np.arange(size), np.arange(size)) ** 2.0

    def combine(totals: FloatArray) -> FloatArray:
        block = totals.reshape(totals.shape[0], len(aspects), 2 * size + 1)
        truth, guess, error = block[..., :size], block[..., size:-1], block[..., -1]
        number = truth.sum(axis=-1)
        expected = quotient(np.einsum("dai,ij,daj->da", truth, weights, guess), number)
        kappa = 1 - quotient(error, expected)
        return mean_present(kappa, (number > 0).astype(np.float64))

    everyone = [True] * len(rows)
    return make_column("SA_kappa", rows, terms, combine, counted=everyone, parsed=parsed)


def _farthest(score: int) -> int:
    return WORST if score - WORST >= BEST - score else BEST


def _names(truths: _Scores, known: Sequence[str] | Mapping[str, str]) -> list[str]:
    """Names asked for, the known ones first in their order."""
    asked = {name for truth in truths for name in truth}
    return [name for name in known if name in asked] + sorted(asked.difference(known))
