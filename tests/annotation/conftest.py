"""A real Label Studio for the session, from a database prepared once, and a release to annotate."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from annotation.client import LabelStudio
from annotation.server import (
    RunningServer,
    ServerSettings,
    environment_folder,
    start_server,
)
from flows.pipeline import build_release
from medvid.releases.config import BuildConfig, make_config
from medvid.releases.units import LocalExecutor
from medvid.synthetic import write_tree
from schemas.errors import ReleaseError
from tests.flows.progress import Silent

SECONDS = 70
SOURCES = ("copesd", "cholect50", "cholec80cvs")
KEPT = ("access.json", ".env", "label_studio.sqlite3")


@dataclass
class Host:
    """A Label Studio that can be killed and started again on the same port and database."""

    home: Path
    port: int
    server: RunningServer
    clients: list[LabelStudio] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def token(self) -> str:
        return self.server.access.token

    def client(self, token: str | None = None) -> LabelStudio:
        """A client that is closed at the end of the test."""
        self.clients.append(LabelStudio(self.url, token or self.token))
        return self.clients[-1]

    def kill(self) -> None:
        """SIGKILL, as a machine that loses power would."""
        os.killpg(self.server.process.pid, 9)
        self.server.process.wait(20)

    def restart(self) -> None:
        self.server = start_server(_settings(self.home, self.port), lambda _: None)

    def sign_up(self, email: str) -> str:
        """Join as an invited annotator does; returns their token."""
        invited: Any = self.ask("GET", "/api/invite")
        place = self.url + urlsplit(invited["invite_url"]).path
        place += f"?token={invited['token']}"
        with httpx.Client(timeout=60) as browser:
            browser.get(place)
            form = {
                "email": email, "password": "Password-1234", "allow_newsletters": "false",
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            }  # fmt: skip
            done = browser.post(place, data=form, headers={"Referer": place})
            assert done.status_code == 302, done.text[:500]
            return str(browser.get(f"{self.url}/api/current-user/token").json()["token"])

    def ask(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """Call the server's API as another program would."""
        headers = {"Authorization": f"Token {token or self.token}"}
        answer = httpx.request(method, self.url + path, json=body, headers=headers, timeout=60)
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None


def _settings(home: Path, port: int) -> ServerSettings:
    return ServerSettings(home / "server", home / "media", port)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _prepare(home: Path) -> None:
    """Put a fresh database into a home; the first one on a machine takes a minute to make."""
    folder = environment_folder()
    prepared = folder.with_name(f"{folder.name}-database")
    if not prepared.exists():
        aside = prepared.with_name(f"{prepared.name}-{os.getpid()}.partial")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            start_server(_settings(aside, _free_port()), lambda _: None).stop()
            if not prepared.exists():
                aside.rename(prepared)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    (home / "server").mkdir(parents=True)
    for name in KEPT:
        shutil.copy2(prepared / "server" / name, home / "server" / name)


@pytest.fixture(autouse=True)
def _close_clients(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "host" in request.fixturenames:
        held = request.getfixturevalue("host")
        while held.clients:
            held.clients.pop().close()


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A real server with an empty database of its own."""
    home = tmp_path_factory.mktemp("label-studio")
    try:
        _prepare(home)
    except ReleaseError as error:
        if os.environ.get("MEDVID_REQUIRE_LABELSTUDIO") == "1":
            raise
        pytest.skip(f"no Label Studio here: {error}")
    port = _free_port()
    held = Host(home, port, start_server(_settings(home, port), lambda _: None))
    yield held
    held.server.stop()


@pytest.fixture(scope="session")
def annotated_config(tmp_path_factory: pytest.TempPathFactory) -> BuildConfig:
    """A build with frames of three small drawn sources, with a correction log that is empty yet."""
    root = tmp_path_factory.mktemp("release")
    for name in SOURCES:
        (root / name).mkdir()
        write_tree(name, root / name, scale=0.0, max_seconds=SECONDS)
    return make_config({
        "name": "small", "output": root / "release", "workspace": root / "workspace",
        "sources": [{"name": name, "root": root / name} for name in SOURCES],
        "clips": {"max_clips_per_video": 6}, "splits": {"standard_size": 40},
        "shards": {"annotation_buckets": 8, "standard_buckets": 2, "media_buckets": 2},
        "workers": 2, "corrections": root / "home" / "corrections",
    })  # fmt: skip


@pytest.fixture(scope="session")
def build() -> Callable[[BuildConfig], bool]:
    """Builds a release; says whether it changed."""

    def run(config: BuildConfig) -> bool:
        return build_release(config, LocalExecutor(2), Silent()).published.changed

    return run


@pytest.fixture(scope="session")
def release(annotated_config: BuildConfig, build: Callable[[BuildConfig], bool]) -> BuildConfig:
    """The built release."""
    build(annotated_config)
    return annotated_config
