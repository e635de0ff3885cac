"""The writers of native trees, found by the presence of their module."""

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import cast

from medvid.synthetic.base import SyntheticSource
from schemas.errors import ConfigError

_PACKAGE = "medvid.synthetic"
_ATTRIBUTE = "SYNTHETIC"


@cache
def load_writers() -> dict[str, SyntheticSource]:
    """Every writer by source name, in alphabetical order.

    A module is a writer if it binds `SYNTHETIC`; the package's other modules draw, encode and plan.
    """
    parent = importlib.import_module(_PACKAGE)
    names = sorted(info.name for info in pkgutil.iter_modules(parent.__path__))
    modules = {name: importlib.import_module(f"{_PACKAGE}.{name}") for name in names}
    return {
        name: cast("SyntheticSource", getattr(module, _ATTRIBUTE))
        for name, module in modules.items()
        if hasattr(module, _ATTRIBUTE)
    }


def write_tree(
    name: str,
    root: Path,
    *,
    scale: float = 0.0,
    seed: int = 0,
    media: bool = True,
    max_seconds: int | None = None,
    faults: bool = True,
) -> None:
    """Write the made-up native tree of a source; arguments as in `SyntheticSource.write`.

    Raises:
        ConfigError: No writer has this name, the root is not empty, or a number means nothing.
    """
    writers = load_writers()
    if name not in writers:
        raise ConfigError(
            f"no made-up tree of {name!r} can be written.",
            action=f"Choose one of: {', '.join(writers)}.",
        )
    writers[name].write(
        root, scale=scale, seed=seed, media=media, max_seconds=max_seconds, faults=faults
    )
