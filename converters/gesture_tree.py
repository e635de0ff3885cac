"""Find the files of JIGSAWS's trials, in task folders that may be doubled."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from converters.gesture_trials import TASKS, parse_meta
from converters.native_tree import subfolders

_VIDEO_FILE: Final = re.compile(r"(.+)_capture([12])\.avi", re.IGNORECASE)
_TEXT_FILE: Final = re.compile(r"(.+)\.txt", re.IGNORECASE)


@dataclass(slots=True)
class Trial:
    """Files of one trial, relative to the base folder.

    Attributes:
        rows: Line and text of the meta file's rows that name the trial.
        transcription: The gestures, or None.
        videos: By capture, 1 or 2.
        kinematics: Bytes of the kinematics file, or None where there is none.
    """

    rows: list[tuple[int, str]] = field(default_factory=list)
    transcription: str | None = None
    videos: dict[int, str] = field(default_factory=dict)
    kinematics: int | None = None


def find_task_folders(root: Path) -> dict[str, list[Path]]:
    """Folders of each task found, the outer before a folder of the same name inside it.

    Args:
        root: Folder that holds the task folders, or is one: then it holds the task's meta file.
    """
    found = {}
    for task in TASKS:
        fitting = [path for path in subfolders(root) if _is_named(path, task)]
        if (root / f"meta_file_{task}.txt").is_file():
            fitting = [root]
        inner = [path for outer in fitting for path in subfolders(outer) if _is_named(path, task)]
        if fitting:
            found[task] = [*fitting, *inner]
    return found


def _is_named(folder: Path, task: str) -> bool:
    return folder.name.replace("_", "").lower() == task.replace("_", "").lower()


def _first(layers: list[Path], name: str) -> Path | None:
    return next((layer / name for layer in layers if (layer / name).exists()), None)


def _files(folder: Path | None, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], Path]]:
    for path in sorted(folder.iterdir()) if folder is not None and folder.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match and path.is_file() and not path.name.startswith("."):
            yield match, path


def collect_trials(
    base: Path, task: str, layers: list[Path]
) -> tuple[dict[str, Trial], str | None]:
    """Everything the folders of one task hold.

    Args:
        base: Folder that paths are relative to.
        task: The task.
        layers: Its folders; of two that hold one thing the first counts.

    Returns:
        Trials by id as found, and the meta file where there is one.
    """
    trials: dict[str, Trial] = {}
    meta = _first(layers, f"meta_file_{task}.txt")
    if meta is not None:
        with meta.open(encoding="utf-8-sig", errors="replace") as handle:
            for line, row in parse_meta(handle):
                trials.setdefault(row.split()[0], Trial()).rows.append((line, row))
    for match, path in _files(_first(layers, "transcriptions"), _TEXT_FILE):
        trial = trials.setdefault(match[1], Trial())
        trial.transcription = path.relative_to(base).as_posix()
    for match, path in _files(_first(layers, "video"), _VIDEO_FILE):
        trial = trials.setdefault(match[1], Trial())
        trial.videos[int(match[2])] = path.relative_to(base).as_posix()
    for match, path in _files(_first(layers, "kinematics/AllGestures"), _TEXT_FILE):
        trials.setdefault(match[1], Trial()).kinematics = path.stat().st_size
    return trials, meta.relative_to(base).as_posix() if meta is not None else None
