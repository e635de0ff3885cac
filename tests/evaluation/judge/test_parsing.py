"""Reading scores: every form people's models use, and nothing that is not there."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.evaluation.judge.pairs import OFFICIAL_KEYS, Dimension
from medvid.evaluation.judge.parsing import NoScoresError, parse_scores

WANTED = dict(zip(Dimension, (4, 3, 2, 5, 1), strict=True))
NAMED = {dimension.value: score for dimension, score in WANTED.items()}
KEYED = {OFFICIAL_KEYS[dimension]: score for dimension, score in WANTED.items()}


def lines(form: str, scores: dict[str, int]) -> str:
    return "\n".join(form.format(key=key, score=score) for key, score in scores.items())


@pytest.mark.parametrize("scores", [NAMED, KEYED])
@pytest.mark.parametrize(
    "form",
    ["{key}: {score}", "{key} = {score}", "**{key}**: {score}", "**{key}:** {score}",
     "- {key} {score}", "`{key}`: **{score}**", "{key} (how good it is): {score}",
     "{key}: {score}/5",
     "{key}: {score} out of 5", "{key}: {score}.0", "1. {key}: {score}.", '"{key}": "{score}",'],
)  # fmt: skip
def test_lines_in_many_forms_are_read(form: str, scores: dict[str, int]) -> None:
    assert parse_scores(lines(form, scores)) == WANTED
    assert parse_scores(f"Here are my scores.\n\n{lines(form, scores)}\n\nDone.") == WANTED
    assert parse_scores(lines(form, scores).replace("\n", ", ")) == WANTED


@pytest.mark.parametrize("scores", [NAMED, KEYED])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_in_many_places_is_read(scores: dict[str, int], indent: int | None) -> None:
    plain = json.dumps(scores, indent=indent)
    texts = {key: f"{score}/5" for key, score in scores.items()}
    reasons = {key: {"score": score, "reason": "R2: 5"} for key, score in scores.items()}
    titled = {key.replace("_", " ").title(): score for key, score in scores.items()}
    for text in (
        plain, f"```json\n{plain}\n```", f"Sure {{}}! {plain} Anything else?",
        json.dumps({"scores": scores, "comment": "terminology: 1"}), json.dumps(texts),
        json.dumps(reasons), json.dumps(titled), f"{plain}\n{plain}",
        json.dumps({key: float(score) for key, score in scores.items()}),
    ):  # fmt: skip
        assert parse_scores(text) == WANTED, text


def without(key: str) -> dict[str, int]:
    return {name: score for name, score in NAMED.items() if name != key}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no scores"),
        ("The candidate is quite good, four of five.", "no scores"),
        (json.dumps(without("context")), "lacks context"),
        (lines("{key}: {score}", without("context")), "lacks context"),
        (json.dumps({**NAMED, "context": 6}), "context is no integer"),
        (json.dumps({**NAMED, "context": 0}), "context is no integer"),
        (json.dumps({**NAMED, "context": 3.5}), "context is no integer"),
        (json.dumps({**NAMED, "context": True}), "context is no integer"),
        (json.dumps({**NAMED, "context": None}), "context is no integer"),
        (json.dumps({**NAMED, "context": "3-4"}), "context is no integer"),
        (json.dumps({**NAMED, "context": float("nan")}), "context is no integer"),
        (json.dumps({**NAMED, "context": 1e308}), "context is no integer"),
        (json.dumps({**NAMED, "R5": 1}), "context more than once"),
        (json.dumps(NAMED)[:-1] + ', "context": 1}', "context more than once"),
        (f"{json.dumps(NAMED)} or {json.dumps({**NAMED, 'context': 1})}", "more than once"),
        (lines("{key}: {score}", {**NAMED, "R5": 1}), "context more than once"),
        (lines("{key}: 1-5", NAMED), "no integer"),
        (lines("{key}: 4/10", NAMED), "no integer"),
        (lines("{key}: 3.5", NAMED), "no integer"),
        (lines("{key}: 42", NAMED), "no integer"),
        (lines("X{key}: {score}", NAMED), "no scores"),
        ('{"a":' * 5_000, "no scores"),
        ("[" * 10_000 + "{" * 10_000, "no scores"),
    ],
)
def test_what_is_not_five_scores_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(NoScoresError, match=problem):
        parse_scores(text)


@settings(max_examples=150, deadline=None)
@given(st.text() | st.recursive(st.integers() | st.text() | st.none(), st.lists).map(json.dumps))
def test_any_text_ends_in_scores_or_a_reason(text: str) -> None:
    with contextlib.suppress(NoScoresError):
        scores = parse_scores(text)
        assert set(scores) == set(Dimension)
        assert all(1 <= score <= 5 for score in scores.values())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=5, max_size=5))
def test_what_is_written_is_read(values: list[int]) -> None:
    scores = dict(zip(Dimension, values, strict=True))
    assert parse_scores(json.dumps({d.value: n for d, n in scores.items()})) == scores
    assert parse_scores(lines("{key}: {score}", {OFFICIAL_KEYS[d]: scores[d] for d in scores})) == (
        scores
    )
