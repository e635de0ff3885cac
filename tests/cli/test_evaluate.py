"""Evaluation and submissions from the command line, on a release with pictures."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from medvid.evaluation.truth import Truth, load_truth
from schemas.errors import SubmissionError

Medvid = Callable[..., Result]


@pytest.fixture(scope="module")
def truth(release: Path) -> Truth:
    return load_truth(release)


@pytest.fixture(scope="module")
def perfect(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The right answers, as our own inference writes them."""
    path = tmp_path_factory.mktemp("answers") / "perfect.jsonl"
    path.write_text(
        "".join(
            json.dumps({"sample_id": row.sample_id, "prediction": row.answer}) + "\n"
            for row in reversed(truth.rows)
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def official(medvid: Medvid, release: Path, perfect: Path, truth: Truth) -> Path:
    """The right answers in the benchmark's form."""
    path = perfect.with_name("official.json")
    result = medvid("submission", "make", perfect, "--truth", release, "-o", path, "--json")
    assert json.loads(result.stdout) == {
        "output": str(path), "matched_by": "sample_id", "rows": len(truth), "filled": 0,
        "shared": 0, "strangers": 0,
    }  # fmt: skip
    return path


def test_a_submission_is_a_plain_list_in_row_order(official: Path, truth: Truth) -> None:
    rows = json.loads(official.read_text(encoding="utf-8"))
    assert [set(row) for row in rows] == [{"id", "qa_type", "prediction"}] * len(truth)
    assert [row["prediction"] for row in rows] == [row.answer for row in truth.rows]


@pytest.mark.parametrize("name", ["perfect.jsonl", "official.json"])
def test_perfect_answers_score_one_and_the_report_shows_frames(
    medvid: Medvid, release: Path, official: Path, tmp_path: Path, name: str
) -> None:
    answers = official.with_name(name)
    result = medvid(
        "evaluate", answers, "--truth", release, "--json", "-o", tmp_path / "out", "--draws", 50
    )
    assert result.exit_code == 0
    columns = json.loads(result.stdout)["profiles"]["strict"]["columns"]
    for column in ("TAG_mIoU@0.3", "DVC_F1", "NAP_acc"):
        assert columns[column]["value"] == pytest.approx(1.0), column
        assert columns[column]["parsed_rate"] == 1.0
    stored = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert len(stored["profiles"]["official"]["rows"]) == stored["rows"]
    page = (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") >= 5


def test_the_table_names_both_profiles_and_what_is_missing(
    medvid: Medvid, release: Path, official: Path
) -> None:
    result = medvid("evaluate", official, "--truth", release, "--draws", 20)
    for words in ("official", "strict", "readable", "TAG_mIoU@0.3", "by source", "--judge"):
        assert words in result.output, words


def test_two_files_are_compared(
    medvid: Medvid, release: Path, official: Path, tmp_path: Path
) -> None:
    rows = json.loads(official.read_text(encoding="utf-8"))
    other = tmp_path / "other.json"
    other.write_text(
        json.dumps([{**row, "prediction": "0.0-1.0 seconds."} for row in rows]), encoding="utf-8"
    )
    result = medvid(
        "evaluate", official, "--truth", release, "--compare", other, "--profile", "strict",
        "--draws", 20, "--json",
    )  # fmt: skip
    columns = {c["column"]: c for c in json.loads(result.stdout)["compared"]["columns"]["strict"]}
    assert columns["DVC_F1"]["difference"] == pytest.approx(1.0)
    assert columns["TAG_mIoU@0.3"]["difference"] > 0.5


def test_check_passes_what_is_right_and_fails_what_is_not(
    medvid: Medvid, release: Path, official: Path, tmp_path: Path
) -> None:
    fine = medvid("submission", "check", official, "--truth", release, "--json")
    assert fine.exit_code == 0
    assert json.loads(fine.stdout)["fine"]
    rows = json.loads(official.read_text(encoding="utf-8"))
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(rows[::-1]), encoding="utf-8")
    result = medvid("submission", "check", bad, "--truth", release)
    assert result.exit_code == 1
    assert "other rows' places" in result.output
    assert f"{len(rows)} answers to {len(rows)} rows" in result.output
    strange = tmp_path / "strange.json"
    strange.write_text(json.dumps([{**row, "mood": 1} for row in rows[:1]] + rows[1:]))
    told = medvid("evaluate", strange, "--truth", release, "--draws", 0).output
    assert "a check found 2 kinds of things" in told
    assert "(1 record)" in medvid("submission", "check", strange, "--truth", release).output
    with pytest.raises(SubmissionError, match="other rows' places"):
        medvid("evaluate", bad, "--truth", release)
    assert medvid("evaluate", bad, "--truth", release, "--as-uploaded").exit_code == 0


def test_a_template_names_every_row(
    medvid: Medvid, release: Path, truth: Truth, tmp_path: Path
) -> None:
    path = tmp_path / "template.jsonl"
    medvid("submission", "template", "--truth", release, "-o", path)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["index"] for line in lines] == list(range(len(truth)))
    assert [line["sample_id"] for line in lines] == [row.sample_id for row in truth.rows]


def test_missing_answers_are_filled_only_when_asked(
    medvid: Medvid, release: Path, perfect: Path, truth: Truth, tmp_path: Path
) -> None:
    short = tmp_path / "short.jsonl"
    short.write_text(
        "".join(perfect.read_text(encoding="utf-8").splitlines(keepends=True)[1:]),
        encoding="utf-8",
    )
    output = tmp_path / "out.json"
    with pytest.raises(SubmissionError, match="1 of"):
        medvid("submission", "make", short, "--truth", release, "-o", output)
    assert not output.exists()
    result = medvid(
        "submission", "make", short, "--truth", release, "-o", output, "--fill-missing", ""
    )
    assert "1 row without an answer filled with your text" in result.output
    assert json.loads(output.read_text(encoding="utf-8"))[-1]["prediction"] == ""
    assert len(json.loads(output.read_text(encoding="utf-8"))) == len(truth)


def test_an_exported_official_file_is_the_same_truth(
    medvid: Medvid, release: Path, truth: Truth, official: Path, tmp_path: Path
) -> None:
    from medvid.shards import ReleaseReader
    from medvid.tasks.official.writing import official_row, write_official_rows

    path = tmp_path / "exported.json"
    with ReleaseReader(release) as reader:
        write_official_rows(path, (official_row(sample) for sample in reader.samples("test")))
    again = load_truth(path)
    for one, two in zip(truth.rows, again.rows, strict=True):
        for field in ("row_id", "qa_type", "spans", "boxes", "label", "caption", "sample_id"):
            assert getattr(one, field) == getattr(two, field), (one.index, field)
        assert [(e.start, e.end, e.caption) for e in one.events] == [
            (e.start, e.end, e.caption) for e in two.events
        ]
    assert again.clusters == truth.clusters
    assert medvid("submission", "check", official, "--questions", path).exit_code == 0
