"""Fixtures of the release tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.pipeline import build_release
from medvid.releases.config import make_config
from medvid.releases.units import LocalExecutor
from medvid.releases.workspace import Workspace
from medvid.synthetic import write_tree
from tests.flows.progress import Silent


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An open workspace in a folder of its own."""
    with Workspace(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with samples in train and test, media, and a subset `standard`."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "native").mkdir()
    write_tree("cholect50", folder / "native", scale=0.0, max_seconds=40)
    config = make_config({
        "output": folder / "release", "workspace": folder / "workspace",
        "sources": [{"name": "cholect50", "root": folder / "native"}],
        "clips": {"min_frames": 20, "max_clips_per_video": 2},
        "splits": {
            "standard_size": 6, "subsets": {"rl": {"size": 4}, "captions": {
                "within": "large", "tasks": ["dense_captioning"]}},
        },
        "media": {"long_side": 64},
        "shards": {"annotation_buckets": 1, "standard_buckets": 1, "media_buckets": 1},
    })  # fmt: skip
    build_release(config, LocalExecutor(2), Silent())
    return folder / "release"


@pytest.fixture
def release(sound: Path, tmp_path: Path) -> Path:
    """A copy of the release to damage."""
    copy = tmp_path / "release"
    shutil.copytree(sound, copy)
    for path in copy.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return copy
