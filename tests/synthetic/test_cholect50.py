"""The made-up CholecT50 has the shape, the counts and the faults of the real one."""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from medvid.synthetic import write_tree
from medvid.synthetic.cholect50 import OFFICIAL_FRAMES, VIDEOS
from medvid.synthetic.cholecystectomy import INSTRUMENTS, TRIPLETS
from medvid.synthetic.instruments import COLOURS

Rgb = npt.NDArray[np.uint8]
KEYS = ["info", "licenses", "categories", "video", "fps", "num_frames", "annotations"]
FLOATS = {2, 3, 4, 5, 6, 9, 10, 11, 12, 13}


def labels(root: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((root / "labels" / f"{name}.json").read_text())
    return document


def picture(root: Path, name: str, second: int) -> Rgb:
    read = cv2.imread(str(root / "videos" / name / f"{second:06d}.png"))
    assert read is not None
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


def pictured(root: Path, name: str) -> list[int]:
    return sorted(int(path.stem) for path in (root / "videos" / name).iterdir())


def test_the_tree_has_real_names(cholect50_tree: Path) -> None:
    names = ["VID01", "VID08", "VID111", "VID25", "VID73", "VID92"]
    assert sorted(path.stem for path in (cholect50_tree / "labels").iterdir()) == names
    assert sorted(path.name for path in (cholect50_tree / "videos").iterdir()) == names
    lines = (cholect50_tree / "label_mapping.txt").read_text().split("\n")
    assert lines[0] == "# IVT, I, V, T, IV, IT"
    assert (len(lines), lines[-1]) == (102, "")
    rows = [[int(value) for value in line.split(",")] for line in lines[1:-1]]
    assert all((row[4], row[5]) == (row[1] * 10 + row[2], row[1] * 15 + row[3]) for row in rows)
    assert rows[1] == [1, 0, 2, 0, 2, 0]


def test_label_files_have_native_keys_and_types(cholect50_tree: Path) -> None:
    for name in ("VID01", "VID73"):
        document = labels(cholect50_tree, name)
        assert list(document) == KEYS
        assert document["video"] == int(name[3:])
        assert [len(table) for table in document["categories"].values()] == [6, 10, 15, 7, 100]
        frames = [int(frame) for frame in document["annotations"]]
        assert frames == sorted(frames)
        for rows in document["annotations"].values():
            assert rows
            assert len({row[14] for row in rows}) == 1
            for row in rows:
                assert len(row) == 15
                if row[0] == -1:
                    assert row[:14] == [-1] * 14
                    continue
                assert {i for i, value in enumerate(row) if isinstance(value, float)} == FLOATS
                assert (row[1], row[7], row[8]) == TRIPLETS[row[0]]
            triplets = [row[0] for row in rows]
            assert len(triplets) == len(set(triplets))


@pytest.mark.native
def test_the_real_file_has_the_same_shape(cholect50_tree: Path) -> None:
    native = os.environ.get("MEDVID_NATIVE")
    if native is None:
        pytest.skip("MEDVID_NATIVE names no folder")
    real, drawn = labels(Path(native) / "cholect50", "VID73"), labels(cholect50_tree, "VID73")
    assert list(real) == list(drawn)
    assert list(real["info"]) == list(drawn["info"])
    assert real["categories"] == drawn["categories"]
    kinds = [
        {tuple(type(v) for v in row) for rows in each["annotations"].values() for row in rows}
        for each in (real, drawn)
    ]
    assert kinds[0] == kinds[1]
    mapping = (Path(native) / "cholect50/label_mapping.txt").read_bytes()
    assert (cholect50_tree / "label_mapping.txt").read_bytes() == mapping


def test_only_the_sparse_clip_has_boxes_and_they_are_true(cholect50_tree: Path) -> None:
    for rows in labels(cholect50_tree, "VID01")["annotations"].values():
        assert all(set(row[3:7]) <= {-1.0, -1} for row in rows)
    sparse, checked = labels(cholect50_tree, "VID73")["annotations"], 0
    for frame, rows in sparse.items():
        image = picture(cholect50_tree, "VID73", int(frame))
        height, width = image.shape[:2]
        assert (width, height) == (586, 328)
        for row in rows:
            x, y, w, h = np.asarray(row[3:7]) * (width, height, width, height)
            box = np.rint((x, y, x + w, y + h)).astype(int)
            assert np.abs(box - (x, y, x + w, y + h)).max() < 1e-6, "boxes are whole pixels"
            own = np.asarray(COLOURS[INSTRUMENTS[row[1]]], float)
            spot = image[box[1] : box[3], box[0] : box[2]].astype(float)
            hits = (np.linalg.norm(spot - own, axis=2) < 40).mean()
            # Smoke, blur and a hook's few own pixels thin the share out.
            checked += hits > 0.04
    assert checked > 0.7 * sum(len(rows) for rows in sparse.values())


def test_the_sparse_clip_has_holes_and_a_box_past_the_edge(cholect50_tree: Path) -> None:
    document = labels(cholect50_tree, "VID73")
    frames = [int(frame) for frame in document["annotations"]]
    gaps = [b - a for a, b in pairwise(frames)]
    assert 1 in gaps
    assert max(gaps) > 3
    assert set(frames) < set(pictured(cholect50_tree, "VID73"))
    rows = [row for rows in document["annotations"].values() for row in rows]
    past = [row for row in rows if max(row[3] + row[5], row[4] + row[6]) > 1]
    assert past
    assert all(max(row[3] + row[5], row[4] + row[6]) < 1.03 for row in past)
    assert document["num_frames"] == len(frames)


def test_planted_damage_is_there_and_can_be_left_out(cholect50_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(json.JSONDecodeError):
        labels(cholect50_tree, "VID111")
    counted = labels(cholect50_tree, "VID01")
    assert counted["num_frames"] == len(counted["annotations"]) + 3
    frames = {int(frame) for frame in labels(cholect50_tree, "VID08")["annotations"]}
    images = set(pictured(cholect50_tree, "VID08"))
    assert (len(frames - images), len(images - frames)) == (1, 1)
    write_tree("cholect50", tmp_path, media=False, max_seconds=40, faults=False)
    for path in (tmp_path / "labels").iterdir():
        document = json.loads(path.read_text())
        assert document["num_frames"] == len(document["annotations"])


def test_phases_run_in_order_but_for_one_patient(cholect50_tree: Path) -> None:
    for name in ("VID01", "VID25", "VID92"):
        phases = [rows[0][14] for rows in labels(cholect50_tree, name)["annotations"].values()]
        changes = [(a, b) for a, b in pairwise(phases) if a != b]
        assert len(changes) >= 5
        assert any(a > b for a, b in changes) == (name == "VID25")


def test_out_of_body_frames_are_black_and_without_triplet(cholect50_tree: Path) -> None:
    annotations = labels(cholect50_tree, "VID92")["annotations"]
    black = [
        second
        for second in pictured(cholect50_tree, "VID92")
        if not picture(cholect50_tree, "VID92", second).any()
    ]
    assert black == list(range(black[0], black[0] + len(black)))
    assert all([row[0] for row in annotations[str(second)]] == [-1] for second in black)
    assert not any(
        not picture(cholect50_tree, "VID25", second).any()
        for second in pictured(cholect50_tree, "VID25")
    )


def test_full_size_has_the_published_counts(tmp_path: Path) -> None:
    write_tree("cholect50", tmp_path, scale=1, media=False)
    frames = rows = without = several = 0
    lengths = []
    for number in VIDEOS:
        document = labels(tmp_path, f"VID{number:02d}")
        lengths.append(document["num_frames"])
        for found in document["annotations"].values():
            frames += 1
            rows += len(found)
            without += found[0][0] == -1
            several += len(found) > 1
    assert (len(lengths), frames) == (50, OFFICIAL_FRAMES)
    assert (min(lengths), max(lengths), np.median(lengths)) == (740, 3946, 1970)
    assert abs(rows - 161_988) < 0.03 * 161_988
    assert 0.06 < without / frames < 0.13
    assert 0.45 < several / frames < 0.6
    assert not (tmp_path / "videos").exists()
