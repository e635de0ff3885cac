"""What a source calls a video: its identity, its media and its time base."""

from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Self

from pydantic import field_validator, model_validator

from schemas.scalars import Label, Model, PositiveInt, SourceName, VideoId
from schemas.timeline import TimeBase


class MediaKind(StrEnum):
    """Whether frames lie in a video file or one by one in a folder."""

    VIDEO = "video"
    FRAMES = "frames"


class MediaRef(Model):
    r"""Where the pictures of a video are, relative to the source root.

    Attributes:
        kind: A video file or a folder of images.
        path: POSIX path relative to the source root.
        pattern: For a folder: regular expression over file names whose group 1 is the native frame
            number, e.g. `(\d{6})\.png`.
    """

    kind: MediaKind
    path: str
    pattern: str | None = None

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            raise ValueError(f"media path {path!r} must be relative and stay inside the root")
        return path

    @model_validator(mode="after")
    def _pattern_fits_kind(self) -> Self:
        if (self.kind is MediaKind.FRAMES) != (self.pattern is not None):
            raise ValueError("a frame folder needs a pattern, a video file must not have one")
        return self


class Video(Model):
    """One recording as its source ships it.

    Attributes:
        source: Module name of the source.
        video_id: The source's own name of the video.
        identity: The person or recording that must never cross a split, shared over sources:
            `cholec80:25` for CholecT50 VID25, CholecTrack20 VID25 and Cholec80-CVS 25 alike.
        resolution_wh: Image width and height in pixels as the source ships it, or as its labels
            claim where no media is at hand.
        media: The pictures, or None for labels only.
        time_base: How native frames count time.
        duration_ticks: Length as the source states it, or None.
        native_split: The source's own split, per official split scheme, e.g. `{"rdv": "train"}`.
        licence: Licence id; an entry of the licence registry.
        links: Public names of the recording, e.g. `{"youtube": "AbCdEfGhIjK"}`.
    """

    source: SourceName
    video_id: VideoId
    identity: Label
    resolution_wh: tuple[PositiveInt, PositiveInt]
    media: MediaRef | None
    time_base: TimeBase
    duration_ticks: PositiveInt | None = None
    native_split: dict[str, str] = {}
    licence: Label
    links: dict[str, str] = {}


class Recording(Model):
    """What `discover` finds: one video of a source, not yet read.

    Attributes:
        source: Module name of the source.
        video_id: The source's own name of the video.
        root: Root folder of the source; never written into an output.
        files: Label files `convert` reads, POSIX paths relative to the root, sorted.
        media: The pictures, or None where they are absent.
        record: The video's own record as JSON text, where one file holds many videos.
        hints: Small facts `discover` learnt from shared files, e.g. a native split.
    """

    source: SourceName
    video_id: VideoId
    root: Path
    files: tuple[str, ...] = ()
    media: MediaRef | None = None
    record: str | None = None
    hints: dict[str, str] = {}
