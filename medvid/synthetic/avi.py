"""MPEG-4 part 2 in AVI, with the same bytes for the same pictures."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from schemas.errors import ConfigError

_QUALITY_UNIT = 118
"""libav's `FF_QP2LAMBDA`: a fixed quantiser is asked for in this unit."""


def write_mpeg4_avi(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    rate: Fraction,
    gop: int = 100,
    b_frames: int = 0,
    quantiser: int = 8,
) -> int:
    """Encode pictures with one thread of libav's MPEG-4 encoder.

    Args:
        path: The `.avi` to write; replaced if there.
        frames: RGB, uint8, each of the same even width and height, shape (height, width, 3). A
            picture that is the very array before it is converted once.
        rate: Frames per second.
        gop: Largest distance between key frames.
        b_frames: Run of B-frames; they are stored each in a chunk of its own, not packed.
        quantiser: Fixed quantiser, 1 (best) to 31.

    Returns:
        Frames written.

    Raises:
        ConfigError: There are no frames, or their size is odd or changes.
    """
    count = 0
    before: npt.NDArray[np.uint8] | None = None
    with av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mpeg4", rate=Fraction(rate))
        stream.thread_type = "NONE"
        for rgb in frames:
            if before is None:
                _configure(stream.codec_context, rgb, gop, b_frames, quantiser)
            elif rgb.shape != before.shape:
                raise ConfigError(f"frame {count} is {rgb.shape}, not like the first.")
            if rgb is not before:
                planes, before = (
                    np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8),
                    rgb,
                )
            picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            picture.pts, picture.time_base = count, 1 / Fraction(rate)
            container.mux(stream.encode(picture))
            count += 1
        if count == 0:
            raise ConfigError("there are no frames to encode.")
        container.mux(stream.encode(None))
    return count


def _configure(
    context: av.VideoCodecContext,
    first: npt.NDArray[np.uint8],
    gop: int,
    b_frames: int,
    quantiser: int,
) -> None:
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        raise ConfigError(f"4:2:0 colour needs an even size, not {width}x{height}.")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.thread_count = 1
    context.gop_size = gop
    context.max_b_frames = b_frames
    context.options = {
        "flags": "+qscale+bitexact",
        "global_quality": str(_QUALITY_UNIT * quantiser),
        "bf": str(b_frames),
    }
