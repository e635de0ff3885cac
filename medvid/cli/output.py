"""What commands print: progress for people, lines for logs, JSON for programs."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import orjson
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from schemas.errors import ConfigError, ShardError

if TYPE_CHECKING:
    from medvid.releases.units import Outcome

PIPE_WIDTH = 160
console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def print_json(value: object) -> None:
    """Print one JSON document, and nothing else."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_table(title: str, columns: list[str], rows: list[list[object]]) -> None:
    """Print a table; numbers are right-aligned, and a pipe gets the same columns unwrapped."""
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False)
    for position, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[position], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(title, markup=False)
    console.print(table)


def make_folder(path: Path) -> None:
    """Make a folder for what a command writes.

    Raises:
        ConfigError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder {path} cannot be made: {error.strerror}.",
            action="Name another one, or one you may write in.",
        ) from error


def write_document(path: Path, content: bytes) -> None:
    """Write a file that a person named; it appears whole or not at all.

    Raises:
        ConfigError: It cannot be written there.
    """
    from medvid.shards.aside import write_whole

    make_folder(path.parent)
    try:
        write_whole(path, content)
    except ShardError as error:
        raise ConfigError(
            error.problem, source=path.name,
            action="Name another file with --output, or free space: nothing of it is left.",
        ) from error  # fmt: skip


class EventLog:
    """Appends every event as a JSON line; the source of what a person sees later."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = path.open("ab", buffering=0)

    def write(self, **event: Any) -> None:  # noqa: ANN401 - the JSON edge
        """Append one event with the time it happened."""
        self._handle.write(orjson.dumps({"at": round(time.time(), 3), **event}) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


class BuildProgress:
    """One bar a stage on a terminal, plain lines elsewhere, silence with `--json`."""

    def __init__(self, events: Path, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._log = EventLog(events)
        self._console = Console(file=stream or sys.stderr, highlight=False)
        self._quiet = quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._counts: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> "BuildProgress":
        if not self._quiet and self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(),
                TimeElapsedColumn(), TimeRemainingColumn(), console=self._console,
            )  # fmt: skip
            self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._log.close()

    def start(self, stage: str, total: int, done: int) -> None:
        """A stage begins: `total` units, of which `done` need nothing."""
        self._log.write(event="start", stage=stage, total=total, done=done)
        self._counts[stage] = (done, total)
        if self._bars is not None:
            self._tasks[stage] = self._bars.add_task(stage, total=total, completed=done)

    def advance(self, stage: str, outcome: "Outcome") -> None:
        """A unit ended."""
        seconds = outcome.record.seconds if outcome.record else None
        self._log.write(
            event="unit", stage=stage, unit=outcome.unit.name, key=outcome.unit.key,
            seconds=seconds, failure=outcome.failure, detail=outcome.detail,
        )  # fmt: skip
        if self._bars is not None:
            self._bars.advance(self._tasks[stage])
        if outcome.failure and not self._quiet:
            self._console.print(f"{stage}: {outcome.unit.name}: {outcome.detail}", markup=False)

    def finish(self, stage: str, seconds: float) -> None:
        """A stage ended."""
        self._log.write(event="finish", stage=stage, seconds=round(seconds, 3))
        done, total = self._counts[stage]
        if self._bars is None and not self._quiet:
            new = total - done
            self._console.print(f"{stage:<18} {total:>6} ({new} new) {seconds:8.1f} s")


def counted(number: int, one: str, several: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(2_000, "row"), counted(0, "reply", "replies")
    ('1 row', '2,000 rows', '0 replies')
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def size_text(size: int) -> str:
    """Bytes as people say them.

    >>> size_text(1_234_567)
    '1.2 MB'
    """
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
