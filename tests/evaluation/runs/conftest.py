"""An official file of drawn rows in the published forms, and perfect answers to it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medvid.evaluation.truth import Truth, load_truth
from tests.evaluation.official_rows import (
    Row,
    captioning_row,
    grounding_row,
    localisation_row,
    make_row,
    next_action_row,
    region_row,
    skill_row,
    summary_row,
    view_row,
)

RowMaker = Callable[..., Row]
VIDEOS = ("VsKw5d-4rq8", "SublDZXJ7p4", "sL5tVxz89i4", "XnkQgjOM5RU", "n6XWCpbmHtw", "kcOqlifSukA")


def video_rows(number: int, video: str) -> list[Row]:
    """All eight tasks on one clip, with truths that differ from video to video."""
    return [
        localisation_row(video, "cutting", number),
        localisation_row(video, "tying", number + 20),
        grounding_row(video, number, [1.0 + 4 * step for step in range(3 + number % 2)]),
        captioning_row(video, number),
        next_action_row(video, number),
        summary_row(video, f"A wound is closed, case {number}."),
        region_row(video, number),
        skill_row(video, number),
        view_row(video, number),
    ]


@pytest.fixture(scope="session")
def official_rows() -> list[Row]:
    return [row for number, video in enumerate(VIDEOS) for row in video_rows(number, video)]


@pytest.fixture(scope="session")
def official_file(official_rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "official.json"
    path.write_text(json.dumps(official_rows, indent=1), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def truth(official_file: Path) -> Truth:
    return load_truth(official_file)


@pytest.fixture(scope="session")
def row_maker() -> RowMaker:
    return make_row


@pytest.fixture
def perfect(official_rows: list[Row]) -> list[Row]:
    """What a model that knows all answers would upload."""
    return [
        {
            "id": row["id"],
            "qa_type": row["qa_type"],
            "prediction": row["conversations"][1]["value"],
        }
        for row in official_rows
    ]
