"""CholecTrack20's files as a whole: headers, damage, pictures, names, folders, split."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from converters.cholec_splits import CHOLECT50_SPLITS, CHOLECTRACK20_SPLIT
from converters.cholecystectomy import OPERATOR, TOOL
from converters.datasets.cholectrack20 import CONVERTER
from schemas.annotation import Disposition, Issue, VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError, UnknownLabelError
from schemas.video import MediaKind

Json = Any
PngWriter = Callable[[Path, int, int], None]


def tool(**fields: Json) -> dict[str, Json]:
    whole = {
        "instrument": 0, "verb": -1, "target": -1, "phase": 1, "triplet": -1,
        "tool_bbox": [0.25, 0.5, 0.125, 0.25], "operator": 1, "iscrowd": 0, "area": 51240.0,
        "score": 1.0, "intraoperative_track": 1, "intracorporeal_track": 2, "visibility_track": 5,
        "visibility": 1, "crowded": 0, "visible": 1, "occluded": 0, "bleeding": 0, "smoke": 0,
        "blurred": 0, "undercoverage": 0, "reflection": 0, "stainedlens": 0,
    }  # fmt: skip
    return {key: value for key, value in (whole | fields).items() if value != "left out"}


def document(annotations: Json, **fields: Json) -> dict[str, Json]:
    video = {
        "name": "VID02", "split": "training", "num_frames": len(annotations), "height": 480,
        "width": 854,
    }  # fmt: skip
    categories = {
        "tools": [{"id": i, "name": name} for i, name in enumerate(TOOL.labels)],
        "operators": [{"id": i, "name": name} for i, name in enumerate(OPERATOR.labels)],
    }
    whole = {"info": {}, "annotations": annotations, "categories": categories, "video": video}
    for key, value in fields.items():
        target = video if key in {*video, "seq"} else whole
        target[key] = value
    for table in (whole, video):
        for key in [key for key, value in table.items() if value == "left out"]:
            del table[key]
    return whole


class Tree:
    """A native tree with one video, VID02, in one folder of the split."""

    def __init__(self, root: Path, write_png: PngWriter) -> None:
        self.root = root
        self.write_png = write_png
        self.folder = root / "Training" / "VID02"

    def labels(self, annotations: Json, **fields: Json) -> None:
        """Write a label file with some header fields replaced or left out."""
        self.text(json.dumps(document(annotations, **fields)))

    def text(self, text: str) -> None:
        """Write the label file as it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{self.folder.name}.json").write_text(text)

    def images(self, *frames: int, size_wh: tuple[int, int] = (854, 480)) -> None:
        """Write frame images."""
        for frame in frames:
            self.write_png(self.folder / "Frames" / f"{frame:06d}.png", *size_wh)

    def movie(self, width: int, height: int) -> None:
        """Write an mp4 of two grey frames."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with av.open(str(self.folder / f"{self.folder.name}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for _ in range(2):
                grey = np.full((height, width, 3), 90, dtype=np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode(None))

    def convert(self) -> VideoAnnotation:
        """Convert the one video."""
        (recording,) = CONVERTER.discover(self.root)
        return CONVERTER.convert(recording)


@pytest.fixture
def tree(tmp_path: Path, write_png: PngWriter) -> Tree:
    return Tree(tmp_path, write_png)


def only_issue(annotation: VideoAnnotation) -> Issue:
    (issue,) = annotation.issues
    return issue


def reasons(annotation: VideoAnnotation) -> list[str]:
    return [issue.reason for issue in annotation.issues]


@pytest.mark.parametrize("number", [30, 31])
def test_the_two_wrong_videos_are_refused_by_name(tree: Tree, number: int) -> None:
    tree.folder = tree.root / "validation" / f"vid{number}"
    tree.labels({"1": [tool()]}, name=f"VID{number}", split="validation")
    with pytest.raises(MalformedSourceError, match=f"official VID{number}.json") as caught:
        tree.convert()
    assert caught.value.source == f"validation/vid{number}/vid{number}.json"
    assert "Leave the video out" in caught.value.action


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"num_frames": 7}, ["frame_count_mismatch"]),
        ({"num_frames": "left out"}, ["frame_count_mismatch"]),
        ({"info": "left out"}, ["missing_key"]),
        ({"licence": 1}, ["extra_key"]),
        ({"video": "left out"}, ["missing_key"]),
        ({"categories": {}}, ["missing_categories"] * 2),
        ({"width": "left out"}, ["size_mismatch"]),
        ({"height": -480}, ["size_mismatch"]),
        ({"split": "testing"}, ["split_mismatch"]),
        ({"split": "Training"}, []),
        ({"split": "left out"}, []),
        ({"name": "left out", "seq": "vid02"}, []),
    ],
)
def test_a_strange_header_is_flagged(
    tree: Tree, fields: dict[str, Json], expected: list[str]
) -> None:
    tree.labels({"1": [tool()]}, **fields)
    annotation = tree.convert()
    assert reasons(annotation) == expected
    assert all(issue.disposition is Disposition.FLAGGED for issue in annotation.issues)
    split = fields.get("split", "training").lower()
    known = split if split in CHOLECTRACK20_SPLIT else "training"
    assert annotation.video.native_split == {"cholectrack20": known}
    assert annotation.video.resolution_wh == (854, 480)


def test_tables_of_classes_must_be_the_published_ones(tree: Tree) -> None:
    swapped = [{"id": 0, "name": "bipolar"}]
    tree.labels({"1": [tool()]}, categories={"tools": swapped, "operators": []})
    with pytest.raises(MalformedSourceError, match=r"categories\.tools"):
        tree.convert()
    unknown = {"1": "robot arm"}
    tree.labels({"1": [tool()]}, categories={"tools": [], "operators": unknown})
    with pytest.raises(UnknownLabelError, match="robot arm"):
        tree.convert()
    spelt = {"tools": [{"id": 6, "name": "specimenbag"}],
             "operators": {"3": "main-surgeon-right-hand (MSRH)"}}  # fmt: skip
    tree.labels({"1": [tool()]}, categories=spelt)
    assert tree.convert().issues == ()


@pytest.mark.parametrize("name", ["VID31", "VID2b", 2])
def test_labels_of_another_video_are_refused(tree: Tree, name: Json) -> None:
    tree.labels({"1": [tool()]}, name=name)
    with pytest.raises(MalformedSourceError, match="about video") as caught:
        tree.convert()
    assert caught.value.field == "video.name"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"annotations": []}', '{"annotations": {'])
def test_a_damaged_file_is_refused(tree: Tree, text: str) -> None:
    tree.text(text)
    with pytest.raises(MalformedSourceError):
        tree.convert()


def test_pictures_and_labels_are_compared(tree: Tree) -> None:
    tree.labels({"1": [tool()], "51": [tool()]})
    tree.images(1, 26, 76, size_wh=(640, 360))
    annotation = tree.convert()
    assert reasons(annotation) == ["size_mismatch", "image_without_label", "label_without_image"]
    assert annotation.records_in["unlabelled_image"] == 2
    assert annotation.video.resolution_wh == (640, 360)
    assert annotation.boxes[0].xyxy == (160, 180, 240, 270)


def test_an_mp4_gives_its_own_size(tree: Tree) -> None:
    tree.labels({"1": [tool()]}, width=854, height=480)
    tree.movie(1920, 1080)
    annotation = tree.convert()
    assert only_issue(annotation).reason == "size_mismatch"
    assert annotation.video.resolution_wh == (1920, 1080)
    assert annotation.boxes[0].xyxy == (480, 540, 720, 810)
    assert annotation.video.media is not None
    assert annotation.video.media.kind is MediaKind.VIDEO
    (tree.folder / "VID02.mp4").write_bytes(b"\0\0\0\x08moov")
    annotation = tree.convert()
    assert only_issue(annotation).reason == "unreadable_video"
    assert annotation.video.resolution_wh == (854, 480)


def test_without_pictures_boxes_stand_in_the_stated_size(tree: Tree) -> None:
    tree.labels({"1": [tool()]}, width=1920, height=1080)
    annotation = tree.convert()
    assert (annotation.video.media, annotation.video.resolution_wh) == (None, (1920, 1080))
    (tree.folder / "Frames").mkdir()
    annotation = tree.convert()
    assert (annotation.video.media, reasons(annotation)) == (None, ["label_without_image"])


def test_names_may_be_in_any_case(tree: Tree) -> None:
    tree.folder = tree.root / "TESTING" / "vid25"
    tree.labels({"1": [tool()]}, name="VID25", split="testing")
    tree.movie(64, 48)
    (tree.folder / "vid25.mp4").rename(tree.folder / "vid25.MP4")
    annotation = tree.convert()
    assert annotation.video.video_id == "VID25"
    assert annotation.video.native_split == {"cholectrack20": "testing"}
    assert annotation.video.media is not None
    assert annotation.video.media.path == "TESTING/vid25/vid25.MP4"


def test_of_two_copies_the_labelled_one_in_its_own_part_is_read(tree: Tree) -> None:
    tree.folder = tree.root / "Testing" / "VID02"
    tree.labels({"1": [tool()]})
    tree.folder = tree.root / "Training" / "VID02"
    tree.labels({"1": [tool()], "26": [tool()]})
    annotation = tree.convert()
    assert only_issue(annotation).reason == "second_copy"
    assert "Testing/VID02" in only_issue(annotation).detail
    assert len(annotation.boxes) == 2
    (tree.folder / "VID02.json").unlink()
    assert reasons(tree.convert()) == ["second_copy", "split_mismatch"]


def test_pictures_without_a_label_file_are_refused_one_by_one(tree: Tree) -> None:
    tree.images(1)
    (recording,) = CONVERTER.discover(tree.root)
    with pytest.raises(MissingSourceError, match="VID02 has pictures but no label file"):
        CONVERTER.convert(recording)
    (recording,) = CONVERTER.discover(tree.root.parent / tree.root.name)
    assert recording.files == ()


def test_the_parent_folder_is_a_root_too(tree: Tree) -> None:
    tree.folder = tree.root / "CholecTrack20" / "Training" / "VID02"
    tree.labels({"1": [tool()]})
    (tree.root / "CholecT50" / "labels").mkdir(parents=True)
    annotation = tree.convert()
    assert CONVERTER.convert(CONVERTER.discover(tree.root / "CholecTrack20")[0]) == annotation


def test_the_split_holds_twenty_videos_and_shares_fourteen_with_cholect50() -> None:
    ours = frozenset().union(*CHOLECTRACK20_SPLIT.values())
    theirs = frozenset().union(*CHOLECT50_SPLITS["cholect50"].values())
    assert {part: len(numbers) for part, numbers in CHOLECTRACK20_SPLIT.items()} == {
        "training": 10, "validation": 2, "testing": 8,
    }  # fmt: skip
    assert (len(ours), len(ours & theirs)) == (20, 14)
