"""The workspace: a store of finished work by content key, a ledger, and a lock."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from medvid.releases.ledger import Ledger, UnitRecord
from medvid.releases.locks import hold_lock

RESULT_FILE = "result.json"

ANNOTATION_FILE = "annotation.json"
FIXES_FILE = "fixes.json"
"""A video's labels, in the folder of the unit that converted or corrected it."""

FATES_FILE = "fates.json"
"""What became of each of a video's segments, in the folder of its `pairs` unit: rows of kind,
place in the annotation, and `in_clip` or why it is in no clip."""


class Workspace:
    """A folder one build at a time works in.

    Attributes:
        root: The folder.
        used: Keys of the finished units this opening asked for; what a release is made of.
        ledger: What is done; there while the workspace is open.

    ```
    <root>/ledger.sqlite          what is done
           lock                   held while a build runs
           store/<stage>/<key>/   outputs of one finished unit, read-only
           tmp/                   unfinished work, emptied at the start
           events.jsonl           what happened, one line an event
    ```
    """

    def __init__(self, root: Path, *, wait: bool = False) -> None:
        self.root = root
        self.used: set[str] = set()
        self._wait = wait
        self._lock = ExitStack()
        self.ledger: Ledger

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock.enter_context(
            hold_lock(self.root / "lock", "working in this workspace", wait=self._wait)
        )
        try:
            shutil.rmtree(self.tmp, ignore_errors=True)
            self.tmp.mkdir(exist_ok=True)  # a killed build's last worker may still write there
            self.ledger = Ledger(self.root / "ledger.sqlite")
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ledger.close()
        shutil.rmtree(self.tmp, ignore_errors=True)
        self._lock.close()

    @property
    def tmp(self) -> Path:
        """Folder of unfinished work."""
        return self.root / "tmp"

    @property
    def events(self) -> Path:
        """Event log, one JSON object a line."""
        return self.root / "events.jsonl"

    def folder(self, stage: str, key: str) -> Path:
        """Folder of a finished unit."""
        return Path(f"{self.root}/store/{stage}/{key}")

    def finished(self, keys: list[str]) -> dict[str, UnitRecord]:
        """Units in the ledger whose outputs are still there with the right size."""
        found = self.ledger.find(keys)
        for key, record in list(found.items()):
            if not self._is_intact(record):
                self.ledger.forget([key])
                shutil.rmtree(self.folder(record.stage, key), ignore_errors=True)
                del found[key]
        return found

    def forget(self, stage: str, unit: str) -> None:
        """Drop every finished version of a named unit, so that the next build does it again."""
        keys = self.ledger.keys_of(stage, unit)
        self.ledger.forget(keys)
        for key in keys:
            shutil.rmtree(self.folder(stage, key), ignore_errors=True)

    def adopt(self, stage: str, key: str) -> UnitRecord | None:
        """Take in a unit that was finished but not recorded."""
        result = self.folder(stage, key) / RESULT_FILE
        if not result.is_file():
            return None
        record = UnitRecord(**orjson.loads(result.read_bytes()))
        if not self._is_intact(record):
            shutil.rmtree(self.folder(stage, key), ignore_errors=True)
            return None
        self.ledger.record(record)
        return record

    def _is_intact(self, record: UnitRecord) -> bool:
        # Thousands a build: text costs a fifth of what paths do.
        folder = f"{self.root}/store/{record.stage}/{record.key}"
        try:
            return all(
                os.stat(f"{folder}/{name}").st_size == size  # noqa: PTH116
                for name, size in record.files.items()
            )
        except FileNotFoundError:
            return False


@contextmanager
def unit_folder(root: Path, stage: str, key: str) -> Iterator[Path]:
    """Give a unit a folder of its own to write into; removed when the unit fails."""
    work = root / "tmp" / f"{stage}-{key}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def commit_unit(
    root: Path, work: Path, *, stage: str, key: str, unit: str, info: dict[str, Any], seconds: float
) -> UnitRecord:
    """Move a unit's folder into the store by one rename; whoever comes second is discarded."""
    files = {path.name: path.stat().st_size for path in sorted(work.iterdir())}
    record = UnitRecord(key, stage, unit, info, files, seconds)
    for name in files:
        (work / name).chmod(0o444)
    fields = {
        "key": key, "stage": stage, "unit": unit, "info": info, "files": files, "seconds": seconds,
    }  # fmt: skip
    (work / RESULT_FILE).write_bytes(orjson.dumps(fields))
    target = root / "store" / stage / key
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        work.rename(target)
    except OSError:
        if not (target / RESULT_FILE).is_file():
            raise
    return record
