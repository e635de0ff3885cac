"""The Prefect flow `build`: the same stages, each batch of videos or shards a task run.

Offline it starts an ephemeral server; with `PREFECT_API_URL` set it reports to that one, where the
run, its tasks and the results table can be seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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


@flow(name="build", flow_run_name="{name}", validate_parameters=False)
def build(name: str, config: BuildConfig, progress: Progress, wait: bool = False) -> BuildResult:
    """Build a release under Prefect."""
    logger = get_run_logger()
    logger.info("building %s from %s sources", name, len(config.sources))
    result = build_release(config, PrefectExecutor(), progress, wait=wait)
    create_table_artifact(
        key="release", table=results_table(result), description=f"Release {config.name}"
    )
    return result


def results_table(result: BuildResult) -> list[dict[str, Any]]:
    """Rows of the results artifact: what became of each source's videos."""
    videos: Mapping[str, Mapping[str, int]] = result.tally.videos
    rows = [
        {"source": source, **{word: counts[word] for word in sorted(counts)}}
        for source, counts in sorted(videos.items())
    ]
    whole = {"source": "release", "manifest sha256": result.published.manifest_sha256}
    return [*rows, whole]


def run_build(config: BuildConfig, progress: Progress, *, wait: bool = False) -> BuildResult:
    """Run the flow with as many threads as workers; each thread waits for one process.

    Raises:
        MedVidError: Whatever the build raises.
    """
    runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=config.workers)
    # A flow's heartbeat thread is joined at its end, which costs a second a run.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return build.with_options(task_runner=runner)(  # type: ignore[arg-type]  # invariant in the future's type
            name=config.name, config=config, progress=progress, wait=wait
        )
