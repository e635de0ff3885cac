"""The parts converters of the Cholec80 family share: JSON, picture headers, boxes, phase runs."""

import io
import re
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.cholecystectomy import PHASE, TOOL, identity, phase_segments, pixel_box
from converters.image_size import read_mp4_size, read_png_size
from converters.native_json import JsonObject, as_frame_number, as_int, load_json, shown
from converters.native_tree import child_folder, find_base, numbered_files, numbered_folders
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.timeline import TimeBase

PngWriter = Callable[[Path, int, int], None]
SECONDS = TimeBase(rate_num=1, frame_rate_num=1)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def movie(width: int, height: int, handler: bytes = b"vide") -> bytes:
    entry = box(b"avc1", bytes(24), struct.pack(">HH", width, height), bytes(50))
    table = box(b"stbl", box(b"stsd", bytes(8), entry))
    media = box(b"mdia", box(b"hdlr", bytes(8), handler, bytes(12)), box(b"minf", table))
    return box(b"moov", box(b"mvhd", bytes(100)), box(b"trak", box(b"tkhd", bytes(84)), media))


def test_keys_given_twice_are_remembered_in_nested_objects() -> None:
    value = load_json(io.StringIO('{"a": {"x": 1, "y": 2, "x": 3}}'), dataset="d", source="s")
    assert isinstance(value["a"], JsonObject)
    assert value["a"] == {"x": 3, "y": 2}
    assert (value.repeated, value["a"].repeated) == ((), ("x",))


def test_a_file_of_absurd_size_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.native_json.MAX_CHARACTERS", 10)
    handle = io.StringIO('{"a": ' + "1" * 1000)
    with pytest.raises(MalformedSourceError, match="more than 10 characters"):
        load_json(handle, dataset="d", source="s")
    assert handle.tell() == 11


@pytest.mark.parametrize(
    ("value", "whole"), [(3, 3), (3.0, 3), (3.5, None), (True, None), ("3", None), (None, None)]
)
def test_whole_numbers_may_be_floats_and_nothing_else(value: object, whole: int | None) -> None:
    assert as_int(value) == whole


@given(st.text(max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_frame_key_is_a_number_or_none(key: str) -> None:
    number = as_frame_number(key)
    assert number is None or (key.isascii() and key.isdigit() and number == int(key))


@given(st.recursive(st.none() | st.text() | st.floats() | st.integers(), st.lists, max_leaves=40))
@settings(max_examples=100, deadline=None)
def test_values_are_shown_short_and_in_ascii(value: object) -> None:
    assert len(shown(value)) <= 80
    assert shown(value).isascii()


def test_a_png_header_gives_its_size(tmp_path: Path, write_png: PngWriter) -> None:
    write_png(tmp_path / "a.png", 586, 328)
    raw = (tmp_path / "a.png").read_bytes()
    assert read_png_size(io.BytesIO(raw)) == (586, 328)
    for damaged in (b"", raw[:20], b"\xff\xd8" + raw[2:], raw[:16] + bytes(8) + raw[24:],
                    raw[:16] + b"\xff" * 8 + raw[24:], raw[:12] + b"IDAT" + raw[16:]):  # fmt: skip
        assert read_png_size(io.BytesIO(damaged)) is None


def test_an_mp4_header_gives_the_size_of_its_video_track() -> None:
    sound = movie(0, 0, b"soun")[8:]
    whole = box(b"ftyp", b"isom") + box(b"mdat", bytes(99)) + movie(1920, 1080)
    assert read_mp4_size(io.BytesIO(whole)) == (1920, 1080)
    two = box(b"moov", sound, movie(64, 48)[8:])
    assert read_mp4_size(io.BytesIO(two)) == (64, 48)
    large = struct.pack(">I", 1) + b"mdat" + struct.pack(">Q", 116) + bytes(100)
    assert read_mp4_size(io.BytesIO(large + movie(64, 48))) == (64, 48)
    assert read_mp4_size(io.BytesIO(movie(0, 48))) is None
    assert read_mp4_size(io.BytesIO(box(b"moov", sound))) is None


def test_a_real_encoder_writes_headers_that_can_be_read(tmp_path: Path) -> None:
    for flags in ("use_metadata_tags", "faststart", "frag_keyframe+empty_moov"):
        path = tmp_path / f"{flags}.mp4"
        with av.open(str(path), "w", options={"movflags": flags}) as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 854, 480, "yuv420p"
            container.mux(stream.encode(av.VideoFrame(854, 480, "yuv420p")))
            container.mux(stream.encode(None))
        with path.open("rb") as handle:
            assert read_mp4_size(handle) == (854, 480)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_mp4_headers_end_quietly(data: st.DataObject) -> None:
    raw = bytearray(box(b"ftyp", b"isom") + movie(64, 48))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    size = read_mp4_size(io.BytesIO(bytes(raw[: data.draw(st.integers(0, len(raw)))])))
    assert size is None or (size[0] > 0 and size[1] > 0)


@given(
    st.tuples(st.integers(2, 2000), st.integers(2, 2000)).flatmap(
        lambda wh: st.tuples(
            st.just(wh), st.integers(0, wh[0] - 1), st.integers(0, wh[1] - 1), st.data()
        )
    )
)
@settings(max_examples=200, deadline=None)
def test_whole_pixels_come_back_whole(
    drawn: tuple[tuple[int, int], int, int, st.DataObject],
) -> None:
    (width, height), x1, y1, data = drawn
    x2, y2 = data.draw(st.integers(x1 + 1, width)), data.draw(st.integers(y1 + 1, height))
    xywh = [x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height]
    assert pixel_box(xywh, (width, height)) == ((x1, y1, x2, y2), None)


@given(st.lists(st.floats(-1.5, 1.5), min_size=4, max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_placed_box_is_inside_the_image(xywh: list[float]) -> None:
    xyxy, reason = pixel_box(xywh, (586, 328))
    if xyxy is None:
        assert reason is not None
    else:
        assert 0 <= xyxy[0] < xyxy[2] <= 586
        assert 0 <= xyxy[1] < xyxy[3] <= 328
        assert reason in (None, "box_over_edge")


@given(st.dictionaries(st.integers(0, 400), st.integers(-1, 6), max_size=60))
@settings(max_examples=200, deadline=None)
def test_phase_runs_cover_their_frames_and_no_others(phases: dict[int, int]) -> None:
    segments = phase_segments(sorted(phases.items()), SECONDS)
    for tick, phase in phases.items():
        inside = [s.label for s in segments if s.start <= tick < s.end]
        assert inside == ([PHASE.labels[phase]] if phase >= 0 else [])
    for segment in segments:
        labelled = [t for t in sorted(phases) if segment.start <= t < segment.end]
        assert (labelled[0], labelled[-1] + 1) == (segment.start, segment.end)
        assert all(b - a <= 30 for a, b in pairwise(labelled))


def test_spellings_of_all_three_datasets_are_one_phase() -> None:
    for native in ("carlot-triangle-dissection", "calotTriangleDissection",
                   "CalotTriangleDissection"):  # fmt: skip
        assert PHASE.label(native) == "carlot-triangle-dissection"
    assert PHASE.label("gallbladderRetraction") == "gallbladder-extraction"
    assert PHASE.phrase("carlot-triangle-dissection") == "Calot's triangle dissection"
    assert TOOL.phrase(TOOL.label("specimenbag")) == "specimen bag"
    assert identity(92) == "cholec80:92"


def test_folders_are_found_in_any_case_the_exact_one_first(tmp_path: Path) -> None:
    for name in ("LABELS", "labels", ".labels"):
        (tmp_path / name).mkdir()
    assert child_folder(tmp_path, "labels") == tmp_path / "labels"
    assert child_folder(tmp_path, "Labels") == tmp_path / "LABELS"
    assert child_folder(tmp_path, "videos") is None
    with pytest.raises(MissingSourceError, match="no heap of gold"):
        find_base(tmp_path, lambda _: False, dataset="d", tree="heap of gold")


def test_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    shape = re.compile("v0*([0-9]+)")
    (tmp_path / "v1").mkdir()
    (tmp_path / "v01").write_text("")
    (tmp_path / "v02").write_text("")
    (tmp_path / "v2").write_text("")
    (tmp_path / "v3").symlink_to("nowhere")
    assert numbered_folders(tmp_path, shape) == {1: [tmp_path / "v1"]}
    assert numbered_files(tmp_path, shape) == {
        1: [tmp_path / "v01"], 2: [tmp_path / "v02", tmp_path / "v2"]
    }  # fmt: skip
    assert numbered_files(None, shape) == numbered_folders(None, shape) == {}
