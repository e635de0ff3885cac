"""A Postgres server of a test run's own: on loopback, without a password, gone at the end."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USERS = ("postgres", "nobody")
"""Whom the server runs as where tests run as root, which it refuses."""


def find_programs() -> Path | None:
    """Folder of the newest installed Postgres's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[-3])
    return found[-1].parent if found else None


@contextmanager
def serve_postgres() -> Iterator[str]:
    """Start a server; yields its URL, or skips where there is none to start."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no Postgres here: scripts/postgres installs Debian's")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = Path(tempfile.mkdtemp(prefix="medvid-postgres-"))
    as_user = _other_user(folder)
    data, log = folder / "data", folder / "log"
    settings = ("listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off")
    options = " ".join([f"-p {port}", *(f"-c {setting}" for setting in settings)])
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    try:
        _call([*as_user, str(programs / "initdb"), "-D", str(data), "-U", "medvid", "-A", "trust",
               "--no-sync"], folder)  # fmt: skip
        _call(
            [*as_user, *control, "-o", f"{options} -c fsync=off", "-l", str(log), "start"], folder
        )
        yield f"postgresql+psycopg://medvid@127.0.0.1:{port}/postgres"
    finally:
        if (data / "postmaster.pid").exists():
            _call([*as_user, *control, "-m", "immediate", "stop"], folder)
        shutil.rmtree(folder)


def _other_user(folder: Path) -> list[str]:
    """What makes a command run as somebody who may start a server."""
    if os.geteuid() != 0:
        return []
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = next(known[name] for name in USERS if name in known)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
