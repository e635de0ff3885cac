"""JIGSAWS: folders doubled or wrapped, files that are missing, sizes and kinematics."""

from collections.abc import Callable
from pathlib import Path

import pytest

from converters.datasets.jigsaws import KINEMATIC_ROW_BYTES, SMALL_CAPTURES
from converters.registry import get_converter
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError, SourceError
from schemas.timeline import SegmentKind

CONVERTER = get_converter("jigsaws")
META = "Suturing_B001\t\tN\t15\t\t3\t2\t2\t3\t2\t3"
LABELS = "41 180 G1 \n181 302 G5 \n303 455 G8 \n"
Reason = tuple[str, str]


def write_trial(
    root: Path,
    name: str = "Suturing_B001",
    *,
    meta: str | None = META,
    labels: str | None = LABELS,
    folder: str = "",
) -> Path:
    """Write one trial into its task's folder, in the form of the release."""
    task = name.rpartition("_")[0]
    base = root / (folder or task)
    (base / "transcriptions").mkdir(parents=True, exist_ok=True)
    if meta is not None:
        (base / f"meta_file_{task}.txt").write_bytes(meta.encode())
    if labels is not None:
        (base / "transcriptions" / f"{name}.txt").write_bytes(labels.encode())
    return base


def convert(root: Path, video_id: str = "Suturing_B001_capture1") -> VideoAnnotation:
    (recording,) = [r for r in CONVERTER.discover(root) if r.video_id == video_id]
    return CONVERTER.convert(recording)


def reasons(annotation: VideoAnnotation) -> list[Reason]:
    return [(issue.reason, issue.disposition.value) for issue in annotation.issues]


def gestures(annotation: VideoAnnotation) -> list[tuple[int, int, str]]:
    found = [s for s in annotation.segments if s.kind is SegmentKind.GESTURE]
    return [(s.start, s.end, s.label) for s in found]


@pytest.mark.parametrize(
    "folder",
    ["Suturing", "Suturing/Suturing", "suturing", "JIGSAWS/Suturing", "a/Suturing/Suturing"],
)
def test_folders_may_be_doubled_or_wrapped(tmp_path: Path, folder: str) -> None:
    write_trial(tmp_path, folder=folder)
    annotation = convert(tmp_path)
    assert annotation.skill is not None
    assert len(gestures(annotation)) == 3


def test_the_root_may_be_one_tasks_folder(tmp_path: Path) -> None:
    base = write_trial(tmp_path, folder="anything")
    assert convert(base).skill is not None


def test_pieces_are_found_at_either_depth(tmp_path: Path) -> None:
    write_trial(tmp_path, folder="Suturing/Suturing")
    video = tmp_path / "Suturing" / "video"
    video.mkdir()
    (video / "Suturing_B001_capture2.avi").write_bytes(b"no video")
    (video / "._Suturing_B001_capture1.avi").write_bytes(b"junk")
    first, second = CONVERTER.discover(tmp_path)
    assert first.media is None
    assert second.media is not None
    assert second.media.path == "Suturing/video/Suturing_B001_capture2.avi"
    assert reasons(CONVERTER.convert(second)) == [("unreadable_video", "flagged")]


@pytest.mark.parametrize(("size", "words"), [(0, "file is empty"), (1216, "only kinematics")])
def test_a_trial_of_kinematics_alone_is_refused_once(tmp_path: Path, size: int, words: str) -> None:
    base = write_trial(tmp_path, labels=None, meta=None)
    folder = base / "kinematics" / "AllGestures"
    folder.mkdir(parents=True)
    (folder / "Suturing_H002.txt").write_bytes(b" " * size)
    (recording,) = CONVERTER.discover(tmp_path)
    assert recording.video_id == "Suturing_H002"
    with pytest.raises(MissingSourceError, match=words):
        CONVERTER.convert(recording)


@pytest.mark.parametrize(
    ("size", "reason"),
    [(0, "empty_kinematics"), (454 * KINEMATIC_ROW_BYTES, "labels_past_kinematics"),
     (455 * KINEMATIC_ROW_BYTES, None), (9000 * KINEMATIC_ROW_BYTES, None)],
)  # fmt: skip
def test_kinematics_are_measured_and_never_used(
    tmp_path: Path, size: int, reason: str | None
) -> None:
    base = write_trial(tmp_path)
    folder = base / "kinematics" / "AllGestures"
    folder.mkdir(parents=True)
    with (folder / "Suturing_B001.txt").open("wb") as handle:
        handle.truncate(size)
    annotation = convert(tmp_path)
    assert reasons(annotation) == ([(reason, "flagged")] if reason else [])
    assert len(gestures(annotation)) == 3


def test_a_rated_trial_without_transcription_is_refused(tmp_path: Path) -> None:
    write_trial(tmp_path, labels=None)
    for recording in CONVERTER.discover(tmp_path):
        with pytest.raises(MissingSourceError, match="no transcription"):
            CONVERTER.convert(recording)


@pytest.mark.parametrize("name", ["Suturing_B1", "Knot_Tying_B001", "Sutüring_B001", "x" * 300])
def test_a_name_that_is_no_trial_of_the_task_is_refused(tmp_path: Path, name: str) -> None:
    write_trial(tmp_path, meta=f"{name} N 15 3 2 2 3 2 3\n{META}\n")
    invalid, *good = CONVERTER.discover(tmp_path)[::-1]
    assert len(good) == 2
    with pytest.raises(MalformedSourceError) as caught:
        CONVERTER.convert(invalid)
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 400


def test_thirteen_left_captures_are_small_without_pictures_too(tmp_path: Path) -> None:
    assert len(SMALL_CAPTURES) == 13
    write_trial(tmp_path, "Suturing_H001", meta=None)
    sizes = {i: convert(tmp_path, f"Suturing_H001_capture{i}").video.resolution_wh for i in (1, 2)}
    assert sizes == {1: (320, 240), 2: (640, 480)}


def test_one_changed_row_changes_its_own_trial_alone(tmp_path: Path) -> None:
    other = "Suturing_C001 I 24 4 4 4 4 4 4"

    def revisions(row: str) -> dict[str, str]:
        write_trial(tmp_path, "Suturing_C001", meta=f"{META}\n{row}\n")
        write_trial(tmp_path, meta=f"{META}\n{row}\n")
        found = CONVERTER.discover(tmp_path)
        return {r.video_id: CONVERTER.convert(r).revision for r in found}

    before, after = revisions(other), revisions("Suturing_C001 I 25 5 4 4 4 4 4")
    assert {video for video in before if before[video] != after[video]} == {
        "Suturing_C001_capture1", "Suturing_C001_capture2",
    }  # fmt: skip
    assert len(set(before.values())) == 4


@pytest.fixture(scope="module")
def drawn(synthetic_tree: Callable[[str, bool], Path]) -> dict[str, VideoAnnotation]:
    found = {}
    for recording in CONVERTER.discover(synthetic_tree("jigsaws", True)):
        try:
            found[recording.video_id] = CONVERTER.convert(recording)
        except SourceError:
            continue
    return found


def test_drawn_captures_have_their_own_sizes_and_lengths(drawn: dict[str, VideoAnnotation]) -> None:
    for video_id, annotation in drawn.items():
        video = annotation.video
        small = video_id in SMALL_CAPTURES
        assert video.resolution_wh == ((320, 240) if small else (640, 480))
        issues = {issue.reason for issue in annotation.issues}
        assert ("capture_size" in issues) is (small and video.media is not None)
        assert ("kinematics_length" in issues) is video_id.startswith("Knot_Tying_F005")
        if video.media is not None:
            assert video.duration_ticks is not None
            assert max(segment.end for segment in annotation.segments) <= video.duration_ticks
    left, right = (drawn[f"Suturing_B001_capture{k}"].video.duration_ticks for k in (1, 2))
    assert left is not None
    assert right is not None
    assert 2 <= left - right <= 3
