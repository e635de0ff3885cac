"""What may leave the server: scores of many rows at once, and questions without their answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from medvid.evaluation.rows import COLUMNS, JUDGED_COLUMNS, Profile, TruthRow
from medvid.evaluation.run_result import ColumnResult, EvaluationResult, IntervalResult
from medvid.evaluation.truth import Truth
from schemas.scalars import Model

Value = float | None
ALL: Final = "all"
PROFILES: Final[tuple[Profile, ...]] = ("official", "strict")
DECIMALS: Final = 3
NOT_JUDGED: Final = "not judged yet"
NO_ANSWER: Final = {
    "answer": "", "spans": (), "boxes": {}, "events": (), "label": "", "skill": {}, "cvs": {},
    "caption": "",
}  # fmt: skip
"""The fields of a row that hold its truth, and what stands for them on the public side."""


@dataclass(frozen=True, slots=True)
class Questions:
    """The benchmark as visitors may know it.

    Attributes:
        rows: Rows of the truth without their truth.
        clusters: As in `Truth`.
        name: As in `Truth`.
        truth_key: As in `Truth`.
        release: Folder with the frames, None for an official file.
    """

    rows: tuple[TruthRow, ...]
    clusters: tuple[str, ...]
    name: str
    truth_key: str
    release: Path | None

    @property
    def as_truth(self) -> Truth:
        """Rows to match answers with; a message made of them can tell no truth."""
        return Truth(self.name, self.rows, self.clusters, self.release)


def questions_of(truth: Truth) -> Questions:
    """Leave the answers out of a truth."""
    rows = tuple(row.model_copy(update=NO_ANSWER) for row in truth.rows)
    return Questions(rows, truth.clusters, truth.name, truth.key, truth.release)


class PublicColumn(Model):
    """A column of an entry; fields as in `ColumnResult`, numbers with three decimals."""

    value: Value
    rows: int
    counted: int
    parsed_rate: Value
    interval: IntervalResult | None = None
    missing: str = ""
    lower_is_better: bool = False


class PublicGroup(Model):
    """The columns over the rows of one source or task."""

    kind: Literal["source", "task"]
    name: str
    rows: int
    parsed_rate: Value
    values: Mapping[str, Value]


class PublicResult(Model):
    """Scores of an entry, with nothing of single rows.

    Attributes:
        truth: Name of the truth.
        truth_key: Its hash.
        rows: Its rows.
        judge: Label of the judge, empty where none ran.
        columns: By profile and name.
        groups: By profile: sources and tasks of enough rows.
        similarity_label: What `similarity` is; empty where it was not computed.
        similarity: Caption columns by meaning, from 0 to 1, by profile; no judge's marks.
    """

    truth: str
    truth_key: str
    rows: int
    judge: str
    columns: Mapping[Profile, Mapping[str, PublicColumn]]
    groups: Mapping[Profile, tuple[PublicGroup, ...]]
    similarity_label: str = ""
    similarity: Mapping[Profile, Mapping[str, Value]] = {}

    @property
    def parsed_rate(self) -> Value:
        """Share of all rows whose answer the official rules could read."""
        columns = self.columns.get("official", {})
        tasks = {name.split("_")[0]: columns[name] for name in COLUMNS if name in columns}
        rows = sum(column.rows for column in tasks.values())
        read = sum((column.parsed_rate or 0.0) * column.rows for column in tasks.values())
        return read / rows if rows else None

    def table(self) -> list[tuple[Profile, str, str, Value]]:
        """Rows of the table `scores`: profile, scope, column, value."""
        found: list[tuple[Profile, str, str, Value]] = []
        for profile, columns in self.columns.items():
            found += [(profile, ALL, name, column.value) for name, column in columns.items()]
            for group in self.groups.get(profile, ()):
                scope = f"{group.kind}:{group.name}"
                found += [(profile, scope, name, value) for name, value in group.values.items()]
        return found


def public_result(result: EvaluationResult, min_group_rows: int) -> PublicResult:
    """Keep of a result what may leave the server.

    Videos and clip lengths are left out, as is every group of few rows, and numbers are rounded:
    otherwise one answer changed between two uploads would tell the truth of one row.

    Args:
        result: The whole result.
        min_group_rows: Rows below which a group is left out.
    """
    semantic = result.semantic
    return PublicResult(
        truth=result.truth, truth_key=result.truth_key, rows=result.rows, judge=result.judge,
        columns={
            profile: {name: _column(column) for name, column in found.columns.items()}
            for profile, found in result.profiles.items()
        },
        groups={
            profile: tuple(
                PublicGroup(
                    kind=group.kind, name=group.name, rows=group.rows,
                    parsed_rate=_rounded(group.parsed_rate),
                    values={name: _rounded(value) for name, value in group.values.items()},
                )
                for group in found.groups
                if group.kind in ("source", "task") and group.rows >= min_group_rows
            )
            for profile, found in result.profiles.items()
        },
        similarity_label=semantic.label if semantic else "",
        similarity={
            profile: {name: _rounded(column.value) for name, column in columns.items()}
            for profile, columns in semantic.columns.items()
        } if semantic else {},
    )  # fmt: skip


def _column(column: ColumnResult) -> PublicColumn:
    missing = column.missing
    if missing and column.rows and column.name in JUDGED_COLUMNS:
        missing = NOT_JUDGED
    interval = column.interval
    return PublicColumn(
        value=_rounded(column.value), rows=column.rows, counted=column.counted,
        parsed_rate=_rounded(column.parsed_rate),
        interval=interval.model_copy(
            update={"low": round(interval.low, DECIMALS), "high": round(interval.high, DECIMALS)}
        ) if interval else None,
        missing=missing, lower_is_better=column.lower_is_better,
    )  # fmt: skip


def _rounded(value: Value) -> Value:
    return None if value is None else round(value, DECIMALS)
