"""What a build would do: stale work and why, bytes, time; nothing is written but hashes."""

import shutil
from collections.abc import Sequence

from flows.assembly import Assembly, plan_shards, select, space_needed
from flows.corrections import read_log
from flows.duplicates import plan_search
from flows.pairing import plan_pairs
from flows.sources import VideoState, discover, plan_corrections, plan_media
from medvid.releases.config import BuildConfig
from medvid.releases.units import Unit
from medvid.releases.workspace import Workspace
from schemas.scalars import SCHEMA_VERSION, Model
from schemas.video import Video


class StagePlan(Model):
    """What a stage would do.

    Attributes:
        stage: Stage name.
        units: Units it has.
        stale: Units to run.
        why: How many are new and how many changed.
        seconds: Wall time by what such units took before, 0 where none ran yet.
        examples: Names of some stale units.
    """

    stage: str
    units: int
    stale: int
    why: str
    seconds: float
    examples: tuple[str, ...] = ()


class BuildPlan(Model):
    """What a build would do.

    Attributes:
        stages: In order.
        new_frames: Frames to decode and store, as far as it is known.
        new_bytes: Estimated bytes of them.
        free_bytes: Free bytes on the workspace's disk.
        notes: What the plan cannot know yet.
    """

    schema_version: int = SCHEMA_VERSION
    stages: tuple[StagePlan, ...]
    new_frames: int
    new_bytes: int
    free_bytes: int
    notes: tuple[str, ...]


def plan_build(config: BuildConfig) -> BuildPlan:
    """Find out what a build would do, without doing it."""
    with Workspace(config.workspace) as workspace:
        states = discover(config, workspace)
        stages = [_stage("convert", [s.convert for s in states], config, workspace)]
        _bury_known(states, "convert", workspace)
        plan_corrections(states, read_log(config.corrections)[1], workspace)
        fixed = [s.correct for s in states if s.correct is not None]
        if fixed:
            stages.append(_stage("correct", fixed, config, workspace))
        if config.media.mode == "frames":
            for state in (state for state in states if state.alive):
                plan_media(state, config, workspace)
            media = [s.media for s in states if s.media is not None]
            stages.append(_stage("media", media, config, workspace))
            _bury_known(states, "media", workspace)
            search = plan_search(states, workspace, config.duplicates)
            stages.append(_stage("duplicates", [search] if search else [], config, workspace))
        plan_pairs(states, config, workspace)
        pairs = [s.pairs for s in states if s.pairs is not None]
        stages.append(_stage("pairs", pairs, config, workspace))
        frames = size = 0
        notes: tuple[str, ...] = (
            "frames and shards follow from the stale videos; plan again once they are paired.",
        )
        if not any(stage.stale for stage in stages):
            assembly = _assembly(config, states, workspace)
            if assembly is not None:
                shard_stages, frames, size = _shards(config, assembly, workspace)
                stages.extend(shard_stages)
                notes = ()
        free = shutil.disk_usage(workspace.root).free
    return BuildPlan(
        stages=tuple(stages), new_frames=frames, new_bytes=size, free_bytes=free, notes=notes
    )


def _bury_known(states: Sequence[VideoState], stage: str, workspace: Workspace) -> None:
    """Leave out videos that a finished unit found unusable."""
    for state in states:
        unit = state.convert if stage == "convert" else state.media
        record = workspace.finished([unit.key]).get(unit.key) if unit else None
        if record is not None and not record.info["ok"]:
            state.alive = False
        elif record is not None and stage == "convert":
            state.video = Video(**record.info["video"])


def _assembly(
    config: BuildConfig, states: Sequence[VideoState], workspace: Workspace
) -> Assembly | None:
    """The selection a build would make, from what is finished."""
    for state in states:
        state.alive = state.alive and _has_samples(state, workspace)
    return select(config, states, workspace) if any(s.alive for s in states) else None


def _has_samples(state: VideoState, workspace: Workspace) -> bool:
    if state.pairs is None:
        return False
    record = workspace.finished([state.pairs.key]).get(state.pairs.key)
    return record is not None and bool(record.info["samples"])


def _shards(
    config: BuildConfig, assembly: Assembly, workspace: Workspace
) -> tuple[list[StagePlan], int, int]:
    plan_shards(config, assembly, workspace)
    need = space_needed(config, assembly, workspace)
    media = [shard.unit for shard in assembly.media if shard.unit is not None]
    annotation = [*assembly.large.values(), *assembly.standard.values()]
    stages = [
        _stage("media_shards", media, config, workspace),
        _stage("annotation_shards", annotation, config, workspace),
        _stage("selfcontained", list(assembly.selfcontained.values()), config, workspace),
    ]
    return stages, need.frames, need.bytes


def _stage(
    stage: str, units: Sequence[Unit], config: BuildConfig, workspace: Workspace
) -> StagePlan:
    done = workspace.finished([unit.key for unit in units])
    stale = [unit for unit in units if unit.key not in done]
    changed = [unit for unit in stale if workspace.ledger.keys_of(stage, unit.name)]
    parts = [(len(stale) - len(changed), "new"), (len(changed), "changed")]
    why = ", ".join(f"{count} {word}" for count, word in parts if count) or "up to date"
    mean = workspace.ledger.mean_seconds(stage)
    return StagePlan(
        stage=stage, units=len(units), stale=len(stale), why=why,
        seconds=round(mean * len(stale) / config.workers, 1),
        examples=tuple(unit.name for unit in stale[:5]),
    )  # fmt: skip
