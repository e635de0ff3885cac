"""Which Label Studio is meant: the one that was named, or the one of the home folder."""

import os
from pathlib import Path
from typing import Final

from annotation.client import LabelStudio
from annotation.server import ServerSettings, last_address, load_access
from schemas.errors import ConfigError

DEFAULT_URL: Final = "http://127.0.0.1:8080"


def open_server(home: Path, url: str | None = None, token: str | None = None) -> LabelStudio:
    """Open the server that was asked for, or the one `medvid annotate serve` made in a home.

    Args:
        home: Folder of the server, the proxies and the log.
        url: Its address; where not given `LABEL_STUDIO_URL`, else where the home's own server was
            last started.
        token: Its token; `LABEL_STUDIO_TOKEN` or that of the home's own server where not given.

    Raises:
        ConfigError: There is neither token nor server.
    """
    known = token or os.environ.get("LABEL_STUDIO_TOKEN")
    place = url or os.environ.get("LABEL_STUDIO_URL")
    if known is None:
        settings = ServerSettings(home / "server", home / "media")
        if not (settings.home / "access.json").exists():
            raise ConfigError(
                f"{home} holds no server of its own.", field="token",
                action="Start one with `medvid annotate serve`, or give --url and "
                "LABEL_STUDIO_TOKEN.",
            )  # fmt: skip
        known = load_access(settings).token
        place = place or last_address(settings)
    return LabelStudio(place or DEFAULT_URL, known)
