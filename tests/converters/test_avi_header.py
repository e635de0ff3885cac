"""The AVI header reader: files of a real muxer, damage, and things that are no AVI."""

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.avi_header import AviHeader, read_avi_header
from medvid.synthetic.avi import write_mpeg4_avi
from medvid.synthetic.encoding import write_h264


@pytest.fixture(scope="module")
def avi(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("avi") / "a.avi"
    write_mpeg4_avi(path, [np.full((48, 64, 3), i, np.uint8) for i in range(7)], rate=Fraction(30))
    return path.read_bytes()


def test_size_frames_and_rate_are_read(avi: bytes) -> None:
    assert read_avi_header(io.BytesIO(avi)) == AviHeader((64, 48), 7, Fraction(30))


def test_a_negative_height_is_a_height(avi: bytes) -> None:
    at = avi.index(b"strf") + 16
    turned = avi[:at] + (-48).to_bytes(4, "little", signed=True) + avi[at + 4 :]
    header = read_avi_header(io.BytesIO(turned))
    assert header is not None
    assert header.size == (64, 48)


@pytest.mark.parametrize("value", [0, 40_000, -(1 << 31)])
def test_absurd_sizes_are_none(avi: bytes, value: int) -> None:
    at = avi.index(b"strf") + 12
    odd = avi[:at] + value.to_bytes(4, "little", signed=True) + avi[at + 4 :]
    assert read_avi_header(io.BytesIO(odd)) is None


def test_a_header_without_rate_or_length_says_so(avi: bytes) -> None:
    at = avi.index(b"strh") + 8
    bare = avi[: at + 20] + bytes(16) + avi[at + 36 :]
    assert read_avi_header(io.BytesIO(bare)) == AviHeader((64, 48), 0, None)


def test_sound_before_the_picture_is_passed_over(avi: bytes) -> None:
    sound = b"LIST" + (12).to_bytes(4, "little") + b"strl" + b"strh" + bytes(4)
    at = avi.index(b"LIST", avi.index(b"avih"))
    header = read_avi_header(io.BytesIO(avi[:at] + sound + avi[at:]))
    # The outer list is now too short by these bytes, which still leaves the video's own list.
    assert header is not None
    assert header.size == (64, 48)


def test_other_files_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_h264(path, [np.zeros((48, 64, 3), np.uint8)] * 2, rate=Fraction(30))
    assert read_avi_header(io.BytesIO(path.read_bytes())) is None
    for text in (b"", b"RIFF", b"RIFF\x04\0\0\0WAVE", b"RIFF\xff\xff\xff\xffAVI " + bytes(5000)):
        assert read_avi_header(io.BytesIO(text)) is None


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damage_never_raises(avi: bytes, data: st.DataObject) -> None:
    cut = bytearray(avi[: data.draw(st.integers(0, 600))])
    for place in data.draw(st.lists(st.integers(0, 599), max_size=6)):
        if place < len(cut):
            cut[place] = data.draw(st.integers(0, 255))
    header = read_avi_header(io.BytesIO(bytes(cut)))
    assert header is None or min(header.size) > 0
