"""Read the pixel size of a JPEG from its header, without decoding the picture."""

import struct
from typing import BinaryIO, Final

from converters.image_size import Size, plausible_size

_START: Final = b"\xff\xd8"
_FRAME_MARKERS: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_END_MARKERS: Final = frozenset({0xD9, 0xDA})
_MAX_SEGMENTS: Final = 512


def read_jpeg_size(handle: BinaryIO) -> Size | None:
    """Read width and height from the first frame header (ITU-T T.81, B.2.2).

    Returns:
        `(width, height)` as stored, any orientation tag ignored, or None where the bytes are no
        JPEG, end before the frame header or claim an absurd size.
    """
    if handle.read(2) != _START:
        return None
    for _ in range(_MAX_SEGMENTS):
        marker = _next_marker(handle)
        if marker is None or marker in _END_MARKERS:
            return None
        if marker in _BARE_MARKERS:
            continue
        length = handle.read(2)
        if len(length) < 2 or (size := struct.unpack(">H", length)[0]) < 2:
            return None
        payload = handle.read(size - 2)
        if len(payload) < size - 2:
            return None
        if marker in _FRAME_MARKERS:
            return _frame_size(payload)
    return None


def _next_marker(handle: BinaryIO) -> int | None:
    """Code of the marker that stands here, fill bytes passed over; None where there is none."""
    if handle.read(1) != b"\xff":
        return None
    for _ in range(_MAX_SEGMENTS):
        byte = handle.read(1)
        if byte != b"\xff":
            return byte[0] if byte and byte != b"\0" else None
    return None


def _frame_size(payload: bytes) -> Size | None:
    if len(payload) < 5:
        return None
    height, width = struct.unpack(">HH", payload[1:5])
    return plausible_size(width, height)
