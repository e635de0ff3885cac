"""Fixtures of the release tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from medvid.releases.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An open workspace in a folder of its own."""
    with Workspace(tmp_path / "workspace") as opened:
        yield opened
