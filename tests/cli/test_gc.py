"""`medvid gc` on the workspace of a real release."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from medvid.releases.publish import manifest_hash
from schemas.errors import ReleaseError

Medvid = Callable[..., Result]


def build(medvid: Medvid, tree: Path, output: Path, *flags: object) -> dict[str, object]:
    result = medvid(
        "build", "--source", f"cholect50={tree}", "--output", output, "--media", "none",
        "--no-server", "--json", *flags,
    )  # fmt: skip
    facts: dict[str, object] = json.loads(result.stdout)
    return facts


def stale_units(medvid: Medvid, tree: Path, output: Path) -> int:
    plan = medvid(
        "build", "--source", f"cholect50={tree}", "--output", output, "--media", "none", "--plan",
        "--json",
    )  # fmt: skip
    return sum(stage["stale"] for stage in json.loads(plan.stdout)["stages"])


def test_what_a_release_needs_stays_and_what_it_left_behind_goes(
    medvid: Medvid, tree: Path, tmp_path: Path
) -> None:
    output, workspace = tmp_path / "release", tmp_path / "release.workspace"
    build(medvid, tree, output, "--seed", 1)
    build(medvid, tree, output)
    before = manifest_hash(output)
    told = json.loads(medvid("gc", workspace, "--keep-days", 0, "--json").stdout)
    assert told["dry_run"]
    assert told["removed"] > 0
    assert [release["stands"] for release in told["workspaces"][0]["releases"]] == [True, False]
    text = medvid("gc", workspace, "--keep-days", 0).output
    assert "would go" in text
    assert "--delete" in text
    done = json.loads(medvid("gc", workspace, "--keep-days", 0, "--delete", "--json").stdout)
    assert done["removed"] == told["removed"]
    assert done["freed_bytes"] == told["freed_bytes"]
    assert stale_units(medvid, tree, output) == 0
    assert not build(medvid, tree, output)["changed"]
    assert manifest_hash(output) == before
    assert medvid("verify", output).exit_code == 0
    again = json.loads(medvid("gc", workspace, "--keep-days", 0, "--json").stdout)
    assert again["removed"] == 0


def test_media_kept_from_the_release_before_stay_in_the_store(
    medvid: Medvid, tree: Path, tmp_path: Path
) -> None:
    native = tmp_path / "cholect50"
    shutil.copytree(tree, native)
    output = tmp_path / "release"
    flags = [
        "build", "--source", f"cholect50={native}", "--output", output, "--no-server", "--json",
    ]  # fmt: skip
    medvid(*flags)
    labels = sorted((native / "labels").glob("VID01*.json"))[0]
    document = json.loads(labels.read_text())
    document["annotations"].popitem()
    labels.write_text(json.dumps(document))
    medvid(*flags)
    workspace = tmp_path / "release.workspace"
    medvid("gc", workspace, "--keep-days", 0, "--delete")
    assert list((workspace / "store" / "media_shards").iterdir())
    assert not json.loads(medvid(*flags).stdout)["changed"]


def test_a_folder_that_is_no_workspace_is_said(medvid: Medvid, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no workspace"):
        medvid("gc", tmp_path)
