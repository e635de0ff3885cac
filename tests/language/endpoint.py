"""A real HTTP endpoint on loopback that misbehaves as it is told, and counts what it answered."""

import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Body = dict[str, Any]
Script = Callable[[Body, int], str]
"""Says what to do with a request, given how often its content came before."""

Answer = Callable[[Body], str]

PROMPT_TOKENS = 40
COMPLETION_TOKENS = 10
HANG_S = 20.0
DRIP_S = 0.05


def content_of(body: Body) -> str:
    """Name of a request's content."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]


def fine(body: Body, before: int) -> str:
    """Answer everything."""
    return "ok"


def echo(body: Body) -> str:
    """Say back what was said last."""
    return f"heard: {body['messages'][-1]['content']}"


class FaultyEndpoint:
    """Serves `/v1/chat/completions` in threads.

    A script returns one of `ok`, `bare` (no usage), `reset`, `hang`, `drip` (a byte now and then),
    `cut` (JSON that ends early), `short` (fewer bytes than announced), `html`, `empty` (JSON
    without choices), `hold` (no answer until the end), or a status with an optional Retry-After:
    `429`, `429 0.2`, `503 date`.
    """

    def __init__(self, script: Script = fine, answer: Answer = echo) -> None:
        self.script, self.answer = script, answer
        self.received: list[tuple[float, str]] = []
        self.bodies: dict[str, Body] = {}
        self.answered: Counter[str] = Counter()
        self.held = threading.Semaphore(0)
        self.secrets: set[str] = set()
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.in_flight = self.most_in_flight = 0
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        assert self._server.faults == []

    def times(self) -> list[float]:
        return sorted(at for at, _ in self.received)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, endpoint: FaultyEndpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = endpoint
        self.faults: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        import sys

        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            self.faults.append(repr(error))


class _Handler(BaseHTTPRequestHandler):
    """One connection: it acts on each request as the endpoint's script says."""

    server: _Server
    protocol_version = "HTTP/1.1"

    @property
    def endpoint(self) -> FaultyEndpoint:
        return self.server.endpoint

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        sent = self.rfile.read(length)
        if len(sent) < length:  # the client was killed while it spoke
            self.close_connection = True
            return
        body = json.loads(sent)
        content = content_of(body)
        with self.endpoint.lock:
            before = sum(known == content for _, known in self.endpoint.received)
            self.endpoint.received.append((time.monotonic(), content))
            self.endpoint.bodies[content] = body
            self.endpoint.secrets.add(self.headers.get("Authorization", ""))
            action = self.endpoint.script(body, before)
            self.endpoint.in_flight += 1
            self.endpoint.most_in_flight = max(
                self.endpoint.most_in_flight, self.endpoint.in_flight
            )
        try:
            self.act(action, body, content)
        finally:
            with self.endpoint.lock:
                self.endpoint.in_flight -= 1

    def act(self, action: str, body: Body, content: str) -> None:
        name, _, rest = action.partition(" ")
        if name.isdigit():
            self.refuse(int(name), rest)
        elif name in ("hang", "hold"):
            self.endpoint.held.release()
            self.endpoint.ended.wait(HANG_S)
            self.close_connection = True
        elif name == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        else:
            self.reply(name, body, content)

    def refuse(self, status: int, wait: str) -> None:
        said = f"no: {self.headers.get('Authorization', '')}".encode()
        self.send_response(status)
        if wait:
            after = formatdate(time.time() + 2, usegmt=True) if wait == "date" else wait
            self.send_header("Retry-After", after)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def reply(self, name: str, body: Body, content: str) -> None:
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS}
        message = {"role": "assistant", "content": self.endpoint.answer(body)}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        whole = {
            "id": f"chatcmpl-{content}", "object": "chat.completion", "model": body["model"],
            "choices": [] if name == "empty" else choices, "usage": usage,
        }  # fmt: skip
        if name == "bare":
            del whole["usage"]
        encoded = json.dumps(whole).encode()
        sent = encoded[: len(encoded) // 2] if name in ("cut", "short") else encoded
        kind = "text/html" if name == "html" else "application/json"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(encoded if name == "short" else sent)))
        self.end_headers()
        if name == "drip":
            self.drip(sent)
            return
        if name in ("ok", "bare"):
            # Counted first: the client may be killed once it has the last byte.
            with self.endpoint.lock:
                self.endpoint.answered[content] += 1
        self.wfile.write(sent)
        self.close_connection = name == "short"

    def drip(self, sent: bytes) -> None:
        for position in range(len(sent)):
            self.wfile.write(sent[position : position + 1])
            if self.endpoint.ended.wait(DRIP_S):
                break
        self.close_connection = True
