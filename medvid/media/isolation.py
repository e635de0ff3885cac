"""Run a function in a process of its own that a wall clock can kill.

Decoders are C code fed with damaged files: they crash, hang and hold the interpreter's lock. Each
call gets a process forked from a small server that has the decoders loaded already
(`fork_server.py`), so that a call costs milliseconds. `multiprocessing`'s own fork server is not
used: it imports the caller's main module anew for each process, refuses to work in a daemonic
worker (Dask's default), and its exit codes are lost when threads start processes at once.
"""

import atexit
import contextlib
import io
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from medvid.media.fork_server import EXIT_CODE, MAX_NAMES, READY, REPLY_LENGTH, imports
from schemas.errors import MediaError

T = TypeVar("T")
_BOOT = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "import medvid.media; from medvid.media.fork_server import main; main(int(sys.argv[1]))"
)
_NO_THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""What keeps NumPy and Arrow from starting threads when imported: the server must fork."""

_START_S = 120.0
_KILL_S = 10.0
_CHUNK = 1 << 20


def run_isolated(fn: Callable[..., T], *args: object, timeout_s: float, **kwargs: object) -> T:
    """Call a function in a process of its own and wait for what it returns.

    Safe to call from several threads at once. The process, and all that it started, is gone when
    this returns or raises, and when the calling process dies.

    Args:
        fn: Picklable function: one that a module binds by its name.
        *args: Picklable positional arguments.
        timeout_s: Seconds of wall clock until the process is killed.
        **kwargs: Picklable keyword arguments.

    Returns:
        What the function returned, pickled over.

    Raises:
        MediaError: `timeout` where time ran out, `crashed` where the process died (segmentation
            fault, out of memory, `os._exit`).
        Exception: Whatever the function raised, its attributes intact.
    """
    request, modules = _pickle_noting_modules((fn, args, kwargs))
    succeeded, outcome = _call(getattr(fn, "__qualname__", repr(fn)), request, modules, timeout_s)
    if not succeeded:
        raise outcome
    return outcome  # type: ignore[no-any-return]


def load_ahead(*modules: str) -> None:
    """Have modules loaded in the background where isolated calls are forked from.

    The first call that needs them finds them there; where one cannot be loaded, that call says so.

    Args:
        modules: Dotted names.
    """
    threading.Thread(target=_load_ahead, args=(modules,), name="load-ahead", daemon=True).start()


def _load_ahead(modules: tuple[str, ...]) -> None:
    request, own = _pickle_noting_modules((_do_nothing, (), {}))
    with contextlib.suppress(MediaError, OSError, RuntimeError):
        _call("load_ahead", request, own | frozenset(modules), _START_S)


def _do_nothing() -> None:
    """What a call does that is made for the sake of what is loaded for it."""


def _call(name: str, request: bytes, modules: frozenset[str], timeout_s: float) -> tuple[bool, Any]:
    """Have a request answered: whether it succeeded, and what came of it."""
    envelope = pickle.dumps((str(Path.cwd()), sys.path, request), protocol=pickle.HIGHEST_PROTOCOL)
    with _server.call(modules) as (call, lifeline):
        deadline = time.monotonic() + timeout_s
        try:
            reply = _exchange(call, envelope, deadline)
            exit_code = _exit_code(lifeline, deadline)
        except TimeoutError:
            _kill(lifeline)
            raise MediaError(
                f"{name} was still running after {timeout_s:g} s and was killed.",
                reason="timeout",
            ) from None
    if exit_code != 0 or not _is_whole(reply):
        raise MediaError(f"{name} {_obituary(exit_code)}.", reason="crashed")
    answer: tuple[bool, Any] = pickle.loads(memoryview(reply)[REPLY_LENGTH.size :])
    return answer


class _NotingPickler(pickle.Pickler):
    """Pickles, and notes the modules of the functions and classes it meets."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self.modules: set[str] = set()

    def reducer_override(self, met: object) -> Any:  # noqa: ANN401 - pickle's own interface
        """Note where a function, a class or an instance's class is from; pickle it as usual."""
        named = met if isinstance(met, FunctionType | type) else type(met)
        self.modules.add(named.__module__)
        return NotImplemented


def _pickle_noting_modules(value: object) -> tuple[bytes, frozenset[str]]:
    stream = io.BytesIO()
    pickler = _NotingPickler(stream)
    pickler.dump(value)
    return stream.getvalue(), frozenset(pickler.modules - {"__main__", "builtins"})


def _exchange(call: socket.socket, request: bytes, deadline: float) -> bytes:
    """Send a request and read to the end of the reply; short where the process died."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        call.settimeout(_left(deadline))
        call.sendall(request)
        call.shutdown(socket.SHUT_WR)
    chunks: list[bytes] = []
    with contextlib.suppress(ConnectionResetError):
        while True:
            call.settimeout(_left(deadline))
            chunk = call.recv(_CHUNK)
            if not chunk:
                break
            chunks.append(chunk)
    return b"".join(chunks)


def _is_whole(reply: bytes) -> bool:
    """Whether a reply is as long as its head says."""
    length = len(reply) - REPLY_LENGTH.size
    return length >= 0 and reply[: REPLY_LENGTH.size] == REPLY_LENGTH.pack(length)


def _exit_code(lifeline: socket.socket, deadline: float) -> int | None:
    """Exit code of the process, negative for a signal; None where the server itself died."""
    lifeline.settimeout(_left(deadline))
    try:
        message = lifeline.recv(EXIT_CODE.size)
    except ConnectionResetError:
        return None
    return int(EXIT_CODE.unpack(message)[0]) if message else None


def _kill(lifeline: socket.socket) -> None:
    """Have the process killed and wait until it is; give up on one that the kernel holds."""
    with contextlib.suppress(OSError):
        lifeline.shutdown(socket.SHUT_WR)
        _exit_code(lifeline, time.monotonic() + _KILL_S)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _obituary(exit_code: int | None) -> str:
    if exit_code is None:
        return "was lost with the process that watched over it"
    if exit_code == -signal.SIGKILL:
        return "was killed by SIGKILL, as the system does when memory runs out"
    if exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"left its process with exit code {exit_code} before it returned"


class _ServerHandle:
    """The client's end of one fork server, started at the first call and again if it dies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @contextlib.contextmanager
    def call(self, modules: frozenset[str]) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Have a process forked that finds modules loaded.

        Yields:
            Its call socket and its lifeline, closed on leaving.
        """
        call, theirs_call = socket.socketpair()
        lifeline, theirs_lifeline = socket.socketpair()
        with call, lifeline:
            with theirs_call, theirs_lifeline:
                lifeline.sendall((" ".join(sorted(modules)).encode() + b"\n")[:MAX_NAMES])
                self._hand_over(theirs_call, theirs_lifeline)
            yield call, lifeline

    def _hand_over(self, call: socket.socket, lifeline: socket.socket) -> None:
        fds = [call.fileno(), lifeline.fileno()]
        with self._lock:
            try:
                socket.send_fds(self._started(), [b"F"], fds)
            except (BrokenPipeError, ConnectionResetError):
                self._stop()
                socket.send_fds(self._started(), [b"F"], fds)

    def _started(self) -> socket.socket:
        if imports.running:
            raise RuntimeError(
                "run_isolated was called while an isolated process imported a module; "
                "put the call under `if __name__ == '__main__':`"
            )
        if self._control is not None:
            return self._control
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(fd), *sys.path],
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the caller, who then closes the lifelines
                env=os.environ | _NO_THREADS,
            )
        ours.settimeout(_START_S)
        if ours.recv(len(READY)) != READY:
            ours.close()
            code = self._process.wait(_KILL_S)
            raise MediaError(f"The decoding server ended with code {code}.", reason="crashed")
        ours.settimeout(None)
        self._control = ours
        return ours

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(_KILL_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None

    def stop(self) -> None:
        """End the server and every process it forked; the next call starts another."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """Drop the parent's server in a process forked from it, without ending it."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.returncode = 0  # not this process's child: nothing to wait for
        self.__init__()  # type: ignore[misc]


_server = _ServerHandle()
atexit.register(_server.stop)
os.register_at_fork(after_in_child=_server.forget)
