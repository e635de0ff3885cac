"""The client that the judge, the captioners and the rewards share.

Asynchronous inside, plain outside: an event loop in a thread of its own serves any thread,
whether or not that runs a loop itself.

    with CallCache(folder) as cache, LanguageClient(settings, cache) as client:
        reply = client.ask(request)
        results = client.map(judge_one, pairs)     # judge_one is a coroutine function

An answer is in the cache before anybody sees it, so a killed run asks nothing twice that it had
in hand. Equal requests in flight, of this process or of another on the same cache, are asked once.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from medvid.language.budget import Budget, Tokens
from medvid.language.cache import CallCache
from medvid.language.chat import ChatReply, ChatRequest
from medvid.language.errors import EndpointError, LanguageError, RequestRefusedError
from medvid.language.rates import Pause, TokenBucket
from medvid.language.retries import REFUSED_STATUS, Failure, backoff_s
from medvid.language.settings import LanguageSettings

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int, int], None]
"""Takes how many are done and how many there are; called from the client's thread."""

CLAIM_POLL_S = 0.1
"""How often a request that another process is asking is looked for in the cache."""


@dataclass
class Usage:
    """What a client did so far.

    Attributes:
        calls: Answers that the endpoint gave and that were paid.
        cached: Answers that the cache gave.
        shared: Requests that joined an equal one in flight.
        retries: Attempts that failed and were followed by another.
        prompt_tokens: Tokens of prompts against the budget, uncertain ones included.
        completion_tokens: Tokens of answers likewise.
        money: Their price.
    """

    calls: int = 0
    cached: int = 0
    shared: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0


@dataclass
class _MapState:
    """Where a `map` stands: results by position, and the error that ends it."""

    total: int
    progress: Progress | None
    results: dict[int, Any] = field(default_factory=dict)
    errors: list[LanguageError] = field(default_factory=list)


class LanguageClient:
    """Asks one model at one endpoint, within limits, through a cache."""

    def __init__(self, settings: LanguageSettings, cache: CallCache) -> None:
        """Start the client's thread; nothing is sent yet.

        Args:
            settings: Endpoint and limits.
            cache: Where answers are kept; stays the caller's to close.
        """
        # The openai package takes half a second to import, which only those who ask should pay.
        from medvid.language.endpoint import Endpoint

        spent = cache.tokens(settings.model) if settings.budget_scope == "cache" else (0, 0)
        self._settings = settings
        self._cache = cache
        self._usage = Usage()
        self._endpoint = Endpoint(settings)
        self._budget = Budget(settings, Tokens(*spent))
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._requests = _bucket(settings.requests_per_minute)
        self._tokens = _bucket(settings.tokens_per_minute)
        self._pause = Pause()
        self._pending: dict[str, asyncio.Task[ChatReply]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="medvid-language", daemon=True)
        self._thread.start()

    @property
    def model(self) -> str:
        """Name of the model that is asked."""
        return self._settings.model

    @property
    def usage(self) -> Usage:
        """What was asked, answered and spent so far."""
        spent = self._budget.spent
        self._usage.prompt_tokens = spent.prompt
        self._usage.completion_tokens = spent.completion
        self._usage.money = self._budget.money(spent)
        return self._usage

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is in flight and end the thread; a second time does nothing."""
        if self._loop.is_closed():
            return
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, request: ChatRequest) -> ChatReply:
        """Answer one request, from the cache or the endpoint.

        Raises:
            BudgetExceededError: The call does not fit into the budget.
            RequestRefusedError: The endpoint refuses this request.
            EndpointError: The endpoint cannot be used.
            CallCacheError: The answer cannot be kept.
        """
        return self.run(self.answer(request))

    def map(
        self,
        work: Callable[[T], Coroutine[Any, Any, R]],
        items: Sequence[T],
        progress: Progress | None = None,
    ) -> list[R]:
        """Run a coroutine function, which calls `answer`, over many items at once.

        An error ends the run: nothing new is begun, calls in flight are waited for and kept.

        Args:
            work: Makes a result of an item.
            items: What to work on.
            progress: Told after every item.

        Returns:
            Results in the order of the items.

        Raises:
            LanguageError: The first that `work` raised.
        """
        return self.run(self._map(work, items, _MapState(len(items), progress)))

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine in the client's thread and wait for it; Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    async def answer(self, request: ChatRequest) -> ChatReply:
        """`ask`, for coroutines that run in the client's thread."""
        key = request.key(self.model)
        stored = self._cache.load(key)
        if stored is not None:
            self._usage.cached += 1
            return stored
        task = self._pending.get(key)
        if task is None:
            task = self._loop.create_task(self._ask_once(key, request))
            self._pending[key] = task
            task.add_done_callback(lambda _: self._pending.pop(key, None))
        else:
            self._usage.shared += 1
        return await asyncio.shield(task)

    async def _ask_once(self, key: str, request: ChatRequest) -> ChatReply:
        """Ask unless another process does; then wait for what it brings."""
        while True:
            with self._cache.claim(key) as ours:
                stored = self._cache.load(key)
                if stored is not None:
                    self._usage.cached += 1
                    return stored
                if ours:
                    return await self._ask(key, request)
            await asyncio.sleep(CLAIM_POLL_S)

    async def _ask(self, key: str, request: ChatRequest) -> ChatReply:
        attempt = 1
        while not isinstance(outcome := await self._attempt(key, request), ChatReply):
            if not outcome.retried or attempt == self._settings.max_attempts:
                raise self._error(outcome, attempt)
            await self._wait_after(outcome, key, attempt)
            self._usage.retries += 1
            attempt += 1
        return outcome

    async def _wait_after(self, failure: Failure, key: str, attempt: int) -> None:
        """Wait as the endpoint asks, with all other requests, or else as we think fit."""
        settings = self._settings
        if failure.wait_s:
            self._keep_pause(failure, attempt)
            return
        base_s, limit_s = settings.backoff_base_s, settings.backoff_limit_s
        await asyncio.sleep(backoff_s(attempt, key, base_s=base_s, limit_s=limit_s))

    def _keep_pause(self, failure: Failure, attempt: int) -> None:
        """Hold all requests back as the endpoint asks, unless it asks for too long."""
        wait_s = failure.wait_s or 0.0
        if wait_s > self._settings.retry_after_limit_s:
            raise EndpointError(
                f"the endpoint asks to wait {wait_s:.0f} s: {failure.problem}.",
                status=failure.status, attempts=attempt,
            )  # fmt: skip
        self._pause.extend(wait_s)

    async def _attempt(self, key: str, request: ChatRequest) -> ChatReply | Failure:
        """Send a request once, within all limits."""
        most = Tokens(request.prompt_estimate(self._settings.image_tokens), request.max_tokens)
        async with self._slots:
            await self._pass_limits(most)
            await self._budget.reserve(most)
            used = most
            try:
                outcome = await self._endpoint.attempt(request)
                if isinstance(outcome, ChatReply):
                    used = Tokens(outcome.prompt_tokens, outcome.completion_tokens)
                    self._cache.store(key, self.model, outcome)  # before anything can come between
                    self._usage.calls += 1
                elif not outcome.billed:
                    used = Tokens()
            finally:
                await self._budget.settle(most, used)
                if self._tokens is not None:
                    self._tokens.settle(most.total, used.total)
        return outcome

    async def _pass_limits(self, most: Tokens) -> None:
        await self._pause.wait()
        if self._requests is not None:
            await self._requests.acquire(1)
        if self._tokens is not None:
            await self._tokens.acquire(most.total)
        await self._pause.wait()

    def _error(self, failure: Failure, attempts: int) -> EndpointError:
        if failure.status in REFUSED_STATUS:
            return RequestRefusedError(
                f"the endpoint refuses the request: {failure.problem}.",
                status=failure.status, attempts=attempts,
            )  # fmt: skip
        if not failure.retried:
            return EndpointError(
                f"the endpoint cannot be used: {failure.problem}.",
                status=failure.status, attempts=attempts,
                action="Check MEDVID_LLM_BASE_URL, MEDVID_LLM_MODEL and MEDVID_LLM_API_KEY.",
            )  # fmt: skip
        return EndpointError(
            f"the endpoint stayed broken over {attempts} attempts: {failure.problem}.",
            status=failure.status, attempts=attempts,
        )  # fmt: skip

    async def _map(
        self, work: Callable[[T], Awaitable[R]], items: Sequence[T], state: _MapState
    ) -> list[R]:
        queue = iter(enumerate(items))
        count = min(len(items), 2 * self._settings.concurrency)
        workers = [asyncio.ensure_future(_work_off(work, queue, state)) for _ in range(count)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        if state.errors:
            raise state.errors[0]
        return [state.results[index] for index in range(len(items))]

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _end(self) -> None:
        tasks = list(self._pending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._endpoint.close()
        await self._loop.shutdown_asyncgens()


async def _work_off(
    work: Callable[[T], Awaitable[R]], queue: Iterator[tuple[int, T]], state: _MapState
) -> None:
    """Take items until none is left or somebody failed."""
    for index, item in queue:
        try:
            state.results[index] = await work(item)
        except LanguageError as error:
            state.errors.append(error)
        if state.errors:
            return
        if state.progress is not None:
            state.progress(len(state.results), state.total)


def _bucket(per_minute: float | None) -> TokenBucket | None:
    return None if per_minute is None else TokenBucket(per_minute)
