"""What clouds a laparoscopic view: drawn as CholecTrack20 flags it, so that flags are true."""

from enum import StrEnum
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]


class Effect(StrEnum):
    """A disturbance, named by CholecTrack20's flag for it."""

    BLEEDING = "bleeding"
    SMOKE = "smoke"
    BLURRED = "blurred"
    UNDERCOVERAGE = "undercoverage"
    REFLECTION = "reflection"
    STAINED_LENS = "stainedlens"


def draw_behind(frame: Rgb, effects: frozenset[Effect]) -> None:
    """Draw in place what lies behind the instruments: blood, glare, the rim of a trocar."""
    height, width = frame.shape[:2]
    if Effect.BLEEDING in effects:
        pool = (round(width * 0.47), round(height * 0.62))
        for share, shade in ((0.13, (126, 8, 12)), (0.10, (156, 12, 16)), (0.05, (182, 26, 26))):
            axes = (round(width * share), round(height * share * 0.8))
            cv2.ellipse(frame, pool, axes, 12, 0, 360, shade, -1, cv2.LINE_AA)
    if Effect.REFLECTION in effects:
        for x, y, share in ((0.3, 0.24, 0.05), (0.36, 0.2, 0.025), (0.74, 0.7, 0.035)):
            spot = (round(width * x), round(height * y))
            axes = (round(width * share), round(width * share * 0.4))
            cv2.ellipse(frame, spot, axes, -20, 0, 360, (255, 246, 226), -1, cv2.LINE_AA)
    if Effect.UNDERCOVERAGE in effects:
        centre = (round(width * 0.52), height // 2)
        thick = round(width * 0.16)
        cv2.circle(frame, centre, round(width * 0.5), (118, 120, 124), thick, cv2.LINE_AA)
        cv2.circle(frame, centre, round(width * 0.42), (58, 60, 64), thick // 12 + 1, cv2.LINE_AA)


def draw_before(frame: Rgb, effects: frozenset[Effect]) -> None:
    """Draw in place what lies before the instruments: smoke, blur, dirt on the lens."""
    if Effect.SMOKE in effects:
        cv2.convertScaleAbs(frame, dst=frame, alpha=0.72, beta=54)
    if Effect.BLURRED in effects:
        side = max(3, frame.shape[1] // 140) | 1
        cv2.blur(frame, (side, side), dst=frame)
    if Effect.STAINED_LENS in effects:
        height, width = frame.shape[:2]
        smudge = _smudge(max(16, height // 5))
        side = smudge.shape[0]
        for x, y in ((0.14, 0.16), (0.74, 0.08), (0.2, 0.72)):
            top, left = int(height * y), int(width * x)
            spot = frame[top : top + side, left : left + side]
            cut = smudge[: spot.shape[0], : spot.shape[1]]
            frame[top : top + side, left : left + side] = cv2.multiply(spot, cut, scale=1 / 255)


@lru_cache(maxsize=4)
def _smudge(side_px: int) -> Rgb:
    y, x = np.mgrid[-1 : 1 : side_px * 1j, -1 : 1 : side_px * 1j]
    dark = np.clip(1 - np.hypot(x, y * 1.3) ** 1.5, 0, 1)
    return np.repeat((255 - 190 * dark).astype(np.uint8)[..., None], 3, axis=2)
