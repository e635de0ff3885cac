"""Shard writing and reading beside the peers, in one run.

    python benchmarks/shards.py [--peer-python PYTHON] [--repeats 3] [--json]

Every figure comes from a process of its own, imports excluded; the processes of one workload are
interleaved and the median is printed. Rates count CPU seconds (user and system) of one process.
Payloads are random bytes, as JPEGs are to every writer. `PYTHON` names an interpreter that has
`mosaicml-streaming` and `wids`, which do not go into the project's own environment.
"""

import argparse
import importlib
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

WORKLOADS = {60_000: 4_000, 4_000: 40_000}
"""Bytes a part to parts in a run."""

READS = 20_000
CLIP = 100
VIDEO = "VID75"


@dataclass(frozen=True)
class Job:
    """One measurement, to be run in a process of its own."""

    action: str
    size: int
    folder: str


def payloads(size: int) -> list[bytes]:
    """Distinct parts, reused round-robin so that making them does not fill the memory."""
    source = random.Random(size)
    return [source.randbytes(size) for _ in range(64)]


def keys(count: int) -> Iterator[str]:
    """Keys as media shards have them."""
    return (f"cholect50_{VIDEO}_{index:08d}" for index in range(count))


def write_ours(job: Job) -> int:
    """Our writer: SHA-256 of the file, index of every part, write-aside, fsync, rename."""
    from medvid.shards import TarWriter

    parts = payloads(job.size)
    start()
    with TarWriter(Path(job.folder) / "ours.tar") as tar:
        for i, key in enumerate(keys(WORKLOADS[job.size])):
            tar.add(f"{key}.jpg", parts[i & 63])
        return len(tar.close().members)


def write_webdataset(job: Job) -> int:
    """`webdataset.ShardWriter`: no checksum, no index."""
    import webdataset

    parts = payloads(job.size)
    pattern = str(Path(job.folder) / "wds-%06d.tar")
    start()
    with webdataset.ShardWriter(pattern, maxcount=10**9, maxsize=10**12, verbose=0) as writer:
        for i, key in enumerate(keys(WORKLOADS[job.size])):
            writer.write({"__key__": key, "jpg": parts[i & 63]})
        return int(writer.total)


def write_tarfile(job: Job) -> int:
    """The standard library: no checksum, no index."""
    parts = payloads(job.size)
    start()
    count = 0
    with tarfile.open(Path(job.folder) / "std.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for i, key in enumerate(keys(WORKLOADS[job.size])):
            info = tarfile.TarInfo(f"{key}.jpg")
            info.size = job.size
            tar.addfile(info, BytesIO(parts[i & 63]))
            count += 1
    return count


def write_mds(job: Job) -> int:
    """MosaicML's writer with SHA-256 and its index."""
    allow_torchvision_without_operators()
    streaming: Any = importlib.import_module("streaming")

    parts = payloads(job.size)
    columns = {"key": "str", "jpg": "bytes"}
    start()
    count = 0
    with streaming.MDSWriter(
        out=str(Path(job.folder) / "mds"), columns=columns, hashes=["sha256"]
    ) as writer:
        for i, key in enumerate(keys(WORKLOADS[job.size])):
            writer.write({"key": key, "jpg": parts[i & 63]})
            count += 1
    return count


def read_ours_random(job: Job) -> int:
    """Our index, one frame at a time in random order, each header checked."""
    from medvid.shards import ReleaseReader

    reader = ReleaseReader(job.folder)
    reader.frame("cholect50", VIDEO, 0)
    start()
    order = random.Random(0)
    wanted = [order.randrange(WORKLOADS[job.size]) for _ in range(READS)]
    return sum(len(reader.frame("cholect50", VIDEO, index)) > 0 for index in wanted)


def read_ours_clips(job: Job) -> int:
    """Our index, clips of 100 frames at random places."""
    from medvid.shards import ReleaseReader

    reader = ReleaseReader(job.folder)
    reader.frame("cholect50", VIDEO, 0)
    start()
    order = random.Random(0)
    count = 0
    for _ in range(READS // CLIP):
        first = order.randrange(WORKLOADS[job.size] - CLIP)
        count += len(reader.frames("cholect50", VIDEO, list(range(first, first + CLIP))))
    return count


def read_webdataset(job: Job) -> int:
    """`webdataset.WebDataset`, in order, undecoded."""
    import webdataset

    start()
    dataset = webdataset.WebDataset(str(shard_of(job)), shardshuffle=False)
    return sum(len(sample["jpg"]) > 0 for sample in dataset)


def read_wids(job: Job) -> int:
    """`wids`, in order by index, undecoded."""
    wids: Any = importlib.import_module("wids")

    shard = {"url": str(shard_of(job)), "nsamples": WORKLOADS[job.size]}
    dataset = wids.ShardListDataset(
        [shard], transformations=[], localname=lambda url: url, keep=True
    )
    list(dataset[0])
    start()
    count = min(READS, WORKLOADS[job.size])
    return sum(len(dataset[i][".jpg"].read()) > 0 for i in range(count))


def shard_of(job: Job) -> Path:
    """The shard all readers read."""
    return Path(job.folder) / "media" / "cholect50-000.tar"


WRITERS: dict[str, Callable[[Job], int]] = {
    "medvid TarWriter + sha256 + index": write_ours,
    "webdataset ShardWriter": write_webdataset,
    "tarfile (standard library)": write_tarfile,
    "MosaicML MDSWriter + sha256": write_mds,
}
READERS: dict[str, Callable[[Job], int]] = {
    "medvid index, random frames": read_ours_random,
    "medvid index, clips of 100": read_ours_clips,
    "webdataset, in order": read_webdataset,
    "wids, in order": read_wids,
}
NEEDS = {
    "webdataset ShardWriter": "webdataset",
    "webdataset, in order": "webdataset",
    "MosaicML MDSWriter + sha256": "streaming",
    "wids, in order": "wids",
}
OURS = "medvid"
_BEGUN = [0.0, 0.0]


def start() -> None:
    """Begin measuring: what came before was imports, opening and making payloads."""
    _BEGUN[:] = [time.process_time(), time.perf_counter()]


def allow_torchvision_without_operators() -> None:
    """Declare the operators that torchvision looks for and a CPU build of torch lacks."""
    if importlib.util.find_spec("torchvision") is None:
        return
    torch: Any = importlib.import_module("torch")
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    globals()["_library"] = library  # operators live as long as their library


def run_job(job: Job) -> None:
    """Run one measurement and write it to standard output as JSON."""
    count = {**WRITERS, **READERS}[job.action](job)
    cpu_s, wall_s = time.process_time() - _BEGUN[0], time.perf_counter() - _BEGUN[1]
    sys.stdout.write("\n" + json.dumps({"count": count, "cpu_s": cpu_s, "wall_s": wall_s}))


def has_module(python: str, module: str) -> bool:
    """Whether an interpreter could import a module."""
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return subprocess.run([python, "-P", "-c", code], check=False).returncode == 0


def interpreter(action: str, peer_python: str | None) -> str | None:
    """Interpreter that can run an action, None where none can."""
    module = NEEDS.get(action, OURS if action.startswith(OURS) else "json")
    for python in filter(None, (sys.executable, peer_python)):
        if has_module(python, module):
            return python
    return None


def make_release(folder: Path, size: int) -> None:
    """Write what the readers read: one media shard and its index."""
    from medvid.shards import TarWriter
    from schemas.tables import FRAMES, table_of, write_table

    (folder / "media").mkdir(parents=True)
    (folder / "index").mkdir()
    parts = payloads(size)
    with TarWriter(folder / "media" / "cholect50-000.tar") as tar:
        for i, key in enumerate(keys(WORKLOADS[size])):
            tar.add(f"{key}.jpg", parts[i & 63])
        shard = tar.close()
    rows = [
        {
            "source": "cholect50", "video_id": VIDEO, "index": i, "tick": i,
            "shard": f"media/{shard.name}", "offset": member.offset, "size": member.size,
            "width": 854, "height": 480, "key": member.key,
        }
        for i, member in enumerate(shard.members)
    ]  # fmt: skip
    write_table(folder / "index" / "frames.parquet", table_of(rows, FRAMES), FRAMES)


def measure(python: str, job: Job) -> dict[str, float]:
    """Run one job in a process of its own."""
    command = [python, "-P", str(Path(__file__).resolve()), "--job", json.dumps(asdict(job))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{job.action}: {run.stderr[-2000:]}")
    result: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return result


def measure_all(
    actions: dict[str, str], size: int, repeats: int, *, release: Path | None
) -> dict[str, list[dict[str, float]]]:
    """Interleave the runs of several actions; writers each get an empty folder."""
    results: dict[str, list[dict[str, float]]] = {action: [] for action in actions}
    order = random.Random(0)
    for _ in range(repeats):
        for action in order.sample(sorted(actions), len(actions)):
            with tempfile.TemporaryDirectory() as scratch:
                job = Job(action, size, str(release or scratch))
                results[action].append(measure(actions[action], job))
    return results


def summarise(size: int, runs: list[dict[str, float]]) -> dict[str, float]:
    """Rates of the median run."""
    cpu_s = statistics.median(run["cpu_s"] for run in runs)
    count = runs[0]["count"]
    return {
        "parts": count,
        "cpu_s": round(cpu_s, 3),
        "parts_per_cpu_s": round(count / cpu_s),
        "mb_per_cpu_s": round(count * size / cpu_s / 1e6),
        "slowest_parts_per_cpu_s": round(count / max(run["cpu_s"] for run in runs)),
        "wall_s": round(statistics.median(run["wall_s"] for run in runs), 3),
    }


def benchmark(peer_python: str | None, repeats: int) -> dict[str, Any]:
    """Measure every action at every part size."""
    table: dict[str, Any] = {}
    for title, group in (("writing", WRITERS), ("reading", READERS)):
        pythons = {action: interpreter(action, peer_python) for action in group}
        found = {action: python for action, python in pythons.items() if python is not None}
        for size in WORKLOADS:
            with tempfile.TemporaryDirectory() as scratch:
                release = Path(scratch) / "release" if group is READERS else None
                if release is not None:
                    make_release(release, size)
                results = measure_all(found, size, repeats, release=release)
            table[f"{title}, {size} bytes a part"] = {
                action: summarise(size, results[action]) if action in results else "not installed"
                for action in group
            }
    return table


def verdicts(table: dict[str, Any]) -> list[tuple[str, bool | None]]:
    """The targets, with whether they were met; None where a peer is not installed."""
    large = table[f"writing, {max(WORKLOADS)} bytes a part"]
    small = table[f"writing, {min(WORKLOADS)} bytes a part"]
    reading = table[f"reading, {max(WORKLOADS)} bytes a part"]
    ours, wds, _, mds = WRITERS

    def ratio(rows: dict[str, Any], peer: str, least: float) -> bool | None:
        if isinstance(rows[peer], str):
            return None
        return bool(rows[ours]["mb_per_cpu_s"] >= least * rows[peer]["mb_per_cpu_s"])

    found: list[tuple[str, bool | None]] = [
        (">= 500 MB per CPU-second at 60 KB parts", large[ours]["mb_per_cpu_s"] >= 500),
        (">= 10,000 parts/s at 4 KB parts", small[ours]["parts_per_cpu_s"] >= 10_000),
    ]
    for size, rows in ((max(WORKLOADS), large), (min(WORKLOADS), small)):
        found.append((f">= 2 x webdataset.ShardWriter at {size} bytes", ratio(rows, wds, 2)))
        found.append((f">= MosaicML MDS with sha256 at {size} bytes", ratio(rows, mds, 1)))
    slowest = min(row["parts_per_cpu_s"] for name, row in reading.items() if name.startswith(OURS))
    found.append((">= 15,000 parts/s/core read from page cache at 60 KB", slowest >= 15_000))
    return found


def show(table: dict[str, Any]) -> None:
    """Write the tables and verdicts for a person."""
    lines = []
    for title, rows in table.items():
        lines += [
            f"\n{title}",
            f"  {'':36}{'MB/cpu-s':>9}{'parts/cpu-s':>13}{'cpu s':>8}{'wall s':>8}",
        ]
        for action, row in rows.items():
            if isinstance(row, str):
                lines.append(f"  {action:36}{row}")
                continue
            lines.append(
                f"  {action:36}{row['mb_per_cpu_s']:>9,}{row['parts_per_cpu_s']:>13,}"
                f"{row['cpu_s']:>8}{row['wall_s']:>8}"
            )
    words = {True: "met", False: "MISSED", None: "peer not installed"}
    lines += ["\ntargets", *(f"  {words[met]:20}{text}" for text, met in verdicts(table)), ""]
    sys.stdout.write("\n".join(lines))


def main() -> None:
    """Measure, print, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peer-python", help="interpreter with mosaicml-streaming and wids")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (median is shown)")
    parser.add_argument("--json", action="store_true", help="write JSON instead of a table")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        run_job(Job(**json.loads(options.job)))
        return
    table = benchmark(options.peer_python, options.repeats)
    if options.json:
        targets = [{"target": text, "met": met} for text, met in verdicts(table)]
        sys.stdout.write(json.dumps({"results": table, "targets": targets}, indent=2) + "\n")
    else:
        show(table)
    raise SystemExit(1 if any(met is False for _, met in verdicts(table)) else 0)


if __name__ == "__main__":
    main()
