"""The queue in the database: a job is claimed for a while, and goes back when its worker is silent.

A claim is a random word. Whoever finishes a job must still hold it: a worker that was taken for
dead, woke up and finished late changes nothing.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from medvid.evaluation.leaderboard.entries import fail_entry
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.tables import entries, jobs

JobKind = Literal["evaluate", "captions"]
RUNNING: Final = "running"
WAITING: Final = "waiting"
DONE: Final = "done"
FAILED: Final = "failed"
WORKER_DIED: Final = (
    "its worker ended {attempts} times without a result; the operator can queue it again"
)


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job.

    Attributes:
        id: Its number.
        entry_id: The entry it scores.
        kind: First or second step.
        claim: The word under which it is held.
        attempt: From 1.
    """

    id: int
    entry_id: int
    kind: JobKind
    claim: str
    attempt: int


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job as the admin sees it."""

    id: int
    entry: str
    kind: str
    state: str
    attempts: int
    error: str


def claim_job(store: BoardStore, kind: JobKind, lease_s: float, max_attempts: int) -> Job | None:
    """Claim the oldest job that waits, or whose worker fell silent.

    Args:
        store: The database.
        kind: Kind of job.
        lease_s: For how many seconds.
        max_attempts: A job begun that often without a result has failed.
    """
    with store.writing() as connection:
        now = store.clock()
        free = or_(jobs.c.state == WAITING, and_(jobs.c.state == RUNNING, jobs.c.lease_until < now))
        query = select(jobs).where(jobs.c.kind == kind, free).order_by(jobs.c.id)
        for row in connection.execute(query).all():
            mine = and_(jobs.c.id == row.id, jobs.c.claim == row.claim, free)
            if row.attempts >= max_attempts:
                words = WORKER_DIED.format(attempts=row.attempts)
                done = connection.execute(
                    update(jobs).where(mine).values(
                        state=FAILED, claim="", error=words, updated_at=now
                    )
                )  # fmt: skip
                if done.rowcount and kind == "evaluate":
                    fail_entry(connection, row.entry_id, words)
                continue
            claim = secrets.token_hex(16)
            done = connection.execute(
                update(jobs).where(mine).values(
                    state=RUNNING, claim=claim, lease_until=now + lease_s,
                    attempts=row.attempts + 1, updated_at=now,
                )
            )  # fmt: skip
            if done.rowcount:
                return Job(row.id, row.entry_id, kind, claim, row.attempts + 1)
    return None


def renew_lease(store: BoardStore, job: Job, lease_s: float) -> bool:
    """Hold a job longer; False where it is no longer held and work on it should stop."""
    with store.writing() as connection:
        now = store.clock()
        done = connection.execute(
            update(jobs).where(_held(job)).values(lease_until=now + lease_s, updated_at=now)
        )
        return bool(done.rowcount)


def finish_job(
    store: BoardStore,
    job: Job,
    change: Callable[[Connection, float], None],
    *,
    state: Literal["done", "failed"] = "done",
    error: str = "",
) -> bool:
    """End a job and make the change it is about, both or neither.

    Args:
        store: The database.
        job: A claimed job.
        change: What is written with it; given the transaction and the time.
        state: How it ended.
        error: Why, for the admin.

    Returns:
        Whether the job was still held; otherwise nothing was written.
    """
    with store.writing() as connection:
        now = store.clock()
        done = connection.execute(
            update(jobs).where(_held(job)).values(
                state=state, claim="", error=error, updated_at=now
            )
        )  # fmt: skip
        if not done.rowcount:
            return False
        change(connection, now)
        return True


def release_job(store: BoardStore, job: Job) -> None:
    """Give a job back unfinished: the worker was asked to stop, which is no fault of the job."""
    with store.writing() as connection:
        connection.execute(
            update(jobs).where(_held(job)).values(
                state=WAITING, claim="", attempts=job.attempt - 1, updated_at=store.clock()
            )
        )  # fmt: skip


def list_jobs(store: BoardStore, most: int = 100) -> list[QueuedJob]:
    """List the newest jobs, with errors that only the admin may see."""
    query = (
        select(jobs, entries.c.name)
        .join(entries, entries.c.id == jobs.c.entry_id)
        .order_by(jobs.c.updated_at.desc(), jobs.c.id.desc())
        .limit(most)
    )
    with store.reading() as connection:
        return [
            QueuedJob(row.id, row.name, row.kind, row.state, row.attempts, row.error)
            for row in connection.execute(query)
        ]


def _held(job: Job) -> ColumnElement[bool]:
    return and_(jobs.c.id == job.id, jobs.c.claim == job.claim, jobs.c.state == RUNNING)
