"""The command line: what each command prints, its JSON, its exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from schemas.errors import ConfigError, MissingSourceError, ReleaseError

Medvid = Callable[..., Result]


@pytest.mark.parametrize("command", ["demo", "build", "convert", "verify", "inspect", "quarantine"])
def test_every_command_explains_itself(medvid: Medvid, command: str) -> None:
    result = medvid(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.output


def test_build_prints_what_came_out(medvid: Medvid, tree: Path, release: Path) -> None:
    result = medvid(
        "build", "--source", f"cholect50={tree}", "--extra-task", "cholect50:stg",
        "--extra-task", "cholect50:region_caption", "--output", release, "--no-server",
        "--standard-size", 30,
    )  # fmt: skip
    assert "unchanged" in result.output
    assert "malformed_file" in result.output
    assert "stg" in result.output


def test_build_speaks_json(medvid: Medvid, tree: Path, tmp_path: Path) -> None:
    result = medvid(
        "build", "--source", f"cholect50={tree}", "--output", tmp_path / "r", "--media", "none",
        "--no-server", "--json",
    )  # fmt: skip
    facts = json.loads(result.stdout)
    assert facts["changed"]
    assert sum(row["samples"] for row in facts["samples"]) > 0
    assert facts["videos"]["cholect50"]["quarantined"] == 1


def test_plan_says_what_is_stale_and_why(
    medvid: Medvid, tree: Path, release: Path, tmp_path: Path
) -> None:
    source = f"cholect50={tree}"
    fresh = json.loads(
        medvid("build", "--source", source, "--output", tmp_path / "r", "--plan", "--json").stdout
    )
    assert {stage["stage"]: stage["why"] for stage in fresh["stages"]}["convert"] == "6 new"
    assert not (tmp_path / "r").exists()
    same = json.loads(
        medvid(
            "build", "--source", source, "--extra-task", "cholect50:stg", "--extra-task",
            "cholect50:region_caption", "--output", release, "--standard-size", 30, "--plan",
            "--json",
        ).stdout
    )  # fmt: skip
    assert {stage["why"] for stage in same["stages"]} == {"up to date"}
    assert same["new_frames"] == 0


def test_verify_passes_and_then_finds_each_damage(
    medvid: Medvid, release: Path, tmp_path: Path
) -> None:
    import shutil

    assert medvid("verify", release).exit_code == 0
    copy = tmp_path / "copy"
    shutil.copytree(release, copy)
    shard = sorted((copy / "large").glob("*.tar"))[0]
    shard.chmod(0o644)
    payload = bytearray(shard.read_bytes())
    place = payload.index(b'"answer":"') + 12
    payload[place] ^= 1
    shard.write_bytes(payload)
    (copy / "stray.txt").write_text("x")
    result = medvid("verify", copy, "--json")
    assert result.exit_code == 1
    checks = {check["check"]: check["failures"] for check in json.loads(result.stdout)["checks"]}
    files = " ".join(checks["files match the manifest"])
    assert shard.name in files
    assert "stray.txt" in files


def test_quick_verify_reads_only_what_changed(
    medvid: Medvid, release: Path, tmp_path: Path
) -> None:
    quick = json.loads(medvid("verify", release, "--quick", "--json").stdout)
    full = json.loads(medvid("verify", release, "--json").stdout)
    assert quick["sound"]
    assert sum(c["checked"] for c in quick["checks"]) < sum(c["checked"] for c in full["checks"])


def test_inspect_lists_and_shows_one_sample(medvid: Medvid, release: Path, tmp_path: Path) -> None:
    listed = json.loads(medvid("inspect", release, "--task", "stg", "--json").stdout)["samples"]
    assert listed
    picture = tmp_path / "sheet.png"
    sample_id = listed[0]["sample_id"]
    shown = json.loads(
        medvid("inspect", release, sample_id[:12], "--picture", picture, "--json").stdout
    )
    assert shown["sample_id"] == sample_id
    assert picture.read_bytes().startswith(b"\x89PNG")
    text = medvid("inspect", release, sample_id, "--picture", picture).output
    assert shown["question"] in text
    assert shown["answer"] in text


def test_inspect_of_an_unknown_sample_is_said(medvid: Medvid, release: Path) -> None:
    with pytest.raises(ReleaseError, match="no sample"):
        medvid("inspect", release, "zzzz")


def test_quarantine_lists_explains_and_filters(medvid: Medvid, release: Path) -> None:
    assert "malformed_file" in medvid("quarantine", release).output
    explained = medvid("quarantine", release, "--explain", "--reason", "malformed_file").output
    assert "VID111" in explained
    assert "again" in explained
    rows = json.loads(medvid("quarantine", release, "--video", "VID111", "--json").stdout)["rows"]
    assert [row["reason"] for row in rows] == ["malformed_file"]


def test_quarantine_retry_takes_in_a_mended_file(
    medvid: Medvid, tree: Path, tmp_path: Path
) -> None:
    import shutil

    native = tmp_path / "native"
    shutil.copytree(tree, native)
    output = tmp_path / "release"
    flags = ["--source", f"cholect50={native}", "--output", output, "--media", "none"]
    medvid("build", *flags, "--no-server")
    labels = json.loads((native / "labels" / "VID01.json").read_text())
    labels["video"] = 111
    (native / "labels" / "VID111.json").write_text(json.dumps(labels))
    result = medvid(
        "quarantine", output, "--reason", "malformed_file", "--retry", "--no-server", "--json"
    )
    assert json.loads(result.stdout)["videos"]["cholect50"].get("quarantined", 0) == 0
    assert "VID111" not in medvid("quarantine", output, "--json").stdout


def test_convert_accounts_for_every_record(medvid: Medvid, tree: Path, tmp_path: Path) -> None:
    lines = tmp_path / "out.jsonl"
    result = medvid("convert", "cholect50", tree, "--output", lines, "--json")
    assert result.exit_code == 1, "one file is damaged"
    facts = json.loads(result.stdout)
    assert facts["videos"] == 5
    assert [failure["video_id"] for failure in facts["failed"]] == ["VID111"]
    assert len(lines.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        (("build",), ConfigError, "--source"),
        (("build", "--source", "cholect50", "--output", "x"), ConfigError, "NAME=ROOT"),
        (
            ("build", "--source", "nothing=.", "--output", "OUT", "--no-server"),
            ConfigError,
            "nothing",
        ),
        (("build", "--extra-task", "a:stg", "--output", "x"), ConfigError, "--source"),
        (("convert", "nothing", "."), ConfigError, "nothing"),
        (("convert", "cholect50", "EMPTY"), MissingSourceError, "cholect50"),
        (("verify", "EMPTY"), ReleaseError, "no release"),
    ],
)
def test_a_mistake_is_named(
    medvid: Medvid, tmp_path: Path, arguments: tuple[str, ...], error: type[Exception], named: str
) -> None:
    (tmp_path / "EMPTY").mkdir()
    places = {"EMPTY": str(tmp_path / "EMPTY"), "OUT": str(tmp_path / "out")}
    with pytest.raises(error, match=named):
        medvid(*(places.get(argument, argument) for argument in arguments))


def test_an_error_ends_with_one_line_and_exit_code_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "medvid.cli.main", "verify", str(tmp_path)],
        capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("medvid: ")
    assert "Traceback" not in done.stderr


def test_retry_of_a_moved_release_is_refused(medvid: Medvid, release: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(release, tmp_path / "moved")
    with pytest.raises(ReleaseError, match="moved here"):
        medvid("quarantine", tmp_path / "moved", "--retry", "--no-server")


def test_extra_tasks_extend_a_file(medvid: Medvid, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "build.yaml").write_text(
        f"output: out\nmedia: {{mode: none}}\nsources:\n  - {{name: cholect50, root: {tree}}}\n"
    )
    result = medvid(
        "build", tmp_path / "build.yaml", "--extra-task", "cholect50:region_caption",
        "--no-server", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    with pytest.raises(ConfigError, match="nurvid"):
        medvid("build", tmp_path / "build.yaml", "--extra-task", "nurvid:tal", "--no-server")
