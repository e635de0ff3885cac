"""A release over another: what is kept, what leaves, and when nothing changes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest

from flows.pipeline import build_release
from medvid.releases.config import BuildConfig
from medvid.releases.publish import manifest_hash, read_manifest
from medvid.releases.units import LocalExecutor
from medvid.releases.verify import verify_release
from schemas.errors import ConfigError, ReleaseError
from tests.flows.progress import Silent

Make = Callable[..., BuildConfig]


def build(config: BuildConfig) -> bool:
    changed = build_release(config, LocalExecutor(2), Silent()).published.changed
    assert [c.failures for c in verify_release(config.output) if c.failed] == []
    return changed


@pytest.fixture
def tree(native: Path, tmp_path: Path) -> Path:
    """A copy of CholecT50's miniature, to be changed."""
    shutil.copytree(native / "cholect50", tmp_path / "native" / "cholect50")
    return tmp_path / "native"


def cholect50(small_build: Make, folder: Path, tree: Path, **changes: object) -> BuildConfig:
    settings = {
        "sources": [{"name": "cholect50", "root": tree / "cholect50"}],
        "shards": {"annotation_buckets": 1, "standard_buckets": 1, "media_buckets": 1},
    }
    return small_build(folder, tree, **(settings | changes))


def frames(release: Path) -> set[str]:
    return set(pl.read_parquet(release / "index" / "frames.parquet")["video_id"])


def test_frames_of_a_withdrawn_video_leave(small_build: Make, tmp_path: Path, tree: Path) -> None:
    config = cholect50(small_build, tmp_path, tree)
    build(config)
    assert "VID01" in frames(config.output)
    shutil.rmtree(tree / "cholect50" / "videos" / "VID01")
    assert build(config)
    assert "VID01" not in frames(config.output)


def test_a_lost_workspace_changes_no_byte(small_build: Make, tmp_path: Path, tree: Path) -> None:
    config = cholect50(small_build, tmp_path, tree)
    build(config)
    before = manifest_hash(config.output)
    shutil.rmtree(config.workspace)
    assert not build(config)
    assert manifest_hash(config.output) == before


def test_new_frames_are_supplemented_and_then_nothing_changes(
    small_build: Make, tmp_path: Path, tree: Path
) -> None:
    few = cholect50(small_build, tmp_path, tree, clips={"max_clips_per_video": 1})
    many = cholect50(small_build, tmp_path, tree, clips={"max_clips_per_video": 6})
    build(few)
    before = read_manifest(few.output)
    assert build(many)
    after = read_manifest(many.output)
    assert after["media/cholect50-000.tar"] == before["media/cholect50-000.tar"]
    assert "media/cholect50-000-s1.tar" in after
    record = orjson.loads((many.output / "build.json").read_bytes())
    assert record["parent"] is not None
    assert not build(many)
    shutil.rmtree(many.workspace)
    assert not build(many)


def test_a_release_of_test_videos_alone_has_no_standard(
    small_build: Make, tmp_path: Path, tree: Path
) -> None:
    source = {"name": "cholect50", "root": tree / "cholect50", "videos": ["VID25"]}
    config = cholect50(small_build, tmp_path, tree, sources=[source])
    build(config)
    assert not list(config.output.glob("standard/*.tar"))


def test_a_build_without_a_sample_says_why(small_build: Make, tmp_path: Path, native: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(native / "nurvid" / "annotations", bare / "annotations")
    config = small_build(tmp_path, sources=[{"name": "nurvid", "root": bare}])
    with pytest.raises(ConfigError, match="missing_media") as caught:
        build_release(config, LocalExecutor(2), Silent())
    assert "--media none" in str(caught.value)


def test_two_builds_of_one_output_do_not_meet(
    small_build: Make, tmp_path: Path, tree: Path
) -> None:
    from medvid.releases.locks import hold_lock, output_lock

    config = cholect50(small_build, tmp_path, tree)
    held = hold_lock(output_lock(config.output), "writing this release", wait=False)
    with held, pytest.raises(ReleaseError, match="another build"):
        build_release(config, LocalExecutor(1), Silent())


def test_what_was_damaged_in_the_workspace_is_never_published(
    small_build: Make, tmp_path: Path, tree: Path
) -> None:
    config = cholect50(small_build, tmp_path, tree)
    build(config)
    before = manifest_hash(config.output)
    stored = config.workspace.rglob("annotation_shards/**/shard.tar")
    shard = max(stored, key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.unlink()
    shard.write_bytes(content)
    smaller = cholect50(small_build, tmp_path, tree, splits={"standard_size": 5})
    with pytest.raises(ReleaseError, match=r"does not hold what it says.*has other bytes"):
        build(smaller)
    assert manifest_hash(config.output) == before
    assert [c.failures for c in verify_release(config.output) if c.failed] == []
    assert not (tmp_path / ".release.staging").exists()
    shutil.rmtree(config.workspace)
    assert build(smaller)
