"""Boxes of an object as a video rectangle with key frames, and back.

Label Studio keeps a rectangle as key frames in percent of the picture and draws straight lines
between them; `enabled: false` on a key frame says that nothing follows it. Every box shown is a
key frame, so nothing is drawn that the labels do not hold; frames between key frames that an
annotator leaves are filled as the page fills them.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from annotation.jobs import AnnotationTask, Item
from annotation.results import Problem, Result
from schemas.geometry import clip_xyxy

RECTANGLE: Final = "videorectangle"
CONTROL: Final = "box"
SAME_PX: Final = 0.005
"""Boxes nearer than this in every coordinate are the same: percents of a page carry no more."""

Xyxy = tuple[float, float, float, float]
Shown = dict[str, dict[int, Item]]
"""Items by region id and frame, counted from 1."""


def shown_boxes(task: AnnotationTask) -> Shown:
    """Items whose time is that of a frame of the clip."""
    shown: Shown = {}
    for item in task.items:
        tick = int(str(item.content["tick"]))
        place = bisect_left(task.frame_tick, tick)
        if place < task.frames and task.frame_tick[place] == tick:
            shown.setdefault(item.region_id, {})[place + 1] = item
    return shown


def encode_boxes(task: AnnotationTask) -> list[Result]:
    """Write the task's boxes, one rectangle an object."""
    results = []
    for region, by_frame in shown_boxes(task).items():
        frames = sorted(by_frame)
        label = str(by_frame[frames[0]].content["label"])
        sequence = [
            {
                "frame": frame,
                "enabled": frame + 1 in by_frame,
                "rotation": 0,
                **percent_of(task, xyxy_of(by_frame[frame])),
                "time": frame / task.fps,
            }
            for frame in frames
        ]
        results.append({
            "id": region, "type": RECTANGLE, "from_name": CONTROL, "to_name": "video",
            "origin": "prediction",
            "value": {
                "framesCount": task.frames, "duration": task.frames / task.fps,
                "labels": [label], "sequence": sequence,
            },
        })  # fmt: skip
    return results


def xyxy_of(item: Item) -> Xyxy:
    """The box of an item in pixels."""
    stored = item.content["xyxy"]
    x1, y1, x2, y2 = (float(str(value)) for value in stored if stored) if isinstance(
        stored, list
    ) else (0.0, 0.0, 0.0, 0.0)  # fmt: skip
    return (x1, y1, x2, y2)


def percent_of(task: AnnotationTask, xyxy: Xyxy) -> dict[str, float]:
    """A box in pixels as Label Studio writes it: corner and size in percent of the picture."""
    x1, y1, x2, y2 = xyxy
    return {
        "x": 100 * x1 / task.width, "y": 100 * y1 / task.height,
        "width": 100 * (x2 - x1) / task.width, "height": 100 * (y2 - y1) / task.height,
    }  # fmt: skip


def decode_boxes(
    task: AnnotationTask, results: Sequence[Result], problems: list[Problem]
) -> dict[str, tuple[str, dict[int, Xyxy]]]:
    """Read rectangles: by region id the label, and the box in pixels by frame, counted from 1.

    Rectangles that mean nothing (rotated, of unknown label, with key frames outside the clip, or
    of no size inside the picture) are reported and left out.
    """
    found: dict[str, tuple[str, dict[int, Xyxy]]] = {}
    for result in results:
        if result.get("type") != RECTANGLE:
            continue
        region, value = str(result.get("id", "")), result.get("value")
        read = _read_rectangle(task, value if isinstance(value, Mapping) else {})
        if isinstance(read, str):
            problems.append(Problem(region, read))
        else:
            found[region] = read
    return found


def _read_rectangle(
    task: AnnotationTask, value: Mapping[str, Any]
) -> tuple[str, dict[int, Xyxy]] | str:
    labels, sequence = value.get("labels"), value.get("sequence")
    if not isinstance(labels, list) or len(labels) != 1:
        return f"the box has labels {labels!r}; it needs exactly one"
    if labels[0] not in task.vocabulary.get("objects", ()):
        return f"label {labels[0]!r} is not in the vocabulary"
    if not isinstance(sequence, list) or not sequence:
        return "the box has no key frame"
    keys: dict[int, tuple[bool, Xyxy]] = {}
    for key in sequence:
        read = _read_key(task, key if isinstance(key, Mapping) else {})
        if isinstance(read, str):
            return read
        frame, enabled, xyxy = read
        keys[frame] = (enabled, xyxy)
    return str(labels[0]), _fill(keys)


def _read_key(task: AnnotationTask, key: Mapping[str, Any]) -> tuple[int, bool, Xyxy] | str:
    frame = key.get("frame")
    if not isinstance(frame, int) or not 1 <= frame <= task.frames:
        return f"key frame {frame!r} leaves the clip's {task.frames} frames"
    if key.get("rotation"):
        return f"the box of frame {frame} is turned by {key['rotation']} degrees; draw it upright"
    numbers = [key.get(name) for name in ("x", "y", "width", "height")]
    if not all(isinstance(number, int | float) for number in numbers):
        return f"the box of frame {frame} has no place and size"
    x, y, width, height = (float(number) for number in numbers if number is not None)
    pixels = (
        x * task.width / 100, y * task.height / 100,
        (x + width) * task.width / 100, (y + height) * task.height / 100,
    )  # fmt: skip
    clipped, _ = clip_xyxy(pixels, (task.width, task.height))
    if clipped is None:
        return f"the box of frame {frame} has nothing inside the picture"
    return frame, bool(key.get("enabled", True)), clipped


def _fill(keys: Mapping[int, tuple[bool, Xyxy]]) -> dict[int, Xyxy]:
    """Boxes of every frame the rectangle lives on, straight lines between key frames."""
    boxes = {frame: xyxy for frame, (_, xyxy) in keys.items()}
    for first, last in pairwise(sorted(keys)):
        enabled, start = keys[first]
        if not enabled:
            continue
        end = keys[last][1]
        for frame in range(first + 1, last):
            share = (frame - first) / (last - first)
            x1, y1, x2, y2 = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            boxes[frame] = (x1, y1, x2, y2)
    return boxes


def is_same(a: Xyxy, b: Xyxy) -> bool:
    """Whether two boxes differ by no more than a page's rounding."""
    return all(abs(x - y) <= SAME_PX for x, y in zip(a, b, strict=True))
