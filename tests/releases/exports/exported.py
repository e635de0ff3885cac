"""Settings of exports, and what an export left on disk."""

import json
import os
import subprocess
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


def said_elsewhere(variable: str, script: str, argument: Path, home: Path) -> Any:
    """What a script's last line says under the Python a variable names, without any network."""
    environment = {
        "HOME": str(home), "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PATH": os.environ["PATH"],
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "DO_NOT_TRACK": "1", "MODELSCOPE_CACHE": str(home),
    }  # fmt: skip
    done = subprocess.run(
        [os.environ[variable], "-c", script, str(argument)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
