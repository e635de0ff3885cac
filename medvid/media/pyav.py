"""Decode wanted frames through PyAV: planned where that is exact, in full elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from medvid.media.libav import RgbArray, RgbConverter, describe, open_video, read_packets
from medvid.media.plan import Run, plan_runs
from medvid.media.probe import NO_TIME, PacketTable, VideoProbe
from schemas.errors import MediaError

PLANNED_CODECS = frozenset({"h264", "hevc", "vp9"})
"""Codecs whose pictures that no other refers to can be skipped without changing the rest.

libdav1d loses frames when told to skip, so AV1 stays out.
"""

_SEEK_GAIN = 600
"""Packets to skip from which a seek costs less than reading past them."""

_SEEK_SLACK = 2000
"""Packets to read after a seek before giving up finding the wanted one."""


class _Missed(Exception):  # noqa: N818 - not an error: the reader falls back to a full decode
    """A plan did not deliver what it promised."""


def decode_with_pyav(
    path: Path, positions: Sequence[int], probe: VideoProbe
) -> Iterator[tuple[int, RgbArray]]:
    """Decode frames by their places in display order; see `decode.decode_positions`."""
    done = 0
    if probe.exact and probe.codec in PLANNED_CODECS:
        try:
            for item in _decode_planned(path, positions, probe):
                yield item
                done += 1
        except (_Missed, MediaError, av.error.FFmpegError):
            pass  # what is left is decoded in full, which raises what is there to raise
    if done < len(positions):
        yield from _decode_in_full(path, positions[done:], probe)


def _decode_planned(
    path: Path, positions: Sequence[int], probe: VideoProbe
) -> Iterator[tuple[int, RgbArray]]:
    wanted_pts = probe.pts[list(positions)]
    position_of = dict(zip(wanted_pts.tolist(), positions, strict=True))
    to_rgb = RgbConverter(probe.rotation)
    with open_video(path) as (container, stream):
        feed = _PacketFeed(container, stream, path, probe.packets)
        for run in plan_runs(probe.packets, wanted_pts):
            due = iter(run.wanted)
            for frame in _decode_run(feed, stream, run, position_of):
                if frame.pts not in position_of:
                    continue
                if frame.pts != next(due, None) or frame.is_corrupt:
                    raise _Missed
                yield position_of[frame.pts], to_rgb(_sized(frame, probe, path))
            if next(due, None) is not None:
                raise _Missed


def _decode_run(
    feed: "_PacketFeed", stream: VideoStream, run: Run, wanted: Mapping[int, int]
) -> Iterator[VideoFrame]:
    """Decode one run with a fresh decoder; frames in display order, unwanted ones among them."""
    context = stream.codec_context
    for packet in feed.read(run):
        context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
        yield from packet.decode()
    yield from context.decode(None)
    context.flush_buffers()


class _PacketFeed:
    """Reads packets by their place in decode order, forward only.

    Args:
        container: The open file.
        stream: Its video stream.
        path: The file.
        packets: The table a demux pass made of the same file.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, path: Path, packets: PacketTable
    ) -> None:
        self._container = container
        self._stream = stream
        self._path = path
        self._table = packets
        self._packets = read_packets(container, stream, path)
        self._next = 0

    def read(self, run: Run) -> "Iterator[Packet[VideoStream]]":
        """Read a run's packets.

        Raises:
            _Missed: The file does not give the packets the table lists.
        """
        if run.first - self._next > _SEEK_GAIN:
            yield self._seek(run.first)
        while self._next <= run.last:
            packet = self._read_one()
            place, self._next = self._next, self._next + 1
            if not self._is_at(packet, place):
                raise _Missed
            if place >= run.first:
                yield packet

    def _seek(self, place: int) -> "Packet[VideoStream]":
        times = (self._table.pts[place], self._table.dts[place])
        target = min(int(time) for time in times if time != NO_TIME)
        self._container.seek(target, stream=self._stream)
        self._packets = read_packets(self._container, self._stream, self._path)
        for _ in range(_SEEK_SLACK):
            packet = self._read_one()
            if self._is_at(packet, place):
                self._next = place + 1
                return packet
        raise _Missed

    def _read_one(self) -> "Packet[VideoStream]":
        packet = next(self._packets, None)
        if packet is None or packet.size == 0:
            raise _Missed
        return packet

    def _is_at(self, packet: "Packet[VideoStream]", place: int) -> bool:
        pts = NO_TIME if packet.pts is None else packet.pts
        return bool(pts == self._table.pts[place] and packet.is_keyframe == self._table.key[place])


def _decode_in_full(
    path: Path, positions: Sequence[int], probe: VideoProbe
) -> Iterator[tuple[int, RgbArray]]:
    """Decode every frame up to the last wanted one.

    Raises:
        MediaError: `damaged`, `size_changes`, `missing_frame`.
    """
    to_rgb = RgbConverter(probe.rotation)
    due = iter(positions)
    position = next(due)
    for place, frame in _numbered_frames(path, probe):
        if place > position:
            break
        if place == position:
            if frame.is_corrupt:
                raise _damaged(path, position, "its picture is incomplete")
            yield position, to_rgb(_sized(frame, probe, path))
            if (following := next(due, None)) is None:
                return
            position = following
    raise MediaError(
        f"The frame at position {position} does not come out of the decoder.",
        reason="missing_frame", source=path.name,
    )  # fmt: skip


def _numbered_frames(path: Path, probe: VideoProbe) -> Iterator[tuple[int, VideoFrame]]:
    """Decode a whole video; frames with their places in display order."""
    place_of = {pts: place for place, pts in enumerate(probe.pts.tolist())}
    count = 0
    with open_video(path) as (container, stream):
        for packet in read_packets(container, stream, path):
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                if is_undecodable(packet, probe):
                    continue
                raise _damaged(path, count, describe(error)) from error
            for frame in frames:
                pts = NO_TIME if frame.pts is None else frame.pts
                yield (place_of.get(pts, -1) if probe.exact else count), frame
                count += 1


def is_undecodable(packet: "Packet[VideoStream]", probe: VideoProbe) -> bool:
    """Whether a packet holds one of the pictures ahead of the first that can be shown."""
    if not probe.exact or packet.is_discard or packet.pts is None:
        return False
    return packet.pts < int(probe.pts[0])


def _damaged(path: Path, position: int, why: str) -> MediaError:
    return MediaError(
        f"The frame at position {position} cannot be decoded ({why}).",
        reason="damaged", source=path.name,
    )  # fmt: skip


def _sized(frame: VideoFrame, probe: VideoProbe, path: Path) -> VideoFrame:
    upright = probe.rotation % 180 == 0
    size = (frame.width, frame.height) if upright else (frame.height, frame.width)
    if size != probe.resolution_wh:
        raise MediaError(
            f"The picture changes size from {probe.resolution_wh} to {size}.",
            reason="size_changes", source=path.name,
        )  # fmt: skip
    return frame
