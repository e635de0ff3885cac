"""The made-up EgoSurgery has the shape, the counts and the faults of the real one."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from medvid.synthetic import write_tree
from medvid.synthetic.egosurgery import BOXED_FRAMES, PARTS, SPLITS
from medvid.synthetic.open_surgery import HANDS, TOOLS
from medvid.synthetic.open_tools import DRAWINGS, Pose, box_of, draw_tools

Json = dict[str, Any]
BY_SPLIT = "annotations/bbox/by_split"
PHASES = {
    "disinfection", "design", "anesthesia", "incision", "dissection", "hemostasis", "irrigation",
    "closure", "dressing",
}  # fmt: skip
IMAGE_KEYS = [
    "id", "width", "height", "file_name", "license", "flickr_url", "coco_url", "date_captured",
    "flickr_640_url", "video_id", "frame_id",
]  # fmt: skip
BOX_KEYS = ["id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("egosurgery")
    write_tree("egosurgery", root, max_seconds=40)
    return root


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("egosurgery_full")
    write_tree("egosurgery", root, scale=1, media=False)
    return root


def boxes(root: Path, kind: str, split: str) -> Json:
    document: Json = json.loads((root / BY_SPLIT / kind / f"{split}.json").read_text())
    return document


def rows(root: Path, part: str) -> list[tuple[int, str]]:
    header, *lines = (root / f"annotations/phase/{part}.csv").read_text().splitlines()
    assert header == "Frame,Phase"
    pairs = [line.split(",") for line in lines]
    assert all(name.startswith(f"{part}_") and len(name) == 9 for name, _ in pairs)
    return [(int(name[5:]), phase) for name, phase in pairs]


def test_the_tree_has_real_names(tree: Path) -> None:
    files = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.suffix != ".jpg"}
    assert {
        "annotations/phase/04_1.csv", "annotations/phase/04_2.csv", "annotations/phase/22_1.csv",
        f"{BY_SPLIT}/tools/train.json", f"{BY_SPLIT}/tools/val.json", f"{BY_SPLIT}/tools/test.json",
        f"{BY_SPLIT}/hands/train.json", f"{BY_SPLIT}/hands/test.json", "gaze/04_1.csv", "images/04",
    } <= files  # fmt: skip
    assert f"{BY_SPLIT}/hands/val.json" not in files
    assert not (tree / "images/22").exists()
    names = {path.name for path in (tree / "images/04").iterdir()}
    assert {name[:4] for name in names} == {"04_1", "04_2"}
    assert all(len(name) == len("04_1_0001.jpg") for name in names)


@pytest.mark.parametrize("kind", ["tools", "hands"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_box_files_have_native_keys_and_local_ids(tree: Path, kind: str, split: str) -> None:
    document = boxes(tree, kind, split)
    assert ("videos" in document) == (split != "test")
    first = 0 if kind == "tools" else 1
    classes = [(entry["id"], entry["name"]) for entry in document["categories"]]
    expected = TOOLS if kind == "tools" else HANDS
    assert classes[: len(expected)] == [(first + i, name) for i, name in enumerate(expected)]
    images, annotations = document["images"], document["annotations"]
    assert [image["id"] for image in images] == list(range(len(images)))
    assert [a["id"] for a in annotations] == list(range(len(annotations)))
    assert {(*image,) for image in images} == {(*IMAGE_KEYS,)}
    assert {(*a,) for a in annotations} == {(*BOX_KEYS,)}
    flat = kind == "hands"
    assert all(("/" in image["file_name"]) != flat for image in images)
    assert all(isinstance(value, int) for a in annotations for value in a["bbox"])


def test_ids_of_tools_and_hands_name_other_images(tree: Path) -> None:
    names = [
        [Path(image["file_name"]).stem for image in boxes(tree, kind, "test")["images"]]
        for kind in ("tools", "hands")
    ]
    assert names[0] != names[1]
    assert sorted(names[0]) == sorted(names[1])


def test_widths_are_rounded_down_and_areas_are_not(full: Path) -> None:
    annotations = boxes(full, "tools", "test")["annotations"]
    short = 0
    for entry in annotations:
        x, y, width, height = entry["bbox"]
        (corners,) = entry["segmentation"]
        right, bottom = max(corners[0::2]), max(corners[1::2])
        assert right - x - width in (0, 1)
        assert bottom - y - height in (0, 1)
        assert entry["area"] == (right - x) * (bottom - y)
        short += entry["area"] != width * height
    assert 0.65 < short / len(annotations) < 0.85


def test_boxes_are_tight_around_what_is_drawn() -> None:
    for turn, label in enumerate(DRAWINGS):
        for x, y in ((300, 200), (8, 390)):
            pose = Pose(x, y, 90, 37.0 * turn)
            box = box_of(label, pose, (600, 400))
            assert box is not None, label
            picture = np.full((400, 600, 3), 255, np.uint8)
            picture[..., 0] = 0
            blank = picture.copy()
            draw_tools(picture, [(label, pose)])
            drawn = np.argwhere((picture != blank).any(axis=2))
            (top, left), (bottom, right) = drawn.min(axis=0), drawn.max(axis=0) + 1
            assert np.abs(np.asarray(box) - (left, top, right, bottom)).max() <= 2, label


def test_a_tool_out_of_the_picture_has_no_box() -> None:
    assert box_of("Scalpel", Pose(-500, 200, 90, 0.0), (600, 400)) is None
    assert box_of("Own hands left", Pose(300, 490, 90, 0.0), (600, 400)) is None


def test_boxed_hands_are_seen_in_their_pictures(tree: Path) -> None:
    document = boxes(tree, "hands", "test")
    colours = {1: (224, 214, 170), 2: (224, 214, 170), 3: (128, 176, 222), 4: (128, 176, 222)}
    for entry in document["annotations"][::9]:
        image = document["images"][entry["image_id"]]
        read = cv2.imread(str(tree / "images/04" / image["file_name"]))
        assert read is not None
        assert read.shape == (image["height"], image["width"], 3)
        picture = np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), float)
        x, y, width, height = entry["bbox"]
        off = np.abs(picture[y : y + height, x : x + width] - colours[entry["category_id"]])
        assert (off.max(axis=2) < 40).mean() > 0.15


def test_phase_files_have_a_hole_to_bridge_and_one_to_leave(tree: Path) -> None:
    found = rows(tree, "04_1")
    gaps = [(b - a - 1, p == q) for (a, p), (b, q) in pairwise(found) if b - a > 1]
    assert gaps == [(3, True), (8, True)]
    pictures = {int(path.stem[5:]) for path in (tree / "images/04").glob("04_1_*.jpg")}
    missing = set(range(found[0][0], found[-1][0])) - {frame for frame, _ in found}
    assert len(missing) == 11
    assert len(missing & pictures) == 8
    assert {phase for _, phase in found} <= PHASES


def test_gaze_repeats_x_as_y_only_as_a_fault(tree: Path, tmp_path: Path) -> None:
    lines = (tree / "gaze/04_1.csv").read_text().splitlines()
    assert lines[0] == "Frame,norm_pos_x,norm_pos_y"
    assert all(line.split(",")[1] == line.split(",")[2] for line in lines[1:])
    write_tree("egosurgery", tmp_path / "x", media=False, max_seconds=40, faults=False)
    sound = (tmp_path / "x/gaze/04_1.csv").read_text().splitlines()[1:]
    assert any(line.split(",")[1] != line.split(",")[2] for line in sound)
    assert (tmp_path / "x" / BY_SPLIT / "hands/val.json").exists()
    assert not (tmp_path / "x/annotations/phase/22_1.csv").exists()
    assert "Kidney Dish" not in (tmp_path / "x" / BY_SPLIT / "tools/train.json").read_text()


def test_faults_of_single_records_are_planted_in_one_part(tree: Path) -> None:
    tools = boxes(tree, "tools", "train")
    assert tools["categories"][-1] == {"supercategory": "", "id": 15, "name": "Kidney Dish"}
    assert [a["category_id"] for a in tools["annotations"]].count(15) == 1
    assert [a["bbox"][2] for a in tools["annotations"]].count(0) == 1
    assert sum(a["bbox"][0] + a["bbox"][2] > 960 for a in tools["annotations"]) == 1
    known = {image["id"] for image in tools["images"]}
    assert sum(a["image_id"] not in known for a in tools["annotations"]) == 1
    text = (tree / "annotations/phase/14_1.csv").read_text()
    assert "suturing" in text
    assert "15_1_0001" in text


def test_full_size_has_the_published_counts(full: Path) -> None:
    files = sorted(path.stem for path in (full / "annotations/phase").iterdir())
    released = [name for name in files if not name.startswith("22_")]
    assert len(released) == sum(PARTS.values()) == 43
    assert len(files) == 46
    assert {name[:2] for name in released} == {f"{n:02d}" for n in (*range(1, 16), *range(17, 22))}
    found = {name: rows(full, name) for name in released}
    assert sum(map(len, found.values())) == 27_694
    assert len(found["17_1"]) == 56
    assert max(frame for part in found.values() for frame, _ in part) < 10_000
    holes = [b - a - 1 for part in found.values() for (a, _), (b, _) in pairwise(part) if b - a > 1]
    assert abs(len(holes) / (547 / 17_233 * 27_694) - 1) < 0.15
    assert abs(sum(holes) / (6220 / 17_233 * 27_694) - 1) < 0.3
    assert max(holes) <= 254
    counts = Counter(phase for part in found.values() for _, phase in part)
    assert set(counts) == PHASES
    assert counts.most_common(2)[0][0] == "closure"


def test_full_size_has_the_published_boxes(full: Path) -> None:
    total = Counter[str]()
    for split, frames in BOXED_FRAMES.items():
        for kind in ("tools", "hands"):
            document = boxes(full, kind, split)
            assert len(document["images"]) == frames
            assert {(i["width"], i["height"]) for i in document["images"]} == {(1920, 1080)}
            stems = {Path(image["file_name"]).stem[:2] for image in document["images"]}
            assert stems == {f"{number:02d}" for number in SPLITS[split]}
            total[kind] += len(document["annotations"])
    assert abs(total["tools"] / 49_652 - 1) < 0.04
    assert abs(total["hands"] / 46_300 - 1) < 0.04


def test_a_cut_of_a_hundred_holds_enough_to_ask_about(tmp_path: Path) -> None:
    write_tree("egosurgery", tmp_path, media=False, max_seconds=100)
    found = rows(tmp_path, "04_1")
    assert len(found) == 100
    assert len({phase for _, phase in found}) >= 4
    assert len(rows(tmp_path, "04_2")) == 60
    document = boxes(tmp_path, "tools", "test")
    alone = Counter(
        (a["image_id"], a["category_id"]) for a in document["annotations"]
    )  # fmt: skip
    assert min(alone.values()) == 1
    assert max(alone.values()) == 2
