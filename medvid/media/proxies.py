"""Proxies for browsers: constant rate, frame k of the file is picture k of the list.

A browser's player, and Label Studio with it, turns time into frames at a constant rate, and drifts
on anything else. A proxy has one rate, no B-frames, no edit list and frequent key frames, so that
frame k, counted from 0, is shown from k / fps on and nothing else ever is.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import numpy.typing as npt

from medvid.media.encode import write_video
from medvid.media.jpeg import decode_jpeg
from schemas.errors import MediaError

PROXY_LONG_SIDE_PX: Final = 960
_VERSION: Final = 1
_OPTIONS: Final = {"preset": "veryfast", "crf": "20", "g": "5", "bf": "0", "sc_threshold": "0"}


def proxy_name(jpegs: Sequence[bytes], fps: int) -> str:
    """File name of the proxy of these pictures: a hash of them, so that it is made once."""
    digest = hashlib.sha256(f"{_VERSION}:{fps}:{PROXY_LONG_SIDE_PX}".encode())
    for jpeg in jpegs:
        digest.update(hashlib.sha256(jpeg).digest())
    return f"{digest.hexdigest()[:32]}.mp4"


def write_proxy(path: Path, jpegs: Sequence[bytes], fps: int) -> None:
    """Write pictures as an H.264 mp4 of constant rate, unless the file is there already.

    Args:
        path: The file; its name should be `proxy_name`. It appears whole or not at all.
        jpegs: Pictures of one size, at least one. They are scaled down to `PROXY_LONG_SIDE_PX`;
            an odd width or height gains a black line, at most one pixel.
        fps: Frames per second.

    Raises:
        MediaError: A picture does not decode, or the file does not hold every picture.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial.mp4")
    try:
        write_video(aside, _pictures(jpegs), rate=fps, options=_OPTIONS)
        held = _count(aside)
        if held != len(jpegs):
            raise MediaError(
                f"the proxy holds {held} of {len(jpegs)} pictures.",
                reason="lost_frames", source=path.name,
            )  # fmt: skip
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _pictures(jpegs: Iterable[bytes]) -> Iterable[npt.NDArray[np.uint8]]:
    size: tuple[int, int] | None = None
    for jpeg in jpegs:
        rgb = decode_jpeg(jpeg)
        height, width = rgb.shape[:2]
        if size is None:
            size = _size(width, height)
        if (width, height) != size:
            rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        odd = ((0, size[1] % 2), (0, size[0] % 2), (0, 0))
        yield np.ascontiguousarray(np.pad(rgb, odd))


def _size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, PROXY_LONG_SIDE_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _count(path: Path) -> int:
    """Pictures the file holds, and that they are shown at k / fps."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        shown = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
        steps = set(np.diff(shown).tolist())
        return len(shown) if shown and shown[0] == 0 and len(steps) <= 1 else -1
