"""Made-up trees that several tests read."""

from pathlib import Path

import pytest

from medvid.synthetic import write_tree

MAX_SECONDS = 40


@pytest.fixture(scope="session")
def cholect50_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cholect50")
    write_tree("cholect50", root, max_seconds=MAX_SECONDS)
    return root


@pytest.fixture(scope="session")
def cholectrack20_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cholectrack20")
    write_tree("cholectrack20", root, max_seconds=MAX_SECONDS)
    return root
