"""NurViD in miniature: the drawn tree, and what becomes of it, byte for byte."""

import hashlib
import json
import zipfile
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from openpyxl import load_workbook

from converters.datasets.nurvid import CONVERTER
from converters.nursing import ACTIONS, CANDIDATE_ACTIONS, PROCEDURES
from medvid.synthetic.nurvid import SYNTHETIC
from schemas.annotation import VideoAnnotation
from schemas.errors import ConfigError

GOLDEN = Path(__file__).parents[1] / "golden" / "nurvid.jsonl"
MINIATURE_FAULTS = {
    "zero_length": 1, "unsorted_segments": 1, "overlapping_segments": 1, "end_past_duration": 2,
    "end_far_past_duration": 1,
}  # fmt: skip


def convert_all(root: Path) -> list[VideoAnnotation]:
    return [CONVERTER.convert(recording) for recording in CONVERTER.discover(root)]


def count_issues(annotations: list[VideoAnnotation]) -> Counter[str]:
    return Counter(issue.reason for a in annotations for issue in a.issues)


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_miniature_converts_to_the_golden_file(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    SYNTHETIC.write(tmp_path, scale=0, media=False, max_seconds=90)
    text = "".join(f"{a.model_dump_json()}\n" for a in convert_all(tmp_path))
    if request.config.getoption("--update-golden", default=False):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_the_miniature_shows_every_fault_and_without_faults_none(tmp_path: Path) -> None:
    SYNTHETIC.write(tmp_path / "faulty", scale=0, media=False)
    faulty = convert_all(tmp_path / "faulty")
    assert len(faulty) == 5
    assert count_issues(faulty) == MINIATURE_FAULTS
    assert any("action_id:131" in s.flags for a in faulty for s in a.segments)
    assert {a.video.native_split["task1&3"] for a in faulty} == {"train", "val", "test"}
    SYNTHETIC.write(tmp_path / "clean", scale=0, media=False, faults=False)
    assert count_issues(convert_all(tmp_path / "clean")) == {}


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    SYNTHETIC.write(tmp_path / "a", scale=0, seed=3, max_seconds=10)
    SYNTHETIC.write(tmp_path / "b", scale=0, seed=3, max_seconds=10)
    SYNTHETIC.write(tmp_path / "c", scale=0, seed=4, max_seconds=10, media=False)
    first = digests(tmp_path / "a")
    assert first == digests(tmp_path / "b")
    assert len(first) == 1 + 1 + 9 + 4
    other = digests(tmp_path / "c")
    same = {name for name in other if other[name] == first[name]}
    assert same == {"annotations/Procedure&Action_ID.xlsx"}


def test_the_workbook_knows_no_clock(tmp_path: Path) -> None:
    SYNTHETIC.write(tmp_path, scale=0, media=False)
    with zipfile.ZipFile(tmp_path / "annotations" / "Procedure&Action_ID.xlsx") as book:
        assert {entry.date_time for entry in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = book.read("docProps/core.xml")
    assert core.count(b"1980-01-01T00:00:00Z") == core.count(b"T00:00:00Z") == 2


def test_the_tree_has_native_names_and_formats(tmp_path: Path) -> None:
    SYNTHETIC.write(tmp_path, scale=0.01, media=False)
    folder = tmp_path / "annotations"
    raw = (folder / "NurViD_annotations.json").read_bytes()
    assert raw.startswith(b'{\r\n    "')
    records = json.loads(raw)
    assert any(name.startswith("-") for name in records)
    bounds = [x for r in records.values() for a in r["annotations"] for x in a["segment"]]
    assert {type(bound) for bound in bounds} == {int, float}
    lines = (folder / "task2" / "procedure_train.csv").read_bytes().split(b"\r\n")
    assert (lines[0], lines[-1]) == (b"path-lable", b"")
    assert (folder / "task1&3" / "train.csv").read_bytes().startswith(b"path-label\r\n/video_path/")
    for name in ("procedure", "action"):
        clips = [
            line.rsplit(" ", 1)
            for split in ("train", "val", "test")
            for line in (folder / "task2" / f"{name}_{split}.csv").read_text().splitlines()[1:]
        ]
        assert len(clips) == sum(len(r["annotations"]) for r in records.values())
        for clip, label in clips:
            video_id, _, k = Path(clip).stem.rpartition("_")
            record = records[video_id]
            ids = record["annotations"][int(k) - 1]
            expected = record["operationID"] if name == "procedure" else ids["actionID"]
            assert int(label) == expected - 1


def test_the_workbook_counts_from_zero(tmp_path: Path) -> None:
    SYNTHETIC.write(tmp_path, scale=0, media=False)
    sheet = load_workbook(tmp_path / "annotations" / "Procedure&Action_ID.xlsx").active
    assert sheet is not None
    rows = list(sheet.iter_rows(min_row=3, values_only=True))
    assert [(r[0], r[2]) for r in rows if r[0] is not None] == list(enumerate(PROCEDURES))
    assert [(r[6], r[8]) for r in rows] == list(enumerate(ACTIONS))
    assert sheet["D2"].value == " Abbreviation"


def test_drawn_videos_have_the_rates_the_labels_round_down(tmp_path: Path) -> None:
    SYNTHETIC.write(tmp_path, scale=0, max_seconds=12)
    steps = {}
    unreadable, missing = [], []
    for recording in CONVERTER.discover(tmp_path):
        fps = json.loads(recording.record or "")["fps"]
        if recording.media is None:
            missing.append(fps)
            continue
        try:
            with av.open(str(tmp_path / recording.media.path)) as container:
                stream = container.streams.video[0]
                base = stream.time_base or Fraction(1)
                times = [(frame.pts or 0) * base for frame in container.decode(stream)]
                assert (stream.width, stream.height) == (426, 240)
        except av.error.InvalidDataError:
            unreadable.append(fps)
            continue
        assert 11 < times[-1] < 13
        steps[fps] = len({b - a for a, b in pairwise(times)})
    assert (unreadable, missing) == ([25], [30])
    assert steps == {29: 1, 27: 2, 24: 1}


def test_official_size_has_the_published_counts(tmp_path: Path) -> None:
    SYNTHETIC.write(tmp_path, scale=1, media=False)
    annotations = convert_all(tmp_path)
    assert len(annotations) == 1538
    assert sum(a.records_in["segment"] for a in annotations) == 5615
    procedures = Counter(a.procedure for a in annotations)
    assert [procedures[name] for name in PROCEDURES[:4]] == [78, 71, 62, 60]
    assert procedures[PROCEDURES[50]] == 1
    assert {s.label for a in annotations for s in a.segments} == set(ACTIONS)
    splits = Counter(a.video.native_split["task1&3"] for a in annotations)
    assert splits == {"train": 1054, "val": 173, "test": 311}
    issues = count_issues(annotations)
    assert (issues["unsorted_segments"], issues["overlapping_segments"]) == (69, 189)
    assert issues["zero_length"] == 1
    assert 150 <= issues["end_past_duration"] <= 210
    hours = sum(a.video.duration_ticks or 0 for a in annotations) / 90_000 / 3600
    assert 140 < hours < 150
    unlisted = [a for a in annotations if len(a.candidates["action"]) >
                len(CANDIDATE_ACTIONS[a.procedure or ""])]  # fmt: skip
    assert unlisted


def test_a_folder_in_use_and_a_length_too_short_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="10 seconds"):
        SYNTHETIC.write(tmp_path / "new", scale=0, max_seconds=3)
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="empty folder"):
        SYNTHETIC.write(tmp_path, scale=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
