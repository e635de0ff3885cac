"""Motion read from box centers, against the stated thresholds."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.captions.motion import (
    MOVED,
    STILL,
    motion_clause,
    motion_participle,
    read_motion,
)
from medvid.captions.tracks import Center
from medvid.captions.video_facts import Draw

UNIT = st.floats(0, 1)
CENTERS = st.lists(st.builds(Center, UNIT, UNIT), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("path", "kind", "direction"),
    [
        ([(0.5, 0.5), (0.54, 0.46), (0.5, 0.5)], "still", ""),
        ([(0.2, 0.2), (0.26, 0.2)], "slight", ""),
        ([(0.2, 0.2), (0.31, 0.2)], "toward", "right"),
        ([(0.5, 0.5), (0.38, 0.36)], "toward", "upper left"),
        ([(0.5, 0.5), (0.61, 0.8)], "toward", "bottom"),
        ([(0.5, 0.5), (0.5, 0.2)], "toward", "top"),
        ([(0.5, 0.5), (0.7, 0.7)], "toward", "lower right"),
        ([(0.2, 0.2), (0.5, 0.2), (0.22, 0.2)], "about", ""),
    ],
)  # fmt: skip
def test_motion_follows_the_thresholds(
    path: list[tuple[float, float]], kind: str, direction: str
) -> None:
    motion = read_motion([Center(x, y) for x, y in path])
    assert (motion.kind, motion.direction) == (kind, direction)


@pytest.mark.parametrize(
    ("at", "place"),
    [
        ((0.1, 0.1), "upper left"), ((0.5, 0.1), "upper part"), ((0.5, 0.5), "center"),
        ((0.9, 0.5), "right"), ((0.1, 0.5), "left"), ((1.0, 1.0), "lower right"),
    ],
)  # fmt: skip
def test_places_are_thirds_of_the_image(at: tuple[float, float], place: str) -> None:
    assert read_motion([Center(*at)]).start == place


def test_still_objects_are_placed_and_verbs_agree() -> None:
    motion = read_motion([Center(0.1, 0.5)])
    said = {motion_clause(motion, "the hook", Draw(seed)) for seed in range(20)}
    assert said == {
        "stays in place on the left of the view", "remains on the left of the view",
        "stays on the left of the view",
    }  # fmt: skip
    assert "stay in place on the left of the view" in {
        motion_clause(motion, "the scissors", Draw(seed)) for seed in range(20)
    }


def test_an_object_that_comes_back_is_said_to() -> None:
    motion = read_motion([Center(0.2, 0.2), Center(0.5, 0.2), Center(0.22, 0.2)])
    assert motion_clause(motion, "the scissors", Draw(0)) == (
        "move about and end close to where they began"
    )
    assert motion_participle(motion, Draw(0)) == "moving about"


@settings(max_examples=200, deadline=None)
@given(CENTERS)
def test_directions_are_true(centers: list[Center]) -> None:
    motion = read_motion(centers)
    first, last = centers[0], centers[-1]
    if "left" in motion.direction:
        assert first.x - last.x >= MOVED
    if "right" in motion.direction:
        assert last.x - first.x >= MOVED
    if re.search("upper|top", motion.direction):
        assert first.y - last.y >= MOVED
    if re.search("lower|bottom", motion.direction):
        assert last.y - first.y >= MOVED
    if motion.kind == "still":
        assert all(abs(c.x - first.x) <= STILL and abs(c.y - first.y) <= STILL for c in centers)
    assert (motion.kind == "toward") == bool(motion.direction)
