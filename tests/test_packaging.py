"""The general names of our packages are safe: they are ours, whole, and under contract."""

import importlib
import tomllib
from importlib.metadata import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("annotation", "configs", "converters", "data_cards", "flows", "medvid", "schemas")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PACKAGES)
def test_a_top_level_package_comes_from_this_checkout(name: str) -> None:
    module = importlib.import_module(name)
    assert Path(str(module.__file__)).resolve().is_relative_to(ROOT.resolve())


@pytest.mark.parametrize("name", PACKAGES)
def test_no_other_distribution_owns_the_name(name: str) -> None:
    from importlib.metadata import packages_distributions

    owners = packages_distributions().get(name, ["medvidbench"])
    assert set(owners) == {"medvidbench"}


def test_every_package_is_under_the_import_contracts() -> None:
    linted = set(PROJECT["tool"]["importlinter"]["root_packages"])
    on_disk = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert linted == on_disk == set(PACKAGES)
    assert set(PROJECT["tool"]["mypy"]["packages"]) >= on_disk


def test_data_files_are_declared_for_the_wheel() -> None:
    suffixes = {
        Path(pattern).suffix or pattern
        for pattern in PROJECT["tool"]["setuptools"]["package-data"]["*"]
    }
    shipped = {
        path.suffix if path.suffix else path.name
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "py.typed"
    }
    assert shipped <= suffixes


def test_the_lock_holds_what_the_project_names() -> None:
    locked = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").lower()
    for requirement in PROJECT["project"]["dependencies"]:
        name = requirement.split("=")[0].split(">")[0].split("<")[0].strip().lower()
        assert f"\n{name}==" in f"\n{locked}", name
    assert "--hash=sha256:" in locked


def test_one_build_of_opencv_only() -> None:
    assert files("opencv-python-headless")
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        files("opencv-python")
