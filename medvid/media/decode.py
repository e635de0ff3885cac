"""Decode exactly the wanted frames of a video, by any of three libraries.

The PyAV decoder plans from a demux pass: it feeds only the groups of pictures that hold wanted
frames, no packet past the last wanted one, and, for codecs where that is exact, skips pictures
that no other refers to. Every returned frame is recognised by its time stamp; wherever a frame is
missed, damaged or out of order, the rest is decoded in full from the start. The other libraries
are checked against the same packets, and refuse what they are known to get wrong. So whatever the
library, the frames are the same, or there are none.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from medvid.media.backends import decode_with_decord, decode_with_opencv
from medvid.media.libav import RgbArray
from medvid.media.probe import VideoProbe, probe_video
from medvid.media.pyav import decode_with_pyav
from schemas.errors import ConfigError, MediaError

_DECODERS = {
    "pyav": decode_with_pyav,
    "decord": decode_with_decord,
    "opencv": decode_with_opencv,
}
BACKENDS = tuple(_DECODERS)
"""Names of the libraries that can decode."""


def decode_positions(
    path: Path,
    positions: Sequence[int],
    *,
    backend: str = "pyav",
    probe: VideoProbe | None = None,
) -> Iterator[tuple[int, RgbArray]]:
    """Decode frames by their place in display order.

    Args:
        path: The video file.
        positions: Places from 0, strictly increasing.
        backend: One of `BACKENDS`.
        probe: What `probe_video` found, where it is known already.

    Yields:
        Each position and its upright picture, RGB, (h, w, 3), contiguous.

    Raises:
        ConfigError: There is no such backend, or positions do not increase.
        MediaError: `missing_frame` where the video is too short or a frame does not come out;
            `damaged` where decoding fails; `size_changes`; `unsupported` where a library other
            than PyAV is known to fail; `wrong_frames` where it is seen to; what `probe_video`
            raises.
    """
    if backend not in _DECODERS:
        raise ConfigError(f"There is no decoder {backend!r}.", action=f"Use one of {BACKENDS}.")
    wanted = [int(position) for position in positions]
    if any(a >= b for a, b in pairwise(wanted)):
        raise ConfigError("Frame positions must increase strictly.")
    known = probe or probe_video(path)
    if wanted and not 0 <= wanted[0] <= wanted[-1] < len(known):
        stray = wanted[0] if wanted[0] < 0 else wanted[-1]
        raise MediaError(
            f"There is no frame at position {stray}: the video shows {len(known)}.",
            reason="missing_frame", source=path.name,
        )  # fmt: skip
    if wanted:
        yield from _DECODERS[backend](path, wanted, known)
