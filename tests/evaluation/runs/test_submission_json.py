"""Strangers' JSON: read where it is sound, refused with a place where it is not."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.evaluation.submission import parse_submission
from medvid.evaluation.submission_json import JsonLimits, parse_records
from schemas.errors import SubmissionError

ROW = '{"id": "a", "qa_type": "tal", "prediction": "1.0-2.0 seconds."}'


def kinds(content: str) -> dict[str, int]:
    found = parse_submission(content.encode("utf-8", "surrogatepass"), "x.json").findings
    return {finding.kind: finding.count for finding in found}


@pytest.mark.parametrize(
    ("content", "form", "count"),
    [
        (f"[{ROW}, {ROW}]", "list", 2),
        (f'{{"0": {ROW}, "1": {ROW}}}', "dict", 2),
        (f"{ROW}\n{ROW}\n", "lines", 2),
        (ROW, "lines", 1),
        ("[]", "list", 0),
        (f" \n[\n{ROW}\n]\n ", "list", 1),
    ],
)
def test_every_form_is_read(content: str, form: str, count: int) -> None:
    submission = parse_submission(content.encode(), "x.json")
    assert submission.form == form
    assert [row.text for row in submission.rows] == ["1.0-2.0 seconds."] * count
    assert not submission.findings


def test_texts_keyed_by_sample_are_read() -> None:
    rows = parse_submission(b'{"s1": "one", "s2": "two"}', "x.json").rows
    assert [(row.sample_id, row.text) for row in rows] == [("s1", "one"), ("s2", "two")]


def test_every_record_knows_its_line() -> None:
    rows = parse_submission(f"[\n{ROW},\n\n{ROW}]".encode(), "x.json").rows
    assert [row.line for row in rows] == [2, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"\xef\xbb\xbf[]", "byte order mark"),
        (b'[\n{"id": "\xff"}]', r"x\.json:2: byte 10 is not UTF-8"),
        (f"[{ROW},\n{ROW[:-1]}]".encode(), r"x\.json:2 record 1: not JSON"),
        (f"[{ROW}".encode(), "the file ends"),
        (f"[{ROW} {ROW}]".encode(), "expected a comma"),
        (f"[{ROW}] {ROW}".encode(), "expected the end of the file"),
        (f"[{ROW},]".encode(), "record 1"),
        (b'"text"', "expected a list"),
        (b'[{"id": "a\nb"}]', r"record 0.*control character"),
        (b"[" * 100_000, "100,000 deep"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "50,000 deep"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_submission_is_refused_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(SubmissionError, match=f"(?i){message}"):
        parse_submission(content, "x.json")


def test_brackets_inside_texts_are_no_nesting() -> None:
    row = {"id": "a", "qa_type": "stg", "prediction": "[" * 500 + '\\"' * 30}
    assert parse_submission(json.dumps([row]).encode(), "x").rows[0].text == row["prediction"]


def test_limits_hold() -> None:
    with pytest.raises(SubmissionError, match="more than 10 bytes"):
        parse_records(b" " * 11, "x", JsonLimits(max_bytes=10))
    with pytest.raises(SubmissionError, match="more than 2 records"):
        parse_records(b"[1, 2, 3]", "x", JsonLimits(max_records=2))


def test_an_escaped_quote_that_never_closes_costs_no_time() -> None:
    with pytest.raises(SubmissionError, match="not JSON"):
        parse_submission(b'["' + b'\\"' * 2_000_000, "x.json")


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ('{"id": "a", "qa_type": "tal", "prediction": NaN}', "not_json"),
        ('{"id": "a", "qa_type": "tal", "prediction": "x", "score": 1e999}', "not_json"),
        ('{"id": "a", "qa_type": "tal", "prediction": "x", "prediction": "y"}', "not_json"),
        ('{"id": "a", "qa_type": "tal", "prediction": "\\ud800"}', "not_json"),
        ('{"id": "a", "qa_type": "tal", "prediction": "x", "n": ' + "9" * 5000 + "}", "not_json"),
        ('{"id": "a", "qa_type": "tal", "prediction": null}', "wrong_type"),
        ('{"id": "a", "qa_type": "tal", "prediction": ["x"]}', "wrong_type"),
        ('{"id": 7, "qa_type": "tal", "prediction": "x"}', "wrong_type"),
        ('{"id": "a", "qa_type": "tal", "prediction": "x", "index": true}', "wrong_type"),
        ('{"id": "a", "qa_type": "tal"}', "prediction_absent"),
        ('{"qa_type": "tal", "prediction": "x"}', "field_absent"),
        ('"x"', "not_a_record"),
        ("null", "not_a_record"),
    ],
)
def test_a_bad_record_is_named_and_does_not_hide_its_neighbours(row: str, kind: str) -> None:
    submission = parse_submission(f"[{ROW},\n{row},\n{ROW}]".encode(), "x.json")
    finding = next(f for f in submission.findings if f.kind == kind)
    assert submission.refused
    assert "record 1 (line 2)" in finding.examples[0]
    assert [bool(r.text) for r in submission.rows][::2] == [True, True]


def test_a_text_of_ten_megabytes_is_refused_and_not_repeated() -> None:
    row = {"id": "a", "qa_type": "tal", "prediction": "x" * 10_485_760}
    finding = parse_submission(json.dumps([row]).encode(), "x.json").findings[0]
    assert finding.kind == "too_long"
    assert len(str(finding)) < 1000


def test_whole_surrogate_pairs_and_other_scripts_pass() -> None:
    row = {"id": "a", "qa_type": "tal", "prediction": "手術 🩺 é"}
    for escaped in (True, False):
        content = json.dumps([row], ensure_ascii=escaped).encode()
        assert parse_submission(content, "x").rows[0].text == "手術 🩺 é"


def test_a_file_that_brings_its_own_truth_is_read_for_its_answers_alone() -> None:
    row: dict[str, Any] = json.loads(ROW)
    row |= {"gnd": "1.0-2.0 seconds.", "struc_info": [{"spans": []}], "question": "When?", "z": 1}
    submission = parse_submission(json.dumps([row]).encode(), "x.json")
    assert kinds(json.dumps([row])) == {"own_truth": 3, "ignored_field": 1}
    assert not submission.refused
    assert submission.rows[0].text == "1.0-2.0 seconds."


def test_a_million_problems_stay_a_few_lines() -> None:
    content = "[" + ",".join(["null"] * 5_000) + "]"
    submission = parse_submission(content.encode(), "x.json")
    assert submission.findings[0].count == 5_000
    assert len(submission.findings[0].examples) == 10


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_bytes_are_read_or_refused_but_never_break_the_reader(content: bytes) -> None:
    with contextlib.suppress(SubmissionError):
        submission = parse_submission(content, "x.json")
        assert all(row.text is None or isinstance(row.text, str) for row in submission.rows)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=6), st.sampled_from([None, 1]))
@settings(max_examples=100, deadline=None)
def test_any_list_gives_one_row_a_record(records: list[Any], indent: int | None) -> None:
    submission = parse_submission(json.dumps(records, indent=indent).encode(), "x.json")
    assert len(submission.rows) == len(records)
    assert [row.position for row in submission.rows] == list(range(len(records)))
