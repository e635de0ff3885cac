"""What one shard of each kind takes: plain functions that run in a worker process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather

from flows.stages import CLIPS_FILE, MEMBERS_FILE, PART_FILE, SAMPLES_FILE
from medvid.shards import (
    Member,
    SelfContainedClip,
    ShardFile,
    concatenate,
    write_annotation_shard,
    write_selfcontained_shard,
)
from schemas.timeline import TimeBase

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
class FramePlace:
    """Where a stored frame lies: a tar on disk, offset and size in bytes."""

    shard: Path
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class SelfContainedPart:
    """One video's clips for a self-contained shard.

    Attributes:
        folder: Folder of the video's finished `pairs` unit.
        sample_ids: Samples to carry, sorted.
        time_base: How the video counts time.
        frames: Where each native frame lies.
    """

    folder: Path
    sample_ids: tuple[str, ...]
    time_base: TimeBase
    frames: dict[int, FramePlace]


def selfcontained_unit(work: Path, parts: Sequence[SelfContainedPart]) -> dict[str, Any]:
    """Write clips with their frames and all their selected pairs inline."""
    clips = sorted(
        (clip for part in parts for clip in _clips_of(part)), key=lambda clip: clip.clip_id
    )
    return _shard_info(write_selfcontained_shard(work / SHARD_FILE, clips))


def _clips_of(part: SelfContainedPart) -> Iterator[SelfContainedClip]:
    samples = feather.read_table(part.folder / SAMPLES_FILE, columns=["sample_id", "payload"])
    by_clip: dict[str, list[dict[str, Any]]] = {}
    for _, payload in sorted(_take(samples, part.sample_ids)):
        sample = orjson.loads(payload)
        by_clip.setdefault(sample["clip_id"], []).append(sample)
    table = feather.read_table(part.folder / CLIPS_FILE)
    for row in table.to_pylist():
        if row["clip_id"] in by_clip:
            yield _clip(part, row, by_clip[row["clip_id"]])


def _clip(
    part: SelfContainedPart, row: dict[str, Any], samples: list[dict[str, Any]]
) -> SelfContainedClip:
    places = [part.frames[index] for index in row["frame_index"]]
    first = row["frame_tick"][0]
    return SelfContainedClip(
        clip_id=row["clip_id"],
        frame_index=tuple(row["frame_index"]),
        frame_time_s=tuple(part.time_base.seconds(tick - first) for tick in row["frame_tick"]),
        frames=tuple(_read(place) for place in places),
        samples=tuple(samples),
    )


def _read(place: FramePlace) -> bytes:
    with place.shard.open("rb") as handle:
        handle.seek(place.offset)
        return handle.read(place.size)
