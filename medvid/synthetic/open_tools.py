"""Tools and hands of open surgery, drawn from above: one outline a class, whose extent is its box.

Outlines are in the tool's own frame: x runs along it from handle (-1) to tip (1), y to its right.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import cos, pi, radians, sin
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]
Outline = tuple[tuple[float, float], ...]
Floats = npt.NDArray[np.float64]
PixelBox = tuple[int, int, int, int]

_STEEL: Final = (196, 204, 214)
_DARK: Final = (44, 50, 60)
_GOLD: Final = (226, 182, 62)
_BLUE: Final = (54, 112, 214)
_GLASS: Final = (206, 232, 240)
_CLOTH: Final = (250, 248, 240)
_SHADE: Final = (206, 202, 194)
_ORANGE: Final = (232, 128, 44)
_VIOLET: Final = (150, 104, 206)
_OWN_GLOVE: Final = (224, 214, 170)
_OTHER_GLOVE: Final = (128, 176, 222)
_EDGE: Final = (30, 32, 40)
_RING_POINTS: Final = 12


@dataclass(frozen=True, slots=True)
class Patch:
    """One filled shape of a tool."""

    colour: Colour
    outline: Outline


def _bar(x1: float, x2: float, half: float, *, y: float = 0.0, slant: float = 0.0) -> Outline:
    """A bar along the axis; `slant` lifts its far end."""
    return ((x1, y - half), (x2, y + slant - half), (x2, y + slant + half), (x1, y + half))


def _ring(x: float, y: float, radius: float) -> Outline:
    turns = [2 * pi * k / _RING_POINTS for k in range(_RING_POINTS)]
    return tuple((x + radius * cos(turn), y + radius * sin(turn)) for turn in turns)


def _ringed(
    handle: Colour, jaw: float, *, half: float = 0.035, spread: float = 0.05
) -> tuple[Patch, ...]:
    """Two finger rings, crossing shanks and jaws: scissors, clamps, needle holders."""
    return (
        Patch(handle, _ring(-0.84, -0.22, 0.16)), Patch(_DARK, _ring(-0.84, -0.22, 0.09)),
        Patch(handle, _ring(-0.84, 0.22, 0.16)), Patch(_DARK, _ring(-0.84, 0.22, 0.09)),
        Patch(handle, _bar(-0.72, jaw, 0.04, y=-0.18, slant=0.18)),
        Patch(handle, _bar(-0.72, jaw, 0.04, y=0.18, slant=-0.18)),
        Patch(_STEEL, _bar(jaw, 1.0, half, y=0.02, slant=spread)),
        Patch(_STEEL, _bar(jaw, 1.0, half, y=-0.02, slant=-spread)),
        Patch(_DARK, _ring(jaw, 0.0, 0.045)),
    )  # fmt: skip


def _pincers(back: Colour, half: float, bow: float) -> tuple[Patch, ...]:
    """Two blades joined at the back: tweezers and bipolar forceps."""
    blades = [
        ((-0.95, -s * 0.02), (-0.1, s * bow), (1.0, s * 0.015), (1.0, s * (0.015 + half)),
         (-0.1, s * (bow + 2 * half)), (-0.95, s * 0.07))
        for s in (1, -1)
    ]  # fmt: skip
    return (*(Patch(back, blade) for blade in blades), Patch(_DARK, _bar(-1.0, -0.85, 0.075)))


_FINGERS: Final = ((-0.27, 0.78), (-0.09, 0.95), (0.09, 1.0), (0.26, 0.86))


def _hand(glove: Colour, side: int) -> tuple[Patch, ...]:
    """A gloved hand and cuff seen from above; the thumb of a left hand is on its right."""
    fingers = [Patch(glove, _bar(0.2, reach, 0.075, y=y, slant=y * 0.4)) for y, reach in _FINGERS]
    thumb = (
        (-0.25, side * 0.25), (0.1, side * 0.62), (0.32, side * 0.68), (0.36, side * 0.56),
        (0.1, side * 0.3),
    )  # fmt: skip
    palm = ((-0.45, -0.26), (0.25, -0.35), (0.3, 0.33), (-0.45, 0.26))
    return (
        Patch((74, 128, 158), _bar(-1.0, -0.42, 0.27)), Patch(glove, thumb), Patch(glove, palm),
        *fingers,
    )  # fmt: skip


DRAWINGS: Final[dict[str, tuple[Patch, ...]]] = {
    "Bipolar Forceps": _pincers(_BLUE, 0.04, 0.13),
    "Electric Cautery": (
        Patch(_BLUE, _bar(-1.0, 0.55, 0.085)), Patch(_GOLD, _bar(-0.1, 0.15, 0.05)),
        Patch(_STEEL, _bar(0.55, 1.0, 0.025)),
    ),
    "Forceps": _ringed(_STEEL, 0.1),
    "Gauze": (
        Patch(_CLOTH, ((-0.9, -0.5), (-0.2, -0.72), (0.8, -0.55), (0.95, 0.2), (0.55, 0.7),
                       (-0.5, 0.62), (-1.0, 0.15))),
        Patch(_SHADE, ((-0.5, -0.3), (0.5, -0.34), (0.5, -0.28), (-0.5, -0.24))),
        Patch(_SHADE, ((-0.6, 0.14), (0.5, 0.2), (0.5, 0.26), (-0.6, 0.2))),
    ),
    "Hook": (
        Patch(_STEEL, _bar(-1.0, 0.8, 0.035)), Patch(_STEEL, ((0.72, 0), (0.98, 0), (1.0, 0.42),
        (0.86, 0.44), (0.86, 0.12), (0.72, 0.1))), Patch(_ORANGE, _bar(-1.0, -0.5, 0.06)),
    ),
    "Mouth Gag": (
        Patch(_STEEL, ((-0.9, -0.6), (0.9, -0.6), (0.9, -0.42), (-0.72, -0.42), (-0.72, 0.42),
                       (0.9, 0.42), (0.9, 0.6), (-0.9, 0.6))),
        Patch(_DARK, _bar(-1.0, -0.72, 0.12)),
    ),
    "Needle Holders": _ringed(_GOLD, 0.62, half=0.06, spread=0.01),
    "Raspatory": (
        Patch(_VIOLET, _bar(-1.0, 0.2, 0.1)), Patch(_STEEL, _bar(0.2, 0.75, 0.05)),
        Patch(_STEEL, _ring(0.84, 0.0, 0.16)),
    ),
    "Retractor": (
        Patch(_STEEL, _bar(-1.0, 0.6, 0.06)), Patch(_STEEL, ((0.5, -0.34), (1.0, -0.34),
        (1.0, 0.34), (0.5, 0.34))), Patch(_DARK, _ring(-0.85, 0.0, 0.07)),
    ),
    "Scalpel": (
        Patch(_STEEL, _bar(-1.0, 0.45, 0.055)), Patch(_GLASS, ((0.4, -0.05), (0.85, -0.06),
        (1.0, 0.0), (0.8, 0.1), (0.4, 0.06))),
    ),
    "Scissors": _ringed(_ORANGE, -0.05, half=0.045, spread=0.16),
    "Skewer": (
        Patch(_GOLD, _bar(-0.6, 1.0, 0.022)), Patch(_GOLD, ((-1.0, -0.14), (-0.6, 0.0),
        (-1.0, 0.14))),
    ),
    "Suction Cannula": (
        Patch(_DARK, _bar(-1.0, -0.55, 0.1)), Patch(_GLASS, _bar(-0.55, 0.6, 0.05)),
        Patch(_GLASS, _bar(0.55, 1.0, 0.05, slant=0.22)),
    ),
    "Syringe": (
        Patch(_GLASS, _bar(-0.4, 0.45, 0.13)), Patch(_STEEL, _bar(-1.0, -0.4, 0.035)),
        Patch(_STEEL, _bar(-1.0, -0.94, 0.14)), Patch(_STEEL, _bar(0.45, 1.0, 0.015)),
        Patch(_BLUE, _bar(-0.4, 0.0, 0.1)),
    ),
    "Tweezers": _pincers(_STEEL, 0.045, 0.16),
    "Own hands left": _hand(_OWN_GLOVE, 1),
    "Own hands right": _hand(_OWN_GLOVE, -1),
    "Other hands left": _hand(_OTHER_GLOVE, 1),
    "Other hands right": _hand(_OTHER_GLOVE, -1),
}  # fmt: skip
"""Classes of EgoSurgery, each with a colour and shape that no other has."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a tool lies.

    Attributes:
        x: Middle of the tool, pixels.
        y: Middle of the tool, pixels.
        half_length: From its middle to its tip, pixels.
        angle_deg: Direction of the tip, from right towards down.
    """

    x: float
    y: float
    half_length: float
    angle_deg: float


@cache
def _hull(label: str) -> Floats:
    """Corners of a drawing's convex hull, shape (n, 2)."""
    points = np.asarray([p for patch in DRAWINGS[label] for p in patch.outline], np.float32)
    return np.asarray(cv2.convexHull(points)[:, 0], np.float64)


@cache
def _edges(label: str) -> tuple[Floats, Floats]:
    """First and second points of all edges of a drawing, each of shape (n, 2)."""
    pairs = [
        pair
        for patch in DRAWINGS[label]
        for pair in zip(patch.outline, (*patch.outline[1:], patch.outline[0]), strict=True)
    ]
    return np.asarray([a for a, _ in pairs]), np.asarray([b for _, b in pairs])


def _placed(points: Floats, pose: Pose) -> Floats:
    turn = radians(pose.angle_deg)
    c, s = cos(turn) * pose.half_length, sin(turn) * pose.half_length
    x, y = points[:, 0], points[:, 1]
    return np.stack((pose.x + c * x - s * y, pose.y + s * x + c * y), axis=1)


def box_of(label: str, pose: Pose, resolution_wh: tuple[int, int]) -> PixelBox | None:
    """Tight box of what of a drawing is inside the image, None where too little of it is.

    A sliver of under 1/80 of the image width or height counts as nothing: no annotator would box
    it.
    """
    width, height = resolution_wh
    points = _placed(_hull(label), pose)
    if points.min() < 0 or (points > resolution_wh).any():
        starts, ends = (_placed(corners, pose) for corners in _edges(label))
        points = _visible(starts, ends, resolution_wh)
        if not points.size:
            return None
    left, top = (max(0, int(value)) for value in np.floor(points.min(axis=0)))
    right, bottom = (int(value) for value in np.ceil(points.max(axis=0)))
    right, bottom = min(width, right), min(height, bottom)
    if right - left < width // 80 or bottom - top < height // 80:
        return None
    return left, top, right, bottom


def _visible(starts: Floats, ends: Floats, resolution_wh: tuple[int, int]) -> Floats:
    """Corners inside the image, and the points where edges cross its border."""
    found = [starts]
    for axis in (0, 1):
        reach = ends[:, axis] - starts[:, axis]
        for border in (0.0, float(resolution_wh[axis])):
            crossing = (starts[:, axis] - border) * (ends[:, axis] - border) < 0
            share = (border - starts[crossing, axis]) / reach[crossing]
            found.append(starts[crossing] + share[:, None] * (ends - starts)[crossing])
    points = np.concatenate(found)
    inside = (points > -1e-6) & (points < np.asarray(resolution_wh) + 1e-6)
    return np.asarray(points[inside.all(axis=1)])


def draw_tools(frame: npt.NDArray[np.uint8], placed: Iterable[tuple[str, Pose]]) -> None:
    """Draw tools in place, later ones on top."""
    for label, pose in placed:
        for patch in DRAWINGS[label]:
            points = _placed(np.asarray(patch.outline), pose)
            corners = [np.asarray(np.rint(points * 16), np.int32)]
            cv2.fillPoly(frame, corners, patch.colour, cv2.LINE_AA, 4)
            cv2.polylines(
                frame, corners, isClosed=True, color=_EDGE, thickness=1, lineType=cv2.LINE_AA,
                shift=4,
            )  # fmt: skip
