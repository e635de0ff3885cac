"""Operations filmed and filmed again: footage with planted copies, to measure who finds them.

Everything about a film follows from its seeds: `theatre` gives the ground and the light, `seed`
the camera's path and the instruments', so that two films may share a theatre and no action.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

RgbArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Film:
    """What is filmed.

    Attributes:
        seed: Seed of camera and instruments.
        theatre: Seed of ground and light.
        seconds: Length.
        rate: Frames per second.
        size_wh: Even width and height in pixels.
        fixed: Whether the camera stands, as over a robot's bench, and only instruments move.
        scope: Whether the picture is an endoscope's circle on black.
        still_s: Seconds from the start in which nothing moves.
    """

    seed: int
    theatre: int
    seconds: float = 60.0
    rate: int = 6
    size_wh: tuple[int, int] = (192, 144)
    fixed: bool = False
    scope: bool = False
    still_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Alteration:
    """What was done to a copy.

    Attributes:
        crop: Shares cut off left, top, right and bottom.
        speed: Seconds of the original per second of the copy.
        start_s: Where in the original the copy begins.
        size_wh: Even size of the copy, or None to keep what the crop leaves.
        bars: Black added above and below, and left and right, as shares of the copy's sides.
        crf: x264's quality.
    """

    crop: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    speed: float = 1.0
    start_s: float = 0.0
    size_wh: tuple[int, int] | None = None
    bars: tuple[float, float] = (0.0, 0.0)
    crf: int = 23


def shoot(film: Film) -> Iterator[RgbArray]:
    """Draw a film, frame by frame."""
    for number in range(round(film.seconds * film.rate)):
        yield draw_moment(film, number / film.rate)


def draw_moment(film: Film, time_s: float) -> RgbArray:
    """Draw what a film shows at a time.

    Args:
        film: The film.
        time_s: Seconds from its start.
    """
    time_s = max(time_s, film.still_s)
    width, height = film.size_wh
    ground = _ground(film.theatre, film.size_wh)
    paths = _paths(film.seed)
    sway = np.zeros(3) if film.fixed else 0.8 * paths.at(time_s)[:3]
    zoom = 1.35 + 0.25 * sway[2]
    center = (width * (1 + 0.45 * sway[0]), height * (1 + 0.45 * sway[1]))
    turn = cv2.getRotationMatrix2D(center, 12.0 * float(sway[2]), zoom)
    turn[:, 2] = turn[:, 2] + np.array([width / 2, height / 2]) - np.array(center)
    rgb = np.asarray(cv2.warpAffine(ground, turn, film.size_wh, flags=cv2.INTER_LINEAR), np.uint8)
    _draw_instruments(rgb, paths.at(time_s))
    if film.scope:
        rgb[_outside_circle(film.size_wh)] = 0
    return rgb


def copy_film(film: Film, change: Alteration) -> Iterator[RgbArray]:
    """Draw an altered copy of a film, at the film's own frame rate."""
    seconds = (film.seconds - change.start_s) / change.speed
    for number in range(int(seconds * film.rate)):
        shown = change.start_s + number / film.rate * change.speed
        # A copy repeats or leaves out frames that were there: it shows no moment in between.
        moment = np.floor(shown * film.rate + 1e-6) / film.rate
        yield _alter(draw_moment(film, float(moment)), change)


def _alter(rgb: RgbArray, change: Alteration) -> RgbArray:
    height, width = rgb.shape[:2]
    left, top, right, bottom = change.crop
    rows = slice(round(top * height), height - round(bottom * height))
    cut = rgb[rows, round(left * width) : width - round(right * width)]
    size_wh = change.size_wh or (cut.shape[1] // 2 * 2, cut.shape[0] // 2 * 2)
    out = np.asarray(cv2.resize(cut, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    above, beside = (round(share * side / 2) for share, side in zip(change.bars, size_wh[::-1],
                     strict=True))  # fmt: skip
    return np.pad(out, ((2 * above, 2 * above), (2 * beside, 2 * beside), (0, 0)))


class _Paths:
    """Smooth random paths: sums of slow sines of seeded speeds and phases."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 11])
        self._speed = rng.uniform(0.04, 0.55, (12, 4))
        self._phase = rng.uniform(0, 2 * np.pi, (12, 4))
        self._share = rng.dirichlet(np.ones(4), 12)

    def at(self, time_s: float) -> npt.NDArray[np.float64]:
        """Twelve values in [-1, 1] at a time."""
        waves = self._share * np.sin(self._speed * time_s + self._phase)
        return np.asarray(waves.sum(axis=1))


_paths_of: dict[int, _Paths] = {}
_ground_of: dict[tuple[int, tuple[int, int]], RgbArray] = {}


def _paths(seed: int) -> _Paths:
    if seed not in _paths_of:
        _paths_of.clear()
        _paths_of[seed] = _Paths(seed)
    return _paths_of[seed]


def _ground(theatre: int, size_wh: tuple[int, int]) -> RgbArray:
    """Soft red and yellow folds, four times a picture's area."""
    key = (theatre, size_wh)
    if key not in _ground_of:
        _ground_of.clear()
        rng = np.random.default_rng([theatre, 7])
        wide = (2 * size_wh[0], 2 * size_wh[1])
        folds = sum(
            cv2.resize(rng.random((cells, cells, 1)), wide, interpolation=cv2.INTER_CUBIC) * weight
            for cells, weight in ((5, 0.5), (13, 0.3), (40, 0.2))
        )
        warm = np.array([[225, 110, 90], [250, 200, 140]])[rng.integers(0, 2)]
        picture = np.clip(folds, 0, 1)[..., None] * warm + rng.uniform(0, 25, 3)
        _ground_of[key] = np.clip(picture, 0, 255).astype(np.uint8)
    return _ground_of[key]


def _draw_instruments(rgb: RgbArray, path: npt.NDArray[np.float64]) -> None:
    height, width = rgb.shape[:2]
    for side, (x, y, lean) in enumerate((path[3:6], path[6:9])):
        tip = (int(width * (0.5 + 0.45 * x)), int(height * (0.5 + 0.45 * y)))
        foot = (int(width * (side + 0.2 * lean)), int(height * 1.05))
        cv2.line(rgb, foot, tip, (150 + 40 * side, 155, 165), max(3, width // 14), cv2.LINE_AA)
        cv2.circle(rgb, tip, max(3, width // 18), (70, 75 + 60 * side, 80), -1, cv2.LINE_AA)


def _outside_circle(size_wh: tuple[int, int]) -> npt.NDArray[np.bool_]:
    width, height = size_wh
    rows, columns = np.mgrid[:height, :width]
    radius = 0.56 * height
    far = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 > radius**2
    return np.asarray(far)
