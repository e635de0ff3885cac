"""The made-up AVOS has the counts and the faults of the real one, and its boxes are true."""

import csv
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from medvid.media import read_frames
from medvid.synthetic import write_tree
from medvid.synthetic.open_field import OpenField, events_of
from schemas.errors import ConfigError
from schemas.timeline import TimeBase
from schemas.video import MediaKind, MediaRef

SEGMENTS, WINDOWS = "v0.5.0-anns-smoothed.csv", "v0.5.0-anns-5sec.csv"
BASE = TimeBase(rate_num=90_000, frame_rate_num=15)
Table = list[dict[str, str]]


def load(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as handle:
        return [*csv.DictReader(handle)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("avos")
    write_tree("avos", root, max_seconds=40)
    return root


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("avos_official")
    write_tree("avos", root, scale=1, media=False)
    return root


def test_the_official_size_is_the_published_one(official: Path) -> None:
    segments, windows = load(official / SEGMENTS), load(official / WINDOWS)
    assert Counter(row["label"] for row in segments) == {
        "background": 3272, "cutting": 1706, "suturing": 1119, "tying": 1077, "abstain": 178,
    }  # fmt: skip
    assert len(windows) == 33_626
    assert len({(r["video_id"], r["start_seconds"], r["end_seconds"]) for r in windows}) == 33_562
    assert len({row["video_id"] for row in segments}) == 330
    assert len({row["video_id"] for row in windows}) == 326
    assert len(load(official / "videos.csv")) == 334
    lists = [{r["video_id"] for r in load(official / f"splits/{p}.csv")} for p in ("train", "test")]
    assert [len(ids) for ids in lists] == [288, 55]
    assert not lists[0] & lists[1]


def test_rows_follow_each_other_and_windows_are_their_votes(official: Path) -> None:
    by_video: dict[str, Table] = {}
    for row in load(official / SEGMENTS):
        by_video.setdefault(row["video_id"], []).append(row)
    for rows in by_video.values():
        for a, b in pairwise(rows):
            overlap = float(a["end_seconds"]) - float(b["start_seconds"])
            assert overlap == 0 or (overlap > 0 and a["label"] == b["label"])
    assert sum(float(rows[0]["start_seconds"]) < 0 for rows in by_video.values()) == 6
    for window in load(official / WINDOWS):
        assert float(window["end_seconds"]) - float(window["start_seconds"]) == 5
        assert int(window["start_frame"]) == 15 * float(window["start_seconds"])


def test_the_smallest_tree_has_real_names_and_every_fault(tree: Path) -> None:
    assert {path.name for path in tree.iterdir()} == {
        SEGMENTS, WINDOWS, "videos.csv", "splits", "data", "train_data.csv", "videos",
        "frames_15fps",
    }  # fmt: skip
    labelled = {row["video_id"] for row in load(tree / SEGMENTS)}
    assert any(name.startswith("-") for name in labelled)
    assert any("_" in name for name in labelled)
    named = {row["video_id"] for row in load(tree / "splits/test.csv")}
    (cut,) = [name for name in named if len(name) == 8]
    assert any(name.startswith(f"{cut}-") for name in labelled)
    assert named - labelled - {cut}
    assert any(float(row["start_seconds"]) < 0 for row in load(tree / SEGMENTS))
    assert {"abstain", "cutting", "tying", "suturing"} <= {
        row["label"] for row in load(tree / SEGMENTS)
    }
    assert labelled - {row["video_id"] for row in load(tree / WINDOWS)}
    assert "0.0" in {row["duration_seconds"] for row in load(tree / "videos.csv")}
    assert len(list((tree / "videos").glob("*.mp4"))) == 3


def test_frames_are_numbered_from_zero_at_fifteen_a_second(tree: Path) -> None:
    (folder,) = (tree / "frames_15fps").iterdir()
    assert {path.name for path in folder.iterdir()} == {f"{n}.jpg" for n in range(600)}


def test_boxes_hold_what_differs_from_the_empty_field(tree: Path) -> None:
    (folder,) = (tree / "frames_15fps").iterdir()
    media = MediaRef(
        kind=MediaKind.FRAMES, path=f"frames_15fps/{folder.name}", pattern=r"([0-9]+)\.jpg"
    )
    with (tree / "train_data.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.reader(handle) if row[1]]
    assert rows
    for path, *corners, label in rows:
        frame = int(path.rsplit("-", 1)[1].removesuffix(".jpg"))
        ((_, picture),) = read_frames(tree, media, BASE, [frame])
        x1, y1, x2, y2 = (int(corner) for corner in corners)
        colour = {
            "bovie": (54, 112, 214),
            "forceps": (196, 204, 214),
            "needledriver": (226, 182, 62),
        }
        near = np.linalg.norm(picture.astype(float) - colour[label], axis=2) < 30
        inside = near[y1:y2, x1:x2].sum()
        assert inside > 40
        if label != "forceps":
            assert inside > 0.97 * near.sum()


def test_labels_without_faults_have_none(tmp_path: Path) -> None:
    write_tree("avos", tmp_path / "t", media=False, max_seconds=40, faults=False)
    segments = load(tmp_path / "t" / SEGMENTS)
    assert all(float(row["start_seconds"]) >= 0 for row in segments)
    listed = {
        r["video_id"] for p in ("train", "test") for r in load(tmp_path / f"t/splits/{p}.csv")
    }
    assert listed == {row["video_id"] for row in segments}
    assert listed == {row["video_id"] for row in load(tmp_path / "t" / WINDOWS)}


def test_two_runs_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_tree("avos", tmp_path / name, scale=0.1, media=False, seed=seed)
    files = [
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.csv")}
        for name in "abc"
    ]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_numbers_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    for settings in ({"scale": 1.5}, {"max_seconds": 39}):
        with pytest.raises(ConfigError):
            write_tree("avos", tmp_path / "t", media=False, **settings)


def test_an_idle_field_shows_nobody() -> None:
    field = OpenField(events_of([(-2, 3, "tying"), (3, 9, "background")]), seed=1)
    assert field.label_at(0.0) == "tying"
    assert [label for label, _ in field.boxes((640, 480), 1.0)] == ["hand", "hand"]
    assert field.boxes((640, 480), 4.0) == []
    assert field.label_at(9.0) is None
