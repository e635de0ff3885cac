"""Measure the correction log: append, read, merge, and the history of one video.

python benchmarks/corrections.py [--corrections 10000] [--videos 200]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from annotation.log import CorrectionLog
from annotation.merge import merge_corrections
from schemas.annotation import VideoAnnotation
from schemas.correction import Correction, CorrectionKind
from schemas.timeline import Segment, SegmentKind, TimeBase
from schemas.video import Video

LENGTH = 40
"""Ticks of every segment before it is corrected."""


def annotate(number: int, segments: int) -> VideoAnnotation:
    """A video whose phases follow each other."""
    video = Video(
        source="cholect50", video_id=f"VID{number:05d}", identity=f"cholec80:{number}",
        resolution_wh=(854, 480), media=None, time_base=TimeBase(rate_num=1, frame_rate_num=1),
        licence="cc0",
    )  # fmt: skip
    pieces = tuple(
        Segment(start=LENGTH * k, end=LENGTH * (k + 1), kind=SegmentKind.PHASE, label="cut")
        for k in range(segments)
    )
    return VideoAnnotation(video=video, segments=pieces, revision=f"native-{number}")


def correct(annotation: VideoAnnotation, k: int) -> Correction:
    """Shorten one segment of a video."""
    segment = annotation.segments[k]
    fixed = segment.model_copy(update={"end": segment.end - 5})
    return Correction(
        who="annotator 1", when="2026-01-01T10:00:00Z", tool="benchmark",
        task_id=f"{annotation.video.video_id}:{k}", source="cholect50",
        video_id=annotation.video.video_id, base_revision=annotation.revision,
        kind=CorrectionKind.SEGMENT, before=segment.model_dump(mode="json"),
        after=fixed.model_dump(mode="json"), reason="late end",
    )  # fmt: skip


def main() -> None:
    """Print one line a measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corrections", type=int, default=10_000)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--parts", type=int, default=50, help="pulls the log was filled by")
    asked = parser.parse_args()
    each = -(-asked.corrections // asked.videos)
    annotations = [annotate(number, each) for number in range(asked.videos)]
    fixes = [correct(a, k) for a in annotations for k in range(each)][: asked.corrections]
    with tempfile.TemporaryDirectory() as folder:
        log = CorrectionLog(Path(folder))
        size = -(-len(fixes) // asked.parts)
        started = time.perf_counter()
        for first in range(0, len(fixes), size):
            log.append(fixes[first : first + size])
        _print(f"append {len(fixes):,} in {asked.parts} pulls", started)
        started = time.perf_counter()
        by_video: dict[str, list[Correction]] = {}
        for correction in log:
            by_video.setdefault(correction.video_id, []).append(correction)
        _print("read all", started)
        started = time.perf_counter()
        applied = sum(
            merge_corrections(a, by_video.get(a.video.video_id, [])).count().get("applied", 0)
            for a in annotations
        )
        _print(f"merge, {applied:,} applied", started)
        started = time.perf_counter()
        found = log.of_video("cholect50", annotations[-1].video.video_id)
        _print(f"history of one video, {len(found)} entries", started)


def _print(what: str, started: float) -> None:
    sys.stdout.write(f"{what:<44} {1000 * (time.perf_counter() - started):>10,.1f} ms\n")


if __name__ == "__main__":
    main()
