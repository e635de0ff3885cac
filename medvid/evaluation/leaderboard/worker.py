"""Works the queue off: claims a job, has it evaluated in a process of its own, writes the result.

A worker that is killed loses nothing: its lease runs out, and the job is begun anew.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from sqlalchemy import Connection

from medvid.evaluation.leaderboard.entries import add_job, fail_entry, load_content, store_result
from medvid.evaluation.leaderboard.evaluating import (
    Reply,
    Request,
    command,
    environment_of,
    requested,
)
from medvid.evaluation.leaderboard.public import PublicResult
from medvid.evaluation.leaderboard.queue import (
    Job,
    JobKind,
    claim_job,
    finish_job,
    release_job,
    renew_lease,
)
from medvid.evaluation.leaderboard.settings import LeaderboardSettings
from medvid.evaluation.leaderboard.store import BoardStore

POLL_S: Final = 0.5
TICK_S: Final = 0.1
_BROKEN: Final = "the evaluation failed on the server's side; the operator can queue it again"


@dataclass(frozen=True, slots=True)
class Ended:
    """How an evaluation's process ended without a reply."""

    reason: str


def work(
    store: BoardStore, settings: LeaderboardSettings, kind: JobKind, stop: threading.Event
) -> None:
    """Work jobs of a kind off until told to stop."""
    while not stop.is_set():
        if not work_once(store, settings, kind, stop):
            stop.wait(POLL_S)


def work_once(
    store: BoardStore, settings: LeaderboardSettings, kind: JobKind, stop: threading.Event
) -> bool:
    """Do one job, if there is one.

    Returns:
        Whether there was one.
    """
    job = claim_job(store, kind, settings.lease_s, settings.max_attempts)
    if job is None:
        return False
    with store.reading() as connection:
        file_name, content = load_content(connection, job.entry_id)
    limit = settings.time_limit_s if kind == "evaluate" else settings.caption_time_limit_s
    request = Request(
        settings=settings, step=kind, file_name=file_name, size=len(content), time_limit_s=limit
    )
    ended = run_evaluation_process(store, job, request, content, stop)
    if isinstance(ended, Reply):
        _conclude(store, settings, job, ended)
    elif ended.reason == "time":
        _fail(store, job, f"it took longer than {limit:,.0f} seconds")
    elif ended.reason == "stopped":
        release_job(store, job)
    # A process that vanished, or a lease that was lost: the queue decides once it has run out.
    return True


def run_evaluation_process(
    store: BoardStore, job: Job, request: Request, content: bytes, stop: threading.Event
) -> Reply | Ended:
    """Run one evaluation, holding its lease, within its time."""
    with tempfile.TemporaryDirectory(prefix="medvid-board-") as folder:
        asked, answered = requested(request, content, Path(folder)), Path(folder) / "reply"
        with asked.open("rb") as stdin, answered.open("wb") as stdout:
            process = subprocess.Popen(
                command(), stdin=stdin, stdout=stdout, env=environment_of(request.step),
                start_new_session=True,
            )  # fmt: skip
            try:
                ended = _wait(store, job, request, process, stop)
            finally:
                _kill(process)
        if ended is not None:
            return ended
        return _reply(process.returncode, answered.read_bytes())


def _reply(code: int, answered: bytes) -> Reply | Ended:
    """What a process that ended has said, or what its end says instead.

    A process that a signal ended is taken up again. One that ended by itself without a whole
    reply would end so every time: its trace is in the server's log.
    """
    try:
        return Reply.model_validate_json(answered)
    except ValidationError:
        pass
    if code == -signal.SIGXCPU:
        return Ended("time")
    if code < 0:
        return Ended("vanished")
    return Reply(
        outcome="broken", message=f"its process ended with code {code}; see the server's log"
    )


def _wait(
    store: BoardStore,
    job: Job,
    request: Request,
    process: "subprocess.Popen[bytes]",
    stop: threading.Event,
) -> Ended | None:
    lease_s = request.settings.lease_s
    began = renewed = time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        if now - began > request.time_limit_s:
            return Ended("time")
        if stop.is_set():
            return Ended("stopped")
        if now - renewed > lease_s / 3:
            if not renew_lease(store, job, lease_s):
                return Ended("lost")
            renewed = now
        time.sleep(TICK_S)
    return None


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _conclude(store: BoardStore, settings: LeaderboardSettings, job: Job, reply: Reply) -> None:
    result = reply.result
    if result is not None:
        finish_job(store, job, lambda c, now: _write(c, now, settings, job, result))
    elif reply.outcome == "memory":
        _fail(store, job, f"it took more memory than {settings.memory_bytes >> 20:,} MiB")
    elif reply.outcome == "refused":
        _fail(store, job, reply.message)
    else:
        _fail(store, job, _BROKEN, reply.message)


def _write(
    connection: Connection,
    now: float,
    settings: LeaderboardSettings,
    job: Job,
    result: PublicResult,
) -> None:
    store_result(connection, now, job.entry_id, result)
    if job.kind == "evaluate" and settings.captions != "none":
        add_job(connection, now, job.entry_id, "captions")


def _fail(store: BoardStore, job: Job, message: str, for_operator: str = "") -> None:
    """End a job without a result; captions that fail leave the scores of the first step."""

    def change(connection: Connection, _now: float) -> None:
        if job.kind == "evaluate":
            fail_entry(connection, job.entry_id, message)

    finish_job(store, job, change, state="failed", error=for_operator or message)


def main() -> None:
    """Work until the standard input ends: the server that started this worker is gone then."""
    kind: JobKind = "captions" if sys.argv[1:] == ["captions"] else "evaluate"
    settings = LeaderboardSettings.model_validate_json(sys.stdin.buffer.readline())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def watch() -> None:
        sys.stdin.buffer.read()
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    with BoardStore(settings.database) as store:
        work(store, settings, kind, stop)
    # The watching thread may still hold the input's lock, which a tidy end would wait for.
    os._exit(0)


if __name__ == "__main__":
    main()
