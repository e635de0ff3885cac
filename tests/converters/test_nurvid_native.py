"""NurViD's real labels, where MEDVID_NATIVE names the folder that holds `nurvid/`."""

import json
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from openpyxl import load_workbook

from converters.datasets.nurvid import CONVERTER
from converters.nursing import ACTIONS, CANDIDATE_ACTIONS, PROCEDURES
from schemas.annotation import VideoAnnotation

pytestmark = pytest.mark.native


@pytest.fixture(scope="module")
def root() -> Path:
    folder = Path(os.environ.get("MEDVID_NATIVE", "")) / "nurvid"
    if "MEDVID_NATIVE" not in os.environ or not folder.is_dir():
        pytest.skip("MEDVID_NATIVE names no folder with nurvid/")
    return folder


@pytest.fixture(scope="module")
def annotations(root: Path) -> list[VideoAnnotation]:
    return [CONVERTER.convert(recording) for recording in CONVERTER.discover(root)]


def test_every_video_and_segment_is_kept_or_counted(annotations: list[VideoAnnotation]) -> None:
    assert len(annotations) == 1538
    assert sum(a.records_in["segment"] for a in annotations) == 5615
    assert sum(len(a.segments) for a in annotations) == 5614
    issues = Counter(issue.reason for a in annotations for issue in a.issues)
    assert issues == {
        "zero_length": 1, "end_past_duration": 179, "end_far_past_duration": 23,
        "unsorted_segments": 69, "overlapping_segments": 189,
    }  # fmt: skip
    (zero,) = (i for a in annotations for i in a.issues if i.reason == "zero_length")
    assert zero.field == "xsqaL7c22q8.annotations[0]"
    late = {a.video.video_id for a in annotations for s in a.segments
            if "end_far_past_duration" in s.flags}  # fmt: skip
    assert len(late) == 16
    assert {"6Ayxz5p7GBs", "Uqa30vUUw0g", "nZ5ARMIiQ4A", "sAkzifd81rk"} <= late
    assert sum(a.end > b.start for x in annotations for a, b in pairwise(x.segments)) == 235


def test_times_are_exactly_the_published_ones(
    root: Path, annotations: list[VideoAnnotation]
) -> None:
    text = (root / "annotations" / "NurViD_annotations.json").read_text(encoding="utf-8")
    records = json.loads(text, parse_float=str, parse_int=str)
    for annotation in annotations:
        items = records[annotation.video.video_id]["annotations"]
        for segment in annotation.segments:
            item = items[segment.native_index or 0]
            assert ACTIONS[int(item["actionID"]) - 1] == segment.label
            for ticks, shown in zip((segment.start, segment.end), item["segment"], strict=True):
                whole, _, part = shown.partition(".")
                assert ticks == int(whole) * 90_000 + int(part.ljust(2, "0")) * 900
    labelled = sum(s.end - s.start for a in annotations for s in a.segments)
    assert round(labelled / 90_000 / 3600, 2) == 49.92


def test_the_split_by_video_is_the_published_one(annotations: list[VideoAnnotation]) -> None:
    splits = Counter(a.video.native_split["task1&3"] for a in annotations)
    assert splits == {"train": 1054, "val": 173, "test": 311}


def test_class_names_are_those_of_the_workbook(root: Path) -> None:
    sheet = load_workbook(root / "annotations" / "Procedure&Action_ID.xlsx").active
    assert sheet is not None
    rows = list(sheet.iter_rows(min_row=3, values_only=True))
    assert [(r[0], r[2]) for r in rows if r[0] is not None] == list(enumerate(PROCEDURES))
    assert [(r[6], r[8]) for r in rows if r[6] is not None] == list(enumerate(ACTIONS))


def test_published_lists_hold_only_what_a_procedure_shows(
    annotations: list[VideoAnnotation],
) -> None:
    shown: dict[str, Counter[str]] = {name: Counter() for name in PROCEDURES}
    for annotation in annotations:
        shown[annotation.procedure or ""].update(s.label for s in annotation.segments)
    for procedure, labels in CANDIDATE_ACTIONS.items():
        assert set(labels) <= set(shown[procedure])
    for unlisted in ("Arterial Blood Sampling", "Injection by Pump"):
        assert set(CANDIDATE_ACTIONS[unlisted]) == set(shown[unlisted])
    outside = sum(
        count
        for procedure, labels in shown.items()
        for label, count in labels.items()
        if label not in CANDIDATE_ACTIONS[procedure]
    )
    assert outside == 326


def test_annotations_alone_are_a_root_too(root: Path, annotations: list[VideoAnnotation]) -> None:
    alone = CONVERTER.discover(root / "annotations")
    assert [CONVERTER.convert(r).segments for r in alone[:50]] == [
        a.segments for a in annotations[:50]
    ]
