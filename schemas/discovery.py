"""Find plug-in modules of a package by their presence: one helper for every registry."""

import importlib
import pkgutil


def discover_members(package: str, attribute: str) -> dict[str, object]:
    """Import every module of a package and collect one attribute of each.

    Args:
        package: Dotted name of the package, e.g. `converters.datasets`.
        attribute: Name each module binds, e.g. `CONVERTER`.

    Returns:
        The attributes by module name, in alphabetical order.

    Raises:
        AttributeError: A module does not bind the attribute.
    """
    parent = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(parent.__path__))
    return {
        name: getattr(importlib.import_module(f"{package}.{name}"), attribute) for name in names
    }
