"""Read the pixel size of a PNG or an MP4 from its header, without decoding a picture."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

Size = tuple[int, int]
"""Width and height in pixels."""

MAX_SIDE = 1 << 15
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_BOXES = 4096


def read_png_size(handle: BinaryIO) -> Size | None:
    """Read width and height in pixels from a PNG's IHDR chunk (PNG specification, 11.2.2).

    Returns:
        `(width, height)`, or None where the bytes are no PNG header or claim an absurd size.
    """
    head = handle.read(24)
    if len(head) < 24 or head[:8] != _PNG_SIGNATURE or head[12:16] != b"IHDR":
        return None
    return plausible_size(*struct.unpack(">II", head[16:24]))


def read_mp4_size(handle: BinaryIO) -> Size | None:
    """Read the coded width and height of the first video track (ISO/IEC 14496-12, 8.5.2, 12.1.3).

    Args:
        handle: Open binary handle that can seek.

    Returns:
        `(width, height)`, or None where there is no readable movie header or video track. A
        rotation in the track header is not applied.
    """
    size = handle.seek(0, 2)
    for kind, start, end in _boxes(handle, 0, size):
        if kind == b"moov":
            for inner, track_start, track_end in _boxes(handle, start, end):
                if inner == b"trak":
                    found = _track_size(handle, track_start, track_end)
                    if found is not None:
                        return found
    return None


def _boxes(handle: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, payload start and payload end of each box between two offsets."""
    at = start
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        handle.seek(at)
        head = handle.read(16)
        if len(head) < 8:
            return
        size, header = struct.unpack(">I", head[:4])[0], 8
        if size == 1 and len(head) == 16:
            size, header = struct.unpack(">Q", head[8:])[0], 16
        elif size == 0:
            size = end - at
        if size < header or at + size > end:
            return
        yield head[4:8], at + header, at + size
        at += size


def _track_size(handle: BinaryIO, start: int, end: int) -> Size | None:
    """Size in the sample description of one track, None where it is no video track."""
    for name in (b"mdia", b"minf", b"stbl", b"stsd"):
        if name == b"minf" and not _is_video(handle, start, end):
            return None
        found = next((box for box in _boxes(handle, start, end) if box[0] == name), None)
        if found is None:
            return None
        _, start, end = found
    for _, entry, entry_end in _boxes(handle, start + 8, end):
        if entry_end - entry >= 28:
            handle.seek(entry + 24)
            return plausible_size(*struct.unpack(">HH", handle.read(4)))
    return None


def _is_video(handle: BinaryIO, start: int, end: int) -> bool:
    for kind, at, after in _boxes(handle, start, end):
        if kind == b"hdlr" and after - at >= 12:
            handle.seek(at + 8)
            return handle.read(4) == b"vide"
    return False


def plausible_size(width: int, height: int) -> Size | None:
    """Return a size whose sides are 1 to 32,768 pixels, None for any other."""
    return (width, height) if 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE else None
