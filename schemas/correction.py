"""An annotator's fix: who changed what, when, on top of which revision."""

from enum import StrEnum
from functools import cached_property
from typing import Final, Self

from pydantic import BaseModel, JsonValue, ValidationError, model_validator

from schemas.annotation import CvsInterval, SkillScores
from schemas.geometry import Box
from schemas.hashing import canonical_json, content_key
from schemas.scalars import SCHEMA_VERSION, Label, Model, SourceName, VideoId
from schemas.timeline import Interval, Segment


class CorrectionKind(StrEnum):
    """What a correction changes."""

    SEGMENT = "segment"
    BOX = "box"
    EXCLUDED = "excluded"
    CVS = "cvs"
    SKILL = "skill"
    CAPTION = "caption"
    SAMPLE = "sample"


class CaptionFix(Model):
    """The text of one caption.

    Attributes:
        clip_id: The clip it is about.
        scope: `summary`, `event` or `region`.
        subject: What in the clip, as `schemas.caption.Caption.subject`.
        text: The caption.
    """

    clip_id: Label
    scope: Label
    subject: str
    text: Label


class SampleVerdict(Model):
    """What an annotator says of a whole pair.

    Attributes:
        sample_id: The pair.
        verdict: `reject` takes it out of every release, `accept` says that it was looked at.
    """

    sample_id: Label
    verdict: Label

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.verdict not in ("accept", "reject"):
            raise ValueError(f"verdict {self.verdict!r} is neither accept nor reject")
        return self


ITEM_TYPES: Final[dict[CorrectionKind, type[BaseModel]]] = {
    CorrectionKind.SEGMENT: Segment,
    CorrectionKind.BOX: Box,
    CorrectionKind.EXCLUDED: Interval,
    CorrectionKind.CVS: CvsInterval,
    CorrectionKind.SKILL: SkillScores,
    CorrectionKind.CAPTION: CaptionFix,
    CorrectionKind.SAMPLE: SampleVerdict,
}
"""Type of `before` and `after` by kind."""

NOT_COMPARED: Final = frozenset({"flags", "native_index"})
"""Fields that say where an item comes from, not what it says: a fix is found without them."""


class Correction(Model):
    """One change of one item; nothing in the log is ever edited, a later entry undoes an earlier.

    Attributes:
        who: Annotator, as the tool names them.
        when: Time of the annotation, ISO 8601 in UTC.
        tool: Tool and version it was made with.
        task_id: Our id of the annotation task.
        annotation_id: The tool's id of the annotation; a later version of one annotation builds on
            what its earlier version said.
        source: Module name of the source.
        video_id: The source's own name of the video.
        base_revision: `VideoAnnotation.revision` the annotator saw.
        kind: What is changed.
        before: The item as it was, None where one is added.
        after: The item as it shall be, None where it is taken away.
        reason: Why, in the annotator's words; may be empty.
    """

    schema_version: int = SCHEMA_VERSION
    who: Label
    when: Label
    tool: Label
    task_id: Label
    annotation_id: str = ""
    source: SourceName
    video_id: VideoId
    base_revision: str
    kind: CorrectionKind
    before: dict[str, JsonValue] | None
    after: dict[str, JsonValue] | None
    reason: str = ""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.before is None and self.after is None:
            raise ValueError("a correction needs before, after, or both")
        for side in ("before", "after"):
            item = getattr(self, side)
            if item is not None:
                try:
                    ITEM_TYPES[self.kind].model_validate_json(canonical_json(item))
                except ValidationError as error:
                    first = error.errors()[0]
                    raise ValueError(f"{side} is no {self.kind}: {first['msg']}") from error
        sides = [item_key(item) for item in (self.before, self.after) if item is not None]
        if len(sides) == 2 and sides[0] == sides[1]:
            raise ValueError("before and after are the same")
        return self

    @cached_property
    def correction_id(self) -> str:
        """Hash of the change and of who made it when."""
        return content_key("correction", self.model_dump(mode="json"))[:32]


def item_key(item: BaseModel | dict[str, JsonValue]) -> bytes:
    """Canonical bytes of what an item says, without where it comes from."""
    fields = item.model_dump(mode="json") if isinstance(item, BaseModel) else item
    kept = {
        name: value
        for name, value in fields.items()
        if name not in NOT_COMPARED and value is not None
    }
    return canonical_json(_as_floats(kept))


def _as_floats(value: JsonValue) -> JsonValue:
    """Write boxes alike whether they came as integers or floats."""
    if isinstance(value, dict):
        return {
            name: [float(v) for v in part] if name == "xyxy" else _as_floats(part)  # type: ignore[arg-type, union-attr]
            for name, part in value.items()
        }
    return value
