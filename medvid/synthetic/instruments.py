"""Drawn tools and hands: one sprite per class, pose and size, whose outline is its box."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import cos, radians, sin
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import ConfigError

Rgb = tuple[int, int, int]
Points = list[tuple[float, float]]
Bytes = npt.NDArray[np.uint8]

COLOURS: Final[dict[str, Rgb]] = {
    "grasper": (158, 176, 204),
    "bipolar": (48, 112, 236),
    "hook": (36, 206, 216),
    "scissors": (88, 216, 120),
    "clipper": (186, 116, 238),
    "irrigator": (226, 238, 255),
    "specimen-bag": (150, 246, 232),
    "hand": (120, 170, 255),
    "syringe": (80, 236, 170),
    "swab": (236, 228, 255),
}
"""Outline and body colour of each class: cold, as tissue, skin and linen are not."""

OPENINGS: Final = 4
"""Jaws are drawn in this many steps from shut (0) to wide open."""

ANGLE_STEP: Final = 3
"""Degrees between two drawn directions."""

_OVERSAMPLE = 2
_MIDDLE_X, _REACH = 0.45, 1.1
"""Every drawing lies within this many tip lengths of this point on its axis."""

_HALF_OPAQUE = 100
_DARK: Rgb = (38, 42, 52)
_LIGHT: Rgb = (250, 252, 255)
_SHAFTS: dict[str, tuple[Rgb, float]] = {
    "grasper": ((104, 110, 122), 0.100),
    "bipolar": ((58, 66, 96), 0.095),
    "hook": ((30, 32, 38), 0.090),
    "scissors": ((88, 94, 104), 0.095),
    "clipper": ((128, 130, 142), 0.145),
    "irrigator": ((132, 140, 154), 0.115),
    "hand": ((66, 120, 150), 0.340),
}


@dataclass(frozen=True, slots=True)
class Sprite:
    """A drawn tip in one pose.

    Attributes:
        paint: Colour times opacity, uint8, shape (h, w, 3).
        veil: 255 minus opacity, uint8, shape (h, w, 3).
        offset_xy: Left top of the arrays, relative to the point the instrument works at.
        hull: Tight half-open `xyxy` of all pixels at least half opaque, relative to that point.
    """

    paint: Bytes
    veil: Bytes
    offset_xy: tuple[int, int]
    hull: tuple[int, int, int, int]


class _Brush:
    """Draws in the instrument's own frame: x to the tip, which is at (1, 0); y to its right."""

    def __init__(self, length_px: int, angle_deg: int) -> None:
        self.unit = float(length_px * _OVERSAMPLE)
        self.half = int(_REACH * length_px) + 2
        side = 2 * self.half * _OVERSAMPLE
        self.colour = np.zeros((side, side, 3), np.uint8)
        self.alpha = np.zeros((side, side), np.uint8)
        self._turn = (cos(radians(angle_deg)), sin(radians(angle_deg)))

    def _place(self, points: Points) -> npt.NDArray[np.int32]:
        local = (np.asarray(points, np.float64) - (_MIDDLE_X, 0.0)) * self.unit
        c, s = self._turn
        turned = np.stack((c * local[:, 0] - s * local[:, 1], s * local[:, 0] + c * local[:, 1]), 1)
        centre = self.half * _OVERSAMPLE
        return np.asarray(np.rint((turned + centre) * 16), np.int32)

    def polygon(self, points: Points, colour: Rgb, *, opacity: int = 255) -> None:
        placed = [self._place(points)]
        cv2.fillPoly(self.colour, placed, colour, cv2.LINE_8, 4)
        cv2.fillPoly(self.alpha, placed, (opacity,), cv2.LINE_8, 4)

    def line(self, points: Points, colour: Rgb, width: float, *, opacity: int = 255) -> None:
        placed = [self._place(points)]
        px = max(1, round(width * self.unit))
        cv2.polylines(self.colour, placed, isClosed=False, color=colour, thickness=px, shift=4)
        cv2.polylines(self.alpha, placed, isClosed=False, color=(opacity,), thickness=px, shift=4)

    def disc(self, x: float, y: float, radius: float, colour: Rgb) -> None:
        centre = tuple(int(v) for v in self._place([(x, y)])[0])
        px = max(16, round(radius * self.unit * 16))
        cv2.circle(self.colour, centre, px, colour, -1, cv2.LINE_8, 4)
        cv2.circle(self.alpha, centre, px, (255,), -1, cv2.LINE_8, 4)

    def sprite(self) -> Sprite:
        size = (2 * self.half, 2 * self.half)
        premultiplied = cv2.multiply(self.colour, cv2.merge([self.alpha] * 3), scale=1 / 255)
        paint = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA)
        alpha = np.asarray(cv2.resize(self.alpha, size, interpolation=cv2.INTER_AREA), np.uint8)
        x, y, w, h = cv2.boundingRect((alpha > 0).astype(np.uint8))
        left, top, width, height = cv2.boundingRect((alpha >= _HALF_OPAQUE).astype(np.uint8))
        cut = np.s_[y : y + h, x : x + w]
        # From the corner of the canvas to the tip, which is where an actor's path runs.
        ahead = (1.0 - _MIDDLE_X) * self.unit / _OVERSAMPLE
        to_x, to_y = (self.half + round(ahead * share) for share in self._turn)
        return Sprite(
            paint=np.ascontiguousarray(paint[cut]),
            veil=np.asarray(cv2.merge([255 - alpha[cut]] * 3), np.uint8),
            offset_xy=(x - to_x, y - to_y),
            hull=(left - to_x, top - to_y, left + width - to_x, top + height - to_y),
        )  # fmt: skip


def _mirrored(points: Points) -> Points:
    return [(x, -y) for x, y in points]


def _collar(brush: _Brush, colour: Rgb, half: float) -> None:
    brush.polygon([(0, -half), (0.16, -half * 0.75), (0.16, half * 0.75), (0, half)], colour)
    brush.line([(0.05, -half), (0.05, half)], _DARK, 0.02)


def _grasper(brush: _Brush, colour: Rgb, opening: int) -> None:
    _collar(brush, colour, 0.1)
    gape = 0.02 + 0.075 * opening
    jaw = [(0.1, 0.0), (0.45, gape * 0.5), (1.0, gape), (1.0, gape + 0.07), (0.8, gape + 0.14),
           (0.4, gape * 0.5 + 0.16), (0.1, 0.1)]  # fmt: skip
    slot = [(0.46, gape * 0.6 + 0.075), (0.82, gape * 0.9 + 0.07)]
    for side in (jaw, _mirrored(jaw)):
        brush.polygon(side, colour)
    for side in (slot, _mirrored(slot)):
        brush.line(side, _DARK, 0.045)
    for tooth in range(6):
        x = 0.5 + 0.08 * tooth
        y = gape * (0.5 + 0.5 * (x - 0.45) / 0.55)
        for sign in (1, -1):
            brush.line([(x, sign * y), (x + 0.02, sign * (y + 0.025))], _DARK, 0.012)


def _bipolar(brush: _Brush, colour: Rgb, opening: int) -> None:
    _collar(brush, colour, 0.095)
    gape = 0.02 + 0.06 * opening
    prong = [(0.1, 0.03), (0.35, 0.16 + gape * 0.4), (0.6, 0.17 + gape * 0.7), (0.95, gape)]
    for side in (prong, _mirrored(prong)):
        brush.line(side, colour, 0.085)
        brush.line(side[2:], _LIGHT, 0.035)
        brush.disc(side[3][0], side[3][1], 0.045, colour)


def _hook(brush: _Brush, colour: Rgb, opening: int) -> None:
    del opening
    _collar(brush, colour, 0.085)
    brush.line([(0.1, 0), (0.62, 0)], _DARK, 0.11)
    brush.line([(0.55, 0), (0.93, 0), (0.97, 0.08), (0.97, 0.36)], colour, 0.075)
    brush.line([(0.97, 0.36), (0.9, 0.42)], colour, 0.075)
    brush.line([(0.6, -0.012), (0.92, -0.012)], _LIGHT, 0.018)


def _scissors(brush: _Brush, colour: Rgb, opening: int) -> None:
    _collar(brush, colour, 0.095)
    gape = 0.02 + 0.11 * opening
    blade = [(0.1, -0.07), (0.34, 0.0), (0.7, gape * 0.55), (1.0, gape), (0.72, gape * 0.6 + 0.11),
             (0.4, 0.1), (0.14, 0.04)]  # fmt: skip
    for side in (blade, _mirrored(blade)):
        brush.polygon(side, colour)
    edge = [(x * 0.94, y * 0.9 + 0.03) for x, y in blade[1:4]]
    for side in (edge, _mirrored(edge)):
        brush.line(side, _LIGHT, 0.016)
    brush.disc(0.3, 0.0, 0.05, _DARK)


def _clipper(brush: _Brush, colour: Rgb, opening: int) -> None:
    brush.polygon([(0, -0.15), (0.42, -0.13), (0.42, 0.13), (0, 0.15)], colour)
    for x in (0.1, 0.2, 0.3):
        brush.line([(x, -0.14), (x, 0.14)], _DARK, 0.018)
    gape = 0.1 + 0.045 * opening
    jaw = [(0.38, 0.02), (0.55, gape), (1.0, gape), (1.0, gape + 0.1), (0.52, gape + 0.11),
           (0.34, 0.13)]  # fmt: skip
    for side in (jaw, _mirrored(jaw)):
        brush.polygon(side, colour)
    brush.line([(0.93, gape), (0.66, gape), (0.6, 0), (0.66, -gape), (0.93, -gape)], _LIGHT, 0.035)


def _irrigator(brush: _Brush, colour: Rgb, opening: int) -> None:
    del opening
    brush.polygon([(0, -0.115), (0.95, -0.105), (0.95, 0.105), (0, 0.115)], colour)
    brush.disc(0.93, 0, 0.105, colour)
    brush.disc(0.95, 0, 0.05, _DARK)
    for x in (0.3, 0.48, 0.66, 0.84):
        brush.disc(x, 0.045 if round(x * 100) % 4 else -0.045, 0.03, _DARK)
    brush.line([(0.02, -0.075), (0.85, -0.07)], _LIGHT, 0.02)


def _specimen_bag(brush: _Brush, colour: Rgb, opening: int) -> None:
    depth = 0.62 + 0.05 * opening
    sack = [(0.3, -depth), (0.9, -depth), (1.25, -0.45), (1.3, 0.0), (1.2, 0.45), (0.95, depth),
            (0.55, depth), (0.32, 0.42), (0.42, 0.0), (0.28, -0.38)]  # fmt: skip
    brush.polygon(sack, (128, 214, 204), opacity=225)
    brush.line([*sack, sack[0]], colour, 0.06)
    for x, y in ((0.6, -0.3), (0.85, 0.1), (0.62, 0.32), (0.95, -0.4)):
        brush.line([(x, y), (x + 0.12, y + 0.16), (x + 0.04, y + 0.28)], _LIGHT, 0.025, opacity=235)
    string = [(0.3, -depth), (0.14, -0.2), (0.3, 0.2), (0.55, depth)]
    brush.line(string, colour, 0.09)
    brush.line(string, (92, 160, 236), 0.045)


def _hand(brush: _Brush, colour: Rgb, opening: int) -> None:
    brush.polygon([(-0.1, -0.28), (0.35, -0.34), (0.35, 0.34), (-0.1, 0.28)], colour)
    brush.disc(0.32, 0, 0.345, colour)
    spread = 0.6 + 0.18 * opening
    for y, reach in ((-0.26, 0.86), (-0.09, 1.0), (0.09, 0.97), (0.25, 0.82)):
        brush.line([(0.35, y), (reach, y * (1 + spread * 0.5))], colour, 0.14)
        brush.disc(reach, y * (1 + spread * 0.5), 0.07, colour)
        brush.line([(0.5, y * 1.1), (0.62, y * 1.15)], (86, 132, 222), 0.02)
    brush.line([(0.15, 0.3), (0.5, 0.5 + 0.08 * opening)], colour, 0.15)
    brush.disc(0.5, 0.5 + 0.08 * opening, 0.075, colour)


def _syringe(brush: _Brush, colour: Rgb, opening: int) -> None:
    pull = 0.08 * opening
    brush.line([(0.62, 0), (1.0, 0)], colour, 0.03)
    brush.polygon([(0, -0.1), (0.6, -0.1), (0.66, 0), (0.6, 0.1), (0, 0.1)], colour)
    brush.polygon([(0.1, -0.06), (0.56, -0.06), (0.56, 0.06), (0.1, 0.06)], _LIGHT)
    brush.line([(-0.3 - pull, 0), (0.2 - pull, 0)], colour, 0.05)
    brush.line([(-0.3 - pull, -0.12), (-0.3 - pull, 0.12)], colour, 0.05)
    for x in (0.2, 0.3, 0.4, 0.5):
        brush.line([(x, -0.06), (x, 0.0)], _DARK, 0.012)


def _swab(brush: _Brush, colour: Rgb, opening: int) -> None:
    lift = 0.03 * opening
    cloth = [(0.5, -0.3 - lift), (1.0, -0.34), (1.18, 0.05), (1.04, 0.36), (0.55, 0.3), (0.42, 0)]
    brush.polygon(cloth, colour)
    for y in (-0.2, -0.08, 0.04, 0.16):
        brush.line([(0.55, y), (1.05, y + 0.04)], (196, 190, 222), 0.02)


_DRAWINGS: dict[str, Callable[[_Brush, Rgb, int], None]] = {
    "grasper": _grasper,
    "bipolar": _bipolar,
    "hook": _hook,
    "scissors": _scissors,
    "clipper": _clipper,
    "irrigator": _irrigator,
    "specimen-bag": _specimen_bag,
    "hand": _hand,
    "syringe": _syringe,
    "swab": _swab,
}


def shaft_of(label: str) -> tuple[Rgb, float] | None:
    """Colour and half width (in tip lengths) of a class's shaft, None where it has none."""
    return _SHAFTS.get(label)


@lru_cache(maxsize=1024)
def sprite_of(label: str, length_px: int, angle_step: int, opening: int) -> Sprite:
    """Draw a tip.

    Args:
        label: Class, one of `COLOURS`.
        length_px: Length of the tip in pixels.
        angle_step: Direction the tip points to, in steps of `ANGLE_STEP` degrees from right
            towards down.
        opening: 0 (shut) to `OPENINGS` - 1.

    Raises:
        ConfigError: No drawing has this label.
    """
    if label not in _DRAWINGS:
        raise ConfigError(f"there is no drawing of {label!r}.", action=f"Draw one of {[*COLOURS]}.")
    brush = _Brush(length_px, angle_step * ANGLE_STEP)
    _DRAWINGS[label](brush, COLOURS[label], opening)
    return brush.sprite()


@lru_cache(maxsize=1 << 16)
def hull_of(label: str, length_px: int, angle_step: int, opening: int) -> tuple[int, int, int, int]:
    """`Sprite.hull` of `sprite_of` with the same arguments, remembered for much longer."""
    return sprite_of(label, length_px, angle_step, opening).hull
