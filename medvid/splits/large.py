"""Draw `large` from the pool: test by task first, then what each source's quota has room for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from medvid.splits.order import (
    WITHIN_SOURCE,
    Ints,
    Ranks,
    codes_of,
    number_within,
    order_fairly,
)
from medvid.splits.quotas import UNBOUNDED, Quota, closest_table, fit_cells, source_quotas
from medvid.splits.settings import Split, SplitSettings

HELD_OUT: Final = "held_out"
"""Why an unused pair of a test identity is left out: it may not train either."""

OVER_QUOTA: Final = "over_quota"
"""Why a pair is left out whose source has filled its quota."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LargeDraw:
    """Which pairs are in `large`.

    Attributes:
        kept: Whether each pair is, shape (n,).
        unused: Why a pair of a test identity is not.
        origin: Where the quotas come from.
        sources: Quota by source; empty without quotas.
        tests: Test pairs by task; empty where none were asked for.
    """

    kept: Mask
    unused: str
    origin: Literal["none", "published", "given"]
    sources: dict[str, Quota]
    tests: dict[str, Quota]


def draw_large(
    frame: pl.DataFrame, turns: Ranks, sources: Sequence[str], settings: SplitSettings
) -> LargeDraw:
    """Draw test by task, then fill each source's quota with its pairs of train and val.

    Test comes first: its pairs are drawn by task, fair over sources, labels and videos, and count
    towards the quota of their source. Where a source would have to give more test pairs than its
    whole quota, others give them in its stead, as far as they can. The rest of each quota goes to
    train and val together, in the fair order over tasks, labels and videos of the source, so that
    a source that has more than its quota loses what it has most of.

    With quotas and no counts for test, test keeps its natural share of each quota.

    Args:
        frame: The pool with a column `split`.
        turns: `hash_turns` of its rows.
        sources: Sources of the build.
        settings: Sizes, quotas, counts, seed.

    Raises:
        SplitError: A size is asked for and a source has no quota.
    """
    quotas, origin = source_quotas(settings, sources)
    is_test = (frame["split"] == Split.TEST.value).to_numpy()
    names, source_of = codes_of(frame["source"])
    caps = np.array(
        [UNBOUNDED if quotas is None else quotas.get(name, UNBOUNDED) for name in names]
    )
    kept, tests = _draw_test(frame, turns, is_test, (source_of, caps), settings)
    tested = np.bincount(source_of[kept], minlength=len(names))
    free = np.bincount(source_of[~is_test], minlength=len(names))
    rest = np.flatnonzero(~is_test)
    if np.any(free > caps - tested):
        part = frame[rest]
        order = order_fairly(part, settings.seed, WITHIN_SOURCE, turns[rest]).to_numpy()
        turn = number_within(source_of[rest][order])
        rest = rest[order[turn < (caps - tested)[source_of[rest][order]]]]
    kept[rest] = True
    table = _quota_table(
        quotas or {}, names, tested + free, np.bincount(source_of[kept], minlength=len(names))
    )
    unused = OVER_QUOTA if settings.tested is None else HELD_OUT
    return LargeDraw(kept, unused, origin, table, tests)


def _draw_test(
    frame: pl.DataFrame,
    turns: Ranks,
    is_test: Mask,
    source_caps: tuple[Ints, Ints],
    settings: SplitSettings,
) -> tuple[Mask, dict[str, Quota]]:
    """Which pairs test, and what was asked for by task."""
    source_of, caps = source_caps
    counts = settings.tested
    rows = np.flatnonzero(is_test)
    names, task_of = codes_of(frame["task"])
    cells = (task_of * len(caps) + source_of)[rows]
    available = np.bincount(cells, minlength=len(names) * len(caps)).reshape(len(names), len(caps))
    kept = is_test.copy()
    if counts is None:
        caps = _natural_caps(source_of, is_test, caps)
        if np.all(available.sum(axis=0) <= caps):
            return kept, {}
    order = order_fairly(frame[rows], settings.seed, turns=turns[rows]).to_numpy()
    asked = np.array([UNBOUNDED if counts is None else counts.get(name, 0) for name in names])
    first = number_within(task_of[rows][order]) < asked[task_of[rows][order]]
    wanted = np.bincount(cells[order][first], minlength=available.size).reshape(available.shape)
    planned = fit_cells(wanted, available, caps).ravel()
    drawn = order[number_within(cells[order]) < planned[cells[order]]]
    kept[:] = False
    kept[rows[drawn]] = True
    reached = dict(zip(names, np.bincount(task_of[kept], minlength=len(names)), strict=True))
    held = dict(zip(names, available.sum(axis=1), strict=True))
    return kept, {
        task: Quota(requested=count, available=int(held.get(task, 0)),
                    reached=int(reached.get(task, 0)), closest=int(reached.get(task, 0)))
        for task, count in sorted((counts or {}).items())
    }  # fmt: skip


def _natural_caps(source_of: Ints, is_test: Mask, caps: Ints) -> Ints:
    """Most test pairs by source where a quota thins test and the rest alike, rounded up."""
    tested = np.bincount(source_of[is_test], minlength=len(caps))
    total = np.bincount(source_of, minlength=len(caps))
    thinned = [
        int(quota) * int(test) // int(whole) + bool(int(quota) * int(test) % int(whole))
        if quota < whole else int(test)
        for quota, test, whole in zip(caps, tested, total, strict=True)
    ]  # fmt: skip
    return np.array(thinned, dtype=np.int64)


def _quota_table(
    quotas: dict[str, int], names: Sequence[str], available: Ints, reached: Ints
) -> dict[str, Quota]:
    could = dict.fromkeys(quotas, 0) | dict(zip(names, available.tolist(), strict=True))
    came = dict.fromkeys(quotas, 0) | dict(zip(names, reached.tolist(), strict=True))
    closest = closest_table(quotas, could)
    return {
        name: Quota(
            requested=count, available=could[name], reached=came[name], closest=closest[name]
        )
        for name, count in quotas.items()
    }
