"""Measure agreement: many answers of three annotators to clips of a hundred frames.

python benchmarks/agreement.py [--annotations 10000] [--frames 100] [--job boxes]
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from annotation.archive import PulledAnnotation
from annotation.codec import encode_results
from annotation.jobs import AnnotationTask, Item, Job, region_id
from annotation.reliability.page import render_agreement
from annotation.reliability.report import measure_agreement

ANNOTATORS = ("annotator 1", "annotator 2", "annotator 3")
LABELS = ("preparation", "dissection", "clipping", "packaging", "cleaning")
TRACKS = 3
STEP = 10
"""Ticks from frame to frame."""

Contents = list[dict[str, Any]]


def draw_phases(frames: int, draw: random.Random) -> Contents:
    """Phases that follow each other, cut at drawn frames."""
    cuts = sorted(draw.sample(range(1, frames), 7))
    edges = zip([0, *cuts], [*cuts, frames], strict=True)
    return [
        {"start": STEP * a, "end": STEP * b, "kind": "phase", "label": LABELS[k % 5], "_r": f"p{k}"}
        for k, (a, b) in enumerate(edges)
    ]


def draw_boxes(frames: int, draw: random.Random) -> Contents:
    """Tracks with a box on every frame, each a little off its place."""
    contents: Contents = []
    for track in range(TRACKS):
        for frame in range(frames):
            x, y = 200.0 * track + frame + 20 * draw.random(), 50 + 20 * draw.random()
            contents.append({
                "tick": STEP * frame, "xyxy": [x, y, x + 90, y + 80], "label": LABELS[track % 2],
                "track": str(track), "triplet": None, "operator": None, "flags": [],
                "_r": f"b{track}",
            })  # fmt: skip
    return contents


def items_of(contents: Contents) -> tuple[Item, ...]:
    """Contents as a task has them."""
    return tuple(
        Item(
            region_id=region_id(content["_r"]),
            content={name: value for name, value in content.items() if name != "_r"},
        )
        for content in contents
    )  # fmt: skip


def answers(job: Job, count: int, frames: int, draw: random.Random) -> Iterator[PulledAnnotation]:
    """Answers in which every annotator moved everything."""
    make: Callable[[int, random.Random], Contents] = draw_boxes if job is Job.BOXES else draw_phases
    vocabulary = {"objects": LABELS} if job is Job.BOXES else {"phase": LABELS}
    for number in range(-(-count // len(ANNOTATORS))):
        task = AnnotationTask(
            job=job, source="cholect50", video_id=f"VID{number:05d}", clip_id=f"c{number}",
            base_revision="native", frame_index=tuple(range(frames)),
            frame_tick=tuple(range(0, STEP * frames, STEP)), end_tick=STEP * frames, width=854,
            height=480, fps=5, video="/v.mp4", vocabulary=vocabulary,
            items=items_of(make(frames, draw)),
        )  # fmt: skip
        for who in ANNOTATORS:
            drawn = task.model_copy(update={"items": items_of(make(frames, draw))})
            yield PulledAnnotation(
                annotation_id=f"{number}:{who}", task=task, who=who, when="2026-01-01T10:00:00Z",
                tool="benchmark", skipped=False, senior=False, lead_time_s=1.0,
                results=encode_results(drawn),
            )  # fmt: skip


def main() -> None:
    """Print one line a job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--job", type=Job, choices=[Job.TIMELINE, Job.BOXES], action="append")
    asked = parser.parse_args()
    for job in asked.job or (Job.TIMELINE, Job.BOXES):
        given = list(answers(job, asked.annotations, asked.frames, random.Random(1)))
        started, worked = time.perf_counter(), time.process_time()
        report = measure_agreement(given)
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
        page = len(render_agreement(report))
        score = report.jobs[0].topics[0].score
        sys.stdout.write(
            f"{job.value:<9} {report.intake.compared:>7,} answers of {asked.frames} frames  "
            f"{seconds:6.1f} s ({cpu:.1f} s of CPU)  "
            f"agreement {score.agreement}, overlap "
            f"{score.overlap.mean_iou if score.overlap else None}; page {page:,} bytes\n"
        )


if __name__ == "__main__":
    main()
