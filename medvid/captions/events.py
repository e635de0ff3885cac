"""Captions of single events: a phase, step, action or gesture inside a clip."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from medvid.captions.label_grammar import (
    LabelForm,
    LabelGrammar,
    phase_phrase,
    read_label,
)
from medvid.captions.morphology import agree, be, sentence
from medvid.captions.triplet_text import Deed, compose_deeds, deeds_of, subject_of
from medvid.captions.video_facts import Draw, VideoFacts
from schemas.clip import Clip
from schemas.timeline import Segment, SegmentKind

RETRIES: Final = 4
"""Draws for an event that would open like the one before it."""

_OPENINGS: Final = (
    "", "", "", "here, ", "in this segment, ", "at this point, ", "in this part of the video, ",
)  # fmt: skip
_PROCEDURE_OPENINGS: Final = ("during {}, ", "as part of {}, ", "in {}, ", "within {}, ")
_PROCEDURE_TAILS: Final = (" during {}", " as part of {}", " in {}", " within {}")
_REPEAT_OPENINGS: Final = ("once again, ", "again, ", "once more, ")
_ORDER_OPENINGS: Final[dict[str, tuple[str, ...]]] = {
    "": (),
    "first": ("first, ", "to begin with, ", "at the beginning, "),
    "next": ("next, ", "then, ", "after that, "),
    "last": ("finally, ", "last of all, ", "at the end, "),
}


@dataclass(frozen=True, slots=True)
class Event:
    """A segment as far as it lies in a clip.

    Attributes:
        start: First tick of it inside the clip.
        end: First tick after.
        label: Class label.
        kind: What the label names.
        ticks: Sampled frames in it.
        order: `first` or `last` where every other event of the clip comes wholly after or before
            it, `next` where some come wholly before it and none overlaps it, else empty.
        repeated: The label comes back: it ended before, and another event came between.
    """

    start: int
    end: int
    label: str
    kind: SegmentKind
    ticks: tuple[int, ...]
    order: str = ""
    repeated: bool = False

    @property
    def subject(self) -> str:
        """What the caption is about, unique within a clip."""
        return f"{self.start}:{self.end}:{self.label}"


def find_events(clip: Clip, segments: Sequence[Segment], drops: Counter[str]) -> list[Event]:
    """Clip segments to a clip.

    Args:
        clip: The clip.
        segments: Segments of one kind.
        drops: Gets what is left out: `event_without_frame` (no sampled frame lies in it) and
            `event_repeated` (an equal one stands in the clip).

    Returns:
        Events with at least one sampled frame, by start, end and label.
    """
    inside = sorted(
        (max(segment.start, clip.start), min(segment.end, clip.end), segment.label, segment.kind)
        for segment in segments
        if segment.start < clip.end and segment.end > clip.start
    )
    frames = clip.frame_tick
    found: dict[tuple[int, int, str], Event] = {}
    for start, end, label, kind in inside:
        ticks = frames[bisect_left(frames, start) : bisect_left(frames, end)]
        if not ticks or (start, end, label) in found:
            drops["event_repeated" if ticks else "event_without_frame"] += 1
            continue
        found[start, end, label] = Event(start, end, label, kind, ticks)
    return _relate([*found.values()])


def _relate(events: list[Event]) -> list[Event]:
    """Note how each event stands to the others of its clip."""
    if len(events) < 2:
        return events
    related = []
    until = 0
    for position, event in enumerate(events):
        after_all = event.start >= until
        before_next = position + 1 == len(events) or events[position + 1].start >= event.end
        until = max(until, event.end)
        order = ""
        if after_all and before_next:
            order = "next" if position else "first"
            order = "last" if position + 1 == len(events) else order
        related.append(replace(event, order=order, repeated=_comes_back(events, position)))
    return related


def _comes_back(events: Sequence[Event], position: int) -> bool:
    """Whether an event's label ended before it, with an event of another label in between."""
    event = events[position]
    ended = max((e.end for e in events[:position] if e.label == event.label), default=event.start)
    return (
        any(
            other.label != event.label and other.start < event.start and other.end > ended
            for other in events[:position]
        )
        and ended < event.start
    )


def write_event(
    facts: VideoFacts, event: Event, clip_id: str, seed: int, previous: str = ""
) -> str:
    """Say what happens in an event.

    Args:
        facts: The video's labels.
        event: The event.
        clip_id: The clip it is told for.
        seed: Seed of every choice.
        previous: Caption of the event before, whose opening is avoided.
    """
    text = ""
    for attempt in range(RETRIES):
        draw = Draw(seed, clip_id, "event", event.subject, attempt)
        text = _write(facts, event, draw)
        if text.split()[:2] != previous.split()[:2]:
            break
    return text


def _write(facts: VideoFacts, event: Event, draw: Draw) -> str:
    if event.kind is SegmentKind.PRESENCE:
        return _presence_text(facts, event, draw)
    deeds = deeds_of(facts, event.start, event.end, facts.seen(event.ticks))
    phrase = facts.speech.say(event.kind.value, event.label)
    if event.kind is SegmentKind.PHASE:
        if deeds and draw.below(12):
            return _busy_phase_text(phrase, deeds, draw)
        return _open(facts, event, draw, draw.pick(_phase_clauses(phrase)))
    grammar = read_label(phrase)
    text = _action_text(facts, event, grammar, draw)
    if not deeds:
        return text
    clause, further = compose_deeds(deeds, draw)
    return " ".join(part for part in (text, sentence(clause), further) if part)


def _open(facts: VideoFacts, event: Event, draw: Draw, clause: str) -> str:
    """Put an opening before a clause, or none, name the procedure or not, and close it."""
    openings = _OPENINGS + _ORDER_OPENINGS[event.order]
    if event.repeated:
        openings += _REPEAT_OPENINGS
    procedure = facts.procedure
    if procedure is None:
        return sentence(draw.pick(openings) + clause)
    placed = draw.below(3)
    if placed == 0:
        return sentence(draw.pick(_PROCEDURE_OPENINGS).format(procedure) + clause)
    tail = draw.pick(_PROCEDURE_TAILS).format(procedure) if placed == 1 else ""
    return sentence(f"{draw.pick(openings)}{clause}{tail}")


def _phase_clauses(phrase: str) -> tuple[str, ...]:
    name, phase = read_label(phrase, is_name=True).noun, phase_phrase(phrase)
    return (
        f"{phase} is under way",
        f"{phase} is shown",
        f"{phase} is in progress",
        f"{name} {be(name)} in progress",
        f"{name} {agree(name, 'take')} place",
        f"the work belongs to {phase}",
        f"the work is in {phase}",
        f"{phase} can be seen",
    )


def _busy_phase_text(phrase: str, deeds: Sequence[Deed], draw: Draw) -> str:
    """A phase with what the instruments do in it."""
    name, phase = read_label(phrase, is_name=True).noun, phase_phrase(phrase)
    form = draw.below(9)
    clause, further = compose_deeds(deeds, draw, going=form in (7, 8))
    texts = (
        f"during {name}, {clause}",
        f"in {phase}, {clause}",
        f"as part of {name}, {clause}",
        f"in this part of {name}, {clause}",
        f"{name} {be(name)} in progress: {clause}",
        f"{phase} is under way, and {clause}",
        f"{clause} in {phase}" if "," not in clause and " while " not in clause
        else f"within {phase}, {clause}",
        f"{phase} shows {clause}",
        f"the video is in {phase}, with {clause}",
    )  # fmt: skip
    return " ".join(part for part in (sentence(texts[form]), further) if part)


def _action_text(facts: VideoFacts, event: Event, grammar: LabelGrammar, draw: Draw) -> str:
    """A step, action or gesture by its label alone."""
    clauses = _clauses(facts, event, grammar)
    shows = _shows(facts, event, grammar)
    choice = draw.below(len(clauses) + 1)
    if choice == len(clauses):
        return sentence(draw.pick(shows))
    return _open(facts, event, draw, clauses[choice])


def _clauses(facts: VideoFacts, event: Event, grammar: LabelGrammar) -> list[str]:
    """Clauses that can follow an opening, at least one."""
    actor = facts.speech.actor
    found: list[str] = []
    if actor is not None and grammar.active is not None:
        found.append(f"the {actor} {grammar.active}")
    if actor is not None and grammar.progressive is not None:
        found.append(f"the {actor} is {grammar.progressive}")
        found.append(f"the {actor} is shown {grammar.progressive}")
        found.append(f"the {actor} can be seen {grammar.progressive}")
    if grammar.passive is not None:
        found.extend((grammar.passive.now, grammar.passive.ongoing))
    if found and grammar.form is not LabelForm.NOUN:
        return found
    noun, plural = grammar.noun, grammar.noun_plural
    if grammar.form is LabelForm.OPAQUE:
        noun = f"the {event.kind.value} {noun}"
    found = [
        f"{noun} {'take' if plural else 'takes'} place",
        f"{noun} {'are' if plural else 'is'} under way",
        f"{noun} {'are' if plural else 'is'} shown",
    ]
    if grammar.performable:
        done = "are" if plural else "is"
        found.extend((f"{noun} {done} performed", f"{noun} {done} carried out"))
        if actor is not None:
            found.extend((f"the {actor} performs {noun}", f"the {actor} is performing {noun}"))
    return found


def _shows(facts: VideoFacts, event: Event, grammar: LabelGrammar) -> list[str]:
    """Whole sentences that say what is shown."""
    actor, kind = facts.speech.actor, event.kind.value
    found = [f"the {kind} shown is {grammar.noun}", f"the {kind} in this segment is {grammar.noun}"]
    if actor is not None and grammar.progressive is not None:
        found += [
            f"this segment shows the {actor} {grammar.progressive}",
            f"the video shows the {actor} {grammar.progressive}",
        ]
        if facts.procedure is not None:
            found.append(f"this part of {facts.procedure} shows the {actor} {grammar.progressive}")
    return found


def _presence_text(facts: VideoFacts, event: Event, draw: Draw) -> str:
    """An instrument's stay in view, and what it does meanwhile."""
    label = event.label
    subject = subject_of(facts, label, event.start, event.end)
    deeds = deeds_of(facts, event.start, event.end, facts.seen(event.ticks), only=label)
    seen = (f"{subject} {be(subject)} in view", f"{subject} {be(subject)} visible")
    if not deeds or deeds[0].verb is None:
        return _open(facts, event, draw, draw.pick(seen))
    clause, further = compose_deeds(deeds, draw)
    return " ".join(part for part in (sentence(clause), further) if part)
