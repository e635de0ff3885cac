"""A small truth in the published form, answers to it, and a leaderboard on its own database."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from medvid.evaluation.leaderboard.intake import Receipt, take_upload
from medvid.evaluation.leaderboard.public import Questions, questions_of
from medvid.evaluation.leaderboard.registration import Registration
from medvid.evaluation.leaderboard.settings import LeaderboardSettings
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.truth import Truth, load_truth
from tests.evaluation.leaderboard.postgres import serve_postgres
from tests.evaluation.leaderboard.visits import SECRET
from tests.evaluation.official_rows import (
    Row,
    grounding_row,
    localisation_row,
    next_action_row,
    summary_row,
    view_row,
)

VIDEOS = ("VsKw5d-4rq8", "SublDZXJ7p4", "sL5tVxz89i4", "XnkQgjOM5RU")


def video_rows(number: int, video: str) -> list[Row]:
    """Five tasks on one clip; true captions hold the secret word."""
    return [
        localisation_row(video, "cutting", number),
        grounding_row(video, number, (1.0, 5.0, 9.0)),
        next_action_row(video, number),
        summary_row(video, f"The {SECRET} arch, case {number}."),
        view_row(video, number),
    ]


@pytest.fixture(scope="session")
def official_rows() -> list[Row]:
    return [row for number, video in enumerate(VIDEOS) for row in video_rows(number, video)]


@pytest.fixture(scope="session")
def truth_file(official_rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "official.json"
    path.write_text(json.dumps(official_rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def truth(truth_file: Path) -> Truth:
    return load_truth(truth_file)


@pytest.fixture(scope="session")
def questions(truth: Truth) -> Questions:
    return questions_of(truth)


@pytest.fixture
def answers(official_rows: list[Row]) -> list[Row]:
    """What a model that is right everywhere, but words captions its own way, would upload."""
    return [
        {
            "id": row["id"], "qa_type": row["qa_type"],
            "prediction": row["conversations"][1]["value"].replace(SECRET, "cheek"),
        }
        for row in official_rows
    ]  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what speaks to the database itself on Postgres as well."""
    twice = ("test_queue", "test_intake", "test_board")
    if "store" in metafunc.fixturenames and metafunc.module.__name__.endswith(twice):
        metafunc.parametrize("database", ["sqlite", "postgres"], indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a Postgres server."""
    with serve_postgres() as url:
        yield url


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'board.sqlite'}"
        return
    name = f"board_{uuid.uuid4().hex}"
    engine = create_engine(request.getfixturevalue("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield engine.url.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def settings(truth_file: Path, tmp_path: Path, database: str) -> LeaderboardSettings:
    return LeaderboardSettings(
        truth=truth_file, database=database, min_group_rows=4, draws=50, captions="none",
        judge_cache=tmp_path / "judge",
    )  # fmt: skip


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(settings: LeaderboardSettings, clock: Clock) -> Iterator[BoardStore]:
    with BoardStore(settings.database, clock) as opened:
        yield opened


class Uploader:
    """Uploads as a team does."""

    def __init__(
        self, store: BoardStore, questions: Questions, settings: LeaderboardSettings, folder: Path
    ) -> None:
        self.store, self.questions, self.settings = store, questions, settings
        self.folder = folder

    def __call__(
        self, content: object, name: str = "model", *, team: str = "team", address: str = "one",
        evaluate_only: bool = False,
    ) -> Receipt:  # fmt: skip
        path = self.folder / "answers.json"
        path.write_bytes(
            content if isinstance(content, bytes) else json.dumps(content, indent=0).encode()
        )
        registration = Registration.of(
            name=name, team=team, institution="Uni", evaluate_only=evaluate_only
        )
        return take_upload(
            self.store, self.questions, self.settings, registration, path,
            file_name="answers.json", address=address,
        )  # fmt: skip


@pytest.fixture
def upload(
    store: BoardStore, questions: Questions, settings: LeaderboardSettings, tmp_path: Path
) -> Uploader:
    return Uploader(store, questions, settings, tmp_path)
