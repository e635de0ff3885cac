"""AVOS: which videos a tree names, in which list, with which pictures and boxes."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from converters.datasets.avos import CONVERTER, STAND_IN_WH
from converters.hand_tool_boxes import parse_box_table
from converters.open_surgery_tree import SEGMENT_TABLE, whole_id
from schemas.annotation import Disposition, VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.video import MediaKind, Recording

ID, OTHER, CUT = "-bC_eFgH-jK", "ZbCdEfGhIjK", "1AbCdEfG-Qs"
HEADER = ",video_id,labeler_2,labeler_1,duration,labeler_3,label,start_seconds,end_seconds"
TRAIN = "data/new_annotations/train"
BOXES = f"{TRAIN}/train_data_emmett_annotations.csv"


def write_jpeg(path: Path, width: int, height: int) -> None:
    """Write the start of a JPEG, as far as its size is read from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    path.write_bytes(b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame)


def write_tree(
    root: Path, files: Mapping[str, str] | None = None, ids: Sequence[str] = (ID,)
) -> Path:
    rows = "".join(
        f"{i},{name},cutting,cutting,40.0,,cutting,0.0,40.0\n" for i, name in enumerate(ids)
    )
    for name, text in {SEGMENT_TABLE: f"{HEADER}\n{rows}", **(files or {})}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def find(root: Path, video_id: str = ID) -> Recording:
    (recording,) = [r for r in CONVERTER.discover(root) if r.video_id == video_id]
    return recording


def convert(root: Path, video_id: str = ID) -> VideoAnnotation:
    return CONVERTER.convert(find(root, video_id))


def reasons(annotation: VideoAnnotation) -> list[str]:
    return [issue.reason for issue in annotation.issues if issue.reason != "no_duration"]


def videos_table(*rows: tuple[str, str]) -> str:
    return "video_id,duration_seconds\n" + "".join(f"{a},{b}\n" for a, b in rows)


# Lists


def test_a_listed_id_that_is_cut_at_its_dash_means_the_one_labelled_video(tmp_path: Path) -> None:
    lists = {"splits/train.csv": f"video_id\n{ID}\n", "splits/test.csv": "video_id\n1AbCdEfG\n"}
    root = write_tree(tmp_path, lists, ids=(ID, CUT))
    assert [r.video_id for r in CONVERTER.discover(root)] == [ID, CUT]
    annotation = convert(root, CUT)
    assert annotation.video.native_split == {"avos": "test"}
    (issue,) = [i for i in annotation.issues if i.reason == "truncated_id"]
    assert (issue.file, issue.disposition) == ("splits/test.csv", Disposition.REPAIRED)
    assert convert(root).video.native_split == {"avos": "train"}
    assert reasons(convert(root)) == []


@pytest.mark.parametrize(
    ("cut", "ids", "whole"),
    [
        ("1AbCdEfG", [CUT, ID], CUT),
        ("1AbCdEfG", [CUT, "1AbCdEfG-Qt"], None),
        ("1AbCdEf", [CUT], None),
        ("", ["-bC_eFgH-jK"], None),
        ("zz", [CUT], None),
    ],
)
def test_only_one_video_may_fit_a_cut_id(cut: str, ids: list[str], whole: str | None) -> None:
    assert whole_id(cut, ids) == whole


def test_an_id_that_no_video_fits_is_refused_by_name(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {"splits/test.csv": "video_id\nnäh\n"})
    broken = next(r for r in CONVERTER.discover(root) if r.video_id.startswith("invalid-"))
    with pytest.raises(MalformedSourceError, match=r"n\\xe4h") as caught:
        CONVERTER.convert(broken)
    assert caught.value.field == "video_id"


def test_a_video_in_two_lists_or_none_has_no_split(tmp_path: Path) -> None:
    lists = {f"splits/{part}.csv": f"video_id\n{ID}\n{ID}\n" for part in ("train", "test")}
    root = write_tree(tmp_path, lists, ids=(ID, OTHER))
    assert convert(root).video.native_split == {}
    assert reasons(convert(root)) == ["ambiguous_split"]
    assert reasons(convert(root, OTHER)) == ["no_native_split"]


def test_lists_beside_the_tables_are_found_and_absent_ones_are_no_fault(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "a", {"train.csv": f"video_id\n{ID}\n"})
    assert convert(root).video.native_split == {"avos": "train"}
    assert reasons(convert(write_tree(tmp_path / "b"))) == []


def test_a_video_that_is_only_named_is_counted_and_its_pictures_left_shut(tmp_path: Path) -> None:
    named = ("LstedOnly-1", "TbleOnly_12", "MdiaOnly_12")
    files = {
        "splits/test.csv": f"video_id\n{named[0]}\n",
        "videos.csv": videos_table((named[1], "0.0")),
        f"videos/{named[2]}.mp4": "",
        f"videos/{named[0]}.mp4": "",
    }
    root = write_tree(tmp_path, files)
    for name in named:
        assert find(root, name).media is None
        annotation = convert(root, name)
        assert "no_labels" in reasons(annotation)
        assert annotation.records_in == {"video": 1}
        assert annotation.segments == ()


# Length


@pytest.mark.parametrize(
    ("lengths", "ticks"),
    [(["95.0"], 95 * 90_000), (["0.0"], None), (["-3"], None), (["95.0", "96.0"], None), ([], None),
     (["95.0", "95.0"], 95 * 90_000), (["soon"], None)],
)  # fmt: skip
def test_a_length_of_zero_or_two_lengths_are_unknown(
    tmp_path: Path, lengths: list[str], ticks: int | None
) -> None:
    root = write_tree(tmp_path, {"videos.csv": videos_table(*[(ID, text) for text in lengths])})
    annotation = convert(root)
    assert annotation.video.duration_ticks == ticks
    assert ("no_duration" in {i.reason for i in annotation.issues}) is (ticks is None)


def test_a_segment_past_the_end_is_kept_and_flagged(tmp_path: Path) -> None:
    annotation = convert(write_tree(tmp_path, {"videos.csv": videos_table((ID, "39.0"))}))
    assert annotation.segments[0].flags == ("end_past_duration",)
    assert reasons(annotation) == ["end_past_duration"]


# Pictures


def test_frames_at_fifteen_a_second_win_over_a_video(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {f"videos/{ID}.mp4": "", f"videos/{OTHER}.mkv": ""}, (ID, OTHER))
    (root / "images-fps_15" / ID).mkdir(parents=True)
    media = find(root).media
    assert media is not None
    assert (media.kind, media.path) == (MediaKind.VIDEO, f"videos/{ID}.mp4")
    write_jpeg(root / "images-fps_15" / ID / f"{ID}-000000007.jpg", 64, 48)
    media = find(root).media
    assert media is not None
    assert media.path == f"images-fps_15/{ID}"
    write_jpeg(root / "frames_15fps" / ID / "22575.jpg", 320, 240)
    media = find(root).media
    assert media is not None
    assert (media.kind, media.path) == (MediaKind.FRAMES, f"frames_15fps/{ID}")
    assert convert(root).video.resolution_wh == (320, 240)
    other = find(root, OTHER).media
    assert other is not None
    assert other.path == f"videos/{OTHER}.mkv"
    assert convert(root, OTHER).video.resolution_wh == STAND_IN_WH


def test_the_tree_may_lie_one_folder_down_but_not_twice(tmp_path: Path) -> None:
    write_tree(tmp_path / "AVOS", {f"videos/{ID}.mp4": ""})
    recording = find(tmp_path)
    assert recording.root == tmp_path / "AVOS"
    write_tree(tmp_path / "copy")
    with pytest.raises(MissingSourceError, match="AVOS, copy"):
        CONVERTER.discover(tmp_path)


# Boxes


def boxed(*rows: str) -> dict[str, str]:
    return {BOXES: "".join(f"../{TRAIN}/{row}\n" for row in rows)}


def placed(annotation: VideoAnnotation) -> list[tuple[int, str, tuple[float, ...]]]:
    return [(box.tick, box.label, box.xyxy) for box in annotation.boxes]


def test_boxes_are_scaled_from_their_image_to_the_video(tmp_path: Path) -> None:
    name = f"{ID}-000000150.jpg"
    root = write_tree(tmp_path, boxed(f"{name},10,20,110,220,hand", f"{name},0,0,640,48,forceps"))
    write_jpeg(root / TRAIN / name, 640, 480)
    write_jpeg(root / "frames_15fps" / ID / "0.jpg", 320, 240)
    annotation = convert(root)
    assert placed(annotation) == [
        (900_000, "forceps", (0, 0, 320, 24)), (900_000, "hand", (5, 10, 55, 110)),
    ]  # fmt: skip
    assert reasons(annotation) == []
    assert find(root).files == (f"{TRAIN}/{name}",)
    assert annotation.records_in["box"] == 2


def test_each_side_is_scaled_by_itself_where_sizes_were_rounded(tmp_path: Path) -> None:
    name = f"{ID}-000000150.jpg"
    root = write_tree(tmp_path, boxed(f"{name},0,0,1280,720,hand"))
    write_jpeg(root / TRAIN / name, 1280, 720)
    write_jpeg(root / "frames_15fps" / ID / "0.jpg", 426, 240)
    annotation = convert(root)
    assert annotation.boxes[0].xyxy == pytest.approx((0, 0, 426, 240))
    assert reasons(annotation) == []


def test_without_boxed_images_the_size_of_the_video_is_taken_and_said(tmp_path: Path) -> None:
    root = write_tree(tmp_path, boxed(f"{ID}-000000150.jpg,10,20,110,220,bovie"))
    write_jpeg(root / "frames_15fps" / ID / "0.jpg", 320, 240)
    assert placed(convert(root)) == [(900_000, "bovie", (10, 20, 110, 220))]
    assert reasons(convert(root)) == ["box_size_assumed"]


def test_without_any_picture_the_smallest_usual_size_is_guessed(tmp_path: Path) -> None:
    root = write_tree(tmp_path, boxed(f"{ID}-000000150.jpg,10,20,477,267,needledriver"))
    annotation = convert(root)
    assert annotation.video.resolution_wh == (480, 360)
    assert reasons(annotation) == ["box_size_guessed"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("10,20,10,220,hand", "empty_box"),
        ("10,20,5,220,hand", "empty_box"),
        ("a,20,5,220,hand", "malformed_box"),
        ("10,,5,220,hand", "malformed_box"),
        ("inf,20,50,220,hand", "malformed_box"),
        ("10,20,50,220,drill", "unknown_class"),
        ("10,20,50,220,", "unknown_class"),
        ("700,20,800,220,hand", "box_outside_image"),
        ("1,2,3,4,hand", "duplicate_row"),
    ],
)
def test_a_box_that_cannot_be_placed_is_dropped(tmp_path: Path, cells: str, reason: str) -> None:
    name = f"{ID}-000000150.jpg"
    root = write_tree(tmp_path, boxed(f"{name},1,2,3,4,hand", f"{name},{cells}"))
    write_jpeg(root / TRAIN / name, 640, 480)
    annotation = convert(root)
    assert placed(annotation) == [(900_000, "hand", (1, 2, 3, 4))]
    (issue,) = [i for i in annotation.issues if i.disposition is Disposition.DROPPED]
    assert (issue.reason, issue.kind, issue.file) == (reason, "box", BOXES)
    assert annotation.records_in["box"] == 2


def test_boxes_over_the_edge_are_cut_and_empty_images_counted(tmp_path: Path) -> None:
    name = f"{ID}-000000150.jpg"
    rows = boxed(f"{name},600,-3,644,200,scalpel", f"{ID}-000000300.jpg,,,,,")
    root = write_tree(tmp_path, rows)
    write_jpeg(root / TRAIN / name, 640, 480)
    annotation = convert(root)
    assert placed(annotation) == [(900_000, "scalpel", (600, 0, 640, 200))]
    assert annotation.boxes[0].flags == ("clipped",)
    assert reasons(annotation) == ["box_clipped"]
    assert annotation.records_in["image_without_box"] == 1


def test_a_video_smaller_than_its_boxes_or_of_another_shape_takes_none(tmp_path: Path) -> None:
    name = f"{ID}-000000150.jpg"
    root = write_tree(tmp_path, boxed(f"{name},10,20,600,220,hand"))
    write_jpeg(root / "frames_15fps" / ID / "0.jpg", 320, 240)
    assert reasons(convert(root)) == ["image_too_small"]
    write_jpeg(root / TRAIN / name, 1280, 720)
    assert reasons(convert(root)) == ["image_shape_differs"]
    assert convert(root).boxes == ()


def test_a_box_after_the_end_of_the_video_is_dropped(tmp_path: Path) -> None:
    files = boxed(f"{ID}-000000600.jpg,1,2,3,4,hand") | {"videos.csv": videos_table((ID, "40.0"))}
    annotation = convert(write_tree(tmp_path, files))
    assert "frame_past_duration" in reasons(annotation)
    assert annotation.boxes == ()


def test_newer_boxes_of_an_image_replace_older_ones(tmp_path: Path) -> None:
    files = boxed(f"{ID}-000000150.jpg,1,2,3,4,hand") | {
        "train_data.csv": f"/x/{ID}-000000150.jpg,5,6,7,8,forceps\n"
        f"C:\\x\\{ID}-000000165.jpg,5,6,7,8,forceps\n/x/{ID}-000000150.jpg,,,,,\n"
    }
    annotation = convert(write_tree(tmp_path, files))
    assert placed(annotation) == [
        (900_000, "hand", (1, 2, 3, 4)), (990_000, "forceps", (5, 6, 7, 8)),
    ]  # fmt: skip
    (issue,) = [i for i in annotation.issues if i.reason == "superseded_box"]
    assert issue.file == "train_data.csv"
    assert annotation.records_in["box"] == 3


def test_boxes_alone_are_labels_too(tmp_path: Path) -> None:
    root = write_tree(tmp_path, boxed(f"{OTHER}-000000150.jpg,1,2,3,4,hand"))
    annotation = convert(root, OTHER)
    assert len(annotation.boxes) == 1
    assert reasons(annotation) == ["no_segments", "box_size_guessed"]


def test_a_boxed_image_without_an_id_is_refused_by_name(tmp_path: Path) -> None:
    root = write_tree(tmp_path, boxed("area-000001-x.jpg,1,2,3,4,hand"))
    broken = next(r for r in CONVERTER.discover(root) if r.video_id.startswith("invalid-"))
    assert json.loads(broken.record or "")["boxes"] == [[BOXES, "-1", "1", "2", "3", "4", "hand"]]
    with pytest.raises(MalformedSourceError, match="area-000001-x"):
        CONVERTER.convert(broken)


def test_a_table_of_boxes_with_a_row_of_another_length_is_refused(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {BOXES: f"a/{ID}-000000150.jpg,1,2,3,4,hand\nx,1\n"})
    with pytest.raises(MalformedSourceError, match="2 values, not 6") as caught:
        CONVERTER.discover(root)
    assert (caught.value.source, caught.value.line) == (BOXES, 2)


def test_ids_are_cut_from_the_right(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(f"a/b/{ID}-000000150.jpg, 1,2,3,4,hand\n\n", encoding="utf-8")
    with path.open(encoding="utf-8", newline="") as handle:
        assert [*parse_box_table(handle, source="boxes.csv")] == [
            (f"{ID}-000000150.jpg", ["1", "2", "3", "4", "hand"])
        ]
