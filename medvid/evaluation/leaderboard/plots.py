"""Radar and bars of a few entries, drawn without any global state of the plotting library."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medvid.evaluation.rows import COLUMNS, JUDGED_COLUMNS

Value = float | None
MOST_ENTRIES: Final = 6
SHORT: Final[Mapping[str, str]] = {
    "CVS_acc": "CVS", "NAP_acc": "NAP", "SA_acc": "SA", "STG_mIoU": "STG", "TAG_mIoU@0.3": "TAG@.3",
    "TAG_mIoU@0.5": "TAG@.5", "DVC_F1": "DVC F1", "DVC_llm": "DVC", "VS_llm": "VS", "RC_llm": "RC",
}  # fmt: skip
"""Names that fit over a narrow column."""

_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9")
_INK: Final = "#27313a"
_GRID: Final = "#d5dadd"
_JUDGED_LEAST: Final = 1.0
_JUDGED_MOST: Final = 5.0
_NAME_CHARS: Final = 34


def radar_figure(entries: Mapping[str, Mapping[str, Value]]) -> Figure:
    """Draw entries over the ten columns; judged ones from 1 to 5, all others from 0 to 1.

    Args:
        entries: Values by column, by name; at most `MOST_ENTRIES` are drawn.
    """
    figure = Figure(figsize=(7.2, 5.6), dpi=110, facecolor="white", layout="constrained")
    axes = figure.add_subplot(projection="polar")
    angles = [2 * math.pi * i / len(COLUMNS) for i in range(len(COLUMNS))]
    axes.set_theta_offset(math.pi / 2)  # type: ignore[attr-defined]
    axes.set_theta_direction(-1)  # type: ignore[attr-defined]
    axes.set_xticks(angles, [SHORT[name] for name in COLUMNS], color=_INK, fontsize=10)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.25, 0.5, 0.75, 1.0], ["", ".5", "", "1"], color="#7b858c", fontsize=8)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines["polar"].set_color(_GRID)
    for colour, (name, values) in zip(_COLOURS, entries.items(), strict=False):
        radii = [unit_value(column, values.get(column)) for column in COLUMNS]
        axes.plot([*angles, angles[0]], [*radii, radii[0]], color=colour, linewidth=1.8,
                  label=_plain(name))  # fmt: skip
        axes.fill(angles, radii, color=colour, alpha=0.08)
    if entries:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def bar_figure(entries: Mapping[str, Mapping[str, Value]]) -> Figure:
    """Draw entries as bars, judged columns on an axis of their own.

    Args:
        entries: Values by column, by name; at most `MOST_ENTRIES` are drawn.
    """
    figure = Figure(figsize=(11, 4.4), dpi=110, facecolor="white", layout="constrained")
    plain = [name for name in COLUMNS if name not in JUDGED_COLUMNS]
    left, right = figure.subplots(1, 2, width_ratios=[len(plain), len(JUDGED_COLUMNS)])
    _bars(left, plain, entries, 1.0)
    _bars(right, JUDGED_COLUMNS, entries, _JUDGED_MOST)
    left.set_ylabel("score, 0 to 1", color=_INK)
    right.set_ylabel("judge, 1 to 5", color=_INK)
    handles, labels = left.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False,
                      fontsize=9)  # fmt: skip
    return figure


def unit_value(column: str, value: Value) -> float:
    """A value on the radar's axis from 0 to 1; 0 where there is none.

    >>> unit_value("VS_llm", 3.0), unit_value("NAP_acc", 0.25)
    (0.5, 0.25)
    """
    if value is None:
        return 0.0
    if column in JUDGED_COLUMNS:
        value = (value - _JUDGED_LEAST) / (_JUDGED_MOST - _JUDGED_LEAST)
    return min(1.0, max(0.0, value))


def _bars(
    axes: Axes, columns: Sequence[str], entries: Mapping[str, Mapping[str, Value]], top: float
) -> None:
    shown = list(entries.items())[:MOST_ENTRIES]
    width = 0.8 / max(1, len(shown))
    for number, (name, values) in enumerate(shown):
        places = [i - 0.4 + (number + 0.5) * width for i in range(len(columns))]
        heights = [values.get(column) or 0.0 for column in columns]
        axes.bar(places, heights, width * 0.92, color=_COLOURS[number], label=_plain(name))
    axes.set_xticks(range(len(columns)), [SHORT[c] for c in columns], color=_INK)
    axes.set_ylim(0, top)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.tick_params(colors=_INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)


def _plain(name: str) -> str:
    """A stranger's name as a legend takes it: no formula, no hidden entry, not endless."""
    short = name if len(name) <= _NAME_CHARS else name[: _NAME_CHARS - 1] + "…"
    escaped = short.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped
