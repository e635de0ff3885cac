"""All candidate samples without their bytes: one table a source, kept from build to build.

A video's samples are read once; a build after a correction reads those of the corrected video and
cuts the rest from the table of the build before. Beside them stands each sample's turn, the hash
that selection orders by, which takes longer to make than to read.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Final

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.ipc

from flows.pair_files import PAYLOAD, SAMPLE_SCHEMA, SAMPLES_FILE, read_columns
from medvid.releases.keys import code_key
from medvid.releases.workspace import Workspace
from medvid.shards.aside import AsideFile
from medvid.splits import TURN, hash_turns

_COLUMNS: Final = tuple(name for name in SAMPLE_SCHEMA.names if name != PAYLOAD)
_SCHEMA: Final = pa.schema([
    *(SAMPLE_SCHEMA.field(name) for name in _COLUMNS), (TURN, pa.uint64()),
])  # fmt: skip
_PARTS: Final = b"parts"
_TURNS: Final = b"turns"

Parts = list[tuple[str, int]]
"""Content key and number of samples of each video of a table, in its order."""


def load_pool(keys: Mapping[str, Sequence[str]], workspace: Workspace, seed: int) -> pl.DataFrame:
    """Read the candidate samples of every source, source by source and video by video.

    Args:
        keys: Content keys of its videos' `pairs` units, by source.
        workspace: Where they lie.
        seed: Seed of the turns.
    """
    tables = [_source_table(source, own, workspace, seed) for source, own in sorted(keys.items())]
    frame = pl.from_arrow(pa.concat_tables([_SCHEMA.empty_table(), *tables]))
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a table has columns")
    return frame


def _source_table(source: str, keys: Sequence[str], workspace: Workspace, seed: int) -> pa.Table:
    path = workspace.root / "pools" / f"{source}.arrow"
    turns = _turns_key(seed)
    known, parts = _read(path, turns)
    if [key for key, _ in parts] == list(keys):
        return known
    ends = accumulate(size for _, size in parts)
    cuts = {
        key: partial(known.slice, end - size, size)
        for (key, size), end in zip(parts, ends, strict=True)
    }
    pieces = [
        cuts[key]() if key in cuts else _read_video(workspace.folder("pairs", key), seed)
        for key in keys
    ]
    table = pa.concat_tables([_SCHEMA.empty_table(), *pieces]).combine_chunks()
    sizes = [piece.num_rows for piece in pieces]
    _write(path, table, list(zip(keys, sizes, strict=True)), turns)
    return table


def _turns_key(seed: int) -> bytes:
    """What turns depend on beside the sample."""
    return f"{code_key('medvid.splits:order.py')} {seed}".encode()


def _read_video(folder: Path, seed: int) -> pa.Table:
    batch = read_columns(folder / SAMPLES_FILE, _COLUMNS)
    turns = pa.array(hash_turns(batch.column("sample_id").to_pylist(), seed), type=pa.uint64())
    return pa.Table.from_arrays([*batch.columns, turns], schema=_SCHEMA)


def _read(path: Path, turns: bytes) -> tuple[pa.Table, Parts]:
    """A table with its parts; nothing where there is none, it is not whole or of other turns."""
    try:
        with pa.OSFile(str(path), "rb") as handle, pa.ipc.open_file(handle) as reader:
            schema = reader.schema
            if schema.metadata[_TURNS] != turns:
                return _SCHEMA.empty_table(), []
            table = reader.read_all()
        parts: Parts = [
            (str(key), int(size)) for key, size in orjson.loads(schema.metadata[_PARTS])
        ]
        table = table.replace_schema_metadata(None)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return _SCHEMA.empty_table(), []
    if table.schema != _SCHEMA or table.num_rows != sum(size for _, size in parts):
        return _SCHEMA.empty_table(), []
    return table, parts


def _write(path: Path, table: pa.Table, parts: Parts, turns: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    schema = _SCHEMA.with_metadata({_PARTS: orjson.dumps(parts), _TURNS: turns})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(table.replace_schema_metadata(schema.metadata))
    with AsideFile(path) as aside:
        aside.write(memoryview(sink.getvalue()))
        aside.commit()
