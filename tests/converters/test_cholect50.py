"""CholecT50's format and its faults, on label files of a few lines."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.cholecystectomy import TRIPLET_IDS, TRIPLETS
from converters.datasets.cholect50 import CHALLENGE_SET, CONVERTER, parse_labels
from converters.issue_log import IssueLog
from schemas.annotation import Disposition, Issue, VideoAnnotation
from schemas.geometry import Triplet
from schemas.timeline import SegmentKind
from schemas.video import MediaKind

Json = Any
PngWriter = Callable[[Path, int, int], None]
NOTHING = [-1] * 14
NO_BOX = (-1.0, -1.0, -1.0, -1.0)
SIZE_WH = (200, 100)
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
CATEGORIES = {
    name: dict(enumerate(vocabulary.labels))
    for name, vocabulary in CONVERTER.spec.vocabularies.items()
}


def row(triplet: int, box: tuple[float, ...] = NO_BOX, phase: Json = 0) -> list[Json]:
    instrument, verb, target = TRIPLET_IDS[triplet]
    return [triplet, instrument, 1.0, *box, verb, target, 1.0, *NO_BOX, phase]


def empty(phase: Json = 0) -> list[Json]:
    return [*NOTHING, phase]


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

    def images(self, *frames: int, size_wh: tuple[int, int] = SIZE_WH) -> None:
        """Write frame images."""
        for frame in frames:
            self.write_png(self.root / "videos/VID05" / f"{frame:06d}.png", *size_wh)

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


def spans(annotation: VideoAnnotation) -> list[tuple[int, int, str]]:
    return [(s.start, s.end, s.label) for s in annotation.segments]


def test_a_sound_video_gives_phases_triplets_and_boxes(tree: Tree) -> None:
    tree.labels(
        {
            "0": [empty()],
            "1": [row(17, phase=1), row(60, (0.5, 0.25, 0.25, 0.5), phase=1)],
            "2": [row(94, phase=1)],
        }
    )
    tree.images(0, 1, 2)
    annotation = tree.convert()
    assert annotation.issues == ()
    assert annotation.labelled_ticks == (0, 1, 2)
    assert spans(annotation) == [(0, 1, "preparation"), (1, 3, "carlot-triangle-dissection")]
    assert [(t.tick, t.triplet) for t in annotation.triplets] == [
        (1, Triplet(instrument="grasper", verb="retract", target="gallbladder")),
        (1, Triplet(instrument="hook", verb="dissect", target="gallbladder")),
        (2, Triplet(instrument="grasper", verb="null_verb", target="null_target")),
    ]
    (box,) = annotation.boxes
    assert (box.tick, box.xyxy, box.label) == (1, (100, 25, 150, 75), "hook")
    assert (box.triplet, box.track, box.flags) == (TRIPLETS[60], None, ())
    assert annotation.records_in == {
        "box": 1, "frame": 3, "image": 3, "no_instrument": 1, "row": 4, "triplet": 3
    }  # fmt: skip
    video = annotation.video
    assert (video.resolution_wh, video.duration_ticks) == (SIZE_WH, 3)
    assert (video.identity, video.time_base.sparse) == ("cholec80:5", False)
    assert video.native_split == {
        "cholect50": "train", "cholect50-challenge": "val", "cholect50-crossval": "fold2"
    }  # fmt: skip
    assert video.media is not None
    assert (video.media.kind, video.media.path) == (MediaKind.FRAMES, "videos/VID05")


def test_rows_without_a_triplet_may_hold_anything_else(tree: Tree) -> None:
    tree.labels({"0": [[-1, 3, 0.5, 0.1, 0.1, 9.0, "x", None, -1, 1.0, -1, -1, -1, -1, 2]]})
    annotation = tree.convert()
    assert annotation.issues == ()
    assert (annotation.triplets, annotation.boxes) == ((), ())
    assert annotation.records_in == {"frame": 1, "no_instrument": 1, "row": 1}
    assert spans(annotation) == [(0, 1, "clipping-and-cutting")]


def test_ids_may_be_written_as_floats(tree: Tree) -> None:
    tree.labels({"0": [[float(x) for x in row(5)]]}, video=5.0, fps=1.0, num_frames=1.0)
    annotation = tree.convert()
    assert annotation.issues == ()
    assert annotation.triplets[0].triplet == TRIPLETS[5]


def test_a_phase_ends_after_thirty_unlabelled_seconds(tree: Tree) -> None:
    tree.labels({str(k): [row(7)] for k in (0, 30, 61, 62)}, info={"dataset": CHALLENGE_SET})
    annotation = tree.convert()
    assert spans(annotation) == [(0, 31, "preparation"), (61, 63, "preparation")]
    assert annotation.video.time_base.sparse
    assert annotation.video.duration_ticks is None
    assert annotation.video.native_split[CHALLENGE_SET] == "val"


@pytest.mark.parametrize(
    ("missing", "sparse"), [(set(), False), ({7, 9}, False), ({3, 5, 7}, True)]
)
def test_a_hole_does_not_make_a_video_sparse(tree: Tree, missing: set[int], sparse: bool) -> None:
    tree.labels({str(k): [row(7)] for k in range(20) if k not in missing})
    annotation = tree.convert()
    assert annotation.video.time_base.sparse is sparse
    assert annotation.video.duration_ticks == (None if sparse else 20)


def test_a_frame_without_a_phase_belongs_to_none(tree: Tree) -> None:
    tree.labels({"0": [row(7)], "1": [row(7, phase=-1)], "2": [row(7)]})
    annotation = tree.convert()
    assert spans(annotation) == [(0, 1, "preparation"), (2, 3, "preparation")]
    assert only_issue(annotation).reason == "no_phase"
    assert len(annotation.triplets) == 3


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([row(7, phase=0), row(8, phase=1)], "phase_conflict"),
        ([row(7, phase=7)], "unknown_phase"),
        ([row(7, phase="x")], "unknown_phase"),
        ([row(7, phase=True)], "unknown_phase"),
    ],
)
def test_a_faulty_phase_leaves_a_hole_not_a_cut(tree: Tree, rows: Json, reason: str) -> None:
    tree.labels({"0": [row(7)], "1": rows, "2": [row(7)]})
    annotation = tree.convert()
    assert spans(annotation) == [(0, 3, "preparation")]
    issue = only_issue(annotation)
    assert (issue.reason, issue.kind, issue.field) == (reason, "phase", "annotations[1]")
    assert len(annotation.triplets) == 2 + len(rows)


@pytest.mark.parametrize(
    ("bad", "reason", "field"),
    [
        (row(7)[:14], "bad_row_length", "annotations[0][0]"),
        ([*row(7), 0], "bad_row_length", "annotations[0][0]"),
        ({"triplet": 7}, "bad_row_length", "annotations[0][0]"),
        ([100, *row(7)[1:]], "unknown_triplet", "annotations[0][0][0]"),
        ([-2, *row(7)[1:]], "unknown_triplet", "annotations[0][0][0]"),
        (["7", *row(7)[1:]], "unknown_triplet", "annotations[0][0][0]"),
        ([7.5, *row(7)[1:]], "unknown_triplet", "annotations[0][0][0]"),
        ([8, *row(7)[1:]], "component_mismatch", "annotations[0][0]"),
        ([*row(7)[:1], 6, *row(7)[2:]], "component_mismatch", "annotations[0][0]"),
        ([*row(7)[:7], -1, *row(7)[8:]], "component_mismatch", "annotations[0][0]"),
        ([*row(7)[:8], None, *row(7)[9:]], "component_mismatch", "annotations[0][0]"),
    ],
)
def test_a_faulty_row_is_dropped_and_its_neighbours_stay(
    tree: Tree, bad: Json, reason: str, field: str
) -> None:
    tree.labels({"0": [bad, row(60)]})
    annotation = tree.convert()
    issue = only_issue(annotation)
    assert (issue.reason, issue.kind, issue.field) == (reason, "row", field)
    assert (issue.disposition, issue.file) == (Disposition.DROPPED, "labels/VID05.json")
    assert [found.triplet for found in annotation.triplets] == [TRIPLETS[60]]
    assert annotation.records_in["row"] == 2


def test_rows_are_kept_dropped_or_counted(tree: Tree) -> None:
    tree.labels({"0": [row(7), row(7), [1]], "1": [empty()], "2": [[500, *row(7)[1:]]]})
    annotation = tree.convert()
    dropped = sum(issue.disposition is Disposition.DROPPED for issue in annotation.issues)
    counted = annotation.records_in["no_instrument"]
    assert annotation.records_in["row"] == len(annotation.triplets) + counted + dropped == 5


@pytest.mark.parametrize(
    ("box", "reason", "xyxy"),
    [
        ((0.75, 0.5, 0.375, 0.25), "box_over_edge", (150, 50, 200, 75)),
        ((-0.25, -0.1, 0.5, 0.35), "box_over_edge", (0, 0, 50, 25)),
        ((-1.0, 0.5, 0.5, 0.5), "box_outside_image", None),
        ((1.0, 0.5, 0.25, 0.25), "box_outside_image", None),
        ((0.5, 0.5, 0.0, 0.25), "empty_box", None),
        ((0.5, 0.5, 0.25, -1.0), "empty_box", None),
        ((0.5, 0.5, float("nan"), 0.25), "bad_box", None),
        ((0.5, 0.5, 0.25, float("inf")), "bad_box", None),
        ((100.0, 50.0, 20.0, 10.0), "box_not_normalised", None),
    ],
)
def test_a_faulty_box_is_cut_or_dropped_and_its_triplet_stays(
    tree: Tree, box: tuple[float, ...], reason: str, xyxy: tuple[float, ...] | None
) -> None:
    tree.labels({"0": [row(60, box)]})
    tree.images(0)
    annotation = tree.convert()
    issue = only_issue(annotation)
    assert (issue.reason, issue.kind, issue.field) == (reason, "box", "annotations[0][0][3:7]")
    assert len(annotation.triplets) == annotation.records_in["box"] == 1
    if xyxy is None:
        assert (annotation.boxes, issue.disposition) == ((), Disposition.DROPPED)
    else:
        assert [(b.xyxy, b.flags) for b in annotation.boxes] == [(xyxy, ("clipped",))]
        assert issue.disposition is Disposition.REPAIRED


def test_a_box_of_text_is_dropped(tree: Tree) -> None:
    tree.labels({"0": [[60, 2, 1.0, "a", None, [], True, 2, 0, 1.0, *NO_BOX, 0]]})
    tree.images(0)
    annotation = tree.convert()
    assert reasons(annotation) == ["bad_box"]
    assert len(annotation.triplets) == 1


def test_boxes_without_pictures_have_no_size(tree: Tree) -> None:
    tree.labels({"0": [row(60, (0.5, 0.5, 0.25, 0.25)), row(7)]})
    annotation = tree.convert()
    assert only_issue(annotation).reason == "no_image_size"
    assert annotation.video.resolution_wh == (854, 480)
    assert (annotation.video.media, annotation.boxes) == (None, ())
    assert len(annotation.triplets) == 2


def test_a_broken_or_odd_picture_costs_its_own_boxes_only(tree: Tree) -> None:
    box = (0.5, 0.5, 0.25, 0.25)
    tree.labels({str(k): [row(60, box)] for k in range(5)})
    tree.images(1, 2, 4)
    tree.images(3, size_wh=(854, 480))
    (tree.root / "videos/VID05/000000.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    annotation = tree.convert()
    assert [box.tick for box in annotation.boxes] == [1, 2, 4]
    assert annotation.video.resolution_wh == SIZE_WH
    assert reasons(annotation) == ["unreadable_image", "no_image_size", "image_size_differs"]


def test_pictures_without_labels_and_labels_without_pictures_are_counted(tree: Tree) -> None:
    tree.labels({"0": [row(7)], "1": [row(60, (0.5, 0.5, 0.25, 0.25))]})
    tree.images(0, 2, 3)
    (tree.root / "videos/VID05/thumbs.db").write_bytes(b"")
    (tree.root / "videos/VID05/000001.PNG.part").write_bytes(b"")
    annotation = tree.convert()
    assert reasons(annotation) == ["image_without_label", "label_without_image"]
    assert annotation.records_in["unlabelled_image"] == 2
    assert annotation.video.duration_ticks == 4
    assert annotation.boxes[0].xyxy == (100, 50, 150, 75), "the size is that of the video's images"


@pytest.mark.parametrize(
    ("key", "reason"),
    [("x", "bad_frame_key"), ("-1", "bad_frame_key"), ("1.0", "bad_frame_key"),
     ("9999999", "bad_frame_key"), ("²", "bad_frame_key"), ("\ud800", "bad_frame_key"),
     ("", "bad_frame_key"), ("00", "repeated_frame")],
)  # fmt: skip
def test_a_frame_needs_a_number_of_its_own(tree: Tree, key: str, reason: str) -> None:
    tree.labels({"0": [row(7)], key: [row(60)]})
    annotation = tree.convert()
    assert only_issue(annotation).reason == reason
    assert [found.triplet for found in annotation.triplets] == [TRIPLETS[7]]
    assert VideoAnnotation.model_validate_json(annotation.model_dump_json()) == annotation


@pytest.mark.parametrize("rows", [[], {}, None, 3, "x"])
def test_a_frame_needs_rows(tree: Tree, rows: Json) -> None:
    tree.labels({"0": [row(7)], "1": rows, "2": [[1, 2]]})
    annotation = tree.convert()
    assert reasons(annotation) == ["empty_frame", "bad_row_length"]
    assert annotation.labelled_ticks == (0,)


def test_of_equal_frame_keys_the_last_stands(tree: Tree) -> None:
    text = json.dumps(document({"0": [row(7)], "1": [row(8)]}))
    tree.text(text.replace('"1": [[8', '"0": [[8'))
    annotation = tree.convert()
    assert set(reasons(annotation)) == {"repeated_frame", "frame_count_mismatch"}
    assert [found.triplet for found in annotation.triplets] == [TRIPLETS[8]]


def test_frames_are_sorted(tree: Tree) -> None:
    tree.labels({"2": [row(7)], "10": [row(8)], "1": [row(9)]})
    annotation = tree.convert()
    assert only_issue(annotation).reason == "unsorted_frames"
    assert only_issue(annotation).disposition is Disposition.REPAIRED
    assert [found.tick for found in annotation.triplets] == [1, 2, 10]
    assert spans(annotation) == [(1, 11, "preparation")]


def test_predictions_and_target_boxes_are_flagged(tree: Tree) -> None:
    scored = row(7)
    scored[2] = 0.75
    targeted = row(7)
    targeted[10:14] = [0.1, 0.1, 0.2, 0.2]
    tree.labels({"0": [scored, targeted]})
    assert reasons(tree.convert()) == ["scores_below_one", "target_box_ignored"]


def test_only_phases_are_segments(tree: Tree) -> None:
    tree.labels({str(k): [row(17, phase=k // 10)] for k in range(70)})
    annotation = tree.convert()
    assert {segment.kind for segment in annotation.segments} == {SegmentKind.PHASE}
    assert [s.label for s in annotation.segments] == list(annotation.candidates["phase"])
    assert [s.end for s in annotation.segments] == [10, 20, 30, 40, 50, 60, 70]


@given(
    st.lists(st.tuples(st.integers(0, 14), ANY_JSON), min_size=1, max_size=4), ANY_JSON, ANY_JSON
)
@settings(max_examples=300, deadline=None)
def test_no_value_of_a_row_stops_the_file(
    changes: list[tuple[int, Json]], stranger: Json, frame: Json
) -> None:
    changed = row(60, (0.5, 0.5, 0.25, 0.25))
    for slot, value in changes:
        changed[slot] = value
    text = json.dumps(document({"0": [row(7)], "1": [changed, stranger], "2": frame}))
    log = IssueLog("cholect50", "labels/VID05.json")
    labels = parse_labels(io.StringIO(text), log, 5)
    assert labels.triplets[0].triplet == TRIPLETS[7]
    assert all(issue.detail.isascii() for issue in log.in_file_order())
