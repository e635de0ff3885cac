"""How the leaderboard reads answers: which texts become spans, boxes, events and scores.

What a reader takes is a fact of the board, not a choice: an en dash between times is not read, a
clock time loses its minutes, a malformed box repeats the one before. The patterns here take the
same texts as the published evaluator's, written so that no text makes them slow. Three kinds of
text that stop or poison the board's evaluator are read as nothing here: no answer at all, a box
coordinate that is not finite, and a number too long to be a time or a score.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from medvid.evaluation.rows import Box, Span
from medvid.tasks.modules.cvs_assessment import CRITERIA

_NUMBER: Final = r"(\d++(?:\.\d++)?+)"
# A number is read from its first digit: from a later one nothing could match that did not before.
_FIRST: Final = rf"(?<!\d){_NUMBER}"
_HYPHEN: Final = re.compile(rf"{_FIRST}\s*-\s*{_NUMBER}")
_TO: Final = re.compile(rf"{_FIRST}(?:s| seconds?)?\s*to\s*{_NUMBER}", re.IGNORECASE)
_CLOCK: Final = re.compile(
    r"(?<!\d)(\d++):(\d++):(\d++)\s+to\s+(\d++):(\d++):(\d++)", re.IGNORECASE
)

_BOX_HEAD: Final = re.compile(rf"{_FIRST}\s+seconds:\s*\[")
_BARE_BOX: Final = re.compile(r"\[\[([\d\s,]++)\]\]")

_EVENT: Final = re.compile(rf"{_FIRST}-{_NUMBER}\s+seconds?:\s+")
_NEXT_EVENT: Final = re.compile(rf"\n{_NUMBER}-{_NUMBER}\s+seconds?:")
_LOOSE_NUMBER: Final = r"(\d++(?:\.\d*+)?+)"
_LOOSE_EVENT: Final = re.compile(
    r"(?:\*\*Start Time:\*\*|Start\s*\(?Time\)?|Time\s*Range:|Time\s*Interval:|^)\s*"
    rf"{_LOOSE_NUMBER}\s*[-–]\s*{_LOOSE_NUMBER}\s*seconds?"
)
_LOOSE_BREAK: Final = re.compile(r"\*\*Description:\*\*|-")

_SKILL_SCORE: Final = re.compile(r"\s*(\d++)/5")
_CVS_SCORES: Final = {
    "two structures": (re.compile(r"two structures?:\s*(\d++)"), "two_structures"),
    "cystic plate": (re.compile(r"cystic plate:\s*(\d++)"), "cystic_plate"),
    "hepatocystic triangle": (
        re.compile(r"hepatocystic triangle:\s*(\d++)"), "hepatocystic_triangle",
    ),
}  # fmt: skip
_LONGEST_INTEGER: Final = 18
_LATEST: Final = 1e12

ReadBoxes = dict[str, Box] | tuple[Box, ...]
"""Boxes by time as Python prints it, or boxes without times."""


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """One event of an answer, in clip-relative seconds."""

    start: float
    end: float
    caption: str


def read_spans(text: str) -> list[Span]:
    """Read the spans of a localisation answer, §3.1 of the format notes.

    All `A-B` with an ASCII hyphen, anywhere. Only without any: `A to B`, rounded to hundredths,
    and after those `h:m:s to h:m:s`. Spans that run backwards and repeated ones are kept.

    >>> read_spans("1.1-3.0, 66.0-66.0 seconds."), read_spans("from 00:51-00:56")
    ([(1.1, 3.0), (66.0, 66.0)], [(51.0, 0.0)])
    """
    spans = [(float(start), float(end)) for start, end in _HYPHEN.findall(text)]
    if spans:
        return spans
    spans = [(round(float(a), 2), round(float(b), 2)) for a, b in _TO.findall(text)]
    for found in _CLOCK.finditer(text):
        h1, m1, s1, h2, m2, s2 = (float(part) for part in found.groups())
        spans.append((3600 * h1 + 60 * m1 + s1, 3600 * h2 + 60 * m2 + s2))
    return spans


def read_boxes(text: str) -> ReadBoxes:
    """Read the boxes of a grounding answer, §3.2 of the format notes.

    Items are a number, blanks, `seconds:` and a bracket; of two items at one time the later holds;
    a malformed box repeats the last good one, or is passed over before any. Only without any
    item: whole numbers in double brackets, which have no times.
    """
    boxes: dict[str, Box] = {}
    last: Box | None = None
    found = False
    for time, body in _box_items(text):
        found = True
        box = _box(body)
        last = box or last
        if last is not None:
            boxes[str(float(time))] = last
    return boxes if found else tuple(_bare_boxes(text))


def read_events(text: str) -> list[ReadEvent]:
    """Read the events of a dense caption, §3.6 of the format notes.

    `A-B seconds: text`, the text running up to a line that starts the next item; of two events
    with the same times the first is kept. Only without any, the loose form of untrained models.
    """
    events: dict[Span, ReadEvent] = {}
    head = _EVENT.search(text)
    while head:
        following = _NEXT_EVENT.search(text, head.end())
        end = following.start() if following else len(text)
        span = (float(head[1]), float(head[2]))
        caption = text[head.end() : end].strip().replace("\n", " ")
        events.setdefault(span, ReadEvent(*span, caption))
        head = _EVENT.search(text, end)
    return _in_reach(list(events.values()) if events else _loose_events(text))


def read_skill(text: str) -> dict[str, int]:
    """Read scores of a skill answer by the name as written, §3.4 of the format notes.

    The answer is cut at commas, and each part gives at most one `name: N/5`.
    """
    scores: dict[str, int] = {}
    for part in text.split(","):
        for name, after in pairwise(part.strip().split(":")):
            found = _SKILL_SCORE.match(after)
            if name and found:
                scores[name.strip()] = _integer(found[1])
                break
    return scores


def read_cvs(text: str) -> dict[str, int]:
    """Read scores of a CVS answer by criterion, §3.5 of the format notes.

    The answer is cut at commas; a part gives a score to the first criterion it names.

    >>> read_cvs("Two structures: 1, Cystic plate: 0") == {"two_structures": 1, "cystic_plate": 0}
    True
    """
    scores: dict[str, int] = {}
    for part in text.lower().split(","):
        for name, (pattern, criterion) in _CVS_SCORES.items():
            if name in part:
                found = pattern.search(part)
                if found:
                    scores[criterion] = _integer(found[1])
                break
    return {criterion: scores[criterion] for criterion in CRITERIA if criterion in scores}


def _box_items(text: str) -> Iterator[tuple[str, str]]:
    """Time and bracket of each item; a bracket that never closes ends the reading."""
    head = _BOX_HEAD.search(text)
    while head:
        close = text.find("]", head.end())
        if close < 0:
            return
        if close > head.end():
            yield head[1], text[head.end() : close]
        head = _BOX_HEAD.search(text, close)


def _box(body: str) -> Box | None:
    parts = body.split(",")
    if len(parts) != 4:
        return None
    try:
        x1, y1, x2, y2 = (float(part.strip().lstrip("[").rstrip("]")) for part in parts)
    except ValueError:
        return None
    box = (x1, y1, x2, y2)
    return box if all(map(math.isfinite, box)) else None


def _bare_boxes(text: str) -> Iterator[Box]:
    for found in _BARE_BOX.finditer(text):
        parts = [part.strip() for part in found[1].split(",")]
        if len(parts) == 4 and all(part and part.isdigit() for part in parts):
            x1, y1, x2, y2 = (float(part) for part in parts)
            if all(map(math.isfinite, (x1, y1, x2, y2))):
                yield (x1, y1, x2, y2)


def _loose_events(text: str) -> list[ReadEvent]:
    """Events of a text in no grammar: times, then a dash or `**Description:**`, line by line."""
    events: list[ReadEvent] = []
    for line in text.strip().split("\n"):
        head = _LOOSE_EVENT.search(line)
        broken = _LOOSE_BREAK.search(line, head.end()) if head else None
        if head and broken and broken.end() < len(line):
            caption = line[broken.end() :].strip().rstrip(".")
            events.append(ReadEvent(float(head[1]), float(head[2]), caption))
    return events


def _in_reach(events: Sequence[ReadEvent]) -> list[ReadEvent]:
    return [event for event in events if max(event.start, event.end) < _LATEST]


def _integer(digits: str) -> int:
    """A whole number; one too long to be a score is -1, which no truth holds."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else -1
