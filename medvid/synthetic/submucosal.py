"""The course of a made-up submucosal dissection: who does what in each picture, told in words.

Kinds of motions, their order and how long they last follow CoPESD's test rows; the wording is this
project's own, made of the words such sentences have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from medvid.synthetic.drawing import Actor, Motion, PixelBox, boxes_at, clip_box
from schemas.hashing import hash_choice, hash_fraction, hash_rank

FORCEPS, KNIFE = "Forceps", "Knife"
ORDER: Final = (FORCEPS, KNIFE)
Size = tuple[int, int]

_DRAWN_AS: Final = {FORCEPS: "grasper", KNIFE: "hook"}
_ENTRY_XY: Final = {FORCEPS: (-0.05, 1.15), KNIFE: (1.05, 1.15)}
_REST_XY: Final = {FORCEPS: (0.4, 0.5), KNIFE: (0.66, 0.56)}
_REACH_XY: Final = {
    FORCEPS: ((0.2, 0.48), (0.34, 0.66)),
    KNIFE: ((0.55, 0.85), (0.4, 0.94)),
}
"""Smallest and largest x, smallest and largest y a tip moves to, in fractions of the picture."""

_TIP: Final = {FORCEPS: 0.3, KNIFE: 0.26}
_STRIDE: Final = {"tension": 0.012, "hold": 0.012, "rotate": 0.02, "null": 0.0}
_FAST: Final = 0.05
"""How far a tip goes from one picture to the next, by deed."""

# Goal, deeds of forceps and knife, shortest and longest run in pictures.
_COURSE: Final = (
    ("together", "approach", "approach", 3, 9),
    ("together", "grasp", "approach", 1, 4),
    ("together", "approach", "lift", 2, 4),
    ("retract", "approach", "null", 2, 5),
    ("retract", "grasp", "null", 1, 3),
    ("retract", "lift", "null", 4, 14),
    ("dissect", "tension", "dissect", 12, 90),
    ("retract", "rotate", "null", 1, 2),
    ("retract", "lift", "null", 3, 12),
    ("dissect", "tension", "dissect", 20, 60),
)
_LAST: Final = ("hold", "hold", "null", 8, 18)
_DIRECTIONS: Final = (
    "upward", "to the left", "to the right", "to the upper left", "to the lower right", "downward",
)  # fmt: skip

_INSTRUCTIONS: Final = {
    "dissect": (
        "Dissect the flap tissue with the Knife.",
        "Use the Knife for the dissection of the flap.",
        "Conduct the dissection along the flap with the Knife.",
    ),
    "retract": (
        "Lift the flap by the Forceps.",
        "Pull the flap back, using the Forceps.",
        "Retract the flap with the Forceps.",
    ),
    "together": (
        "Lift the flap with both Forceps and Knife.",
        "Move the flap back by Forceps and Knife together.",
        "Pull the mucosa flap up, using the Forceps with assistance of the Knife.",
    ),
    "hold": (
        "Keep a secure grip on the flap with the Forceps.",
        "Hold the flap steady by the Forceps.",
    ),
    "camera": ("Adjust the camera.", "Clean the camera lens.", "Move the camera to the area."),
}
_FIRST: Final = {
    "approach": ("Guide the {} to the flap edge", "Advance the {} until it touches the flap edge"),
    "grasp": ("Seize the flap edge with the {}", "Clamp the border of the flap using the {}"),
    "rotate": ("Rotate the {} in place", "Turn the {} as it is"),
    "lift": ("Raise the flap {d} by the {}", "Lift the flap {d}, using the {}"),
    "tension": (
        "Apply steady countertraction to the flap with the {}",
        "Ensure continuous countertraction by the {}",
    ),
    "hold": ("Continue holding the flap by the {}", "Hold the flap steady with the {}"),
    "dissect": ("Dissect the tissue {d} with the {}", "Conduct dissection {d} by the {}"),
}
_SECOND: Final = {
    "approach": ("moving the {} to the flap edge", "the {} reaches the border of the flap"),
    "lift": ("raising the flap {d} by the {}", "the {} lifts the flap {d}"),
    "dissect": ("the {} dissects the tissue {d}", "dissecting the flap {d} by the {}"),
    "null": ("the {} stays idle", "leaving the {} at rest", "the {} remains unmoved"),
}
_CAMERA: Final = (
    "Scenes are confusing, clean the camera lens! Forceps and Knife stay idle.",
    "Scenes are confusing, adjust the camera position! Keep both Forceps and Knife at rest.",
)


@dataclass(frozen=True, slots=True)
class Moment:
    """What one picture shows.

    Attributes:
        goal: `dissect`, `retract`, `together`, `hold` or `camera`.
        deeds: What each named instrument does; empty while the camera is adjusted.
        direction: Where the flap goes.
    """

    goal: str
    deeds: dict[str, str]
    direction: str


@dataclass(frozen=True, slots=True)
class Course:
    """One session.

    Attributes:
        session: Six digits.
        seed: Seed of every choice.
        moments: One a picture.
    """

    session: str
    seed: int
    moments: tuple[Moment, ...]

    def instruction(self, place: int) -> str:
        """The first turn of a picture."""
        options = _INSTRUCTIONS[self.moments[place].goal]
        return hash_choice(options, self.seed, self.session, "goal", place)

    def sentence(self, place: int, boxes: dict[str, str]) -> str:
        """The second turn of a picture, with the boxes behind the instruments' names."""
        moment = self.moments[place]
        if not moment.deeds:
            return hash_choice(_CAMERA, self.seed, self.session, "camera", place)
        clauses = []
        for position, (instrument, deed) in enumerate(moment.deeds.items()):
            options = (_SECOND if position else _FIRST)[deed]
            pattern = hash_choice(options, self.seed, self.session, "words", position, place)
            name = instrument + boxes.get(instrument, "")
            clauses.append(pattern.format(name, d=moment.direction))
        start = "Surgical Finished! " if moment.goal == "hold" else ""
        return f"{start}{' while '.join(clauses)}."


def plan_course(
    session: str, length: int, seed: int, *, camera: int, knife_only: int, calm: int = 0
) -> Course:
    """Make up a session.

    Args:
        session: Six digits.
        length: Pictures.
        seed: Seed of every choice.
        camera: Pictures on which the camera is adjusted, which have no box.
        knife_only: Pictures whose sentence names the knife alone.
        calm: First pictures, which are neither.
    """
    moments: list[Moment] = []
    hold = min(_LAST[4], max(3, length // 20))
    step = hash_rank(seed, session, "start") % 3
    while len(moments) < length - hold:
        goal, forceps, knife, low, high = _COURSE[step % len(_COURSE)]
        # A short session goes through the same motions, each for a shorter time.
        high = max(low, min(high, length // 8))
        run = low + hash_rank(seed, session, "run", step) % (high - low + 1)
        direction = hash_choice(_DIRECTIONS, seed, session, "direction", step)
        moments += [Moment(goal, {FORCEPS: forceps, KNIFE: knife}, direction)] * run
        step += 1
    moments = moments[: length - hold]
    _interrupt(moments, camera, Moment("camera", {}, ""), block=2, calm=calm)
    lift = Moment("together", {KNIFE: "lift"}, "upward")
    _interrupt(moments, knife_only, lift, block=7, calm=calm)
    moments += [Moment(_LAST[0], {FORCEPS: _LAST[1], KNIFE: _LAST[2]}, "")] * hold
    return Course(session, seed, tuple(moments))


def _interrupt(moments: list[Moment], count: int, moment: Moment, *, block: int, calm: int) -> None:
    """Put `count` moments into dissections, in blocks spread over the session."""
    places = [at for at, found in enumerate(moments) if found.goal == "dissect" and at >= calm]
    count = min(count, len(places))
    blocks = -(-count // block)
    for number in range(blocks):
        first = number * len(places) // blocks
        for place in places[first : first + min(block, count - number * block)]:
            moments[place] = moment


def actors_of(course: Course) -> list[list[tuple[str, Actor]]]:
    """Instruments in view on each picture; they stand still while they are said to be idle."""
    at = dict(_REST_XY)
    shown = []
    for place, moment in enumerate(course.moments):
        for instrument in ORDER:
            deed = moment.deeds.get(instrument, "null")
            at[instrument] = _step(course, instrument, place, deed, at[instrument])
        shown.append([(name, _actor(name, at[name])) for name in moment.deeds])
    return shown


def _step(
    course: Course, instrument: str, place: int, deed: str, xy: tuple[float, float]
) -> tuple[float, float]:
    """Where a tip is next: some way towards a goal that changes every few pictures."""
    reach = _STRIDE.get(deed, _FAST)
    moved = []
    for axis, (low, high) in enumerate(_REACH_XY[instrument]):
        aim = hash_fraction(course.seed, course.session, instrument, axis, place // 5)
        away = low + aim * (high - low) - xy[axis]
        moved.append(xy[axis] + max(-reach, min(reach, away)))
    return moved[0], moved[1]


def _actor(instrument: str, xy: tuple[float, float]) -> Actor:
    motion = Motion(xy, _ENTRY_XY[instrument], sway_xy=(0.0, 0.0), work_s=7.0)
    return Actor(_DRAWN_AS[instrument], instrument, motion, _TIP[instrument])


def boxes_of(shown: Sequence[tuple[str, Actor]], size: Size, place: int) -> dict[str, PixelBox]:
    """Boxes of the instruments in view, cut to the picture."""
    found = boxes_at(size, [actor for _, actor in shown], float(place))
    return {name: clip_box(found[name], size) for name, _ in shown if name in found}
