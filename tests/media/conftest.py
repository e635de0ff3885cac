"""Clips drawn and encoded at test time; every frame carries its number as a stamp."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from medvid.media.encode import write_video
from medvid.media.stamp import stamp_number

RgbArray = npt.NDArray[np.uint8]
ClipMaker = Callable[[str], Path]
FRAMES = 100
SIZE_WH = (192, 128)
_X265 = "log-level=none:pools=1:frame-threads=1:b-adapt=0"


def draw_pictures(
    count: int = FRAMES, size_wh: tuple[int, int] = SIZE_WH, first: int = 0
) -> Iterator[RgbArray]:
    """Draw a panned mosaic with a moving square; frame k is stamped with `first + k`."""
    width, height = size_wh
    rng = np.random.default_rng(7)
    mosaic = rng.integers(0, 255, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    ground = mosaic.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    for number in range(first, first + count):
        rgb = np.roll(ground, (2 * number, 3 * number), axis=(0, 1)).copy()
        left = 5 * number % (width - 20)
        rgb[height // 2 : height // 2 + 20, left : left + 20] = (255, 30, number % 256)
        stamp_number(rgb, number)
        yield rgb


def _x264(extra: str = "", **options: str) -> dict[str, Any]:
    return {"options": {"preset": "veryfast", **options, "x264-params": extra}}


def _x265(extra: str) -> dict[str, Any]:
    params = {"preset": "ultrafast", "x265-params": f"{_X265}:{extra}"}
    return {"codec": "libx265", "options": params}


_VARIABLE = np.cumsum(np.random.default_rng(1).integers(1, 9, FRAMES)).tolist()

# File name to what `write_video` is told; file names with a source are made from another clip.
_ENCODED: dict[str, dict[str, Any]] = {
    "plain.mp4": _x264(),
    "pyramid.mp4": _x264("b-pyramid=normal:b-adapt=2:scenecut=0", bf="8", g="30"),
    "opengop.mp4": _x264("open-gop=1:b-adapt=0:scenecut=0:b-pyramid=normal", bf="8", g="24"),
    "opengop.ts": _x264("open-gop=1:b-adapt=0:scenecut=0:repeat-headers=1", bf="3", g="24"),
    "intra.mp4": _x264(g="1"),
    "refresh.mp4": _x264("intra-refresh=1:min-keyint=20", g="20"),
    "variable.mp4": {**_x264(), "pts": _VARIABLE, "time_base": Fraction(1, 100)},
    "tenbit.mp4": {**_x264(), "pix_fmt": "yuv420p10le"},
    "bt709.mp4": _x264("colormatrix=bt709:colorprim=bt709:transfer=bt709"),
    "matroska.mkv": _x264(g="30"),
    "transport.ts": _x264("repeat-headers=1", g="30"),
    "hevc.mp4": _x265("keyint=20:open-gop=1:bframes=4"),
    "hevc.mkv": _x265("keyint=20:open-gop=0:bframes=3"),
    "layers.mp4": _x265("keyint=20:bframes=3:temporal-layers=2"),
    "vp9.webm": {
        "codec": "libvpx-vp9",
        "options": {
            "deadline": "realtime", "cpu-used": "8", "g": "30", "lag-in-frames": "16",
            "auto-alt-ref": "1",
        },
    },
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "10", "g": "30"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "20", "bf": "2"}},
    "h264.avi": _x264(),
    "mjpeg.avi": {"codec": "mjpeg", "options": {}, "pix_fmt": "yuvj420p"},
}  # fmt: skip


def remux(source: Path, target: Path, start_s: Fraction, **options: str) -> None:
    """Copy packets from the key frame before a time, shifted so that the time becomes zero.

    What `ffmpeg -ss T -c copy` does: in mp4, an edit list then hides what lies before zero.
    """
    with (
        av.open(source) as container,
        av.open(target, "w", container_options={"fflags": "+bitexact", **options}) as output,
    ):
        stream = container.streams.video[0]
        copy = output.add_stream_from_template(stream)
        offset = int(start_s / Fraction(stream.time_base or 1))
        container.seek(offset, stream=stream)
        for packet in container.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            packet.pts -= offset
            packet.dts -= offset
            packet.stream = copy
            output.mux(packet)


def _write_audio(path: Path) -> None:
    with av.open(path, "w") as output:
        stream = output.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 16000), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _turned(pictures: Iterable[RgbArray], quarter_turns: int) -> Iterator[RgbArray]:
    for rgb in pictures:
        yield np.ascontiguousarray(np.rot90(rgb, quarter_turns))


def _make(path: Path, clip: ClipMaker) -> None:
    start = Fraction(3, 2)
    match path.name:
        case "cut.mp4":
            remux(clip("pyramid.mp4"), path, start)
        case "opencut.mp4":
            remux(clip("opengop.mp4"), path, Fraction(46, 25))
        case "opencut.ts":
            remux(clip("opengop.ts"), path, start)
        case "faststart.mp4":
            remux(clip("pyramid.mp4"), path, Fraction(0), movflags="+faststart")
        case "rotated.mp4":
            write_video(path, _turned(draw_pictures(), -1), rotation=90, **_x264())
        case "short.mp4":
            write_video(path, draw_pictures(40), **_x264())
        case "other.mp4":
            write_video(path, draw_pictures(FRAMES, (160, 96)), **_x264(crf="35"))
        case "audio.m4a":
            _write_audio(path)
        case _:
            write_video(path, draw_pictures(), **_ENCODED[path.name])


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipMaker:
    """Give the path of a clip by its file name, making it at first use."""
    folder = tmp_path_factory.mktemp("clips")

    def path_of(name: str) -> Path:
        path = folder / name
        if not path.exists():
            _make(path, path_of)
        return path

    return path_of


@pytest.fixture(scope="session")
def pictures() -> Callable[..., Iterator[RgbArray]]:
    """Draw stamped pictures: `(count, size_wh, first)`."""
    return draw_pictures
