"""Scores, captions and verdicts as choices and text areas, and back."""

import re
from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue

from annotation.jobs import AnnotationTask, Job
from annotation.results import Result, choices_of
from annotation.timeline_codec import TIMELINE, timeline_result

CVS_CRITERIA: Final = ("two_structures", "cystic_plate", "hepatocystic_triangle")
CVS_CONTROL: Final = "interval"
CVS_LABEL: Final = "critical view"


def control_name(text: str) -> str:
    """Name of the control for a label: letters, digits and underscores.

    >>> control_name("Suture/needle handling")
    'suture_needle_handling'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def encode_form(task: AnnotationTask) -> list[Result]:
    """Write scores, a caption or a verdict as filled-in controls; nothing where there is none."""
    if not task.items:
        return []
    item = task.items[0]
    if task.job is Job.CAPTION:
        return [_text(item.region_id, "caption", str(item.content["text"]))]
    if task.job is Job.REVIEW:
        return [_choice(item.region_id, "verdict", str(item.content["verdict"]))]
    scores = item.content["scores"]
    ratings = scores if isinstance(scores, dict) else {}
    return [
        _choice(f"{item.region_id}l", "level", str(item.content["level"])),
        *(
            _choice(f"{item.region_id}{number}", control_name(aspect), str(score))
            for number, (aspect, score) in enumerate(ratings.items())
        ),
    ]


def encode_cvs(task: AnnotationTask) -> list[Result]:
    """Write intervals as timeline regions, each with its three scores."""
    results = []
    for item in task.items:
        span = task.frames_inside(int(str(item.content["start"])), int(str(item.content["end"])))
        if span is None:
            continue
        region = timeline_result(item.region_id, CVS_CONTROL, span, CVS_LABEL)
        results.append(region)
        for criterion in CVS_CRITERIA:
            choice = _choice(item.region_id, criterion, str(item.content[criterion]))
            choice["value"] |= {"ranges": region["value"]["ranges"]}
            results.append(choice)
    return results


def read_cvs(results: Sequence[Result], region: str) -> dict[str, JsonValue] | str:
    """Scores of an interval, or what is wrong with them."""
    scores: dict[str, JsonValue] = {}
    for criterion in CVS_CRITERIA:
        said = choices_of(results, criterion, region)
        if len(said) != 1 or said[0] not in ("0", "1", "2"):
            return f"{criterion} needs one score of 0, 1 or 2; it has {said!r}"
        scores[criterion] = int(said[0])
    return scores


def read_skill(task: AnnotationTask, results: Sequence[Result]) -> dict[str, JsonValue] | str:
    """A rating of a trial, or what is wrong with it."""
    level = choices_of(results, "level")
    if len(level) != 1 or level[0] not in task.vocabulary["level"]:
        return f"the level is {level!r}; it needs one of {', '.join(task.vocabulary['level'])}"
    scores: dict[str, JsonValue] = {}
    for aspect, allowed in task.vocabulary.items():
        if aspect == "level":
            continue
        said = choices_of(results, control_name(aspect))
        if len(said) != 1 or said[0] not in allowed:
            return f"{aspect} is {said!r}; it needs one score of {allowed[0]} to {allowed[-1]}"
        scores[aspect] = int(said[0])
    return {"level": level[0], "scores": scores}


def _choice(region: str, control: str, choice: str) -> Result:
    return {
        "id": region, "type": "choices", "from_name": control, "to_name": "video",
        "origin": "prediction", "value": {"choices": [choice]},
    }  # fmt: skip


def _text(region: str, control: str, text: str) -> Result:
    return {
        "id": region, "type": "textarea", "from_name": control, "to_name": "video",
        "origin": "prediction", "value": {"text": [text]},
    }  # fmt: skip


__all__ = [
    "CVS_CONTROL", "CVS_CRITERIA", "CVS_LABEL", "TIMELINE", "control_name", "encode_cvs",
    "encode_form", "read_cvs", "read_skill",
]  # fmt: skip
