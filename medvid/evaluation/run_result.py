"""What an evaluation says, as plain values: JSON for programs, leaderboards and reports."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from medvid.evaluation.rows import Profile
from schemas.scalars import SCHEMA_VERSION, Model
from schemas.source import TaskName

Value = float | None
GroupKind = Literal["source", "task", "video", "length"]


class IntervalResult(Model):
    """A percentile interval over resampled videos.

    Attributes:
        low: Lower end.
        high: Upper end.
        level: Share of draws inside.
        draws: Draws that gave a value.
        clusters: Videos (or persons) drawn from.
        rough: Whether these are too few for more than a rough guide.
    """

    low: float
    high: float
    level: float
    draws: int
    clusters: int
    rough: bool


class ColumnResult(Model):
    """One column under one profile.

    Attributes:
        name: The column.
        task: Task whose rows it is made of.
        value: Unrounded; None where nothing could be scored.
        stored: As the leaderboard would store it.
        rows: Rows of the task.
        counted: Rows that bear on the value.
        parsed_rate: Share of the rows whose answer could be read.
        interval: Its interval; None without a value or with one video alone.
        missing: Why there is no value and how to get one, empty where there is one.
        lower_is_better: Whether a smaller number is the better one.
    """

    name: str
    task: TaskName
    value: Value
    stored: float
    rows: int
    counted: int
    parsed_rate: Value
    interval: IntervalResult | None = None
    missing: str = ""
    lower_is_better: bool = False


class GroupResult(Model):
    """All columns over the rows of one group.

    Attributes:
        kind: What the rows are grouped by.
        name: The group.
        rows: Its rows, of all tasks.
        parsed_rate: Share of them whose answer could be read.
        values: By column; columns without rows in the group are left out.
    """

    kind: GroupKind
    name: str
    rows: int
    parsed_rate: Value
    values: Mapping[str, Value]


class RowResult(Model):
    """One row under one profile.

    Attributes:
        index: Row of the truth.
        values: By column; None where the profile leaves the row out.
        parsed: Whether the answer could be read.
        note: Why it scored what it did.
    """

    index: int
    values: Mapping[str, Value]
    parsed: bool
    note: str = ""


class ProfileResult(Model):
    """Everything under one profile.

    Attributes:
        columns: By name, the leaderboard's ten first.
        groups: Breakdown by source, task, video and clip length.
        rows: One for each row of truth, by index.
    """

    columns: Mapping[str, ColumnResult]
    groups: tuple[GroupResult, ...]
    rows: tuple[RowResult, ...]


class SemanticResult(Model):
    """Similarity of captions to references, on its own scale, never mixed with judged scores.

    Attributes:
        label: What the numbers are, to print beside them.
        columns: By profile and column.
        rows: Mean similarity of a row's captions, by row.
    """

    label: str
    columns: Mapping[Profile, Mapping[str, ColumnResult]]
    rows: Mapping[int, float] = {}


class ComparisonResult(Model):
    """One column of two models on the same rows; fields as in `statistics.Comparison`."""

    column: str
    first: float
    second: float
    difference: float
    interval: IntervalResult | None
    p_value: float
    p_holm: float
    better: int
    worse: int
    clusters: int
    lower_is_better: bool = False


class CompareResult(Model):
    """Two submissions held against each other, by profile.

    Attributes:
        first: Name of the first submission.
        second: Name of the second; differences are second minus first.
        columns: By profile, columns in the order of the table.
    """

    first: str
    second: str
    columns: Mapping[Profile, tuple[ComparisonResult, ...]]


class EvaluationResult(Model):
    """Scores of one submission.

    Attributes:
        submission: Name of the file.
        truth: What it was scored against.
        truth_key: Hash of the truth: results compare only where it is the same.
        rows: Rows of the truth.
        matched_by: How answers were matched to rows.
        judge: Label of the judge behind the judged columns, empty where none ran.
        semantic: The fallback without a judge, where it ran.
        profiles: By profile.
        findings: What a check of the submission found, as `Finding.to_json` gives it.
        settings: Settings of the run.
    """

    schema_version: int = SCHEMA_VERSION
    submission: str
    truth: str
    truth_key: str
    rows: Annotated[int, Field(ge=0)]
    matched_by: str
    judge: str = ""
    semantic: SemanticResult | None = None
    profiles: Mapping[Profile, ProfileResult]
    findings: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, Any]

    def scores(self, profile: Profile = "official") -> dict[str, Value]:
        """Value of every column of a profile."""
        return {name: column.value for name, column in self.profiles[profile].columns.items()}
