"""What must hold for any truth: perfect answers, extra predictions, order of rows, bounds."""

import random
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.evaluation.metrics import caption_pairs, evaluate
from medvid.evaluation.rows import JUDGED_COLUMNS, LOWER_IS_BETTER, TruthEvent, TruthRow
from medvid.tasks.modules.cvs_assessment import CRITERIA
from medvid.tasks.modules.cvs_assessment import TASK as CVS
from medvid.tasks.modules.dense_captioning import TASK as DENSE
from medvid.tasks.modules.skill_assessment import ASPECTS
from medvid.tasks.modules.skill_assessment import TASK as SKILL
from medvid.tasks.modules.stg import TASK as STG
from medvid.tasks.modules.tal import TASK as TAL
from schemas.source import TaskName

Answered = tuple[TruthRow, str]
PROFILES: Final = ("official", "strict")
FEW = settings(max_examples=40, deadline=None)

tenths = st.integers(0, 18_000).map(lambda tenth: tenth / 10)
words = st.text("abcdefgh ", min_size=1, max_size=20).map(str.strip).filter(bool)
rates = st.sampled_from((0.5, 1.0, 2.0))


def make_row(task: TaskName, **facts: Any) -> TruthRow:
    given_facts: dict[str, Any] = {
        "index": 0, "row_id": "", "qa_type": task.value, "task": task, "source": "avos",
        "dataset_name": "", "video_id": "v", "clip_key": "c", "question": "", "fps": 1.0,
    }  # fmt: skip
    return TruthRow.model_validate(given_facts | facts)


@st.composite
def spans(draw: st.DrawFn, shortest: int) -> list[tuple[float, float]]:
    """Spans in order and apart, at least `shortest` tenths long."""
    steps = draw(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 300)), max_size=6))
    found, at = [], draw(st.integers(0, 100))
    for gap, length in steps or [(1, 10)]:
        found.append(((at + gap) / 10, (at + gap + length + shortest) / 10))
        at += gap + length + shortest + 1
    return found


@st.composite
def tal_rows(draw: st.DrawFn, shortest: int = 1) -> Answered:
    found = draw(spans(shortest))
    answer = TAL.format_([{"start": start, "end": end} for start, end in found])
    return make_row(TaskName.TAL, spans=found, fps=draw(rates)), answer


@st.composite
def stg_rows(draw: st.DrawFn) -> Answered:
    first, stride, number = draw(
        st.tuples(st.integers(0, 99), st.integers(4, 9), st.integers(1, 6))
    )
    boxes = {}
    for place in range(number):
        x, y, w, h = (draw(st.integers(1, 900)) for _ in range(4))
        boxes[float(first + stride * place)] = (x / 2, y / 4, (x + w) / 2, (y + h) / 4)
    target = [{"time": time, "xyxy": list(box)} for time, box in boxes.items()]
    return make_row(TaskName.STG, boxes=boxes, source="copesd"), STG.format_(target)


@st.composite
def dense_rows(draw: st.DrawFn) -> Answered:
    """Events apart that are at least two sampled frames long, so that none truncates to nothing."""
    rate = draw(rates)
    found = draw(spans(int(20 / rate)))
    events = [TruthEvent(start=s, end=e, caption=draw(words)) for s, e in found]
    target = [{"start": e.start, "end": e.end, "caption": e.caption} for e in events]
    source = draw(st.sampled_from(("avos", "nurvid")))
    row = make_row(TaskName.DENSE_CAPTIONING, events=events, fps=rate, source=source)
    return row, DENSE.format_(target)


label_rows = st.sampled_from(("cutting", "tying", "suturing")).map(
    lambda label: (make_row(TaskName.NEXT_ACTION, label=label), label)
)
skill_rows = st.tuples(*[st.integers(1, 5)] * 6).map(
    lambda scores: (
        make_row(TaskName.SKILL_ASSESSMENT, skill=dict(zip(ASPECTS, scores, strict=True))),
        SKILL.format_(dict(zip(ASPECTS, scores, strict=True))),
    )
)
cvs_rows = st.tuples(*[st.integers(0, 2)] * 3).map(
    lambda scores: (
        make_row(TaskName.CVS_ASSESSMENT, cvs=dict(zip(CRITERIA, scores, strict=True))),
        CVS.format_(dict(zip(CRITERIA, scores, strict=True))),
    )
)
any_rows = st.one_of(tal_rows(), stg_rows(), dense_rows(), label_rows, skill_rows, cvs_rows)
free_text = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.text("0123456789.-–: ,[]/secondst\n", max_size=60),
    any_rows.map(lambda answered: answered[1]),
)


def numbered(rows: list[Answered]) -> tuple[list[TruthRow], list[str]]:
    truth = [row.model_copy(update={"index": place}) for place, (row, _) in enumerate(rows)]
    return truth, [answer for _, answer in rows]


@FEW
@given(st.lists(any_rows, min_size=1, max_size=8))
def test_answers_written_from_the_truth_are_perfect_in_both_profiles(rows: list[Answered]) -> None:
    truth, answers = numbered(rows)
    judged = {pair.key: {"aspect": 5.0} for pair in caption_pairs(truth, answers)}
    for profile in PROFILES:
        for name, column in evaluate(truth, answers, profile, judged=judged).columns.items():
            if column.rows:
                best = 5.0 if name in JUDGED_COLUMNS else float(name not in LOWER_IS_BETTER)
                assert column.value == pytest.approx(best, abs=1e-9), (profile, name)
                assert column.parsed_rate == 1.0


@FEW
@given(tal_rows(shortest=0))
def test_spans_of_one_frame_are_perfect_where_they_can_be_scored(answered: Answered) -> None:
    row, answer = answered
    strict = evaluate([row], [answer], "strict").columns["TAG_mIoU@0.5"]
    assert strict.value == pytest.approx(1.0)
    official = evaluate([row], [answer], "official").columns["TAG_mIoU@0.5"]
    assert official.value == float(any(end > start for start, end in row.spans))


@FEW
@given(tal_rows(), st.integers(1, 5))
def test_extra_spans_are_free_on_the_board_and_cost_in_the_strict_profile(
    answered: Answered, extra: int
) -> None:
    row, answer = answered
    more = answer + ", " + ", ".join(f"{90_000 + i}-{90_000.5 + i}" for i in range(extra))
    assert evaluate([row], [more], "official").columns["TAG_mIoU@0.3"].value == pytest.approx(1.0)
    number = len(row.spans)
    strict = evaluate([row], [more], "strict").columns["TAG_mIoU@0.3"].value
    assert strict == pytest.approx(2 * number / (2 * number + extra))


@FEW
@given(stg_rows(), st.integers(1, 5))
def test_extra_boxes_are_free_on_the_board_and_cost_in_the_strict_profile(
    answered: Answered, extra: int
) -> None:
    row, answer = answered
    more = answer + "".join(f" {9000 + i}.0 seconds: [0.0, 0.0, 5.0, 5.0]" for i in range(extra))
    assert evaluate([row], [more], "official").columns["STG_mIoU"].value == pytest.approx(1.0)
    strict = evaluate([row], [more], "strict").columns["STG_mIoU"].value
    assert strict == pytest.approx(len(row.boxes) / (len(row.boxes) + extra))


@FEW
@given(dense_rows(), st.integers(1, 5))
def test_extra_events_cost_precision_in_both_profiles(answered: Answered, extra: int) -> None:
    row, answer = answered
    more = answer + "".join(f"\n{9000 + 10 * i}-{9005 + 10 * i} seconds: x" for i in range(extra))
    number = len(row.events)
    for profile in PROFILES:
        value = evaluate([row], [more], profile).columns["DVC_F1"].value
        assert value == pytest.approx(2 * number / (2 * number + extra))


@FEW
@given(st.lists(st.tuples(any_rows, free_text), min_size=1, max_size=8), st.randoms())
def test_the_order_of_rows_changes_nothing(
    rows: list[tuple[Answered, str | None]], shuffler: random.Random
) -> None:
    truth, _ = numbered([row for row, _ in rows])
    texts = [text for _, text in rows]
    order = list(range(len(rows)))
    shuffler.shuffle(order)
    for profile in PROFILES:
        straight = evaluate(truth, texts, profile)
        mixed = evaluate([truth[p] for p in order], [texts[p] for p in order], profile)
        assert straight.rows == mixed.rows
        for name, column in straight.columns.items():
            assert column.value == mixed.columns[name].value
            assert column.by_source == mixed.columns[name].by_source


@FEW
@given(st.lists(st.tuples(any_rows, free_text), min_size=1, max_size=8))
def test_any_text_scores_within_bounds_and_every_row_is_reported(
    rows: list[tuple[Answered, str | None]],
) -> None:
    truth, _ = numbered([row for row, _ in rows])
    for profile in PROFILES:
        scores = evaluate(truth, [text for _, text in rows], profile)
        assert [row.index for row in scores.rows] == list(range(len(rows)))
        for name, column in scores.columns.items():
            if column.value is None or name in LOWER_IS_BETTER:
                continue
            assert -1.0 - 1e-9 <= column.value <= 1.0 + 1e-9
            assert column.value >= 0 or name == "SA_kappa"
            if profile == "strict" and name not in JUDGED_COLUMNS:
                assert column.counted == column.rows


@FEW
@given(st.lists(st.tuples(any_rows, free_text), min_size=2, max_size=8), st.data())
def test_a_resampling_is_the_score_of_the_rows_it_takes(
    rows: list[tuple[Answered, str | None]], data: st.DataObject
) -> None:
    truth, _ = numbered([row for row, _ in rows])
    texts = [text for _, text in rows]
    kept = data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=1))
    part = sorted(kept)
    for profile in PROFILES:
        whole = evaluate(truth, texts, profile)
        some = evaluate([truth[p] for p in part], [texts[p] for p in part], profile)
        for name, column in whole.columns.items():
            weights = np.isin(column.row_index, part).astype(np.float64)[None]
            # A row that needs the encoder takes the value from the whole, not from its part.
            if None not in (column.value, some.columns[name].value):
                drawn = column.resampled(weights)[0]
                assert drawn == pytest.approx(some.columns[name].value), (profile, name)


@pytest.mark.parametrize(
    "answer", ["", "I cannot say.", "-: -", ":" * 500, "9" * 400 + "-5: x", "1.0-2.0 seconds:"]
)
def test_an_unreadable_dense_caption_costs_strictly_and_breaks_nothing(answer: str) -> None:
    event = TruthEvent(start=0, end=10, caption="the hook cuts")
    row = make_row(TaskName.DENSE_CAPTIONING, events=[event])
    strict = evaluate([row], [answer], "strict").columns
    assert (strict["DVC_F1"].value, strict["DVC_F1"].counted) == (0.0, 1)
    assert strict["DVC_soda"].value == 0.0
    assert evaluate([row], [answer], "official").columns["DVC_F1"].value in (None, 0.0)
