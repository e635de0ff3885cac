"""Boxes and overlaps, against arithmetic done the slow way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.geometry import Box, box_iou, clip_xyxy, tiou, xywh_to_xyxy

cells = st.integers(0, 12)


def boxes() -> st.SearchStrategy[tuple[int, int, int, int]]:
    pairs = st.tuples(cells, cells).filter(lambda p: p[0] < p[1])
    return st.tuples(pairs, pairs).map(lambda p: (p[0][0], p[1][0], p[0][1], p[1][1]))


def pixels(box: tuple[int, int, int, int]) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


@given(boxes(), boxes())
def test_box_iou_counts_pixels(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> None:
    expected = len(pixels(a) & pixels(b)) / len(pixels(a) | pixels(b))
    assert box_iou(a, b) == pytest.approx(expected)
    assert box_iou(a, b) == box_iou(b, a)


@given(st.tuples(cells, cells), st.tuples(cells, cells))
def test_tiou_counts_seconds(a: tuple[int, int], b: tuple[int, int]) -> None:
    a, b = (min(a), max(a)), (min(b), max(b))
    one, two = set(range(*a)), set(range(*b))
    expected = len(one & two) / len(one | two) if one | two else 0.0
    assert tiou(a, b) == pytest.approx(expected)


@given(st.tuples(*[st.integers(-5, 20)] * 2), st.tuples(*[st.integers(0, 20)] * 2))
def test_clipping_keeps_exactly_the_pixels_inside(
    corner: tuple[int, int], size: tuple[int, int]
) -> None:
    box = xywh_to_xyxy((*corner, *size))
    inside = pixels((0, 0, 12, 9)) & pixels(tuple(int(v) for v in box))  # type: ignore[arg-type]
    clipped, changed = clip_xyxy(box, (12, 9))
    kept = pixels(tuple(int(v) for v in clipped)) if clipped else set()  # type: ignore[arg-type]
    assert kept == inside
    assert changed == (clipped != box)


@pytest.mark.parametrize("xyxy", [(1, 1, 1, 5), (5, 1, 1, 5), (-1, 0, 2, 2)])
def test_an_empty_or_outside_box_cannot_exist(xyxy: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValidationError):
        Box(tick=0, xyxy=xyxy, label="hook")
