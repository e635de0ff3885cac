"""Skill assessment: the grammar both ways, whole trials and parts, and what is not asked."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.tasks import get_task
from medvid.tasks.base import ClipContext
from medvid.tasks.modules.skill_assessment import ASPECTS, PART_EVERY, PART_WORDING, WORDING
from schemas.annotation import SkillScores, VideoAnnotation
from schemas.clip import Clip
from schemas.errors import SampleError
from schemas.sample import Sample
from schemas.scalars import Tick

TASK = get_task("skill_assessment")
ANSWER = (
    "Respect for tissue: 2/5, Suture/needle handling: 1/5, Time and motion: 1/5,"
    " Flow of operation: 2/5, Overall performance: 1/5, Quality of final product: 3/5"
)
SCORES = dict(zip(ASPECTS, (2, 1, 1, 2, 1, 3), strict=True))
RATED = SkillScores(level="N", scores=SCORES)
ROWS = [(10, 40, "cutting"), (40, 60, "tying"), (65, 110, "suturing")]

targets = st.fixed_dictionaries({aspect: st.integers(1, 5) for aspect in ASPECTS})
Maker = Callable[..., Any]
Asker = Callable[[str, ClipContext], list[Sample]]


@given(targets, st.permutations(ASPECTS))
@settings(max_examples=80, deadline=None)
def test_scores_survive_the_text_in_any_order(target: dict[str, int], order: list[str]) -> None:
    text = TASK.format_({aspect: target[aspect] for aspect in order})
    assert TASK.parse_(text) == target
    assert TASK.format_(orjson.loads(orjson.dumps(target))) == text
    assert [text.index(f"{aspect}: ") for aspect in ASPECTS] == sorted(
        text.index(f"{aspect}: ") for aspect in ASPECTS
    )


def test_the_text_is_the_benchmarks_own() -> None:
    assert TASK.format_(SCORES) == ANSWER
    assert TASK.parse_(ANSWER) == SCORES
    # As the official evaluator reads it: parts at commas, `name: n/5`.
    parts = [part.strip().split(": ") for part in ANSWER.split(",")]
    assert {name: int(score.removesuffix("/5")) for name, score in parts} == SCORES


@pytest.mark.parametrize(
    ("change", "position"),
    [
        (("2/5, S", "2/5; S"), 23), (("tissue: 2/5", "tissue: 6/5"), 20), (("2/5", "0/5"), 20),
        (("1/5", "1/6"), 49), (("Respect", "respect"), 0), ((": 2/5", ":2/5"), 0),
        (("3/5", "3/5."), len(ANSWER)), (("3/5", "3/5\n"), len(ANSWER)), ((": 2", ": ٢"), 20),
        (("Time and motion: 1/5, ", ""), 52), ((": 2/5", ": 2.0/5"), 20), (("2/5", "12/5"), 20),
    ],
)  # fmt: skip
def test_anything_else_is_refused_at_its_place(change: tuple[str, str], position: int) -> None:
    with pytest.raises(SampleError) as caught:
        TASK.parse_(ANSWER.replace(*change, 1))
    assert caught.value.field == f"answer character {position}"


@given(st.text(max_size=30), st.integers(0, len(ANSWER)), st.integers(0, len(ANSWER)))
@settings(max_examples=150, deadline=None)
def test_what_is_read_is_what_would_be_written(insert: str, a: int, b: int) -> None:
    text = ANSWER[: min(a, b)] + insert + ANSWER[max(a, b) :]
    try:
        target = TASK.parse_(text)
    except SampleError:
        return
    assert TASK.format_(target) == text


@pytest.mark.parametrize(
    "target",
    [
        {}, {"Time and motion": 2}, SCORES | {"Respect for tissue": 0},
        SCORES | {"Respect for tissue": 6}, SCORES | {"Respect for tissue": True},
        SCORES | {"Respect for tissue": 2.0}, SCORES | {"Speed": 3},
    ],
)  # fmt: skip
def test_only_the_six_scores_can_be_written(target: dict[str, Any]) -> None:
    with pytest.raises(SampleError):
        TASK.format_(target)


def test_a_whole_trial_is_asked_about(
    make_video: Maker, make_clip: Maker, make_context: Maker, ask: Asker
) -> None:
    video = make_video(ROWS, skill=RATED)
    (sample,) = ask("skill_assessment", make_context(video, make_clip(range(10, 110))))
    assert sample.answer == ANSWER
    assert sample.target_value() == SCORES
    assert (sample.qa_type, sample.label) == ("skill_assessment", "10/30")
    assert sample.subject == '{"partial":false}'
    assert sample.candidates == ()
    assert all(aspect in sample.question for aspect in ASPECTS)
    assert orjson.loads(sample.provenance)["records"] == ["skill_level:N"]
    assert not any(level in sample.question for level in ("novice", "expert surgeon", "N/I/E"))


def _clips(make_clip: Maker, starts: range, length: int) -> list[Clip]:
    return [make_clip(range(start, start + length)) for start in starts]


def test_a_share_of_the_parts_is_asked_about_and_marked(
    make_video: Maker, make_clip: Maker, make_context: Maker, ask: Asker
) -> None:
    # A long trial, so that many parts of at least half its length exist.
    video = make_video([(0, 300, "cutting"), (300, 2000, "tying")], skill=RATED)
    contexts = [make_context(video, clip) for clip in _clips(make_clip, range(400), 1200)]
    asked = [(context, ask("skill_assessment", context)) for context in contexts]
    samples = [sample for _, found in asked for sample in found]
    assert len(contexts) / PART_EVERY * 0.7 < len(samples) < len(contexts) / PART_EVERY * 1.3
    assert {sample.subject for sample in samples} == {'{"partial":true}'}
    opening = {ask_.split("{")[0] for ask_ in PART_WORDING.asks}
    assert all(any(text in sample.question for text in opening) for sample in samples)
    for context, found in asked:
        assert context.drops["part_not_chosen"] == (not found)
    again = [sample for context in contexts[:40] for sample in ask("skill_assessment", context)]
    assert again == samples[: len(again)]


def test_the_choice_of_parts_follows_the_seed(
    make_video: Maker, make_clip: Maker, make_context: Maker, ask: Asker
) -> None:
    video = make_video([(0, 2000, "tying")], skill=RATED)

    def chosen(seed: int) -> list[Tick]:
        clips = _clips(make_clip, range(60), 1500)
        found = (make_context(video, clip, settings={"seed": seed}) for clip in clips)
        return [s.clip_start for context in found for s in ask("skill_assessment", context)]

    assert chosen(1) == chosen(1) != chosen(2)


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [(10, 59, "part_too_short"), (70, 110, "part_too_short"), (200, 260, "part_too_short")],
)
def test_less_than_half_a_trial_is_not_asked_about(
    make_video: Maker, make_clip: Maker, make_context: Maker, ask: Asker,
    start: int, end: int, reason: str,
) -> None:  # fmt: skip
    context = make_context(make_video(ROWS, skill=RATED), make_clip(range(start, end)))
    assert ask("skill_assessment", context) == []
    assert +context.drops == {reason: 1}


def test_exactly_half_a_trial_may_be_asked_about(
    make_video: Maker, make_clip: Maker, make_context: Maker, ask: Asker
) -> None:
    context = make_context(make_video(ROWS, skill=RATED), make_clip(range(10, 60)))
    ask("skill_assessment", context)
    assert context.drops["part_too_short"] == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"skill": None}, "no_rating"),
        ({"skill": SkillScores(level="E", scores={"Time and motion": 3})}, "incomplete_rating"),
        ({"skill": SkillScores(level="E", scores=SCORES | {ASPECTS[0]: 9})}, "incomplete_rating"),
        ({"skill": RATED, "segments": ()}, "no_segments"),
    ],
)
def test_what_cannot_be_asked_is_counted(
    make_video: Maker, make_clip: Maker, make_context: Maker, ask: Asker,
    changes: dict[str, Any], reason: str,
) -> None:  # fmt: skip
    video: VideoAnnotation = make_video(ROWS, **changes)
    context = make_context(video, make_clip(range(10, 110)))
    assert ask("skill_assessment", context) == []
    assert +context.drops == {reason: 1}


def test_questions_about_wholes_and_parts_share_no_wording() -> None:
    assert not set(WORDING.asks) & set(PART_WORDING.asks)
    assert all("{aspects}" in text for bank in (WORDING, PART_WORDING) for text in bank.asks)
    assert all(a != b for a, b in pairwise(sorted(WORDING.asks)))
