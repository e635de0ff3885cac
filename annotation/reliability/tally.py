"""What annotators say of one topic, counted over all clips."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from annotation.reliability.coefficients import (
    FrameBoxes,
    Metric,
    Overlap,
    Value,
    overlap_of,
    overlap_of_boxes,
    word_overlap,
)
from annotation.reliability.units import Judgement
from schemas.geometry import tiou

Pair = tuple[str, str]
"""Two annotators, in order of names."""

Row = tuple[tuple[str, ...], tuple[Value | None, ...]]
"""Annotators of a unit, in order of names, and what each says of it."""

PairCounts = Mapping[Pair, Counter[tuple[Value, Value]]]
SEGMENTS: Final = "segments"
BOXES: Final = "boxes"


@dataclass(slots=True)
class Tally:
    """Sums over the clips that several annotators judged.

    Attributes:
        metric: How far values are from each other.
        unit: What a unit is, in the plural.
        rows: Units by who judged them and what was said.
        tasks: Clips.
        tasks_of: Clips by annotator.
        tasks_of_pair: Clips by pair.
        tasks_with: Clips on which somebody gives the label.
        overlaps: Overlap of segments or boxes by pair and label.
        words: Sum of shared words and number of texts, by pair.
        regions: `segments` or `boxes` where there are such.
        is_text: Whether values are texts, to which chance has nothing to say.
    """

    metric: Metric
    unit: str
    rows: Counter[Row] = field(default_factory=Counter)
    tasks: int = 0
    tasks_of: Counter[str] = field(default_factory=Counter)
    tasks_of_pair: Counter[Pair] = field(default_factory=Counter)
    tasks_with: Counter[str] = field(default_factory=Counter)
    overlaps: dict[Pair, dict[str, Overlap]] = field(default_factory=dict)
    words: dict[Pair, tuple[float, int]] = field(default_factory=dict)
    regions: str = ""
    is_text: bool = False

    def add(self, judged: Mapping[str, Judgement]) -> None:
        """Count one clip.

        Args:
            judged: What at least two annotators say of it, in order of names.
        """
        who = tuple(judged)
        self.tasks += 1
        self.tasks_of.update(who)
        said = Counter(zip(*(judgement.values for judgement in judged.values()), strict=True))
        for values, count in said.items():
            self.rows[who, values] += count
        self.tasks_with.update(labels_in(said))
        for first, second in combinations(who, 2):
            pair = (first, second)
            self.tasks_of_pair[pair] += 1
            self._add_overlaps(pair, judged[first], judged[second])
            self._add_words(pair, judged[first].text, judged[second].text)

    def _add_overlaps(self, pair: Pair, first: Judgement, second: Judgement) -> None:
        if first.spans or second.spans:
            self.regions = SEGMENTS
        elif first.boxes or second.boxes:
            self.regions = BOXES
        else:
            return
        sums = self.overlaps.setdefault(pair, {})
        for label in sorted(first.spans.keys() | second.spans.keys()):
            found = overlap_of(first.spans.get(label, ()), second.spans.get(label, ()), tiou)
            sums[label] = sums.get(label, Overlap()) + found
        for label in sorted(first.boxes.keys() | second.boxes.keys()):
            one, other = (said.boxes.get(label, FrameBoxes.of(())) for said in (first, second))
            sums[label] = sums.get(label, Overlap()) + overlap_of_boxes(one, other)

    def _add_words(self, pair: Pair, first: str | None, second: str | None) -> None:
        if first is None or second is None:
            return
        self.is_text = True
        total, count = self.words.get(pair, (0.0, 0))
        self.words[pair] = (total + word_overlap(first, second), count + 1)


def labels_in(rows: Iterable[tuple[Value | None, ...]]) -> set[str]:
    """Labels that somebody gives; scores and texts are none."""
    return {
        label for values in rows for value in values if isinstance(value, tuple) for label in value
    }


def pair_counts(rows: Counter[Row]) -> PairCounts:
    """Units by pair of annotators and what the two say."""
    found: dict[Pair, Counter[tuple[Value, Value]]] = defaultdict(Counter)
    for pair, said, count in _pairs(rows):
        found[pair][said] += count
    return found


def _pairs(rows: Counter[Row]) -> Iterator[tuple[Pair, tuple[Value, Value], int]]:
    for (who, values), count in rows.items():
        judged = [(a, v) for a, v in zip(who, values, strict=True) if v is not None]
        for (first, a), (second, b) in combinations(judged, 2):
            yield (first, second), (a, b), count


def without(rows: Counter[Row], left_out: str) -> Counter[Row]:
    """The same units as if one annotator had not judged them."""
    found: Counter[Row] = Counter()
    for (who, values), count in rows.items():
        kept = [(a, v) for a, v in zip(who, values, strict=True) if a != left_out]
        found[tuple(a for a, _ in kept), tuple(v for _, v in kept)] += count
    return found


def as_yes_or_no(rows: Counter[Row], label: str) -> Counter[Row]:
    """The same units as to whether one label holds: 1 or 0."""
    return _recode(rows, lambda value: int(label in value) if isinstance(value, tuple) else None)


def _recode(rows: Counter[Row], code: Callable[[Value | None], Value | None]) -> Counter[Row]:
    found: Counter[Row] = Counter()
    for (who, values), count in rows.items():
        found[who, tuple(code(value) for value in values)] += count
    return found
