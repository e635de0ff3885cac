"""The index tables as arrays: from a sample id or a frame to the place of its bytes.

Arrays and not dictionaries, so that worker processes forked from one parent share their memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import ShardError
from schemas.tables import FRAMES, SAMPLES, read_table

SUBSETS: Final = ("large", "standard")
_ABSENT: Final = -1

IntArray = npt.NDArray[np.int64]


class Place(NamedTuple):
    """Where a payload lies.

    Attributes:
        shard: Path of the tar, relative to the release.
        offset: First byte of the payload.
        size: Its bytes.
    """

    shard: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class _Places:
    """Places of n rows.

    Attributes:
        shards: Distinct shard paths.
        code: Row to position in `shards`, shape (n,); -1 where the row is in no shard.
        offset: Shape (n,).
        size: Shape (n,).
    """

    shards: tuple[str, ...]
    code: IntArray
    offset: IntArray
    size: IntArray

    @classmethod
    def of(cls, table: pa.Table, prefix: str, index: str) -> "_Places":
        coded = _coded(table.column(f"{prefix}shard"))
        shards = tuple(coded.dictionary.to_pylist())
        for shard in shards:
            pure = PurePosixPath(shard)
            if pure.is_absolute() or ".." in pure.parts:
                raise ShardError(f"shard path {shard!r} leaves the release.", source=index)
        return cls(
            shards,
            _ints(coded.indices),
            _ints(table.column(f"{prefix}offset")),
            _ints(table.column(f"{prefix}size")),
        )

    def __getitem__(self, row: int) -> Place:
        return Place(self.shards[int(self.code[row])], int(self.offset[row]), int(self.size[row]))

    def in_order(self, rows: IntArray) -> IntArray:
        """Sort rows by shard path and offset."""
        rank = np.argsort(np.argsort(np.asarray(self.shards, dtype=object)))
        order: IntArray = np.lexsort((self.offset[rows], rank[self.code[rows]]))
        return rows[order]


class SampleIndex:
    """`index/samples.parquet`: sample ids in both subsets."""

    _COLUMNS: Final = (
        "sample_id", "split", "shard", "offset", "size",
        "standard_shard", "standard_offset", "standard_size",
    )  # fmt: skip

    def __init__(self, path: Path) -> None:
        table = read_table(path, SAMPLES, self._COLUMNS)
        self._ids = _ascii(table.column("sample_id"))
        self._by_id = np.argsort(self._ids, kind="stable")
        self._sorted_ids = self._ids[self._by_id]
        splits = _coded(table.column("split"))
        self._splits: list[str] = splits.dictionary.to_pylist()
        self._split = _ints(splits.indices)
        self._places = {
            "large": _Places.of(table, "", path.name),
            "standard": _Places.of(table, "standard_", path.name),
        }

    def __len__(self) -> int:
        return len(self._ids)

    def row(self, sample_id: str) -> int:
        """Row of a sample, -1 where there is none."""
        key = np.bytes_(sample_id.encode())
        at = int(self._sorted_ids.searchsorted(key))
        if at < len(self._ids) and self._sorted_ids[at] == key:
            return int(self._by_id[at])
        return _ABSENT

    def place(self, row: int, subset: str = "large") -> Place:
        """Where a sample's json lies."""
        return self._places[subset][row]

    def rows(self, split: str | None, subset: str) -> Iterator[tuple[str, Place]]:
        """Sample ids and places of a split of a subset, in shard order."""
        places = self._places[subset]
        chosen = places.code >= 0
        if split is not None:
            wanted = self._splits.index(split) if split in self._splits else _ABSENT
            chosen &= self._split == wanted
        for row in places.in_order(np.flatnonzero(chosen)):
            yield self._ids[row].decode(), places[row]


class FrameIndex:
    """`index/frames.parquet`: stored frames by source, video and native index."""

    _COLUMNS: Final = ("source", "video_id", "index", "shard", "offset", "size")

    def __init__(self, path: Path) -> None:
        table = read_table(path, FRAMES, self._COLUMNS)
        self._index = _ints(table.column("index"))
        self._places = _Places.of(table, "", path.name)
        self._spans = _spans(table)

    def __len__(self) -> int:
        return len(self._index)

    def places(self, source: str, video_id: str, indices: IntArray) -> list[Place]:
        """Where frames of one video lie.

        Args:
            source: Module name of the source.
            video_id: The video.
            indices: Native frame numbers, shape (n,), in any order.

        Raises:
            ShardError: One of them is not stored.
        """
        begin, end = self._spans.get((source, video_id), (0, 0))
        stored = self._index[begin:end]
        at = np.searchsorted(stored, indices)
        known = at < len(stored)
        known[known] = stored[at[known]] == indices[known]
        if not known.all():
            absent = int(indices[~known][0])
            raise ShardError(
                f"frame {absent} of {source} {video_id} is not stored.",
                source="frames.parquet",
                action="A release built without media has labels only; else verify it.",
            )
        return [self._places[row] for row in (begin + at).tolist()]


def _spans(table: pa.Table) -> dict[tuple[str, str], tuple[int, int]]:
    """First row and row after the last, per source and video; rows are sorted by both."""
    if not table.num_rows:
        return {}
    source, video = _coded(table.column("source")), _coded(table.column("video_id"))
    source_code, video_code = _ints(source.indices), _ints(video.indices)
    changes = (np.diff(source_code) != 0) | (np.diff(video_code) != 0)
    starts = [0, *(np.flatnonzero(changes) + 1).tolist()]
    return {
        (source.dictionary[source_code[a]].as_py(), video.dictionary[video_code[a]].as_py()): (a, b)
        for a, b in zip(starts, [*starts[1:], table.num_rows], strict=True)
    }


def _coded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """One dictionary array for a whole column."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return _whole(column).dictionary_encode()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays([*column.chunks, pa.nulls(0, column.type)])


def _ints(column: pa.ChunkedArray | pa.Array) -> IntArray:
    """An int64 array, shape (n,), with -1 for null.

    `to_numpy` and `fill_null` would do, were it not that they import pandas into every worker.
    """
    array = _whole(column) if isinstance(column, pa.ChunkedArray) else column
    filled = np.full(len(array), _ABSENT, dtype=np.int64)
    held = np.from_dlpack(pc.indices_nonzero(array.is_valid()))
    filled[held] = np.from_dlpack(array.drop_null())
    return filled


def _ascii(column: pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    """ASCII strings as an array of fixed width, without a Python object for each."""
    array = _whole(column)
    width = max(1, pc.max(pc.binary_length(array)).as_py() or 0)
    padded = pc.ascii_rpad(array, width=width, padding="\0")
    return np.frombuffer(padded.buffers()[2] or b"", dtype=f"S{width}", count=len(array))
