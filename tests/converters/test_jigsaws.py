"""JIGSAWS: every fault of its rating rows, transcriptions and folders, on trees made by hand."""

import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.gesture_trials import (
    ASPECTS,
    GESTURE,
    TASK,
    TrialLog,
    TrialName,
    list_gestures,
    parse_gestures,
    parse_meta,
    parse_rating,
    parse_trial_name,
)
from converters.registry import get_converter
from medvid.tasks.modules.skill_assessment import ASPECTS as ASKED_ASPECTS
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError
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
    return [(s.start, s.end, code_of(s.label)) for s in found]


def code_of(label: str) -> str:
    """The code of a gesture, as transcriptions write it."""
    return {words: code for code, words in GESTURE.aliases.items()}[label]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Suturing_B001", TrialName("Suturing", "B", 1)),
        ("Needle_Passing_I005", TrialName("Needle_Passing", "I", 5)),
        ("Knot_B001", None), ("Knot_Tying_B01", None), ("Knot_Tying_b001", None),
        ("Suturing_B001_capture1", None), ("suturing_B001", None), ("Suturing_B٠٠1", None),
    ],
)  # fmt: skip
def test_ids_are_taken_apart_from_the_right(text: str, name: TrialName | None) -> None:
    assert parse_trial_name(text) == name


def test_both_captures_of_a_trial_are_videos_of_one_surgeon(tmp_path: Path) -> None:
    write_trial(tmp_path)
    assert [r.video_id for r in CONVERTER.discover(tmp_path)] == [
        "Suturing_B001_capture1", "Suturing_B001_capture2",
    ]  # fmt: skip
    annotation = convert(tmp_path)
    assert annotation.video.identity == "jigsaws:B"
    assert annotation.video.native_split == {"UserOut": "B", "SuperTrialOut": "1"}
    assert annotation.procedure == "suturing"
    assert annotation.issues == ()
    assert annotation.records_in == {"gesture": 3, "rating": 1, "video": 1}


def test_frames_count_from_one_and_ends_are_inside(tmp_path: Path) -> None:
    write_trial(tmp_path)
    annotation = convert(tmp_path)
    assert gestures(annotation) == [(40, 180, "G1"), (180, 302, "G5"), (302, 455, "G8")]
    base = annotation.video.time_base
    assert base.first_index == 1
    assert base.tick_of_index(41) == 40
    assert base.seconds(40) == pytest.approx(40 / 30)
    (whole,) = [s for s in annotation.segments if s.kind is SegmentKind.STEP]
    assert (whole.start, whole.end, whole.label) == (40, 455, "Suturing")


def test_scores_stand_by_their_published_names(tmp_path: Path) -> None:
    write_trial(tmp_path)
    skill = convert(tmp_path).skill
    assert skill is not None
    assert skill.level == "N"
    assert skill.scores == dict(zip(ASPECTS, (3, 2, 2, 3, 2, 3), strict=True))
    assert ASPECTS == ASKED_ASPECTS


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n\r\n", "\n \t \n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_blanks_do_not_matter(
    tmp_path: Path, newline: str, end: str, mark: str
) -> None:
    other = "Suturing_C001\t\tI\t24\t\t4\t4\t4\t4\t4\t4"
    write_trial(
        tmp_path,
        meta=mark + newline.join([META, other]) + end,
        labels=mark + LABELS.replace("\n", newline) + end,
    )
    annotation = convert(tmp_path)
    assert annotation.skill is not None
    assert len(gestures(annotation)) == 3
    assert annotation.issues == ()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Suturing_B001\t\tN\t15\t\t3\t2\t2\t3\t2", "malformed_rating"),
        ("Suturing_B001", "malformed_rating"),
        ("Suturing_B001 X 15 3 2 2 3 2 3", "unknown_level"),
        ("Suturing_B001 N 16 3 2 2 3 2 3", "rating_sum"),
        ("Suturing_B001 N fifteen 3 2 2 3 2 3", "rating_sum"),
        ("Suturing_B001 N 15 0 2 2 6 2 3", "score_out_of_range"),
        ("Suturing_B001 N 15 3.0 2 2 3 2 3", "score_out_of_range"),
        ("Suturing_B001 N 15 ٣ 2 2 3 2 3", "score_out_of_range"),
        (f"{META}\nSuturing_B001 E 30 5 5 5 5 5 5", "conflicting_ratings"),
    ],
)
def test_a_rating_that_cannot_be_trusted_is_dropped_alone(
    tmp_path: Path, row: str, reason: str
) -> None:
    write_trial(tmp_path, meta=f"\n{row}\n")
    annotation = convert(tmp_path)
    assert annotation.skill is None
    assert len(gestures(annotation)) == 3
    assert set(reasons(annotation)) == {(reason, "dropped")}
    assert len(annotation.issues) == annotation.records_in["rating"]
    assert annotation.issues[0].file == "Suturing/meta_file_Suturing.txt"
    assert annotation.issues[0].line == 2


def test_an_equal_second_row_changes_nothing(tmp_path: Path) -> None:
    write_trial(tmp_path, meta=f"{META}\n{META.replace(chr(9), ' ')}\n")
    annotation = convert(tmp_path)
    assert annotation.skill is not None
    assert reasons(annotation) == [("repeated_rating", "dropped")]
    assert annotation.issues[0].line == 2


@pytest.mark.parametrize("meta", [None, "", "Suturing_C001 I 24 4 4 4 4 4 4\n"])
def test_a_trial_without_rating_keeps_its_gestures(tmp_path: Path, meta: str | None) -> None:
    write_trial(tmp_path, meta=meta)
    annotation = convert(tmp_path)
    assert annotation.skill is None
    assert reasons(annotation) == [("no_rating", "flagged")]
    assert "rating" not in annotation.records_in


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 20 G1", "frame_zero"), ("30 20 G1", "reversed_gesture"), ("5 20", "malformed_line"),
        ("5 20 G16", "unknown_gesture"), ("5 20 g1", "unknown_gesture"),
        ("5 20 G1 G2", "malformed_line"), ("a 20 G1", "malformed_line"),
        ("5.5 20 G1", "malformed_line"), ("-5 20 G1", "malformed_line"),
        ("٥ 20 G1", "malformed_line"), ("41 180 G1", "duplicate_gesture"),
        ("5 99999999999 G1", "malformed_line"), ("\x00", "malformed_line"),
    ],
)  # fmt: skip
def test_a_bad_line_is_dropped_alone(tmp_path: Path, line: str, reason: str) -> None:
    write_trial(tmp_path, labels=f"{LABELS}\n{line} \n")
    annotation = convert(tmp_path)
    assert len(gestures(annotation)) == 3
    assert reasons(annotation) == [(reason, "dropped")]
    assert annotation.issues[0].line == 5
    assert annotation.records_in["gesture"] == 4


def test_bytes_that_are_no_text_cost_their_line_alone(tmp_path: Path) -> None:
    base = write_trial(tmp_path)
    path = base / "transcriptions" / "Suturing_B001.txt"
    path.write_bytes(LABELS.encode() + b"456 \xff\xfe G2\n")
    assert reasons(convert(tmp_path)) == [("malformed_line", "dropped")]


@pytest.mark.parametrize("labels", ["", "\r\n\r\n", "nothing here\n", "0 0 G1 \n"])
def test_a_transcription_without_a_gesture_is_refused(tmp_path: Path, labels: str) -> None:
    write_trial(tmp_path, labels=labels)
    with pytest.raises(MalformedSourceError) as caught:
        convert(tmp_path)
    assert caught.value.source == "Suturing/transcriptions/Suturing_B001.txt"


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ("1 50 G13 \n51 90 G13 \n", [("repeated_gesture", "flagged")]),
        ("1 50 G13 \n60 90 G13 \n", [("internal_gap", "flagged")]),
        ("1 50 G13 \n40 90 G14 \n", [("overlapping_gestures", "flagged")]),
        ("51 90 G14 \n1 50 G13 \n", [("unsorted_gestures", "repaired")]),
        ("1 50 G13 \n51 90 G6 \n", [("unlisted_gesture", "flagged")]),
    ],
)
def test_odd_neighbours_are_kept_and_flagged(
    tmp_path: Path, labels: str, found: list[Reason]
) -> None:
    write_trial(tmp_path, "Knot_Tying_C001", meta=None, labels=labels)
    annotation = convert(tmp_path, "Knot_Tying_C001_capture2")
    assert [r for r in reasons(annotation) if r[0] != "no_rating"] == found
    assert len(gestures(annotation)) == 2
    assert gestures(annotation) == sorted(gestures(annotation))
    indices = {
        code_of(s.label): s.native_index for s in annotation.segments if s.native_index is not None
    }
    if found[0][0] == "unsorted_gestures":
        assert indices == {"G14": 0, "G13": 1}


@pytest.mark.parametrize(
    ("trial", "last", "flagged"),
    [
        ("Needle_Passing_H004", "821 3480 G2", True), ("Needle_Passing_H004", "821 900 G2", True),
        ("Needle_Passing_H004", "821 900 G11", False), ("Suturing_G001", "821 1927 G3", False),
        ("Suturing_C003", "821 2021 G3", True),
    ],
)  # fmt: skip
def test_an_unfinished_label_is_kept_and_flagged(
    tmp_path: Path, trial: str, last: str, flagged: bool
) -> None:
    write_trial(tmp_path, trial, meta=None, labels=f"1 820 G5 \n{last} \n")
    annotation = convert(tmp_path, f"{trial}_capture2")
    assert (("unfinished_label", "flagged") in reasons(annotation)) is flagged
    assert len(gestures(annotation)) == 2
    marked = [code_of(s.label) for s in annotation.segments if "unfinished" in s.flags]
    assert marked == ([last.split()[2]] if flagged else [])


def test_gestures_outside_the_readme_become_candidates(tmp_path: Path) -> None:
    labels = "814 1003 G9 \n1004 1200 G12 \n"
    write_trial(tmp_path, "Needle_Passing_C005", meta=None, labels=labels)
    annotation = convert(tmp_path, "Needle_Passing_C005_capture1")
    codes = ("G1", "G2", "G3", "G4", "G5", "G6", "G8", "G9", "G10", "G11", "G12")
    assert annotation.candidates["gesture"] == tuple(map(GESTURE.label, codes))
    assert len(list_gestures("Needle_Passing", ())) == 10
    assert [r[0] for r in reasons(annotation)].count("unlisted_gesture") == 2


def test_every_gesture_has_words() -> None:
    assert tuple(GESTURE.aliases) == tuple(f"G{number}" for number in range(1, 16))
    assert set(GESTURE.aliases.values()) == set(GESTURE.labels)
    assert GESTURE.label("G13") == "making C loop around right hand"
    assert TASK.label("NeedlePassing") == "Needle_Passing"


def test_a_surgeon_of_no_release_is_flagged(tmp_path: Path) -> None:
    write_trial(tmp_path, "Suturing_A001", meta="Suturing_A001 N 15 3 2 2 3 2 3")
    annotation = convert(tmp_path, "Suturing_A001_capture1")
    assert annotation.video.identity == "jigsaws:A"
    assert reasons(annotation) == [("unknown_surgeon", "flagged")]


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_text_stops_the_readers(text: str) -> None:
    log = TrialLog()
    rows = list(parse_meta(io.StringIO(text)))
    skill = parse_rating(rows, log, "m.txt")
    assert skill is None or set(skill.scores) == set(ASPECTS)
    found = parse_gestures(io.StringIO(text), "Suturing_B001", log, "t.txt")
    dropped = Counter(issue.kind for issue in log.issues if issue.disposition.value == "dropped")
    assert len(found) + dropped["gesture"] == len(rows)


bounds = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 60)), min_size=1, max_size=12)


@given(bounds, st.data())
@settings(max_examples=60, deadline=None)
def test_lines_come_back_as_they_were_written(
    spans: list[tuple[int, int]], draw: st.DataObject
) -> None:
    codes = draw.draw(st.lists(st.sampled_from(tuple(GESTURE.aliases)), min_size=12, max_size=12))
    lines = {
        f"{start} {start + more} {code}": None
        for (start, more), code in zip(spans, codes, strict=False)
    }
    text = "".join(f"{line} \r\n" for line in lines)
    found = parse_gestures(io.StringIO(text), "Suturing_B001", TrialLog(), "t.txt")
    again = sorted(found, key=lambda segment: segment.native_index or 0)
    assert [f"{s.start + 1} {s.end} {code_of(s.label)}" for s in again] == list(lines)
