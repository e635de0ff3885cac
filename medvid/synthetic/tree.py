"""What every writer of a native tree does alike."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas.errors import ConfigError


def claim_root(root: Path) -> Path:
    """Make an empty folder to write a tree into, or take the one that is there.

    Raises:
        ConfigError: The root is a file, or a folder that is not empty.
    """
    if root.is_dir() and any(root.iterdir()):
        raise ConfigError(
            f"{root} is not empty.",
            action="Name a new folder: made-up files never mix with others.",
        )
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root} is a file.", action="Name a folder.")
    root.mkdir(parents=True, exist_ok=True)
    return root


def choose_videos(official: Sequence[int], smallest: Sequence[int], scale: float) -> list[int]:
    """Numbers of the videos a tree of this scale holds, the smallest set always among them.

    Args:
        official: All video numbers of the dataset.
        smallest: Those that show every format and fault.
        scale: Share of the official number of videos, 0 to 1.

    Raises:
        ConfigError: The scale is outside [0, 1].
    """
    if not 0 <= scale <= 1:
        raise ConfigError(f"scale {scale} must be between 0 and 1.", action="Choose 0 or a share.")
    wanted = max(len(smallest), round(scale * len(official)))
    others = [number for number in sorted(official) if number not in set(smallest)]
    return sorted([*smallest, *others[: wanted - len(smallest)]])


def cut_seconds(official_s: int, max_seconds: int | None, shortest_s: int) -> int:
    """Length of a video: the official one, or at most `max_seconds`.

    Raises:
        ConfigError: `max_seconds` leaves no room for what the source must show.
    """
    if max_seconds is None:
        return official_s
    if max_seconds < shortest_s:
        raise ConfigError(
            f"{max_seconds} seconds are too few.", action=f"Give at least {shortest_s}."
        )
    return min(official_s, max_seconds)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON on one line, keys in the order given, as the Cholec datasets ship theirs."""
    path.write_text(json.dumps(value), encoding="utf-8", newline="\n")
