"""Scores submissions: truth and answers in, columns and rows out, under either profile."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from medvid.evaluation.columns import Means, TaskScores, mean_column
from medvid.evaluation.official import assessments, captions, grounding, labels
from medvid.evaluation.rows import (
    COLUMNS,
    STRICT_COLUMNS,
    CaptionPair,
    ColumnScore,
    Evaluation,
    PairScores,
    Profile,
    RowScore,
    SentenceEncoder,
    TruthRow,
)
from medvid.evaluation.strict import assessments as strict_assessments
from medvid.evaluation.strict import captions as strict_captions
from medvid.evaluation.strict import grounding as strict_grounding
from medvid.evaluation.strict import labels as strict_labels
from schemas.errors import SampleError
from schemas.source import TaskName

Scorer = Callable[[Sequence[TruthRow], Sequence[str], Means], TaskScores]

SCORERS: Final[Mapping[Profile, Mapping[TaskName, Scorer]]] = {
    "official": {
        TaskName.TAL: grounding.score_spans,
        TaskName.STG: grounding.score_boxes,
        TaskName.NEXT_ACTION: labels.score_labels,
        TaskName.DENSE_CAPTIONING: captions.score_events,
        TaskName.VIDEO_SUMMARY: captions.score_captions,
        TaskName.REGION_CAPTION: captions.score_captions,
        TaskName.SKILL_ASSESSMENT: assessments.score_skill,
        TaskName.CVS_ASSESSMENT: assessments.score_cvs,
    },
    "strict": {
        TaskName.TAL: strict_grounding.score_spans,
        TaskName.STG: strict_grounding.score_boxes,
        TaskName.NEXT_ACTION: strict_labels.score_labels,
        TaskName.DENSE_CAPTIONING: strict_captions.score_events,
        TaskName.VIDEO_SUMMARY: strict_captions.score_captions,
        TaskName.REGION_CAPTION: strict_captions.score_captions,
        TaskName.SKILL_ASSESSMENT: strict_assessments.score_skill,
        TaskName.CVS_ASSESSMENT: strict_assessments.score_cvs,
    },
}
"""What scores each task's rows under each profile."""


def evaluate(
    truth: Sequence[TruthRow],
    predictions: Sequence[str | None],
    profile: Profile,
    encoder: SentenceEncoder | None = None,
    judged: PairScores | None = None,
) -> Evaluation:
    """Score a submission.

    Args:
        truth: Rows in any order, each index once.
        predictions: One text for each row of `truth`, in its order; None scores as no text.
        profile: `official` for the leaderboard's numbers, `strict` for the fairer ones.
        encoder: For official NAP_acc, which takes a text that is no label as the nearest one.
            Without it that column has no value as soon as there is such a text.
        judged: Scores of the pairs of `caption_pairs`; without it the judged columns have none.

    Raises:
        SampleError: Predictions and truth differ in number, or two rows share an index.
    """
    _require_rows(truth, predictions)
    order = sorted(range(len(truth)), key=lambda place: truth[place].index)
    means = Means(encoder, judged)
    columns: dict[str, ColumnScore] = {}
    rows: list[RowScore] = []
    for task, scorer in SCORERS[profile].items():
        places = [place for place in order if truth[place].task is task]
        if places:
            scores = scorer(
                [truth[p] for p in places], [predictions[p] or "" for p in places], means
            )
            columns |= {column.name: column for column in scores.columns}
            rows.extend(scores.rows)
    names = (*COLUMNS, *STRICT_COLUMNS) if profile == "strict" else COLUMNS
    return Evaluation(
        profile=profile,
        columns={name: columns.get(name) or mean_column(name, (), (), ()) for name in names},
        rows=tuple(sorted(rows, key=lambda row: row.index)),
    )


def caption_pairs(
    truth: Sequence[TruthRow], predictions: Sequence[str | None]
) -> list[CaptionPair]:
    """List what a judge has to score, by key; both profiles stand on the same pairs.

    Raises:
        SampleError: Predictions and truth differ in number, or two rows share an index.
    """
    _require_rows(truth, predictions)
    pairs = [
        pair
        for row, text in zip(truth, predictions, strict=True)
        for pair in captions.pairs_of(row, text or "")
    ]
    return sorted(pairs, key=lambda pair: pair.key)


def _require_rows(truth: Sequence[TruthRow], predictions: Sequence[str | None]) -> None:
    if len(truth) != len(predictions):
        raise SampleError(
            f"{len(predictions)} predictions for {len(truth)} rows of truth.",
            action="Give one prediction for each row, None where there is none.",
        )
    if len({row.index for row in truth}) < len(truth):
        raise SampleError(
            "two rows of truth share an index.", field="index", action="Load the truth again."
        )
