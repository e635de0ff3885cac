"""The client against an endpoint that misbehaves: the same answers, each paid once."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medvid.language import (
    ChatRequest,
    EndpointError,
    LanguageClient,
    Message,
    RequestRefusedError,
)
from tests.language.endpoint import PROMPT_TOKENS, Body, FaultyEndpoint

MakeClient = Callable[..., LanguageClient]
FAULTS = ["429", "429 0.05", "408", "409", "500", "503", "reset", "cut", "short", "html", "empty"]


def asks(text: str, **changes: object) -> ChatRequest:
    messages = (Message(role="user", text=text),)
    return ChatRequest.model_validate(
        {"messages": messages, "prompt_version": "test-1", "max_tokens": 20, **changes}
    )


def first(fault: str, times: int = 1) -> Callable[[Body, int], str]:
    return lambda body, before: fault if before < times else "ok"


@pytest.mark.parametrize("fault", [*FAULTS, "hang", "drip"])
def test_what_passes_is_asked_again(make_client: MakeClient, fault: str) -> None:
    with FaultyEndpoint(first(fault)) as endpoint:
        client = make_client(endpoint)
        reply = client.ask(asks("grasper"))
        assert reply.text == "heard: grasper"
        assert len(endpoint.received) == 2
        assert client.usage.retries == 1
        assert list(endpoint.answered.values()) == [1]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_request_is_not_asked_again(make_client: MakeClient, status: int) -> None:
    with FaultyEndpoint(first(str(status), 99)) as endpoint:
        with pytest.raises(RequestRefusedError) as caught:
            make_client(endpoint).ask(asks("too long"))
        assert (caught.value.status, len(endpoint.received)) == (status, 1)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_address_or_key_is_named_at_once(make_client: MakeClient, status: int) -> None:
    with FaultyEndpoint(first(str(status), 99)) as endpoint:
        with pytest.raises(EndpointError, match="MEDVID_LLM_API_KEY") as caught:
            make_client(endpoint).ask(asks("hello"))
        assert not isinstance(caught.value, RequestRefusedError)
        assert len(endpoint.received) == 1


def test_an_endpoint_that_stays_broken_ends_the_run_after_all_attempts(
    make_client: MakeClient,
) -> None:
    with FaultyEndpoint(first("500", 99)) as endpoint:
        with pytest.raises(EndpointError, match="over 3 attempts") as caught:
            make_client(endpoint, max_attempts=3).ask(asks("hello"))
        assert (caught.value.attempts, caught.value.status) == (3, 500)
        assert len(endpoint.received) == 3


def test_nobody_there_is_said_and_nothing_counts_as_spent(make_client: MakeClient) -> None:
    with FaultyEndpoint() as endpoint:
        pass
    client = make_client(endpoint, max_attempts=2)
    with pytest.raises(EndpointError, match="connection failed"):
        client.ask(asks("hello"))
    assert client.usage.prompt_tokens == 0


def test_what_may_have_been_billed_stays_spent(make_client: MakeClient) -> None:
    with FaultyEndpoint(first("hang")) as endpoint:
        client = make_client(endpoint)
        request = asks("hello")
        client.ask(request)
        assert client.usage.prompt_tokens == PROMPT_TOKENS + request.prompt_estimate(0)


def test_a_pause_asked_of_one_is_kept_by_all(make_client: MakeClient) -> None:
    def script(body: Body, before: int) -> str:
        busy = body["messages"][0]["content"] == "first" and before == 0
        return "429 0.6" if busy else "ok"

    with FaultyEndpoint(script) as endpoint:
        client = make_client(endpoint)

        async def two() -> None:
            task = asyncio.ensure_future(client.answer(asks("first")))
            await asyncio.sleep(0.25)
            await asyncio.gather(task, client.answer(asks("second")))

        client.run(two())
        begun, *later = endpoint.times()
        assert len(later) == 2
        assert all(at - begun >= 0.58 for at in later)


def test_a_pause_until_a_date_is_kept(make_client: MakeClient) -> None:
    with FaultyEndpoint(first("503 date")) as endpoint:
        make_client(endpoint).ask(asks("hello"))
        before, after = endpoint.times()
        assert after - before >= 0.9  # dates have whole seconds


def test_a_pause_of_an_hour_ends_the_run(make_client: MakeClient) -> None:
    with (
        FaultyEndpoint(first("429 3600")) as endpoint,
        pytest.raises(EndpointError, match="wait 3600 s"),
    ):
        make_client(endpoint).ask(asks("hello"))


def test_equal_requests_in_flight_are_asked_once(make_client: MakeClient) -> None:
    with FaultyEndpoint() as endpoint:
        client = make_client(endpoint)
        replies = client.map(client.answer, [asks("same")] * 20 + [asks("other")])
        assert {reply.text for reply in replies[:20]} == {"heard: same"}
        assert len(endpoint.received) == 2
        assert client.usage.calls == 2


def test_the_address_and_the_key_are_no_content(make_client: MakeClient) -> None:
    with FaultyEndpoint() as one, FaultyEndpoint() as two:
        first_reply = make_client(one).ask(asks("hello"))
        client = make_client(two, api_key="another")
        assert client.ask(asks("hello")) == first_reply
        assert not two.received
        assert client.usage.cached == 1


@pytest.mark.parametrize(
    "change",
    [{"temperature": 0.5}, {"top_p": 0.5}, {"seed": 3}, {"max_tokens": 21}, {"json_reply": True},
     {"prompt_version": "test-2"}, {"repeat": 1}, {"attempt": 1},
     {"messages": (Message(role="system", text="hello"),)},
     {"messages": (Message(role="user", text="hello", images=(b"jpeg",)),)}],
)  # fmt: skip
def test_all_that_decides_the_answer_is_in_the_key(change: dict[str, object]) -> None:
    plain = asks("hello")
    assert plain.key("m") == asks("hello").key("m")
    assert plain.key("m") != asks("hello", **change).key("m")
    assert plain.key("m") != plain.key("n")


def test_pictures_go_out_as_jpeg(make_client: MakeClient) -> None:
    message = Message(role="user", text="what is this?", images=(b"\xff\xd8picture",))
    with FaultyEndpoint(answer=lambda body: "a grasper") as endpoint:
        client = make_client(endpoint)
        client.ask(ChatRequest(messages=(message,), prompt_version="v"))
        (body,) = endpoint.bodies.values()
    parts = body["messages"][0]["content"]
    assert parts[0] == {"type": "text", "text": "what is this?"}
    assert parts[1]["image_url"]["url"] == "data:image/jpeg;base64,/9hwaWN0dXJl"


def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = "sk-very-secret-key"
    with FaultyEndpoint(lambda body, before: "401" if "bad" in str(body) else "ok") as endpoint:
        client = make_client(endpoint)
        client.ask(asks("fine"))
        with pytest.raises(EndpointError) as caught:  # the endpoint says the key back
            client.ask(asks("bad"))
        assert endpoint.secrets == {f"Bearer {secret}"}
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    stored = b"".join(path.read_bytes() for path in (tmp_path / "calls").iterdir())
    shown = [*map(str, chain), *map(repr, chain), repr(client), repr(client._settings)]
    assert secret not in " ".join([*shown, caplog.text, client._settings.model_dump_json()])
    assert secret.encode() not in stored
    assert b"***" not in stored


def test_the_client_serves_callers_that_run_a_loop_themselves(make_client: MakeClient) -> None:
    with FaultyEndpoint() as endpoint:
        client = make_client(endpoint)

        async def inside() -> str:
            return client.ask(asks("hello")).text

        assert asyncio.run(inside()) == "heard: hello"


def test_requests_in_flight_are_limited(make_client: MakeClient) -> None:
    def slowly(body: Body) -> str:
        time.sleep(0.02)
        return "ok"

    with FaultyEndpoint(answer=slowly) as endpoint:
        client = make_client(endpoint, concurrency=3)
        client.map(client.answer, [asks(str(number)) for number in range(20)])
        assert 2 <= endpoint.most_in_flight <= 3


def test_results_keep_their_order_and_progress_counts(make_client: MakeClient) -> None:
    done: list[tuple[int, int]] = []
    with FaultyEndpoint(first("500")) as endpoint:
        client = make_client(endpoint)
        requests = [asks(str(number)) for number in range(30)]
        replies = client.map(client.answer, requests, lambda *at: done.append(at))
    assert [reply.text for reply in replies] == [f"heard: {number}" for number in range(30)]
    assert done == [(count, 30) for count in range(1, 31)]


def test_an_error_ends_a_run_and_keeps_what_was_answered(
    make_client: MakeClient, tmp_path: Path
) -> None:
    with FaultyEndpoint(lambda body, before: "401" if "7" in str(body) else "ok") as endpoint:
        client = make_client(endpoint, concurrency=2)
        with pytest.raises(EndpointError):
            client.map(client.answer, [asks(f"item {number}") for number in range(100)])
        assert 6 <= endpoint.answered.total() < 20
        assert client.usage.calls == endpoint.answered.total()
    lines = (tmp_path / "calls" / "calls.jsonl").read_bytes().splitlines()
    assert len(lines) == endpoint.answered.total()


def test_a_fault_of_the_caller_comes_through_as_it_is(make_client: MakeClient) -> None:
    async def faulty(item: int) -> int:
        return 1 // item

    with FaultyEndpoint() as endpoint, pytest.raises(ZeroDivisionError):
        make_client(endpoint).map(faulty, [1, 0, 1])


def test_a_closed_client_may_be_closed_again(make_client: MakeClient) -> None:
    with FaultyEndpoint(first("hang", 99)) as endpoint:
        client = make_client(endpoint, timeout_s=30)

        async def begin() -> None:
            asyncio.ensure_future(client.answer(asks("slow")))  # noqa: RUF006 - given up below
            await asyncio.sleep(0.1)

        client.run(begin())
        client.close()
        client.close()
