"""Collecting finished work: what stays, what goes, and what a kill in the middle leaves."""

import os
import shutil
from pathlib import Path

import orjson
import pytest

from medvid.releases.gc import DAY_S, Collection, collect, record_use
from medvid.releases.publish import MANIFEST_FILE
from medvid.releases.workspace import RESULT_FILE, Workspace, commit_unit, unit_folder
from schemas.errors import ReleaseError
from schemas.hashing import file_sha256
from schemas.scalars import SCHEMA_VERSION

NOW = 2_000_000_000.0
OLD = NOW - 30 * DAY_S
STAGE = "pairs"


def make_unit(workspace: Workspace, key: str, stage: str = STAGE, made: float = OLD) -> Path:
    with unit_folder(workspace.root, stage, key) as work:
        (work / "out.bin").write_bytes(key.encode() * 10)
        info = {"sha256": file_sha256(work / "out.bin")}
        record = commit_unit(
            workspace.root, work, stage=stage, key=key, unit=f"a/{key}", info=info, seconds=1.0
        )
    workspace.ledger.record(record)
    folder = workspace.folder(stage, key)
    os.utime(folder / RESULT_FILE, (made, made))
    return folder


def publish(
    workspace: Workspace, output: Path, keys: list[str], *, linked: list[Path] | None = None
) -> None:
    """Stand a release at the output that uses these units and holds these shards."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    files = {}
    for folder in linked or []:
        name = f"{folder.name}.tar"
        (output / name).hardlink_to(folder / "out.bin")
        files[name] = {"sha256": file_sha256(output / name), "size": 1}
    manifest = {"schema_version": SCHEMA_VERSION, "files": files, "keys": keys}
    (output / MANIFEST_FILE).write_bytes(orjson.dumps(manifest))
    workspace.used = set(keys)
    record_use(workspace, output, output, file_sha256(output / MANIFEST_FILE))


def stage_of(found: Collection, name: str = STAGE) -> tuple[int, int, int]:
    stage = next(stage for stage in found.stages if stage.stage == name)
    return stage.kept, stage.removed, stage.freed_bytes


def test_dry_run_says_what_delete_then_removes(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    with Workspace(root) as workspace:
        used = make_unit(workspace, "used")
        unused = make_unit(workspace, "unused")
        publish(workspace, tmp_path / "release", ["used"])
    told = collect(root, now=NOW)
    assert stage_of(told) == (1, 1, told.freed_bytes)
    assert told.freed_bytes > 60
    assert unused.is_dir()
    done = collect(root, dry_run=False, now=NOW)
    assert done.stages == told.stages
    assert not unused.exists()
    assert used.is_dir()
    with Workspace(root) as workspace:
        assert set(workspace.finished(["used", "unused"])) == {"used"}
    assert collect(root, now=NOW).removed == 0


def test_young_units_stay_and_go_when_their_days_are_over(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    with Workspace(root) as workspace:
        make_unit(workspace, "used")
        make_unit(workspace, "young", made=NOW - 2 * DAY_S)
        publish(workspace, tmp_path / "release", ["used"])
    assert collect(root, now=NOW, keep_days=7).removed == 0
    assert collect(root, now=NOW, keep_days=1).removed == 1


def test_days_count_from_when_a_release_was_replaced(tmp_path: Path) -> None:
    root, output = tmp_path / "workspace", tmp_path / "release"
    with Workspace(root) as workspace:
        for key in ("first", "both", "second"):
            make_unit(workspace, key, made=0.0)
        publish(workspace, output, ["first", "both"])
        publish(workspace, output, ["both", "second"])
        replaced = workspace.ledger.releases()[0].published
    soon, late = replaced + DAY_S, replaced + 8 * DAY_S
    assert collect(root, now=soon).removed == 0
    assert [release.stands for release in collect(root, now=soon).releases] == [True, False]
    assert collect(root, dry_run=False, now=late).removed == 1
    with Workspace(root) as workspace:
        assert set(workspace.finished(["first", "both", "second"])) == {"both", "second"}
        assert len(workspace.ledger.releases()) == 1


def test_two_outputs_of_one_workspace_both_count(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    with Workspace(root) as workspace:
        for key in ("a", "b", "c"):
            make_unit(workspace, key)
        publish(workspace, tmp_path / "one", ["a"])
        publish(workspace, tmp_path / "two", ["b"])
    assert stage_of(collect(root, now=NOW))[:2] == (2, 1)
    shutil.rmtree(tmp_path / "two")
    assert stage_of(collect(root, now=NOW))[:2] == (1, 2)


def test_a_moved_release_is_kept_when_it_is_named(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    with Workspace(root) as workspace:
        make_unit(workspace, "a")
        publish(workspace, tmp_path / "release", ["a"])
    (tmp_path / "release").rename(tmp_path / "elsewhere")
    assert collect(root, now=NOW).removed == 1
    assert collect(root, now=NOW, keep=[tmp_path / "elsewhere"]).removed == 0
    with pytest.raises(ReleaseError, match="no release"):
        collect(root, now=NOW, keep=[tmp_path])


def test_bytes_a_release_holds_are_not_called_freed(tmp_path: Path) -> None:
    root, output = tmp_path / "workspace", tmp_path / "release"
    with Workspace(root) as workspace:
        shard = make_unit(workspace, "shard", stage="annotation_shards")
        publish(workspace, output, [], linked=[shard])
    found = collect(root, dry_run=False, now=NOW)
    stage = found.stages[0]
    assert stage.removed == 1
    assert 0 < stage.freed_bytes < stage.removed_bytes
    assert (output / "shard.tar").read_bytes() == b"shard" * 10


def test_media_taken_over_from_the_release_before_count_as_used(tmp_path: Path) -> None:
    root, output = tmp_path / "workspace", tmp_path / "release"
    with Workspace(root) as workspace:
        kept = make_unit(workspace, "media", stage="media_shards")
        make_unit(workspace, "other", stage="media_shards")
        publish(workspace, output, [], linked=[kept])
    assert stage_of(collect(root, now=NOW), "media_shards")[:2] == (1, 1)


@pytest.mark.parametrize("moment", ["forgotten", "renamed", "half_empty"])
def test_a_kill_in_the_middle_leaves_no_lie(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "workspace"
    with Workspace(root) as workspace:
        folder = make_unit(workspace, "gone")
        publish(workspace, tmp_path / "release", [])

    class Killed(BaseException):
        pass

    def die(path: Path, *_: object, **__: object) -> None:
        if path.name == "gone" or path.name.startswith("gc-"):
            if moment == "half_empty":
                (path / RESULT_FILE).unlink()
            raise Killed

    if moment == "forgotten":
        monkeypatch.setattr(Path, "rename", die)
    else:
        monkeypatch.setattr("medvid.releases.gc.shutil.rmtree", die)
    # The workspace's own clean-up must not run either: a kill runs nothing.
    monkeypatch.setattr(Workspace, "__exit__", lambda self, *_: self._lock.close())
    with pytest.raises(Killed):
        collect(root, dry_run=False, now=NOW)
    monkeypatch.undo()
    with Workspace(root) as workspace:
        assert workspace.finished(["gone"]) == {}
        adopted = workspace.adopt(STAGE, "gone")
        assert (adopted is not None) == (moment == "forgotten")
        if adopted is None:
            make_unit(workspace, "gone")
        assert workspace.finished(["gone"])
    assert collect(root, dry_run=False, now=NOW).removed == 1
    assert not folder.exists()


def test_work_the_ledger_does_not_know_is_judged_alike(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    with Workspace(root) as workspace:
        make_unit(workspace, "used")
        publish(workspace, tmp_path / "release", ["used"])
        orphan = make_unit(workspace, "orphan")
        damaged = make_unit(workspace, "damaged", made=NOW)
        (damaged / RESULT_FILE).unlink()
        workspace.ledger.forget(["used", "orphan", "damaged"])
    collect(root, dry_run=False, now=NOW)
    assert not orphan.exists()
    assert not damaged.exists()
    with Workspace(root) as workspace:
        assert workspace.adopt(STAGE, "used") is not None


def test_refuses_what_it_cannot_judge(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no workspace"):
        collect(tmp_path / "typo")
    assert not (tmp_path / "typo").exists()
    with Workspace(tmp_path / "workspace") as workspace:
        make_unit(workspace, "hours")
        with pytest.raises(ReleaseError, match="another build"):
            collect(tmp_path / "workspace")
    with pytest.raises(ReleaseError, match="no release was ever recorded"):
        collect(tmp_path / "workspace", dry_run=False)
    with Workspace(tmp_path / "workspace") as workspace:
        assert workspace.finished(["hours"])
