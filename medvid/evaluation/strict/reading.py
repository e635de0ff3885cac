"""How the strict profile reads answers: as a careful person would, whatever dash they wrote.

Texts are brought to one form first (Unicode NFKC, every dash an ASCII hyphen). A time is a number
of seconds or a clock time `m:s` or `h:m:s`. What cannot be read without guessing is not read.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Final

from medvid.evaluation.official.reading import ReadEvent
from medvid.evaluation.rows import Box, Span

_DASHES: Final = str.maketrans(dict.fromkeys("‐‑‒–—―−⁃﹘", "-"))
_TIME: Final = r"(\d++(?::\d++){0,2}+(?:\.\d++)?+)"
_FIRST: Final = rf"(?<!\d)(?<!\d[:.]){_TIME}"
_UNIT: Final = r"(?:\s*+(?:seconds?|secs?|s)\b\.?)?+"
_SPAN: Final = rf"{_FIRST}{_UNIT}\s*+(?:-|to\b|until\b)\s*+{_TIME}"
_SPANS: Final = re.compile(_SPAN, re.IGNORECASE)
_EVENT: Final = re.compile(rf"{_SPAN}{_UNIT}\s*+:", re.IGNORECASE)
_BOX_HEAD: Final = re.compile(rf"{_FIRST}{_UNIT}\s*+:?+\s*+\[++", re.IGNORECASE)
# Bold marks may stand on either side of the colon.
_SCORE: Final = r"\s*+\**+\s*+[:=-]\s*+\**+\s*+(\d++)(?!\.?\d)(?:\s*+(?:/|out of)\s*+(\d++))?+"
_LONGEST_INTEGER: Final = 18
_QUOTES: Final = "\"'`“”‘’«»()[]{}"


def plain(text: str) -> str:
    """Bring a text to the form that is read: NFKC, ASCII hyphens for all dashes."""
    return unicodedata.normalize("NFKC", text).translate(_DASHES)


def read_spans(text: str) -> list[Span]:
    """Read all spans of a text, `A-B`, `A to B` or `A until B`, units and clock times allowed.

    Spans that run backwards and repeated ones are kept: they are wrong answers, not none.

    >>> read_spans("00:51–00:56 and 1.1s to 3 s")
    [(51.0, 56.0), (1.1, 3.0)]
    """
    found = ((_seconds(m[1]), _seconds(m[2])) for m in _SPANS.finditer(plain(text)))
    return [span for span in found if all(map(math.isfinite, span))]


def read_boxes(text: str) -> list[tuple[float, Box]]:
    """Read timed boxes in the order written: a time, then four finite numbers in brackets.

    A malformed box is not read, and nothing stands in for it.
    """
    text = plain(text)
    boxes: list[tuple[float, Box]] = []
    head = _BOX_HEAD.search(text)
    while head:
        close = text.find("]", head.end())
        if close < 0:
            break
        box, time = _box(text[head.end() : close]), _seconds(head[1])
        if box is not None and math.isfinite(time):
            boxes.append((time, box))
        head = _BOX_HEAD.search(text, close)
    return boxes


def read_events(text: str) -> list[ReadEvent]:
    """Read events, each a span with a colon after it and the text up to the next such span.

    Events may stand on one line. Captions lose blanks and list marks at their ends.
    """
    text = plain(text)
    heads = list(_EVENT.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)][: len(heads)]
    events: list[ReadEvent] = []
    for head, end in zip(heads, ends, strict=True):
        start, stop = _seconds(head[1]), _seconds(head[2])
        if math.isfinite(start) and math.isfinite(stop):
            caption = " ".join(text[head.end() : end].split()).rstrip("-*;, ")
            events.append(ReadEvent(start, stop, caption))
    return events


def read_label(text: str) -> str:
    """Bring a label to the form in which it is compared.

    NFKC, lower case, hyphens and underscores as blanks, single blanks, no quotes or brackets
    around it and no full stop at its end; nothing else is forgiven.

    >>> read_label(" `Clipping_and-cutting`. ")
    'clipping and cutting'
    """
    words = plain(text).casefold().replace("_", " ").replace("-", " ")
    before = ""
    while words != before:
        before, words = words, words.strip().strip(_QUOTES).rstrip(".")
    return " ".join(words.split())


def read_scores(text: str, names: Collection[str], allowed: range, outof: int) -> dict[str, int]:
    """Read scores by name, in any order and however they are parted.

    Args:
        text: The answer.
        names: Names of aspects; case and underscores do not matter.
        allowed: Scores that can be right; others are not read.
        outof: What may follow as `/N` or `out of N`.

    Returns:
        The names that are given one score; a name with two different scores is not read.
    """
    words = plain(text).casefold().replace("_", " ")
    scores: dict[str, int] = {}
    for name in names:
        known = re.escape(plain(name).casefold().replace("_", " "))
        pattern = rf"(?<!\w){known}{_SCORE}"
        found = {
            (_integer(m[1]), _integer(m[2] or str(outof))) for m in re.finditer(pattern, words)
        }
        if len(found) == 1:
            score, most = found.pop()
            if score in allowed and most == outof:
                scores[name] = score
    return scores


def words_of(text: str) -> Iterator[str]:
    """Words of a caption as they are compared: lower-case runs of letters and digits."""
    return (found.group() for found in re.finditer(r"\w++", plain(text).casefold()))


def _seconds(time: str) -> float:
    """Seconds of a number or a clock time.

    >>> _seconds("1:02:03.5"), _seconds("8.0")
    (3723.5, 8.0)
    """
    total = 0.0
    for part in time.split(":"):
        total = 60 * total + float(part)
    return total


def _box(body: str) -> Box | None:
    parts = body.split(",")
    if len(parts) != 4:
        return None
    try:
        x1, y1, x2, y2 = (float(part) for part in parts)
    except ValueError:
        return None
    return (x1, y1, x2, y2) if all(map(math.isfinite, (x1, y1, x2, y2))) else None


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else -1
