"""AVOS's real labels, where MEDVID_NATIVE names the folder that holds `avos/`."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from converters.datasets.avos import CONVERTER
from converters.open_surgery_tree import SEGMENT_TABLE
from converters.vote_tables import vote
from schemas.annotation import VideoAnnotation

pytestmark = pytest.mark.native
S = 90_000


@pytest.fixture(scope="module")
def root(native: Path) -> Path:
    if not (native / "avos" / SEGMENT_TABLE).is_file():
        pytest.skip("there are no real files of AVOS")
    return native / "avos"


@pytest.fixture(scope="module")
def annotations(root: Path) -> dict[str, VideoAnnotation]:
    return {r.video_id: CONVERTER.convert(r) for r in CONVERTER.discover(root)}


def test_every_row_is_a_segment_a_background_or_counted(
    annotations: dict[str, VideoAnnotation],
) -> None:
    read = Counter[str]()
    for annotation in annotations.values():
        read.update(annotation.records_in)
    assert read == {"video": 343, "segment": 4080, "background": 3272, "window": 33_626}
    found = [i for a in annotations.values() for i in a.issues]
    assert Counter((i.kind, i.reason) for i in found) == {
        ("segment", "abstained"): 178, ("video", "no_labels"): 13, ("window", "duplicate_row"): 64,
        ("segment", "windows_disagree"): 1, ("video", "no_duration"): 17,
        ("background", "negative_start"): 1, ("segment", "negative_start"): 6,
        ("window", "negative_start"): 8, ("segment", "rows_united"): 9,
        ("video", "truncated_id"): 1,
    }  # fmt: skip
    labels = Counter(s.label for a in annotations.values() for s in a.segments)
    assert labels == {"cutting": 1698, "suturing": 1118, "tying": 1076}
    joined = sum(i.detail.count(";") for i in found if i.reason == "rows_united")
    assert labels.total() + joined + 178 == 4080


def test_hours_by_label_are_the_published_ones(annotations: dict[str, VideoAnnotation]) -> None:
    hours = Counter[str]()
    for annotation in annotations.values():
        for segment in annotation.segments:
            hours[segment.label] += segment.end - segment.start
        for interval in annotation.excluded:
            hours[interval.reason] += interval.end - interval.start
    assert {label: round(ticks / S / 3600, 1) for label, ticks in hours.items()} == {
        "cutting": 17.8, "suturing": 5.3, "tying": 3.9, "abstained": 1.1,
    }  # fmt: skip


def test_clips_of_the_benchmark_start_and_end_on_our_segments(
    annotations: dict[str, VideoAnnotation],
) -> None:
    base = annotations["kcOqlifSukA"].video.time_base
    segments = annotations["kcOqlifSukA"].segments
    assert base.tick_of_index(22_425) in {s.start for s in segments}
    assert {base.tick_of_index(22_575), base.tick_of_index(22_875)} <= {
        tick for s in segments for tick in (s.start, s.end)
    }
    assert base.tick_of_index(13_710) in {
        tick for s in annotations["VsKw5d-4rq8"].segments for tick in (s.start, s.end)
    }


def test_all_labels_of_the_table_are_what_the_votes_come_to(root: Path) -> None:
    with (root / SEGMENT_TABLE).open(encoding="utf-8", newline="") as handle:
        rows = [*csv.DictReader(handle)]
    assert len(rows) == 7352
    assert all(
        vote(row["labeler_1"], row["labeler_2"], row["labeler_3"]) == row["label"] for row in rows
    )


def test_lists_are_whole_once_the_cut_id_is_mended(
    annotations: dict[str, VideoAnnotation],
) -> None:
    splits = Counter(a.video.native_split.get("avos") for a in annotations.values())
    assert splits == {"train": 288, "test": 55}
    assert annotations["1AwmGrnk-Qs"].video.native_split == {"avos": "test"}


def test_segments_rebuilt_from_windows_agree_with_the_table(
    root: Path, annotations: dict[str, VideoAnnotation], tmp_path: Path
) -> None:
    (tmp_path / "v0.5.0-anns-5sec.csv").symlink_to(root / "v0.5.0-anns-5sec.csv")
    same = claimed = 0
    for recording in CONVERTER.discover(tmp_path):
        labels = {
            second: s.label
            for s in annotations[recording.video_id].segments
            for second in range(s.start // S, s.end // S)
        }
        for segment in CONVERTER.convert(recording).segments:
            assert "rebuilt_from_windows" in segment.flags
            for second in range(segment.start // S, segment.end // S):
                claimed += 1
                same += labels.get(second) == segment.label
    assert claimed > 93_000
    assert same / claimed > 0.9995
