"""Put a release together aside, describe it by hashes, and swap it in."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from schemas.errors import ReleaseError
from schemas.hashing import file_sha256
from schemas.scalars import SCHEMA_VERSION

MANIFEST_FILE = "manifest.json"
RUN_FILE = "run.json"
"""Timings, host and roots: the one file outside the manifest."""

_OUTSIDE = {MANIFEST_FILE, RUN_FILE}


@dataclass(frozen=True, slots=True)
class Published:
    """A release that stands at its place.

    Attributes:
        root: Its folder.
        manifest_sha256: Hash of its manifest: equal hashes mean equal releases.
        changed: Whether anything was written.
        size: Bytes of all its files.
    """

    root: Path
    manifest_sha256: str
    changed: bool
    size: int


class Staging:
    """A release being put together beside its final place."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.root = output.parent / f".{output.name}.staging"
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        self._hashes: dict[str, tuple[str, int]] = {}

    def link(self, path: str, source: Path, sha256: str) -> None:
        """Take in a finished file by hard link, or by copy across file systems."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, target)
        self._hashes[path] = (sha256, target.stat().st_size)

    def write(self, path: str, payload: bytes) -> None:
        """Write a small file."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(payload)
        self._hashes.pop(path, None)

    def hashes(self) -> dict[str, tuple[str, int]]:
        """SHA-256 and size of every file so far, by path; linked files are not read again."""
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and name not in _OUTSIDE and name not in self._hashes:
                self._hashes[name] = (file_sha256(path), path.stat().st_size)
        return dict(self._hashes)

    def stamps(self) -> dict[str, list[int]]:
        """Size and modification time in nanoseconds of every file, by path."""
        found = {}
        for name in self.hashes():
            status = (self.root / name).stat()
            found[name] = [status.st_size, status.st_mtime_ns]
        return found

    def carried(self) -> list[str] | None:
        """Files that the release before holds with the same stamp; None where there is none.

        Those were checked with it; the others this build has written.
        """
        before = read_run(self.output).get("stamps")
        if not isinstance(before, dict):
            return None
        return sorted(name for name, stamp in self.stamps().items() if before.get(name) == stamp)

    def seal(self) -> str:
        """Write the manifest over every file; returns its SHA-256."""
        files: dict[str, dict[str, Any]] = {
            name: {"sha256": sha256, "size": size} for name, (sha256, size) in self.hashes().items()
        }
        manifest = {"schema_version": SCHEMA_VERSION, "files": files}
        payload = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
        self.write(MANIFEST_FILE, payload + b"\n")
        return file_sha256(self.root / MANIFEST_FILE)

    def discard(self) -> None:
        """Drop what was put together."""
        shutil.rmtree(self.root, ignore_errors=True)

    def swap_in(self) -> None:
        """Make this the release at the output; the one before is removed last."""
        before = _before(self.output)
        shutil.rmtree(before, ignore_errors=True)
        if self.output.exists():
            self.output.rename(before)
        self.root.rename(self.output)
        _sync_folder(self.output.parent)
        shutil.rmtree(before, ignore_errors=True)


def _before(output: Path) -> Path:
    return output.parent / f".{output.name}.before"


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def recover_output(output: Path) -> None:
    """Undo a swap that a kill cut in two, and refuse to replace what is no release.

    Raises:
        ReleaseError: Something that is not a release stands at the output.
    """
    before = _before(output)
    if before.exists() and not output.exists():
        before.rename(output)
    shutil.rmtree(before, ignore_errors=True)
    occupied = output.exists() and (output.is_file() or any(output.iterdir()))
    if occupied and not (output / MANIFEST_FILE).is_file():
        raise ReleaseError(
            "the output exists and is not a release.", source=output.name,
            action="Give another --output, or move that folder away.",
        )  # fmt: skip
    if output.is_dir() and not occupied:
        output.rmdir()


def manifest_hash(root: Path) -> str | None:
    """SHA-256 of a release's manifest, None where there is no release."""
    path = root / MANIFEST_FILE
    return file_sha256(path) if path.is_file() else None


def read_manifest(root: Path) -> Mapping[str, Mapping[str, Any]]:
    """Files of a release with their SHA-256 and size.

    Raises:
        ReleaseError: There is no manifest, or one of another version.
    """
    path = root / MANIFEST_FILE
    if not path.is_file():
        raise ReleaseError(
            "this folder holds no manifest.json, so it is no release.", source=root.name,
            action="Give the folder that `medvid build` wrote.",
        )  # fmt: skip
    try:
        manifest = orjson.loads(path.read_bytes())
        version = manifest["schema_version"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ReleaseError("manifest.json cannot be read.", source=root.name) from error
    if version != SCHEMA_VERSION:
        raise ReleaseError(
            f"the release has schema version {version}, this code reads {SCHEMA_VERSION}.",
            source=root.name, action="Use the version of medvidbench that built it.",
        )  # fmt: skip
    try:
        return {
            str(name): {"sha256": str(item["sha256"]), "size": int(item["size"])}
            for name, item in manifest["files"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReleaseError("manifest.json names no files.", source=root.name) from error


def read_run(root: Path) -> dict[str, Any]:
    """What is recorded of the run that made a release; nothing where it cannot be read."""
    try:
        record = orjson.loads((root / RUN_FILE).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return record if isinstance(record, dict) else {}


def is_complete(root: Path) -> bool:
    """Whether every file of the manifest is there with its size."""
    try:
        files = read_manifest(root)
        return all((root / name).stat().st_size == item["size"] for name, item in files.items())
    except (ReleaseError, FileNotFoundError):
        return False
