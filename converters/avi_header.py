"""Read picture size, frame count and rate from an AVI's header, without decoding a picture."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Final

from converters.image_size import Size, plausible_size

_HEAD_BYTES: Final = 1 << 16
"""An AVI's header list stands at the front and takes some kilobytes."""

_MAX_CHUNKS: Final = 256


@dataclass(frozen=True, slots=True)
class AviHeader:
    """What the header of an AVI says of its first video stream.

    Attributes:
        size: Width and height in pixels.
        frames: Number of frames, or 0 where the header does not say.
        rate: Frames per second, or None where the header does not say.
    """

    size: Size
    frames: int
    rate: Fraction | None


def read_avi_header(handle: BinaryIO) -> AviHeader | None:
    """Read the first video stream's header (Microsoft, "AVI RIFF File Reference").

    Args:
        handle: Open binary handle at the start of the file.

    Returns:
        The header, or None where the bytes are no AVI or name no video stream.
    """
    head = handle.read(_HEAD_BYTES)
    if head[:4] != b"RIFF" or head[8:12] != b"AVI ":
        return None
    for kind, start, end in _chunks(head, 12, len(head)):
        if kind == b"LIST" and head[start : start + 4] == b"hdrl":
            for inner, at, after in _chunks(head, start + 4, end):
                if inner == b"LIST" and head[at : at + 4] == b"strl":
                    found = _read_stream(head, at + 4, after)
                    if found is not None:
                        return found
    return None


def _chunks(head: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, payload start and payload end of each chunk, cut at the bytes that were read."""
    at = start
    for _ in range(_MAX_CHUNKS):
        if at + 8 > end:
            return
        size = int.from_bytes(head[at + 4 : at + 8], "little")
        yield head[at : at + 4], at + 8, min(at + 8 + size, end)
        at += 8 + size + size % 2


def _read_stream(head: bytes, start: int, end: int) -> AviHeader | None:
    """Read one stream's `strh` and `strf`, None where it is no video stream or is cut short."""
    parts = {kind: head[at:after] for kind, at, after in _chunks(head, start, end)}
    stream, picture = parts.get(b"strh", b""), parts.get(b"strf", b"")
    if stream[:4] != b"vids" or len(stream) < 36 or len(picture) < 12:
        return None
    scale, rate, _, frames = struct.unpack("<IIII", stream[20:36])
    width, height = struct.unpack("<ii", picture[4:12])
    # A negative height says that rows are stored from the top.
    size = plausible_size(width, abs(height))
    if size is None:
        return None
    return AviHeader(size, frames, Fraction(rate, scale) if rate and scale else None)
