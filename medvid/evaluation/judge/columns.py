"""Between the metrics' caption pairs and the judge's: which pairs to ask, and scores by aspect."""

from collections.abc import Iterable

from medvid.evaluation import rows
from medvid.evaluation.judge.pairs import OFFICIAL_KEYS, CaptionPair, JudgeReport
from schemas.errors import ConfigError
from schemas.hashing import content_key

_TASKS = {
    "DVC_llm": "dense_captioning",
    "VS_llm": "video_summary",
    "RC_llm": "region_caption",
}
_HASH_DIGITS = 8


def pairs_to_judge(pairs: Iterable[rows.CaptionPair]) -> list[CaptionPair]:
    """Name the pairs that the metrics list, so that their scores find the way back.

    A name ends in a hash of both texts: ratings of one submission say nothing of another's.

    Args:
        pairs: What the caption columns stand on.
    """
    return [
        CaptionPair(
            pair_id=_name(pair),
            reference=pair.reference,
            candidate=pair.candidate,
            question=pair.question,
            task=_TASKS.get(pair.column, pair.column),
            source=pair.source,
        )
        for pair in pairs
    ]


def pair_scores(report: JudgeReport) -> rows.PairScores:
    """Scores from 1 to 5 under the leaderboard's keys, as the caption columns take them.

    Args:
        report: Judgements of `pairs_to_judge`.

    Raises:
        ConfigError: The report is of the sentence encoder, whose scale is another.
    """
    if report.scale != "1-5":
        raise ConfigError(
            f"scores are {report.label}, which no judged column may hold.",
            action="Show them in columns of their own (`similarity_scores`), or name a judge.",
        )
    return {
        _key(judgement.pair_id): {
            OFFICIAL_KEYS[dimension]: float(score) for dimension, score in judgement.scores.items()
        }
        for judgement in report.judgements
        if judgement.scores is not None
    }


def similarity_scores(report: JudgeReport) -> rows.PairScores:
    """Similarities from 0 to 1 as one aspect, for columns of their own.

    Args:
        report: Similarities of `pairs_to_judge`.

    Raises:
        ConfigError: The report is of a judge, whose scale is another.
    """
    if report.scale != "0-1":
        raise ConfigError(
            f"scores are {report.label}, which no similarity column may hold.",
            action="Use `pair_scores`.",
        )
    return {
        _key(judgement.pair_id): {"similarity": judgement.similarity}
        for judgement in report.judgements
        if judgement.similarity is not None
    }


def _name(pair: rows.CaptionPair) -> str:
    texts = content_key("caption-pair", [pair.reference, pair.candidate])
    return ":".join([*map(str, pair.key), texts[:_HASH_DIGITS]])


def _key(pair_id: str) -> rows.PairKey:
    row, predicted, true = pair_id.split(":")[:3]
    return int(row), int(predicted), int(true)
