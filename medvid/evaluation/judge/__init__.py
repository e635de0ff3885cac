"""The medical judge: five clinical dimensions, its self-consistency, its agreement with people."""

from medvid.evaluation.judge.agreement import Agreement, AgreementReport, agreement_with
from medvid.evaluation.judge.columns import pair_scores, pairs_to_judge, similarity_scores
from medvid.evaluation.judge.judging import judge_pairs
from medvid.evaluation.judge.pairs import (
    OFFICIAL_KEYS,
    CaptionPair,
    Consistency,
    Dimension,
    JudgeReport,
    JudgeSettings,
    PairJudgement,
)
from medvid.evaluation.judge.prompt import PROMPT_VERSION
from medvid.evaluation.judge.ratings import Rating, load_ratings

__all__ = [
    "OFFICIAL_KEYS",
    "PROMPT_VERSION",
    "Agreement",
    "AgreementReport",
    "CaptionPair",
    "Consistency",
    "Dimension",
    "JudgeReport",
    "JudgeSettings",
    "PairJudgement",
    "Rating",
    "agreement_with",
    "judge_pairs",
    "load_ratings",
    "pair_scores",
    "pairs_to_judge",
    "similarity_scores",
]
