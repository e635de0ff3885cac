"""H.264 in MP4, and PNG, with the same bytes for the same pictures."""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import ConfigError


def write_h264(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    rate: Fraction,
    gop: int = 50,
    b_frames: int = 2,
    crf: int = 30,
    preset: str = "ultrafast",
    pts_ticks: Sequence[int] | None = None,
    time_base: Fraction | None = None,
) -> None:
    """Encode pictures with one thread of x264; nothing variable enters the file.

    Args:
        path: The `.mp4` to write; replaced if there.
        frames: RGB, uint8, each of the same even width and height, shape (height, width, 3).
        rate: Frames per second; the nominal one where `pts_ticks` is given.
        gop: Largest distance between key frames.
        b_frames: Largest run of B-frames.
        crf: Quality, lower is better.
        preset: One of x264's.
        pts_ticks: Presentation time of each frame in units of `time_base`, strictly increasing,
            for variable frame rate; None for frame i at i / rate.
        time_base: Seconds per tick of `pts_ticks`.

    Raises:
        ConfigError: There are no frames, their size is odd or changes, or there are not as many
            times as frames.
    """
    if (pts_ticks is None) != (time_base is None):
        raise ConfigError("pts_ticks and time_base are given together or not at all.")
    base = time_base if time_base is not None else 1 / Fraction(rate)
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.thread_type = "NONE"
        stream.codec_context.time_base = base
        _configure(stream.codec_context, gop, b_frames, crf, preset)
        for packets in _encode(stream, frames, base, pts_ticks):
            container.mux(packets)


def _encode(
    stream: av.VideoStream,
    frames: Iterable[npt.NDArray[np.uint8]],
    base: Fraction,
    pts_ticks: Sequence[int] | None,
) -> "Iterator[list[av.Packet[av.VideoStream]]]":
    context, count = stream.codec_context, 0
    for count, frame in enumerate(frames, start=1):
        if count == 1:
            context.height, context.width = _even_size(frame)
        elif frame.shape[:2] != (context.height, context.width):
            raise ConfigError(f"frame {count} is {frame.shape}, not like the first.")
        planes = _as_planes(frame)
        planes.pts = _tick(pts_ticks, count - 1)
        planes.time_base = base
        yield stream.encode(planes)
    if count == 0 or (pts_ticks is not None and len(pts_ticks) != count):
        raise ConfigError(f"{count} frames came, {len(pts_ticks or ())} times were given.")
    yield stream.encode(None)


def _configure(
    context: av.VideoCodecContext, gop: int, b_frames: int, crf: int, preset: str
) -> None:
    context.thread_count = 1
    context.pix_fmt = "yuv420p"
    context.gop_size = gop
    context.max_b_frames = b_frames
    context.options = {
        "preset": preset,
        "crf": str(crf),
        "bf": str(b_frames),
        "threads": "1",
        "x264-params": "threads=1:lookahead-threads=1:sliced-threads=0",
    }


def _as_planes(frame: npt.NDArray[np.uint8]) -> av.VideoFrame:
    # One pass of OpenCV instead of swscale's RGB path: a third of the time.
    yuv = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), np.uint8)
    return av.VideoFrame.from_ndarray(yuv, format="yuv420p")


def _even_size(frame: npt.NDArray[np.uint8]) -> tuple[int, int]:
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        raise ConfigError(f"H.264 with 4:2:0 colour needs an even size, not {width}x{height}.")
    return height, width


def _tick(pts_ticks: Sequence[int] | None, position: int) -> int:
    if pts_ticks is None:
        return position
    if position >= len(pts_ticks):
        raise ConfigError(f"there are only {len(pts_ticks)} times for more frames than that.")
    return pts_ticks[position]


def write_png(path: Path, rgb: npt.NDArray[np.uint8]) -> None:
    """Write a picture as PNG without metadata; replaced if there.

    Every row is stored as its difference from the row above, which suits soft textures; without
    libpng's search for the best filter this takes a third of the time.

    Args:
        path: The `.png` to write.
        rgb: uint8, shape (height, width, 3).
    """
    height, width = rgb.shape[:2]
    flat = rgb.reshape(height, width * 3)
    rows = np.empty((height, 1 + width * 3), np.uint8)
    rows[:, 0] = _FILTER_UP
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    pixels = deflate.compress(rows.tobytes()) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_RGB, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    path.write_bytes(_PNG_SIGNATURE + b"".join(_png_chunk(*chunk) for chunk in chunks))


_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FILTER_UP, _COLOUR_RGB = 2, 2


def _png_chunk(kind: bytes, payload: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + payload))
    return struct.pack(">I", len(payload)) + kind + payload + checksum
