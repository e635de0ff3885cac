"""Corrections told in one line, for people who ask why a label is what it is."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from pydantic import JsonValue

from schemas.correction import Correction

_NAMES: Final = ("label", "text", "verdict", "reason", "level")
"""Fields that name an item, the first that it has."""


def describe(correction: Correction, rate: Fraction, start: int = 0) -> str:
    """Say what a correction wants.

    Args:
        correction: The correction.
        rate: Ticks per second of its video.
        start: Tick that times are counted from.

    >>> # "'cut' 1.0-3.0 s should be 'cut' 1.0-2.4 s, because the knife rests."
    """
    before, after = correction.before, correction.after
    if before is None:
        text = f"add {correction.kind} {_item(after or {}, rate, start)}"
    elif after is None:
        text = f"take away {correction.kind} {_item(before, rate, start)}"
    else:
        sides = (_item(before, rate, start), _item(after, rate, start))
        text = f"{correction.kind} {sides[0]} should be {sides[1]}"
    return f"{text}, because {correction.reason}." if correction.reason else f"{text}."


def _item(item: Mapping[str, JsonValue], rate: Fraction, start: int) -> str:
    named = next((repr(str(item[name])) for name in _NAMES if name in item), "")
    if "two_structures" in item:
        criteria = ("two_structures", "cystic_plate", "hepatocystic_triangle")
        named = "/".join(str(item[name]) for name in criteria)
    parts = [named]
    if "start" in item:
        first, last = (_seconds(item[edge], rate, start) for edge in ("start", "end"))
        parts.append(f"{first:.2f}-{last:.2f} s")
    if "tick" in item:
        parts.append(f"at {_seconds(item['tick'], rate, start):.2f} s")
    corners = item.get("xyxy")
    if isinstance(corners, list):
        parts.append(f"({', '.join(f'{float(str(corner)):g}' for corner in corners)})")
    return " ".join(part for part in parts if part)


def _seconds(tick: JsonValue, rate: Fraction, start: int) -> float:
    return float((int(str(tick)) - start) / rate)
