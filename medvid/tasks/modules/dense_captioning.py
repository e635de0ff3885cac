"""Dense captioning: what happens, and when?

Grammar, after MedVidBench: one event a line, `S-E seconds: caption`, times in clip-relative
seconds with one decimal, an ASCII hyphen without blanks, lines parted by a line feed. Sources
with `labelled_events` repeat the label, lower-cased, before the caption:

```
0.0-12.0 seconds: The cystic duct is clipped.
14.0-30.0 seconds: check: The nurse compares the record with the wristband.
```

Target: `[{"start": 0.0, "end": 12.0, "caption": "The cystic duct is clipped."}, ...]` in the order
written; a repeated label is part of `caption`, which `split_label` takes apart.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TypedDict

from medvid.tasks.base import ClipContext, Task
from medvid.tasks.grammar import Cursor, one_line, require_line, require_span, time_text
from medvid.tasks.samples import Finding, make_sample, segment_record
from medvid.tasks.wording import Wording
from schemas.caption import Caption
from schemas.errors import SampleError
from schemas.sample import Sample
from schemas.source import TaskName

_LISTS = (
    "Only these {step_word} are of interest: {candidates}.",
    "The {step_word} to look out for are {candidates}.",
    "Events count when they belong to one of these {step_word}: {candidates}.",
    "Restrict yourself to the {step_word} named here: {candidates}.",
    "What matters are the following {step_word}: {candidates}.",
    "The scheme of {step_word} reads {candidates}.",
)

WORDING = Wording(
    lists=_LISTS,
    asks=(
        "Write one line for each event: its first and last second, and a sentence on what is done.",
        "Go through the clip in order of time, give each event its boundaries in seconds and say"
        " what happens; leave everything else aside.",
        "For every matching event, note when it begins, when it ends and what takes place in it.",
        "Break the footage into its events and caption each of them, with start and end seconds.",
        "Keep a timed log of the clip: begin, end and a factual description of every event.",
        "Say what happens and when, one event after the other, with a time span for each.",
        "Turn the clip into a list of captioned time spans.",
    ),
)

LABELLED_WORDING = Wording(
    lists=_LISTS,
    asks=(
        "Write one line for each event: first and last second, its name from the list, and a"
        " sentence on what is done.",
        "Go through the clip in order of time; give each event its boundaries in seconds, its name"
        " and a description, and leave everything else aside.",
        "For every matching event, note when it begins and ends, which one it is and what takes"
        " place in it.",
        "Break the footage into its events, name each of them and caption it, with start and end"
        " seconds.",
        "Keep a timed log of the clip: begin, end, name and a factual description of every event.",
        "Say what happens and when, one named event after the other, with a time span for each.",
        "Turn the clip into a list of time spans, each with its name and a caption.",
    ),
)


class CaptionedEvent(TypedDict):
    """A stretch of clip-relative seconds, both ends inclusive sampled frames, and its text."""

    start: float
    end: float
    caption: str


class DenseCaptioning:
    """Asks for all events of a clip with their times and captions."""

    name: TaskName = TaskName.DENSE_CAPTIONING
    qa_types: tuple[str, ...] = (
        "dense_captioning_label", "dense_captioning_gpt", "dense_captioning_gemini",
    )  # fmt: skip

    def build(self, context: ClipContext) -> Iterator[Sample]:
        """Yield one sample for each writer, by writer.

        Counts `no_caption`, `caption_without_frame` (no sampled frame lies in it) and
        `event_without_caption` (a writer left out an event the clip shows, so that the answer
        would deny it: one for each such writer).
        """
        by_writer: dict[str, list[Caption]] = {}
        for caption in context.captions:
            if caption.scope == "event":
                by_writer.setdefault(caption.writer, []).append(caption)
        if not by_writer:
            context.drops["no_caption"] += 1
        for writer in sorted(by_writer):
            sample = self._sample(context, writer, by_writer[writer])
            if sample is not None:
                yield sample

    def _sample(
        self, context: ClipContext, writer: str, captions: Sequence[Caption]
    ) -> Sample | None:
        shown = _shown(context, captions)
        told: dict[str, list[tuple[int, int]]] = {}
        for first, last, caption in shown:
            told.setdefault(caption.label, []).append((first, last))
        events = context.view.events
        for event in events:
            spans = told.get(event.segment.label, ())
            if not any(first <= event.first and event.last <= last for first, last in spans):
                context.drops["event_without_caption"] += 1
                return None
        if not shown:
            return None
        labelled = context.spec.labelled_events
        target = _target(context, shown, labelled=labelled)
        finding = Finding(
            task=self.name, qa_type=f"dense_captioning_{writer}", subject={}, label="",
            answer=self.format_(target), target=target,
            wording=LABELLED_WORDING if labelled else WORDING,
            candidates=(*context.view.video.candidates, *told),
            records=[segment_record(event.position, event.segment) for event in events],
            captions=[caption.caption_key for _, _, caption in shown],
        )  # fmt: skip
        return make_sample(context, finding)

    def format_(self, target: Sequence[CaptionedEvent]) -> str:
        """Write events as an answer.

        Raises:
            SampleError: There is no event, a span is negative or runs backwards, or a caption is
                empty or not one line.
        """
        if not target:
            raise SampleError("an answer of dense captioning needs at least one event.")
        lines: list[str] = []
        for event in target:
            require_span(event["start"], event["end"])
            span = f"{time_text(event['start'])}-{time_text(event['end'])}"
            lines.append(f"{span} seconds: {require_line(event['caption'])}")
        return "\n".join(lines)

    def parse_(self, text: str) -> list[CaptionedEvent]:
        """Read an answer strictly.

        Raises:
            SampleError: The text is not of this grammar; `field` names the character.
        """
        cursor = Cursor(text)
        events: list[CaptionedEvent] = []
        while True:
            start, end = cursor.span()
            cursor.take(" seconds: ")
            events.append(CaptionedEvent(start=start, end=end, caption=cursor.line()))
            if cursor.at_end:
                return events
            cursor.take("\n")


def split_label(caption: str, labels: Collection[str]) -> tuple[str, str]:
    """Take a repeated label off a caption.

    Args:
        caption: `caption` of an event.
        labels: The closed list; the longest label that fits is taken.

    Returns:
        The label as the list spells it, or an empty string, and the rest.
    """
    for label in sorted(labels, key=lambda label: (-len(label), label)):
        prefix = f"{label.lower()}: "
        if caption.startswith(prefix) and len(caption) > len(prefix):
            return label, caption[len(prefix) :]
    return "", caption


def _shown(context: ClipContext, captions: Sequence[Caption]) -> list[tuple[int, int, Caption]]:
    shown: list[tuple[int, int, Caption]] = []
    for caption in captions:
        frames = context.view.frames_inside(caption.start, caption.end)
        if frames is None:
            context.drops["caption_without_frame"] += 1
        else:
            shown.append((*frames, caption))
    shown.sort(key=lambda row: (row[0], row[1], row[2].start, row[2].label))
    return shown


def _target(
    context: ClipContext, shown: Sequence[tuple[int, int, Caption]], *, labelled: bool
) -> list[CaptionedEvent]:
    tenths = context.view.tenths
    target: list[CaptionedEvent] = []
    for first, last, caption in shown:
        text = one_line(caption.text)
        if labelled:
            text = f"{one_line(caption.label).lower()}: {text}"
        target.append(CaptionedEvent(start=tenths[first] / 10, end=tenths[last] / 10, caption=text))
    return target


TASK: Task = DenseCaptioning()
