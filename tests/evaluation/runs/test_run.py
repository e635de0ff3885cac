"""From a file of answers to scores: perfect ones, wrong order, other truths, two models."""

import json
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from medvid.evaluation.breakdown import LENGTH_NAMES, length_name
from medvid.evaluation.rows import COLUMNS, JUDGED_COLUMNS
from medvid.evaluation.run import (
    EvaluationSettings,
    Judged,
    compare_submissions,
    match_submission,
    run_evaluation,
    score_submission,
)
from medvid.evaluation.run_result import EvaluationResult
from medvid.evaluation.submission import Submission, parse_submission
from medvid.evaluation.truth import Truth
from schemas.errors import SubmissionError

Row = dict[str, Any]
PLAIN = [name for name in COLUMNS if name not in JUDGED_COLUMNS]


def submitted(rows: list[Row], name: str = "answers.json") -> Submission:
    return parse_submission(json.dumps(rows).encode(), name)


@pytest.fixture(scope="module")
def settings() -> EvaluationSettings:
    return EvaluationSettings(draws=200)


def worse(rows: list[Row]) -> list[Row]:
    """The same answers with every localisation cut to its first half and one label wrong."""
    changed = [dict(row) for row in rows]
    for row in changed:
        if row["qa_type"] == "tal":
            start = float(row["prediction"].split("-")[0])
            row["prediction"] = f"{start}-{start + 4} seconds."
        if row["qa_type"] == "next_action":
            row["prediction"] = "suturing"
    return changed


def test_perfect_answers_score_one_in_both_profiles(
    truth: Truth, perfect: list[Row], settings: EvaluationSettings
) -> None:
    result = run_evaluation(truth, submitted(perfect), settings)
    for profile in ("official", "strict"):
        columns = result.profiles[profile].columns
        assert {name: columns[name].value for name in PLAIN} == pytest.approx(
            dict.fromkeys(PLAIN, 1.0)
        )
        assert all(columns[name].parsed_rate == 1.0 for name in COLUMNS)
        assert {columns[name].value for name in JUDGED_COLUMNS} == {None}
    assert "--judge" in result.profiles["official"].columns["VS_llm"].missing


def test_a_result_is_json_and_comes_back(
    truth: Truth, perfect: list[Row], settings: EvaluationSettings
) -> None:
    result = run_evaluation(truth, submitted(perfect), settings)
    assert EvaluationResult.model_validate_json(result.model_dump_json()) == result
    assert result == run_evaluation(truth, submitted(perfect), settings)


def test_a_worker_process_gives_the_same_result(
    truth: Truth, perfect: list[Row], settings: EvaluationSettings
) -> None:
    submission = pickle.loads(pickle.dumps(submitted(perfect)))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        result = pool.submit(run_evaluation, truth, submission, settings).result()
    assert result == run_evaluation(truth, submission, settings)


def test_answers_in_lost_order_are_refused_unless_asked_for(
    truth: Truth, perfect: list[Row], settings: EvaluationSettings
) -> None:
    turned = submitted(perfect[::-1])
    with pytest.raises(SubmissionError, match="other rows' places"):
        run_evaluation(truth, turned, settings)
    forced = settings.model_copy(update={"as_uploaded": True})
    official = run_evaluation(truth, turned, forced).profiles["official"].columns
    assert official["STG_mIoU"].value == 0


def test_a_short_file_is_refused(truth: Truth, perfect: list[Row]) -> None:
    with pytest.raises(SubmissionError, match="53 records, the truth 54 rows"):
        run_evaluation(truth, submitted(perfect[:-1]))


def test_truth_inside_a_submission_changes_nothing(
    truth: Truth, perfect: list[Row], settings: EvaluationSettings
) -> None:
    lies = [{**row, "gnd": "x", "struc_info": [{"spans": [{"start": 0, "end": 4}]}]}
            for row in worse(perfect)]  # fmt: skip
    honest = run_evaluation(truth, submitted(worse(perfect)), settings)
    found = run_evaluation(truth, submitted(lies), settings)
    assert found.profiles == honest.profiles
    assert any(finding["kind"] == "own_truth" for finding in found.findings)


def test_sample_ids_match_in_any_order(truth: Truth, perfect: list[Row]) -> None:
    named = Truth(
        "named",
        tuple(row.model_copy(update={"sample_id": f"s{row.index}"}) for row in truth.rows),
        truth.clusters,
    )
    rows = [{"sample_id": f"s{i}", "prediction": r["prediction"]} for i, r in enumerate(perfect)]
    matched = match_submission(named, submitted(rows[::-1]))
    assert matched.matched_by == "sample_id"
    assert list(matched.texts) == [row["prediction"] for row in perfect]
    with pytest.raises(SubmissionError, match="1 of 54 rows have no answer"):
        match_submission(named, submitted(rows[1:]))


def test_breakdowns_add_up_to_the_whole(
    truth: Truth, perfect: list[Row], settings: EvaluationSettings
) -> None:
    result = run_evaluation(truth, submitted(worse(perfect)), settings)
    official = result.profiles["official"]
    for kind in ("source", "task", "video", "length"):
        groups = [group for group in official.groups if group.kind == kind]
        assert sum(group.rows for group in groups) == len(truth)
    by_task = {g.name: g for g in official.groups if g.kind == "task"}
    assert by_task["tal"].values["TAG_mIoU@0.3"] == official.columns["TAG_mIoU@0.3"].value
    assert set(by_task["tal"].values) == {"TAG_mIoU@0.3", "TAG_mIoU@0.5"}


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(0.0, 0), (29.99, 0), (30.0, 1), (60.0, 2), (299.0, 3), (300.0, 4), (9999.0, 5)],
)
def test_lengths_fall_into_their_bucket(seconds: float, name: int) -> None:
    assert length_name(seconds) == LENGTH_NAMES[name]


def test_two_models_are_told_apart_where_they_differ_and_only_there(
    truth: Truth, perfect: list[Row], settings: EvaluationSettings
) -> None:
    first, second = (
        score_submission(truth, match_submission(truth, submitted(rows, name)), settings)
        for rows, name in ((worse(perfect), "worse"), (perfect, "perfect"))
    )
    compared = compare_submissions(truth, first, second, settings)
    official = {column.column: column for column in compared.columns["official"]}
    spans = official["TAG_mIoU@0.3"]
    assert (compared.first, compared.second) == ("worse", "perfect")
    assert spans.difference == pytest.approx(1 - 4 / 7)
    assert spans.p_value == pytest.approx(2 / 2**6)
    assert (spans.better, spans.worse, spans.clusters) == (6, 0, 6)
    assert official["STG_mIoU"].difference == 0
    assert official["STG_mIoU"].p_value == 1


def test_similarity_never_enters_a_judged_column(
    truth: Truth, perfect: list[Row], settings: EvaluationSettings
) -> None:
    place = next(row.index for row in truth.rows if row.qa_type == "video_summary_gemini")
    marks = {(place, 0, 0): {"similarity": 0.5}}
    result = run_evaluation(
        truth, submitted(perfect), settings, judged=Judged("similar", marks, semantic=True)
    )
    assert result.profiles["official"].columns["VS_llm"].value is None
    assert result.judge == ""
    assert result.semantic is not None
    assert result.semantic.columns["official"]["VS_llm"].value == 0.5
    assert result.semantic.rows == {place: 0.5}


def test_a_judges_marks_fill_the_judged_columns(
    truth: Truth, perfect: list[Row], settings: EvaluationSettings
) -> None:
    summaries = [row.index for row in truth.rows if row.qa_type == "video_summary_gemini"]
    aspects: Callable[[float], dict[str, float]] = lambda mark: dict.fromkeys(  # noqa: E731
        ("R2", "R3", "R8", "R5", "R4"), mark
    )
    marks = {(index, 0, 0): aspects(float(1 + place % 5)) for place, index in enumerate(summaries)}
    result = run_evaluation(truth, submitted(perfect), settings, judged=Judged("a judge", marks))
    assert result.judge == "a judge"
    assert result.semantic is None
    assert result.profiles["official"].columns["VS_llm"].value == pytest.approx(16 / 6)
