"""The build, top to bottom: convert, check, pair, select, shard, publish.

No Prefect here: `flows.build` runs the same stages as Prefect tasks, `--no-server` as they are.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from flows.assembly import assemble
from flows.corrections import read_log, unknown_videos
from flows.duplicates import search_duplicates
from flows.publishing import publish
from flows.sources import (
    Tally,
    VideoState,
    discover,
    failure_row,
    is_hashed,
    media_rows,
    plan_corrections,
    plan_media,
    plan_pairs,
    read_pool,
)
from medvid.releases.config import BuildConfig
from medvid.releases.disk import naming_full_disk
from medvid.releases.locks import hold_lock, output_lock
from medvid.releases.publish import Published, recover_output
from medvid.releases.units import Executor, Outcome, Progress, Unit, run_stage
from medvid.releases.workspace import Workspace
from schemas.quarantine import QuarantineRow
from schemas.video import Video

MAX_BATCH = 64


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build made.

    Attributes:
        published: The release and its manifest.
        tally: What became of everything that went in.
        seconds: Wall time by stage.
    """

    published: Published
    tally: Tally
    seconds: dict[str, float]


class _Timed:
    """Passes progress on and remembers how long each stage took."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self.seconds: dict[str, float] = {}
        self.start = inner.start
        self.advance = inner.advance

    def finish(self, stage: str, seconds: float) -> None:
        """A stage ended."""
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + seconds, 3)
        self._inner.finish(stage, seconds)


def build_release(
    config: BuildConfig, execute: Executor, progress: Progress, *, wait: bool = False
) -> BuildResult:
    """Build a release, doing only what is not done yet.

    Args:
        config: The build.
        execute: Runs batches of units.
        progress: Hears how it goes.
        wait: Wait for another build in the workspace instead of refusing.

    Raises:
        MedVidError: Something a user can act on; what is finished stays finished.
    """
    timed = _Timed(progress)
    started = time.monotonic()
    with (
        naming_full_disk(),
        hold_lock(output_lock(config.output), "writing this release", wait=wait),
        Workspace(config.workspace, wait=wait) as workspace,
    ):
        recover_output(config.output)
        tally = Tally()
        states = prepare(config, workspace, execute, timed, tally)
        assembly = assemble(config, states, workspace, execute, timed, tally)
        published = publish(
            config, states, assembly, workspace, tally, execute, timed, timed.seconds
        )
    timed.seconds["total"] = round(time.monotonic() - started, 3)
    return BuildResult(published, tally, timed.seconds)


def prepare(
    config: BuildConfig,
    workspace: Workspace,
    execute: Executor,
    progress: Progress,
    tally: Tally,
) -> list[VideoState]:
    """Take every video from its native files to its candidate samples."""
    states = discover(config, workspace)
    _convert(config, states, workspace, execute, progress, tally)
    _correct(config, states, workspace, execute, progress, tally)
    if config.media.mode == "frames":
        _check_media(config, states, workspace, execute, progress, tally)
        search_duplicates(states, workspace, execute, progress)
    _pair(config, states, workspace, execute, progress, tally)
    return states


def _batch(units: Sequence[Unit], config: BuildConfig) -> int:
    return max(1, min(MAX_BATCH, math.ceil(len(units) / (8 * config.workers))))


def _convert(
    config: BuildConfig,
    states: Sequence[VideoState],
    workspace: Workspace,
    execute: Executor,
    progress: Progress,
    tally: Tally,
) -> None:
    units = [state.convert for state in states]
    size = _batch(units, config)
    outcomes = run_stage(workspace, "convert", units, execute, progress, batch_size=size)
    for state in states:
        outcome, source = outcomes[state.name], state.recording.source
        if outcome.record is None:
            _bury(state, [failure_row(outcome, "convert")], tally)
            continue
        info = outcome.record.info
        tally.rows.extend(QuarantineRow(**row) for row in info["rows"])
        if not info["ok"]:
            _bury(state, [], tally)
            continue
        state.video = Video(**info["video"])
        tally.add("records_in", source, info["records_in"])
        tally.add("issues", source, info["issues"])


def _correct(
    config: BuildConfig,
    states: Sequence[VideoState],
    workspace: Workspace,
    execute: Executor,
    progress: Progress,
    tally: Tally,
) -> None:
    """Apply the correction log to the videos it speaks of."""
    tally.corrections_head, corrections = read_log(config.corrections)
    tally.rows.extend(unknown_videos(corrections, [state.name for state in states]))
    plan_corrections(states, corrections, workspace)
    units = [state.correct for state in states if state.correct is not None]
    if not units:
        return
    size = _batch(units, config)
    outcomes = run_stage(workspace, "correct", units, execute, progress, batch_size=size)
    for state in states:
        if state.correct is None:
            continue
        outcome = outcomes[state.name]
        if outcome.record is None:
            _bury(state, [failure_row(outcome, "correct")], tally)
            continue
        tally.rows.extend(QuarantineRow(**row) for row in outcome.record.info["rows"])
        tally.add("corrections", state.recording.source, outcome.record.info["counts"])


def _bury(state: VideoState, rows: Sequence[QuarantineRow], tally: Tally) -> None:
    """Take a video out of the build; its reason is in the quarantine."""
    state.alive = False
    tally.rows.extend(rows)
    tally.add("videos", state.recording.source, {"quarantined": 1})


def _hash_media(
    config: BuildConfig,
    states: Sequence[VideoState],
    workspace: Workspace,
    progress: Progress,
    tally: Tally,
) -> None:
    """Find out which bytes each video has; a disk of videos takes an hour, so each one is told."""
    started = time.monotonic()
    unread = [state for state in states if not is_hashed(state, workspace)]
    progress.start("hash", len(states), len(states) - len(unread))
    waiting = {state.name for state in unread}
    for state in states:
        row = plan_media(state, config, workspace)
        if row is not None:
            _bury(state, [row], tally)
        if state.name in waiting:
            progress.advance("hash", Outcome(state.media or state.convert, None))
    workspace.ledger.flush_hashes()
    progress.finish("hash", time.monotonic() - started)


def _check_media(
    config: BuildConfig,
    states: Sequence[VideoState],
    workspace: Workspace,
    execute: Executor,
    progress: Progress,
    tally: Tally,
) -> None:
    alive = [state for state in states if state.alive]
    _hash_media(config, alive, workspace, progress, tally)
    units = [state.media for state in alive if state.media is not None]
    outcomes = run_stage(workspace, "media", units, execute, progress)
    for state in alive:
        if state.media is None:
            continue
        outcome = outcomes[state.name]
        if outcome.record is None:
            _bury(state, [failure_row(outcome, "integrity")], tally)
            continue
        rows = media_rows(state, outcome.record.info)
        if outcome.record.info["ok"]:
            tally.rows.extend(rows)
        else:
            _bury(state, rows, tally)


def _pair(
    config: BuildConfig,
    states: Sequence[VideoState],
    workspace: Workspace,
    execute: Executor,
    progress: Progress,
    tally: Tally,
) -> None:
    alive = [state for state in states if state.alive]
    for state in alive:
        plan_pairs(state, config, workspace)
    units = [state.pairs for state in alive if state.pairs is not None]
    size = _batch(units, config)
    outcomes = run_stage(workspace, "pairs", units, execute, progress, batch_size=size)
    for state in alive:
        outcome, source = outcomes[state.name], state.recording.source
        if outcome.record is None:
            _bury(state, [failure_row(outcome, "build")], tally)
            continue
        info = outcome.record.info
        tally.add("fates", source, info["fate"])
        tally.add("candidates", source, info["candidates"])
        tally.add("drops", source, info["drops"])
        state.alive = info["samples"] > 0
        word = "with samples" if state.alive else "without samples"
        tally.add("videos", source, {word: 1})


__all__ = ["BuildResult", "Tally", "build_release", "prepare", "read_pool"]
