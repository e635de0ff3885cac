"""The columns by source, by task, by video and by length of the clip."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from medvid.evaluation.rows import Evaluation, TruthRow
from medvid.evaluation.run_result import GroupKind, GroupResult
from medvid.evaluation.statistics import group_values

LENGTH_EDGES_S: Final = (30.0, 60.0, 120.0, 300.0, 600.0)
LENGTH_NAMES: Final = (
    "under 30 s", "30 s to 1 min", "1 to 2 min", "2 to 5 min", "5 to 10 min", "10 min and over",
)  # fmt: skip
UNKNOWN_LENGTH: Final = "unknown"
KINDS: Final[tuple[GroupKind, ...]] = ("source", "task", "length", "video")


def length_name(duration_s: float | None) -> str:
    """Bucket of a clip's length.

    >>> length_name(30.0), length_name(29.9)
    ('30 s to 1 min', 'under 30 s')
    """
    if duration_s is None:
        return UNKNOWN_LENGTH
    return LENGTH_NAMES[bisect_right(LENGTH_EDGES_S, duration_s)]


def group_name(row: TruthRow, kind: GroupKind) -> str:
    """Group of a row."""
    match kind:
        case "source":
            return row.source
        case "task":
            return row.task.value
        case "length":
            return length_name(row.duration_s)
        case "video":
            return f"{row.source} {row.video_id}"


def break_down(
    truth: Sequence[TruthRow], evaluation: Evaluation, kinds: Sequence[GroupKind] = KINDS
) -> tuple[GroupResult, ...]:
    """Compute every column over every group of rows.

    Args:
        truth: Row i has index i.
        evaluation: The scores.
        kinds: What to group by.

    Returns:
        By kind, then by name; lengths in their own order.
    """
    parsed = [row.parsed for row in evaluation.rows]
    found: list[GroupResult] = []
    for kind in kinds:
        names = [group_name(row, kind) for row in truth]
        members: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(names):
            members[name].append(index)
        values: dict[str, dict[str, float | None]] = defaultdict(dict)
        for column in evaluation.columns.values():
            for name, value in group_values(column, names).items():
                values[name][column.name] = value
        for name in sorted(members, key=lambda name: (_rank(kind, name), name)):
            rows = members[name]
            rate = sum(parsed[index] for index in rows) / len(rows)
            found.append(
                GroupResult(
                    kind=kind, name=name, rows=len(rows), parsed_rate=rate, values=values[name]
                )
            )
    return tuple(found)


def _rank(kind: GroupKind, name: str) -> int:
    if kind != "length":
        return 0
    return LENGTH_NAMES.index(name) if name in LENGTH_NAMES else len(LENGTH_NAMES)
