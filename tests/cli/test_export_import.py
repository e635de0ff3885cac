"""`medvid export` and `medvid import` as a person calls them, on a built release."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from medvid.cli import main as cli
from medvid.shards import ReleaseReader
from schemas.errors import ConfigError, ReleaseError
from schemas.sample import Sample

Medvid = Callable[..., Result]

FORMATS = ["medvidbench", "ms-swift", "llamafactory", "selfcontained", "parquet"]


@pytest.mark.parametrize("command", ["export", "import"])
def test_commands_explain_themselves(medvid: Medvid, command: str) -> None:
    result = medvid(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.output


@pytest.mark.parametrize("form", FORMATS)
def test_export_says_what_it_wrote(
    medvid: Medvid, release: Path, tmp_path: Path, form: str
) -> None:
    arguments = ("export", release, "--format", form, "--output")
    facts = json.loads(medvid(*arguments, tmp_path / "json", "--json").stdout)
    assert facts["format"] == form
    assert not facts["restricted"]
    result = medvid(*arguments, tmp_path / "text")
    assert f"{sum(facts['pairs'].values()):,}" in result.output or len(facts["pairs"]) > 1
    assert "pairs" in result.output
    assert (tmp_path / "text" / "export.json").read_bytes() == (
        tmp_path / "json" / "export.json"
    ).read_bytes()


def test_there_and_back_on_a_built_release(medvid: Medvid, release: Path, tmp_path: Path) -> None:
    medvid("export", release, "-f", "medvidbench", "-o", tmp_path / "out")
    back: dict[str, Sample] = {}
    with ReleaseReader(release) as reader:
        before = {sample.sample_id: sample for sample in reader.samples()}
        for path in sorted((tmp_path / "out").glob("medvidbench_*.json")):
            folder = tmp_path / path.stem
            facts = json.loads(
                medvid(
                    "import", "medvidbench", path, "--frames", tmp_path / "out", "-o", folder,
                    "--json",
                ).stdout
            )  # fmt: skip
            assert facts["rows"] == facts["samples"]
            with ReleaseReader(folder) as copy:
                back |= {sample.sample_id: sample for sample in copy.samples()}
                assert len(copy.frame_index) == facts["frames"]
    assert back == before


def test_import_tells_people_what_became_of_rows(
    medvid: Medvid, release: Path, tmp_path: Path
) -> None:
    medvid("export", release, "-f", "medvidbench", "-o", tmp_path / "out", "--no-frames")
    path = sorted((tmp_path / "out").glob("medvidbench_*.json"))[0]
    rows = json.loads(path.read_text())
    rows[0]["conversations"][1]["value"] = "?"
    path.write_text(json.dumps([*rows, rows[1]]))
    result = medvid("import", "medvidbench", path, "-o", tmp_path / "in")
    assert "labels only" in result.output
    assert "repeated_row" in result.output
    explained = medvid("quarantine", tmp_path / "in", "--explain")
    assert "repeats" in explained.output or "asks the same" in explained.output


def test_wrong_choices_are_told_apart(medvid: Medvid, release: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert medvid("export", release, "-f", "tfrecord", "-o", output).exit_code == 2
    with pytest.raises(ConfigError, match="medvid export --help"):
        medvid("export", release, "-f", "parquet", "-o", output, "--plain")
    with pytest.raises(ReleaseError, match="no release"):
        medvid("export", tmp_path, "-f", "parquet", "-o", output)
    assert not output.exists()


def test_errors_end_with_code_one_and_one_line(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(
        sys, "argv", ["medvid", "import", "medvidbench", str(tmp_path / "no.json"), "-o",
                      str(tmp_path / "out")],
    )  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "no.json" in capsys.readouterr().err
