"""Every annotation as it was pulled: append-only, each version once."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import ValidationError

from annotation.jobs import AnnotationTask
from schemas.errors import CorrectionError
from schemas.hashing import canonical_json, stable_id
from schemas.scalars import SCHEMA_VERSION, Label, Model

_FILE: Final = "annotations.jsonl"
_RESTORE: Final = (
    "Restore the file from a copy, or delete it and `cursors.json`: the next pull reads everything "
    "again."
)


class PulledAnnotation(Model):
    """One version of one annotator's answer to one task.

    Attributes:
        annotation_id: Server, project and the server's id.
        task: The task as the annotator saw it.
        who: Annotator.
        when: When it was submitted or last changed, ISO 8601 in UTC.
        tool: Tool and version.
        skipped: Whether the annotator passed it on.
        senior: Whether the server marks it as ground truth.
        lead_time_s: Seconds it took, as the page counts them.
        results: What was drawn and chosen, as the page wrote it.
        led: Whether the task came with labels filled in; None for what was pushed or pulled before
            this was recorded.
    """

    schema_version: int = SCHEMA_VERSION
    annotation_id: Label
    task: AnnotationTask
    who: Label
    when: Label
    tool: Label
    skipped: bool
    senior: bool
    lead_time_s: float
    results: list[dict[str, Any]]
    led: bool | None = None

    @property
    def version_id(self) -> str:
        """The annotation and when it was changed."""
        return stable_id("pulled", self.annotation_id, self.when)


class Archive:
    """Annotations in the order they were pulled.

    Args:
        folder: Folder of the archive; need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE

    def append(self, annotations: Iterable[PulledAnnotation]) -> list[PulledAnnotation]:
        """Add annotations, leaving out versions that are there; returns those that were new.

        A line torn by a kill or a full disk is cut off first.

        Raises:
            CorrectionError: A line is no annotation, or the file cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what a full disk refused would be written once more by closing the file.
            with self._path.open("a+b", buffering=0) as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                return self._append(handle, annotations)
        except OSError as error:
            raise CorrectionError(
                f"cannot be written: {error.strerror}.", source=_FILE,
                action="Free the disk or give write access, and pull again: nothing is lost or "
                "doubled.",
            ) from error  # fmt: skip

    def _append(
        self, handle: FileIO, annotations: Iterable[PulledAnnotation]
    ) -> list[PulledAnnotation]:
        handle.seek(0)
        content = handle.read()
        whole = content[: content.rfind(b"\n") + 1]
        handle.truncate(len(whole))
        known = {_version(line, n) for n, line in enumerate(whole.splitlines(), start=1)}
        new = {a.version_id: a for a in annotations if a.version_id not in known}
        rows = [
            {"version_id": version_id, "annotation": annotation.model_dump(mode="json")}
            for version_id, annotation in new.items()
        ]
        left = memoryview(b"".join(canonical_json(row) + b"\n" for row in rows))
        while left:
            left = left[handle.write(left) :]
        os.fsync(handle.fileno())
        return list(new.values())

    def __iter__(self) -> Iterator[PulledAnnotation]:
        """Yield every version, oldest pull first.

        Raises:
            CorrectionError: A line is no annotation.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as handle:
            for number, line in enumerate(handle, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield PulledAnnotation.model_validate(orjson.loads(line)["annotation"])
                except (ValidationError, orjson.JSONDecodeError, KeyError, TypeError) as error:
                    raise CorrectionError(
                        f"not an annotation: {error}.", source=_FILE, line=number, action=_RESTORE
                    ) from error

    def latest(self) -> list[PulledAnnotation]:
        """The newest version of each annotation, by id."""
        newest: dict[str, PulledAnnotation] = {}
        for annotation in self:
            held = newest.get(annotation.annotation_id)
            if held is None or held.when <= annotation.when:
                newest[annotation.annotation_id] = annotation
        return [newest[name] for name in sorted(newest)]


def _version(line: bytes, number: int) -> str:
    try:
        return str(orjson.loads(line)["version_id"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise CorrectionError(
            f"not an annotation: {error}.", source=_FILE, line=number, action=_RESTORE
        ) from error
