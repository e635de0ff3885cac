"""Why a pair is in `large` and in `standard`, or is not, told from the index of a release."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl
from pydantic import ValidationError

from medvid.releases.documents import SAMPLE_TABLE, SUBSET_TABLE, VIDEO_TABLE, read_rows
from medvid.releases.why_release import Opened
from medvid.splits import SplitSettings
from medvid.splits.quotas import source_quotas
from schemas.errors import SplitError
from schemas.scalars import Model

LEVELS: Final = ("task", "source", "label", "video_id")
"""Levels over which `standard` is balanced, the first the most important."""

_TRAIN = "train"


class Level(Model):
    """One level of balance around a pair.

    Attributes:
        level: The group, e.g. `task tal, source nurvid`.
        train: Its pairs in train.
        in_standard: Those of them in `standard`.
    """

    level: str
    train: int
    in_standard: int


class Membership(Model):
    """Where a pair is, and why.

    Attributes:
        in_large: Whether it is in train, val or test of `large`.
        in_standard: Whether it is in `standard`.
        subsets: Named subsets that hold it.
        reason: Why, in a sentence or two.
        levels: The groups of balance it belongs to, from the widest; empty outside of train.
    """

    in_large: bool
    in_standard: bool
    subsets: tuple[str, ...] = ()
    reason: str
    levels: tuple[Level, ...] = ()


def trace_membership(
    opened: Opened, row: Mapping[str, Any], config: Mapping[str, Any], left_out: str = ""
) -> Membership:
    """Say why a pair is where it is.

    Args:
        opened: The release.
        row: The pair's row of `samples.parquet` or `left_out.parquet`.
        config: Settings of `build.json`.
        left_out: Why it is in no split, empty where it is in one.
    """
    if left_out:
        reason = _left_out(opened, row, config.get("splits", {}), left_out)
        return Membership(in_large=False, in_standard=False, reason=reason)
    if row["split"] != _TRAIN:
        reason = (
            f"`standard` and every other subset are drawn from train alone; it is {row['split']}."
        )
        return Membership(in_large=True, in_standard=False, reason=reason)
    levels = _levels(opened, row)
    size = config.get("splits", {}).get("standard_size", 0)
    if row["in_standard"]:
        whole = next((level for level in levels if level.train == level.in_standard), None)
        reason = (
            f"dealt into the {size} pairs of `standard`, fairly over task, source, label, video."
        )
        if whole is not None:
            reason = f"`standard` holds every train pair of {whole.level}."
    else:
        reason = (
            f"the {size} pairs of `standard` were dealt, fairly over task, source, label and video,"
            " before its turn came: its groups had given their share."
        )
    return Membership(
        in_large=True, in_standard=row["in_standard"],
        subsets=_subsets(opened, row["sample_id"]), reason=reason, levels=levels,
    )  # fmt: skip


def _levels(opened: Opened, row: Mapping[str, Any]) -> tuple[Level, ...]:
    """Counts of each group of balance, from the widest; each is read out of the one before."""
    train = (pl.col("split") == _TRAIN) & (pl.col(LEVELS[0]) == row[LEVELS[0]])
    group = read_rows(
        opened.root, SAMPLE_TABLE,
        lambda table: table.filter(train).select(*LEVELS, "in_standard"),
    )  # fmt: skip
    if group is None:
        return ()
    found = []
    for depth, column in enumerate(LEVELS):
        group = group.filter(pl.col(column) == row[column])
        name = ", ".join(f"{c.removesuffix('_id')} {row[c]}" for c in LEVELS[: depth + 1])
        chosen = int(group["in_standard"].sum())
        found.append(Level(level=name, train=len(group), in_standard=chosen))
    return tuple(found)


def _subsets(opened: Opened, sample_id: str) -> tuple[str, ...]:
    rows = opened.rows(SUBSET_TABLE, pl.col("sample_id") == sample_id)
    return tuple(sorted(row["subset"] for row in rows))


def _left_out(
    opened: Opened, row: Mapping[str, Any], splits: Mapping[str, Any], reason: str
) -> str:
    if reason == "held_out":
        told = (
            "its video tests, and the counts of test pairs by task were filled before its turn "
            f"came{_asked_of_test(splits, row['task'])}; a test identity never trains."
        )
    elif reason == "over_quota":
        told = (
            f"{row['source']} had filled its quota{_quota(opened, splits, row['source'])}; pairs "
            "are dealt fairly over task, label and video within a source."
        )
    else:
        told = f"{reason}."
    return told


def _asked_of_test(splits: Mapping[str, Any], task: str) -> str:
    settings = _settings(splits)
    if settings is None or settings.tested is None:
        return ""
    return f" (splits.test_counts: {settings.tested.get(task, 0):,} of {task})"


def _quota(opened: Opened, splits: Mapping[str, Any], source: str) -> str:
    settings = _settings(splits)
    if settings is None:
        return ""
    sources = opened.query(
        VIDEO_TABLE, lambda table: table.select(pl.col("source").unique().sort())
    )
    try:
        quotas, origin = source_quotas(settings, [row["source"] for row in sources])
    except SplitError:
        return ""
    if quotas is None or source not in quotas:
        return ""
    return f" of {quotas[source]:,} pairs, test included (splits.quotas, {origin})"


def _settings(splits: Mapping[str, Any]) -> SplitSettings | None:
    try:
        return SplitSettings(**splits)
    except (ValidationError, TypeError):
        return None
