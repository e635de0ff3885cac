"""Metadata that Megatron-Energon 7.4 reads, written while sharding: its `prepare` need not run.

In `<folder>/.nv-meta`: `.info.json` (samples a shard), `split.yaml` (shards a split),
`dataset.yaml` (how a sample becomes one of Energon's types), `crude.yaml` (the same tars as plain
dictionaries, for a cooker), `index.sqlite` (where each sample and part lies), `index.uuid`. Beside
each shard: `<shard>.idx`, little-endian 64-bit offsets of its samples and of its end.

`energon prepare` writes the same, but for the order of keys in a YAML file, brace-collapsed shard
names and a random uuid; here equal shards give equal bytes, so the files go into the manifest.
`dataset.yaml` names a typed sample because `energon info` and `energon lint` 7.4.1 know no other:
they stop at the `CrudeWebdataset` that `prepare` offers for shards like ours.
"""

import hashlib
import os
import sqlite3
import struct
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import cycle, repeat
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import orjson
import yaml

from medvid.shards.aside import write_whole
from medvid.shards.tar import ShardFile
from medvid.shards.ustar import BLOCK
from schemas.errors import ShardError, bounded

ENERGON_VERSION: Final = "7.4.1"
META_FOLDER: Final = ".nv-meta"
DEFAULT_SPLITS: Final = ("train", "val", "test")
"""Splits that are always named: `energon lint` asks for all three and passes over empty ones."""

_MODULE: Final = "megatron.energon"
_CRUDE: Final = {"__module__": _MODULE, "__class__": "CrudeWebdataset"}
_PRAGMAS: Final = (
    "page_size = 4096",
    "cache_size = -65536",  # KiB; keys come in no order, and a small cache would write twice
    "journal_mode = OFF",  # the file gets its name when it is whole
    "synchronous = OFF",
)

# Tables, columns and indexes are those of Energon's SqliteIndexWriter.
_TABLES: Final = (
    "CREATE TABLE samples (tar_file_id INTEGER NOT NULL, sample_key TEXT NOT NULL UNIQUE, "
    "sample_index INTEGER NOT NULL, byte_offset INTEGER, byte_size INTEGER)",
    "CREATE TABLE sample_parts (tar_file_id INTEGER, sample_index INTEGER, part_name TEXT, "
    "content_byte_offset INTEGER, content_byte_size INTEGER)",
)
_INDEXES: Final = (
    "CREATE INDEX idx_samples_by_tar_and_idx ON samples(tar_file_id, sample_index)",
    "CREATE INDEX idx_sample_parts_seq ON sample_parts(tar_file_id, sample_index, "
    "content_byte_offset)",
    "CREATE INDEX idx_sample_parts_full ON sample_parts(tar_file_id, sample_index, part_name, "
    "content_byte_offset, content_byte_size)",
)
_SQLITE_VERSION_AT: Final = 96
_SQLITE_VERSION: Final = 3_040_000


Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NvShard:
    """A finished tar as columns: half a million samples make no objects of their own.

    Attributes:
        name: File name without its folder.
        sha256: Hex digest of the whole file.
        keys: Key of each sample, in the order of the tar.
        parts: What follows the key in the names of a sample's files; the same for every sample.
        offsets: First byte of each payload from the start of the tar, shape (samples, parts).
        sizes: Bytes of each payload, shape (samples, parts).
    """

    name: str
    sha256: str
    keys: Sequence[str]
    parts: tuple[str, ...]
    offsets: Ints
    sizes: Ints

    @classmethod
    def of(cls, shard: ShardFile) -> Self:
        """A shard as its writer describes it."""
        step = len(shard.members) // max(1, shard.sample_count)
        places = np.array([member[1:] for member in shard.members], dtype=np.int64)
        places = places.reshape(-1, max(1, step), 2)
        return cls(
            shard.name, shard.sha256, [member.key for member in shard.members[::step or 1]],
            tuple(member.part for member in shard.members[:step]), places[..., 0], places[..., 1],
        )  # fmt: skip

    @property
    def starts(self) -> Ints:
        """First byte of each sample with its header, shape (samples,)."""
        return self.offsets[:, 0] - BLOCK

    @property
    def ends(self) -> Ints:
        """First byte after each sample with its padding, shape (samples,)."""
        last = self.sizes[:, -1]
        return self.offsets[:, -1] + last + -last % BLOCK


class NvSampleType(Enum):
    """How `dataset.yaml` types a sample: Energon's class, its field, the part that fills it."""

    FRAME = ("ImageSample", "image", "jpg")
    PAIR = ("TextSample", "text", "json")


def write_nv_meta(
    folder: Path,
    shards: Sequence[NvShard],
    splits: Mapping[str, Sequence[str]],
    sample_type: NvSampleType | None = None,
) -> tuple[str, ...]:
    """Write what Energon needs to open the shards of a folder.

    Args:
        folder: Where the shards lie.
        shards: All of them, in any order.
        splits: Shard names by split; a shard may be in none. Media shards hold frames of every
            split: name them `{"all": [...]}`, so that nobody trains on them by default.
        sample_type: What the samples are; told from their parts by default.

    Returns:
        Paths written, relative to the folder, sorted.

    Raises:
        ShardError: A split names an unknown shard or one of another split, a key stands in two
            shards, there is no shard, the samples are neither frames nor pairs, or the disk is
            full.
    """
    ordered = sorted(shards, key=lambda shard: shard.name)
    names = [shard.name for shard in ordered]
    _check_splits(names, splits)
    meta = folder / META_FOLDER
    meta.mkdir(exist_ok=True)
    counts = {shard.name: len(shard.keys) for shard in ordered}
    small = {
        ".info.json": orjson.dumps(
            {"energon_version": ENERGON_VERSION, "shard_counts": counts},
            option=orjson.OPT_INDENT_2,
        ),
        "split.yaml": _yaml(
            {
                "split_parts": {
                    **{split: [] for split in DEFAULT_SPLITS},
                    **{split: sorted(splits[split]) for split in splits},
                },
                "exclude": [],
            }
        ),
        "dataset.yaml": _yaml(_typed(sample_type or _told_type(ordered))),
        "crude.yaml": _yaml(_CRUDE),
        "index.uuid": str(_content_uuid(ordered)).encode(),
    }
    for name, content in small.items():
        write_whole(meta / name, content)
    for shard in ordered:
        write_whole(folder / f"{shard.name}.idx", _tar_index(shard))
    _write_sqlite(meta / "index.sqlite", ordered)
    written = [*(f"{META_FOLDER}/{name}" for name in (*small, "index.sqlite"))]
    return tuple(sorted([*written, *(f"{name}.idx" for name in names)]))


def _check_splits(names: Sequence[str], splits: Mapping[str, Sequence[str]]) -> None:
    if not names:
        raise ShardError("a folder without shards is no dataset.", source=META_FOLDER)
    home: dict[str, str] = {}
    for split, members in splits.items():
        for name in members:
            if name not in names:
                raise ShardError(f"split {split!r} names an unknown shard.", source=name)
            if name in home:
                raise ShardError(f"is in the splits {home[name]!r} and {split!r}.", source=name)
            home[name] = split


def _tar_index(shard: NvShard) -> bytes:
    return np.append(shard.starts, shard.ends[-1]).astype("<u8").tobytes()


def _told_type(shards: Sequence[NvShard]) -> NvSampleType:
    parts = {part for shard in shards for part in shard.parts}
    for known in NvSampleType:
        if parts == {known.value[2]}:
            return known
    raise ShardError(
        "samples are neither frames nor pairs.", source=META_FOLDER, field=bounded(sorted(parts))
    )


def _typed(sample_type: NvSampleType) -> dict[str, object]:
    sample_class, field, part = sample_type.value
    return {
        "sample_type": {"__module__": _MODULE, "__class__": sample_class},
        "field_map": {field: part},
    }


def _yaml(value: Mapping[str, object]) -> bytes:
    return yaml.safe_dump(dict(value), sort_keys=False).encode()


def _content_uuid(shards: Sequence[NvShard]) -> uuid.UUID:
    """An id of the content: Energon compares it to know whether its caches are stale."""
    digest = hashlib.sha256()
    for shard in shards:
        digest.update(f"{shard.name}\n{shard.sha256}\n".encode())
    return uuid.UUID(bytes=digest.digest()[:16], version=5)


def _write_sqlite(path: Path, shards: Sequence[NvShard]) -> None:
    """Write the index; equal rows give equal bytes, whatever the version of SQLite."""
    aside = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        aside.unlink(missing_ok=True)
        _fill_sqlite(aside, shards)
        with aside.open("r+b") as handle:
            handle.seek(_SQLITE_VERSION_AT)
            handle.write(struct.pack(">I", _SQLITE_VERSION))
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except (sqlite3.OperationalError, OSError) as error:
        raise ShardError(
            f"the index cannot be written: {error}.",
            source=path.name, action="Free space on the disk, and run the build again.",
        ) from error  # fmt: skip
    finally:
        aside.unlink(missing_ok=True)


def _fill_sqlite(path: Path, shards: Sequence[NvShard]) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        for statement in _TABLES:
            database.execute(statement)
        database.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", _sample_rows(shards))
        database.executemany("INSERT INTO sample_parts VALUES (?, ?, ?, ?, ?)", _part_rows(shards))
        for statement in _INDEXES:
            database.execute(statement)
        database.execute("COMMIT")
    except sqlite3.IntegrityError as error:
        raise ShardError(
            "keys must be unique over a dataset.", source=META_FOLDER, field=bounded(_twins(shards))
        ) from error
    finally:
        database.close()


def _sample_rows(shards: Sequence[NvShard]) -> Iterator[tuple[int, str, int, int, int]]:
    for tar, shard in enumerate(shards):
        starts, sizes = shard.starts, shard.ends - shard.starts
        yield from zip(
            repeat(tar), shard.keys, range(len(shard.keys)), starts.tolist(), sizes.tolist(),
            strict=False,
        )  # fmt: skip


def _part_rows(shards: Sequence[NvShard]) -> Iterator[tuple[int, int, str, int, int]]:
    for tar, shard in enumerate(shards):
        numbers = np.arange(len(shard.keys)).repeat(len(shard.parts))
        yield from zip(
            repeat(tar), numbers.tolist(), cycle(shard.parts), shard.offsets.ravel().tolist(),
            shard.sizes.ravel().tolist(), strict=False,
        )  # fmt: skip


def _twins(shards: Sequence[NvShard]) -> list[str]:
    counts = Counter(key for shard in shards for key in shard.keys)
    return sorted(key for key, count in counts.items() if count > 1)
