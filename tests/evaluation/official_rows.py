"""Rows in the form of the published official file: one maker for each task."""

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
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


def clip_of(video: str) -> str:
    """The identifier of the clip that all rows of a video but grounding are about."""
    return f"{video}&&0&&900&&1.0"


def localisation_row(video: str, label: str, start: int) -> Row:
    """An action of seven seconds."""
    return make_row(
        clip_of(video), "tal",
        f"The video may show ['cutting', 'tying']. When can I see {label}?",
        f"{start}.0-{start + 7}.0 seconds.",
        [{"action": label, "spans": [{"start": start, "end": start + 7}]}],
    )  # fmt: skip


def grounding_row(video: str, number: int, times: Sequence[float]) -> Row:
    """A box of the hook at each of these seconds, four apart."""
    boxes = {f"{t}": [10.0 + number, 20.0, 200.0, 220.5 + t] for t in times}
    return make_row(
        f"1.0${video}$0$900", "stg",
        f"Track the hook from 1 to {times[-1]} seconds, predicting its location every 4 seconds.",
        " ".join(f"{t} seconds: {box}" for t, box in boxes.items()),
        [{"start": 1.0, "end": times[-1], "stride": 4, "object": "hook", "bbox_dict": boxes}],
        dataset="CholecTrack20", video=video,
    )  # fmt: skip


def captioning_row(video: str, number: int) -> Row:
    """Two events of a clip."""
    events = [
        {"start": 0.0, "end": 12.0, "caption": f"The wound is opened, {number}."},
        {"start": 14.0, "end": 40.0, "caption": "A knot is tied."},
    ]
    return make_row(
        clip_of(video), "dense_captioning_gpt", "List the events.",
        "\n".join(f"{e['start']}-{e['end']} seconds: {e['caption']}" for e in events), [events],
    )  # fmt: skip


def next_action_row(video: str, number: int) -> Row:
    """What comes next, by turns."""
    return make_row(
        clip_of(video), "next_action",
        "The procedure includes the following step list: ['cutting', 'tying', 'suturing']. "
        "What comes next after the current video?", ("cutting", "tying")[number % 2],
    )  # fmt: skip


def summary_row(video: str, caption: str) -> Row:
    """A summary of a clip."""
    return make_row(clip_of(video), "video_summary_gemini", "Summarise.", caption)


def region_row(video: str, number: int) -> Row:
    """A caption of a region."""
    return make_row(
        clip_of(video), "region_caption_gpt", "What does the object do?",
        f"The hook moves, {number}.", dataset="CoPESD",
    )  # fmt: skip


def skill_row(video: str, number: int) -> Row:
    """Six scores of one to five, other ones for each number."""
    scores = {name: 1 + (number + place) % 5 for place, name in enumerate(SKILLS)}
    return make_row(
        clip_of(video), "skill_assessment", "Rate the skill.",
        ", ".join(f"{name}: {score}/5" for name, score in scores.items()),
        [{"skill_level": "N", "skill_scores": scores}],
        dataset="jigsaws", video=f"Knot_Tying_{'BCDEFG'[number]}001",
    )  # fmt: skip


def view_row(video: str, number: int) -> Row:
    """The three criteria of the critical view of safety; the first differs by number."""
    return make_row(
        clip_of(video), "cvs_assessment", "Score the view.",
        f"Two structures: {number % 3}, Cystic plate: 0, Hepatocystic triangle: 1",
        [{"cvs_scores": {
            "two_structures": number % 3, "cystic_plate": 0, "hepatocystic_triangle": 1,
            "critical_view": 0}}],
        dataset="Cholec80_CVS", video=f"video{number + 10}",
    )  # fmt: skip
