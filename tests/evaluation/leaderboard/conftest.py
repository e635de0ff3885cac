"""A small truth in the published form, answers to it, and a leaderboard on its own database."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medvid.evaluation.leaderboard.intake import Receipt, take_upload
from medvid.evaluation.leaderboard.public import Questions, questions_of
from medvid.evaluation.leaderboard.registration import Registration
from medvid.evaluation.leaderboard.settings import LeaderboardSettings
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.truth import Truth, load_truth

Row = dict[str, Any]
SECRET = "zygomatic"
"""A word that stands in the truth alone: wherever it is seen, the truth has left the server."""

VIDEOS = ("VsKw5d-4rq8", "SublDZXJ7p4", "sL5tVxz89i4", "XnkQgjOM5RU")


def make_row(row_id: str, qa_type: str, question: str, answer: str, struc_info: object = None,
             *, dataset: str = "AVOS", video: str = "") -> Row:  # fmt: skip
    row: Row = {
        "id": row_id, "qa_type": qa_type, "dataset_name": dataset, "data_source": dataset,
        "train": False, "video": [f"{{DATA_ROOT}}/{row_id[:8]}/{n}.jpg" for n in range(60)],
        "sampled_video_frames": list(range(60)),
        "conversations": [
            {"from": "human", "value": f"<video>\n{question}"}, {"from": "gpt", "value": answer},
        ],
        "metadata": {"video_id": video or row_id.split("&&")[0], "fps": "1.0"}, "is_RC": False,
        "RC_info": None,
    }  # fmt: skip
    if struc_info is not None:
        row["struc_info"] = struc_info
    return row


def video_rows(number: int, video: str) -> list[Row]:
    """Five tasks on one clip; true captions hold the secret word."""
    clip = f"{video}&&0&&900&&1.0"
    boxes = {f"{t}.0": [10.0 + number, 20.0, 200.0, 220.5 + t] for t in (1, 5, 9)}
    return [
        make_row(
            clip, "tal", "The video may show ['cutting', 'tying']. When can I see cutting?",
            f"{number}.0-{number + 7}.0 seconds.",
            [{"action": "cutting", "spans": [{"start": number, "end": number + 7}]}],
        ),
        make_row(
            f"1.0${video}$0$900", "stg",
            "Track the hook from 1 to 9 seconds, predicting its location every 4 seconds.",
            " ".join(f"{t} seconds: {box}" for t, box in boxes.items()),
            [{"start": 1.0, "end": 9.0, "stride": 4, "object": "hook", "bbox_dict": boxes}],
            dataset="CholecTrack20", video=video,
        ),
        make_row(
            clip, "next_action",
            "The procedure includes the following step list: ['cutting', 'tying', 'suturing']. "
            "What comes next after the current video?", ("cutting", "tying")[number % 2],
        ),
        make_row(clip, "video_summary_gemini", "Summarise.", f"The {SECRET} arch, case {number}."),
        make_row(
            clip, "cvs_assessment", "Score the view.",
            f"Two structures: {number % 3}, Cystic plate: 0, Hepatocystic triangle: 1",
            [{"cvs_scores": {
                "two_structures": number % 3, "cystic_plate": 0, "hepatocystic_triangle": 1,
                "critical_view": 0}}],
            dataset="Cholec80_CVS", video=f"video{number + 10}",
        ),
    ]  # fmt: skip


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


@pytest.fixture
def settings(truth_file: Path, tmp_path: Path) -> LeaderboardSettings:
    return LeaderboardSettings(
        truth=truth_file, database=f"sqlite:///{tmp_path / 'board.sqlite'}", min_group_rows=4,
        draws=50, captions="none", judge_cache=tmp_path / "judge",
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
