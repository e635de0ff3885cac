"""CholecTrack20's format and its faults, on label files of a few tools."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.cholecystectomy import OPERATOR, TOOL, TRIPLETS
from converters.datasets.cholectrack20 import CONVERTER, parse_labels
from converters.issue_log import IssueLog
from schemas.annotation import Issue, VideoAnnotation
from schemas.geometry import Triplet
from schemas.timeline import SegmentKind
from schemas.video import MediaKind

Json = Any
PngWriter = Callable[[Path, int, int], None]


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


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


def spans(annotation: VideoAnnotation, kind: SegmentKind) -> list[tuple[int, int, str]]:
    return [(s.start, s.end, s.label) for s in annotation.segments if s.kind is kind]


def test_a_sound_video_gives_tracked_boxes_on_a_25_hz_clock_from_one(tree: Tree) -> None:
    tree.labels(
        {
            "1": [tool()],
            "26": [
                tool(instrument=6, intracorporeal_track=3, operator=0, triplet=-2, verb=8, target=0,
                     phase=4, bleeding=1, occluded=1, visible=0),
                tool(triplet=17, verb=1, target=0, phase=4),
            ],
        }
    )  # fmt: skip
    tree.images(1, 26)
    annotation = tree.convert()
    assert annotation.issues == ()
    assert annotation.labelled_ticks == (0, 25)
    first, second, bag = annotation.boxes
    assert (first.tick, first.xyxy, first.label) == (0, (213.5, 240, 320.25, 360), "grasper")
    assert (first.track, first.operator) == ("2", "main-surgeon-left-hand")
    assert (first.triplet, first.flags) == (None, ())
    assert (second.tick, second.triplet) == (25, TRIPLETS[17])
    assert (bag.label, bag.track, bag.operator) == ("specimen-bag", "3", None)
    assert bag.triplet == Triplet(instrument="specimen-bag", verb="pack", target="gallbladder")
    assert bag.flags == ("bleeding", "occluded", "out_of_view")
    assert [t.triplet for t in annotation.triplets] == [bag.triplet, TRIPLETS[17]]
    assert spans(annotation, SegmentKind.PHASE) == [
        (0, 25, "carlot-triangle-dissection"), (25, 50, "gallbladder-packaging"),
    ]  # fmt: skip
    assert spans(annotation, SegmentKind.PRESENCE) == [(0, 50, "grasper"), (25, 50, "specimen-bag")]
    assert annotation.records_in == {
        "box": 3, "frame": 2, "image": 2, "special_triplet": 1, "tool": 3, "triplet": 2
    }  # fmt: skip
    video = annotation.video
    assert video.time_base.tick_of_index(26) == 25
    assert video.time_base.seconds(25) == 1.0
    assert (video.identity, video.native_split) == ("cholec80:2", {"cholectrack20": "training"})
    assert (video.resolution_wh, video.duration_ticks) == ((854, 480), None)
    assert video.media is not None
    assert (video.media.kind, video.media.path) == (MediaKind.FRAMES, "Training/VID02/Frames")


def test_phases_break_after_thirty_unlabelled_seconds(tree: Tree) -> None:
    ids = (1, 751, 1526, 1551)
    tree.labels({str(i): [tool()] for i in ids})
    annotation = tree.convert()
    assert [span[:2] for span in spans(annotation, SegmentKind.PHASE)] == [(0, 775), (1525, 1575)]
    assert [span[:2] for span in spans(annotation, SegmentKind.PRESENCE)] == [(0, 1575)]


@pytest.mark.parametrize(
    ("fields", "reason", "triplet"),
    [
        ({"instrument": 6, "triplet": 12, "verb": 0, "target": 13}, "triplet_mismatch", None),
        ({"instrument": 0, "triplet": 43, "verb": 1, "target": 0}, "triplet_mismatch", None),
        ({"triplet": 94, "verb": -1, "target": -1}, "triplet_mismatch", None),
        ({"triplet": 94, "verb": 9, "target": 14}, None, TRIPLETS[94]),
        ({"triplet": -1, "verb": 1, "target": 0}, "triplet_mismatch", None),
        ({"triplet": -2, "verb": -1, "target": -1}, "triplet_mismatch", None),
        ({"triplet": -2, "verb": 1, "target": 15}, "triplet_mismatch", None),
        ({"triplet": -3, "verb": 1, "target": 0}, "triplet_mismatch", None),
        ({"triplet": 100, "verb": 1, "target": 0}, "triplet_mismatch", None),
        ({"triplet": "17", "verb": 1, "target": 0}, "triplet_mismatch", None),
        ({"triplet": 17.0, "verb": 1.0, "target": 0.0}, None, TRIPLETS[17]),
    ],
)
def test_a_triplet_must_go_with_its_components(
    tree: Tree, fields: dict[str, Json], reason: str | None, triplet: Triplet | None
) -> None:
    tree.labels({"1": [tool(**fields)]})
    annotation = tree.convert()
    (box,) = annotation.boxes
    assert box.triplet == triplet
    assert [found.triplet for found in annotation.triplets] == ([triplet] if triplet else [])
    assert reasons(annotation) == ([reason] if reason else [])
    if reason:
        assert (only_issue(annotation).kind, only_issue(annotation).field) == (
            "triplet", "annotations[1][0]",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("box", "reason", "xyxy"),
    [
        ([0.75, 0.5, 0.5, 0.25], "box_over_edge", (640.5, 240, 854, 360)),
        ([-0.25, -0.5, 0.5, 1.07], "box_over_edge", (0, 0, 213.5, 273.6)),
        ([-1, -1, -1, -1], "box_absent", None),
        ([-1.0, -1.0, -1.0, -1.0], "box_absent", None),
        ([213.5, 240.0, 106.75, 120.0], "box_not_normalised", None),
        ([0.5, 0.5, 0.25], "bad_box", None),
        ([0.5, 0.5, 0.25, "0.25"], "bad_box", None),
        ([0.5, 0.5, 0.25, True], "bad_box", None),
        ([0.5, 0.5, 0.25, None], "bad_box", None),
        ([0.5, 0.5, 0.25, 10**400], "bad_box", None),
        ({"x": 1}, "bad_box", None),
        ("left out", "bad_box", None),
        ([0.5, 0.5, -0.25, 0.25], "empty_box", None),
        ([1.2, 0.5, 0.25, 0.25], "box_outside_image", None),
    ],
)
def test_a_faulty_box_is_cut_or_dropped_and_its_other_labels_stay(
    tree: Tree, box: Json, reason: str, xyxy: tuple[float, ...] | None
) -> None:
    tree.labels({"1": [tool(tool_bbox=box, triplet=17, verb=1, target=0)]})
    annotation = tree.convert()
    assert [issue.reason for issue in annotation.issues if issue.kind == "box"] == [reason]
    assert annotation.issues[-1].file == "Training/VID02/VID02.json"
    assert [(b.xyxy, b.flags) for b in annotation.boxes] == ([(xyxy, ("clipped",))] if xyxy else [])
    assert len(annotation.triplets) == 1
    assert spans(annotation, SegmentKind.PRESENCE) == [(0, 25, "grasper")]


@pytest.mark.parametrize(
    ("fields", "reason", "kept"),
    [
        ({"instrument": 7}, "unknown_instrument", 0),
        ({"instrument": -1}, "unknown_instrument", 0),
        ({"instrument": "grasper"}, "unknown_instrument", 0),
        ({"instrument": "left out"}, "unknown_instrument", 0),
        ({"operator": 4}, "unknown_operator", 1),
        ({"operator": None}, "unknown_operator", 1),
        ({"intracorporeal_track": 0}, "no_track", 1),
        ({"intracorporeal_track": -1}, "no_track", 1),
        ({"intracorporeal_track": "left out"}, "no_track", 1),
        ({"smoke": 2}, "bad_flag", 1),
        ({"visible": -1}, "bad_flag", 1),
        ({"stainedlens": "yes"}, "bad_flag", 1),
        ({"mood": 1}, "foreign_tool_keys", 1),
        ({"area": "left out"}, "foreign_tool_keys", 1),
        ({"phase": 9}, "unknown_phase", 1),
        ({"phase": "left out"}, "unknown_phase", 1),
        ({"phase": -1}, "no_phase", 1),
    ],
)
def test_a_faulty_value_costs_as_little_as_it_can(
    tree: Tree, fields: dict[str, Json], reason: str, kept: int
) -> None:
    tree.labels({"1": [tool(**fields)]})
    annotation = tree.convert()
    assert reason in reasons(annotation)
    assert len(annotation.boxes) == kept
    assert all(box.flags == () for box in annotation.boxes)
    if reason == "no_track":
        assert annotation.boxes[0].track is None
        assert spans(annotation, SegmentKind.PRESENCE) == []


def test_flags_may_be_booleans(tree: Tree) -> None:
    tree.labels({"1": [tool(visible=True, blurred=True, smoke=False, crowded=True)]})
    annotation = tree.convert()
    assert annotation.issues == ()
    assert annotation.boxes[0].flags == ("blurred", "crowded")


def test_a_record_that_is_no_object_is_dropped(tree: Tree) -> None:
    tree.labels({"1": [[0, 1, 2], tool()], "26": ["x"], "51": []})
    annotation = tree.convert()
    assert reasons(annotation) == ["bad_record", "bad_record", "empty_frame"]
    assert annotation.labelled_ticks == (0,)
    assert annotation.records_in["tool"] == 3


def test_one_track_stands_once_on_a_frame(tree: Tree) -> None:
    twice = tool(tool_bbox=[0.5, 0.5, 0.25, 0.25])
    tree.labels({"1": [tool(), twice, tool(intracorporeal_track=4)]})
    annotation = tree.convert()
    assert [box.track for box in annotation.boxes] == ["2", "4"]
    assert annotation.boxes[0].xyxy == (213.5, 240, 320.25, 360)
    assert (only_issue(annotation).reason, only_issue(annotation).field) == (
        "repeated_track", "annotations[1][1]",
    )  # fmt: skip


def test_a_track_that_changes_tool_is_two_tracks(tree: Tree) -> None:
    tree.labels({"1": [tool()], "26": [tool(instrument=2)]})
    annotation = tree.convert()
    assert only_issue(annotation).reason == "track_changes_tool"
    assert spans(annotation, SegmentKind.PRESENCE) == [(0, 25, "grasper"), (25, 50, "hook")]


def test_phases_of_one_frame_must_agree(tree: Tree) -> None:
    other = tool(intracorporeal_track=3, phase=2)
    tree.labels({"1": [tool()], "26": [tool(), other], "51": [tool()]})
    annotation = tree.convert()
    assert only_issue(annotation).reason == "phase_conflict"
    assert spans(annotation, SegmentKind.PHASE) == [(0, 75, "carlot-triangle-dissection")]
    assert len(annotation.boxes) == 4


@pytest.mark.parametrize(
    ("key", "reason", "ticks"),
    [
        ("0", "bad_frame_key", (0,)),
        ("x26", "bad_frame_key", (0,)),
        ("000001", "repeated_frame", (0,)),
        ("30", "off_grid_frame", (0, 29)),
    ],
)
def test_frame_numbers_start_at_one_on_a_grid(
    tree: Tree, key: str, reason: str, ticks: tuple[int, ...]
) -> None:
    tree.labels({"1": [tool()], key: [tool()]})
    annotation = tree.convert()
    assert set(reasons(annotation)) - {"unsorted_frames"} == {reason}
    assert annotation.labelled_ticks == ticks
    assert len(annotation.boxes) == len(ticks)


def test_an_off_grid_phase_change_leaves_no_overlap(tree: Tree) -> None:
    tree.labels({"1": [tool()], "11": [tool(phase=2)]})
    assert [span[:2] for span in spans(tree.convert(), SegmentKind.PHASE)] == [(0, 10), (10, 35)]


@given(
    st.dictionaries(st.sampled_from(sorted(tool())), ANY_JSON, min_size=1, max_size=5), ANY_JSON,
    st.dictionaries(st.sampled_from(["num_frames", "height", "width", "split"]), ANY_JSON),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_no_value_of_a_tool_or_of_the_video_block_stops_the_file(
    changes: dict[str, Json], stranger: Json, header: dict[str, Json]
) -> None:
    frames = {"1": [tool()], "26": [tool() | changes, stranger], "51": stranger}
    text = json.dumps(document(frames, **header))
    log = IssueLog("cholectrack20", "Training/VID02/VID02.json")
    labels = parse_labels(io.StringIO(text), log, 2, None)
    assert labels.boxes[0].tick == 0
    assert all(issue.detail.isascii() for issue in log.in_file_order())
