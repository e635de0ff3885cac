"""Exported rows against the published description of MedVidBench's format, and nothing else.

The rules here are written from the format's description: field by field, with its types, its
numbers as text, its extents by source and its answer grammars. No code of the writer is used.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from medvid.releases.exports import ExportFormat, ExportSettings, export_release

QA_TYPES = {
    "tal", "stg", "next_action", "dense_captioning_gpt", "dense_captioning_gemini",
    "video_summary_gpt", "video_summary_gemini", "region_caption_gpt", "region_caption_gemini",
    "skill_assessment", "cvs_assessment",
}  # fmt: skip
DATASETS = {
    "AVOS", "CholecT50", "CholecTrack20", "Cholec80_CVS", "CoPESD", "EgoSurgery", "NurViD",
    "JIGSAWS",
}  # fmt: skip
KEYS = {
    "id", "qa_type", "dataset_name", "data_source", "train", "video", "sampled_video_frames",
    "conversations", "metadata", "struc_info", "is_RC", "RC_info",
}  # fmt: skip
NUMBER = r"\d+(?:\.\d+)?"
SPAN = r"\d+\.\d-\d+\.\d"
BOX = rf"\[{NUMBER}, {NUMBER}, {NUMBER}, {NUMBER}\]"
ANSWERS = {
    "tal": rf"{SPAN}(?:, {SPAN})* seconds\.",
    "stg": rf"\d+\.\d seconds: {BOX}(?: \d+\.\d seconds: {BOX})*",
    "dense_captioning": rf"{SPAN} seconds: \S.*(?:\n{SPAN} seconds: \S.*)*",
    "next_action": r"\S[^\n]*",
    "region_caption": r"\S[^\n]*",
    "video_summary": r"\S[^\n]*",
    "skill_assessment": (
        r"Respect for tissue: [1-5]/5, Suture/needle handling: [1-5]/5, Time and motion: [1-5]/5, "
        r"Flow of operation: [1-5]/5, Overall performance: [1-5]/5, "
        r"Quality of final product: [1-5]/5"
    ),
    "cvs_assessment": r"Two structures: [012], Cystic plate: [012], Hepatocystic triangle: [012]",
}
ASPECTS = {
    "Respect for tissue", "Suture/needle handling", "Time and motion", "Flow of operation",
    "Overall performance", "Quality of final product",
}  # fmt: skip

Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def rows(release: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """All exported rows, as anybody's JSON reader gives them."""
    folder = tmp_path_factory.mktemp("schema") / "export"
    settings = ExportSettings(
        format=ExportFormat.MEDVIDBENCH, map_label_captions=True, plain=True, frames=False
    )
    export_release(release, folder, settings)
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("medvidbench_*.json")):
        split = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(split, list)
        found.extend(split)
    assert {row["dataset_name"] for row in found} == DATASETS
    return found


def task_of(row: Row) -> str:
    return re.sub(r"_(gpt|gemini)$", "", row["qa_type"])


def test_every_field_is_there_and_of_its_type(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert set(row) == KEYS | {"sample_id"}
        assert isinstance(row["id"], str)
        assert row["qa_type"] in QA_TYPES
        assert row["dataset_name"] in DATASETS
        assert row["data_source"] == row["dataset_name"]
        assert isinstance(row["train"], bool)
        assert isinstance(row["is_RC"], bool)
        assert all(isinstance(path, str) for path in row["video"])
        assert all(type(frame) is int for frame in row["sampled_video_frames"])


def test_frames_stand_one_to_one_with_their_numbers(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        frames = row["sampled_video_frames"]
        assert 0 < len(frames) == len(row["video"]) <= 180
        assert frames == sorted(frames)
        numbers = [int(re.findall(r"\d+", Path(path).stem)[-1]) for path in row["video"]]
        assert numbers == frames
        # Bare file names repeat across videos: three parts must name a file.
        assert all(len(Path(path).parts) >= 3 for path in row["video"])
        assert len({Path(path).parent for path in row["video"]}) == 1


def test_suffixes_of_three_parts_name_one_frame(rows: list[dict[str, Any]]) -> None:
    by_suffix: dict[tuple[str, ...], str] = {}
    for row in rows:
        for path in row["video"]:
            assert by_suffix.setdefault(Path(path).parts[-3:], path) == path


def test_ids_are_of_one_grammar_and_agree_with_metadata(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        video, start, end, fps = row["id"].split("&&")
        metadata = row["metadata"]
        assert all(isinstance(value, str) for value in metadata.values())
        assert video.startswith(metadata["video_id"])
        assert fps == metadata["fps"]
        assert re.fullmatch(r"\d+\.\d+", fps)
        assert 0 < float(fps) <= 3
        assert {start, end} <= set(metadata.values())


def test_extents_go_by_the_names_their_source_uses(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        metadata = set(row["metadata"]) - {"video_id", "fps"}
        if row["dataset_name"] == "NurViD":
            assert metadata == {"input_video_start_time", "input_video_end_time"}
            for name in metadata:
                assert re.fullmatch(r"\d+\.\d", row["metadata"][name])
        elif row["dataset_name"] == "Cholec80_CVS":
            assert metadata == {"start_frame", "end_frame"}
        else:
            assert metadata == {"input_video_start_frame", "input_video_end_frame"}


def test_a_question_with_its_token_is_followed_by_its_answer(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        human, gpt = row["conversations"]
        assert (set(human), set(gpt)) == ({"from", "value"}, {"from", "value"})
        assert (human["from"], gpt["from"]) == ("human", "gpt")
        assert human["value"].startswith("<video>\n")
        assert human["value"].count("<video>") == 1
        assert re.fullmatch(ANSWERS[task_of(row)], gpt["value"]), gpt["value"]
        assert "–" not in gpt["value"]


def test_regions_are_given_for_region_captions_alone(rows: list[dict[str, Any]]) -> None:
    seen = 0
    for row in rows:
        assert row["is_RC"] == (task_of(row) == "region_caption")
        if not row["is_RC"]:
            assert row["RC_info"] is None
            continue
        seen += 1
        assert row["RC_info"]["start_frame"] in row["video"]
        x1, y1, x2, y2 = row["RC_info"]["start_frame_bbox"]
        assert all(type(value) is int for value in (x1, y1, x2, y2))
        assert 0 <= x1 < x2
        assert 0 <= y1 < y2
    assert seen


def test_struc_info_holds_what_the_evaluator_reads(rows: list[dict[str, Any]]) -> None:
    seen = set()
    for row in rows:
        task, facts, answer = task_of(row), row["struc_info"], row["conversations"][1]["value"]
        assert isinstance(facts, list)
        assert facts
        if task == "tal":
            spans = [(span["start"], span["end"]) for fact in facts for span in fact["spans"]]
            said = [tuple(map(float, part.split("-"))) for part in re.findall(SPAN, answer)]
            assert spans == said
            assert facts[0]["action"]
        elif task == "stg":
            boxes = facts[0]["bbox_dict"]
            assert all(re.fullmatch(r"\d+\.\d", key) for key in boxes)
            shown = re.findall(rf"(\d+\.\d) seconds: ({BOX})", answer)
            assert boxes == {time: json.loads(box) for time, box in shown}
            assert {"start", "end", "stride", "object"} <= set(facts[0])
        elif task == "dense_captioning":
            assert all(fact["caption"] and fact["start"] <= fact["end"] for fact in facts)
            assert len(facts) == len(answer.splitlines())
        elif task == "skill_assessment":
            assert set(facts[0]["skill_scores"]) == ASPECTS
            assert facts[0]["skill_level"] in {"N", "I", "E"}
        elif task == "cvs_assessment":
            names = {"two_structures", "cystic_plate", "hepatocystic_triangle"}
            assert names <= set(facts[0]["cvs_scores"])
        seen.add(task)
    assert seen == set(ANSWERS)


def test_grounding_asks_for_times_its_answers_have(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if task_of(row) == "stg":
            fact = row["struc_info"][0]
            times = [float(key) for key in fact["bbox_dict"]]
            steps = round((fact["end"] - fact["start"]) / fact["stride"])
            wanted = [fact["start"] + step * fact["stride"] for step in range(steps + 1)]
            assert all(math.isclose(a, b) for a, b in zip(times, wanted, strict=True))


def test_answers_are_relative_to_the_clip(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        frames, fps = row["sampled_video_frames"], float(row["metadata"]["fps"])
        longest = 3.5 * len(frames) / fps + 5  # holes of up to three steps are legal
        for text in re.findall(SPAN, row["conversations"][1]["value"]):
            assert float(text.split("-")[1]) <= longest
