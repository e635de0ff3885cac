"""Which row of the benchmark does an answer belong to, when a file lost its order?

The public scorer matches by place alone. Inference on several GPUs commonly deals the rows of each
task round-robin and joins the parts end to end, after which every place is wrong although the file
has the right length and the right ids.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from medvid.evaluation.rows import IntArray, TruthRow
from medvid.evaluation.submission import SubmissionRow
from medvid.tasks.official import parse_row_id

MOST_GPUS: Final = 64

_PART: Final = re.compile(r"_part[0-9]+$")

IdMatch = Literal["same", "rewritten", "blank", "other"]


class ClipName(NamedTuple):
    """An id in neither grammar: the same clip gives the same name.

    Attributes:
        video: The video, without CoPESD's `_partN`.
        start: Start as the id writes it, a number where it is one, empty where absent.
        end: End, alike.
        fps: Sampled frames per second, alike.
    """

    video: str
    start: float | str
    end: float | str
    fps: float | str

    @property
    def blank(self) -> bool:
        """Whether the clip's extent is missing, as in `vid&&&&&&1.0`."""
        return self.start == "" and self.end == ""


@dataclass(frozen=True, slots=True)
class Order:
    """Where the rows of a file belong.

    Attributes:
        name: How the file came to be in this order, in words.
        rows: For each place in the file, the index of the row it answers, (n,).
        ambiguous: Places that another row with the same id and row type could claim.
    """

    name: str
    rows: IntArray
    ambiguous: int


def clip_name(row_id: str) -> ClipName:
    """Read an id of either grammar.

    >>> clip_name("1.0$VID25$9726$12701") == clip_name("VID25&&9726&&12701&&1.0")
    True
    """
    parts = parse_row_id(row_id)
    return ClipName(
        _PART.sub("", parts.video_id), _plain(parts.start), _plain(parts.end), _plain(parts.fps)
    )


def match_id(found: str, row_id: str) -> IdMatch:
    """Compare the id of an answer with that of the row at its place."""
    if found == row_id:
        return "same"
    one, two = clip_name(found), clip_name(row_id)
    if one == two:
        return "rewritten"
    return "blank" if one.blank and one.video == two.video else "other"


def recognise_order(truth: Sequence[TruthRow], rows: Sequence[SubmissionRow]) -> Order | None:
    """Find out which row each place of a file answers.

    Tries the order of the truth, that of merges of up to `MOST_GPUS` parts, and at last ids that
    name one row each.

    Returns:
        None where the file has other rows than the truth, or where no order explains it.
    """
    if len(truth) != len(rows) or not rows:
        return None
    wanted, found = _codes(truth, rows)
    if not np.array_equal(np.sort(wanted), np.sort(found)):
        return None
    shared = np.bincount(wanted)[wanted] > 1
    for name, places in _orders(truth):
        if np.array_equal(wanted[places], found):
            return Order(name, places, int(shared.sum()))
    if shared.any():
        return None
    places = np.argsort(wanted, kind="stable")[np.argsort(np.argsort(found, kind="stable"))]
    return Order("another order, in which every id and row type names one row", places, 0)


def _orders(truth: Sequence[TruthRow]) -> Iterator[tuple[str, IntArray]]:
    count = len(truth)
    yield "the order of the truth", np.arange(count)
    kinds = [_first_seen([row.qa_type for row in truth]), _first_seen([row.task for row in truth])]
    for code in kinds:
        yield "grouped by task", _stable(code)
    for parts in range(2, min(MOST_GPUS, count) + 1):
        plain = np.arange(count) % parts
        yield f"a merge of {parts} GPUs that were dealt the rows in turn", _stable(plain)
        for code in kinds:
            dealt = _place_within(code) % parts
            name = f"a merge of {parts} GPUs that were dealt the rows of each task in turn"
            yield name, _stable(dealt)
            yield name, np.lexsort((np.arange(count), code, dealt))


def _codes(truth: Sequence[TruthRow], rows: Sequence[SubmissionRow]) -> tuple[IntArray, IntArray]:
    """One number for each clip and row type; without extents where any answer's id lacks them."""
    wanted = [clip_name(row.row_id) for row in truth]
    found = [clip_name(row.row_id) for row in rows]
    if any(name.blank for name in found):
        wanted = [name._replace(start="", end="") for name in wanted]
        found = [name._replace(start="", end="") for name in found]
    numbers: dict[tuple[ClipName, str], int] = {}
    pairs = [
        *zip(wanted, (row.qa_type for row in truth), strict=True),
        *zip(found, (row.qa_type for row in rows), strict=True),
    ]
    codes = np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], dtype=np.int64)
    return codes[: len(wanted)], codes[len(wanted) :]


def _first_seen(names: Sequence[str]) -> IntArray:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _place_within(code: IntArray) -> IntArray:
    """How many earlier rows have the same code."""
    order = _stable(code)
    starts = np.searchsorted(code[order], code[order])
    place = np.empty_like(code)
    place[order] = np.arange(len(code)) - starts
    return place


def _stable(code: IntArray) -> IntArray:
    order: IntArray = np.argsort(code, kind="stable")
    return order


def _plain(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
