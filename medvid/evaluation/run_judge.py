"""The caption columns' second step: have a judge, or the fallback, score a submission's pairs."""

from collections.abc import Callable

from medvid.evaluation.judge import JudgeReport, JudgeSettings, judge_pairs
from medvid.evaluation.judge.columns import pair_scores, pairs_to_judge, similarity_scores
from medvid.evaluation.metrics import caption_pairs
from medvid.evaluation.run import Judged, Matched
from medvid.evaluation.truth import Truth
from medvid.language import LanguageClient
from medvid.language.encoder import SentenceEncoder

Progress = Callable[[int, int], None]


def judge_submission(
    truth: Truth,
    matched: Matched,
    client: LanguageClient | None,
    settings: JudgeSettings | None = None,
    *,
    encoder: SentenceEncoder | None = None,
    progress: Progress | None = None,
) -> tuple[Judged, JudgeReport]:
    """Score every caption pair of a submission, for both profiles at once.

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
    pairs = pairs_to_judge(caption_pairs(truth.rows, matched.texts))
    report = judge_pairs(pairs, client, settings, progress, encoder=encoder)
    semantic = report.scale == "0-1"
    scores = similarity_scores(report) if semantic else pair_scores(report)
    return Judged(report.label, scores, semantic), report
