"""Puts answers into the benchmark's order and form, and leaves no row out unseen."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from medvid.evaluation.rows import TruthRow
from medvid.evaluation.submission import Submission, SubmissionRow
from medvid.evaluation.submission_order import recognise_order
from medvid.evaluation.submission_questions import question_hash
from medvid.evaluation.truth import Truth, question_key
from schemas.errors import SubmissionError, bounded

MatchBy = Literal["auto", "sample_id", "index", "question", "order"]

_FILL: Final = "Answer them, or give a text for them with `--fill-missing`."


@dataclass(frozen=True, slots=True)
class Placed:
    """Answers by row of the truth.

    Attributes:
        matched_by: How they were matched, in words.
        texts: One for each row; None where no record answers it.
        filled: Rows that got the filling text.
        shared: Rows that share their answer with a word-for-word equal question.
        strangers: Records that answer no row.
    """

    matched_by: str
    texts: tuple[str | None, ...]
    filled: tuple[int, ...] = ()
    shared: int = 0
    strangers: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Counts as JSON values."""
        return {
            "matched_by": self.matched_by, "rows": len(self.texts), "filled": len(self.filled),
            "shared": self.shared, "strangers": len(self.strangers),
        }  # fmt: skip


def place_answers(
    truth: Truth,
    submission: Submission,
    *,
    match_by: MatchBy = "auto",
    fill: str | None = None,
) -> Placed:
    """Find the answer of every row.

    Args:
        truth: The rows, in the benchmark's order.
        submission: Answers in any order.
        match_by: `sample_id`; `index` (row of the benchmark); `question` (id, row type and the
            question or its hash); `order` (a file of full length whose order is that of the truth
            or of a merge); `auto` takes the first that all records allow.
        fill: Text of rows nobody answered; None makes them an error.

    Raises:
        SubmissionError: Records cannot be matched, contradict each other, or leave rows without
            an answer.
    """
    if submission.refused:
        worst = submission.findings[0]
        raise SubmissionError(
            f"{worst.problem} {bounded(worst.examples)}.", source=submission.name,
            action=worst.action,
        )  # fmt: skip
    chosen = _choose(submission.rows) if match_by == "auto" else match_by
    if chosen == "order":
        return _by_order(truth, submission)
    placed = _by_key(truth, submission, chosen)
    missing = [index for index, text in enumerate(placed.texts) if text is None]
    if not missing:
        return placed
    if fill is None:
        raise SubmissionError(
            f"{len(missing):,} of {len(truth):,} rows have no answer: "
            f"{bounded([_row_name(truth.rows[index]) for index in missing])}.",
            source=submission.name, action=_FILL,
        )  # fmt: skip
    texts = tuple(fill if text is None else text for text in placed.texts)
    return Placed(placed.matched_by, texts, tuple(missing), placed.shared, placed.strangers)


def official_submission(truth: Truth, texts: Sequence[str | None]) -> bytes:
    """Write answers as the benchmark takes them: a JSON list of `{id, qa_type, prediction}`.

    Args:
        truth: The rows.
        texts: One answer for each row.
    """
    lines = [
        orjson.dumps({"id": row.row_id, "qa_type": row.qa_type, "prediction": text or ""})
        for row, text in zip(truth.rows, texts, strict=True)
    ]
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def submission_template(truth: Truth) -> bytes:
    """Write JSON lines to fill in, one a row in the benchmark's order, each with its keys."""
    return b"".join(
        orjson.dumps({
            "index": row.index, "id": row.row_id, "qa_type": row.qa_type,
            "sample_id": row.sample_id, "question_hash": question_hash(row.question),
            "prediction": None,
        }) + b"\n"
        for row in truth.rows
    )  # fmt: skip


def submission_hash(content: bytes) -> str:
    """Name a file by its bytes."""
    return hashlib.sha256(content).hexdigest()


def _choose(rows: Sequence[SubmissionRow]) -> MatchBy:
    if all(row.sample_id is not None for row in rows):
        return "sample_id"
    if all(row.index is not None for row in rows):
        return "index"
    return "question" if all(row.question_hash is not None for row in rows) else "order"


def _by_order(truth: Truth, submission: Submission) -> Placed:
    order = recognise_order(truth.rows, submission.rows)
    if order is None:
        problem = (
            f"the file has {len(submission.rows):,} records, the truth {len(truth):,} rows"
            if len(submission.rows) != len(truth)
            else "no order explains which record answers which row"
        )
        raise SubmissionError(
            f"{problem}, and ids alone do not name rows.", source=submission.name,
            action="Write `index`, `sample_id` or the `question` into each record.",
        )  # fmt: skip
    texts: list[str | None] = [None] * len(truth)
    for index, row in zip(order.rows.tolist(), submission.rows, strict=True):
        texts[index] = row.text
    return Placed(order.name, tuple(texts))


def _by_key(truth: Truth, submission: Submission, match_by: MatchBy) -> Placed:
    """Match by a key; equal questions of one clip are answered in turn, or all by one answer."""
    of_row, of_record = _KEYS[match_by]
    wanted: dict[Hashable, list[int]] = defaultdict(list)
    for row in truth.rows:
        wanted[of_row(row)].append(row.index)
    found: dict[Hashable, list[SubmissionRow]] = defaultdict(list)
    strangers: list[str] = []
    for record in submission.rows:
        key = of_record(record)
        if key in wanted:
            found[key].append(record)
        else:
            strangers.append(f"{record.place}: {key}")
    if strangers and len(strangers) == len(submission.rows):
        raise SubmissionError(
            f"no record's {match_by} names a row of the truth: {bounded(strangers)}.",
            source=submission.name, action="Check that the truth is the one that was answered.",
        )  # fmt: skip
    texts: list[str | None] = [None] * len(truth)
    shared = 0
    for key, records in found.items():
        rows = wanted[key]
        _refuse_contradictions(records, len(rows), submission.name)
        for turn, index in enumerate(rows):
            texts[index] = records[min(turn, len(records) - 1)].text
        shared += max(0, len(rows) - len(records))
    return Placed(match_by, tuple(texts), (), shared, tuple(strangers))


def _refuse_contradictions(records: Sequence[SubmissionRow], rows: int, name: str) -> None:
    if len(records) > rows and len({record.text for record in records}) > 1:
        places = bounded([record.place for record in records])
        rows_named = "one row" if rows == 1 else f"{rows} rows"
        raise SubmissionError(
            f"{len(records)} records give different answers to {rows_named}: {places}.",
            source=name, action="Leave one of them.",
        )  # fmt: skip


def _row_name(row: TruthRow) -> str:
    return f"row {row.index} {row.qa_type} {row.row_id}"


_KEYS: Final[
    Mapping[
        MatchBy, tuple[Callable[[TruthRow], Hashable], Callable[[SubmissionRow], Hashable]]
    ]
] = {
    "sample_id": (lambda row: row.sample_id, lambda record: record.sample_id),
    "index": (lambda row: row.index, lambda record: record.index),
    "question": (
        question_key, lambda record: (record.row_id, record.qa_type, record.question_hash),
    ),
}  # fmt: skip
