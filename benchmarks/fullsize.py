"""The full-size release from native labels, all eight sources: seconds, CPU and memory by stage.

`medvid.synthetic` writes native label trees of official size (not timed); then the real line runs
on them as `configs/medvidbench.yaml` says, labels only: convert, pairs, splits, annotation shards,
index, and all that a release ships with. Memory is the proportional set size (PSS) of the build and
all its processes together, sampled twice a second, so that a page that two processes share counts
once. CPU is user and system time of the same processes, without what the sampling takes.

Targets: 531,850 pairs in large and 51,505 in standard, nobody in two splits, under 120 s and 3 GiB
on 2 cores.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import polars as pl

from flows.pipeline import BuildResult, build_release
from medvid.releases.config import BuildConfig, load_config
from medvid.releases.units import LocalExecutor, Outcome
from medvid.synthetic import load_writers, write_tree

CONFIG = Path(__file__).parent.parent / "configs" / "medvidbench.yaml"
TARGET_S = 120
TARGET_MIB = 3 * 1024
LARGE, STANDARD = 531_850, 51_505
SATURATED = ("cvs_assessment", "skill_assessment")
_TICKS = os.sysconf("SC_CLK_TCK")
_BEFORE = {"convert": "discover", "annotation_shards": "select", "publish": "-"}


def process_tree() -> list[int]:
    """This process and all below it that are alive now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree = [os.getpid()]
    for pid in tree:
        tree.extend(children.get(pid, []))
    return tree


def _stat(pid: int) -> list[str]:
    """Fields of `/proc/PID/stat` from the third on; none where the process is gone."""
    try:
        return (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="ascii", errors="replace")
            .rpartition(")")[2]
            .split()
        )
    except OSError:
        return []


def cpu_seconds() -> float:
    """User and system time of the process tree, children that ended included."""
    return sum(sum(int(part) for part in _stat(pid)[11:15]) for pid in process_tree()) / _TICKS


def tree_mib() -> float:
    """Proportional set size of the process tree."""
    total = 0
    for pid in process_tree():
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        line = next((line for line in rollup.splitlines() if line.startswith("Pss:")), "Pss: 0")
        total += int(line.split()[1])
    return total / 1024


@dataclass
class Stage:
    """What a stage took."""

    name: str
    wall_s: float
    cpu_s: float
    peak_mib: float


@dataclass
class Meter:
    """Hears the build's progress and notes what lies between two of its words."""

    stages: list[Stage] = field(default_factory=list)
    _at: tuple[float, float] = (0.0, 0.0)
    _peak: float = 0.0
    _own_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Meter":
        self._at = (time.monotonic(), cpu_seconds())
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self._peak = max(self._peak, tree_mib())
            self._own_s = time.thread_time()

    def note(self, name: str) -> None:
        """Book everything since the last note under a name."""
        now = (time.monotonic(), cpu_seconds() - self._own_s)
        peak = max(self._peak, tree_mib())
        self.stages.append(Stage(name, now[0] - self._at[0], now[1] - self._at[1], peak))
        self._at, self._peak = now, 0.0

    def start(self, stage: str, total: int, done: int) -> None:
        """A stage begins: what came before it has a name of its own."""
        self.note(_BEFORE.get(stage, "-"))

    def advance(self, stage: str, outcome: Outcome) -> None:
        """A unit ended."""

    def finish(self, stage: str, seconds: float) -> None:
        """A stage ended."""
        self.note(stage)


def write_trees(folder: Path, scale: float) -> None:
    """Write every source's native labels, two at a time; trees that are there are kept."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        jobs = [pool.submit(_write, name, folder / name, scale) for name in load_writers()]
        for job in jobs:
            job.result()


def _write(name: str, root: Path, scale: float) -> None:
    mark = root.with_name(f"{name}.{scale}")
    if not mark.is_file():
        shutil.rmtree(root, ignore_errors=True)
        write_tree(name, root, scale=scale, media=False)
        mark.touch()


def full_size(folder: Path, workers: int) -> BuildConfig:
    """The full-size release over the made-up trees, labels only."""
    config = load_config(CONFIG, {"output": folder / "release", "workspace": folder / "work"})
    sources = tuple(
        source.model_copy(update={"root": folder / "native" / source.name})
        for source in config.sources
    )
    media = config.media.model_copy(update={"mode": "none"})
    return config.model_copy(update={"sources": sources, "media": media, "workers": workers})


def build(folder: Path, workers: int, meter: Meter) -> BuildResult:
    """Run the line from nothing."""
    config = full_size(folder, workers)
    for left in (config.output, config.workspace):
        shutil.rmtree(left, ignore_errors=True)
    with meter:
        return build_release(config, LocalExecutor(workers), meter)


def print_stages(stages: list[Stage]) -> tuple[float, float]:
    """Print a row a stage; returns wall time and peak memory of all."""
    out = sys.stdout
    out.write(f"{'stage':<20}{'wall s':>9}{'cpu s':>9}{'MiB':>9}\n")
    merged: dict[str, Stage] = {}
    for stage in stages:
        held = merged.setdefault(stage.name, Stage(stage.name, 0, 0, 0))
        held.wall_s += stage.wall_s
        held.cpu_s += stage.cpu_s
        held.peak_mib = max(held.peak_mib, stage.peak_mib)
    total = Stage(
        "all", sum(s.wall_s for s in stages), sum(s.cpu_s for s in stages),
        max(s.peak_mib for s in stages),
    )  # fmt: skip
    for stage in [s for s in merged.values() if s.wall_s >= 0.01] + [total]:
        out.write(f"{stage.name:<20}{stage.wall_s:>9.1f}{stage.cpu_s:>9.1f}"
                  f"{stage.peak_mib:>9.0f}\n")  # fmt: skip
    return total.wall_s, total.peak_mib


def print_pairs(root: Path) -> list[str]:
    """Print pairs by source and task; returns what of the release is not as it must be."""
    samples = pl.read_parquet(
        root / "index" / "samples.parquet",
        columns=["source", "task", "split", "in_standard", "identity"],
    )
    out = sys.stdout
    for title, rows in (("large", samples), ("standard", samples.filter(pl.col("in_standard")))):
        table = rows.pivot("task", index="source", values="split", aggregate_function="len")
        table = table.fill_null(0).sort("source").select("source", *sorted(table.columns[1:]))
        out.write(f"\n{title}: {len(rows):,}\n{_text(table)}")
    out.write(f"\n{_text(samples.group_by('split').len().sort('split'))}")
    return _faults(samples)


def _text(table: pl.DataFrame) -> str:
    width = 20
    lines = ["".join(f"{name[: width - 2]:>{width}}" for name in table.columns)]
    lines += ["".join(f"{cell!s:>{width}}" for cell in row) for row in table.iter_rows()]
    return "\n".join(lines) + "\n"


def _faults(samples: pl.DataFrame) -> list[str]:
    standard = samples.filter(pl.col("in_standard"))
    faults = [
        f"{title} has {len(rows):,} pairs, not {wanted:,}"
        for title, rows, wanted in (("large", samples, LARGE), ("standard", standard, STANDARD))
        if len(rows) != wanted
    ]
    if samples["source"].n_unique() != 8:
        faults.append("a source is missing")
    crossing = samples.group_by("identity").agg(pl.col("split").n_unique())
    if crossing["split"].max() != 1:
        faults.append("an identity stands in two splits")
    train = samples.filter(pl.col("split") == "train")
    there, taken = (dict(t.group_by("task").len().iter_rows()) for t in (train, standard))
    faults.extend(
        f"{task} is not saturated: {taken.get(task)} of {there.get(task)}"
        for task in SATURATED
        if there.get(task) != taken.get(task)
    )
    levels = [count for task, count in taken.items() if task not in SATURATED]
    if len(levels) != 6 or max(levels) - min(levels) > 1:
        faults.append(f"the six other tasks are not equal: {sorted(levels)}")
    return faults


def judge(checks: dict[str, bool], say: Callable[[str], object] = sys.stdout.write) -> None:
    """Print each target and whether it is met."""
    for target, met in checks.items():
        say(f"{target}: {'met' if met else 'missed'}\n")


def main() -> None:
    """Write, build, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="Keep trees, workspace and release here.")
    parser.add_argument("--scale", type=float, default=1.0, help="Share of the official size.")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        (folder / "native").mkdir(parents=True, exist_ok=True)
        write_trees(folder / "native", arguments.scale)
        meter = Meter()
        result = build(folder, arguments.workers, meter)
        wall_s, peak_mib = print_stages(meter.stages)
        faults = print_pairs(result.published.root)
    for fault in faults:
        sys.stdout.write(f"WRONG: {fault}\n")
    judge({
        f"exactly {LARGE:,} and {STANDARD:,}, nobody in two splits": not faults,
        f"under {TARGET_S} s: {wall_s:.1f} s": wall_s <= TARGET_S,
        f"under {TARGET_MIB} MiB PSS: {peak_mib:.0f} MiB": peak_mib <= TARGET_MIB,
    })  # fmt: skip
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
