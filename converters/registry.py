"""The converters, found by the presence of their module."""

from functools import cache
from typing import cast

from converters.base import Converter
from schemas.discovery import discover_members, load_member, member_names
from schemas.errors import ConfigError

PACKAGE = "converters.datasets"
ATTRIBUTE = "CONVERTER"


@cache
def load_converters() -> dict[str, Converter]:
    """Every converter by source name, in alphabetical order."""
    return cast("dict[str, Converter]", discover_members(PACKAGE, ATTRIBUTE))


def get_converter(name: str) -> Converter:
    """Return the converter of a source, without importing any other.

    Raises:
        ConfigError: No source has this name.
    """
    names = member_names(PACKAGE)
    if name not in names:
        raise ConfigError(
            f"there is no source {name!r}.", action=f"Choose one of: {', '.join(names)}."
        )
    return cast("Converter", load_member(PACKAGE, name, ATTRIBUTE))
