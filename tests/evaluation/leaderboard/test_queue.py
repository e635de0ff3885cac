"""The queue: nothing lost, nothing done twice, whoever dies in the middle."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from medvid.evaluation.leaderboard.entries import find_by_receipt, list_entries
from medvid.evaluation.leaderboard.queue import (
    Job,
    claim_job,
    finish_job,
    list_jobs,
    release_job,
    renew_lease,
)
from medvid.evaluation.leaderboard.settings import LeaderboardSettings
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.tables import meta, metadata
from schemas.errors import ConfigError, SubmissionError

Row = dict[str, Any]


def claim(store: BoardStore) -> Job | None:
    return claim_job(store, "evaluate", 30.0, 3)


def nothing(_connection: Connection, _now: float) -> None:
    return None


def test_a_job_is_claimed_once_and_oldest_first(
    upload: Any, answers: list[Row], store: BoardStore
) -> None:
    upload(answers, "a")
    upload(answers, "b")
    first, second = claim(store), claim(store)
    assert first is not None
    assert second is not None
    assert (first.entry_id, second.entry_id) == (1, 2)
    assert claim(store) is None
    assert claim_job(store, "captions", 30.0, 3) is None


def test_a_silent_workers_job_goes_back_and_its_late_result_is_void(
    upload: Any, answers: list[Row], store: BoardStore, clock: Any
) -> None:
    upload(answers)
    dead = claim(store)
    assert dead is not None
    clock.now += 29
    assert claim(store) is None
    assert renew_lease(store, dead, 30.0)
    clock.now += 29
    assert claim(store) is None
    clock.now += 2
    again = claim(store)
    assert again is not None
    assert (again.attempt, again.entry_id) == (2, dead.entry_id)
    written: list[float] = []
    assert not finish_job(store, dead, lambda _, now: written.append(now))
    assert not renew_lease(store, dead, 30.0)
    assert finish_job(store, again, lambda _, now: written.append(now))
    assert len(written) == 1
    assert claim(store) is None


def test_a_job_that_kills_its_workers_ends_and_frees_its_name(
    upload: Any, answers: list[Row], store: BoardStore, clock: Any
) -> None:
    receipt = upload(answers, "deadly")
    for attempt in (1, 2, 3):
        job = claim(store)
        assert job is not None
        assert job.attempt == attempt
        clock.now += 31
    assert claim(store) is None
    found = find_by_receipt(store, receipt.word)
    assert found is not None
    assert found[0].state == "failed"
    assert "3 times" in found[0].message
    upload(answers, "deadly")


def test_a_worker_that_is_asked_to_stop_costs_no_attempt(
    upload: Any, answers: list[Row], store: BoardStore
) -> None:
    upload(answers)
    job = claim(store)
    assert job is not None
    release_job(store, job)
    again = claim(store)
    assert again is not None
    assert again.attempt == 1


def test_a_change_that_fails_leaves_the_job_claimed(
    upload: Any, answers: list[Row], store: BoardStore
) -> None:
    upload(answers)
    job = claim(store)
    assert job is not None

    def broken(_connection: Connection, _now: float) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        finish_job(store, job, broken)
    assert list_jobs(store)[0].state == "running"
    assert finish_job(store, job, nothing, state="failed", error="why")
    assert list_jobs(store)[0].error == "why"


def run_together(work: Callable[[int], None], count: int) -> None:
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        work(number)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_workers_at_once_share_the_jobs_out(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings
) -> None:
    upload.settings = settings.model_copy(update={"uploads_per_hour": 0, "team_uploads_per_day": 0})
    for number in range(12):
        upload(answers, f"m{number}")
    claimed: list[int] = []

    def work(_number: int) -> None:
        with BoardStore(settings.database, store.clock) as own:
            while (job := claim(own)) is not None:
                claimed.append(job.entry_id)

    run_together(work, 4)
    assert sorted(claimed) == list(range(1, 13))


def test_uploads_at_once_lose_nothing_and_one_name_is_given_once(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings, tmp_path: Any
) -> None:
    taken: list[str] = []
    refused: list[str] = []

    def work(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        own = type(upload)(store, upload.questions, settings, folder)
        own(answers, f"own {number}", team=f"t{number}")
        try:
            taken.append(own(answers, "The Same", team=f"t{number}").word)
        except SubmissionError as error:
            refused.append(str(error))

    run_together(work, 6)
    assert len(taken) == 1
    assert len(refused) == 5
    assert all("is taken" in message for message in refused)
    names = [entry.name for entry in list_entries(store)]
    assert sorted(names) == sorted([*(f"own {n}" for n in range(6)), "The Same"])
    assert len(list_jobs(store)) == 7


def test_servers_that_start_at_once_make_the_tables_once(settings: LeaderboardSettings) -> None:
    salts: list[str] = []

    def work(_number: int) -> None:
        with BoardStore(settings.database) as own:
            salts.append(own.salt)

    run_together(work, 5)
    assert len(salts) == 5
    assert len(set(salts)) == 1


def test_a_database_of_another_version_is_refused(
    store: BoardStore, settings: LeaderboardSettings
) -> None:
    with store.writing() as connection:
        connection.execute(update(meta).where(meta.c.key == "board_version").values(value="99"))
    with pytest.raises(ConfigError, match="version 99"):
        BoardStore(settings.database)
    with store.reading() as connection:
        assert connection.execute(select(meta)).all()


@pytest.mark.parametrize("url", ["nonsense", "oracle9://x", "sqlite:////dev/null/x/board"])
def test_a_database_that_cannot_be_opened_is_named(url: str) -> None:
    with pytest.raises(ConfigError):
        BoardStore(url)


def test_the_same_tables_can_be_made_in_postgres() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in metadata.sorted_tables:
        assert table.name in str(CreateTable(table).compile(dialect=dialect))
