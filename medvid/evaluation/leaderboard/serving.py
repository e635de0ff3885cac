"""Runs the app and its workers: on loopback, without a word to anyone outside."""

import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url

from medvid.evaluation.leaderboard import pages
from medvid.evaluation.leaderboard.published import seed_published
from medvid.evaluation.leaderboard.service import BoardService
from medvid.evaluation.leaderboard.settings import LeaderboardSettings, admin_token
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.workers import WorkerPool
from medvid.evaluation.truth import load_truth
from schemas.errors import ConfigError

POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'"
)
"""What a page may load: nothing from elsewhere. Gradio's own pages need inline scripts."""

_ENVELOPE: Final = 64 << 10
_TOO_LARGE: Final = 413
_FONTS: Final = ("system-ui", "Segoe UI", "Roboto", "Noto Sans", "Arial", "sans-serif")
_MONO: Final = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuses bodies that say they are too large before a byte of them, and seals the pages.

    A body that does not say its size is cut off while it is read, by Gradio's own limit.

    Attributes:
        app: The app behind it.
        max_bytes: Largest body.
    """

    app: App
    max_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self.max_bytes:
            await _refuse(send, f"The file is larger than {self.max_bytes - _ENVELOPE:,} bytes.")
            return

        async def sealed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"),
                ]  # fmt: skip
            await send(message)

        await self.app(scope, receive, sealed)


async def _refuse(send: Send, text: str) -> None:
    body = text.encode()
    await send({
        "type": "http.response.start", "status": _TOO_LARGE,
        "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"),
                    (b"content-length", str(len(body)).encode())],
    })  # fmt: skip
    await send({"type": "http.response.body", "body": body})


@contextmanager
def running(settings: LeaderboardSettings) -> Iterator[str]:
    """Run a leaderboard with its workers.

    Args:
        settings: How; with port 0 any free port is taken.

    Yields:
        Its address.

    Raises:
        ConfigError: Gradio is not installed, or the port is taken.
        MedVidError: The truth or the database cannot be opened.
    """
    # Read by Gradio when it is imported: it is not to ask for newer versions, or to report uses.
    for name, value in (
        ("GRADIO_ANALYTICS_ENABLED", "False"), ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("MPLBACKEND", "Agg"),
    ):  # fmt: skip
        os.environ[name] = value
    try:
        from medvid.evaluation.leaderboard.app import build_app
    except ImportError as error:
        raise ConfigError(
            "Gradio is not installed.", action="Install `medvidbench[leaderboard]`."
        ) from error
    token = admin_token()
    truth = load_truth(settings.truth, split=settings.split, subset=settings.subset)
    truth.require_answers()
    with BoardStore(settings.database) as store:
        if settings.show_published:
            seed_published(store)
        service = BoardService.of(settings, store, truth, token)
        del truth
        app = build_app(service)
        with WorkerPool(settings):
            url = _launch(app, settings)
            try:
                yield url
            finally:
                app.close(verbose=False)


def _launch(app: Any, settings: LeaderboardSettings) -> str:  # noqa: ANN401 - untyped package
    import gradio as gr
    from starlette.middleware import Middleware

    theme = gr.themes.Base(
        primary_hue="cyan", neutral_hue="slate", radius_size="md",
        font=[gr.themes.Font(name) for name in _FONTS],
        font_mono=[gr.themes.Font(name) for name in _MONO],
    )  # fmt: skip
    try:
        _, url, _ = app.queue(max_size=200, default_concurrency_limit=8).launch(
            server_name=settings.host, server_port=settings.port or free_port(settings.host),
            share=False, inbrowser=False, quiet=True, prevent_thread_lock=True, show_error=False,
            max_file_size=settings.max_upload_bytes, blocked_paths=private_paths(settings),
            ssr_mode=False, enable_monitoring=False, mcp_server=False, pwa=False,
            strict_cors=True, footer_links=[], theme=theme, css=pages.stylesheet(),
            app_kwargs={
                "middleware": [
                    Middleware(Guard, max_bytes=settings.max_upload_bytes + _ENVELOPE)
                ],
                "docs_url": None, "redoc_url": None, "openapi_url": None,
            },
        )  # fmt: skip
    except OSError as error:
        raise ConfigError(
            f"the server cannot listen on {settings.host}:{settings.port}.", field="port",
            action="Choose another port, or 0 for any free one.",
        ) from error  # fmt: skip
    return str(url)


def serve(settings: LeaderboardSettings, started: Callable[[str], None]) -> None:
    """Run a leaderboard until the process is asked to end.

    Args:
        settings: How.
        started: Told the address.
    """
    ended = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: ended.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        with running(settings) as url:
            started(url)
            ended.wait()
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def free_port(host: str) -> int:
    """A port nobody listens on at the moment."""
    import socket

    with socket.socket() as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def private_paths(settings: LeaderboardSettings) -> list[str]:
    """What no address of the server may open: truth, database, paid answers."""
    paths = [settings.truth, settings.judge_cache]
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        paths += [Path(f"{url.database}{end}") for end in ("", "-wal", "-shm")]
    return [str(path.resolve()) for path in paths]
