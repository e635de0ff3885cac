"""Select samples and write every shard of the release."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from flows.duplicates import media_edges
from flows.media_plan import MediaShard, Parent, bucket_of, load_parent, plan_media_shards
from flows.shard_stages import (
    SHARD_CODE,
    SHARD_FILE,
    MediaPlace,
    PairsPart,
    SelfContainedPart,
    annotation_shard_unit,
    selfcontained_unit,
)
from flows.sources import LABEL_TIMEOUT_S, Tally, VideoState, failure_row, frames_needed, read_pool
from flows.tables import INDEX_FILE
from medvid.releases.config import BuildConfig
from medvid.releases.disk import SpaceNeed, estimate_space, require_space
from medvid.releases.keys import code_key
from medvid.releases.publish import manifest_hash
from medvid.releases.units import Executor, Outcome, Progress, Unit, run_stage
from medvid.releases.workspace import Workspace
from medvid.splits import (
    MediaEdge,
    Selection,
    SplitAssignment,
    assign_splits,
    select_samples,
)
from schemas.errors import ReleaseError
from schemas.hashing import content_key
from schemas.quarantine import QuarantineRow
from schemas.video import Video

SPLITS = ("train", "val", "test")


@dataclass
class Assembly:
    """A selected release with all its shards finished in the store.

    Attributes:
        states: Videos that reached it.
        videos: Every video that was converted, also those without samples.
        pool: Candidate samples without their bytes.
        assignment: Split of every video.
        selection: Split and membership of every sample.
        edges: Pairs of videos that show the same footage.
        parent: Release whose media bytes are kept, None where none are.
        media: Media tars in order of path.
        large: Annotation units by path.
        standard: Annotation units of the subset by path.
        selfcontained: Self-contained units by path.
        outcomes: Finished shard units by path.
    """

    states: list[VideoState]
    videos: list[Video]
    pool: pl.DataFrame
    assignment: SplitAssignment
    selection: Selection
    edges: tuple[MediaEdge, ...] = ()
    parent: Parent | None = None
    media: list[MediaShard] = field(default_factory=list)
    large: dict[str, Unit] = field(default_factory=dict)
    standard: dict[str, Unit] = field(default_factory=dict)
    selfcontained: dict[str, Unit] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @cached_property
    def samples(self) -> pl.DataFrame:
        """Samples of `large` with their split, in the order of the pool."""
        return self.pool.join(self.selection.table, on="sample_id", maintain_order="left")

    def shard_units(self) -> dict[str, Unit]:
        """Units of every annotation and self-contained shard, by path."""
        return self.large | self.standard | self.selfcontained


def assemble(
    config: BuildConfig,
    states: Sequence[VideoState],
    workspace: Workspace,
    execute: Executor,
    progress: Progress,
    tally: Tally,
) -> Assembly:
    """Select, then bring every shard up to date.

    A video whose frames cannot be stored although its check passed leaves the build, and the
    selection is made again without it.
    """
    parent = load_parent(config.output, manifest_hash(config.output))
    while True:
        assembly = select(config, states, workspace, tally)
        if config.media.mode == "frames":
            _plan_media(config, assembly, workspace, parent)
            lost = _store_media(assembly, workspace, execute, progress)
            for state, row in lost:
                state.alive = False
                tally.rows.append(row)
                counts = {"quarantined": 1, "with samples": -1}
                tally.add("videos", state.recording.source, counts)
            if lost:
                continue
        _write_annotations(config, assembly, workspace, execute, progress)
        return assembly


def select(
    config: BuildConfig,
    states: Sequence[VideoState],
    workspace: Workspace,
    tally: Tally | None = None,
) -> Assembly:
    """Assign videos to splits and samples to `large` and `standard`."""
    alive = [state for state in states if state.alive]
    videos = [state.video for state in states if state.video is not None]
    pool = read_pool(alive, workspace, config.splits.seed, tally)
    known = {f"{video.source}/{video.video_id}" for video in videos}
    found = media_edges(states, workspace, config.duplicates)
    edges = tuple(edge for edge in found if edge.a in known and edge.b in known)
    assignment = assign_splits(videos, config.splits, edges)
    selection = select_samples(pool, assignment, config.splits)
    return Assembly(alive, videos, pool, assignment, selection, edges)


def _clip_ids(assembly: Assembly) -> dict[str, list[str]]:
    """Clips of selected samples, by video name."""
    rows = assembly.samples.select("source", "video_id", "clip_id").unique().sort(pl.all())
    clips: dict[str, list[str]] = {}
    for source, video_id, clip_id in rows.iter_rows():
        clips.setdefault(f"{source}/{video_id}", []).append(clip_id)
    return clips


def _plan_media(
    config: BuildConfig, assembly: Assembly, workspace: Workspace, parent: Parent | None
) -> None:
    clips = _clip_ids(assembly)
    needed = {
        state.name: frames_needed(state, workspace, clips.get(state.name, []))
        for state in assembly.states
    }
    assembly.media = plan_media_shards(assembly.states, needed, config, workspace, parent)
    kept = any(shard.unit is None for shard in assembly.media)
    assembly.parent = parent if kept else None
    require_space(space_needed(config, assembly, workspace), workspace.root)


def space_needed(config: BuildConfig, assembly: Assembly, workspace: Workspace) -> SpaceNeed:
    """Estimate what the frames of unfinished media shards will take."""
    units = [shard.unit for shard in assembly.media if shard.unit is not None]
    finished = workspace.finished([unit.key for unit in units])
    sizes = {state.name: state.video.resolution_wh for state in assembly.states if state.video}
    videos = [
        (len(part.indices), sizes[f"{part.source}/{part.video_id}"])
        for shard in assembly.media
        if shard.unit is not None and shard.unit.key not in finished
        for part in shard.parts
    ]
    return estimate_space(videos, config.media.long_side)


def _store_media(
    assembly: Assembly, workspace: Workspace, execute: Executor, progress: Progress
) -> list[tuple[VideoState, QuarantineRow]]:
    """Decode and join, source by source; returns the videos that failed, with their rows."""
    by_name = {state.name: state for state in assembly.states}
    lost = []
    for source in sorted({state.recording.source for state in assembly.states}):
        own = [s for s in assembly.media if s.path.startswith(f"media/{source}-")]
        units = [shard.unit for shard in own if shard.unit is not None]
        finished = workspace.finished([unit.key for unit in units])
        stale = [s for s in own if s.unit is not None and s.unit.key not in finished]
        frames = [unit for shard in stale for unit in shard.frames]
        failed = []
        if frames:
            for name, outcome in run_stage(workspace, "frames", frames, execute, progress).items():
                row = _frames_row(outcome, workspace)
                if row is not None:
                    failed.append((by_name[name], row))
        if not failed:
            done = run_stage(workspace, "media_shards", units, execute, progress)
            _require_all(done)
            assembly.outcomes |= done
            drop_joined_parts(own, workspace)
        lost.extend(failed)
    return lost


def drop_joined_parts(shards: Sequence[MediaShard], workspace: Workspace) -> None:
    """Remove frames that now lie in a media shard; they would double the disk used."""
    keys = [unit.key for shard in shards for unit in shard.frames]
    workspace.ledger.forget(keys)
    for key in keys:
        shutil.rmtree(workspace.folder("frames", key), ignore_errors=True)


def _frames_row(outcome: Outcome, workspace: Workspace) -> QuarantineRow | None:
    if outcome.record is None:
        return failure_row(outcome, "decode")
    info = outcome.record.info
    if info["ok"]:
        return None
    workspace.ledger.forget([outcome.unit.key])
    source, _, video_id = outcome.unit.name.partition("/")
    return QuarantineRow(
        source=source, video_id=video_id, stage="decode", kind="video", reason=info["reason"],
        detail=info["detail"], retryable=True,
        action="The file passed its check and then failed: see whether it changed meanwhile.",
    )  # fmt: skip


def _require_all(outcomes: dict[str, Outcome]) -> None:
    failed = [outcome for outcome in outcomes.values() if outcome.record is None]
    if failed:
        raise ReleaseError(
            f"{len(failed)} shards could not be written, first {failed[0].unit.name}: "
            f"{failed[0].detail}.",
            action="Run the build again; what is finished stays finished.",
        )


def plan_shards(config: BuildConfig, assembly: Assembly, workspace: Workspace) -> None:
    """Plan every shard of a selection, media first."""
    if config.media.mode == "frames":
        parent = load_parent(config.output, manifest_hash(config.output))
        _plan_media(config, assembly, workspace, parent)
    _plan_annotations(config, assembly, workspace)


def _plan_annotations(config: BuildConfig, assembly: Assembly, workspace: Workspace) -> None:
    buckets, few = config.shards.annotation_buckets, config.shards.standard_buckets
    chosen = _selected_ids(assembly)
    standard = _selected_ids(assembly, in_standard=True)
    assembly.large = _annotation_units("large", SPLITS, chosen, assembly, workspace, buckets)
    assembly.standard = _annotation_units(
        "standard", ("train",), standard, assembly, workspace, few
    )
    if config.selfcontained and config.media.mode == "frames":
        assembly.selfcontained = _selfcontained_units(config, assembly, standard, workspace)


def _write_annotations(
    config: BuildConfig,
    assembly: Assembly,
    workspace: Workspace,
    execute: Executor,
    progress: Progress,
) -> None:
    _plan_annotations(config, assembly, workspace)
    units = [*assembly.large.values(), *assembly.standard.values()]
    assembly.outcomes |= run_stage(workspace, "annotation_shards", units, execute, progress)
    _require_all(assembly.outcomes)
    if assembly.selfcontained:
        units = list(assembly.selfcontained.values())
        assembly.outcomes |= run_stage(workspace, "selfcontained", units, execute, progress)
        _require_all(assembly.outcomes)


SelectedIds = dict[tuple[str, str], str]
"""Sample ids, sorted, one a line, by video name and split."""


def _selected_ids(assembly: Assembly, *, in_standard: bool = False) -> SelectedIds:
    rows = assembly.samples.select("sample_id", "source", "video_id", "split", "in_standard")
    if in_standard:
        rows = rows.filter(pl.col("in_standard"))
    lines = pl.col("sample_id").sort().str.join("\n")
    grouped = rows.group_by("source", "video_id", "split").agg(lines)
    return {
        (f"{source}/{video_id}", split): ids for source, video_id, split, ids in grouped.iter_rows()
    }


def _annotation_units(
    folder: str,
    splits: Sequence[str],
    chosen: SelectedIds,
    assembly: Assembly,
    workspace: Workspace,
    buckets: int,
) -> dict[str, Unit]:
    groups: dict[str, list[PairsPart]] = {}
    keys: dict[str, list[object]] = {}
    for state in sorted(assembly.states, key=lambda state: state.name):
        bucket = bucket_of(state.recording.source, state.recording.video_id, buckets)
        for split in splits:
            ids = chosen.get((state.name, split))
            if ids and state.pairs is not None:
                path = f"{folder}/{split}-{bucket:03d}.tar"
                place = workspace.folder("pairs", state.pairs.key)
                groups.setdefault(path, []).append(PairsPart(place, ids))
                keys.setdefault(path, []).append([state.pairs.key, ids])
    code = code_key(*SHARD_CODE)
    return {
        path: Unit(
            "annotation_shards", path, content_key("annotation_shard", keys[path], code),
            annotation_shard_unit, parts, LABEL_TIMEOUT_S,
        )
        for path, parts in sorted(groups.items())
    }  # fmt: skip


def _selfcontained_units(
    config: BuildConfig, assembly: Assembly, standard: SelectedIds, workspace: Workspace
) -> dict[str, Unit]:
    media, media_keys = _media_places(assembly, workspace)
    groups: dict[str, list[SelfContainedPart]] = {}
    keys: dict[str, list[object]] = {}
    for state in sorted(assembly.states, key=lambda state: state.name):
        ids = standard.get((state.name, "train"))
        if not ids or state.pairs is None:
            continue
        source, video_id = state.recording.source, state.recording.video_id
        path = f"standard-selfcontained/train-{_standard_bucket(state, config):03d}.tar"
        stem = _media_stem(source, video_id, config)
        part = SelfContainedPart(
            source, video_id, workspace.folder("pairs", state.pairs.key), ids, media[stem]
        )  # fmt: skip
        groups.setdefault(path, []).append(part)
        keys.setdefault(path, []).append([state.pairs.key, media_keys[stem], ids])
    code = code_key(*SHARD_CODE)
    return {
        path: Unit(
            "selfcontained", path, content_key("selfcontained", keys[path], code),
            selfcontained_unit, parts, LABEL_TIMEOUT_S,
        )
        for path, parts in sorted(groups.items())
    }  # fmt: skip


def _standard_bucket(state: VideoState, config: BuildConfig) -> int:
    recording = state.recording
    return bucket_of(recording.source, recording.video_id, config.shards.standard_buckets)


def _media_stem(source: str, video_id: str, config: BuildConfig) -> str:
    return f"media/{source}-{bucket_of(source, video_id, config.shards.media_buckets):03d}"


def _media_places(
    assembly: Assembly, workspace: Workspace
) -> tuple[dict[str, tuple[MediaPlace, ...]], dict[str, list[str]]]:
    """Tars of each media bucket with their indexes, and keys that change with their bytes."""
    places: dict[str, tuple[MediaPlace, ...]] = {}
    keys: dict[str, list[str]] = {}
    for shard in assembly.media:
        stem = shard.path.removesuffix(".tar").partition("-s")[0]
        if shard.unit is None and assembly.parent is not None:
            root = assembly.parent.root
            place = MediaPlace(root / shard.path, root / "index" / "frames.parquet", shard.path)
            key = str(assembly.parent.files[shard.path]["sha256"])
        elif shard.unit is not None:
            folder = workspace.folder("media_shards", shard.unit.key)
            place = MediaPlace(folder / SHARD_FILE, folder / INDEX_FILE, None)
            key = shard.unit.key
        places[stem] = (*places.get(stem, ()), place)
        keys.setdefault(stem, []).append(key)
    return places, keys


def media_index(
    shard: MediaShard, assembly: Assembly, workspace: Workspace
) -> tuple[Path, pl.DataFrame]:
    """Where a media tar lies now, and its rows of the frame table without the shard's name."""
    if shard.unit is None:
        if shard.index is None or assembly.parent is None:
            raise ReleaseError(f"media shard {shard.path} has neither a unit nor a parent.")
        return assembly.parent.root / shard.path, shard.index
    folder = workspace.folder("media_shards", shard.unit.key)
    return folder / SHARD_FILE, pl.read_ipc(folder / INDEX_FILE)
