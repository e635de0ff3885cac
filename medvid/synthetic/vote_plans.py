"""What a made-up AVOS tree says: videos, rows of votes, windows, with the published counts."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np

from schemas.hashing import hash_rank

ACTIONS: Final = ("cutting", "tying", "suturing")
WINDOW_S: Final = 5
ROWS_BY_LABEL: Final = {
    "background": 3272, "cutting": 1706, "suturing": 1119, "tying": 1077, "abstain": 178,
}  # fmt: skip
VIDEOS: Final = 330
"""Videos with rows in the smoothed table."""

WINDOWS: Final = 33_562
"""Different windows; 64 more stand in the table twice."""

OFFICIAL_FAULTS: Final = {
    "negative_start": 6, "double_window": 64, "leftover": 4, "unlabelled": 4, "listed_only": 9,
}  # fmt: skip
"""Videos (windows for `double_window`) with each fault, beside the chains and the cut id."""

TEST_SHARE: Final = 55 / 343
SMALLEST: Final = 5
"""Labelled videos of the smallest set, each with something of its own to show."""

_SECONDS: Final[Mapping[str, tuple[int, ...]]] = {
    "background": (3, 3, 3, 4, 6, 20, 60, 100, 615), "cutting": (1, 5, 5, 10, 21, 47, 85, 123, 625),
    "suturing": (1, 5, 5, 6, 12, 20, 35, 49, 210), "tying": (2, 5, 5, 6, 10, 15, 25, 30, 96),
    "abstain": (5, 5, 5, 5, 10, 20, 45, 60, 345),
}  # fmt: skip
_SHARES: Final = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
_ROWS_A_VIDEO: Final = (2, 4, 5, 9, 17, 29, 44, 59, 118)
_VOTES: Final[Mapping[str, Mapping[tuple[str, str, str], int]]] = {
    # labeler 1, 2, 3
    "background": {
        ("background", "background", ""): 1445, ("", "", ""): 1207,
        ("background", "cutting", "background"): 254, ("background", "tying", "background"): 167,
        ("background", "suturing", "background"): 66, ("cutting", "none", ""): 133,
    },
    "cutting": {
        ("background", "cutting", "cutting"): 773, ("cutting", "cutting", ""): 764,
        ("cutting", "", ""): 139, ("suturing", "cutting", ""): 30,
    },
    "tying": {
        ("background", "tying", "tying"): 442, ("tying", "tying", ""): 377,
        ("suturing", "tying", ""): 184, ("tying", "", ""): 74,
    },
    "suturing": {
        ("background", "suturing", "suturing"): 452, ("suturing", "suturing", ""): 519,
        ("suturing", "", ""): 121, ("tying", "suturing", ""): 27,
    },
    "abstain": {("background", "cutting", "abstain"): 160, ("suturing", "abstain", ""): 18},
}  # fmt: skip
_PATTERNS: Final[tuple[tuple[tuple[str, int], ...], ...]] = (
    (("background", 2), ("cutting", 5), ("background", 3), ("suturing", 4), ("tying", 3),
     ("background", 2), ("cutting", 3)),
    (("tying", 3), ("cutting", 5), ("background", 2), ("suturing", 6), ("tying", 4)),
    (("cutting", 5), ("background", 2), ("suturing", 5), ("abstain", 2), ("tying", 3),
     ("suturing", 5)),
    (("cutting", 6), ("background", 2), ("cutting", 5), ("tying", 3), ("suturing", 4)),
    (("suturing", 2), ("background", 1), ("suturing", 2)),
)  # fmt: skip
"""Labels and shares of the time of the smallest set's videos."""

_LENGTHS_S: Final = (100, 80, 70, 60, 60)

T = TypeVar("T")


@dataclass(slots=True)
class Row:
    """One row of votes; whole seconds, half-open."""

    start: int
    end: int
    label: str
    votes: tuple[str, str, str]


@dataclass(slots=True)
class VideoPlan:
    """What the files say of one made-up video.

    Attributes:
        youtube_id: Eleven characters.
        length_s: True length in seconds.
        stated_s: Length by the table of videos, 0 where unknown; None where not in it.
        rows: Rows of the smoothed table.
        windows: Rows of the window table.
        split: List that names it.
        list_id: What that list calls it.
    """

    youtube_id: str
    length_s: int
    stated_s: int | None
    rows: list[Row] = field(default_factory=list)
    windows: list[Row] = field(default_factory=list)
    split: str = "train"
    list_id: str = ""


def youtube_id(seed: int, number: int) -> str:
    """Eleven characters; the first begins with `-`, the second holds `_`, the third is cut."""
    attempt = 0
    while True:
        digest = hashlib.sha256(f"avos {seed} {number} {attempt}".encode()).digest()[:8]
        name = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        wanted = {0: name[0] == "-", 1: "_" in name, 2: name[8] == "-" and "-" not in name[:8]}
        if wanted.get(number, name[0] != "-"):
            return name
        attempt += 1


def plan_videos(
    scale: float, seed: int, max_seconds: int | None, *, faults: bool
) -> list[VideoPlan]:
    """Plan all videos that any file names, the smallest set first."""
    random = np.random.Generator(np.random.PCG64([seed, 15]))
    count = max(SMALLEST, round(VIDEOS * scale))
    plans = _plan_smallest(seed, max_seconds, random)
    if count > SMALLEST:
        labels = _deal_labels(_rest_of(plans, count), random)
        plans += _plan_rest(labels, count - SMALLEST, seed, max_seconds, random)
    touched = _plant_overlaps(plans, count, seed) if faults else []
    leftovers = _choose_leftovers(plans, count, touched) if faults else []
    if max_seconds is None and count > SMALLEST:
        fixed = {plan.youtube_id for plan in (*plans[:SMALLEST], *touched, *leftovers)}
        windowed = [plan for plan in plans if plan not in leftovers]
        _fit_windows(windowed, fixed, round(WINDOWS * count / VIDEOS))
    for plan in plans:
        if plan in leftovers:
            plan.stated_s = 0
        else:
            plan.windows = [window for row in plan.rows for window in _chop(row)]
    if faults:
        _double_windows(plans, count, seed)
        plans += _plan_unlabelled(count, seed)
    _assign_splits(plans, seed, faults=faults)
    return plans


def _share(official: int, count: int) -> int:
    return max(1, round(official * count / VIDEOS))


def _plan_smallest(
    seed: int, max_seconds: int | None, random: np.random.Generator
) -> list[VideoPlan]:
    plans = []
    for number, pattern in enumerate(_PATTERNS):
        length = min(_LENGTHS_S[number], max_seconds or 1000)
        weight = sum(share for _, share in pattern)
        plan = VideoPlan(youtube_id(seed, number), length, length)
        at = 0
        for label, share in pattern:
            end = at + max(5, (length - 2) * share // weight)
            plan.rows.append(Row(at, min(end, length - 2), label, _votes(label, random)))
            at = end
        plans.append(plan)
    return plans


def _votes(label: str, random: np.random.Generator) -> tuple[str, str, str]:
    options = [*_VOTES[label]]
    weights = np.array([*_VOTES[label].values()], float)
    return options[int(random.choice(len(options), p=weights / weights.sum()))]


def _rest_of(plans: Sequence[VideoPlan], count: int) -> Counter[str]:
    """Rows by label that are left for the other videos, ten being made by overlaps later."""
    share = count / VIDEOS
    rest = Counter({label: round(n * share) for label, n in ROWS_BY_LABEL.items()})
    rest.subtract(row.label for plan in plans for row in plan.rows)
    rest.subtract({label: round(n * share) for label, n in _MADE_BY_OVERLAPS.items()})
    return Counter({label: max(0, n) for label, n in rest.items()})


_MADE_BY_OVERLAPS: Final = {"cutting": 8, "tying": 1, "suturing": 1}


def _deal_labels(rest: Counter[str], random: np.random.Generator) -> list[str]:
    """All labels in one row: equal actions apart, background between others as it comes."""
    events = [label for label in (*ACTIONS, "abstain") for _ in range(rest[label])]
    events = [events[place] for place in random.permutation(len(events))]
    between = [int(a == b) for a, b in pairwise(events)] + [0]
    spare = max(0, rest["background"] - sum(between))
    free = [place for place, taken in enumerate(between) if not taken]
    for place in random.permutation(len(free))[:spare]:
        between[free[place]] += 1
    for place in random.integers(0, max(1, len(between)), max(0, spare - len(free))):
        between[place] += 1
    dealt = []
    for event, gaps in zip(events, between, strict=True):
        dealt += [event, *["background"] * gaps]
    return dealt


def _plan_rest(
    labels: list[str],
    count: int,
    seed: int,
    max_seconds: int | None,
    random: np.random.Generator,
) -> list[VideoPlan]:
    sizes = np.interp((np.arange(count) + 0.5) / count, _SHARES, _ROWS_A_VIDEO)
    cuts = np.rint(np.cumsum(random.permutation(sizes)) * len(labels) / sizes.sum()).astype(int)
    plans = []
    for number, (first, last) in enumerate(zip([0, *cuts[:-1]], cuts, strict=True), SMALLEST):
        plan = VideoPlan(youtube_id(seed, number), 0, 0)
        at = 0
        for label in labels[first:last]:
            seconds = round(float(np.interp(random.random(), _SHARES, _SECONDS[label])))
            votes = _votes(label, random)
            if any(votes) and seconds > WINDOW_S and random.random() < 0.6:
                seconds -= seconds % WINDOW_S
            if max_seconds is not None and at + seconds > max_seconds - 2:
                break
            plan.rows.append(Row(at, at + seconds, label, votes))
            at += seconds
        plan.length_s = plan.stated_s = at + int(random.integers(2, 7))
        plans.append(plan)
    return plans


def _chop(row: Row) -> list[Row]:
    """Whole windows of a row; a hole that was filled, which has no vote, has none."""
    if not any(row.votes):
        return []
    starts = range(row.start, row.end - WINDOW_S + 1, WINDOW_S)
    return [Row(start, start + WINDOW_S, row.label, row.votes) for start in starts]


def _fit_windows(plans: Sequence[VideoPlan], fixed: set[str], target: int) -> None:
    """Lengthen or shorten long rows by whole windows until there are as many as there should be."""
    rows = [
        row
        for plan in plans
        if plan.youtube_id not in fixed
        for row in plan.rows
        if any(row.votes) and row.end - row.start >= 4 * WINDOW_S
    ]
    missing = target - sum(len(_chop(row)) for plan in plans for row in plan.rows)
    stretch: Counter[int] = Counter()
    for turn in range(abs(missing) if rows else 0):
        stretch[id(rows[turn % len(rows)])] += WINDOW_S if missing > 0 else -WINDOW_S
    for plan in plans:
        if plan.youtube_id in fixed or not plan.rows:
            continue
        tail, at = plan.length_s - plan.rows[-1].end, 0
        for row in plan.rows:
            length = max(1, row.end - row.start + stretch[id(row)])
            row.start, row.end = at, at + length
            at += length
        plan.length_s = plan.stated_s = at + tail


def _plant_overlaps(plans: Sequence[VideoPlan], count: int, seed: int) -> list[VideoPlan]:
    """Start some videos before zero, and cut rows of one video into overlapping ones."""
    chained = plans[3]
    for label_row in [row for row in chained.rows if row.label == "cutting"]:
        place, middle = chained.rows.index(label_row), (label_row.start + label_row.end) // 2
        parts = ((label_row.start, middle), (middle - 1, middle + 2), (middle, label_row.end))
        chained.rows[place : place + 1] = [
            Row(start, end, label_row.label, label_row.votes) for start, end in parts
        ]
    touched = [plans[1], chained]
    _start_before_zero(plans[1])
    wanted = ["cutting", "suturing", "cutting", "cutting", "cutting"]
    ranked = sorted(plans[SMALLEST:], key=lambda plan: hash_rank(seed, "early", plan.youtube_id))
    for label in wanted[: _share(OFFICIAL_FAULTS["negative_start"], count) - 1]:
        plan = next(
            (p for p in ranked if p not in touched and p.rows and p.rows[0].label == label
             and p.rows[0].end >= 2 * WINDOW_S),
            None,
        )  # fmt: skip
        if plan is not None:
            _start_before_zero(plan)
            touched.append(plan)
    return touched


def _start_before_zero(plan: VideoPlan) -> None:
    first = plan.rows[0]
    early = 2 if first.label == "tying" else 1
    window = Row(-early, WINDOW_S - early, first.label, first.votes)
    plan.rows[:1] = [window, Row(window.end - 1, first.end, first.label, first.votes)]


def _choose_leftovers(
    plans: Sequence[VideoPlan], count: int, touched: Sequence[VideoPlan]
) -> list[VideoPlan]:
    """Videos that are in the smoothed table alone: the fifth and those of fewest rows."""
    others = [plan for plan in plans[SMALLEST:] if plan not in touched]
    others.sort(key=lambda plan: (len(plan.rows), plan.youtube_id))
    return [plans[4], *others[: _share(OFFICIAL_FAULTS["leftover"], count) - 1]]


def _double_windows(plans: Sequence[VideoPlan], count: int, seed: int) -> None:
    windows = [(plan, window) for plan in plans for window in plan.windows]
    windows.sort(key=lambda pair: hash_rank(seed, "twice", pair[0].youtube_id, pair[1].start))
    first = (plans[3], plans[3].windows[0])
    doubled = [first, *(pair for pair in windows if pair[1] is not first[1])]
    for plan, window in doubled[: _share(OFFICIAL_FAULTS["double_window"], count)]:
        plan.windows.insert(plan.windows.index(window), window)


def _plan_unlabelled(count: int, seed: int) -> list[VideoPlan]:
    """Videos without rows: some in the table of videos, some in the test list alone."""
    unlabelled = _share(OFFICIAL_FAULTS["unlabelled"], count)
    listed = _share(OFFICIAL_FAULTS["listed_only"], count)
    return [
        VideoPlan(
            youtube_id(seed, 10_000 + i), 300, 0 if i < unlabelled else None,
            split="train" if i < unlabelled - 1 or (unlabelled == 1 and i == 0) else "test",
        )
        for i in range(unlabelled + listed)
    ]  # fmt: skip


def _assign_splits(plans: Sequence[VideoPlan], seed: int, *, faults: bool) -> None:
    """Share videos out to the lists, and cut one id in the test list at its dash."""
    plans[2].split = "test"
    rows = [plan for plan in plans if plan.rows and plan is not plans[2]]
    rows.sort(key=lambda plan: hash_rank(seed, "split", plan.youtube_id))
    wanted = round(TEST_SHARE * len(plans)) - sum(plan.split == "test" for plan in plans)
    for plan in rows[: max(0, wanted)]:
        plan.split = "test"
    for plan in plans:
        plan.list_id = plan.youtube_id
    if faults:
        plans[2].list_id = plans[2].youtube_id[:8]
