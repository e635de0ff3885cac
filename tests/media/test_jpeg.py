"""Single pictures: what is read is what a viewer shows, and what is damaged is refused."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from medvid.media import decode_jpeg, encode_jpeg, jpeg_size, read_image
from medvid.media.jpeg import image_size
from schemas.errors import MediaError

RgbArray = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def picture() -> RgbArray:
    blocks = np.random.default_rng(3).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


def refusal(path: Path) -> MediaError:
    with pytest.raises(MediaError) as caught:
        read_image(path)
    return caught.value


def test_a_picture_survives_jpeg(picture: RgbArray) -> None:
    smooth = np.asarray(cv2.GaussianBlur(picture, (0, 0), 5), dtype=np.uint8)
    encoded = encode_jpeg(np.asfortranarray(smooth))
    assert jpeg_size(encoded) == (96, 64)
    assert np.abs(decode_jpeg(encoded).astype(int) - smooth).mean() < 3
    assert encode_jpeg(smooth) == encoded
    assert len(encode_jpeg(smooth, quality=30)) < len(encoded)


def test_chroma_is_subsampled_and_nothing_else_is_stored(picture: RgbArray) -> None:
    with Image.open(io.BytesIO(encode_jpeg(picture))) as image:
        assert [(h, v) for _, h, v, _ in image.layer] == [(2, 2), (1, 1), (1, 1)]  # type: ignore[attr-defined]
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_other_arrays_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        encode_jpeg(np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA"])
def test_png_modes_become_rgb(tmp_path: Path, picture: RgbArray, mode: str) -> None:
    path = tmp_path / "a.png"
    image = Image.fromarray(picture).convert(mode)
    image.save(path)
    assert np.array_equal(read_image(path), np.asarray(image.convert("RGB")))
    assert image_size(path) == (96, 64)


def test_sixteen_bits_keep_their_high_byte(tmp_path: Path, picture: RgbArray) -> None:
    wide = picture.astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "color.png"), wide[..., ::-1])
    cv2.imwrite(str(tmp_path / "grey.png"), wide[..., 0])
    assert np.array_equal(read_image(tmp_path / "color.png"), picture)
    assert np.array_equal(read_image(tmp_path / "grey.png")[..., 1], picture[..., 0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_comes_as_its_exif_turns_it(
    tmp_path: Path, picture: RgbArray, orientation: int
) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture).save(path, quality=95, exif=exif)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_image(path), upright)
    assert image_size(path) == upright.shape[1::-1]


def test_a_name_does_not_decide_the_format(tmp_path: Path, picture: RgbArray) -> None:
    path = tmp_path / "really_a_jpeg.png"
    path.write_bytes(encode_jpeg(picture))
    assert read_image(path).shape == (64, 96, 3)


def test_a_hiding_alpha_channel_is_refused(tmp_path: Path, picture: RgbArray) -> None:
    image = Image.fromarray(picture).convert("RGBA")
    image.putpixel((3, 3), (0, 0, 0, 10))
    image.save(tmp_path / "a.png")
    assert refusal(tmp_path / "a.png").reason == "unsupported_image"


def test_four_colours_are_refused(tmp_path: Path, picture: RgbArray) -> None:
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "a.jpg")
    assert refusal(tmp_path / "a.jpg").reason == "unsupported_image"


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    )


def test_bombs_are_refused_by_their_header(tmp_path: Path, picture: RgbArray) -> None:
    (tmp_path / "a.png").write_bytes(png_of_size(60_000, 60_000))
    jpeg = bytearray(encode_jpeg(picture))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    (tmp_path / "a.jpg").write_bytes(bytes(jpeg))
    with (tmp_path / "huge.png").open("wb") as handle:
        handle.truncate(1 << 40)
    for name in ("a.png", "a.jpg", "huge.png"):
        assert refusal(tmp_path / name).reason == "too_large"


def test_a_png_with_too_few_pixels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_of_size(500, 500))
    assert refusal(tmp_path / "a.png").reason == "bad_image"


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_cut_image_is_refused(
    tmp_path: Path, picture: RgbArray, suffix: str, share: float
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture).save(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: max(1, int(len(raw) * share))])
    error = refusal(path)
    assert (error.reason, error.source) == ("bad_image", path.name)
    if share < 0.01:
        with pytest.raises(MediaError):
            image_size(path)


def test_one_flipped_bit_of_a_png_is_found_anywhere(tmp_path: Path, picture: RgbArray) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path)
    raw = path.read_bytes()
    for at in range(0, len(raw), max(1, len(raw) // 60)):
        flipped = bytearray(raw)
        flipped[at] ^= 4
        path.write_bytes(bytes(flipped))
        assert refusal(path).reason in ("bad_image", "too_large")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("frame")
    (tmp_path / "b.png").touch()
    assert refusal(tmp_path / "a.png").reason == "bad_image"
    assert refusal(tmp_path / "b.png").reason == "empty_file"
    assert refusal(tmp_path / "c.png").reason == "missing_file"


@pytest.mark.parametrize(
    "head", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xff\xff"]
)
def test_a_header_that_breaks_off_is_refused(head: bytes) -> None:
    for read in (decode_jpeg, jpeg_size):
        with pytest.raises(MediaError):
            read(head)
