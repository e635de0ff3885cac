"""Rate limits: token buckets that a request passes before it is sent."""

import asyncio
import time
from collections.abc import Awaitable, Callable

SECONDS = 60.0


class TokenBucket:
    """A limit per minute, first come first served.

    The bucket holds one second's worth, at least one unit, so that no minute sees more than the
    limit and a second's worth. An amount above that is let through into debt, which the next one
    waits out; an estimate that proves wrong is settled in the same way.
    """

    def __init__(
        self,
        per_minute: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Start with a full bucket.

        Args:
            per_minute: Units that flow in per minute.
            clock: Seconds that never run backwards.
            sleep: Waits some seconds.
        """
        self._rate = per_minute / SECONDS
        self._capacity = max(1.0, self._rate)
        self._level = self._capacity
        self._clock = clock
        self._sleep = sleep
        self._filled_at = clock()
        self._turn = asyncio.Lock()

    async def acquire(self, amount: float) -> None:
        """Wait for `amount` units and take them."""
        async with self._turn:
            needed = min(amount, self._capacity)
            self._fill()
            while self._level < needed - 1e-9:
                await self._sleep((needed - self._level) / self._rate)
                self._fill()
            self._level -= amount

    def settle(self, estimated: float, actual: float) -> None:
        """Replace what was taken by what was used."""
        self._fill()
        self._level = min(self._capacity, self._level + estimated - actual)

    def _fill(self) -> None:
        now = self._clock()
        flowed = (now - self._filled_at) * self._rate
        self._level = min(self._capacity, self._level + flowed)
        self._filled_at = now


class Pause:
    """A pause that an endpoint asked of one request and that all requests keep."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._until = clock()

    def extend(self, seconds: float) -> None:
        """Let nobody start for some seconds from now."""
        self._until = max(self._until, self._clock() + seconds)

    async def wait(self) -> None:
        """Return when no pause is on."""
        while (left := self._until - self._clock()) > 0:
            await self._sleep(left)
