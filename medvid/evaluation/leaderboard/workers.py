"""Starts the worker processes beside a server, and starts them again when they end."""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from medvid.evaluation.leaderboard.evaluating import environment_of
from medvid.evaluation.leaderboard.queue import JobKind
from medvid.evaluation.leaderboard.settings import LeaderboardSettings

WATCH_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
GRACE_S: Final = 10.0


@dataclass(slots=True)
class _Worker:
    kind: JobKind
    process: "subprocess.Popen[bytes]"
    started: float
    pause_s: float = 1.0


@dataclass(slots=True)
class WorkerPool:
    """The workers of one server; use it in a `with`.

    Attributes:
        settings: The server's settings; passed on by pipe, since a URL may hold a password.
    """

    settings: LeaderboardSettings
    _workers: list[_Worker] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def __enter__(self) -> "WorkerPool":
        kinds: list[JobKind] = ["evaluate"] * self.settings.workers
        if self.settings.captions != "none":
            kinds.append("captions")
        for kind in kinds:
            self._workers.append(_Worker(kind, self._start(kind), time.monotonic()))
        self._watcher = threading.Thread(target=self._watch, name="worker-pool", daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()
        for worker in self._workers:
            _close(worker.process)
        for worker in self._workers:
            try:
                worker.process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    @property
    def pids(self) -> dict[int, JobKind]:
        """Process numbers of the workers and what they work on."""
        return {worker.process.pid: worker.kind for worker in self._workers}

    def _start(self, kind: JobKind) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "medvid.evaluation.leaderboard.worker", kind],
            stdin=subprocess.PIPE, env=environment_of(kind), start_new_session=True,
        )  # fmt: skip
        if process.stdin is not None:
            process.stdin.write(self.settings.model_dump_json().encode() + b"\n")
            process.stdin.flush()
        return process

    def _watch(self) -> None:
        while not self._stop.wait(WATCH_S):
            for worker in self._workers:
                if worker.process.poll() is None:
                    continue
                lived = time.monotonic() - worker.started
                # One that dies at once would be started hundreds of times a minute.
                worker.pause_s = 1.0 if lived > LONGEST_PAUSE_S else worker.pause_s * 2
                if lived < min(worker.pause_s, LONGEST_PAUSE_S) / 2:
                    continue
                _close(worker.process)
                worker.process = self._start(worker.kind)
                worker.started = time.monotonic()


def _close(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
