"""Run the flow, with Prefect configured before it is first imported."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from medvid.releases.config import BuildConfig
from medvid.releases.units import Progress

if TYPE_CHECKING:
    from flows.pipeline import BuildResult


def offline_environment(home: Path) -> dict[str, str]:
    """Settings under which Prefect calls nobody and keeps its state in a folder of ours.

    Settings the environment already has win.
    """
    defaults = {
        "PREFECT_HOME": str(home.absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Prefect gives its own server 20 s, which a busy machine exceeds.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        "DO_NOT_TRACK": "1",
    }
    return {name: value for name, value in defaults.items() if name not in os.environ}


def run_with_prefect(config: BuildConfig, progress: Progress, *, wait: bool) -> "BuildResult":
    """Run the flow `build`."""
    os.environ.update(offline_environment(config.workspace / "prefect"))
    from flows.build import run_build

    return run_build(config, progress, wait=wait)
