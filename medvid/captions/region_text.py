"""Captions of boxed objects: what their labels say they do, or what their boxes show."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from medvid.captions.morphology import agree, be, definite, listed, sentence
from medvid.captions.motion import Motion, motion_clause, motion_participle, read_motion
from medvid.captions.regions import Region
from medvid.captions.tracks import ObjectTrack, ObjectTracks
from medvid.captions.triplet_text import Deed
from medvid.captions.video_facts import MOST, MOST_FRAMES, Draw, TripletKey, VideoFacts, is_null
from schemas.geometry import Box

FLAGGED: Final = 0.6
"""Share of an object's boxes from which a visibility flag is spoken of."""

GONE_FRAMES: Final = 2
"""Sampled frames without the object at the end of an interval from which it is out of view."""

MAX_DEEDS: Final = 3

FLAG_CLAUSES: Final = {
    "bleeding": "bleeding is visible",
    "blurred": "the view is blurred",
    "crowded": "the view is crowded",
    "occluded": "{subject} {are} occluded",
    "reflection": "reflections are visible",
    "smoke": "smoke is visible",
    "stainedlens": "the lens is stained",
}
"""What visibility flags say; other flags are repairs or have no plain meaning."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the labels say an object does over an interval.

    Attributes:
        runs: Deeds in order, neighbours merged; frames without a verb label left out.
        counts: Labelled frames by deed.
        idle: Labelled frames on which it rests.
        boxes: Frames on which it has a box.
        slots: Frames there would be if none of the label grid were missing.
    """

    runs: tuple[TripletKey, ...]
    counts: dict[TripletKey, int]
    idle: int
    boxes: int
    slots: int

    def share(self, count: int) -> str:
        """Which of `_SHARES` a number of frames is.

        `all` and `most` are shares of the whole interval. Sparse labels reach neither: there
        `unbroken` means that nothing else is known of the object, most of whose boxes are labelled.
        """
        if count == self.slots >= MOST_FRAMES:
            return "all"
        if count >= max(MOST_FRAMES, MOST * self.slots):
            return "most"
        known = sum(self.counts.values()) + self.idle
        return "unbroken" if count == known >= MOST * self.boxes else "some"


def read_behaviour(track: ObjectTrack, slots: int) -> Behaviour:
    """Collect the deeds of a stretch of an object's time."""
    runs: list[TripletKey] = []
    counts: dict[TripletKey, int] = {}
    idle = 0
    for key in track.deeds:
        if key is None or key.verb is None:
            idle += key is not None and key.idle
            continue
        counts[key] = counts.get(key, 0) + 1
        if not runs or runs[-1] != key:
            runs.append(key)
    return Behaviour(tuple(runs), counts, idle, len(track.deeds), slots)


def write_region(
    facts: VideoFacts, objects: ObjectTracks, region: Region, clip_id: str, seed: int
) -> str:
    """Say what an object does over an interval.

    All its labelled boxes of the interval count, sampled or not. Where no verb is labelled, only
    where the boxes stand and how they move is said. A source without tracks does not say that the
    only object of a class is one and the same throughout, so no motion is claimed there beside a
    labelled verb.
    """
    draw = Draw(seed, clip_id, "region", region.key.label, region.subject)
    subject = definite(facts.speech.thing(region.key.label))
    track = objects.tracks[region.key].between(region.start, region.end)
    motion = read_motion(track.centers)
    behaviour = read_behaviour(track, facts.slots(region.start, region.end))
    gone = f" and {be(subject)} out of view at the end" if _is_gone(facts, region, track) else ""
    held = _held(facts, track.boxes)
    told = _deed_clause(facts, behaviour, subject, draw)
    if told is None:
        said = _hold(held, subject, f"{motion_clause(motion, subject, draw)}{gone}", draw)
    elif not region.key.track:
        said = _hold(held, subject, told, draw)
    elif gone:
        said = _hold(held, subject, told, draw) + f",{gone}"
    else:
        said = _with_motion(held, subject, told, motion, behaviour, draw)
    flag = _flag_clause(track.boxes, behaviour.slots, subject, draw)
    if flag is not None:
        said += f"{'; ' if ' while ' in said else ', while '}{flag}"
    return sentence(said)


def _with_motion(
    held: str, subject: str, told: str, motion: Motion, behaviour: Behaviour, draw: Draw
) -> str:
    """A deed, and as a rule the motion that goes with it."""
    form = draw.below(6)
    if form == 0:
        return _hold(held, subject, told, draw)
    known = sum(behaviour.counts.values())
    steady = len(behaviour.runs) == 1 and behaviour.share(known) in ("all", "unbroken")
    if steady and not held and form == 1:
        return f"{motion_participle(motion, draw)}, {subject} {told}"
    if steady and form < 4:
        return f"{_hold(held, subject, told, draw)} while {motion_participle(motion, draw)}"
    moves = motion_clause(motion, subject, draw)
    return f"{_hold(held, subject, told, draw)}{draw.pick(('; ', ', and '))}{subject} {moves}"


def _deed_clause(facts: VideoFacts, behaviour: Behaviour, subject: str, draw: Draw) -> str | None:
    """A predicate from verb labels; None without such labels."""
    ranked = sorted(behaviour.counts, key=lambda key: -behaviour.counts[key])
    if not ranked:
        share = behaviour.share(behaviour.idle)
        if not behaviour.idle or share == "some":
            return None
        return f"{be(subject)} idle{draw.pick(_SHARES[share])}"
    if len(ranked) == 1:
        count = behaviour.counts[ranked[0]]
        says = (
            f"{_predicate(facts, ranked[0], subject)}{draw.pick(_SHARES[behaviour.share(count)])}"
        )
        rests = behaviour.idle and count + behaviour.idle == behaviour.slots
        return f"{says} and {be(subject)} otherwise idle" if rests else says
    ranked = ranked[:MAX_DEEDS]
    runs = [key for key, _ in groupby(key for key in behaviour.runs if key in ranked)]
    if len(runs) == len(ranked):
        said = [_predicate(facts, key, subject) for key in runs]
        return f"first {', then '.join(said)}"
    if len(ranked) == 2:
        one, other = (_going(facts, key, subject) for key in runs[:2])
        return f"{agree(subject, 'alternate')} between {one} and {other}"
    return f"{listed([_predicate(facts, key, subject) for key in ranked])} at different times"


_SHARES: Final[dict[str, tuple[str, ...]]] = {
    "all": ("", " throughout", " the whole time"),
    "most": (" for most of the time", " most of the time"),
    "unbroken": ("",),
    "some": (" for part of the time", " some of the time"),
}


def _deed(facts: VideoFacts, key: TripletKey, subject: str) -> Deed:
    objects = () if key.target is None else (facts.speech.target(key.target),)
    return Deed(key.instrument, subject, facts.speech.say("verb", key.verb or ""), objects, ())


def _predicate(facts: VideoFacts, key: TripletKey, subject: str) -> str:
    return _deed(facts, key, subject).finite()[len(subject) + 1 :]


def _going(facts: VideoFacts, key: TripletKey, subject: str) -> str:
    return _deed(facts, key, subject).going()[len(subject) + 1 :]


def _held(facts: VideoFacts, boxes: Sequence[Box]) -> str:
    """`held by the main surgeon's left hand`, where all boxes agree on one operator."""
    operators = {box.operator for box in boxes}
    operator = operators.pop() if len(operators) == 1 else None
    if operator is None or is_null(operator):
        return ""
    phrase = definite(facts.speech.say("operator", operator))
    return f"{'held' if phrase.endswith(('hand', 'hands')) else 'used'} by {phrase}"


def _hold(held: str, subject: str, predicate: str, draw: Draw) -> str:
    if not held:
        return f"{subject} {predicate}"
    return draw.pick((f"{subject}, {held}, {predicate}", f"{held}, {subject} {predicate}"))


def _flag_clause(boxes: Sequence[Box], slots: int, subject: str, draw: Draw) -> str | None:
    flags = [flag for box in boxes for flag in box.flags if flag in FLAG_CLAUSES]
    if not flags:
        return None
    counts = Counter(flags)
    common = sorted(flag for flag, n in counts.items() if n >= max(MOST_FRAMES, FLAGGED * slots))
    if not common:
        return None
    flag = draw.pick(common)
    said = FLAG_CLAUSES[flag].format(subject=subject, are=be(subject))
    return f"{said} {'throughout' if counts[flag] == slots else 'for most of this time'}"


def _is_gone(facts: VideoFacts, region: Region, track: ObjectTrack) -> bool:
    """Whether the last sampled frames are labelled and show no object of the class."""
    tail = [tick for tick in region.ticks if tick > track.ticks[-1]]
    return len(tail) >= GONE_FRAMES and all(
        facts.shows_none(region.key.label, tick) for tick in tail
    )
