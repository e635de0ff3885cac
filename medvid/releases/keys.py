"""Content keys: what a unit's outputs depend on, and nothing else."""

import hashlib
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from schemas.errors import MissingSourceError
from schemas.hashing import content_key
from schemas.video import MediaKind, MediaRef, Recording

HashFile = Callable[[Path], str]
"""Returns the SHA-256 of a file, cached or not."""

_HEADER_BYTES = 1 << 20

UNREADABLE = "unreadable"
"""Stands for the hash of a file that is there and cannot be read."""

_CODE_SUFFIXES = (".py", ".md", ".yaml", ".html")


@cache
def code_key(*packages: str) -> str:
    """Hash the source text of packages or single modules.

    A change of a template, a rule or a vocabulary changes the key by itself; nobody has to
    remember to raise a version.

    Args:
        packages: Dotted package names, or `package:file` for one file of a package.
    """
    digest = hashlib.sha256()
    for package in packages:
        name, _, single = package.partition(":")
        root = files(name)
        for path, entry in _walk(root, "") if not single else [(single, root / single)]:
            digest.update(f"{name}/{path}\0".encode())
            digest.update(entry.read_bytes())
    return digest.hexdigest()


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        path = f"{prefix}{entry.name}"
        if entry.is_dir() and entry.name != "__pycache__":
            found.extend(_walk(entry, f"{path}/"))
        elif entry.is_file() and entry.name.endswith(_CODE_SUFFIXES):
            found.append((path, entry))
    return found


def recording_key(recording: Recording, converter_key: str, hash_file: HashFile) -> str:
    """Hash what `convert` reads: label files, the video's own record, hints, facts of pictures.

    Of a folder the names and the bytes of its first picture count: a folder's pictures are of one
    size, and those that are not are found by the media check.

    Args:
        recording: The recording.
        converter_key: Hash of the converter's code and specification.
        hash_file: Returns the SHA-256 of a file.
    """
    labels = [[name, _hash_of(recording.root / name, hash_file)] for name in recording.files]
    media = recording.media.model_dump(mode="json") if recording.media else None
    return content_key(
        "convert", converter_key, recording.source, recording.video_id, labels, recording.record,
        recording.hints, media, _pictures(recording.root, recording.media, hash_file),
    )  # fmt: skip


def _pictures(
    root: Path, media: MediaRef | None, hash_file: HashFile
) -> list[str | None] | str | None:
    """What a converter may read of the pictures: which frames exist, and how large they are."""
    if media is None:
        return None
    if media.kind is MediaKind.FRAMES:
        names = _listing(root, media)
        sample = [_hash_of(root / media.path / name, hash_file) for name in (names or [])[:1]]
        return None if names is None else [*names, *sample]
    return _hash_of(root / media.path, _ends)


def _hash_of(path: Path, hash_file: HashFile) -> str | None:
    """SHA-256 of a file, None where there is none, a word where it cannot be read.

    The word makes another key of it, so that a file is tried again once it can be read.
    """
    try:
        return hash_file(path) if path.is_file() else None
    except OSError:
        return UNREADABLE


def _escapes(root: Path, path: Path) -> bool:
    """Whether links lead out of the root: such a file is refused whatever its bytes are."""
    try:
        return not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return True


def _ends(path: Path) -> str:
    """Hash of a video's size, first and last MiB: its headers, without reading it whole."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as handle:
        digest.update(handle.read(_HEADER_BYTES))
        handle.seek(max(0, size - _HEADER_BYTES))
        digest.update(handle.read(_HEADER_BYTES))
    return digest.hexdigest()


def _listing(root: Path, media: MediaRef | None) -> list[str] | None:
    """Names of the pictures of a folder: a converter may ask which frames exist."""
    if media is None or media.kind is not MediaKind.FRAMES or media.pattern is None:
        return None
    pattern = re.compile(media.pattern)
    folder = root / media.path
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return None
    return sorted(name for name in names if pattern.fullmatch(name))


def media_content_key(root: Path, media: MediaRef, hash_file: HashFile) -> str:
    """Hash the bytes of a video, or of every picture of a folder.

    Raises:
        MissingSourceError: The file or folder is not there.
    """
    path = root / media.path
    place = ["outside"] if _escapes(root, path) else []
    if media.kind is MediaKind.VIDEO:
        digest = _hash_of(path, hash_file)
        if digest is None:
            raise MissingSourceError("the video file is not there.", source=media.path)
        return content_key("video", digest, *place)
    names = _listing(root, media)
    if names is None:
        raise MissingSourceError("the frame folder is not there.", source=media.path)
    files = [[name, _hash_of(path / name, hash_file), *_link(root, path / name)] for name in names]
    return content_key("frames", media.pattern, files, *place)


def _link(root: Path, path: Path) -> list[str]:
    return ["outside"] if path.is_symlink() and _escapes(root, path) else []
