"""Truth in official rows: `struc_info` in all the forms that were published.

The leaderboard reads spans, boxes and events from `struc_info` alone, captions and next actions
from the answer's text; so do we. A row whose `struc_info` is empty has no structured truth, and
each profile says what becomes of it.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from medvid.evaluation.rows import Box, TruthEvent, TruthRow
from medvid.tasks.modules.dense_captioning import split_label
from medvid.tasks.official import OfficialRow
from medvid.tasks.official.writing import ID_KEY
from schemas.errors import MalformedSourceError
from schemas.source import TaskName

CRITERIA: Final = ("two_structures", "cystic_plate", "hepatocystic_triangle")

_LISTED: Final = re.compile(r"\[([^\[\]]{1,4000})\]")
_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_BARE_LIST: Final = re.compile(
    r"(?:actions? (?:include|are|that (?:can appear|may occur) (?:include|are))):? ([^.?!\n]+)\."
)
_PROCEDURE: Final = re.compile(
    r"(?:part of (?:the|a|an)|from the|[Ii]n this) (.{2,80}?) procedure\b"
)
_CHOLEC80: Final = frozenset({"cholect50", "cholectrack20", "cholec80cvs"})
_DIGITS: Final = re.compile(r"\d+")


def truth_of_official(row: OfficialRow) -> TruthRow:
    """Read one official row; without `struc_info` and answer its truth stays empty.

    Raises:
        MalformedSourceError: A number in `struc_info` is none.
    """
    source = row.source or re.sub(r"[^a-z0-9]", "", row.dataset_name.lower())
    labels = _labels(row)
    try:
        return TruthRow(
            index=row.index, row_id=row.id, qa_type=row.qa_type, task=row.task, source=source,
            dataset_name=row.dataset_name, video_id=row.video_id, clip_key=f"{source}:{row.id}",
            question=row.question, fps=row.fps, duration_s=_duration(row),
            answer=row.answer or "", labels=labels, procedure=_procedure(row),
            sample_id=own if isinstance(own := row.extra.get(ID_KEY), str) else None,
            **_structured(row, labels),
        )  # fmt: skip
    except (ValidationError, ValueError, TypeError) as error:
        raise MalformedSourceError(
            f"struc_info cannot be read: {str(error)[:200]}.", field=f"row {row.index} struc_info",
            action="Correct the row in the truth file.",
        ) from error  # fmt: skip


def cluster_of(source: str, video_id: str) -> str:
    """What a row is resampled with: the video, or the person that several videos show.

    The three Cholec80 sources number the same patients alike; a JIGSAWS surgeon is the letter
    before the trial number; parts of an EgoSurgery or CoPESD recording share its name.

    >>> cluster_of("cholect50", "VID25"), cluster_of("cholec80cvs", "video25")
    ('cholec80:25', 'cholec80:25')
    >>> cluster_of("jigsaws", "Knot_Tying_B001"), cluster_of("egosurgery", "04_1")
    ('jigsaws:B', 'egosurgery:04')
    """
    number = _DIGITS.search(video_id)
    if source in _CHOLEC80 and number:
        return f"cholec80:{int(number.group())}"
    if source == "jigsaws":
        surgeon = re.search(r"_([A-Z])\d{3}(?!\d)", video_id)
        return f"jigsaws:{surgeon.group(1) if surgeon else video_id}"
    if source == "egosurgery":
        return f"egosurgery:{video_id.split('_')[0]}"
    if source == "copesd":
        return f"copesd:{re.sub(r'_part[0-9]+$', '', video_id)}"
    return f"{source}:{video_id}"


def _structured(row: OfficialRow, labels: Sequence[str]) -> dict[str, Any]:
    info = row.struc_info
    match row.task:
        case TaskName.TAL:
            return {"spans": tuple(_spans(info))}
        case TaskName.STG:
            return {"boxes": _boxes(info)}
        case TaskName.DENSE_CAPTIONING:
            return {"events": tuple(_events(info, labels))}
        case TaskName.NEXT_ACTION:
            return {"label": (row.answer or "").strip()}
        case TaskName.SKILL_ASSESSMENT:
            return {"skill": _scores(info, "skill_scores")}
        case TaskName.CVS_ASSESSMENT:
            scores = _scores(info, "cvs_scores")
            return {"cvs": {name: scores[name] for name in CRITERIA if name in scores}}
        case _:
            return {"caption": (row.answer or "").strip()}


def _items(info: object) -> list[Mapping[str, Any]]:
    """Objects of `struc_info`, which is a list of them, a list of lists of them, or one."""
    if isinstance(info, Mapping):
        return [info]
    if not isinstance(info, list):
        return []
    found: list[Mapping[str, Any]] = []
    for item in info:
        found.extend(_items(item))
    return found


def _spans(info: object) -> Iterator[tuple[float, float]]:
    for item in _items(info):
        for span in item.get("spans") or ():
            if isinstance(span, Mapping):
                yield _field(span, "start"), _field(span, "end")
            else:
                start, end = span
                yield _number(start), _number(end)


def _boxes(info: object) -> dict[float, Box]:
    """Boxes of the first object; the object may be the dictionary of boxes itself."""
    items = _items(info)
    if not items:
        return {}
    held = items[0].get("bbox_dict", items[0])
    boxes: dict[float, Box] = {}
    for time, box in held.items() if isinstance(held, Mapping) else ():
        if not _is_time(time) or not isinstance(box, list) or len(box) != 4:
            continue
        x1, y1, x2, y2 = (_number(value) for value in box)
        boxes[float(time)] = (x1, y1, x2, y2)
    return boxes


def _events(info: object, labels: Sequence[str]) -> Iterator[TruthEvent]:
    for item in _items(info):
        for event in _items(item["dc_segments"]) if "dc_segments" in item else [item]:
            # The official scorer drops an event without this key.
            if not isinstance(event.get("caption"), str) or "start" not in event:
                continue
            label, caption = split_label(event["caption"], labels)
            yield TruthEvent(
                start=_field(event, "start"), end=_field(event, "end"), caption=caption,
                label=label,
            )  # fmt: skip


def _scores(info: object, key: str) -> dict[str, int]:
    for item in _items(info):
        if isinstance(item.get(key), Mapping):
            return {
                name: int(_number(value))
                for name, value in item[key].items()
                if isinstance(value, int | float | str) and _is_time(str(value))
            }
    return {}


def _labels(row: OfficialRow) -> tuple[str, ...]:
    """Labels to choose from: as `struc_info` lists them, else as the question does."""
    for item in _items(row.struc_info):
        listed = item.get("action_list")
        if isinstance(listed, list) and listed:
            return tuple(str(label) for label in listed)
    for match in _LISTED.finditer(row.question):
        quoted = [one or two for one, two in _QUOTED.findall(match.group(1))]
        found = quoted or [part.strip() for part in match.group(1).split(",")]
        if len(found) > 1:
            return tuple(found)
    bare = _BARE_LIST.search(row.question)
    return tuple(part.strip() for part in bare.group(1).split(",")) if bare else ()


def _procedure(row: OfficialRow) -> str:
    for item in _items(row.struc_info):
        if isinstance(item.get("procedure"), str):
            return str(item["procedure"])
    match = _PROCEDURE.search(row.question)
    return match.group(1) if match else ""


def _duration(row: OfficialRow) -> float:
    """Length of the clip in seconds: from its times where it has some, else from its frames."""
    start = row.metadata.get("input_video_start_time", "")
    end = row.metadata.get("input_video_end_time", "")
    if _is_time(start) and _is_time(end) and float(end) > float(start):
        return float(end) - float(start)
    return len(row.sampled_video_frames) / row.fps


def _is_time(text: object) -> bool:
    try:
        return math.isfinite(float(str(text)))
    except ValueError:
        return False


def _field(item: Mapping[str, Any], name: str) -> float:
    if name not in item:
        raise ValueError(f"{name!r} is absent")
    return _number(item[name])


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{str(value)[:40]!r} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number")
    return number
