"""Text about a clip, an event in it, or a region of it."""

from schemas.hashing import stable_id
from schemas.scalars import SCHEMA_VERSION, Label, Model, Tick


class Caption(Model):
    """A sentence or paragraph about part of a clip.

    Attributes:
        clip_id: The clip.
        scope: `summary` for the whole clip, `event` for a segment, `region` for a boxed object.
        subject: What in the clip: empty for a summary, `start:end:label` in ticks for an event,
            `track:start:end` for a region.
        start: First tick spoken of.
        end: First tick after.
        label: Label of the event or object, empty for a summary.
        text: The caption.
        writer: Who wrote it: `label` for the label-grounded writer, else a model name.
        writer_version: Version of the writer's prompt or grammar.
        gates: Scores of the quality gates it passed, by gate.
    """

    schema_version: int = SCHEMA_VERSION
    clip_id: Label
    scope: Label
    subject: str
    start: Tick
    end: Tick
    label: str
    text: Label
    writer: Label
    writer_version: int
    gates: dict[str, float] = {}

    @property
    def caption_key(self) -> str:
        """Hash of everything that decides the text."""
        return stable_id(
            "caption", self.clip_id, self.scope, self.subject, self.writer, self.writer_version,
            self.text,
        )  # fmt: skip
