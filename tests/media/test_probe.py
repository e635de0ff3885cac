"""What a probe says must be what a full decode shows."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from medvid.media import probe_video
from schemas.errors import MediaError

ClipMaker = Callable[[str], Path]
ALL = (
    "plain.mp4", "pyramid.mp4", "opengop.mp4", "opengop.ts", "intra.mp4", "refresh.mp4",
    "variable.mp4", "tenbit.mp4", "matroska.mkv", "transport.ts", "hevc.mp4", "hevc.mkv",
    "layers.mp4", "vp9.webm", "vp8.webm", "av1.mp4", "mpeg4.avi", "mjpeg.avi", "cut.mp4",
    "opencut.mp4", "opencut.ts", "faststart.mp4", "rotated.mp4",
)  # fmt: skip


def decoded_times(path: Path) -> list[int | None]:
    """Times of the frames a plain full decode gives, errors passed over."""
    times: list[int | None] = []
    with av.open(path) as container:
        for packet in container.demux(container.streams.video[0]):
            try:
                times.extend(frame.pts for frame in packet.decode())
            except av.error.FFmpegError:
                continue
    return times


@pytest.mark.parametrize("name", ALL)
def test_times_are_those_of_a_full_decode(clip: ClipMaker, name: str) -> None:
    probe = probe_video(clip(name))
    assert probe.exact
    assert probe.pts.tolist() == decoded_times(clip(name))


def test_frames_without_stored_times_are_counted(clip: ClipMaker) -> None:
    probe = probe_video(clip("h264.avi"))
    assert not probe.exact
    assert len(probe) == len(decoded_times(clip("h264.avi"))) == 100
    assert probe.duration_s == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("plain.mp4", "h264", "mov"),
        ("hevc.mkv", "hevc", "matroska"),
        ("vp9.webm", "vp9", "matroska"),
        ("av1.mp4", "av1", "mov"),
        ("transport.ts", "h264", "mpegts"),
    ],
)
def test_codec_and_container_have_their_names(
    clip: ClipMaker, name: str, codec: str, container: str
) -> None:
    probe = probe_video(clip(name))
    assert (probe.codec, probe.container) == (codec, container)
    assert probe.resolution_wh == (192, 128)
    assert probe.rotation == 0


def test_a_constant_rate_gives_rate_duration_and_key_frames(clip: ClipMaker) -> None:
    probe = probe_video(clip("pyramid.mp4"))
    step = 1 / (25 * probe.time_base)
    assert probe.average_rate == 25
    assert probe.duration_s == pytest.approx(4.0)
    assert probe.keyframe_pts.tolist() == [int(step * k) for k in (0, 30, 60, 90)]
    assert probe.offsets.tolist() == [int(step * k) for k in range(100)]
    assert (probe.declared_frames, probe.edited) == (100, False)


def test_a_variable_rate_keeps_true_times(clip: ClipMaker) -> None:
    probe = probe_video(clip("variable.mp4"))
    seconds = probe.offsets * float(probe.time_base)
    steps = {round(float(step) * 100) for step in seconds[1:] - seconds[:-1]}
    assert steps == set(range(1, 9))


def test_an_edit_list_hides_frames(clip: ClipMaker) -> None:
    probe = probe_video(clip("cut.mp4"))
    assert probe.edited
    assert (len(probe.packets), len(probe)) == (70, 62)
    assert probe.duration_s == pytest.approx(float(Fraction(62, 25)))


def test_pictures_ahead_of_an_open_cut_are_not_shown(clip: ClipMaker) -> None:
    probe = probe_video(clip("opencut.ts"))
    assert not probe.edited
    assert len(probe.packets) > len(probe) == 52


def test_a_probe_cannot_be_changed(clip: ClipMaker) -> None:
    probe = probe_video(clip("plain.mp4"))
    with pytest.raises(ValueError, match="read-only"):
        probe.pts[0] = 5
    with pytest.raises(ValueError, match="read-only"):
        probe.packets.shown[0] = False


def test_a_mirrored_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mirrored.mp4"
    with av.open(path, "w") as output:
        stream = output.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.set_display_rotation(0, hflip=True)
        frame = av.VideoFrame(64, 64, "yuv420p")
        frame.pts = 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(MediaError) as caught:
        probe_video(path)
    assert caught.value.reason == "orientation"


def test_what_is_no_video_has_its_reason(clip: ClipMaker, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("#EXTM3U\nplain.mp4\n" * 200)
    raw = clip("plain.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(raw[: len(raw) // 2])
    (tmp_path / "audio.mp4").write_bytes(clip("audio.m4a").read_bytes())
    reasons = {
        "empty.mp4": "empty_file", "text.mp4": "unreadable", "half.mp4": "truncated",
        "audio.mp4": "no_video_stream", "absent.mp4": "missing_file",
    }  # fmt: skip
    for name, reason in reasons.items():
        with pytest.raises(MediaError) as caught:
            probe_video(tmp_path / name)
        assert (caught.value.reason, caught.value.source) == (reason, name)
        assert str(tmp_path) not in str(caught.value)


def test_a_playlist_opens_no_other_file(clip: ClipMaker, tmp_path: Path) -> None:
    path = tmp_path / "playlist.mp4"
    path.write_text(f"ffconcat version 1.0\nfile '{clip('plain.mp4')}'\n")
    with pytest.raises(MediaError) as caught:
        probe_video(path)
    assert caught.value.reason == "unreadable"
