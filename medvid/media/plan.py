"""Which packets to decode for a set of wanted frames: pure arithmetic on a packet table."""

from dataclasses import dataclass

import numpy as np

from medvid.media.probe import NO_TIME, PacketTable
from schemas.timeline import IntArray


@dataclass(frozen=True, slots=True)
class Run:
    """Packets fed to a fresh decoder one after another.

    Attributes:
        first: Place of the first packet, a key frame, in decode order.
        last: Place of the last packet, inclusive.
        wanted: Times of the frames wanted from the run, in display order.
    """

    first: int
    last: int
    wanted: tuple[int, ...]

    def __len__(self) -> int:
        return self.last - self.first + 1


def plan_runs(packets: PacketTable, wanted_pts: IntArray) -> list[Run]:
    """Plan the shortest runs that decode the wanted frames exactly.

    A run starts at the key frame that opens the wanted frame's group of pictures. A picture shown
    before its own key frame (open GOP) also refers to the group before, so its run starts there.
    Runs that touch or overlap are one.

    Args:
        packets: All packets of the stream.
        wanted_pts: Times of displayed frames, sorted, strictly increasing, at least one.

    Returns:
        Runs in decode order, disjoint.
    """
    place = _places(packets, wanted_pts)
    start = _starts(packets, place)
    order = np.lexsort((place, start))
    runs: list[Run] = []
    for first, last, pts in zip(
        start[order].tolist(), place[order].tolist(), wanted_pts[order].tolist(), strict=True
    ):
        if runs and first <= runs[-1].last + 1:
            before = runs.pop()
            first, last = before.first, max(before.last, last)
            runs.append(Run(first, last, tuple(sorted((*before.wanted, pts)))))
        else:
            runs.append(Run(first, last, (pts,)))
    return runs


def _places(packets: PacketTable, wanted_pts: IntArray) -> IntArray:
    """Places of the wanted frames' packets in decode order."""
    shown = np.flatnonzero(packets.shown)
    by_time = shown[np.argsort(packets.pts[shown], kind="stable")]
    places: IntArray = by_time[np.searchsorted(packets.pts[by_time], wanted_pts)]
    return places


def _starts(packets: PacketTable, place: IntArray) -> IntArray:
    """Places to start decoding from, one for each wanted packet."""
    keys = np.flatnonzero(packets.key & (packets.pts != NO_TIME))
    if keys.size == 0:
        return np.zeros_like(place)
    group = np.searchsorted(keys, place, side="right") - 1
    leads = packets.pts[place] < packets.pts[keys[np.maximum(group, 0)]]
    group = group - leads
    return np.where(group >= 0, keys[np.maximum(group, 0)], 0)
