"""`medvid diff` between real builds of one tree: every pair accounted for, by reason."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import Result

from annotation.log import CorrectionLog
from medvid.shards import ReleaseReader
from schemas.correction import Correction
from schemas.errors import ReleaseError

Medvid = Callable[..., Result]
Build = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diff")


@pytest.fixture(scope="module")
def build(medvid: Medvid, tree: Path, folder: Path) -> Build:
    """Builds labels of the tree under a name, all in one workspace."""

    def run(name: str, *flags: object, native: Path = tree) -> Path:
        result = medvid(
            "build", "--source", f"cholect50={native}", "--output", folder / name, "--workspace",
            folder / "workspace", "--media", "none", "--no-server", "--json", *flags,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        return folder / name

    return run


@pytest.fixture(scope="module")
def first(build: Build) -> Path:
    return build("first", "--standard-size", 40)


def members(release: Path) -> dict[str, tuple[str, bool, bytes]]:
    """Split, membership and bytes of every pair, by id."""
    rows = pl.read_parquet(release / "index" / "samples.parquet")
    where = {
        sample_id: (split, standard)
        for sample_id, split, standard in rows.select(
            "sample_id", "split", "in_standard"
        ).iter_rows()
    }
    with ReleaseReader(release) as reader:
        return {s.sample_id: (*where[s.sample_id], s.to_json()) for s in reader.samples()}


def changes(medvid: Medvid, a: Path, b: Path) -> list[dict[str, Any]]:
    """Every change, which must be those found by reading both releases whole."""
    found = [json.loads(line) for line in medvid("diff", a, b, "--all").stdout.splitlines()]
    old, new = members(a), members(b)
    assert {c["sample_id"] for c in found if c["kind"] == "added"} == new.keys() - old.keys()
    assert {c["sample_id"] for c in found if c["kind"] == "removed"} == old.keys() - new.keys()
    both = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    assert {c["sample_id"] for c in found if c["kind"] == "changed"} == both
    assert "unexplained" not in {c["reason"] for c in found}
    summary = json.loads(medvid("diff", a, b, "--json").stdout)
    assert summary["changed"] == len(both)
    assert sum(group["samples"] for group in summary["changes"]) == len(found)
    return found


def correct_one_label(native: Path) -> None:
    """Move the first border between two phases of VID01 by a frame."""
    path = native / "labels" / "VID01.json"
    document = json.loads(path.read_text())
    frames = sorted(document["annotations"], key=int)
    phases = [document["annotations"][frame][0][14] for frame in frames]
    border = next(i for i in range(1, len(phases)) if phases[i] != phases[i - 1])
    for row in document["annotations"][frames[border]]:
        row[14] = phases[border - 1]
    path.write_text(json.dumps(document))


def test_a_smaller_standard_rewrites_nothing_of_large(
    medvid: Medvid, build: Build, first: Path
) -> None:
    found = changes(medvid, first, build("smaller", "--standard-size", 25))
    assert {(c["reason"], *c["what"]) for c in found} == {("selection_changed", "left_standard")}
    assert len(found) == 15
    assert {c["detail"] for c in found} == {"splits.standard_size"}
    folders = json.loads(medvid("diff", first, first.parent / "smaller", "--json").stdout)
    assert not next(f for f in folders["folders"] if f["folder"] == "large")["rewritten"]


def test_a_corrected_label_is_told_from_its_ripples(
    medvid: Medvid, build: Build, first: Path, tree: Path, tmp_path: Path
) -> None:
    native = tmp_path / "cholect50"
    shutil.copytree(tree, native)
    correct_one_label(native)
    second = build("corrected", "--standard-size", 40, native=native)
    found = changes(medvid, first, second)
    for change in found:
        if change["video_id"] == "VID01":
            assert change["reason"] == "label_corrected"
        else:
            assert change["reason"] == "selection_changed"
    what = {word for change in found for word in change["what"]}
    assert {"clip_moved", "answer", "revision"} <= what
    moved = {c["sample_id"]: c["counterpart"] for c in found if c["what"] == ["clip_moved"]}
    assert all(moved[other] == sample_id for sample_id, other in moved.items())
    summary = json.loads(medvid("diff", first, second, "--json").stdout)
    assert summary["builds"]["labels_changed"] == ["cholect50/VID01"]
    folders = {folder["folder"]: folder for folder in summary["folders"]}
    assert len(folders["large"]["rewritten"]) == 1
    text = medvid("diff", first, second).output
    assert "label_corrected" in text
    assert folders["large"]["rewritten"][0] in text


def test_a_removed_video_and_its_return(
    medvid: Medvid, build: Build, first: Path, tree: Path, tmp_path: Path
) -> None:
    native = tmp_path / "cholect50"
    shutil.copytree(tree, native)
    for path in [*native.rglob("VID73*")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    second = build("removed", "--standard-size", 40, native=native)
    found = changes(medvid, first, second)
    gone = {c["sample_id"] for c in found if c["kind"] == "removed"}
    assert gone
    assert {c["reason"] for c in found if c["sample_id"] in gone} == {"video_removed"}
    back = changes(medvid, second, first)
    assert {c["reason"] for c in back if c["kind"] == "added"} == {"video_added"}
    assert {c["sample_id"] for c in back if c["kind"] == "added"} == gone


def test_another_seed(medvid: Medvid, build: Build, first: Path) -> None:
    found = changes(medvid, first, build("seed", "--standard-size", 40, "--seed", 4))
    assert {c["reason"] for c in found} <= {"settings_changed", "split_changed"}
    assert "wording" in {word for change in found for word in change["what"]}


def test_exit_codes(medvid: Medvid, build: Build, first: Path) -> None:
    smaller = build("smaller", "--standard-size", 25)
    same = medvid("diff", first, first, "--exit-code")
    assert same.exit_code == 0
    assert "the same" in same.output
    assert medvid("diff", first, smaller).exit_code == 0
    for flags in ([], ["--json"], ["--all"]):
        assert medvid("diff", first, smaller, "--exit-code", *flags).exit_code == 1
    assert medvid("diff", first, first, "--exit-code", "--all").stdout == ""


def test_an_annotators_fix_is_told_by_diff_and_why(
    medvid: Medvid, build: Build, first: Path, folder: Path, tmp_path: Path
) -> None:
    key = json.loads((first / "build.json").read_text())["inputs"]["cholect50/VID01"]["labels"]
    stored = folder / "workspace" / "store" / "convert" / key / "annotation.json"
    annotation = json.loads(stored.read_text())
    segment, other = annotation["segments"][0], annotation["segments"][1]
    rows = pl.read_parquet(first / "index" / "samples.parquet")
    rejected = rows.filter((pl.col("video_id") == "VID01") & (pl.col("task") == "video_summary"))
    unwanted = rejected["sample_id"][0]
    common = {
        "who": "ada", "when": "2026-01-01T10:00:00Z", "tool": "test", "task_id": "t",
        "annotation_id": "a", "source": "cholect50", "video_id": "VID01",
        "base_revision": annotation["revision"],
    }  # fmt: skip
    fixes = [
        Correction(
            **common, kind="segment", before=segment, after=segment | {"label": other["label"]}
        ),
        Correction(
            **common, kind="sample", before=None,
            after={"sample_id": unwanted, "verdict": "reject"},
        ),
    ]  # fmt: skip
    CorrectionLog(tmp_path / "log").append(fixes)
    second = build("annotated", "--standard-size", 40, "--corrections", tmp_path / "log")
    found = {change["sample_id"]: change for change in changes(medvid, first, second)}
    assert found[unwanted]["kind"] == "removed"
    assert {c["reason"] for c in found.values() if c["video_id"] == "VID01"} == {"label_corrected"}
    told = json.loads(medvid("why", second, "cholect50/VID01/segment:0", "--json").stdout)
    assert other["label"] in told["record"]["text"]
    spoken = told["native"]["corrections"]
    assert len(spoken) == 2
    assert all(" applied (" in line for line in spoken)
    assert any(other["label"] in line for line in spoken)
    with pytest.raises(ReleaseError, match="an annotator rejected"):
        medvid("why", second, unwanted)


def test_media_tars_are_kept_by_a_corrected_label(
    medvid: Medvid, tree: Path, release: Path, tmp_path: Path
) -> None:
    native, output = tmp_path / "cholect50", tmp_path / "release"
    shutil.copytree(tree, native)
    correct_one_label(native)
    shutil.copytree(release, output)
    medvid(
        "build", "--source", f"cholect50={native}", "--extra-task", "cholect50:stg",
        "--extra-task", "cholect50:region_caption", "--output", output, "--workspace",
        release.parent / "release.workspace", "--no-server", "--standard-size", 30,
    )  # fmt: skip
    found = json.loads(medvid("diff", release, output, "--json").stdout)
    media = next(folder for folder in found["folders"] if folder["folder"] == "media")
    assert media["kept"] > 0
    assert not media["rewritten"]
    assert not media["removed"]
    assert {change["reason"] for change in found["changes"]} <= {
        "label_corrected", "selection_changed",
    }  # fmt: skip
