"""EgoSurgery's trees: layouts, what is missing or damaged, and what one change touches."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from converters.datasets.egosurgery import CONVERTER
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.video import Recording

SyntheticTree = Callable[[str, bool], Path]
Json = dict[str, Any]
BY_SPLIT = "annotations/bbox/by_split"


@pytest.fixture
def tree(synthetic_tree: SyntheticTree, tmp_path: Path) -> Path:
    """A tree of labels that a test may change."""
    root = tmp_path / "EgoSurgery"
    shutil.copytree(synthetic_tree("egosurgery", False), root)
    return root


def recordings(root: Path) -> dict[str, Recording]:
    return {recording.video_id: recording for recording in CONVERTER.discover(root)}


def convert(root: Path, part: str = "04_1") -> VideoAnnotation:
    return CONVERTER.convert(recordings(root)[part])


def reasons(annotation: VideoAnnotation) -> list[str]:
    return [issue.reason for issue in annotation.issues]


def change(path: Path, edit: Callable[[Json], None]) -> None:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def write_jpeg(path: Path, size_wh: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)
    path.write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())


def test_parts_share_the_identity_of_their_recording(tree: Path) -> None:
    first, second = convert(tree, "04_1").video, convert(tree, "04_2").video
    assert first.identity == second.identity == "egosurgery:04"
    assert first.native_split == {"egosurgery-phase": "train", "egosurgery-tool": "test"}
    assert convert(tree, "17_1").video.native_split == {"egosurgery-phase": "train"}
    assert convert(tree, "22_1").video.native_split == {}


def test_every_drawn_box_and_row_is_accounted_for(tree: Path) -> None:
    boxes = rows = 0
    for recording in recordings(tree).values():
        annotation = CONVERTER.convert(recording)
        dropped = [i.kind for i in annotation.issues if i.disposition.value == "dropped"]
        found = annotation.records_in
        assert found.get("box", 0) == len(annotation.boxes) + dropped.count("box")
        boxes, rows = boxes + found.get("box", 0), rows + found["frame"]
    files = [json.loads(path.read_text()) for path in (tree / BY_SPLIT).rglob("*.json")]
    assert boxes == sum(len(file["annotations"]) for file in files) > 300
    lines = [path.read_text().splitlines() for path in (tree / "annotations/phase").iterdir()]
    assert rows == sum(len(text) - 1 for text in lines)


def test_boxes_are_those_of_the_files_by_name(tree: Path) -> None:
    tools = json.loads((tree / BY_SPLIT / "tools/test.json").read_text())
    hands = json.loads((tree / BY_SPLIT / "hands/test.json").read_text())
    expected = set()
    for file in (tools, hands):
        names = {category["id"]: category["name"] for category in file["categories"]}
        images = {image["id"]: image["file_name"] for image in file["images"]}
        for entry in file["annotations"]:
            name = Path(images[entry["image_id"]]).stem
            x, y, w, h = entry["bbox"]
            if name.startswith("04_1_"):
                expected.add((int(name[5:]) - 1, names[entry["category_id"]], (x, y, x + w, y + h)))
    found = {(box.tick, box.label, box.xyxy) for box in convert(tree).boxes}
    assert found == expected
    assert {label for _, label, _ in found} > {"Own hands left", "Tweezers"}


def test_one_changed_box_changes_one_recording(tree: Path) -> None:
    before = recordings(tree)

    def edit(document: Json) -> None:
        document["annotations"][0]["bbox"][0] += 1

    change(tree / BY_SPLIT / "tools/test.json", edit)
    after = recordings(tree)
    changed = {part for part, recording in after.items() if recording != before[part]}
    assert changed == {"04_1"}
    assert convert(tree).revision != CONVERTER.convert(before["04_1"]).revision


def test_an_added_box_and_renumbered_ids_change_no_other_recording(tree: Path) -> None:
    before = recordings(tree)

    def edit(document: Json) -> None:
        for image in document["images"]:
            image["id"] += 1000
        for annotation in document["annotations"]:
            annotation["image_id"] += 1000
        extra = document["annotations"][0] | {"bbox": [1, 2, 30, 40], "id": 10**6}
        document["annotations"].insert(0, extra)

    change(tree / BY_SPLIT / "hands/test.json", edit)
    after = recordings(tree)
    assert [p for p, recording in after.items() if recording != before[p]] == ["04_2"]


@pytest.mark.parametrize("layout", ["coco_format", "singular", "inside", "annotations"])
def test_known_layouts_give_the_same_labels(tree: Path, tmp_path: Path, layout: str) -> None:
    expected = convert(tree)
    root = tree
    if layout == "coco_format":
        (tree / "annotations").rename(tree / "coco_format")
        (tree / "annotations").mkdir()
        (tree / "coco_format").rename(tree / "annotations/coco_format")
    elif layout == "singular":
        for name in ("tool", "hand"):
            (tree / BY_SPLIT / f"{name}s").rename(tree / BY_SPLIT / name)
    elif layout == "inside":
        root = tmp_path
    else:
        root = tree / "annotations"
    found = convert(root)
    assert (found.boxes, found.segments) == (expected.boxes, expected.segments)
    assert found.video.identity == expected.video.identity


def test_boxes_by_video_stand_in_for_boxes_by_split(tree: Path) -> None:
    expected = convert(tree)
    for kind, name in (("tools", "tool"), ("hands", "hands")):
        place = tree / "annotations/bbox/by_video" / name / "04/annotations.json"
        place.parent.mkdir(parents=True)
        shutil.copy(tree / BY_SPLIT / kind / "test.json", place)
    shutil.rmtree(tree / BY_SPLIT)
    found = convert(tree)
    assert found.boxes == expected.boxes
    assert found.video.native_split["egosurgery-tool"] == "test"
    assert not convert(tree, "09_1").boxes


def test_a_class_list_under_both_names_is_refused(tree: Path) -> None:
    shutil.copytree(tree / BY_SPLIT / "tools", tree / BY_SPLIT / "tool")
    with pytest.raises(MalformedSourceError, match="twice") as caught:
        CONVERTER.discover(tree)
    assert caught.value.source == f"{BY_SPLIT}/tools/train.json"


@pytest.mark.parametrize("kind", ["tool", "hand"])
def test_one_class_list_alone_is_used(tree: Path, kind: str) -> None:
    shutil.rmtree(tree / BY_SPLIT / f"{kind}s")
    annotation = convert(tree)
    assert f"no_{kind}_boxes" in reasons(annotation)
    assert annotation.boxes
    assert all(("hands" in box.label) != (kind == "hand") for box in annotation.boxes)


def test_phases_alone_are_used_on_their_own_frames(tree: Path) -> None:
    shutil.rmtree(tree / "annotations/bbox")
    annotation = convert(tree)
    assert annotation.segments
    assert annotation.boxes == ()
    rows = (tree / "annotations/phase/04_1.csv").read_text().splitlines()[1:]
    assert annotation.labelled_ticks == tuple(int(row[5:9]) - 1 for row in rows)
    assert {"no_tool_boxes", "no_hand_boxes"} <= {*reasons(annotation)}
    assert "no_tool_boxes" not in reasons(convert(tree, "17_1"))


def test_boxes_alone_are_used_without_phases(tree: Path) -> None:
    expected = convert(tree).boxes
    shutil.rmtree(tree / "annotations/phase")
    annotation = convert(tree)
    assert (annotation.segments, annotation.boxes) == ((), expected)
    assert "no_phase_file" in reasons(annotation)
    assert all(issue.file for issue in annotation.issues)


def test_a_broken_box_file_costs_the_parts_it_should_hold(tree: Path) -> None:
    path = tree / BY_SPLIT / "tools/test.json"
    path.write_text(path.read_text()[:5000])
    for part in ("04_1", "04_2"):
        with pytest.raises(MalformedSourceError, match="not whole JSON") as caught:
            convert(tree, part)
        assert caught.value.source == f"{BY_SPLIT}/tools/test.json"
    for part in ("09_1", "14_1", "17_1", "22_1"):
        assert convert(tree, part).segments


def test_a_broken_box_file_of_no_known_part_is_told_by_discover(tree: Path) -> None:
    for path in [*(tree / "annotations/phase").glob("04*"), *(tree / BY_SPLIT).rglob("test.json")]:
        path.unlink()
    (tree / BY_SPLIT / "hands/test.json").write_text("{}")
    with pytest.raises(MalformedSourceError, match="no list of images"):
        CONVERTER.discover(tree)


def test_boxes_in_another_split_file_are_told(tree: Path) -> None:
    for kind in ("tools", "hands"):
        (tree / BY_SPLIT / kind / "test.json").replace(tree / BY_SPLIT / kind / "val.json")
    annotation = convert(tree)
    assert "split_mismatch" in reasons(annotation)
    assert annotation.video.native_split["egosurgery-tool"] == "val"
    assert annotation.boxes


def test_a_recording_in_two_split_files_counts_once(tree: Path) -> None:
    expected = convert(tree)
    shutil.copy(tree / BY_SPLIT / "tools/test.json", tree / BY_SPLIT / "tools/val.json")
    annotation = convert(tree)
    assert annotation.boxes == expected.boxes
    assert "egosurgery-tool" not in annotation.video.native_split
    dropped = reasons(annotation).count("frame_described_twice")
    assert dropped == sum("hands" not in box.label for box in expected.boxes)


def test_frames_that_the_files_disagree_on_are_told(tree: Path) -> None:
    def edit(document: Json) -> None:
        document["images"] = [i for i in document["images"] if "04_1_" not in i["file_name"]]
        kept = {image["id"] for image in document["images"]}
        document["annotations"] = [a for a in document["annotations"] if a["image_id"] in kept]
        last = document["images"][-1]
        document["images"].append(last | {"id": 10**6, "file_name": "04_1_1500.jpg"})

    change(tree / BY_SPLIT / "hands/test.json", edit)
    annotation = convert(tree)
    assert {"frames_of_one_list", "boxed_frame_without_phase"} <= {*reasons(annotation)}
    assert annotation.labelled_ticks[-1] == 1499


def test_pictures_of_all_parts_share_a_folder(
    synthetic_tree: SyntheticTree, tmp_path: Path
) -> None:
    root = synthetic_tree("egosurgery", True)
    first, second = convert(root, "04_1"), convert(root, "04_2")
    assert first.video.media is not None
    assert second.video.media is not None
    assert first.video.media.path == second.video.media.path == "images/04"
    assert first.video.media.pattern != second.video.media.pattern
    assert first.video.resolution_wh == (960, 540)
    for annotation in (first, second):
        names = {p.name for p in (root / "images/04").glob(f"{annotation.video.video_id}_*.jpg")}
        assert annotation.records_in["image"] == len(names)
        unlabelled = annotation.records_in.get("unlabelled_image", 0)
        assert ("image_without_label" in reasons(annotation)) == bool(unlabelled)
    assert convert(root, "22_1").video.media is None
    assert "no_pictures" in reasons(convert(root, "22_1"))


def test_pictures_may_lie_by_split(tree: Path) -> None:
    write_jpeg(tree / "images/test/04/04_1_0061.jpg", (960, 540))
    media = convert(tree).video.media
    assert media is not None
    assert media.path == "images/test/04"


def test_resized_pictures_keep_the_boxes_and_reshaped_ones_do_not(tree: Path) -> None:
    picture = tree / "images/04/04_1_0061.jpg"
    write_jpeg(picture, (640, 360))
    annotation = convert(tree)
    assert "pictures_resized" in reasons(annotation)
    assert annotation.video.resolution_wh == (960, 540)
    write_jpeg(picture, (600, 600))
    with pytest.raises(MalformedSourceError, match="600x600"):
        convert(tree)


def test_a_picture_without_a_header_is_told(tree: Path) -> None:
    write_jpeg(tree / "images/04/04_1_0061.jpg", (64, 36))
    (tree / "images/04/04_1_0061.jpg").write_bytes(b"no picture")
    annotation = convert(tree)
    assert "unreadable_image" in reasons(annotation)
    assert annotation.video.resolution_wh == (960, 540)


def test_pictures_without_labels_are_refused(tree: Path) -> None:
    write_jpeg(tree / "images/16/16_1_0001.jpg", (64, 36))
    with pytest.raises(MissingSourceError, match="no labels") as caught:
        convert(tree, "16_1")
    assert caught.value.source == "images/16"


def test_files_that_vanish_are_named(tree: Path) -> None:
    recording = recordings(tree)["17_1"]
    (tree / "annotations/phase/17_1.csv").unlink()
    with pytest.raises(MissingSourceError) as caught:
        CONVERTER.convert(recording)
    assert caught.value.source == "annotations/phase/17_1.csv"


def test_one_picture_in_two_seconds_is_the_highest_rate(tree: Path) -> None:
    base = convert(tree).video.time_base
    assert float(CONVERTER.spec.max_rate) == float(base.frame_rate) == 0.5
    assert (base.rate_num, base.rate_den, base.first_index) == (1, 2, 1)
