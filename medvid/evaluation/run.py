"""Scores a submission from start to end: match, check, score, resample, break down.

```python
truth = load_truth(Path("release"))
result = run_evaluation(truth, load_submission(Path("answers.json")), EvaluationSettings())
```
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from pydantic import Field

from medvid.evaluation.breakdown import break_down
from medvid.evaluation.findings import Finding
from medvid.evaluation.metrics import evaluate
from medvid.evaluation.rows import (
    COLUMNS,
    JUDGED_COLUMNS,
    LOWER_IS_BETTER,
    ColumnScore,
    Evaluation,
    PairScores,
    Profile,
    SentenceEncoder,
)
from medvid.evaluation.run_result import (
    ColumnResult,
    CompareResult,
    ComparisonResult,
    EvaluationResult,
    IntervalResult,
    ProfileResult,
    RowResult,
    SemanticResult,
)
from medvid.evaluation.statistics import (
    DRAWS,
    Interval,
    bootstrap_interval,
    compare_columns,
    hold_together,
)
from medvid.evaluation.submission import Submission
from medvid.evaluation.submission_check import check_submission
from medvid.evaluation.submission_make import place_answers
from medvid.evaluation.truth import Truth
from schemas.errors import SubmissionError, bounded
from schemas.scalars import Model
from schemas.source import TaskName

_TASK_OF: Final = {
    "CVS": TaskName.CVS_ASSESSMENT, "NAP": TaskName.NEXT_ACTION, "SA": TaskName.SKILL_ASSESSMENT,
    "STG": TaskName.STG, "TAG": TaskName.TAL, "DVC": TaskName.DENSE_CAPTIONING,
    "VS": TaskName.VIDEO_SUMMARY, "RC": TaskName.REGION_CAPTION,
}  # fmt: skip

NO_JUDGE: Final = "no judge ran: `--judge` asks one, its endpoint set by MEDVID_LLM_BASE_URL"
NO_ENCODER: Final = "an answer is no label: the official rule needs the sentence encoder"


class EvaluationSettings(Model):
    """How a submission is scored.

    Attributes:
        profiles: Profiles to score under.
        draws: Resamplings behind each interval; 0 leaves intervals out.
        seed: Seed of the resamplings.
        as_uploaded: Match by place even where row types and ids say that the order is lost, as
            the leaderboard does; otherwise such a file is refused.
        keep_rows: Keep scores of single rows in the result.
    """

    profiles: tuple[Profile, ...] = ("official", "strict")
    draws: int = Field(default=DRAWS, ge=0, le=100_000)
    seed: int = 0
    as_uploaded: bool = False
    keep_rows: bool = True


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of caption pairs, and what they are.

    Attributes:
        label: Judge and scale, to print beside every number.
        scores: By pair.
        semantic: Whether they are similarities from 0 to 1 and not a judge's marks.
    """

    label: str
    scores: PairScores
    semantic: bool = False


@dataclass(frozen=True, slots=True)
class Matched:
    """Answers by row of the truth.

    Attributes:
        name: The submission.
        matched_by: How they were matched.
        texts: One for each row.
        findings: What a check found.
    """

    name: str
    matched_by: str
    texts: tuple[str | None, ...]
    findings: tuple[Finding, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Scored:
    """A submission under every profile asked for, still in sums, to be compared."""

    matched: Matched
    evaluations: Mapping[Profile, Evaluation]


def match_submission(truth: Truth, submission: Submission, *, as_uploaded: bool = False) -> Matched:
    """Give every row its answer, by sample id where all records have one, else by place.

    Raises:
        SubmissionError: Records are missing, too many or none at all, or their order is lost.
    """
    check = check_submission(truth, submission)
    refused = [finding for finding in check.findings if finding.level == "refused"]
    keyed = all(row.sample_id is not None and not row.row_id for row in submission.rows)
    if keyed and not any(finding.kind != "length" for finding in refused):
        placed = place_answers(truth, submission, match_by="sample_id")
        kept = tuple(f for f in check.findings if f.kind not in ("lost_order", "length"))
        return Matched(submission.name, "sample_id", placed.texts, kept)
    lost = [finding for finding in check.findings if finding.kind == "lost_order"]
    for finding in refused or ([] if as_uploaded else lost):
        raise SubmissionError(
            f"{finding.problem} {bounded(finding.examples)}", source=submission.name,
            action=finding.action,
        )  # fmt: skip
    texts = tuple(row.text for row in submission.rows)
    return Matched(submission.name, "place", texts, check.findings)


def score_submission(
    truth: Truth,
    matched: Matched,
    settings: EvaluationSettings,
    *,
    encoder: SentenceEncoder | None = None,
    judged: PairScores | None = None,
) -> Scored:
    """Score matched answers under every profile asked for.

    Raises:
        SubmissionError: The truth has no answers.
    """
    truth.require_answers()
    return Scored(
        matched,
        {
            profile: evaluate(truth.rows, matched.texts, profile, encoder, judged)
            for profile in settings.profiles
        },
    )


def run_evaluation(
    truth: Truth,
    submission: Submission,
    settings: EvaluationSettings | None = None,
    *,
    encoder: SentenceEncoder | None = None,
    judged: Judged | None = None,
) -> EvaluationResult:
    """Score a submission; a pure function of its arguments, fit for a worker process.

    Args:
        truth: The rows, with answers.
        submission: The answers.
        settings: How to score.
        encoder: For official NAP_acc.
        judged: Scores of the submission's caption pairs, from `run_judge`.

    Raises:
        SubmissionError: The submission cannot be matched, or the truth has no answers.
    """
    settings = settings or EvaluationSettings()
    matched = match_submission(truth, submission, as_uploaded=settings.as_uploaded)
    marks = judged.scores if judged and not judged.semantic else None
    scored = score_submission(truth, matched, settings, encoder=encoder, judged=marks)
    return summarise(truth, scored, settings, judged=judged)


def summarise(
    truth: Truth, scored: Scored, settings: EvaluationSettings, *, judged: Judged | None = None
) -> EvaluationResult:
    """Turn scores into plain values, with intervals and breakdowns."""
    return EvaluationResult(
        submission=scored.matched.name, truth=truth.name, truth_key=truth.key, rows=len(truth),
        matched_by=scored.matched.matched_by,
        judge=judged.label if judged and not judged.semantic else "",
        semantic=_semantic(truth, scored, settings, judged) if judged and judged.semantic else None,
        profiles={
            profile: _profile_result(truth, evaluation, settings)
            for profile, evaluation in scored.evaluations.items()
        },
        findings=tuple(finding.to_json() for finding in scored.matched.findings),
        settings=settings.model_dump(mode="json"),
    )  # fmt: skip


def compare_submissions(
    truth: Truth, first: Scored, second: Scored, settings: EvaluationSettings
) -> CompareResult:
    """Test column by column whether two submissions to one truth differ."""
    found: dict[Profile, tuple[ComparisonResult, ...]] = {}
    for profile, evaluation in first.evaluations.items():
        other = second.evaluations[profile].columns
        tested = [
            compare_columns(
                column, other[name], truth.clusters,
                draws=max(settings.draws, 1), seed=settings.seed,
            )
            for name, column in evaluation.columns.items()
        ]  # fmt: skip
        found[profile] = tuple(
            ComparisonResult.model_validate(
                {**c.to_json(), "lower_is_better": c.column in LOWER_IS_BETTER}
            )
            for c in hold_together([c for c in tested if c is not None])
        )
    return CompareResult(first=first.matched.name, second=second.matched.name, columns=found)


def column_task(name: str) -> TaskName:
    """Task whose rows a column is made of.

    >>> column_task("TAG_mIoU@0.3").value
    'tal'
    """
    return _TASK_OF[name.split("_", maxsplit=1)[0]]


def mean_by_row(scores: PairScores) -> dict[int, float]:
    """Mean score of the caption pairs of each row, by row index."""
    values: dict[int, list[float]] = defaultdict(list)
    for (index, _, _), aspects in scores.items():
        values[index].append(sum(aspects.values()) / len(aspects))
    return {index: sum(found) / len(found) for index, found in sorted(values.items())}


def _profile_result(
    truth: Truth, evaluation: Evaluation, settings: EvaluationSettings
) -> ProfileResult:
    make = partial(_column_result, truth=truth, settings=settings)
    return ProfileResult(
        columns={name: make(column) for name, column in evaluation.columns.items()},
        groups=break_down(truth.rows, evaluation),
        rows=tuple(
            RowResult(index=row.index, values=row.values, parsed=row.parsed, note=row.note)
            for row in evaluation.rows
        )
        if settings.keep_rows
        else (),
    )


def _column_result(
    column: ColumnScore, *, truth: Truth, settings: EvaluationSettings
) -> ColumnResult:
    interval = (
        bootstrap_interval(column, truth.clusters, draws=settings.draws, seed=settings.seed)
        if settings.draws
        else None
    )
    return ColumnResult(
        name=column.name, task=column_task(column.name), value=column.value, stored=column.stored,
        rows=column.rows, counted=column.counted, parsed_rate=column.parsed_rate,
        interval=_interval_result(interval), missing=_why_missing(column),
        lower_is_better=column.name in LOWER_IS_BETTER,
    )  # fmt: skip


def _interval_result(interval: Interval | None) -> IntervalResult | None:
    return IntervalResult.model_validate(interval.to_json()) if interval else None


def _why_missing(column: ColumnScore) -> str:
    if column.value is not None:
        return ""
    if not column.rows:
        return f"the truth has no rows of {column_task(column.name)}"
    if column.name in JUDGED_COLUMNS:
        return NO_JUDGE
    return NO_ENCODER if column.name == "NAP_acc" else "no row could be scored"


def _semantic(
    truth: Truth, scored: Scored, settings: EvaluationSettings, judged: Judged
) -> SemanticResult:
    """The judged columns of the fallback, apart from everything a judge could have said."""
    columns: dict[Profile, dict[str, ColumnResult]] = {}
    for profile in scored.evaluations:
        similar = evaluate(truth.rows, scored.matched.texts, profile, None, judged.scores)
        columns[profile] = {
            name: _column_result(similar.columns[name], truth=truth, settings=settings)
            for name in COLUMNS
            if name in JUDGED_COLUMNS
        }
    return SemanticResult(label=judged.label, columns=columns, rows=mean_by_row(judged.scores))
