"""Open video files through PyAV, safely, and turn decoded frames into RGB arrays."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideDataContainer, Type
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from schemas.errors import MediaError

RgbArray = npt.NDArray[np.uint8]

MAX_PIXELS = 1 << 26
"""Largest picture that is decoded: 8,192 by 8,192."""

# Playlists and scripts that make libavformat open other files, or render text as video, stay out.
_FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,mxf"
_SAFE = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
_MATRIX_UNIT = 1 << 16
_BOX_HEADER = 16


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file for one-threaded decoding.

    Threads inside a decoder cost CPU and win little; processes are the unit of parallel work.

    Yields:
        The container and its first video stream that is not cover art.

    Raises:
        MediaError: `missing_file`, `empty_file`, `unreadable`, `truncated`, `no_video_stream`,
            `unknown_codec`, `too_large`.
    """
    _require_content(path)
    try:
        container = av.open(f"file:{path}", mode="r", container_options=_SAFE)
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise _opening_error(path, error) from error
    with container:
        yield container, _picture_stream(container, path)


def _require_content(path: Path) -> None:
    if not path.is_file():
        raise MediaError("There is no such video file.", reason="missing_file", source=path.name)
    if path.stat().st_size == 0:
        raise MediaError("The video file is empty.", reason="empty_file", source=path.name)


def _opening_error(path: Path, error: Exception) -> MediaError:
    if _ends_inside_a_box(path):
        return MediaError(
            "The file ends before its last part does: it was cut short.",
            reason="truncated", source=path.name,
        )  # fmt: skip
    return MediaError(
        f"The file cannot be opened as a video ({describe(error)}).",
        reason="unreadable", source=path.name,
    )  # fmt: skip


def _ends_inside_a_box(path: Path) -> bool:
    """Whether an ISO base media file (mp4, mov) ends before one of its top-level boxes does."""
    size = path.stat().st_size
    offset, boxes = 0, 0
    with path.open("rb") as handle:
        while offset + 8 <= size:
            handle.seek(offset)
            header = handle.read(_BOX_HEADER)
            length = int.from_bytes(header[:4], "big")
            if boxes == 0 and header[4:8] != b"ftyp":
                return False
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8:
                return False
            offset, boxes = offset + length, boxes + 1
    return boxes > 0 and offset > size


def _picture_stream(container: InputContainer, path: Path) -> VideoStream:
    streams = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    if not streams:
        raise MediaError(
            "The file holds no video stream.", reason="no_video_stream", source=path.name
        )
    stream = streams[0]
    if cast("object", stream.codec_context) is None:  # PyAV's types leave this out
        raise MediaError(
            "The video stream is in no codec that can be decoded.",
            reason="unknown_codec", source=path.name,
        )  # fmt: skip
    if stream.width * stream.height > MAX_PIXELS:
        raise MediaError(
            f"The picture of {stream.width}x{stream.height} is too large to decode safely.",
            reason="too_large", source=path.name,
        )  # fmt: skip
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return stream


def read_packets(
    container: InputContainer, stream: VideoStream | None, path: Path
) -> "Iterator[Packet[VideoStream]]":
    """Read the packets of one stream, or of all, to the end, where empty ones flush decoders.

    Raises:
        MediaError: `unreadable` where reading fails.
    """
    streams = () if stream is None else (stream,)
    try:
        yield from cast("Iterator[Packet[VideoStream]]", container.demux(*streams))
    except (av.error.FFmpegError, IndexError) as error:  # PyAV finds no stream that appears late
        raise MediaError(
            f"The file cannot be read to its end ({describe(error)}).",
            reason="unreadable", source=path.name,
        ) from error  # fmt: skip


def describe(error: Exception) -> str:
    """Say what libav found wrong, without the place of the file on this machine."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".")


def rotation_of(frame: VideoFrame, path: Path) -> int:
    """Degrees counter-clockwise to turn a decoded picture by: 0, 90, 180 or 270.

    Raises:
        MediaError: `orientation` where the picture is mirrored or turned by another angle.
    """
    try:
        matrix = cast("SideDataContainer", frame.side_data)[Type.DISPLAYMATRIX]
    except KeyError:
        return 0
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), dtype="<i4").tolist()
    if a * d - b * c <= 0 or frame.rotation % 90:
        raise MediaError(
            "The file asks for a mirrored or slanted picture, which is not supported.",
            reason="orientation", source=path.name,
        )  # fmt: skip
    return int(frame.rotation) % 360


class RgbConverter:
    """Turns decoded frames into upright, contiguous RGB arrays.

    One conversion context serves all frames of a stream, which halves the cost of a conversion.

    Args:
        rotation: Degrees counter-clockwise, a multiple of 90.
    """

    def __init__(self, rotation: int) -> None:
        self._quarter_turns = rotation // 90
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> RgbArray:
        """Convert one frame to (h, w, 3), copying only where its rows are padded or turned."""
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return np.ascontiguousarray(np.rot90(rgb, self._quarter_turns), dtype=np.uint8)
