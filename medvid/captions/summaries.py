"""Captions of whole clips: what happens from the first event to the last."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from medvid.captions.events import Event
from medvid.captions.label_grammar import LabelForm, LabelGrammar, phase_phrase, read_label
from medvid.captions.morphology import be, definite, listed, sentence
from medvid.captions.triplet_text import Deed, subject_of
from medvid.captions.video_facts import Draw, TripletKey, VideoFacts
from schemas.clip import Clip
from schemas.timeline import SegmentKind

MAX_MIDDLE: Final = 4
"""Stretches named between the first and the last; the rest are `other steps`."""

MAX_RECURRING: Final = 2
MAX_INSTRUMENTS: Final = 4

_CLIPS: Final = ("the excerpt", "the video", "this excerpt", "this video")


@dataclass(slots=True)
class Stretch:
    """Events that overlap in time, or one that goes on after a pause.

    Attributes:
        labels: Labels in order of appearance, without repeats.
        end: First tick after.
    """

    labels: list[str]
    end: int


def write_summary(
    facts: VideoFacts, clip: Clip, events: Sequence[Event], clip_id: str, seed: int
) -> str | None:
    """Tell a clip in one to three sentences without times; None where labels say nothing of it."""
    draw = Draw(seed, clip_id, "summary")
    told = [event for event in events if event.kind is not SegmentKind.PRESENCE]
    tools = _tool_sentence(facts, clip, draw, alone=not told)
    if not told:
        return tools
    stretches = _join(told)
    sentences = [_course(facts, told[0].kind, stretches, draw)]
    recurring = _recurring(told)
    if recurring and not _returns(stretches):
        sentences.append(_recurrence(facts, told[0].kind, recurring, draw))
    if tools is not None:
        sentences.append(tools)
    return " ".join(sentences)


def _join(events: Sequence[Event]) -> list[Stretch]:
    """Join what overlaps, and neighbours of one label."""
    stretches: list[Stretch] = []
    for event in events:
        last = stretches[-1] if stretches else None
        if last is not None and (event.start < last.end or last.labels == [event.label]):
            if event.label not in last.labels:
                last.labels.append(event.label)
            last.end = max(last.end, event.end)
        else:
            stretches.append(Stretch([event.label], event.end))
    merged = stretches[:1]
    for stretch in stretches[1:]:
        if set(stretch.labels) != set(merged[-1].labels):
            merged.append(stretch)
    return merged


def _recurring(events: Sequence[Event]) -> list[str]:
    """Labels that come back after another, in order of their return."""
    return list(dict.fromkeys(event.label for event in events if event.repeated))


def _returns(stretches: Sequence[Stretch]) -> bool:
    """Whether the clip is A, B, A, which the course itself tells."""
    return (
        len(stretches) == 3
        and stretches[0].labels == stretches[2].labels
        and len(stretches[0].labels) == 1
        and stretches[0].labels[0] not in stretches[1].labels
    )


def _noun(facts: VideoFacts, kind: SegmentKind, label: str) -> str:
    grammar = _grammar(facts, kind, label)
    if grammar.form is LabelForm.OPAQUE:
        return f"the {kind.value} {grammar.noun}"
    if kind is SegmentKind.PHASE and " and " in grammar.noun:
        return phase_phrase(grammar.phrase)
    return grammar.noun


def _grammar(facts: VideoFacts, kind: SegmentKind, label: str) -> LabelGrammar:
    return read_label(facts.speech.say(kind.value, label), is_name=kind is SegmentKind.PHASE)


def _said(facts: VideoFacts, kind: SegmentKind, stretch: Stretch) -> str:
    nouns = [_noun(facts, kind, label) for label in stretch.labels]
    if len(nouns) == 1:
        return nouns[0]
    if len(nouns) == 2:
        return f"{nouns[0]} overlapping with {nouns[1]}"
    return f"{listed(nouns)} at overlapping times"


def _course(facts: VideoFacts, kind: SegmentKind, stretches: Sequence[Stretch], draw: Draw) -> str:
    """The sentence that tells events in order."""
    clip = draw.pick(_CLIPS)
    phrase = facts.procedure
    if phrase is not None:
        clip = draw.pick(
            (f"{clip} of {phrase}", f"this part of {phrase}", f"{clip}, part of {phrase},")
        )
    said = [_said(facts, kind, stretch) for stretch in stretches]
    if len(said) == 1:
        return sentence(f"{clip} {draw.pick(('shows', 'is about', 'covers'))} {said[0]}")
    if _returns(stretches):
        return sentence(
            f"{clip} {draw.pick(('opens', 'begins', 'starts'))} with {said[0]}, goes on to"
            f" {said[1]} and {draw.pick(('returns', 'comes back'))} to {said[2]}"
        )
    if len(said) == 2:
        return sentence(_two(clip, said[0], said[1], draw))
    middle = said[1:-1][:MAX_MIDDLE]
    if len(said) - 2 > MAX_MIDDLE:
        middle.append(f"other {_plural_kind(kind)}")
    return sentence(_several(clip, said[0], listed(middle), said[-1], draw))


def _plural_kind(kind: SegmentKind) -> str:
    return f"{kind.value}s"


def _two(clip: str, first: str, second: str, draw: Draw) -> str:
    return draw.pick(
        (
            f"{clip} shows {first}, followed by {second}",
            f"{clip} opens with {first} and goes on to {second}",
            f"{clip} begins with {first} and ends with {second}",
            f"{clip} moves from {first} to {second}",
            f"{clip} shows first {first} and then {second}",
        )
    )


def _several(clip: str, first: str, middle: str, last: str, draw: Draw) -> str:
    return draw.pick(
        (
            f"{clip} opens with {first}, continues with {middle}, and ends with {last}",
            f"{clip} begins with {first}, goes on to {middle}, and closes with {last}",
            f"{clip} starts with {first}, moves on to {middle}, and finishes with {last}",
            f"{clip} runs from {first} through {middle} to {last}",
            f"{clip} shows {first}, then {middle}, and finally {last}",
        )
    )


def _recurrence(facts: VideoFacts, kind: SegmentKind, labels: Sequence[str], draw: Draw) -> str:
    nouns = [_noun(facts, kind, label) for label in labels[:MAX_RECURRING]]
    plural = len(nouns) > 1 or (
        kind is not SegmentKind.PHASE and _grammar(facts, kind, labels[0]).noun_plural
    )
    verb = (
        draw.pick(("occur", "take place", "appear"))
        if plural
        else draw.pick(("occurs", "takes place", "appears"))
    )
    return sentence(f"{listed(nouns)} {verb} more than once")


def _tool_sentence(facts: VideoFacts, clip: Clip, draw: Draw, *, alone: bool) -> str | None:
    """The instruments that most sampled frames show; None without any."""
    counts, deeds = _count(facts, clip)
    if not counts:
        return None
    ranked = sorted(counts, key=lambda label: (-counts[label], label))
    leading = _leading(ranked, counts)
    nouns = [definite(facts.speech.thing(label)) for label in leading or ranked]
    nouns = nouns[:MAX_INSTRUMENTS]
    are = "are" if len(nouns) > 1 else be(nouns[0])
    often = " most often" if leading else ""
    clause = f"{listed(nouns)} {are} {draw.pick(('seen', 'visible', 'in view'))}{often}"
    if alone:
        clip_said = draw.pick(_CLIPS)
        clause = f"in {clip_said}, {clause}"
    top = _top_deed(facts, clip, deeds)
    if top is not None and draw.below(4):
        clause = f"{clause}; the most frequent action is {top.going()}"
    return sentence(clause)


def _count(facts: VideoFacts, clip: Clip) -> tuple[Counter[str], Counter[TripletKey]]:
    """Sampled frames on which each instrument, and each deed, is labelled."""
    at = facts.view_at
    found = [at[tick] for tick in clip.frame_tick if tick in at]
    views = {id(view): view for view in found}
    things: Counter[str] = Counter()
    deeds: Counter[TripletKey] = Counter()
    for name, count in Counter(map(id, found)).items():
        for label in views[name].labels:
            things[label] += count
        for key in views[name].keys:
            if key.verb is not None:
                deeds[key] += count
    return things, deeds


def _leading(ranked: Sequence[str], counts: Counter[str]) -> list[str]:
    """The one or two labels that truly lead a field of three or more."""
    if len(ranked) < 3:
        return []
    if counts[ranked[1]] > counts[ranked[2]]:
        return [*ranked[:2]]
    return [ranked[0]] if counts[ranked[0]] > counts[ranked[1]] else []


def _top_deed(facts: VideoFacts, clip: Clip, counts: Counter[TripletKey]) -> Deed | None:
    """The deed on more sampled frames than any other."""
    if not counts:
        return None
    ranked = counts.most_common(2)
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        return None
    instrument, verb, target, _ = ranked[0][0]
    objects = () if target is None else (facts.speech.target(target),)
    subject = subject_of(facts, instrument, clip.start, clip.end)
    return Deed(instrument, subject, facts.speech.say("verb", verb or ""), objects, ())
