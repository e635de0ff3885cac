"""Look at a folder of frame images: their numbers, their labels, their sizes."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from converters.image_size import Size, read_png_size
from converters.issue_log import FLAGGED, IssueLog
from schemas.errors import bounded


def frame_files(folder: Path, pattern: str) -> dict[int, str]:
    """Names of the images in a frame folder by native frame number, in frame order."""
    shape = re.compile(pattern)
    with os.scandir(folder) as entries:
        matches = [shape.fullmatch(entry.name) for entry in entries if entry.is_file()]
    return dict(sorted((int(match[1]), match[0]) for match in matches if match))


def note_images(log: IssueLog, labelled: set[int], images: set[int]) -> None:
    """Count images and compare them with the labelled frames; both sets hold native numbers."""
    log.counts["image"] = len(images)
    unlabelled, pictureless = sorted(images - labelled), sorted(labelled - images)
    log.counts["unlabelled_image"] = len(unlabelled)
    if unlabelled:
        log.add(
            "image_without_label", "image", FLAGGED,
            f"images without a label, {len(unlabelled)} in all: {bounded(unlabelled)}.",
            "Nothing to do: they may be shown in clips, but no answer stands on them.",
        )  # fmt: skip
    if pictureless:
        log.add(
            "label_without_image", "frame", FLAGGED,
            f"labelled frames without an image, {len(pictureless)} in all: {bounded(pictureless)}.",
            "Unpack the images again; until then no clip can show these frames.",
        )  # fmt: skip


def read_sizes(
    folder: Path, images: Mapping[int, str], frames: Iterable[int]
) -> dict[int, Size | None]:
    """Pixel sizes of the images of some frames, or of the first image if none of them has one."""
    sizes = {}
    for frame in sorted(set(frames) & images.keys()) or list(images)[:1]:
        with (folder / images[frame]).open("rb") as handle:
            sizes[frame] = read_png_size(handle)
    return sizes


def common_size(sizes: Mapping[int, Size | None], log: IssueLog) -> Size | None:
    """The size most images have, ties to the earlier; None where no header can be read."""
    unreadable = [frame for frame, size in sizes.items() if size is None]
    if unreadable:
        log.add(
            "unreadable_image", "image", FLAGGED,
            f"images without a PNG header, {len(unreadable)} in all: {bounded(unreadable)}.",
            "Unpack the images again.",
        )  # fmt: skip
    readable = Counter(size for size in sizes.values() if size is not None)
    return readable.most_common(1)[0][0] if readable else None
