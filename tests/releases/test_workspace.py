"""The workspace: one build at a time, finished work found again, unfinished work gone."""

import os
from pathlib import Path

import pytest

from medvid.releases.ledger import Ledger
from medvid.releases.workspace import RESULT_FILE, Workspace, commit_unit, unit_folder
from schemas.errors import ReleaseError


def finish(root: Path, key: str, payload: bytes = b"done") -> None:
    with unit_folder(root, "convert", key) as work:
        (work / "out.bin").write_bytes(payload)
        commit_unit(root, work, stage="convert", key=key, unit="a/b", info={"n": 1}, seconds=0.5)


def test_second_build_in_one_workspace_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ReleaseError, match="another build"), Workspace(workspace.root):
        pass


def test_finished_unit_is_found_by_its_key_alone(workspace: Workspace) -> None:
    finish(workspace.root, "k1")
    assert workspace.finished(["k1"]) == {}
    record = workspace.adopt("convert", "k1")
    assert record is not None
    assert record.info == {"n": 1}
    assert workspace.finished(["k1", "k2"]) == {"k1": record}


@pytest.mark.parametrize("damage", ["shorter", "missing", "folder"])
def test_damaged_output_is_done_again(workspace: Workspace, damage: str) -> None:
    finish(workspace.root, "k1")
    workspace.adopt("convert", "k1")
    out = workspace.folder("convert", "k1") / "out.bin"
    if damage == "shorter":
        out.chmod(0o644)
        out.write_bytes(b"do")
    elif damage == "missing":
        out.unlink()
    else:
        workspace.folder("convert", "k1").rename(workspace.root / "elsewhere")
    assert workspace.finished(["k1"]) == {}
    assert workspace.adopt("convert", "k1") is None
    assert not workspace.folder("convert", "k1").exists()


def test_unit_that_fails_leaves_nothing(workspace: Workspace) -> None:
    def fail() -> None:
        with unit_folder(workspace.root, "s", "k") as work:
            (work / "half").write_bytes(b"x")
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        fail()
    assert list(workspace.tmp.iterdir()) == []
    assert workspace.adopt("s", "k") is None


def test_second_finisher_of_one_key_is_discarded(workspace: Workspace) -> None:
    finish(workspace.root, "k1", b"first")
    finish(workspace.root, "k1", b"other")
    assert (workspace.folder("convert", "k1") / "out.bin").read_bytes() == b"first"


def test_outputs_are_read_only(workspace: Workspace) -> None:
    finish(workspace.root, "k1")
    out = workspace.folder("convert", "k1") / "out.bin"
    assert not out.stat().st_mode & 0o222


def test_forget_removes_record_and_files(workspace: Workspace) -> None:
    finish(workspace.root, "k1")
    workspace.adopt("convert", "k1")
    workspace.forget("convert", "a/b")
    assert workspace.finished(["k1"]) == {}
    assert not (workspace.folder("convert", "k1") / RESULT_FILE).exists()


def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    leftover = tmp_path / "w" / "tmp" / "frames-k-1" / "half"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"x")
    with Workspace(tmp_path / "w") as opened:
        assert list(opened.tmp.iterdir()) == []


def test_file_hash_is_read_again_only_when_the_file_changed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    path = tmp_path / "labels.json"
    path.write_bytes(b"one")
    first = ledger.sha256_of(path)
    stamp = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert ledger.sha256_of(path) == first, "same size and time: trusted"
    path.write_bytes(b"three")
    assert ledger.sha256_of(path) != first
    ledger.close()


def test_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE about SET value = '999'")
    connection.commit()
    connection.close()
    with pytest.raises(ReleaseError, match="999"):
        Ledger(path)
