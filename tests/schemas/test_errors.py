"""Errors name the place, say what to do, and stay whole across processes."""

import pickle

import pytest

from schemas.errors import (
    ConfigError,
    LeakageError,
    MalformedSourceError,
    MediaError,
    MedVidError,
    bounded,
)


@pytest.mark.parametrize(
    "error",
    [
        MalformedSourceError("bad row.", dataset="nurvid", source="a.json", line=7, field="fps"),
        MediaError("cut short.", reason="truncated", source="v.mp4"),
        LeakageError("one patient in two splits."),
        ConfigError("no such task.", field="tasks", action="Choose another."),
    ],
)
def test_attributes_survive_pickling(error: MedVidError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert back.__dict__ == error.__dict__


def test_message_names_place_and_next_step() -> None:
    error = MalformedSourceError("bad row.", dataset="nurvid", source="a.json", line=7, field="fps")
    assert str(error).startswith("nurvid a.json:7 fps: bad row. ")
    assert str(error).endswith("run the build again.")


def test_text_is_bounded_whatever_the_number_of_examples() -> None:
    assert len(bounded(["x" * 1000] * 1000)) < 1500
    assert bounded(["a", "b"]) == "a; b"
