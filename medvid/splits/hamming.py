"""Find near pairs among millions of 64-bit hashes, by multi-index search."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from schemas.timeline import IntArray

HashArray = npt.NDArray[np.uint64]

EXACT_RADIUS = 4
"""Bits up to which every pair is found, crowded groups aside: six parts, two of them intact."""

COMMON_BITS = 2
"""Bits within which a picture counts as seen again: what encoding changes, less than what moves
under a fixed camera."""

_PARTS = (11, 11, 11, 11, 10, 10)
_WINDOW = 32
"""Neighbours compared within a group of hashes that share two parts. Fuller groups hold pictures
seen over and over, which say nothing of two videos; the bound keeps the search linear."""

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of near hashes.

    Attributes:
        first: Place of one hash, int64, (m,).
        second: Place of the other, greater, int64, (m,).
        distance: Bits in which they differ, uint8, (m,).
    """

    first: IntArray
    second: IntArray
    distance: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return int(self.first.size)

    def take(self, kept: npt.NDArray[np.bool_]) -> "NearPairs":
        """Those pairs alone."""
        return NearPairs(self.first[kept], self.second[kept], self.distance[kept])


def hamming(a: HashArray, b: HashArray) -> npt.NDArray[np.uint8]:
    """Bits in which hashes differ, element by element."""
    return np.asarray(np.bitwise_count(a ^ b), dtype=np.uint8)


def near_pairs(
    hashes: HashArray, owner: npt.NDArray[np.int32], *, radius: int, most_owners: int
) -> tuple[NearPairs, npt.NDArray[np.bool_]]:
    """Find near hashes of different owners, and hashes that too many owners share.

    Every pair of up to `EXACT_RADIUS` bits is found, since four changed bits leave two of six parts
    intact; of random pairs at 5, 6, 7 and 8 bits, 89, 72, 52 and 37 %. Hashes with over 32 others
    in one group of equal parts are compared to the 32 next in order.

    Args:
        hashes: (n,).
        owner: Number of the video of each, from 0, (n,).
        radius: Most bits of a pair.
        most_owners: Owners that may hold a hash, to within `COMMON_BITS`, its own included;
            a hash of more is in no pair.

    Returns:
        The pairs, sorted, and which hashes have too many owners, bool, (n,).
    """
    owners = int(owner.max()) + 1 if owner.size else 0
    common = np.zeros(hashes.size, dtype=np.bool_)
    found: list[NearPairs] = []
    for order in _orders(hashes, common):
        pairs = _dedupe(list(_pairs_in_order(hashes, owner, order, radius)), hashes.size)
        common |= _is_common(pairs, owner, owners, most_owners)
        found.append(pairs.take(~(common[pairs.first] | common[pairs.second])))
    pairs = _dedupe(found, hashes.size)
    common |= _is_common(pairs, owner, owners, most_owners)
    return pairs.take(~(common[pairs.first] | common[pairs.second])), common


def _orders(
    hashes: HashArray, common: npt.NDArray[np.bool_]
) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]]]:
    """Places of hashes sorted by two parts and then by the rest, with the two parts' value."""
    for chosen in combinations(range(len(_PARTS)), 2):
        yield _sort_by(chosen, hashes, np.flatnonzero(~common).astype(np.int32))


def _sort_by(
    chosen: tuple[int, int], hashes: HashArray, places: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]]:
    shifts = np.cumsum((0, *_PARTS[:-1])).tolist()
    key = np.zeros(places.size, dtype=np.uint64)
    for part in (*chosen, *(part for part in range(len(_PARTS)) if part not in chosen)):
        key <<= np.uint64(_PARTS[part])
        bits = hashes[places]
        bits >>= np.uint64(shifts[part])
        bits &= np.uint64((1 << _PARTS[part]) - 1)
        key |= bits
    del bits
    by_key = np.argsort(key, kind="stable")
    key >>= np.uint64(64 - _PARTS[chosen[0]] - _PARTS[chosen[1]])
    return places[by_key], key.astype(np.uint32)[by_key]


def _pairs_in_order(
    hashes: HashArray,
    owner: npt.NDArray[np.int32],
    order: tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]],
    radius: int,
) -> Iterator[NearPairs]:
    places, group = order
    for start in range(0, places.size, _BLOCK):
        end = min(places.size, start + _BLOCK + _WINDOW)
        own = places[start:end]
        values, who, where = hashes[own], owner[own], group[start:end]
        for step in range(1, min(_WINDOW, own.size - 1) + 1):
            size = min(_BLOCK, own.size - step)
            together = np.flatnonzero(where[:size] == where[step : step + size])
            if not together.size:
                break
            distance = hamming(values[together], values[together + step])
            near = (distance <= radius) & (who[together] != who[together + step])
            met = together[near]
            a, b = own[met].astype(np.int64), own[met + step].astype(np.int64)
            yield NearPairs(np.minimum(a, b), np.maximum(a, b), distance[near])


def _dedupe(found: list[NearPairs], count: int) -> NearPairs:
    if not found:
        nothing = np.zeros(0, dtype=np.int64)
        return NearPairs(nothing, nothing, nothing.astype(np.uint8))
    key = np.concatenate([pairs.first * count + pairs.second for pairs in found])
    distance = np.concatenate([pairs.distance for pairs in found])
    key, at = np.unique(key, return_index=True)
    return NearPairs(key // count, key % count, distance[at])


def _is_common(
    pairs: NearPairs, owner: npt.NDArray[np.int32], owners: int, most_owners: int
) -> npt.NDArray[np.bool_]:
    """Which hashes more than so many owners share, as far as these pairs tell."""
    near = pairs.take(pairs.distance <= COMMON_BITS)
    place = np.concatenate([near.first, near.second])
    other = owner[np.concatenate([near.second, near.first])]
    met = np.unique(place * owners + other) // owners if owners else place
    return np.bincount(met, minlength=owner.size) >= most_owners
