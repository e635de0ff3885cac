"""Entries: taken in, scored, listed, renamed, hidden, deleted; each change one transaction."""

import hashlib
import json
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from medvid.evaluation.leaderboard.public import ALL, PublicResult
from medvid.evaluation.leaderboard.registration import Registration, name_key
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.tables import entries, jobs, results, scores, uploads
from schemas.errors import SubmissionError

WAITING: Final = "waiting"
SCORED: Final = "scored"
FAILED: Final = "failed"
PUBLISHED: Final = "published"
SUBMITTED: Final = "submitted"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as visitors see it: nothing private, nothing of single rows.

    Attributes:
        id: Its number.
        name: The model.
        team: The team.
        institution: Where it works.
        authors: Its members.
        link: Page of the model.
        remark: What the team adds.
        origin: `published` for scores of the article and its board, `submitted` for uploads.
        listed: Whether it stands on the board; evaluate-only entries do not.
        hidden: Whether the admin took it off the board.
        state: `waiting`, `scored` or `failed`.
        message: Why it failed.
        truth_key: What it was scored against.
        judge: Label of the judge, empty where none ran.
        parsed_rate: Share of its answers that could be read.
        created_at: When it was uploaded, seconds since 1970.
    """

    id: int
    name: str
    team: str
    institution: str
    authors: str
    link: str
    remark: str
    origin: str
    listed: bool
    hidden: bool
    state: str
    message: str
    truth_key: str
    judge: str
    parsed_rate: float | None
    created_at: float


_SHOWN: Final = tuple(entries.c[name] for name in Entry.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Upload:
    """Answers as uploaded, and what a check of them found."""

    file_name: str
    content: bytes
    findings: Sequence[dict[str, Any]]


def add_entry(
    connection: Connection, now: float, registration: Registration, upload: Upload
) -> str:
    """Take an entry, its answers and its job in, all or nothing.

    Args:
        connection: A writing transaction.
        now: Seconds since 1970.
        registration: Who and what.
        upload: The answers.

    Returns:
        The receipt, which alone opens the status of an entry; only its hash is stored.

    Raises:
        SubmissionError: The name is taken.
    """
    receipt = secrets.token_urlsafe(18)
    shown = registration.model_dump(exclude={"evaluate_only"})
    listed = not registration.evaluate_only
    try:
        done = connection.execute(
            insert(entries).values(
                **shown, name_key=name_key(registration.name) if listed else None,
                team_key=name_key(registration.team), origin=SUBMITTED, listed=listed,
                hidden=False, state=WAITING, receipt_hash=_hashed(receipt),
                file_name=upload.file_name[:160], findings=json.dumps(list(upload.findings)),
                sha256=hashlib.sha256(upload.content).hexdigest(), created_at=now,
            )
        )  # fmt: skip
    except IntegrityError as error:
        raise _taken(registration.name) from error
    number = _new_id(done.inserted_primary_key)
    connection.execute(
        insert(uploads).values(
            entry_id=number, bytes=len(upload.content), deflated=zlib.compress(upload.content, 6)
        )
    )
    add_job(connection, now, number, "evaluate")
    return receipt


def add_job(connection: Connection, now: float, entry_id: int, kind: str) -> None:
    """Put a job in the queue; one that is there already begins anew, and its old claim is void."""
    fresh = {
        "state": WAITING, "attempts": 0, "claim": "", "lease_until": 0.0, "error": "",
        "updated_at": now,
    }  # fmt: skip
    same = (jobs.c.entry_id == entry_id) & (jobs.c.kind == kind)
    if not connection.execute(update(jobs).where(same).values(**fresh)).rowcount:
        connection.execute(
            insert(jobs).values(entry_id=entry_id, kind=kind, created_at=now, **fresh)
        )


def load_content(connection: Connection, entry_id: int) -> tuple[str, bytes]:
    """Read file name and bytes of an entry's answers."""
    query = (
        select(entries.c.file_name, uploads.c.deflated)
        .join(uploads, uploads.c.entry_id == entries.c.id)
        .where(entries.c.id == entry_id)
    )
    row = connection.execute(query).one()
    return row.file_name, zlib.decompress(row.deflated)


def store_result(connection: Connection, now: float, entry_id: int, result: PublicResult) -> None:
    """Replace an entry's scores."""
    for table in (scores, results):
        connection.execute(delete(table).where(table.c.entry_id == entry_id))
    connection.execute(insert(results).values(entry_id=entry_id, document=result.model_dump_json()))
    rows = [
        {"entry_id": entry_id, "profile": p, "scope": s, "column_name": c, "value": v}
        for p, s, c, v in result.table()
    ]
    if rows:
        connection.execute(insert(scores), rows)
    connection.execute(
        update(entries).where(entries.c.id == entry_id).values(
            state=SCORED, message="", truth_key=result.truth_key, judge=result.judge,
            parsed_rate=result.parsed_rate, scored_at=now,
        )
    )  # fmt: skip


def fail_entry(connection: Connection, entry_id: int, message: str) -> None:
    """Say why an entry was not scored, and give its name back to its team."""
    failed = entries.c.id == entry_id
    connection.execute(
        update(entries).where(failed).values(state=FAILED, message=message, name_key=None)
    )


def add_published(
    store: BoardStore, name: str, group: str, values: dict[str, float], now: float
) -> None:
    """Enter scores that somebody else computed; a second time changes nothing."""
    with store.writing() as connection:
        key = name_key(name)
        if connection.execute(select(entries.c.id).where(entries.c.name_key == key)).first():
            return
        done = connection.execute(
            insert(entries).values(
                name=name, name_key=key, team=group, team_key=name_key(group), origin=PUBLISHED,
                listed=True, hidden=False, state=SCORED, created_at=now,
            )
        )  # fmt: skip
        number = _new_id(done.inserted_primary_key)
        connection.execute(
            insert(scores),
            [
                {"entry_id": number, "profile": "official", "scope": ALL, "column_name": column,
                 "value": value}
                for column, value in values.items()
            ],
        )  # fmt: skip


def list_entries(store: BoardStore, *, everything: bool = False) -> list[Entry]:
    """List entries, oldest first.

    Args:
        store: The database.
        everything: Also hidden, unlisted and failed ones: for the admin alone.
    """
    query = select(*_SHOWN).order_by(entries.c.id)
    if not everything:
        query = query.where(entries.c.listed, ~entries.c.hidden, entries.c.state != FAILED)
    with store.reading() as connection:
        return [_entry(row) for row in connection.execute(query)]


def find_by_receipt(store: BoardStore, receipt: str) -> tuple[Entry, list[dict[str, Any]]] | None:
    """Find an entry and what its check found, or None."""
    query = select(*_SHOWN, entries.c.findings).where(
        entries.c.receipt_hash == _hashed(receipt.strip())
    )
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    return (_entry(row), json.loads(row.findings)) if row else None


def find_by_name(store: BoardStore, name: str, *, everything: bool = False) -> Entry | None:
    """Find a listed entry by its name."""
    key = name_key(name)
    return next(
        (e for e in list_entries(store, everything=everything) if name_key(e.name) == key), None
    )


def load_result(store: BoardStore, entry_id: int) -> PublicResult | None:
    """Read an entry's scores as a whole; None for published and unscored ones."""
    with store.reading() as connection:
        row = connection.execute(
            select(results.c.document).where(results.c.entry_id == entry_id)
        ).one_or_none()
    return PublicResult.model_validate_json(row.document) if row else None


def place_in_queue(store: BoardStore, entry_id: int) -> int | None:
    """Number of jobs before an entry's own, 0 where it is next or running; None without one."""
    with store.reading() as connection:
        own = connection.execute(
            select(jobs.c.id, jobs.c.kind).where(
                jobs.c.entry_id == entry_id, jobs.c.state.in_(("waiting", "running"))
            )
        ).first()
        if own is None:
            return None
        before = select(func.count()).where(
            jobs.c.kind == own.kind, jobs.c.state == WAITING, jobs.c.id < own.id
        )
        return int(connection.execute(before).scalar_one())


def _entry(row: Any) -> Entry:  # noqa: ANN401 - rows of several shapes hold an entry
    return Entry(**{name: getattr(row, name) for name in Entry.__dataclass_fields__})


def _new_id(key: Row[Any] | None) -> int:
    return int(key[0]) if key is not None else -1


def _hashed(receipt: str) -> str:
    return hashlib.sha256(receipt.encode()).hexdigest()


def _taken(name: str) -> SubmissionError:
    return SubmissionError(
        f"the name {name!r} is taken.", field="model name",
        action="Choose another one; a version number is enough.",
    )  # fmt: skip
