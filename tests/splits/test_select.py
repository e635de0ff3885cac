"""`standard` is max-min fair at every level, exact in size, and stable."""

from collections import Counter
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.splits import (
    AssignedVideo,
    Split,
    SplitAssignment,
    SplitSettings,
    order_fairly,
    select_samples,
)
from schemas.errors import LeakageError, SplitError
from schemas.hashing import hash_rank, stable_id

LEVELS = ("task", "source", "label", "video_id")
COLUMNS = ("sample_id", "source", "video_id", "identity", "task", "qa_type", "label", "clip_id")

Row = tuple[str, str, str, str]
"""Task, source, label, video."""


def make_pool(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (stable_id("s", i, *row), row[1], row[3], f"{row[1]}:{row[3]}", row[0], row[0], row[2],
             f"c{i}")
            for i, row in enumerate(rows)
        ],
        schema=dict.fromkeys(COLUMNS, pl.String), orient="row",
    )  # fmt: skip


def assign_all(pool: pl.DataFrame, split: Split = Split.TRAIN, test: str = "") -> SplitAssignment:
    videos = pool.select("source", "video_id", "identity").unique().sort("source", "video_id")
    return SplitAssignment(
        seed=0,
        videos=tuple(
            AssignedVideo(
                source=source, video_id=video_id, identity=identity, component=identity,
                split=Split.TEST if video_id == test else split, pinned=False,
            )
            for source, video_id, identity in videos.iter_rows()
        ),
    )  # fmt: skip


def chosen_of(pool: pl.DataFrame, size: int, seed: int = 0) -> pl.DataFrame:
    selection = select_samples(pool, assign_all(pool), SplitSettings(seed=seed, standard_size=size))
    return pool.filter(selection.table["in_standard"])


def require_fair(available: pl.DataFrame, chosen: pl.DataFrame) -> None:
    """No part can gain a pair unless one loses that has no more than it, at every level."""
    for depth, level in enumerate(LEVELS):
        parents = list(LEVELS[:depth])
        groups = available.partition_by(parents, as_dict=True) if parents else {(): available}
        for key, group in groups.items():
            match = [pl.col(name) == value for name, value in zip(parents, key, strict=True)]
            taken = chosen.filter(match) if match else chosen
            caps = Counter(group[level].to_list())
            counts = Counter(taken[level].to_list())
            open_parts = [part for part in caps if counts[part] < caps[part]]
            for part in open_parts:
                assert all(counts[other] <= counts[part] + 1 for other in caps)


@st.composite
def rows_of_pools(draw: st.DrawFn) -> list[Row]:
    """Pools whose parts differ much in size, at every level."""
    parts = st.tuples(
        st.sampled_from(["tal", "stg", "next_action"]),
        st.sampled_from(["avos", "nurvid"]),
        st.sampled_from(["", "cut", "tie"]),
        st.sampled_from(["v1", "v2", "v3"]),
    )
    counts = draw(st.dictionaries(parts, st.integers(1, 15), min_size=3, max_size=15))
    return [part for part, count in counts.items() for _ in range(count)]


@given(rows=rows_of_pools(), size=st.integers(0, 120), seed=st.integers(0, 2))
@settings(max_examples=80, deadline=None)
def test_the_choice_is_max_min_fair_at_every_level(rows: list[Row], size: int, seed: int) -> None:
    pool = make_pool(rows)
    chosen = chosen_of(pool, size, seed)
    assert len(chosen) == min(size, len(pool))
    require_fair(pool, chosen)


@given(rows=rows_of_pools(), seed=st.integers(0, 2))
@settings(max_examples=15, deadline=None)
def test_smaller_choices_lie_inside_larger_ones(rows: list[Row], seed: int) -> None:
    pool = make_pool(rows)
    sizes = [0, len(pool) // 3, len(pool) // 2, len(pool)]
    sets = [set(chosen_of(pool, size, seed)["sample_id"]) for size in sizes]
    assert all(small <= large for small, large in pairwise(sets))


@given(rows=rows_of_pools(), extra=rows_of_pools(), size=st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_one_more_video_displaces_no_more_pairs_than_it_brings(
    rows: list[Row], extra: list[Row], size: int
) -> None:
    """Of the old members as many leave as new ones come; no old pair comes in their stead."""
    added = [(task, "nurvid", label, "new") for task, _, label, _ in extra]
    before = make_pool(rows)
    after = make_pool(rows + added)
    old = set(before["sample_id"])
    was = set(chosen_of(before, size)["sample_id"])
    now = set(chosen_of(after, size)["sample_id"])
    if len(rows) >= size:
        came, left = now - was, was - now
        assert came.isdisjoint(old)
        assert len(came) == len(left) <= len(added)
    else:
        assert len(now) == min(size, len(rows) + len(added))


def test_known_levels_are_reached() -> None:
    """Two scarce tasks are taken whole, the rest is shared out to the pair."""
    rows = [
        (task, "avos", f"l{i % 4}", f"v{i % 5}")
        for task, count in {"a": 3, "b": 10, "c": 400, "d": 500, "e": 90}.items()
        for i in range(count)
    ]
    pool = make_pool(rows)
    selection = select_samples(pool, assign_all(pool), SplitSettings(standard_size=200))
    taken = {task: part.selected for task, part in selection.report.tasks.items()}
    assert (taken["a"], taken["b"]) == (3, 10)
    assert sorted(taken[task] for task in "cde") == [62, 62, 63]
    assert {task for task, part in selection.report.tasks.items() if part.saturated} == {"a", "b"}


def test_pairs_of_one_video_and_label_are_taken_in_hash_order() -> None:
    pool = make_pool([("tal", "avos", "cut", "v1")] * 50)
    expected = sorted(pool["sample_id"], key=lambda s: hash_rank(7, "sample", s))[:20]
    assert set(chosen_of(pool, 20, seed=7)["sample_id"]) == set(expected)
    assert set(chosen_of(pool, 20, seed=8)["sample_id"]) != set(expected)


def test_large_holds_every_pair_and_standard_lies_in_train() -> None:
    rows = [("tal", "avos", "cut", f"v{i % 3}") for i in range(60)]
    pool = make_pool(rows)
    selection = select_samples(pool, assign_all(pool, test="v1"), SplitSettings(standard_size=30))
    table = selection.table
    assert table.columns == ["sample_id", "split", "in_standard"]
    assert table["sample_id"].to_list() == pool["sample_id"].to_list()
    assert selection.report.splits == {"train": 40, "val": 0, "test": 20}
    assert set(table.filter("in_standard")["split"]) == {"train"}
    assert table["in_standard"].sum() == 30


def test_a_train_part_too_small_is_taken_whole_and_said() -> None:
    pool = make_pool([("tal", "avos", "cut", "v1")] * 7)
    assignment = assign_all(pool)
    selection = select_samples(pool, assignment, SplitSettings())
    report = selection.report
    assert (report.requested, report.selected, report.shortfall) == (51_505, 7, 51_498)
    assert bool(selection.table["in_standard"].all())
    with pytest.raises(SplitError, match="train holds 7"):
        select_samples(pool, assignment, SplitSettings(shortfall="refuse"))


def test_order_of_rows_and_kind_of_table_do_not_matter() -> None:
    rows = [
        ("tal", "avos", f"l{i % 3}", f"v{i % 7}") for i in range(100)
    ] + [("stg", "nurvid", "x", f"v{i}") for i in range(30)]  # fmt: skip
    pool = make_pool(rows)
    chosen = set(chosen_of(pool, 40)["sample_id"])
    assert set(chosen_of(pool.reverse(), 40)["sample_id"]) == chosen
    table = pool.with_columns(payload=pl.lit(b"x")).to_arrow()
    selection = select_samples(table, assign_all(pool), SplitSettings(standard_size=40))
    assert set(selection.table.filter("in_standard")["sample_id"]) == chosen


def test_an_empty_pool_gives_an_empty_selection() -> None:
    pool = make_pool([])
    selection = select_samples(pool, assign_all(pool), SplitSettings())
    assert len(selection.table) == 0
    assert selection.report.tasks == {}
    assert order_fairly(pool, 0).to_list() == []


def test_a_pool_that_is_no_pool_is_refused() -> None:
    pool = make_pool([("tal", "avos", "cut", f"v{i}") for i in range(3)])
    assignment = assign_all(pool)
    settings_ = SplitSettings()
    with pytest.raises(SplitError, match="label"):
        select_samples(pool.drop("label"), assignment, settings_)
    with pytest.raises(SplitError, match="null"):
        select_samples(
            pool.with_columns(label=pl.lit(None, dtype=pl.String)), assignment, settings_
        )
    with pytest.raises(SplitError, match="1 sample ids come more than once"):
        select_samples(pl.concat([pool, pool.head(1)]), assignment, settings_)
    with pytest.raises(SplitError, match="avos/v9"):
        select_samples(make_pool([("tal", "avos", "cut", "v9")]), assignment, settings_)
    with pytest.raises(LeakageError, match="another identity"):
        select_samples(pool.with_columns(identity=pl.lit("x:1")), assignment, settings_)
