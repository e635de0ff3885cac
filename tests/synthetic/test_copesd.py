"""The made-up CoPESD has the shape, the counts and the faults of the real one."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from medvid.synthetic import write_tree
from medvid.synthetic.instruments import COLOURS
from schemas.errors import ConfigError

Row = dict[str, Any]
BOX = re.compile(r"(Forceps|Knife)\[([-0-9., ]+)\]")
DRAWN_AS = {"Forceps": "grasper", "Knife": "hook"}
IMAGE = re.compile(r"D:/.*/high_light_images/([0-9]{6})/([0-9]{4})\.jpg")
SECONDS = 40


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copesd")
    write_tree("copesd", root, max_seconds=SECONDS)
    return root


def rows_of(root: Path, split: str) -> list[Row]:
    rows: list[Row] = json.loads((root / f"annotations/smllm/smllm_{split}.json").read_text())
    return rows


def placed(rows: list[Row]) -> list[tuple[str, int, str]]:
    """Session, frame and sentence of each whole row."""
    found = []
    for row in rows:
        match = IMAGE.fullmatch(row["image"] or "")
        if match and len(row["conversations"]) == 2:
            found.append((match[1], int(match[2]), row["conversations"][1]["value"]))
    return found


def boxes_in(sentence: str) -> dict[str, list[float]]:
    return {name: [float(v) for v in text.split(",")] for name, text in BOX.findall(sentence)}


def test_the_tree_has_real_names(tree: Path) -> None:
    files = [path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()]
    images = [name for name in files if name.startswith("high_light_images/")]
    assert all(re.fullmatch(r"high_light_images/[0-9]{6}/[0-9]{4}\.jpg", n) for n in images)
    assert {n.split("/")[1] for n in images} == {"003054", "012710", "023521", "232521", "233029"}
    assert sorted(set(files) - set(images)) == [
        "annotations/smllm/smllm_test.json", "annotations/smllm/smllm_train.json",
    ]  # fmt: skip


def test_rows_have_the_published_shape(tree: Path) -> None:
    for session, _, _ in placed(rows_of(tree, "test")):
        assert session in {"023521", "232521", "233029"}
    for row in rows_of(tree, "test"):
        assert list(row) == ["conversations", "image"]
        assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"]


def test_boxes_sit_on_the_drawn_instruments(tree: Path) -> None:
    shares = []
    for session, frame, sentence in placed(rows_of(tree, "test")):
        if session == "232521":
            continue
        image = cv2.imread(str(tree / f"high_light_images/{session}/{frame:04d}.jpg"))
        assert image is not None
        assert image.shape == (505, 653, 3)
        for name, values in boxes_in(sentence).items():
            x1, y1, c, d = (value * 653 for value in values)
            x2, y2 = (x1 + c, y1 + d) if session == "233029" else (c, d)
            assert x1 < x2 <= 653 + 7
            assert y1 < y2 <= 505 + 7
            spot = image[round(y1) : round(y2), round(x1) : round(x2), ::-1].astype(float)
            own = np.asarray(COLOURS[DRAWN_AS[name]], float)
            shares.append(float((np.linalg.norm(spot - own, axis=2) < 60).mean()))
    assert len(shares) > 100
    assert min(shares) > 0.02
    assert np.mean(shares) > 0.08


def test_one_session_is_in_both_files_and_frozen_in_test(tree: Path) -> None:
    test = [sentence for name, _, sentence in placed(rows_of(tree, "test")) if name == "232521"]
    train = [sentence for name, _, sentence in placed(rows_of(tree, "train")) if name == "232521"]
    assert len(test) == len(train) == SECONDS // 2
    assert len({tuple(boxes_in(s)["Knife"]) for s in test}) == 1
    assert len({tuple(boxes_in(s)["Knife"]) for s in train if boxes_in(s)}) > 5
    assert len({BOX.sub("", s) for s in test}) > 5


def test_sessions_write_boxes_in_two_ways(tree: Path) -> None:
    illegal = Counter(
        session
        for session, _, sentence in placed(rows_of(tree, "test"))
        for x1, y1, x2, y2 in boxes_in(sentence).values()
        if x2 <= x1 or y2 <= y1
    )
    assert set(illegal) == {"233029"}
    assert illegal["233029"] > 30


def test_official_counts_at_full_scale(tmp_path: Path) -> None:
    write_tree("copesd", tmp_path, scale=1.0, media=False)
    counts = {}
    for split in ("test", "train"):
        found = placed(rows_of(tmp_path, split))
        assert len({place[:2] for place in found}) == len(found)
        counts[split] = (len(found), sum(len(boxes_in(sentence)) for _, _, sentence in found))
    assert counts == {"test": (1787, 3456), "train": (15_892, 29_243)}
    test = placed(rows_of(tmp_path, "test"))
    boxes = Counter(len(boxes_in(sentence)) for _, _, sentence in test)
    assert boxes == {2: 1677, 1: 102, 0: 8}
    assert Counter(session for session, _, _ in test) == {
        "023521": 1049,
        "232521": 220,
        "233029": 518,
    }
    assert not (tmp_path / "high_light_images").exists()


def test_without_faults_all_boxes_are_written_alike(tmp_path: Path) -> None:
    write_tree("copesd", tmp_path, max_seconds=SECONDS, media=False, faults=False)
    for split in ("test", "train"):
        rows = rows_of(tmp_path, split)
        found = placed(rows)
        assert len(found) == len(rows)
        boxes = [box for _, _, sentence in found for box in boxes_in(sentence).values()]
        assert all(x1 < x2 and y1 < y2 for x1, y1, x2, y2 in boxes)


def test_the_same_seed_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    write_tree("copesd", tmp_path / "again", max_seconds=SECONDS)
    first = {p.relative_to(tree): p.read_bytes() for p in tree.rglob("*") if p.is_file()}
    again = tmp_path / "again"
    assert first == {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()}
    write_tree("copesd", tmp_path / "other", max_seconds=SECONDS, seed=1, media=False)
    assert rows_of(tmp_path / "other", "test") != rows_of(tree, "test")


def test_too_short_a_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too few"):
        write_tree("copesd", tmp_path, max_seconds=10, media=False)
