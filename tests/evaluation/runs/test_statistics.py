"""Intervals and tests by video: against textbook numbers, and where they must not be fooled."""

import time
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.evaluation.rows import ColumnScore, FloatArray
from medvid.evaluation.statistics import (
    bootstrap_interval,
    compare_columns,
    group_values,
    hold_together,
)


def ratio(totals: FloatArray) -> FloatArray:
    """Mean of the rows that count; unknown where none does."""
    known: FloatArray = np.full(len(totals), np.nan)
    np.divide(totals[:, 0], totals[:, 1], out=known, where=totals[:, 1] > 0)
    return known


def column(values: Sequence[float | None], name: str = "TAG_mIoU@0.3") -> ColumnScore:
    """A mean over rows, None being left out."""
    sums = np.array([(0.0, 0.0) if v is None else (v, 1.0) for v in values]).reshape(-1, 2)
    value = float(ratio(sums.sum(0)[None])[0]) if len(values) else np.nan
    return ColumnScore(
        name=name, value=None if np.isnan(value) else value, rows=len(values),
        counted=sum(v is not None for v in values), parsed_rate=1.0, by_source={},
        row_index=np.arange(len(values)), sums=sums, combine=ratio,
    )  # fmt: skip


def videos(count: int, rows_each: int) -> list[str]:
    return [f"v{video:03d}" for video in range(count) for _ in range(rows_each)]


def test_the_interval_of_independent_videos_is_the_textbook_one() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0.5, 0.1, size=400)
    interval = bootstrap_interval(column(values.tolist()), videos(400, 1), draws=4000)
    assert interval is not None
    error = values.std() / np.sqrt(400)
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.0015)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.0015)


def test_rows_of_one_video_do_not_pass_for_independent() -> None:
    rng = np.random.default_rng(6)
    of_video = rng.uniform(0, 1, size=30)
    values = np.repeat(of_video, 50).tolist()
    by_video = bootstrap_interval(column(values), videos(30, 50))
    by_row = bootstrap_interval(column(values), [f"r{i}" for i in range(1500)])
    assert by_video is not None
    assert by_row is not None
    assert by_video.high - by_video.low > 5 * (by_row.high - by_row.low)
    assert by_video.clusters == 30


def test_the_same_rows_in_another_order_give_the_same_interval() -> None:
    values = [(i * 0.618) % 1 for i in range(60)]
    names = videos(12, 5)
    turned = bootstrap_interval(column(values[::-1]), names[::-1], seed=3)
    same = bootstrap_interval(column(values), names, seed=3)
    other = bootstrap_interval(column(values), names, seed=4)
    assert turned is not None
    assert same is not None
    assert other is not None
    assert (same.low, same.high) == pytest.approx((turned.low, turned.high), abs=1e-12)
    assert (other.low, other.high) != pytest.approx((turned.low, turned.high), abs=1e-12)


def test_one_video_or_no_value_gives_no_interval() -> None:
    assert bootstrap_interval(column([0.1, 0.9]), ["v", "v"]) is None
    assert bootstrap_interval(column([None, None]), ["v", "w"]) is None


def test_draws_that_leave_nothing_to_score_are_left_out() -> None:
    interval = bootstrap_interval(column([0.25, None]), ["v", "w"], draws=200)
    assert interval is not None
    assert 100 < interval.draws < 200
    assert (interval.low, interval.high) == (0.25, 0.25)


def test_few_clusters_are_tried_exactly() -> None:
    first, second = [0.2, 0.3, 0.4, 0.9], [0.5, 0.4, 0.6, 0.8]
    found = compare_columns(column(first), column(second), videos(4, 1))
    assert found is not None
    seen = abs(np.mean(second) - np.mean(first))
    gaps = np.array(second) - np.array(first)
    all_ways = [abs(np.mean(gaps * signs)) for signs in product((-1, 1), repeat=4)]
    assert found.p_value == pytest.approx(np.mean(np.array(all_ways) >= seen - 1e-12))
    assert (found.better, found.worse, found.clusters) == (3, 1, 4)
    assert found.difference == pytest.approx(0.125)


def test_equal_models_do_not_differ() -> None:
    values = [i / 40 for i in range(40)]
    found = compare_columns(column(values), column(values), videos(20, 2))
    assert found is not None
    assert found.p_value == 1.0
    assert (found.better, found.worse) == (0, 0)


def test_a_clear_difference_is_found_and_a_chance_one_is_not() -> None:
    rng = np.random.default_rng(8)
    base = rng.uniform(0.2, 0.6, size=200)
    clear = compare_columns(column(base.tolist()), column((base + 0.1).tolist()), videos(40, 5))
    noise = rng.normal(0, 0.1, size=200)
    noise -= noise.mean() * 0.9
    chance = compare_columns(column(base.tolist()), column((base + noise).tolist()), videos(40, 5))
    assert clear is not None
    assert chance is not None
    assert clear.p_value < 0.001
    assert clear.interval is not None
    assert clear.interval.low == pytest.approx(0.1)
    assert chance.p_value > 0.05


def test_the_p_value_is_uniform_where_nothing_differs() -> None:
    rng = np.random.default_rng(9)
    found = []
    for _ in range(200):
        one, two = rng.uniform(0, 1, size=(2, 20))
        result = compare_columns(
            column(one.tolist()), column(two.tolist()), videos(20, 1), draws=1, swaps=400
        )
        assert result is not None
        found.append(result.p_value)
    assert 0.02 < np.mean(np.array(found) < 0.1) < 0.2


def test_many_columns_are_held_together() -> None:
    pair = ([0.2, 0.3, 0.4, 0.9], [0.5, 0.4, 0.6, 0.8])
    one = compare_columns(column(pair[0]), column(pair[1]), videos(4, 1))
    same = compare_columns(column(pair[0]), column(pair[0]), videos(4, 1))
    assert one is not None
    assert same is not None
    held = hold_together([one, same, same])
    assert [c.p_holm for c in held] == [min(1.0, 3 * one.p_value), 1.0, 1.0]


def test_groups_get_their_own_values() -> None:
    values = group_values(column([0.0, 1.0, 0.5, None]), ["a", "a", "b", "c"])
    assert values == {"a": 0.5, "b": 0.5, "c": None}


def test_the_whole_benchmark_is_resampled_within_a_second() -> None:
    rng = np.random.default_rng(1)
    columns = [column(rng.uniform(0, 1, size=6245).tolist()) for _ in range(10)]
    names = [f"v{i % 150}" for i in range(6245)]
    began = time.process_time()
    for one in columns:
        bootstrap_interval(one, names, draws=1000)
    assert time.process_time() - began < 2


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6)), min_size=1, max_size=40),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_an_interval_stays_within_what_videos_score(
    rows: list[tuple[float, int]], seed: int
) -> None:
    names = [f"v{video}" for _, video in rows]
    one = column([value for value, _ in rows])
    interval = bootstrap_interval(one, names, draws=50, seed=seed)
    of_video = [value for value in group_values(one, names).values() if value is not None]
    if interval is None:
        assert len(set(names)) == 1
    else:
        assert min(of_video) - 1e-9 <= interval.low <= interval.high <= max(of_video) + 1e-9
