"""Which media shards a release needs: kept from its parent, supplemented, or made anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from flows.shard_stages import SHARD_CODE, VideoPart, media_shard_unit
from flows.sources import LABEL_TIMEOUT_S, VideoState
from flows.stages import FramesPayload, frames_unit
from flows.tables import MEDIA_INDEX
from medvid.releases.config import BuildConfig
from medvid.releases.keys import code_key
from medvid.releases.publish import read_manifest
from medvid.releases.units import Unit
from medvid.releases.workspace import Workspace
from schemas.hashing import content_key, hash_rank

Needed = Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
"""Native frame numbers and ticks by video name, in time order."""


def bucket_of(source: str, video_id: str, buckets: int) -> int:
    """Bucket of a video: a hash, so that no other video moves it."""
    return hash_rank(0, "bucket", source, video_id) % buckets


@dataclass(slots=True)
class MediaShard:
    """One media tar of the release.

    Attributes:
        path: Path relative to the release, e.g. `media/nurvid-003.tar`.
        frames: Units that decode its videos.
        parts: What `frames` give, in the order of the tar.
        unit: Unit that joins them, None where the parent's bytes are kept.
        index: Rows of the frame table, for a kept shard.
    """

    path: str
    frames: list[Unit] = field(default_factory=list)
    parts: list[VideoPart] = field(default_factory=list)
    unit: Unit | None = None
    index: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Parent:
    """The release that stands where the new one will appear.

    Attributes:
        root: Its folder.
        manifest_sha256: Hash of its manifest.
        media: How its frames were stored.
        media_keys: Key of each video's pictures and of how they are counted, by video name.
        frames: Its frame table.
        files: SHA-256 and size of its files.
        origin: The release whose media it keeps in turn, None where it was made in one go.
    """

    root: Path
    manifest_sha256: str
    media: dict[str, Any]
    media_keys: dict[str, str]
    frames: pl.DataFrame
    files: Mapping[str, Mapping[str, Any]]
    origin: str | None


def load_parent(output: Path, manifest_sha256: str | None) -> Parent | None:
    """Read what a new release may keep of the one it replaces."""
    frames, build = output / "index" / "frames.parquet", output / "build.json"
    if manifest_sha256 is None or not frames.is_file() or not build.is_file():
        return None
    facts = orjson.loads(build.read_bytes())
    return Parent(
        root=output, manifest_sha256=manifest_sha256, media=facts["config"]["media"],
        media_keys={name: item["media"] for name, item in facts["inputs"].items()},
        frames=pl.read_parquet(frames).with_columns(pl.col("shard").cast(pl.String)),
        files=read_manifest(output), origin=facts["parent"],
    )  # fmt: skip


def plan_media_shards(
    states: Sequence[VideoState],
    needed: Needed,
    config: BuildConfig,
    workspace: Workspace,
    parent: Parent | None,
) -> list[MediaShard]:
    """Plan every media tar of the release, in order of path.

    A bucket whose frames its parent holds already keeps the parent's bytes; frames that only the
    new release needs go into a supplementary tar `…-s1.tar`.
    """
    groups: dict[tuple[str, int], list[VideoState]] = {}
    for state in states:
        if needed.get(state.name, ((), ()))[0]:
            bucket = bucket_of(
                state.recording.source, state.recording.video_id, config.shards.media_buckets
            )
            groups.setdefault((state.recording.source, bucket), []).append(state)
    usable = parent if parent and parent.media == config.resolved()["media"] else None
    shards: list[MediaShard] = []
    for (source, bucket), members in sorted(groups.items()):
        members.sort(key=lambda state: state.recording.video_id)
        stem = f"media/{source}-{bucket:03d}"
        fresh = _new_shard(f"{stem}.tar", members, needed, config, workspace)
        kept = _kept(stem, members, usable)
        done = fresh.unit is not None and bool(workspace.finished([fresh.unit.key]))
        if usable is None or not kept or done:
            shards.append(fresh)
        else:
            shards.extend(_keep(kept, stem, members, needed, config, workspace, usable))
    return shards


def _new_shard(
    path: str,
    members: Sequence[VideoState],
    needed: Needed,
    config: BuildConfig,
    workspace: Workspace,
) -> MediaShard:
    shard = MediaShard(path)
    for state in members:
        indices, ticks = needed[state.name]
        if indices:
            unit = _frames_unit(state, indices, config)
            shard.frames.append(unit)
            folder = workspace.folder("frames", unit.key)
            recording = state.recording
            part = VideoPart(recording.source, recording.video_id, folder, indices, ticks)
            shard.parts.append(part)
    keys = [unit.key for unit in shard.frames]
    key = content_key("media_shard", keys, code_key(*SHARD_CODE))
    shard.unit = Unit("media_shards", path, key, media_shard_unit, shard.parts, LABEL_TIMEOUT_S)
    return shard


def _frames_unit(state: VideoState, indices: tuple[int, ...], config: BuildConfig) -> Unit:
    recording, video = state.recording, state.video
    if recording.media is None or video is None:
        raise ValueError(f"{state.name} has no pictures to store")
    media = config.media
    key = content_key(
        "frames", state.media_key, video.time_base, indices, media.jpeg_quality, media.long_side,
        code_key("medvid.media", "flows:stages.py"), recording.source, recording.video_id,
    )  # fmt: skip
    payload = FramesPayload(
        root=recording.root, source=recording.source, video_id=recording.video_id,
        media=recording.media, time_base=video.time_base, indices=indices,
        backend=media.backend, quality=media.jpeg_quality, long_side=media.long_side,
    )  # fmt: skip
    return Unit("frames", state.name, key, frames_unit, payload, media.timeout_s)


def _kept(stem: str, members: Sequence[VideoState], parent: Parent | None) -> list[str]:
    """Paths of the parent's tars of a bucket.

    Empty where any of its pictures changed, is counted otherwise, or belongs to a video that left.
    """
    if parent is None:
        return []
    paths = parent.frames["shard"].unique().sort().to_list()
    paths = [p for p in paths if p == f"{stem}.tar" or p.startswith(f"{stem}-s")]
    unchanged = all(
        parent.media_keys.get(state.name, state.pictures_key) == state.pictures_key
        for state in members
    )
    stored = parent.frames.filter(pl.col("shard").is_in(paths)).select("source", "video_id")
    names = {f"{source}/{video_id}" for source, video_id in stored.unique().iter_rows()}
    unchanged = unchanged and names <= {state.name for state in members}
    return paths if unchanged and all((parent.root / p).is_file() for p in paths) else []


def _keep(
    kept: Sequence[str],
    stem: str,
    members: Sequence[VideoState],
    needed: Needed,
    config: BuildConfig,
    workspace: Workspace,
    parent: Parent,
) -> list[MediaShard]:
    """The parent's tars of a bucket, and one more for frames that only the new release needs."""
    rows = parent.frames.filter(pl.col("shard").is_in(kept))
    stored: dict[str, set[int]] = {}
    for source, video_id, index in rows.select("source", "video_id", "index").iter_rows():
        stored.setdefault(f"{source}/{video_id}", set()).add(index)
    columns = list(MEDIA_INDEX)
    shards = [
        MediaShard(path, index=rows.filter(pl.col("shard") == path).select(columns))
        for path in kept
    ]
    missing: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for state in members:
        have = stored.get(state.name, set())
        pairs = [pair for pair in zip(*needed[state.name], strict=True) if pair[0] not in have]
        missing[state.name] = (tuple(p[0] for p in pairs), tuple(p[1] for p in pairs))
    if any(indices for indices, _ in missing.values()):
        path = f"{stem}-s{len(kept)}.tar"
        shards.append(_new_shard(path, members, missing, config, workspace))
    return shards
