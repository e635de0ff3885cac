"""Anatomy of the critical view of safety, drawn as far as its scores say it is dissected."""

from dataclasses import dataclass, field
from math import pi, sin

import cv2
import numpy as np

from medvid.synthetic.drawing import Rgb, Scene

Point = tuple[int, int]

_FAT = (240, 206, 112)
_FAT_SHADE = (206, 160, 78)
_WINDOW = (58, 18, 24)
_DUCT, _ARTERY = (176, 222, 150), (232, 40, 52)
_PLATE, _PLATE_RIM = (250, 238, 232), (206, 176, 172)
_DRIFT_S = 30.0
_TRIANGLE = ((-0.17, -0.02), (0.13, -0.13), (0.06, 0.15))
_LOBULES = (
    (-0.11, -0.01, 0.05), (-0.05, -0.04, 0.06), (0.02, -0.05, 0.06), (0.08, -0.08, 0.055),
    (-0.03, 0.03, 0.055), (0.03, 0.03, 0.06), (0.05, 0.09, 0.05), (0.09, -0.01, 0.05),
)  # fmt: skip


@dataclass(slots=True)
class SafetyScene(Scene):
    """A laparoscopic place whose dissection has come as far as its scores say.

    Attributes:
        scores: Two structures, cystic plate and hepatocystic triangle, 0 to 2 each: how many tubes
            are bared, how much of the pale plate is seen, how much fat is out of the triangle.
    """

    scores: tuple[int, int, int] = field(default=(0, 0, 0), kw_only=True)

    def backdrop(self, t_s: float) -> Rgb:
        """The place with its anatomy, without actors; a new array."""
        view = Scene.backdrop(self, t_s).copy()
        width, height = self.resolution_wh
        sway = sin(2 * pi * (t_s / _DRIFT_S + (self.seed % 89) / 89))
        centre = (round(width * (0.5 + 0.01 * sway)), round(height * (0.45 - 0.012 * sway)))
        _draw_plate(view, centre, self.scores[1])
        _draw_triangle(view, centre, self.scores[2])
        _draw_structures(view, centre, self.scores[0])
        return view


def _at(centre: Point, x: float, y: float, height: int) -> Point:
    """Point at an offset in image heights."""
    return centre[0] + round(x * height), centre[1] + round(y * height)


def _draw_plate(view: Rgb, centre: Point, score: int) -> None:
    """A pale bed above the triangle: nothing, its edge, or all of it."""
    height = view.shape[0]
    middle = _at(centre, 0.02, -0.22, height)
    axes = (round(height * (0.09 if score == 1 else 0.2)), round(height * 0.07))
    if score:
        cv2.ellipse(view, middle, axes, -12, 0, 360, _PLATE, -1, cv2.LINE_AA)
        cv2.ellipse(view, middle, axes, -12, 0, 360, _PLATE_RIM, 2, cv2.LINE_AA)


def _draw_triangle(view: Rgb, centre: Point, score: int) -> None:
    """A dark window, behind all of its fat, half of it, or none."""
    height = view.shape[0]
    corners = np.asarray([_at(centre, x, y, height) for x, y in _TRIANGLE], np.int32)
    cv2.fillConvexPoly(view, corners, _WINDOW, cv2.LINE_AA)
    kept = _LOBULES[: (len(_LOBULES), len(_LOBULES) // 2, 0)[score]]
    for x, y, radius in kept:
        place, size = _at(centre, x, y, height), round(radius * height)
        cv2.circle(view, place, size, _FAT, -1, cv2.LINE_AA)
        cv2.circle(view, place, size, _FAT_SHADE, 1, cv2.LINE_AA)


def _draw_structures(view: Rgb, centre: Point, score: int) -> None:
    """Tubes that lead to the gallbladder: none, the duct, or duct and artery."""
    height = view.shape[0]
    thick = max(2, round(height * 0.026))
    tubes = (((-0.24, 0.16), (0.14, -0.03), _DUCT), ((-0.2, -0.04), (0.14, -0.1), _ARTERY))
    for (x1, y1), (x2, y2), colour in tubes[:score]:
        ends = _at(centre, x1, y1, height), _at(centre, x2, y2, height)
        cv2.line(view, *ends, (30, 12, 14), thick + 3, cv2.LINE_AA)
        cv2.line(view, *ends, colour, thick, cv2.LINE_AA)
