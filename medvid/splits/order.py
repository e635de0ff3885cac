"""The order whose every beginning is as balanced as it can be."""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.hashing import hash_rank

TURN: Final = "turn"
"""Column of a pool that holds `hash_turns` of its pairs."""

FAIRNESS: Final = ("task", "source", "label", "video_id")
"""Levels of balance over a whole release, the first the most important."""

WITHIN_SOURCE: Final = ("source", "task", "label", "video_id")
"""Levels of balance within each source."""

_WORD_BITS: Final = 63
_MOST_FLAGS: Final = 1 << 24
"""Distinct numbers are found by a table of flags up to here, by sorting beyond."""

Ints = npt.NDArray[np.int64]
Ranks = npt.NDArray[np.uint64]


def hash_turns(sample_ids: Sequence[str], seed: int) -> Ranks:
    """`hash_rank(seed, "sample", sample_id)` of many ids, shape (n,)."""
    prefix, blake2b = f"{seed}\x1fsample\x1f", hashlib.blake2b
    digests = b"".join(
        [blake2b(f"{prefix}{name}".encode(), digest_size=8).digest() for name in sample_ids]
    )
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def order_fairly(
    train: pl.DataFrame, seed: int, levels: Sequence[str] = FAIRNESS, turns: Ranks | None = None
) -> pl.Series:
    """Order pairs so that every beginning of the order is as balanced as it can be.

    The first n pairs are, for each n, the max-min fair choice over tasks, within each task over
    sources, within each source over labels, within each label over videos: no part can have one
    pair more unless a part that has no more than it loses one. It is the order of dealing in
    turn: level by level from the innermost, the parts of a group give their k-th pairs before any
    gives its next. Ties are broken by hash, so that one more video displaces no more pairs than
    it brings in.

    Args:
        train: `sample_id` and the columns of `levels`, without nulls; the order of its rows does
            not matter.
        seed: Seed of every hash.
        levels: Columns of text to balance over, the first the most important.
        turns: `hash_turns` of the rows, where it is known already, shape (n,).

    Returns:
        Row numbers of `train`.
    """
    if train.is_empty():
        return pl.Series("row", [], pl.UInt32)
    if turns is None:
        turns = hash_turns(train["sample_id"].to_list(), seed)
    parts, places = _number_parts(train, seed, levels)
    turn = number_within(parts[-1], _rank_turns(turns, train["sample_id"]))
    for depth in reversed(range(1, len(levels))):
        turn = number_within(parts[depth - 1], turn, places[depth])
    return pl.Series("row", _sorted_rows(turn, places[0]).astype(np.uint32))


def number_within(group: Ints, *keys: Ints) -> Ints:
    """Number the rows of each group from 0 in the order of some keys, shape (n,).

    Rows that no key tells apart keep the order they are given in.

    Args:
        group: Group of each row, at least 0, shape (n,).
        keys: Keys of each row, at least 0, the first the most important, each of shape (n,).
    """
    order = _sorted_rows(group, *keys)
    sorted_group = group[order]
    starts = np.flatnonzero(np.r_[True, sorted_group[1:] != sorted_group[:-1]])
    lengths = np.diff(np.r_[starts, len(order)])
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    return numbers


def _sorted_rows(*keys: Ints) -> npt.NDArray[np.intp]:
    """Rows in the order of keys, the first the most important; equal ones as they stand.

    Keys are small numbers that mostly fit into one, and one is sorted in half the time.
    """
    widths = [int(key.max(initial=0)).bit_length() for key in keys]
    if sum(widths) > _WORD_BITS:
        rows: npt.NDArray[np.intp] = np.lexsort(tuple(reversed(keys)))
        return rows
    packed = keys[0].copy()
    for key, width in zip(keys[1:], widths[1:], strict=True):
        packed <<= width
        packed |= key
    return np.argsort(packed, kind="stable")


def codes_of(column: pl.Series) -> tuple[list[str], Ints]:
    """Distinct texts in alphabetical order, and the position of each row's, shape (n,)."""
    names = column.unique().sort()
    codes = column.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64)
    return names.to_list(), codes


def _number_parts(
    frame: pl.DataFrame, seed: int, levels: Sequence[str]
) -> tuple[list[Ints], list[Ints]]:
    """Part of each row by level, and the part's place in hash order, each of shape (n,)."""
    parts: list[Ints] = []
    places: list[Ints] = []
    outer: Ints = np.zeros(len(frame), dtype=np.int64)
    for depth, level in enumerate(levels):
        names, codes = codes_of(frame[level])
        part, first = _number_distinct(outer * len(names) + codes)
        own = frame.select(levels[: depth + 1])[first.tolist()]
        ranks = np.array([hash_rank(seed, "part", *row) for row in own.iter_rows()], np.uint64)
        place = np.empty(len(ranks), dtype=np.int64)
        place[np.argsort(ranks, kind="stable")] = np.arange(len(ranks))
        parts.append(part)
        places.append(place[part])
        outer = part
    return parts, places


def _number_distinct(codes: Ints) -> tuple[Ints, Ints]:
    """Place of each row's code among the distinct ones, shape (n,), and a row of each of them."""
    highest = int(codes.max(initial=0))
    if highest > _MOST_FLAGS:
        _, first, part = np.unique(codes, return_index=True, return_inverse=True)
        return part, first
    place = np.zeros(highest + 1, dtype=np.int64)
    place[codes] = 1
    np.cumsum(place, out=place)
    part = place[codes] - 1
    row = np.empty(int(place[-1]), dtype=np.int64)
    row[part] = np.arange(len(codes))
    return part, row


def _rank_turns(turns: Ranks, sample_ids: pl.Series) -> Ints:
    """Place of each row by its hash; equal hashes, which one in a million releases has, by id."""
    order = np.argsort(turns, kind="stable")
    ranked = turns[order]
    if np.any(ranked[1:] == ranked[:-1]):
        by_id = sample_ids.arg_sort().to_numpy()
        order = by_id[np.argsort(turns[by_id], kind="stable")]
    place = np.empty(len(turns), dtype=np.int64)
    place[order] = np.arange(len(turns))
    return place
