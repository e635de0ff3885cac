"""Evaluation in processes of their own: scores, limits, and a kill in the middle."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from medvid.evaluation.leaderboard import worker
from medvid.evaluation.leaderboard.board import load_board, would_be_place
from medvid.evaluation.leaderboard.entries import Entry, find_by_receipt, load_result
from medvid.evaluation.leaderboard.evaluating import environment_of
from medvid.evaluation.leaderboard.public import Questions
from medvid.evaluation.leaderboard.queue import list_jobs
from medvid.evaluation.leaderboard.settings import ADMIN_TOKEN_VARIABLE, LeaderboardSettings
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.tables import uploads
from medvid.evaluation.leaderboard.worker import work_once
from medvid.evaluation.leaderboard.workers import WorkerPool
from medvid.evaluation.run import EvaluationSettings, run_evaluation
from medvid.evaluation.submission import parse_submission
from medvid.evaluation.truth import Truth

Row = dict[str, Any]


def entry_of(store: BoardStore, receipt: Any) -> Entry:
    found = find_by_receipt(store, receipt.word)
    assert found is not None
    return found[0]


def test_an_upload_is_scored_as_the_evaluator_scores_it(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings, truth: Truth,
    questions: Questions,
) -> None:  # fmt: skip
    answers[0]["prediction"] = "0.0-30.0 seconds."
    receipt = upload(answers)
    assert work_once(store, settings, "evaluate", threading.Event())
    assert not work_once(store, settings, "evaluate", threading.Event())
    entry = entry_of(store, receipt)
    assert entry.state == "scored"
    assert entry.parsed_rate == 1.0
    from medvid.language.encoder import SentenceEncoder

    expected = run_evaluation(
        truth, parse_submission(json.dumps(answers).encode(), "x"), EvaluationSettings(draws=0),
        encoder=SentenceEncoder(),
    )  # fmt: skip
    line = load_board(store, questions.truth_key).lines[0]
    for profile, shown in (("official", line.official), ("strict", line.strict)):
        values = expected.scores(profile)  # type: ignore[arg-type]
        assert shown == {k: None if v is None else round(v, 3) for k, v in values.items()}
    assert 0 < (line.official["TAG_mIoU@0.3"] or 0) < 1
    assert line.official["VS_llm"] is None
    assert would_be_place(store, questions.truth_key, entry) == (1, 1)
    document = load_result(store, entry.id)
    assert document is not None
    assert "zygomatic" not in document.model_dump_json()
    assert {group.kind for group in document.groups["official"]} == {"source", "task"}
    assert all(group.rows >= 4 for groups in document.groups.values() for group in groups)


def test_the_second_step_without_a_judge_is_a_scale_of_its_own(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in [name for name in os.environ if name.startswith("MEDVID_LLM_")]:
        monkeypatch.delenv(name)
    two_steps = settings.model_copy(update={"captions": "auto"})
    receipt = upload(answers)
    stop = threading.Event()
    assert work_once(store, two_steps, "evaluate", stop)
    assert work_once(store, two_steps, "captions", stop)
    entry = entry_of(store, receipt)
    result = load_result(store, entry.id)
    assert result is not None
    assert entry.judge == ""
    assert result.columns["official"]["VS_llm"].value is None
    assert 0.3 < (result.similarity["official"]["VS_llm"] or 0) < 1
    assert "0-1" in result.similarity_label


def test_a_judge_that_is_missing_leaves_the_first_step_and_tells_the_operator_alone(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in [name for name in os.environ if name.startswith("MEDVID_LLM_")]:
        monkeypatch.delenv(name)
    judged = settings.model_copy(update={"captions": "judge"})
    receipt = upload(answers)
    stop = threading.Event()
    work_once(store, judged, "evaluate", stop)
    work_once(store, judged, "captions", stop)
    assert entry_of(store, receipt).state == "scored"
    assert [(job.kind, job.state) for job in list_jobs(store)] == [
        ("captions", "failed"), ("evaluate", "done"),
    ]  # fmt: skip
    assert "no judge is set up" in list_jobs(store)[0].error


def test_an_evaluation_that_takes_too_long_is_killed(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings
) -> None:
    receipt = upload(answers)
    hasty = settings.model_copy(update={"time_limit_s": 0.2})
    began = time.monotonic()
    work_once(store, hasty, "evaluate", threading.Event())
    assert time.monotonic() - began < 5
    assert "longer than" in entry_of(store, receipt).message


HUNGRY = (
    "import os, sys; from medvid.evaluation.leaderboard import evaluating as e; {act}; e.main()"
)


@pytest.mark.parametrize(
    ("act", "words", "told", "trace"),
    [
        (
            "e.load_truth = lambda *a, **k: bytearray(1 << 40)",
            "more memory than 4,096 MiB",
            "more memory",
            "",
        ),
        (
            "e.load_truth = lambda *a, **k: 1 / 0",
            "failed on the server's side",
            "ended with code 1; see the server's log",
            "ZeroDivisionError: division by zero",
        ),
        (
            'os.write(1, b\'{"outcome": "sco\'); sys.exit(3)',
            "failed on the server's side",
            "ended with code 3; see the server's log",
            "",
        ),
        ("os.kill(os.getpid(), 24)", "longer than 600 seconds", "longer than", ""),
    ],
    ids=["memory", "fault", "half a reply", "processor time"],
)
def test_an_evaluation_that_breaks_ends_its_job_in_plain_words(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    act: str, words: str, told: str, trace: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(worker, "command", lambda: [sys.executable, "-c", HUNGRY.format(act=act)])
    receipt = upload(answers)
    work_once(store, settings, "evaluate", threading.Event())
    entry = entry_of(store, receipt)
    assert entry.state == "failed"
    assert words in entry.message
    assert "Traceback" not in entry.message
    assert told in list_jobs(store)[0].error
    log = capfd.readouterr().err
    assert trace in log if trace else "Traceback" not in log


def test_a_request_the_process_cannot_read_ends_its_job_at_once(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    receipt = upload(answers)
    refused = settings.model_copy(update={"memory_bytes": 1 << 20})  # nothing checks a copy
    work_once(store, refused, "evaluate", threading.Event())
    assert "failed on the server's side" in entry_of(store, receipt).message
    assert "greater than or equal to 536870912" in capfd.readouterr().err
    assert not work_once(store, settings, "evaluate", threading.Event())


def test_the_processor_time_of_an_evaluation_ends_it_by_its_own_signal() -> None:
    burn = (
        "from medvid.evaluation.leaderboard.evaluating import limit_process\n"
        "limit_process(8 << 30, 0.0)\n"
        "while True: pass"
    )
    assert subprocess.run([sys.executable, "-c", burn]).returncode == -signal.SIGXCPU


def test_a_process_that_vanishes_is_tried_again(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings, clock: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    receipt = upload(answers)
    with monkeypatch.context() as patch:
        kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        patch.setattr(worker, "command", lambda: [sys.executable, "-c", kill])
        work_once(store, settings, "evaluate", threading.Event())
    assert entry_of(store, receipt).state == "waiting"
    clock.now += settings.lease_s + 1
    work_once(store, settings, "evaluate", threading.Event())
    assert entry_of(store, receipt).state == "scored"


def test_a_damaged_store_of_answers_is_refused_by_the_process(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings
) -> None:
    import zlib

    receipt = upload(answers)
    with store.writing() as connection:
        connection.execute(update(uploads).values(deflated=zlib.compress(b"[" * 999)))
    work_once(store, settings, "evaluate", threading.Event())
    assert "nested 999 deep" in entry_of(store, receipt).message


def test_an_evaluation_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADMIN_TOKEN_VARIABLE, "0123456789abcdef")
    monkeypatch.setenv("MEDVID_LEADERBOARD_DATABASE", "postgresql://u:secret@h/d")
    monkeypatch.setenv("MEDVID_LLM_API_KEY", "key")
    assert not {"0123456789abcdef", "key"} & set(environment_of("evaluate").values())
    assert environment_of("captions")["MEDVID_LLM_API_KEY"] == "key"
    assert ADMIN_TOKEN_VARIABLE not in environment_of("captions")


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.05)


def test_a_worker_killed_in_the_middle_loses_nothing(
    truth_file: Path, questions: Questions, tmp_path: Path, answers: list[Row], upload: Any,
    store: BoardStore, settings: LeaderboardSettings,
) -> None:  # fmt: skip
    store.clock = time.time  # leases of real processes run on real time
    brief = settings.model_copy(update={"lease_s": 1.0})
    receipt = upload(answers)
    with WorkerPool(brief) as pool:
        wait_for(lambda: list_jobs(store)[0].state == "running")
        first = next(iter(pool.pids))
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: entry_of(store, receipt).state == "scored")
        assert first not in pool.pids
        assert list_jobs(store)[0].attempts == 2
    assert len(load_board(store, questions.truth_key).lines) == 1


def test_a_worker_ends_with_the_server_that_started_it(settings: LeaderboardSettings) -> None:
    BoardStore(settings.database).close()
    process = subprocess.Popen(
        [sys.executable, "-m", "medvid.evaluation.leaderboard.worker", "evaluate"],
        stdin=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(settings.model_dump_json().encode() + b"\n")
    process.stdin.close()
    assert process.wait(timeout=30) == 0
