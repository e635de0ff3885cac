"""A submission: answers by row, as a group uploads them to the benchmark.

The official form is a JSON list of `{id, qa_type, prediction}`, matched to the test file by place;
an object's values are taken in order too. JSON lines with a `sample_id` are our own form. Whatever
else a record carries is left alone, above all questions and references: an official file that
brings its own truth is scored against it by the public scorer, never here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from medvid.evaluation.findings import Finding, FindingLog, Level
from medvid.evaluation.rows import Prediction
from medvid.evaluation.submission_json import (
    Form,
    JsonLimits,
    JsonRecord,
    load_bytes,
    parse_records,
)
from medvid.evaluation.submission_questions import question_hash

ANSWER_KEYS: Final = ("prediction", "id", "qa_type", "sample_id", "index", "question_hash")
TRUTH_KEYS: Final = frozenset(
    {"gnd", "struc_info", "question", "answer", "conversations", "target"}
)

_REWRITE: Final = "Write each record as {id, qa_type, prediction}, all three texts."
KINDS: Final[Mapping[str, tuple[Level, str, str]]] = {
    "not_a_record": ("refused", "A record is not an object.", _REWRITE),
    "prediction_absent": ("refused", "A record has no `prediction`.", _REWRITE),
    "field_absent": ("refused", "A record has no `id`, `qa_type` or `sample_id`.", _REWRITE),
    "wrong_type": ("refused", "A field is not of its type.", _REWRITE),
    "not_json": ("refused", "A record holds what JSON does not allow.",
                 "Write the file with a JSON library that refuses NaN and repeated keys."),
    "too_long": ("refused", "An answer is longer than any answer can be.",
                 "Cut the repetition: the longest reference has about 8,000 characters."),
    "own_truth": ("note", "Records bring questions or references of their own; these are ignored.",
                  "Truth comes from the release or the official file alone."),
    "ignored_field": ("note", "Records carry further fields; these are ignored.", ""),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SubmissionRow:
    """One answer as it stands in the file.

    Attributes:
        position: Place in the file, from 0.
        line: Line it begins on, from 1.
        row_id: `id` as written, empty where absent.
        qa_type: `qa_type` as written, empty where absent.
        text: The answer; None where the record has none that could be read.
        sample_id: Sample of a release, None where absent.
        index: Row of the benchmark it says it answers, None where absent.
        question_hash: Hash of its question, None where neither hash nor question is given.
    """

    position: int
    line: int
    row_id: str
    qa_type: str
    text: str | None
    sample_id: str | None = None
    index: int | None = None
    question_hash: str | None = None

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"record {self.position} (line {self.line})"


@dataclass(frozen=True, slots=True)
class Submission:
    """All answers of a file.

    Attributes:
        name: File name.
        form: How the file holds them.
        rows: In the order of the file.
        findings: What is wrong with single records; those records stand in `rows` without a text.
    """

    name: str
    form: Form
    rows: tuple[SubmissionRow, ...]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def refused(self) -> bool:
        """Whether a record is no answer at all."""
        return any(finding.level == "refused" for finding in self.findings)

    def by_position(self) -> tuple[Prediction, ...]:
        """Answers matched by their place in the file, as the official scorer matches them."""
        return tuple(
            Prediction(index=row.position, row_id=row.row_id, qa_type=row.qa_type, text=row.text)
            for row in self.rows
        )


def load_submission(path: Path, limits: JsonLimits | None = None) -> Submission:
    """Read a file of predictions.

    Raises:
        SubmissionError: The file is no JSON, too large, or nested too deeply.
    """
    limits = limits or JsonLimits()
    return parse_submission(load_bytes(path, limits), path.name, limits)


def parse_submission(content: bytes, name: str, limits: JsonLimits | None = None) -> Submission:
    """Read predictions from the bytes of a file.

    Args:
        content: The file.
        name: Its name, for messages.
        limits: How much is taken.

    Raises:
        SubmissionError: The file is no JSON, too large, or nested too deeply.
    """
    limits = limits or JsonLimits()
    records = parse_records(content, name, limits)
    log = FindingLog(KINDS)
    extra: Counter[str] = Counter()
    rows = tuple(_read_row(record, log, extra, limits) for record in records.records)
    for key, count in sorted(extra.items(), key=lambda item: (-item[1], item[0])):
        kind = "own_truth" if key in TRUTH_KEYS else "ignored_field"
        log.add(kind, f"{key} ({count:,} record{'' if count == 1 else 's'})", count=count)
    return Submission(name, records.form, rows, log.findings())


def _read_row(
    record: JsonRecord, log: FindingLog, extra: Counter[str], limits: JsonLimits
) -> SubmissionRow:
    row = _Row(record, log)
    for fault in record.faults:
        log.add("not_json", f"{row.place}: {fault}")
    value = record.value
    if isinstance(value, str) and record.key is not None:
        value = {"sample_id": record.key, "prediction": value}
    if not isinstance(value, dict):
        log.add("not_a_record", f"{row.place}: {type(value).__name__}")
        return SubmissionRow(record.position, record.line, "", "", None)
    extra.update(key for key in value if key not in ANSWER_KEYS)
    row_id, qa_type = row.text(value, "id"), row.text(value, "qa_type")
    sample_id, index = row.text(value, "sample_id"), row.number(value, "index")
    if sample_id is None and index is None and (row_id is None or qa_type is None):
        log.add("field_absent", f"{row.place}: {'id' if row_id is None else 'qa_type'}")
    return SubmissionRow(
        record.position, record.line, row_id or "", qa_type or "",
        row.answer(value, None if record.faults else limits.max_answer_chars),
        sample_id, index, row.question(value),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Row:
    """Takes typed fields out of one record and logs what is not of its type."""

    record: JsonRecord
    log: FindingLog

    @property
    def place(self) -> str:
        return f"record {self.record.position} (line {self.record.line})"

    def text(self, value: Mapping[str, Any], key: str) -> str | None:
        found = value.get(key)
        if found is None or isinstance(found, str):
            return found
        self.log.add("wrong_type", f"{self.place}: {key} is {type(found).__name__}, not a text")
        return None

    def number(self, value: Mapping[str, Any], key: str) -> int | None:
        found = value.get(key)
        if found is None or (isinstance(found, int) and not isinstance(found, bool) and found >= 0):
            return found
        self.log.add("wrong_type", f"{self.place}: {key} is not a whole number from 0")
        return None

    def question(self, value: Mapping[str, Any]) -> str | None:
        given = value.get("question_hash")
        if isinstance(given, str):
            return given
        question = value.get("question")
        return question_hash(question) if isinstance(question, str) else None

    def answer(self, value: Mapping[str, Any], limit: int | None) -> str | None:
        if "prediction" not in value:
            self.log.add("prediction_absent", self.place)
            return None
        text = self.text(value, "prediction")
        if value["prediction"] is None:
            self.log.add("wrong_type", f"{self.place}: prediction is null, not a text")
        if text is None or limit is None:
            return None
        if len(text) > limit:
            self.log.add("too_long", f"{self.place}: {len(text):,} characters")
            return None
        return text
