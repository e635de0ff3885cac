"""Damage done to a release on purpose, and what the checks of `verify_release` say of it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from medvid.releases.verify import verify_release
from medvid.shards import scan_tar
from medvid.shards.ustar import Member
from schemas.hashing import file_sha256
from schemas.tables import (
    FRAMES,
    LEFT_OUT,
    SAMPLES,
    SUBSETS,
    VIDEOS,
    read_table,
    write_table,
)

FILES = "files match the manifest"
TABLES = "tables read and name each other's rows"
SAMPLES_CHECK = "samples are where the index says, legal, and answer in their grammar"
FRAMES_CHECK = "frames are where the index says, and are JPEGs of the stated size"
SPLITS = "no identity stands in two splits"
LICENCES = "every licence is registered"
SUBSETS_CHECK = "subsets are ranked parts of train"

SCHEMAS = {
    "samples": SAMPLES, "frames": FRAMES, "videos": VIDEOS, "left_out": LEFT_OUT,
    "subsets": SUBSETS,
}  # fmt: skip

Damage = Callable[[Path], object]


def reseal(release: Path) -> None:
    """Have the manifest agree with the bytes that are there now: no hash gives them away."""
    path = release / "manifest.json"
    manifest = orjson.loads(path.read_bytes())
    manifest["files"] = {
        name: {"sha256": file_sha256(release / name), "size": (release / name).stat().st_size}
        for name in manifest["files"]
        if (release / name).is_file()
    }
    path.write_bytes(orjson.dumps(manifest))


def failures(release: Path, *, quick: bool = False) -> dict[str, str]:
    """Failures by check, those of one check in one text."""
    checks = verify_release(release, quick=quick)
    return {check.name: " ".join(check.failures) for check in checks if check.failed}


def edit(release: Path, table: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    path, schema = release / "index" / f"{table}.parquet", SCHEMAS[table]
    frame = pl.DataFrame(read_table(path, schema)).with_columns(
        pl.col(pl.Categorical).cast(pl.String)
    )
    write_table(path, change(frame).to_arrow(), schema)


def rows_of(release: Path, table: str) -> pl.DataFrame:
    frame = pl.DataFrame(read_table(release / "index" / f"{table}.parquet", SCHEMAS[table]))
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def shard_of(release: Path, folder: str) -> Path:
    return sorted((release / folder).glob("*.tar"))[0]


def members_of(shard: Path) -> list[Member]:
    return list(scan_tar(shard))


def patch(shard: Path, at: int, old: bytes, new: bytes) -> None:
    assert len(old) == len(new)
    content = bytearray(shard.read_bytes())
    assert content[at : at + len(old)] == old
    content[at : at + len(old)] = new
    shard.write_bytes(content)


def alter(release: Path, pattern: bytes, change: Callable[[bytes], bytes]) -> None:
    """Change group 1 of the first match in a sample of `large`, which keeps its length."""
    shard = shard_of(release, "large")
    match = re.search(pattern, shard.read_bytes())
    assert match is not None
    patch(shard, match.start(1), match[1], change(match[1]))


def other_digit(text: bytes) -> bytes:
    return bytes([ord("1") if text[0] != ord("1") else ord("2")]) + text[1:]


def put(column: str, value: object, row: Callable[[pl.DataFrame], int] = lambda _: 0) -> Any:
    """A change of one cell of a table."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        values = frame[column].to_list()
        values[row(frame)] = value
        return frame.with_columns(pl.Series(column, values, dtype=frame[column].dtype))

    return change


def first(column: str, value: object) -> Callable[[pl.DataFrame], int]:
    return lambda frame: frame[column].to_list().index(value)
