"""Marks on the picture and the time line: what a pair or a caption speaks of.

A question about a region cannot be judged without seeing the region. Marks are filled in beside
what is asked; whatever becomes of them on the page is passed over when answers are read.
"""

from typing import Final

from annotation.box_codec import CONTROL, RECTANGLE, percent_of
from annotation.jobs import AnnotationTask, Mark, region_id
from annotation.results import Result
from annotation.timeline_codec import timeline_result

BOXES_CONTROL: Final = "marked"
STRETCH_CONTROL: Final = "stretch"


def encode_marks(task: AnnotationTask) -> list[Result]:
    """Write a task's marks as rectangles and timeline regions."""
    results = []
    for number, mark in enumerate(task.marks):
        region = region_id("mark", task.task_key, number)
        if mark.frames is not None:
            results.append(timeline_result(region, STRETCH_CONTROL, mark.frames, mark.label))
        if mark.boxes:
            results.append(_rectangle(task, f"{region}b", mark))
    return results


def _rectangle(task: AnnotationTask, region: str, mark: Mark) -> Result:
    """A rectangle that is drawn on the frames of its boxes and on no other."""
    sequence = [
        {
            "frame": frame, "enabled": frame + 1 in mark.boxes, "rotation": 0,
            **percent_of(task, mark.boxes[frame]), "time": frame / task.fps,
        }
        for frame in sorted(mark.boxes)
    ]  # fmt: skip
    return {
        "id": region, "type": RECTANGLE, "from_name": CONTROL, "to_name": "video",
        "origin": "prediction",
        "value": {
            "framesCount": task.frames, "duration": task.frames / task.fps,
            "labels": [mark.label], "sequence": sequence,
        },
    }  # fmt: skip
