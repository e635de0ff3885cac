"""A Label Studio of our own on this machine: a virtual environment apart, SQLite, loopback.

Label Studio pins nearly a thousand megabytes of packages that the pipeline does not want, so it
lives in an environment of its own, made once from a hashed lock. By its own habits it would bind
every interface, move to another port when its own is taken, and call a package index at start;
none of that happens here.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import httpx
import orjson
from pydantic import Field

from medvid.shards.aside import write_whole
from schemas.errors import ConfigError, ReleaseError
from schemas.scalars import Model

VERSION: Final = "1.23.2"
READY_TIMEOUT_S: Final = 300.0
STOP_TIMEOUT_S: Final = 20.0
_ADDRESS: Final = "address"
_LOCK: Final = Path(__file__).with_name("label_studio_lock.txt")
_UV_LOCK: Final = Path(__file__).with_name("uv_lock.txt")

Heard = Callable[[str], None]
"""Takes one line about what is going on."""


class Access(Model):
    """How to reach a server; kept in a file only its owner can read.

    Attributes:
        email: Name of the administrator.
        password: Their password for the page.
        token: Their token for the API.
    """

    email: str
    password: str = Field(repr=False)
    token: str = Field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the server lives and listens.

    Attributes:
        home: Folder of its database and of its secrets.
        media: Folder whose files it may show.
        port: TCP port.
        host: Interface; anything but loopback is the caller's decision.
        database: `postgresql://user:password@host:port/name`, or None for SQLite in `home`.
        email: Name of the administrator that is made at the first start.
    """

    home: Path
    media: Path
    port: int = 8080
    host: str = "127.0.0.1"
    database: str | None = None
    email: str = "admin@medvid.example"


class RunningServer:
    """A server that was started, and stops with its `with` block.

    Args:
        process: The server.
        settings: Where it listens.
        access: How to reach it.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", settings: ServerSettings, access: Access
    ) -> None:
        self.process = process
        self.url = f"http://{settings.host}:{settings.port}"
        self.access = access

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server and everything it started."""
        for wanted in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, wanted)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_TIMEOUT_S)
                return


def environment_folder() -> Path:
    """Where the environment of the locked version lies; its name changes with the lock."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    stamp = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    return cache / "medvid" / f"label-studio-{VERSION}-{stamp}"


def ensure_environment(heard: Heard) -> Path:
    """Make Label Studio's environment unless it is there, and return its `label-studio`.

    Raises:
        ReleaseError: The packages cannot be fetched.
    """
    folder = environment_folder()
    command = folder / "bin" / "label-studio"
    if (folder / "complete").exists():
        return command
    heard(f"making an environment for Label Studio {VERSION} (once; 0.8 GB, under a minute)")
    aside = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    tool, python = aside.with_name(f"{aside.name}-uv"), aside / "bin" / "python"
    try:
        _call([sys.executable, "-m", "venv", "--clear", str(tool)])
        _call([
            str(tool / "bin" / "pip"), "install", "-q", "--disable-pip-version-check",
            "--require-hashes", "-r", str(_UV_LOCK),
        ])  # fmt: skip
        uv = str(tool / "bin" / "uv")
        _call([uv, "venv", "-q", "--relocatable", "--python", sys.executable, str(aside)])
        _call([
            uv, "pip", "sync", "-q", "--python", str(python), "--require-hashes",
            "--compile-bytecode", str(_LOCK),
        ])  # fmt: skip
        (aside / "complete").write_text(VERSION, encoding="utf-8")
        aside.rename(folder)
    finally:
        shutil.rmtree(tool, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
    return command


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(
            f"Label Studio's environment cannot be made: {done.stderr.strip()[-500:]}",
            action="See that the package index can be reached, or give `--url` of a server.",
        )


def load_access(settings: ServerSettings) -> Access:
    """Read the server's secrets, or make them."""
    path = settings.home / "access.json"
    if path.exists():
        return Access.model_validate_json(path.read_bytes())
    settings.home.mkdir(parents=True, exist_ok=True)
    access = Access(
        email=settings.email, password=secrets.token_urlsafe(15), token=secrets.token_hex(20)
    )
    aside = path.with_suffix(".partial")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(orjson.dumps(access.model_dump(mode="json")))
    aside.rename(path)
    return access


def start_server(settings: ServerSettings, heard: Heard) -> RunningServer:
    """Start Label Studio and wait until it answers.

    Raises:
        ConfigError: The port is taken, or the database's URL means nothing.
        ReleaseError: The server does not come up; its last words are in the message.
    """
    _require_free(settings)
    command = ensure_environment(heard)
    access = load_access(settings)
    settings.media.mkdir(parents=True, exist_ok=True)
    if not any(settings.home.glob("*.sqlite3")) and settings.database is None:
        heard("first start: Label Studio sets up its database (about a minute)")
    log = settings.home / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                str(command), "start", "--no-browser", "--internal-host", settings.host,
                "--port", str(settings.port),
            ],
            env=_environment(settings, access), stdout=output, stderr=output,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    server = RunningServer(process, settings, access)
    try:
        _wait_until_ready(server, log)
        write_whole(settings.home / _ADDRESS, server.url.encode())
    except BaseException:
        server.stop()
        raise
    return server


def last_address(settings: ServerSettings) -> str | None:
    """Where the server of a home listened when it was last started; None where it never was."""
    path = settings.home / _ADDRESS
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _require_free(settings: ServerSettings) -> None:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigError(
                f"port {settings.port} of {settings.host} cannot be used: {error.strerror}.",
                field="port", action="Give another with --port, or stop what listens there.",
            ) from error  # fmt: skip


def _wait_until_ready(server: RunningServer, log: Path) -> None:
    until = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < until:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{server.url}/health", timeout=5.0).status_code == httpx.codes.OK:
                return
        time.sleep(0.2)
    words = log.read_text(encoding="utf-8", errors="replace").strip()[-600:]
    raise ReleaseError(
        f"Label Studio does not come up: {words}",
        action="Read its whole log beside its database, and start it again.",
    )


def _environment(settings: ServerSettings, access: Access) -> dict[str, str]:
    """What the server is told; of our own environment it gets no more than it needs."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")
    told = {name: os.environ[name] for name in kept if name in os.environ}
    told |= {
        "LABEL_STUDIO_BASE_DATA_DIR": str(settings.home.resolve()),
        "LABEL_STUDIO_USERNAME": access.email,
        "LABEL_STUDIO_PASSWORD": access.password,
        "LABEL_STUDIO_USER_TOKEN": access.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(settings.media.resolve()),
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "false",
        "DEBUG": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "PYTHONUNBUFFERED": "1",
    }
    return told | dict(_database(settings.database))


def _database(url: str | None) -> Iterator[tuple[str, str]]:
    if url is None:
        yield "DJANGO_DB", "sqlite"
        return
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or not parts.hostname or not parts.path[1:]:
        raise ConfigError(
            "the database is no postgresql://user:password@host:port/name.", field="database"
        )
    yield "DJANGO_DB", "default"
    yield "POSTGRE_HOST", parts.hostname
    yield "POSTGRE_PORT", str(parts.port or 5432)
    yield "POSTGRE_NAME", parts.path[1:]
    yield "POSTGRE_USER", unquote(parts.username or "")
    yield "POSTGRE_PASSWORD", unquote(parts.password or "")
