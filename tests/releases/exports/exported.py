"""Settings of exports, and what an export left on disk."""

import json
from pathlib import Path
from typing import Any

from medvid.releases.exports import ExportFormat, ExportSettings

FORMATS = list(ExportFormat)


def settings(form: ExportFormat, **changes: Any) -> ExportSettings:
    return ExportSettings(format=form, **changes)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
