"""The flow under Prefect: offline with an ephemeral server, and against a running one."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from medvid.releases.config import BuildConfig
from medvid.releases.publish import manifest_hash
from tests.flows.progress import Silent

Make = Callable[..., BuildConfig]

RUN = (
    "import sys\n"
    "from pathlib import Path\n"
    "from medvid.cli.build import run\n"
    "from medvid.releases.config import BuildConfig\n"
    "config = BuildConfig.model_validate_json(Path(sys.argv[1]).read_bytes())\n"
    "print(run(config, server=True, wait=False, quiet=True).published.manifest_sha256)\n"
)


def labels_only(native: Path, small_build: Make, folder: Path) -> BuildConfig:
    return small_build(
        folder, media={"mode": "none"}, selfcontained=False,
        sources=[{"name": "nurvid", "root": native / "nurvid"}],
    )  # fmt: skip


def run_flow(config: BuildConfig, folder: Path, **environment: str) -> str:
    path = folder / "config.json"
    path.write_text(config.model_dump_json())
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)], capture_output=True, text=True, check=False,
        env=clean | {"PREFECT_HOME": str(folder / "prefect")} | environment, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A Prefect server on loopback with a database of its own; its API address."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    home = tmp_path / "server"
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_API_URL": api,
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{tmp_path}/prefect.db",
    }
    prefect = Path(sys.executable).with_name("prefect")
    process = subprocess.Popen(
        [str(prefect), "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{api}/health", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.5)
        else:
            pytest.fail("the Prefect server did not start")
        yield api
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_ephemeral_and_running_server_build_what_no_server_builds(
    native: Path, small_build: Make, tmp_path: Path, server: str
) -> None:
    from flows.pipeline import build_release
    from medvid.releases.units import LocalExecutor

    hashes = set()
    for name in ("plain", "ephemeral", "running"):
        (tmp_path / name).mkdir()
    plain = labels_only(native, small_build, tmp_path / "plain")
    build_release(plain, LocalExecutor(2), Silent())
    hashes.add(manifest_hash(plain.output))
    config = labels_only(native, small_build, tmp_path / "ephemeral")
    hashes.add(run_flow(config, tmp_path / "ephemeral"))
    config = labels_only(native, small_build, tmp_path / "running")
    hashes.add(run_flow(config, tmp_path / "running", PREFECT_API_URL=server))
    assert len(hashes) == 1

    runs = httpx.post(f"{server}/flow_runs/filter", json={}, timeout=30).json()
    assert [(run["name"], run["state"]["type"]) for run in runs] == [("small", "COMPLETED")]
    tasks = httpx.post(f"{server}/task_runs/filter", json={}, timeout=30).json()
    stages = {task["name"].split()[0] for task in tasks}
    assert {"convert", "pairs", "annotation_shards"} <= stages
    artifacts = httpx.post(f"{server}/artifacts/filter", json={}, timeout=30).json()
    assert [artifact["key"] for artifact in artifacts] == ["release"]
    assert "nurvid" in artifacts[0]["data"]
