"""H.264 of the same pictures has the same bytes and the times asked for."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from medvid.synthetic.drawing import Actor, Motion, Scene, render
from medvid.synthetic.encoding import write_h264
from schemas.errors import ConfigError

Rgb = npt.NDArray[np.uint8]
SIZE = (214, 120)
INTRA, BIDIRECTIONAL = 1, 3


def pictures(count: int, *, seed: int = 3) -> list[Rgb]:
    scene = Scene(SIZE, seed)
    actor = Actor("hook", "a", Motion((0.5, 0.5), (1.1, 0.6)))
    return [render(scene, [actor], i / 25)[0] for i in range(count)]


def pixels(frame: av.VideoFrame) -> Rgb:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def decoded(path: Path) -> list[tuple[Fraction, int, Rgb]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base or Fraction(1)
        return [
            (Fraction(frame.pts or 0) * base, frame.pict_type, pixels(frame))
            for frame in container.decode(stream)
        ]


def test_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_h264(tmp_path / name, pictures(60), rate=Fraction(25))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    write_h264(tmp_path / "c", pictures(60, seed=4), rate=Fraction(25))
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_frames_come_back_at_their_times_with_b_frames(tmp_path: Path) -> None:
    wanted = pictures(60)
    write_h264(tmp_path / "a.mp4", wanted, rate=Fraction(30000, 1001), gop=25, crf=12)
    got = decoded(tmp_path / "a.mp4")
    assert [time for time, _, _ in got] == [Fraction(i * 1001, 30000) for i in range(60)]
    kinds = [kind for _, kind, _ in got]
    assert BIDIRECTIONAL in kinds
    assert [i for i, kind in enumerate(kinds) if kind == INTRA] == [0, 25, 50]
    for (_, _, shown), drawn in zip(got, wanted, strict=True):
        assert float(np.abs(shown.astype(float) - drawn).mean()) < 8


def test_variable_frame_rate_keeps_every_tick(tmp_path: Path) -> None:
    ticks = [i * 3600 + (i % 3) * 700 for i in range(30)]
    write_h264(
        tmp_path / "v.mp4",
        pictures(30),
        rate=Fraction(25),
        pts_ticks=ticks,
        time_base=Fraction(1, 90000),
    )
    assert [time for time, _, _ in decoded(tmp_path / "v.mp4")] == [
        Fraction(tick, 90000) for tick in ticks
    ]


@pytest.mark.parametrize(
    ("frames", "ticks"),
    [
        ([], None),
        ([np.zeros((121, 214, 3), np.uint8)], None),
        ([np.zeros((120, 214, 3), np.uint8), np.zeros((122, 214, 3), np.uint8)], None),
        ([np.zeros((120, 214, 3), np.uint8)] * 2, [0]),
        ([np.zeros((120, 214, 3), np.uint8)] * 2, [0, 1, 2]),
    ],
)
def test_what_cannot_be_encoded_is_refused(
    tmp_path: Path, frames: list[Rgb], ticks: list[int] | None
) -> None:
    base = None if ticks is None else Fraction(1, 25)
    with pytest.raises(ConfigError):
        write_h264(tmp_path / "x.mp4", frames, rate=Fraction(25), pts_ticks=ticks, time_base=base)
