"""How many pairs each source gives to `large`, and each cell of task and source to test."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from medvid.splits.order import Ints
from medvid.splits.settings import PUBLISHED_SOURCES, SplitSettings
from schemas.errors import SplitError, bounded
from schemas.scalars import Model

UNBOUNDED = 1 << 62
"""Stands for no quota."""


class Quota(Model):
    """What was asked of one source or task, and what it came to.

    Attributes:
        requested: Pairs asked for.
        available: Pairs it could give at most.
        reached: Pairs it gave.
        closest: Its part of the closest reachable table: what it reached, and of what others miss
            a part in proportion to what was asked of it, as far as it can give more.
    """

    requested: int
    available: int
    reached: int
    closest: int

    @property
    def missing(self) -> int:
        """Pairs asked for and not reached."""
        return max(0, self.requested - self.reached)


def scale_shares(weights: Mapping[str, int], total: int) -> dict[str, int]:
    """Share out a total in proportion to weights, by largest remainder; ties by name.

    Raises:
        SplitError: All weights are 0 and the total is not.

    >>> scale_shares({"a": 1, "b": 2}, 10)
    {'a': 3, 'b': 7}
    """
    whole = sum(weights.values())
    if not whole:
        if total:
            raise SplitError(f"{total} pairs cannot be shared out: every share is 0.")
        return dict.fromkeys(weights, 0)
    shares = {name: total * weight // whole for name, weight in weights.items()}
    by_rest = sorted(weights, key=lambda name: (-(total * weights[name] % whole), name))
    for name in by_rest[: total - sum(shares.values())]:
        shares[name] += 1
    return shares


def closest_table(requested: Mapping[str, int], available: Mapping[str, int]) -> dict[str, int]:
    """The reachable table nearest to the one asked for, of the same total if there is so much.

    Each gets what was asked of it as far as it goes; what is missing is shared out in proportion
    to what was asked among those that can give more.
    """
    asked = {name: count for name, count in requested.items() if count}
    table = {name: min(count, available[name]) for name, count in asked.items()}
    total = min(sum(asked.values()), sum(available[name] for name in asked))
    while missing := total - sum(table.values()):
        spare = [name for name in table if table[name] < available[name]]
        for name, share in scale_shares({name: asked[name] for name in spare}, missing).items():
            table[name] += min(share, available[name] - table[name])
    return dict.fromkeys(requested, 0) | table


def source_quotas(
    settings: SplitSettings, sources: Sequence[str]
) -> tuple[dict[str, int] | None, Literal["none", "published", "given"]]:
    """Pairs asked of each source, and where the table comes from.

    Args:
        settings: `large_size` and `quotas`.
        sources: Sources of the build; a published share is one among theirs.

    Returns:
        None where there are no quotas; a source that is not in the table gives all it has.

    Raises:
        SplitError: A size is asked for and a source has no quota.
    """
    if isinstance(settings.quotas, dict):
        absent = sorted(set(sources) - set(settings.quotas))
        if absent and settings.large_size is not None:
            raise SplitError(
                f"{bounded(absent)} has no quota, and large_size asks for {settings.large_size}.",
                action="Give every source of the build a quota (0 leaves it out), or leave out "
                "large_size.",
            )
        return dict(sorted(settings.quotas.items())), "given"
    if settings.large_size is None:
        return None, "none"
    strangers = sorted(set(sources) - set(PUBLISHED_SOURCES))
    if strangers:
        raise SplitError(
            f"there is no published figure for {bounded(strangers)}.",
            action="Give the quotas of all sources in the split settings.",
        )
    weights = {source: PUBLISHED_SOURCES[source] for source in sorted(sources)}
    return scale_shares(weights, settings.large_size), "published"


def fit_cells(wanted: Ints, available: Ints, caps: Ints) -> Ints:
    """Change as little as it takes to keep columns under their caps without lowering rows.

    Columns over their cap give up pairs of their fullest cells; rows that lost take them from
    other columns, where need be by moving pairs of further rows, until no row can gain: the total
    is then the largest that cells and caps allow (augmenting paths).

    Args:
        wanted: Pairs by task and source, shape (tasks, sources).
        available: Pairs there are, same shape, nowhere less than wanted.
        caps: Most pairs of each source, shape (sources,).
    """
    flow = wanted.copy()
    for source in np.flatnonzero(flow.sum(axis=0) > caps):
        flow[:, source] = level_off(flow[:, source], int(caps[source]))
    demand = wanted.sum(axis=1)
    for task in range(len(flow)):
        while _push(flow, available, caps, task, int(demand[task])):
            pass
    return flow


def level_off(amounts: Ints, total: int) -> Ints:
    """Lower the largest amounts to one level, so that they sum to a total no larger than theirs.

    >>> level_off(np.array([9, 2, 7]), 11).tolist()
    [5, 2, 4]
    """
    levelled = np.zeros_like(amounts)
    for rank, index in enumerate(np.argsort(amounts, kind="stable")):
        rest = total - int(levelled.sum())
        levelled[index] = min(int(amounts[index]), rest // (len(amounts) - rank))
    return levelled


def _push(flow: Ints, available: Ints, caps: Ints, task: int, demand: int) -> bool:
    """Give a task more pairs along one augmenting path; False where there is no path or need."""
    amount = demand - int(flow[task].sum())
    if amount <= 0:
        return False
    came_from: dict[int, int] = {}
    queue, reached_by = deque([task]), {task: -1}
    while queue:
        here = queue.popleft()
        for source in np.flatnonzero(flow[here] < available[here]).tolist():
            if source in came_from:
                continue
            came_from[source] = here
            room = int(caps[source] - flow[:, source].sum())
            if room > 0:
                _shift(flow, available, _path(source, came_from, reached_by), min(amount, room))
                return True
            for other in np.flatnonzero(flow[:, source]).tolist():
                if other not in reached_by:
                    reached_by[other] = source
                    queue.append(other)
    return False


def _path(
    source: int, came_from: dict[int, int], reached_by: dict[int, int]
) -> list[tuple[int, int, int]]:
    """Cells of a path with +1 where it gains and -1 where it gives."""
    path = []
    while source >= 0:
        task = came_from[source]
        path.append((task, source, 1))
        source = reached_by[task]
        if source >= 0:
            path.append((task, source, -1))
    return path


def _shift(flow: Ints, available: Ints, path: Sequence[tuple[int, int, int]], amount: int) -> None:
    for task, source, sign in path:
        left = available[task, source] - flow[task, source] if sign > 0 else flow[task, source]
        amount = min(amount, int(left))
    for task, source, sign in path:
        flow[task, source] += sign * amount
