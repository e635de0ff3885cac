"""Distributions in classes, drawn in a process of their own.

Matplotlib takes half a second to import: the process that isolated calls are forked from loads it
while a build does other things.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from medvid.media import run_isolated

CHARTS_MODULE: Final = "medvid.releases.charts"
"""What draws; loaded where it is called, and ahead of that by `load_ahead`."""

_TIMEOUT_S: Final = 300.0

SECONDS_EDGES = (
    0, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200, 1800, np.inf,
)  # fmt: skip
"""Bounds of the classes of clip length in seconds."""

WORDS_EDGES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, np.inf)
"""Bounds of the classes of answer length in words."""

OPEN = "more"
"""Upper bound of a class that has none."""


@dataclass(frozen=True, slots=True)
class Classes:
    """A distribution in classes.

    Attributes:
        counts: Values in each class.
        labels: One per class; or one more, which then are the bounds between classes.
    """

    counts: tuple[int, ...]
    labels: tuple[str, ...]


def count_seconds(seconds: Sequence[float]) -> Classes:
    """Count clip lengths; classes are `(a, b]`, named by their bounds, empty ends cut off."""
    counts, first, last = _count(seconds, SECONDS_EDGES)
    bounds = SECONDS_EDGES[first : last + 1]
    return Classes(counts, tuple(OPEN if edge == np.inf else f"{edge:g}" for edge in bounds))


def count_words(words: Sequence[int]) -> Classes:
    """Count answer lengths; classes are named by the lengths they hold, empty ends cut off."""
    counts, first, last = _count(words, WORDS_EDGES)
    pairs = zip(WORDS_EDGES[first:last], WORDS_EDGES[first + 1 : last + 1], strict=True)
    return Classes(counts, tuple(_span(above, upto) for above, upto in pairs))


def _count(values: Sequence[float], edges: Sequence[float]) -> tuple[tuple[int, ...], int, int]:
    """Counts of the classes from the first to the last that holds a value, and their bounds."""
    position = np.searchsorted(edges, np.asarray(values, dtype=np.float64), side="left") - 1
    counts = np.bincount(position.clip(0), minlength=len(edges) - 1)
    held = np.flatnonzero(counts)
    if not held.size:
        return (), 0, 0
    first, last = int(held[0]), int(held[-1]) + 1
    return tuple(counts[first:last].tolist()), first, last


def _span(above: float, upto: float) -> str:
    low = int(above) + 1
    if upto == np.inf:
        return f"over {int(above):,}"
    return f"{low}" if low == upto else f"{low}-{int(upto)}"


def draw_all(drawings: Sequence[tuple[str, Classes, str]]) -> list[str]:
    """Draw distributions as `charts.draw_bars` does.

    Args:
        drawings: Its arguments for each.

    Returns:
        An `svg` element each.
    """
    return run_isolated(_draw_all, list(drawings), timeout_s=_TIMEOUT_S)


def _draw_all(drawings: Sequence[tuple[str, Classes, str]]) -> list[str]:
    from medvid.releases.charts import draw_bars

    return [draw_bars(*drawing) for drawing in drawings]
