"""Next action prediction: what follows the clip?

Grammar, after MedVidBench: the bare label, spelled as published, on one line:

```
clipping-and-cutting
```

Target: the label.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from medvid.tasks.base import ClipContext, Task
from medvid.tasks.grammar import require_line
from medvid.tasks.samples import Finding, make_sample, segment_record
from medvid.tasks.view import Event
from medvid.tasks.wording import Wording
from schemas.sample import Sample
from schemas.source import TaskName
from schemas.timeline import Segment

HORIZON_SECONDS: Final = 30
"""What starts later than this after the clip's end is not called the next action."""

WORDING = Wording(
    lists=(
        "Choose among these {step_word}: {candidates}.",
        "The {step_word} of this kind of procedure are {candidates}.",
        "Your answer must be one of the following {step_word}: {candidates}.",
        "Work of this kind passes through {step_word} from this list: {candidates}.",
        "Here are the {step_word} to pick from: {candidates}.",
        "The known {step_word}, in no particular order, are {candidates}.",
    ),
    asks=(
        "Which of them follows once the clip is over?",
        "Name the one that starts after the last frame.",
        "Going by what is shown, which one does the team turn to next?",
        "The clip stops here: what will be done then?",
        "Predict the entry that continues the procedure after this footage.",
        "Which entry of the list is up next?",
        "As the recording goes on past this point, what begins?",
    ),
)


class NextAction:
    """Asks for the label of the first segment after the clip."""

    name: TaskName = TaskName.NEXT_ACTION
    qa_types: tuple[str, ...] = ("next_action",)

    def build(self, context: ClipContext) -> Iterator[Sample]:
        """Yield at most one sample.

        Counts `no_segments` (the clip shows no labelled segment), `nothing_within_horizon`,
        `same_label` (the clip's last label goes on), `ambiguous` (two labels start at once) and
        `unknown_between` (excluded time lies before the next label: another may hide in it).
        """
        if not context.view.events:
            context.drops["no_segments"] += 1
            return
        following = self._following(context)
        labels = {segment.label for _, segment in following}
        last = max(context.view.events, key=_recency)
        if not labels:
            context.drops["nothing_within_horizon"] += 1
        elif len(labels) > 1:
            context.drops["ambiguous"] += 1
        elif _is_unknown(context, context.clip.end, following[0][1].start):
            context.drops["unknown_between"] += 1
        elif last.segment.label in labels:
            context.drops["same_label"] += 1
        else:
            yield self._sample(context, *following[0], last)

    @staticmethod
    def _following(context: ClipContext) -> list[tuple[int, Segment]]:
        """Segments that start first at or after the clip's end, within the horizon."""
        video, end = context.view.video, context.clip.end
        place = bisect_left(video.starts, end)
        if place == len(video.starts):
            return []
        start = video.starts[place]
        if start - end > HORIZON_SECONDS * context.annotation.video.time_base.tick_rate:
            return []
        return [entry for entry in video.labelled[place:] if entry[1].start == start]

    def _sample(self, context: ClipContext, position: int, segment: Segment, last: Event) -> Sample:
        finding = Finding(
            task=self.name, qa_type="next_action", subject={}, label=segment.label,
            answer=self.format_(segment.label), target=segment.label, wording=WORDING,
            candidates=context.view.video.candidates, asked=segment.label,
            records=[
                segment_record(last.position, last.segment), segment_record(position, segment)
            ],
        )  # fmt: skip
        return make_sample(context, finding)

    def format_(self, target: str) -> str:
        """Write a label as an answer.

        Raises:
            SampleError: The label is empty or not one line.
        """
        return require_line(target)

    def parse_(self, text: str) -> str:
        """Read an answer strictly.

        Raises:
            SampleError: The text is empty or not one line; `field` names the character.
        """
        return require_line(text)


def _is_unknown(context: ClipContext, start: int, end: int) -> bool:
    """Whether excluded time lies in `[start, end)`: nobody vouches for what is next."""
    return any(gap.start < end and gap.end > start for gap in context.annotation.excluded)


def _recency(event: Event) -> tuple[int, int, int]:
    return event.last, event.segment.start, event.position


TASK: Task = NextAction()
