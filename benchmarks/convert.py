"""Converting all sources at official size, labels only: seconds and memory by source.

Native trees are drawn by `medvid.synthetic` at scale 1; drawing is not timed. Each source is
converted in a process of its own, as the build does, and its peak memory is that process's.
Target: all sources under 60 s and 2 GiB on 2 cores.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from converters.registry import get_converter, load_converters
from medvid.synthetic import write_tree
from schemas.errors import SourceError

TARGET_S = 60
TARGET_MIB = 2048


class Row(NamedTuple):
    """What converting a source took."""

    source: str
    videos: int
    refused: int
    records: int
    cpu_s: float
    wall_s: float
    peak_mib: float


def convert(name: str, root: Path) -> Row:
    """Convert every recording of a tree and serialise it, as the build's first stage does."""
    started, cpu = time.monotonic(), time.process_time()
    converter = get_converter(name)
    videos = refused = records = 0
    for recording in converter.discover(root):
        try:
            annotation = converter.convert(recording)
        except SourceError:
            refused += 1
            continue
        videos += 1
        records += sum(annotation.records_in.values())
        annotation.model_dump_json()
    peak = peak_mib()
    return Row(
        name, videos, refused, records, time.process_time() - cpu, time.monotonic() - started, peak
    )


def peak_mib() -> float:
    """Peak memory of this process; `getrusage` would report its parent's from before the exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Draw, convert, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        roots = {}
        for name in load_converters():
            roots[name] = Path(folder) / name
            roots[name].mkdir()
            write_tree(name, roots[name], scale=arguments.scale, media=False)
        started = time.monotonic()
        fresh = get_context("spawn")
        with ProcessPoolExecutor(arguments.workers, fresh, max_tasks_per_child=1) as pool:
            jobs = [pool.submit(convert, name, root) for name, root in roots.items()]
            rows = [job.result() for job in jobs]
        wall = time.monotonic() - started
    print_table(rows, wall)


def print_table(rows: list[Row], wall_s: float) -> None:
    """Print a row a source and the targets."""
    out = sys.stdout
    out.write(f"{'source':<14}{'videos':>8}{'refused':>9}{'records':>10}{'cpu s':>8}{'wall s':>8}"
              f"{'MiB':>7}\n")  # fmt: skip
    for row in rows:
        out.write(f"{row.source:<14}{row.videos:>8,}{row.refused:>9}{row.records:>10,}"
                  f"{row.cpu_s:>8.1f}{row.wall_s:>8.1f}{row.peak_mib:>7.0f}\n")  # fmt: skip
    cpu, peak = sum(row.cpu_s for row in rows), max(row.peak_mib for row in rows)
    out.write(f"{'all':<14}{'':>27}{cpu:>8.1f}{wall_s:>8.1f}{peak:>7.0f}\n")
    met = wall_s < TARGET_S and peak < TARGET_MIB
    out.write(f"target: under {TARGET_S} s and {TARGET_MIB} MiB: {'met' if met else 'missed'}\n")


if __name__ == "__main__":
    main()
