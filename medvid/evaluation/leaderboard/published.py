"""The published scores that a new leaderboard starts with, marked as published."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from medvid.evaluation.leaderboard.entries import add_published
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.rows import COLUMNS
from schemas.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PublishedScores:
    """One line of the published table.

    Attributes:
        name: The model.
        group: Whose it is.
        values: By column.
    """

    name: str
    group: str
    values: dict[str, float]


@cache
def published_scores() -> tuple[PublishedScores, ...]:
    """Read the published table.

    Raises:
        ConfigError: The packaged file is damaged.
    """
    text = files(__package__).joinpath("published.yaml").read_text(encoding="utf-8")
    table = yaml.safe_load(text)
    found = tuple(
        PublishedScores(name, group, dict(zip(table["columns"], map(float, values), strict=True)))
        for group, models in table["groups"].items()
        for name, values in models.items()
    )
    if tuple(table["columns"]) != COLUMNS:
        raise ConfigError("published.yaml has other columns.", action="Install again.")
    return found


def seed_published(store: BoardStore) -> None:
    """Enter the published scores into a database; a second time changes nothing."""
    for line in published_scores():
        add_published(store, line.name, line.group, line.values, store.clock())
