"""What the admin may do, each act one transaction; who is admin is `is_admin`'s to say."""

import hmac
from typing import Final, Literal

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import IntegrityError

from medvid.evaluation.leaderboard.entries import (
    PUBLISHED,
    SCORED,
    WAITING,
    Entry,
    add_job,
)
from medvid.evaluation.leaderboard.registration import clean_text, name_key
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.tables import entries, jobs, results, scores, uploads
from schemas.errors import SubmissionError

Act = Literal["hide", "show", "delete", "re-evaluate", "rename"]
ACTS: Final[tuple[Act, ...]] = ("hide", "show", "rename", "re-evaluate", "delete")


def is_admin(given: str | None, token: str | None) -> bool:
    """Whether a token is the admin's, compared in constant time; without a token nobody is."""
    if token is None:
        return False
    return hmac.compare_digest((given or "").strip().encode(), token.encode())


def administrate(store: BoardStore, act: Act, entry: Entry, new_name: str = "") -> str:
    """Do one act.

    Args:
        store: The database.
        act: What to do.
        entry: To which entry.
        new_name: For `rename`.

    Returns:
        What was done, in words.

    Raises:
        SubmissionError: It cannot be done to this entry.
    """
    with store.writing() as connection:
        match act:
            case "hide" | "show":
                _set(connection, entry, hidden=act == "hide")
                return f"{entry.name!r} is {'hidden' if act == 'hide' else 'shown'}."
            case "delete":
                _delete(connection, entry)
                return f"{entry.name!r} is deleted with its answers and scores."
            case "rename":
                name = _rename(connection, entry, new_name)
                return f"{entry.name!r} is {name!r} now."
            case "re-evaluate":
                _again(connection, store.clock(), entry)
                return f"{entry.name!r} waits to be evaluated again."


def _set(connection: Connection, entry: Entry, **values: object) -> None:
    connection.execute(update(entries).where(entries.c.id == entry.id).values(**values))


def _delete(connection: Connection, entry: Entry) -> None:
    for table in (jobs, scores, results, uploads):
        connection.execute(delete(table).where(table.c.entry_id == entry.id))
    connection.execute(delete(entries).where(entries.c.id == entry.id))


def _rename(connection: Connection, entry: Entry, new_name: str) -> str:
    name = clean_text(new_name)[:80]
    if not name:
        raise SubmissionError("there is no new name.", action="Write one.")
    key = name_key(name) if entry.listed else None
    try:
        _set(connection, entry, name=name, name_key=key)
    except IntegrityError as error:
        raise SubmissionError(
            f"the name {name!r} is taken.", action="Choose another one."
        ) from error
    return name


def _again(connection: Connection, now: float, entry: Entry) -> None:
    if entry.origin == PUBLISHED:
        raise SubmissionError(
            "published scores have no answers to evaluate.", action="Hide or delete the entry."
        )
    if entry.state != SCORED:
        # A failed entry gave its name back; it may be another's now.
        key = name_key(entry.name)
        taken = connection.execute(
            select(entries.c.id).where(entries.c.name_key == key, entries.c.id != entry.id)
        ).first()
        if taken and entry.listed:
            raise SubmissionError(
                f"the name {entry.name!r} was given to another entry since.",
                action="Rename one of them first.",
            )
        _set(connection, entry, state=WAITING, message="", name_key=key if entry.listed else None)
    connection.execute(delete(jobs).where(jobs.c.entry_id == entry.id, jobs.c.kind == "captions"))
    add_job(connection, now, entry.id, "evaluate")
