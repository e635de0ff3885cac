"""NAL units of H.264 and HEVC as mp4 and Matroska store them: each behind its length."""

import re
from collections.abc import Iterator

_FORBIDDEN = re.compile(rb"\0\0[\0\1\2]")
_CONFIGURATION_VERSION = 1
_AVCC_LENGTH_BYTE = 4
_HVCC_LENGTH_BYTE = 21
_H264_SLICES = range(1, 6)
_HEVC_SLICES = range(32)
_H264_IDR = 5


def length_size(codec: str, extradata: bytes | None) -> int | None:
    """Bytes of a NAL unit's length field, from the decoder configuration record.

    Returns:
        1 to 4 (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1); None where units are not stored so, as in
        a transport stream, or the codec has none.
    """
    at = {"h264": _AVCC_LENGTH_BYTE, "hevc": _HVCC_LENGTH_BYTE}.get(codec)
    if at is None or extradata is None or len(extradata) <= at:
        return None
    return (extradata[at] & 3) + 1 if extradata[0] == _CONFIGURATION_VERSION else None


def split_units(packet: bytes, size: int) -> Iterator[bytes]:
    """Split a packet into its NAL units, the last one short where the packet is."""
    at = 0
    while at + size < len(packet):
        length = int.from_bytes(packet[at : at + size], "big")
        yield packet[at + size : at + size + length]
        at += size + length


def holds_idr(packet: bytes, size: int) -> bool:
    """Whether an H.264 packet is an instantaneous refresh, after which nothing older is used."""
    return any(unit and unit[0] & 0x1F == _H264_IDR for unit in split_units(packet, size))


def has_forbidden_bytes(codec: str, packet: bytes, size: int) -> bool:
    """Whether coded slices hold bytes that no encoder writes.

    Inside a NAL unit 00 00 00, 00 00 01 and 00 00 02 cannot occur (H.264, 7.4.1; H.265, 7.4.2.2).
    Arithmetic decoding reads a stretch of zeros, as a broken download leaves it, without an error.
    """
    return any(
        _is_slice(codec, unit) and _FORBIDDEN.search(unit.rstrip(b"\0"))
        for unit in split_units(packet, size)
    )


def _is_slice(codec: str, unit: bytes) -> bool:
    if not unit:
        return False
    if codec == "h264":
        return unit[0] & 0x1F in _H264_SLICES
    return unit[0] >> 1 & 0x3F in _HEVC_SLICES
