"""Which Label Studio is meant: the one that was named, or the one of the home folder."""

import os
from pathlib import Path
from typing import Final

from annotation.client import LabelStudio
from annotation.server import ServerSettings, load_access
from schemas.errors import ConfigError

DEFAULT_URL: Final = "http://127.0.0.1:8080"


def open_server(home: Path, url: str | None = None, token: str | None = None) -> LabelStudio:
    """Open the server that was asked for, or the one `medvid annotate serve` made in a home.

    Args:
        home: Folder of the server, the proxies and the log.
        url: Its address; `LABEL_STUDIO_URL` or the local one where not given.
        token: Its token; `LABEL_STUDIO_TOKEN` or that of the home's own server where not given.

    Raises:
        ConfigError: There is neither token nor server.
    """
    known = token or os.environ.get("LABEL_STUDIO_TOKEN")
    if known is None:
        settings = ServerSettings(home / "server", home / "media")
        if not (settings.home / "access.json").exists():
            raise ConfigError(
                f"{home} holds no server of its own.", field="token",
                action="Start one with `medvid annotate serve`, or give --url and "
                "LABEL_STUDIO_TOKEN.",
            )  # fmt: skip
        known = load_access(settings).token
    return LabelStudio(url or os.environ.get("LABEL_STUDIO_URL") or DEFAULT_URL, known)
