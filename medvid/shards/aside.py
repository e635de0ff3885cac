"""Files that appear whole or not at all: written aside, flushed to disk, renamed."""

import itertools
import os
from pathlib import Path
from typing import Final, Self

from schemas.errors import ShardError

_MARK: Final = ".partial-"
_FULL: Final = "Free space on the disk, and run this again: what is finished is kept."
_COUNTER = itertools.count()


class AsideFile:
    """A file being written beside its final name.

    Use as a context manager: leaving it without `commit` removes what was written and leaves any
    earlier file of that name untouched.

    Attributes:
        path: The final name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._aside = path.with_name(f"{path.name}{_MARK}{os.getpid()}-{next(_COUNTER)}")
        self._fd = -1
        self._written = 0

    def __enter__(self) -> Self:
        try:
            self._fd = os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            raise self._failed(error) from error
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """Append all of a block.

        Raises:
            ShardError: The disk is full, or the file cannot grow.
        """
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise self._failed(error) from error
        self._written += len(block)

    def commit(self) -> None:
        """Flush to disk and give the file its final name.

        Raises:
            ShardError: The disk is full, or the name cannot be taken.
        """
        try:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1
            self._aside.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise self._failed(error) from error

    def discard(self) -> None:
        """Remove what was written, if it has not got its final name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._aside.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> ShardError:
        return ShardError(
            f"cannot be written past byte {self._written}: {error.strerror}.",
            source=self.path.name, action=_FULL,
        )  # fmt: skip


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file that appears whole or not at all.

    Raises:
        ShardError: It cannot be written.
    """
    with AsideFile(path) as aside:
        aside.write(content)
        aside.commit()


def remove_partials(folder: Path) -> list[str]:
    """Remove what killed writers left in a folder, and name it.

    Only for whoever holds the folder alone: a living writer's file would go too.
    """
    left = sorted(path for path in folder.glob(f"*{_MARK}*") if path.is_file())
    for path in left:
        path.unlink()
    return [path.name for path in left]


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
