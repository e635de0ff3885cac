"""Rates, pauses and budgets: on a clock that is turned by hand, and at a server that counts."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.language import BudgetExceededError, ChatRequest, LanguageClient, Message
from medvid.language.budget import Budget, Tokens
from medvid.language.rates import TokenBucket
from medvid.language.retries import backoff_s, retry_after_s
from medvid.language.settings import LanguageSettings
from schemas.errors import ConfigError
from tests.language.endpoint import COMPLETION_TOKENS, PROMPT_TOKENS, FaultyEndpoint

MakeClient = Callable[..., LanguageClient]
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
MOST = 60
"""Tokens that `asks` reserves: 8 for the message, 2 for its text, 50 for the answer."""


def asks(number: int) -> ChatRequest:
    message = Message(role="user", text=f"n{number:d}"[-2:])
    return ChatRequest(messages=(message,), prompt_version=f"v{number}", max_tokens=50, seed=number)


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@settings(max_examples=60, deadline=None)
@given(
    per_minute=st.floats(0.5, 5_000),
    amounts=st.lists(st.floats(0.1, 300), min_size=1, max_size=60),
)
def test_no_minute_sees_more_than_its_limit_and_a_second(
    per_minute: float, amounts: list[float]
) -> None:
    clock = Clock()
    bucket = TokenBucket(per_minute, clock=clock, sleep=clock.sleep)
    taken: list[tuple[float, float]] = []

    async def take() -> None:
        for amount in amounts:
            await bucket.acquire(amount)
            taken.append((clock.now, amount))

    asyncio.run(take())
    burst = max(1.0, per_minute / 60)
    for place, (start, _) in enumerate(taken):
        window = [amount for at, amount in taken[place:] if at < start + 60]
        # the last one may go into debt, which is why it is not part of the sum
        assert sum(window[:-1]) <= per_minute + burst + 1e-6 * len(window)


def test_an_estimate_that_was_too_high_gives_time_back() -> None:
    clock = Clock()
    bucket = TokenBucket(600, clock=clock, sleep=clock.sleep)

    async def take() -> None:
        await bucket.acquire(100)
        bucket.settle(100, 10)
        await bucket.acquire(10)

    asyncio.run(take())
    assert clock.now == pytest.approx(1.0)


def test_the_server_sees_no_request_before_its_turn(make_client: MakeClient) -> None:
    with FaultyEndpoint() as endpoint:
        client = make_client(endpoint, timeout_s=30.0, requests_per_minute=1_200, concurrency=16)
        started = time.monotonic()
        client.map(client.answer, [asks(number) for number in range(45)])
        times = sorted(endpoint.times())
    assert len(times) == 45
    for number, at in enumerate(times):  # 20 at once, then 20 a second; a busy machine is but late
        assert at - started >= (number - 20) / 20 - 0.01


def test_the_server_sees_no_more_tokens_than_allowed(make_client: MakeClient) -> None:
    with FaultyEndpoint() as endpoint:
        client = make_client(endpoint, timeout_s=30.0, tokens_per_minute=60 * 500, concurrency=4)
        started = time.monotonic()
        client.map(client.answer, [asks(number) for number in range(20)])
        times = endpoint.times()
    # each took 50 in the end; 500 at once and 500 a second leave at least 0.6 s for 20 of them,
    # less what the last one in flight owes
    assert times[-1] - started >= 0.7


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), (" 0.5 ", 0.5), ("0", 0.0), ("-4", 0.0), ("soon", None), ("", None),
     ("inf", None), ("nan", None),
     (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
     (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
     ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0), ("Sun, 99 Mar 2026 12:00:30 GMT", None)],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": value}, NOW) == seconds


@given(attempt=st.integers(1, 2_000), key=st.text(max_size=5))
@settings(max_examples=50, deadline=None)
def test_pauses_grow_part_and_stay_the_same(attempt: int, key: str) -> None:
    pause = backoff_s(attempt, key, base_s=1.0, limit_s=60.0)
    whole = min(60.0, 2.0 ** min(attempt - 1, 30))
    assert whole / 2 <= pause <= whole
    assert pause == backoff_s(attempt, key, base_s=1.0, limit_s=60.0)


def limits(**changes: object) -> LanguageSettings:
    return LanguageSettings.model_validate(
        {"base_url": "http://localhost/v1", "model": "m", **changes}
    )


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 500),
    calls=st.lists(st.tuples(st.integers(1, 120), st.floats(0, 1)), max_size=30),
)
def test_a_budget_is_a_ceiling_and_lets_all_through_that_fits(
    limit: int, calls: list[tuple[int, float]]
) -> None:
    async def spend() -> None:
        budget = Budget(limits(budget_tokens=limit), Tokens())

        async def one(most: int, share: float) -> bool:
            reserved = Tokens(most, 0)
            before = budget.spent.total
            try:
                await budget.reserve(reserved)
            except BudgetExceededError:
                assert budget.spent.total + most > limit  # even with nothing in flight
                assert before <= limit
                return False
            await asyncio.sleep(0)
            await budget.settle(reserved, Tokens(int(most * share), 0))
            assert budget.spent.total <= limit
            return True

        await asyncio.gather(*(one(*call) for call in calls))
        assert budget.spent.total <= limit

    asyncio.run(spend())


@pytest.mark.parametrize("concurrency", [1, 8])
def test_no_call_is_sent_that_could_pass_the_budget_in_tokens(
    make_client: MakeClient, concurrency: int
) -> None:
    each, budget = PROMPT_TOKENS + COMPLETION_TOKENS, 300
    with FaultyEndpoint() as endpoint:
        client = make_client(
            endpoint, timeout_s=30.0, budget_tokens=budget, concurrency=concurrency
        )
        with pytest.raises(BudgetExceededError, match="MEDVID_LLM_BUDGET_TOKENS"):
            client.map(client.answer, [asks(number) for number in range(40)])
        sent = len(endpoint.received)
        # 50 used a call; the next is sent while 50 n + 60 <= 300
        assert sent == (budget - MOST) // each + 1 == 5
        assert client.usage.prompt_tokens + client.usage.completion_tokens == sent * each

        richer = make_client(endpoint, timeout_s=30.0, budget_tokens=10_000)
        richer.map(richer.answer, [asks(number) for number in range(40)])
        assert len(endpoint.received) == 40
        assert richer.usage.cached == sent
        assert set(endpoint.answered.values()) == {1}


def test_no_call_is_sent_that_could_pass_the_budget_in_money(make_client: MakeClient) -> None:
    prices = {"price_prompt": 1_000.0, "price_completion": 5_000.0}
    with FaultyEndpoint() as endpoint:
        client = make_client(endpoint, timeout_s=30.0, budget_money=1.0, concurrency=3, **prices)
        with pytest.raises(BudgetExceededError, match=r"of 1\.0000 in money"):
            client.map(client.answer, [asks(number) for number in range(40)])
        # a call costs 0.09 and may cost 0.26: sent while 0.09 n + 0.26 <= 1
        assert len(endpoint.received) == 9
        assert client.usage.money == pytest.approx(0.81)


def test_a_budget_over_the_cache_counts_what_killed_runs_spent(make_client: MakeClient) -> None:
    with FaultyEndpoint() as endpoint:
        client = make_client(endpoint, timeout_s=30.0)
        client.map(client.answer, [asks(number) for number in range(4)])
        again = make_client(endpoint, timeout_s=30.0, budget_tokens=250, budget_scope="cache")
        again.map(again.answer, [asks(number) for number in range(4)])
        with pytest.raises(BudgetExceededError, match="200 of 250 tokens"):
            again.ask(asks(9))
        assert len(endpoint.received) == 4


def test_an_endpoint_without_usage_is_counted_by_estimate(make_client: MakeClient) -> None:
    with FaultyEndpoint(lambda body, before: "bare", lambda body: "four letters") as endpoint:
        reply = make_client(endpoint, timeout_s=30.0).ask(asks(1))
        assert (reply.prompt_tokens, reply.completion_tokens) == (MOST - 50, 4)


def test_settings_come_from_the_environment() -> None:
    environment = {
        "MEDVID_LLM_BASE_URL": " http://localhost:8000/v1 ", "MEDVID_LLM_MODEL": "tiny",
        "MEDVID_LLM_API_KEY": "sk-1", "MEDVID_LLM_CONCURRENCY": "3",
        "MEDVID_LLM_BUDGET_MONEY": "2.5", "MEDVID_LLM_PRICE_PROMPT": "2", "OTHER": "x",
    }  # fmt: skip
    found = LanguageSettings.from_environment(environment)
    assert found is not None
    assert (found.base_url, found.concurrency, found.budget_money) == (
        "http://localhost:8000/v1", 3, 2.5
    )  # fmt: skip
    assert found.api_key is not None
    assert found.api_key.get_secret_value() == "sk-1"
    assert "sk-1" not in f"{found!r}{found}{found.model_dump_json()}"
    assert LanguageSettings.from_environment({"OTHER": "x"}) is None


@pytest.mark.parametrize(
    ("changes", "variable"),
    [({"MEDVID_LLM_MODEL": ""}, "MEDVID_LLM_MODEL"),
     ({"MEDVID_LLM_BASE_URL": "sk-1 ftp:x"}, "MEDVID_LLM_BASE_URL"),
     ({"MEDVID_LLM_TIMEOUT_S": "-1"}, "MEDVID_LLM_TIMEOUT_S"),
     ({"MEDVID_LLM_BUDGET_MONEY": "3"}, "MEDVID_LLM_BUDGET_MONEY")],
)  # fmt: skip
def test_a_wrong_variable_is_named_and_its_value_is_not(
    changes: dict[str, str], variable: str
) -> None:
    base = {"MEDVID_LLM_BASE_URL": "http://localhost/v1", "MEDVID_LLM_MODEL": "tiny"}
    with pytest.raises(ConfigError, match=variable) as caught:
        LanguageSettings.from_environment({**base, **changes})
    assert "sk-1" not in str(caught.value)
