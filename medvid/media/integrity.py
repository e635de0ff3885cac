"""Whether a recording's pictures are all there and sound: one full decode, by nobody's word.

Decoders hide damage: they conceal it, repeat a neighbour, or stop early without an error. So every
packet is decoded once, and seven witnesses are heard: errors raised, pictures marked incomplete,
packets marked corrupt, slices with bytes no encoder writes, errors logged by libav, frames that
did not come out or came at other times, and the length that the container promises.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.logging
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from medvid.media.fingerprint import FrameHasher
from medvid.media.frames import image_files, locate, read_member
from medvid.media.libav import RgbConverter, describe, open_video, read_packets
from medvid.media.nal import has_forbidden_bytes, length_size
from medvid.media.probe import NO_TIME, VideoProbe, probe_video
from medvid.media.pyav import is_undecodable
from schemas.errors import MediaError, bounded
from schemas.video import MediaKind, MediaRef

_STRICT = {"hevc": {"err_detect": "explode"}}
"""libav's HEVC decoder says nothing of most slice errors unless told to stop at them."""

_TAIL_S = 0.25
"""A stream this much shorter than its container says was cut; less may be rounding."""


@dataclass(frozen=True, slots=True)
class MediaVerdict:
    """What a full decode found.

    Attributes:
        ok: Whether nothing at all is wrong.
        reason: Empty if ok; else what `probe_video` raises, or `truncated`, `damaged`,
            `frame_count`, `size_changes`; for a folder `no_frames`, `bad_images`, `size_changes`,
            or what stops listing it.
        detail: The fault in a sentence, empty if ok.
        frames: Sound frames: of a video, those that came out; of a folder, the images that decode
            and have the size most of them have.
        bad_indices: Native numbers of a folder's other images; the rest can be used.
    """

    ok: bool
    reason: str
    detail: str
    frames: int
    bad_indices: tuple[int, ...] = ()


def check_media(root: Path, media: MediaRef, hasher: FrameHasher | None = None) -> MediaVerdict:
    """Decode all of a recording's pictures once.

    A function of the files' bytes alone. Decoders may crash or hang on damage: call it through
    `run_isolated`.

    Args:
        root: Root folder of the source.
        media: The recording's pictures.
        hasher: Takes, on the way, a video's frames nearest to whole seconds or every sound image:
            decoding is what a fingerprint costs.

    Returns:
        The verdict; a fault never raises.
    """
    try:
        if media.kind is MediaKind.VIDEO:
            return _check_video(locate(root, media.path), hasher)
        return _check_images(root, media, hasher)
    except MediaError as error:
        return MediaVerdict(ok=False, reason=error.reason, detail=error.problem, frames=0)


def _check_images(root: Path, media: MediaRef, hasher: FrameHasher | None) -> MediaVerdict:
    files = image_files(root, media)
    if not files:
        return MediaVerdict(
            ok=False, reason="no_frames", frames=0,
            detail="The folder holds no image that its pattern fits.",
        )  # fmt: skip
    sizes: dict[int, tuple[int, int]] = {}
    faults: dict[int, str] = {}
    for number in sorted(files):
        try:
            rgb = read_member(root, media, files[number])
        except MediaError as error:
            faults[number] = f"{files[number]}: {error.problem}"
            continue
        sizes[number] = (rgb.shape[1], rgb.shape[0])
        if hasher is not None:
            hasher.add(number, rgb)
    usual = Counter(sizes.values()).most_common(1)[0][0] if sizes else None
    odd = {
        number: f"{files[number]} is {width}x{height}"
        for number, (width, height) in sizes.items()
        if (width, height) != usual
    }
    if not faults and not odd:
        return MediaVerdict(ok=True, reason="", detail="", frames=len(sizes))
    return MediaVerdict(
        ok=False,
        reason="bad_images" if faults else "size_changes",
        detail=bounded([*faults.values(), *odd.values()]),
        frames=len(sizes) - len(odd),
        bad_indices=tuple(sorted({*faults, *odd})),
    )


@dataclass(slots=True)
class _Witness:
    """What was noticed while decoding a video.

    Attributes:
        times: Times of the frames that came out, in order of coming.
        errors: Errors raised, as text.
        incomplete: Pictures marked incomplete, packets marked corrupt or holding impossible bytes.
        sizes: Sizes of the pictures.
        logged: Errors that libav logged.
        end_s: End of the last packet of any stream, or None where times are absent.
        declared_s: Where the container says that streams end, or None.
    """

    times: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    incomplete: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set)
    logged: list[str] = field(default_factory=list)
    end_s: Fraction = Fraction(0)
    declared_s: Fraction | None = None


def _check_video(path: Path, hasher: FrameHasher | None) -> MediaVerdict:
    probe = probe_video(path)
    sampler = None
    if hasher is not None:
        hasher.plan(probe)
        sampler = _Sampler(hasher, probe)
    witness = _decode_all(path, probe, sampler)
    reason, detail = _judge(probe, witness)
    return MediaVerdict(ok=not reason, reason=reason, detail=detail, frames=len(witness.times))


def _judge(probe: VideoProbe, witness: _Witness) -> tuple[str, str]:
    """The gravest fault and its description, empty where there is none."""
    packets, shown, found = len(probe.packets), len(probe), len(witness.times)
    if packets < probe.declared_frames:
        return "truncated", f"The file holds {packets} of {probe.declared_frames} packets."
    if witness.declared_s is not None and witness.end_s + Fraction(_TAIL_S) < witness.declared_s:
        ends, says = float(witness.end_s), float(witness.declared_s)
        return "truncated", f"The file ends at {ends:.2f} s, and says that it lasts {says:.2f} s."
    faults = [*witness.errors, *witness.logged]
    if faults or witness.incomplete:
        return "damaged", (
            f"{len(witness.errors)} packets fail, {witness.incomplete} pictures are incomplete, "
            f"{found} of {shown} frames come out: {bounded(sorted(set(faults)))}"
        )
    in_time = not probe.exact or bool(np.array_equal(np.array(witness.times), probe.pts))
    if found != shown or not in_time:
        return "frame_count", f"{found} frames come out, where {shown} packets are displayed."
    if len(witness.sizes) > 1:
        return "size_changes", f"The picture changes size: {bounded(sorted(witness.sizes))}."
    return "", ""


class _Sampler:
    """Hands the frames a hasher has chosen over to it."""

    def __init__(self, hasher: FrameHasher, probe: VideoProbe) -> None:
        self._hasher = hasher
        self._exact = probe.exact
        self._to_rgb = RgbConverter(probe.rotation)
        self._count = 0

    def offer(self, frame: VideoFrame) -> None:
        """Hand a frame over if it is wanted and whole."""
        key = frame.pts if self._exact else self._count
        self._count += 1
        place = None if key is None or frame.is_corrupt else self._hasher.place_of(key)
        if place is not None:
            with contextlib.suppress(av.error.FFmpegError):  # no verdict hangs on the conversion
                self._hasher.add(place, self._to_rgb(frame))


def _decode_all(path: Path, probe: VideoProbe, sampler: _Sampler | None) -> _Witness:
    witness = _Witness()
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as log, open_video(path) as (container, stream):
            context = stream.codec_context
            context.options = _STRICT.get(probe.codec, {})
            size = length_size(probe.codec, context.extradata)
            witness.declared_s = _declared_end(container)
            for packet in _packets_of_all(container, stream, path, witness):
                if size and has_forbidden_bytes(probe.codec, bytes(packet), size):
                    witness.incomplete += 1
                _decode_packet(packet, probe, witness, sampler)
                if is_undecodable(packet, probe):
                    log.clear()
            witness.logged = [
                f"{name}: {text.strip()}".replace(str(path), path.name) for _, name, text in log
            ]
    finally:
        av.logging.set_level(level)
    return witness


def _packets_of_all(
    container: InputContainer, stream: VideoStream, path: Path, witness: _Witness
) -> "Iterator[Packet[VideoStream]]":
    """Read the video's packets, noting where the last packet of any stream ends."""
    try:
        for packet in read_packets(container, None, path):
            if packet.pts is not None and packet.time_base:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                witness.end_s = max(witness.end_s, end)
            if packet.stream_index == stream.index:
                yield packet
    except MediaError as error:
        witness.errors.append(error.problem)


def _decode_packet(
    packet: "Packet[VideoStream]", probe: VideoProbe, witness: _Witness, sampler: _Sampler | None
) -> None:
    witness.incomplete += packet.is_corrupt
    try:
        frames = packet.decode()
    except av.error.FFmpegError as error:
        if not is_undecodable(packet, probe):
            witness.errors.append(describe(error))
        return
    for frame in frames:
        _note_frame(frame, witness)
        if sampler is not None:
            sampler.offer(frame)


def _note_frame(frame: VideoFrame, witness: _Witness) -> None:
    witness.times.append(NO_TIME if frame.pts is None else frame.pts)
    witness.incomplete += frame.is_corrupt
    witness.sizes.add((frame.width, frame.height))


def _declared_end(container: InputContainer) -> Fraction | None:
    """Seconds at which a Matroska file says that its longest stream ends.

    Other containers declare packets, which the probe counts, or nothing at all (MPEG-TS).
    """
    if not container.format.name.startswith("matroska") or container.duration is None:
        return None
    return Fraction(container.duration, av.time_base)
