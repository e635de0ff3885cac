"""decord and OpenCV as decoders, held to the frames that PyAV gives.

Both are wrong without an error on some files, so each serves only files of a kind on which it was
measured to return PyAV's pixels bit for bit, and is checked against the demuxed times as it goes.
Neither tells a damaged picture from a sound one: that is `check_media`'s part, whatever decodes.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from medvid.media.libav import RgbArray, open_video, read_packets
from medvid.media.nal import holds_idr, length_size
from medvid.media.probe import VideoProbe
from schemas.errors import MediaError

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read when OpenCV first opens a video

_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "mjpeg"})
_EIGHT_BIT = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
_DECORD_CONTAINERS = frozenset({"mov", "matroska"})
_BT601 = frozenset({2, 5, 6})
"""Colour matrices OpenCV converts by: unspecified, BT.470BG, SMPTE 170M, as ISO 23091-2 numbers."""

_DECORD_FRAMES = 64
_DECORD_BYTES = 80 << 20
_NO_FAULT = 1e-9
"""decord's share of pictures it may silently replace by a neighbour."""


def decode_with_opencv(
    path: Path, positions: Sequence[int], probe: VideoProbe
) -> Iterator[tuple[int, RgbArray]]:
    """Decode frames by their places in display order; see `decode.decode_positions`.

    Reads from the start and never seeks: OpenCV's seeking counts frames at an average rate.
    """
    _require_known_ground("OpenCV", path, probe)
    if probe.color_space not in _BT601:
        raise _unsupported("OpenCV", path, "a colour matrix other than BT.601")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        yield from _grab(capture, path, positions, probe)
    finally:
        capture.release()


def _grab(
    capture: cv2.VideoCapture, path: Path, positions: Sequence[int], probe: VideoProbe
) -> Iterator[tuple[int, RgbArray]]:
    times_ms = probe.offsets * float(probe.time_base) * 1000
    tolerance_ms = _half_step(times_ms)
    wanted = set(positions)
    start_ms = 0.0
    for position in range(positions[-1] + 1):
        if not capture.grab():
            raise _wrong("OpenCV", path, f"it ends at frame {position} of {len(probe)}")
        at_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
        start_ms = at_ms if position == 0 else start_ms
        if abs(at_ms - start_ms - times_ms[position]) > tolerance_ms:
            raise _wrong("OpenCV", path, f"frame {position} has another time")
        if position in wanted:
            decoded, bgr = capture.retrieve()
            if not decoded or bgr.shape[1::-1] != probe.resolution_wh:
                raise _wrong("OpenCV", path, f"frame {position} has another size")
            yield position, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def decode_with_decord(
    path: Path, positions: Sequence[int], probe: VideoProbe
) -> Iterator[tuple[int, RgbArray]]:
    """Decode frames by their places in display order; see `decode.decode_positions`.

    decord seeks to key frames and trusts them, so every group of pictures must stand alone.
    """
    import decord  # costs a quarter of a second, and few ever ask for it

    _require_known_ground("decord", path, probe)
    if probe.edited:
        raise _unsupported("decord", path, "an edit list")
    if probe.container not in _DECORD_CONTAINERS:
        raise _unsupported("decord", path, f"the {probe.container} container")
    if not _groups_stand_alone(path, probe):
        raise _unsupported("decord", path, "groups of pictures that refer to others")
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path), num_threads=1, fault_tol=_NO_FAULT)
        _require_same_times(reader, path, probe)
        width, height = probe.resolution_wh
        size = max(1, min(_DECORD_FRAMES, _DECORD_BYTES // (3 * width * height)))
        for start in range(0, len(positions), size):
            chunk = list(positions[start : start + size])
            frames = reader.get_batch(chunk).asnumpy()
            if frames.shape[1:3] != (height, width):
                raise _wrong("decord", path, f"frame {chunk[0]} has another size")
            yield from zip(chunk, frames, strict=True)
    except (decord.DECORDError, decord.DECORDLimitReachedError) as error:
        raise _wrong("decord", path, "it fails on the file") from error


def _groups_stand_alone(path: Path, probe: VideoProbe) -> bool:
    """Whether no picture is shown before its key frame, and key frames reset the decoder."""
    packets = probe.packets
    keys = np.flatnonzero(packets.key)
    group = np.searchsorted(keys, np.arange(len(packets)), side="right") - 1
    if bool((group < 0).any()) or bool((packets.pts < packets.pts[keys[group]]).any()):
        return False
    return probe.codec != "h264" or _key_frames_are_idr(path)


def _key_frames_are_idr(path: Path) -> bool:
    """Whether every H.264 key frame is an instantaneous refresh, as with intra refresh none is."""
    with open_video(path) as (container, stream):
        size = length_size("h264", stream.codec_context.extradata)
        return size is not None and all(
            holds_idr(bytes(packet), size)
            for packet in read_packets(container, stream, path)
            if packet.is_keyframe
        )


class _DecordReader(Protocol):
    def __len__(self) -> int: ...
    def get_frame_timestamp(self, indices: range) -> npt.NDArray[np.float64]: ...


def _require_same_times(reader: _DecordReader, path: Path, probe: VideoProbe) -> None:
    count = len(reader)
    if count != len(probe):
        raise _wrong("decord", path, f"it counts {count} frames of {len(probe)}")
    times_s = reader.get_frame_timestamp(range(count))[:, 0]
    expected_s = probe.offsets * float(probe.time_base)
    if bool((np.abs(times_s - times_s[0] - expected_s) > _half_step(expected_s)).any()):
        raise _wrong("decord", path, "it gives frames other times")


def _half_step(times: npt.NDArray[np.floating]) -> float:
    return float(np.diff(times).min()) / 2 if times.size > 1 else 0.5


def _require_known_ground(library: str, path: Path, probe: VideoProbe) -> None:
    """Refuse files of a kind on which the library was not seen to agree with PyAV."""
    if probe.codec not in _CODECS:
        raise _unsupported(library, path, f"the codec {probe.codec}")
    if probe.pixel_format not in _EIGHT_BIT:
        raise _unsupported(library, path, f"the pixel format {probe.pixel_format}")
    if not probe.exact:
        raise _unsupported(library, path, "a container without presentation times")


def _unsupported(library: str, path: Path, what: str) -> MediaError:
    return MediaError(
        f"{library} is not trusted with {what}; use the pyav backend.",
        reason="unsupported", source=path.name,
    )  # fmt: skip


def _wrong(library: str, path: Path, what: str) -> MediaError:
    return MediaError(
        f"{library} would return wrong frames: {what}; use the pyav backend.",
        reason="wrong_frames", source=path.name,
    )  # fmt: skip
