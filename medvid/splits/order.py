"""The order whose every beginning is as balanced as it can be."""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.hashing import hash_rank

FAIRNESS: Final = ("task", "source", "label", "video_id")
"""Levels of balance over a whole release, the first the most important."""

WITHIN_SOURCE: Final = ("source", "task", "label", "video_id")
"""Levels of balance within each source."""

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
    turn = number_within(parts[-1], _break_ties(turns, train["sample_id"]))
    for depth in reversed(range(1, len(levels))):
        turn = number_within(parts[depth - 1], turn, places[depth])
    return pl.Series("row", np.lexsort((places[0], turn)).astype(np.uint32))


def number_within(group: npt.NDArray[np.generic], *keys: npt.NDArray[np.generic]) -> Ints:
    """Number the rows of each group from 0 in the order of some keys, shape (n,).

    Rows that no key tells apart keep the order they are given in.

    Args:
        group: Group of each row, shape (n,).
        keys: Keys of each row, the first the most important, each of shape (n,).
    """
    order = np.lexsort((*reversed(keys), group))
    sorted_group = group[order]
    starts = np.flatnonzero(np.r_[True, sorted_group[1:] != sorted_group[:-1]])
    lengths = np.diff(np.r_[starts, len(order)])
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    return numbers


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
    outer = np.zeros(len(frame), dtype=np.int64)
    for depth, level in enumerate(levels):
        names, codes = codes_of(frame[level])
        _, first, part = np.unique(
            outer * len(names) + codes, return_index=True, return_inverse=True
        )
        own = frame.select(levels[: depth + 1])[first.tolist()]
        ranks = np.array([hash_rank(seed, "part", *row) for row in own.iter_rows()], np.uint64)
        place = np.empty(len(ranks), dtype=np.int64)
        place[np.argsort(ranks, kind="stable")] = np.arange(len(ranks))
        parts.append(part)
        places.append(place[part])
        outer = part
    return parts, places


def _break_ties(turns: Ranks, sample_ids: pl.Series) -> npt.NDArray[np.generic]:
    """The same order with equal hashes told apart by id: one in a million releases needs it."""
    if len(np.unique(turns)) == len(turns):
        return turns
    by_id = sample_ids.arg_sort().to_numpy()
    place = np.empty(len(turns), dtype=np.int64)
    place[by_id[np.argsort(turns[by_id], kind="stable")]] = np.arange(len(turns))
    return place
