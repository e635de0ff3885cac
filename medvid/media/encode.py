"""Write videos: the drawn clips of demos, tests and benchmarks."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream

_X264 = {"preset": "veryfast", "crf": "23"}


def write_video(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    rate: Fraction | int = 25,
    codec: str = "libx264",
    options: Mapping[str, str] = _X264,
    pix_fmt: str = "yuv420p",
    pts: Iterable[int] | None = None,
    time_base: Fraction | None = None,
    rotation: int = 0,
) -> None:
    """Encode pictures into a video file; same arguments give the same bytes.

    Args:
        path: File to write; its ending names the container, e.g. `.mp4`, `.mkv`, `.webm`.
        frames: Contiguous RGB pictures (h, w, 3) of one size, even in width and height.
        rate: Nominal frames per second.
        codec: Name of a PyAV encoder.
        options: Options of the encoder.
        pix_fmt: Pixel format to encode.
        pts: Times of the frames in `time_base`, as many as frames; by default 0, 1, 2, ….
        time_base: Seconds per unit of `pts`; by default one frame duration.
        rotation: Degrees counter-clockwise that a player turns the picture by.
    """
    unit = time_base or 1 / Fraction(rate)
    with av.open(path, "w", container_options={"fflags": "+bitexact"}) as container:
        stream = _add_stream(container, codec, Fraction(rate), options, pix_fmt)
        stream.codec_context.time_base = unit
        for number, (rgb, time) in enumerate(
            zip(frames, count() if pts is None else pts, strict=False)
        ):
            if number == 0:
                stream.height, stream.width = rgb.shape[:2]
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = time, unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _add_stream(
    container: OutputContainer,
    codec: str,
    rate: Fraction,
    options: Mapping[str, str],
    pix_fmt: str,
) -> VideoStream:
    stream = container.add_stream(codec, rate=rate, options=dict(options))
    if not isinstance(stream, VideoStream):
        raise TypeError(f"{codec} is no video encoder")
    stream.pix_fmt = pix_fmt
    stream.thread_count = 1  # threads change what x264 decides, and so the bytes
    stream.codec_context.flags |= Flags.bitexact
    return stream
