"""The course of a made-up gallbladder operation, which both Cholec writers draw and label.

Class lists are those of CholecT50 (Nwoye et al., Medical Image Analysis 2022); the share of each
phase follows the Cholec80 annotations (Twinanda et al., IEEE TMI 2017).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from medvid.synthetic.drawing import Actor, Motion
from medvid.synthetic.effects import Effect
from schemas.hashing import hash_choice, hash_fraction, hash_rank

INSTRUMENTS: Final = ("grasper", "bipolar", "hook", "scissors", "clipper", "irrigator")
BAG: Final = "specimen-bag"
VERBS: Final = (
    "grasp", "retract", "dissect", "coagulate", "clip", "cut", "aspirate", "irrigate", "pack",
    "null_verb",
)  # fmt: skip
TARGETS: Final = (
    "gallbladder", "cystic_plate", "cystic_duct", "cystic_artery", "cystic_pedicle",
    "blood_vessel", "fluid", "abdominal_wall_cavity", "liver", "adhesion", "omentum", "peritoneum",
    "gut", "specimen_bag", "null_target",
)  # fmt: skip
PHASES: Final = (
    "preparation", "carlot-triangle-dissection", "clipping-and-cutting", "gallbladder-dissection",
    "gallbladder-packaging", "cleaning-and-coagulation", "gallbladder-extraction",
)  # fmt: skip

# Target ids of each instrument and verb, in the order in which CholecT50 numbers its triplets.
_NUMBERED: Final = (
    "grasper:dissect 1 0 10:grasp 3 2 4 1 0 12 8 10 11 13:pack 0:retract 2 4 1 0 12 8 10 11",
    "bipolar:coagulate 7 5 3 2 4 1 0 8 10 11:dissect 9 3 2 1 0 10:grasp 1 8 13:retract 2 4 0 8 10",
    "hook:coagulate 5 3 2 4 1 0 8 10:cut 5 11:dissect 5 3 2 1 0 10 11:retract 0 8",
    "scissors:coagulate 10:cut 9 5 3 2 1 8 10 11:dissect 1 0 10",
    "clipper:clip 5 3 2 4 1",
    "irrigator:aspirate 6:dissect 2 4 1 0 10:irrigate 7 4 8:retract 0 8 10",
)


def _number_triplets() -> tuple[tuple[int, int, int], ...]:
    triplets = []
    for line in _NUMBERED:
        tool, *groups = line.split(":")
        for group in groups:
            verb, *targets = group.split()
            triplets += [
                (INSTRUMENTS.index(tool), VERBS.index(verb), int(target)) for target in targets
            ]
    return (*triplets, *((tool, 9, 14) for tool in range(len(INSTRUMENTS))))


TRIPLETS: Final = _number_triplets()
"""Instrument, verb and target id of each of the 100 triplets; 94 to 99 are the null ones."""

_PHASE_SECONDS = (8574, 74826, 14080, 58433, 7618, 14332, 6635)
_LINEAR = (0, 1, 2, 3, 4, 5, 6)
_CLEANED_BEFORE_PACKING = (0, 1, 2, 3, 5, 4, 6, 5)
_SHORT_S, _LONG_S = 120, 1200
_NEVER = (0.0, 0.0)


class Hand(StrEnum):
    """Who holds an instrument."""

    LEFT = "main-surgeon-left-hand (MSLH)"
    ASSISTANT = "assistant-surgeon-right-hand (ASRH)"
    RIGHT = "main-surgeon-right-hand (MSRH)"
    NONE = "null"


# For the right hand, by phase: between which shares of the phase, weight, instrument, triplets.
_Script = tuple[tuple[float, float, float, str, tuple[int, ...]], ...]
_RIGHT: tuple[_Script, ...] = (
    ((0, 1, 2, "hook", (96, 60)), (0, 1, 1.5, "grasper", (10, 20, 94))),
    ((0, 1, 10, "hook", (60, 60, 58, 57, 59, 62)), (0.3, 0.9, 1.2, "bipolar", (23, 28)),
     (0.3, 0.9, 0.9, "irrigator", (84, 86, 82)), (0.1, 0.8, 0.8, "grasper", (0, 1))),
    ((0, 0.55, 4, "clipper", (78, 79)), (0.45, 1, 3, "scissors", (69, 68)),
     (0, 0.25, 1, "hook", (58, 57))),
    ((0, 1, 9, "hook", (60, 60, 60, 52, 63)), (0.4, 1, 1.2, "bipolar", (29, 28)),
     (0.5, 1, 0.8, "irrigator", (82, 90))),
    ((0, 1, 3, "grasper", (13, 7, 12)), (0, 0.4, 0.6, "irrigator", (82,))),
    ((0, 1, 4, "irrigator", (82, 90, 88)), (0, 1, 3, "bipolar", (29, 22, 27)),
     (0.3, 1, 0.7, "hook", (52,))),
    ((0, 1, 3, "grasper", (12, 94)), (0, 1, 1.2, "bipolar", (40, 95))),
)  # fmt: skip
_LEFT = ((17, 94, 20), (17, 17, 15), (17, 14), (17,), (12, 7), (19, 94), (12,))
_ASSISTANT = ((94, 21), (19, 18), (19,), (19, 20), (19,), (19, 18), (94,))
_EFFECT_S = 5
_EFFECTS: dict[Effect, dict[int, float]] = {
    Effect.BLEEDING: {0: 0.0, 3: 0.15, 5: 0.3},
    Effect.SMOKE: {0: 0.0, 1: 0.12, 3: 0.2, 4: 0.0, 6: 0.0},
    Effect.BLURRED: {},
    Effect.UNDERCOVERAGE: {1: 0.0, 3: 0.0, 6: 0.25},
    Effect.REFLECTION: {},
    Effect.STAINED_LENS: {3: 0.06},
}
_BAG_PHASES = frozenset({4, 6})
_THROUGHOUT = frozenset({Hand.LEFT, Hand.ASSISTANT})
"""Hands that hold on while phases change."""

_PRESENT = {Hand.LEFT: 0.66, Hand.RIGHT: 0.71, Hand.ASSISTANT: 0.13, Hand.NONE: 0.9}


@dataclass(frozen=True, slots=True)
class Stretch:
    """One phase without interruption: whole seconds, half-open."""

    phase: int
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Bout:
    """One stay of one instrument in view.

    Attributes:
        actor: What is drawn; its track names the bout.
        hand: Who holds it.
        start_s: First whole second in view.
        end_s: First whole second after.
        choices: Triplets it may carry out, by phase; empty for the bag.
        instrument_number: Identity of the instrument through the whole operation, from 1.
        insertion: Identity of its stay inside the body, from 1.
        view: Identity of its stay in view, from 1.
    """

    actor: Actor
    hand: Hand
    start_s: int
    end_s: int
    choices: tuple[tuple[int, ...], ...]
    instrument_number: int = 1
    insertion: int = 1
    view: int = 1


@dataclass(frozen=True, slots=True)
class Operation:
    """A whole operation, from the first second to the last.

    Attributes:
        patient: Number of the video, and of the patient in all Cholec datasets.
        seed: Seed it was made up with.
        duration_s: Length in whole seconds.
        stretches: The phases in order, without gaps.
        bouts: Sorted by start.
        outside_s: Seconds, half-open, with the camera out of the body.
    """

    patient: int
    seed: int
    duration_s: int
    stretches: tuple[Stretch, ...]
    bouts: tuple[Bout, ...]
    outside_s: tuple[float, float] = _NEVER

    def is_outside(self, t_s: float) -> bool:
        """Whether the camera is out of the body."""
        return self.outside_s[0] <= t_s < self.outside_s[1]

    def stretch_at(self, t_s: float) -> Stretch:
        """The phase at a time; the last one from its end on."""
        return next((s for s in self.stretches if t_s < s.end_s), self.stretches[-1])

    def actors_at(self, t_s: float) -> list[Actor]:
        """Who may be in view within a second of a time."""
        if self.is_outside(t_s):
            return []
        return [b.actor for b in self.bouts if b.start_s - 1 <= t_s < b.end_s + 1]

    def seconds(self) -> Iterator[tuple[int, Stretch, list[Bout]]]:
        """Every whole second with its phase and the instruments in view."""
        waiting = list(reversed(self.bouts))
        present: list[Bout] = []
        for stretch in self.stretches:
            for second in range(stretch.start_s, stretch.end_s):
                while waiting and waiting[-1].start_s <= second:
                    present.append(waiting.pop())
                present = [bout for bout in present if second < bout.end_s]
                yield second, stretch, [] if self.is_outside(second) else list(present)

    def effects_at(self, t_s: float) -> frozenset[Effect]:
        """What clouds the view, the same for some seconds on end."""
        phase, block = self.stretch_at(t_s).phase, int(t_s // _EFFECT_S)
        return frozenset(
            effect for effect, shares in _EFFECTS.items()
            if hash_fraction(self.seed, effect, self.patient, block) < shares.get(phase, 0.03)
        )  # fmt: skip

    def triplet_at(self, bout: Bout, second: int, stretch: Stretch) -> int:
        """What an instrument does: nothing for its first seconds, then one thing a phase."""
        choices = bout.choices[stretch.phase]
        idle = hash_rank(self.seed, "idle", self.patient, bout.actor.track) % 4
        if second - bout.start_s < idle and bout.end_s - bout.start_s > 4:
            return len(TRIPLETS) - len(INSTRUMENTS) + INSTRUMENTS.index(bout.actor.label)
        return hash_choice(choices, self.seed, self.patient, bout.actor.track, stretch.start_s)


def plan_operation(
    patient: int,
    duration_s: int,
    seed: int,
    *,
    outside_share: float = 0.0,
    assistant_share: float = _PRESENT[Hand.ASSISTANT],
) -> Operation:
    """Make up an operation.

    Args:
        patient: Number of the video; each gives another course.
        duration_s: Length in whole seconds, at least 12.
        seed: Seed of every choice.
        outside_share: Share of the time during which the camera is out of the body.
        assistant_share: Share of the time during which the assistant's instrument is in view.
    """
    stretches = _plan_phases(patient, duration_s, seed)
    shares = {**_PRESENT, Hand.ASSISTANT: assistant_share}
    plans: list[Bout] = []
    for hand, share in shares.items():
        stages = [stretches] if hand in _THROUGHOUT else [(stretch,) for stretch in stretches]
        for stage in stages:
            if hand is Hand.NONE and stage[0].phase not in _BAG_PHASES:
                continue
            random = _generator(seed, "bouts", patient, hand.value, stage[0].start_s)
            plans += _plan_bouts(hand, stage, share, duration_s, random)
    outside = round(duration_s * 0.58), round(duration_s * (0.58 + outside_share))
    return Operation(
        patient=patient,
        seed=seed,
        duration_s=duration_s,
        stretches=stretches,
        bouts=_number_tracks(plans, patient, seed),
        outside_s=outside,
    )


def _plan_phases(patient: int, duration_s: int, seed: int) -> tuple[Stretch, ...]:
    order: tuple[int, ...] = _CLEANED_BEFORE_PACKING if patient % 5 == 0 else _LINEAR
    if duration_s > _LONG_S and hash_fraction(seed, "unprepared", patient) < 0.12:
        order = order[1:]
    # Short videos even out the phases, so that the brief ones still hold a few frames.
    stretch = min(1.0, max(0.0, (duration_s - _SHORT_S) / (_LONG_S - _SHORT_S)))
    power = 0.4 + 0.6 * stretch
    random = _generator(seed, "phases", patient)
    weights = np.asarray([_PHASE_SECONDS[phase] for phase in order], np.float64) ** power
    weights *= random.uniform(0.75, 1.3, len(order))
    edges = np.rint(np.cumsum(weights) / weights.sum() * duration_s).astype(int)
    starts = [0, *(int(edge) for edge in edges[:-1])]
    spans = zip(order, starts, edges, strict=True)
    return tuple(Stretch(phase, a, int(b)) for phase, a, b in spans if b > a)


def _generator(seed: int, *parts: str | int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(hash_rank(seed, *parts)))


def _plan_bouts(
    hand: Hand,
    stretches: Sequence[Stretch],
    share: float,
    duration_s: int,
    random: np.random.Generator,
) -> Iterator[Bout]:
    """Stays of one hand's instruments from the first stretch's start to the last one's end."""
    begin, end = stretches[0].start_s, stretches[-1].end_s
    typical = float(np.clip(duration_s * 0.25, 8, 36))
    now = begin + (random.uniform(0, typical * (1 - share) / share) if begin else 0.0)
    while now < end - 2:
        length = typical * random.uniform(0.6, 1.5)
        start, stop = round(now), min(end, round(now + length))
        if stop - start >= 2:
            yield _draw_bout(hand, stretches[0], (start, stop), random)
        now += length + max(1.0, length * (1 - share) / share * random.uniform(0.4, 1.6))


def _draw_bout(
    hand: Hand, stretch: Stretch, span: tuple[int, int], random: np.random.Generator
) -> Bout:
    label, choices = _choose_tool(hand, stretch, span[0], random)
    actor = Actor(label, "", _draw_motion(hand, span, random), _SIZES[hand])
    return Bout(actor, hand, span[0], span[1], choices)


_SIZES = {Hand.LEFT: 0.29, Hand.RIGHT: 0.29, Hand.ASSISTANT: 0.22, Hand.NONE: 0.25}
_PLACES = {
    # rest x, y; entry x, y; how far each of them varies
    Hand.LEFT: ((0.37, 0.47), (-0.16, 0.42), (0.05, 0.08), (0.0, 0.14)),
    Hand.RIGHT: ((0.59, 0.52), (1.16, 0.72), (0.05, 0.08), (0.0, 0.16)),
    Hand.ASSISTANT: ((0.60, 0.28), (0.74, -0.4), (0.05, 0.02), (0.06, 0.0)),
    Hand.NONE: ((0.45, 0.76), (0.45, 1.6), (0.05, 0.02), (0.05, 0.0)),
}


def _draw_motion(hand: Hand, span: tuple[int, int], random: np.random.Generator) -> Motion:
    rest, entry, rest_play, entry_play = _PLACES[hand]
    calm = 0.3 if hand is Hand.NONE else 1.0
    swing = random.uniform(-1, 1, 4)
    return Motion(
        centre_xy=(rest[0] + rest_play[0] * swing[0], rest[1] + rest_play[1] * swing[1]),
        entry_xy=(entry[0] + entry_play[0] * swing[2], entry[1] + entry_play[1] * swing[3]),
        sway_xy=(calm * random.uniform(0.015, 0.04), calm * random.uniform(0.02, 0.06)),
        period_s=float(random.uniform(5, 11)),
        phase=float(random.uniform(0, 1)),
        spans_s=((span[0] - random.uniform(0.3, 0.9), span[1] - random.uniform(0.1, 0.7)),),
        work_s=float(random.uniform(2, 5)),
    )


def _choose_tool(
    hand: Hand, stretch: Stretch, start_s: int, random: np.random.Generator
) -> tuple[str, tuple[tuple[int, ...], ...]]:
    if hand is Hand.NONE:
        return BAG, ()
    if hand is not Hand.RIGHT:
        return "grasper", _LEFT if hand is Hand.LEFT else _ASSISTANT
    share = (start_s - stretch.start_s) / (stretch.end_s - stretch.start_s)
    fitting = [line for line in _RIGHT[stretch.phase] if line[0] <= share <= line[1]]
    weights = np.asarray([line[2] for line in fitting])
    chosen = fitting[int(random.choice(len(fitting), p=weights / weights.sum()))]
    return chosen[3], (chosen[4],) * len(PHASES)


def _number_tracks(bouts: Sequence[Bout], patient: int, seed: int) -> tuple[Bout, ...]:
    """Give each stay its three track numbers and a name."""
    ordered = sorted(bouts, key=lambda bout: (bout.start_s, bout.hand.value, bout.end_s))
    instruments: dict[tuple[Hand, str], int] = {}
    held: dict[Hand, tuple[str, int]] = {}
    insertions = 0
    numbered = []
    for view, bout in enumerate(ordered, start=1):
        label = bout.actor.label
        number = instruments.setdefault((bout.hand, label), len(instruments) + 1)
        kept = hash_fraction(seed, "kept", patient, view) < 0.75
        if bout.hand not in held or held[bout.hand][0] != label or not kept:
            insertions += 1
            held[bout.hand] = (label, insertions)
        actor = Actor(label, f"v{view}", bout.actor.motion, bout.actor.size)
        numbered.append(
            Bout(actor, bout.hand, bout.start_s, bout.end_s, bout.choices, number,
                 held[bout.hand][1], view)
        )  # fmt: skip
    return tuple(numbered)
