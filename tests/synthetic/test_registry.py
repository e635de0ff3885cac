"""Every writer keeps the promises of `SyntheticSource`."""

from pathlib import Path

import pytest

from medvid.synthetic import load_writers, write_tree
from schemas.errors import ConfigError

NAMES = tuple(load_writers())


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_writers_are_named_as_their_modules() -> None:
    assert {"cholect50", "cholectrack20"} <= set(NAMES)
    assert all(writer.name == name for name, writer in load_writers().items())


@pytest.mark.parametrize("name", NAMES)
def test_same_arguments_give_the_same_labels(name: str, tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_tree(name, tmp_path / folder, media=False, max_seconds=60, seed=seed)
    first, again, other = (contents(tmp_path / folder) for folder in "abc")
    assert first == again
    assert first != other


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_same_arguments_give_the_same_media(name: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_tree(name, tmp_path / folder, max_seconds=60)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_in_use_is_refused_and_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(ConfigError, match="empty"):
        write_tree(name, tmp_path, media=False, max_seconds=60)
    assert [path.name for path in tmp_path.iterdir()] == ["keep.txt"]


def test_unknown_sources_and_scales_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cholect50"):
        write_tree("cholect51", tmp_path / "a")
    for name in ("cholect50", "cholectrack20"):
        with pytest.raises(ConfigError, match="scale"):
            write_tree(name, tmp_path / name, scale=1.5, media=False)
        with pytest.raises(ConfigError, match="too few"):
            write_tree(name, tmp_path / name, max_seconds=5, media=False)
        assert not (tmp_path / name).exists()
