"""Coefficients against published examples, and against definitions written another way."""

from collections import Counter
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.reliability.coefficients import (
    THRESHOLDS,
    FrameBoxes,
    Metric,
    Overlap,
    Value,
    Weights,
    cohen_kappa,
    krippendorff_alpha,
    observed_agreement,
    overlap_of,
    overlap_of_boxes,
    word_overlap,
)
from schemas.geometry import box_iou, tiou

FOUR_OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Krippendorff 2011, section C and D: four observers, twelve units, seven values missing."""

Row = tuple[int | None, ...]


def _units(*observers: str) -> Counter[tuple[Any, ...]]:
    columns = zip(*(observer.split() for observer in observers), strict=True)
    return Counter(
        tuple(None if v == "." else int(v) if v.isdigit() else v for v in column)
        for column in columns
    )


@pytest.mark.parametrize(
    ("metric", "published"),
    [(Metric.NOMINAL, 0.743), (Metric.ORDINAL, 0.815), (Metric.INTERVAL, 0.849)],
)
def test_alpha_is_that_of_krippendorffs_four_observers(metric: Metric, published: float) -> None:
    found = krippendorff_alpha(_units(*FOUR_OBSERVERS), metric)
    assert found is not None
    assert round(found, 3) == published


def test_alpha_is_that_of_krippendorffs_two_observers() -> None:
    """Section A, binary values: 0.095; section B, nominal values: 0.692."""
    binary = _units("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
    nominal = _units("a a b b d c c c e d d a", "b a b b b c c c e d d d")
    found = [krippendorff_alpha(units) for units in (binary, nominal)]
    assert [round(alpha or 0, 3) for alpha in found] == [0.095, 0.692]


def test_kappa_is_that_of_cohens_diagnoses() -> None:
    """Cohen 1968: 200 patients, personality disorder, neurosis, psychosis; kappa 0.492."""
    table = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    pairs: dict[tuple[Value, Value], int] = {
        (f"d{a}", f"d{b}"): table[a][b] for a in range(3) for b in range(3)
    }
    assert observed_agreement(pairs) == 0.70
    assert round(cohen_kappa(pairs) or 0, 3) == 0.492


rows = st.lists(st.lists(st.none() | st.integers(1, 5), min_size=4, max_size=4), max_size=12)


def _alpha_by_pairs(drawn: list[Row], metric: Metric) -> float | None:
    """Disagreement within units over that among all values, by listing every pair."""
    units = [[v for v in row if v is not None] for row in drawn]
    units = [unit for unit in units if len(unit) > 1]
    values = [v for unit in units for v in unit]
    counts = Counter(values)

    def far(a: int, b: int) -> float:
        if metric is Metric.NOMINAL:
            return float(a != b)
        if metric is Metric.INTERVAL:
            return float((a - b) ** 2)
        between = sum(counts[g] for g in range(min(a, b), max(a, b) + 1))
        return (between - (counts[a] + counts[b]) / 2) ** 2 if a != b else 0.0

    n = len(values)
    expected = sum(far(a, b) for a in values for b in values) / (n * (n - 1)) if n else 0
    if not expected:
        return None
    within = sum(sum(far(a, b) for a in unit for b in unit) / (len(unit) - 1) for unit in units)
    return 1 - within / n / expected


@settings(max_examples=200, deadline=None)
@given(rows, st.sampled_from(list(Metric)))
def test_alpha_is_disagreement_within_units_over_that_among_all(
    drawn: list[list[int | None]], metric: Metric
) -> None:
    given_rows = [tuple(row) for row in drawn]
    wanted = _alpha_by_pairs(given_rows, metric)
    found = krippendorff_alpha(Counter(given_rows), metric)
    assert (found is None) == (wanted is None)
    if wanted is not None:
        assert found == pytest.approx(wanted, abs=1e-9)


scores = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(scores)
def test_quadratic_kappa_is_lins_concordance(drawn: list[tuple[int, int]]) -> None:
    """Fleiss & Cohen 1973, Lin 1989: `2 cov / (var + var + (mean - mean)²)`."""
    a, b = np.array(drawn, dtype=np.float64).T
    below = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    found = cohen_kappa(Counter(drawn), Weights.QUADRATIC)
    if below == 0:
        assert found is None
    else:
        covariance = ((a - a.mean()) * (b - b.mean())).mean()
        assert found == pytest.approx(2 * covariance / below, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(scores)
def test_linear_kappa_is_that_of_the_cuts_between_scores(drawn: list[tuple[int, int]]) -> None:
    """Vanbelle & Albert 2009: disagreements of every two-way cut, summed, over those expected."""
    n, observed, expected = len(drawn), 0.0, 0.0
    for cut in range(4):
        above = [(a > cut, b > cut) for a, b in drawn]
        first, second = (sum(side) / n for side in zip(*above, strict=True))
        observed += sum(a != b for a, b in above) / n
        expected += first * (1 - second) + second * (1 - first)
    found = cohen_kappa(Counter(drawn), Weights.LINEAR)
    if expected < 1e-12:
        assert found is None
    else:
        assert found == pytest.approx(1 - observed / expected, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(scores)
def test_kappa_is_what_is_above_chance_and_treats_both_alike(drawn: list[tuple[int, int]]) -> None:
    n = len(drawn)
    same = sum(a == b for a, b in drawn) / n
    chance = sum(a == b for (a, _), (_, b) in product(drawn, drawn)) / n**2
    found = cohen_kappa(Counter(drawn))
    if chance == 1:
        assert found is None
    else:
        assert found == pytest.approx((same - chance) / (1 - chance), abs=1e-9)
        assert cohen_kappa(Counter((b, a) for a, b in drawn)) == pytest.approx(found, abs=1e-12)


def test_where_nothing_can_be_said_nothing_is() -> None:
    assert cohen_kappa({}) is None
    assert cohen_kappa({("cut", "cut"): 9}) is None
    assert observed_agreement({}) is None
    assert krippendorff_alpha({}) is None
    assert krippendorff_alpha({(1, None): 3, (None, 2): 1}) is None
    assert krippendorff_alpha({("cut", "cut", "cut"): 5}) is None
    assert overlap_of([], [], tiou).mean_iou is None


def test_labels_have_no_distance() -> None:
    with pytest.raises(TypeError, match="no score"):
        cohen_kappa({("cut", "tie"): 1}, Weights.LINEAR)
    with pytest.raises(TypeError, match="no score"):
        krippendorff_alpha({("cut", "tie"): 1}, Metric.ORDINAL)


spans = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 12)).map(lambda s: (s[0], s[0] + s[1])),
    max_size=5,
)  # fmt: skip
Span = tuple[int, int]


def _best(table: list[list[float]]) -> float:
    """The greatest sum over all ways to pair rows with columns."""
    if not table or not table[0]:
        return 0.0
    if len(table) > len(table[0]):
        table = [list(column) for column in zip(*table, strict=True)]
    columns = range(len(table[0]))
    ways = permutations(columns, len(table))
    return max(sum(table[r][c] for r, c in enumerate(way)) for way in ways)


@settings(max_examples=150, deadline=None)
@given(spans, spans)
def test_no_pairing_of_segments_is_better(first: list[Span], second: list[Span]) -> None:
    found = overlap_of(first, second, tiou)
    table = [[tiou(a, b) for b in second] for a in first]
    assert found.items == len(first) + len(second)
    assert found.iou == pytest.approx(_best(table), abs=1e-9)
    for least, hits in zip(THRESHOLDS, found.hits, strict=True):
        assert hits == _best([[float(value >= least) for value in row] for row in table])
    other = overlap_of(second, first, tiou)
    assert (other.items, other.pairs, other.hits) == (found.items, found.pairs, found.hits)


def test_of_pairings_with_equal_overlap_the_one_with_more_pairs_counts() -> None:
    first, second = [(9, 11), (5, 6)], [(10, 15), (5, 11)]  # 1/6 + 1/6, or 1/3 alone
    assert overlap_of(first, second, tiou).pairs == 2
    assert overlap_of(second, first, tiou).pairs == 2


frame_boxes = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 6), st.integers(1, 6)).map(
            lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
        ),
    ),
    max_size=8,
)
Boxes = list[tuple[int, tuple[float, float, float, float]]]


@settings(max_examples=200, deadline=None)
@given(frame_boxes, frame_boxes)
def test_boxes_of_all_frames_at_once_are_paired_as_one_by_one(first: Boxes, second: Boxes) -> None:
    wanted = Overlap()
    for frame in range(1, 4):
        one, other = ([box for at, box in side if at == frame] for side in (first, second))
        wanted += overlap_of(one, other, box_iou)
    found = overlap_of_boxes(FrameBoxes.of(first), FrameBoxes.of(second))
    assert (found.items, found.hits) == (wanted.items, wanted.hits)
    assert found.iou == pytest.approx(wanted.iou, abs=1e-9)


def test_overlap_reads_as_one_sum() -> None:
    """Segments [0, 10) and [0, 5) overlap by half; [20, 30) has no partner."""
    found = overlap_of([(0, 10), (20, 30)], [(0, 5)], tiou)
    assert found.mean_iou == pytest.approx(2 * 0.5 / 3)
    assert found.paired_iou == 0.5
    assert found.f1 == (2 / 3, 2 / 3, 0.0)
    both = found + overlap_of([(0, 0, 4, 4)], [(0, 0, 4, 4)], box_iou)
    assert both.items == 5
    assert both.mean_iou == pytest.approx(2 * 1.5 / 5)


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text())
def test_words_in_common_are_counted_alike_both_ways(first: str, second: str) -> None:
    assert word_overlap(first, first) == 1.0
    assert word_overlap(first, second) == word_overlap(second, first)
    assert word_overlap("a a b", "A b c") == pytest.approx(4 / 6)
