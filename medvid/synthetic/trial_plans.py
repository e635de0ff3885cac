"""What is made up for JIGSAWS: which trials there are, how they are rated, which gestures when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from converters.gesture_trials import SURGEONS
from schemas.hashing import hash_order, hash_rank

REPETITIONS: Final = 5
LEVELS: Final = {"B": "N", "C": "I", "D": "E", "E": "E", "F": "I", "G": "N", "H": "N", "I": "N"}
"""Hours of practice as surgeons gave them, the same in every task."""

SHORTEST_GESTURE: Final = 11
_ASPECTS: Final = 6
_LEAD: Final = {"B": -0.3, "C": 1.0, "D": 0.1, "E": 0.0, "F": 0.8, "G": -0.2, "H": -0.7, "I": -0.4}
"""How surgeons differ in quality: not as their levels would have it."""


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """Published counts of one task.

    Attributes:
        missing: Trials without rating, transcription and video, e.g. `H002`.
        gestures: Segments by gesture over all trials.
        order: Gestures in the order in which a trial goes round through them.
        frames: Labelled frames of all trials.
        mean_score: Mean of one aspect's scores.
        grs: Lowest and highest sum of the six.
        tail: Longest stretch after the last gesture, in frames.
        repeated: Trials in which a gesture follows itself.
        unlisted: Gestures only one trial shows.
        without_end: Trials that do not end in G11.
    """

    missing: frozenset[str]
    gestures: Mapping[str, int]
    order: tuple[str, ...]
    frames: int
    mean_score: float
    grs: tuple[int, int]
    tail: int
    repeated: Mapping[str, str] = field(default_factory=dict)
    unlisted: Mapping[str, str] = field(default_factory=dict)
    without_end: frozenset[str] = frozenset()

    @property
    def trials(self) -> tuple[str, ...]:
        """Rated trials, e.g. `B001`, in order."""
        return tuple(name for name in ALL_TRIALS if name not in self.missing)


ALL_TRIALS: Final = tuple(
    f"{surgeon}{repetition:03d}" for surgeon in SURGEONS for repetition in range(1, REPETITIONS + 1)
)
_STITCH: Final = ("G1", "G5", "G8", "G2", "G3", "G6", "G9", "G10", "G4")
_KNOT: Final = ("G1", "G12", "G13", "G14", "G15")

PLANS: Final[Mapping[str, TaskPlan]] = {
    "Suturing": TaskPlan(
        missing=frozenset({"H002"}),
        gestures={"G1": 29, "G2": 166, "G3": 164, "G4": 119, "G5": 37, "G6": 163, "G8": 48,
                  "G9": 24, "G10": 4, "G11": 39},
        order=_STITCH, frames=129_166, mean_score=3.19, grs=(8, 30), tail=182,
    ),
    "Knot_Tying": TaskPlan(
        missing=frozenset({"B005", "H001", "H002", "I004"}),
        gestures={"G1": 19, "G11": 36, "G12": 70, "G13": 75, "G14": 98, "G15": 73},
        order=_KNOT, frames=56_012, mean_score=2.40, grs=(6, 22), tail=951,
        repeated={"B001": "G13"},
    ),
    "Needle_Passing": TaskPlan(
        missing=frozenset(
            {"B005", "E002", "F002", "F005", "H001", "H003", "I001"}
            | {f"G00{k}" for k in range(1, 6)}
        ),
        gestures={"G1": 30, "G2": 117, "G3": 111, "G4": 83, "G5": 31, "G6": 112, "G8": 28,
                  "G9": 1, "G10": 1, "G11": 25},
        order=_STITCH, frames=82_000, mean_score=2.38, grs=(7, 24), tail=182,
        repeated={"H002": "G3"}, unlisted={"C005": "G9", "D003": "G10"},
        without_end=frozenset({"D001", "D003", "H004"}),
    ),
}  # fmt: skip

UNFINISHED: Final = ("Needle_Passing", "H004")
GAPPED: Final = ("Knot_Tying", "B004")


@dataclass(frozen=True, slots=True)
class Trial:
    """One made-up trial.

    Attributes:
        task: The task.
        name: Surgeon and repetition, e.g. `B001`.
        level: N, I or E.
        scores: Six aspects, 1 to 5.
        gestures: First and last frame, from 1 and inclusive, and code of each gesture.
        frames: Frames of the left capture.
    """

    task: str
    name: str
    level: str
    scores: tuple[int, ...]
    gestures: tuple[tuple[int, int, str], ...]
    frames: int

    @property
    def trial_id(self) -> str:
        """Trial id as files are named."""
        return f"{self.task}_{self.name}"


def plan_trials(task: str, seed: int, longest: int | None, *, faults: bool) -> list[Trial]:
    """Make up all rated trials of a task.

    Args:
        task: The task.
        seed: Seed of every choice.
        longest: Most frames of a trial, or None for official lengths.
        faults: Plant what is odd about the real transcriptions.
    """
    plan = PLANS[task]
    counts = _spread_gestures(plan, seed, task)
    weights = [1.0 + hash_rank(seed, task, name, "length") / 2**64 for name in plan.trials]
    lengths = _apportion(plan.frames, weights, 0)
    return [
        _plan_trial(plan, task, name, counts[name], length, longest, seed, faults=faults)
        for name, length in zip(plan.trials, lengths, strict=True)
    ]


def _apportion(total: int, weights: Sequence[float], least: int) -> list[int]:
    """Whole numbers of at least `least` in proportion to weights, adding up to the total."""
    share = np.asarray(weights, np.float64) / sum(weights)
    bounds = np.rint(np.cumsum(share) * (total - least * len(weights))).astype(int)
    return [least + int(part) for part in np.diff(bounds, prepend=0)]


def _spread_gestures(plan: TaskPlan, seed: int, task: str) -> dict[str, dict[str, int]]:
    """Segments by gesture of each trial, adding up to the published counts."""
    counts: dict[str, dict[str, int]] = {name: {} for name in plan.trials}
    for code, total in plan.gestures.items():
        fitting = [name for name, only in plan.unlisted.items() if only == code]
        if not fitting:
            fitting = [n for n in plan.trials if code != "G11" or n not in plan.without_end]
        each, rest = divmod(total, len(fitting))
        lucky = set(hash_order(fitting, seed, task, code)[:rest])
        for name in fitting:
            counts[name][code] = each + (name in lucky)
    return counts


def _sequence(plan: TaskPlan, counts: Mapping[str, int], name: str, *, faults: bool) -> list[str]:
    """Gestures of a trial in order; the first that goes round may be repeated."""
    left = {code: counts.get(code, 0) for code in plan.order}
    codes: list[str] = []
    while any(left.values()):
        for code in plan.order:
            if left[code]:
                left[code] -= 1
                codes.append(code)
    repeated = plan.repeated.get(name)
    if faults and repeated is not None:
        last = len(codes) - 1 - codes[::-1].index(repeated)
        codes.insert(codes.index(repeated), codes.pop(last))
    return codes + ["G11"] * counts.get("G11", 0)


def _plan_trial(
    plan: TaskPlan,
    task: str,
    name: str,
    counts: Mapping[str, int],
    length: int,
    longest: int | None,
    seed: int,
    *,
    faults: bool,
) -> Trial:
    random = np.random.Generator(np.random.PCG64([seed, len(task), hash_rank(seed, task, name)]))
    head, tail = int(random.integers(0, 193)), int(random.integers(20, plan.tail))
    if longest is not None and head + length + tail > longest:
        head, tail = min(head, 12), min(tail, 20)
        length = min(length, longest - head - tail)
    codes = _sequence(plan, counts, name, faults=faults)
    weights = random.lognormal(0.0, 0.5, len(codes))
    if faults and (task, name) == UNFINISHED:
        weights[-1] = 3 * weights[:-1].sum()
    spans = _apportion(length, weights.tolist(), SHORTEST_GESTURE)
    ends = head + np.cumsum(spans)
    gestures = [
        (int(end) - span + 1, int(end), code)
        for end, span, code in zip(ends, spans, codes, strict=True)
    ]
    if faults and (task, name) == GAPPED:
        start, end, code = gestures[-1]
        gestures[-1] = (start + tail // 2, end + tail // 2, code)
    level = LEVELS[name[0]]
    scores = _rate(plan, name, random)
    return Trial(task, name, level, scores, tuple(gestures), head + length + tail)


def _rate(plan: TaskPlan, name: str, random: np.random.Generator) -> tuple[int, ...]:
    """Six scores about the task's mean, their sum within the published range."""
    quality = plan.mean_score + 1.2 * _LEAD[name[0]] + random.normal(0, 0.5)
    scores = np.clip(np.rint(quality + random.normal(0, 0.9, _ASPECTS)), 1, 5).astype(int)
    low, high = plan.grs
    for place in random.permutation(_ASPECTS).tolist() * 4:
        if not low <= int(scores.sum()) <= high:
            step = 1 if int(scores.sum()) < low else -1
            scores[place] = min(5, max(1, int(scores[place]) + step))
    return tuple(int(score) for score in scores)
