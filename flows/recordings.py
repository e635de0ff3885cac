"""What a root holds, listed once for as long as none of its files changes.

Listing the recordings of a source reads its shared label files; at full size that is three seconds,
a third of what a correction may take.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from converters.registry import get_converter
from medvid.releases.workspace import Workspace
from medvid.shards.aside import write_whole
from schemas.hashing import content_key
from schemas.scalars import Model
from schemas.video import Recording


class _Listing(Model):
    """Recordings of a root, and what names the state of the root."""

    key: str
    recordings: tuple[Recording, ...]


_LISTING = TypeAdapter(_Listing)


def list_recordings(
    source: str, root: Path, code: str, workspace: Workspace
) -> tuple[Recording, ...]:
    """List the recordings of a source, from memory where nothing under its root changed.

    A file counts as unchanged by its size and modification time, as everywhere in a workspace.

    Args:
        source: Module name of the source.
        root: Folder of its native files.
        code: Hash of all that decides what its converter returns.
        workspace: Where the last listing is remembered.

    Raises:
        SourceError: The root holds nothing of the source, or shared files are damaged.
        OSError: A shared file cannot be read.
    """
    path = workspace.root / "recordings" / f"{source}.json"
    stamps = stamp_tree(root)  # before the files are read: what changes meanwhile is read again
    key = content_key("recordings", source, str(root), code, stamps)
    if stamps is not None:
        try:
            known = _LISTING.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            known = None
        if known is not None and known.key == key:
            return known.recordings
    found = tuple(get_converter(source).discover(root))
    if stamps is not None:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, _LISTING.dump_json(_Listing(key=key, recordings=found)))
    return found


def stamp_tree(root: Path) -> list[tuple[str, int, int, int]] | None:
    """Path, mode, size and modification time in nanoseconds of everything under a root, sorted.

    None where a folder is reached by a link or cannot be looked into: what it holds may change
    unseen.
    """
    try:
        return sorted(_stamps(str(root), ""))
    except OSError:
        return None


def _stamps(folder: str, prefix: str) -> Iterator[tuple[str, int, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{prefix}{entry.name}"
            facts = entry.stat()
            if stat.S_ISDIR(facts.st_mode):
                if entry.is_symlink():
                    raise OSError(f"{name} is a link to a folder")
                yield from _stamps(entry.path, f"{name}/")
            yield name, facts.st_mode, facts.st_size, facts.st_mtime_ns
