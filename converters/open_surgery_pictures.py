"""Pixel sizes of an AVOS video's pictures and of its boxed images, from their headers."""

from pathlib import PurePosixPath

from converters.frame_images import frame_files
from converters.hand_tool_boxes import IMAGE_NAME
from converters.image_size import Size, read_mp4_size
from converters.jpeg_size import read_jpeg_size
from schemas.video import MediaKind, Recording


def media_size(recording: Recording) -> Size | None:
    """Size of the video or of its first frame, None where it cannot be read without decoding."""
    media = recording.media
    if media is None:
        return None
    path = recording.root / media.path
    if media.kind is MediaKind.FRAMES:
        name = next(iter(frame_files(path, media.pattern or "").values()), None)
        if name is None:
            return None
        with (path / name).open("rb") as handle:
            return read_jpeg_size(handle)
    if path.suffix != ".mp4":
        return None
    with path.open("rb") as handle:
        return read_mp4_size(handle)


def image_sizes(recording: Recording) -> dict[int, Size]:
    """Sizes of the boxed images whose header can be read, by frame number."""
    sizes: dict[int, Size] = {}
    for name in recording.files:
        match = IMAGE_NAME.fullmatch(PurePosixPath(name).name)
        if match is not None:
            with (recording.root / name).open("rb") as handle:
                size = read_jpeg_size(handle)
            if size is not None:
                sizes[int(match[2])] = size
    return sizes
