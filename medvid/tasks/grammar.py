"""What all answer grammars share: times, coordinates, single lines, and errors with a place."""

import math
import re
from typing import NoReturn

from schemas.errors import SampleError
from schemas.timeline import IntArray, TimeBase

_TIME = re.compile(r"(?:0|[1-9][0-9]{0,6})\.[0-9]")
_COORDINATE = re.compile(r"(?:0|[1-9][0-9]{0,6})(?:\.[0-9]{1,2})?")
_LIMIT = 1e7
_SHOWN = 24
_BREAKS = re.compile("[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
_ACTION = "Write the answer in the task's grammar; the module of the task states it."


def deciseconds(ticks: IntArray, time_base: TimeBase) -> IntArray:
    """Ticks as whole tenths of a second, the resolution of every answer; halves go up."""
    return (20 * ticks * time_base.rate_den + time_base.rate_num) // (2 * time_base.rate_num)


def time_text(seconds: float) -> str:
    """Write a time with one decimal.

    Raises:
        SampleError: The time is negative, not finite or beyond what the grammar holds.
    """
    if not 0 <= seconds < _LIMIT - 1:
        raise SampleError(f"time {seconds!r} is outside 0 to {_LIMIT:.0f} seconds.")
    return f"{abs(seconds):.1f}"


def tenths_text(tenths: int, *, whole: bool = False) -> str:
    """Write tenths of a second as a question prints them, without decimal where asked and exact.

    >>> tenths_text(350), tenths_text(350, whole=True), tenths_text(355, whole=True)
    ('35.0', '35', '35.5')
    """
    if whole and tenths % 10 == 0:
        return str(tenths // 10)
    return f"{tenths // 10}.{tenths % 10}"


def coordinate_text(pixels: float) -> str:
    """Write a coordinate as the benchmark does: a float of at most two decimals.

    >>> coordinate_text(261.2), coordinate_text(1005.6249), coordinate_text(592)
    ('261.2', '1005.62', '592.0')

    Raises:
        SampleError: The coordinate is negative, not finite or beyond what the grammar holds.
    """
    if not 0 <= pixels < _LIMIT - 1:
        raise SampleError(f"coordinate {pixels!r} is outside 0 to {_LIMIT:.0f} pixels.")
    return repr(abs(round(float(pixels), 2)))


def require_span(start: float, end: float) -> None:
    """Refuse a span that runs backwards.

    Raises:
        SampleError: The span ends before it starts.
    """
    if math.isnan(start) or math.isnan(end) or end < start:
        raise SampleError(f"span {start!r} to {end!r} runs backwards.")


def one_line(text: str) -> str:
    """Join words with single spaces, so that the text fits on one line of an answer."""
    return " ".join(text.split())


def require_line(text: str) -> str:
    """Return a text that is one whole line, as it stands.

    Raises:
        SampleError: The text is empty, has a line break or blanks at an end.
    """
    broken = _BREAKS.search(text)
    if broken:
        fail(text, broken.start(), "text on a single line")
    if not text or text[0].isspace():
        fail(text, 0, "text")
    if text[-1].isspace():
        fail(text, len(text.rstrip()), "the end of the text")
    return text


def fail(text: str, position: int, expected: str) -> NoReturn:
    """Raise the error of an answer that stops making sense at a character.

    Raises:
        SampleError: Always; `field` names the character, counted from 0.
    """
    found = text[position : position + _SHOWN]
    seen = f"found {found!r}" if found else "the text ends"
    raise SampleError(
        f"expected {expected}, {seen}.", field=f"answer character {position}", action=_ACTION
    )


class Cursor:
    """Reads an answer from left to right and says where it went wrong."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    @property
    def at_end(self) -> bool:
        """Whether the whole text is read."""
        return self.position == len(self.text)

    def take(self, literal: str) -> None:
        """Read an exact string.

        Raises:
            SampleError: Something else stands there.
        """
        if not self.text.startswith(literal, self.position):
            fail(self.text, self.position, repr(literal))
        self.position += len(literal)

    def skips(self, literal: str) -> bool:
        """Read an exact string if it stands there, and say whether it did."""
        if not self.text.startswith(literal, self.position):
            return False
        self.position += len(literal)
        return True

    def time(self) -> float:
        """Read a time with one decimal, in seconds.

        Raises:
            SampleError: Something else stands there.
        """
        return self._number(_TIME, "a time with one decimal")

    def span(self) -> tuple[float, float]:
        """Read `S-E`, in seconds.

        Raises:
            SampleError: Something else stands there, or the span runs backwards.
        """
        began = self.position
        start = self.time()
        self.take("-")
        end = self.time()
        if end < start:
            fail(self.text, began, "a span that does not run backwards")
        return start, end

    def coordinate(self) -> float:
        """Read a coordinate of at most two decimals, in pixels.

        Raises:
            SampleError: Something else stands there.
        """
        return self._number(_COORDINATE, "a coordinate of at most two decimals")

    def line(self) -> str:
        r"""Read the rest of the line, without its line break.

        Raises:
            SampleError: The line is empty, or has blanks at an end or a break other than `\n`.
        """
        after = self.text.find("\n", self.position)
        after = len(self.text) if after < 0 else after
        rest = self.text[self.position : after]
        broken = _BREAKS.search(rest)
        if broken:
            fail(self.text, self.position + broken.start(), "text without other line breaks")
        if not rest or rest[0].isspace():
            fail(self.text, self.position, "text")
        if rest[-1].isspace():
            fail(self.text, self.position + len(rest.rstrip()), "the end of the line")
        self.position = after
        return rest

    def _number(self, pattern: re.Pattern[str], expected: str) -> float:
        match = pattern.match(self.text, self.position)
        if match is None:
            fail(self.text, self.position, expected)
        self.position = match.end()
        return float(match.group())
