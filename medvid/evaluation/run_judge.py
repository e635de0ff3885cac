"""The caption columns' second step: have a judge, or the fallback, score a submission's pairs."""

from collections.abc import Callable

from medvid.evaluation.judge import CaptionPair, JudgeReport, JudgeSettings, judge_pairs
from medvid.evaluation.rows import PairKey, PairScores
from medvid.evaluation.run import Judged, Matched, column_task, pairs_to_judge
from medvid.evaluation.truth import Truth
from medvid.language import LanguageClient
from medvid.language.encoder import SentenceEncoder

Progress = Callable[[int, int], None]

SIMILARITY = "similarity"
"""The one aspect of the fallback."""


def judge_submission(
    truth: Truth,
    matched: Matched,
    client: LanguageClient | None,
    settings: JudgeSettings | None = None,
    *,
    encoder: SentenceEncoder | None = None,
    progress: Progress | None = None,
) -> tuple[Judged, JudgeReport]:
    """Score every caption pair of a submission.

    Args:
        truth: The rows.
        matched: The answers by row.
        client: The model to ask; without one the sentence encoder compares, on a scale of its own.
        settings: How to judge.
        encoder: Encoder of the fallback.
        progress: Told after every pair.

    Returns:
        The scores as `run` takes them, and the judge's whole report.

    Raises:
        LanguageError: The endpoint is broken, the budget spent, or no encoder is installed.
    """
    keys: dict[str, PairKey] = {}
    pairs: list[CaptionPair] = []
    for pair in pairs_to_judge(truth, matched):
        name = ":".join([pair.column, *map(str, pair.key)])
        keys[name] = pair.key
        pairs.append(
            CaptionPair(
                pair_id=name, reference=pair.reference, candidate=pair.candidate,
                question=pair.question, task=column_task(pair.column).value, source=pair.source,
            )
        )  # fmt: skip
    report = judge_pairs(pairs, client, settings, progress, encoder=encoder)
    return Judged(report.label, _pair_scores(report, keys), report.scale == "0-1"), report


def _pair_scores(report: JudgeReport, keys: dict[str, PairKey]) -> PairScores:
    scores: dict[PairKey, dict[str, float]] = {}
    for judgement in report.judgements:
        if judgement.scores:
            scores[keys[judgement.pair_id]] = {
                name.value: float(score) for name, score in judgement.scores.items()
            }
        elif judgement.similarity is not None:
            scores[keys[judgement.pair_id]] = {SIMILARITY: judgement.similarity}
    return scores
