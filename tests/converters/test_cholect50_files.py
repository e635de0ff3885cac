"""CholecT50's files as a whole: headers, damage, names, folders, official tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from converters.cholec_splits import CHOLECT50_SPLITS
from converters.cholecystectomy import TRIPLET_IDS, TRIPLETS
from converters.datasets.cholect50 import CONVERTER
from schemas.annotation import Disposition, Issue, VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError, SourceError, UnknownLabelError

Json = Any
PngWriter = Callable[[Path, int, int], None]
ROW = [7, 0, 1.0, -1.0, -1.0, -1.0, -1.0, 0, 0, 1.0, -1.0, -1.0, -1.0, -1.0, 0]
CATEGORIES = {
    name: dict(enumerate(vocabulary.labels))
    for name, vocabulary in CONVERTER.spec.vocabularies.items()
}


def document(annotations: Json, **fields: Json) -> dict[str, Json]:
    whole = {
        "info": {"dataset": "cholect50"}, "licenses": {}, "categories": CATEGORIES, "video": 5,
        "fps": 1, "num_frames": len(annotations), "annotations": annotations,
    }  # fmt: skip
    return {key: value for key, value in (whole | fields).items() if value != "left out"}


class Tree:
    """A native tree with one video, VID05."""

    def __init__(self, root: Path, write_png: PngWriter) -> None:
        self.root = root
        self.write_png = write_png

    def text(self, text: str | bytes) -> None:
        """Write the label file as it is."""
        path = self.root / "labels" / "VID05.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def labels(self, annotations: Json, **fields: Json) -> None:
        """Write a label file with some header fields replaced or left out."""
        self.text(json.dumps(document(annotations, **fields)))

    def image(self) -> None:
        """Write the image of second 0."""
        self.write_png(self.root / "videos/VID05/000000.png", 200, 100)

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


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"num_frames": 4}, ["frame_count_mismatch"]),
        ({"num_frames": None}, ["frame_count_mismatch"]),
        ({"num_frames": "left out"}, ["missing_key"]),
        ({"info": "left out"}, ["missing_key"]),
        ({"video": "left out"}, ["missing_key"]),
        ({"fps": "left out"}, ["missing_key"]),
        ({"notes": 1}, ["extra_key"]),
        ({"info": None}, []),
        ({"categories": []}, ["missing_categories"] * 5),
    ],
)
def test_a_strange_header_is_flagged(
    tree: Tree, fields: dict[str, Json], expected: list[str]
) -> None:
    tree.labels({"0": [ROW]}, **fields)
    annotation = tree.convert()
    assert reasons(annotation) == expected
    assert all(issue.disposition is Disposition.FLAGGED for issue in annotation.issues)
    assert len(annotation.triplets) == 1


WHOLE = json.dumps(document({"0": [ROW], "1": [ROW]}))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        (WHOLE[:-40], "not whole JSON"),
        (WHOLE + "]", "not whole JSON"),
        (WHOLE.encode("utf-16"), "UTF-8"),
        (WHOLE.encode().replace(b"grasper", b"gr\xe4sper"), "UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "UTF-8"),
        ("[1]", "list, not an object"),
        ("null", "NoneType, not an object"),
        ("[" * 100_000, "deeply"),
        ('{"video": ' + "9" * 5000 + "}", "cannot be read"),
        (WHOLE.replace('"annotations"', '"labels"'), "annotations"),
        (json.dumps(document([])), "annotations"),
        (WHOLE.replace('"video": 5', '"video": 6'), "about video 6"),
        (WHOLE.replace('"video": 5', '"video": "VID05"'), "about video"),
        (WHOLE.replace('"fps": 1', '"fps": 25'), "25 frames a second"),
        (WHOLE[:-1] + ', "annotations": {}}', "more than once"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(
    tree: Tree, text: str | bytes, problem: str
) -> None:
    tree.text(text)
    with pytest.raises(MalformedSourceError, match=problem) as caught:
        tree.convert()
    assert (caught.value.dataset, caught.value.source) == ("cholect50", "labels/VID05.json")


def test_the_line_of_a_json_fault_is_named(tree: Tree) -> None:
    tree.text('{\n "video": 5,\n "fps": }\n')
    with pytest.raises(MalformedSourceError) as caught:
        tree.convert()
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("name", "table", "error"),
    [
        ("phase", {"0": "preparation", "1": "calot-triangle-dissection"}, None),
        ("phase", {"4": "gallbladder-extraction"}, MalformedSourceError),
        ("phase", {"zero": "preparation"}, MalformedSourceError),
        ("phase", {"0": "suturing"}, UnknownLabelError),
        ("instrument", {"6": "specimen-bag"}, UnknownLabelError),
        ("triplet", {"17": "grasper,retract,liver"}, MalformedSourceError),
        ("verb", {"0": "\ud800"}, UnknownLabelError),
        ("verb", {"0": 3}, UnknownLabelError),
    ],
)
def test_class_tables_must_be_the_published_ones(
    tree: Tree, name: str, table: Json, error: type[SourceError] | None
) -> None:
    tree.labels({"0": [ROW]}, categories=CATEGORIES | {name: table})
    if error is None:
        assert tree.convert().issues == ()
    else:
        with pytest.raises(error) as caught:
            tree.convert()
        assert str(caught.value).isascii()


def test_a_byte_order_mark_does_not_matter(tree: Tree) -> None:
    tree.text(b"\xef\xbb\xbf" + WHOLE.encode())
    assert tree.convert().issues == ()


def test_no_frames_at_all_give_an_annotation_without_labels(tree: Tree) -> None:
    tree.labels({})
    annotation = tree.convert()
    assert (annotation.segments, annotation.labelled_ticks) == ((), ())
    assert annotation.video.duration_ticks is None


@pytest.mark.parametrize("name", ["vid05.json", "VID05.JSON", "Vid5.json"])
def test_names_may_be_in_any_case(tree: Tree, name: str) -> None:
    tree.labels({"0": [ROW]})
    (tree.root / "labels/VID05.json").rename(tree.root / f"labels/{name}")
    (tree.root / "labels").rename(tree.root / "Labels")
    tree.image()
    (tree.root / "videos/VID05").rename(tree.root / "videos/vid05")
    annotation = tree.convert()
    assert annotation.video.video_id == "VID05"
    assert annotation.video.media is not None
    assert annotation.video.media.path == "videos/vid05"


def test_of_two_label_files_one_is_read_and_the_other_named(tree: Tree) -> None:
    tree.labels({"0": [ROW]})
    (tree.root / "labels/vid05.json").write_text("{")
    annotation = tree.convert()
    assert only_issue(annotation).reason == "second_copy"
    assert "labels/vid05.json" in only_issue(annotation).detail


def test_pictures_without_a_label_file_are_refused_one_by_one(tree: Tree) -> None:
    tree.image()
    (recording,) = CONVERTER.discover(tree.root)
    assert (recording.video_id, recording.files) == ("VID05", ())
    with pytest.raises(MissingSourceError, match="VID05 has pictures but no label file"):
        CONVERTER.convert(recording)


@pytest.mark.parametrize("gone", ["labels/VID05.json", "videos/VID05"])
def test_what_vanishes_after_discovery_is_named(tree: Tree, gone: str) -> None:
    tree.labels({"0": [ROW]})
    tree.image()
    (recording,) = CONVERTER.discover(tree.root)
    (tree.root / gone).rename(tree.root / "elsewhere")
    with pytest.raises(MissingSourceError) as caught:
        CONVERTER.convert(recording)
    assert caught.value.source == gone


def test_an_empty_frame_folder_is_no_media(tree: Tree) -> None:
    tree.labels({"0": [ROW]})
    (tree.root / "videos/VID05").mkdir(parents=True)
    annotation = tree.convert()
    assert annotation.video.media is None
    assert reasons(annotation) == ["label_without_image"]


def test_the_parent_of_one_dataset_folder_is_a_root_too(tmp_path: Path, tree: Tree) -> None:
    parent = tmp_path / "downloads"
    for name in ("CholecT50", "other"):
        (parent / name).mkdir(parents=True)
    inner = Tree(parent / "CholecT50", tree.write_png)
    inner.labels({"0": [ROW]})
    assert [r.video_id for r in CONVERTER.discover(parent)] == ["VID05"]
    assert inner.convert() == CONVERTER.convert(CONVERTER.discover(parent)[0])
    Tree(parent / "challenge", tree.write_png).labels({"0": [ROW]})
    with pytest.raises(MissingSourceError, match="CholecT50, challenge"):
        CONVERTER.discover(parent)


def test_official_splits_hold_fifty_videos_once() -> None:
    sizes = {
        scheme: {part: len(numbers) for part, numbers in parts.items()}
        for scheme, parts in CHOLECT50_SPLITS.items()
    }
    assert sizes == {
        "cholect50": {"train": 35, "val": 5, "test": 10},
        "cholect50-challenge": {"train": 40, "val": 5, "test": 5},
        "cholect50-crossval": {f"fold{k}": 10 for k in range(1, 6)},
    }
    everyone = {frozenset().union(*parts.values()) for parts in CHOLECT50_SPLITS.values()}
    assert len(everyone) == 1
    assert len(next(iter(everyone))) == 50


def test_triplet_table_follows_the_published_encoding() -> None:
    assert len(set(TRIPLETS)) == len(TRIPLET_IDS) == 100
    assert TRIPLET_IDS[1] == (0, 2, 0)
    assert TRIPLET_IDS[99] == (5, 9, 14)
    assert [ids[0] for ids in TRIPLET_IDS[:94]] == sorted(ids[0] for ids in TRIPLET_IDS[:94])
