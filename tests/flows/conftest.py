"""Native trees drawn once for all flow tests, and a small build over them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from medvid.releases.config import BuildConfig, make_config
from medvid.synthetic import write_tree

SECONDS = 70
"""Length of the drawn videos: enough for clips at 1 to 3 frames per second."""


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a miniature native tree of each of three sources, faults planted."""
    root = tmp_path_factory.mktemp("native")
    for name in ("cholect50", "cholectrack20", "nurvid"):
        (root / name).mkdir()
        write_tree(name, root / name, scale=0.0, max_seconds=SECONDS)
    return root


@pytest.fixture(scope="session")
def small_build(native: Path) -> Callable[..., BuildConfig]:
    """Makes a build of all three sources into a folder."""

    def make(folder: Path, native: Path = native, **changes: object) -> BuildConfig:
        return make_config(_settings(native, folder) | changes)

    return make


def _settings(native: Path, folder: Path) -> dict[str, object]:
    return {
        "name": "small",
        "output": folder / "release",
        "workspace": folder / "workspace",
        "sources": [
            {
                "name": "cholect50", "root": native / "cholect50",
                "extra_tasks": ["stg", "region_caption"],
            },
            {"name": "cholectrack20", "root": native / "cholectrack20"},
            {"name": "nurvid", "root": native / "nurvid"},
        ],
        "clips": {"max_clips_per_video": 4},
        "splits": {"standard_size": 40},
        "shards": {"annotation_buckets": 2, "standard_buckets": 1, "media_buckets": 2},
        "selfcontained": True,
        "workers": 2,
    }  # fmt: skip
