"""What a task is: questions about clips, answers in a grammar, and the way back."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from pydantic import Field

from medvid.tasks.view import ClipView, VideoView
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.sample import Sample
from schemas.scalars import Model
from schemas.source import SourceSpec, TaskName


class TaskSettings(Model):
    """How many questions a clip gives, and with what seed their wording is chosen.

    Attributes:
        seed: Seed of every hash choice.
        max_grounding_per_clip: At most this many spatiotemporal grounding samples per clip.
        max_regions_per_clip: At most this many region captions per clip.
        triplet_questions: Ask when each action triplet happens too, where a source labels them;
            beyond the published matrix, so off by default.
    """

    seed: int = 0
    max_grounding_per_clip: int = Field(default=12, ge=1)
    max_regions_per_clip: int = Field(default=8, ge=1)
    triplet_questions: bool = False


@dataclass(frozen=True)
class ClipContext:
    """All a task may look at while it asks about one clip.

    Attributes:
        annotation: The whole video's annotation.
        spec: Facts about the source.
        clip: The clip asked about.
        captions: Captions of this clip only.
        settings: Limits and seed.
        drops: Questions that could not be asked, counted by reason; the task adds to it.
        shared: The video's labels as all its clips share them; made anew where not given.
    """

    annotation: VideoAnnotation
    spec: SourceSpec
    clip: Clip
    captions: Sequence[Caption]
    settings: TaskSettings
    drops: Counter[str] = field(default_factory=Counter)
    shared: VideoView | None = None

    @cached_property
    def view(self) -> ClipView:
        """What of the video the clip shows."""
        return ClipView(self.shared or VideoView(self.annotation, self.spec), self.clip)

    @cached_property
    def clip_id(self) -> str:
        """The clip's id, hashed once."""
        return self.clip.clip_id


class Task(Protocol):
    """One task: stateless, found by the registry as `TASK` of its module.

    `parse_(format_(target)) == target` holds for every legal target quantised to what the text
    carries (0.1 s, 0.01 px).
    """

    name: TaskName
    qa_types: tuple[str, ...]

    def build(self, context: ClipContext) -> Iterator[Sample]:
        """Yield the clip's samples, in a stable order."""
        ...

    def format_(self, target: Any) -> str:  # noqa: ANN401 - each task has its own target
        """Write a structured answer as text."""
        ...

    def parse_(self, text: str) -> Any:  # noqa: ANN401 - each task has its own target
        """Read an answer strictly.

        Raises:
            SampleError: The text is not of this task's grammar.
        """
        ...
