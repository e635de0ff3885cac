"""Foresee a full disk before the first byte is written."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ReleaseError

BYTES_PER_PIXEL = 0.25
"""Upper estimate of JPEG at quality 90 with 4:2:0 chroma; real surgical frames take 0.10-0.22."""

JOIN_FACTOR = 2
"""Frames lie in pieces and in their tar at once while a shard is joined."""


@dataclass(frozen=True, slots=True)
class SpaceNeed:
    """What new frames will take.

    Attributes:
        frames: Frames to decode and store.
        bytes: Estimated bytes of their JPEGs.
    """

    frames: int
    bytes: int


def estimate_space(
    videos: Sequence[tuple[int, tuple[int, int]]], long_side: int | None
) -> SpaceNeed:
    """Estimate the bytes of new frames.

    Args:
        videos: Number of new frames and image size in pixels, per video.
        long_side: Longest stored side in pixels, None for as it is.
    """
    frames = total = 0
    for count, (width, height) in videos:
        scale = 1.0 if long_side is None else min(1.0, long_side / max(width, height))
        frames += count
        total += int(count * width * height * scale * scale * BYTES_PER_PIXEL)
    return SpaceNeed(frames, total)


def require_space(need: SpaceNeed, folder: Path) -> None:
    """Refuse to start what cannot end.

    Raises:
        ReleaseError: The disk of the workspace has too little room.
    """
    free = shutil.disk_usage(folder).free
    wanted = need.bytes * JOIN_FACTOR
    if wanted > free:
        raise ReleaseError(
            f"{need.frames} new frames need about {wanted / 1e9:.1f} GB while they are joined, "
            f"the disk of the workspace has {free / 1e9:.1f} GB.",
            action="Free the disk, give another --workspace, or store smaller frames "
            "(media.long_side).",
        )
