"""Read official files of any size: a JSON array or JSON lines, one row in memory at a time.

The scanner cuts the text into rows by counting brackets outside strings, so that a file of
gigabytes costs no more memory than its largest row, and one bad row does not hide the rest.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, NoReturn

import orjson

from medvid.tasks.official.rows import OfficialRow, parse_row
from schemas.errors import MalformedSourceError, MissingSourceError

MAX_ROW_BYTES: Final = 1 << 24
"""An official row has about 10 kB; one of 180 frames with long paths and texts under 100 kB."""

_CHUNK: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"
_NOT_BLANK: Final = re.compile(rb"[^ \t\r\n]")
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]|"', re.DOTALL)
_FETCH: Final = "Fetch the file again: a whole one is a JSON array of rows, or one row a line."


class RawRow(NamedTuple):
    """Text of one row.

    Attributes:
        position: Position in the file, from 0.
        line: Line it starts at, from 1.
        text: Its JSON, not yet read.
    """

    position: int
    line: int
    text: bytes


def read_official_rows(
    path: Path, *, faults: list[MalformedSourceError] | None = None
) -> Iterator[OfficialRow]:
    """Yield the rows of an official file in order.

    Args:
        path: A JSON array of rows, or JSON lines.
        faults: Where faults of single rows are collected; the row is left out and its index
            stays free. Without it the first fault is raised.

    Raises:
        MissingSourceError: There is no such file.
        MalformedSourceError: The file is no array of rows and no JSON lines, ends within a row, or
            a row is faulty and `faults` is None; the error names file, line, row and field.
    """
    try:
        handle = path.open("rb")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingSourceError(
            "there is no such file.", source=path.name, action="Give the path of a json file."
        ) from error
    with handle:
        for raw in scan_rows(handle, path.name):
            try:
                yield _parse(raw, path.name)
            except MalformedSourceError as fault:
                if faults is None:
                    raise
                faults.append(fault)


def _parse(raw: RawRow, name: str) -> OfficialRow:
    try:
        row = orjson.loads(raw.text)
    except orjson.JSONDecodeError as error:
        raise MalformedSourceError(
            f"not JSON: {error.msg}.", source=name, line=raw.line, field=f"row {raw.position}",
            action="Correct the row, or leave it out.",
        ) from error  # fmt: skip
    return parse_row(row, raw.position, source=name, line=raw.line)


def scan_rows(handle: BinaryIO, name: str) -> Iterator[RawRow]:
    """Cut a file into the texts of its rows.

    Raises:
        MalformedSourceError: What stands between rows is not what the format has there, the file
            ends early, or a row is larger than `MAX_ROW_BYTES`.
    """
    return _Scanner(handle, name).rows()


class _Scanner:
    """Moves over a file with a window that holds at most one row and a chunk."""

    def __init__(self, handle: BinaryIO, name: str) -> None:
        self._handle, self._name = handle, name
        self._buffer = b""
        self._at = 0
        self._line = 1
        self._index = 0

    def rows(self) -> Iterator[RawRow]:
        while len(self._buffer) < len(_BOM) and self._more():
            pass
        if self._buffer.startswith(_BOM):
            self._at = len(_BOM)
        opening = self._next()
        if opening == b"[":
            self._at += 1
            yield from self._array()
        elif opening == b"{":
            while self._next():
                yield self._row()
        else:
            self._fail("the file begins with neither a list nor an object.")

    def _array(self) -> Iterator[RawRow]:
        if self._next() != b"]":
            yield self._row()
            while self._next() == b",":
                self._at += 1
                self._next()
                yield self._row()
        if self._next() != b"]":
            self._fail("a comma or the end of the list is missing after the last row read.")
        self._at += 1
        if self._next():
            self._fail("text follows the end of the list.")

    def _row(self) -> RawRow:
        if self._buffer[self._at : self._at + 1] != b"{":
            self._fail("a row is not an object, or the file ends early.")
        end = self._end_of_line() or self._end_of_row()
        text = self._buffer[self._at : end]
        raw = RawRow(self._index, self._line, text)
        self._line += text.count(b"\n")
        self._at = end
        self._index += 1
        return raw

    def _end_of_line(self) -> int:
        """Where the row ends if it is one line, as most writers have it; 0 if it is not."""
        after = self._buffer.find(b"\n", self._at)
        if after < 0:
            return 0
        text = self._buffer[self._at : after].rstrip(b" \t\r,")
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            return 0
        return self._at + len(text)

    def _end_of_row(self) -> int:
        depth, at = 0, self._at
        while True:
            for token in _TOKEN.finditer(self._buffer, at):
                at = token.end()
                found = token.group()
                if found in (b"{", b"["):
                    depth += 1
                elif found in (b"}", b"]"):
                    depth -= 1
                    if not depth:
                        return at
                elif len(found) == 1:  # a string that goes on behind the window
                    at = token.start()
                    break
            else:
                at = len(self._buffer)
            at -= self._at
            if len(self._buffer) - self._at > MAX_ROW_BYTES:
                self._fail(f"the row has more than {MAX_ROW_BYTES} bytes.")
            if not self._more():
                self._fail("the file ends within a row.")
            at += self._at

    def _next(self) -> bytes:
        """Skip blanks and return the byte that follows, empty at the end of the file."""
        while True:
            found = _NOT_BLANK.search(self._buffer, self._at)
            after = found.start() if found else len(self._buffer)
            self._line += self._buffer.count(b"\n", self._at, after)
            self._at = after
            if found:
                return found.group()
            if not self._more():
                return b""

    def _more(self) -> bool:
        chunk = self._handle.read(_CHUNK)
        self._buffer = self._buffer[self._at :] + chunk
        self._at = 0
        return bool(chunk)

    def _fail(self, problem: str) -> NoReturn:
        raise MalformedSourceError(
            problem, source=self._name, line=self._line, field=f"row {self._index}", action=_FETCH
        )
