"""Plans cover what is wanted, from key frames, with no packet twice."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.media.plan import plan_runs
from medvid.media.probe import PacketTable


def table_of(groups: list[tuple[int, int]]) -> PacketTable:
    """Groups of `(leading pictures, trailing pictures)`: key frame, leading ones, the rest."""
    pts: list[int] = []
    key: list[bool] = []
    for number, (leading, trailing) in enumerate(groups):
        leading = leading if number else 0
        first = len(pts)
        pts += [first + leading, *range(first, first + leading)]
        pts += range(first + leading + 1, first + leading + 1 + trailing)
        key += [True] + [False] * (leading + trailing)
    return PacketTable(
        pts=np.array(pts, dtype=np.int64),
        dts=np.arange(len(pts), dtype=np.int64),
        key=np.array(key),
        shown=np.ones(len(pts), dtype=np.bool_),
    )


@st.composite
def wanted_of_table(draw: st.DrawFn) -> tuple[PacketTable, list[int]]:
    groups = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1))
    table = table_of(groups)
    wanted = draw(st.sets(st.integers(0, len(table) - 1), min_size=1))
    return table, sorted(wanted)


@settings(max_examples=200, deadline=None)
@given(drawn=wanted_of_table())
def test_runs_hold_every_wanted_frame_and_what_it_needs(
    drawn: tuple[PacketTable, list[int]],
) -> None:
    table, wanted = drawn
    runs = plan_runs(table, np.array(wanted, dtype=np.int64))
    assert [pts for run in runs for pts in run.wanted] == wanted
    assert all(a.last + 1 < b.first for a, b in pairwise(runs))
    keys = np.flatnonzero(table.key)
    for run in runs:
        assert table.key[run.first]
        for pts in run.wanted:
            place = int(np.flatnonzero(table.pts == pts)[0])
            own = int(keys[keys <= place][-1])
            leads = pts < table.pts[own]
            needed = int(keys[keys < own][-1]) if leads else own
            assert run.first <= needed <= place <= run.last


def test_a_run_ends_with_the_last_wanted_packet() -> None:
    (run,) = plan_runs(table_of([(0, 9)]), np.array([2, 4]))
    assert (run.first, run.last, len(run)) == (0, 4, 5)


def test_unwanted_groups_are_left_out() -> None:
    runs = plan_runs(table_of([(0, 9), (0, 9), (0, 9)]), np.array([3, 25]))
    assert [(run.first, run.last) for run in runs] == [(0, 3), (20, 25)]


def test_a_stream_without_key_frames_is_one_run_from_the_start() -> None:
    table = table_of([(0, 9)])
    keyless = PacketTable(table.pts, table.dts, np.zeros(10, dtype=np.bool_), table.shown)
    (run,) = plan_runs(keyless, np.array([5]))
    assert (run.first, run.last) == (0, 5)
