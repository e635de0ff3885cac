"""EgoSurgery's readers: phase files with holes, and COCO files whose ids are local."""

import io
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.coco_boxes import (
    BoxRules,
    PlacedBoxes,
    dump_blocks,
    index_coco,
    load_blocks,
    place_boxes,
)
from converters.egocentric_labels import (
    HAND,
    MAX_BRIDGED,
    PHASE,
    TIME_BASE,
    TOOL,
    FrameName,
    PhaseRows,
    join_phases,
    parse_frame_name,
    parse_phases,
)
from converters.issue_log import IssueLog
from schemas.errors import MalformedSourceError

SOURCE = "annotations/phase/04_1.csv"
FILE = "annotations/bbox/by_split/tools/test.json"


def read(text: str) -> PhaseRows:
    return parse_phases(io.StringIO(text, newline=""), "04_1", source=SOURCE)


def phases(spelled: str, first: int = 1) -> dict[int, str | None]:
    """Letters are phases of consecutive frames, `.` a missing frame, `?` one of unknown phase."""
    names: dict[str, str | None] = {"d": "dissection", "h": "hemostasis", "?": None}
    return {first + i: names[letter] for i, letter in enumerate(spelled) if letter != "."}


def joined(spelled: str) -> list[tuple[str, int, int, bool]]:
    segments, _ = join_phases(phases(spelled))
    return [(s.label[0], s.start, s.end, s.flags == ("bridged",)) for s in segments]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("04_1_0300", FrameName("04_1", 300)),
        ("val/09/09_1_0300.jpg", FrameName("09_1", 300)),
        ("D:\\images\\04\\04_1_0300.jpg", FrameName("04_1", 300)),
        ("04_1_640.jpg", FrameName("04_1", 640)),
        ("21_8_1689.png", FrameName("21_8", 1689)),
        ("04_1_0000", None), ("4_1_0001", None), ("04_0_0001", None), ("04_1", None),
        ("04_1_0001.gif", None), ("04_1_0001.jpg.part", None), ("04_1_\u0661", None), ("", None),
    ],
)  # fmt: skip
def test_frame_names_are_read_whole_or_not_at_all(name: str, expected: FrameName | None) -> None:
    assert parse_frame_name(name) == expected


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("ddd", [("d", 0, 3, False)]),
        ("dd.....dd", [("d", 0, 9, True)]),
        ("dd......dd", [("d", 0, 2, False), ("d", 8, 10, False)]),
        ("dd.hh", [("d", 0, 2, False), ("h", 3, 5, False)]),
        ("ddhhd", [("d", 0, 2, False), ("h", 2, 4, False), ("d", 4, 5, False)]),
        ("d.d......d..d", [("d", 0, 3, True), ("d", 9, 13, True)]),
        ("dd?dd", [("d", 0, 2, False), ("d", 3, 5, False)]),
        ("?", []),
        ("", []),
        ("...d", [("d", 3, 4, False)]),
    ],
)
def test_holes_of_up_to_five_frames_are_bridged(
    spelled: str, expected: list[tuple[str, int, int, bool]]
) -> None:
    assert joined(spelled) == expected


@settings(max_examples=150, deadline=None)
@given(st.text("dh.?", max_size=60))
def test_segments_hold_each_labelled_frame_once_and_no_other_phase(spelled: str) -> None:
    rows = phases(spelled)
    segments, holes = join_phases(rows)
    assert all(a.end <= b.start for a, b in pairwise(segments))
    inside = {tick + 1: s.label for s in segments for tick in range(s.start, s.end)}
    assert {frame: label for frame, label in rows.items() if label} == {
        frame: inside[frame] for frame in rows if frame in inside
    }
    bridged = {f for hole in holes if hole.bridged for f in range(hole.first, hole.last + 1)}
    assert set(inside) - rows.keys() == bridged
    assert all(hole.last - hole.first < MAX_BRIDGED for hole in holes if hole.bridged)
    ends = [min(rows, default=1), max(rows, default=0)]
    missing = set(range(ends[0], ends[1] + 1)) - rows.keys()
    assert missing == {f for hole in holes for f in range(hole.first, hole.last + 1)}
    assert all(
        bool(s.flags) == any(tick + 1 not in rows for tick in range(s.start, s.end))
        for s in segments
    )


def test_a_phase_file_is_read_with_its_line_ends_and_mark() -> None:
    found = read("Frame,Phase\r\n04_1_0050,design\r\n\r\n04_1_0051, design \r\n")
    assert found.phases == {50: "design", 51: "design"}
    assert (found.rows, found.issues) == (2, [])


def test_columns_may_stand_in_another_order() -> None:
    assert read("id,Phase,Frame\n1,closure,04_1_0001\n").phases == {1: "closure"}


@pytest.mark.parametrize(
    ("rows", "reason", "phases_left"),
    [
        ("04_1_0002,suturing", "unknown_phase", {1: "design", 2: None}),
        ("04_1_0002,", "unknown_phase", {1: "design", 2: None}),
        ("04_1_0002", "unknown_phase", {1: "design", 2: None}),
        ("04_2_0002,design", "foreign_frame", {1: "design"}),
        ("frame two,design", "bad_frame_name", {1: "design"}),
        ("04_1_0001,design", "repeated_frame", {1: "design"}),
        ("04_1_0001,closure", "phase_conflict", {1: None}),
        ("04_1_0001,D\u00e9sign", "unknown_phase", {1: None}),
    ],
)
def test_a_faulty_row_is_dropped_with_its_line(
    rows: str, reason: str, phases_left: dict[int, str | None]
) -> None:
    found = read(f"Frame,Phase\n04_1_0001,design\n{rows}\n")
    (issue,) = found.issues
    assert (issue.reason, issue.line, issue.file) == (reason, 3, SOURCE)
    assert issue.detail.isascii()
    assert found.phases == phases_left
    assert found.rows == 2


def test_unsorted_rows_are_sorted() -> None:
    found = read("Frame,Phase\n04_1_0002,design\n04_1_0001,design\n")
    assert [issue.reason for issue in found.issues] == ["unsorted_frames"]
    assert [(s.start, s.end) for s in join_phases(found.phases)[0]] == [(0, 2)]


@pytest.mark.parametrize("text", ["", "\n\n", "04_1_0001,design\n", "frame,phase\n", "Frame\n"])
def test_a_file_without_its_header_is_refused(text: str) -> None:
    with pytest.raises(MalformedSourceError, match="header") as caught:
        read(text)
    assert (caught.value.source, caught.value.line) == (SOURCE, 1)


def test_bytes_that_are_no_text_are_refused() -> None:
    handle = io.TextIOWrapper(io.BytesIO(b"Frame,Phase\n04_1_0001,\xff\xfe\n"), encoding="utf-8")
    with pytest.raises(MalformedSourceError, match="UTF-8"):
        parse_phases(handle, "04_1", source=SOURCE)


def test_the_benchmarks_closing_is_closure_and_its_preparation_is_nothing() -> None:
    assert PHASE.label("closing") == "closure"
    assert "preparation" not in {*PHASE.labels, *PHASE.aliases}
    assert TIME_BASE.seconds(TIME_BASE.tick_of_index(301)) == 600.0


def document(**changes: Any) -> dict[str, Any]:
    names = ["test/04/04_1_0002.jpg", "04_1_0001.jpg", "05_1_0009.jpg"]
    images = [
        {"id": 9 - i, "width": 1920, "height": 1080, "file_name": name}
        for i, name in enumerate(names)
    ]
    annotations = [
        {"id": 0, "image_id": 9, "category_id": 9, "bbox": [900, 400, 199, 299], "iscrowd": 0},
        {"id": 1, "image_id": 8, "category_id": 14, "bbox": [0, 0, 10, 10], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [5, 5, 5, 5], "iscrowd": 0},
    ]
    categories = [{"id": i, "name": name} for i, name in enumerate(TOOL.labels)]
    return {"images": images, "annotations": annotations, "categories": categories} | changes


def index(value: object) -> dict[str, Any]:
    text = value if isinstance(value, str) else json.dumps(value)
    return dict(index_coco(io.StringIO(text), parse_frame_name, dataset="egosurgery", source=FILE))


def place(value: object, part: str = "04_1") -> tuple[PlacedBoxes, list[str]]:
    """Boxes and reasons after a round trip through a recording's JSON text."""
    text = dump_blocks({"tool": [index(value)[part]]})
    (block,) = load_blocks(text)["tool"]
    log = IssueLog("egosurgery", FILE)
    placed = place_boxes(block, BoxRules(TOOL, (1920, 1080), 1), log)
    dropped = [issue for issue in log.in_file_order() if issue.disposition.value == "dropped"]
    records = sum(issue.kind == "box" for issue in dropped) + len(placed.boxes)
    assert log.counts["box"] == records, "every record is a box or an issue"
    return placed, [issue.reason for issue in log.in_file_order()]


def test_boxes_find_their_video_by_file_name_and_their_class_by_name() -> None:
    assert list(index(document())) == ["04_1", "05_1"]
    placed, reasons = place(document())
    assert reasons == []
    assert placed.frames == {1, 2}
    assert [(b.tick, b.label, b.xyxy) for b in placed.boxes] == [
        (0, "Tweezers", (0, 0, 10, 10)), (1, "Scalpel", (900, 400, 1099, 699)),
    ]  # fmt: skip


def test_class_ids_are_those_of_the_file() -> None:
    shifted = [{"id": i + 14, "name": name} for i, name in enumerate(HAND.labels)]
    value = document(categories=shifted)
    value["annotations"][0]["category_id"] = 15
    block = index(value)["04_1"]
    placed = place_boxes(block, BoxRules(HAND, (1920, 1080), 1), IssueLog("egosurgery", FILE))
    assert [box.label for box in placed.boxes] == ["Own hands left", "Own hands right"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [1900, 400, 30, 30]}, "box_over_edge"),
        ({"bbox": [-3, 400, 30, 30]}, "box_over_edge"),
        ({"bbox": [1920, 400, 30, 30]}, "box_outside_image"),
        ({"bbox": [1, 1, 0, 5]}, "empty_box"),
        ({"bbox": [1, 1, 5, -5]}, "empty_box"),
        ({"bbox": [1, 1, 5]}, "bad_box"),
        ({"bbox": None}, "bad_box"),
        ({"bbox": ["1", 1, 5, 5]}, "bad_box"),
        ({"bbox": [1, 1, float("nan"), 5]}, "bad_box"),
        ({"bbox": [1, 1, 10**400, 5]}, "bad_box"),
        ({"bbox": [True, 1, 5, 5]}, "bad_box"),
        ({"category_id": 40}, "unknown_class"),
        ({"category_id": None}, "unknown_class"),
        ({"iscrowd": 1}, "crowd_box"),
        ({"image_id": 77}, "stray_box"),
        ({"image_id": [1]}, "stray_box"),
        ({"image_id": 8, "category_id": 14, "bbox": [0, 0, 10, 10]}, "repeated_box"),
    ],
)
def test_a_faulty_box_is_repaired_or_dropped_alone(change: dict[str, Any], reason: str) -> None:
    value = document()
    value["annotations"][0] |= change
    placed, reasons = place(value)
    assert reasons == [reason]
    assert len(placed.boxes) == (2 if reason == "box_over_edge" else 1)
    for box in placed.boxes:
        clipped = box.flags == ("clipped",)
        assert clipped == (reason == "box_over_edge" and box.label == "Scalpel")
        assert 0 <= box.xyxy[0] < box.xyxy[2] <= 1920


def test_records_that_are_no_objects_are_told() -> None:
    value = document()
    value["annotations"].append("box")
    value["images"].append(None)
    assert place(value)[1] == ["stray_image", "stray_box"]


def test_an_image_id_given_twice_places_no_box() -> None:
    value = document()
    value["images"][0]["id"] = value["images"][1]["id"]
    value["annotations"][0]["image_id"] = value["images"][1]["id"]
    placed, reasons = place(value)
    assert (placed.boxes, reasons) == ([], ["stray_box", "stray_box"])
    assert placed.frames == {1, 2}


def test_an_image_of_another_size_loses_its_boxes() -> None:
    value = document()
    value["images"][0] |= {"width": 1280, "height": 720}
    placed, reasons = place(value)
    assert [box.tick for box in placed.boxes] == [0]
    assert reasons == ["image_size_differs"]


def test_a_frame_told_by_two_files_counts_once() -> None:
    block = index(document())["04_1"]
    log = IssueLog("egosurgery", FILE)
    rules = BoxRules(TOOL, (1920, 1080), 1, frozenset({2}))
    placed = place_boxes(block, rules, log)
    assert [box.tick for box in placed.boxes] == [0]
    assert [issue.reason for issue in log.in_file_order()] == ["frame_described_twice"]
    assert placed.frames == {1}


@pytest.mark.parametrize(
    "value",
    [
        "", "[]", '{"images": [], "annotations": []}', '{"images": [',
        document(categories=[{"id": 1}]), document(categories=["Scalpel"]),
        document(categories=[{"id": 1, "name": "Scalpel"}, {"id": 1, "name": "Hook"}]),
        document(images=[{"id": 1, "file_name": "scene.jpg"}]),
        document(images={}), '{"images": [], "images": []}', "\ud800",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_trusted_is_refused(value: object) -> None:
    with pytest.raises(MalformedSourceError) as caught:
        index(value)
    assert caught.value.source == FILE
    assert len(str(caught.value)) < 600


def test_an_empty_split_is_no_fault() -> None:
    assert index(document(images=[], annotations=[])) == {}
