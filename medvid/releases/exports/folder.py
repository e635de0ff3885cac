"""An output folder that appears whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from medvid.releases.disk import naming_full_disk
from medvid.releases.locks import hold_lock, output_lock
from schemas.errors import ReleaseError

_FULL: Final = "Free space and run this again: nothing of it is left."


@contextmanager
def whole_folder(output: Path, doing: str) -> Iterator[Path]:
    """Yield a folder beside the output that takes its name when all is written.

    What a killed run left is removed; where the block raises, nothing stands at the output.

    Args:
        output: The folder to be; it may exist but must be empty.
        doing: What is being done, for whoever finds the place taken.

    Raises:
        ReleaseError: The output is not empty, another run writes to it, or the disk is full.
    """
    output = output.absolute()
    require_empty(output)
    with hold_lock(output_lock(output), doing, wait=False), naming_full_disk(_FULL):
        require_empty(output)
        work = output.parent / f".{output.name}.partial"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            yield work
            _settle(work)
            if output.is_dir():
                output.rmdir()
            work.rename(output)
            _sync(output.parent)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def require_empty(output: Path) -> None:
    """Refuse a place that holds something.

    Raises:
        ReleaseError: It does.
    """
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise ReleaseError(
            "the output is not empty.", source=output.name,
            action="Give another --output, or move that folder away.",
        )  # fmt: skip


def _settle(folder: Path) -> None:
    """Flush files at the top and one below to disk; frames are many and can be written again."""
    for path in sorted([*folder.glob("*"), *folder.glob("data/*")]):
        if path.is_file():
            _sync(path)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
