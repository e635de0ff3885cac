"""Frames by native number, from folders and videos; nothing outside the source's root."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from medvid.media import (
    encode_jpeg,
    frame_size,
    frames_of_probe,
    list_frames,
    probe_video,
    read_frames,
    write_png,
)
from medvid.media.stamp import read_number
from schemas.errors import ConfigError, MediaError
from schemas.timeline import TimeBase
from schemas.video import MediaKind, MediaRef

ClipMaker = Callable[[str], Path]
RgbArray = npt.NDArray[np.uint8]
Pictures = Callable[..., Iterator[RgbArray]]

FOLDER = MediaRef(kind=MediaKind.FRAMES, path="videos/VID01", pattern=r"(\d{6})\.(?:png|jpg)")
ONE_HERTZ = TimeBase(rate_num=1, frame_rate_num=1, sparse=True)
SPARSE = (0, 7, 8, 1200)


def video_ref(path: Path) -> MediaRef:
    return MediaRef(kind=MediaKind.VIDEO, path=path.name)


@pytest.fixture
def root(tmp_path: Path, pictures: Pictures) -> Path:
    """A folder of sparse images, png and jpg, among other files."""
    folder = tmp_path / "root" / FOLDER.path
    folder.mkdir(parents=True)
    for number in SPARSE:
        rgb = next(pictures(1, (128, 96), number))
        if number % 2:
            (folder / f"{number:06d}.jpg").write_bytes(encode_jpeg(rgb, quality=95))
        else:
            write_png(folder / f"{number:06d}.png", rgb)
    for name in ("Thumbs.db", "000003.txt", "000004.png.bak", "notes 000005.png"):
        (folder / name).write_text("other")
    return tmp_path / "root"


def test_images_are_listed_by_number(root: Path) -> None:
    frames = list_frames(root, FOLDER, ONE_HERTZ)
    assert frames.index.tolist() == list(SPARSE)
    assert frames.tick.tolist() == list(SPARSE)


def test_image_times_follow_the_nominal_rate(root: Path) -> None:
    base = TimeBase(rate_num=90_000, frame_rate_num=25, first_index=1)
    frames = list_frames(root, FOLDER, base)
    assert frames.index.tolist() == [7, 8, 1200]
    assert frames.tick.tolist() == [6 * 3600, 7 * 3600, 1199 * 3600]


def test_images_are_read_by_number(root: Path) -> None:
    read = list(read_frames(root, FOLDER, ONE_HERTZ, [7, 1200]))
    assert [(number, read_number(rgb)) for number, rgb in read] == [(7, 7), (1200, 1200)]
    assert frame_size(root, FOLDER) == (128, 96)


def test_a_missing_image_is_named(root: Path) -> None:
    reader = read_frames(root, FOLDER, ONE_HERTZ, [7, 9])
    assert next(reader)[0] == 7
    with pytest.raises(MediaError, match="frame 9") as caught:
        next(reader)
    assert (caught.value.reason, caught.value.source) == ("missing_frame", FOLDER.path)


def test_a_bad_image_is_named(root: Path) -> None:
    (root / FOLDER.path / "000007.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    with pytest.raises(MediaError) as caught:
        list(read_frames(root, FOLDER, ONE_HERTZ, [7]))
    assert caught.value.reason == "bad_image"
    assert caught.value.source == f"{FOLDER.path}/000007.jpg"


def test_two_images_of_one_number_are_refused(root: Path) -> None:
    folder = root / FOLDER.path
    (folder / "000008.jpg").write_bytes((folder / "000007.jpg").read_bytes())
    with pytest.raises(MediaError) as caught:
        list_frames(root, FOLDER, ONE_HERTZ)
    assert caught.value.reason == "duplicate_frames"


def test_an_absent_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        list_frames(tmp_path, FOLDER, ONE_HERTZ)
    assert caught.value.reason == "missing_file"
    (tmp_path / FOLDER.path).mkdir(parents=True)
    assert len(list_frames(tmp_path, FOLDER, ONE_HERTZ)) == 0
    with pytest.raises(MediaError) as caught:
        frame_size(tmp_path, FOLDER)
    assert caught.value.reason == "no_frames"


def test_links_out_of_the_root_are_refused(root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes((root / FOLDER.path / "000000.png").read_bytes())
    link = root / FOLDER.path / "000044.png"
    link.symlink_to(secret)
    with pytest.raises(MediaError) as caught:
        list(read_frames(root, FOLDER, ONE_HERTZ, [44]))
    assert (caught.value.reason, caught.value.source) == (
        "outside_root", f"{FOLDER.path}/000044.png",
    )  # fmt: skip
    (root / "elsewhere").symlink_to(tmp_path)
    outside = FOLDER.model_copy(update={"path": "elsewhere/root/videos/VID01"})
    assert len(list_frames(root, outside, ONE_HERTZ)) > 0
    outside = FOLDER.model_copy(update={"path": "elsewhere"})
    with pytest.raises(MediaError):
        list_frames(root, outside, ONE_HERTZ)


def test_video_frames_count_from_the_first_index(clip: ClipMaker) -> None:
    path = clip("pyramid.mp4")
    base = TimeBase(rate_num=25, frame_rate_num=25, first_index=1)
    frames = list_frames(path.parent, video_ref(path), base)
    assert frames.index.tolist() == list(range(1, 101))
    assert frames.tick.tolist() == list(range(100))
    read = list(read_frames(path.parent, video_ref(path), base, [1, 26, 100]))
    assert [(number, read_number(rgb)) for number, rgb in read] == [(1, 0), (26, 25), (100, 99)]
    assert frame_size(path.parent, video_ref(path)) == (192, 128)


@pytest.mark.parametrize("index", [0, 101])
def test_a_video_frame_that_is_not_there_is_missing(clip: ClipMaker, index: int) -> None:
    path = clip("plain.mp4")
    base = TimeBase(rate_num=25, frame_rate_num=25, first_index=1)
    with pytest.raises(MediaError) as caught:
        list(read_frames(path.parent, video_ref(path), base, [index]))
    assert (caught.value.reason, caught.value.source) == ("missing_frame", "plain.mp4")


def test_numbers_must_increase(clip: ClipMaker) -> None:
    path = clip("plain.mp4")
    with pytest.raises(ConfigError):
        list(read_frames(path.parent, video_ref(path), ONE_HERTZ, [4, 4]))


def test_a_variable_rate_keeps_true_times(clip: ClipMaker) -> None:
    path = clip("variable.mp4")
    base = TimeBase(rate_num=100, frame_rate_num=25)
    frames = list_frames(path.parent, video_ref(path), base)
    assert np.array_equal(np.diff(frames.tick), np.diff(_hundredths(path)))
    assert frames.tick[0] == 0


def _hundredths(path: Path) -> npt.NDArray[np.int64]:
    probe = probe_video(path)
    return np.asarray(np.rint(probe.pts * float(probe.time_base) * 100), dtype=np.int64)


def test_of_frames_nearest_to_one_tick_the_closest_stands() -> None:
    pts = np.array([10, 12, 13, 20, 26], dtype=np.int64)
    base = TimeBase(rate_num=1, frame_rate_num=1, first_index=5)
    frames = frames_of_probe(pts, Fraction(1, 4), base)
    # seconds 0, 0.5, 0.75, 2.5, 4: ties go to the earlier tick
    assert frames.tick.tolist() == [0, 1, 2, 4]
    assert frames.index.tolist() == [5, 7, 8, 9]


def test_turned_videos_have_their_upright_size(clip: ClipMaker) -> None:
    path = clip("rotated.mp4")
    assert frame_size(path.parent, video_ref(path)) == (192, 128)


def test_links_in_a_circle_are_refused(root: Path) -> None:
    link = root / FOLDER.path / "000055.png"
    link.symlink_to(link)
    with pytest.raises(MediaError) as caught:
        list(read_frames(root, FOLDER, ONE_HERTZ, [55]))
    assert caught.value.reason in ("unreadable", "missing_file")


def test_a_number_beyond_counting_is_refused(root: Path) -> None:
    any_number = FOLDER.model_copy(update={"pattern": r"(\d+)\.png"})
    (root / FOLDER.path / f"{'9' * 30}.png").write_bytes(b"")
    with pytest.raises(MediaError) as caught:
        list_frames(root, any_number, ONE_HERTZ)
    assert caught.value.reason == "bad_frame_number"
