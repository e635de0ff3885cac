"""Which failures are worth another attempt, and after what pause."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from schemas.hashing import hash_fraction

RETRIED_STATUS = frozenset({408, 409, 425, 429})
REFUSED_STATUS = frozenset({400, 413, 422})


@dataclass(frozen=True)
class Failure:
    """An attempt without a usable answer.

    Attributes:
        problem: What happened; holds no secret.
        status: HTTP status, None where no whole answer came.
        retried: Whether another attempt may do better.
        wait_s: Pause that the endpoint asks for.
        billed: Whether the endpoint may have counted the call nevertheless.
    """

    problem: str
    status: int | None = None
    retried: bool = True
    wait_s: float | None = None
    billed: bool = False


def is_retried(status: int) -> bool:
    """Whether an HTTP status may go away by itself.

    >>> [status for status in (400, 401, 403, 404, 408, 409, 429, 500, 503) if is_retried(status)]
    [408, 409, 429, 500, 503]
    """
    return status in RETRIED_STATUS or status >= 500


def backoff_s(attempt: int, key: str, *, base_s: float, limit_s: float) -> float:
    """Pause after a failed attempt: doubled each time, then cut by up to half by hash.

    Args:
        attempt: Number of the attempt that failed, from 1.
        key: Content key of the request, so that requests that fail together part.
        base_s: Pause after the first failure at most.
        limit_s: Longest pause.

    Returns:
        Seconds, the same for the same attempt of the same request.
    """
    whole = min(limit_s, base_s * 2.0 ** min(attempt - 1, 30))
    return whole * (1 - hash_fraction(0, "backoff", key, attempt) / 2)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds an endpoint asks to wait, from `Retry-After` (RFC 9110, 10.2.3).

    Args:
        headers: Headers of its answer.
        now: The present, to which a date is compared; with a time zone.

    Returns:
        Seconds, at least 0; None where nothing legible is asked.
    """
    value = (headers.get("retry-after") or "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _until(value, now)
    return max(0.0, seconds) if seconds < float("inf") else None


def _until(value: str, now: datetime) -> float | None:
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - now).total_seconds())
