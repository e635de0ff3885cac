"""`large` meets quotas and counts exactly where the pool allows, and says why a pair is out."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.splits import (
    AssignedVideo,
    Selection,
    Split,
    SplitAssignment,
    SplitSettings,
    SubsetSettings,
    compare_members,
    select_samples,
)
from schemas.errors import SplitError
from schemas.hashing import hash_fraction, stable_id
from schemas.source import TaskName

TASKS = ("tal", "stg", "next_action", "skill_assessment")
SOURCES = ("avos", "copesd", "jigsaws")
COLUMNS = ("sample_id", "source", "video_id", "identity", "task", "label")

Cells = dict[tuple[str, str, Split], int]
"""Pairs by source, task and split."""


def make_pool(cells: Cells, videos: int = 3) -> tuple[pl.DataFrame, SplitAssignment]:
    rows: list[tuple[str, ...]] = []
    assigned: dict[tuple[str, str], AssignedVideo] = {}
    for (source, task, split), count in cells.items():
        for i in range(count):
            video_id = f"{split}{i % videos}"
            identity = f"{source}:{video_id}"
            rows.append((stable_id(source, task, split, i), source, video_id, identity, task,
                         f"l{i % 4}"))  # fmt: skip
            assigned[source, video_id] = AssignedVideo(
                source=source, video_id=video_id, identity=identity, component=identity,
                split=split, pinned=False,
            )  # fmt: skip
    pool = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    return pool, SplitAssignment(seed=0, videos=tuple(assigned[k] for k in sorted(assigned)))


def drawn(pool: pl.DataFrame, selection: Selection) -> pl.DataFrame:
    return pool.join(selection.table, on="sample_id")


CELLS = st.dictionaries(
    st.tuples(st.sampled_from(SOURCES), st.sampled_from(TASKS), st.sampled_from(list(Split))),
    st.integers(1, 25), min_size=1, max_size=20,
)  # fmt: skip
QUOTAS = st.dictionaries(st.sampled_from(SOURCES), st.integers(0, 150), min_size=1)
COUNTS = st.none() | st.dictionaries(st.sampled_from(list(TaskName)[:4]), st.integers(0, 40))


@given(cells=CELLS, quotas=QUOTAS, counts=COUNTS, seed=st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_every_quota_is_met_that_the_pool_can_meet(
    cells: Cells, quotas: dict[str, int], counts: dict[TaskName, int] | None, seed: int
) -> None:
    pool, assignment = make_pool(cells)
    chosen = SplitSettings(quotas=quotas, test_counts=counts, seed=seed)
    selection = select_samples(pool, assignment, chosen)
    taken = drawn(pool, selection)
    by_source = Counter(taken["source"].to_list())
    tested = Counter(taken.filter(pl.col("split") == "test")["source"].to_list())
    free = Counter(
        {s: sum(n for (source, _, split), n in cells.items()
                if source == s and split is not Split.TEST) for s in SOURCES}
    )  # fmt: skip
    for source in {source for source, _, _ in cells}:
        reachable = tested[source] + free[source]
        assert by_source[source] == min(quotas.get(source, reachable), reachable)
    for source, quota in selection.report.sources.items():
        assert (quota.requested, quota.reached) == (quotas[source], by_source[source])
        assert quota.available == tested[source] + free[source]
    everything = [*selection.table["sample_id"], *selection.left_out["sample_id"]]
    assert sorted(everything) == sorted(pool["sample_id"])
    assert selection.report.left_out == Counter(selection.left_out["reason"].to_list())


@given(cells=CELLS, counts=COUNTS.filter(lambda table: table is not None), seed=st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_test_counts_are_met_exactly_where_test_identities_have_as_many(
    cells: Cells, counts: dict[TaskName, int], seed: int
) -> None:
    pool, assignment = make_pool(cells)
    selection = select_samples(
        pool, assignment, SplitSettings(test_counts=counts, seed=seed, standard_size=0)
    )
    taken = drawn(pool, selection).filter(pl.col("split") == "test")
    found = Counter(taken["task"].to_list())
    for task in TASKS:
        held = sum(n for (_, t, split), n in cells.items() if t == task and split is Split.TEST)
        assert found[task] == min(held, counts.get(TaskName(task), 0))
    assert set(selection.left_out["reason"]) <= {"held_out"}
    assert set(selection.left_out["split"]) <= {"test"}


def test_test_is_fair_over_sources_and_unused_pairs_are_held_out() -> None:
    pool, assignment = make_pool({
        ("avos", "tal", Split.TEST): 90, ("copesd", "tal", Split.TEST): 12,
        ("jigsaws", "tal", Split.TEST): 90, ("avos", "stg", Split.TEST): 5,
        ("avos", "tal", Split.TRAIN): 30,
    })  # fmt: skip
    chosen = SplitSettings(test_counts={TaskName.TAL: 60}, standard_size=10)
    selection = select_samples(pool, assignment, chosen)
    taken = drawn(pool, selection).filter(pl.col("split") == "test")
    counts = Counter(taken["source"].to_list())
    assert counts == {"avos": 24, "copesd": 12, "jigsaws": 24}
    labels = Counter(taken.filter(pl.col("source") == "avos")["label"].to_list())
    assert set(labels.values()) == {6}
    assert selection.report.left_out == {"held_out": 137}
    assert selection.report.splits == {"train": 30, "val": 0, "test": 60}


def test_where_a_quota_is_full_of_test_others_test_in_its_stead() -> None:
    pool, assignment = make_pool({
        ("avos", "tal", Split.TEST): 50, ("copesd", "tal", Split.TEST): 50,
        ("avos", "tal", Split.TRAIN): 50, ("copesd", "tal", Split.TRAIN): 50,
    })  # fmt: skip
    chosen = SplitSettings(
        quotas={"avos": 5, "copesd": 60}, test_counts={TaskName.TAL: 40}, standard_size=0
    )
    taken = drawn(pool, select_samples(pool, assignment, chosen))
    cells = Counter(taken.select("source", "split").iter_rows())
    assert cells == {("avos", "test"): 5, ("copesd", "test"): 35, ("copesd", "train"): 25}


def test_without_counts_a_quota_thins_test_and_train_alike() -> None:
    pool, assignment = make_pool({
        ("avos", "tal", Split.TEST): 100, ("avos", "tal", Split.TRAIN): 300,
    })  # fmt: skip
    selection = select_samples(pool, assignment, SplitSettings(quotas={"avos": 100}))
    assert selection.report.splits == {"train": 75, "val": 0, "test": 25}
    assert selection.report.left_out == {"over_quota": 300}


def test_a_source_over_its_quota_loses_what_it_has_most_of() -> None:
    pool, assignment = make_pool({
        ("avos", "tal", Split.TRAIN): 500, ("avos", "stg", Split.TRAIN): 20,
        ("avos", "next_action", Split.VAL): 40,
    })  # fmt: skip
    taken = drawn(pool, select_samples(pool, assignment, SplitSettings(quotas={"avos": 100})))
    assert Counter(taken["task"].to_list()) == {"tal": 40, "stg": 20, "next_action": 40}


def test_a_shortfall_is_reported_or_refused_with_the_closest_table() -> None:
    pool, assignment = make_pool({
        ("avos", "tal", Split.TRAIN): 30, ("copesd", "tal", Split.TRAIN): 300,
        ("avos", "tal", Split.TEST): 8,
    })  # fmt: skip
    asked = {
        "large_size": 200, "quotas": {"avos": 100, "copesd": 100},
        "test_counts": {"tal": 10, "stg": 2}, "standard_size": 500,
        "subsets": {"rl": {"size": 300}},
    }  # fmt: skip
    report = select_samples(pool, assignment, SplitSettings.model_validate(asked)).report
    assert (report.large_requested, report.large_selected) == (200, 138)
    assert {n: q.closest for n, q in report.sources.items()} == {"avos": 38, "copesd": 162}
    large, test, standard, subset = report.shortfalls()
    assert "avos 38 of 100" in large
    assert "quotas: {avos: 38, copesd: 162}, 200 pairs" in large
    assert "stg 0 of 2; tal 8 of 10" in test
    assert standard == "standard needs 500 pairs, train holds 130."
    assert subset == "rl needs 300 pairs, train holds 130."
    refusing = SplitSettings.model_validate({**asked, "shortfall": "refuse"})
    with pytest.raises(SplitError, match=r"avos 38 of 100.*closest reachable.*copesd: 162"):
        select_samples(pool, assignment, refusing)
    reachable = {
        "large_size": 200, "quotas": {"avos": 38, "copesd": 162}, "test_counts": {"tal": 8},
        "standard_size": 150, "shortfall": "refuse",
    }  # fmt: skip
    met = select_samples(pool, assignment, SplitSettings.model_validate(reachable)).report
    assert met.large_selected == 200


def test_subsets_are_balanced_ranked_and_within_what_they_say() -> None:
    pool, assignment = make_pool({
        ("avos", task, Split.TRAIN): count for task, count in
        {"tal": 200, "stg": 100, "next_action": 9, "skill_assessment": 60}.items()
    } | {("avos", "tal", Split.TEST): 50})  # fmt: skip
    chosen = SplitSettings(
        standard_size=100,
        subsets={
            "rl": SubsetSettings(size=40),
            "grounding": SubsetSettings(tasks=(TaskName.TAL, TaskName.STG), within="large"),
        },
    )
    selection = select_samples(pool, assignment, chosen)
    standard = set(selection.table.filter("in_standard")["sample_id"])
    rl = selection.subsets.filter(pl.col("subset") == "rl")
    assert rl["rank"].to_list() == list(range(40))
    assert set(rl["sample_id"]) <= standard
    tasks = rl.join(pool, on="sample_id", maintain_order="left")["task"].to_list()
    for size in range(4, 41):
        counts = Counter(tasks[:size])
        held = {"next_action": 9}
        open_tasks = [task for task in TASKS if counts[task] < held.get(task, size)]
        assert all(max(counts.values()) - counts[task] <= 1 for task in open_tasks)
    report = selection.report.subsets
    assert report["grounding"].tasks == {"stg": 100, "tal": 200}
    assert (report["rl"].requested, report["rl"].selected) == (40, 40)
    with pytest.raises(ValueError, match="standard"):
        SplitSettings(subsets={"standard": SubsetSettings()})


def test_one_more_video_changes_few_members_of_other_sources() -> None:
    cells: Cells = {
        (source, task, split): {Split.TRAIN: 400, Split.VAL: 15, Split.TEST: 60}[split]
        for source in SOURCES for task in TASKS[:3] for split in Split
        if hash_fraction(1, source, task) < 0.8
    }  # fmt: skip
    pool, assignment = make_pool(cells, videos=12)
    chosen = SplitSettings(
        quotas=dict.fromkeys(SOURCES, 700), standard_size=600,
        test_counts=dict.fromkeys(list(TaskName)[:3], 40),
    )  # fmt: skip
    before = select_samples(pool, assignment, chosen)
    for split in Split:
        video = AssignedVideo(
            source="avos", video_id="new", identity="avos:new", component="avos:new",
            split=split, pinned=False,
        )  # fmt: skip
        more = pl.DataFrame(
            [(stable_id("new", i), "avos", "new", "avos:new", TASKS[1 + i % 2], f"l{i % 4}")
             for i in range(60)],
            schema=dict.fromkeys(COLUMNS, pl.String), orient="row",
        )  # fmt: skip
        larger = pl.concat([pool, more])
        moved = assignment.model_copy(update={"videos": (*assignment.videos, video)})
        after = select_samples(larger, moved, chosen)
        changes = compare_members(
            drawn(pool, before).filter("in_standard"), drawn(larger, after).filter("in_standard")
        )
        assert all(changes[s].share < 0.01 for s in SOURCES if s != "avos")
        assert (changes["avos"].came > 0) == (split is Split.TRAIN)
        assert changes["avos"].left <= len(more)
