"""What of a video a clip shows: labelled events in sampled frames, boxes on sampled frames."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from medvid.tasks.grammar import deciseconds
from schemas.annotation import VideoAnnotation
from schemas.clip import Clip
from schemas.geometry import Box, Triplet
from schemas.source import SourceSpec
from schemas.timeline import Segment

NO_DEED = "null"
"""How CholecT50 begins the verb and the target of an instrument that does nothing."""


@dataclass(frozen=True)
class VideoView:
    """A video's labels, arranged once for all its clips.

    Attributes:
        annotation: The video's labels.
        spec: Facts about the source.
    """

    annotation: VideoAnnotation
    spec: SourceSpec

    @cached_property
    def labelled(self) -> tuple[tuple[int, Segment], ...]:
        """Segments of the source's label kind with their places in the annotation, by start."""
        return tuple(
            (position, segment)
            for position, segment in enumerate(self.annotation.segments)
            if segment.kind is self.spec.label_kind
        )

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First ticks of `labelled`."""
        return tuple(segment.start for _, segment in self.labelled)

    @cached_property
    def candidates(self) -> tuple[str, ...]:
        """Closed list of labels a question may offer: the video's, else the vocabulary."""
        kind = self.spec.label_kind
        if kind is None:
            return ()
        closed = self.annotation.candidates.get(kind.value)
        if closed:
            return closed
        vocabulary = self.spec.vocabularies.get(kind.value)
        if vocabulary is not None:
            return vocabulary.labels
        return tuple(dict.fromkeys(sorted(segment.label for _, segment in self.labelled)))

    @cached_property
    def deeds_at(self) -> Mapping[int, tuple[Triplet, ...]]:
        """Triplets of a deed by tick, each once, in the order of the annotation."""
        found: dict[int, dict[Triplet, None]] = {}
        for entry in self.annotation.triplets:
            parts = (entry.triplet.verb, entry.triplet.target)
            if all(part is not None and not part.startswith(NO_DEED) for part in parts):
                found.setdefault(entry.tick, {})[entry.triplet] = None
        return {tick: tuple(triplets) for tick, triplets in found.items()}

    @cached_property
    def boxes_at(self) -> Mapping[int, Mapping[str, tuple[int, ...]]]:
        """Places in `annotation.boxes` by tick and label; unreliable boxes are left out."""
        places: dict[int, dict[str, tuple[int, ...]]] = {}
        for place, box in enumerate(self.annotation.boxes):
            if not box.is_reliable:
                continue
            at = places.setdefault(box.tick, {})
            at[box.label] = (*at.get(box.label, ()), place)
        return places


@dataclass(frozen=True, slots=True)
class Event:
    """A labelled segment as a clip shows it.

    Attributes:
        first: Place of the first sampled frame inside it, among the clip's frames.
        last: Place of the last sampled frame inside it.
        position: Place in `VideoAnnotation.segments`.
        segment: The segment.
    """

    first: int
    last: int
    position: int
    segment: Segment


@dataclass(frozen=True)
class ClipView:
    """One clip over its video.

    Attributes:
        video: The video's labels.
        clip: The clip.
    """

    video: VideoView
    clip: Clip

    @cached_property
    def tenths(self) -> tuple[int, ...]:
        """Clip-relative times of the sampled frames in tenths of a second."""
        base, zero = self.video.annotation.video.time_base, self.clip.frame_tick[0]
        return tuple(deciseconds(self.clip.tick_array - zero, base).tolist())

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Labelled segments with a sampled frame, by start."""
        return self._events_and_unseen[0]

    @cached_property
    def unseen(self) -> int:
        """Labelled segments that lie partly in the clip but hold no sampled frame."""
        return self._events_and_unseen[1]

    @cached_property
    def _events_and_unseen(self) -> tuple[tuple[Event, ...], int]:
        clip, events, unseen = self.clip, [], 0
        for position, segment in self.video.labelled[: bisect_left(self.video.starts, clip.end)]:
            if segment.end <= clip.start:
                continue
            frames = self.frames_inside(segment.start, segment.end)
            if frames is None:
                unseen += 1
            else:
                events.append(Event(*frames, position, segment))
        return tuple(events), unseen

    @cached_property
    def boxes(self) -> Mapping[str, list[tuple[int, ...]]]:
        """Boxes on the sampled frames by label: for each frame, places in `annotation.boxes`."""
        table: dict[str, list[tuple[int, ...]]] = {}
        boxes_at, frames = self.video.boxes_at, self.clip.frame_tick
        for at, tick in enumerate(frames):
            for label, places in boxes_at.get(tick, {}).items():
                if label not in table:
                    table[label] = [()] * len(frames)
                table[label][at] = places
        return {label: table[label] for label in sorted(table)}

    def frames_inside(self, start: int, end: int) -> tuple[int, int] | None:
        """Places of the first and last sampled frame inside `[start, end)`, or None."""
        first = bisect_left(self.clip.frame_tick, start)
        after = bisect_left(self.clip.frame_tick, end)
        return (first, after - 1) if first < after else None

    def box(self, place: int) -> Box:
        """The box at a place in `annotation.boxes`."""
        return self.video.annotation.boxes[place]
