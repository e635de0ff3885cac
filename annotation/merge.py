"""Apply corrections to what the native files say today: a three-way merge, item by item.

The base is the item the annotator saw (`before`), one side is their fix (`after`), the other the
annotation as the converter returns it now. A fix whose item is still there is applied; one that
the native files have taken over meanwhile is already met; one whose item has changed otherwise is
a conflict, which goes back to annotators and changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel, JsonValue, ValidationError

from schemas.annotation import SkillScores, VideoAnnotation
from schemas.correction import ITEM_TYPES, Correction, CorrectionKind, item_key
from schemas.hashing import canonical_json, content_key


class Fate(StrEnum):
    """What became of a correction."""

    APPLIED = "applied"
    ALREADY = "already"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one correction, and why.

    Attributes:
        correction: The correction.
        fate: Whether it was applied, already met, or is in conflict.
        detail: For a conflict, what stands in its way.
    """

    correction: Correction
    fate: Fate
    detail: str = ""


CaptionKey = tuple[str, str, str]
"""Clip id, scope and subject of a caption."""


@dataclass(frozen=True, slots=True)
class CaptionChange:
    """What a caption must say now and shall say then.

    Attributes:
        before: Text the annotator saw, None where there was none.
        after: Text it shall have, None where it is taken away.
    """

    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Merge:
    """A corrected annotation.

    Attributes:
        annotation: What the video's labels are now.
        verdicts: One for each correction, in log order.
        captions: Changes of captions, which are written later in the line.
        rejected: Pairs no release may hold.
    """

    annotation: VideoAnnotation
    verdicts: tuple[Verdict, ...]
    captions: Mapping[CaptionKey, CaptionChange] = field(default_factory=dict)
    rejected: frozenset[str] = frozenset()

    def count(self) -> dict[str, int]:
        """Corrections by fate."""
        return dict(Counter(verdict.fate.value for verdict in self.verdicts))


_ORDERS: Final[dict[CorrectionKind, tuple[str, Callable[[Any], Any]]]] = {
    CorrectionKind.SEGMENT: ("segments", lambda s: (s.start, s.end, s.native_index or 0, s.label)),
    CorrectionKind.BOX: ("boxes", lambda b: (b.tick, b.label, b.track or "", b.xyxy)),
    CorrectionKind.EXCLUDED: ("excluded", lambda i: (i.start, i.end, i.reason)),
    CorrectionKind.CVS: ("cvs", lambda c: (c.start, c.end)),
}
"""Field of the annotation and order of its items, by kind."""


def merge_corrections(annotation: VideoAnnotation, corrections: Sequence[Correction]) -> Merge:
    """Apply a video's corrections in log order.

    A later correction of the same item builds on the earlier one, as annotators see the corrected
    labels. What one annotator submitted at once stands or falls together: where it would break the
    annotation itself (overlapping CVS intervals, a box outside the image, a label that is no
    candidate), the whole submission is a conflict.

    Args:
        annotation: What the converter returns today.
        corrections: Corrections of this video, oldest first.

    Returns:
        The corrected annotation; its `revision` hashes the native one and every correction that
        was applied. With none applied it is the native one, unchanged.
    """
    groups = [
        list(group)
        for _, group in groupby(corrections, key=lambda c: (c.task_id, c.who, c.when))
    ]  # fmt: skip
    refused: dict[int, str] = {}
    while True:
        merge, problem = _replay(annotation, groups, refused)
        if merge is not None:
            return merge
        low, high = 0, len(groups)
        while low + 1 < high:
            middle = (low + high) // 2
            tried, found = _replay(annotation, groups[:middle], refused)
            low, high = (middle, high) if tried is not None else (low, middle)
            problem = problem if tried is not None else found
        refused[low] = problem


def _replay(
    annotation: VideoAnnotation, groups: Sequence[Sequence[Correction]], refused: Mapping[int, str]
) -> tuple[Merge | None, str]:
    """Apply all groups but the refused ones; None and the reason where the result is illegal."""
    state = _State(annotation)
    verdicts: list[Verdict] = []
    for number, group in enumerate(groups):
        if number in refused:
            verdicts.extend(Verdict(c, Fate.CONFLICT, refused[number]) for c in group)
        else:
            verdicts.extend(state.apply(correction) for correction in group)
    verdicts = _settle(verdicts)
    try:
        corrected = state.annotation(verdicts)
    except ValidationError as error:
        return None, f"the labels would break their own rules: {error.errors()[0]['msg']}"
    return Merge(corrected, tuple(verdicts), state.captions, frozenset(state.rejected)), ""


def _settle(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Close conflicts that somebody answered since, on the same task with newer labels."""
    answered: dict[str, set[str]] = {}
    settled: list[Verdict] = []
    for verdict in reversed(verdicts):
        correction, fate = verdict.correction, verdict.fate
        later = answered.setdefault(correction.task_id, set())
        if fate is Fate.CONFLICT and later - {correction.base_revision}:
            settled.append(Verdict(correction, Fate.ALREADY, "answered anew since"))
            continue
        settled.append(verdict)
        if fate is not Fate.CONFLICT:
            later.add(correction.base_revision)
    return settled[::-1]


class _State:
    """An annotation in pieces, found by what they say."""

    def __init__(self, annotation: VideoAnnotation) -> None:
        self._native = annotation
        self._skill = annotation.skill
        self._items: dict[CorrectionKind, dict[bytes, list[BaseModel]]] = {}
        self.captions: dict[CaptionKey, CaptionChange] = {}
        self.rejected: set[str] = set()

    def apply(self, correction: Correction) -> Verdict:
        """Apply one correction, or say why not."""
        if correction.kind is CorrectionKind.CAPTION:
            return self._fix_caption(correction)
        if correction.kind is CorrectionKind.SAMPLE:
            return self._judge_sample(correction)
        if correction.kind is CorrectionKind.SKILL:
            return self._fix_skill(correction)
        return self._fix_item(correction)

    def annotation(self, verdicts: Sequence[Verdict]) -> VideoAnnotation:
        """Put the pieces together; raises pydantic's error where they do not fit."""
        applied = [v.correction.correction_id for v in verdicts if v.fate is Fate.APPLIED]
        if not applied:
            return self._native
        fields = {name: getattr(self._native, name) for name in VideoAnnotation.model_fields}
        for kind in self._items:
            name, order = _ORDERS[kind]
            pieces = [item for items in self._items[kind].values() for item in items]
            fields[name] = tuple(sorted(pieces, key=order))
        fields["skill"] = self._skill
        fields["revision"] = content_key("corrected", self._native.revision, applied)
        return VideoAnnotation(**fields)

    def _pieces(self, kind: CorrectionKind) -> dict[bytes, list[BaseModel]]:
        if kind not in self._items:
            found: dict[bytes, list[BaseModel]] = {}
            for item in getattr(self._native, _ORDERS[kind][0]):
                found.setdefault(item_key(item), []).append(item)
            self._items[kind] = found
        return self._items[kind]

    def _fix_item(self, correction: Correction) -> Verdict:
        pieces = self._pieces(correction.kind)
        before = _key(correction.before)
        after = _key(correction.after)
        if before is not None and not pieces.get(before):
            if after is None or pieces.get(after):
                return Verdict(correction, Fate.ALREADY)
            return Verdict(
                correction, Fate.CONFLICT,
                f"the {correction.kind} the annotator saw is no longer there",
            )  # fmt: skip
        if before is None and after is not None and pieces.get(after):
            return Verdict(correction, Fate.ALREADY)
        old = pieces[before].pop(0) if before is not None else None
        if after is not None and correction.after is not None:
            pieces.setdefault(after, []).append(_item(correction, correction.after, old))
        return Verdict(correction, Fate.APPLIED)

    def _fix_skill(self, correction: Correction) -> Verdict:
        now = item_key(self._skill) if self._skill is not None else None
        before, after = _key(correction.before), _key(correction.after)
        if now == after:
            return Verdict(correction, Fate.ALREADY)
        if now != before:
            return Verdict(correction, Fate.CONFLICT, "the rating is no longer what was seen")
        fixed = correction.after
        self._skill = None if fixed is None else SkillScores.model_validate(fixed)
        return Verdict(correction, Fate.APPLIED)

    def _fix_caption(self, correction: Correction) -> Verdict:
        place = correction.after if correction.after is not None else correction.before
        key = _caption_key(place or {})
        before = str(correction.before["text"]) if correction.before else None
        after = str(correction.after["text"]) if correction.after else None
        known = self.captions.get(key)
        if known is None:
            self.captions[key] = CaptionChange(before, after)
        elif known.after == after:
            return Verdict(correction, Fate.ALREADY)
        elif known.after != before:
            return Verdict(correction, Fate.CONFLICT, "another annotator wrote another caption")
        else:
            self.captions[key] = CaptionChange(known.before, after)
        return Verdict(correction, Fate.APPLIED)

    def _judge_sample(self, correction: Correction) -> Verdict:
        verdict = correction.after
        if verdict is None:
            sample_id = str((correction.before or {})["sample_id"])
            rejects = False
        else:
            sample_id, rejects = str(verdict["sample_id"]), verdict["verdict"] == "reject"
        if rejects == (sample_id in self.rejected):
            return Verdict(correction, Fate.ALREADY)
        self.rejected ^= {sample_id}
        return Verdict(correction, Fate.APPLIED)


def _key(item: dict[str, JsonValue] | None) -> bytes | None:
    return None if item is None else item_key(item)


def _caption_key(item: Mapping[str, JsonValue]) -> CaptionKey:
    return (str(item["clip_id"]), str(item["scope"]), str(item["subject"]))


def _item(correction: Correction, fixed: dict[str, JsonValue], old: BaseModel | None) -> BaseModel:
    """The corrected item; it keeps where the native one came from, and says who corrected it."""
    fields: dict[str, Any] = dict(fixed)
    names = ITEM_TYPES[correction.kind].model_fields
    if "native_index" in names and fields.get("native_index") is None:
        fields["native_index"] = getattr(old, "native_index", None)
    if "flags" in names:
        kept: Any = fields.get("flags") or getattr(old, "flags", ())
        fields["flags"] = sorted({*kept, "corrected"} - {"frozen", "out_of_view"})
    return ITEM_TYPES[correction.kind].model_validate_json(canonical_json(fields))
