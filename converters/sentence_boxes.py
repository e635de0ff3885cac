"""Read boxes that stand inside sentences, and decide for a whole session how they are written.

CoPESD writes a box right behind the instrument's name, as four fractions of the side of a square
into whose top the picture is pasted. Some sessions mean left, top, right, bottom, others left, top,
width, height, and no field says which. A single box often fits both; a session's boxes do not.
"""

import math
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple

from schemas.geometry import Xyxy, clip_xyxy, xywh_to_xyxy

Fractions = tuple[float, float, float, float]

EDGE_SLACK: Final = 0.015
"""How far a box may pass the picture, in sides of the square: two values, each rounded to 0.01."""

TENABLE_SHARE: Final = 0.95
"""Share of a session's different boxes that must fit a convention for it to be tenable."""

MIN_CONTRADICTIONS: Final = 2
"""Different boxes that must contradict a convention before it is ruled out."""

FROZEN_ROWS: Final = 10
"""Rows with one identical box of an instrument that is said to move, from which it is frozen: hand
drawn boxes of a moving instrument differ from picture to picture (2 alike at most in 505)."""

_DECIMALS = 4
_BOX = re.compile(r"\b(forceps|knife)\s*\[([^\[\]]*)\]", re.IGNORECASE)
_ANY_BRACKET = re.compile(r"\[[^\[\]]*\]")
_NUMBER = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,8})?")


class Convention(StrEnum):
    """What the last two of four numbers mean."""

    XYXY = "xyxy"
    XYWH = "xywh"


class SentenceBox(NamedTuple):
    """A box as a sentence gives it.

    Attributes:
        instrument: Lower-case word before the bracket, empty where there is none.
        text: What stands between the brackets.
        fractions: The four numbers, None where it is not four numbers.
    """

    instrument: str
    text: str
    fractions: Fractions | None


class Verdict(NamedTuple):
    """How a session writes its boxes, with the evidence.

    Attributes:
        convention: The one tenable convention, None where both or neither are.
        different: Different boxes of the session.
        as_xyxy: Those that make sense as left, top, right, bottom.
        as_xywh: Those that make sense as left, top, width, height.
    """

    convention: Convention | None
    different: int
    as_xyxy: int
    as_xywh: int


def split_sentence(sentence: str) -> tuple[str, list[SentenceBox]]:
    """Take the boxes out of a sentence.

    Returns:
        The sentence without brackets, and the boxes in order.
    """
    owners = {match.end(): match[1].lower() for match in _BOX.finditer(sentence)}
    found = []
    for match in _ANY_BRACKET.finditer(sentence):
        text = match[0][1:-1]
        found.append(SentenceBox(owners.get(match.end(), ""), text, parse_fractions(text)))
    return _ANY_BRACKET.sub("", sentence), found


def parse_fractions(text: str) -> Fractions | None:
    """Read four plain decimal numbers parted by commas, None for anything else.

    >>> parse_fractions("-0.0, 0.14, 0.36, 0.63")
    (0.0, 0.14, 0.36, 0.63)
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) != 4 or not all(_NUMBER.fullmatch(word) for word in words):
        return None
    # Adding zero turns -0.0, which some files hold, into 0.0.
    a, b, c, d = (float(word) + 0.0 for word in words)
    return (a, b, c, d)


def decide_convention(boxes: Iterable[Fractions], height: float) -> Verdict:
    """Decide how a session writes its boxes.

    A convention is tenable where at least `TENABLE_SHARE` of the session's different boxes have a
    positive size and lie in the picture if read by it; the other one must be contradicted by at
    least `MIN_CONTRADICTIONS` of them. A box given many times is one piece of evidence, since a
    frozen box says no more than one box.

    Args:
        boxes: All boxes of one session.
        height: Height of the picture in sides of the square.
    """
    different = set(boxes)
    fits = {
        convention: sum(fits_picture(box, convention, height) for box in different)
        for convention in Convention
    }
    tenable = [c for c in Convention if fits[c] >= TENABLE_SHARE * len(different) and different]
    convention = tenable[0] if len(tenable) == 1 else None
    if convention is not None:
        other = next(c for c in Convention if c is not convention)
        if len(different) - fits[other] < MIN_CONTRADICTIONS:
            convention = None
    return Verdict(convention, len(different), fits[Convention.XYXY], fits[Convention.XYWH])


def fits_picture(box: Fractions, convention: Convention, height: float) -> bool:
    """Whether a box, read by a convention, has a size and lies in the picture."""
    x1, y1, x2, y2 = _as_xyxy(box, convention)
    return (
        0 <= x1 < x2 <= 1 + EDGE_SLACK
        and 0 <= y1 < y2 <= height + EDGE_SLACK
        and all(math.isfinite(value) for value in box)
    )


def place_box(
    box: Fractions, convention: Convention, resolution_wh: tuple[int, int]
) -> tuple[Xyxy | None, bool]:
    """Turn a box into pixels: one scale, the longer side of the picture, for both axes.

    Returns:
        The box inside the picture, None where nothing of it is, and whether the edge cut it.
    """
    side = max(resolution_wh)
    x1, y1, x2, y2 = (round(v * side, _DECIMALS) for v in _as_xyxy(box, convention))
    return clip_xyxy((x1, y1, x2, y2), resolution_wh)


def _as_xyxy(box: Fractions, convention: Convention) -> Fractions:
    if convention is Convention.XYXY:
        return box
    # Sums of two-decimal numbers, freed of their binary dust.
    x1, y1, x2, y2 = (round(value, 8) for value in xywh_to_xyxy(box))
    return (x1, y1, x2, y2)


def frozen_runs(boxes: Sequence[tuple[int, Fractions, bool]]) -> list[tuple[int, int]]:
    """Find stretches in which an instrument's box stands still although it is said to move.

    Args:
        boxes: Frame, box and whether the sentence says that the instrument moves, for each row
            that boxes one instrument, in frame order.

    Returns:
        First and last frame of each run of alike boxes with at least `FROZEN_ROWS` moving rows.
    """
    runs = [[*rows] for _, rows in groupby(boxes, key=lambda row: row[1])]
    return [
        (run[0][0], run[-1][0]) for run in runs if sum(moves for _, _, moves in run) >= FROZEN_ROWS
    ]
