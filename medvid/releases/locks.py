"""File locks: one build at a time in a workspace, and at an output."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import ReleaseError


def output_lock(output: Path) -> Path:
    """Where the lock of an output lies: beside it, since the output itself is swapped."""
    return output.parent / f".{output.name}.lock"


@contextmanager
def hold_lock(path: Path, doing: str, *, wait: bool) -> Iterator[None]:
    """Hold a lock that ends with the process.

    Args:
        path: The lock file; made if absent.
        doing: What another holder would be doing, for the message.
        wait: Wait for it instead of refusing.

    Raises:
        ReleaseError: Another build holds it, or it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ReleaseError(
            f"nothing can be written in {path.parent}: {error.strerror}.", source=path.name,
            action="Give another --output or --workspace, or the permission to write there.",
        ) from error  # fmt: skip
    try:
        _take(fd, path, doing, wait=wait)
        yield
    finally:
        os.close(fd)


def _take(fd: int, path: Path, doing: str, *, wait: bool) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ReleaseError(
            f"another build is {doing}.", source=path.name,
            action="Wait for it to end, pass --wait, or use another --workspace and --output.",
        ) from error  # fmt: skip
