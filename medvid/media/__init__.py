"""Media: probe, integrity check, exact frames, JPEG, overlays, contact sheets."""

from medvid.media.decode import BACKENDS, decode_positions
from medvid.media.isolation import run_isolated
from medvid.media.probe import VideoProbe, probe_video

__all__ = ["BACKENDS", "VideoProbe", "decode_positions", "probe_video", "run_isolated"]
