"""What an official question is about, as our samples say it: the part of a row that is identity."""

import re
from collections.abc import Mapping
from typing import Any, Final

from medvid.tasks.official.rows import OfficialRow
from schemas.source import TaskName

_NUMBER: Final = r"([0-9]+(?:\.[0-9]+)?)"
_SECONDS: Final = re.compile(rf"{_NUMBER} seconds?\b")
_WINDOW: Final = re.compile(
    rf"(?:from|between) {_NUMBER}(?: seconds?)? (?:to|and) {_NUMBER} seconds?", re.IGNORECASE
)
_STRIDE: Final = re.compile(rf"every {_NUMBER} seconds?", re.IGNORECASE)
_OBJECT: Final = re.compile(
    r"(?:track the|box(?:es)? (?:of|for) the|positions of the|where is the) (.+?)"
    r" (?:from|sampled|at every|between|every)\b",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"(?:When does (.+) happen\?|Find the segment\(s\) where (.+) happens\."
    r"|When can I see (.+) in the video\?|What is the time span of (.+)\?)\s*$"
)
_BLANKS: Final = re.compile(r"\s+")
_WHOLE_CLIP: Final = (
    TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING, TaskName.VIDEO_SUMMARY,
    TaskName.CVS_ASSESSMENT,
)  # fmt: skip


def question_subject(row: OfficialRow) -> tuple[dict[str, Any], str]:
    """Subject of a row's question, and the label selection balances over, empty where none.

    What `struc_info` says goes before what the question's words say. A question that neither
    explains is its own subject: its text in lower case with single blanks.
    """
    found: tuple[dict[str, Any], str] | None = None
    if row.task in _WHOLE_CLIP:
        found = {}, _answered(row)
    elif row.task is TaskName.TAL:
        found = _localised(row)
    elif row.task is TaskName.STG:
        found = _grounded(row)
    elif row.task is TaskName.REGION_CAPTION:
        found = _region(row)
    return found or ({"question": normalised(row.question)}, "")


def normalised(question: str) -> str:
    r"""A question as the field compares them: lower case, single blanks, none at the ends.

    >>> normalised(" When does\n Cutting happen? ")
    'when does cutting happen?'
    """
    return _BLANKS.sub(" ", question).strip().lower()


def first_fact(row: OfficialRow) -> Mapping[str, Any]:
    """First object of `struc_info`, which is a list or, in older rows, an object."""
    value = row.struc_info
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, dict) else {}


def _answered(row: OfficialRow) -> str:
    return (row.answer or "").strip() if row.task is TaskName.NEXT_ACTION else ""


def _localised(row: OfficialRow) -> tuple[dict[str, Any], str] | None:
    action = first_fact(row).get("action")
    if not isinstance(action, str) or not action:
        asked = _LABEL.search(row.question)
        action = next((group for group in asked.groups() if group), None) if asked else None
    return ({"action": action}, action) if action else None


def _grounded(row: OfficialRow) -> tuple[dict[str, Any], str] | None:
    fact = first_fact(row)
    window, stride = _WINDOW.search(row.question), _STRIDE.search(row.question)
    named = _OBJECT.search(row.question)
    asked: dict[str, Any] = {}
    if window:
        asked |= {"start": float(window.group(1)), "end": float(window.group(2))}
    if stride:
        asked["stride"] = float(stride.group(1))
    if named:
        asked["object"] = named.group(1)
    for key, kind in (("start", float), ("end", float), ("stride", float), ("object", str)):
        if isinstance(fact.get(key), str | int | float):
            asked[key] = kind(fact[key]) if kind is str or _is_number(fact[key]) else None
    if any(asked.get(key) is None for key in ("start", "end", "stride", "object")):
        return None
    return {**asked, "track": ""}, asked["object"]


def _region(row: OfficialRow) -> tuple[dict[str, Any], str] | None:
    """Interval and box; two questions about one box and interval ask the same."""
    times = [float(text) for text in _SECONDS.findall(row.question)]
    window = _WINDOW.search(row.question)
    if window:
        times = [float(window.group(1)), float(window.group(2))]
    if row.rc_info is None or not times:
        return None
    box = [float(value) for value in row.rc_info["start_frame_bbox"]]
    return {"box": box, "end": max(times), "start": min(times)}, ""


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True
