"""Find plug-in modules of a package by their presence: one helper for every registry."""

import importlib
import pkgutil
from functools import cache


@cache
def member_names(package: str) -> tuple[str, ...]:
    """Names of a package's modules, in alphabetical order; none is imported.

    Args:
        package: Dotted name of the package, e.g. `converters.datasets`.
    """
    parent = importlib.import_module(package)
    return tuple(sorted(info.name for info in pkgutil.iter_modules(parent.__path__)))


def load_member(package: str, name: str, attribute: str) -> object:
    """Import one module of a package and return what it binds.

    Args:
        package: Dotted name of the package.
        name: One of `member_names`.
        attribute: Name the module binds, e.g. `CONVERTER`.

    Raises:
        AttributeError: The module does not bind the attribute.
    """
    return getattr(importlib.import_module(f"{package}.{name}"), attribute)


def discover_members(package: str, attribute: str) -> dict[str, object]:
    """Import every module of a package and collect one attribute of each.

    Returns:
        The attributes by module name, in alphabetical order.

    Raises:
        AttributeError: A module does not bind the attribute.
    """
    return {name: load_member(package, name, attribute) for name in member_names(package)}
