"""Structured ground truth of official rows: `struc_info`, which the leaderboard scores by.

The evaluator reads spans, boxes and events here and never from the answer's text, so every row
that is written has it. Forms after the rows seen; where several are in use the flat one is taken.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from schemas.sample import Sample
from schemas.source import TaskName

_LEVEL: Final = "skill_level:"


def struc_info_of(sample: Sample) -> list[dict[str, Any]]:
    """Structured ground truth of a sample, in clip-relative seconds and original-frame pixels.

    Returns:
        One object, or one an event for dense captioning:

        - tal: `action`, `spans` of `start` and `end`, `action_list` where the question lists any;
        - stg: `object`, `start`, `end`, `stride`, `bbox_dict` from times of one decimal to boxes;
        - dense captioning: `start`, `end`, `caption`;
        - skill: `skill_scores`, and `skill_level` (`N`, `I`, `E`) where the source states one;
        - cvs: `cvs_scores`;
        - the rest, whose `struc_info` no evaluator reads: the answer by name.
    """
    target = sample.target_value()
    subject: Mapping[str, Any] = orjson.loads(sample.subject)
    match sample.task:
        case TaskName.TAL:
            listed = {"action_list": list(sample.candidates)} if sample.candidates else {}
            return [{**listed, "action": sample.label, "spans": target}]
        case TaskName.STG:
            boxes = {f"{item['time']:.1f}": item["xyxy"] for item in target}
            asked = {key: subject[key] for key in ("start", "end", "stride") if key in subject}
            return [{**asked, "object": sample.label, "bbox_dict": boxes}]
        case TaskName.DENSE_CAPTIONING:
            return list(target)
        case TaskName.NEXT_ACTION:
            listed = {"action_list": list(sample.candidates)} if sample.candidates else {}
            return [{**listed, "next_action": target}]
        case TaskName.SKILL_ASSESSMENT:
            level = _skill_level(sample)
            stated = {"skill_level": level} if level else {}
            return [{**stated, "skill_scores": target}]
        case TaskName.CVS_ASSESSMENT:
            return [{"cvs_scores": target}]
        case TaskName.REGION_CAPTION:
            asked = {key: subject[key] for key in ("start", "end", "object") if key in subject}
            return [{**asked, "caption": target}]
        case TaskName.VIDEO_SUMMARY:
            return [{"summary": target}]


def _skill_level(sample: Sample) -> str:
    """The self-stated level, which stands among the records an answer is drawn from."""
    records = orjson.loads(sample.provenance).get("records", [])
    stated = [str(record) for record in records if str(record).startswith(_LEVEL)]
    return stated[0].removeprefix(_LEVEL) if stated else ""
