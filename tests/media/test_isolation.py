"""Calls in processes of their own: results, errors, time-outs, crashes, and nothing left behind."""

import ctypes
import importlib
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import pytest

from medvid.media import load_ahead, run_isolated
from schemas.errors import MalformedSourceError, MediaError

LIMIT_S = 30.0


def refuse() -> NoReturn:
    raise MalformedSourceError(
        "a comma is missing.", dataset="nurvid", source="a.json", line=7, field="segment"
    )


def refuse_media() -> NoReturn:
    raise MediaError("it was cut.", reason="truncated", source="a.mp4")


class OddError(Exception):
    """Takes other arguments than it passes on, so that it cannot be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


def raise_odd() -> NoReturn:
    raise OddError("odd ", "words")


def give_unpicklable() -> Callable[[], int]:
    return lambda: 1


def segfault() -> None:
    ctypes.string_at(0)


def kill_self(number: int) -> None:
    os.kill(os.getpid(), number)


def die_half_way_through_the_reply() -> NoReturn:
    for entry in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(entry.name))) as pipe:
                pipe.sendall(b"\x80\x05" + b"x" * 100_000)
        except OSError:
            continue
    os._exit(0)


def start_grandchild(pid_file: Path, then_sleep_s: float) -> None:
    child = subprocess.Popen(["sleep", "600"])
    pid_file.write_text(f"{os.getpid()} {child.pid}")
    time.sleep(then_sleep_s)


def sum_and_echo(array: npt.NDArray[np.int64], *, scale: int) -> tuple[int, npt.NDArray[np.int64]]:
    return int(array.sum()) * scale, array


def call_again(number: float) -> float:
    return run_isolated(math.sqrt, number, timeout_s=LIMIT_S)


def server_pid() -> int:
    return os.getppid()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int, limit_s: float = 10.0) -> bool:
    deadline = time.monotonic() + limit_s
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(pid)


def wait_for_text(path: Path) -> str:
    deadline = time.monotonic() + LIMIT_S
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.read_text()


def test_results_and_keyword_arguments_come_through_whole() -> None:
    array = np.arange(3_000_000, dtype=np.int64)
    total, echo = run_isolated(sum_and_echo, array, timeout_s=LIMIT_S, scale=2)
    assert total == int(array.sum()) * 2
    assert np.array_equal(echo, array)


def test_the_call_runs_elsewhere_in_the_same_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_isolated(os.getpid, timeout_s=LIMIT_S) != os.getpid()
    assert run_isolated(os.getcwd, timeout_s=LIMIT_S) == str(tmp_path)


def test_errors_keep_their_attributes() -> None:
    with pytest.raises(MalformedSourceError) as caught:
        run_isolated(refuse, timeout_s=LIMIT_S)
    error = caught.value
    assert (error.dataset, error.source, error.line, error.field) == (
        "nurvid", "a.json", 7, "segment",
    )  # fmt: skip
    assert any("in refuse" in note for note in error.__notes__)
    with pytest.raises(MediaError) as media:
        run_isolated(refuse_media, timeout_s=LIMIT_S)
    assert (media.value.reason, media.value.source) == ("truncated", "a.mp4")


def test_foreign_errors_come_through() -> None:
    with pytest.raises(ValueError, match="math domain"):
        run_isolated(math.sqrt, -1.0, timeout_s=LIMIT_S)
    with pytest.raises(RuntimeError, match="OddError: odd words"):
        run_isolated(raise_odd, timeout_s=LIMIT_S)


def test_what_cannot_be_pickled_is_an_error_not_a_hang() -> None:
    with pytest.raises(AttributeError, match="lambda"):
        run_isolated(give_unpicklable, timeout_s=LIMIT_S)


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        (segfault, (), "SIGSEGV"),
        (os.abort, (), "SIGABRT"),
        (os._exit, (7,), "exit code 7"),
        (os._exit, (0,), "exit code 0"),
        (kill_self, (signal.SIGKILL,), "SIGKILL.*memory"),
        (die_half_way_through_the_reply, (), "exit code 0"),
    ],
)
def test_a_dying_process_is_a_crash(
    function: Callable[..., None], arguments: tuple[int, ...], text: str
) -> None:
    with pytest.raises(MediaError, match=text) as caught:
        run_isolated(function, *arguments, timeout_s=LIMIT_S)
    assert caught.value.reason == "crashed"


def test_time_out_kills_the_process_and_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    started = time.monotonic()
    with pytest.raises(MediaError, match="start_grandchild") as caught:
        run_isolated(start_grandchild, pid_file, 600.0, timeout_s=1.0)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - started < 20
    for pid in pid_file.read_text().split():
        assert wait_until_gone(int(pid))


def test_a_finished_call_leaves_no_child_running(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    run_isolated(start_grandchild, pid_file, 0.0, timeout_s=LIMIT_S)
    for pid in pid_file.read_text().split():
        assert wait_until_gone(int(pid))


def test_no_zombie_is_left() -> None:
    server = run_isolated(server_pid, timeout_s=LIMIT_S)
    for _ in range(5):
        run_isolated(math.sqrt, 4.0, timeout_s=LIMIT_S)
    children = Path(f"/proc/{server}/task/{server}/children")
    deadline = time.monotonic() + 10
    while children.read_text().strip() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert children.read_text().strip() == ""


def test_threads_call_at_once() -> None:
    def call_often(start: int) -> list[float]:
        return [
            run_isolated(math.sqrt, float(number), timeout_s=LIMIT_S)
            for number in range(start, start + 15)
        ]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(call_often, range(0, 400, 100)))
    assert results == [[math.sqrt(n) for n in range(s, s + 15)] for s in range(0, 400, 100)]


def test_a_call_costs_little_once_the_server_runs() -> None:
    run_isolated(math.sqrt, 4.0, timeout_s=LIMIT_S)
    times = []
    for _ in range(9):
        started = time.monotonic()
        run_isolated(math.sqrt, 4.0, timeout_s=LIMIT_S)
        times.append(time.monotonic() - started)
    assert sorted(times)[len(times) // 2] < 0.25


def test_losing_the_server_fails_its_calls_and_no_later_one() -> None:
    server = run_isolated(server_pid, timeout_s=LIMIT_S)
    killer = threading.Timer(0.3, os.kill, (server, signal.SIGKILL))
    killer.start()
    with pytest.raises(MediaError) as caught:
        run_isolated(time.sleep, 600.0, timeout_s=LIMIT_S)
    killer.join()
    assert caught.value.reason == "crashed"
    assert run_isolated(server_pid, timeout_s=LIMIT_S) != server


def test_processes_die_with_a_killed_caller(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    script = (
        "import sys; from pathlib import Path; from medvid.media import run_isolated; "
        "from tests.media.test_isolation import start_grandchild; "
        "run_isolated(start_grandchild, Path(sys.argv[1]), 600.0, timeout_s=600.0)"
    )
    root = Path(__file__).parents[2]
    caller = subprocess.Popen([sys.executable, "-c", script, str(pid_file)], cwd=root)
    child, grandchild = (int(pid) for pid in wait_for_text(pid_file).split())
    caller.kill()
    caller.wait()
    assert wait_until_gone(child)
    assert wait_until_gone(grandchild)


def test_a_script_that_calls_when_imported_does_not_start_itself_over_and_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "calls_when_imported.py").write_text(
        "from medvid.media import run_isolated\n"
        "def answer():\n    return 42\n"
        "RESULT = run_isolated(answer, timeout_s=30.0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="__main__"):
        importlib.import_module("calls_when_imported")


def test_calls_may_be_nested() -> None:
    assert run_isolated(call_again, 9.0, timeout_s=LIMIT_S) == 3.0


def test_a_forked_caller_gets_a_server_of_its_own() -> None:
    server = run_isolated(server_pid, timeout_s=LIMIT_S)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        other = run_isolated(server_pid, timeout_s=LIMIT_S)
        os.write(write_end, str(other).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        other = int(pipe.read())
    os.waitpid(pid, 0)
    assert other != server
    assert wait_until_gone(other)
    assert run_isolated(server_pid, timeout_s=LIMIT_S) == server


def is_loaded(module: str) -> bool:
    return module in sys.modules


def test_modules_are_loaded_ahead_of_the_first_call() -> None:
    module = "pyclbr"
    assert not run_isolated(is_loaded, module, timeout_s=LIMIT_S)
    load_ahead("no.such.module", module)
    deadline = time.monotonic() + LIMIT_S
    while not run_isolated(is_loaded, module, timeout_s=LIMIT_S):
        assert time.monotonic() < deadline
        time.sleep(0.02)
