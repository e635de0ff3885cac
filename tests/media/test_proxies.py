"""Frame k of a proxy is picture k, whatever times the pictures had."""

from pathlib import Path

import av
import numpy as np
import pytest

from medvid.media import encode_jpeg
from medvid.media.proxies import PROXY_LONG_SIDE_PX, proxy_name, write_proxy
from medvid.media.stamp import read_number, stamp_number
from schemas.errors import MediaError


def _pictures(count: int, width: int, height: int) -> list[bytes]:
    """Noisy pictures that carry their number, as a sparse, unevenly timed clip has them."""
    random = np.random.default_rng(7)
    found = []
    for number in range(count):
        rgb = random.integers(60, 200, (height, width, 3), dtype=np.uint8)
        stamp_number(rgb, 37 * number + 5)
        found.append(encode_jpeg(rgb, quality=90))
    return found


def _decode(path: Path) -> list[tuple[float, "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"]]:
    with av.open(path) as container:
        stream = container.streams.video[0]
        return [
            (float(frame.time or 0), np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8))
            for frame in container.decode(stream)
        ]


@pytest.mark.parametrize(("width", "height"), [(854, 480), (641, 359), (1920, 1080)])
def test_every_frame_is_shown_at_its_own_place(tmp_path: Path, width: int, height: int) -> None:
    jpegs = _pictures(23, width, height)
    path = tmp_path / "proxies" / proxy_name(jpegs, 5)
    write_proxy(path, jpegs, 5)
    frames = _decode(path)
    assert [time for time, _ in frames] == pytest.approx([k / 5 for k in range(23)], abs=1e-6)
    assert max(frames[0][1].shape) <= PROXY_LONG_SIDE_PX + 1
    if max(width, height) <= PROXY_LONG_SIDE_PX:
        assert [read_number(rgb) for _, rgb in frames] == [37 * k + 5 for k in range(23)]


def test_a_proxy_is_made_once_and_alike(tmp_path: Path) -> None:
    jpegs = _pictures(6, 320, 240)
    first, second = tmp_path / "a.mp4", tmp_path / "b.mp4"
    write_proxy(first, jpegs, 5)
    made = first.stat().st_mtime_ns
    write_proxy(first, jpegs, 5)
    write_proxy(second, jpegs, 5)
    assert first.stat().st_mtime_ns == made
    assert first.read_bytes() == second.read_bytes()
    assert proxy_name(jpegs, 5) != proxy_name(jpegs[::-1], 5) != proxy_name(jpegs, 4)


def test_a_damaged_picture_leaves_no_proxy(tmp_path: Path) -> None:
    jpegs = [*_pictures(3, 320, 240), b"\xff\xd8 not a picture"]
    with pytest.raises(MediaError):
        write_proxy(tmp_path / "p.mp4", jpegs, 5)
    assert list(tmp_path.iterdir()) == []


def test_one_picture_makes_a_proxy(tmp_path: Path) -> None:
    write_proxy(tmp_path / "p.mp4", _pictures(1, 320, 240), 5)
    assert len(_decode(tmp_path / "p.mp4")) == 1
