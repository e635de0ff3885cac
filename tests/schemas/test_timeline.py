"""Integer time: exact both ways, at every rate a source uses."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.timeline import FrameList, Segment, SegmentKind, TimeBase, rate_text

RATES = st.sampled_from(
    [(1, 1), (25, 1), (30, 1), (15, 1), (1, 2), (30000, 1001), (24000, 1001), (60000, 1001)]
)


@settings(deadline=None)
@given(RATES, st.integers(0, 10**6), st.integers(0, 2))
def test_a_frame_rate_clock_counts_frames(rate: tuple[int, int], index: int, first: int) -> None:
    base = TimeBase(
        rate_num=rate[0], rate_den=rate[1], frame_rate_num=rate[0], frame_rate_den=rate[1],
        first_index=first,
    )  # fmt: skip
    assert base.tick_of_index(index + first) == index


@settings(deadline=None)
@given(RATES, st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_a_fine_clock_is_off_by_less_than_half_a_tick(
    rate: tuple[int, int], indices: list[int]
) -> None:
    base = TimeBase(rate_num=90000, frame_rate_num=rate[0], frame_rate_den=rate[1])
    ticks = base.ticks_of_indices(np.array(indices, dtype=np.int64))
    for index, tick in zip(indices, ticks.tolist(), strict=True):
        exact = Fraction(index) * 90000 / Fraction(*rate)
        assert abs(tick - exact) <= Fraction(1, 2)
        assert tick == base.tick_of_index(index)
        if tick - exact == Fraction(1, 2):
            pytest.fail("ties go to the earlier tick")


def test_published_clock_rates_are_whole_numbers_of_ticks() -> None:
    base = TimeBase(rate_num=90000, frame_rate_num=30000, frame_rate_den=1001)
    assert [base.tick_of_index(i) for i in range(3)] == [0, 3003, 6006]
    assert base.seconds(900) == 0.01


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 5)])
def test_a_segment_has_length(start: int, end: int) -> None:
    with pytest.raises(ValidationError):
        Segment(start=start, end=end, kind=SegmentKind.PHASE, label="x")


def test_frames_must_run_forward() -> None:
    with pytest.raises(ValueError, match="increase"):
        FrameList(index=np.array([1, 2]), tick=np.array([5, 5]))


def test_rates_are_said_as_the_benchmark_says_them() -> None:
    rates = [Fraction(1, 10), Fraction(1, 4), Fraction(1), Fraction(3)]
    assert [rate_text(rate) for rate in rates] == ["0.1", "0.25", "1.0", "3.0"]
