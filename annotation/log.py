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
from schemas.hashing import canonical_json
from schemas.scalars import SCHEMA_VERSION

_PART_NAME: Final = re.compile(r"(\d{6})-([0-9a-f]{16})\.jsonl")
_LOCK: Final = ".lock"
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

    def append(self, corrections: Iterable[Correction]) -> int:
        """Add corrections as one new part, leaving out those the log already holds.

        Safe to repeat, to kill, and to run beside another pull.

        Returns:
            How many were new.

        Raises:
            CorrectionError: The log was changed by hand, or cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            known = {correction.correction_id for correction in self}
            new: dict[str, Correction] = {}
            for correction in corrections:
                if correction.correction_id not in known:
                    new.setdefault(correction.correction_id, correction)
            if new:
                self._write_part(list(new.values()))
        return len(new)

    def head(self) -> str | None:
        """SHA-256 of the last part, which names the whole log; None for an empty one.

        Raises:
            CorrectionError: The log was changed by hand.
        """
        head = None
        for part in self._parts():
            head = hashlib.sha256(self._read(part, head)).hexdigest()
        return head

    def __iter__(self) -> Iterator[Correction]:
        """Yield every correction, oldest part first.

        Raises:
            CorrectionError: The log was changed by hand, or holds a line that is no correction.
        """
        head = None
        for part in self._parts():
            content = self._read(part, head)
            head = hashlib.sha256(content).hexdigest()
            for number, line in enumerate(content.splitlines()[1:], start=2):
                yield _correction(line, part.path.name, number)

    def of_video(self, source: str, video_id: str) -> list[Correction]:
        """Corrections of one video, oldest first, without building those of others."""
        wanted = (f'"source":"{source}"'.encode(), f'"video_id":"{video_id}"'.encode())
        found = []
        head = None
        for part in self._parts():
            content = self._read(part, head)
            head = hashlib.sha256(content).hexdigest()
            for number, line in enumerate(content.splitlines()[1:], start=2):
                if all(text in line for text in wanted):
                    correction = _correction(line, part.path.name, number)
                    if (correction.source, correction.video_id) == (source, video_id):
                        found.append(correction)
        return found

    def _parts(self) -> list[_Part]:
        if not self.folder.is_dir():
            return []
        found = []
        for path in self.folder.iterdir():
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
        content = part.path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:16] != part.stamp:
            raise CorrectionError(
                "the part is not what it was when it was written.",
                source=part.path.name, action=_RESTORE,
            )  # fmt: skip
        header = orjson.loads(content.partition(b"\n")[0])
        if header["schema_version"] != SCHEMA_VERSION:
            raise CorrectionError(
                f"schema_version {header['schema_version']}, this code reads {SCHEMA_VERSION}.",
                source=part.path.name, line=1, action="Use the version that wrote it.",
            )  # fmt: skip
        if header["parent"] != parent:
            raise CorrectionError(
                "the part does not follow the one before it.",
                source=part.path.name, line=1, action=_RESTORE,
            )  # fmt: skip
        return content

    def _write_part(self, corrections: Sequence[Correction]) -> None:
        header = {
            "schema_version": SCHEMA_VERSION,
            "parent": self.head(),
            "corrections": len(corrections),
        }
        lines = [header, *(correction.model_dump(mode="json") for correction in corrections)]
        content = b"".join(canonical_json(line) + b"\n" for line in lines)
        number = len(self._parts()) + 1
        name = f"{number:06d}-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
        aside = self.folder / f".{name}.partial"
        with aside.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(self.folder / name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / _LOCK).open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for stale in self.folder.glob(".*.partial"):
                stale.unlink()
            yield


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
