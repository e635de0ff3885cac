"""Answer grammars: the way out and back, strictness, and what the official evaluator reads."""

import importlib
import re
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.tasks import get_task, load_tasks
from medvid.tasks.grammar import deciseconds, one_line
from medvid.tasks.modules.dense_captioning import split_label
from schemas.errors import ConfigError, SampleError
from schemas.source import TaskName
from schemas.timeline import IntArray, TimeBase

TAL, STG, DENSE = get_task("tal"), get_task("stg"), get_task("dense_captioning")
TEXT_TASKS = [get_task(name) for name in ("next_action", "video_summary", "region_caption")]

tenths = st.integers(0, 99_999_99).map(lambda n: n / 10)
cents = st.integers(0, 99_999_999).map(lambda n: n / 100)
lines = st.text(max_size=60).map(one_line).filter(bool)


@st.composite
def spans(draw: st.DrawFn) -> dict[str, Any]:
    start, end = sorted((draw(tenths), draw(tenths)))
    return {"start": start, "end": end}


@st.composite
def boxes(draw: st.DrawFn) -> list[float]:
    x1, x2 = sorted(draw(st.lists(cents, min_size=2, max_size=2, unique=True)))
    y1, y2 = sorted(draw(st.lists(cents, min_size=2, max_size=2, unique=True)))
    return [x1, y1, x2, y2]


tal_targets = st.lists(spans(), min_size=1, max_size=6)


@st.composite
def stg_targets(draw: st.DrawFn) -> list[dict[str, Any]]:
    times = draw(st.lists(tenths, min_size=1, max_size=6, unique=True))
    return [{"time": time, "xyxy": draw(boxes())} for time in sorted(times)]


dense_targets = st.lists(
    st.tuples(spans(), lines).map(lambda row: {**row[0], "caption": row[1]}),
    min_size=1, max_size=5,
)  # fmt: skip


def survives_json(task: Any, target: Any) -> bool:
    text = task.format_(target)
    stored = orjson.loads(orjson.dumps(target))
    return bool(task.parse_(text) == target and task.format_(stored) == text)


@settings(max_examples=150, deadline=None)
@given(tal_targets, stg_targets(), dense_targets)
def test_answers_come_back(tal: Any, stg: Any, dense: Any) -> None:
    assert survives_json(TAL, tal)
    assert survives_json(STG, stg)
    assert survives_json(DENSE, dense)


@settings(max_examples=100, deadline=None)
@given(lines)
def test_texts_come_back(text: str) -> None:
    assert all(survives_json(task, text) for task in TEXT_TASKS)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(alphabet="0123456789.,- []second:\n", max_size=50), st.text(max_size=40)))
def test_what_parses_is_what_would_be_written(text: str) -> None:
    """Any text either reads as a target that writes the same text, or names a character."""
    for task in load_tasks().values():
        try:
            target = task.parse_(text)
        except SampleError as error:
            place = re.fullmatch(r"answer character (\d+)", error.field or "")
            assert place
            assert int(place[1]) <= len(text)
            continue
        written = task.format_(target)
        assert written == text or (task is STG and task.parse_(written) == target)


@settings(max_examples=100, deadline=None)
@given(tal_targets, st.data())
def test_one_changed_character_is_not_ignored(target: Any, data: st.DataObject) -> None:
    text = TAL.format_(target)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(sorted(set("0123456789.,- x") - {text[place]})))
    broken = text[:place] + other + text[place + 1 :]
    try:
        read = TAL.parse_(broken)
    except SampleError:
        return
    assert read != target


@pytest.mark.parametrize(
    ("task", "text", "character"),
    [
        ("tal", "", 0),
        ("tal", "1.0-3.0", 7),
        ("tal", "1.0-3.0 seconds", 7),
        ("tal", "1.0–3.0 seconds.", 3),
        ("tal", "1-3 seconds.", 0),
        ("tal", "1.05-3.0 seconds.", 3),
        ("tal", "01.0-3.0 seconds.", 0),
        ("tal", "3.0-1.0 seconds.", 0),
        ("tal", "1.0-3.0,5.0-6.0 seconds.", 7),
        ("tal", "1.0-3.0 seconds. ", 16),
        ("tal", "-1.0-3.0 seconds.", 0),
        ("tal", "1.0-١.0 seconds.", 4),
        ("stg", "1.0 seconds:[1, 2, 3, 4]", 3),
        ("stg", "1.0 seconds: [1, 2, 3]", 21),
        ("stg", "1.0 seconds: [1, 2, 1, 4]", 13),
        ("stg", "1.0 seconds: [1, 2, 3.125, 4]", 24),
        ("stg", "1.0 seconds: [1, 2, 3, 4] 1.0 seconds: [1, 2, 3, 4]", 26),
        ("stg", "1.0 seconds: [1, 2, 3, 4]  5.0 seconds: [1, 2, 3, 4]", 26),
        ("dense_captioning", "0.0-1.0 seconds: ", 17),
        ("dense_captioning", "0.0-1.0 seconds: a\n", 19),
        ("dense_captioning", "0.0-1.0 seconds: a \n1.0-2.0 seconds: b", 18),
        ("dense_captioning", "0.0-1.0 seconds: a\r\n1.0-2.0 seconds: b", 18),
        ("dense_captioning", "0.0 - 1.0 seconds: a", 3),
        ("next_action", "cut\nting", 3),
        ("next_action", " cutting", 0),
        ("video_summary", "Fine. ", 5),
        ("region_caption", "a\u2028b", 1),
    ],
)
def test_errors_name_the_character(task: str, text: str, character: int) -> None:
    with pytest.raises(SampleError) as caught:
        get_task(task).parse_(text)
    assert caught.value.field == f"answer character {character}"
    assert "Write the answer" in str(caught.value)


@pytest.mark.parametrize(
    ("task", "target"),
    [
        (TAL, []),
        (TAL, [{"start": 2.0, "end": 1.0}]),
        (TAL, [{"start": -1.0, "end": 1.0}]),
        (TAL, [{"start": 0.0, "end": float("inf")}]),
        (TAL, [{"start": 0.0, "end": float("nan")}]),
        (STG, []),
        (STG, [{"time": 1.0, "xyxy": [0.0, 0.0, 0.0, 1.0]}]),
        (STG, [{"time": 1.0, "xyxy": [-1.0, 0.0, 1.0, 1.0]}]),
        (STG, [{"time": 1.0, "xyxy": [0.0, 0.0, 1.0, 1.0]}] * 2),
        (DENSE, []),
        (DENSE, [{"start": 0.0, "end": 1.0, "caption": "two\nlines"}]),
        (DENSE, [{"start": 0.0, "end": 1.0, "caption": ""}]),
        (TEXT_TASKS[0], ""),
    ],
)
def test_illegal_targets_are_not_written(task: Any, target: Any) -> None:
    with pytest.raises(SampleError):
        task.format_(target)


def test_answers_read_as_the_benchmark_writes_them() -> None:
    assert TAL.format_([{"start": 1.1, "end": 3.0}, {"start": 66.0, "end": 66.0}]) == (
        "1.1-3.0, 66.0-66.0 seconds."
    )
    assert STG.format_(
        [
            {"time": 1.0, "xyxy": [235.08, 261.2, 561.58, 1005.62]},
            {"time": 5.0, "xyxy": [274.26, 261.2, 561.58, 1005.62]},
        ]
    ) == (
        "1.0 seconds: [235.08, 261.2, 561.58, 1005.62]"
        " 5.0 seconds: [274.26, 261.2, 561.58, 1005.62]"
    )
    assert (
        DENSE.format_(
            [
                {"start": 1.0, "end": 29.0, "caption": "check: A record is read."},
                {"start": 30.0, "end": 30.0, "caption": "A tray is moved."},
            ]
        )
        == "1.0-29.0 seconds: check: A record is read.\n30.0-30.0 seconds: A tray is moved."
    )


@settings(max_examples=100, deadline=None)
@given(tal_targets, stg_targets(), dense_targets)
def test_official_rules_read_the_same(tal: Any, stg: Any, dense: Any) -> None:
    """The leaderboard's parsing rules, as its code states them, find every number."""
    pairs = re.findall(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)", TAL.format_(tal))
    assert [(float(a), float(b)) for a, b in pairs] == [(s["start"], s["end"]) for s in tal]
    items = re.findall(r"(\d+(?:\.\d+)?) +seconds: *\[([^\]]*)\]", STG.format_(stg))
    assert [float(time) for time, _ in items] == [box["time"] for box in stg]
    assert [[float(n) for n in box.split(",")] for _, box in items] == [b["xyxy"] for b in stg]
    assert all(re.fullmatch(r"\d+\.\d", time) for time, _ in items)
    heads = re.findall(
        r"^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?) seconds: (.+)$", DENSE.format_(dense), re.MULTILINE
    )
    assert [(float(a), float(b), c) for a, b, c in heads] == [
        (e["start"], e["end"], e["caption"]) for e in dense
    ]


@settings(max_examples=200, deadline=None)
@given(
    ticks=st.lists(st.integers(0, 10**9), min_size=1, max_size=5),
    rate=st.sampled_from([(1, 1), (25, 1), (90000, 1), (30000, 1001), (1, 2)]),
)
def test_tenths_are_the_nearest(ticks: list[int], rate: tuple[int, int]) -> None:
    base = TimeBase(rate_num=rate[0], rate_den=rate[1], frame_rate_num=25)
    array: IntArray = deciseconds(_array(ticks), base)
    for tick, tenth in zip(ticks, array.tolist(), strict=True):
        off = tick * 10 * rate[1] - tenth * rate[0]
        assert -rate[0] <= 2 * off < rate[0]


def _array(values: list[int]) -> IntArray:
    return np.asarray(values, dtype=np.int64)


def test_label_comes_off_a_caption() -> None:
    labels = ("Check", "Check and secure the tubing")
    assert split_label("check: The form is read.", labels) == ("Check", "The form is read.")
    assert split_label("check and secure the tubing: Done: yes.", labels) == (
        "Check and secure the tubing", "Done: yes.",
    )  # fmt: skip
    assert split_label("The nurse: a person.", labels) == ("", "The nurse: a person.")


def test_registry_finds_the_tasks() -> None:
    assert set(load_tasks()) == {
        "tal", "stg", "next_action", "dense_captioning", "video_summary", "region_caption",
    } | (set(load_tasks()) & {"skill_assessment", "cvs_assessment"})  # fmt: skip
    assert all(task.name.value == name for name, task in load_tasks().items())
    assert get_task(TaskName.TAL) is TAL
    with pytest.raises(ConfigError, match="Choose one of"):
        get_task("guessing")


@pytest.mark.parametrize("name", sorted(load_tasks()))
def test_every_task_has_a_bank_of_distinct_paraphrases(name: str) -> None:
    module = importlib.import_module(f"medvid.tasks.modules.{name}")
    banks = [value for key, value in vars(module).items() if key.endswith("WORDING")]
    assert banks
    for bank in banks:
        for texts in (bank.asks, bank.lists):
            assert len(set(texts)) == len(texts)
        assert len(bank.asks) >= 5
        assert not bank.lists or len(bank.lists) >= 5
        assert all("{candidates}" in text and "{step_word}" in text for text in bank.lists)
