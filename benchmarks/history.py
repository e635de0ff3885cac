"""`medvid why` and `medvid diff` on releases of 531,850 pairs, written by the real shard writers.

    python benchmarks/history.py [--pairs 531850] [--folder FOLDER] [--keep]

Three releases are written: a first; one in which one video's labels were corrected (its pairs get
another revision, one pair enters `standard` and one leaves it); one with another seed, in which
every pair's wording differs. Times are medians of five, wall clock and CPU of all threads, imports
excluded and files cached. Targets: a pair's history under 50 ms, a one-label difference under 2 s.
"""

import argparse
import hashlib
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from medvid.releases.diff import diff_releases
from medvid.releases.publish import Staging
from medvid.releases.why import explain_sample
from medvid.releases.why_release import open_release
from medvid.releases.why_video import explain_video
from medvid.shards import write_annotation_shard
from schemas.tables import (
    LEFT_OUT,
    QUARANTINE,
    SAMPLES,
    SUBSETS,
    VIDEOS,
    table_bytes,
    table_of,
)

VIDEOS_PER_SOURCE = 240
SOURCES = (
    "avos", "cholec80cvs", "cholect50", "cholectrack20", "copesd", "egosurgery", "jigsaws",
    "nurvid",
)  # fmt: skip
TASKS = ("tal", "stg", "next_action", "region_caption", "dense_captioning", "video_summary")
BUCKETS, STANDARD_BUCKETS = 16, 4
STANDARD_SHARE = 10
FRAMES = 100
CORRECTED = f"{SOURCES[5]}/v0007"

Facts = dict[str, Any]


def split_of(video: int) -> str:
    """82 % of videos train, 3 % are val, the rest tests."""
    return "test" if video % 8 == 0 else "val" if video % 33 == 0 else "train"


def make_pairs(count: int) -> list[Facts]:
    """Rows of made-up pairs, evenly over sources, videos and tasks."""
    pairs = []
    for number in range(count):
        source = SOURCES[number % len(SOURCES)]
        video = number // len(SOURCES) % VIDEOS_PER_SOURCE
        split = split_of(video)
        clip = number // (len(SOURCES) * VIDEOS_PER_SOURCE)
        pairs.append({
            "sample_id": hashlib.sha256(str(number).encode()).hexdigest()[:32], "source": source,
            "dataset_name": source, "video_id": f"v{video:04d}", "identity": f"{source}:{video}",
            "clip_id": hashlib.sha256(f"{source}{video}{clip // 6}".encode()).hexdigest()[:32],
            "task": TASKS[number % len(TASKS)], "qa_type": TASKS[number % len(TASKS)],
            "label": f"action-{number % 97}", "split": split, "n_frames": FRAMES, "rate_num": 1,
            "in_standard": split == "train" and number % STANDARD_SHARE == 0, "rate_den": 1,
            "clip_start": clip, "clip_end": clip + FRAMES, "tick_rate_num": 1, "tick_rate_den": 1,
            "licence": "cc-by-4.0", "answer_chars": 20, "number": number,
        })  # fmt: skip
    return pairs


def payload(row: Facts, revision: str, seed: int) -> bytes:
    """Json of a pair, about as long as real ones."""
    shown = {name: value for name, value in row.items() if name not in ("split", "in_standard")}
    start = row["clip_start"]
    words = " ".join(
        hashlib.sha256(f"{seed}{row['number']}".encode()).hexdigest() for _ in range(6)
    )
    provenance = {"captions": [], "records": [], "revision": revision, "template": f"ask{seed}"}
    return orjson.dumps(
        shown | {
            "question": words, "answer": f"0.0-{row['number'] % 90}.0 seconds.",
            "candidates": "[]", "subject": "{}", "target": "[]",
            "frame_index": list(range(start, start + FRAMES)),
            "frame_tick": list(range(start, start + FRAMES)),
            "provenance": orjson.dumps(provenance).decode(),
        }
    )  # fmt: skip


def write_release(
    root: Path, pairs: list[Facts], *, seed: int = 0, corrected: bool = False, like: Path | None
) -> None:
    """Write a release; shards that cannot differ from another release's are linked."""
    staging = Staging(root)
    try:
        places = _write_shards(staging, pairs, "large", seed, corrected=corrected, like=like)
        standard = _write_shards(
            staging, [row for row in pairs if row["in_standard"]], "standard", seed,
            corrected=corrected, like=like,
        )  # fmt: skip
        frame = pl.DataFrame(pairs).drop("number").join(places, on="sample_id")
        frame = frame.join(
            standard.rename({n: f"standard_{n}" for n in ("shard", "offset", "size")}),
            on="sample_id", how="left",
        )  # fmt: skip
        staging.write("index/samples.parquet", table_bytes(frame.to_arrow(), SAMPLES))
        videos = table_bytes(table_of(_videos(pairs), VIDEOS), VIDEOS)
        staging.write("index/videos.parquet", videos)
        for name, schema in (
            ("index/left_out", LEFT_OUT), ("index/subsets", SUBSETS), ("quarantine", QUARANTINE),
        ):  # fmt: skip
            staging.write(f"{name}.parquet", table_bytes(table_of([], schema), schema))
        _write_documents(staging, pairs, seed=seed, corrected=corrected)
        staging.seal()
        staging.swap_in()
    finally:
        staging.discard()


def _shard_of(row: Facts, folder: str) -> str:
    buckets = BUCKETS if folder == "large" else STANDARD_BUCKETS
    digest = hashlib.sha256(f"{row['source']}{row['video_id']}".encode()).digest()
    return f"{folder}/{row['split']}-{digest[0] % buckets:03d}.tar"


def _write_shards(
    staging: Staging,
    pairs: list[Facts],
    folder: str,
    seed: int,
    *,
    corrected: bool,
    like: Path | None,
) -> pl.DataFrame:
    """Where each pair lies."""
    (staging.root / folder).mkdir(exist_ok=True)
    groups: dict[str, list[Facts]] = {}
    for row in pairs:
        groups.setdefault(_shard_of(row, folder), []).append(row)
    found: dict[str, list[Any]] = {"sample_id": [], "shard": [], "offset": [], "size": []}
    for path, rows in sorted(groups.items()):
        coded = [
            (row["sample_id"], payload(row, f"r{_is_corrected(row) and corrected}", seed))
            for row in rows
        ]
        shard = write_annotation_shard(staging.root / path, coded)
        if like is not None and (like / path).read_bytes() == (staging.root / path).read_bytes():
            (staging.root / path).unlink()
            staging.link(path, like / path, shard.sha256)
        found["sample_id"] += [member.key for member in shard.members]
        found["shard"] += [path] * len(shard.members)
        found["offset"] += [member.offset for member in shard.members]
        found["size"] += [member.size for member in shard.members]
    return pl.DataFrame(found)


def _is_corrected(row: Facts) -> bool:
    return f"{row['source']}/{row['video_id']}" == CORRECTED


def _videos(pairs: list[Facts]) -> list[Facts]:
    counts: dict[tuple[str, str, str], int] = {}
    for row in pairs:
        key = (row["source"], row["video_id"], row["split"])
        counts[key] = counts.get(key, 0) + 1
    return [
        {
            "source": source, "video_id": video, "identity": f"{source}:{int(video[1:])}",
            "split": split, "licence": "cc-by-4.0", "width": 1920, "height": 1080,
            "native_split": "{}", "links": "{}", "n_clips": 40, "n_samples": count,
        }
        for (source, video, split), count in sorted(counts.items())
    ]  # fmt: skip


def _write_documents(staging: Staging, pairs: list[Facts], *, seed: int, corrected: bool) -> None:
    videos = _videos(pairs)
    names = [f"{row['source']}/{row['video_id']}" for row in videos]
    inputs = {
        name: {"labels": f"{name}{corrected and name == CORRECTED}", "media": ""} for name in names
    }
    config = {"seed": seed, "splits": {"seed": seed, "standard_size": 51_505}}
    build = {
        "config": config, "inputs": inputs, "converters": {}, "code_sha256": "", "versions": {},
        "corrections_head": None,
    }  # fmt: skip
    proof = {
        "seed": seed, "edges": {}, "pinned": [],
        "videos": [
            {name: row[name] for name in ("source", "video_id", "identity", "split")}
            | {"component": row["identity"]}
            for row in videos
        ],
    }  # fmt: skip
    staging.write("build.json", orjson.dumps(build))
    staging.write("leak_proof.json", orjson.dumps(proof))


def write_all(folder: Path, count: int) -> tuple[Path, Path, Path]:
    """Write the three releases."""
    pairs = make_pairs(count)
    first, second, third = (folder / name for name in ("first", "corrected", "seed"))
    write_release(first, pairs, like=None)
    train = [row for row in pairs if _is_corrected(row)]
    out = next(row for row in train if not row["in_standard"])
    gone = next((row for row in train if row["in_standard"]), out)
    gone["in_standard"], out["in_standard"] = False, True
    write_release(second, pairs, corrected=True, like=first)
    write_release(third, pairs, seed=1, like=None)
    return first, second, third


Taken = tuple[float, float]


def milliseconds(action: Callable[[], object], repeats: int = 5) -> Taken:
    """Median wall and CPU time, once warmed up."""
    action()
    wall, cpu = [], []
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        action()
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - used) * 1000)
    return statistics.median(wall), statistics.median(cpu)


def measure(first: Path, second: Path, third: Path) -> list[tuple[str, Taken]]:
    """Name of each question, with milliseconds of wall and CPU time."""
    index = pl.read_parquet(first / "index" / "samples.parquet")
    train = index.filter(pl.col("split") == "train")["sample_id"][1000]
    test = index.filter(pl.col("split") == "test")["sample_id"][1000]
    return [
        ("why, a train pair", milliseconds(lambda: explain_sample(open_release(first), train))),
        ("why, a test pair", milliseconds(lambda: explain_sample(open_release(first), test[:12]))),
        ("why, a video",
         milliseconds(lambda: explain_video(open_release(first), *CORRECTED.split("/")))),
        ("diff, nothing", milliseconds(lambda: diff_releases(first, first))),
        ("diff, one corrected label", milliseconds(lambda: diff_releases(first, second))),
        ("diff, every pair", milliseconds(lambda: diff_releases(first, third), 1)),
    ]  # fmt: skip


def main() -> None:
    """Write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=531_850)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="history-"))
    try:
        names = ("first", "corrected", "seed")
        standing = all((folder / name / "manifest.json").is_file() for name in names)
        releases = tuple(folder / name for name in names)
        first, second, third = releases if standing else write_all(folder, arguments.pairs)
        found = diff_releases(first, second)
        lines = [
            f"{name:<28} {wall:>10,.1f} ms {cpu:>10,.1f} ms of CPU\n"
            for name, (wall, cpu) in measure(first, second, third)
        ]
        lines.append(
            f"one corrected label: {found.changed:,} of {found.samples_before:,} pairs, "
            f"{[list(folder.rewritten) for folder in found.folders]}\n"
        )
        sys.stdout.writelines(lines)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
