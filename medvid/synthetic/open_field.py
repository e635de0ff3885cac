"""Pictures of made-up open operations: a wound, and hands and tools that do what the label says."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import pi, sin
from typing import Final

import cv2
import numpy as np

from medvid.synthetic.backgrounds import Look
from medvid.synthetic.drawing import PixelBox, Rgb, Scene
from medvid.synthetic.open_tools import Pose, box_of, draw_tools
from schemas.hashing import hash_rank

Size = tuple[int, int]

PICTURE_S: Final = 0.2
"""Every picture stands for a fifth of a second: hands are seen to move, and drawing is quick."""

_CLASSES: Final = {
    "Electric Cautery": "bovie", "Forceps": "forceps", "Needle Holders": "needledriver",
    "Own hands left": "hand", "Own hands right": "hand",
}  # fmt: skip
_SETTINGS: Final[dict[str, tuple[tuple[str, float, float, float, float], ...]]] = {
    # drawing, its middle as fractions of the picture, half length in picture heights, degrees
    "cutting": (
        ("Own hands right", 0.80, 0.78, 0.26, 215.0), ("Own hands left", 0.20, 0.76, 0.26, -35.0),
        ("Electric Cautery", 0.62, 0.58, 0.28, 215.0), ("Forceps", 0.36, 0.58, 0.26, -35.0),
    ),
    "suturing": (
        ("Own hands right", 0.82, 0.74, 0.26, 200.0), ("Own hands left", 0.19, 0.80, 0.26, -40.0),
        ("Needle Holders", 0.64, 0.60, 0.30, 205.0), ("Forceps", 0.34, 0.60, 0.24, -40.0),
    ),
    "tying": (
        ("Own hands right", 0.70, 0.62, 0.32, 205.0), ("Own hands left", 0.30, 0.62, 0.32, -25.0),
    ),
}  # fmt: skip
_PERIODS_S: Final = {"cutting": 3.1, "suturing": 4.3, "tying": 1.9}
_INK: Final = (20, 24, 40)
_WOUND: Final = ((0.20, (150, 38, 40)), (0.15, (176, 30, 32)), (0.08, (120, 14, 20)))

Event = tuple[float, float, str]
"""Start and end in seconds, and label."""


@dataclass(frozen=True, slots=True)
class OpenField:
    """One made-up operation.

    Attributes:
        events: What is done when, in time order; labels without a drawing show the bare wound.
        seed: Seed of the place.
    """

    events: tuple[Event, ...]
    seed: int

    def label_at(self, t_s: float) -> str | None:
        """The label whose time this is."""
        return next((label for start, end, label in self.events if start <= t_s < end), None)

    def placed(self, size: Size, t_s: float) -> list[tuple[str, Pose]]:
        """What is in view, in drawing order."""
        label = self.label_at(t_s) or ""
        width, height = size
        turn = 2 * pi * t_s / _PERIODS_S.get(label, 1.0)
        placed = []
        for order, (name, x, y, half, angle) in enumerate(_SETTINGS.get(label, ())):
            lag = turn - 0.9 * (order % 2)
            pose = Pose(
                (x + 0.035 * sin(lag)) * width, (y + 0.03 * sin(1.3 * lag + order)) * height,
                half * height, angle + 9 * sin(lag),
            )  # fmt: skip
            placed.append((name, pose))
        return placed

    def boxes(self, size: Size, t_s: float) -> list[tuple[str, PixelBox]]:
        """Classes as AVOS names them, with the tight box of each in whole pixels."""
        found = [
            (_CLASSES[name], box_of(name, pose, size)) for name, pose in self.placed(size, t_s)
        ]
        return [(label, box) for label, box in found if box is not None]


class FieldPainter:
    """Draws an operation in one size."""

    def __init__(self, field: OpenField, size: Size) -> None:
        self._field, self._size = field, size
        seed = hash_rank(field.seed, "field") % (1 << 31)
        self._scene = Scene(size, seed, Look.WARD, seed % 5)

    def picture(self, t_s: float) -> Rgb:
        """The field at a time, the label that holds then in small print."""
        width, height = self._size
        frame = self._scene.backdrop(t_s).copy()
        centre = (width // 2, round(height * 0.52))
        for share, colour in _WOUND:
            axes = (round(width * share), round(height * share * 0.8))
            cv2.ellipse(frame, centre, axes, -4, 0, 360, colour, -1, cv2.LINE_AA)
        draw_tools(frame, self._field.placed(self._size, t_s))
        label = self._field.label_at(t_s)
        if label is not None:
            place = (height // 50, height - height // 40)
            cv2.putText(frame, label, place, cv2.FONT_HERSHEY_SIMPLEX, height / 560, _INK, 1)
        return frame

    def pictures(self, times_s: Iterable[float]) -> Iterator[Rgb]:
        """Pictures at times in order; times within one fifth of a second share one array."""
        shown = -1
        picture: Rgb = np.empty((0, 0, 3), np.uint8)
        for t_s in times_s:
            step = int(t_s / PICTURE_S + 1e-9)
            if step != shown:
                shown, picture = step, self.picture(step * PICTURE_S)
            yield picture


def shown_at(t_s: float) -> float:
    """Time that the picture shown at a time was drawn for."""
    return int(t_s / PICTURE_S + 1e-9) * PICTURE_S


def events_of(spans: Sequence[tuple[int, int, str]]) -> tuple[Event, ...]:
    """Whole seconds as events, time before zero left out."""
    return tuple((max(0.0, float(a)), float(b), label) for a, b, label in spans if b > 0)
