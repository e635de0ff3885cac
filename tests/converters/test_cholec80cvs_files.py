"""The Cholec80-CVS workbook, Cholec80's files beside it, and what happens when they are damaged."""

import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import time
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from converters.cholec80_files import EXPORT_BASE, VIDEO_BASE, parse_phases
from converters.cvs_workbook import COLUMNS, MAX_ROWS, dump_rows, load_rows, read_rows
from converters.datasets.cholec80cvs import CONVERTER, SPLIT
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError, UnknownLabelError
from schemas.video import MediaKind

PngWriter = Callable[[Path, int, int], None]
ROW = (7, 0, 0, 0, 1, 9, 1, 0, 0, 1)
Rows = Sequence[Sequence[object]]


def workbook(rows: Rows = (COLUMNS, ROW), *, sheet: str = "Sheet1") -> bytes:
    book = Workbook()
    page = book.active
    assert page is not None
    page.title = sheet
    for row in rows:
        page.append(list(row))
    raw = io.BytesIO()
    book.save(raw)
    return raw.getvalue()


def repacked(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The same zip with one part changed."""
    raw = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(raw, "w") as new:
        for part in old.namelist():
            text = old.read(part)
            new.writestr(part, change(text) if part == name else text, zipfile.ZIP_DEFLATED)
    return raw.getvalue()


def read(content: bytes) -> list[tuple[int, dict[str, object]]]:
    return [(row.line, dict(row.cells)) for row in read_rows(io.BytesIO(content), source="a.xlsx")]


def refused(content: bytes) -> MalformedSourceError:
    with pytest.raises(MalformedSourceError) as caught:
        read(content)
    assert (caught.value.dataset, caught.value.source) == ("cholec80cvs", "a.xlsx")
    assert len(str(caught.value)) < 500
    return caught.value


def phases(path: Path, stretches: Sequence[tuple[str, int]]) -> None:
    names = [name for name, frames in stretches for _ in range(frames)]
    text = "".join(f"{frame}\t{name}\n" for frame, name in enumerate(names))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"Frame\tPhase\n{text}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "cholec80-CVS.xlsx").write_bytes(workbook())
    return tmp_path


def convert(root: Path) -> VideoAnnotation:
    (recording,) = CONVERTER.discover(root)
    return CONVERTER.convert(recording)


def reasons(annotation: VideoAnnotation) -> list[str]:
    return [issue.reason for issue in annotation.issues]


def test_columns_are_found_by_name_in_any_order_and_blank_rows_are_none() -> None:
    header = [" TOTAL", "note", *COLUMNS[:-1]]
    rows: Rows = (header, [1, "x", *ROW[:-1]], [None] * 4, [1, "y", *ROW[:-1]])
    found = read(workbook(rows))
    assert [line for line, _ in found] == [2, 4]
    assert found[0][1] == dict(zip(COLUMNS, ROW, strict=True))


def test_cells_keep_their_types_and_survive_json() -> None:
    rows: Rows = (COLUMNS, [7, True, "3", 1.5, None, time(0, 11, 20), "é", -1, 2, "=1+1"])
    source = io.BytesIO(workbook(rows))
    (row,) = read_rows(source, source="a.xlsx")
    values = list(row.cells.values())
    assert values == [7, True, "3", 1.5, None, "time 00:11:20", "é", -1, 2, None]
    assert load_rows(dump_rows([row])) == [row]


def test_a_wrong_sheet_size_hides_no_row() -> None:
    content = workbook((COLUMNS, *[ROW] * 5))
    shrunk = repacked(
        content, "xl/worksheets/sheet1.xml",
        lambda text: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:B2"', text),
    )  # fmt: skip
    assert shrunk != content
    assert read(shrunk) == read(content)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip", b"\0" * 100])
def test_bytes_that_are_no_zip_are_refused(content: bytes) -> None:
    assert "xlsx" in refused(content).problem


def test_every_cut_of_the_file_is_refused() -> None:
    content = workbook()
    for size in range(0, len(content), 97):
        refused(content[:size])


def test_every_flipped_stretch_is_refused_or_read() -> None:
    content = workbook()
    survived = 0
    for place in range(0, len(content), 61):
        damaged = bytearray(content)
        damaged[place : place + 4] = bytes(byte ^ 0xFF for byte in damaged[place : place + 4])
        try:
            rows = read(bytes(damaged))
        except MalformedSourceError:
            continue
        survived += 1
        assert rows == read(content)
    assert survived < len(content) / 61 / 2


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    bomb = repacked(workbook(), "xl/worksheets/sheet1.xml", lambda _: b" " * (64 << 20))
    assert len(bomb) < 1 << 20
    assert "unpacks to" in refused(bomb).problem


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    size = 20 << 20
    bomb = repacked(workbook(), "xl/worksheets/sheet1.xml", lambda _: b" " * size)
    lying = bomb.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert lying != bomb
    assert "damaged" in refused(lying).problem


def test_too_many_parts_are_refused() -> None:
    raw = io.BytesIO(workbook())
    with zipfile.ZipFile(raw, "a") as archive:
        for place in range(300):
            archive.writestr(f"x{place}", b"")
    assert "parts" in refused(raw.getvalue()).problem


def test_entities_are_refused() -> None:
    declared = repacked(
        workbook(), "xl/worksheets/sheet1.xml",
        lambda text: b'<!DOCTYPE a [<!ENTITY b "boom">]>' + text.split(b"?>")[-1],
    )  # fmt: skip
    assert "document type" in refused(declared).problem


def test_a_large_file_is_refused() -> None:
    assert "bytes" in refused(workbook() + b"\0" * (5 << 20)).problem


def test_another_sheet_is_not_taken_for_it() -> None:
    error = refused(workbook(sheet="Tabelle1"))
    assert "'Tabelle1'" in error.problem
    assert error.field == "Sheet1"


def test_missing_and_repeated_columns_are_named() -> None:
    error = refused(workbook((COLUMNS[:-2], ROW[:-2])))
    assert (error.line, error.field) == (1, "hepatocystic_triangle; Total")
    error = refused(workbook(((*COLUMNS, "total"), (*ROW, 1))))
    assert error.field == "Total"
    assert refused(workbook((ROW,))).field is not None
    assert refused(workbook(())).problem == "the sheet is empty."


def test_too_many_rows_are_refused_wherever_they_stand() -> None:
    assert "rows" in refused(workbook((COLUMNS, *[ROW] * (MAX_ROWS + 1)))).problem
    assert len(read(workbook((COLUMNS, *[ROW] * MAX_ROWS)))) == MAX_ROWS
    far = repacked(
        workbook((COLUMNS, ROW)), "xl/worksheets/sheet1.xml",
        lambda text: text.replace(b'<row r="2"', b'<row r="99999999"').replace(b'"A2"', b'"A9"'),
    )  # fmt: skip
    assert "last legal" in refused(far).problem


def test_the_workbook_is_found_under_its_names(tmp_path: Path) -> None:
    for place, name in enumerate(("cholec80-CVS.xlsx", "data/surgeons_annotations.xlsx")):
        path = tmp_path / str(place) / "CVS" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(workbook())
        for root in (tmp_path / str(place), tmp_path / str(place) / "CVS"):
            (recording,) = CONVERTER.discover(root)
            assert recording.hints["workbook"] == name


def test_labels_alone_are_enough(root: Path) -> None:
    annotation = convert(root)
    video = annotation.video
    assert (video.video_id, video.identity, video.media) == ("video07", "cholec80:7", None)
    assert (video.resolution_wh, video.time_base) == ((854, 480), VIDEO_BASE)
    assert video.native_split == {"cholec80cvs": "test"}
    assert reasons(annotation) == ["no_phase_annotation"]
    assert [(v.start, v.end) for v in annotation.cvs] == [(0, 1750)]
    assert annotation.records_in == {"row": 1}


def test_phases_cut_at_the_first_clip_and_give_the_length(root: Path) -> None:
    stretches = [("Preparation", 300), ("CalotTriangleDissection", 901), ("ClippingCutting", 99),
                 ("CalotTriangleDissection", 50), ("ClippingCutting", 50)]  # fmt: skip
    phases(root / "cholec80/phase_annotations/video07-phase.txt", stretches)
    annotation = convert(root)
    assert [(v.start, v.end) for v in annotation.cvs] == [(0, 1201)]
    assert annotation.video.duration_ticks == 1400
    assert reasons(annotation) == ["past_first_clip"]


def test_an_operation_that_begins_with_a_clip_has_no_score(root: Path) -> None:
    phases(root / "phase_annotations/video07-phase.txt", [("ClippingCutting", 2000)])
    annotation = convert(root)
    assert not annotation.cvs
    assert not annotation.segments
    assert reasons(annotation) == ["after_first_clip"]


def test_without_a_clip_the_end_of_the_video_cuts(root: Path) -> None:
    phases(root / "phase_annotations/video07-phase.txt", [("CalotTriangleDissection", 1500)])
    annotation = convert(root)
    assert [(v.start, v.end) for v in annotation.cvs] == [(0, 1500)]
    assert reasons(annotation) == ["no_clipping_phase", "past_first_clip"]
    assert annotation.issues[0].file == "phase_annotations/video07-phase.txt"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("0\tPreparation\n", 1),
        ("Frame\tPhase\n", 2),
        ("Frame\tPhase\n0\tPreparation\n0\tPreparation\n", 3),
        ("Frame\tPhase\n5\tPreparation\n4\tPreparation\n", 3),
        ("Frame\tPhase\n0\tPreparation\n\n", 3),
        ("Frame\tPhase\nx\tPreparation\n", 2),
        ("Frame\tPhase\n-1\tPreparation\n", 2),
        (f"Frame\tPhase\n{'9' * 5000}\tPreparation\n", 2),
    ],
)
def test_phase_files_of_another_form_are_refused(text: str, line: int) -> None:
    with pytest.raises(MalformedSourceError) as caught:
        parse_phases(io.StringIO(text), dataset="d", source="p.txt")
    assert (caught.value.source, caught.value.line) == ("p.txt", line)


def test_a_phase_file_cut_short_is_refused(root: Path) -> None:
    path = root / "phase_annotations/video07-phase.txt"
    phases(path, [("CalotTriangleDissection", 100)])
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UnknownLabelError):
        convert(root)
    path.write_bytes(b"Frame\tPhase\n0\t\xff\xfe\n")
    with pytest.raises(MalformedSourceError, match="UTF-8"):
        convert(root)
    (recording,) = CONVERTER.discover(root)
    path.unlink()
    with pytest.raises(MissingSourceError):
        CONVERTER.convert(recording)


def test_crlf_and_a_byte_order_mark_change_nothing(root: Path) -> None:
    path = root / "phase_annotations/video07-phase.txt"
    phases(path, [("CalotTriangleDissection", 1000), ("ClippingCutting", 900)])
    before = convert(root)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert convert(root) == before


def images(folder: Path, numbers: Iterator[int] | range, write_png: PngWriter) -> None:
    for number in numbers:
        write_png(folder / f"video07_{number:06d}.png", 640, 360)


def test_an_export_counts_seconds_from_one(root: Path, write_png: PngWriter) -> None:
    phases(root / "phase_annotations/video07-phase.txt", [("CalotTriangleDissection", 1776)])
    images(root / "frames/video07", range(1, 73), write_png)
    annotation = convert(root)
    base = annotation.video.time_base
    assert base == EXPORT_BASE
    assert [base.tick_of_index(index) for index in (1, 2, 71)] == [0, 25, 1750]
    assert annotation.video.resolution_wh == (640, 360)
    assert [(v.start, v.end) for v in annotation.cvs] == [(0, 1750)]
    media = annotation.video.media
    assert media is not None
    assert media.kind is MediaKind.FRAMES
    assert media.pattern is not None
    assert re.fullmatch(media.pattern, "video07_000012.png")


@pytest.mark.parametrize(
    "numbers", [range(72), range(1, 75), range(1, 60), range(1, 1800, 25), range(0)]
)
def test_other_exports_are_refused(root: Path, write_png: PngWriter, numbers: range) -> None:
    phases(root / "phase_annotations/video07-phase.txt", [("CalotTriangleDissection", 1776)])
    (root / "frames/video07").mkdir(parents=True)
    images(root / "frames/video07", numbers, write_png)
    with pytest.raises(MalformedSourceError) as caught:
        convert(root)
    assert caught.value.source == "frames/video07"
    assert "1 fps" in caught.value.problem


def test_without_phases_only_impossible_numbers_are_refused(
    root: Path, write_png: PngWriter
) -> None:
    images(root / "frames/video07", range(1, 73), write_png)
    assert convert(root).video.time_base == EXPORT_BASE
    images(root / "frames/video07", iter([6000]), write_png)
    with pytest.raises(MalformedSourceError):
        convert(root)


def test_a_movie_goes_before_images_and_copies_are_named(root: Path, write_png: PngWriter) -> None:
    images(root / "frames/video07", range(1, 3), write_png)
    (root / "videos").mkdir()
    for name in ("video07.mp4", "VIDEO7.MP4"):
        (root / "videos" / name).write_bytes(b"no movie")
    annotation = convert(root)
    assert annotation.video.media is not None
    assert annotation.video.media.path == "videos/VIDEO7.MP4"
    assert annotation.video.time_base == VIDEO_BASE
    assert reasons(annotation) == ["second_copy", "no_phase_annotation", "unreadable_media"]
    assert "videos/video07.mp4, frames/video07" in annotation.issues[0].detail


def test_media_that_vanish_are_named(root: Path, write_png: PngWriter) -> None:
    images(root / "frames/video07", range(1, 3), write_png)
    (recording,) = CONVERTER.discover(root)
    shutil.rmtree(root / "frames")
    with pytest.raises(MissingSourceError) as caught:
        CONVERTER.convert(recording)
    assert caught.value.source == "frames/video07"


@pytest.mark.parametrize("cell", [None, 0, 81, -3, "seven", 7.5, True])
def test_a_row_of_no_video_is_refused_under_its_number(tmp_path: Path, cell: object) -> None:
    content = workbook((COLUMNS, ROW, [cell, *ROW[1:]]))
    (tmp_path / "cholec80-CVS.xlsx").write_bytes(content)
    stray, known = CONVERTER.discover(tmp_path)
    assert (stray.video_id, known.video_id) == ("row-0000003", "video07")
    with pytest.raises(MalformedSourceError) as caught:
        CONVERTER.convert(stray)
    assert (caught.value.line, caught.value.field) == (3, "video")
    assert len(CONVERTER.convert(known).cvs) == 1


def test_pictures_without_a_row_are_refused_by_name(root: Path) -> None:
    (root / "videos").mkdir()
    for number in (7, 12, 99):
        (root / f"videos/video{number:02d}.mp4").write_bytes(b"")
    recordings = CONVERTER.discover(root)
    assert [recording.video_id for recording in recordings] == ["video07", "video12"]
    with pytest.raises(MissingSourceError, match="video12 has pictures but no row"):
        CONVERTER.convert(recordings[1])


def test_a_workbook_without_rows_is_missing_its_rows(tmp_path: Path) -> None:
    (tmp_path / "cholec80-CVS.xlsx").write_bytes(workbook((COLUMNS,)))
    with pytest.raises(MissingSourceError, match="no row"):
        CONVERTER.discover(tmp_path)


def test_a_corrected_row_leaves_the_other_recordings_alone(tmp_path: Path) -> None:
    path = tmp_path / "cholec80-CVS.xlsx"
    path.write_bytes(workbook((COLUMNS, ROW, [8, *ROW[1:]])))
    before = CONVERTER.discover(tmp_path)
    book = load_workbook(path)
    book["Sheet1"]["F3"] = 12
    book.save(path)
    after = CONVERTER.discover(tmp_path)
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert not any("xlsx" in name for recording in after for name in recording.files)


def test_the_split_is_the_published_one() -> None:
    assert {part: len(numbers) for part, numbers in SPLIT.items()} == {
        "train": 50, "val": 15, "test": 15,
    }  # fmt: skip
    assert frozenset().union(*SPLIT.values()) == frozenset(range(1, 81))
