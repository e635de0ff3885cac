"""Outputs that cannot be written: one error that names the place, and nothing left there."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from schemas.errors import MedVidError

Medvid = Callable[..., Result]


@pytest.fixture(scope="module")
def answers(medvid: Medvid, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("answers") / "template.jsonl"
    medvid("submission", "template", "--truth", release, "-o", path)
    path.write_text(path.read_text().replace('"prediction":null', '"prediction":"x"'))
    return path


@pytest.fixture(scope="module")
def official(medvid: Medvid, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("official") / "exported"
    medvid("export", release, "-o", folder, "-f", "medvidbench", "--no-frames")
    return folder / "medvidbench_train.json"


def commands(release: Path, answers: Path, official: Path) -> list[tuple[object, ...]]:
    return [
        ("submission", "make", answers, "--truth", release, "-o"),
        ("submission", "template", "--truth", release, "-o"),
        ("evaluate", answers, "--truth", release, "--draws", 0, "-o"),
        ("export", release, "-f", "medvidbench", "-o"),
        ("export", release, "-f", "parquet", "-o"),
        ("import", "medvidbench", official, "-o"),
    ]


@pytest.mark.parametrize("number", range(6))
def test_an_output_below_a_file_is_refused(
    medvid: Medvid, release: Path, answers: Path, official: Path, tmp_path: Path, number: int
) -> None:
    (tmp_path / "file").write_text("mine")
    command = commands(release, answers, official)[number]
    for output in (tmp_path / "file" / "out", tmp_path / "file" / "deep" / "out"):
        with pytest.raises(MedVidError, match=r"file|out"):
            medvid(*command, output)
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", range(6))
def test_a_full_disk_leaves_no_output(
    release: Path, answers: Path, official: Path, tmp_path: Path, number: int
) -> None:
    command = commands(release, answers, official)[number]
    # A limit on the size of files is met where a full disk would be, with the same words.
    done = subprocess.run(
        [sys.executable, "-m", "medvid.cli.main", *map(str, command), str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400)),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("medvid: ")
    assert "ree space" in done.stderr
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]
    assert not left


def test_ratings_that_are_a_folder_are_refused(
    medvid: Medvid, release: Path, answers: Path, tmp_path: Path
) -> None:
    with pytest.raises(MedVidError, match="cannot be read: Is a directory"):
        medvid(
            "evaluate", answers, "--truth", release, "--similarity", "--ratings", tmp_path
        )  # fmt: skip
