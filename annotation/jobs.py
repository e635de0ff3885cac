"""What an annotator is asked to look at, and the task that carries it there and back."""

from bisect import bisect_left
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Final, Self

from pydantic import JsonValue, model_validator

from schemas.hashing import content_key, stable_id
from schemas.scalars import (
    SCHEMA_VERSION,
    FrameIndex,
    Label,
    Model,
    PositiveInt,
    SourceName,
    Tick,
    VideoId,
)

REGION_ID_LENGTH: Final = 10

PROXY_FPS: Final = 5
"""Frames per second of every proxy. Label Studio counts frames at the rate its configuration names,
one for a project, so that all proxies share one; slow enough to stop on a frame."""


class Job(StrEnum):
    """One kind of work; a Label Studio project holds tasks of one job and one vocabulary."""

    TIMELINE = "timeline"
    BOXES = "boxes"
    CAPTION = "caption"
    SKILL = "skill"
    CVS = "cvs"
    REVIEW = "review"
    EXCLUDED = "excluded"


class Item(Model):
    """One thing the annotator sees filled in.

    Attributes:
        region_id: Its id on the page, a hash of what it says.
        content: The item as `schemas.correction.ITEM_TYPES` has it, as JSON values. A tracked
            object's boxes share a region id.
    """

    region_id: Label
    content: dict[str, JsonValue]


class Mark(Model):
    """What a question, an answer or a caption speaks of, shown to be seen and not to be changed.

    Attributes:
        label: One of `MARK_LABELS`.
        boxes: Boxes by frame counted from 1, `xyxy` in pixels of the original image.
        frames: First and last frame of a stretch, counted from 1, both inside; None for boxes.
    """

    label: Label
    boxes: dict[PositiveInt, tuple[float, float, float, float]] = {}
    frames: tuple[PositiveInt, PositiveInt] | None = None


MARK_LABELS: Final = ("asked about", "answer")


class AnnotationTask(Model):
    """One clip to look at for one job, with today's labels.

    Frame k of the proxy, counted from 1 as Label Studio counts, is `frame_index[k - 1]` of the
    source at `frame_tick[k - 1]`, by construction.

    Attributes:
        job: What is asked.
        source: Module name of the source.
        video_id: The source's own name of the video.
        clip_id: The clip.
        subject: What of the clip where a job asks about one thing: a caption's scope and subject,
            a pair's id; else empty.
        base_revision: Revision of the labels filled in.
        frame_index: Native numbers of the frames of the proxy.
        frame_tick: Their times in ticks, strictly increasing.
        end_tick: First tick after the clip.
        width: Width of the original image in pixels.
        height: Height of the original image in pixels.
        fps: Frames per second of the proxy.
        video: URL or path Label Studio shows the proxy by.
        vocabulary: Labels by control, in order.
        items: What is filled in.
        notes: Lines shown beside the video: question, answer, event, why the task was chosen.
        marks: What the question, the answer or the caption speaks of.
    """

    schema_version: int = SCHEMA_VERSION
    job: Job
    source: SourceName
    video_id: VideoId
    clip_id: Label
    subject: str = ""
    base_revision: str
    frame_index: tuple[FrameIndex, ...]
    frame_tick: tuple[Tick, ...]
    end_tick: Tick
    width: PositiveInt
    height: PositiveInt
    fps: PositiveInt
    video: Label
    vocabulary: dict[str, tuple[str, ...]]
    items: tuple[Item, ...]
    notes: dict[str, str] = {}
    marks: tuple[Mark, ...] = ()

    @model_validator(mode="after")
    def _frames_fit(self) -> Self:
        if not self.frame_tick or len(self.frame_tick) != len(self.frame_index):
            raise ValueError("a task needs as many frame ticks as frame indices, at least one")
        if any(a >= b for a, b in pairwise(self.frame_tick)):
            raise ValueError("frame ticks must increase strictly")
        if self.end_tick <= self.frame_tick[-1]:
            raise ValueError("the clip ends before its last frame")
        return self

    @property
    def task_key(self) -> str:
        """Who the task is: the same clip asked the same thing has the same key."""
        return stable_id(
            "annotate", self.job, self.source, self.video_id, self.clip_id, self.subject
        )

    @cached_property
    def content_hash(self) -> str:
        """Hash of all the annotator sees; it changes when today's labels do."""
        return content_key("annotate", self.model_dump(mode="json"))

    @property
    def frames(self) -> int:
        """Frames of the proxy."""
        return len(self.frame_tick)

    def frames_inside(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last frame, from 1, inside `[start, end)` in ticks; None where there is none.

        >>> # frames at ticks 0, 25, 50: [20, 60) holds frames 2 and 3
        """
        first = bisect_left(self.frame_tick, start)
        after = bisect_left(self.frame_tick, end)
        return (first + 1, after) if first < after else None

    def frame_near(self, tick: int) -> int:
        """Frame nearest to a time, counted from 1; the earlier of two as near."""
        after = bisect_left(self.frame_tick, tick)
        near = [place for place in (after - 1, after) if 0 <= place < self.frames]
        return min(near, key=lambda place: (abs(self.frame_tick[place] - tick), place)) + 1

    def start_of(self, frame: int) -> int:
        """Tick of a frame, counted from 1."""
        return self.frame_tick[frame - 1]

    def end_of(self, frame: int) -> int:
        """First tick after a frame, counted from 1: the next frame's, or the end of the clip."""
        return self.frame_tick[frame] if frame < self.frames else self.end_tick


def region_id(*parts: str | int) -> str:
    """Id of a region on the page, from what it says."""
    return stable_id("region", *parts)[:REGION_ID_LENGTH]
