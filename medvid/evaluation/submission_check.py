"""Would the benchmark refuse this file, or score it as something the model did not say?

The public scorer looks at the first record alone, matches by place, warns of nothing a person
sees, and takes a cut answer for a short one. Everything it lets pass is looked for here.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from medvid.evaluation.findings import Finding, FindingLog, Level
from medvid.evaluation.rows import TruthRow
from medvid.evaluation.submission import Submission, SubmissionRow
from medvid.evaluation.submission_cuts import find_ceilings, find_cuts
from medvid.evaluation.submission_order import Order, match_id, recognise_order
from medvid.evaluation.submission_questions import question_hash
from medvid.evaluation.truth import Truth, question_key
from medvid.tasks.official import task_of_qa_type
from schemas.errors import MAX_EXAMPLES
from schemas.source import TaskName

_MAKE: Final = "`medvid submission make` restores the order."
_TOKENS: Final = "Generate again with a larger token budget (`max_new_tokens`)."
KINDS: Final[Mapping[str, tuple[Level, str, str]]] = {
    "length": ("refused", "The file has not as many records as the truth has rows.",
               "Answer every row; `medvid submission make` says which are missing."),
    "merged_by_id": ("misscored", "Answers were merged by a key that several questions share.",
                     "Key answers by row index or sample id: a clip's id names many questions."),
    "lost_order": ("misscored", "Answers stand at other rows' places.", _MAKE),
    "qa_type": ("misscored", "A row type is not that of the row at its place.",
                "Copy `qa_type` from the question, suffix and all."),
    "other_id": ("misscored", "An id names another clip than the row at its place.", _MAKE),
    "empty_answer": ("misscored", "Answers are empty: left out of some columns, 0 in others.",
                     "Generate them again."),
    "boxes_missing": ("misscored", "Grounding answers have fewer boxes than the question asks for.",
                      _TOKENS),
    "scores_missing": ("misscored", "Assessments name fewer scores than are asked for.", _TOKENS),
    "ends_midway": ("misscored", "Answers end in the middle of a line or sentence.", _TOKENS),
    "token_ceiling": ("misscored", "Answers of a task stop at one length.", _TOKENS),
    "dash": ("misscored", "Time spans are written with a typographic dash, which is not read.",
             "Write an ASCII hyphen: `1.1-3.0 seconds.`"),
    "untimed_boxes": ("misscored", "Grounding answers have boxes without times.",
                      "Write `1.0 seconds: [x1, y1, x2, y2]`, items parted by a blank."),
    "rewritten_id": ("note", "Ids are written in the other grammar.",
                     "Harmless, since matching is by place; copy `id` from the question."),
    "blank_id": ("note", "Ids lack the clip's extent, as in `video&&&&&&1.0`.",
                 "Harmless, since matching is by place; copy `id` from the question."),
    "shared_ids": ("note", "Rows of the truth share a key, so none of these may key answers.", ""),
}  # fmt: skip

_SPAN: Final = re.compile(r"\d\s*-\s*\d")
_DASHED: Final = re.compile(r"\d\s*[\u2010-\u2015\u2212]\s*\d")
_TIMED: Final = re.compile(r"\d\s+seconds:\s*\[")
_BARE: Final = re.compile(r"\[\s*-?\d+(?:\.\d+)?(?:\s*,\s*-?\d+(?:\.\d+)?){3}\s*\]")
_DOUBLE: Final = re.compile(r"\[\s*\[\s*\d+(?:\s*,\s*\d+){3}\s*\]\s*\]")
_LEAST_SHARED: Final = 3
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class SubmissionCheck:
    """What a check says of a file.

    Attributes:
        name: The file.
        truth: What it was held against.
        records: Records of the file.
        rows: Rows of the truth.
        order: Where its records belong, None where no order explains the file.
        findings: What was found, what is refused first.
    """

    name: str
    truth: str
    records: int
    rows: int
    order: Order | None
    findings: tuple[Finding, ...]

    @property
    def fine(self) -> bool:
        """Whether the file is taken and scored as the model meant it."""
        return all(finding.level == "note" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The check as JSON values."""
        return {
            "file": self.name, "truth": self.truth, "records": self.records, "rows": self.rows,
            "fine": self.fine, "order": self.order.name if self.order else None,
            "findings": [finding.to_json() for finding in self.findings],
        }  # fmt: skip


def check_submission(truth: Truth, submission: Submission) -> SubmissionCheck:
    """Look for everything that makes the benchmark refuse a file or score it wrongly.

    Args:
        truth: Rows to be answered; questions without answers suffice.
        submission: The answers.
    """
    log = FindingLog(KINDS)
    rows = submission.rows
    order, misplaced = _check_places(truth, submission, log)
    _note_shared_ids(truth.rows, log)
    if order is not None:
        kept = [place for place in range(len(rows)) if place not in misplaced]
        placed = [truth.rows[order.rows[place]] for place in kept]
        answers = [rows[place] for place in kept]
        _compare_names(placed, answers, log)
        _check_sharing(placed, answers, log)
        _check_answers(placed, answers, log)
    findings = (*submission.findings, *log.findings())
    ranked = sorted(findings, key=lambda f: ("refused", "misscored", "note").index(f.level))
    return SubmissionCheck(submission.name, truth.name, len(rows), len(truth), order, tuple(ranked))


def _check_places(
    truth: Truth, submission: Submission, log: FindingLog
) -> tuple[Order | None, set[int]]:
    """Length, row types and ids place by place; where they disagree, what order it is.

    Returns:
        The order, and places whose answers belong to an unknown row; no order where that is most.
    """
    rows = submission.rows
    if len(rows) != len(truth):
        _explain_length(truth.rows, rows, log)
        return None, set()
    if _keyed(rows):
        return (_identity(len(rows)) if _by_keys(truth, rows, log) else None), set()
    wrong = [
        place
        for place, (row, found) in enumerate(zip(truth.rows, rows, strict=True))
        if task_of_qa_type(found.qa_type) != row.task
        or match_id(found.row_id, row.row_id) == "other"
    ]
    order = recognise_order(truth.rows, rows) if wrong else _identity(len(rows))
    examples = [_disagreement(truth.rows[place], rows[place]) for place in wrong[:MAX_EXAMPLES]]
    if order is not None:
        if wrong:
            log.say(
                "lost_order",
                f"{len(wrong):,} answers stand at other rows' places: the file has {order.name}.",
                examples, count=len(wrong),
            )  # fmt: skip
        return order, set()
    if len(wrong) < _HALF * len(rows):
        for place in wrong:
            log.add("other_id", _disagreement(truth.rows[place], rows[place]))
        return _identity(len(rows)), set(wrong)
    log.say(
        "lost_order",
        f"{len(wrong):,} answers stand at other rows' places, in an order that nothing explains; "
        "ids repeat, so they cannot restore it.",
        examples, count=len(wrong),
    )  # fmt: skip
    return None, set()


def _identity(count: int) -> Order:
    return Order("the order of the truth", np.arange(count), 0)


def _keyed(rows: Sequence[SubmissionRow]) -> bool:
    return all(row.sample_id is not None and not row.row_id for row in rows)


def _by_keys(truth: Truth, rows: Sequence[SubmissionRow], log: FindingLog) -> bool:
    """Our own form names samples; it scores here in any order, and is no official file."""
    wanted = [row.sample_id for row in truth.rows]
    found = [row.sample_id for row in rows]
    wrong = [place for place in range(len(rows)) if wanted[place] != found[place]]
    for place in wrong:
        log.add("lost_order", f"{rows[place].place}: sample {found[place]}, not {wanted[place]}")
    return not wrong


def _disagreement(row: TruthRow, found: SubmissionRow) -> str:
    return (
        f"{found.place}: {found.qa_type} {found.row_id}; "
        f"row {row.index} is {row.qa_type} {row.row_id}"
    )


def _compare_names(
    placed: Sequence[TruthRow], rows: Sequence[SubmissionRow], log: FindingLog
) -> None:
    """Row types to the letter, ids in either grammar."""
    for row, found in zip(placed, rows, strict=True):
        if found.sample_id is not None and not found.row_id:
            continue
        if found.qa_type != row.qa_type:
            log.add("qa_type", f"{found.place}: {found.qa_type!r}, not {row.qa_type!r}")
        match match_id(found.row_id, row.row_id):
            case "rewritten":
                log.add("rewritten_id", f"{found.place}: {found.row_id} for {row.row_id}")
            case "blank":
                log.add("blank_id", f"{found.place}: {found.row_id} for {row.row_id}")


def _explain_length(
    truth: Sequence[TruthRow], rows: Sequence[SubmissionRow], log: FindingLog
) -> None:
    """A file that has just as many records as the truth has keys was merged by that key."""
    log.say(
        "length", f"The file has {len(rows):,} records, the truth {len(truth):,} rows: it would "
        "be refused.",
    )  # fmt: skip
    for name, keys in _keys(truth).items():
        if len(set(keys)) == len(rows) < len(truth):
            log.say(
                "merged_by_id",
                f"The file has exactly as many records as the truth has distinct values of {name}: "
                f"answers were merged by it, and {len(truth) - len(rows):,} rows are lost.",
                [f"{key}: {count} rows" for key, count in Counter(keys).most_common(3)],
                count=len(truth) - len(rows),
            )
            return


def _keys(truth: Sequence[TruthRow]) -> dict[str, list[tuple[str, ...]]]:
    return {
        "id": [(row.row_id,) for row in truth],
        "id and qa_type": [(row.row_id, row.qa_type) for row in truth],
        "id, qa_type and question": [question_key(row) for row in truth],
    }


def _note_shared_ids(truth: Sequence[TruthRow], log: FindingLog) -> None:
    lines = {name: len(keys) - len(set(keys)) for name, keys in _keys(truth).items()}
    if any(lines.values()):
        log.say(
            "shared_ids", "Rows of the truth share ids: a table keyed by them loses rows.",
            [f"{name} alone would merge {lost:,} rows" for name, lost in lines.items() if lost],
            count=lines["id"],
        )  # fmt: skip


def _check_sharing(
    placed: Sequence[TruthRow], rows: Sequence[SubmissionRow], log: FindingLog
) -> None:
    """Full length, yet different questions of one clip got one and the same answer."""
    for name, keyed in (("id", False), ("id and qa_type", True)):
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, row in enumerate(placed):
            groups[(row.row_id, row.qa_type) if keyed else (row.row_id,)].append(place)
        asked = [
            places for places in groups.values()
            if len({question_hash(placed[place].question) for place in places}) > 1
            and any(rows[place].text for place in places)
        ]  # fmt: skip
        same = [p for p in asked if len({rows[place].text for place in p}) == 1]
        if len(same) < _LEAST_SHARED or len(same) < _HALF * len(asked):
            continue
        if keyed and _repeats_anyway(placed, rows):
            continue
        lost = sum(len(places) - 1 for places in same)
        log.say(
            "merged_by_id",
            f"All different questions that share {name} have one answer in {len(same):,} of "
            f"{len(asked):,} groups: answers were keyed by it, and {lost:,} rows got another's.",
            [f"rows {', '.join(str(placed[i].index) for i in p[:6])}" for p in same[:10]],
            count=lost,
        )
        return


def _repeats_anyway(placed: Sequence[TruthRow], rows: Sequence[SubmissionRow]) -> bool:
    """Whether the model gives one answer to questions of one type whatever the clip."""
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    for row, found in zip(placed, rows, strict=True):
        texts[row.qa_type][found.text or ""] += 1
    common = sum(max(count.values()) for count in texts.values())
    return common >= _HALF * len(rows)


def _check_answers(
    placed: Sequence[TruthRow], rows: Sequence[SubmissionRow], log: FindingLog
) -> None:
    texts = [found.text for found in rows]
    for row, found in zip(placed, rows, strict=True):
        if found.text is not None and not found.text.strip():
            log.add("empty_answer", f"{found.place}: row {row.index}, {row.qa_type}")
        elif found.text:
            _check_signs(row, found, log)
    cuts = find_cuts(placed, texts)
    for place, cut in cuts.items():
        log.add(cut.kind, f"{rows[place].place}: row {placed[place].index}, {cut.detail}")
    ceilings = find_ceilings(placed, texts, cuts)
    for ceiling in ceilings:
        log.add(
            "token_ceiling",
            f"{ceiling.task}: {ceiling.at_ceiling:,} of {ceiling.unfinished:,} unfinished answers "
            f"stop at about {ceiling.tokens:,} tokens ({ceiling.chars:,} characters)",
            count=ceiling.at_ceiling,
        )


def _check_signs(row: TruthRow, found: SubmissionRow, log: FindingLog) -> None:
    text = found.text or ""
    if row.task in (TaskName.TAL, TaskName.DENSE_CAPTIONING):
        if _DASHED.search(text) and not _SPAN.search(text):
            log.add("dash", f"{found.place}: row {row.index}, {text[:40]!r}")
    elif (
        row.task is TaskName.STG
        and _BARE.search(text)
        and not _TIMED.search(text)
        and not _DOUBLE.search(text)
    ):
        log.add("untimed_boxes", f"{found.place}: row {row.index}, {text[:40]!r}")
