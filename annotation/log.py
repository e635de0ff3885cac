"""The correction log: append-only parts, each naming the hash of the one before it.

```
corrections/
  000001-3f2a9c0d1e4b5a67.jsonl     a header line, then one correction a line
  000002-…
```

A part appears whole or not at all and is never edited; its name carries the hash of its bytes, its
header that of the part before, so that a changed, lost or reordered part is noticed.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from pydantic import ValidationError

from schemas.correction import Correction
from schemas.errors import CorrectionError
from schemas.hashing import ID_HEX, canonical_json
from schemas.scalars import SCHEMA_VERSION

_PART_NAME: Final = re.compile(r"(\d{6})-([0-9a-f]{16})\.jsonl")
_LOCK: Final = ".lock"
_FIELDS: Final = tuple(f'"{name}":'.encode() for name in sorted(Correction.model_fields))
_AGAIN: Final = "Free the disk or give write access, and pull again: nothing is lost or doubled."
_RESTORE: Final = "Restore the log's folder from a copy; parts are never edited by hand."


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    path: Path
    stamp: str


class CorrectionLog:
    """The corrections of a project, in the order they were pulled.

    Args:
        folder: Folder of the parts; need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ids_of: dict[str, frozenset[str]] = {}

    def append(self, corrections: Iterable[Correction]) -> int:
        """Add corrections as one new part, leaving out those the log already holds.

        Safe to repeat, to kill, and to run beside another pull.

        Returns:
            How many were new.

        Raises:
            CorrectionError: The log was changed by hand, or cannot be written.
        """
        with _naming_faults(self.folder.name, "written", _AGAIN):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                known: set[str] = set()
                head, number = None, 0
                for number, (name, content, head) in enumerate(self._contents(), start=1):  # noqa: B007
                    known |= self._ids(name, content, head)
                new: dict[str, Correction] = {}
                for correction in corrections:
                    if correction.correction_id not in known:
                        new.setdefault(correction.correction_id, correction)
                if new:
                    self._write_part(number + 1, head, list(new.values()))
        return len(new)

    def head(self) -> str | None:
        """SHA-256 of the last part, which names the whole log; None for an empty one.

        Raises:
            CorrectionError: The log was changed by hand.
        """
        head = None
        for _, _, head in self._contents():  # noqa: B007
            pass
        return head

    def snapshot(self) -> tuple[str | None, list[Correction]]:
        """The head and every correction it stands for, of one reading: pulls may go on meanwhile.

        Raises:
            CorrectionError: The log was changed by hand, or holds a line that is no correction.
        """
        head, found = None, list[Correction]()
        for name, content, head in self._contents():  # noqa: B007
            found += (_correction(line, name, number) for number, line in _lines(content))
        return head, found

    def __iter__(self) -> Iterator[Correction]:
        """Yield every correction, oldest part first.

        Raises:
            CorrectionError: The log was changed by hand, or holds a line that is no correction.
        """
        for name, content, _ in self._contents():
            for number, line in _lines(content):
                yield _correction(line, name, number)

    def of_video(self, source: str, video_id: str) -> list[Correction]:
        """Corrections of one video, oldest first, without building those of others."""
        wanted = (f'"source":"{source}"'.encode(), f'"video_id":"{video_id}"'.encode())
        found = []
        for name, content, _ in self._contents():
            for number, line in _lines(content):
                if all(text in line for text in wanted):
                    correction = _correction(line, name, number)
                    if (correction.source, correction.video_id) == (source, video_id):
                        found.append(correction)
        return found

    def _contents(self) -> Iterator[tuple[str, bytes, str]]:
        """Name, bytes and SHA-256 of each part in order, having checked that each follows."""
        head = None
        for part in self._parts():
            content = self._read(part, head)
            head = hashlib.sha256(content).hexdigest()
            yield part.path.name, content, head

    def _ids(self, name: str, content: bytes, sha256: str) -> frozenset[str]:
        """Ids of a part's corrections; a part never changes, so that its ids are read once."""
        if sha256 not in self._ids_of:
            lines = _lines(content)
            self._ids_of[sha256] = frozenset(_id_of(line, name, number) for number, line in lines)
        return self._ids_of[sha256]

    def _parts(self) -> list[_Part]:
        if not self.folder.is_dir():
            return []
        found = []
        with _naming_faults(self.folder.name, "read", "Make the folder readable."):
            paths = list(self.folder.iterdir())
        for path in paths:
            match = _PART_NAME.fullmatch(path.name)
            if match:
                found.append(_Part(int(match[1]), path, match[2]))
        found.sort(key=lambda part: part.number)
        if [part.number for part in found] != list(range(1, len(found) + 1)):
            raise CorrectionError(
                f"parts {[part.number for part in found]} are not numbered 1 to {len(found)}.",
                source=self.folder.name, action=_RESTORE,
            )  # fmt: skip
        return found

    def _read(self, part: _Part, parent: str | None) -> bytes:
        name = part.path.name
        with _naming_faults(name, "read", "Make the folder readable, or restore it from a copy."):
            content = part.path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:16] != part.stamp:
            raise CorrectionError(
                "the part is not what it was when it was written.", source=name, action=_RESTORE
            )
        try:
            header = orjson.loads(content.partition(b"\n")[0])
            version, follows = header["schema_version"], header["parent"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise CorrectionError(
                "the part has no header.", source=name, line=1, action=_RESTORE
            ) from error
        if version != SCHEMA_VERSION:
            raise CorrectionError(
                f"schema_version {version}, this code reads {SCHEMA_VERSION}.",
                source=name, line=1, action="Use the version that wrote it.",
            )  # fmt: skip
        if follows != parent:
            raise CorrectionError(
                "the part does not follow the one before it.", source=name, line=1, action=_RESTORE
            )
        return content

    def _write_part(
        self, number: int, parent: str | None, corrections: Sequence[Correction]
    ) -> None:
        header = {
            "schema_version": SCHEMA_VERSION, "parent": parent, "corrections": len(corrections),
        }  # fmt: skip
        lines = [header, *(correction.model_dump(mode="json") for correction in corrections)]
        content = b"".join(canonical_json(line) + b"\n" for line in lines)
        name = f"{number:06d}-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
        aside = self.folder / f".{name}.partial"
        with aside.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(self.folder / name)
        # A cursor stored after this must not outlive the name in a power cut.
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / _LOCK).open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for stale in self.folder.glob(".*.partial"):
                stale.unlink()
            yield


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Corrections of a part with their line numbers; the first line is its header."""
    return enumerate(content.splitlines()[1:], start=2)


@contextmanager
def _naming_faults(name: str, what: str, action: str) -> Iterator[None]:
    """Turn what the file system refuses into one error that says what to do."""
    try:
        yield
    except OSError as error:
        raise CorrectionError(
            f"cannot be {what}: {error.strerror}.", source=name, action=action
        ) from error


def _id_of(line: bytes, name: str, number: int) -> str:
    """A correction's id by its line, whose bytes are what the id is a hash of.

    A line that lacks a field, as older ones may, is read in full: the id counts the default.
    """
    if all(text in line for text in _FIELDS):
        return hashlib.sha256(b'["correction",' + line + b"]").hexdigest()[:ID_HEX]
    return _correction(line, name, number).correction_id


def _correction(line: bytes, name: str, number: int) -> Correction:
    try:
        return Correction.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise CorrectionError(
            f"not a correction: {first['msg']}.",
            source=name, line=number, field=field, action=_RESTORE,
        ) from error  # fmt: skip
