"""What the boxes of one object show by themselves: where it is and how it moves in the view."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from medvid.captions.morphology import agree, gerund, is_plural
from medvid.captions.tracks import Center
from medvid.captions.video_facts import Draw

STILL: Final = 0.05
"""Share of the image's width and height within which a box center counts as staying in place."""

MOVED: Final = 0.10
"""Share of width or height from which the way from first to last center is a direction."""

ROAMED: Final = 0.15
"""Share of width or height from which an object that ends near its start has moved about."""

ASIDE: Final = 0.5
"""A direction is named beside another if it is at least this share of it."""

_COLUMNS: Final = ("left", "", "right")
_ROWS: Final = ("upper", "", "lower")


@dataclass(frozen=True, slots=True)
class Motion:
    """How a box center moves over an interval.

    Attributes:
        kind: `still`, `slight`, `toward` or `about`.
        start: Where it is at first: `upper left`, `center`, ….
        end: Where it is at last.
        direction: Where it goes if `toward`: `lower right`, `left`, ….
    """

    kind: str
    start: str
    end: str
    direction: str = ""


def read_motion(centers: Sequence[Center]) -> Motion:
    """Read the motion of one object.

    Centers are compared in shares of the image's width and height. Within `STILL` of the first
    center all along, the object stays; else, if the last center lies `MOVED` or more from the
    first, it moves that way; else, if it was ever `ROAMED` away, it moves about; else slightly.

    Args:
        centers: Box centers in time order, at least one.
    """
    first, last = centers[0], centers[-1]
    reach = max(max(abs(at.x - first.x), abs(at.y - first.y)) for at in centers)
    start, end = _place(first), _place(last)
    if reach <= STILL:
        return Motion("still", start, end)
    direction = _direction(last.x - first.x, last.y - first.y)
    if direction:
        return Motion("toward", start, end, direction)
    return Motion("about" if reach >= ROAMED else "slight", start, end)


def _place(at: Center) -> str:
    """Thirds of the image: `upper left`, `left`, `upper part`, `center`, …."""
    row, column = _ROWS[min(2, int(3 * at.y))], _COLUMNS[min(2, int(3 * at.x))]
    if row and not column:
        return f"{row} part"
    return f"{row} {column}".strip() or "center"


def _direction(dx: float, dy: float) -> str:
    across, down = abs(dx), abs(dy)
    row = column = ""
    if down >= MOVED and down >= ASIDE * across:
        row = "upper" if dy < 0 else "lower"
    if across >= MOVED and across >= ASIDE * down:
        column = "left" if dx < 0 else "right"
    if row and not column:
        return "top" if row == "upper" else "bottom"
    return f"{row} {column}".strip()


def motion_clause(motion: Motion, subject: str, draw: Draw) -> str:
    """A predicate that says a motion, verbs inflected for the subject."""
    verb, rest = _pick_way(motion, draw)
    if motion.kind == "about":
        began = "they began" if is_plural(subject) else "it began"
        rest = f"about and {agree(subject, 'end')} close to where {began}"
    return f"{agree(subject, verb)} {rest}"


def motion_participle(motion: Motion, draw: Draw) -> str:
    """The same motion as an -ing phrase."""
    verb, rest = _pick_way(motion, draw)
    return f"{gerund(verb)} {rest}"


def _pick_way(motion: Motion, draw: Draw) -> tuple[str, str]:
    ways = _ways(motion)
    return ways[draw.below(len(ways))]


def _ways(motion: Motion) -> tuple[tuple[str, str], ...]:
    """Base verbs and what follows them."""
    origin = f"from the {motion.start} of the view"
    if motion.kind == "still":
        if motion.start != motion.end:
            return (("stay", "almost in place"), ("remain", "almost in place"))
        at = f"{'on' if motion.start in _COLUMNS else 'in'} the {motion.start} of the view"
        return (("stay", f"in place {at}"), ("remain", at), ("stay", at))
    if motion.kind == "slight":
        return (("move", "only slightly"), ("shift", "slightly"), ("move", f"a little {origin}"))
    if motion.kind == "about":
        return (("move", "about"),)
    toward = f"toward the {motion.direction}"
    return (
        ("move", f"{toward} of the view"),
        ("shift", f"{toward} of the view"),
        ("move", f"{origin} {toward}"),
    )
