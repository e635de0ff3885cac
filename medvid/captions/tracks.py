"""Boxed objects of one video, indexed by object and by frame."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from medvid.captions.video_facts import TripletKey, VideoFacts
from schemas.geometry import Box


class ObjectKey(NamedTuple):
    """One object of a video: its class and, where it is tracked, its identity."""

    label: str
    track: str

    @property
    def name(self) -> str:
        """Track, or class where there is none."""
        return self.track or self.label


class Center(NamedTuple):
    """Center of a box in shares of the image's width and height."""

    x: float
    y: float


@dataclass(slots=True)
class ObjectTrack:
    """Boxes of one object, in time order.

    Attributes:
        ticks: Their frames.
        boxes: The boxes.
        centers: Their centers.
        deeds: What the object does on each, as far as it is labelled.
    """

    ticks: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    centers: list[Center] = field(default_factory=list)
    deeds: list[TripletKey | None] = field(default_factory=list)

    def between(self, start: int, end: int) -> "ObjectTrack":
        """The part in `[start, end)`."""
        part = slice(bisect_left(self.ticks, start), bisect_left(self.ticks, end))
        return ObjectTrack(self.ticks[part], self.boxes[part], self.centers[part], self.deeds[part])


class ObjectTracks:
    """All boxed objects of one video.

    An object is a track of a class or, without tracks, what is alone of its class on a frame. Boxes
    flagged out of view are left out: nothing can be asked about them.

    Attributes:
        tracks: Each object's boxes.
        objects_at: Objects on each frame.
        ambiguous_at: Frames and how many of their boxes belong to no known object, since they have
            no track and share their class with another box.
    """

    def __init__(self, facts: VideoFacts) -> None:
        self.tracks: dict[ObjectKey, ObjectTrack] = defaultdict(ObjectTrack)
        self.objects_at: dict[int, tuple[ObjectKey, ...]] = {}
        self.ambiguous_at: dict[int, int] = {}
        keys: dict[tuple[str, str], ObjectKey] = {}
        for tick in sorted(facts.boxes_at):
            present = []
            ambiguous = 0
            for box in facts.boxes_at[tick]:
                if not box.is_reliable:
                    continue
                if box.track is None and facts.count_boxes(box.label, tick) > 1:
                    ambiguous += 1
                    continue
                names = (box.label, box.track or "")
                key = keys.setdefault(names, ObjectKey(*names))
                present.append(key)
                self._add(facts, key, box)
            self.objects_at[tick] = tuple(present)
            if ambiguous:
                self.ambiguous_at[tick] = ambiguous

    def _add(self, facts: VideoFacts, key: ObjectKey, box: Box) -> None:
        width, height = facts.annotation.video.resolution_wh
        left, top, right, bottom = box.xyxy
        track = self.tracks[key]
        track.ticks.append(box.tick)
        track.boxes.append(box)
        track.centers.append(Center((left + right) / (2 * width), (top + bottom) / (2 * height)))
        track.deeds.append(_deed(facts, box))


def _deed(facts: VideoFacts, box: Box) -> TripletKey | None:
    """What a boxed object does.

    A triplet on the box counts, if it is about the boxed class; without one, a triplet of the frame
    counts where it is the only one of the class and the class is boxed once.
    """
    if box.triplet is not None:
        return facts.key_of(box.triplet) if box.triplet.instrument == box.label else None
    around = [key for key in facts.triplets_at.get(box.tick, ()) if key.instrument == box.label]
    alone = len(around) == 1 and facts.count_boxes(box.label, box.tick) == 1
    return around[0] if alone else None
