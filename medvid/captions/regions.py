"""Choose boxed objects and intervals that a clip can be asked about."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from medvid.captions.tracks import ObjectKey, ObjectTracks
from schemas.clip import Clip
from schemas.hashing import hash_rank

_ODD: Final = 0x9E3779B97F4A7C15
_MASK: Final = (1 << 64) - 1

COVERAGE_NUM: Final = 4
COVERAGE_DEN: Final = 5
"""An interval needs a box of its object on four fifths of its sampled frames."""


@dataclass(frozen=True, slots=True)
class Region:
    """An object over an interval of sampled frames.

    Attributes:
        key: The object.
        ticks: Sampled frames of the interval; the first has a box of it.
    """

    key: ObjectKey
    ticks: tuple[int, ...]

    @property
    def start(self) -> int:
        """Tick of the box frame."""
        return self.ticks[0]

    @property
    def end(self) -> int:
        """First tick after the last sampled frame."""
        return self.ticks[-1] + 1

    @property
    def subject(self) -> str:
        """What the caption is about."""
        return f"{self.key.name}:{self.start}:{self.end}"


class RegionLimits(NamedTuple):
    """How long intervals are, first to last sampled frame in ticks, and how many a clip has."""

    shortest: int
    longest: int
    most: int
    seed: int


def find_regions(
    objects: ObjectTracks, clip: Clip, clip_id: str, limits: RegionLimits, drops: Counter[str]
) -> list[Region]:
    """Pick regions of a clip, spread over its objects.

    Each object's visible time is cut into intervals of hash-chosen length that do not overlap;
    objects then take turns in hash order, and each gives its intervals in hash order.

    Args:
        objects: The video's boxed objects.
        clip: The clip.
        clip_id: Its id.
        limits: Lengths and number.
        drops: Gets `region_ambiguous` (boxes without a track, two of a label on a frame, counted
            per box), `region_too_short` (an object without any interval), `region_over_cap` (an
            object for which no place was left) and `region_same_subject` (an interval of a track
            number that two classes share).

    Returns:
        At most `limits.most` regions by start, label and subject.
    """
    held = _place_boxes(objects, clip, drops)
    ranked = sorted(
        (hash_rank(limits.seed, clip_id, "region", key.label, key.track), key) for key in held
    )
    waiting: list[Sequence[Region]] = []
    chosen: dict[tuple[str, int, int], Region] = {}
    for position, (rank, key) in enumerate(ranked):
        if len(chosen) == limits.most:
            drops["region_over_cap"] += len(ranked) - position
            break
        found = sorted(_cut(clip, key, held[key], limits, rank), key=partial(_turn, rank))
        if found:
            _choose(found[0], chosen, drops)
            waiting.append(found)
        else:
            drops["region_too_short"] += 1
    for region in _in_turns(waiting):
        if len(chosen) < limits.most:
            _choose(region, chosen, drops)
    return sorted(chosen.values(), key=lambda region: (region.start, region.key))


def _in_turns(groups: Sequence[Sequence[Region]]) -> Iterator[Region]:
    """What follows the first of each group: every second, then every third, and so on."""
    for turn in range(1, max(map(len, groups), default=0)):
        for group in groups:
            if turn < len(group):
                yield group[turn]


def _choose(
    region: Region, chosen: dict[tuple[str, int, int], Region], drops: Counter[str]
) -> None:
    """Take a region unless a caption of the same subject is taken already."""
    subject = (region.key.name, region.start, region.end)
    if subject in chosen:
        drops["region_same_subject"] += 1
    else:
        chosen[subject] = region


def _turn(rank: int, region: Region) -> int:
    return _mixed(rank, region.start)


def _mixed(rank: int, number: int) -> int:
    """Mix a small number into a hash, for the many choices that one object needs."""
    mixed = ((rank ^ number) * _ODD) & _MASK
    return ((mixed ^ (mixed >> 29)) * _ODD) & _MASK


def _place_boxes(
    objects: ObjectTracks, clip: Clip, drops: Counter[str]
) -> dict[ObjectKey, list[int]]:
    """Positions among the sampled frames on which each object has a box."""
    found: dict[ObjectKey, list[int]] = defaultdict(list)
    at, ambiguous = objects.objects_at, objects.ambiguous_at
    if not at:
        return found
    for position, tick in enumerate(clip.frame_tick):
        for key in at.get(tick, ()):
            found[key].append(position)
        if tick in ambiguous:
            drops["region_ambiguous"] += ambiguous[tick]
    return found


def _cut(
    clip: Clip, key: ObjectKey, held: Sequence[int], limits: RegionLimits, rank: int
) -> list[Region]:
    """Cut an object's time into intervals that hold enough of its boxes."""
    ticks = clip.frame_tick
    found: list[Region] = []
    index = 0
    while index < len(held) - 1:
        start = held[index]
        share = _mixed(rank, start) >> 54
        wanted = limits.shortest + (limits.longest - limits.shortest) * share // 1023
        stop = _last_position(ticks, held, index, wanted, limits)
        if stop is None:
            index += 1
            continue
        found.append(Region(key, ticks[start : stop + 1]))
        index = bisect_right(held, stop)
    return found


def _last_position(
    ticks: Sequence[int], held: Sequence[int], index: int, wanted: int, limits: RegionLimits
) -> int | None:
    """Last sampled frame of an interval that starts at `held[index]`; None where none fits.

    The latest frame within the wanted length with boxes on four fifths of the way, not shorter
    than the least length; one step at least, and where one step is already too long, that step.
    """
    start = held[index]
    least = max(start + 1, bisect_left(ticks, ticks[start] + limits.shortest))
    if least == len(ticks) or (least > start + 1 and ticks[least] - ticks[start] > limits.longest):
        return None
    last = max(least, bisect_right(ticks, ticks[start] + wanted) - 1)
    for stop in range(last, least - 1, -1):
        inside = bisect_right(held, stop) - index
        if inside >= 2 and inside * COVERAGE_DEN >= COVERAGE_NUM * (stop - start + 1):
            return stop
    return None
