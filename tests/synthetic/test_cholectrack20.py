"""The made-up CholecTrack20 has the shape, the counts and the faults of the real one."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from medvid.synthetic import write_tree
from medvid.synthetic.cholectrack20 import SPLITS
from medvid.synthetic.instruments import COLOURS

Rgb = npt.NDArray[np.uint8]
KEYS = [
    "instrument", "verb", "target", "phase", "triplet", "tool_bbox", "operator", "iscrowd", "area",
    "score", "intraoperative_track", "intracorporeal_track", "visibility_track", "visibility",
    "crowded", "visible", "occluded", "bleeding", "smoke", "blurred", "undercoverage",
    "reflection", "stainedlens",
]  # fmt: skip
TOOLS = ["grasper", "bipolar", "hook", "scissors", "clipper", "irrigator", "specimen-bag"]
CLOUDS = ("smoke", "blurred", "stainedlens", "occluded")
Document = dict[str, Any]


def labels(root: Path, folder: str) -> Document:
    (path,) = (root / folder).glob("*.json")
    document: Document = json.loads(path.read_text())
    return document


def tools(document: Document) -> list[dict[str, Any]]:
    return [tool for frame in document["annotations"].values() for tool in frame]


def in_own_colour(image: Rgb, tool: dict[str, Any]) -> float:
    """Share of the box, cut to the image, that has the tool's own colour."""
    height, width = image.shape[:2]
    x, y, w, h = np.asarray(tool["tool_bbox"]) * (width, height, width, height)
    left, top, right, bottom = np.rint((max(x, 0), max(y, 0), x + w, y + h)).astype(int)
    spot = image[top:bottom, left:right].astype(float)
    own = np.asarray(COLOURS[TOOLS[tool["instrument"]]], float)
    return float((np.linalg.norm(spot - own, axis=2) < 60).mean())


def test_the_tree_has_real_names(cholectrack20_tree: Path) -> None:
    files = {
        path.relative_to(cholectrack20_tree).as_posix()
        for path in cholectrack20_tree.rglob("*")
        if path.suffix != ".png" and path.is_file()
    }
    assert files == {
        "Testing/VID25/VID25.json", "Testing/VID25/VID25.mp4", "Testing/VID92/VID92.json",
        "Testing/VID92/VID92.mp4", "Training/VID02/vid02.json", "Training/VID31/VID31.json",
        "Training/VID96/VID96.json", "Validation/VID110/VID110.json",
        "Validation/VID30/VID30.json",
    }  # fmt: skip
    assert (cholectrack20_tree / "Training/VID96/Frames").is_dir()


@pytest.mark.parametrize("folder", ["Testing/VID25", "Training/VID02", "Training/VID96"])
def test_label_files_have_native_keys_and_types(cholectrack20_tree: Path, folder: str) -> None:
    document = labels(cholectrack20_tree, folder)
    assert list(document) == ["info", "annotations", "categories", "video"]
    assert list(document["video"]) == ["name", "num_frames", "split", "height", "width"]
    assert document["video"]["name"] == folder.split("/")[1]
    assert document["video"]["split"] == folder.split("/")[0].lower()
    assert document["video"]["num_frames"] == len(document["annotations"])
    assert [tool["name"] for tool in document["categories"]["tools"]] == TOOLS
    frames = [int(frame) for frame in document["annotations"]]
    assert all(a < b for a, b in pairwise(frames))
    assert all(frame % 25 == 1 for frame in frames)
    for tool in tools(document):
        assert list(tool) == KEYS
        kinds = {key: type(value) for key, value in tool.items()}
        assert (kinds.pop("tool_bbox"), kinds.pop("area"), kinds.pop("score")) == (
            list, float, float,
        )  # fmt: skip
        assert set(kinds.values()) == {int}
        x, y, _, _ = tool["tool_bbox"]
        assert tool["area"] == pytest.approx(x * 854 * y * 480)


def test_actions_are_given_where_they_are_upstream(cholectrack20_tree: Path) -> None:
    assert {t["triplet"] for t in tools(labels(cholectrack20_tree, "Training/VID02"))} == {-1}
    with_actions = tools(labels(cholectrack20_tree, "Training/VID96"))
    bags = [tool for tool in with_actions if tool["instrument"] == 6]
    assert {(tool["triplet"], tool["verb"], tool["target"]) for tool in bags} == {(-2, 8, 0)}
    assert min(tool["triplet"] for tool in with_actions if tool["instrument"] < 6) >= 0


@pytest.mark.parametrize("folder", ["Training/VID02", "Training/VID96", "Validation/VID110"])
def test_boxes_lie_on_the_instruments_in_every_picture(
    cholectrack20_tree: Path, folder: str
) -> None:
    document = labels(cholectrack20_tree, folder)
    clear = 0
    for frame, found in document["annotations"].items():
        path = cholectrack20_tree / folder / "Frames" / f"{int(frame):06d}.png"
        read = cv2.imread(str(path))
        assert read is not None
        assert read.shape == (480, 854, 3)
        image = np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)
        for tool in found:
            if tool["tool_bbox"][0] > 0 and not any(tool[cloud] for cloud in CLOUDS):
                clear += 1
                assert in_own_colour(image, tool) > 0.05
    assert clear > 20


@pytest.mark.parametrize(
    ("folder", "size"), [("Testing/VID25", (854, 480)), ("Testing/VID92", (1920, 1080))]
)
def test_movie_frame_n_minus_one_shows_labelled_frame_n(
    cholectrack20_tree: Path, folder: str, size: tuple[int, int]
) -> None:
    document = labels(cholectrack20_tree, folder)
    (path,) = (cholectrack20_tree / folder).glob("*.mp4")
    clear = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 25
        assert (stream.width, stream.height) == size
        for index, frame in enumerate(container.decode(stream)):
            found = document["annotations"].get(str(index + 1), [])
            if not found:
                continue
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for tool in found:
                if tool["tool_bbox"][0] > 0 and not any(tool[cloud] for cloud in CLOUDS):
                    clear += 1
                    assert in_own_colour(image, tool) > 0.05
        assert (index + 1) % 25 == 0
    assert clear > 10


def test_tracks_nest_and_keep_their_tool(cholectrack20_tree: Path) -> None:
    found = tools(labels(cholectrack20_tree, "Testing/VID25"))
    for inner, outer in (
        ("visibility_track", "intracorporeal_track"),
        ("intracorporeal_track", "intraoperative_track"),
        ("intraoperative_track", "instrument"),
        ("intraoperative_track", "operator"),
    ):
        holders: dict[int, set[int]] = {}
        for tool in found:
            holders.setdefault(tool[inner], set()).add(tool[outer])
        assert all(len(values) == 1 for values in holders.values()), (inner, outer)
    assert min(tool["visibility_track"] for tool in found) >= 1
    assert len({tool["visibility_track"] for tool in found}) > len(
        {tool["intraoperative_track"] for tool in found}
    )


def test_wrong_files_are_wrong_as_upstream(cholectrack20_tree: Path, tmp_path: Path) -> None:
    wrong = labels(cholectrack20_tree, "Training/VID31")["annotations"]
    described = cholectrack20_tree / "Validation/VID30/Frames"
    assert {int(frame) for frame in wrong} == {int(path.stem) for path in described.iterdir()}
    own = {int(path.stem) for path in (cholectrack20_tree / "Training/VID31/Frames").iterdir()}
    write_tree("cholectrack20", tmp_path / "right", media=False, max_seconds=40, faults=False)
    right = labels(tmp_path / "right", "Training/VID31")["annotations"]
    assert {int(frame) for frame in right} == own
    assert right != wrong


def test_single_faults_are_planted(cholectrack20_tree: Path) -> None:
    boxes = [tool["tool_bbox"] for tool in tools(labels(cholectrack20_tree, "Training/VID96"))]
    assert boxes.count([-1.0, -1.0, -1.0, -1.0]) == 1
    shared = tools(labels(cholectrack20_tree, "Testing/VID25"))
    assert [t["instrument"] for t in shared if t["triplet"] == 43] == [0]
    everywhere = [*shared, *tools(labels(cholectrack20_tree, "Validation/VID110"))]
    edges = [(x, y, x + w, y + h) for x, y, w, h in (tool["tool_bbox"] for tool in everywhere)]
    assert any(min(edge) < 0 or max(edge) > 1 for edge in edges)
    frames = {path.stem for path in (cholectrack20_tree / "Validation/VID110/Frames").iterdir()}
    labelled = labels(cholectrack20_tree, "Validation/VID110")["annotations"]
    assert len(frames - {f"{int(frame):06d}" for frame in labelled}) == 3


def test_a_cut_of_a_hundred_seconds_holds_enough_to_ask_about(tmp_path: Path) -> None:
    write_tree("cholectrack20", tmp_path, media=False, max_seconds=100)
    document = labels(tmp_path, "Testing/VID25")
    phases = [frame[0]["phase"] for frame in document["annotations"].values()]
    assert len(set(phases)) >= 3
    assert sum(a != b for a, b in pairwise(phases)) >= 5
    spans: dict[int, int] = {}
    for tool in tools(document):
        spans[tool["visibility_track"]] = spans.get(tool["visibility_track"], 0) + 1
    assert max(spans.values()) >= 17
    assert len(document["annotations"]) >= 60


def test_full_size_has_the_published_counts(tmp_path: Path) -> None:
    write_tree("cholectrack20", tmp_path, scale=1, media=False)
    boxes = 0
    for split, official in SPLITS.items():
        assert {path.name for path in (tmp_path / split).iterdir()} == {
            f"VID{number:02d}" for number in official
        }
        for number, frames in official.items():
            document = labels(tmp_path, f"{split}/VID{number:02d}")
            assert len(document["annotations"]) == frames
            boxes += len(tools(document))
    assert abs(boxes - 65_247) < 0.03 * 65_247
