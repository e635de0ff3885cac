"""The medical judge: five clinical dimensions, its self-consistency, its agreement with people."""

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

__all__ = [
    "OFFICIAL_KEYS",
    "PROMPT_VERSION",
    "CaptionPair",
    "Consistency",
    "Dimension",
    "JudgeReport",
    "JudgeSettings",
    "PairJudgement",
    "judge_pairs",
]
