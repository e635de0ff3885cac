"""What one shard of each kind takes: plain functions that run in a worker process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq

from flows.stages import MEMBERS_FILE, PART_FILE, SAMPLES_FILE
from medvid.media import jpeg_size
from medvid.shards import (
    Member,
    SelfContainedClip,
    ShardFile,
    concatenate,
    write_annotation_shard,
    write_selfcontained_shard,
)
from schemas.sample import Sample

SHARD_FILE = "shard.tar"
INDEX_FILE = "index.arrow"


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
    feather.write_feather(pa.table(columns), work / INDEX_FILE, compression="lz4")
    return _shard_info(shard)


@dataclass(frozen=True, slots=True)
class PairsPart:
    """Which of one video's samples go into an annotation shard.

    Attributes:
        folder: Folder of the video's finished `pairs` unit.
        sample_ids: Those to take, sorted.
    """

    folder: Path
    sample_ids: tuple[str, ...]


def annotation_shard_unit(work: Path, parts: Sequence[PairsPart]) -> dict[str, Any]:
    """Write the selected samples of a bucket's videos as one annotation tar, and index them."""
    rows: list[tuple[str, bytes]] = []
    for part in parts:
        table = feather.read_table(part.folder / SAMPLES_FILE, columns=["sample_id", "payload"])
        rows.extend(_take(table, part.sample_ids))
    rows.sort(key=lambda row: row[0])
    shard = write_annotation_shard(work / SHARD_FILE, rows)
    index = {
        "sample_id": [member.name.partition(".")[0] for member in shard.members],
        "offset": [member.offset for member in shard.members],
        "size": [member.size for member in shard.members],
    }
    feather.write_feather(pa.table(index), work / INDEX_FILE, compression="lz4")
    return _shard_info(shard)


def _take(table: pa.Table, sample_ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    wanted = pa.array(sample_ids, pa.string())
    kept = table.filter(pc.is_in(table["sample_id"], value_set=wanted))
    yield from zip(kept["sample_id"].to_pylist(), kept["payload"].to_pylist(), strict=True)


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
        if self.name is None:
            table = feather.read_table(self.index)
        else:
            table = pq.read_table(self.index)
            table = table.filter(pc.equal(table["shard"].cast(pa.string()), self.name))
        own = pc.and_(pc.equal(table["source"], source), pc.equal(table["video_id"], video_id))
        rows = table.filter(own)
        columns = [rows[name].to_pylist() for name in ("index", "offset", "size")]
        yield from zip(*columns, strict=True)


@dataclass(frozen=True, slots=True)
class SelfContainedPart:
    """One video's clips for a self-contained shard.

    Attributes:
        source: Module name of the source.
        video_id: The video.
        folder: Folder of the video's finished `pairs` unit.
        sample_ids: Samples to carry, sorted.
        media: Where its frames may lie.
    """

    source: str
    video_id: str
    folder: Path
    sample_ids: tuple[str, ...]
    media: tuple[MediaPlace, ...]


def selfcontained_unit(work: Path, parts: Sequence[SelfContainedPart]) -> dict[str, Any]:
    """Write clips with their frames and all their selected pairs inline, in order of clip id."""
    waiting = [(clip[0].clip_id, clip, places) for part in parts for clip, places in _clips(part)]
    waiting.sort(key=lambda item: item[0])
    clips = (_with_frames(samples, places) for _, samples, places in waiting)
    return _shard_info(write_selfcontained_shard(work / SHARD_FILE, clips))


Places = dict[int, tuple[Path, int, int]]
"""Tar, offset and size in bytes by native frame number."""


def _clips(part: SelfContainedPart) -> Iterator[tuple[list[Sample], Places]]:
    """Samples of each clip of a video that has any, with where the video's frames lie."""
    places: Places = {
        index: (media.shard, offset, size)
        for media in part.media
        for index, offset, size in media.offsets(part.source, part.video_id)
    }
    table = feather.read_table(part.folder / SAMPLES_FILE, columns=["sample_id", "payload"])
    by_clip: dict[str, list[Sample]] = {}
    for _, payload in sorted(_take(table, part.sample_ids)):
        sample = Sample.model_validate_json(payload)
        by_clip.setdefault(sample.clip_id, []).append(sample)
    for samples in by_clip.values():
        yield samples, places


def _with_frames(samples: Sequence[Sample], places: Places) -> SelfContainedClip:
    frames = [_read(*places[index]) for index in samples[0].frame_index]
    return SelfContainedClip(
        frames=frames, stored_wh=jpeg_size(frames[0]), samples=samples, split="train"
    )


def _read(shard: Path, offset: int, size: int) -> bytes:
    with shard.open("rb") as handle:
        handle.seek(offset)
        return handle.read(size)
