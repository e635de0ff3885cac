"""The right frame, read from the picture: codecs, reordering, edits, seeking, other libraries."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medvid.media import BACKENDS, decode_positions, probe_video, pyav
from medvid.media.plan import Run
from medvid.media.stamp import read_number
from schemas.errors import ConfigError, MediaError

ClipMaker = Callable[[str], Path]
RgbArray = npt.NDArray[np.uint8]

PLANNED = (
    "plain.mp4", "pyramid.mp4", "opengop.mp4", "opengop.ts", "intra.mp4", "variable.mp4",
    "tenbit.mp4", "bt709.mp4", "matroska.mkv", "transport.ts", "hevc.mp4", "hevc.mkv",
    "layers.mp4", "vp9.webm", "rotated.mp4",
)  # fmt: skip
IN_FULL = ("av1.mp4", "vp8.webm", "mpeg4.avi", "h264.avi", "mjpeg.avi", "refresh.mp4")
CUT = {"cut.mp4": 38, "opencut.mp4": 48, "opencut.ts": 48}
"""Cut clips, and the stamp of the first frame they show."""

REFUSED = {
    "opencv": {"av1.mp4", "tenbit.mp4", "bt709.mp4", "mpeg4.avi", "h264.avi"},
    "decord": {
        "av1.mp4", "tenbit.mp4", "mpeg4.avi", "h264.avi", "cut.mp4", "opencut.mp4",
        "opengop.ts", "transport.ts", "opencut.ts", "mjpeg.avi", "opengop.mp4", "refresh.mp4",
        "hevc.mp4", "layers.mp4",
    },
}  # fmt: skip


def stamps(frames: list[tuple[int, RgbArray]]) -> list[int | None]:
    return [read_number(rgb) for _, rgb in frames]


@pytest.mark.parametrize("name", [*PLANNED, *IN_FULL])
@pytest.mark.parametrize("step", [1, 7, 25])
def test_wanted_frames_are_the_right_frames(clip: ClipMaker, name: str, step: int) -> None:
    positions = list(range(0, 100, step))
    frames = list(decode_positions(clip(name), positions))
    assert [position for position, _ in frames] == positions
    assert stamps(frames) == positions
    assert all(rgb.flags.c_contiguous and rgb.dtype == np.uint8 for _, rgb in frames)


@pytest.mark.parametrize(("name", "first"), CUT.items())
def test_a_cut_clip_counts_from_the_first_frame_it_shows(
    clip: ClipMaker, name: str, first: int
) -> None:
    probe = probe_video(clip(name))
    frames = list(decode_positions(clip(name), range(0, len(probe), 3), probe=probe))
    assert stamps(frames) == list(range(first, 100, 3))


def test_a_turned_picture_comes_upright(clip: ClipMaker) -> None:
    probe = probe_video(clip("rotated.mp4"))
    assert (probe.rotation, probe.resolution_wh) == (90, (192, 128))
    _, rgb = next(decode_positions(clip("rotated.mp4"), [60]))
    assert rgb.shape == (128, 192, 3)
    assert read_number(rgb) == 60


@pytest.mark.parametrize("seek_gain", [0, 10_000])
@pytest.mark.parametrize("name", ["pyramid.mp4", "opengop.mp4", "hevc.mkv", "vp9.webm", "cut.mp4"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=st.sets(st.integers(0, 61), min_size=1, max_size=6))
def test_planned_frames_equal_fully_decoded_ones(
    clip: ClipMaker,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    seek_gain: int,
    wanted: set[int],
) -> None:
    monkeypatch.setattr(pyav, "_SEEK_GAIN", seek_gain)
    probe = probe_video(clip(name))
    positions = sorted(wanted)
    planned = list(pyav._decode_planned(clip(name), positions, probe))
    full = list(pyav._decode_in_full(clip(name), positions, probe))
    assert [p for p, _ in planned] == [p for p, _ in full] == positions
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(planned, full, strict=True))


def test_a_plan_feeds_only_the_groups_that_hold_wanted_frames(
    clip: ClipMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[int] = []
    read = pyav._PacketFeed.read

    def counted(feed: pyav._PacketFeed, run: Run) -> object:
        for packet in read(feed, run):
            fed.append(packet.pts or 0)
            yield packet

    monkeypatch.setattr(pyav._PacketFeed, "read", counted)
    frames = list(decode_positions(clip("pyramid.mp4"), [0, 30, 60, 90]))
    assert stamps(frames) == [0, 30, 60, 90]
    assert len(fed) == 4


def test_a_plan_that_misses_is_made_good_by_a_full_decode(
    clip: ClipMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pyav._decode_run
    lost = int(probe_video(clip("plain.mp4")).pts[50])

    def forgetful(*args: object) -> object:
        for frame in real(*args):  # type: ignore[arg-type]
            if frame.pts != lost:
                yield frame

    monkeypatch.setattr(pyav, "_decode_run", forgetful)
    assert stamps(list(decode_positions(clip("plain.mp4"), [10, 50, 90]))) == [10, 50, 90]


def test_refreshing_streams_without_true_key_frames_are_decoded_in_full(clip: ClipMaker) -> None:
    probe = probe_video(clip("refresh.mp4"))
    assert probe.keyframe_pts.size > 1
    with pytest.raises((pyav._Missed, av.error.FFmpegError)):
        list(pyav._decode_planned(clip("refresh.mp4"), [45], probe))
    assert stamps(list(decode_positions(clip("refresh.mp4"), [45]))) == [45]


@pytest.mark.parametrize("backend", ["decord", "opencv"])
@pytest.mark.parametrize("name", [*PLANNED, *IN_FULL, *CUT])
def test_libraries_return_the_same_pixels_or_refuse(
    clip: ClipMaker, name: str, backend: str
) -> None:
    probe = probe_video(clip(name))
    positions = list(range(0, len(probe), 9))
    expected = list(decode_positions(clip(name), positions, probe=probe))
    if name in REFUSED[backend]:
        with pytest.raises(MediaError, match="pyav backend") as caught:
            list(decode_positions(clip(name), positions, backend=backend, probe=probe))
        assert caught.value.reason in ("unsupported", "wrong_frames")
        return
    frames = list(decode_positions(clip(name), positions, backend=backend, probe=probe))
    assert [position for position, _ in frames] == positions
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(frames, expected, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_shorter_than_its_probe_gives_no_wrong_frame(
    clip: ClipMaker, backend: str, tmp_path: Path
) -> None:
    probe = probe_video(clip("faststart.mp4"))
    path = tmp_path / "cut_short.mp4"
    path.write_bytes(clip("faststart.mp4").read_bytes()[:20_000])
    got: list[tuple[int, RgbArray]] = []
    with pytest.raises(MediaError):
        got.extend(decode_positions(path, range(0, 100, 10), backend=backend, probe=probe))
    assert stamps(got) == [position for position, _ in got]


@pytest.mark.parametrize("backend", BACKENDS)
def test_positions_past_the_end_are_missing(clip: ClipMaker, backend: str) -> None:
    with pytest.raises(MediaError) as caught:
        list(decode_positions(clip("plain.mp4"), [3, 100], backend=backend))
    assert caught.value.reason == "missing_frame"
    assert caught.value.source == "plain.mp4"


def test_no_position_decodes_nothing(clip: ClipMaker) -> None:
    assert list(decode_positions(clip("plain.mp4"), [])) == []


@pytest.mark.parametrize("positions", [[3, 3], [4, 2]])
def test_positions_must_increase(clip: ClipMaker, positions: list[int]) -> None:
    with pytest.raises(ConfigError):
        list(decode_positions(clip("plain.mp4"), positions))


def test_an_unknown_backend_is_refused(clip: ClipMaker) -> None:
    with pytest.raises(ConfigError, match="opencv"):
        list(decode_positions(clip("plain.mp4"), [0], backend="vlc"))


def test_a_damaged_group_raises_and_the_others_decode(clip: ClipMaker, tmp_path: Path) -> None:
    raw = bytearray(clip("pyramid.mp4").read_bytes())
    with av.open(clip("pyramid.mp4")) as container:
        places = [
            (packet.pos, packet.size)
            for packet in container.demux(container.streams.video[0])
            if packet.is_keyframe
        ]
    at, size = places[1]
    raw[(at or 0) + 8 : (at or 0) + size] = bytes(size - 8)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(bytes(raw))
    assert stamps(list(decode_positions(path, [5, 65, 95]))) == [5, 65, 95]
    with pytest.raises(MediaError) as caught:
        list(decode_positions(path, [5, 35, 95]))
    assert caught.value.reason == "damaged"
