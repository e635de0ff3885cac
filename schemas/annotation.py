"""All that is known of one video, in the one shape every converter writes."""

from enum import StrEnum
from itertools import pairwise
from typing import Self

from pydantic import model_validator

from schemas.geometry import Box, Triplet
from schemas.scalars import SCHEMA_VERSION, Label, Model, PositiveInt, Tick
from schemas.timeline import Interval, Segment
from schemas.video import Video


class Disposition(StrEnum):
    """What became of a faulty native record."""

    DROPPED = "dropped"
    REPAIRED = "repaired"
    FLAGGED = "flagged"


class Issue(Model):
    """One fault found in native files, with what was done about it.

    Attributes:
        reason: Machine-readable word in snake case, stable over versions, e.g. `zero_length`.
        kind: What kind of native record, e.g. `segment`, `box`, `frame`, `triplet`, `video`.
        disposition: Whether the record was dropped, repaired or only flagged.
        detail: The fault in one sentence with the values found.
        action: What a data engineer can do about it.
        file: POSIX path relative to the source root.
        line: Line from 1, where the format has lines.
        field: Field, key or column, with its index: `annotations[12].segment`.
    """

    reason: Label
    kind: Label
    disposition: Disposition
    detail: str
    action: str = "Correct the native record, or leave it: the rest of the video is used."
    file: str | None = None
    line: PositiveInt | None = None
    field: str | None = None


class FrameTriplet(Model):
    """A triplet on one labelled frame, with no place in the picture.

    Attributes:
        tick: Time of the frame.
        triplet: What an instrument does to what.
    """

    tick: Tick
    triplet: Triplet


class SkillScores(Model):
    """A JIGSAWS rating of one trial.

    Attributes:
        level: Self-proclaimed skill: `N`, `I` or `E`.
        scores: The six aspects of the modified OSATS scale, 1 to 5, by published name.
    """

    level: Label
    scores: dict[str, int]


class CvsInterval(Model):
    """Critical-view-of-safety scores over a stretch of time, half-open in ticks.

    Attributes:
        start: First tick inside.
        end: First tick after.
        two_structures: 0, 1 or 2.
        cystic_plate: 0, 1 or 2.
        hepatocystic_triangle: 0, 1 or 2.
    """

    start: Tick
    end: Tick
    two_structures: int
    cystic_plate: int
    hepatocystic_triangle: int

    @model_validator(mode="after")
    def _is_legal(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"interval [{self.start}, {self.end}) needs start < end")
        scores = (self.two_structures, self.cystic_plate, self.hepatocystic_triangle)
        if any(score not in (0, 1, 2) for score in scores):
            raise ValueError(f"CVS scores {scores} must each be 0, 1 or 2")
        return self


class VideoAnnotation(Model):
    """Everything a source says of one video, in ticks and pixels.

    Attributes:
        video: The recording.
        procedure: Name of the whole procedure, where the source has one.
        labelled_ticks: Frames that were looked at by the annotators, sorted; empty where labels
            are intervals rather than frames.
        segments: Sorted by start, end, native index; may overlap.
        boxes: Sorted by tick, label, track.
        triplets: Sorted by tick; triplets that carry a box stand on the box as well.
        candidates: Closed label list per segment kind for questions on this video; holds every
            label its segments use.
        skill: Rating of the whole recording.
        cvs: Critical-view-of-safety intervals, sorted, without overlap.
        transcript: Spoken words as `(start, end, text)` in ticks.
        excluded: Stretches no clip may touch.
        records_in: Native records read, by kind.
        issues: Faults found, in file order.
        revision: Hash of the native content and of every correction applied.
    """

    schema_version: int = SCHEMA_VERSION
    video: Video
    procedure: str | None = None
    labelled_ticks: tuple[Tick, ...] = ()
    segments: tuple[Segment, ...] = ()
    boxes: tuple[Box, ...] = ()
    triplets: tuple[FrameTriplet, ...] = ()
    candidates: dict[str, tuple[str, ...]] = {}
    skill: SkillScores | None = None
    cvs: tuple[CvsInterval, ...] = ()
    transcript: tuple[tuple[Tick, Tick, str], ...] = ()
    excluded: tuple[Interval, ...] = ()
    records_in: dict[str, int] = {}
    issues: tuple[Issue, ...] = ()
    revision: str = ""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        _require_sorted("segments", [(s.start, s.end, s.native_index or 0) for s in self.segments])
        _require_sorted("boxes", [(b.tick, b.label, b.track or "") for b in self.boxes])
        _require_sorted("triplets", [t.tick for t in self.triplets])
        _require_sorted("labelled_ticks", list(self.labelled_ticks))
        if any(a.end > b.start for a, b in pairwise(self.cvs)):
            raise ValueError("CVS intervals must be sorted and must not overlap")
        return self

    @model_validator(mode="after")
    def _boxes_fit(self) -> Self:
        width, height = self.video.resolution_wh
        for box in self.boxes:
            if box.xyxy[2] > width + 1e-6 or box.xyxy[3] > height + 1e-6:
                raise ValueError(f"box {box.xyxy} leaves the {width}x{height} image")
        return self

    @model_validator(mode="after")
    def _candidates_hold_labels(self) -> Self:
        for segment in self.segments:
            known = self.candidates.get(segment.kind.value)
            if known is not None and segment.label not in known:
                raise ValueError(f"{segment.kind} label {segment.label!r} is not a candidate")
        return self


def _require_sorted(name: str, keys: list[object]) -> None:
    if not all(a <= b for a, b in pairwise(keys)):  # type: ignore[operator]
        raise ValueError(f"{name} must be sorted")
