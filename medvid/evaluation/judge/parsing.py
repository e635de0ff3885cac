"""Reading five scores out of a judge's answer: tolerant of form, strict in content."""

import json
import re
from collections.abc import Iterator
from typing import Any

from medvid.evaluation.judge.pairs import (
    MAX_SCORE,
    MIN_SCORE,
    OFFICIAL_KEYS,
    Dimension,
    Scores,
)

ALIASES = {dimension.value: dimension for dimension in Dimension} | {
    key.lower(): dimension for dimension, key in OFFICIAL_KEYS.items()
}

_MAX_CHARS = 20_000
_MAX_OBJECTS = 20

_NAMES = "|".join(sorted((re.escape(a).replace("_", r"[ _]") for a in ALIASES), key=len)[::-1])
_LINE = re.compile(
    rf"""(?<![A-Za-z0-9_])(?P<name>{_NAMES})(?![A-Za-z0-9_])
    [*_`"'\ ]*(?:\([^()\n]{{0,80}}\))?[*_`"'\ ]*   # bold, quotes, a title in brackets
    [:=]?[*_`"'\ \t]*
    (?P<score>[0-9]+(?:\.[0-9]+)?)
    (?P<rest>[ ]*(?:/|out\ of|-|–|to\b)[ ]*[0-9]+)?""",
    re.VERBOSE | re.IGNORECASE,
)
_OUT_OF_FIVE = re.compile(r"\s*(?:/|out of)\s*5", re.IGNORECASE)


class NoScoresError(ValueError):
    """An answer that does not hold five scores, with the reason for the next attempt."""


def parse_scores(text: str) -> Scores:
    """Read five integers from 1 to 5 from an answer.

    Accepted are a JSON object, alone, in a fenced block or amid prose, with the scores at its top
    or one level down; and lines such as `terminology: 4`, `**R2** = 4`, `R2 4` or `R2: 4/5`.

    Args:
        text: The answer.

    Returns:
        A score each dimension.

    Raises:
        NoScoresError: A score is missing, no integer from 1 to 5, or given twice differently.
    """
    text = text[:_MAX_CHARS]
    objects = [found for found in (_from_object(o) for o in _objects(text)) if found]
    found = objects or [_from_lines(text)]
    merged: dict[Dimension, set[int]] = {}
    for scores in found:
        for dimension, values in scores.items():
            merged.setdefault(dimension, set()).update(values)
    return _checked(merged)


def _checked(merged: dict[Dimension, set[int]]) -> Scores:
    missing = [dimension.value for dimension in Dimension if dimension not in merged]
    if len(missing) == len(Dimension):
        raise NoScoresError("it holds no scores")
    if missing:
        raise NoScoresError(f"it lacks {', '.join(missing)}")
    for dimension, values in merged.items():
        if len(values) > 1:
            raise NoScoresError(f"it gives {dimension.value} more than once, differently")
        if not MIN_SCORE <= min(values) <= MAX_SCORE:
            raise NoScoresError(f"{dimension.value} is no integer from 1 to 5")
    return {dimension: merged[dimension].pop() for dimension in Dimension}


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects in a text, outermost first, in order."""
    decoder = json.JSONDecoder(object_pairs_hook=_pairs)
    position, tries = text.find("{"), 0
    while position >= 0 and tries < _MAX_OBJECTS:
        tries += 1
        try:
            value, end = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            position = text.find("{", position + 1)
            continue
        yield value
        position = text.find("{", end)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose repeated keys keep all their values, so that none wins unseen."""
    values: dict[str, list[Any]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    return {"pairs": [(key, value) for key, found in values.items() for value in found]}


def _from_object(value: dict[str, Any], depth: int = 0) -> dict[Dimension, set[int]]:
    scores: dict[Dimension, set[int]] = {}
    for key, inner in value["pairs"]:
        dimension = ALIASES.get(key.strip().lower().replace(" ", "_"))
        if dimension is not None:
            scores.setdefault(dimension, set()).add(_score(inner))
        elif isinstance(inner, dict) and depth == 0:
            for found, numbers in _from_object(inner, depth + 1).items():
                scores.setdefault(found, set()).update(numbers)
    return scores


def _score(value: object) -> int:
    """The integer that a JSON value stands for; 0, which is out of range, if it is none."""
    if isinstance(value, dict):
        inner = [v for k, v in value["pairs"] if k.strip().lower() in ("score", "rating", "value")]
        return _score(inner[0]) if len(inner) == 1 and not isinstance(inner[0], dict) else 0
    if isinstance(value, bool):
        return 0
    if isinstance(value, int | float):
        return int(value) if value == value // 1 and abs(value) < 100 else 0
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([0-9]{1,2})(?:\.0+)?\s*(?:(?:/|out of)\s*5)?\s*", value)
        return int(match.group(1)) if match else 0
    return 0


def _from_lines(text: str) -> dict[Dimension, set[int]]:
    scores: dict[Dimension, set[int]] = {}
    for match in _LINE.finditer(text):
        dimension = ALIASES[match.group("name").lower().replace(" ", "_")]
        rest = match.group("rest")
        whole = float(match.group("score"))
        legal = whole.is_integer() and (rest is None or _OUT_OF_FIVE.fullmatch(rest) is not None)
        scores.setdefault(dimension, set()).add(int(whole) if legal else 0)
    return scores
