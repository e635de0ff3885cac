"""Painter of moving scenes: a pure function of time, with boxes that are true by construction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import atan2, degrees, hypot, pi, sin

import cv2
import numpy as np
import numpy.typing as npt

from medvid.synthetic.backgrounds import Look, paint_background
from medvid.synthetic.effects import Effect, draw_before, draw_behind
from medvid.synthetic.instruments import (
    ANGLE_STEP,
    OPENINGS,
    Sprite,
    hull_of,
    shaft_of,
    sprite_of,
)  # fmt: skip

Rgb = npt.NDArray[np.uint8]
"""A picture: uint8, shape (height, width, 3), red first, contiguous."""

PixelBox = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels, half-open."""

DrawnPose = tuple[str, int, int, int]
"""Arguments of `sprite_of`: label, length in pixels, angle step, opening."""

_MARGIN = 0.08
_SLIDE_S = 0.6
_DRIFT_S = 110.0
_GLEAM = 40
_TEXT_PER_PX = 0.4 / 480
_FULL_TURN = 360 // ANGLE_STEP


@dataclass(frozen=True, slots=True)
class Motion:
    """How a tip moves: it slides in along its shaft, sways about a point, slides out.

    Coordinates are fractions of image width and height.

    Attributes:
        centre_xy: The point it sways about.
        entry_xy: Where its shaft comes from; outside the image.
        sway_xy: Amplitudes.
        period_s: Seconds of one sway.
        phase: Where in the sway it is at time zero, in turns.
        spans_s: Times at which it is in view, half-open; None for always.
        work_s: Seconds from one opening of the jaws to the next.
    """

    centre_xy: tuple[float, float]
    entry_xy: tuple[float, float]
    sway_xy: tuple[float, float] = (0.04, 0.05)
    period_s: float = 7.0
    phase: float = 0.0
    spans_s: tuple[tuple[float, float], ...] | None = None
    work_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Actor:
    """An instrument or a hand.

    Attributes:
        label: Class, one of `medvid.synthetic.instruments.COLOURS`.
        track: Name of this very object, unique in its scene.
        motion: How it moves.
        size: Length of its tip as a share of image height.
    """

    label: str
    track: str
    motion: Motion
    size: float = 0.28


@dataclass(slots=True)
class Scene:
    """A place seen by a slowly drifting camera.

    Attributes:
        resolution_wh: Width and height of the pictures in pixels.
        seed: Seed of the place; the same patient has the same seed.
        look: Kind of place.
        variant: Phase or step, which changes colours and arrangement.
    """

    resolution_wh: tuple[int, int]
    seed: int
    look: Look = Look.LAPAROSCOPY
    variant: int = 0
    _shown: tuple[int, int] | None = field(default=None, init=False, repr=False)
    _view: Rgb | None = field(default=None, init=False, repr=False)

    def backdrop(self, t_s: float) -> Rgb:
        """The place without actors; the same array is returned until the camera moves."""
        width, height = self.resolution_wh
        margin_xy = (int(width * _MARGIN), int(height * _MARGIN))
        turn = 2 * pi * (t_s / _DRIFT_S + (self.seed % 97) / 97)
        offset = (
            round(margin_xy[0] * (1 + 0.9 * sin(turn))),
            round(margin_xy[1] * (1 + 0.9 * sin(0.7 * turn + 1.0))),
        )
        if self._view is None or offset != self._shown:
            x, y = offset
            place = _place(self.resolution_wh, self.seed, self.look, self.variant)
            view = place[y : y + height, x : x + width]
            light = _light(self.resolution_wh, self.look)
            # Two bits less of texture cost no eye anything and halve every PNG.
            self._view = np.asarray(cv2.multiply(view, light, scale=1 / 255), np.uint8) & np.uint8(
                0xFC
            )
            self._shown = offset
        return self._view


@lru_cache(maxsize=16)
def _place(resolution_wh: tuple[int, int], seed: int, look: Look, variant: int) -> Rgb:
    width, height = resolution_wh
    size = (width + 2 * int(width * _MARGIN), height + 2 * int(height * _MARGIN))
    return paint_background(size, seed, look, variant)


@lru_cache(maxsize=8)
def _light(resolution_wh: tuple[int, int], look: Look) -> Rgb:
    """Brightness of each pixel out of 255: an endoscope's light fades and its corners are black."""
    width, height = resolution_wh
    if look is Look.WARD:
        return np.full((height, width, 3), 255, np.uint8)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = np.hypot((x - width / 2) / (width * 0.53), (y - height / 2) / (width * 0.53))
    fade = np.clip(1.08 - 0.55 * radius**2, 0, 1) * 255
    fade[radius > 1] = 0
    return np.repeat(fade.astype(np.uint8)[..., None], 3, axis=2)


@lru_cache(maxsize=8)
def _corners(resolution_wh: tuple[int, int]) -> tuple[tuple[slice, slice, Rgb], ...]:
    """Rows, columns and mask of the four corners that the endoscope does not light."""
    lit = _light(resolution_wh, Look.LAPAROSCOPY)[..., 0] > 0
    height, width = lit.shape
    rows = int(np.argmax(lit[:, 0])) + 1 if lit[:, 0].any() else height // 2
    columns = int(np.argmax(lit[0])) + 1 if lit[0].any() else width // 2
    places = (
        np.s_[a:b, c:d]
        for a, b in ((0, rows), (height - rows, height))
        for c, d in ((0, columns), (width - columns, width))
    )
    mask = np.repeat(np.where(lit, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    return tuple((r, c, np.ascontiguousarray(mask[r, c])) for r, c in places)


def _close_corners(frame: Rgb) -> None:
    for rows, columns, mask in _corners((frame.shape[1], frame.shape[0])):
        frame[rows, columns] &= mask


def _presence(motion: Motion, t_s: float) -> float | None:
    """How far an actor is in, 0 to 1, or None while it is away."""
    if motion.spans_s is None:
        return 1.0
    for start, end in motion.spans_s:
        if start <= t_s < end:
            inside = min(t_s - start, end - t_s) / _SLIDE_S
            return min(1.0, 0.45 + 0.55 * inside)
    return None


def _pose(
    actor: Actor, resolution_wh: tuple[int, int], t_s: float
) -> tuple[tuple[int, int], DrawnPose, tuple[float, float]] | None:
    """Working point in pixels, drawn pose and direction of an actor, None while it is away."""
    motion = actor.motion
    presence = _presence(motion, t_s)
    if presence is None:
        return None
    width, height = resolution_wh
    turn = 2 * pi * (t_s / motion.period_s + motion.phase)
    rest_x = (motion.centre_xy[0] + motion.sway_xy[0] * sin(turn)) * width
    rest_y = (motion.centre_xy[1] + motion.sway_xy[1] * sin(1.6 * turn + 0.8)) * height
    entry_x, entry_y = motion.entry_xy[0] * width, motion.entry_xy[1] * height
    point = (
        round(entry_x + presence * (rest_x - entry_x)),
        round(entry_y + presence * (rest_y - entry_y)),
    )
    dx, dy = rest_x - entry_x, rest_y - entry_y
    length = max(1.0, hypot(dx, dy))
    angle_step = round(degrees(atan2(dy, dx)) / ANGLE_STEP) % _FULL_TURN
    opening = round(
        (OPENINGS - 1) * (0.5 + 0.5 * sin(2 * pi * (t_s / motion.work_s + motion.phase)))
    )
    drawn = (actor.label, max(8, round(actor.size * height)), angle_step, opening)
    return point, drawn, (dx / length, dy / length)


def boxes_at(
    resolution_wh: tuple[int, int], actors: Sequence[Actor], t_s: float
) -> dict[str, PixelBox]:
    """Boxes of the actors in view, without drawing.

    Args:
        resolution_wh: Width and height of the picture in pixels.
        actors: Who may be in view.
        t_s: Time of the picture.

    Returns:
        By track, the tight box of the tip as drawn. A box may run past the image edge where the
        tip does; tips of which nothing is in the image are left out.
    """
    width, height = resolution_wh
    boxes: dict[str, PixelBox] = {}
    for actor in actors:
        pose = _pose(actor, resolution_wh, t_s)
        if pose is None:
            continue
        (x, y), drawn, _ = pose
        left, top, right, bottom = hull_of(*drawn)
        box = (x + left, y + top, x + right, y + bottom)
        if box[0] < width and box[1] < height and box[2] > 0 and box[3] > 0:
            boxes[actor.track] = box
    return boxes


def clip_box(box: PixelBox, resolution_wh: tuple[int, int]) -> PixelBox:
    """Cut a box of `boxes_at` to the image."""
    width, height = resolution_wh
    return max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3])


def render(
    scene: Scene,
    actors: Sequence[Actor],
    t_s: float,
    *,
    effects: frozenset[Effect] = frozenset(),
    overlay: str | None = None,
) -> tuple[Rgb, dict[str, PixelBox]]:
    """Draw a picture.

    Args:
        scene: The place.
        actors: Who may be in view; later ones lie on top.
        t_s: Time of the picture.
        effects: What clouds the view.
        overlay: Small text in the lower left corner.

    Returns:
        The picture, a new array, and the boxes of `boxes_at`.
    """
    frame = scene.backdrop(t_s).copy()
    draw_behind(frame, effects)
    poses = [(actor, _pose(actor, scene.resolution_wh, t_s)) for actor in actors]
    for actor, pose in poses:
        if pose is not None:
            _draw_shaft(frame, actor, pose[0], pose[2])
    for _, pose in poses:
        if pose is not None:
            _draw_tip(frame, pose[0], sprite_of(*pose[1]))
    draw_before(frame, effects)
    if scene.look is Look.LAPAROSCOPY:
        _close_corners(frame)
    if overlay:
        height = scene.resolution_wh[1]
        place, size = (height // 60, height - height // 60), height * _TEXT_PER_PX
        cv2.putText(frame, overlay, place, cv2.FONT_HERSHEY_SIMPLEX, size, (235, 235, 235), 1)
    return frame, boxes_at(scene.resolution_wh, actors, t_s)


def _draw_shaft(
    frame: Rgb, actor: Actor, point: tuple[int, int], direction: tuple[float, float]
) -> None:
    shaft = shaft_of(actor.label)
    if shaft is None:
        return
    colour, half_share = shaft
    length = max(8, round(actor.size * frame.shape[0]))
    half = half_share * length
    # The sprite's own angle is rounded; the shaft follows the true one, a degree apart at most.
    ux, uy = direction
    reach = 2.0 * (frame.shape[0] + frame.shape[1])
    near = (point[0] - ux * length * 0.97, point[1] - uy * length * 0.97)
    far = (near[0] - ux * reach, near[1] - uy * reach)
    side = (-uy * half, ux * half)
    corners = [
        (near[0] + side[0], near[1] + side[1]), (near[0] - side[0], near[1] - side[1]),
        (far[0] - side[0], far[1] - side[1]), (far[0] + side[0], far[1] + side[1]),
    ]  # fmt: skip
    placed = np.asarray(np.rint(np.asarray(corners) * 16), np.int32)
    cv2.fillConvexPoly(frame, placed, colour, cv2.LINE_AA, 4)
    gleam = tuple(min(255, c + _GLEAM) for c in colour)
    ends = [(p[0] - side[0] * 0.45, p[1] - side[1] * 0.45) for p in (near, far)]
    a, b = (tuple(round(v * 16) for v in p) for p in ends)
    cv2.line(frame, a, b, gleam, max(1, int(half * 0.28)), cv2.LINE_AA, 4)


def _draw_tip(frame: Rgb, point: tuple[int, int], sprite: Sprite) -> None:
    height, width = frame.shape[:2]
    left, top = point[0] + sprite.offset_xy[0], point[1] + sprite.offset_xy[1]
    rows, columns = sprite.paint.shape[:2]
    x1, y1 = max(0, left), max(0, top)
    x2, y2 = min(width, left + columns), min(height, top + rows)
    if x1 >= x2 or y1 >= y2:
        return
    cut = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    spot = frame[y1:y2, x1:x2]
    dimmed = cv2.multiply(spot, sprite.veil[cut], scale=1 / 255)
    frame[y1:y2, x1:x2] = cv2.add(dimmed, sprite.paint[cut])


def black_frame(resolution_wh: tuple[int, int]) -> Rgb:
    """An out-of-body frame as the Cholec datasets ship it: every pixel (0, 0, 0)."""
    return np.zeros((resolution_wh[1], resolution_wh[0], 3), np.uint8)
