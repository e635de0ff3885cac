"""Submissions checked as the benchmark would not: lost order, merged ids, cut answers."""

import json
import random
from collections import defaultdict
from typing import Any

import pytest

from medvid.evaluation.submission import Submission, parse_submission
from medvid.evaluation.submission_check import SubmissionCheck, check_submission
from medvid.evaluation.submission_cuts import estimate_tokens
from medvid.evaluation.submission_make import (
    official_submission,
    place_answers,
    submission_template,
)
from medvid.evaluation.submission_order import clip_name, match_id
from medvid.evaluation.submission_questions import question_hash, required_times
from medvid.evaluation.truth import Truth
from schemas.errors import SubmissionError

Row = dict[str, Any]


def submitted(rows: list[Row]) -> Submission:
    return parse_submission(json.dumps(rows, indent=0).encode(), "answers.json")


def checked(truth: Truth, rows: list[Row]) -> SubmissionCheck:
    return check_submission(truth, submitted(rows))


def found(check: SubmissionCheck) -> dict[str, int]:
    return {f.kind: f.count for f in check.findings if f.level != "note"}


def dealt(rows: list[Row], parts: int, *, grouped: bool = False) -> list[Row]:
    """Rows as several GPUs leave them: dealt in turn within each task, parts joined end to end."""
    shares: list[list[Row]] = [[] for _ in range(parts)]
    turns: dict[str, int] = defaultdict(int)
    order = sorted(rows, key=lambda row: list(first_seen(rows)).index(row["qa_type"]))
    for row in order if grouped else rows:
        shares[turns[row["qa_type"]] % parts].append(row)
        turns[row["qa_type"]] += 1
    return [row for share in shares for row in share]


def first_seen(rows: list[Row]) -> dict[str, None]:
    return dict.fromkeys(row["qa_type"] for row in rows)


def cut(text: str, tokens: int) -> str:
    """The beginning of a text, as a token budget leaves it."""
    while estimate_tokens(text) > tokens:
        text = text[:-1]
    return text


def test_perfect_answers_are_fine(truth: Truth, perfect: list[Row]) -> None:
    check = checked(truth, perfect)
    assert check.fine, check.findings
    assert {f.kind for f in check.findings} == {"shared_ids"}


def test_rows_that_one_id_would_merge_are_counted(truth: Truth, perfect: list[Row]) -> None:
    note = checked(truth, perfect).findings[0]
    alone = len(perfect) - len({row["id"] for row in perfect})
    both = len(perfect) - len({(row["id"], row["qa_type"]) for row in perfect})
    assert note.examples == (
        f"id alone would merge {alone} rows", f"id and qa_type alone would merge {both} rows",
    )  # fmt: skip


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_merge_of_gpus_is_recognised_and_undone(
    truth: Truth, perfect: list[Row], parts: int, grouped: bool
) -> None:
    merged = dealt(perfect, parts, grouped=grouped)
    check = checked(truth, merged)
    assert set(found(check)) == {"lost_order"}
    assert f"a merge of {parts} GPUs" in check.findings[0].problem
    restored = place_answers(truth, submitted(merged)).texts
    assert list(restored) == [row["prediction"] for row in perfect]


def test_a_shuffled_file_is_caught_and_never_guessed_at(truth: Truth, perfect: list[Row]) -> None:
    shuffled = list(perfect)
    random.Random(3).shuffle(shuffled)
    assert "lost_order" in found(checked(truth, shuffled))
    with pytest.raises(SubmissionError, match="ids alone do not name rows"):
        place_answers(truth, submitted(shuffled))


def test_a_few_misplaced_rows_are_named(truth: Truth, perfect: list[Row]) -> None:
    perfect[4], perfect[5] = perfect[5], perfect[4]
    check = checked(truth, perfect)
    assert found(check) == {"other_id": 2}
    assert "record 4" in check.findings[0].examples[0]


def test_answers_keyed_by_a_clip_alone_are_caught(truth: Truth, perfect: list[Row]) -> None:
    by_id = {row["id"]: row["prediction"] for row in perfect}
    merged = [{**row, "prediction": by_id[row["id"]]} for row in perfect]
    check = checked(truth, merged)
    assert found(check)["merged_by_id"] == len(perfect) - len(by_id)
    assert not check.fine


def test_answers_keyed_by_clip_and_task_are_caught(truth: Truth, perfect: list[Row]) -> None:
    by_both = {(row["id"], row["qa_type"]): row["prediction"] for row in perfect}
    merged = [{**row, "prediction": by_both[row["id"], row["qa_type"]]} for row in perfect]
    assert found(checked(truth, merged))["merged_by_id"] == 6


def test_a_file_shortened_by_its_key_says_which_key(truth: Truth, perfect: list[Row]) -> None:
    short = list({(row["id"], row["qa_type"]): row for row in perfect}.values())
    check = checked(truth, short)
    assert found(check) == {"length": 1, "merged_by_id": 6}
    assert "id and qa_type" in check.findings[1].problem


def test_one_constant_answer_is_a_poor_model_and_not_a_merge(
    truth: Truth, perfect: list[Row]
) -> None:
    constant = {"tal": "0.0-9.0 seconds."}
    rows = [{**r, "prediction": constant.get(r["qa_type"], r["prediction"])} for r in perfect]
    assert "merged_by_id" in found(checked(truth, rows))
    flat = [{**r, "prediction": f"{r['qa_type']}."} for r in perfect]
    assert "merged_by_id" not in found(checked(truth, flat))


def test_grounding_answers_cut_by_a_budget_are_caught_although_they_read(
    truth: Truth, perfect: list[Row]
) -> None:
    rows = [{**row, "prediction": cut(row["prediction"], 66)} for row in perfect]
    check = checked(truth, rows)
    assert found(check)["boxes_missing"] == 6
    ceiling = next(f for f in check.findings if f.kind == "token_ceiling")
    assert any("stg: 6 of 6 unfinished" in example for example in ceiling.examples)


def test_a_skill_answer_of_three_aspects_is_caught(truth: Truth, perfect: list[Row]) -> None:
    rows = [
        {**row, "prediction": cut(row["prediction"], 24)}
        if row["qa_type"] == "skill_assessment" else row
        for row in perfect
    ]  # fmt: skip
    assert found(checked(truth, rows))["scores_missing"] == 6


def test_an_event_list_that_ends_midway_is_caught(truth: Truth, perfect: list[Row]) -> None:
    place = next(i for i, r in enumerate(perfect) if r["qa_type"].startswith("dense"))
    for ending in ("\n41.0-", "\n41.0-50.0 seconds: The needle is"):
        rows = [dict(row) for row in perfect]
        rows[place]["prediction"] += ending
        assert found(checked(truth, rows)) == {"ends_midway": 1}, ending


def test_a_model_that_never_writes_full_stops_is_not_cut(truth: Truth, perfect: list[Row]) -> None:
    rows = [{**row, "prediction": row["prediction"].rstrip(".")} for row in perfect]
    assert "ends_midway" not in found(checked(truth, rows))


@pytest.mark.parametrize(
    ("qa_type", "text", "kind"),
    [
        ("tal", "1.0\u20133.0 seconds.", "dash"),
        ("dense_captioning_gpt", "1.0 \u2014 3.0 seconds: It is cut.", "dash"),
        ("stg", "[1, 2, 3, 4]", "untimed_boxes"),
        ("video_summary_gemini", " \n", "empty_answer"),
        ("region_caption_gpt", "", "empty_answer"),
    ],
)
def test_what_the_official_rules_cannot_read_is_named(
    truth: Truth, perfect: list[Row], qa_type: str, text: str, kind: str
) -> None:
    place = next(i for i, row in enumerate(perfect) if row["qa_type"] == qa_type)
    perfect[place]["prediction"] = text
    assert found(checked(truth, perfect)) == {kind: 1}


@pytest.mark.parametrize("text", ["1.0-3.0, 4.0\u20136.0 seconds.", "from 1.0 to 3.0 seconds."])
def test_what_they_can_read_passes(truth: Truth, perfect: list[Row], text: str) -> None:
    perfect[0]["prediction"] = text
    assert checked(truth, perfect).fine


def test_double_brackets_pass_since_the_official_rule_takes_them(
    truth: Truth, perfect: list[Row]
) -> None:
    place = next(i for i, row in enumerate(perfect) if row["qa_type"] == "stg")
    perfect[place]["prediction"] = "[[1, 2, 3, 4]]"
    assert "untimed_boxes" not in found(checked(truth, perfect))


def test_a_suffix_left_off_is_named(truth: Truth, perfect: list[Row]) -> None:
    for row in perfect:
        row["qa_type"] = row["qa_type"].removesuffix("_gpt").removesuffix("_gemini")
    check = checked(truth, perfect)
    assert found(check) == {"qa_type": 18}
    assert "'dense_captioning', not 'dense_captioning_gpt'" in check.findings[0].examples[0]


def test_ids_in_the_other_grammar_and_blank_ids_are_notes(truth: Truth, perfect: list[Row]) -> None:
    for row in perfect:
        name = clip_name(row["id"])
        row["id"] = f"{name.video}&&&&&&1.0"
    check = checked(truth, perfect)
    assert check.fine
    assert {f.kind for f in check.findings} == {"blank_id", "shared_ids"}
    assert match_id("1.0$VID25$9726$12701", "VID25&&9726&&12701&&1.0") == "rewritten"
    assert match_id("023521_part0&&1&&2&&1.0", "023521&&1&&2&&1.0") == "rewritten"
    assert match_id("VID26&&9726&&12701&&1.0", "VID25&&9726&&12701&&1.0") == "other"


def test_blank_ids_still_tell_a_merge(truth: Truth, perfect: list[Row]) -> None:
    rows = [{**row, "id": f"{clip_name(row['id']).video}&&&&&&1.0"} for row in dealt(perfect, 2)]
    assert "lost_order" in found(checked(truth, rows))


def test_a_template_filled_in_any_order_becomes_a_submission(
    truth: Truth, perfect: list[Row]
) -> None:
    lines = [json.loads(line) for line in submission_template(truth).splitlines()]
    for line, row in zip(lines, perfect, strict=True):
        line["prediction"] = row["prediction"]
    random.Random(1).shuffle(lines)
    for keys in (("index",), ("id", "qa_type", "question_hash")):
        rows = [{key: line[key] for key in (*keys, "prediction")} for line in lines]
        content = "\n".join(json.dumps(row) for row in rows).encode()
        placed = place_answers(truth, parse_submission(content, "filled.jsonl"))
        assert json.loads(official_submission(truth, placed.texts)) == perfect


def test_missing_rows_are_an_error_unless_a_text_is_given(truth: Truth, perfect: list[Row]) -> None:
    rows = [{**row, "index": i} for i, row in enumerate(perfect) if i not in (3, 8)]
    with pytest.raises(SubmissionError, match=r"2 of 54 rows have no answer: row 3 "):
        place_answers(truth, submitted(rows))
    placed = place_answers(truth, submitted(rows), fill="")
    assert placed.filled == (3, 8)
    assert placed.texts[3] == ""


def test_contradictions_are_refused_and_repetitions_are_not(
    truth: Truth, perfect: list[Row]
) -> None:
    rows = [{**row, "index": i} for i, row in enumerate(perfect)]
    assert place_answers(truth, submitted([*rows, rows[0]])).texts[0] == perfect[0]["prediction"]
    with pytest.raises(SubmissionError, match="2 records give different answers"):
        place_answers(truth, submitted([*rows, {**rows[0], "prediction": "another"}]))


def test_answers_to_another_truth_are_refused(truth: Truth) -> None:
    with pytest.raises(SubmissionError, match="no record's sample_id names a row"):
        place_answers(truth, submitted([{"sample_id": "other", "prediction": "x"}]))


def test_equal_questions_may_share_one_answer_and_this_is_counted(
    truth: Truth, perfect: list[Row]
) -> None:
    twin = truth.rows[0].model_copy(update={"index": len(truth)})
    longer = Truth("twins", (*truth.rows, twin), (*truth.clusters, truth.clusters[0]))
    rows = [
        {**row, "question_hash": question_hash(asked.question)}
        for row, asked in zip(perfect, truth.rows, strict=True)
    ]
    placed = place_answers(longer, submitted(rows))
    assert placed.shared == 1
    assert placed.texts[-1] == placed.texts[0]


@pytest.mark.parametrize(
    ("question", "times"),
    [
        ("Track the O from 1 to 7 seconds, predicting its location every 4 seconds.", (1, 5)),
        ("What are the boxes of the O sampled every 8 seconds from 35.0 to 51.0 seconds?",
         (35, 43, 51)),
        ("You know 3 sources. Give the boxes at every 4 seconds between 1 and 5 seconds.", (1, 5)),
        ("List the positions between 86 and 94 seconds, sampled every 4 seconds.", (86, 90, 94)),
        ("Between 1.5 seconds and 3.5 seconds, where is the hook every 2 seconds?", (1.5, 3.5)),
        ("When is it cut?", None),
        ("Every 0 seconds from 1 to 2 seconds.", None),
        ("Every 1 seconds from 0 to 999999 seconds.", None),
    ],
)  # fmt: skip
def test_a_grounding_question_says_which_boxes_it_wants(
    question: str, times: tuple[float, ...] | None
) -> None:
    assert required_times(question.replace("Every", "every")) == times
