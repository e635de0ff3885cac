"""Pictures of a bench exercise with two robotic needle drivers, seen by either endoscope eye."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import pi, sin
from typing import Final

import cv2
import numpy as np

from converters.gesture_trials import FPS
from medvid.synthetic.backgrounds import Look
from medvid.synthetic.drawing import Actor, Motion, Rgb, Scene, boxes_at, render

DRAWN_WH: Final = (320, 240)
DRAWN_EVERY: Final = 5
"""A picture is shown for this many frames, or until the gesture changes: six a second at 30 Hz."""

_LEFT_HAND: Final = frozenset({"G4", "G6", "G10", "G12", "G13", "G15"})
_RIGHT_HAND: Final = frozenset({"G1", "G2", "G3", "G5", "G7", "G8", "G9", "G11", "G14", "G15"})
_NEEDLE_HELD: Final = frozenset({"G2", "G3", "G4", "G5", "G8"})
_PARALLAX: Final = 0.012
_PAD: Final = {"Suturing": (214, 160, 138), "Knot_Tying": (196, 186, 160),
               "Needle_Passing": (172, 190, 196)}  # fmt: skip
_THREAD, _NEEDLE, _MARK, _INK = (60, 46, 120), (232, 236, 240), (96, 40, 44), (24, 28, 40)

Events = Sequence[tuple[float, float, str]]


class Bench:
    """One exercise.

    Args:
        task: Which of the three exercises.
        events: Start and end in seconds and code of each gesture, in time order.
        quality: 0 (worst) to 1: a poor operator's instruments sway wide and fast.
        seed: Seed of the place.
    """

    def __init__(self, task: str, events: Events, quality: float, seed: int) -> None:
        self._task, self._events, self._seed = task, events, seed
        self._sway = 0.05 + 0.09 * (1 - quality)
        self._period = 3.0 + 4.0 * quality

    def pictures(self, resolution_wh: tuple[int, int], frames: int, capture: int) -> Iterator[Rgb]:
        """Yield the frames of one eye; a picture shown several times is one array.

        Args:
            resolution_wh: Width and height in pixels.
            frames: Number of frames at 30 Hz.
            capture: 1 for the left eye, 2 for the right.
        """
        scene = _Model(DRAWN_WH, self._seed, Look.WARD, 0)
        scene.task, scene.shift = self._task, -_PARALLAX if capture == 2 else 0.0
        picture: Rgb = np.empty((0, 0, 3), np.uint8)
        shown: str | None = None
        for frame in range(frames):
            gesture = self.gesture_at(frame / FPS)
            if frame % DRAWN_EVERY == 0 or gesture != shown:
                picture, shown = self._draw(scene, frame / FPS, gesture), gesture
                if resolution_wh != DRAWN_WH:
                    enlarged = cv2.resize(picture, resolution_wh, interpolation=cv2.INTER_LINEAR)
                    picture = np.asarray(enlarged, np.uint8)
            yield picture

    def gesture_at(self, t_s: float) -> str | None:
        """Code of the gesture under way, None between gestures."""
        return next((code for start, end, code in self._events if start <= t_s < end), None)

    def _draw(self, scene: "_Model", t_s: float, gesture: str | None) -> Rgb:
        actors = self._actors(gesture, scene.shift)
        tips = boxes_at(DRAWN_WH, actors, t_s)
        picture = render(scene, actors, t_s)[0]
        text = f"{self._task.replace('_', ' ')} {gesture or '-'}"
        cv2.putText(picture, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, _INK, 1, cv2.LINE_AA)
        left, right = ((box[0] + box[2]) // 2 for box in (tips["left"], tips["right"]))
        level = (tips["right"][1] + tips["right"][3]) // 2
        held = left if gesture in _LEFT_HAND else right
        middle = (DRAWN_WH[0] // 2, round(DRAWN_WH[1] * 0.56))
        cv2.line(picture, middle, (held, level), _THREAD, 1, cv2.LINE_AA)
        if gesture in _NEEDLE_HELD:
            turn = round(60 * sin(pi * t_s / 2))
            cv2.ellipse(picture, (held, level + 8), (13, 13), turn, 180, 360, _NEEDLE, 2)
        return picture

    def _actors(self, gesture: str | None, shift: float) -> list[Actor]:
        """Both needle drivers; the hand that works sways, the other rests."""
        swaying = {
            "left": self._sway if gesture in _LEFT_HAND else 0.01,
            "right": self._sway if gesture in _RIGHT_HAND else 0.01,
        }
        places = {"left": ((0.36, 0.5), (-0.1, 1.05)), "right": ((0.64, 0.5), (1.1, 1.05))}
        return [
            Actor(
                "grasper", hand,
                Motion(
                    (places[hand][0][0] + shift, places[hand][0][1]), places[hand][1],
                    sway_xy=(amount, amount), period_s=self._period, phase=0.3 * (hand == "left"),
                    work_s=2.0,
                ),
                0.2,
            )
            for hand, amount in swaying.items()
        ]  # fmt: skip


@dataclass(slots=True)
class _Model(Scene):
    """A table with the training model of a task on it, shifted by a share of the width."""

    task: str = ""
    shift: float = 0.0

    def backdrop(self, t_s: float) -> Rgb:
        place = Scene.backdrop(self, t_s)
        pad, room = _paint_pad(self.task, self.shift)
        return np.asarray(cv2.add(cv2.bitwise_and(place, room), pad), np.uint8)


@lru_cache(maxsize=8)
def _paint_pad(task: str, shift: float) -> tuple[Rgb, Rgb]:
    """Paint the training model on black, and the mask that makes room for it (255 keeps)."""
    width, height = DRAWN_WH
    pad = np.zeros((height, width, 3), np.uint8)
    x = round(shift * width)
    corners = ((round(width * 0.06) + x, round(height * 0.2)),
               (round(width * 0.94) + x, round(height * 0.95)))  # fmt: skip
    cv2.rectangle(pad, *corners, _PAD[task], -1)
    cv2.rectangle(pad, *corners, tuple(c - 60 for c in _PAD[task]), 2)
    middle = (corners[0][1] + corners[1][1]) // 2
    for place in range(4):
        at = corners[0][0] + 40 + place * (corners[1][0] - corners[0][0] - 80) // 3
        if task == "Needle_Passing":
            cv2.circle(pad, (at, middle), 12, _MARK, 2, cv2.LINE_AA)
        elif task == "Suturing":
            for side in (-14, 14):
                cv2.circle(pad, (at, middle + side), 3, _MARK, -1, cv2.LINE_AA)
    if task != "Needle_Passing":
        ends = ((corners[0][0] + 20, middle), (corners[1][0] - 20, middle))
        cv2.line(pad, *ends, _MARK, 2 if task == "Suturing" else 9, cv2.LINE_AA)
    mask = np.where(pad.any(axis=2, keepdims=True), 0, 255).astype(np.uint8)
    return pad, np.repeat(mask, 3, axis=2)
