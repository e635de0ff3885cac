"""The build end to end, on drawn native trees: sound, reproducible, resumable, incremental."""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest
import webdataset as wds

from flows.pipeline import BuildResult, build_release
from medvid.releases.config import BuildConfig
from medvid.releases.publish import manifest_hash, read_manifest
from medvid.releases.units import LocalExecutor
from medvid.releases.verify import verify_release
from medvid.shards import ReleaseReader
from schemas.errors import ReleaseError
from schemas.sample import Sample, frame_key
from tests.flows.progress import Counting

Make = Callable[..., BuildConfig]


def run(config: BuildConfig) -> tuple[BuildResult, dict[str, int]]:
    progress = Counting()
    return build_release(config, LocalExecutor(config.workers), progress), progress.ran


@pytest.fixture(scope="module")
def built(small_build: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    run(small_build(folder))
    return folder


def samples_of(release: Path) -> list[Sample]:
    with ReleaseReader(release) as reader:
        return list(reader.samples())


def test_release_is_sound(built: Path) -> None:
    checks = verify_release(built / "release")
    assert [failure for check in checks for failure in check.failures] == []
    assert all(check.checked for check in checks)


def test_each_frame_is_stored_once_and_the_report_says_what_that_saves(built: Path) -> None:
    release = built / "release"
    members: dict[str, int] = {}
    for shard in sorted((release / "media").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                assert member.name not in members
                members[member.name] = member.size
    sizes = {name.removesuffix(".jpg"): size for name, size in members.items()}
    repeated = sum(
        sizes[frame_key(sample.source, sample.video_id, index)]
        for sample in samples_of(release)
        for index in sample.frame_index
    )
    page = (release / "report.html").read_text(encoding="utf-8")
    assert '<strong id="media-ratio">1.00</strong>' in page
    factor = repeated / sum(members.values())
    assert f'<strong id="pair-factor">{factor:.1f}</strong>' in page


def test_every_source_feeds_its_tasks(built: Path) -> None:
    found = {(sample.source, sample.task.value) for sample in samples_of(built / "release")}
    for source, task in [
        ("cholect50", "tal"), ("cholect50", "next_action"), ("cholect50", "dense_captioning"),
        ("cholect50", "video_summary"), ("cholect50", "stg"), ("cholect50", "region_caption"),
        ("cholectrack20", "stg"), ("cholectrack20", "region_caption"), ("nurvid", "tal"),
        ("nurvid", "dense_captioning"),
    ]:  # fmt: skip
        assert (source, task) in found


def test_shared_patient_stays_in_one_split(built: Path) -> None:
    videos = pl.read_parquet(built / "release" / "index" / "videos.parquet")
    shared = videos.filter(pl.col("identity") == "cholec80:25")
    assert set(shared["source"]) == {"cholect50", "cholectrack20"}
    assert shared["split"].unique().to_list() == ["test"]


def test_planted_faults_are_in_the_quarantine_and_nowhere_else(built: Path) -> None:
    rows = pl.read_parquet(built / "release" / "quarantine.parquet")
    assert not rows.is_empty()
    assert rows["action"].str.len_chars().min() > 0  # type: ignore[operator]
    assert {"cholect50", "cholectrack20", "nurvid"} == set(rows["source"])
    dead = set(rows.filter(pl.col("kind") == "video").select("source", "video_id").iter_rows())
    alive = {(sample.source, sample.video_id) for sample in samples_of(built / "release")}
    assert not dead & alive


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_plain_tarfile_and_webdataset_return_every_sample(built: Path) -> None:
    release = built / "release"
    expected = {sample.sample_id: sample for sample in samples_of(release)}
    shards = sorted(str(path) for path in (release / "large").glob("*.tar"))
    from_tar = {}
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar:
                handle = tar.extractfile(member)
                assert handle is not None
                from_tar[member.name.removesuffix(".json")] = orjson.loads(handle.read())
    from_wds = {
        item["__key__"]: orjson.loads(item["json"])
        for item in wds.WebDataset(shards, shardshuffle=False, empty_check=False)
    }
    assert from_tar == from_wds
    assert from_tar.keys() == expected.keys()
    assert all(row["target"] == expected[key].target for key, row in from_tar.items())


def test_one_worker_and_another_folder_give_the_same_manifest(
    built: Path, small_build: Make, tmp_path: Path
) -> None:
    run(small_build(tmp_path, workers=1))
    assert manifest_hash(tmp_path / "release") == manifest_hash(built / "release")


def test_second_run_does_nothing(built: Path, small_build: Make) -> None:
    before = manifest_hash(built / "release")
    result, ran = run(small_build(built))
    assert not result.published.changed
    assert {stage: count for stage, count in ran.items() if count} == {}
    assert manifest_hash(built / "release") == before


@pytest.mark.parametrize("stage", ["convert", "media", "annotation_shards"])
def test_killed_build_resumes_to_the_same_manifest(
    built: Path, small_build: Make, tmp_path: Path, stage: str
) -> None:
    config = small_build(tmp_path)
    (tmp_path / "build.json").write_bytes(config.model_dump_json().encode())
    script = (
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from flows.pipeline import build_release\n"
        "from medvid.releases.config import BuildConfig\n"
        "from medvid.releases.units import LocalExecutor\n"
        "class Killer:\n"
        "    def start(self, stage, total, done): pass\n"
        "    def finish(self, stage, seconds): pass\n"
        "    def advance(self, stage, outcome):\n"
        f"        if stage == {stage!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "config = BuildConfig.model_validate_json(Path(sys.argv[1]).read_bytes())\n"
        "build_release(config, LocalExecutor(2), Killer())\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "build.json")], check=False, timeout=300
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "release").exists()
    result, ran = run(config)
    assert ran[stage] > 0
    assert result.published.manifest_sha256 == manifest_hash(built / "release")


def test_one_changed_label_rewrites_no_media_byte(
    native: Path, small_build: Make, tmp_path: Path
) -> None:
    copy = tmp_path / "native"
    shutil.copytree(native, copy)
    run(small_build(tmp_path, copy))
    release = tmp_path / "release"
    before = read_manifest(release)
    labels = copy / "nurvid" / "annotations" / "NurViD_annotations.json"
    records = orjson.loads(labels.read_bytes())
    with_samples = {s.video_id for s in samples_of(release) if s.source == "nurvid"}
    video = sorted(with_samples)[0]
    segment = records[video]["annotations"][0]["segment"]
    segment[1] = round(segment[1] - 0.5, 2)
    labels.write_bytes(orjson.dumps(records, option=orjson.OPT_INDENT_2))
    started = time.monotonic()
    _, ran = run(small_build(tmp_path, copy))
    assert time.monotonic() - started < 60
    assert ran["convert"] == 1
    assert ran["media"] == 0
    assert ran["pairs"] == 1
    after = read_manifest(release)
    old_media = {name for name in before if name.endswith(".tar") and name.startswith("media/")}
    assert all(after[name] == before[name] for name in old_media)
    assert [c.failures for c in verify_release(release) if c.failed] == []


def test_output_that_is_no_release_is_left_alone(
    native: Path, small_build: Make, tmp_path: Path
) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "notes.txt").write_text("mine")
    with pytest.raises(ReleaseError, match="not a release"):
        run(small_build(tmp_path))
    assert os.listdir(tmp_path / "release") == ["notes.txt"]  # noqa: PTH208


def test_labels_only_needs_no_picture(native: Path, small_build: Make, tmp_path: Path) -> None:
    config = small_build(
        tmp_path, media={"mode": "none"}, selfcontained=False,
        sources=[{"name": "nurvid", "root": native / "nurvid"}],
    )  # fmt: skip
    run(config)
    release = tmp_path / "release"
    assert not (release / "media").exists()
    assert [c.failures for c in verify_release(release) if c.failed] == []
    assert samples_of(release)[0].frame_tick[0] >= 0


def test_no_absolute_path_in_the_release(built: Path) -> None:
    needle = str(built.parent).encode()
    for path in (built / "release").rglob("*"):
        if path.is_file() and path.name != "run.json":
            assert needle not in path.read_bytes(), path.name
