"""What one shard of each kind takes: plain functions that run in a worker process."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.pair_files import (
    ANNOTATION_SCHEMA,
    INDEX_FILE,
    MEDIA_SCHEMA,
    read_columns,
    read_payloads,
    write_columns,
)
from flows.stages import MEMBERS_FILE, PART_FILE
from medvid.shards import (
    Member,
    NvShard,
    SelfContainedClip,
    ShardFile,
    concatenate,
    write_annotation_shard,
    write_nv_meta,
    write_selfcontained_shard,
)
from schemas.hashing import file_sha256

SHARD_FILE = "shard.tar"
SHARD_CODE = ("medvid.shards", "flows:shard_stages.py", "flows:pair_files.py")
"""Code that decides the bytes of a shard and of its index."""

_FLAT = "+"
"""Stands for the slash of a path: a unit's folder is flat, and no name of Energon's holds one."""


def _shard_info(shard: ShardFile) -> dict[str, Any]:
    return {"sha256": shard.sha256, "size": shard.size, "parts": len(shard.members)}


@dataclass(frozen=True, slots=True)
class VideoPart:
    """One video's frames on their way into a media shard.

    Attributes:
        source: Module name of the source.
        video_id: The video.
        folder: Folder of its finished `frames` unit.
        indices: Native frame numbers, increasing.
        ticks: Their times in ticks.
    """

    source: str
    video_id: str
    folder: Path
    indices: tuple[int, ...]
    ticks: tuple[int, ...]


def media_shard_unit(work: Path, parts: Sequence[VideoPart]) -> dict[str, Any]:
    """Join the frames of a bucket's videos into one media tar, and index them."""
    joined: list[tuple[Path, list[Member]]] = []
    columns: dict[str, list[Any]] = {
        name: [] for name in ("source", "video_id", "index", "tick", "width", "height")
    }
    for part in parts:
        stored = orjson.loads((part.folder / MEMBERS_FILE).read_bytes())
        members = [Member(name, offset, size) for name, offset, size in stored["members"]]
        joined.append((part.folder / PART_FILE, members))
        columns["source"] += [part.source] * len(members)
        columns["video_id"] += [part.video_id] * len(members)
        columns["index"] += part.indices
        columns["tick"] += part.ticks
        columns["width"] += [width for width, _ in stored["sizes"]]
        columns["height"] += [height for _, height in stored["sizes"]]
    shard = concatenate(joined, work / SHARD_FILE)
    columns["key"] = [member.name.partition(".")[0] for member in shard.members]
    columns["offset"] = [member.offset for member in shard.members]
    columns["size"] = [member.size for member in shard.members]
    write_columns(work / INDEX_FILE, columns, MEDIA_SCHEMA)
    return _shard_info(shard)


@dataclass(frozen=True, slots=True)
class PairsPart:
    """Which of one video's samples go into an annotation shard.

    Attributes:
        folder: Folder of the video's finished `pairs` unit.
        sample_ids: Those to take, sorted, one a line.
    """

    folder: Path
    sample_ids: str


def annotation_shard_unit(work: Path, parts: Sequence[PairsPart]) -> dict[str, Any]:
    """Write the selected samples of a bucket's videos as one annotation tar, and index them."""
    rows: list[tuple[str, bytes]] = []
    for part in parts:
        rows.extend(read_payloads(part.folder, part.sample_ids.splitlines()))
    shard = write_annotation_shard(work / SHARD_FILE, rows)
    index: dict[str, list[Any]] = {
        "sample_id": [member.name.partition(".")[0] for member in shard.members],
        "offset": [member.offset for member in shard.members],
        "size": [member.size for member in shard.members],
    }
    write_columns(work / INDEX_FILE, index, ANNOTATION_SCHEMA)
    return _shard_info(shard)


@dataclass(frozen=True, slots=True)
class MediaPlace:
    """Where stored frames lie.

    Attributes:
        shard: The tar on disk.
        index: Its index, or the frame table of the release that holds it.
        name: Name of the tar in that frame table, None for an index of its own.
    """

    shard: Path
    index: Path
    name: str | None

    def offsets(self, source: str, video_id: str) -> Iterator[tuple[int, int, int]]:
        """Native number, offset and size in bytes of every frame of a video."""
        names = ["source", "video_id", "index", "offset", "size"]
        wanted = {"source": source, "video_id": video_id}
        if self.name is None:
            table = read_columns(self.index, names)
            rows = [pc.equal(table.column(name), value) for name, value in wanted.items()]
            table = table.filter(pc.and_(*rows))
        else:
            filters = [
                (name, "=", value) for name, value in (wanted | {"shard": self.name}).items()
            ]
            table = pq.read_table(self.index, columns=names, filters=filters, use_threads=False)
        yield from zip(*(table.column(name).to_pylist() for name in names[2:]), strict=True)


@dataclass(frozen=True, slots=True)
class SelfContainedPart:
    """One video's clips for a self-contained shard.

    Attributes:
        source: Module name of the source.
        video_id: The video.
        folder: Folder of the video's finished `pairs` unit.
        sample_ids: Samples to carry, sorted, one a line.
        media: Where its frames may lie.
    """

    source: str
    video_id: str
    folder: Path
    sample_ids: str
    media: tuple[MediaPlace, ...]


def selfcontained_unit(work: Path, parts: Sequence[SelfContainedPart]) -> dict[str, Any]:
    """Write clips with their frames and all their selected pairs inline, in order of clip id."""
    clips = sorted((clip for part in parts for clip in _clips(part)), key=lambda clip: clip.clip_id)
    return _shard_info(write_selfcontained_shard(work / SHARD_FILE, clips))


Places = dict[int, tuple[Path, int, int]]
"""Tar, offset and size in bytes by native frame number."""


def _clips(part: SelfContainedPart) -> Iterator[SelfContainedClip]:
    """Clips of a video that have a selected sample; their frames are read when their turn comes."""
    places: Places = {
        index: (media.shard, offset, size)
        for media in part.media
        for index, offset, size in media.offsets(part.source, part.video_id)
    }
    by_clip: dict[str, list[dict[str, Any]]] = {}
    for _, payload in sorted(read_payloads(part.folder, part.sample_ids.splitlines())):
        sample = orjson.loads(payload)
        by_clip.setdefault(sample["clip_id"], []).append(sample)
    for clip_id, samples in by_clip.items():
        first = samples[0]
        rate = Fraction(first["tick_rate_num"], first["tick_rate_den"])
        start = first["frame_tick"][0]
        yield SelfContainedClip(
            clip_id=clip_id,
            frame_index=first["frame_index"],
            frame_time_s=[float((tick - start) / rate) for tick in first["frame_tick"]],
            frames=partial(_read_all, places, first["frame_index"]),
            samples=samples,
        )


def _read_all(places: Places, indices: Sequence[int]) -> list[bytes]:
    return [_read(*places[index]) for index in indices]


def _read(shard: Path, offset: int, size: int) -> bytes:
    with shard.open("rb") as handle:
        handle.seek(offset)
        return handle.read(size)


@dataclass(frozen=True, slots=True)
class IndexedShard:
    """A finished tar with the table of its members.

    Attributes:
        name: Name in its folder of the release.
        sha256: Of the tar.
        index: Table of its members, or of the frames of a release that has it.
        table: Name of the tar in the latter, None for a table of its own.
    """

    name: str
    sha256: str
    index: Path
    table: str | None = None

    def members(self, key: str, part: str) -> NvShard:
        """The tar's members, `<key>.<part>`, in order; `key` is a column of its table."""
        names = [key, "offset", "size"]
        if self.table is None:
            rows = read_columns(self.index, names)
        else:
            filters = [("shard", "=", self.table)]
            rows = pq.read_table(self.index, columns=names, filters=filters, use_threads=False)
        rows = rows.take(pc.sort_indices(rows.column("offset")))
        offsets, sizes = (rows.column(name).to_numpy().reshape(-1, 1) for name in names[1:])
        keys = rows.column(key).to_pylist()
        return NvShard(self.name, self.sha256, keys, (part,), offsets, sizes)


@dataclass(frozen=True, slots=True)
class EnergonPayload:
    """A folder of a release, for Energon.

    Attributes:
        shards: Its tars.
        key: Column of their tables that names a sample.
        part: Part of a sample.
        splits: Names of tars by split.
    """

    shards: tuple[IndexedShard, ...]
    key: str
    part: str
    splits: dict[str, list[str]]


def energon_unit(work: Path, payload: EnergonPayload) -> dict[str, Any]:
    """Write what Megatron-Energon needs beside the tars of a folder."""
    folder = work / "folder"
    folder.mkdir()
    shards = [shard.members(payload.key, payload.part) for shard in payload.shards]
    hashes = {}
    for path in write_nv_meta(folder, shards, payload.splits):
        flat = path.replace("/", _FLAT)
        (folder / path).rename(work / flat)
        hashes[path] = file_sha256(work / flat)
    shutil.rmtree(folder)
    return {"files": hashes}


def energon_file(folder: Path, path: str) -> Path:
    """Where a finished unit's folder holds a file that Energon wants at a path."""
    return folder / path.replace("/", _FLAT)
