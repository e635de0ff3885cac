"""Find the folders and files of a native tree, whatever the case of their names."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from schemas.errors import MissingSourceError


def find_base(root: Path, is_base: Callable[[Path], bool], *, dataset: str, tree: str) -> Path:
    """Find the dataset's own folder: the root itself, or the one folder in it that fits.

    Args:
        root: Folder a user named.
        is_base: Whether a folder looks like the dataset's own.
        dataset: Source name, for the error.
        tree: What is looked for, for the error.

    Raises:
        MissingSourceError: There is no such folder, or more than one.
    """
    if root.is_dir():
        if is_base(root):
            return root
        fitting = [folder for folder in subfolders(root) if is_base(folder)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = ", ".join(folder.name for folder in fitting)
            raise MissingSourceError(
                f"the root holds {len(fitting)} folders that look like {dataset}: {names}.",
                dataset=dataset, action="Name one of them as the root.",
            )  # fmt: skip
    raise MissingSourceError(f"the root holds no {tree}.", dataset=dataset)


def subfolders(folder: Path) -> list[Path]:
    """Folders inside a folder, hidden and unreadable ones left out, sorted by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and os.access(path, os.R_OK | os.X_OK)
    )


def numbered_files(folder: Path | None, pattern: re.Pattern[str]) -> dict[int, list[Path]]:
    """Regular files by the number in their name, spellings of one number sorted by name.

    Args:
        folder: Where to look; None holds nothing.
        pattern: Shape of a whole name; group 1 is the number.
    """
    paths = sorted(folder.iterdir()) if folder is not None else []
    return _by_number((path for path in paths if path.is_file()), pattern)


def numbered_folders(folder: Path | None, pattern: re.Pattern[str]) -> dict[int, list[Path]]:
    """Readable folders by the number in their name; see `numbered_files`."""
    return _by_number(subfolders(folder) if folder is not None else (), pattern)


def _by_number(paths: Iterable[Path], pattern: re.Pattern[str]) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    for path in paths:
        if match := pattern.fullmatch(path.name):
            found.setdefault(int(match[1]), []).append(path)
    return found


def child_folder(folder: Path, name: str) -> Path | None:
    """Subfolder of a name, the exact spelling before other cases; None where there is none."""
    fitting = [path for path in subfolders(folder) if path.name.lower() == name.lower()]
    return next((path for path in fitting if path.name == name), next(iter(fitting), None))
