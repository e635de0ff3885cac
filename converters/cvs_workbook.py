"""Read the Cholec80-CVS workbook: a small xlsx whose container and cells are not trusted."""

import io
import json
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

from converters.native_json import shown
from schemas.errors import MalformedSourceError, bounded

DATASET: Final = "cholec80cvs"
SHEET: Final = "Sheet1"
COLUMNS: Final = (
    "video", "critical_view", "initial_minute", "initial_second", "final_minute", "final_second",
    "two_structures", "cystic_plate", "hepatocystic_triangle", "Total",
)  # fmt: skip
"""The header, as published; order and case do not matter, further columns are passed over."""

MAX_FILE_BYTES: Final = 4 << 20
MAX_UNPACKED_BYTES: Final = 32 << 20
MAX_PARTS: Final = 256
MAX_ROWS: Final = 2_000
"""The published workbook has 24,816 bytes and 572 rows."""

_MAX_LINE, _MAX_COLUMNS = 1 << 20, 64
_UNREADABLE = (
    KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, SyntaxError,
    NotImplementedError, RuntimeError, OSError, EOFError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What openpyxl and zipfile raise on damaged or hostile bytes; an XML fault is a SyntaxError."""

_ACTION = "Fetch the workbook again, or save it anew as xlsx with the published sheet and columns."

Cell = str | int | float | bool | None


class NativeRow(NamedTuple):
    """One row of the sheet, not yet checked.

    Attributes:
        line: Row number in the sheet, from 1; the header is row 1.
        cells: Values by column name, as found; dates and other things as text.
    """

    line: int
    cells: dict[str, Cell]


def read_rows(handle: BinaryIO, *, source: str) -> Iterator[NativeRow]:
    """Read the rows below the header; rows without a single value are no records.

    Args:
        handle: Open binary handle of the workbook.
        source: The workbook, relative to the source root, for the error.

    Yields:
        Rows in sheet order.

    Raises:
        MalformedSourceError: The bytes are no sound xlsx or unpack to more than 32 MiB, the sheet
            or a column is not there, or there are more than 2,000 rows.
    """
    lines = _sheet_lines(_checked_bytes(handle, source), source)
    if not lines:
        raise _malformed("the sheet is empty.", source, field=SHEET)
    columns = _read_header(lines[0][1], lines[0][0], source)
    for line, values in lines[1:]:
        yield NativeRow(line, {name: _plain(values[place]) for place, name in columns.items()})


def dump_rows(rows: Sequence[NativeRow]) -> str:
    """Write rows as JSON text, the same for the same cells."""
    return json.dumps([[row.line, row.cells] for row in rows], sort_keys=True)


def load_rows(text: str) -> list[NativeRow]:
    """Read what `dump_rows` wrote."""
    return [NativeRow(line, cells) for line, cells in json.loads(text)]


def _malformed(
    problem: str, source: str, *, line: int | None = None, field: str | None = None
) -> MalformedSourceError:
    return MalformedSourceError(
        problem, dataset=DATASET, source=source, line=line, field=field, action=_ACTION
    )


def _checked_bytes(handle: BinaryIO, source: str) -> bytes:
    """The file's bytes, once its parts are known to be sound, small and free of entities."""
    content = handle.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise _malformed(f"the file has more than {MAX_FILE_BYTES} bytes.", source)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            problem = _container_problem(archive)
    except _UNREADABLE as error:
        raise _malformed(f"the file is no sound xlsx: {error!s:.120}.", source) from error
    if problem is not None:
        raise _malformed(problem, source)
    return content


def _container_problem(archive: zipfile.ZipFile) -> str | None:
    parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if len(parts) > MAX_PARTS or size > MAX_UNPACKED_BYTES:
        return f"the file unpacks to {len(parts)} parts of {size} bytes in all."
    # Reads piece by piece, so that a part which lies about its size is found before it unpacks.
    damaged = archive.testzip()
    if damaged is not None:
        return f"the part {shown(damaged)} is damaged."
    for part in parts:
        if b"<!DOCTYPE" in archive.read(part):
            return f"the part {shown(part.filename)} declares a document type."
    return None


def _sheet_lines(content: bytes, source: str) -> list[tuple[int, tuple[Any, ...]]]:
    """Row number and cell values of every row that holds a value, the header first."""
    # Takes a fifth of a second to import, which other sources' builds need not.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            names = [sheet.title for sheet in book.worksheets]
            lines = _filled_lines(book[SHEET]) if SHEET in names else None
    except (*_UNREADABLE, InvalidFileException) as error:
        raise _malformed(f"the sheet cannot be read: {error!s:.120}.", source) from error
    if lines is None:
        found = bounded([shown(name) for name in names])
        raise _malformed(f"there is no sheet {SHEET!r}, only {found}.", source, field=SHEET)
    if len(lines) > MAX_ROWS + 1:
        raise _malformed(f"the sheet has more than {MAX_ROWS} rows.", source, field=SHEET)
    return lines


def _filled_lines(sheet: Any) -> list[tuple[int, tuple[Any, ...]]]:  # noqa: ANN401 - openpyxl
    # The size a sheet states may be wrong, and would cut rows off without a word.
    sheet.reset_dimensions()
    lines: list[tuple[int, tuple[Any, ...]]] = []
    rows = sheet.iter_rows(max_col=_MAX_COLUMNS, values_only=True)
    for line, values in enumerate(rows, start=1):
        if any(value is not None and value != "" for value in values):
            lines.append((line, values))
        if len(lines) > MAX_ROWS + 1:
            break
        if line > _MAX_LINE:
            raise ValueError("it has a row past the last legal one")
    return lines


def _read_header(values: Sequence[object], line: int, source: str) -> dict[int, str]:
    """Published column names by place."""
    names = {name.lower(): name for name in COLUMNS}
    found: dict[int, str] = {}
    for place, value in enumerate(values):
        name = names.get(value.strip().lower()) if isinstance(value, str) else None
        if name in found.values():
            raise _malformed("the header names a column twice.", source, line=line, field=name)
        if name is not None:
            found[place] = name
    missing = [name for name in COLUMNS if name not in found.values()]
    if missing:
        raise _malformed("the header lacks columns.", source, line=line, field=bounded(missing))
    return found


def _plain(value: object) -> Cell:
    if value is None or isinstance(value, str | int | float):
        return value
    return f"{type(value).__name__} {value}"
