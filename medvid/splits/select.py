"""Choose the pairs of `large`, `standard` and further subsets from the pool of all pairs."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from medvid.splits.assign import SplitAssignment
from medvid.splits.large import OVER_QUOTA, LargeDraw, draw_large
from medvid.splits.order import TURN, Ranks, hash_turns, order_fairly
from medvid.splits.report import SelectionReport, SubsetCount, TaskSelection, refuse_shortfall
from medvid.splits.settings import Split, SplitSettings, SubsetSettings
from schemas.errors import LeakageError, SplitError, bounded

Rows = npt.NDArray[np.intp]

_COLUMNS: Final = ("sample_id", "source", "video_id", "identity", "task", "label")


@dataclass(frozen=True, slots=True)
class Selection:
    """Split and membership of every pair.

    Attributes:
        table: One row a pair of `large`, in the order of the pool: `sample_id`, `split`,
            `in_standard`.
        left_out: One row a pair that is in no split, in the order of the pool: `sample_id`,
            `split` (that of its video) and `reason`: `held_out` or `over_quota`.
        subsets: One row a pair of a subset: `subset`, `sample_id`, `rank`, from 0 in the order in
            which every beginning is balanced.
        report: Counts.
    """

    table: pl.DataFrame
    left_out: pl.DataFrame
    subsets: pl.DataFrame
    report: SelectionReport


def select_samples(
    pool: pl.DataFrame | pa.Table, assignment: SplitAssignment, settings: SplitSettings
) -> Selection:
    """Draw `large` from the pool, and `standard` and further balanced parts from its train pairs.

    `large` is as `draw_large` has it. `standard` is the first `standard_size` pairs of
    `order_fairly` over its train pairs, a subset the first of its size of the pairs it may hold.
    Where there are fewer, all are taken and the report says what is missing.

    Args:
        pool: One row a pair with `sample_id`, `source`, `video_id`, `identity`, `task`, `label`
            and, where they are known, `turn`, its `hash_turns` by the seed; further columns are
            passed over.
        assignment: Splits of all videos of the pool.
        settings: Seed, sizes, quotas, what to do about a shortfall.

    Raises:
        SplitError: A column is missing or holds nulls, a pair is given twice, a video has no
            split, a source has no quota, or the pool is too small and `shortfall` is `refuse`.
        LeakageError: A pair's identity is not that of its video.
    """
    frame = _join_splits(_read_pool(pool), assignment)
    turns = _turns(frame, settings.seed)
    sources = sorted({video.source for video in assignment.videos})
    large = draw_large(frame, turns, sources, settings)
    train = np.flatnonzero((frame["split"] == Split.TRAIN.value).to_numpy() & large.kept)
    order = _first(frame, turns, train, settings.seed, settings.standard_size)
    member = np.zeros(len(frame), dtype=np.bool_)
    member[order] = True
    frame = frame.with_columns(pl.Series("in_standard", member))
    subsets = {
        name: _draw_subset(frame, turns, np.flatnonzero(member) if subset.within == "standard"
                           else train, subset, settings.seed)
        for name, subset in sorted(settings.subsets.items())
    }  # fmt: skip
    report = _report(frame, large, subsets, settings)
    if settings.shortfall == "refuse":
        refuse_shortfall(report)
    return Selection(
        frame.filter(large.kept).select("sample_id", "split", "in_standard"),
        _left_out(frame, large), _subset_table(frame, subsets), report,
    )  # fmt: skip


def _turns(frame: pl.DataFrame, seed: int) -> Ranks:
    if TURN in frame.columns:
        return frame[TURN].to_numpy()
    return hash_turns(frame["sample_id"].to_list(), seed)


def _first(frame: pl.DataFrame, turns: Ranks, rows: Rows, seed: int, size: int | None) -> Rows:
    """The first of some rows in the fair order."""
    order = order_fairly(frame[rows], seed, turns=turns[rows])
    first: Rows = rows[order.to_numpy()[:size]]
    return first


def _draw_subset(
    frame: pl.DataFrame, turns: Ranks, rows: Rows, subset: SubsetSettings, seed: int
) -> Rows:
    if subset.tasks is not None:
        rows = rows[frame["task"][rows].is_in([str(task) for task in subset.tasks]).to_numpy()]
    return _first(frame, turns, rows, seed, subset.size)


def _subset_table(frame: pl.DataFrame, subsets: dict[str, Rows]) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"subset": pl.String, "sample_id": pl.String, "rank": pl.Int64})
    return pl.concat([
        empty,
        *(
            pl.DataFrame({
                "subset": pl.repeat(name, len(rows), dtype=pl.String, eager=True),
                "sample_id": frame["sample_id"][rows],
                "rank": np.arange(len(rows), dtype=np.int64),
            })
            for name, rows in subsets.items()
        ),
    ])  # fmt: skip


def _left_out(frame: pl.DataFrame, large: LargeDraw) -> pl.DataFrame:
    unused = pl.when(pl.col("split") == Split.TEST.value).then(pl.lit(large.unused))
    return frame.filter(~large.kept).select(
        "sample_id", "split", unused.otherwise(pl.lit(OVER_QUOTA)).alias("reason")
    )


def _read_pool(pool: pl.DataFrame | pa.Table) -> pl.DataFrame:
    held = pool.columns if isinstance(pool, pl.DataFrame) else pool.column_names
    absent = [name for name in _COLUMNS if name not in held]
    if absent:
        raise SplitError(f"the pool has no column {bounded(absent)}.")
    frame = pl.from_arrow(pool) if isinstance(pool, pa.Table) else pool
    if not isinstance(frame, pl.DataFrame):
        raise SplitError("the pool is no table.")
    known = (pl.col(TURN).cast(pl.UInt64),) if TURN in held else ()
    frame = frame.select(pl.col(_COLUMNS).cast(pl.String), *known)
    nulls = [name for name in frame.columns if frame[name].null_count()]
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


def _report(
    frame: pl.DataFrame, large: LargeDraw, subsets: dict[str, Rows], settings: SplitSettings
) -> SelectionReport:
    kept = frame.filter(large.kept)
    splits = dict(kept.group_by("split").len().sort("split").iter_rows())
    train = kept.filter(pl.col("split") == Split.TRAIN.value)
    tasks = train.group_by("task").agg(pl.len(), pl.col("in_standard").sum()).sort("task")
    selected = int(train["in_standard"].sum())
    reasons = _left_out(frame, large)["reason"].value_counts().sort("reason")
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
        large_requested=settings.large_size,
        large_selected=len(kept),
        quota_origin=large.origin,
        sources=large.sources,
        tests=large.tests,
        subsets={
            name: _count_subset(frame, rows, settings.subsets[name].size)
            for name, rows in subsets.items()
        },
        left_out=dict(reasons.iter_rows()),
    )


def _count_subset(frame: pl.DataFrame, rows: Rows, requested: int | None) -> SubsetCount:
    tasks = frame["task"][rows].value_counts().sort("task")
    return SubsetCount(requested=requested, selected=len(rows), tasks=dict(tasks.iter_rows()))
