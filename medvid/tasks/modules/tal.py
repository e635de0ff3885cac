"""Temporal action localisation: when does a label happen?

Grammar, after MedVidBench: spans `S-E` in clip-relative seconds with one decimal and an ASCII
hyphen, joined by a comma and a space, then ` seconds.`, as in

```
1.1-3.0, 5.0-6.0 seconds.
```

A span runs from the first to the last sampled frame inside a segment, so one frame reads
`66.0-66.0`. Target: `[{"start": 1.1, "end": 3.0}, ...]` in the order written.
"""

from collections.abc import Iterator, Sequence
from typing import TypedDict

from medvid.tasks.base import ClipContext, Task
from medvid.tasks.grammar import Cursor, fail, require_span, time_text
from medvid.tasks.samples import Finding, make_sample, segment_record
from medvid.tasks.triplets import triplet_name, triplet_spans
from medvid.tasks.view import Event
from medvid.tasks.wording import Wording
from schemas.errors import SampleError
from schemas.sample import Sample
from schemas.source import TaskName

WORDING = Wording(
    lists=(
        "Labels are taken from these {step_word}: {candidates}.",
        "The {step_word} known for this kind of footage are {candidates}.",
        "Keep to the following {step_word}: {candidates}.",
        "Any of these {step_word} can turn up, in any order: {candidates}.",
        "For reference, the {step_word} are {candidates}.",
        "Consider this set of {step_word}: {candidates}.",
        "The annotation scheme distinguishes these {step_word}: {candidates}.",
    ),
    asks=(
        "State every stretch of time that belongs to {label}.",
        "Over which seconds of the clip is {label} under way?",
        "Mark the start and the end of each occurrence of {label}, in seconds.",
        "Where on the time line does {label} take place?",
        "Locate {label} in time and list all of its occurrences.",
        "Between which seconds can {label} be observed?",
        "Report the time spans in which {label} is going on.",
        "From when to when do we see {label}?",
    ),
)


TRIPLET_WORDING = Wording(
    asks=(
        "An action is an instrument, a verb and a target. Give the times of this one: {instrument},"
        " {verb}, {target}.",
        "In which stretches of the clip do instrument {instrument}, verb {verb} and target {target}"
        " go together?",
        "List every span in which the instrument ({instrument}), what it does ({verb}) and what it"
        " does it to ({target}) are all as named.",
        "Take the triplet of {instrument}, {verb} and {target}: from when to when does it hold?",
        "Note start and end, in seconds, of each run of the action made up of {instrument}, {verb}"
        " and {target}.",
    ),
)


class Span(TypedDict):
    """A stretch of clip-relative seconds, both ends inclusive sampled frames."""

    start: float
    end: float


class TemporalLocalisation:
    """Asks for all spans of one label in a clip."""

    name: TaskName = TaskName.TAL
    qa_types: tuple[str, ...] = ("tal",)

    def build(self, context: ClipContext) -> Iterator[Sample]:
        """Yield one sample for each label the clip shows, by first appearance.

        Counts `segment_without_frame` (no sampled frame lies in it), `no_segments`, and
        `whole_clip` (the only label fills the clip: the answer would be the clip's own length).
        """
        yield from self._about_labels(context)
        if context.settings.triplet_questions:
            yield from self._about_triplets(context)

    def _about_labels(self, context: ClipContext) -> Iterator[Sample]:
        view = context.view
        if view.unseen:
            context.drops["segment_without_frame"] += view.unseen
        if not view.events:
            context.drops["no_segments"] += 1
            return
        by_label: dict[str, list[Event]] = {}
        for event in view.events:
            by_label.setdefault(event.segment.label, []).append(event)
        whole = (0, len(context.clip.frame_tick) - 1)
        for label, events in by_label.items():
            spans = merge_events(context, events)
            if len(by_label) == 1 and spans == [whole]:
                context.drops["whole_clip"] += 1
                continue
            yield self._sample(context, label, events, spans)

    def _about_triplets(self, context: ClipContext) -> Iterator[Sample]:
        """One sample for each instrument, verb and target the clip shows together."""
        tenths = context.view.tenths
        for triplet, spans in triplet_spans(context.view).items():
            target = [Span(start=tenths[a] / 10, end=tenths[b] / 10) for a, b in spans]
            name = triplet_name(triplet)
            words = {
                "instrument": _phrase(context, "instrument", triplet.instrument),
                "verb": _phrase(context, "verb", triplet.verb or ""),
                "target": _phrase(context, "target", triplet.target or ""),
            }
            yield make_sample(context, Finding(
                task=self.name, qa_type="tal", subject={"triplet": name}, label=name,
                answer=self.format_(target), target=target, wording=TRIPLET_WORDING, values=words,
                records=[f"triplet:{name}"],
            ))  # fmt: skip

    def _sample(
        self,
        context: ClipContext,
        label: str,
        events: Sequence[Event],
        spans: Sequence[tuple[int, int]],
    ) -> Sample:
        tenths = context.view.tenths
        target = [Span(start=tenths[a] / 10, end=tenths[b] / 10) for a, b in spans]
        finding = Finding(
            task=self.name, qa_type="tal", subject={"action": label}, label=label,
            answer=self.format_(target), target=target, wording=WORDING, values={"label": label},
            candidates=context.view.video.candidates, asked=label,
            records=[segment_record(event.position, event.segment) for event in events],
        )  # fmt: skip
        return make_sample(context, finding)

    def format_(self, target: Sequence[Span]) -> str:
        """Write spans as an answer.

        Raises:
            SampleError: There is no span, or one is negative or runs backwards.
        """
        if not target:
            raise SampleError("an answer of temporal localisation needs at least one span.")
        for span in target:
            require_span(span["start"], span["end"])
        spans = (f"{time_text(span['start'])}-{time_text(span['end'])}" for span in target)
        return f"{', '.join(spans)} seconds."

    def parse_(self, text: str) -> list[Span]:
        """Read an answer strictly.

        Raises:
            SampleError: The text is not of this grammar; `field` names the character.
        """
        cursor = Cursor(text)
        spans: list[Span] = []
        while True:
            start, end = cursor.span()
            spans.append(Span(start=start, end=end))
            if not cursor.skips(", "):
                break
        cursor.take(" seconds.")
        if not cursor.at_end:
            fail(text, cursor.position, "the end of the answer")
        return spans


def merge_events(context: ClipContext, events: Sequence[Event]) -> list[tuple[int, int]]:
    """Unite events of one label whose gap the clip cannot show.

    Args:
        context: The clip.
        events: Events of one label, by start.

    Returns:
        Places of the first and last sampled frame of each span, ascending. Two events are one
        span where they overlap, touch, or lie less than a sampling step apart with no sampled
        frame between them.
    """
    base, rate = context.annotation.video.time_base, context.clip.rate
    spans: list[tuple[int, int]] = []
    end_tick = -1
    for event in sorted(events, key=lambda event: (event.first, event.last)):
        segment = event.segment
        if spans and event.first <= spans[-1][1] + 1:
            gap = segment.start - end_tick
            if gap <= 0 or gap * rate <= base.tick_rate:
                spans[-1] = (spans[-1][0], max(spans[-1][1], event.last))
                end_tick = max(end_tick, segment.end)
                continue
        spans.append((event.first, event.last))
        end_tick = max(end_tick, segment.end)
    return spans


def _phrase(context: ClipContext, vocabulary: str, label: str) -> str:
    known = context.spec.vocabularies.get(vocabulary)
    return known.phrase(label) if known else label.replace("_", " ")


TASK: Task = TemporalLocalisation()
