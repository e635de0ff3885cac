"""The database: opened once a process, every change one transaction."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from medvid.evaluation.leaderboard.tables import BOARD_VERSION, meta, metadata
from schemas.errors import ConfigError

BUSY_S: Final = 30
_LOCK: Final = 5_146_019
_WRITES: Final = "board_writes"

Clock = Callable[[], float]


class BoardStore:
    """A leaderboard's database.

    Args:
        url: SQLAlchemy URL.
        clock: Seconds since 1970, for dates, leases and rate limits.

    Raises:
        ConfigError: The URL cannot be used, or the database is of another version.
    """

    def __init__(self, url: str, clock: Clock = time.time) -> None:
        self.clock = clock
        self._engine = _engine(url)
        try:
            with self.writing() as connection:
                _prepare(connection)
            with self.reading() as connection:
                found = {row.key: row.value for row in connection.execute(select(meta))}
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise ConfigError(
                f"the database cannot be opened: {type(error).__name__}.",
                action="Check the URL, that the server runs and that its user may create tables.",
            ) from error
        if found.get("board_version") != str(BOARD_VERSION):
            self._engine.dispose()
            raise ConfigError(
                f"the database has version {found.get('board_version')} of the leaderboard's "
                f"tables, this program version {BOARD_VERSION}.",
                action="Use the program it was made with, or export there and start a new one.",
            )
        self.salt: str = found["salt"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: whole or not at all."""
        with self._engine.connect() as connection:
            connection = connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        lite = parsed.get_backend_name() == "sqlite"
        if lite and parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        arguments: dict[str, Any] = {"timeout": BUSY_S} if lite else {}
        engine = create_engine(parsed, connect_args=arguments, pool_pre_ping=not lite)
    except (ArgumentError, NoSuchModuleError, ImportError, OSError) as error:
        raise ConfigError(
            "this is no database URL, its driver is not installed, or its folder cannot be made.",
            field="database",
            action="Write sqlite:///FILE, or postgresql+psycopg://USER@HOST/NAME with the extra "
            "`postgres`.",
        ) from error  # fmt: skip
    if lite:
        event.listen(engine, "connect", _open_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - any DB-API
    # Transactions are begun by hand below: the driver would begin them too late to be serial.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare(connection: Connection) -> None:
    """Create the tables in an empty database; servers that start together do it once."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if inspect(connection).has_table(meta.name):
        return
    metadata.create_all(connection)
    connection.execute(
        insert(meta),
        [
            {"key": "board_version", "value": str(BOARD_VERSION)},
            {"key": "salt", "value": secrets.token_hex(16)},
        ],
    )
