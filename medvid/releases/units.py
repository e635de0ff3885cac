"""Units of work: what to run, how it is skipped when done, retried when the machine failed it."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from medvid.media import run_isolated
from medvid.releases.ledger import UnitRecord
from medvid.releases.workspace import Workspace, commit_unit, unit_folder
from schemas.errors import MediaError

UnitFunction = Callable[[Path, Any], dict[str, Any]]
"""Runs in a worker process: `(folder to write into, payload) -> info`."""

RETRIES = 1


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work, done once for its content key.

    Attributes:
        stage: Stage name.
        name: Readable name, e.g. `nurvid/AbCdEfGhIjK`.
        key: Content key: hash of everything the outputs depend on.
        function: Module-level function that does it.
        payload: Its picklable argument.
        timeout_s: Wall-clock limit.
    """

    stage: str
    name: str
    key: str
    function: UnitFunction
    payload: Any
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit.

    Attributes:
        unit: The unit.
        record: Its ledger record, None where the machine failed it.
        failure: `timeout` or `crashed`, None where it is done.
        detail: The failure in one sentence.
    """

    unit: Unit
    record: UnitRecord | None
    failure: str | None = None
    detail: str = ""


class Executor(Protocol):
    """Runs batches of units, in any order, several at a time."""

    def __call__(
        self, stage: str, batches: Sequence[Sequence[Unit]], root: Path
    ) -> Iterator[list[Outcome]]:
        """Yield the outcomes of each batch as it ends."""
        ...


class LocalExecutor:
    """Local processes, `workers` at a time, each killed when its wall clock runs out."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def __call__(
        self, stage: str, batches: Sequence[Sequence[Unit]], root: Path
    ) -> Iterator[list[Outcome]]:
        """Yield the outcomes of each batch as it ends."""
        with ThreadPoolExecutor(self.workers, thread_name_prefix=stage) as pool:
            futures = [pool.submit(run_batch, batch, root) for batch in batches]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def run_batch(batch: Sequence[Unit], root: Path) -> list[Outcome]:
    """Run a batch in one process; when the machine fails it, run its units one by one."""
    timeout_s = sum(unit.timeout_s for unit in batch)
    try:
        records = run_isolated(_run_units, list(batch), root, timeout_s=timeout_s)
    except MediaError as error:
        if error.reason not in ("timeout", "crashed"):
            raise
        if len(batch) > 1:
            return [outcome for unit in batch for outcome in run_batch([unit], root)]
        return [_retry(batch[0], root, error)]
    return [Outcome(unit, record) for unit, record in zip(batch, records, strict=True)]


def _retry(unit: Unit, root: Path, error: MediaError) -> Outcome:
    for _ in range(RETRIES):
        try:
            records = run_isolated(_run_units, [unit], root, timeout_s=unit.timeout_s)
            return Outcome(unit, records[0])
        except MediaError as again:
            if again.reason not in ("timeout", "crashed"):
                raise
            error = again
    return Outcome(unit, None, error.reason, error.problem)


def _run_units(units: list[Unit], root: Path) -> list[UnitRecord]:
    records = []
    for unit in units:
        started = time.monotonic()
        with unit_folder(root, unit.stage, unit.key) as work:
            info = unit.function(work, unit.payload)
            records.append(
                commit_unit(
                    root, work, stage=unit.stage, key=unit.key, unit=unit.name, info=info,
                    seconds=time.monotonic() - started,
                )
            )  # fmt: skip
    return records


class Progress(Protocol):
    """Hears how a stage goes."""

    def start(self, stage: str, total: int, done: int) -> None:
        """A stage begins: `total` units, of which `done` need nothing."""
        ...

    def advance(self, stage: str, outcome: Outcome) -> None:
        """A unit ended."""
        ...

    def finish(self, stage: str, seconds: float) -> None:
        """A stage ended."""
        ...


def run_stage(
    workspace: Workspace,
    stage: str,
    units: Sequence[Unit],
    execute: Executor,
    progress: Progress,
    *,
    batch_size: int = 1,
) -> dict[str, Outcome]:
    """Bring every unit of a stage up to date.

    Returns:
        Outcomes by unit name, in the order of `units`.
    """
    started = time.monotonic()
    done = workspace.finished([unit.key for unit in units])
    outcomes: dict[str, Outcome] = {}
    stale: list[Unit] = []
    for unit in units:
        record = done.get(unit.key) or workspace.adopt(stage, unit.key)
        if record is None:
            stale.append(unit)
        else:
            outcomes[unit.name] = Outcome(unit, record)
    progress.start(stage, len(units), len(outcomes))
    batches = [stale[i : i + batch_size] for i in range(0, len(stale), batch_size)]
    for finished in execute(stage, batches, workspace.root):
        for outcome in finished:
            if outcome.record is not None:
                workspace.ledger.record(outcome.record)
            outcomes[outcome.unit.name] = outcome
            progress.advance(stage, outcome)
    workspace.used.update(o.unit.key for o in outcomes.values() if o.record is not None)
    progress.finish(stage, time.monotonic() - started)
    return {unit.name: outcomes[unit.name] for unit in units}
