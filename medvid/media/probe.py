"""What a video file shows: its frames' times in display order, learnt without decoding them.

One pass over the packets gives every time stamp, key frame and edit; only the file's head is
decoded, for what packets do not tell: the picture's orientation and size, and whether pictures
ahead of the first key frame (left by a cut at an open GOP) can be shown at all.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from medvid.media.libav import open_video, read_packets, rotation_of
from schemas.errors import MediaError
from schemas.timeline import IntArray

BoolArray = npt.NDArray[np.bool_]
NO_TIME = np.iinfo(np.int64).min
"""Stands for a packet that carries no time stamp."""

_REORDERING_CODECS = frozenset({"h264", "hevc"})


@dataclass(frozen=True, slots=True, eq=False)
class PacketTable:
    """The packets of a video stream in decode order.

    Attributes:
        pts: Presentation times in units of the stream's time base, `NO_TIME` where absent, (n,).
        dts: Decoding times, likewise, (n,).
        key: Whether decoding can start there, (n,).
        shown: Whether the picture is displayed: not cut away by an edit list, and decodable, (n,).
    """

    pts: IntArray
    dts: IntArray
    key: BoolArray
    shown: BoolArray

    def __len__(self) -> int:
        return int(self.pts.size)


@dataclass(frozen=True, slots=True, eq=False)
class VideoProbe:
    """What a video file shows.

    Attributes:
        codec: Codec name, e.g. `h264`, `hevc`, `vp9`, `av1`.
        resolution_wh: Width and height in pixels of the upright picture.
        rotation: Degrees counter-clockwise the coded picture is turned by: 0, 90, 180, 270.
        time_base: Seconds per unit of the times below.
        pts: Times of the displayed frames, sorted, strictly increasing, (n,).
        keyframe_pts: Times of the displayed key frames, sorted.
        average_rate: Average frames per second as the file says, or None.
        duration_s: Time from the first displayed frame to the end of the last, in seconds.
        packets: The packets in decode order.
        exact: Whether a decoded frame carries the time its packet carries. Not so for H.264 in
            AVI, which stores no presentation times: there, frames can only be counted.
        declared_frames: Packets the container's index promises, or 0 where it promises none.
        edited: Whether an edit list cuts frames away.
        container: Short name of the container format, e.g. `mov`, `matroska`.
        pixel_format: Name of the coded pixel format, e.g. `yuv420p`.
        color_space: Colour matrix as numbered by ISO/IEC 23091-2; 2 is unspecified.
    """

    codec: str
    resolution_wh: tuple[int, int]
    rotation: int
    time_base: Fraction
    pts: IntArray
    keyframe_pts: IntArray
    average_rate: Fraction | None
    duration_s: float
    packets: PacketTable
    exact: bool
    declared_frames: int
    edited: bool
    container: str
    pixel_format: str
    color_space: int

    def __len__(self) -> int:
        return int(self.pts.size)

    @property
    def offsets(self) -> IntArray:
        """Times since the first displayed frame, in units of `time_base`, (n,)."""
        offsets: IntArray = self.pts - self.pts[0]
        return offsets


@dataclass(frozen=True, slots=True, eq=False)
class _Listing:
    """What the packets and the container tell."""

    packets: PacketTable
    last_duration: int
    exact: bool
    codec: str
    container: str
    time_base: Fraction
    average_rate: Fraction | None
    declared_frames: int


@dataclass(frozen=True, slots=True)
class _Head:
    """What the first pictures tell."""

    size_wh: tuple[int, int]
    rotation: int
    pixel_format: str
    color_space: int
    pts: tuple[int, ...]


def probe_video(path: Path) -> VideoProbe:
    """Read the times of all displayed frames of a video.

    Raises:
        MediaError: `missing_file`, `empty_file`, `unreadable`, `truncated`, `no_video_stream`,
            `unknown_codec`, `too_large`, `no_frames`, `orientation`.
    """
    listing = _list_packets(path)
    packets = listing.packets
    edited = not bool(packets.shown.all())
    doubtful = _ahead_of_first_key(packets) if listing.exact else packets.shown[:0]
    head = _decode_head(path, packets, whole=bool(doubtful.any()))
    packets.shown[: doubtful.size] &= ~doubtful | np.isin(packets.pts[: doubtful.size], head.pts)
    pts, keyframe_pts = _display_times(packets, exact=listing.exact)
    if pts.size == 0:
        raise _no_frames(path)
    width, height = head.size_wh if head.rotation % 180 == 0 else head.size_wh[::-1]
    length = int(pts[-1] - pts[0]) + (listing.last_duration or _typical_step(pts))
    return VideoProbe(
        codec=listing.codec,
        resolution_wh=(width, height),
        rotation=head.rotation,
        time_base=listing.time_base,
        pts=pts,
        keyframe_pts=keyframe_pts,
        average_rate=listing.average_rate,
        duration_s=float(length * listing.time_base),
        packets=packets,
        exact=listing.exact,
        declared_frames=listing.declared_frames,
        edited=edited,
        container=listing.container,
        pixel_format=head.pixel_format,
        color_space=head.color_space,
    )


def video_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture, from the first frame alone.

    Raises:
        MediaError: As `probe_video`.
    """
    first = next(_decoded_frames(path), None)
    if first is None:
        raise _no_frames(path)
    size = (first.width, first.height)
    return size if rotation_of(first, path) % 180 == 0 else size[::-1]


def _list_packets(path: Path) -> _Listing:
    with open_video(path) as (container, stream):
        packets, last_duration = _tabulate(container, stream, path)
        name = container.format.name.split(",")[0]
        return _Listing(
            packets=packets,
            last_duration=last_duration,
            exact=_is_exact(packets, name, stream.codec_context.name),
            codec=stream.codec_context.codec.canonical_name,
            container=name,
            time_base=stream.time_base or Fraction(1, 1000),
            average_rate=stream.average_rate,
            declared_frames=stream.frames,
        )


def _tabulate(
    container: InputContainer, stream: VideoStream, path: Path
) -> tuple[PacketTable, int]:
    """Read all packets; the table, and the duration of the one shown last."""
    rows: list[tuple[int, int, bool, bool]] = []
    latest, last_duration = NO_TIME, 0
    for packet in read_packets(container, stream, path):
        if packet.size == 0:
            continue
        pts = NO_TIME if packet.pts is None else packet.pts
        dts = NO_TIME if packet.dts is None else packet.dts
        rows.append((pts, dts, packet.is_keyframe, not packet.is_discard))
        if pts >= latest:
            latest, last_duration = pts, packet.duration or 0
    if not rows:
        raise _no_frames(path)
    pts_column, dts_column, key_column, shown_column = zip(*rows, strict=True)
    table = PacketTable(
        pts=np.array(pts_column, dtype=np.int64),
        dts=np.array(dts_column, dtype=np.int64),
        key=np.array(key_column, dtype=np.bool_),
        shown=np.array(shown_column, dtype=np.bool_),
    )
    return table, last_duration


def _no_frames(path: Path) -> MediaError:
    return MediaError("The video shows no frame.", reason="no_frames", source=path.name)


def _is_exact(packets: PacketTable, container: str, codec: str) -> bool:
    """Whether presentation times are stored and name each frame."""
    if container == "avi" and codec in _REORDERING_CODECS:
        return False
    times = packets.pts[packets.shown]
    return not bool((times == NO_TIME).any()) and np.unique(times).size == times.size


def _ahead_of_first_key(packets: PacketTable) -> BoolArray:
    """Which of the first packets precede the first key frame, in decode or in display order."""
    keys = np.flatnonzero(packets.key)
    if keys.size == 0:
        return packets.shown.copy()
    ahead: BoolArray = packets.shown & (packets.pts < packets.pts[keys[0]])
    ahead[: keys[0]] = packets.shown[: keys[0]]
    last = np.flatnonzero(ahead)
    return ahead[: last[-1] + 1] if last.size else ahead[:0]


def _decode_head(path: Path, packets: PacketTable, *, whole: bool) -> _Head:
    """Decode to the first picture, or, for the whole head, to the first key frame's picture."""
    keys = np.flatnonzero(packets.key)
    until = int(packets.pts[keys[0]]) if whole and keys.size else NO_TIME
    seen: list[int] = []
    first: VideoFrame | None = None
    for frame in _decoded_frames(path):
        first = first or frame
        seen.append(NO_TIME if frame.pts is None else frame.pts)
        if seen[-1] >= until and (keys.size or not whole):
            break
    if first is None:
        raise _no_frames(path)
    return _Head(
        size_wh=(first.width, first.height),
        rotation=rotation_of(first, path),
        pixel_format=first.format.name,
        color_space=int(first.colorspace),
        pts=tuple(seen),
    )


def _decoded_frames(path: Path) -> Iterator[VideoFrame]:
    """Decode from the start, passing over what is damaged."""
    with open_video(path) as (container, stream):
        for packet in read_packets(container, stream, path):
            with contextlib.suppress(av.error.FFmpegError):
                yield from packet.decode()


def _display_times(packets: PacketTable, *, exact: bool) -> tuple[IntArray, IntArray]:
    """Sorted times of the displayed frames, and of the key frames among them."""
    times = packets.pts if exact else packets.dts
    usable = packets.shown & (times != NO_TIME)
    shown, keys = np.unique(times[usable]), np.unique(times[usable & packets.key])
    for array in (shown, keys, packets.pts, packets.dts, packets.key, packets.shown):
        array.setflags(write=False)
    return shown, keys


def _typical_step(pts: IntArray) -> int:
    return int(np.median(np.diff(pts))) if pts.size > 1 else 0
