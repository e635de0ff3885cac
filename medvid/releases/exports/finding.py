"""Find the files that an official row's paths mean, wherever they were unpacked.

Rows of different revisions name the same frame as `/some/where/AVOS/...`, `{DATA_ROOT}/AVOS/...`,
`testdata/AVOS/...` or `valdata/AVOS/...`. File names repeat across videos, so a path is matched by
its last three parts at the least, and where several files fit by as many more as it takes.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from schemas.errors import MissingSourceError, SampleError

SUFFIX_PARTS: Final = 3
"""Video folder, its parent and file name: fewer would take one video's frame for another's."""

_PICTURES: Final = (".jpg", ".jpeg", ".png")


class FrameFinder:
    """Pictures below a folder, by the ends of their paths.

    Links are followed neither to folders nor to files outside: what is read lies below the root.

    Args:
        root: Folder the frames were unpacked to.

    Raises:
        MissingSourceError: There is no such folder, or no picture in it.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise MissingSourceError(
                "there is no such folder.", source=root.name, action="Give the folder of frames."
            )
        self._root = root
        self._by_suffix: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        count = 0
        for parts in _pictures(root):
            count += 1
            # The root's own name may be part of the suffix: `--frames data/AVOS` must do.
            whole = (*root.resolve().parts[1:], *parts)
            self._by_suffix.setdefault(whole[-SUFFIX_PARTS:], []).append(whole)
        if not count:
            raise MissingSourceError(
                "there is no picture in this folder.", source=root.name,
                action="Give the folder the frames were unpacked to.",
            )  # fmt: skip
        self._cut = len(root.resolve().parts) - 1

    def find(self, path: str) -> Path:
        """The file a row's path means.

        Raises:
            SampleError: No file or more than one fits, or the path is too short to tell.
        """
        parts = tuple(
            part for part in PurePosixPath(path.replace("\\", "/")).parts if part not in ("/", ".")
        )
        if len(parts) < SUFFIX_PARTS or ".." in parts:
            raise SampleError(
                f"path {path[:80]!r} has too few parts to name one file.", field="video",
                action="Give paths with at least video folder, its parent and file name.",
            )  # fmt: skip
        fitting = self._by_suffix.get(parts[-SUFFIX_PARTS:], [])
        if len(fitting) > 1:
            most = max(_agreeing(parts, own) for own in fitting)
            fitting = [own for own in fitting if _agreeing(parts, own) == most]
        if len(fitting) != 1:
            problem = "no picture has" if not fitting else f"{len(fitting)} pictures have"
            raise SampleError(
                f"{problem} the end of {path[:80]!r}.", field="video",
                action="Unpack the frames below --frames as their archive has them.",
            )  # fmt: skip
        return self._root.joinpath(*fitting[0][self._cut :])


def _pictures(root: Path) -> Iterator[tuple[str, ...]]:
    """Parts of the paths of all pictures below a folder, in a stable order."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        within = Path(folder).relative_to(root).parts
        for name in sorted(names):
            if name.lower().endswith(_PICTURES) and not (Path(folder) / name).is_symlink():
                yield (*within, name)


def _agreeing(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """How many parts two paths share at their ends."""
    shared = 0
    for one, other in zip(reversed(a), reversed(b), strict=False):
        if one != other:
            break
        shared += 1
    return shared
