"""One corrected label in the full-size release: seconds to a new verified release, and what moved.

Starts from the release of `benchmarks/fullsize.py --folder FOLDER` (built here where it is not
there), corrects native records of NurViD, and runs `medvid build` as a person would. A build checks
what it puts together before it publishes it: every table is read again, touched parts are hashed
again, the rest is vouched for by recorded sha256, size and modification time. `medvid verify
--quick`, which does the same once more, is timed beside it. With `--server` against the Prefect API
that `PREFECT_API_URL` names, else without one.

Targets: under 10 s for one correction and 30 s for a hundred; the video's shard in large, at most
one in standard, and shards whose members changed; one more EgoSurgery video changes under 1 % of
the other sources' members of standard.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import polars as pl
import yaml
from fullsize import Meter, build, full_size, judge, write_trees

from flows.pairing import plan_pairs
from flows.sources import VideoState, discover
from medvid.releases.config import BuildConfig
from medvid.releases.publish import read_manifest
from medvid.releases.workspace import Workspace
from medvid.splits import compare_members, select_samples
from medvid.splits.assign import assign_splits
from schemas.video import Video

TARGETS_S = {1: 10, 100: 30}
TARGET_SHARE = 0.01
NURVID = Path("nurvid/annotations/NurViD_annotations.json")


def correct(native: Path, videos: int, round_: int) -> list[str]:
    """Move the end of one segment in each of some videos; returns their ids."""
    path = native / NURVID
    labels: dict[str, Any] = orjson.loads(path.read_bytes())
    names = [name for name in sorted(labels) if len(labels[name]["annotations"]) > 2]
    chosen = names[7 * round_ :: len(names) // videos][:videos]
    for name in chosen:
        rows = labels[name]["annotations"]
        row = max(rows, key=lambda row: row["segment"][1] - row["segment"][0])
        row["segment"][1] = round(row["segment"][1] - 0.5, 2)
    path.write_bytes(orjson.dumps(labels, option=orjson.OPT_INDENT_2))
    return chosen


class Took(NamedTuple):
    """What a command took: wall time, and user and system time of all its processes."""

    wall_s: float
    cpu_s: float


def run(words: list[str]) -> Took:
    """Run `medvid` in a process of its own."""
    started, before = time.monotonic(), children_cpu_s()
    command = [sys.executable, "-c", "from medvid.cli.main import main; main()", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Took(time.monotonic() - started, children_cpu_s() - before)


def children_cpu_s() -> float:
    """User and system time of all children that ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def moved(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]], folder: str
) -> set[str]:
    """Tars of a folder that are new, gone or have other bytes."""
    names = {name for name in {*before, *after} if name.startswith(folder)}
    return {n for n in names if n.endswith(".tar") and before.get(n) != after.get(n)}


def members(root: Path) -> pl.DataFrame:
    """Where every pair is."""
    columns = ["sample_id", "source", "video_id", "shard", "standard_shard", "in_standard"]
    table = pl.read_parquet(root / "index" / "samples.parquet", columns=columns)
    return table.with_columns(pl.col("shard", "standard_shard").cast(pl.String))


def expected(before: pl.DataFrame, after: pl.DataFrame, videos: list[str], column: str) -> set[str]:
    """Shards of the corrected videos and those whose members changed."""
    own = [
        frame.filter((pl.col("source") == "nurvid") & pl.col("video_id").is_in(videos))
        for frame in (before, after)
    ]
    keys = ["sample_id", column]
    changed = [a.join(b, on=keys, how="anti") for a, b in ((before, after), (after, before))]
    return {shard for frame in (*own, *changed) for shard in frame[column].drop_nulls().unique()}


def measure(config: BuildConfig, native: Path, videos: int, round_: int, server: str) -> bool:
    """Correct, build, verify, compare; says whether the time was kept."""
    before, held = read_manifest(config.output), members(config.output)
    names = correct(native, videos, round_)
    document = config.output.with_name("build.yaml")
    built = run(["build", str(document), server, "--json"])
    verified = run(["verify", str(config.output), "--quick", "--json"])
    after, holds = read_manifest(config.output), members(config.output)
    out = sys.stdout
    for word, took in (("built and checked", built), ("checked once more", verified)):
        out.write(f"{videos} corrected: {word} in {took.wall_s:.1f} s ({took.cpu_s:.1f} s CPU)\n")
    for folder, column in (("large/", "shard"), ("standard/", "standard_shard")):
        tars = moved(before, after, folder)
        foreseen = expected(held, holds, names, column)
        extra = sorted(tars - foreseen)
        out.write(f"  {folder:<10}{len(tars)} of {sum(n.startswith(folder) for n in after)} files "
                  f"rewritten, {len(extra)} without cause {extra[:3]}\n")  # fmt: skip
    media = moved(before, after, "media/")
    out.write(f"  media/    {len(media)} rewritten\n")
    return built.wall_s <= TARGETS_S[videos]


def one_more_video(config: BuildConfig) -> float:
    """Largest share of another source's members of standard that one EgoSurgery video changes."""
    with Workspace(config.workspace) as workspace:
        states = [state for state in discover(config, workspace) if _load(state, config, workspace)]
        columns = ["sample_id", "source", "video_id", "identity", "task", "label"]
        tables = {state.name: _pairs(state, workspace, columns) for state in states}
    drawn = []
    last = max(state.name for state in states if state.recording.source == "egosurgery")
    for left_out in (last, ""):
        held = [state for state in states if state.name != left_out]
        videos = [state.video for state in held if state.video is not None]
        pool = pl.concat([tables[state.name] for state in held]).sort("sample_id")
        table = select_samples(pool, assign_splits(videos, config.splits), config.splits).table
        drawn.append(table.filter(pl.col("in_standard")).join(pool, on="sample_id"))
    changes = compare_members(*drawn)
    return max(change.share for source, change in changes.items() if source != "egosurgery")


def _load(state: VideoState, config: BuildConfig, workspace: Workspace) -> bool:
    """Find what the build made of a video; says whether it has pairs."""
    record = workspace.finished([state.convert.key]).get(state.convert.key)
    if record is None or not record.info["ok"]:
        return False
    state.video = Video(**record.info["video"])
    plan_pairs([state], config, workspace)
    if state.pairs is None:
        return False
    done = workspace.finished([state.pairs.key]).get(state.pairs.key)
    return done is not None and bool(done.info["samples"])


def _pairs(state: VideoState, workspace: Workspace, columns: list[str]) -> pl.DataFrame:
    key = state.pairs.key if state.pairs else ""
    return pl.read_ipc(workspace.folder("pairs", key) / "samples.arrow", columns=columns)


def main() -> None:
    """Build where needed, correct, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="Where fullsize.py left its release.")
    parser.add_argument("--server", action="store_true", help="Report to PREFECT_API_URL.")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    server = "--server" if arguments.server else "--no-server"
    if arguments.server and not os.environ.get("PREFECT_API_URL"):
        parser.error("--server needs PREFECT_API_URL; `prefect server start` runs one")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        config = full_size(folder, arguments.workers)
        (folder / "native").mkdir(parents=True, exist_ok=True)
        write_trees(folder / "native", 1.0)
        if not config.output.is_dir():
            build(folder, arguments.workers, Meter())
        document = yaml.safe_dump(orjson.loads(config.model_dump_json()))
        config.output.with_name("build.yaml").write_text(document, encoding="utf-8")
        met = {n: measure(config, folder / "native", n, i, server) for i, n in enumerate(TARGETS_S)}
        share = one_more_video(config)
    judge(
        {f"{n} corrections under {TARGETS_S[n]} s": kept for n, kept in met.items()}
        | {f"one more video: {share:.2%} of another source's standard": share < TARGET_SHARE}
    )


if __name__ == "__main__":
    main()
