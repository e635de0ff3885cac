"""The licence of what a root holds, where it is not the source's own."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from flows.pipeline import build_release
from medvid.releases.config import BuildConfig
from medvid.releases.units import LocalExecutor
from medvid.releases.verify import verify_release
from schemas.errors import ConfigError
from tests.flows.progress import Silent


def _config(
    make: Callable[..., BuildConfig], native: Path, folder: Path, licence: str | None
) -> BuildConfig:
    source = {"name": "nurvid", "root": native / "nurvid", "licence": licence}
    return make(folder, native, sources=[source], media={"mode": "none"}, selfcontained=False)


def test_drawn_data_carry_their_own_licence_and_a_change_of_it_rebuilds(
    small_build: Callable[..., BuildConfig], native: Path, tmp_path: Path
) -> None:
    for licence, expected in ((None, "nurvid-terms"), ("cc0-1.0", "cc0-1.0")):
        config = _config(small_build, native, tmp_path, licence)
        assert build_release(config, LocalExecutor(1), Silent()).published.changed
        assert [c.failures for c in verify_release(config.output) if c.failed] == []
        samples = pl.read_parquet(config.output / "index" / "samples.parquet")
        assert samples["licence"].unique().to_list() == [expected]
    card = (config.output / "README.md").read_text(encoding="utf-8")
    assert "cc0-1.0" in card


def test_an_unregistered_licence_is_refused_by_name(
    small_build: Callable[..., BuildConfig], native: Path, tmp_path: Path
) -> None:
    config = _config(small_build, native, tmp_path, "my-own")
    with pytest.raises(ConfigError, match="'my-own' is not registered"):
        build_release(config, LocalExecutor(1), Silent())
