"""Runs that are killed: what was answered and kept is never asked again."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from tests.language.endpoint import Body, FaultyEndpoint

ROOT = Path(__file__).parents[2]
ITEMS = 24

_RUN = """
import sys
from pathlib import Path
from medvid.language import CallCache, ChatRequest, LanguageClient, LanguageSettings, Message

url, folder, items, concurrency = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
settings = LanguageSettings(base_url=url, model="tiny", concurrency=concurrency, timeout_s=30,
                            backoff_base_s=0.01, max_attempts=8)

async def two_steps(number):
    first = await client.answer(ask(f"item {number}"))
    second = await client.answer(ask(f"and then? {first.text}"))
    return second.text

def ask(text):
    return ChatRequest(messages=(Message(role="user", text=text),), prompt_version="kill-1")

with CallCache(folder) as cache, LanguageClient(settings, cache) as client:
    for text in client.map(two_steps, range(items)):
        print(text)
"""


def start(endpoint: FaultyEndpoint, folder: Path, concurrency: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _RUN, endpoint.url, str(folder), str(ITEMS), str(concurrency)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def finish(run: "subprocess.Popen[str]") -> str:
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    return out


def kept(folder: Path) -> set[str]:
    """Contents whose answers are whole in the cache, by the ids the endpoint gave them."""
    path = folder / "calls.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    found = set()
    for line in lines:
        try:
            found.add(orjson.loads(line)["reply"]["reply_id"].removeprefix("chatcmpl-"))
        except orjson.JSONDecodeError:
            continue
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run prints that nobody disturbs."""
    with FaultyEndpoint() as calm:
        return finish(start(calm, tmp_path_factory.mktemp("calm"), 6))


@pytest.mark.parametrize("concurrency", [1, 6])
def test_a_killed_run_goes_on_without_asking_twice(
    tmp_path: Path, expected: str, concurrency: int
) -> None:
    """The endpoint answers 15 requests and holds all others, so nothing is in doubt at the kill."""
    quota = 15
    received = Counter[str]()

    def until_quota(body: Body, before: int) -> str:
        received["all"] += 1
        return "ok" if received["all"] <= quota else "hold"

    folder = tmp_path / "calls"
    with FaultyEndpoint(until_quota) as endpoint:
        run = start(endpoint, folder, concurrency)
        for _ in range(concurrency):
            assert endpoint.held.acquire(timeout=30)
        deadline = time.monotonic() + 30
        while len(kept(folder)) < quota and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(run.pid, signal.SIGKILL)
        run.communicate(timeout=30)
        assert kept(folder) == set(endpoint.answered)
        assert endpoint.answered.total() == quota

        received["all"] = -10_000
        assert finish(start(endpoint, folder, concurrency)) == expected
        assert len(endpoint.answered) == 2 * ITEMS
        assert set(endpoint.answered.values()) == {1}


def test_kills_at_any_moment_cost_at_most_what_was_in_flight(tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    in_flight = 4

    def slowly(body: Body) -> str:
        time.sleep(0.03)
        return f"heard: {body['messages'][-1]['content']}"

    with FaultyEndpoint(answer=slowly) as endpoint:
        kills = 2
        for killed in range(kills + 1):
            safe, place = kept(folder), len(endpoint.received)
            run = start(endpoint, folder, in_flight)
            while killed < kills and run.poll() is None and len(endpoint.received) < place + 11:
                time.sleep(0.001)
            if killed < kills:
                run.kill()
            run.communicate(timeout=60)
            time.sleep(0.15)  # for answers under way to nobody
            assert not {content for _, content in endpoint.received[place:]} & safe
        assert len(endpoint.answered) == 2 * ITEMS
        assert endpoint.answered.total() <= 2 * ITEMS + kills * in_flight


def test_two_processes_on_one_cache_ask_everything_once(tmp_path: Path) -> None:
    def slowly(body: Body) -> str:
        time.sleep(0.01)
        return f"heard: {body['messages'][-1]['content']}"

    with FaultyEndpoint(answer=slowly) as endpoint:
        runs = [start(endpoint, tmp_path / "calls", 4) for _ in range(2)]
        one, other = (finish(run) for run in runs)
        assert one == other
        assert len(endpoint.answered) == 2 * ITEMS
        assert set(endpoint.answered.values()) == {1}
