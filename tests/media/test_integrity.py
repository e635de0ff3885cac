"""Damage of every kind is found, for the right reason, in a bounded time; sound files pass."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from medvid.media import MediaVerdict, check_media, encode_jpeg, run_isolated, write_png
from schemas.video import MediaKind, MediaRef

ClipMaker = Callable[[str], Path]
RgbArray = npt.NDArray[np.uint8]
Pictures = Callable[..., Iterator[RgbArray]]
Damage = Callable[[bytes], bytes]
LIMIT_S = 60.0

SOUND = {
    "plain.mp4": 100, "pyramid.mp4": 100, "opengop.mp4": 100, "opengop.ts": 100, "intra.mp4": 100,
    "refresh.mp4": 100, "variable.mp4": 100, "tenbit.mp4": 100, "matroska.mkv": 100,
    "transport.ts": 100, "hevc.mp4": 100, "hevc.mkv": 100, "layers.mp4": 100, "vp9.webm": 100,
    "vp8.webm": 100, "av1.mp4": 100, "mpeg4.avi": 100, "h264.avi": 100, "mjpeg.avi": 100,
    "cut.mp4": 62, "opencut.mp4": 52, "opencut.ts": 52, "faststart.mp4": 100, "rotated.mp4": 100,
}  # fmt: skip


def keep(share: float) -> Damage:
    return lambda raw: raw[: int(len(raw) * share)]


def flip(count: int, seed: int = 0) -> Damage:
    """Flip bits somewhere in the middle nine tenths."""

    def damage(raw: bytes) -> bytes:
        rng = np.random.default_rng(seed)
        out = bytearray(raw)
        for at in rng.integers(len(raw) // 20, len(raw) * 19 // 20, count).tolist():
            out[at] ^= 1 << int(rng.integers(8))
        return bytes(out)

    return damage


def fill(start: float, length: int, value: int = 0) -> Damage:
    def damage(raw: bytes) -> bytes:
        at = int(len(raw) * start)
        return raw[:at] + bytes([value]) * length + raw[at + length :]

    return damage


def drop(start: float, length: int) -> Damage:
    def damage(raw: bytes) -> bytes:
        at = int(len(raw) * start)
        return raw[:at] + raw[at + length :]

    return damage


def rename_box(name: bytes) -> Damage:
    return lambda raw: raw.replace(name, b"xxxx", 1)


CUT = ("truncated",)
HURT = ("damaged", "frame_count", "truncated")
DEAD = ("unreadable", "truncated")
DAMAGES: tuple[tuple[str, str, Damage, tuple[str, ...]], ...] = (
    ("empty", "plain.mp4", keep(0), ("empty_file",)),
    ("header only", "plain.mp4", lambda raw: raw[:48], DEAD),
    ("cut at 10 %", "plain.mp4", keep(0.1), CUT),
    ("cut at 50 %", "plain.mp4", keep(0.5), CUT),
    ("cut at 99 %", "plain.mp4", keep(0.99), CUT),
    ("cut at 30 %, faststart", "faststart.mp4", keep(0.3), CUT),
    ("cut at 60 %, faststart", "faststart.mp4", keep(0.6), CUT),
    ("cut at 95 %, faststart", "faststart.mp4", keep(0.95), HURT),
    ("last byte lost, faststart", "faststart.mp4", lambda raw: raw[:-1], HURT),
    ("moov only, faststart", "faststart.mp4", keep(0.08), ("truncated", "no_frames")),
    ("moov renamed", "plain.mp4", rename_box(b"moov"), DEAD),
    ("mdat zeroed", "faststart.mp4", fill(0.2, 1 << 20), ("no_frames", *HURT)),
    ("all zero", "plain.mp4", lambda raw: bytes(len(raw)), ("unreadable",)),
    ("all ones", "plain.mp4", lambda raw: b"\xff" * len(raw), ("unreadable",)),
    ("text under a video's name", "plain.mp4", lambda _: b"frame,phase\n" * 400, ("unreadable",)),
    ("a playlist", "plain.mp4", lambda _: b"#EXTM3U\n#EXTINF:4\nfile:///x\n", ("unreadable",)),
    ("audio only", "audio.m4a", lambda raw: raw, ("no_video_stream",)),
    ("bits flipped: 5", "pyramid.mp4", flip(5), HURT),
    ("bits flipped: 20", "pyramid.mp4", flip(20, 1), HURT),
    ("bits flipped: 200", "plain.mp4", flip(200, 2), HURT),
    ("zeros: 300 bytes", "plain.mp4", fill(0.3, 300), HURT),
    ("zeros: 3000 bytes", "pyramid.mp4", fill(0.5, 3000), HURT),
    ("ones: 2000 bytes", "pyramid.mp4", fill(0.4, 2000, 255), HURT),
    ("bytes lost", "faststart.mp4", drop(0.5, 777), HURT),
    ("bytes lost, matroska", "matroska.mkv", drop(0.5, 777), HURT),
    ("bits flipped: 50, hevc", "hevc.mp4", flip(50, 3), HURT),
    ("zeros: 3000 bytes, hevc", "hevc.mp4", fill(0.5, 3000), HURT),
    ("cut, hevc matroska", "hevc.mkv", keep(0.7), CUT),
    ("bits flipped: 20, av1", "av1.mp4", flip(20, 4), HURT),
    ("zeros: 1000 bytes, av1", "av1.mp4", fill(0.5, 1000), HURT),
    ("cut, vp9", "vp9.webm", keep(0.6), CUT),
    ("zeros: 3000 bytes, vp9", "vp9.webm", fill(0.5, 3000), HURT),
    ("cut, matroska", "matroska.mkv", keep(0.5), CUT),
    ("zeros: 2000 bytes, matroska", "matroska.mkv", fill(0.5, 2000), HURT),
    ("bits flipped: 40, transport", "transport.ts", flip(40, 5), HURT),
    ("bits flipped: 100, transport", "transport.ts", flip(100, 1), ("unreadable",)),
    ("zeros: 3000 bytes, transport", "transport.ts", fill(0.5, 3000), HURT),
    ("cut, avi", "mpeg4.avi", keep(0.5), CUT),
    ("bits flipped: 40, avi", "mpeg4.avi", flip(40, 6), HURT),
    ("zeros: 2000 bytes, avi", "mpeg4.avi", fill(0.5, 2000), HURT),
    ("cut, avi without times", "h264.avi", keep(0.6), CUT),
    ("bits flipped: 40, avi without times", "h264.avi", flip(40, 7), HURT),
    ("zeros: 4000 bytes, mjpeg", "mjpeg.avi", fill(0.5, 4000), HURT),
)


def isolated_verdict(path: Path) -> MediaVerdict:
    media = MediaRef(kind=MediaKind.VIDEO, path=path.name)
    return run_isolated(check_media, path.parent, media, timeout_s=LIMIT_S)


@pytest.mark.parametrize(("name", "frames"), SOUND.items())
def test_sound_videos_pass(clip: ClipMaker, name: str, frames: int) -> None:
    media = MediaRef(kind=MediaKind.VIDEO, path=name)
    verdict = check_media(clip(name).parent, media)
    assert verdict == MediaVerdict(ok=True, reason="", detail="", frames=frames)


@pytest.mark.parametrize(
    ("source", "damage", "reasons"),
    [case[1:] for case in DAMAGES],
    ids=[case[0] for case in DAMAGES],
)
def test_damage_is_found(
    clip: ClipMaker, tmp_path: Path, source: str, damage: Damage, reasons: tuple[str, ...]
) -> None:
    path = tmp_path / f"damaged{Path(source).suffix}"
    path.write_bytes(damage(clip(source).read_bytes()))
    verdict = isolated_verdict(path)
    assert not verdict.ok
    assert verdict.reason in reasons
    assert verdict.detail
    assert len(verdict.detail) < 2000
    assert str(tmp_path) not in verdict.detail


def test_another_files_index_is_found(clip: ClipMaker, tmp_path: Path) -> None:
    """A moov box from elsewhere points at the wrong bytes."""
    raw, other = clip("plain.mp4").read_bytes(), clip("other.mp4").read_bytes()
    path = tmp_path / "mixed.mp4"
    path.write_bytes(raw[: raw.index(b"moov") - 4] + other[other.index(b"moov") - 4 :])
    verdict = isolated_verdict(path)
    assert not verdict.ok
    assert verdict.reason in (*HURT, "no_frames")


def test_a_picture_that_changes_size_is_found(clip: ClipMaker, tmp_path: Path) -> None:
    path = tmp_path / "resized.ts"
    first, second = clip("plain.mp4"), clip("other.mp4")
    with av.open(path, "w", format="mpegts") as output:
        stream = output.add_stream_from_template(av.open(first).streams.video[0])
        for number, source in enumerate((first, second)):
            with av.open(source) as container:
                video = container.streams.video[0]
                bsf = av.BitStreamFilterContext("h264_mp4toannexb", video)
                for packet in container.demux(video):
                    for annexb in bsf.filter(packet if packet.size else None):
                        if annexb.pts is None or annexb.dts is None:
                            continue
                        annexb.pts += number * 51_200
                        annexb.dts += number * 51_200
                        annexb.stream = stream
                        output.mux(annexb)
    verdict = isolated_verdict(path)
    assert (verdict.ok, verdict.reason) == (False, "size_changes")


def test_an_absent_video_is_a_verdict(tmp_path: Path) -> None:
    verdict = check_media(tmp_path, MediaRef(kind=MediaKind.VIDEO, path="gone.mp4"))
    assert (verdict.ok, verdict.reason) == (False, "missing_file")


FOLDER = MediaRef(kind=MediaKind.FRAMES, path="VID01", pattern=r"(\d{6})\.(?:png|jpg)")


@pytest.fixture
def root(tmp_path: Path, pictures: Pictures) -> Path:
    folder = tmp_path / FOLDER.path
    folder.mkdir()
    for number, rgb in enumerate(pictures(8, (128, 96))):
        if number % 2:
            (folder / f"{number:06d}.jpg").write_bytes(encode_jpeg(rgb))
        else:
            write_png(folder / f"{number:06d}.png", rgb)
    (folder / "readme.txt").write_text("not a frame")
    return tmp_path


def test_a_sound_folder_passes(root: Path) -> None:
    assert check_media(root, FOLDER) == MediaVerdict(True, "", "", 8)


def test_bad_images_are_listed_and_the_rest_counts(root: Path, tmp_path: Path) -> None:
    folder = root / FOLDER.path
    (folder / "000001.jpg").write_bytes((folder / "000001.jpg").read_bytes()[:300])
    (folder / "000002.png").write_bytes(b"")
    flipped = bytearray((folder / "000004.png").read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (folder / "000004.png").write_bytes(bytes(flipped))
    (folder / "000005.jpg").write_text("<html>404</html>")
    (folder / "000006.png").unlink()
    (folder / "000006.png").symlink_to("/etc/hostname")
    verdict = run_isolated(check_media, root, FOLDER, timeout_s=LIMIT_S)
    assert (verdict.ok, verdict.reason, verdict.frames) == (False, "bad_images", 3)
    assert verdict.bad_indices == (1, 2, 4, 5, 6)
    assert "000005.jpg" in verdict.detail


def test_images_of_another_size_are_listed(root: Path, pictures: Pictures) -> None:
    write_png(root / FOLDER.path / "000004.png", next(pictures(1, (160, 96))))
    verdict = check_media(root, FOLDER)
    assert (verdict.ok, verdict.reason, verdict.frames) == (False, "size_changes", 7)
    assert verdict.bad_indices == (4,)
    assert "160x96" in verdict.detail


def test_a_folder_without_images_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / FOLDER.path).mkdir()
    assert check_media(tmp_path, FOLDER).reason == "no_frames"
