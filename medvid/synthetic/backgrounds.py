"""Pictures behind the instruments: tissue that differs by patient and phase, or a bedside."""

from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class Look(StrEnum):
    """What kind of place a scene shows."""

    LAPAROSCOPY = "laparoscopy"
    WARD = "ward"


_TISSUES = (
    # low, middle, high colour of fat and peritoneum; organ colour; how much the organ fills
    ((92, 30, 24), (186, 96, 70), (236, 176, 108), (112, 42, 38), 0.30),
    ((120, 36, 22), (206, 122, 62), (244, 204, 120), (150, 96, 74), 0.42),
    ((132, 28, 30), (204, 84, 62), (240, 164, 96), (128, 110, 78), 0.46),
    ((70, 18, 20), (132, 48, 42), (196, 112, 84), (88, 34, 32), 0.62),
    ((84, 40, 28), (168, 104, 60), (228, 180, 104), (104, 46, 36), 0.40),
    ((64, 8, 12), (142, 30, 32), (198, 82, 66), (96, 30, 30), 0.52),
    ((110, 58, 48), (190, 116, 98), (232, 180, 150), (148, 74, 64), 0.28),
)

_GALLBLADDER_IN_VIEW = frozenset({0, 1, 2, 3, 4})


def paint_background(size_wh: tuple[int, int], seed: int, look: Look, variant: int) -> Bytes:
    """Paint a picture larger than the view, to be scrolled under it.

    Args:
        size_wh: Width and height in pixels.
        seed: Seed of every shape; another seed is another patient.
        look: Kind of place.
        variant: Phase or step; each has its own colours and arrangement.

    Returns:
        RGB, uint8, shape (height, width, 3).
    """
    random = np.random.Generator(np.random.PCG64([seed, variant, len(look.value)]))
    if look is Look.WARD:
        return _paint_ward(size_wh, random, variant)
    return _paint_tissue(size_wh, random, variant)


def _noise(
    size_wh: tuple[int, int], random: np.random.Generator, cells: int, octaves: int
) -> Floats:
    width, height = size_wh
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for _ in range(octaves):
        rows = max(2, round(cells * height / width))
        grid = random.random((rows + 3, cells + 3), np.float32)
        total += weight * cv2.resize(grid, size_wh, interpolation=cv2.INTER_CUBIC)
        weight *= 0.55
        cells *= 2
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def _ramp(values: Floats, colours: tuple[tuple[int, int, int], ...]) -> Floats:
    stops = np.linspace(0.0, 1.0, len(colours), dtype=np.float32)
    index = np.arange(256, dtype=np.float32) / 255
    channels = [np.interp(index, stops, [c[k] for c in colours]) for k in range(3)]
    table = np.stack(channels, axis=-1).astype(np.float32)
    return np.asarray(table[np.clip(values * 255, 0, 255).astype(np.uint8)], np.float32)


def _feather(mask: Bytes, sigma_px: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma_px), np.float32) / np.float32(255)


def _lobe(size_wh: tuple[int, int], random: np.random.Generator, share: float) -> Floats:
    """Soft mask of an organ that hangs in from one upper corner."""
    width, height = size_wh
    right = bool(random.integers(2))
    angles = np.linspace(0, 2 * np.pi, 60)
    bumps = (
        1
        + 0.12 * np.sin(3 * angles + random.uniform(0, 6))
        + 0.06 * np.sin(5 * angles + random.uniform(0, 6))
    )
    x = width * (0.78 if right else 0.22) + width * (0.25 + share * 0.55) * bumps * np.cos(angles)
    y = height * 0.08 + height * (0.2 + share) * bumps * np.sin(angles)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.stack((x, y), 1).astype(np.int32)], (255,))
    return _feather(mask, width / 160)


def _sac(size_wh: tuple[int, int], random: np.random.Generator) -> tuple[Floats, Floats]:
    """Mask and brightness of a gallbladder-like pouch."""
    width, height = size_wh
    mask = np.zeros((height, width), np.uint8)
    centre = (int(width * random.uniform(0.4, 0.6)), int(height * random.uniform(0.28, 0.42)))
    axes = (int(width * random.uniform(0.14, 0.2)), int(height * random.uniform(0.13, 0.18)))
    tilt = float(random.uniform(-50, 50))
    cv2.ellipse(mask, centre, axes, tilt, 0, 360, (255,), -1, cv2.LINE_AA)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    dome = np.sqrt(np.clip(distance / max(float(distance.max()), 1.0), 0, 1))
    return _feather(mask, 2.0), np.asarray(dome, np.float32)


def _vessels(canvas: Bytes, random: np.random.Generator, count: int) -> None:
    height, width = canvas.shape[:2]
    for _ in range(count):
        heading = random.uniform(0, 2 * np.pi)
        turns = heading + np.cumsum(random.normal(0, 0.28, 40))
        steps = np.stack((np.cos(turns), np.sin(turns)), 1) * width / 90
        start = random.uniform((0, 0), (width, height))
        points = (start + np.cumsum(steps, 0)).astype(np.int32)
        shade = (int(random.integers(110, 150)), int(random.integers(14, 34)), 28)
        thickness = 1 + int(random.integers(3) == 0)
        cv2.polylines(canvas, [points], isClosed=False, color=shade, thickness=thickness,
                      lineType=cv2.LINE_AA)  # fmt: skip


def _blend(under: Floats, over: npt.NDArray[np.floating], mask: Floats) -> Floats:
    weight = mask[..., None]
    return np.asarray(under * (1 - weight) + over * weight, np.float32)


def _paint_tissue(size_wh: tuple[int, int], random: np.random.Generator, variant: int) -> Bytes:
    low, middle, high, organ, share = _TISSUES[variant % len(_TISSUES)]
    # Soft shapes are painted small and enlarged; only vessels need every pixel.
    small = (max(64, min(size_wh[0] // 2, 480)), 0)
    small = (small[0], max(36, round(small[0] * size_wh[1] / size_wh[0])))
    coarse = _noise(small, random, 6, 4)
    fine = _noise(small, random, 40, 2)
    picture = _ramp(0.75 * coarse + 0.25 * fine, (low, middle, high))
    liver = _lobe(small, random, share)
    shade = (0.72 + 0.45 * coarse + 0.12 * fine)[..., None]
    picture = _blend(picture, np.asarray(organ, np.float32) * shade, liver)
    sac, dome = _sac(small, random)
    if variant % len(_TISSUES) in _GALLBLADDER_IN_VIEW:
        hue = np.asarray((148, 156, 122), np.float32) + random.uniform(-18, 18, 3)
        picture = _blend(picture, hue * (0.5 + 0.62 * dome[..., None]), sac * np.float32(0.94))
    relief = cv2.GaussianBlur(coarse + 0.5 * dome * sac, (0, 0), 1.5)
    slope = np.asarray(cv2.Sobel(relief, cv2.CV_32F, 1, 1), np.float32)
    glints = np.clip((slope - np.quantile(slope, 0.993)) * 500, 0, 190)
    picture += np.asarray((1.0, 0.9, 0.78), np.float32) * glints[..., None]
    canvas = np.clip(picture, 0, 255).astype(np.uint8)
    enlarged = np.asarray(cv2.resize(canvas, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)
    _vessels(enlarged, random, 26)
    return enlarged


_LINEN = ((196, 212, 214), (206, 200, 184), (184, 204, 188), (214, 206, 206), (190, 198, 220))
_SKIN = ((226, 178, 146), (198, 144, 110), (150, 100, 72), (240, 198, 170))


def _paint_ward(size_wh: tuple[int, int], random: np.random.Generator, variant: int) -> Bytes:
    width, height = size_wh
    folds = _noise(size_wh, random, 5, 4)
    linen = np.asarray(_LINEN[variant % len(_LINEN)], np.float32)
    picture = linen * (0.78 + 0.3 * folds[..., None])
    arm = np.zeros((height, width), np.uint8)
    rise = int(height * random.uniform(-0.16, 0.16))
    start, end = (-20, height // 2 + rise), (int(width * 0.86), height // 2 - rise)
    cv2.line(arm, start, end, (255,), int(height * 0.27), cv2.LINE_AA)
    depth = np.asarray(cv2.distanceTransform(arm, cv2.DIST_L2, 3), np.float32)
    round_arm = np.sqrt(np.clip(depth / (height * 0.13), 0, 1))
    skin = np.asarray(_SKIN[int(random.integers(len(_SKIN)))], np.float32)
    mask = _feather(arm, 2.0)
    picture = _blend(picture, skin * (0.6 + 0.42 * round_arm[..., None]), mask)
    canvas = np.clip(picture, 0, 255).astype(np.uint8)
    left = int(width * (0.56 + 0.04 * (variant % 5)))
    tray = (left, int(height * 0.06), left + int(width * 0.26), int(height * 0.26))
    cv2.rectangle(canvas, tray[:2], tray[2:], (158, 164, 170), -1)
    cv2.rectangle(canvas, tray[:2], tray[2:], (104, 110, 118), max(2, height // 120))
    for item in range(3 + variant % 3):
        x = tray[0] + (item + 1) * (tray[2] - tray[0]) // 7
        cv2.line(canvas, (x, tray[1] + 8), (x, tray[3] - 8), (214, 216, 220), 3, cv2.LINE_AA)
    return canvas
