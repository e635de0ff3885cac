"""Segments, excluded stretches and CVS intervals as ranges of a timeline, and back.

Label Studio writes a range as its first and last frame, counted from 1, both inside. A label's
true edges lie between frames, so an edge that was not moved keeps its tick, and a moved one takes
the tick of the frame it was moved to: the start of its first frame, the end of its last.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from annotation.jobs import AnnotationTask, Item, region_id
from annotation.results import Problem, Result

TIMELINE: Final = "timelinelabels"

Range = tuple[int, int]
"""First and last frame, from 1, both inside."""


def encode_ranges(task: AnnotationTask, control: str, label_of: str) -> list[Result]:
    """Write the task's items as timeline regions.

    Items without a frame inside the clip are not shown, and so cannot be changed.

    Args:
        task: The task.
        control: Field of the item that names the control, or the control itself where items have
            no such field.
        label_of: Field that holds the label.
    """
    results = []
    for item in task.items:
        span = _span(task, item)
        if span is None:
            continue
        name = str(item.content.get(control, control))
        results.append(timeline_result(item.region_id, name, span, str(item.content[label_of])))
    return results


def timeline_result(region: str, control: str, span: Range, label: str) -> Result:
    """One region of a timeline."""
    return {
        "id": region, "type": TIMELINE, "from_name": control, "to_name": "video",
        "origin": "prediction",
        "value": {
            "ranges": [{"start": span[0], "end": span[1]}], TIMELINE: [label],
        },
    }  # fmt: skip


def _span(task: AnnotationTask, item: Item) -> Range | None:
    return task.frames_inside(int(str(item.content["start"])), int(str(item.content["end"])))


def decode_ranges(
    task: AnnotationTask, results: Sequence[Result], problems: list[Problem]
) -> Iterator[tuple[str, str, str, Range]]:
    """Yield region id, control, label and range of every timeline region that means something.

    What means nothing (a range that ends before it starts, lies outside the clip, has no or two
    labels, or a label the vocabulary does not hold) is reported and left out.
    """
    for result in results:
        if result.get("type") != TIMELINE:
            continue
        region, control = str(result.get("id", "")), str(result.get("from_name", ""))
        value = result.get("value")
        found = _read_range(task, control, value if isinstance(value, Mapping) else {})
        if isinstance(found, str):
            problems.append(Problem(region, found))
        else:
            label, span = found
            yield region, control, label, span


def _read_range(
    task: AnnotationTask, control: str, value: Mapping[str, Any]
) -> tuple[str, Range] | str:
    labels, ranges = value.get(TIMELINE), value.get("ranges")
    if not isinstance(labels, list) or len(labels) != 1:
        return f"the region has labels {labels!r}; it needs exactly one"
    if labels[0] not in task.vocabulary.get(control, ()):
        return f"label {labels[0]!r} is not in the vocabulary of {control!r}"
    if not isinstance(ranges, list) or len(ranges) != 1 or not isinstance(ranges[0], Mapping):
        return "the region needs exactly one range"
    start, end = ranges[0].get("start"), ranges[0].get("end")
    if not isinstance(start, int) or not isinstance(end, int):
        return f"the range {start!r} to {end!r} is not a pair of whole frames"
    if start > end:
        return f"the range starts at frame {start}, after its end at frame {end}"
    if start < 1 or end > task.frames:
        return f"the range {start} to {end} leaves the clip's {task.frames} frames"
    return str(labels[0]), (start, end)


def ticks_of(task: AnnotationTask, span: Range, shown: Item | None) -> tuple[int, int]:
    """Ticks of a range; edges that are where they were shown keep the item's own."""
    start, end = task.start_of(span[0]), task.end_of(span[1])
    if shown is not None:
        before = _span(task, shown)
        if before is not None and before[0] == span[0]:
            start = int(str(shown.content["start"]))
        if before is not None and before[1] == span[1]:
            end = int(str(shown.content["end"]))
    return start, end


def new_region_id(task: AnnotationTask, *parts: str | int) -> str:
    """Id of an item of this task."""
    return region_id(task.source, task.video_id, *parts)
