"""Which answers to show: of each task the best and the worst, from as many videos as there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from medvid.evaluation.rows import Profile, TruthRow
from medvid.evaluation.run_result import EvaluationResult
from schemas.hashing import hash_rank
from schemas.source import TaskName

RANKED_BY: Final[Mapping[TaskName, str]] = {
    TaskName.TAL: "TAG_mIoU@0.3", TaskName.STG: "STG_mIoU", TaskName.DENSE_CAPTIONING: "DVC_F1",
    TaskName.NEXT_ACTION: "NAP_acc", TaskName.SKILL_ASSESSMENT: "SA_acc",
    TaskName.CVS_ASSESSMENT: "CVS_acc", TaskName.VIDEO_SUMMARY: "VS_llm",
    TaskName.REGION_CAPTION: "RC_llm",
}  # fmt: skip
"""The column whose row values order the answers of a task."""

_CAPTIONS: Final = (TaskName.VIDEO_SUMMARY, TaskName.REGION_CAPTION)

Rank = Literal["best", "worst", "shown"]


@dataclass(frozen=True, slots=True)
class Example:
    """A row to show.

    Attributes:
        index: Row of the truth.
        rank: `best`, `worst`, or `shown` where nothing orders the answers of the task.
        column: What orders them, with the profile or the scale; empty for `shown`.
        value: Its value there.
    """

    index: int
    rank: Rank
    column: str
    value: float | None


def choose_examples(
    truth: Sequence[TruthRow],
    texts: Sequence[str | None],
    result: EvaluationResult,
    most: int = 2,
) -> dict[TaskName, tuple[Example, ...]]:
    """Choose examples, ties broken by hash so that the first rows of a file are not favoured.

    Args:
        truth: Row i has index i.
        texts: Their answers; among equally bad ones those that say something are shown.
        result: Scores with rows kept.
        most: Best and worst rows of each task.

    Returns:
        By task, best before worst; a row is shown once.
    """
    profile: Profile = "strict" if "strict" in result.profiles else "official"
    rows = result.profiles[profile].rows
    chosen: dict[TaskName, tuple[Example, ...]] = {}
    for task in TaskName:
        indices = [row.index for row in truth if row.task is task]
        if not indices:
            continue
        column = RANKED_BY[task]
        values = {i: rows[i].values.get(column) for i in indices if i < len(rows)}
        name = f"{column}, {profile}"
        if task in _CAPTIONS and result.semantic is not None:
            values = {i: result.semantic.rows.get(i) for i in indices}
            name = result.semantic.label
        known = {i: value for i, value in values.items() if value is not None}
        if len(set(known.values())) > 1:
            chosen[task] = tuple(_extremes(truth, texts, known, name, most))
        else:
            picked = _spread(truth, sorted(indices, key=lambda i: hash_rank(0, "shown", i)), most)
            column = name if known else ""
            chosen[task] = tuple(Example(i, "shown", column, known.get(i)) for i in picked)
    return chosen


def _extremes(
    truth: Sequence[TruthRow],
    texts: Sequence[str | None],
    values: Mapping[int, float],
    column: str,
    most: int,
) -> list[Example]:
    """Best and worst of values that are not all equal; no best is as low as the lowest."""
    lowest = min(values.values())
    down = sorted(values, key=lambda i: (-values[i], hash_rank(0, "best", i)))
    best = _spread(truth, [i for i in down if values[i] > lowest], most)
    least = min(values[i] for i in best)
    up = sorted(
        (i for i in values if values[i] < least),
        key=lambda i: (values[i], not (texts[i] or "").strip(), hash_rank(0, "worst", i)),
    )
    return [
        *(Example(i, "best", column, values[i]) for i in best),
        *(Example(i, "worst", column, values[i]) for i in _spread(truth, up, most)),
    ]


def _spread(truth: Sequence[TruthRow], ranked: Sequence[int], most: int) -> list[int]:
    """The first of a ranking, another source or video before a second row of the same."""
    window = ranked[: most * 4]
    seen: set[tuple[str, str]] = set()
    fresh = []
    for index in window:
        key = (truth[index].source, truth[index].video_id)
        if key not in seen:
            seen.add(key)
            fresh.append(index)
    rest = [index for index in window if index not in fresh]
    return [*fresh, *rest][:most]
