"""Foresee a full disk before the first byte is written, and say so where one was met."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import MedVidError, ReleaseError

BYTES_PER_PIXEL = 0.25
"""Upper estimate of JPEG at quality 90 with 4:2:0 chroma; real surgical frames take 0.10-0.22."""

JOIN_FACTOR = 2
"""Frames lie in pieces and in their tar at once while a shard is joined."""

_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = (
    "No space left on device", "File too large", "Disk quota exceeded",
    "database or disk is full", "disk I/O error",
)  # fmt: skip
"""How SQLite and Polars, which keep no error number, tell of it."""


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


@contextmanager
def naming_full_disk(
    action: str = "Free space and run the same build again: what is finished is kept.",
) -> Iterator[None]:
    """Turn whatever a full disk makes a library raise into one error that says what to do.

    Args:
        action: What to do.

    Raises:
        ReleaseError: The disk, or a limit on file sizes, took no more.
    """
    try:
        yield
    except MedVidError:
        raise
    except (OSError, sqlite3.Error, RuntimeError) as error:
        if not _tells_of_full_disk(error):
            raise
        raise ReleaseError(
            "the disk of the workspace or of the output is full.",
            action=action,
        ) from error


def _tells_of_full_disk(error: Exception) -> bool:
    text = str(error)
    known = isinstance(error, OSError) and error.errno in _FULL_ERRNOS
    return known or any(words in text for words in _FULL_WORDS)
