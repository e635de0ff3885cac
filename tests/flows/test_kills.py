"""Builds that end before their time: killed at any moment, or on a disk that is full."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.pipeline import build_release
from medvid.releases.config import BuildConfig, make_config
from medvid.releases.publish import manifest_hash
from medvid.releases.units import LocalExecutor
from medvid.releases.verify import verify_release
from medvid.synthetic import write_tree
from tests.flows.progress import Silent

MARK = "MEDVID_KILL_TEST"
"""Environment variable by which the processes of one build are known, whatever their group."""


def make(folder: Path, native: Path) -> BuildConfig:
    return make_config({
        "name": "kills", "output": folder / "release", "workspace": folder / "workspace",
        "sources": [{"name": "cholect50", "root": native, "videos": ["VID01", "VID25", "VID73"]}],
        "clips": {"min_frames": 20, "max_clips_per_video": 2},
        "media": {"long_side": 64},
        "splits": {"standard_size": 4},
        "shards": {"annotation_buckets": 2, "standard_buckets": 1, "media_buckets": 2},
        "selfcontained": True,
    })  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed") / "cholect50"
    root.mkdir()
    write_tree("cholect50", root, scale=0.0, max_seconds=40)
    return root


@pytest.fixture(scope="module")
def undisturbed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Manifest hash of a build that nothing disturbs."""
    config = make(tmp_path_factory.mktemp("undisturbed"), tree)
    return build_release(config, LocalExecutor(2), Silent()).published.manifest_sha256


def start(folder: Path, native: Path) -> "subprocess.Popen[str]":
    """Start the command a person would, in a process group of its own."""
    path = folder / "build.json"
    path.write_text(make(folder, native).model_dump_json())
    command = [sys.executable, "-m", "medvid.cli.main", "build", str(path), "--no-server", "--json"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ | {MARK: str(folder)},
    )  # fmt: skip


def processes_of(folder: Path) -> Iterator[int]:
    """Living processes that a build in this folder started, also those it has left behind."""
    needle = f"{MARK}={folder}".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and needle in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
        except OSError:
            continue


def await_end_of(folder: Path) -> list[int]:
    """Wait for orphans to notice that nobody waits for them; returns those that did not."""
    deadline = time.monotonic() + 20
    while (left := list(processes_of(folder))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def remains_of(folder: Path) -> list[str]:
    """Whatever an unfinished build could leave: staging, a release set aside, partial files."""
    tmp = folder / "workspace" / "tmp"
    names = [path.name for path in tmp.iterdir()] if tmp.exists() else []
    marks = (".staging", ".before", ".partial")
    return names + [
        path.name for path in folder.rglob("*") if any(mark in path.name for mark in marks)
    ]


def run_to_the_end(folder: Path, native: Path) -> float:
    """Run a build without disturbing it; returns its seconds."""
    began = time.monotonic()
    process = start(folder, native)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return time.monotonic() - began


def kill_at_random(folder: Path, native: Path, kills: int, seed: int) -> int:
    """Kill builds after random delays, each going on where the last was; then let one end.

    A build that ended before its kill begins anew in a fresh folder. Returns how many folders
    were built in.
    """
    chance = random.Random(seed)
    first = folder / "0"
    first.mkdir()
    seconds = run_to_the_end(first, native)
    killed, chains = 0, 1
    while killed < kills:
        here = folder / str(chains)
        here.mkdir(exist_ok=True)
        process = start(here, native)
        try:
            process.communicate(timeout=chance.uniform(0.25, 1.0) * seconds)
            assert process.returncode == 0
            chains += 1
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            killed += 1
            assert await_end_of(here) == []
    (folder / str(chains)).mkdir(exist_ok=True)
    run_to_the_end(folder / str(chains), native)
    return chains + 1


def check_kills(folder: Path, native: Path, undisturbed: str, kills: int, seed: int) -> None:
    chains = kill_at_random(folder, native, kills, seed)
    for chain in (folder / str(number) for number in range(chains)):
        assert manifest_hash(chain / "release") == undisturbed
        assert remains_of(chain) == []
        assert await_end_of(chain) == []
    checks = verify_release(folder / str(chains - 1) / "release")
    assert [failure for check in checks for failure in check.failures] == []


def test_six_random_kills_leave_no_trace(tree: Path, undisturbed: str, tmp_path: Path) -> None:
    check_kills(tmp_path, tree, undisturbed, kills=6, seed=6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_fifty_random_kills_leave_no_trace(
    tree: Path, undisturbed: str, tmp_path: Path, seed: int
) -> None:
    check_kills(tmp_path, tree, undisturbed, kills=10, seed=100 + seed)


def test_a_kill_around_the_swap_is_undone(tree: Path, undisturbed: str, tmp_path: Path) -> None:
    """The release there is set aside, the new one takes its name, the old one is removed."""
    config = make(tmp_path, tree)
    release, staging = tmp_path / "release", tmp_path / ".release.staging"
    before = tmp_path / ".release.before"
    run_to_the_end(tmp_path, tree)

    def killed_while_writing() -> None:
        staging.mkdir()
        (staging / "half.tar").write_bytes(b"half")

    def killed_between_renames() -> None:
        release.rename(before)
        staging.mkdir()

    def killed_while_removing() -> None:
        before.mkdir()
        (before / "report.html").write_bytes(b"old")

    for kill in (killed_while_writing, killed_between_renames, killed_while_removing):
        kill()
        build_release(config, LocalExecutor(2), Silent())
        assert manifest_hash(release) == undisturbed
        assert remains_of(tmp_path) == []


def refused_in_one_line(process: "subprocess.Popen[str]") -> str:
    printed, told = process.communicate(timeout=300)
    assert process.returncode == 1, (printed, told)
    assert told.startswith("medvid: "), told
    assert told.count("\n") == 1, told
    assert "Traceback" not in told
    return told


def test_files_that_may_not_grow_end_the_build_in_one_line(
    tree: Path, undisturbed: str, tmp_path: Path
) -> None:
    """The limits stop the ledger before the first stage, and again in the middle of one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    reached = []
    for limit in (6_000, 200_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            process = start(tmp_path, tree)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        told = refused_in_one_line(process)
        assert "full" in told or "File too large" in told
        assert not (tmp_path / "release").exists()
        events = (tmp_path / "workspace" / "events.jsonl").read_text()
        reached.append('"convert"' in events)
    assert reached == [False, True]
    run_to_the_end(tmp_path, tree)
    assert manifest_hash(tmp_path / "release") == undisturbed
    assert remains_of(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which a build fills."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_the_build_in_one_line_and_room_lets_it_go_on(
    tree: Path, undisturbed: str, small_disk: Path
) -> None:
    ballast = small_disk / "ballast"
    for room in (20_000, 120_000, 300_000, 600_000):
        ballast.unlink(missing_ok=True)
        free = os.statvfs(small_disk)
        ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - room))
        told = refused_in_one_line(start(small_disk, tree))
        assert "full" in told or "No space left" in told or "need about" in told
        assert not (small_disk / "release").exists()
        assert remains_of(small_disk) == []
    ballast.unlink()
    run_to_the_end(small_disk, tree)
    assert manifest_hash(small_disk / "release") == undisturbed
    assert remains_of(small_disk) == []


def test_a_full_disk_of_the_output_alone_leaves_no_half_release(
    tree: Path, undisturbed: str, small_disk: Path, tmp_path: Path
) -> None:
    """The workspace has room: only the last steps fail, and the next build takes no others."""
    (small_disk / "workspace").symlink_to(tmp_path / "workspace")
    (tmp_path / "workspace").mkdir()
    free = os.statvfs(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - 400_000))
    assert "full" in refused_in_one_line(start(small_disk, tree))
    events = (tmp_path / "workspace" / "events.jsonl").read_text()
    assert '"event":"finish","stage":"selfcontained"' in events
    assert not (small_disk / "release").exists()
    assert remains_of(small_disk) == []
    ballast.unlink()
    run_to_the_end(small_disk, tree)
    again = (tmp_path / "workspace" / "events.jsonl").read_text().removeprefix(events)
    units = [line for line in again.splitlines() if '"event":"unit"' in line]
    assert [line for line in units if '"stage":"energon"' not in line] == []
    assert manifest_hash(small_disk / "release") == undisturbed
