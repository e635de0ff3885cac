"""The converters, found by the presence of their module."""

from functools import cache
from typing import cast

from converters.base import Converter
from schemas.discovery import discover_members
from schemas.errors import ConfigError


@cache
def load_converters() -> dict[str, Converter]:
    """Every converter by source name, in alphabetical order."""
    return cast("dict[str, Converter]", discover_members("converters.datasets", "CONVERTER"))


def get_converter(name: str) -> Converter:
    """Return the converter of a source.

    Raises:
        ConfigError: No source has this name.
    """
    converters = load_converters()
    if name not in converters:
        raise ConfigError(
            f"there is no source {name!r}.", action=f"Choose one of: {', '.join(converters)}."
        )
    return converters[name]
