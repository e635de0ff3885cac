"""How often one address or team may upload: counted in the database, so restarts forget nothing."""

import hashlib
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.tables import attempts
from schemas.errors import SubmissionError

HOUR_S: Final = 3_600.0
DAY_S: Final = 86_400.0


def hashed_subject(store: BoardStore, kind: str, subject: str) -> str:
    """What stands for an address or a team: no address is stored."""
    digest = hashlib.blake2b(f"{store.salt}\x1f{kind}\x1f{subject}".encode(), digest_size=24)
    return f"{kind}:{digest.hexdigest()}"


def count_attempt(
    connection: Connection, now: float, subject: str, limit: int, window_s: float, what: str
) -> None:
    """Count one attempt in a writing transaction, or refuse it.

    Args:
        connection: A writing transaction: two attempts at once are counted one after the other.
        now: Seconds since 1970.
        subject: From `hashed_subject`.
        limit: Attempts in the window; 0 for no limit.
        window_s: The window in seconds.
        what: Whose limit it is, for the message.

    Raises:
        SubmissionError: The limit is reached; the message says when to come back.
    """
    connection.execute(delete(attempts).where(attempts.c.at < now - DAY_S))
    if not limit:
        return
    query = select(func.count(), func.min(attempts.c.at)).where(
        attempts.c.subject == subject, attempts.c.at > now - window_s
    )
    count, oldest = connection.execute(query).one()
    if count >= limit:
        minutes = max(1, round((oldest + window_s - now) / 60))
        raise SubmissionError(
            f"{what} has reached its limit of {limit} in {_window(window_s)}.",
            action=f"Try again in {minutes} minute{'' if minutes == 1 else 's'}.",
        )
    connection.execute(insert(attempts).values(subject=subject, at=now))


def client_address(host: str | None, headers: Mapping[str, str], trusted_proxies: int) -> str:
    """Address of a client, seen through as many proxies as are trusted and no more.

    >>> client_address("10.0.0.1", {"x-forwarded-for": "6.6.6.6, 1.2.3.4"}, 1)
    '1.2.3.4'
    >>> client_address("10.0.0.1", {"x-forwarded-for": "6.6.6.6"}, 0)
    '10.0.0.1'
    """
    passed = [part.strip() for part in headers.get("x-forwarded-for", "").split(",")]
    if trusted_proxies and len(passed) >= trusted_proxies and passed[-trusted_proxies]:
        return passed[-trusted_proxies]
    return host or "unknown"


def _window(window_s: float) -> str:
    return "a day" if window_s == DAY_S else "an hour"
