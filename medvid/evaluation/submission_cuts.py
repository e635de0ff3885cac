"""Answers that stop early: cut by a token budget, yet readable.

A budget of 64 tokens leaves the first two boxes of a grounding answer; it parses, and the official
rule carries the last box forward, so that the score sinks without a single parse error. What the
question asks for tells how much is missing; that many answers stop at one length tells why.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from medvid.evaluation.rows import TruthRow
from medvid.evaluation.submission_questions import required_times
from schemas.source import TaskName

NEAR: Final = 0.97
"""An answer of at least this share of a task's longest ends at the ceiling, if there is one."""

LEAST_AT_CEILING: Final = 3
_USUAL: Final = 0.5

_BOX: Final = re.compile(r"\d+(?:\.\d+)?\s*seconds?\s*:\s*\[[^\[\]]*\]")
_OPEN_BOX: Final = re.compile(r"\d\s*seconds?\s*:?\s*(?:\[[^\[\]]*)?\Z")
_ASPECT: Final = re.compile(r":\s*\**\s*[0-9]+\s*/\s*5")
_CRITERION: Final = re.compile(r"(?:structures?|plate|triangle)\W{0,4}:\W{0,3}[0-9]")
_EVENT: Final = re.compile(r"\s*\[?\d+(?:\.\d+)?\s*-\s*\d+(?:\.\d+)?\s*\]?\s*seconds?\s*:\s*\S")
_ENDS: Final = re.compile(r"""[.!?…][)\]"'”’*]*\s*\Z""")
_TOKENS: Final = re.compile(r"[^\S\r\n]?[^\W\d_]+|\d| ?[^\s\w]+|\s+|_")
_LETTERS_A_TOKEN: Final = 8
_ASPECTS: Final = 6
_CRITERIA: Final = 3
_PROSE: Final = frozenset(
    {TaskName.VIDEO_SUMMARY, TaskName.REGION_CAPTION, TaskName.DENSE_CAPTIONING, TaskName.TAL}
)


@dataclass(frozen=True, slots=True)
class Cut:
    """An answer that stops early.

    Attributes:
        kind: `boxes_missing`, `scores_missing`, `ends_midway`.
        detail: What is missing, in words.
    """

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A length at which the answers of a task stop.

    Attributes:
        task: The task.
        tokens: Estimated tokens of the longest answer.
        chars: Characters of the longest answer.
        at_ceiling: Unfinished answers that reach it.
        unfinished: Unfinished answers of the task.
    """

    task: TaskName
    tokens: int
    chars: int
    at_ceiling: int
    unfinished: int


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of an answer as byte-pair vocabularies cut it: a digit is one token.

    Close for answers of numbers, which budgets cut first; words count by their length.

    >>> estimate_tokens("1.0 seconds: [592.0, 151.0]")
    19
    """
    return sum(
        1 + (len(piece) - 1) // _LETTERS_A_TOKEN if piece[-1].isalpha() else 1
        for piece in _TOKENS.findall(text)
    )


def find_cuts(rows: Sequence[TruthRow], texts: Sequence[str | None]) -> dict[int, Cut]:
    """Find answers that stop early.

    Prose that ends without a full stop counts only where most answers of its task end with one:
    a model that never writes them is not cut.

    Args:
        rows: Rows of the truth; questions suffice.
        texts: Their answers.

    Returns:
        By place among the rows.
    """
    usual = _usual_endings(rows, texts)
    cuts: dict[int, Cut] = {}
    for place, (row, text) in enumerate(zip(rows, texts, strict=True)):
        if not text or not text.strip():
            continue
        cut = _missing(row, text) or (_midway(row, text) if row.task in usual else None)
        if cut is not None:
            cuts[place] = cut
    return cuts


def find_ceilings(
    rows: Sequence[TruthRow], texts: Sequence[str | None], cuts: dict[int, Cut]
) -> tuple[Ceiling, ...]:
    """Find tasks whose unfinished answers stop at one length.

    Args:
        rows: Rows of the truth.
        texts: Their answers.
        cuts: What `find_cuts` found; prose without a full stop counts as unfinished here too.
    """
    by_task: dict[TaskName, list[int]] = defaultdict(list)
    for place, (row, text) in enumerate(zip(rows, texts, strict=True)):
        if text:
            by_task[row.task].append(place)
    found = []
    for task, places in sorted(by_task.items()):
        held = {place: texts[place] or "" for place in places}
        loose = {
            place
            for place, text in held.items()
            if place in cuts or (task in _PROSE and not _ENDS.search(text))
        }
        tokens = {place: estimate_tokens(text) for place, text in held.items()}
        most = max(tokens.values())
        near = {place for place in places if tokens[place] >= NEAR * most}
        reached = near & loose
        if len(reached) >= LEAST_AT_CEILING and 2 * len(reached) >= len(near):
            chars = max(len(held[place]) for place in reached)
            found.append(Ceiling(task, most, chars, len(reached), len(loose)))
    return tuple(found)


def _usual_endings(rows: Sequence[TruthRow], texts: Sequence[str | None]) -> set[TaskName]:
    """Tasks of prose most of whose answers end with a full stop."""
    ended: dict[TaskName, list[bool]] = defaultdict(list)
    for row, text in zip(rows, texts, strict=True):
        if row.task in _PROSE and text and text.strip():
            ended[row.task].append(bool(_ENDS.search(text)))
    return {task for task, ends in ended.items() if sum(ends) >= _USUAL * len(ends)}


def _missing(row: TruthRow, text: str) -> Cut | None:
    match row.task:
        case TaskName.STG:
            wanted = len(row.boxes) or len(required_times(row.question) or ())
            count = len(_BOX.findall(text))
            if wanted and not count and _OPEN_BOX.search(text):
                return Cut("boxes_missing", f"none of {wanted} boxes is whole")
            return _fewer("boxes_missing", count, wanted, "boxes")
        case TaskName.SKILL_ASSESSMENT:
            wanted = len(row.skill) or _ASPECTS
            return _fewer("scores_missing", len(_ASPECT.findall(text)), wanted, "aspects")
        case TaskName.CVS_ASSESSMENT:
            count = len(_CRITERION.findall(text.lower()))
            return _fewer("scores_missing", count, _CRITERIA, "criteria")
        case _:
            return None


def _fewer(kind: str, count: int, wanted: int, things: str) -> Cut | None:
    """Nothing readable at all is no cut, but an answer of another form."""
    return Cut(kind, f"{count} of {wanted} {things}") if 0 < count < wanted else None


def _midway(row: TruthRow, text: str) -> Cut | None:
    if row.task is TaskName.DENSE_CAPTIONING:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and _EVENT.match(lines[0]) and not _EVENT.match(lines[-1]):
            return Cut("ends_midway", f"the last line reads {lines[-1][:40]!r}")
    if _ENDS.search(text):
        return None
    return Cut("ends_midway", f"ends with {text.rstrip()[-30:]!r}")
