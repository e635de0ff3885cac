"""The local run ledger: what is done, which release uses it, and which files hash to what."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from schemas.errors import ReleaseError
from schemas.hashing import file_sha256
from schemas.scalars import SCHEMA_VERSION

_BATCH = 512
_BATCH_BYTES = 1 << 30
"""Files and bytes hashed from which hashes are written: a commit a file costs more than small
files do, and a kill should lose seconds of reading."""

_Stamp = tuple[str, int, int]
"""Path, size in bytes, modification time in nanoseconds."""

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
CREATE TABLE IF NOT EXISTS releases (
    manifest TEXT NOT NULL, output TEXT NOT NULL, published REAL NOT NULL,
    PRIMARY KEY (manifest, output)
);
CREATE TABLE IF NOT EXISTS release_units (
    manifest TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (manifest, key)
) WITHOUT ROWID;
"""


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


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


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A release that units of this workspace went into.

    Attributes:
        manifest: SHA-256 of its manifest.
        output: Absolute path of the folder it was published at.
        published: Seconds since the epoch when it was last published there.
    """

    manifest: str
    output: str
    published: float


class Ledger:
    """SQLite file that says which units are done; written by one process, from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._unwritten: dict[_Stamp, str] = {}
        self._unwritten_bytes = 0
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
        """Write what waits, and close the file."""
        try:
            self.flush_hashes()
        finally:
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

    def known_sha256(self, path: Path) -> str | None:
        """SHA-256 of a file, None where it was not read since its size or time last changed.

        Raises:
            OSError: The file is not there.
        """
        return self._known(_stamp(path))

    def sha256_of(self, path: Path) -> str:
        """SHA-256 of a file, read again only when its size or modification time changed.

        Raises:
            OSError: The file cannot be read.
        """
        stamp = _stamp(path)
        known = self._known(stamp)
        if known is not None:
            return known
        digest = file_sha256(path)
        with self._lock:
            self._unwritten[stamp] = digest
            self._unwritten_bytes += stamp[1]
            full = len(self._unwritten) >= _BATCH or self._unwritten_bytes >= _BATCH_BYTES
        if full:
            self.flush_hashes()
        return digest

    def flush_hashes(self) -> None:
        """Write hashes that wait for company; what a kill loses of them is read once more."""
        with self._lock:
            rows = [(*stamp, digest) for stamp, digest in self._unwritten.items()]
            self._unwritten.clear()
            self._unwritten_bytes = 0
        if rows:
            self.remember_hashes(rows)

    def _known(self, stamp: _Stamp) -> str | None:
        query = "SELECT sha256 FROM file_hashes WHERE path = ? AND size = ? AND mtime_ns = ?"
        with self._lock:
            if stamp in self._unwritten:
                return self._unwritten[stamp]
            row = self._connection.execute(query, stamp).fetchone()
        return None if row is None else str(row[0])

    def remember_hashes(self, rows: Iterable[tuple[str, int, int, str]]) -> None:
        """Store `(path, size, mtime_ns, sha256)` rows."""
        with self._lock, self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO file_hashes VALUES (?,?,?,?)", rows
            )

    def record_release(self, release: ReleaseRecord, keys: Iterable[str]) -> None:
        """Remember which units a release uses; again for the same one, its list is replaced."""
        row = (release.manifest, release.output, release.published)
        with self._lock, self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO releases VALUES (?,?,?)", row)
            query = "DELETE FROM release_units WHERE manifest = ?"
            self._connection.execute(query, (release.manifest,))
            self._connection.executemany(
                "INSERT OR IGNORE INTO release_units SELECT ?, key FROM units WHERE key = ?",
                [(release.manifest, key) for key in keys],
            )

    def forget_releases(self, releases: Iterable[ReleaseRecord]) -> None:
        """Drop releases, and the lists of units no other folder's copy shares."""
        with self._lock, self._transaction():
            self._connection.executemany(
                "DELETE FROM releases WHERE manifest = ? AND output = ?",
                [(release.manifest, release.output) for release in releases],
            )
            self._connection.execute(
                "DELETE FROM release_units WHERE manifest NOT IN (SELECT manifest FROM releases)"
            )

    def releases(self) -> list[ReleaseRecord]:
        """Releases ever published from this workspace, the latest first."""
        query = "SELECT manifest, output, published FROM releases ORDER BY published DESC, output"
        with self._lock:
            return [ReleaseRecord(*row) for row in self._connection.execute(query)]

    def units_of_release(self, manifest: str) -> set[str]:
        """Keys of the units that went into a release."""
        query = "SELECT key FROM release_units WHERE manifest = ?"
        with self._lock:
            return {row[0] for row in self._connection.execute(query, (manifest,))}

    def all_units(self) -> list[tuple[str, str, str]]:
        """Stage, key and name of every finished unit, sorted."""
        query = "SELECT stage, key, unit FROM units ORDER BY stage, key"
        with self._lock:
            return list(self._connection.execute(query))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
