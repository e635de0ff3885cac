"""`medvid evaluate --judge` against a real endpoint that misbehaves, and without any."""

import csv
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from medvid.evaluation.truth import load_truth
from medvid.language import BudgetExceededError
from schemas.errors import ConfigError, SampleError
from tests.evaluation.judge.answers import scores_of, well_formed
from tests.language.endpoint import Body, FaultyEndpoint

Medvid = Callable[..., Result]
FAULTS = ("429", "429 0.05", "500", "reset", "cut", "html", "short")
QUICK = {
    "MODEL": "judge-1", "TIMEOUT_S": "20", "BACKOFF_BASE_S": "0.01", "BACKOFF_LIMIT_S": "0.05",
    "MAX_ATTEMPTS": "8", "CONCURRENCY": "4", "PRICE_PROMPT": "2", "PRICE_COMPLETION": "8",
}  # fmt: skip


def misbehave(body: Body, before: int) -> str:
    """Two faults of a content at most, then fine."""
    first = scores_of(body)[0]
    return FAULTS[(first + before) % len(FAULTS)] if before < first % 3 else "ok"


@pytest.fixture(scope="module")
def answers(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers whose captions a judge has something to say about."""
    path = tmp_path_factory.mktemp("judging") / "answers.jsonl"
    rows = load_truth(release).rows
    path.write_text(
        "".join(
            json.dumps({
                "sample_id": row.sample_id,
                "prediction": row.answer.replace("the", "a") if row.index % 3 else row.answer,
            }) + "\n"
            for row in rows
        ),
        encoding="utf-8",
    )  # fmt: skip
    return path


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set an endpoint up in the environment, and nothing but that."""
    for name in [name for name in os.environ if name.startswith("MEDVID_LLM_")]:
        monkeypatch.delenv(name)

    def set_up(endpoint: FaultyEndpoint, **changes: str) -> None:
        for name, value in ({**QUICK, "BASE_URL": endpoint.url} | changes).items():
            monkeypatch.setenv(f"MEDVID_LLM_{name}", value)

    return set_up


def judged(document: dict[str, Any]) -> dict[str, float]:
    return {
        name: column["value"]
        for name, column in document["profiles"]["official"]["columns"].items()
        if name.endswith("_llm") and column["rows"]
    }


def test_a_judge_that_misbehaves_and_is_killed_gives_the_same_and_is_paid_once(
    medvid: Medvid, release: Path, answers: Path, tmp_path: Path, use: Callable[..., None]
) -> None:
    """The endpoint answers 12 requests and holds all others, so nothing is in doubt at the kill."""
    options = ("evaluate", answers, "--truth", release, "--judge", "--draws", 0, "--json")
    with FaultyEndpoint(answer=well_formed) as calm:
        use(calm)
        expected = json.loads(medvid(*options, "--cache", tmp_path / "calm").stdout)
    quota, served = 12, Counter[str]()

    def until_quota(body: Body, before: int) -> str:
        fault = misbehave(body, before)
        if fault != "ok":
            return fault
        served["all"] += 1
        return "ok" if served["all"] <= quota else "hold"

    with FaultyEndpoint(until_quota, well_formed) as endpoint:
        use(endpoint)
        again = [*map(str, options), "--cache", str(tmp_path / "calls")]
        run = subprocess.Popen(
            [sys.executable, "-m", "medvid.cli.main", *again], stdout=subprocess.DEVNULL
        )
        calls, deadline = tmp_path / "calls" / "calls.jsonl", time.monotonic() + 90
        while time.monotonic() < deadline:
            if calls.exists() and calls.read_bytes().count(b"\n") == quota:
                break
            time.sleep(0.02)
        assert endpoint.held.acquire(timeout=30)
        run.kill()
        run.wait(timeout=30)
        assert endpoint.answered.total() == quota
        served["all"] = -100_000
        resumed = medvid(*again)
        assert json.loads(resumed.stdout) == expected
        assert "12 answers from the cache" in resumed.stderr
        assert set(endpoint.answered.values()) == {1}
        assert set(judged(expected)) >= {"DVC_llm", "VS_llm"}
        assert all(value > 1 for value in judged(expected).values())


def test_a_judged_number_names_its_judge_and_scale(
    medvid: Medvid, release: Path, answers: Path, tmp_path: Path, use: Callable[..., None]
) -> None:
    with FaultyEndpoint(answer=well_formed) as endpoint:
        use(endpoint)
        result = medvid(
            "evaluate", answers, "--truth", release, "--judge", "--draws", 0, "--judge-swap",
            "--judge-repeats", 2, "--cache", tmp_path / "calls", "--compare", answers,
        )  # fmt: skip
        most = max(endpoint.answered.values())
    for column in ("DVC_llm", "VS_llm"):
        assert f"{column} (judge-1, official, " in result.stdout
    assert "scale 1-5)" in result.stdout
    assert "no judge ran" not in result.stdout
    assert "roles exchanged" in result.stdout
    assert most == 2, (
        "the first judgement and its repetition, and nothing for the same answers again"
    )


def test_a_spent_budget_ends_the_run_and_a_higher_one_goes_on(
    release: Path, medvid: Medvid, answers: Path, tmp_path: Path, use: Callable[..., None]
) -> None:
    options = [
        "evaluate", str(answers), "--truth", str(release), "--judge", "--draws", "0", "--json",
        "--cache", str(tmp_path / "calls"),
    ]  # fmt: skip
    with FaultyEndpoint(answer=well_formed) as endpoint:
        use(endpoint, BUDGET_MONEY="0.007")
        with pytest.raises(BudgetExceededError, match="MEDVID_LLM_BUDGET_MONEY"):
            medvid(*options)
        paid = endpoint.answered.total()
        assert paid > 0, paid
        ended = subprocess.run(
            [sys.executable, "-m", "medvid.cli.main", *options], capture_output=True, text=True,
            check=False, env=os.environ | {"MEDVID_LLM_BUDGET_MONEY": "0.000001"},
        )  # fmt: skip
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("medvid: the budget ends here: ")
        assert endpoint.answered.total() == paid
        use(endpoint, BUDGET_MONEY="1000")
        assert judged(json.loads(medvid(*options).stdout))["VS_llm"] > 1
        assert set(endpoint.answered.values()) == {1}


def test_ratings_are_agreed_with_and_those_of_other_answers_are_not(
    medvid: Medvid, release: Path, answers: Path, tmp_path: Path, use: Callable[..., None]
) -> None:
    out, sheet = tmp_path / "out", tmp_path / "ratings.csv"
    options = ["evaluate", answers, "--truth", release, "--judge", "--draws", 0, "--json"]
    options += ["--cache", tmp_path / "calls"]
    with FaultyEndpoint(answer=well_formed) as endpoint:
        use(endpoint)
        medvid(*options, "-o", out)
        lines = (out / "judgements.jsonl").read_text(encoding="utf-8").splitlines()
        with sheet.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["pair_id", "dimension", "rating", "rater"])
            for line in map(json.loads, lines):
                for dimension, score in (line["scores"] or {}).items():
                    writer.writerow([line["pair_id"], dimension, score, "surgeon"])
        document = json.loads(medvid(*options, "--ratings", sheet).stdout)
        found = {a["dimension"]: a for a in document["judging"]["agreement"]["agreements"]}
        assert found["overall"]["pairs"] == sum(json.loads(x)["scores"] is not None for x in lines)
        for measure in ("pearson", "spearman", "kappa", "kappa_quadratic"):
            assert found["overall"][measure] == pytest.approx(1.0)
        shown = medvid(*[o for o in options if o != "--json"], "--ratings", sheet).stdout
        assert "agreement with 1 rater, judge-1, official" in shown
        assert "Pearson" in shown
        assert "kappa" in shown

        other = tmp_path / "other.jsonl"
        other.write_text(answers.read_text(encoding="utf-8").replace(" a ", " one "))
        options[1] = other
        unmatched = json.loads(medvid(*options, "--ratings", sheet).stdout)["judging"]["agreement"]
        assert unmatched["unmatched"] > 0
        sheet.write_text("pair_id,dimension,rating,rater\n0:0:0:x,R2,3,surgeon\n")
        with pytest.raises(SampleError, match="pair ids"):
            medvid(*options, "--ratings", sheet)


def test_without_an_endpoint_similarity_runs_and_is_labelled(
    medvid: Medvid, release: Path, answers: Path, use: Callable[..., None]
) -> None:
    result = medvid("evaluate", answers, "--truth", release, "--judge", "--draws", 0)
    assert "no judge is set up" in result.stderr
    assert "not judged: semantic similarity, all-MiniLM-L6-v2, scale 0-1" in result.stdout
    document = json.loads(
        medvid("evaluate", answers, "--truth", release, "--judge", "--draws", 0, "--json").stdout
    )
    assert set(judged(document)) >= {"DVC_llm", "VS_llm"}
    assert set(judged(document).values()) == {None}
    assert document["judge"] == ""
    assert document["judging"]["scale"] == "0-1"
    similar = document["semantic"]["columns"]["official"]
    assert all(0 < similar[name]["value"] <= 1 for name in judged(document))


def test_ratings_without_scores_and_half_an_endpoint_are_refused(
    medvid: Medvid, release: Path, answers: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, use: Callable[..., None],
) -> None:  # fmt: skip
    with pytest.raises(ConfigError, match="--judge"):
        medvid("evaluate", answers, "--truth", release, "--ratings", tmp_path / "r.csv")
    monkeypatch.setenv("MEDVID_LLM_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(ConfigError, match="MEDVID_LLM_MODEL"):
        medvid("evaluate", answers, "--truth", release, "--judge")
