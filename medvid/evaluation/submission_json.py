"""Reads JSON that strangers wrote: bounded in size and depth, every record with its line.

The official scorer reads a submission with a plain JSON parser, which takes `NaN`, lets the last of
two equal keys win and accepts halves of surrogate pairs. None of this passes here, and a person is
told the line.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from schemas.errors import SubmissionError

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A text, also one that never ends: a pattern that could fail would try each quote anew."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_BOM: Final = b"\xef\xbb\xbf"
_MOST_DIGITS: Final = 40
_SHOWN: Final = 40
_FORM: Final = "Write a flat list of {id, qa_type, prediction}."

Form = Literal["list", "dict", "lines"]


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """How much of a stranger's file is taken.

    Attributes:
        max_bytes: Size of the file.
        max_depth: Nested lists and objects.
        max_records: Records of the list.
        max_answer_chars: Characters of one answer; the longest reference has about 8,000.
    """

    max_bytes: int = 256 << 20
    max_depth: int = 32
    max_records: int = 1_000_000
    max_answer_chars: int = 100_000


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """One value of a file's outer list, of its outer object, or on a line of its own.

    Attributes:
        position: Place in the file, from 0.
        line: Line it begins on, from 1.
        key: Its key in an outer object, None elsewhere.
        value: What was read.
        faults: What a plain parser would have let pass, in words.
    """

    position: int
    line: int
    key: str | None
    value: Any
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JsonRecords:
    """All records of a file.

    Attributes:
        name: File name, for messages.
        form: How the file holds them.
        records: In the order of the file.
    """

    name: str
    form: Form
    records: tuple[JsonRecord, ...]


def load_bytes(path: Path, limits: JsonLimits) -> bytes:
    """Read a file whole, unless it is larger than allowed.

    Raises:
        SubmissionError: It cannot be read, or is too large.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(limits.max_bytes + 1)
    except OSError as error:
        raise SubmissionError(
            f"the file cannot be read: {error.strerror}.", source=path.name,
            action="Check the path and its permissions.",
        ) from error  # fmt: skip
    return content


def parse_records(content: bytes, name: str, limits: JsonLimits | None = None) -> JsonRecords:
    """Take a JSON list, an object of records, or JSON lines apart into located records.

    Args:
        content: The file.
        name: Its name, for messages.
        limits: How much is taken.

    Raises:
        SubmissionError: The file is too large, nested too deeply, not UTF-8 or not JSON; the first
            such place is named.
    """
    limits = limits or JsonLimits()
    text = _checked_text(content, name, limits)
    reader = _Reader(text, name, limits)
    start = _skip_blanks(text, 0)
    if start == len(text):
        raise SubmissionError("the file is empty.", source=name, action=_FORM)
    if text[start] == "[":
        return JsonRecords(name, "list", tuple(reader.items(start + 1)))
    if text[start] != "{":
        raise SubmissionError(
            f"expected a list of records, found {text[start : start + _SHOWN]!r}.",
            source=name, line=reader.line_at(start), action=_FORM,
        )  # fmt: skip
    records = tuple(reader.documents(start))
    if len(records) > 1 or _is_row(records[0].value):
        return JsonRecords(name, "lines", records)
    return JsonRecords(name, "dict", tuple(_entries(records[0])))


def _is_row(value: object) -> bool:
    return isinstance(value, dict) and "prediction" in value


def _entries(whole: JsonRecord) -> Iterator[JsonRecord]:
    """Values of the outer object; lines inside one value are not known, the faults are shared."""
    for position, (key, value) in enumerate(whole.value.items()):
        yield JsonRecord(position, whole.line, key, value, whole.faults if position == 0 else ())


def _checked_text(content: bytes, name: str, limits: JsonLimits) -> str:
    if len(content) > limits.max_bytes:
        raise SubmissionError(
            f"the file has more than {limits.max_bytes:,} bytes.", source=name,
            action="A submission is text alone: leave out frames, questions and references.",
        )  # fmt: skip
    if content.startswith(_BOM):
        raise SubmissionError(
            "the file begins with a byte order mark, which JSON parsers refuse.",
            source=name, line=1, action="Save it as UTF-8 without a byte order mark.",
        )  # fmt: skip
    depth = _depth(content)
    if depth > limits.max_depth:
        raise SubmissionError(
            f"lists and objects are nested {depth:,} deep, at most {limits.max_depth} are read.",
            source=name, action=_FORM,
        )  # fmt: skip
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SubmissionError(
            f"byte {error.start:,} is not UTF-8.", source=name,
            line=content.count(b"\n", 0, error.start) + 1, action="Save the file as UTF-8.",
        ) from error  # fmt: skip


def _depth(content: bytes) -> int:
    """Deepest nesting, found without parsing so that no parser's stack is at stake."""
    bare = np.frombuffer(_STRING.sub(b"", content), dtype=np.uint8)
    step = np.zeros(len(bare), dtype=np.int8)
    step[(bare == ord("[")) | (bare == ord("{"))] = 1
    step[(bare == ord("]")) | (bare == ord("}"))] = -1
    return int(np.cumsum(step, dtype=np.int32).max(initial=0))


def _skip_blanks(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


@dataclass(slots=True)
class _Reader:
    """Reads one value after the other and keeps count of lines."""

    text: str
    name: str
    limits: JsonLimits
    _faults: list[str] = field(default_factory=list)
    _decoder: json.JSONDecoder = field(init=False)
    _known: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant, parse_int=self._integer,
            parse_float=self._number,
        )  # fmt: skip

    def items(self, at: int) -> Iterator[JsonRecord]:
        """Records of a list whose bracket is read, up to the end of the file."""
        position = 0
        at = _skip_blanks(self.text, at)
        if self.text[at : at + 1] == "]":
            self._require_end(at + 1)
            return
        while True:
            record, at = self._value(at, position)
            yield record
            position += 1
            at = _skip_blanks(self.text, at)
            mark = self.text[at : at + 1]
            if mark == "]":
                self._require_end(at + 1)
                return
            if mark != ",":
                raise self._broken(at, "expected a comma or the end of the list", position)
            at = _skip_blanks(self.text, at + 1)

    def documents(self, at: int) -> Iterator[JsonRecord]:
        """Values that follow each other, as in JSON lines."""
        position = 0
        while at < len(self.text):
            record, at = self._value(at, position)
            yield record
            position += 1
            at = _skip_blanks(self.text, at)

    def line_at(self, at: int) -> int:
        """Line of a character; cheap when asked from front to back."""
        known, line = self._known if self._known[0] <= at else (0, 1)
        line += self.text.count("\n", known, at)
        self._known = (at, line)
        return line

    def _value(self, at: int, position: int) -> tuple[JsonRecord, int]:
        if position >= self.limits.max_records:
            raise SubmissionError(
                f"there are more than {self.limits.max_records:,} records.", source=self.name
            )
        self._faults.clear()
        try:
            value, end = self._decoder.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            raise self._broken(error.pos, error.msg, position) from error
        except RecursionError as error:
            raise self._broken(at, "nested too deeply", position) from error
        if _SURROGATE.search(self.text, at, end) or "\\u" in self.text[at:end]:
            _find_halves(value, self._faults)
        return JsonRecord(position, self.line_at(at), None, value, tuple(self._faults)), end

    def _require_end(self, at: int) -> None:
        at = _skip_blanks(self.text, at)
        if at != len(self.text):
            raise self._broken(at, "expected the end of the file after the list", None)

    def _broken(self, at: int, problem: str, position: int | None) -> SubmissionError:
        found = self.text[at : at + _SHOWN]
        seen = f"found {found!r}" if found else "the file ends"
        return SubmissionError(
            f"not JSON: {problem}, {seen}.", source=self.name, line=self.line_at(at),
            field=None if position is None else f"record {position}",
            action="Write the file with a JSON library, and send it whole.",
        )  # fmt: skip

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twin = Counter(key for key, _ in pairs).most_common(1)[0][0]
            self._faults.append(f"the key {twin[:_SHOWN]!r} occurs more than once")
        return found

    def _constant(self, literal: str) -> None:
        self._faults.append(f"{literal} is no JSON number")

    def _integer(self, digits: str) -> int | float:
        if len(digits) > _MOST_DIGITS:
            self._faults.append(f"a number of {len(digits):,} digits")
            return 0
        return int(digits)

    def _number(self, digits: str) -> float:
        value = float(digits)
        if not np.isfinite(value):
            self._faults.append(f"{digits[:_SHOWN]} is beyond every number")
            return 0.0
        return value


def _find_halves(value: object, faults: list[str]) -> None:
    """Note strings that hold half a surrogate pair: they cannot be written as UTF-8."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str) and _SURROGATE.search(item):
            faults.append("a text holds half a surrogate pair")
            return
        if isinstance(item, dict):
            stack.extend([*item, *item.values()])
        elif isinstance(item, list):
            stack.extend(item)
