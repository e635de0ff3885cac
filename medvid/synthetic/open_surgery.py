"""The course of a made-up open operation, seen from the surgeon's head at one picture in 2 s.

Shares of phases, tools and hands follow the counts of EgoSurgery (Fujii et al., 2024); which comes
when, and where, is made up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, pairwise
from math import pi, sin
from typing import Final, NamedTuple

import cv2
import numpy as np

from medvid.synthetic.backgrounds import Look
from medvid.synthetic.drawing import Rgb, Scene
from medvid.synthetic.open_tools import PixelBox, Pose, box_of, draw_tools
from schemas.hashing import hash_fraction, hash_rank

Size = tuple[int, int]
SECONDS_PER_FRAME: Final = 2

PHASE_FRAMES: Final = {
    "disinfection": 125, "design": 646, "anesthesia": 555, "incision": 1170, "dissection": 5799,
    "hemostasis": 1169, "irrigation": 217, "closure": 7231, "dressing": 321,
}  # fmt: skip
"""Labelled frames of each phase in the 23 phase files that were counted."""

_ORDER: Final = (
    "disinfection", "design", "anesthesia", "incision", "dissection", "closure", "dressing",
)  # fmt: skip
_INTERRUPTIONS: Final = {
    "dissection": (("hemostasis", 0.42), ("irrigation", 0.06)),
    "closure": (("hemostasis", 0.1), ("irrigation", 0.04)),
}
_USUAL_RUN: Final = 53
"""Labelled frames between two changes of phase, on average."""

_RUNS_WHEN_SHORT: Final = 6
_SHORT: Final = 300
_BRIDGE, _GULF = 3, 8
"""Missing frames of the two holes of a short part."""

_SEEDS: Final = 1 << 31


class Usage(NamedTuple):
    """How a tool or hand is used: share of frames it is seen on, in which phases, how long."""

    share: float
    phases: tuple[str, ...]
    size: float
    second: float = 0.0


_BUSY: Final = ("incision", "dissection", "hemostasis", "irrigation", "closure")
_ALL: Final = tuple(PHASE_FRAMES)
USAGE: Final[dict[str, Usage]] = {
    "Bipolar Forceps": Usage(0.045, ("hemostasis", "dissection"), 0.26),
    "Electric Cautery": Usage(0.108, ("hemostasis", "dissection"), 0.24),
    "Forceps": Usage(0.393, _BUSY, 0.25, 0.16),
    "Gauze": Usage(0.434, _ALL, 0.14, 0.14),
    "Hook": Usage(0.087, ("dissection", "hemostasis"), 0.24),
    "Mouth Gag": Usage(0.388, _BUSY, 0.22),
    "Needle Holders": Usage(0.313, ("closure",), 0.25),
    "Raspatory": Usage(0.053, ("dissection",), 0.24),
    "Retractor": Usage(0.156, ("dissection", "hemostasis"), 0.26, 0.2),
    "Scalpel": Usage(0.069, ("incision", "dissection"), 0.2),
    "Scissors": Usage(0.177, ("dissection", "closure"), 0.24),
    "Skewer": Usage(0.022, ("design", "incision"), 0.2),
    "Suction Cannula": Usage(0.286, ("dissection", "hemostasis", "irrigation", "closure"), 0.28),
    "Syringe": Usage(0.038, ("anesthesia", "irrigation"), 0.2),
    "Tweezers": Usage(0.649, _BUSY, 0.23, 0.2),
    "Own hands left": Usage(0.942, _ALL, 0.42),
    "Own hands right": Usage(0.914, _ALL, 0.42),
    "Other hands left": Usage(0.708, _ALL, 0.38, 0.1),
    "Other hands right": Usage(0.436, _ALL, 0.38, 0.1),
}
"""Shares are boxes of the class over the 15,437 images of EgoSurgery-Tool; those of the four hands
are known for its training images and carried over. `second` is what a second one of a kind has."""

_UNSEEN: Final = 1.03
"""Makes up for what is out of view, and for images that are left without boxes."""

HANDS: Final = tuple(name for name in USAGE if "hands" in name)
TOOLS: Final = tuple(name for name in USAGE if name not in HANDS)
_LAYERS: Final = (*HANDS, "Gauze", *(name for name in TOOLS if name != "Gauze"))
"""From the bottom up: what is small lies on what is large, so that nothing boxed is hidden."""

# Where each hand comes from and where it rests, as shares of width and height.
_HAND_PLACES: Final = {
    "Own hands left": ((0.27, 0.86), -62.0), "Own hands right": ((0.73, 0.86), -118.0),
    "Other hands left": ((0.72, 0.12), 112.0), "Other hands right": ((0.28, 0.12), 68.0),
}  # fmt: skip


class Run(NamedTuple):
    """A phase without interruption: native frames, first to last."""

    phase: str
    first: int
    last: int


class _Stay(NamedTuple):
    """Hash fractions of one object's stay: whether it is there at all, and how it moves."""

    draw: float
    slow: float
    turn: float
    across: float
    down: float
    angle: float


@dataclass(slots=True)
class Operation:
    """One part of a recording.

    Attributes:
        part: Its name, e.g. `04_1`.
        runs: Phases in time order, without gaps between them.
        holes: Frames without a label, first and last of each.
        seed: Seed of every choice.
        resolution_wh: Size of its pictures.
    """

    part: str
    runs: Sequence[Run]
    holes: Sequence[tuple[int, int]]
    seed: int
    resolution_wh: Size
    _phases: dict[int, str] = field(default_factory=dict, init=False, repr=False)
    _stays: dict[tuple[str, int, int], _Stay] = field(default_factory=dict, init=False, repr=False)
    _offsets: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for run in self.runs:
            self._phases.update(dict.fromkeys(range(run.first, run.last + 1), run.phase))

    @property
    def _is_short(self) -> bool:
        return len(self._phases) <= _SHORT

    @property
    def _stay_frames(self) -> int:
        return 17 if self._is_short else 26

    @property
    def frames(self) -> range:
        """All frames of the part's labelled time, those in holes too."""
        return range(self.runs[0].first, self.runs[-1].last + 1)

    def phase_at(self, frame: int) -> str:
        """Phase of a frame, in a hole too."""
        return self._phases[frame]

    def labelled(self) -> list[tuple[int, str]]:
        """Frames outside holes, with their phases."""
        inside = {frame for first, last in self.holes for frame in range(first, last + 1)}
        return [(frame, phase) for frame, phase in self._phases.items() if frame not in inside]

    def seen(self, frame: int) -> Iterator[tuple[str, Pose]]:
        """Tools and hands in view, those on top last."""
        for label, number, likelihood in _objects_in(self._phases[frame], self._is_short):
            stay = self._stay_of(label, number, frame)
            if stay.draw < likelihood:
                yield label, self._pose(label, number, frame, stay)

    def boxes(self, frame: int) -> list[tuple[str, PixelBox]]:
        """Boxes of what is in view."""
        placed = ((label, box_of(label, p, self.resolution_wh)) for label, p in self.seen(frame))
        return [(label, box) for label, box in placed if box is not None]

    def _stay_of(self, label: str, number: int, frame: int) -> _Stay:
        """The stretch of time around a frame in which an object is there or not.

        Objects of a class come and go together, so that a second one is never there alone.
        """
        if label not in self._offsets:
            rank = hash_rank(self.seed, "offset", self.part, label)
            self._offsets[label] = rank % self._stay_frames
        place = (frame + self._offsets[label]) // self._stay_frames
        key = (label, number, place)
        if key not in self._stays:
            draw = hash_fraction(self.seed, "draw", self.part, label, place)
            moves = (hash_fraction(self.seed, w, self.part, *key) for w in _Stay._fields[1:])
            self._stays[key] = _Stay(draw, *moves)
        return self._stays[key]

    def _pose(self, label: str, number: int, frame: int, stay: _Stay) -> Pose:
        width, height = self.resolution_wh
        a, b, c, d = stay[1:5]
        turn = 2 * pi * (frame * SECONDS_PER_FRAME / (40 + 50 * a) + b)
        if label in _HAND_PLACES:
            (x, y), angle = _HAND_PLACES[label]
            x, y = x + 0.1 * (c - 0.5), y + 0.08 * (d - 0.5) + 0.05 * number
        else:
            x, y, angle = 0.2 + 0.6 * c, 0.24 + 0.52 * d, 360 * stay.angle
        x += (0.05 + 0.06 * b) * sin(turn)
        y += (0.04 + 0.06 * a) * sin(1.7 * turn + 1.0)
        half = USAGE[label].size * height * (0.9 + 0.2 * a)
        return Pose(x * width, y * height, half, angle + 14 * sin(0.8 * turn))


@cache
def _objects_in(phase: str, short: bool) -> tuple[tuple[str, int, float], ...]:
    """Class, number and chance of each object that a phase may show.

    Chances are such that a class has its share over all phases; a short part shows two of a kind
    more often, or it might show none.
    """
    found = []
    for label in _LAYERS:
        usage = USAGE[label]
        if phase in usage.phases:
            among = sum(PHASE_FRAMES[name] for name in usage.phases)
            chance = _UNSEEN * usage.share * sum(PHASE_FRAMES.values()) / among
            second = usage.second * (2 if short else 1)
            found.append((label, 0, chance * (1 - second)))
            if second:
                found.append((label, 1, chance * second))
    return tuple(found)


def plan_operation(
    part: str,
    rows: int,
    seed: int,
    *,
    progress: tuple[float, float],
    resolution_wh: Size,
    first: int | None = None,
) -> Operation:
    """Make up a part.

    Args:
        part: Its name.
        rows: Labelled frames.
        seed: Seed of every choice.
        progress: Which share of the whole operation the part shows.
        resolution_wh: Size of its pictures.
        first: First labelled frame, None for any of the first few minutes.
    """
    random = np.random.Generator(np.random.PCG64([seed, hash_rank(0, "part", part) % _SEEDS]))
    brief = rows <= _SHORT
    holes = _short_holes(rows) if brief else _draw_holes(rows, random)
    total = rows + sum(length for _, length in holes)
    first = first if first is not None else 1 + int(random.integers(160))
    runs: list[Run] = []
    for start, end in pairwise((0, *_draw_changes(total, rows, random), total)):
        middle = progress[0] + (progress[1] - progress[0]) * (start + end) / (2 * total)
        before = runs[-1].phase if runs else ""
        phase = _phase_at(middle, before, random, even=brief)
        if phase == before:
            runs[-1] = runs[-1]._replace(last=first + end - 1)
        else:
            runs.append(Run(phase, first + start, first + end - 1))
    shifts = accumulate((length for _, length in holes), initial=first)
    placed = [(shift + after, shift + after + length - 1)
              for shift, (after, length) in zip(shifts, holes, strict=False)]  # fmt: skip
    return Operation(part, runs, placed, seed, resolution_wh)


def _short_runs(rows: int) -> int:
    return max(1, min(_RUNS_WHEN_SHORT, rows // 8))


def _short_holes(rows: int) -> list[tuple[int, int]]:
    """In the second phase a hole to bridge, early in the last one a hole too long for it."""
    runs = _short_runs(rows)
    if runs < 3:
        return []
    total = rows + _BRIDGE + _GULF
    late = min(rows - 1, (runs - 1) * total // runs + 1 - _BRIDGE)
    return [(3 * total // (2 * runs), _BRIDGE), (late, _GULF)]


def _draw_holes(rows: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Holes as `(labelled frames before it, missing frames)`: 547 in 17,233 rows, 11.4 long."""
    count = min(rows // 4, int(random.poisson(rows * 547 / 17233)))
    places = np.sort(random.choice(np.arange(1, rows), count, replace=False))
    lengths = np.minimum(254, 1 + random.lognormal(1.35, 1.35, count).astype(int))
    return [(int(place), int(length)) for place, length in zip(places, lengths, strict=True)]


def _draw_changes(total: int, rows: int, random: np.random.Generator) -> list[int]:
    """Where phases may change: fairly even in a short part, by chance in a long one."""
    if rows <= _SHORT:
        count = _short_runs(rows)
        return [total * k // count for k in range(1, count)]
    lengths = 4 + random.exponential(_USUAL_RUN, max(2, rows // _USUAL_RUN)).astype(int)
    scaled = [int(place * total / lengths.sum()) for place in accumulate(lengths.tolist())]
    return sorted({place for place in scaled if 0 < place < total})


def _phase_at(progress: float, before: str, random: np.random.Generator, *, even: bool) -> str:
    """Phase at a share of the operation, now and then interrupted; `even` levels their lengths."""
    weights = {phase: n**0.5 if even else n for phase, n in PHASE_FRAMES.items()}
    for word, host in (("hemostasis", "dissection"), ("irrigation", "closure")):
        weights[host] += weights.pop(word)
    sums = [*accumulate(weights[phase] for phase in _ORDER)]
    place = next(i for i, edge in enumerate(sums) if progress * sums[-1] <= edge)
    phase = _ORDER[place]
    draw = float(random.random())
    for other, share in _INTERRUPTIONS.get(phase, ()):
        if before == phase and draw < share:
            return other
        draw -= share
    return phase


_DRAPE: Final = np.asarray((58, 122, 118), np.float32)
_SKINS: Final = ((226, 178, 150), (204, 150, 118), (168, 116, 88), (236, 196, 172))
_IODINE, _INK, _BLOOD, _FLESH = (172, 98, 38), (92, 40, 150), (168, 20, 24), (204, 92, 84)
_THREAD, _PATCH, _WATER = (28, 30, 40), (246, 242, 232), (206, 226, 232)


class Field:
    """Draws one part: drapes round a piece of skin whose wound tells the phase."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        width, height = operation.resolution_wh
        recording = hash_rank(operation.seed, "recording", operation.part[:2]) % _SEEDS
        self._scene = Scene(operation.resolution_wh, recording, Look.WARD, recording % 5)
        self._skin = _SKINS[recording % len(_SKINS)]
        self._centre = (round(width * 0.5), round(height * 0.5))

    def picture(self, frame: int) -> Rgb:
        """The view on a native frame."""
        operation, t_s = self._operation, float(frame * SECONDS_PER_FRAME)
        phase = operation.phase_at(frame)
        cloth = np.asarray(self._scene.backdrop(t_s)[..., 1:2], np.float32) * (0.55 / 255) + 0.5
        picture: Rgb = np.clip(cloth * _DRAPE, 0, 255).astype(np.uint8)
        self._draw_wound(picture, phase)
        draw_tools(picture, operation.seen(frame))
        height = operation.resolution_wh[1]
        text = f"{operation.part}_{frame:04d} {phase}"
        cv2.putText(picture, text, (height // 60, height - height // 60), cv2.FONT_HERSHEY_SIMPLEX,
                    height * 0.4 / 480, (240, 240, 240), 1, cv2.LINE_AA)  # fmt: skip
        return picture

    def _draw_wound(self, picture: Rgb, phase: str) -> None:
        """Skin, and on it what the phase leaves: ink, a cut, an open wound, stitches, a patch."""
        width, height = self._operation.resolution_wh
        skin = _IODINE if phase == "disinfection" else self._skin
        self._ellipse(picture, (0.33, 0.36), skin)
        across = round(width * 0.16)
        (x, y), thick = self._centre, max(2, height // 180)
        ends = ((x - across, y + across // 5), (x + across, y - across // 5))
        if phase in ("design", "anesthesia"):
            for share in np.linspace(0, 0.9, 10):
                a, b = (_between(ends, float(share + step)) for step in (0.0, 0.06))
                cv2.line(picture, a, b, _INK, thick * 2, cv2.LINE_AA)
        if phase == "anesthesia":
            cv2.circle(picture, self._centre, height // 16, (250, 226, 214), -1, cv2.LINE_AA)
        if phase in ("incision", "closure"):
            cv2.line(picture, *ends, _BLOOD, thick * 3, cv2.LINE_AA)
        if phase == "closure":
            for share in np.linspace(0.08, 0.92, 9):
                px, py = _between(ends, float(share))
                cv2.line(picture, (px, py - height // 28), (px, py + height // 28), _THREAD,
                         thick, cv2.LINE_AA)  # fmt: skip
        if phase in ("dissection", "hemostasis", "irrigation"):
            self._ellipse(picture, (0.16, 0.14), _FLESH)
            inner = {"hemostasis": _BLOOD, "irrigation": _WATER}.get(phase, (150, 44, 44))
            self._ellipse(picture, (0.1, 0.07), inner)
        if phase == "dressing":
            corners = ((x - across, y - across // 2), (x + across, y + across // 2))
            cv2.rectangle(picture, *corners, _PATCH, -1)

    def _ellipse(self, picture: Rgb, shares: tuple[float, float], colour: Sequence[int]) -> None:
        width, height = self._operation.resolution_wh
        axes = (round(width * shares[0]), round(height * shares[1]))
        cv2.ellipse(picture, self._centre, axes, -8, 0, 360, (*colour,), -1, cv2.LINE_AA)


def _between(ends: tuple[tuple[int, int], tuple[int, int]], share: float) -> tuple[int, int]:
    (x1, y1), (x2, y2) = ends
    return round(x1 + (x2 - x1) * share), round(y1 + (y2 - y1) * share)
