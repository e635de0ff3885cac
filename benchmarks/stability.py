"""Selection at full size: its time and memory, and what one more video changes.

The pool is a table of ids in the proportions of `PUBLISHED_SOURCES`, a third larger than the
release that is drawn from it, over about as many videos as the sources have; no label is read.
Then EgoSurgery videos are added one at a time, each to the pool as it was, and members of
`standard` are compared.

Targets: selection under 10 s of CPU and 1 GiB above the pool; less than 1 % of the other sources'
members of `standard` changed by one EgoSurgery video.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Final

import polars as pl

from medvid.splits import (
    PUBLISHED_SIZE,
    PUBLISHED_SOURCES,
    AssignedVideo,
    Selection,
    SplitAssignment,
    SplitSettings,
    assign_splits,
    compare_members,
    scale_shares,
    select_samples,
)
from schemas.hashing import hash_fraction, stable_id
from schemas.timeline import TimeBase
from schemas.video import Video

TARGET_CPU_S, TARGET_MIB, TARGET_SHARE = 10.0, 1024.0, 0.01
CAPTIONED = ("tal", "next_action", "dense_captioning", "video_summary")
BOXED = ("stg", "region_caption")
SOURCES: Final[dict[str, tuple[int, int, tuple[str, ...]]]] = {
    "avos": (326, 3, ("tal", "next_action", "dense_captioning")),
    "cholec80cvs": (80, 1, ("cvs_assessment",)),
    "cholect50": (50, 7, CAPTIONED),
    "cholectrack20": (20, 7, BOXED),
    "copesd": (40, 8, CAPTIONED + BOXED),
    "egosurgery": (46, 12, CAPTIONED + BOXED),
    "jigsaws": (103, 1, ("skill_assessment",)),
    "nurvid": (1538, 177, ("tal", "next_action", "dense_captioning", "video_summary")),
}
"""Videos, labels and tasks by source."""

PUBLISHED = SplitSettings(large_size=PUBLISHED_SIZE, test_counts="published")


def draw_videos(source: str, count: int) -> list[Video]:
    """Videos of a source; those of the Cholec80 family share their patients."""
    family = "cholec80" if source.startswith("chole") else source
    return [
        Video(
            source=source, video_id=f"v{number}", identity=f"{family}:{number}",
            resolution_wh=(2, 2), media=None, time_base=TimeBase(rate_num=1, frame_rate_num=1),
            licence="cc0-1.0",
        )
        for number in range(count)
    ]  # fmt: skip


def draw_pairs(video: Video, count: int) -> list[tuple[str, ...]]:
    """Pairs of one video: tasks and labels in unequal shares, by hash."""
    _, labels, tasks = SOURCES[video.source]
    rows: list[tuple[str, ...]] = []
    for number in range(count):
        name = (video.source, video.video_id, number)
        task = tasks[int(len(tasks) * hash_fraction(0, "task", *name) ** 1.5)]
        label = int(labels * hash_fraction(0, "label", *name) ** 2)
        rows.append(
            (stable_id(*name), video.source, video.video_id, video.identity, task, f"l{label}")
        )
    return rows


def draw_pool(larger: float) -> tuple[list[Video], pl.DataFrame]:
    """Videos and pairs of all sources, so many times as many as the release holds."""
    sizes = scale_shares(PUBLISHED_SOURCES, int(PUBLISHED_SIZE * larger))
    videos: list[Video] = []
    rows: list[tuple[str, ...]] = []
    for source, (count, _, _) in SOURCES.items():
        own = draw_videos(source, count)
        weights = {v.video_id: 1 + int(9 * hash_fraction(0, source, v.video_id)) for v in own}
        shares = scale_shares(weights, sizes[source])
        videos.extend(own)
        for video in own:
            rows.extend(draw_pairs(video, shares[video.video_id]))
    return videos, frame_of(rows)


def frame_of(rows: list[tuple[str, ...]]) -> pl.DataFrame:
    """The pool as a table."""
    names = ("sample_id", "source", "video_id", "identity", "task", "label")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def peak_mib() -> float:
    """Peak memory of this process since it was last reset."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024


def timed_selection(
    pool: pl.DataFrame, assignment: SplitAssignment
) -> tuple[Selection, float, float, float]:
    """A selection, its CPU and wall seconds, and its peak memory above what there was before."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    base, cpu, wall = peak_mib(), time.process_time(), time.monotonic()
    selection = select_samples(pool, assignment, PUBLISHED)
    seconds = time.process_time() - cpu, time.monotonic() - wall
    return selection, *seconds, peak_mib() - base


def members(pool: pl.DataFrame, selection: Selection) -> pl.DataFrame:
    """Id and source of each member of `standard`."""
    chosen = selection.table.filter("in_standard").select("sample_id")
    return pool.select("sample_id", "source").join(chosen, on="sample_id", how="semi")


def moved_videos(before: tuple[AssignedVideo, ...], after: tuple[AssignedVideo, ...]) -> int:
    """Videos whose split changed."""
    placed = {(video.source, video.video_id): video.split for video in before}
    return sum(placed.get((v.source, v.video_id), v.split) is not v.split for v in after)


def main() -> int:
    """Print both tables; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--larger", type=float, default=1.35, help="pool over release")
    parser.add_argument("--added", type=int, default=5, help="videos to add, one at a time")
    options = parser.parse_args()
    videos, pool = draw_pool(options.larger)
    assignment = assign_splits(videos, PUBLISHED)
    selection, cpu_s, wall_s, mib = timed_selection(pool, assignment)
    report = selection.report
    out = sys.stdout.write
    out(f"pool {report.pool:,}, large {report.large_selected:,}, standard {report.selected:,}, ")
    out(f"left out {sum(report.left_out.values()):,}\n")
    out(f"selection {cpu_s:.1f} s CPU, {wall_s:.1f} s wall, {mib:,.0f} MiB above the pool\n")
    for line in report.shortfalls():
        out(f"{line}\n")
    for task, part in report.tasks.items():
        out(f"  {task:18s} {part.selected:7,} of {part.available:8,}\n")
    out(f"\n{'added':8s} {'pairs':>7s} {'moved':>6s}  share of members of standard changed, %\n")
    out(f"{'':24s}" + "".join(f"{source:>14s}" for source in SOURCES) + "\n")
    worst = 0.0
    before = members(pool, selection)
    per_video = PUBLISHED_SIZE * 152_752 // 461_413 // 46
    for number in range(options.added):
        extra = draw_videos("egosurgery", 46 + number + 1)[-1]
        pairs = frame_of(draw_pairs(extra, per_video))
        moved = assign_splits([*videos, extra], PUBLISHED)
        larger = pl.concat([pool, pairs])
        after = members(larger, select_samples(larger, moved, PUBLISHED))
        changes = compare_members(before, after)
        others = [change for source, change in changes.items() if source != "egosurgery"]
        worst = max(worst, sum(c.left for c in others) / sum(c.before for c in others))
        shifted = moved_videos(assignment.videos, moved.videos)
        out(f"{extra.video_id:8s} {len(pairs):7,} {shifted:6d}  ")
        out("".join(f"{100 * changes[source].share:14.3f}" for source in SOURCES) + "\n")
    out(f"worst change of other sources' members: {100 * worst:.3f} %\n")
    met = cpu_s < TARGET_CPU_S and mib < TARGET_MIB and worst < TARGET_SHARE
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
