"""The Prefect flow `build`: the same stages, each batch of videos or shards a task run.

Offline it starts an ephemeral server; with `PREFECT_API_URL` set it reports to that one, where the
run, its tasks and the results table can be seen.
"""

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import polars as pl
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from flows.pipeline import BuildResult, build_release
from medvid.releases.config import BuildConfig
from medvid.releases.units import Outcome, Progress, Unit, run_batch


# Content keys decide what is done: Prefect's own cache would hand one task another's result.
@task(
    name="units", task_run_name="{stage} {label}", cache_policy=NO_CACHE, retries=1,
    persist_result=False,
)  # fmt: skip
def run_units(stage: str, label: str, batch: Sequence[Unit], root: Path) -> list[Outcome]:
    """Run one batch of units in a process of its own."""
    return run_batch(batch, root)


class PrefectExecutor:
    """Submits each batch as a task run to the task runner of the current flow."""

    def __call__(
        self, stage: str, batches: Sequence[Sequence[Unit]], root: Path
    ) -> Iterator[list[Outcome]]:
        """Yield the outcomes of each batch as it ends."""
        futures = [
            run_units.submit(stage=stage, label=_label(batch), batch=list(batch), root=root)
            for batch in batches
        ]
        for future in as_completed(futures):
            yield future.result()


def _label(batch: Sequence[Unit]) -> str:
    rest = f" and {len(batch) - 1} more" if len(batch) > 1 else ""
    return f"{batch[0].name}{rest}"


class LoggedProgress:
    """Progress as lines of the flow run's log, for runs nobody watches."""

    def start(self, stage: str, total: int, done: int) -> None:
        """A stage begins: `total` units, of which `done` need nothing."""
        get_run_logger().info("%s: %d units, %d done before", stage, total, done)

    def advance(self, stage: str, outcome: Outcome) -> None:
        """A unit ended."""
        if outcome.failure:
            get_run_logger().warning("%s: %s: %s", stage, outcome.unit.name, outcome.detail)

    def finish(self, stage: str, seconds: float) -> None:
        """A stage ended."""
        get_run_logger().info("%s: %.1f s", stage, seconds)


_progress: ContextVar[Progress | None] = ContextVar("progress", default=None)
"""Who hears how the run goes; a flow's parameters are plain values that its page shows."""


@flow(name="build", flow_run_name="{config.name}")
def build(config: BuildConfig, wait: bool = False) -> BuildResult:
    """Build a release; run it from a deployment, or through `medvid build`.

    Args:
        config: The build.
        wait: Wait for another build in the workspace instead of refusing.
    """
    result = build_release(
        config, PrefectExecutor(), _progress.get() or LoggedProgress(), wait=wait
    )
    create_table_artifact(
        key="release",
        table=results_table(result),
        description=f"Release {config.name}: samples by source and task, videos by fate",
    )
    return result


def results_table(result: BuildResult) -> list[dict[str, Any]]:
    """Rows of the results artifact: samples by task and videos by fate, a row a source."""
    grouped = (
        pl.scan_parquet(result.published.root / "index" / "samples.parquet")
        .group_by("source", "task")
        .agg(pl.len().alias("samples"))
        .sort("source", "task")
        .collect()
    )
    tasks = grouped["task"].unique().sort().to_list()
    cells = {(source, task): count for source, task, count in grouped.iter_rows()}
    rows: list[dict[str, Any]] = [
        {"source": source}
        | {task: cells.get((source, task), 0) for task in tasks}
        | {word: counts[word] for word in sorted(counts)}
        for source, counts in sorted(result.tally.videos.items())
    ]
    return [*rows, {"source": f"manifest {result.published.manifest_sha256[:16]}"}]


def run_build(config: BuildConfig, progress: Progress, *, wait: bool = False) -> BuildResult:
    """Run the flow with as many threads as workers; each thread waits for one process.

    Raises:
        MedVidError: Whatever the build raises.
    """
    runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=config.workers)
    token = _progress.set(progress)
    try:
        # A flow's heartbeat thread is joined at its end, which costs a second a run.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            return build.with_options(task_runner=runner)(config=config, wait=wait)  # type: ignore[arg-type]  # invariant in the future's type
    finally:
        _progress.reset(token)
