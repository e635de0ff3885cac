"""Boxes lie tightly on what is drawn, and a picture depends on its time alone."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.synthetic.backgrounds import Look
from medvid.synthetic.drawing import (
    Actor,
    Motion,
    Scene,
    black_frame,
    boxes_at,
    clip_box,
    render,
)
from medvid.synthetic.effects import Effect
from medvid.synthetic.encoding import write_png
from medvid.synthetic.instruments import COLOURS, OPENINGS, hull_of, shaft_of, sprite_of
from schemas.errors import ConfigError

Rgb = npt.NDArray[np.uint8]
SIZE = (428, 240)


def in_colour(picture: Rgb, without: Rgb, label: str) -> npt.NDArray[np.bool_]:
    """Pixels in a class's own colour that are not so without it."""
    own = np.asarray(COLOURS[label], float)
    near = np.linalg.norm(picture.astype(float) - own, axis=2) < 34
    before = np.linalg.norm(without.astype(float) - own, axis=2) < 34
    return np.asarray(near & ~before, np.bool_)


@pytest.mark.parametrize("label", sorted(COLOURS))
@pytest.mark.parametrize("entry", [(-0.2, 0.3), (1.2, 0.9), (0.6, -0.4), (0.4, 1.5)])
def test_own_colour_fills_the_box_and_is_nowhere_else(
    label: str, entry: tuple[float, float]
) -> None:
    scene = Scene(SIZE, 5, Look.LAPAROSCOPY, 3)
    actor = Actor(label, "a", Motion((0.5, 0.5), entry), 0.3)
    for t_s in (0.0, 1.3, 4.1):
        picture, boxes = render(scene, [actor], t_s)
        left, top, right, bottom = boxes["a"]
        mask = in_colour(picture, render(scene, [], t_s)[0], label)
        inside = mask[top:bottom, left:right]
        assert mask.sum() == inside.sum() > 20
        columns, rows = np.flatnonzero(inside.any(0)), np.flatnonzero(inside.any(1))
        slack = 4  # rims and rods of some tips are in other colours
        assert columns[0] <= slack
        assert columns[-1] >= right - left - 1 - slack
        assert rows[0] <= slack
        assert rows[-1] >= bottom - top - 1 - slack


@pytest.mark.parametrize("label", [label for label in sorted(COLOURS) if shaft_of(label) is None])
def test_what_changes_is_in_the_box_to_the_pixel(label: str) -> None:
    scene = Scene(SIZE, 5, Look.WARD, 1)
    actor = Actor(label, "a", Motion((0.5, 0.5), (1.2, 0.7)), 0.3)
    picture, boxes = render(scene, [actor], 2.0)
    change = np.abs(picture.astype(int) - render(scene, [], 2.0)[0]).max(axis=2) > 25
    left, top, right, bottom = boxes["a"]
    x, y, width, height = cv2.boundingRect(change.astype(np.uint8))
    drawn = np.asarray((x, y, x + width, y + height))
    assert np.abs(drawn - np.asarray((left, top, right, bottom))).max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    label=st.sampled_from(sorted(COLOURS)),
    angle=st.integers(0, 119),
    opening=st.integers(0, OPENINGS - 1),
)
def test_no_drawing_is_cut_by_its_canvas(label: str, angle: int, opening: int) -> None:
    sprite = sprite_of(label, 40, angle, opening)
    rows, columns = sprite.paint.shape[:2]
    assert rows < 2 * (44 + 2)
    assert columns < 2 * (44 + 2)
    left, top, right, bottom = hull_of(label, 40, angle, opening)
    assert sprite.offset_xy[0] <= left < right <= sprite.offset_xy[0] + columns
    assert sprite.offset_xy[1] <= top < bottom <= sprite.offset_xy[1] + rows


def test_a_picture_depends_on_its_time_alone() -> None:
    actor = Actor("grasper", "a", Motion((0.4, 0.5), (-0.2, 0.4), spans_s=((2.0, 50.0),)))
    scene = Scene(SIZE, 9)
    forwards = {t: render(scene, [actor], t)[0] for t in (1.0, 20.0, 40.0)}
    other = Scene(SIZE, 9)
    for t in (40.0, 1.0, 20.0):
        np.testing.assert_array_equal(render(other, [actor], t)[0], forwards[t])
    assert (forwards[1.0] != forwards[20.0]).any()


def test_boxes_need_no_drawing_and_end_with_the_span() -> None:
    actor = Actor("clipper", "a", Motion((0.4, 0.5), (-0.2, 0.4), spans_s=((2.0, 5.0),)))
    assert boxes_at(SIZE, [actor], 1.99) == {}
    assert boxes_at(SIZE, [actor], 5.0) == {}
    for t in (2.0, 3.5, 4.99):
        assert boxes_at(SIZE, [actor], t) == render(Scene(SIZE, 1), [actor], t)[1]


def test_a_tip_past_the_edge_keeps_its_whole_box() -> None:
    actor = Actor("hook", "a", Motion((0.5, 1.01), (1.1, 1.0), sway_xy=(0, 0)))
    (box,) = boxes_at(SIZE, [actor], 0.0).values()
    assert box[3] > SIZE[1]
    assert clip_box(box, SIZE)[3] == SIZE[1]
    away = Actor("hook", "a", Motion((0.5, 1.6), (1.1, 1.5), sway_xy=(0, 0)))
    assert boxes_at(SIZE, [away], 0.0) == {}


def test_patients_and_phases_look_different() -> None:
    pictures = [
        render(Scene(SIZE, seed, Look.LAPAROSCOPY, phase), [], 0.0)[0].astype(float)
        for seed in (1, 2)
        for phase in range(7)
    ]
    for i, one in enumerate(pictures):
        for other in pictures[i + 1 :]:
            assert np.abs(one - other).mean() > 6


@pytest.mark.parametrize("effect", list(Effect))
def test_what_is_flagged_is_drawn(effect: Effect) -> None:
    scene = Scene(SIZE, 4)
    clear, _ = render(scene, [], 1.0)
    clouded, _ = render(scene, [], 1.0, effects=frozenset({effect}))
    changed = np.abs(clear.astype(int) - clouded).max(axis=2) > 8
    assert changed.mean() > 0.005
    assert not clouded[0, 0].any(), "corners stay dark"


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    picture, _ = render(Scene((427, 241), 4), [], 1.0, overlay="1.00")
    for name in ("a.png", "b.png"):
        write_png(tmp_path / name, picture)
    read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert read is not None
    np.testing.assert_array_equal(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), picture)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_black_is_black() -> None:
    assert black_frame((8, 6)).shape == (6, 8, 3)
    assert not black_frame((8, 6)).any()


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="spoon"):
        boxes_at(SIZE, [Actor("spoon", "a", Motion((0.5, 0.5), (0, 0)))], 0.0)
