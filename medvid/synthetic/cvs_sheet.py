"""Rows of a made-up Cholec80-CVS sheet: the published counts, and times that fit an operation."""

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Final

from schemas.hashing import hash_order, hash_rank

Scores = tuple[int, int, int]
"""Two structures, cystic plate, hepatocystic triangle."""

COLUMNS: Final = (
    "video", "critical_view", "initial_minute", "initial_second", "final_minute", "final_second",
    "two_structures", "cystic_plate", "hepatocystic_triangle", "Total",
)  # fmt: skip
OFFICIAL_ROWS: Final = 572
_PATTERNS: Final[dict[str, int]] = {
    "000": 241, "001": 28, "010": 8, "011": 7, "012": 1, "100": 120, "101": 51, "102": 6,
    "110": 13, "111": 5, "112": 1, "120": 2, "121": 3, "122": 1, "200": 6, "201": 34, "202": 3,
    "210": 6, "211": 11, "212": 1, "220": 3, "221": 13, "222": 8,
}  # fmt: skip
"""Rows by scores; the joint counts are made up so that those of each criterion and of the sum are
the published ones."""

_CRITICAL: Final = (4, 5, 10, 16, 22, 40, 44, 46, 48, 60, 66, 68, 70, 71, 78, 80)
_CRITICAL_TOTAL: Final = 5
_ALL_ZERO: Final = {1: 1, 15: 1, 18: 2, 20: 1, 33: 1, 35: 2, 41: 1, 54: 1, 62: 1}
_MANY_ROWS: Final = {31: 54, 6: 31, 71: 29, 3: 28, 4: 16, 14: 14, 49: 14, 70: 14}
_BACKWARD: Final[dict[int, tuple[int, int, Scores]]] = {
    3: (61 * 60 + 46, 60 * 60, (0, 0, 0)),
    6: (15 * 60 + 21, 14 * 60 + 33, (1, 0, 1)),
    48: (16 * 60 + 56, 12 * 60 + 2, (1, 1, 1)),
}
"""Start, end and scores of the published rows that run backwards."""

_OVERLAPPING: Final = (3, 4, 6, 14, 49, 70)
"""Videos in which rows share two seconds or more."""

_DIFFERENT, _EQUAL = 30, 9
"""How many pairs of such rows differ in their scores, and how many do not."""

_SHARED_SECONDS, _POST_CLIP, _UNSORTED = 23, 63, 50
_EMPTY: Final = 1
"""The video whose only row is 0:00 to 0:00."""

_SHORTEST_ROW_S, _TYPICAL_ROW_S, _COARSE_ROW_S, _FEW_ROWS = 5, 20, 50, 3
_CLIPPED_LATE_S, _DRAWN_ON_S = 4, 4


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of the sheet.

    Attributes:
        video: Video number.
        start_s: First second.
        end_s: Last second, inclusive; before the first in a backward row.
        scores: The three scores.
    """

    video: int
    start_s: int
    end_s: int
    scores: Scores

    def cells(self) -> list[int | str | None]:
        """The row in the order of `COLUMNS`."""
        total = sum(self.scores)
        start, end = divmod(self.start_s, 60), divmod(self.end_s, 60)
        return [self.video, int(total >= _CRITICAL_TOTAL), *start, *end, *self.scores, total]


@cache
def official_scores(seed: int) -> dict[int, tuple[Scores, ...]]:
    """Scores of every row of the 80 videos, backward rows left out, rising within a video."""
    bag = [
        (int(text[0]), int(text[1]), int(text[2]))
        for text, count in _PATTERNS.items()
        for _ in range(count)
    ]
    order = hash_order(range(len(bag)), seed, "cvs bag")
    stock = [bag[place] for place in order]
    dealt: dict[int, list[Scores]] = {number: [] for number in range(1, 81)}
    for _, _, scores in _BACKWARD.values():
        stock.remove(scores)
    for number, count in _ALL_ZERO.items():
        dealt[number] = [_take(stock, 0, 0) for _ in range(count)]
    tops = [scores for scores in stock if sum(scores) >= _CRITICAL_TOTAL]
    for place, scores in enumerate(tops):
        stock.remove(scores)
        dealt[_CRITICAL[place % len(_CRITICAL)]].append(scores)
    scored = [number for number in dealt if number not in _ALL_ZERO]
    for number in scored:
        dealt[number] += [_take(stock, 0, 0), _take(stock, 1, _CRITICAL_TOTAL - 1)]
    slots = [
        number
        for number, count in _row_counts(seed).items()
        for _ in range(count - len(dealt[number]) - (number in _BACKWARD))
    ]
    places = hash_order(range(len(slots)), seed, "cvs slots")
    for place, scores in zip(places, stock, strict=True):
        dealt[slots[place]].append(scores)
    return {number: tuple(sorted(rows, key=_progress)) for number, rows in dealt.items()}


def _take(stock: list[Scores], least: int, most: int) -> Scores:
    """Take the first scores off the stock whose sum lies between two bounds."""
    place = next(i for i, scores in enumerate(stock) if least <= sum(scores) <= most)
    return stock.pop(place)


def _progress(scores: Scores) -> tuple[int, Scores]:
    return sum(scores), scores


def _row_counts(seed: int) -> dict[int, int]:
    """Rows of the videos that have any score above zero; 572 with the others."""
    fixed = _MANY_ROWS
    free = [n for n in range(1, 81) if n not in fixed and n not in _ALL_ZERO]
    rest = OFFICIAL_ROWS - sum(fixed.values()) - sum(_ALL_ZERO.values())
    ranks = hash_order(free, seed, "cvs rows")
    # From 4 rows to twice the mean less 4, evenly, in an order chosen by hash.
    mean, counts = rest / len(free), dict(fixed)
    for place, number in enumerate(ranks):
        counts[number] = round(4 + (2 * mean - 8) * place / (len(free) - 1))
    counts[ranks[-1]] += OFFICIAL_ROWS - sum(_ALL_ZERO.values()) - sum(counts.values())
    return dict(sorted(counts.items()))


def plan_stages(
    number: int, window_s: int, seed: int, *, cut: bool, coarse: bool = False
) -> list[SheetRow]:
    """Lay a video's rows end to end over the time before the first clip.

    Args:
        number: Video number.
        window_s: Seconds before the first clip.
        seed: Seed of every choice.
        cut: Whether the operation is shorter than the real one, and has fewer rows.
        coarse: Whether a cut video has so few rows that images of one a second can show them.
    """
    if number == _EMPTY:
        return [SheetRow(number, 0, 0, (0, 0, 0))]
    scores = list(official_scores(seed)[number])
    most = max(min(len(scores), _FEW_ROWS), window_s // _TYPICAL_ROW_S)
    if coarse:
        most = max(1, window_s // _COARSE_ROW_S)
    if cut and len(scores) > most:
        last = len(scores) - 1
        scores = [scores[last - round(i * last / max(1, most - 1))] for i in reversed(range(most))]
        if number in _OVERLAPPING and most > 1:
            scores[1] = scores[0]
    weights = [
        1 + hash_rank(seed, "cvs row", number, i) % 3 + 2 * (i == 0 and not cut)
        for i in range(len(scores))
    ]
    shortest = min(_SHORTEST_ROW_S, window_s // len(scores))
    spare = window_s - shortest * len(scores)
    rows, start = [], 0
    for i, row in enumerate(scores):
        end = shortest * (i + 1) + spare * sum(weights[: i + 1]) // sum(weights)
        if cut:
            end = window_s * (i + 1) // len(scores)
        rows.append(SheetRow(number, start, end - 1, row))
        start = end
    return rows


def plant_faults(
    stages: dict[int, list[SheetRow]], seed: int, *, cut: bool
) -> dict[int, list[SheetRow]]:
    """Give rows the faults of the published sheet; all of them where nothing is cut.

    Args:
        stages: Clean rows by video number.
        seed: Seed of every choice.
        cut: Whether operations were cut short.
    """
    planted = {number: list(rows) for number, rows in stages.items()}
    _overlap(planted, seed)
    _share_seconds(planted, seed)
    late = hash_order([n for n in range(1, 81) if n != _EMPTY], seed, "cvs late")[:_POST_CLIP]
    for number in planted:
        if number in late or (cut and number != _EMPTY):
            last = planted[number][-1]
            end = last.end_s + 1 + hash_rank(seed, "cvs end", number) % _CLIPPED_LATE_S
            planted[number][-1] = replace(last, end_s=end)
    for number in _BACKWARD.keys() & planted.keys():
        planted[number].append(SheetRow(number, *_BACKWARD[number]))
    several = [number for number, rows in stages.items() if len(rows) > 1]
    for number in hash_order(several, seed, "cvs unsorted")[:_UNSORTED]:
        rows = hash_order(planted[number], seed, "cvs order", number)
        planted[number] = rows if rows[0].start_s else [*rows[1:], rows[0]]
    return planted


def _overlap(planted: dict[int, list[SheetRow]], seed: int) -> None:
    """Draw some rows on over the beginning of the next one, by two or three seconds."""
    pairs = [
        (number, place)
        for number in _OVERLAPPING
        for place, (_, after) in enumerate(pairwise(planted.get(number, ())))
        if after.end_s - after.start_s >= _DRAWN_ON_S
    ]
    left = {True: _EQUAL, False: _DIFFERENT}
    # The first pair of each video comes first, so that every one of them has an overlap.
    firsts = [next(pair for pair in pairs if pair[0] == n) for n in dict(pairs)]
    for number, place in [*firsts, *(p for p in hash_order(pairs, seed, "cvs") if p not in firsts)]:
        row, after = planted[number][place], planted[number][place + 1]
        equal = row.scores == after.scores
        if left[equal] > 0:
            left[equal] -= 1
            planted[number][place] = replace(row, end_s=row.end_s + 2 + place % 2)


def _share_seconds(planted: dict[int, list[SheetRow]], seed: int) -> None:
    """Let some rows end with the second in which the next one begins."""
    pairs = [
        (number, place)
        for number, rows in planted.items()
        if number not in _OVERLAPPING
        for place in range(len(rows) - 1)
    ]
    wanted = min(_SHARED_SECONDS, len(pairs) // 2)
    for number, place in hash_order(pairs, seed, "cvs shared")[:wanted]:
        row = planted[number][place]
        planted[number][place] = replace(row, end_s=row.end_s + 1)
