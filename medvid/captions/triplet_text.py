"""Say what instruments do inside an event, and in what order the labels show it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from medvid.captions.morphology import (
    agree,
    be,
    definite,
    gerund,
    indefinite,
    is_plural,
    listed,
    participle,
)
from medvid.captions.video_facts import Draw, TripletKey, TripletUse, VideoFacts

MAX_DEEDS: Final = 4
"""Instrument and verb pairs that one event speaks of."""

MAX_TARGETS: Final = 2
"""Targets named for one instrument and verb."""

TOGETHER: Final = 0.5
"""Share of the rarer deed's frames from which two go on at the same time."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One instrument doing one thing to one or two targets.

    Attributes:
        instrument: Instrument label.
        subject: Noun phrase with its article.
        verb: Base verb, or None for an instrument that rests.
        objects: Noun phrases with their articles.
        uses: The labels behind it.
        adverb: What stands before the verb: `briefly`, `also`.
        tail: What stands at the end: `for most of the time`.
    """

    instrument: str
    subject: str
    verb: str | None
    objects: tuple[str, ...]
    uses: tuple[TripletUse, ...]
    adverb: str = ""
    tail: str = ""

    @property
    def first(self) -> int:
        """First tick of it."""
        return min(use.first for use in self.uses)

    @property
    def last(self) -> int:
        """Last tick of it."""
        return max(use.last for use in self.uses)

    @property
    def ticks(self) -> frozenset[int]:
        """Every labelled frame of it."""
        return frozenset().union(*(use.ticks for use in self.uses))

    def finite(self) -> str:
        """`the hook dissects the cystic duct`."""
        if self.verb is None:
            return _spaced(self.subject, be(self.subject), self.adverb, "idle", self.tail)
        if not self.objects:
            done = _inflected(self.verb, gerund(self.verb.split()[0]))
            return _spaced(self.subject, be(self.subject), self.adverb, done, self.tail)
        verb = _inflected(self.verb, agree(self.subject, self.verb.split()[0]))
        return _spaced(self.subject, self.adverb, verb, listed([*self.objects]), self.tail)

    def going(self) -> str:
        """`the hook dissecting the cystic duct`."""
        if self.verb is None:
            return _spaced(self.subject, self.adverb, "idle", self.tail)
        verb = _inflected(self.verb, gerund(self.verb.split()[0]))
        objects = listed([*self.objects]) if self.objects else ""
        return _spaced(self.subject, self.adverb, verb, objects, self.tail)

    def passive(self) -> str:
        """`the cystic duct is dissected by the hook`; finite where nothing is done to anything."""
        if self.verb is None or not self.objects:
            return self.finite()
        objects = listed([*self.objects])
        are = "are" if len(self.objects) > 1 else be(objects)
        done = _inflected(self.verb, participle(self.verb.split()[0]))
        return _spaced(objects, are, self.adverb, done, f"by {self.subject}", self.tail)


def _inflected(verb: str, form: str) -> str:
    return " ".join((form, *verb.split()[1:]))


def _spaced(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def subject_of(facts: VideoFacts, instrument: str, start: int, end: int) -> str:
    """An instrument with `the` where only one is ever in view, else with `a`."""
    phrase = facts.speech.thing(instrument)
    single = facts.is_single(instrument, start, end)
    return definite(phrase) if single or is_plural(phrase) else indefinite(phrase)


def deeds_of(
    facts: VideoFacts, start: int, end: int, seen: set[TripletKey], *, only: str | None = None
) -> list[Deed]:
    """What instruments do in `[start, end)` on frames of which the clip shows at least one.

    Args:
        facts: The video's labels.
        start: First tick inside.
        end: First tick after.
        seen: Triplets on the clip's sampled frames in the event; others are not spoken of.
        only: Speak of this instrument alone.

    Returns:
        Deeds by number of labelled frames, the commonest first, at most four. A deed with two
        targets is of an instrument of which only one is ever in view. A resting instrument counts
        only where it does nothing else in the whole event.
    """
    uses = facts.uses(start, end)
    busy = {use.key.instrument for use in uses if use.key.verb is not None}
    groups: dict[tuple[str, str | None, str | None], list[TripletUse]] = {}
    for use in uses:
        instrument, verb, target, idle = use.key
        if use.key not in seen or (only is not None and instrument != only):
            continue
        if verb is None and (not idle or instrument in busy):
            continue
        apart = None if facts.is_single(instrument, start, end) else target
        groups.setdefault((instrument, verb, apart), []).append(use)
    active = [group for group in groups.values() if group[0].key.verb is not None]
    chosen = active[:MAX_DEEDS] or [*groups.values()][:1]
    return [_deed(facts, (start, end), group) for group in chosen]


def _deed(facts: VideoFacts, span: tuple[int, int], group: Sequence[TripletUse]) -> Deed:
    aimed = [use for use in group if use.key.target is not None][:MAX_TARGETS] or [group[0]]
    instrument, verb, _, _ = group[0].key
    objects = tuple(facts.speech.target(use.key.target) for use in aimed if use.key.target)
    said = None if verb is None else facts.speech.say("verb", verb)
    deed = Deed(instrument, subject_of(facts, instrument, *span), said, objects, tuple(aimed))
    if len(aimed) > 1:
        return deed
    if aimed[0].most:
        return replace(deed, tail="for most of the time")
    return replace(deed, adverb="briefly") if aimed[0].brief and verb is not None else deed


def go_together(one: Deed, other: Deed) -> bool:
    """Whether `while` is true: all labels share frames in pairs, and the rarer deed half of its."""
    ticks, others = one.ticks, other.ticks
    if len(ticks & others) < TOGETHER * min(len(ticks), len(others)):
        return False
    return all(a.ticks & b.ticks for a in one.uses for b in other.uses)


def compose_deeds(deeds: Sequence[Deed], draw: Draw, *, going: bool = False) -> tuple[str, str]:
    """Join deeds into a clause and further sentences.

    `while` joins deeds that share frames, `then` one that starts after the last frame of all before
    it; what the labels do not order is added with `also`.

    Args:
        deeds: The commonest first, at least one.
        draw: Source of choices.
        going: Open with an -ing clause, for `shows the hook dissecting …`.

    Returns:
        The clause, with neither capital nor full stop, and sentences to follow it, each closed,
        joined by spaces; empty where there are none.
    """
    lead, *rest = deeds
    partner = next(
        (d for d in rest if d.instrument != lead.instrument and go_together(lead, d)), None
    )
    clause = lead.going() if going else (lead.passive(), lead.finite())[draw.below(3) > 0]
    until = lead.last
    if partner is not None:
        rest.remove(partner)
        clause = f"{clause}{draw.pick((' while ', ' while ', ' as '))}{partner.finite()}"
        until = max(until, partner.last)
    later = min((d for d in rest if d.first > until), key=lambda d: d.first, default=None)
    if later is None:
        return clause, _further(rest, draw)
    if going or draw.below(3) == 0:
        return clause, f"{draw.pick(('Later', 'After that', 'Afterward'))}, {later.finite()}."
    rest.remove(later)
    clause = f"{clause}, {draw.pick(('then', 'and then'))} {later.finite()}"
    return clause, _further(rest, draw)


def _further(rest: Sequence[Deed], draw: Draw) -> str:
    """One more sentence on a deed of unknown order."""
    if not rest:
        return ""
    if draw.below(2):
        return f"In addition, {rest[0].finite()}."
    text = replace(rest[0], adverb=f"also {rest[0].adverb}".strip()).finite()
    return f"{text[0].upper()}{text[1:]}."
