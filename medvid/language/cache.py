"""Append-only cache of paid calls: an answer is on disk before anybody sees it.

One file, `calls.jsonl`, one call a line:

    {"schema_version": 1, "key": "<content key>", "asked": "<model>", "reply": {...}}

Several processes may share it. A line is appended whole and synced under a lock; a line torn by
a kill or a power cut is closed off by the next writer and counted, never read. Requests, keys of
endpoints and addresses are not stored.
"""

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from pydantic import ValidationError

from medvid.language.chat import ChatReply
from medvid.language.errors import CallCacheError
from schemas.scalars import SCHEMA_VERSION

CALLS = "calls.jsonl"
CLAIMS = "claims.lock"

_CLAIM_BITS = 62
_CHUNK = 1 << 22


class CallCache:
    """Answers by content key, shared by threads and processes.

    Attributes:
        damaged: Lines that could not be read.
    """

    def __init__(self, folder: Path) -> None:
        """Open a cache, making its folder if absent.

        Args:
            folder: Where the cache lies.

        Raises:
            CallCacheError: It cannot be opened, or is of a later version.
        """
        self.damaged = 0
        self._path = folder / CALLS
        self._places: dict[bytes, tuple[int, int]] = {}
        self._tokens: dict[str, tuple[int, int]] = {}
        self._read_to = 0
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._claims = os.open(folder / CLAIMS, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CallCacheError(f"cannot be opened: {error.strerror}.", source=CALLS) from error
        self._refresh()

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
        """Close the files; a second time does nothing."""
        with self._lock:
            for fd in (self._fd, self._claims):
                if fd >= 0:
                    os.close(fd)
            self._fd = self._claims = -1

    def __len__(self) -> int:
        return len(self._places)

    def tokens(self, model: str) -> tuple[int, int]:
        """Prompt and completion tokens of all calls of a model in the cache."""
        return self._tokens.get(model, (0, 0))

    def load(self, key: str) -> ChatReply | None:
        """The answer of a key, also if another process has just written it."""
        with self._lock:
            place = self._places.get(bytes.fromhex(key))
            if place is None:
                self._refresh()
                place = self._places.get(bytes.fromhex(key))
            if place is None:
                return None
            entry = orjson.loads(os.pread(self._fd, place[1], place[0]))
            return ChatReply.model_validate(entry["reply"])

    def store(self, key: str, model: str, reply: ChatReply) -> None:
        """Append an answer and sync it to disk; on return it survives a kill.

        Args:
            key: Content key of the request.
            model: The model as it was asked for.
            reply: Its answer.

        Raises:
            CallCacheError: The disk refuses; nothing torn is left behind.
        """
        line = orjson.dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "key": key,
                "asked": model,
                "reply": reply.model_dump(mode="json"),
            }
        )
        with self._lock, _exclusive(self._fd):
            self._append(line + b"\n")
            self._refresh()

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Claim a key among processes, so that two never ask the same at once.

        The claim ends with the block or with the process, whatever ends it.

        Args:
            key: Content key of the request.

        Yields:
            Whether the key is ours; if not, another process is asking.
        """
        place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> (
            64 - _CLAIM_BITS
        )
        try:
            fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            yield False
            return
        try:
            yield True
        finally:
            if self._claims >= 0:
                fcntl.lockf(self._claims, fcntl.LOCK_UN, 1, place)

    def _append(self, line: bytes) -> None:
        start = os.fstat(self._fd).st_size
        if start and os.pread(self._fd, 1, start - 1) != b"\n":
            line = b"\n" + line  # ends a line torn by a kill; the reader counts it as damaged
        try:
            written = 0
            while written < len(line):
                written += os.write(self._fd, line[written:])
            os.fsync(self._fd)
        except OSError as error:
            os.ftruncate(self._fd, start)
            raise CallCacheError(f"cannot be written: {error.strerror}.", source=CALLS) from error

    def _refresh(self) -> None:
        """Read whole lines appended since the last look."""
        rest = b""
        while chunk := os.pread(self._fd, _CHUNK, self._read_to + len(rest)):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._note(line)
                self._read_to += len(line) + 1

    def _note(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            entry = orjson.loads(line)
            key, version = bytes.fromhex(entry["key"]), entry["schema_version"]
            reply = ChatReply.model_validate(entry["reply"])
            model = str(entry["asked"])
        except (orjson.JSONDecodeError, ValidationError, KeyError, TypeError, ValueError):
            self.damaged += 1
            return
        self._check_version(version)
        if key not in self._places:
            self._places[key] = (self._read_to, len(line))
            prompt, completion = self._tokens.get(model, (0, 0))
            self._tokens[model] = (
                prompt + reply.prompt_tokens,
                completion + reply.completion_tokens,
            )

    def _check_version(self, version: Any) -> None:  # noqa: ANN401 - the JSON edge
        if version != SCHEMA_VERSION:
            raise CallCacheError(
                f"holds a call of version {version}, and this program reads {SCHEMA_VERSION}.",
                source=CALLS, action="Use the program that wrote it, or another cache folder.",
            )  # fmt: skip


@contextmanager
def _exclusive(fd: int) -> Iterator[None]:
    """Hold the file against other processes while a line is appended."""
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)
