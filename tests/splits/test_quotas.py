"""Shares add up, closest tables can be reached, and cells under caps lose only what they must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from medvid.splits import (
    PUBLISHED_SIZE,
    PUBLISHED_SOURCES,
    PUBLISHED_TEST,
    SplitSettings,
    closest_table,
    scale_shares,
)
from medvid.splits.order import Ints
from medvid.splits.quotas import UNBOUNDED, fit_cells, level_off, source_quotas
from schemas.errors import SplitError

NAMES = st.sampled_from("abcdefgh")
TABLES = st.dictionaries(NAMES, st.integers(0, 500), min_size=1)


@given(weights=TABLES, total=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_shares_sum_to_the_total_and_are_within_one_of_proportion(
    weights: dict[str, int], total: int
) -> None:
    whole = sum(weights.values())
    if not whole and total:
        with pytest.raises(SplitError, match="every share is 0"):
            scale_shares(weights, total)
        return
    shares = scale_shares(weights, total)
    assert sum(shares.values()) == total
    assert all(abs(shares[n] * whole - total * w) < max(whole, 1) for n, w in weights.items())


def test_the_published_figure_scales_to_the_published_size() -> None:
    assert sum(PUBLISHED_SOURCES.values()) == 461_413
    assert sum(PUBLISHED_TEST.values()) == 6_245
    quotas, origin = source_quotas(
        SplitSettings(large_size=PUBLISHED_SIZE), sorted(PUBLISHED_SOURCES)
    )
    assert origin == "published"
    assert quotas == {
        "avos": 66_596, "cholec80cvs": 4_340, "cholect50": 6_920, "cholectrack20": 94_351,
        "copesd": 71_988, "egosurgery": 176_070, "jigsaws": 982, "nurvid": 110_603,
    }  # fmt: skip
    assert sum(quotas.values()) == PUBLISHED_SIZE


def test_a_share_is_one_among_the_sources_at_hand() -> None:
    quotas, _ = source_quotas(SplitSettings(large_size=100), ["avos", "nurvid"])
    assert quotas == {"avos": 38, "nurvid": 62}
    assert source_quotas(SplitSettings(), ["avos"]) == (None, "none")
    with pytest.raises(SplitError, match="no published figure for ninth"):
        source_quotas(SplitSettings(large_size=100), ["avos", "ninth"])


def test_a_table_is_taken_as_it_is() -> None:
    given_table = SplitSettings(quotas={"avos": 5})
    assert source_quotas(given_table, ["avos", "ninth"]) == ({"avos": 5}, "given")
    sized = SplitSettings(quotas={"avos": 5}, large_size=5)
    with pytest.raises(SplitError, match="ninth has no quota"):
        source_quotas(sized, ["avos", "ninth"])
    with pytest.raises(ValueError, match="quotas sum to 5, large_size is 6"):
        SplitSettings(quotas={"avos": 5}, large_size=6)
    with pytest.raises(ValueError, match="test_counts sum to 6245"):
        SplitSettings(test_counts="published", large_size=6_000)


@given(tables=st.dictionaries(NAMES, st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1))
@settings(max_examples=150, deadline=None)
def test_the_closest_table_is_reachable_and_of_the_same_total(
    tables: dict[str, tuple[int, int]],
) -> None:
    requested = {name: pair[0] for name, pair in tables.items()}
    available = {name: pair[1] for name, pair in tables.items()}
    table = closest_table(requested, available)
    asked = [name for name in requested if requested[name]]
    assert all(table[name] <= available[name] for name in table)
    assert all(table[name] >= min(requested[name], available[name]) for name in table)
    assert all(table[name] == 0 for name in table if not requested[name])
    assert sum(table.values()) == min(
        sum(requested.values()), sum(available[name] for name in asked)
    )


@given(amounts=st.lists(st.integers(0, 50), min_size=1, max_size=8), share=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_levelling_lowers_the_largest_alone(amounts: list[int], share: float) -> None:
    total = int(sum(amounts) * share)
    levelled = level_off(np.array(amounts), total).tolist()
    assert sum(levelled) == total
    assert all(new <= old for new, old in zip(levelled, amounts, strict=True))
    lowered = [new for new, old in zip(levelled, amounts, strict=True) if new < old]
    assert all(new <= min(lowered) + 1 for new in levelled) if lowered else True


@st.composite
def cells(draw: st.DrawFn) -> tuple[Ints, Ints, Ints]:
    """Wanted and available pairs by task and source, and caps of sources."""
    tasks, sources = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    numbers = st.lists(st.integers(0, 30), min_size=sources, max_size=sources)
    available = np.array([draw(numbers) for _ in range(tasks)])
    wanted = np.array([[draw(st.integers(0, int(n))) for n in row] for row in available])
    caps = np.array(draw(st.lists(st.integers(0, 60), min_size=sources, max_size=sources)))
    return wanted, available, caps


@given(drawn=cells())
@settings(max_examples=150, deadline=None)
def test_cells_under_caps_reach_the_maximum_flow(
    drawn: tuple[Ints, Ints, Ints],
) -> None:
    wanted, available, caps = drawn
    flow = fit_cells(wanted, available, caps)
    demand = wanted.sum(axis=1)
    assert (flow >= 0).all()
    assert (flow <= available).all()
    assert (flow.sum(axis=0) <= caps).all()
    assert (flow.sum(axis=1) <= demand).all()
    tasks, sources = wanted.shape
    graph = np.zeros((tasks + sources + 2,) * 2, dtype=np.int32)
    graph[0, 1 : tasks + 1] = demand
    graph[1 : tasks + 1, tasks + 1 : -1] = available
    graph[tasks + 1 : -1, -1] = caps
    assert flow.sum() == maximum_flow(csr_array(graph), 0, len(graph) - 1).flow_value


def test_cells_without_caps_stay_as_they_are() -> None:
    wanted = np.array([[3, 4], [0, 9]])
    fitted = fit_cells(wanted, wanted + 5, np.array([UNBOUNDED, UNBOUNDED]))
    assert fitted.tolist() == wanted.tolist()
