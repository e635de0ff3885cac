"""Read CoPESD's motion sentences by a closed set of phrases, and name their published action.

A sentence says what the forceps do and what the knife does, one clause each. Every word must be in
`WORDS`, and each clause must signal exactly one `Deed`; anything else is no sentence of the set and
is not guessed at. Nothing is evaluated: words are looked up.

The authors define no class ids; the eight actions are those of MedVidBench's CoPESD rows. Nobody
published which sentence belongs to which action: `ACTION_OF` is this project's reading, by what is
done to the flap and with what (see the data card).
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from schemas.errors import bounded
from schemas.geometry import Triplet

FORCEPS, KNIFE = "forceps", "knife"
INSTRUMENTS: Final = (FORCEPS, KNIFE)


class Deed(StrEnum):
    """What a clause says that an instrument does."""

    APPROACH = "approach"
    GRASP = "grasp"
    ROTATE = "rotate"
    LIFT = "lift"
    TENSION = "tension"
    HOLD = "hold"
    DISSECT = "dissect"
    IDLE = "null_verb"


class Goal(StrEnum):
    """What an instruction asks for."""

    CAMERA = "adjust the camera"
    DISSECT = "dissect with the knife"
    HOLD = "hold the flap with the forceps"
    RETRACT = "retract the flap with the forceps"
    RETRACT_TOGETHER = "retract the flap with forceps and knife"


ADJUST_CAMERA: Final = "adjust camera"
POSITION_TOGETHER: Final = "position flap with forceps and knife"
DISSECT: Final = "dissect flap tissue with knife"
POSITION: Final = "position flap with forceps only"
RETRACT: Final = "retract flap edge with forceps only"
RETRACT_TOGETHER: Final = "retract flap edge with forceps and knife"
LIFT: Final = "lift flap with forceps"
STABILIZE: Final = "stabilize flap with forceps"
ACTIONS: Final = (
    ADJUST_CAMERA, POSITION_TOGETHER, DISSECT, POSITION, RETRACT, RETRACT_TOGETHER, LIFT, STABILIZE,
)  # fmt: skip
"""The eight actions, spelled and ordered as the benchmark's evaluator has them."""

GOAL_OF: Final = {
    ADJUST_CAMERA: Goal.CAMERA, DISSECT: Goal.DISSECT, STABILIZE: Goal.HOLD, LIFT: Goal.RETRACT,
    RETRACT: Goal.RETRACT, POSITION: Goal.RETRACT, RETRACT_TOGETHER: Goal.RETRACT_TOGETHER,
    POSITION_TOGETHER: Goal.RETRACT_TOGETHER,
}  # fmt: skip
"""The goal whose instruction stands beside each action."""


def _table() -> Iterator[tuple[tuple[Deed | None, Deed | None], str]]:
    moving, resting = (Deed.APPROACH, Deed.ROTATE), (Deed.IDLE, None)
    for held in (Deed.TENSION, Deed.LIFT, Deed.HOLD, Deed.GRASP, *resting):
        yield (held, Deed.DISSECT), DISSECT
    for knife in resting:
        yield (Deed.HOLD, knife), STABILIZE
        yield (Deed.LIFT, knife), LIFT
        yield (Deed.GRASP, knife), RETRACT
        yield from (((move, knife), POSITION) for move in moving)
    for knife in moving:
        yield (Deed.GRASP, knife), RETRACT_TOGETHER
        yield (Deed.LIFT, knife), RETRACT_TOGETHER
        yield from (((move, knife), POSITION_TOGETHER) for move in (*moving, *resting))
    for forceps in (*moving, Deed.GRASP, Deed.LIFT, Deed.HOLD, *resting):
        yield (forceps, Deed.LIFT), RETRACT_TOGETHER


ACTION_OF: Final = dict(_table())
"""Action by what forceps and knife do; None where the sentence does not name the instrument."""


class Motion(NamedTuple):
    """What a sentence says.

    Attributes:
        action: Published action label.
        deeds: What each named instrument does; empty where the camera is adjusted.
    """

    action: str
    deeds: dict[str, Deed]


class MotionError(ValueError):
    """A sentence outside the closed set.

    Attributes:
        reason: `unknown_phrase`, or `motion_without_action` where the sentence is understood but
            no published action fits it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(detail)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EDGE = _words("edge boundary border margin outermost")
_LIFT = _words("lift lifts lifting hoist hoists hoisting raise raises raising draw draws drawing"
               " pull pulls pulling")  # fmt: skip
_GRASP = _words("grasp grasps grasping grab grabs grabbing seize seizes seizing clamp clamps"
                " clamping capture captures capturing")  # fmt: skip
_ROTATE = _words("rotate rotates rotating turn turns turning revolve revolves revolving pivot"
                 " pivots pivoting")  # fmt: skip
_HOLD = _words("hold holds holding grip grips gripping")
_DISSECT = _words("dissect dissects dissecting dissection")
_IDLE = _words("idle unmoved inactive stationary motionless")
_IDLE_PHRASES = (
    ("at", "rest"), ("original", "position"), ("fixed", "location"), ("without", "changing"),
)  # fmt: skip
_MOVE = _words(
    "move moves moving shift shifts shifting direct directs directing adjust adjusts adjusting"
    " navigate navigates navigating transport transports transporting guide guides guiding relocate"
    " relocates relocating advance advances advancing position positions positioning"
)
_CARRIERS = _words(
    "use uses using utilize utilizes utilizing employ employs employing engage engages engaging"
    " operate operates operating apply applies applying manipulate manipulates manipulating conduct"
    " conducts conducting keep keeps keeping ensure ensures ensuring maintain maintains maintaining"
    " leave leaves leaving continue continues continuing remain remains remaining stay stays"
    " staying set take takes taking touch touches touching reach reaches reaching arrive arrives"
    " arriving handle achieve commence expose avoid changing"
)
_DIRECTIONS = _words("up upward upwards down downward downwards left right upper lower leftward"
                     " rightward backward backwards back opposite direction")  # fmt: skip
_PLAIN = _words(
    "a an the this that these it its they them both to towards toward until of on onto in at with"
    " without by from along through during for is are be should been so and while as also well"
    " simultaneously concurrently together consistently continuous countertraction steady tissue"
    " mucosa mucosal flap area underlying beneath part position place location original fixed rest"
    " state stage interference procedure conjunction coordinately assistance carefully secure"
    " surgical finished scenes confusing need clean cleaning made camera lens angle zoom focus"
    " settings refine forceps knife retract retracts retracting"
)
WORDS: Final = frozenset().union(
    _EDGE, _LIFT, _GRASP, _ROTATE, _HOLD, _DISSECT, _IDLE, _MOVE, _CARRIERS, _DIRECTIONS, _PLAIN
)
"""Every word a motion sentence or an instruction may have, lower case."""

_ABSORBED: Final = {
    Deed.TENSION: {Deed.HOLD, Deed.LIFT},
    Deed.GRASP: {Deed.HOLD, Deed.APPROACH},
    Deed.LIFT: {Deed.APPROACH},
    Deed.ROTATE: {Deed.APPROACH},
}
"""Deeds that another one in the same clause only describes, e.g. held steady under traction."""

_BREAKS: Final = _words("while as and without , ;")
_CHARACTERS = re.compile(r"[a-z\s,;.!']*")
_TOKEN = re.compile(r"[a-z]+|[,;]")
_POSSESSIVE = re.compile(r"'\s?s\b")


def parse_motion(sentence: str) -> Motion:
    """Read a motion sentence whose boxes were taken out.

    Raises:
        MotionError: The sentence is not of the closed set, or no action fits it.
    """
    tokens = _tokens(sentence)
    if "camera" in tokens:
        return Motion(ADJUST_CAMERA, {})
    deeds = _deeds(tokens)
    pair = (deeds.get(FORCEPS), deeds.get(KNIFE))
    action = ACTION_OF.get(pair)
    if action is None:
        said = ", ".join(f"{instrument} {deed}" for instrument, deed in deeds.items())
        raise MotionError("motion_without_action", f"no action is published for: {said}")
    if "finished" in tokens and action != STABILIZE:
        raise MotionError("motion_without_action", "the operation is over, yet something is done")
    return Motion(action, deeds)


def parse_goal(instruction: str) -> Goal | None:
    """Goal of an instruction, None where it is not one of the closed set."""
    try:
        words = frozenset(_tokens(instruction))
    except MotionError:
        return None
    if "camera" in words:
        return Goal.CAMERA
    forceps, knife = FORCEPS in words, KNIFE in words
    if words & _DISSECT:
        return Goal.DISSECT if knife else None
    retracts = words & (_LIFT | _MOVE | {"retract"})
    if forceps and knife:
        return Goal.RETRACT_TOGETHER if retracts else None
    if forceps and words & (_HOLD | _GRASP):
        return Goal.HOLD
    return Goal.RETRACT if forceps and retracts else None


def triplet_of(instrument: str, deed: Deed) -> Triplet:
    """What an instrument does, as instrument, verb and target.

    >>> triplet_of("knife", Deed.DISSECT).target
    'mucosal-flap'
    """
    if deed in (Deed.IDLE, Deed.ROTATE):
        return Triplet(instrument=instrument, verb=deed.value)
    at_edge = deed in (Deed.APPROACH, Deed.GRASP)
    return Triplet(
        instrument=instrument, verb=deed.value, target="flap-edge" if at_edge else "mucosal-flap"
    )


def _tokens(text: str) -> list[str]:
    plain = text.lower().replace("’", "'")
    if not _CHARACTERS.fullmatch(plain):
        raise MotionError("unknown_phrase", "it holds characters no motion sentence has")
    tokens = _TOKEN.findall(_POSSESSIVE.sub("", plain))
    strange = [token for token in tokens if token not in WORDS and token not in _BREAKS]
    if strange or not tokens:
        raise MotionError("unknown_phrase", f"outside the closed set: {bounded(strange)}")
    return tokens


def _deeds(tokens: list[str]) -> dict[str, Deed]:
    """One deed for each instrument, from the first division into clauses that gives it."""
    places = [place for place, token in enumerate(tokens) if token in INSTRUMENTS]
    named = [tokens[place] for place in places]
    if len(set(named)) != len(named) or not named:
        raise MotionError("unknown_phrase", f"it names {named or 'no instrument'}")
    if len(named) == 1:
        deed = _clause_deed(tokens)
        if deed is not None:
            return {named[0]: deed}
    else:
        for place in range(places[0] + 1, places[1]):
            if tokens[place] in _BREAKS:
                first, second = _clause_deed(tokens[:place]), _clause_deed(tokens[place:])
                if first is not None and second is not None:
                    return {named[0]: first, named[1]: second}
    raise MotionError("unknown_phrase", "no clause says what each instrument does")


def _clause_deed(clause: list[str]) -> Deed | None:
    """The one thing a clause says is done; None where it says nothing or several things."""
    found = set(_signals(clause))
    for deed, absorbed in _ABSORBED.items():
        if deed in found:
            found -= absorbed
    return found.pop() if len(found) == 1 else None


def _signals(clause: list[str]) -> Iterator[Deed]:
    words = frozenset(clause)
    at_edge = bool(words & _EDGE)
    takes_hold = bool(words & {"take", "takes", "taking"}) and "hold" in words
    if "countertraction" in words or ("consistently" in words and words & _LIFT):
        yield Deed.TENSION
    if words & _DISSECT:
        yield Deed.DISSECT
    if words & _LIFT:
        yield Deed.LIFT
    if words & _ROTATE:
        yield Deed.ROTATE
    if at_edge and (words & _GRASP or takes_hold):
        yield Deed.GRASP
    elif words & (_HOLD | _GRASP):
        yield Deed.HOLD
    if at_edge:
        yield Deed.APPROACH
    pairs = set(pairwise(clause))
    if words & _IDLE or any(phrase in pairs for phrase in _IDLE_PHRASES):
        yield Deed.IDLE
