"""Agreement of a judge with human ratings.

The MedGRPO authors report Pearson's r of 0.977 and Cohen's kappa of 0.817 against board-certified
clinicians, without the size of the sample; here the size stands beside every number.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from medvid.evaluation.judge.pairs import MAX_SCORE, MIN_SCORE, Dimension, JudgeReport
from medvid.evaluation.judge.ratings import Rating
from schemas.errors import SampleError
from schemas.scalars import Model

OVERALL = "overall"
LEVELS = MAX_SCORE - MIN_SCORE + 1


class Agreement(Model):
    """How far two sides agree on one dimension, or over all.

    Attributes:
        dimension: The dimension, or `overall`.
        pairs: Pairs in the correlations: the judge's score against the mean of its raters.
        pearson: Pearson's r; None where one side is constant or fewer than three pairs are left.
        spearman: Spearman's rho, likewise.
        ratings: Ratings in the kappas: the judge's score against each rater's.
        kappa: Cohen's kappa (1960); None where it is undefined.
        kappa_quadratic: Cohen's weighted kappa (1968) with quadratic weights.
        within_one: Share of ratings that differ from the judge's score by one at most.
    """

    dimension: str
    pairs: int
    pearson: float | None
    spearman: float | None
    ratings: int = 0
    kappa: float | None = None
    kappa_quadratic: float | None = None
    within_one: float | None = None


class AgreementReport(Model):
    """Agreement of a judge with people.

    Attributes:
        judge: Label of the judge, with its scale.
        scale: Scale of the judge. On `0-1` only overall correlations exist.
        raters: How many people rated.
        agreements: One a dimension, then overall.
        unmatched: Ratings of pairs that have no score.
    """

    judge: str
    scale: Literal["1-5", "0-1"]
    raters: int
    agreements: tuple[Agreement, ...]
    unmatched: int


def agreement_with(report: JudgeReport, ratings: Sequence[Rating]) -> AgreementReport:
    """Compare a report with human ratings of the same pairs.

    Overall correlations compare means over dimensions, a value a pair; overall kappas pool the
    ratings of all dimensions. The encoder's similarity, on another scale, is correlated only.

    Args:
        report: The judge's scores.
        ratings: What people say.

    Raises:
        SampleError: No rating is of a pair that has a score.
    """
    scored = report.scores()
    matched = [rating for rating in ratings if rating.pair_id in scored]
    if not matched:
        raise SampleError(
            "no rating is of a pair that has a score.", field="pair_id",
            action="Use the pair ids of the judge's report in the ratings file.",
        )  # fmt: skip
    agreements = [] if report.scale == "0-1" else _by_dimension(report, matched)
    overall = _correlations(OVERALL, scored, matched)
    if report.scale == "1-5":
        overall = overall.model_copy(update=_kappas(_compared(report, matched)))
    return AgreementReport(
        judge=report.label,
        scale=report.scale,
        raters=len({rating.rater for rating in ratings}),
        agreements=(*agreements, overall),
        unmatched=len(ratings) - len(matched),
    )


def _by_dimension(report: JudgeReport, ratings: Sequence[Rating]) -> list[Agreement]:
    agreements = []
    for dimension in Dimension:
        of_it = [rating for rating in ratings if rating.dimension == dimension]
        scores = {
            j.pair_id: float(j.scores[dimension]) for j in report.judgements if j.scores is not None
        }
        correlated = _correlations(dimension.value, scores, of_it)
        agreements.append(correlated.model_copy(update=_kappas(_compared(report, of_it))))
    return agreements


def _correlations(name: str, scores: dict[str, float], ratings: Iterable[Rating]) -> Agreement:
    """The judge against the mean of the raters of each pair.

    Means over dimensions are taken first, so that a rater who skipped some weighs no less.
    """
    by_dimension: dict[str, dict[Dimension, list[int]]] = defaultdict(lambda: defaultdict(list))
    for rating in ratings:
        by_dimension[rating.pair_id][rating.dimension].append(rating.rating)
    human = [
        math.fsum(sum(values) / len(values) for values in found.values()) / len(found)
        for found in by_dimension.values()
    ]
    judged = np.array([scores[pair_id] for pair_id in by_dimension], dtype=np.float64)
    people = np.array(human, dtype=np.float64)
    return Agreement(
        dimension=name,
        pairs=len(by_dimension),
        pearson=pearson(judged, people),
        spearman=pearson(_ranks(judged), _ranks(people)),
    )


def _compared(report: JudgeReport, ratings: Iterable[Rating]) -> list[tuple[int, int]]:
    scores = {j.pair_id: j.scores for j in report.judgements if j.scores is not None}
    return [(scores[rating.pair_id][rating.dimension], rating.rating) for rating in ratings]


def _kappas(compared: Sequence[tuple[int, int]]) -> dict[str, float | int | None]:
    if not compared:
        return {"ratings": 0}
    close = sum(abs(judge - person) <= 1 for judge, person in compared)
    return {
        "ratings": len(compared),
        "kappa": kappa(compared, quadratic=False),
        "kappa_quadratic": kappa(compared, quadratic=True),
        "within_one": close / len(compared),
    }


def pearson(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float | None:
    """Pearson's r; None for fewer than three values or a constant side.

    >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]))
    -1.0
    """
    if len(left) < 3 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    a, b = left - left.mean(), right - right.mean()
    value = float(a @ b / math.sqrt(float(a @ a) * float(b @ b)))
    return max(-1.0, min(1.0, value))


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: npt.NDArray[np.float64] = (ends - (counts - 1) / 2)[place]
    return shared


def kappa(compared: Sequence[tuple[int, int]], *, quadratic: bool) -> float | None:
    """Cohen's kappa of two columns of scores from 1 to 5.

    Args:
        compared: Scores of the two sides.
        quadratic: Weigh a disagreement by the square of its distance; else all alike.

    Returns:
        Kappa, or None where chance alone would make both sides agree throughout.

    >>> kappa([(1, 1), (1, 2), (2, 1), (2, 2)], quadratic=False)
    0.0
    """
    table = np.zeros((LEVELS, LEVELS))
    for left, right in compared:
        table[left - MIN_SCORE, right - MIN_SCORE] += 1
    table /= max(1, len(compared))
    level = np.arange(LEVELS)
    apart = level[:, None] - level[None, :]
    weights = np.square(apart) if quadratic else (apart != 0)
    expected = float((weights * np.outer(table.sum(axis=1), table.sum(axis=0))).sum())
    if expected == 0:
        return None
    return 1 - float((weights * table).sum()) / expected
