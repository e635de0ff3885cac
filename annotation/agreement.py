"""How the answers of several annotators become one: policies, as configuration."""

from collections.abc import Sequence
from enum import StrEnum
from statistics import median_low
from typing import Any, Final

from pydantic import JsonValue

from annotation.archive import PulledAnnotation
from annotation.jobs import AnnotationTask
from schemas.correction import Correction, item_key
from schemas.geometry import box_iou, tiou
from schemas.hashing import canonical_json
from schemas.scalars import Model, PositiveInt

SAME_THING: Final = 0.5
"""Overlap (tIoU, or IoU on one frame) from which two additions of one label are the same thing."""

_PLACES: Final = ("start", "end", "xyxy")
"""Fields that say where; what remains says what."""

Decoded = tuple[PulledAnnotation, tuple[Correction, ...]]


class Rule(StrEnum):
    """What decides where annotators differ."""

    EACH = "each"
    MAJORITY = "majority"
    SENIOR = "senior"
    ADJUDICATE = "adjudicate"


class Policy(Model):
    """How several answers to one task become one.

    Attributes:
        rule: `each`: every answer counts as it comes, and later ones that contradict become
            conflicts. `majority`: a change is made if more than half of the annotators make it;
            places are the median of theirs. `senior`: the senior's answer alone counts.
            `adjudicate`: equal answers count, else a senior decides.
        annotators: Answers a task needs before `majority` or `adjudicate` decides.
        seniors: Names of the seniors; an answer the server marks as ground truth is one too.
    """

    rule: Rule = Rule.EACH
    annotators: PositiveInt = 1
    seniors: tuple[str, ...] = ()


def resolve(
    task: AnnotationTask, decoded: Sequence[Decoded], policy: Policy | None = None
) -> list[Decoded] | None:
    """Choose whose changes are made.

    Args:
        task: The task.
        decoded: Answers to it with what they change, none skipped.
        policy: The rule; `each` by default.

    Returns:
        Answers with the changes that count, or None where more answers or a senior are needed.
    """
    chosen = policy or Policy()
    if not decoded:
        return []
    if chosen.rule is Rule.EACH:
        return list(decoded)
    senior = [row for row in decoded if row[0].senior or row[0].who in chosen.seniors]
    if senior:
        return [max(senior, key=lambda row: row[0].when)]
    if chosen.rule is Rule.SENIOR or len({row[0].who for row in decoded}) < chosen.annotators:
        return None
    if chosen.rule is Rule.ADJUDICATE:
        return [decoded[0]] if len({_sayings(row) for row in decoded}) == 1 else None
    return [_as_one(task, decoded)]


def _sayings(row: Decoded) -> bytes:
    return canonical_json(sorted(_saying(correction) for correction in row[1]))


def _saying(correction: Correction) -> str:
    sides = (correction.before, correction.after)
    return "|".join("" if side is None else item_key(side).decode() for side in sides)


def _as_one(task: AnnotationTask, decoded: Sequence[Decoded]) -> Decoded:
    """The majority's changes, in the name of all who voted."""
    names = "+".join(sorted({row[0].who for row in decoded}))
    said = {"who": names, "annotation_id": f"consensus:{task.task_key}"}
    last = max((row[0] for row in decoded), key=lambda annotation: annotation.when)
    corrections = [
        correction.model_copy(update={**said, "when": last.when})
        for correction in _majority(decoded)
    ]
    return last.model_copy(update=said), tuple(corrections)


def _majority(decoded: Sequence[Decoded]) -> tuple[Correction, ...]:
    """Changes that more than half of the annotators make, in the words of the first who does."""
    voters = len({row[0].who for row in decoded})
    groups: list[list[Correction]] = []
    for _, corrections in decoded:
        for correction in corrections:
            group = next((g for g in groups if _is_one_change(g[0], correction)), None)
            if group is None:
                groups.append([correction])
            elif all(other.who != correction.who for other in group):
                group.append(correction)
    return tuple(_middle(group) for group in groups if 2 * len(group) > voters)


def _is_one_change(a: Correction, b: Correction) -> bool:
    """Whether two corrections do the same to the same thing, wherever exactly."""
    if a.kind is not b.kind or (a.before is None) != (b.before is None):
        return False
    if a.before is not None and b.before is not None and item_key(a.before) != item_key(b.before):
        return False
    if a.after is None or b.after is None:
        return a.after is b.after
    if _what(a.after) != _what(b.after):
        return False
    return a.before is not None or _overlap(a.after, b.after) >= SAME_THING


def _what(item: dict[str, JsonValue]) -> bytes:
    ignored = (*_PLACES, "track")
    return canonical_json({name: value for name, value in item.items() if name not in ignored})


def _overlap(a: dict[str, Any], b: dict[str, Any]) -> float:
    if "xyxy" in a:
        return box_iou(a["xyxy"], b["xyxy"])
    if "start" in a:
        return tiou((a["start"], a["end"]), (b["start"], b["end"]))
    return 1.0


def _middle(group: Sequence[Correction]) -> Correction:
    """The first correction of a group, at the median of all their places."""
    first = group[0]
    if first.after is None or len(group) == 1:
        return first
    after = dict(first.after)
    items: list[dict[str, Any]] = [c.after for c in group if c.after is not None]
    for place in _PLACES:
        if place == "xyxy" and place in after:
            after[place] = [
                median_low(float(item[place][side]) for item in items) for side in range(4)
            ]
        elif place in after:
            after[place] = median_low(int(item[place]) for item in items)
    return first.model_copy(update={"after": after})
