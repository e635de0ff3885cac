"""The build, top to bottom: convert, check, pair, select, shard, publish.

No Prefect here: `flows.build` runs the same stages as Prefect tasks, `--no-server` as they are.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flows.assembly import assemble
from flows.corrections import read_log, unknown_videos
from flows.duplicates import search_duplicates
from flows.pairing import plan_pairs
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
    read_pool,
)
from medvid.media import load_ahead
from medvid.releases.config import BuildConfig
from medvid.releases.disk import naming_full_disk
from medvid.releases.distributions import CHARTS_MODULE
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
        load_ahead(CHARTS_MODULE)
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
    line = _Line(config, workspace, execute, progress, tally)
    line.convert(states)
    line.correct(states)
    if config.media.mode == "frames":
        line.check_media(states)
        search_duplicates(states, workspace, config.duplicates, execute, progress)
    line.pair(states)
    return states


@dataclass(frozen=True, slots=True)
class _Line:
    """The stages a video walks through by itself.

    Attributes:
        config: The build.
        workspace: Where finished work lies.
        execute: Runs batches of units.
        progress: Hears how it goes.
        tally: What became of everything that went in.
    """

    config: BuildConfig
    workspace: Workspace
    execute: Executor
    progress: Progress
    tally: Tally

    def convert(self, states: Sequence[VideoState]) -> None:
        """Read native labels."""
        units = [(state, state.convert) for state in states]
        for state, info in self._run("convert", "convert", units):
            source = state.recording.source
            self.tally.rows.extend(QuarantineRow(**row) for row in info["rows"])
            if not info["ok"]:
                self._bury(state, [])
                continue
            state.video = Video(**info["video"])
            self.tally.add("records_in", source, info["records_in"])
            self.tally.add("issues", source, info["issues"])

    def correct(self, states: Sequence[VideoState]) -> None:
        """Apply the correction log to the videos it speaks of."""
        self.tally.corrections_head, corrections = read_log(self.config.corrections)
        whole = {source.name for source in self.config.sources if source.videos is None}
        absent = unknown_videos(corrections, [state.name for state in states], whole)
        self.tally.rows.extend(absent)
        for row in absent:
            self.tally.add("corrections", row.source, {"without_video": 1})
        plan_corrections(states, corrections, self.workspace)
        units = [(state, state.correct) for state in states if state.correct is not None]
        for state, info in self._run("correct", "correct", units):
            self.tally.rows.extend(QuarantineRow(**row) for row in info["rows"])
            self.tally.add("corrections", state.recording.source, info["counts"])

    def check_media(self, states: Sequence[VideoState]) -> None:
        """Decode every picture once."""
        alive = [state for state in states if state.alive]
        self._hash_media(alive)
        units = [(state, state.media) for state in alive if state.media is not None]
        for state, info in self._run("media", "integrity", units, batch_size=1):
            rows = media_rows(state, info)
            if info["ok"]:
                self.tally.rows.extend(rows)
            else:
                self._bury(state, rows)

    def pair(self, states: Sequence[VideoState]) -> None:
        """Turn labels into pairs."""
        plan_pairs(states, self.config, self.workspace)
        alive = [state for state in states if state.alive]
        units = [(state, state.pairs) for state in alive if state.pairs is not None]
        for state, info in self._run("pairs", "build", units):
            source = state.recording.source
            self.tally.add("fates", source, info["fate"])
            self.tally.add("candidates", source, info["candidates"])
            self.tally.add("drops", source, info["drops"])
            state.alive = info["samples"] > 0
            word = "with samples" if state.alive else "without samples"
            self.tally.add("videos", source, {word: 1})

    def _run(
        self,
        stage: str,
        fault: str,
        planned: Sequence[tuple[VideoState, Unit]],
        batch_size: int | None = None,
    ) -> Iterator[tuple[VideoState, dict[str, Any]]]:
        """Yield what each unit found; a video whose unit the machine failed is quarantined."""
        if not planned:
            return
        units = [unit for _, unit in planned]
        size = batch_size or max(
            1, min(MAX_BATCH, math.ceil(len(units) / (8 * self.config.workers)))
        )
        outcomes = run_stage(
            self.workspace, stage, units, self.execute, self.progress, batch_size=size
        )
        for state, _ in planned:
            outcome = outcomes[state.name]
            if outcome.record is None:
                self._bury(state, [failure_row(outcome, fault)])
            else:
                yield state, outcome.record.info

    def _bury(self, state: VideoState, rows: Sequence[QuarantineRow]) -> None:
        """Take a video out of the build; its reason is in the quarantine."""
        state.alive = False
        self.tally.rows.extend(rows)
        self.tally.add("videos", state.recording.source, {"quarantined": 1})

    def _hash_media(self, states: Sequence[VideoState]) -> None:
        """Find out which bytes each video has; a disk of videos takes an hour, so each is told."""
        started = time.monotonic()
        unread = [state for state in states if not is_hashed(state, self.workspace)]
        self.progress.start("hash", len(states), len(states) - len(unread))
        waiting = {state.name for state in unread}
        for state in states:
            row = plan_media(state, self.config, self.workspace)
            if row is not None:
                self._bury(state, [row])
            if state.name in waiting:
                self.progress.advance("hash", Outcome(state.media or state.convert, None))
        self.workspace.ledger.flush_hashes()
        self.progress.finish("hash", time.monotonic() - started)


__all__ = ["BuildResult", "Tally", "build_release", "prepare", "read_pool"]
