"""The process that isolated calls are forked from: one thread, heavy modules loaded once.

A client (`isolation.py`) holds the other end of the control socket. For each call it passes two
sockets: the *call* socket goes to a freshly forked child, which reads the request to its end and
writes the reply; the *lifeline* stays here. The lifeline carries the child's exit code back, and
its closing, for whatever reason, means that nobody waits any longer: the child's whole process
group is killed. So a time-out, a cancelled caller and a killed caller are one mechanism.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import pickle
import resource
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

READY = b"R"
EXIT_CODE = struct.Struct("<i")
REPLY_LENGTH = struct.Struct("<Q")
"""Goes ahead of a reply, so that one broken off is known as such."""

MAX_NAMES = 1 << 15
"""Most bytes of the line of module names that goes ahead on a lifeline."""

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "500"
_TASKS = Path("/proc/self/task")
_TRIAL_S = 30
_EX_THREADS = 3


class _Imports:
    """Whether this process is importing modules for a call, which must not make calls of its own.

    A script without `if __name__ == "__main__":` would otherwise start itself over and over.
    """

    running = False

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        self.running = True
        try:
            yield
        finally:
            self.running = False


imports = _Imports()


class ForkServer:
    """Forks one child a call and reports how each ended.

    Args:
        control: Connected socket; its end-of-file ends the server and every child.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lifelines: dict[int, socket.socket] = {}
        self._seen = set(sys.modules)
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._reap)

    def run(self) -> None:
        """Serve until the client is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._control.sendall(READY)
        while self._control.fileno() >= 0:
            for key, _ in self._selector.select():
                if key.fileobj in self._lifelines.values():
                    self._kill(key.fileobj)  # type: ignore[arg-type]
                elif callable(key.data):
                    key.data()
        for pid in self._lifelines:
            kill_group(pid)

    def _accept(self) -> None:
        try:
            message, fds, _, _ = socket.recv_fds(self._control, 1, 2)
        except ConnectionError:
            message, fds = b"", []
        if not message:
            self._selector.unregister(self._control)
            self._control.close()
            return
        call, lifeline = (socket.socket(fileno=fd) for fd in fds)
        for end in (call, lifeline):
            end.set_inheritable(False)
        for name in lifeline.recv(MAX_NAMES).decode().split():
            if name not in self._seen:
                self._seen.add(name)
                _import_ahead(name)
        self._fork(call, lifeline)

    def _fork(self, call: socket.socket, lifeline: socket.socket) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_child(call, lifeline)
        call.close()
        with contextlib.suppress(OSError):  # the child may have done it, or be gone
            os.setpgid(pid, pid)
        self._lifelines[pid] = lifeline
        self._selector.register(lifeline, selectors.EVENT_READ)

    def _become_child(self, call: socket.socket, lifeline: socket.socket) -> NoReturn:
        server_pid = os.getppid()
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._control, lifeline, *self._lifelines.values()):
            end.close()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
        _die_with(server_pid)
        _be_first_victim()
        answer_call(call)

    def _kill(self, lifeline: socket.socket) -> None:
        self._selector.unregister(lifeline)
        kill_group(next(pid for pid, held in self._lifelines.items() if held is lifeline))

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 512):
                pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._report(pid, os.waitstatus_to_exitcode(status))

    def _report(self, pid: int, exit_code: int) -> None:
        kill_group(pid)  # what the child itself has left running
        lifeline = self._lifelines.pop(pid)
        with contextlib.suppress(KeyError):
            self._selector.unregister(lifeline)
        with contextlib.suppress(OSError):
            lifeline.sendall(EXIT_CODE.pack(exit_code))
        lifeline.close()


def kill_group(pid: int) -> None:
    """Kill the process group that a child leads, with all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def answer_call(call: socket.socket) -> NoReturn:
    """Read one pickled request from a socket, run it, write the pickled reply, and exit."""
    with call, call.makefile("rwb") as stream:
        directory, search_path, request = pickle.load(stream)
        sys.path[:] = search_path
        reply = _reply(directory, request)
        with contextlib.suppress(BrokenPipeError):
            stream.write(REPLY_LENGTH.pack(len(reply)))
            stream.write(reply)
            stream.flush()
    for output in (sys.stdout, sys.stderr):
        output.flush()
    os._exit(0)


def _reply(directory: str, request: bytes) -> bytes:
    try:
        os.chdir(directory)
        with imports.run():
            fn, args, kwargs = pickle.loads(request)
        return pickle.dumps((True, fn(*args, **kwargs)), protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - carried to the caller, who raises it
        return _pickled_error(error)


def _pickled_error(error: Exception) -> bytes:
    trace = "".join(traceback.format_exception(error))
    error.add_note(f"Raised in an isolated process:\n{trace}")
    try:
        reply = pickle.dumps((False, error), protocol=pickle.HIGHEST_PROTOCOL)
        pickle.loads(reply)
    except Exception:  # noqa: BLE001 - pickling runs the error's own code
        stand_in = RuntimeError(f"{type(error).__name__}: {error}")
        stand_in.add_note(f"Raised in an isolated process:\n{trace}")
        return pickle.dumps((False, stand_in), protocol=pickle.HIGHEST_PROTOCOL)
    return reply


def _import_ahead(name: str) -> None:
    """Import a module that requests refer to, so that later children find it loaded.

    Only where that starts no thread, as a trial in a child of its own shows: a process with
    threads cannot be forked safely (polars is a case). Elsewhere each child imports for itself.
    """
    if not _TASKS.is_dir():
        return
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        signal.alarm(_TRIAL_S)
        os._exit(_EX_THREADS if _import_starts_threads(name) else 0)
    status = os.waitpid(pid, 0)[1]
    kill_group(pid)
    if status == 0:
        with imports.run():
            importlib.import_module(name)


def _import_starts_threads(name: str) -> bool:
    try:
        with imports.run():
            importlib.import_module(name)
    except Exception:  # noqa: BLE001 - the child of the call will raise it, to the caller
        return True
    return len(list(_TASKS.iterdir())) > 1


def _die_with(server_pid: int) -> None:
    """Have the kernel kill this process when the server dies, where the kernel can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server_pid:
        os._exit(1)


def _be_first_victim() -> None:
    """Let a memory shortage take this process rather than its caller; leave no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)


def main(control_fd: int) -> None:
    """Serve on an inherited socket until its other end is closed."""
    gc.collect()
    gc.freeze()  # the collector must not touch, and so copy, the pages children share
    ForkServer(socket.socket(fileno=control_fd)).run()
