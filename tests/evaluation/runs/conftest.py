"""An official file of drawn rows in the published forms, and perfect answers to it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medvid.evaluation.truth import Truth, load_truth

Row = dict[str, Any]
RowMaker = Callable[..., Row]
VIDEOS = ("VsKw5d-4rq8", "SublDZXJ7p4", "sL5tVxz89i4", "XnkQgjOM5RU", "n6XWCpbmHtw", "kcOqlifSukA")
SKILLS = (
    "Respect for tissue", "Suture/needle handling", "Time and motion", "Flow of operation",
    "Overall performance", "Quality of final product",
)  # fmt: skip


def make_row(
    row_id: str,
    qa_type: str,
    question: str,
    answer: str | None,
    struc_info: object = None,
    *,
    dataset: str = "AVOS",
    video: str | None = None,
    fps: str = "1.0",
    frames: int = 60,
) -> Row:
    """One row in the real schema."""
    turns = [{"from": "human", "value": f"<video>\n{question}"}]
    if answer is not None:
        turns.append({"from": "gpt", "value": answer})
    row: Row = {
        "id": row_id, "qa_type": qa_type, "dataset_name": dataset, "data_source": dataset,
        "train": False, "video": [f"{{DATA_ROOT}}/{row_id[:8]}/{n}.jpg" for n in range(frames)],
        "sampled_video_frames": list(range(frames)), "conversations": turns,
        "metadata": {"video_id": video or row_id.split("&&")[0], "fps": fps}, "is_RC": False,
        "RC_info": None,
    }  # fmt: skip
    if struc_info is not None:
        row["struc_info"] = struc_info
    return row


def video_rows(number: int, video: str) -> list[Row]:
    """All eight tasks on one clip, with truths that differ from video to video."""
    clip = f"{video}&&0&&900&&1.0"
    tal = [
        make_row(
            clip, "tal", f"The video may show ['cutting', 'tying']. When can I see {label}?",
            f"{start}.0-{start + 7}.0 seconds.",
            [{"action": label, "spans": [{"start": start, "end": start + 7}]}],
        )
        for start, label in ((number, "cutting"), (number + 20, "tying"))
    ]  # fmt: skip
    times = [1.0 + 4 * step for step in range(3 + number % 2)]
    boxes = {f"{t}": [10.0 + number, 20.0, 200.0, 220.5 + t] for t in times}
    grounding = make_row(
        f"1.0${video}$0$900", "stg",
        f"Track the hook from 1 to {times[-1]} seconds, predicting its location every 4 seconds.",
        " ".join(f"{t} seconds: {box}" for t, box in boxes.items()),
        [{"start": 1.0, "end": times[-1], "stride": 4, "object": "hook", "bbox_dict": boxes}],
        dataset="CholecTrack20", video=video,
    )  # fmt: skip
    events = [
        {"start": 0.0, "end": 12.0, "caption": f"The wound is opened, {number}."},
        {"start": 14.0, "end": 40.0, "caption": "A knot is tied."},
    ]
    return [
        *tal,
        grounding,
        make_row(
            clip, "dense_captioning_gpt", "List the events.",
            "\n".join(f"{e['start']}-{e['end']} seconds: {e['caption']}" for e in events), [events],
        ),
        make_row(
            clip, "next_action",
            "The procedure includes the following step list: ['cutting', 'tying', 'suturing']. "
            "What comes next after the current video?", ("cutting", "tying")[number % 2],
        ),
        make_row(clip, "video_summary_gemini", "Summarise.", f"A wound is closed, case {number}."),
        make_row(
            clip, "region_caption_gpt", "What does the object do?", f"The hook moves, {number}.",
            dataset="CoPESD",
        ),
        make_row(
            clip, "skill_assessment", "Rate the skill.",
            ", ".join(f"{name}: {1 + (number + i) % 5}/5" for i, name in enumerate(SKILLS)),
            [{"skill_level": "N", "skill_scores": {
                name: 1 + (number + i) % 5 for i, name in enumerate(SKILLS)}}],
            dataset="jigsaws", video=f"Knot_Tying_{'BCDEFG'[number]}001",
        ),
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
