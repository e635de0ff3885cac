"""The frames of a recording by native number, whether in a video file or a folder of images."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np

from medvid.media.decode import decode_positions
from medvid.media.jpeg import image_size, read_image
from medvid.media.libav import RgbArray
from medvid.media.probe import probe_video, video_size
from schemas.errors import ConfigError, MediaError
from schemas.timeline import FrameList, IntArray, TimeBase
from schemas.video import MediaKind, MediaRef

_MAX_NUMBER = 1 << 40
_IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


def list_frames(root: Path, media: MediaRef, time_base: TimeBase) -> FrameList:
    """List the frames that exist, with their times.

    An image counts by its number: its tick is the nominal time of that number. The k-th displayed
    frame of a video has number `first_index + k` and the tick nearest to its true time since the
    first, so that a variable rate comes out right; of frames nearest to one tick, the closest
    stands.

    Args:
        root: Root folder of the source.
        media: The recording's pictures.
        time_base: How the recording counts frames and ticks.

    Raises:
        MediaError: `missing_file`, `outside_root`, `duplicate_frames`; what `probe_video` raises.
    """
    if media.kind is MediaKind.VIDEO:
        with _naming(media.path):
            probe = probe_video(locate(root, media.path))
        return frames_of_probe(probe.pts, probe.time_base, time_base)
    numbers = np.array(sorted(image_files(root, media)), dtype=np.int64)
    numbers = numbers[numbers >= time_base.first_index]
    return _one_per_tick(numbers, time_base.ticks_of_indices(numbers))


def frames_of_probe(pts: IntArray, unit: Fraction, time_base: TimeBase) -> FrameList:
    """List a video's frames from the times a probe found.

    Args:
        pts: Times of the displayed frames, sorted, (n,).
        unit: Seconds per unit of `pts`.
        time_base: How the recording counts frames and ticks.
    """
    ratio = unit * time_base.tick_rate
    exact = 2 * (pts - pts[:1]) * ratio.numerator
    ticks = -((ratio.denominator - exact) // (2 * ratio.denominator))
    distance = np.abs(exact - 2 * ratio.denominator * ticks)
    numbers = np.arange(pts.size, dtype=np.int64) + time_base.first_index
    return _one_per_tick(numbers, ticks, distance)


def _one_per_tick(
    numbers: IntArray, ticks: IntArray, distance: IntArray | None = None
) -> FrameList:
    """Keep, of frames with equal ticks, the one closest to its tick, ties to the earlier."""
    keys = (numbers, ticks) if distance is None else (numbers, distance, ticks)
    order = np.lexsort(keys)
    _, first = np.unique(ticks[order], return_index=True)
    kept = order[first]
    return FrameList(index=numbers[kept], tick=ticks[kept])


def read_frames(
    root: Path,
    media: MediaRef,
    time_base: TimeBase,
    indices: Sequence[int],
    *,
    backend: str = "pyav",
) -> Iterator[tuple[int, RgbArray]]:
    """Read frames by native number.

    Args:
        root: Root folder of the source.
        media: The recording's pictures.
        time_base: How the recording counts frames.
        indices: Native frame numbers, strictly increasing.
        backend: One of `BACKENDS`; images do not need it.

    Yields:
        Each number and its upright picture, RGB, (h, w, 3), contiguous.

    Raises:
        ConfigError: The numbers do not increase, or there is no such backend.
        MediaError: `missing_frame`; what `read_image` or `decode_positions` raise; `outside_root`.
            Names the video or the image.
    """
    if any(a >= b for a, b in pairwise(indices)):
        raise ConfigError("Frame numbers must increase strictly.")
    if media.kind is MediaKind.FRAMES:
        yield from _read_images(root, media, indices)
        return
    first = time_base.first_index
    with _naming(media.path):
        positions = [int(index) - first for index in indices]
        path = locate(root, media.path)
        for position, rgb in decode_positions(path, positions, backend=backend):
            yield position + first, rgb


def _read_images(
    root: Path, media: MediaRef, indices: Sequence[int]
) -> Iterator[tuple[int, RgbArray]]:
    files = image_files(root, media)
    for index in indices:
        if index not in files:
            raise MediaError(
                f"There is no image of frame {index}.", reason="missing_frame", source=media.path
            )
        yield int(index), read_member(root, media, files[index])


def read_member(root: Path, media: MediaRef, name: str) -> RgbArray:
    """Read one image of a folder by its file name, as `read_image` does."""
    member = str(PurePosixPath(media.path) / name)
    with _naming(member):
        return read_image(locate(root, member))


def frame_size(root: Path, media: MediaRef) -> tuple[int, int]:
    """Width and height of the first frame in pixels, without decoding more than it takes.

    Raises:
        MediaError: `no_frames` for a folder without images, or as for reading them.
    """
    if media.kind is MediaKind.VIDEO:
        with _naming(media.path):
            return video_size(locate(root, media.path))
    files = image_files(root, media)
    if not files:
        raise MediaError(
            "The folder holds no image that its pattern fits.",
            reason="no_frames", source=media.path,
        )  # fmt: skip
    member = str(PurePosixPath(media.path) / files[min(files)])
    with _naming(member):
        return image_size(locate(root, member))


def image_files(root: Path, media: MediaRef) -> dict[int, str]:
    """File names of a folder's images by native frame number; other files are passed over.

    Raises:
        MediaError: `missing_file`, `outside_root`; `duplicate_frames` where two files have one
            number; `bad_frame_number`.
    """
    folder = locate(root, media.path)
    if not folder.is_dir():
        raise MediaError("There is no such folder.", reason="missing_file", source=media.path)
    pattern = re.compile(media.pattern or "")
    files: dict[int, str] = {}
    for name in sorted(entry.name for entry in folder.iterdir()):
        match = pattern.fullmatch(name)
        if match is None or Path(name).suffix.lower() not in _IMAGE_SUFFIXES:
            continue
        number = int(match.group(1))
        if number > _MAX_NUMBER:
            raise MediaError(
                f"The name {name} gives no usable frame number.",
                reason="bad_frame_number", source=media.path,
            )  # fmt: skip
        if number in files:
            raise MediaError(
                f"Frame {number} has two images, {files[number]} and {name}.",
                reason="duplicate_frames", source=media.path,
            )  # fmt: skip
        files[number] = name
    return files


def locate(root: Path, relative: str) -> Path:
    """Path of a source's file, links followed.

    Raises:
        MediaError: `outside_root` where a link leads out of the source's root folder;
            `unreadable` where links run in a circle.
    """
    try:
        path = (root / relative).resolve()
    except (OSError, RuntimeError) as error:
        raise MediaError(
            "The path cannot be followed: its links run in a circle.",
            reason="unreadable", source=relative,
        ) from error  # fmt: skip
    if not path.is_relative_to(root.resolve()):
        raise MediaError(
            "The path leads out of the source's root folder.",
            reason="outside_root", source=relative,
        )  # fmt: skip
    return path


@contextlib.contextmanager
def _naming(relative: str) -> Iterator[None]:
    """Have errors name a file as the source knows it."""
    try:
        yield
    except MediaError as error:
        raise MediaError(error.problem, reason=error.reason, source=relative) from error
