"""Media: probe, integrity check, exact frames, JPEG, overlays, contact sheets."""

from medvid.media.isolation import run_isolated

__all__ = ["run_isolated"]
