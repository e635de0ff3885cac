"""Distributions: every value in its class, every drawing the same anywhere."""

from itertools import pairwise

import matplotlib as mpl
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.releases.charts import draw_bars
from medvid.releases.distributions import (
    SECONDS_EDGES,
    WORDS_EDGES,
    count_seconds,
    count_words,
    draw_all,
)
from medvid.releases.report import TOP_LABELS, label_bars


def test_drawing_leaves_global_settings_alone_and_ignores_them() -> None:
    classes = count_seconds([3.0, 12.0, 700.0])
    before = dict(mpl.rcParams)
    drawn = draw_bars("clips", classes, "seconds")
    with mpl.rc_context({"font.size": 21.0}):
        assert draw_bars("clips", classes, "seconds") == drawn
        assert mpl.rcParams["font.size"] == 21.0
    assert dict(mpl.rcParams) == before
    assert draw_all([("clips", classes, "seconds")]) == [drawn]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(min_value=0.1, max_value=4000), max_size=60))
def test_seconds_fall_between_the_bounds_of_their_class(seconds: list[float]) -> None:
    classes = count_seconds(seconds)
    assert sum(classes.counts) == len(seconds)
    if not seconds:
        return
    assert classes.counts[0]
    assert classes.counts[-1]
    bounds = [float("inf") if text == "more" else float(text) for text in classes.labels]
    for (above, upto), number in zip(pairwise(bounds), classes.counts, strict=True):
        assert sum(above < value <= upto for value in seconds) == number
    assert set(bounds) <= set(SECONDS_EDGES)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=2000), min_size=1, max_size=60))
def test_words_fall_into_the_class_that_names_them(words: list[int]) -> None:
    classes = count_words(words)
    assert sum(classes.counts) == len(words)
    for label, number in zip(classes.labels, classes.counts, strict=True):
        low, _, high = label.removeprefix("over ").replace(",", "").partition("-")
        least = int(low) + (1 if label.startswith("over") else 0)
        most = float("inf") if label.startswith("over") else int(high or low)
        assert sum(least <= value <= most for value in words) == number
    assert len(classes.labels) < len(WORDS_EDGES)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.integers(min_value=1, max_value=50), max_size=40))
def test_bars_hold_every_label_or_sum_it(counts: dict[str, int]) -> None:
    bars = label_bars(counts)
    assert sum(bar.samples for bar in bars) == sum(counts.values())
    assert all(0 <= bar.percent <= 100 for bar in bars)
    named = [bar for bar in bars if not bar.rest]
    assert len(named) >= min(len(counts), TOP_LABELS)
    assert all(counts[bar.label] == bar.samples for bar in named)
