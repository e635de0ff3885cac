"""Read and write single pictures: JPEG for shards, PNG and JPEG as sources ship them."""

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from medvid.media.libav import MAX_PIXELS, RgbArray
from schemas.errors import MediaError

_MAX_BYTES = 8 * MAX_PIXELS
_JPEG_MAGIC = b"\xff\xd8"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112
_HEADER_BYTES = 1 << 16
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_SCAN = 0xDA
_TURNED = frozenset({5, 6, 7, 8})
_SIXTEEN_BIT = frozenset({"I;16", "I;16B", "I;16L", "I"})
_PLAIN = frozenset({"RGB", "L", "1", "P"})


def encode_jpeg(rgb: npt.NDArray[np.uint8], quality: int = 90) -> bytes:
    """Encode a picture as JPEG with 4:2:0 chroma and no metadata.

    Args:
        rgb: Picture (h, w, 3).
        quality: 1 to 100.

    Raises:
        ValueError: The array is no such picture.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"a picture is uint8 (h, w, 3), not {rgb.dtype} {rgb.shape}")
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(rgb), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return encoded


def decode_jpeg(data: bytes) -> RgbArray:
    """Decode a JPEG as it is stored, any orientation tag ignored, to RGB (h, w, 3).

    Raises:
        MediaError: `bad_image`, `too_large`, `unsupported_image`.
    """
    return _decode_jpeg(data, None)


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height from a JPEG's header.

    Raises:
        MediaError: `bad_image`.
    """
    return _jpeg_header(io.BytesIO(data), None)[0]


def read_image(path: Path) -> RgbArray:
    """Read a PNG or JPEG file as upright RGB (h, w, 3).

    The content decides which it is, not the name. A JPEG's Exif orientation is applied, grey and
    palette become RGB, 16-bit values keep their high byte, an alpha channel that hides nothing is
    dropped.

    Raises:
        MediaError: `missing_file`, `empty_file`, `unreadable`; `bad_image` for a damaged or
            foreign file; `too_large` for more than `MAX_PIXELS`; `unsupported_image` for CMYK, or
            where an alpha channel hides part of the picture.
    """
    data = _read_bytes(path)
    if data.startswith(_PNG_MAGIC):
        return _decode_png(data, path.name)
    if data.startswith(_JPEG_MAGIC):
        orientation = _jpeg_orientation(data, path.name)
        return _turn(_decode_jpeg(data, path.name), orientation)
    raise _bad("it is neither PNG nor JPEG", path.name)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture in a PNG or JPEG file, from its header.

    Raises:
        MediaError: `missing_file`, `empty_file`, `unreadable`, `bad_image`.
    """
    with _open(path) as handle:
        head = handle.read(_HEADER_BYTES)
        if head.startswith(_PNG_MAGIC):
            return _png_size(head, path.name)
        if not head.startswith(_JPEG_MAGIC):
            raise _bad("it is neither PNG nor JPEG", path.name)
        width, height = _jpeg_header(handle, path.name)[0]
    turned = _jpeg_orientation(head, path.name) in _TURNED
    return (height, width) if turned else (width, height)


def _read_bytes(path: Path) -> bytes:
    with _open(path) as handle:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise _too_large(f"{size:,} bytes", path.name)
        return handle.read()


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    """Open an image file that holds something."""
    if not path.is_file():
        raise MediaError("There is no such image.", reason="missing_file", source=path.name)
    if path.stat().st_size == 0:
        raise MediaError("The image file is empty.", reason="empty_file", source=path.name)
    try:
        with path.open("rb") as handle:
            yield handle
    except OSError as error:
        raise MediaError(
            f"The image cannot be read ({error.strerror}).", reason="unreadable", source=path.name
        ) from error


def _jpeg_header(stream: BinaryIO, name: str | None) -> tuple[tuple[int, int], int]:
    """Width, height and number of colour components, from the frame header (ITU-T T.81, B.2.2)."""
    stream.seek(len(_JPEG_MAGIC))
    while len(marker := stream.read(2)) == 2 and marker[0] == 0xFF:
        while marker[1] == 0xFF:  # fill bytes may precede any marker
            marker = b"\xff" + (stream.read(1) or b"\0")
        segment = stream.read(2)
        if marker[1] in _FRAME_HEADERS:
            header = stream.read(6)
            if len(header) == 6 and all(struct.unpack(">xHHB", header)):
                _, height, width, components = struct.unpack(">BHHB", header)
                return (width, height), components
            break
        length = int.from_bytes(segment, "big")
        if length < 2 or marker[1] == _SCAN:
            break
        stream.seek(length - 2, io.SEEK_CUR)
    raise _bad("its header is damaged", name)


def _decode_jpeg(data: bytes, name: str | None) -> RgbArray:
    if not data.startswith(_JPEG_MAGIC):
        raise _bad("it is no JPEG", name)
    (width, height), components = _jpeg_header(io.BytesIO(data), name)
    if width * height > MAX_PIXELS:
        raise _too_large(f"{width}x{height} pixels", name)
    if components not in (1, 3):
        raise _unsupported(f"it has {components} colour components", name)
    try:
        rgb: RgbArray = simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=False)
    except (ValueError, KeyError) as error:  # simplejpeg looks unknown subsamplings up in a dict
        raise _bad(str(error), name) from error
    return rgb


def _jpeg_orientation(data: bytes, name: str) -> int:
    """The Exif orientation tag, 1 to 8; 1 where there is none."""
    if _EXIF not in data[:_HEADER_BYTES]:
        return 1
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, ValueError, SyntaxError, struct.error, TypeError) as error:
        raise _bad(f"its Exif block is damaged ({error})", name) from error


def _turn(rgb: RgbArray, orientation: int) -> RgbArray:
    """Turn and mirror a picture as its Exif orientation says."""
    if orientation in (2, 4, 5, 7):
        rgb = rgb[:, ::-1]
    quarter_turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(rgb, quarter_turns))


def _png_size(data: bytes, name: str) -> tuple[int, int]:
    if len(data) < 24 or data[12:16] != b"IHDR":
        raise _bad("its header is damaged", name)
    width, height = struct.unpack(">II", data[16:24])
    if not width or not height:
        raise _bad("it has no pixels", name)
    return width, height


def _decode_png(data: bytes, name: str) -> RgbArray:
    width, height = _png_size(data, name)
    if width * height > MAX_PIXELS:
        raise _too_large(f"{width}x{height} pixels", name)
    _require_sound_chunks(data, name)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as opened:
            opened.load()
            return _as_rgb(opened, name)
    except MediaError:
        raise
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error) as error:
        raise _bad(str(error), name) from error


def _require_sound_chunks(data: bytes, name: str) -> None:
    """Check every chunk's checksum, which image libraries leave out for pixels."""
    offset = len(_PNG_MAGIC)
    while True:
        header = data[offset : offset + 8]
        length = int.from_bytes(header[:4], "big")
        end = offset + 12 + length
        if len(header) < 8 or end > len(data):
            raise _bad("it was cut short", name)
        if zlib.crc32(data[offset + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise _bad(f"the checksum at byte {offset} is wrong", name)
        if header[4:] == b"IEND":
            return
        offset = end


def _as_rgb(image: Image.Image, name: str) -> RgbArray:
    if image.mode in _SIXTEEN_BIT:
        grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(grey[..., None], (*grey.shape, 3)))
    if image.mode not in _PLAIN or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise _unsupported("its alpha channel hides part of the picture", name)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _bad(why: str, name: str | None) -> MediaError:
    return MediaError(f"The image cannot be decoded: {why}.", reason="bad_image", source=name)


def _too_large(what: str, name: str | None) -> MediaError:
    return MediaError(
        f"The image is too large to decode safely ({what}).", reason="too_large", source=name
    )


def _unsupported(why: str, name: str | None) -> MediaError:
    return MediaError(
        f"The image is of a kind that is not supported: {why}.",
        reason="unsupported_image", source=name,
    )  # fmt: skip
