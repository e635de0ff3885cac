"""Uploads: what is taken, what is refused and in which words, and how often one may try."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from medvid.evaluation.leaderboard.entries import find_by_receipt, list_entries
from medvid.evaluation.leaderboard.intake import UploadRefusedError
from medvid.evaluation.leaderboard.limits import DAY_S, client_address
from medvid.evaluation.leaderboard.public import NO_ANSWER, Questions
from medvid.evaluation.leaderboard.registration import Registration, clean_text, name_key
from medvid.evaluation.leaderboard.settings import LeaderboardSettings
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.leaderboard.tables import entries, jobs, metadata, uploads
from schemas.errors import SubmissionError

Row = dict[str, Any]


def stored(store: BoardStore) -> tuple[int, int, int]:
    with store.reading() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (entries, uploads, jobs)
        ]
    return counts[0], counts[1], counts[2]


def test_a_good_upload_becomes_entry_answers_and_job_at_once(
    upload: Any, answers: list[Row], store: BoardStore
) -> None:
    receipt = upload(answers)
    found = find_by_receipt(store, receipt.word)
    assert found is not None
    assert found[0].state == "waiting"
    assert stored(store) == (1, 1, 1)
    assert find_by_receipt(store, "another") is None


def test_the_receipt_itself_is_not_in_the_database(
    upload: Any, answers: list[Row], store: BoardStore, settings: LeaderboardSettings
) -> None:
    receipt = upload(answers)
    with store.reading() as connection:
        rows = [
            row for table in metadata.sorted_tables for row in connection.execute(select(table))
        ]
    assert len(rows) > 3
    assert not any(receipt.word in str(row) for row in rows)
    store.close()
    folder = Path(settings.database.removeprefix("sqlite:///")).parent
    for path in folder.glob("board.sqlite*"):
        assert receipt.word.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"[" * 5_000 + b"]" * 5_000, "nested 5,000 deep"),
        (b'[{"id": "a", "qa_type": "tal",\n"prediction": NaN}]', "NaN is no JSON number"),
        (b'[{"id": "a"', ""),
        (b"\xff\xfe[]", "UTF-8"),
        (b'[{"id": 1, "qa_type": "tal", "prediction": "x"}]', "id is int, not a text"),
        (b"PK\x03\x04", ""),
        (b'"just a text"', "expected a list"),
        (b"<html><script>alert(1)</script>", "expected a list"),
    ],
)
def test_a_damaged_file_is_refused_with_its_place_and_leaves_nothing(
    upload: Any, store: BoardStore, content: bytes, words: str
) -> None:
    with pytest.raises(SubmissionError) as caught:
        upload(content)
    said = str(caught.value) + json.dumps(getattr(caught.value, "findings", ()))
    assert words in said
    assert "answers.json" in said
    assert stored(store) == (0, 0, 0)


def test_a_wrong_length_names_both_numbers(upload: Any, answers: list[Row]) -> None:
    with pytest.raises(UploadRefusedError, match="19 records, the truth 20 rows"):
        upload(answers[:-1])


def test_a_wrong_type_names_record_and_line(upload: Any, answers: list[Row]) -> None:
    answers[7]["prediction"] = ["a", "list"]
    with pytest.raises(UploadRefusedError) as caught:
        upload(answers)
    assert any("record 7 (line " in e for f in caught.value.findings for e in f["examples"])


def test_a_lost_order_is_refused_not_scored(upload: Any, answers: list[Row]) -> None:
    with pytest.raises(SubmissionError, match="other rows' places"):
        upload(answers[1:] + answers[:1])


def test_a_large_file_is_refused_before_it_is_read(
    upload: Any, settings: LeaderboardSettings, tmp_path: Path
) -> None:
    from medvid.evaluation.leaderboard.intake import read_bounded

    path = tmp_path / "large.json"
    with path.open("wb") as handle:
        handle.truncate(1 << 40)  # a hole of a terabyte: reading it would not end
    with pytest.raises(SubmissionError, match="at most"):
        read_bounded(path, "large.json", settings.max_upload_bytes)


def test_own_truth_in_a_file_is_named_and_ignored(upload: Any, official_rows: list[Row]) -> None:
    smuggled = [
        {
            **row, "prediction": "nothing",
            "gnd": "nothing", "struc_info": [{"action": "x", "spans": []}],
        }
        for row in official_rows
    ]  # fmt: skip
    receipt = upload(smuggled)
    assert "own_truth" in {finding["kind"] for finding in receipt.findings}


def test_no_message_can_tell_the_truth(questions: Questions, truth: Any) -> None:
    for row, whole in zip(questions.rows, truth.rows, strict=True):
        assert all(getattr(row, name) == empty for name, empty in NO_ANSWER.items())
        hidden = {k: v for k, v in whole.model_dump().items() if k not in NO_ANSWER}
        assert {k: v for k, v in row.model_dump().items() if k not in NO_ANSWER} == hidden
    assert "zygomatic" not in questions.rows[3].model_dump_json()
    assert "zygomatic" in truth.rows[3].model_dump_json()


def test_names_are_unique_whatever_their_case_and_blanks(
    upload: Any, answers: list[Row], store: BoardStore
) -> None:
    upload(answers, "Model A")
    with pytest.raises(SubmissionError, match="is taken"):
        upload(answers, " model  a ")
    upload(answers, "model a", evaluate_only=True)
    assert [entry.listed for entry in list_entries(store, everything=True)] == [True, False]


def test_an_address_and_a_team_have_their_limits(
    upload: Any, answers: list[Row], settings: LeaderboardSettings, clock: Any
) -> None:
    upload.settings = settings.model_copy(update={"uploads_per_hour": 4, "team_uploads_per_day": 2})
    upload(answers, "a")
    upload(answers, "b")
    with pytest.raises(SubmissionError, match="this team has reached its limit of 2 in a day"):
        upload(answers, "c")
    with pytest.raises(SubmissionError, match="empty"):
        upload(b"", "d", team="other")
    with pytest.raises(SubmissionError, match=r"this address .* limit of 4 in an hour"):
        upload(answers, "e", team="other")
    upload(answers, "f", team="other", address="two")
    clock.now += 3_601
    upload(answers, "g", team="other")
    with pytest.raises(SubmissionError, match="this team"):
        upload(answers, "h")
    clock.now += DAY_S
    upload(answers, "i")


def test_addresses_are_not_stored(upload: Any, answers: list[Row], store: BoardStore) -> None:
    from medvid.evaluation.leaderboard.tables import attempts

    upload(answers, address="203.0.113.77")
    with store.reading() as connection:
        subjects = connection.execute(select(attempts.c.subject)).scalars().all()
    assert len(subjects) == 2
    assert not any("203.0" in subject for subject in subjects)


def test_forged_forwarding_is_not_believed() -> None:
    forged = {"x-forwarded-for": "9.9.9.9, 8.8.8.8, 1.2.3.4"}
    assert client_address("10.0.0.1", forged, 0) == "10.0.0.1"
    assert client_address("10.0.0.1", forged, 1) == "1.2.3.4"
    assert client_address(None, {}, 1) == "unknown"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "\u202e\u200b"), ("name", "x" * 81), ("team", " "),
        ("link", "javascript:alert(1)"), ("link", "http:///x"), ("contact", "no mail"),
        ("contact", "a@b>c"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(field: str, value: str) -> None:
    given = {"name": "m", "team": "t", "institution": "i", field: value}
    with pytest.raises(SubmissionError) as caught:
        Registration.of(**given)
    assert caught.value.field is not None


def test_names_lose_what_cannot_be_seen() -> None:
    assert clean_text("a\u202eb\u200b\x00 c\u2028") == "ab c"
    assert name_key("Ｍodel\u00a0A") == name_key("model a")
    assert Registration.of(name="<b>x</b>", team="t", institution="i").name == "<b>x</b>"
