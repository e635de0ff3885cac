"""Arrow schemas of a release's tables, and the one way to write and read them."""

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.errors import ShardError, bounded
from schemas.scalars import SCHEMA_VERSION

ROW_GROUP_ROWS: Final = 1 << 16
ZSTD_LEVEL: Final = 3

_VERSION_KEY: Final = b"schema_version"
_TABLE_KEY: Final = b"table"
_SORT_KEY: Final = b"sort_by"
_UNIQUE_KEY: Final = b"unique"
_PATH: Final = pa.dictionary(pa.int32(), pa.string())
_STALE: Final = "Build the release again with this version, or read it with the version it names."


def _field(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


def _schema(
    table: str, fields: Sequence[pa.Field], *, sort_by: Sequence[str], unique: Sequence[str] = ()
) -> pa.Schema:
    return pa.schema(
        fields,
        metadata={
            _TABLE_KEY: table.encode(),
            _VERSION_KEY: str(SCHEMA_VERSION).encode(),
            _SORT_KEY: ",".join(sort_by).encode(),
            _UNIQUE_KEY: ",".join(unique).encode(),
        },
    )


SAMPLES: Final = _schema(
    "samples",
    [
        *(
            _field(name, pa.string())
            for name in (
                "sample_id", "source", "dataset_name", "video_id", "identity", "clip_id", "task",
                "qa_type", "label", "split",
            )
        ),
        _field("in_standard", pa.bool_()),
        _field("n_frames", pa.int32()),
        *(
            _field(name, pa.int64())
            for name in (
                "rate_num", "rate_den", "clip_start", "clip_end", "tick_rate_num", "tick_rate_den",
            )
        ),
        _field("shard", _PATH),
        _field("offset", pa.int64()),
        _field("size", pa.int64()),
        _field("standard_shard", _PATH, nullable=True),
        _field("standard_offset", pa.int64(), nullable=True),
        _field("standard_size", pa.int64(), nullable=True),
        _field("licence", pa.string()),
        _field("answer_chars", pa.int32()),
    ],
    sort_by=("shard", "offset"),
    unique=("sample_id",),
)  # fmt: skip
"""One row a sample, in shard order; `offset` and `size` are of the payload of its json part.

Shard paths are relative to the release. The three `standard_` columns are null for a sample that
is in `large` alone.
"""

FRAMES: Final = _schema(
    "frames",
    [
        _field("source", pa.string()),
        _field("video_id", pa.string()),
        _field("index", pa.int64()),
        _field("tick", pa.int64()),
        _field("shard", _PATH),
        _field("offset", pa.int64()),
        _field("size", pa.int64()),
        _field("width", pa.int32()),
        _field("height", pa.int32()),
        _field("key", pa.string()),
    ],
    sort_by=("source", "video_id", "index"),
    unique=("source", "video_id", "index"),
)
"""One row a stored frame; `width` and `height` are those of the JPEG, not of the original."""

QUARANTINE: Final = _schema(
    "quarantine",
    [
        *(
            _field(name, pa.string())
            for name in (
                "source", "video_id", "stage", "kind", "reason", "detail", "action", "file",
            )
        ),
        _field("line", pa.int64(), nullable=True),
        _field("field", pa.string()),
        _field("retryable", pa.bool_()),
    ],
    sort_by=(
        "source", "video_id", "stage", "kind", "reason", "file", "line", "field", "detail",
        "action", "retryable",
    ),
)  # fmt: skip
"""One row a `schemas.quarantine.QuarantineRow`; the version stands on the table."""

VIDEOS: Final = _schema(
    "videos",
    [
        *(
            _field(name, pa.string())
            for name in ("source", "video_id", "identity", "split", "licence")
        ),
        _field("width", pa.int32()),
        _field("height", pa.int32()),
        _field("native_split", pa.string()),
        _field("n_clips", pa.int32()),
        _field("n_samples", pa.int32()),
        _field("links", pa.string()),
    ],
    sort_by=("source", "video_id"),
    unique=("source", "video_id"),
)
"""One row a video; `native_split` and `links` are JSON objects of strings."""


LEFT_OUT: Final = _schema(
    "left_out",
    [
        _field(name, pa.string())
        for name in (
            "sample_id", "source", "video_id", "identity", "clip_id", "task", "qa_type", "label",
            "split", "reason",
        )
    ],
    sort_by=("source", "video_id", "sample_id"),
    unique=("sample_id",),
)  # fmt: skip
"""One row a pair that was built and is in no split of the release, with the reason: `held_out`, an
unused pair of a test identity, or `over_quota`."""

SUBSETS: Final = _schema(
    "subsets",
    [_field("subset", pa.string()), _field("sample_id", pa.string()), _field("rank", pa.int64())],
    sort_by=("subset", "rank"),
    unique=("subset", "sample_id"),
)
"""One row a pair of a named subset of train; `rank` counts from 0 in the order in which every
beginning of the subset is balanced."""


def table_of(rows: Iterable[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Build a table from rows; keys that are no column are left out, absent ones become null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def table_bytes(table: pa.Table, schema: pa.Schema) -> bytes:
    """Encode a table as Parquet: the same rows in any order give the same bytes.

    Rows are sorted by the columns the schema names, held in one chunk, and written in row groups
    of `ROW_GROUP_ROWS` with zstd.

    Args:
        table: Any Arrow table with the schema's columns, in any order, chunking and string type.
        schema: One of this module's schemas.

    Raises:
        ShardError: A column is absent, has another type or holds a null it must not hold, or two
            rows share a key.
    """
    sink = io.BytesIO()
    pq.write_table(
        _conform(table, schema),
        sink,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        row_group_size=ROW_GROUP_ROWS,
        version="2.6",
        data_page_version="1.0",
        write_statistics=True,
        store_schema=True,
    )
    return sink.getvalue()


def write_table(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write a table as `table_bytes` encodes it; the file appears whole or not at all.

    Raises:
        ShardError: The table breaks its schema, or the file cannot be written.
    """
    encoded = table_bytes(table, schema)
    aside = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        with aside.open("wb") as handle:
            handle.write(encoded)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except OSError as error:
        raise ShardError(
            f"{len(encoded)} bytes of table cannot be written: {error.strerror}.",
            source=path.name,
            action="Free space or check the folder's permissions, and run the build again.",
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table that `write_table` wrote.

    Args:
        path: The Parquet file.
        schema: The schema it must have.
        columns: Columns to read, in this order; all of them by default.

    Raises:
        ShardError: The file is absent or damaged, another table, of another schema version, or a
            column has another type.
    """
    try:
        with pq.ParquetFile(path) as handle:
            _check_header(handle.schema_arrow, schema, path.name)
            table = handle.read(columns=list(columns) if columns is not None else None)
    except (OSError, pa.ArrowException) as error:
        raise ShardError(f"the table cannot be read: {error}.", source=path.name) from error
    return table.select(list(columns) if columns is not None else schema.names)


def _check_header(found: pa.Schema, expected: pa.Schema, name: str) -> None:
    metadata = found.metadata or {}
    version = metadata.get(_VERSION_KEY, b"none").decode(errors="replace")
    wanted = expected.metadata[_VERSION_KEY].decode()
    if version != wanted:
        raise ShardError(
            f"the table has schema_version {version}, this code reads {wanted}.",
            source=name, field="schema_version", action=_STALE,
        )  # fmt: skip
    table, wanted = metadata.get(_TABLE_KEY, b"none"), expected.metadata[_TABLE_KEY]
    if table != wanted:
        raise ShardError(f"this is the table {table!r}, not {wanted!r}.", source=name)
    strangers = [field.name for field in expected if field not in found]
    if strangers:
        raise ShardError(
            "columns are absent or of another type.", source=name, field=bounded(strangers)
        )


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    name = schema.metadata[_TABLE_KEY].decode()
    missing = [column for column in schema.names if column not in table.column_names]
    if missing:
        raise ShardError("columns are absent.", source=name, field=bounded(missing))
    plain = pa.table({field.name: _plain(table.column(field.name), field) for field in schema})
    _refuse_nulls(plain, schema, name)
    _refuse_twins(plain, schema, name)
    ordered = _sorted(plain, schema.metadata[_SORT_KEY].decode().split(",")).combine_chunks()
    return pa.Table.from_arrays(
        [_encoded(ordered.column(field.name), field) for field in schema], schema=schema
    )


def _sorted(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Rows in ascending order of columns; a table that is in it already is not copied."""
    order = pc.sort_indices(table, sort_keys=[(column, "ascending") for column in columns])
    numbers = order.to_numpy()
    return table if (numbers[1:] > numbers[:-1]).all() else table.take(order)


def _plain(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """Undo dictionaries and cast, so that rows of any origin sort and compare alike."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    try:
        if pa.types.is_dictionary(column.type):
            chunks = [chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks]
            return pa.chunked_array(chunks, kind)
        return column.cast(kind)
    except pa.ArrowException as error:
        raise ShardError(
            f"a {column.type} column does not become {kind}: {error}.", field=field.name
        ) from error


def _encoded(column: pa.ChunkedArray, field: pa.Field) -> pa.Array:
    array = pa.concat_arrays([*column.chunks, pa.nulls(0, column.type)])
    return array.dictionary_encode() if pa.types.is_dictionary(field.type) else array


def _refuse_nulls(table: pa.Table, schema: pa.Schema, name: str) -> None:
    holes = [f.name for f in schema if not f.nullable and table.column(f.name).null_count]
    if holes:
        raise ShardError("columns hold nulls they must not.", source=name, field=bounded(holes))


def _refuse_twins(table: pa.Table, schema: pa.Schema, name: str) -> None:
    unique = [column for column in schema.metadata[_UNIQUE_KEY].decode().split(",") if column]
    if not unique:
        return
    counted = table.group_by(unique).aggregate([([], "count_all")])
    if counted.num_rows == table.num_rows:
        return
    twins: list[dict[str, Any]] = counted.filter(pc.field("count_all") > 1).to_pylist()
    examples = sorted(str([twin[column] for column in unique]) for twin in twins)
    raise ShardError(
        f"{len(twins)} keys occur more than once: {bounded(examples)}.",
        source=name, field=", ".join(unique),
    )  # fmt: skip
