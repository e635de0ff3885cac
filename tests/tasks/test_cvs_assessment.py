"""Critical view of safety: one question a clip that lies in one interval, and a strict grammar."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.tasks import get_task
from medvid.tasks.base import ClipContext
from medvid.tasks.modules.cvs_assessment import WORDING, score_pattern
from schemas.annotation import CvsInterval, VideoAnnotation
from schemas.clip import Clip
from schemas.errors import SampleError
from schemas.sample import Sample
from schemas.timeline import SegmentKind

VideoMaker = Callable[..., VideoAnnotation]
ClipMaker = Callable[..., Clip]
ContextMaker = Callable[..., ClipContext]
Ask = Callable[[str, ClipContext], list[Sample]]
TASK = get_task("cvs_assessment")
CRITERIA = ("two_structures", "cystic_plate", "hepatocystic_triangle")
SCORES = st.fixed_dictionaries({name: st.integers(0, 2) for name in CRITERIA})
ANSWER = "Two structures: 2, Cystic plate: 0, Hepatocystic triangle: 1"


def interval(start: int, end: int, scores: str) -> CvsInterval:
    two, plate, triangle = (int(score) for score in scores)
    return CvsInterval(
        start=start, end=end, two_structures=two, cystic_plate=plate, hepatocystic_triangle=triangle
    )


@pytest.fixture
def ask_clip(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> Callable[..., tuple[list[Sample], dict[str, int]]]:
    # Scores 201 from 10 to 40 and 222 from 40 to 70; the clip is `[start, end)` at one a second.
    def build(start: int, end: int) -> tuple[list[Sample], dict[str, int]]:
        video = make_video(
            [(10, 25, "cutting"), (25, 40, "tying"), (40, 70, "cutting")],
            cvs=(interval(10, 40, "201"), interval(40, 70, "222")),
        )
        clip = make_clip(range(start, end), end=end, kind=SegmentKind.ACTION)
        context = make_context(video, clip)
        return ask("cvs_assessment", context), dict(context.drops)

    return build


@pytest.mark.parametrize(("start", "end"), [(10, 40), (12, 30), (10, 11), (39, 40)])
def test_a_clip_inside_one_interval_is_asked_about(
    ask_clip: Callable[..., tuple[list[Sample], dict[str, int]]], start: int, end: int
) -> None:
    (sample,), drops = ask_clip(start, end)
    assert not drops
    assert sample.answer == ANSWER
    assert sample.target_value() == {
        "two_structures": 2, "cystic_plate": 0, "hepatocystic_triangle": 1,
    }  # fmt: skip
    assert (sample.label, sample.subject, sample.qa_type) == ("2-0-1", "{}", "cvs_assessment")
    assert sample.candidates == ()


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (0, 10, "not_scored"),
        (70, 90, "not_scored"),
        (9, 30, "partly_scored"),
        (0, 11, "partly_scored"),
        (50, 71, "partly_scored"),
        (10, 41, "several_intervals"),
        (39, 70, "several_intervals"),
        (0, 90, "several_intervals"),
    ],
)
def test_any_other_clip_is_counted(
    ask_clip: Callable[..., tuple[list[Sample], dict[str, int]]], start: int, end: int, reason: str
) -> None:
    assert ask_clip(start, end) == ([], {reason: 1})


def test_a_video_without_scores_is_counted(
    make_video: VideoMaker, make_clip: ClipMaker, make_context: ContextMaker, ask: Ask
) -> None:
    context = make_context(make_video([(0, 40, "cutting")]), make_clip(range(40)))
    assert ask("cvs_assessment", context) == []
    assert dict(context.drops) == {"not_scored": 1}


def test_provenance_names_the_interval_and_the_segments_of_the_clip(
    ask_clip: Callable[..., tuple[list[Sample], dict[str, int]]],
) -> None:
    (sample,), _ = ask_clip(25, 40)
    assert orjson.loads(sample.provenance)["records"] == ["cvs:0", "segment:1@1"]
    (sample,), _ = ask_clip(24, 26)
    assert orjson.loads(sample.provenance)["records"] == ["cvs:0", "segment:0@0", "segment:1@1"]


def test_every_wording_names_the_criteria_and_the_scale() -> None:
    assert len(set(WORDING.asks)) == len(WORDING.asks) >= 6
    for wording in WORDING.asks:
        for part in ("two structures", "cystic plate", "hepatocystic triangle", "0", "2"):
            assert part in wording.replace("only two structures", "two structures")
        assert "{" not in wording


@settings(max_examples=50, deadline=None)
@given(SCORES)
def test_what_is_written_reads_back(scores: dict[str, int]) -> None:
    text = TASK.format_(scores)
    assert TASK.parse_(text) == scores
    assert TASK.format_(TASK.parse_(text)) == text


@settings(max_examples=300, deadline=None)
@given(SCORES, st.data())
def test_a_damaged_answer_is_refused_or_read_as_other_scores(
    scores: dict[str, int], data: st.DataObject
) -> None:
    text = TASK.format_(scores)
    place = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 2))
    changed = text[:place] + data.draw(st.text(max_size=2)) + text[place + length :]
    try:
        read = TASK.parse_(changed)
    except SampleError:
        return
    assert TASK.format_(read) == changed


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 0),
        (ANSWER.lower(), 0),
        (f" {ANSWER}", 0),
        (f"{ANSWER} ", len(ANSWER)),
        (f"{ANSWER}.", len(ANSWER)),
        (f"{ANSWER}\n", len(ANSWER)),
        (ANSWER.replace("2", "3"), 16),
        (ANSWER.replace("2", "-1"), 16),
        (ANSWER.replace("2", "٢"), 16),
        (ANSWER.replace("2", ""), 16),
        (ANSWER.replace(", Cystic", ",Cystic"), 17),
        (ANSWER.replace("2,", "20,"), 17),
        ("Two structures: 2, Hepatocystic triangle: 1, Cystic plate: 0", 17),
        ("Two structures: 2, Cystic plate: 0", 34),
    ],
)
def test_other_texts_are_refused_with_their_place(text: str, place: int) -> None:
    with pytest.raises(SampleError) as caught:
        TASK.parse_(text)
    assert caught.value.field == f"answer character {place}"


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"two_structures": 0, "cystic_plate": 0},
        {"two_structures": 0, "cystic_plate": 0, "hepatocystic_triangle": 3},
        {"two_structures": 0, "cystic_plate": -1, "hepatocystic_triangle": 0},
        {"two_structures": True, "cystic_plate": 0, "hepatocystic_triangle": 0},
        {"two_structures": 1.0, "cystic_plate": 0, "hepatocystic_triangle": 0},
        {"two_structures": "1", "cystic_plate": 0, "hepatocystic_triangle": 0},
        {"two_structures": 0, "cystic_plate": 0, "hepatocystic_triangle": 0, "total": 0},
    ],
)
def test_illegal_scores_are_not_written(scores: dict[str, Any]) -> None:
    with pytest.raises(SampleError):
        TASK.format_(scores)


def test_keys_may_come_in_any_order() -> None:
    scores = {"hepatocystic_triangle": 1, "cystic_plate": 0, "two_structures": 2}
    assert TASK.format_(scores) == ANSWER
    assert score_pattern(TASK.parse_(ANSWER)) == "2-0-1"
