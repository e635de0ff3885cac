"""The local run ledger: which content keys are done, and which files hash to what."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from schemas.errors import ReleaseError
from schemas.hashing import file_sha256
from schemas.scalars import SCHEMA_VERSION

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS units (
    key TEXT PRIMARY KEY, stage TEXT NOT NULL, unit TEXT NOT NULL,
    info TEXT NOT NULL, files TEXT NOT NULL, seconds REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS units_by_name ON units (stage, unit);
CREATE TABLE IF NOT EXISTS file_hashes (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """A finished unit of work.

    Attributes:
        key: Content key of the unit: hash of everything its outputs depend on.
        stage: Stage name, e.g. `convert`.
        unit: Readable name, e.g. `cholect50/VID25`.
        info: Small facts later stages need, as plain JSON values.
        files: Size in bytes of each output, by file name inside the unit's folder.
        seconds: Wall time it took.
    """

    key: str
    stage: str
    unit: str
    info: dict[str, Any]
    files: dict[str, int]
    seconds: float


class Ledger:
    """SQLite file that says which units are done; written by one process, from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_TABLES)
        self._check_version(path)

    def _check_version(self, path: Path) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO about VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),)
        )
        query = "SELECT value FROM about WHERE name = 'schema_version'"
        found = self._connection.execute(query).fetchone()[0]
        if found != str(SCHEMA_VERSION):
            raise ReleaseError(
                f"the workspace ledger has schema version {found}, this code writes "
                f"{SCHEMA_VERSION}.",
                source=path.name,
                action="Use a new workspace, or the version that made this one.",
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def find(self, keys: Iterable[str]) -> dict[str, UnitRecord]:
        """Return the finished units among these keys."""
        found: dict[str, UnitRecord] = {}
        with self._lock, closing(self._connection.cursor()) as cursor:
            for key in keys:
                row = cursor.execute(
                    "SELECT key, stage, unit, info, files, seconds FROM units WHERE key = ?", (key,)
                ).fetchone()
                if row is not None:
                    found[key] = UnitRecord(
                        row[0], row[1], row[2], orjson.loads(row[3]), orjson.loads(row[4]), row[5]
                    )
        return found

    def record(self, record: UnitRecord) -> None:
        """Mark a unit as done."""
        row = (
            record.key,
            record.stage,
            record.unit,
            orjson.dumps(record.info).decode(),
            orjson.dumps(record.files).decode(),
            record.seconds,
        )
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO units VALUES (?,?,?,?,?,?)", row)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop units, so that the next build does them again."""
        with self._lock:
            self._connection.executemany(
                "DELETE FROM units WHERE key = ?", [(key,) for key in keys]
            )

    def keys_of(self, stage: str, unit: str) -> list[str]:
        """Keys ever finished for a named unit of a stage, sorted."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT key FROM units WHERE stage = ? AND unit = ? ORDER BY key", (stage, unit)
            )
            return [row[0] for row in rows]

    def mean_seconds(self, stage: str) -> float:
        """Mean wall time of a stage's finished units, 0 where none ran yet."""
        with self._lock:
            query = "SELECT avg(seconds) FROM units WHERE stage = ?"
            row = self._connection.execute(query, (stage,)).fetchone()
        return float(row[0] or 0.0)

    def sha256_of(self, path: Path) -> str:
        """SHA-256 of a file, read again only when its size or modification time changed."""
        status = path.stat()
        query = "SELECT sha256 FROM file_hashes WHERE path = ? AND size = ? AND mtime_ns = ?"
        stamp = (str(path), status.st_size, status.st_mtime_ns)
        with self._lock:
            row = self._connection.execute(query, stamp).fetchone()
        if row is not None:
            return str(row[0])
        digest = file_sha256(path)
        self.remember_hashes([(*stamp, digest)])
        return digest

    def remember_hashes(self, rows: Iterable[tuple[str, int, int, str]]) -> None:
        """Store `(path, size, mtime_ns, sha256)` rows."""
        with self._lock:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT OR REPLACE INTO file_hashes VALUES (?,?,?,?)", rows
            )
            self._connection.execute("COMMIT")
