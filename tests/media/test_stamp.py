"""Stamps read back what was painted, and only that."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.media.stamp import MAX_NUMBER, read_number, stamp_number


@settings(max_examples=50, deadline=None)
@given(number=st.integers(0, MAX_NUMBER), width=st.integers(64, 400))
def test_a_number_is_read_back(number: int, width: int) -> None:
    rgb = np.full((width, width, 3), 90, dtype=np.uint8)
    stamp_number(rgb, number)
    assert read_number(rgb) == number


def test_a_picture_without_a_stamp_has_no_number() -> None:
    assert read_number(np.full((96, 128, 3), 200, dtype=np.uint8)) is None


@pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1])
def test_a_number_that_does_not_fit_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        stamp_number(np.zeros((96, 128, 3), dtype=np.uint8), number)


def test_a_small_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        read_number(np.zeros((96, 48, 3), dtype=np.uint8))
