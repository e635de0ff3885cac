"""How far a judge agrees with itself, over repetitions and exchanged roles."""

from collections.abc import Iterable, Sequence

from medvid.evaluation.judge.pairs import Consistency, JudgeSettings, PairJudgement, Scores
from schemas.hashing import hash_fraction


def is_checked(pair_id: str, settings: JudgeSettings) -> bool:
    """Whether a pair is among those judged more than once, chosen by hash of its name."""
    if settings.repeats == 1 and not settings.swap:
        return False
    return hash_fraction(settings.seed, "judge-check", pair_id) < settings.check_share


def consistency_of(judgements: Sequence[PairJudgement], settings: JudgeSettings) -> Consistency:
    """Compare the further judgements of each pair with its first.

    Args:
        judgements: Judgements with their repetitions and swaps.
        settings: What was asked for, to count what is missing.
    """
    checked = [j for j in judgements if j.scores and is_checked(j.pair_id, settings)]
    repeats = [d for j in checked for again in j.repeats for d in _differences(j.scores, again)]
    swaps = [d for j in checked for d in _differences(j.scores, j.swapped)]
    wanted = settings.repeats - 1 + settings.swap
    came = sum(len(j.repeats) + (j.swapped is not None) for j in checked)
    return Consistency(
        checked=len(checked),
        repeat_comparisons=len(repeats),
        repeat_equal=_share(d == 0 for d in repeats),
        repeat_within_one=_share(abs(d) <= 1 for d in repeats),
        swap_comparisons=len(swaps),
        swap_equal=_share(d == 0 for d in swaps),
        swap_within_one=_share(abs(d) <= 1 for d in swaps),
        swap_shift=sum(swaps) / len(swaps) if swaps else None,
        missing=wanted * len(checked) - came,
    )


def _differences(first: Scores | None, other: Scores | None) -> list[int]:
    if first is None or other is None:
        return []
    return [score - other[dimension] for dimension, score in first.items()]


def _share(answers: Iterable[bool]) -> float | None:
    counted = list(answers)
    return sum(counted) / len(counted) if counted else None
