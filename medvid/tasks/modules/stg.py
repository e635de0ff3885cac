"""Spatiotemporal grounding: where is an object, every k seconds of a window?

Grammar, after MedVidBench: `T seconds: [x1, y1, x2, y2]` items parted by one space, times in
clip-relative seconds with one decimal, strictly increasing, boxes in pixels of the original image
with at most two decimals:

```
1.0 seconds: [235.08, 261.2, 561.58, 1005.62] 5.0 seconds: [274.26, 261.2, 561.58, 1005.62]
```

Requested times are s, s + k, ... up to e, with k = 4 sampled frames as in the benchmark; each is a
sampled frame on which the object has a box. Target: `[{"time": 1.0, "xyxy": [...]}, ...]`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from medvid.tasks.base import ClipContext, Task
from medvid.tasks.grammar import Cursor, coordinate_text, fail, tenths_text, time_text
from medvid.tasks.samples import Finding, make_sample
from medvid.tasks.wording import Wording
from schemas.errors import SampleError
from schemas.hashing import hash_rank
from schemas.sample import Sample
from schemas.source import TaskName

STRIDE_FRAMES: Final = 4
"""Sampled frames from one requested time to the next."""

MIN_BOXES: Final = 2
MAX_BOXES: Final = 8
"""Boxes of one answer: at one frame a second the longest window is 28 seconds."""

WORDING = Wording(
    asks=(
        "From {start} to {end} seconds, report the place of the {object} in steps of {stride}"
        " seconds.",
        "Box the {object} every {stride} seconds, beginning at {start} seconds and stopping at"
        " {end} seconds.",
        "Follow the {object} between {start} and {end} seconds and write down its bounding box once"
        " per {stride} seconds.",
        "For the window of {start} to {end} seconds, name the pixel coordinates of the {object} at"
        " intervals of {stride} seconds.",
        "Starting at {start} seconds and going on to {end} seconds, where in the image would you"
        " draw a box around the {object} every {stride} seconds?",
        "Localise the {object} with a box at each step of {stride} seconds, from {start} seconds up"
        " to {end} seconds.",
        "Which boxes enclose the {object} if you look every {stride} seconds from {start} to {end}"
        " seconds?",
    )
)


class TimedBox(TypedDict):
    """A box in pixels of the original image at a clip-relative time in seconds."""

    time: float
    xyxy: list[float]


@dataclass(frozen=True, slots=True)
class Window:
    """An object on frames that lie k seconds apart.

    Attributes:
        label: Object class.
        track: Identity of the object, empty where the source has none.
        frames: Places among the clip's frames.
        boxes: Places in `VideoAnnotation.boxes`.
    """

    label: str
    track: str
    frames: tuple[int, ...]
    boxes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VisibleObject:
    """An object with frames k seconds apart on which it alone bears its name.

    Attributes:
        label: Object class.
        track: Identity of the object, empty where the source has none.
        rows: For each frame of the clip, places of the boxes of this class.
        links: From a frame to the one k seconds later, for all frames a window can start at.
    """

    label: str
    track: str
    rows: Sequence[Sequence[int]]
    links: dict[int, int]


class SpatiotemporalGrounding:
    """Asks for the boxes of one object at a fixed stride."""

    name: TaskName = TaskName.STG
    qa_types: tuple[str, ...] = ("stg",)

    def build(self, context: ClipContext) -> Iterator[Sample]:
        """Yield samples by start, object and track, at most the settings' number.

        Counts `no_boxes`, `stride_not_tenths` (k seconds cannot be written), `no_window`,
        `ambiguous` and `track_changes` (pairs of frames k seconds apart that would be a window,
        but for two objects of one name in view, or for the object being another one),
        `box_below_resolution` and `object_over_cap` (objects with windows of which none is asked
        about).
        """
        stride = STRIDE_FRAMES * 10 / context.clip.rate
        if not context.view.boxes:
            context.drops["no_boxes"] += 1
        elif stride.denominator != 1:
            context.drops["stride_not_tenths"] += 1
        else:
            objects = find_objects(context, stride.numerator)
            if not objects:
                context.drops["no_window"] += 1
            for window in choose_windows(context, objects):
                sample = self._sample(context, window, stride.numerator)
                if sample is not None:
                    yield sample

    def _sample(self, context: ClipContext, window: Window, stride: int) -> Sample | None:
        view = context.view
        target: list[TimedBox] = []
        for frame, place in zip(window.frames, window.boxes, strict=True):
            xyxy = [round(float(value), 2) for value in view.box(place).xyxy]
            if xyxy[0] >= xyxy[2] or xyxy[1] >= xyxy[3]:
                context.drops["box_below_resolution"] += 1
                return None
            target.append(TimedBox(time=view.tenths[frame] / 10, xyxy=xyxy))
        first, last = view.tenths[window.frames[0]], view.tenths[window.frames[-1]]
        whole = context.spec.integer_times
        finding = Finding(
            task=self.name, qa_type="stg", label=window.label,
            subject={
                "end": last / 10, "object": window.label, "start": first / 10,
                "stride": stride / 10, "track": window.track,
            },
            answer=self.format_(target), target=target, wording=WORDING,
            values={
                "object": window.label, "stride": tenths_text(stride, whole=True),
                "start": tenths_text(first, whole=whole), "end": tenths_text(last, whole=whole),
            },
            records=[f"box:{place}" for place in window.boxes],
        )  # fmt: skip
        return make_sample(context, finding)

    def format_(self, target: Sequence[TimedBox]) -> str:
        """Write timed boxes as an answer.

        Raises:
            SampleError: There is no box, a number is negative, times do not increase, or a box has
                no area.
        """
        if not target:
            raise SampleError("an answer of grounding needs at least one box.")
        items: list[str] = []
        before = -1.0
        for item in target:
            x1, y1, x2, y2 = item["xyxy"]
            if item["time"] <= before:
                raise SampleError(f"time {item['time']!r} does not follow {before!r}.")
            if not (x1 < x2 and y1 < y2):
                raise SampleError(f"box {item['xyxy']!r} has no area.")
            before = item["time"]
            numbers = ", ".join(coordinate_text(value) for value in (x1, y1, x2, y2))
            items.append(f"{time_text(before)} seconds: [{numbers}]")
        return " ".join(items)

    def parse_(self, text: str) -> list[TimedBox]:
        """Read an answer strictly.

        Raises:
            SampleError: The text is not of this grammar; `field` names the character.
        """
        cursor = Cursor(text)
        items: list[TimedBox] = []
        while True:
            began = cursor.position
            time = cursor.time()
            if items and time <= items[-1]["time"]:
                fail(text, began, "a later time")
            cursor.take(" seconds: ")
            items.append(TimedBox(time=time, xyxy=_read_box(cursor)))
            if cursor.at_end:
                return items
            cursor.take(" ")


def find_objects(context: ClipContext, stride: int) -> list[VisibleObject]:
    """Find objects that are named without doubt on frames a stride apart, in tenths of a second.

    Returns:
        By label and track; each has a frame to start at.
    """
    view, boxes = context.view, context.annotation.boxes
    place_of = {tenth: place for place, tenth in enumerate(view.tenths)}
    following = [place_of.get(tenth + stride) for tenth in view.tenths]
    objects: list[VisibleObject] = []
    for label, rows in view.boxes.items():
        links: dict[str, dict[int, int]] = {}
        for frame, after in enumerate(following):
            if after is None or not rows[frame] or not rows[after]:
                continue
            if len(rows[frame]) > 1 or len(rows[after]) > 1:
                context.drops["ambiguous"] += 1
                continue
            track = boxes[rows[frame][0]].track
            if track != boxes[rows[after][0]].track:
                context.drops["track_changes"] += 1
            else:
                links.setdefault(track or "", {})[frame] = after
        objects.extend(VisibleObject(label, track, rows, links[track]) for track in sorted(links))
    return objects


def choose_windows(context: ClipContext, objects: Sequence[VisibleObject]) -> list[Window]:
    """Choose windows in turns, so that every object gets one before any gets a second.

    Objects take turns in hash order; windows of one object do not overlap.

    Returns:
        At most the settings' number, by start, object and track.
    """
    seed, most = context.settings.seed, context.settings.max_grounding_per_clip
    ordered = sorted(
        objects, key=lambda o: hash_rank(seed, context.clip_id, "object", o.label, o.track)
    )
    if len(ordered) > most:
        context.drops["object_over_cap"] += len(ordered) - most
        ordered = ordered[:most]
    windows = [_windows_of(context, item, most) for item in ordered]
    turns = range(max(map(len, windows), default=0))
    chosen = [own[turn] for turn in turns for own in windows if turn < len(own)]
    return sorted(chosen[:most], key=lambda w: (w.frames[0], w.label, w.track))


def _windows_of(context: ClipContext, item: VisibleObject, most: int) -> list[Window]:
    """First windows of an object in hash order of their starts, none over another."""
    links, tenths = item.links, context.view.tenths
    length = dict.fromkeys(links.values(), 1)
    for frame in sorted(links, reverse=True):
        length[frame] = length[links[frame]] + 1
    base = f"{context.clip_id}:window:{item.label}:{item.track}"
    ranked = sorted((hash_rank(context.settings.seed, base, tenths[f]), f) for f in links)
    taken: list[tuple[int, int]] = []
    windows: list[Window] = []
    for rank, start in ranked:
        # The order uses the whole rank; its low bits, which hardly bear on it, choose the number.
        number = MIN_BOXES + rank % (min(MAX_BOXES, length[start]) - MIN_BOXES + 1)
        frames = [start]
        while len(frames) < number:
            frames.append(links[frames[-1]])
        if any(start <= last and first <= frames[-1] for first, last in taken):
            continue
        taken.append((start, frames[-1]))
        boxes = tuple(item.rows[frame][0] for frame in frames)
        windows.append(Window(item.label, item.track, tuple(frames), boxes))
        if len(windows) == most:
            break
    return windows


def _read_box(cursor: Cursor) -> list[float]:
    began = cursor.position
    cursor.take("[")
    xyxy = [cursor.coordinate()]
    for _ in range(3):
        cursor.take(", ")
        xyxy.append(cursor.coordinate())
    cursor.take("]")
    if not (xyxy[0] < xyxy[2] and xyxy[1] < xyxy[3]):
        fail(cursor.text, began, "a box with an area")
    return xyxy


TASK: Task = SpatiotemporalGrounding()
