"""Distributions as inline SVG: the same numbers give the same bytes.

Colours and the font are CSS variables of the page, so that one drawing serves light, dark and
paper. Text stays text: it can be selected, searched and read aloud.
"""

import html
import io
import re
from collections.abc import Sequence
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from medvid.releases.distributions import OPEN, Classes

_WIDTH_IN, _HEIGHT_IN = 5.6, 2.3
_POINTS = 72
_FONT_POINTS = 8.0
_GLYPH_WIDTH = 0.64
"""Width of a digit over the font size, for labels that must not touch each other."""

_INK, _MUTED, _BAR = "#0000f1", "#0000f2", "#0000f3"
_VARIABLES = {_INK: "var(--ink)", _MUTED: "var(--muted)", _BAR: "var(--accent)"}


def draw_bars(key: str, classes: Classes, x_label: str) -> str:
    """Draw classes as bars of equal width with their counts on top.

    Args:
        key: Prefix of every id in the drawing; one page must not hold an id twice.
        classes: At least one class.
        x_label: What the classes are of, with the unit.

    Returns:
        An `svg` element without XML header.
    """
    with mpl.rc_context():
        _set_style()
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN))
        _draw(figure, classes, x_label)
        sink = io.StringIO()
        figure.savefig(sink, format="svg")
    return _for_page(sink.getvalue(), key, _spoken(classes, x_label))


def _set_style() -> None:
    """Settings of one drawing; those of the user's own matplotlibrc must not show."""
    mpl.rcdefaults()
    mpl.rc("svg", fonttype="none", hashsalt="medvidbench")
    mpl.rc("font", size=_FONT_POINTS, family=["DejaVu Sans"])
    mpl.rc("text", color=_INK, parse_math=False)
    mpl.rc("figure", facecolor="none")
    mpl.rc("axes", facecolor="none", edgecolor=_MUTED, labelcolor=_MUTED)
    mpl.rc("xtick", color=_MUTED, labelcolor=_INK)


def _draw(figure: Figure, classes: Classes, x_label: str) -> None:
    axes = figure.add_axes((0.02, 0.24, 0.96, 0.68))
    number = len(classes.counts)
    places: npt.NDArray[np.float64] = np.arange(number, dtype=np.float64)
    bars = axes.bar(places, classes.counts, width=0.86, color=_BAR)
    texts = [f"{count:,}" for count in classes.counts]
    axes.bar_label(bars, texts, padding=2, fontsize=_fitting(texts, number))
    bounds = len(classes.labels) == number + 1
    ticks = np.arange(number + 1) - 0.5 if bounds else places
    size = _fitting(classes.labels, number)
    axes.set_xticks(ticks, classes.labels, fontsize=size)
    axes.set_yticks([])
    axes.set_xlim(-0.7, max(number, 4) - 0.3)
    axes.set_ylim(0, max(classes.counts) * 1.15 or 1)
    axes.set_xlabel(x_label)
    axes.spines[["left", "top", "right"]].set_visible(False)


def _fitting(texts: Sequence[str], number: int) -> float:
    """Font size at which the longest text fits over its bar."""
    room = _WIDTH_IN * _POINTS * 0.96 / max(number, 4)
    longest = max(len(text) for text in texts)
    return round(min(_FONT_POINTS, room / (longest * _GLYPH_WIDTH)), 2)


def _for_page(svg: str, key: str, spoken: str) -> str:
    """Take the element out of its document, and make ids unique and colours variable."""
    element = svg[svg.index("<svg") :].strip()
    element = re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.DOTALL)  # has a date
    element = re.sub(r"\s*<style.*?</style>", "", element, flags=re.DOTALL)  # styles all the page
    element = re.sub(r'\bid="', f'id="{key}-', element)
    element = re.sub(r'href="#', f'href="#{key}-', element)
    element = re.sub(r"url\(#", f"url(#{key}-", element)
    element = _opening(spoken) + element[element.index(">") + 1 :]
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, variable)
    return element.replace("'DejaVu Sans'", "var(--sans)")


def _opening(spoken: str) -> str:
    size = f"{_WIDTH_IN * _POINTS:g} {_HEIGHT_IN * _POINTS:g}"
    label = html.escape(spoken)
    return (
        f'<svg viewBox="0 0 {size}" role="img" aria-label="{label}" stroke-linejoin="round" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )


def _spoken(classes: Classes, x_label: str) -> str:
    """The drawing in words, for those who hear the page."""
    labels = classes.labels
    if len(labels) > len(classes.counts):
        labels = tuple(
            f"over {low}" if high == OPEN else f"{low} to {high}" for low, high in pairwise(labels)
        )
    pairs = zip(labels, classes.counts, strict=True)
    return f"{x_label}: " + "; ".join(f"{label}: {count:,}" for label, count in pairs)
