"""Takes an upload in: limits first, then its size, its form, its order, and only then the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from medvid.evaluation.findings import Finding, cut
from medvid.evaluation.leaderboard.entries import Upload, add_entry
from medvid.evaluation.leaderboard.limits import DAY_S, HOUR_S, count_attempt, hashed_subject
from medvid.evaluation.leaderboard.public import Questions
from medvid.evaluation.leaderboard.registration import Registration, clean_text, name_key
from medvid.evaluation.leaderboard.settings import LeaderboardSettings
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.run import match_submission
from medvid.evaluation.submission import parse_submission
from medvid.evaluation.submission_check import check_submission
from medvid.evaluation.submission_json import JsonLimits
from schemas.errors import SubmissionError

SPARE_RECORDS: Final = 1_000
"""Records beyond the rows of the truth that are read, so that the message can count them."""


class UploadRefusedError(SubmissionError):
    """Answers that would not be scored, with everything that a check found in them.

    Attributes:
        findings: What was found, what is refused first.
    """

    def __init__(self, error: SubmissionError, findings: Sequence[Finding]) -> None:
        self.findings = tuple(finding.to_json() for finding in findings)
        super().__init__(
            error.problem, source=error.source, line=error.line, field=error.field,
            action=error.action,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a team gets for its upload.

    Attributes:
        word: Opens the status of the entry; shown once.
        findings: What a check found, as `Finding.to_json` gives it.
    """

    word: str
    findings: tuple[dict[str, Any], ...]


def check_upload(
    questions: Questions, name: str, content: bytes, max_bytes: int
) -> tuple[Finding, ...]:
    """Check answers against the questions alone: no message can tell what the truth is.

    Raises:
        SubmissionError: They would not be scored as the model meant them; records and lines are
            named.
    """
    limits = JsonLimits(max_bytes=max_bytes, max_records=len(questions.rows) + SPARE_RECORDS)
    submission = parse_submission(content, name, limits)
    try:
        return match_submission(questions.as_truth, submission).findings
    except SubmissionError as error:
        check = check_submission(questions.as_truth, submission)
        raise UploadRefusedError(error, check.findings) from error


def take_upload(
    store: BoardStore,
    questions: Questions,
    settings: LeaderboardSettings,
    registration: Registration,
    path: Path,
    *,
    file_name: str,
    address: str,
) -> Receipt:
    """Check an upload and put it in the queue.

    Args:
        store: The database.
        questions: What it has to answer.
        settings: Limits.
        registration: Who and what.
        path: The file.
        file_name: Its name at the team's side.
        address: Address of the client.

    Raises:
        SubmissionError: It is refused; nothing is stored but the attempt.
    """
    with store.writing() as connection:
        count_attempt(
            connection, store.clock(), hashed_subject(store, "address", address),
            settings.uploads_per_hour, HOUR_S, "this address",
        )  # fmt: skip
    shown = cut(clean_text(file_name), 80) or "answers.json"
    content = read_bounded(path, shown, settings.max_upload_bytes)
    found = check_upload(questions, shown, content, settings.max_upload_bytes)
    findings = tuple(finding.to_json() for finding in found)
    with store.writing() as connection:
        now = store.clock()
        count_attempt(
            connection, now, hashed_subject(store, "team", name_key(registration.team)),
            settings.team_uploads_per_day, DAY_S, "this team",
        )  # fmt: skip
        word = add_entry(connection, now, registration, Upload(shown, content, findings))
    return Receipt(word, findings)


def read_bounded(path: Path, name: str, max_bytes: int) -> bytes:
    """Read a file whose size is known to be allowed before a byte is read.

    Raises:
        SubmissionError: It is too large, or cannot be read.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise SubmissionError(
                f"the file has {size:,} bytes, at most {max_bytes:,} are taken.", source=name,
                action="A submission is text alone: leave out frames, questions and references.",
            )  # fmt: skip
        with path.open("rb") as handle:
            return handle.read(max_bytes)
    except OSError as error:
        raise SubmissionError(
            "the uploaded file cannot be read.", source=name, action="Upload it again."
        ) from error
