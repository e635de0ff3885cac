"""Choose the pairs of `large` and `standard` from the pool of all pairs."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from medvid.splits.assign import SplitAssignment
from medvid.splits.settings import Split, SplitSettings
from schemas.errors import LeakageError, SplitError, bounded
from schemas.hashing import hash_rank
from schemas.scalars import SCHEMA_VERSION, Model

FAIRNESS: Final = ("task", "source", "label", "video_id")
"""Levels of balance, the first the most important."""

_COLUMNS: Final = ("sample_id", "source", "video_id", "identity", "task", "label")


class TaskSelection(Model):
    """One task in `standard`.

    Attributes:
        available: Its pairs in train.
        selected: Those of them in `standard`.
    """

    available: int
    selected: int

    @property
    def saturated(self) -> bool:
        """Whether every pair there is was taken."""
        return self.selected == self.available


class SelectionReport(Model):
    """What was asked for and what the pool could give.

    Attributes:
        pool: Pairs in all.
        splits: Pairs of `large` by split.
        requested: Size asked of `standard`.
        selected: Size it has.
        shortfall: What is missing from the size asked for.
        tasks: By task.
    """

    schema_version: int = SCHEMA_VERSION
    pool: int
    splits: dict[str, int]
    requested: int
    selected: int
    shortfall: int
    tasks: dict[str, TaskSelection]


@dataclass(frozen=True, slots=True)
class Selection:
    """Split and membership of every pair.

    Attributes:
        table: One row a pair of `large`, in the order of the pool: `sample_id`, `split`,
            `in_standard`.
        report: Counts.
    """

    table: pl.DataFrame
    report: SelectionReport


def select_samples(
    pool: pl.DataFrame | pa.Table, assignment: SplitAssignment, settings: SplitSettings
) -> Selection:
    """Take every pair into `large`, and a balanced part of its train pairs into `standard`.

    `standard` is the first `standard_size` pairs of `order_fairly`. Where train holds fewer pairs,
    all are taken and the report says what is missing.

    Args:
        pool: One row a pair with `sample_id`, `source`, `video_id`, `identity`, `task`, `label`;
            further columns are passed over.
        assignment: Splits of all videos of the pool.
        settings: Seed, size of `standard`, what to do about a shortfall.

    Raises:
        SplitError: A column is missing or holds nulls, a pair is given twice, a video has no
            split, or train is too small and `shortfall` is `refuse`.
        LeakageError: A pair's identity is not that of its video.
    """
    frame = _join_splits(_read_pool(pool), assignment)
    train = frame.with_row_index("row").filter(pl.col("split") == Split.TRAIN.value)
    chosen = train["row"].gather(order_fairly(train, settings.seed).head(settings.standard_size))
    member = np.zeros(len(frame), dtype=np.bool_)
    member[chosen.to_numpy()] = True
    frame = frame.with_columns(pl.Series("in_standard", member))
    report = _report(frame, settings)
    if report.shortfall and settings.shortfall == "refuse":
        raise SplitError(
            f"standard needs {report.requested} pairs, train holds {report.selected}.",
            action=f"Ask for a standard_size of {report.selected} at most, or add sources.",
        )
    return Selection(frame.select("sample_id", "split", "in_standard"), report)


def order_fairly(train: pl.DataFrame, seed: int) -> pl.Series:
    """Order pairs so that every beginning of the order is as balanced as it can be.

    The first n pairs are, for each n, the max-min fair choice over tasks, within each task over
    sources, within each source over labels, within each label over videos: no part can have one
    pair more unless a part that has no more than it loses one. It is the order of dealing in
    turn: level by level from the innermost, the parts of a group give their k-th pairs before any
    gives its next. Ties are broken by hash, so that one more video displaces no more pairs than
    it brings in.

    Args:
        train: `sample_id` and the columns of `FAIRNESS`, without nulls; the order of its rows
            does not matter.
        seed: Seed of every hash.

    Returns:
        Row numbers of `train`.
    """
    ids = train["sample_id"].to_list()
    drawn = [hash_rank(seed, "sample", sample_id) for sample_id in ids]
    frame = train.select("sample_id", *FAIRNESS).with_columns(pl.Series("turn", drawn, pl.UInt64))
    for depth in range(len(FAIRNESS)):
        frame = _number_parts(frame, depth, seed)
    inner = f"part{len(FAIRNESS) - 1}"
    frame = frame.with_row_index("row").sort(inner, "turn", "sample_id").select(
        "row", pl.int_range(pl.len()).over(inner).alias("turn"), pl.col("^part.$", "^rank.$")
    )  # fmt: skip
    for depth in reversed(range(1, len(FAIRNESS))):
        group = f"part{depth - 1}"
        frame = frame.sort(group, "turn", f"rank{depth}", f"part{depth}")
        frame = frame.with_columns(pl.int_range(pl.len()).over(group).alias("turn"))
    return frame.sort("turn", "rank0", "part0")["row"]


def _number_parts(frame: pl.DataFrame, depth: int, seed: int) -> pl.DataFrame:
    """Number the parts of a level in alphabetical order, and rank them by hash."""
    names = list(FAIRNESS[: depth + 1])
    parts = frame.select(names).unique().sort(names).with_row_index(f"part{depth}")
    ranks = [hash_rank(seed, "part", *part) for part in parts.select(names).iter_rows()]
    parts = parts.with_columns(pl.Series(f"rank{depth}", ranks, pl.UInt64))
    return frame.join(parts, on=names, how="left", maintain_order="left")


def _read_pool(pool: pl.DataFrame | pa.Table) -> pl.DataFrame:
    held = pool.columns if isinstance(pool, pl.DataFrame) else pool.column_names
    absent = [name for name in _COLUMNS if name not in held]
    if absent:
        raise SplitError(f"the pool has no column {bounded(absent)}.")
    frame = pl.from_arrow(pool.select(list(_COLUMNS))) if isinstance(pool, pa.Table) else pool
    if not isinstance(frame, pl.DataFrame):
        raise SplitError("the pool is no table.")
    frame = frame.select(pl.col(_COLUMNS).cast(pl.String))
    nulls = [name for name in _COLUMNS if frame[name].null_count()]
    if nulls:
        raise SplitError(f"the pool holds nulls in column {bounded(nulls)}.")
    twice = frame["sample_id"].filter(frame["sample_id"].is_duplicated()).unique().sort()
    if len(twice):
        raise SplitError(
            f"{len(twice)} sample ids come more than once: {bounded(twice.to_list())}."
        )
    return frame


def _join_splits(frame: pl.DataFrame, assignment: SplitAssignment) -> pl.DataFrame:
    videos = assignment.table().select("source", "video_id", "split", proven="identity")
    joined = frame.join(videos, on=["source", "video_id"], how="left", maintain_order="left")
    strangers = joined.filter(pl.col("split").is_null()).select("source", "video_id").unique()
    if len(strangers):
        names = sorted(f"{source}/{video_id}" for source, video_id in strangers.iter_rows())
        raise SplitError(f"{len(names)} videos of the pool have no split: {bounded(names)}.")
    moved = joined.filter(pl.col("identity") != pl.col("proven"))["sample_id"].sort().to_list()
    if moved:
        raise LeakageError(
            f"{len(moved)} pairs have another identity than their video: {bounded(moved)}."
        )
    return joined.drop("proven")


def _report(frame: pl.DataFrame, settings: SplitSettings) -> SelectionReport:
    splits = dict(frame.group_by("split").len().sort("split").iter_rows())
    train = frame.filter(pl.col("split") == Split.TRAIN.value)
    tasks = train.group_by("task").agg(pl.len(), pl.col("in_standard").sum()).sort("task")
    selected = int(train["in_standard"].sum())
    return SelectionReport(
        pool=len(frame),
        splits={split.value: splits.get(split.value, 0) for split in Split},
        requested=settings.standard_size,
        selected=selected,
        shortfall=settings.standard_size - selected,
        tasks={
            task: TaskSelection(available=available, selected=taken)
            for task, available, taken in tasks.iter_rows()
        },
    )
