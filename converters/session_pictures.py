"""Look at a CoPESD session's pictures: which there are, how large, and which boxes fit none."""

from collections import Counter

from converters.frame_images import frame_files, note_images
from converters.image_size import Size
from converters.issue_log import DROPPED, FLAGGED, IssueLog
from converters.jpeg_size import read_jpeg_size
from converters.motion_rows import MotionLabels
from converters.native_json import shown
from schemas.errors import bounded
from schemas.video import Recording


def look_at_pictures(
    recording: Recording, pattern: str, labels: MotionLabels, log: IssueLog
) -> tuple[dict[int, str], dict[int, Size | None]]:
    """Frame images by number, and sizes in the headers of the labelled ones."""
    if recording.media is None:
        return {}, {}
    folder = recording.root / recording.media.path
    images = frame_files(folder, pattern)
    note_images(log, labels.frames, set(images))
    sizes: dict[int, Size | None] = {}
    for frame in sorted(labels.frames & images.keys()):
        with (folder / images[frame]).open("rb") as handle:
            sizes[frame] = read_jpeg_size(handle)
    return images, sizes


def most_common_size(sizes: dict[int, Size | None], log: IssueLog) -> Size | None:
    """The size most images have, ties to the earlier; None where no header can be read."""
    unreadable = [frame for frame, size in sizes.items() if size is None]
    if unreadable:
        log.add(
            "unreadable_image", "image", FLAGGED,
            f"images without a JPEG header, {len(unreadable)} in all: {bounded(unreadable)}.",
            "Unpack the images again.",
        )  # fmt: skip
    readable = Counter(size for size in sizes.values() if size is not None)
    return readable.most_common(1)[0][0] if readable else None


def drop_odd_boxes(
    labels: MotionLabels, sizes: dict[int, Size | None], common: Size | None, log: IssueLog
) -> None:
    """Take out boxes on images of another size than the session's, which share no scale."""
    kept = []
    for box in labels.boxes:
        size = sizes.get(box.row.frame) or common
        if size == common:
            kept.append(box)
            continue
        log.file = box.row.file
        log.add(
            "image_size_differs", "box", DROPPED,
            f"frame {box.row.frame}: its image is {shown(size)}, the session's are {common}.",
            "Unpack the image again.", where=f"{box.row.where}[1]", at=box.at,
        )  # fmt: skip
    labels.boxes[:] = kept
