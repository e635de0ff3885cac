"""Coefficients of agreement, over counted units so that a million frames cost no more than a few.

A unit is what was judged (a frame, a trial, a pair); a row holds what each annotator said of it.
Rows that say the same are counted, not repeated. A coefficient is None where it is not defined:
nothing to compare, or one value throughout, where agreement by chance is certain.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from schemas.geometry import box_iou

THRESHOLDS: Final = (0.3, 0.5, 0.7)
"""Overlaps from which two segments or boxes count as found by both."""

Value = str | int | tuple[str, ...]
"""What one annotator says of a unit: a label, a score, or the labels that hold at once, sorted."""

Pairs = Mapping[tuple[Value, Value], int]
"""How often the first annotator said one thing and the second another."""

Rows = Mapping[tuple[Value | None, ...], int]
"""How often annotators said this of a unit; None where one of them did not judge it."""

Region = TypeVar("Region")
_MORE_PAIRS: Final = 1e-12
"""What a further pair is worth: more than the rounding of a sum of overlaps, less than any."""

_Square = npt.NDArray[np.float64]


class Metric(StrEnum):
    """How far two values are from each other."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"


class Weights(StrEnum):
    """What a disagreement costs."""

    EQUAL = "equal"
    LINEAR = "linear"
    QUADRATIC = "quadratic"


def observed_agreement(pairs: Pairs) -> float | None:
    """Share of units of which both annotators say the same.

    >>> observed_agreement({("cut", "cut"): 3, ("cut", "tie"): 1})
    0.75
    """
    total = sum(pairs.values())
    same = sum(count for (a, b), count in pairs.items() if a == b)
    return same / total if total else None


def cohen_kappa(pairs: Pairs, weights: Weights = Weights.EQUAL) -> float | None:
    """Cohen's kappa of two annotators.

    `1 - sum(w_ab o_ab) / sum(w_ab e_ab)`: o is the share of units of which the first says a and
    the second b, e the product of the shares each says it at all. The weight w is 0 where a is b
    and otherwise 1 (Cohen 1960, "A coefficient of agreement for nominal scales"), `|a - b|` or
    `(a - b)²` (Cohen 1968, "Weighted kappa").

    Args:
        pairs: Units by what the two say of them.
        weights: Cost of a disagreement; all but `equal` need numbers.

    Returns:
        1 where they always agree, 0 where as often as chance would have it, less where less; None
        where there is no unit or both say one thing throughout.
    """
    total = sum(pairs.values())
    first: Counter[Value] = Counter()
    second: Counter[Value] = Counter()
    for (a, b), count in pairs.items():
        first[a] += count
        second[b] += count
    expected = sum(
        _cost(a, b, weights) * times * others
        for a, times in first.items()
        for b, others in second.items()
    )
    if not expected:
        return None
    observed = sum(_cost(a, b, weights) * count for (a, b), count in pairs.items())
    return float(1 - observed * total / expected)


def _cost(a: Value, b: Value, weights: Weights) -> int:
    if weights is Weights.EQUAL:
        return int(a != b)
    step = abs(_number(a) - _number(b))
    return step if weights is Weights.LINEAR else step * step


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no score: only `equal` and `nominal` take labels")
    return value


def krippendorff_alpha(rows: Rows, metric: Metric = Metric.NOMINAL) -> float | None:
    """Krippendorff's alpha of any number of annotators, some of whom may be missing.

    `1 - (n - 1) sum(o_ck d_ck) / sum(n_c n_k d_ck)` over the coincidences
    `o_ck = sum over units of (pairs c, k) / (values of the unit - 1)`, with `n_c = sum_k o_ck`. The
    squared difference d is 0 or 1 (nominal), `(n_c / 2 + n_between + n_k / 2)²` (ordinal) or
    `(c - k)²` (interval). Krippendorff 2011, "Computing Krippendorff's alpha-reliability".

    Args:
        rows: Units by what is said of them; those with fewer than two values do not count.
        metric: How far values are from each other; all but `nominal` need numbers.

    Returns:
        1 where all agree, 0 where as much as chance would have it; None where no unit has two
        values, or there is one value throughout.
    """
    values = _sorted({v for row in rows for v in row if v is not None}, metric)
    coincidences = _coincidences(rows, values)
    totals = coincidences.sum(axis=1)
    distance = _distances(values, totals, metric)
    expected = float((np.outer(totals, totals) * distance).sum())
    if expected == 0:
        return None
    observed = float((coincidences * distance).sum())
    return 1 - (float(totals.sum()) - 1) * observed / expected


def _sorted(values: set[Value], metric: Metric) -> list[Value]:
    return sorted(values, key=repr) if metric is Metric.NOMINAL else sorted(values, key=_number)


def _coincidences(rows: Rows, values: Sequence[Value]) -> _Square:
    place = {value: number for number, value in enumerate(values)}
    table = np.zeros((len(values), len(values)))
    for row, count in rows.items():
        said = Counter(place[value] for value in row if value is not None)
        pairable = said.total()
        if pairable < 2:
            continue
        for c, times in said.items():
            for k, others in said.items():
                table[c, k] += count * times * (others - (c == k)) / (pairable - 1)
    return table


def _distances(values: Sequence[Value], totals: npt.NDArray[np.float64], metric: Metric) -> _Square:
    if metric is Metric.NOMINAL:
        return 1.0 - np.eye(len(values))
    if metric is Metric.INTERVAL:
        places = np.array([_number(value) for value in values], dtype=np.float64)
    else:
        places = np.cumsum(totals) - totals / 2
    return (places[:, None] - places[None, :]) ** 2


@dataclass(frozen=True, slots=True)
class Overlap:
    """How well the segments or boxes of annotators lie on each other, as sums.

    Attributes:
        items: Segments or boxes of both annotators.
        pairs: Pairs that overlap, each item in one pair at most.
        iou: Sum of the overlaps of the pairs, as great as pairing can make it.
        hits: For each of `THRESHOLDS`, the most pairs that overlap at least so much.
    """

    items: int = 0
    pairs: int = 0
    iou: float = 0.0
    hits: tuple[int, ...] = (0,) * len(THRESHOLDS)

    def __add__(self, other: "Overlap") -> "Overlap":
        hits = tuple(a + b for a, b in zip(self.hits, other.hits, strict=True))
        return Overlap(
            self.items + other.items, self.pairs + other.pairs, self.iou + other.iou, hits
        )

    @property
    def mean_iou(self) -> float | None:
        """Overlap of an item with its partner, 0 where it has none, over the items of both."""
        return 2 * self.iou / self.items if self.items else None

    @property
    def paired_iou(self) -> float | None:
        """Overlap of those that overlap at all: low where edges differ, not where one is missed."""
        return self.iou / self.pairs if self.pairs else None

    @property
    def f1(self) -> tuple[float | None, ...]:
        """For each of `THRESHOLDS`, `2 hits / items`."""
        return tuple(2 * hits / self.items if self.items else None for hits in self.hits)


def overlap_of(
    first: Sequence[Region], second: Sequence[Region], iou: Callable[[Region, Region], float]
) -> Overlap:
    """Pair the segments or boxes of two annotators one to one.

    The pairing is the best there is (Kuhn 1955), for the sum of overlaps and for each threshold by
    itself; a greedy one would depend on who is named first.

    Args:
        first: Items of one annotator, of one label and, for boxes, one frame.
        second: Those of the other.
        iou: Overlap of two, 0 to 1.
    """
    items = len(first) + len(second)
    table = [[iou(a, b) for b in second] for a in first]
    places = [(r, c) for r, row in enumerate(table) for c, value in enumerate(row) if value > 0]
    if len({r for r, _ in places}) == len(places) == len({c for _, c in places}):
        chosen = [table[r][c] for r, c in places]  # nothing to choose: the case of most frames
        found = tuple(sum(value >= least for value in chosen) for least in THRESHOLDS)
        return Overlap(items, len(chosen), sum(chosen), found)
    weights = np.array(table, dtype=np.float64)
    chosen = [value for value in _best_pairs(weights) if value > 0]
    hits = tuple(
        round(sum(_best_pairs((weights >= least).astype(np.float64)))) for least in THRESHOLDS
    )
    return Overlap(items, len(chosen), sum(chosen), hits)


@dataclass(frozen=True, slots=True)
class FrameBoxes:
    """Boxes of one label on the frames of a clip, in order of frames.

    Attributes:
        frames: Frame of each box, (boxes,).
        xyxy: Left, top, right, bottom in pixels, (boxes, 4).
    """

    frames: npt.NDArray[np.int64]
    xyxy: _Square

    @classmethod
    def of(cls, boxes: Sequence[tuple[int, Sequence[float]]]) -> "FrameBoxes":
        """Boxes with their frames, in any order."""
        ordered = sorted(boxes, key=lambda box: box[0])
        return cls(
            np.array([frame for frame, _ in ordered], dtype=np.int64),
            np.array([xyxy for _, xyxy in ordered], dtype=np.float64).reshape(-1, 4),
        )


def overlap_of_boxes(first: FrameBoxes, second: FrameBoxes) -> Overlap:
    """Pair the boxes of two annotators one to one within each frame, as `overlap_of` does.

    All frames at once: where no box overlaps two others, which is nearly everywhere, there is
    nothing to choose, and other frames are paired one by one.
    """
    rows, columns = _on_one_frame(first.frames, second.frames)
    iou = _box_ious(first.xyxy[rows], second.xyxy[columns])
    rows, columns, iou = rows[iou > 0], columns[iou > 0], iou[iou > 0]
    rivals = (np.bincount(rows, minlength=1)[rows] > 1) | (
        np.bincount(columns, minlength=1)[columns] > 1
    )
    contested = np.isin(first.frames[rows], first.frames[rows[rivals]])
    plain = iou[~contested]
    hits = tuple(int((plain >= least).sum()) for least in THRESHOLDS)
    total = Overlap(0, len(plain), float(plain.sum()), hits)
    items = len(first.frames) + len(second.frames)
    for frame in np.unique(first.frames[rows[contested]]):
        one, other = (b.xyxy[b.frames == frame].tolist() for b in (first, second))
        found = overlap_of(one, other, box_iou)
        total += Overlap(0, found.pairs, found.iou, found.hits)
    return total + Overlap(items)


def _on_one_frame(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of all pairs of boxes that share a frame; both lists are sorted."""
    start = np.searchsorted(second, first, side="left")
    count = np.searchsorted(second, first, side="right") - start
    rows = np.repeat(np.arange(len(first)), count)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    return rows, np.repeat(start, count) + within


def _box_ious(a: _Square, b: _Square) -> npt.NDArray[np.float64]:
    """`schemas.geometry.box_iou` of rows that belong together, (pairs, 4) each."""
    size = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    inside = size[:, 0] * size[:, 1]
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - inside
    found: npt.NDArray[np.float64] = np.zeros_like(inside)
    np.divide(inside, union, out=found, where=union > 0)
    return found


def _best_pairs(weights: _Square) -> list[float]:
    """Weights of the one-to-one pairs with the greatest sum, of equal ones the most pairs.

    Without the second rule, which of two annotators is named first would decide between equals.
    """
    preferred = weights + _MORE_PAIRS * (weights > 0)
    return [float(value) for value in weights[linear_sum_assignment(preferred, maximize=True)]]


def word_overlap(first: str, second: str) -> float:
    """Share of words two texts have in common, `2 common / all`, case and order aside.

    The F1 of tokens of Rajpurkar et al. 2016 (SQuAD), words being what stands between spaces.

    >>> word_overlap("The hook cuts", "the hook coagulates")
    0.6666666666666666
    """
    a, b = Counter(first.casefold().split()), Counter(second.casefold().split())
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 1.0
