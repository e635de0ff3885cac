"""A sample refuses bad frames, whatever was seen before."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.sample import Sample

FIELDS: dict[str, Any] = {
    "sample_id": "s", "source": "cholect50", "dataset_name": "CholecT50", "video_id": "VID01",
    "identity": "cholec80:1", "clip_id": "c", "task": "tal", "qa_type": "tal", "subject": "{}",
    "label": "", "question": "When?", "answer": "0.0-1.0 seconds.", "candidates": (),
    "target": "[]", "clip_start": 0, "clip_end": 9, "rate_num": 1, "rate_den": 1,
    "tick_rate_num": 1, "tick_rate_den": 1, "width": 64, "height": 48, "sparse": False,
    "licence": "cc0-1.0", "provenance": "{}",
}  # fmt: skip


def _sample(index: object, tick: object) -> Sample:
    return Sample.model_validate(FIELDS | {"frame_index": index, "frame_tick": tick})


def test_samples_of_one_clip_hold_the_clips_own_numbers() -> None:
    index, tick = (1, 2, 3), (0, 1, 2)
    first, second = _sample(index, tick), _sample(index, tick)
    assert first.frame_index is second.frame_index is index
    assert first == second


def test_numbers_of_other_forms_become_whole_numbers() -> None:
    sample = _sample([1, 2], (True, 2))
    assert (sample.frame_index, sample.frame_tick) == ((1, 2), (1, 2))
    again = _sample([1, 2], (True, 2))
    assert all(type(number) is int for number in (*again.frame_index, *again.frame_tick))


@pytest.mark.parametrize("bad", [(0, -1), (0, "x"), (0, None), (0, 1.5), 7])
def test_bad_frames_are_refused_after_good_ones_and_twice(bad: object) -> None:
    _sample((0, 1), (0, 1))
    for _ in range(2):
        with pytest.raises(ValidationError, match="frame_index"):
            _sample(bad, (0, 1))


def test_more_clips_than_are_remembered_change_nothing() -> None:
    clips = [tuple(range(start, start + 5)) for start in range(40)]
    for clip in (*clips, *clips):
        assert _sample(clip, clip).frame_index == clip
