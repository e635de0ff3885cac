"""Hashes of frames: what they survive, what they see, and that taking them changes no verdict."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.media import FrameHasher, FrameHashes, check_media, nearest_to_seconds, probe_video
from medvid.media.fingerprint import VARIANTS
from medvid.synthetic.footage import Alteration, Film, copy_film, draw_moment, shoot
from schemas.video import MediaKind, MediaRef

RgbArray = npt.NDArray[np.uint8]
FILM = Film(seed=3, theatre=3, seconds=12, rate=1)


def hash_all(pictures: Iterator[RgbArray]) -> FrameHashes:
    hasher = FrameHasher()
    for number, rgb in enumerate(pictures):
        hasher.add(number, rgb)
    return hasher.finish()


def bits_between(a: FrameHashes, b: FrameHashes, column: int = 0) -> float:
    return float(np.bitwise_count(a.hashes[:, 0] ^ b.hashes[:, column]).mean())


def test_other_films_differ_and_recoding_does_not() -> None:
    film = hash_all(shoot(FILM))
    other = hash_all(shoot(Film(seed=4, theatre=4, seconds=12, rate=1)))
    small = hash_all(copy_film(FILM, Alteration(size_wh=(96, 72))))
    assert film.hashes.shape == (12, VARIANTS)
    assert bits_between(film, small) < 1
    assert bits_between(film, other) > 15


@pytest.mark.parametrize(
    "crop",
    [(0.05, 0.05, 0.05, 0.05), (0.05, 0, 0, 0), (0, 0.05, 0, 0.05), (0.05, 0.02, 0, 0.03)],
)
def test_some_window_makes_up_for_a_crop(crop: tuple[float, float, float, float]) -> None:
    cropped = hash_all(copy_film(FILM, Alteration(crop=crop)))
    film = hash_all(shoot(FILM))
    assert min(bits_between(cropped, film, column) for column in range(VARIANTS)) < 4


@pytest.mark.parametrize("bars", [(0.12, 0.0), (0.0, 0.12), (0.1, 0.1)])
@pytest.mark.parametrize("scope", [False, True])
def test_black_borders_are_trimmed(bars: tuple[float, float], scope: bool) -> None:
    film = Film(seed=5, theatre=5, seconds=12, rate=1, scope=scope)
    assert bits_between(hash_all(copy_film(film, Alteration(bars=bars))), hash_all(shoot(film))) < 3


def test_a_dark_frame_moves_no_border() -> None:
    pictures = list(shoot(FILM))
    pictures[4] = np.zeros_like(pictures[4])
    with_dark, without = hash_all(iter(pictures)), hash_all(shoot(FILM))
    kept = np.arange(12) != 4
    assert np.array_equal(with_dark.hashes[kept], without.hashes[kept])
    assert with_dark.detail[4] == 0


def test_plain_pictures_show_little() -> None:
    grey = np.full((90, 160, 3), 130, dtype=np.uint8)
    card = np.full((90, 160, 3), 250, dtype=np.uint8)
    cv2.putText(card, "logo", (66, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
    noise = np.random.default_rng(0).integers(-3, 4, grey.shape)
    noisy = np.clip(grey + noise, 0, 255).astype(np.uint8)
    assert hash_all(iter([grey, card, noisy])).detail.max() < 16
    assert hash_all(shoot(FILM)).detail.min() > 30


def test_nothing_taken_gives_nothing() -> None:
    found = FrameHasher().finish()
    assert found.hashes.shape == (0, VARIANTS)
    assert found.number.size == found.detail.size == 0


@given(st.lists(st.floats(0.01, 3.0), min_size=0, max_size=60))
@settings(max_examples=60, deadline=None)
def test_each_second_takes_its_nearest_frame(steps: list[float]) -> None:
    times = 7.0 + np.concatenate([[0.0], np.cumsum(steps)])
    places = nearest_to_seconds(times)
    since = times - times[0]
    wanted = {int(np.abs(since - second).argmin()) for second in range(int(since[-1]) + 1)}
    assert set(places.tolist()) == wanted
    assert bool((np.diff(places) > 0).all())


@pytest.mark.parametrize("name", ["plain.mp4", "variable.mp4", "opengop.ts", "rotated.mp4"])
def test_check_hashes_the_frames_it_decodes(clip: Callable[[str], Path], name: str) -> None:
    path = clip(name)
    media = MediaRef(kind=MediaKind.VIDEO, path=path.name)
    hasher = FrameHasher()
    assert check_media(path.parent, media, hasher) == check_media(path.parent, media)
    found, probe = hasher.finish(), probe_video(path)
    assert found.number.tolist() == nearest_to_seconds(
        probe.pts * float(probe.time_base)
    ).tolist()  # fmt: skip
    assert len(np.unique(found.hashes[:, 0])) > 1


def test_damaged_video_keeps_its_verdict(clip: Callable[[str], Path], tmp_path: Path) -> None:
    broken = bytearray(clip("plain.mp4").read_bytes())
    middle = len(broken) // 2
    broken[middle : middle + 400] = bytes(400)
    (tmp_path / "broken.mp4").write_bytes(broken)
    media = MediaRef(kind=MediaKind.VIDEO, path="broken.mp4")
    verdict = check_media(tmp_path, media, FrameHasher())
    assert verdict == check_media(tmp_path, media)
    assert not verdict.ok


def test_sound_images_are_hashed_by_number(tmp_path: Path) -> None:
    for number in (3, 4, 9):
        rgb = draw_moment(FILM, number)
        cv2.imwrite(str(tmp_path / f"{number:06d}.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    (tmp_path / "000007.png").write_bytes(b"no picture")
    hasher = FrameHasher()
    media = MediaRef(kind=MediaKind.FRAMES, path=".", pattern=r"(\d{6})\.png")
    verdict = check_media(tmp_path, media, hasher)
    assert verdict.bad_indices == (7,)
    assert hasher.finish().number.tolist() == [3, 4, 9]
