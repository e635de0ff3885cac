"""The real challenge-validation clips VID73 and VID75, where the environment names them."""

from pathlib import Path

import pytest

from converters.cholecystectomy import TRIPLET_IDS
from converters.datasets.cholect50 import CONVERTER
from schemas.annotation import Disposition, VideoAnnotation

pytestmark = pytest.mark.native


@pytest.fixture(scope="module")
def clips(native: Path) -> dict[str, VideoAnnotation]:
    recordings = CONVERTER.discover(native / "cholect50")
    return {recording.video_id: CONVERTER.convert(recording) for recording in recordings}


@pytest.mark.parametrize(
    ("video_id", "frames", "rows", "unlabelled", "size_wh", "clipped"),
    [("VID73", 160, 178, 16, (586, 328), 0), ("VID75", 120, 127, 21, (810, 454), 1)],
)
def test_counts_and_sizes_are_the_published_ones(
    clips: dict[str, VideoAnnotation],
    video_id: str,
    frames: int,
    rows: int,
    unlabelled: int,
    size_wh: tuple[int, int],
    clipped: int,
) -> None:
    annotation = clips[video_id]
    assert annotation.records_in == {
        "box": rows, "frame": frames, "image": frames + unlabelled, "row": rows, "triplet": rows,
        "unlabelled_image": unlabelled,
    }  # fmt: skip
    assert len(annotation.labelled_ticks) == frames
    assert len(annotation.boxes) == len(annotation.triplets) == rows
    assert all(box.triplet is not None for box in annotation.boxes)
    assert annotation.video.resolution_wh == size_wh
    assert annotation.video.time_base.sparse
    assert sum("clipped" in box.flags for box in annotation.boxes) == clipped
    repaired = [i for i in annotation.issues if i.disposition is not Disposition.FLAGGED]
    assert [issue.reason for issue in repaired] == ["box_over_edge"] * clipped


def test_box_edges_are_whole_pixels(clips: dict[str, VideoAnnotation]) -> None:
    edges = [x for clip in clips.values() for box in clip.boxes for x in box.xyxy]
    assert edges
    assert all(x == int(x) for x in edges)


def test_first_boxes_are_where_the_native_rows_say(clips: dict[str, VideoAnnotation]) -> None:
    first = {video_id: clip.boxes[0] for video_id, clip in clips.items()}
    assert (first["VID73"].tick, first["VID73"].xyxy) == (49, (154, 48, 286, 161))
    assert (first["VID75"].tick, first["VID75"].xyxy) == (13, (524, 96, 570, 146))


def test_phases_follow_each_other(clips: dict[str, VideoAnnotation]) -> None:
    order = list(clips["VID73"].candidates["phase"])
    for clip in clips.values():
        found = [order.index(segment.label) for segment in clip.segments]
        assert found == sorted(found)
    spans = [(s.start, s.end) for s in clips["VID73"].segments]
    assert (len(spans), spans[0], spans[-1]) == (16, (49, 93), (1304, 1355))


def test_the_triplet_table_is_the_published_one(native: Path) -> None:
    lines = (native / "cholect50/label_mapping.txt").read_text().splitlines()[1:]
    rows = [tuple(int(word) for word in line.split(",")) for line in lines]
    assert [row[1:4] for row in rows] == list(TRIPLET_IDS)
    assert [row[0] for row in rows] == list(range(100))
