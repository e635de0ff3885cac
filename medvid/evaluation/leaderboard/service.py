"""What the pages do, without a word of Gradio: every answer is text that is safe to show."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from medvid.evaluation.leaderboard import pages
from medvid.evaluation.leaderboard.administration import ACTS, Act, administrate, is_admin
from medvid.evaluation.leaderboard.board import (
    Board,
    list_scopes,
    load_board,
    team_history,
    would_be_place,
)
from medvid.evaluation.leaderboard.entries import (
    Entry,
    find_by_name,
    find_by_receipt,
    list_entries,
    load_content,
    load_result,
    place_in_queue,
)
from medvid.evaluation.leaderboard.intake import Receipt, take_upload
from medvid.evaluation.leaderboard.limits import HOUR_S, count_attempt, hashed_subject
from medvid.evaluation.leaderboard.plots import MOST_ENTRIES, bar_figure, radar_figure
from medvid.evaluation.leaderboard.public import Questions, questions_of
from medvid.evaluation.leaderboard.queue import list_jobs
from medvid.evaluation.leaderboard.registration import Registration
from medvid.evaluation.leaderboard.settings import LeaderboardSettings
from medvid.evaluation.leaderboard.sheets import RgbArray, comparison_sheet
from medvid.evaluation.leaderboard.store import BoardStore
from medvid.evaluation.rows import Profile, TruthRow
from medvid.evaluation.run import match_submission
from medvid.evaluation.submission import parse_submission
from medvid.evaluation.truth import Truth
from medvid.shards import ReleaseReader
from schemas.errors import SubmissionError

KEPT_ANSWERS: Final = 6
MOST_ROWS: Final = 500


@dataclass(slots=True)
class BoardService:
    """A running leaderboard.

    Attributes:
        settings: Its settings.
        store: Its database.
        questions: The benchmark as visitors may know it.
        truth: The rows with their truth, only where the settings let it be shown.
        token: The admin's token; None where nobody is admin.
    """

    settings: LeaderboardSettings
    store: BoardStore
    questions: Questions
    truth: Truth | None = None
    token: str | None = field(default=None, repr=False)
    _answers: "OrderedDict[int, tuple[str | None, ...]]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(
        cls, settings: LeaderboardSettings, store: BoardStore, truth: Truth, token: str | None
    ) -> "BoardService":
        """Make a service; truth is dropped here unless it may be shown."""
        shown = truth if settings.show_truth else None
        return cls(settings, store, questions_of(truth), shown, token)

    def board(self, profile: Profile, scope: str, *, published: bool) -> Board:
        """The table."""
        return load_board(
            self.store, self.questions.truth_key, profile=profile, scope=scope,
            published=published and self.settings.show_published,
        )  # fmt: skip

    def board_page(self, profile: Profile, scope: str, *, published: bool) -> str:
        """The table as HTML."""
        return pages.board_page(self.board(profile, scope, published=published))

    def scopes(self) -> list[tuple[str, str]]:
        """What the table can be narrowed to: name for people, scope."""
        return [(pages.scope_name(scope), scope) for scope in list_scopes(self.store)]

    def names(self, *, answered: bool = False) -> list[str]:
        """Names on the board in its order; with `answered` those whose answers are here."""
        lines = self.board("official", "all", published=True).lines
        return [line.entry.name for line in lines if not (answered and line.published)]

    def teams(self) -> list[str]:
        """Teams on the board."""
        return sorted({entry.team for entry in list_entries(self.store)})

    def submit(
        self, path: Path, registration: Registration, file_name: str, address: str
    ) -> tuple[str, str]:
        """Take an upload.

        Returns:
            What to show, and the receipt; the receipt is empty where the upload was refused.
        """
        try:
            receipt: Receipt = take_upload(
                self.store, self.questions, self.settings, registration, path,
                file_name=file_name, address=address,
            )  # fmt: skip
        except SubmissionError as error:
            return pages.refusal_page(error), ""
        return pages.receipt_page(receipt, registration), receipt.word

    def status_page(self, receipt: str) -> tuple[str, bool]:
        """What became of an upload, and whether it still waits."""
        found = find_by_receipt(self.store, receipt) if receipt.strip() else None
        if found is None:
            return pages.note_page("No upload has this receipt."), False
        entry, findings = found
        queued = place_in_queue(self.store, entry.id)
        place = would_be_place(self.store, self.questions.truth_key, entry)
        result = load_result(self.store, entry.id)
        return pages.status_page(entry, findings, queued, place, result), queued is not None

    def entry_page(self, name: str | None) -> str:
        """An entry with its columns, intervals, sources and tasks."""
        entry = find_by_name(self.store, name) if name else None
        if entry is None:
            return pages.note_page("Choose an entry.")
        return pages.entry_page(entry, load_result(self.store, entry.id))

    def history_page(self, team: str | None) -> str:
        """A team's entries in time."""
        if not team:
            return pages.note_page("Choose a team.")
        return pages.history_page(team_history(self.store, self.questions.truth_key, team))

    def figures(self, names: list[str] | None) -> tuple[Figure, Figure]:
        """Radar and bars of entries."""
        wanted = set(names or [])
        lines = self.board("official", "all", published=True).lines
        chosen = [line for line in lines if line.entry.name in wanted][:MOST_ENTRIES]
        values = {line.entry.name: line.official for line in chosen}
        return radar_figure(values), bar_figure(values)

    def row_choices(self, source: str | None, task: str | None) -> list[tuple[str, int]]:
        """Rows to compare entries on."""
        rows = [
            row for row in self.questions.rows
            if source in (None, "", row.source) and task in (None, "", row.task.value)
        ]  # fmt: skip
        return [(pages.row_name(row), row.index) for row in rows[:MOST_ROWS]]

    def compare(
        self, first: str | None, second: str | None, index: int | None
    ) -> tuple[str, RgbArray | None]:
        """Two entries on one row: a page and a contact sheet."""
        if not self.settings.show_predictions:
            return pages.note_page("This server does not show answers."), None
        entries = [find_by_name(self.store, name) if name else None for name in (first, second)]
        if index is None or not 0 <= index < len(self.questions.rows) or None in entries:
            return pages.note_page("Choose two entries and a row."), None
        row = self.questions.rows[index]
        known: list[Entry] = [entry for entry in entries if entry is not None]
        texts = [self._texts(entry)[index] or "" for entry in known]
        truth: TruthRow | None = self.truth.rows[index] if self.truth else None
        answers = dict(zip(("A", "B"), texts, strict=True))
        page = pages.comparison_page(row, known, texts, truth.answer if truth else None)
        if self.questions.release is None:
            return page, comparison_sheet(row, answers, None, truth)
        with ReleaseReader(self.questions.release) as reader:
            return page, comparison_sheet(row, answers, reader, truth)

    def admin(self, token: str | None, address: str, act: str, name: str, new_name: str) -> str:
        """Do one act of the admin's, or list the queue; wrong tokens are counted."""
        refusal = self._refused(token, address)
        if refusal:
            return refusal
        if act not in ACTS:
            return pages.jobs_page(list_jobs(self.store), list_entries(self.store, everything=True))
        chosen: Act = next(known for known in ACTS if known == act)
        entry = self._entry_of_admin(name)
        if entry is None:
            return pages.note_page("No entry has this name or number.")
        try:
            done = administrate(self.store, chosen, entry, new_name)
        except SubmissionError as error:
            return pages.refusal_page(error)
        with self._lock:
            self._answers.pop(entry.id, None)
        return pages.note_page(done)

    def _refused(self, token: str | None, address: str) -> str:
        if is_admin(token, self.token):
            return ""
        try:
            with self.store.writing() as connection:
                count_attempt(
                    connection, self.store.clock(),
                    hashed_subject(self.store, "admin", address),
                    self.settings.admin_tries_per_hour, HOUR_S, "this address",
                )  # fmt: skip
        except SubmissionError as error:
            return pages.refusal_page(error)
        return pages.note_page("This is not the admin's token.")

    def _entry_of_admin(self, name: str) -> Entry | None:
        if name.strip().startswith("#"):
            number = name.strip().removeprefix("#")
            everything = list_entries(self.store, everything=True)
            return next((entry for entry in everything if str(entry.id) == number), None)
        return find_by_name(self.store, name, everything=True)

    def _texts(self, entry: Entry) -> tuple[str | None, ...]:
        """Answers of an entry by row; a few entries are kept."""
        with self._lock:
            if entry.id in self._answers:
                self._answers.move_to_end(entry.id)
                return self._answers[entry.id]
        if entry.origin == "published":
            return ("",) * len(self.questions.rows)
        with self.store.reading() as connection:
            name, content = load_content(connection, entry.id)
        texts = match_submission(self.questions.as_truth, parse_submission(content, name)).texts
        with self._lock:
            self._answers[entry.id] = texts
            while len(self._answers) > KEPT_ANSWERS:
                self._answers.popitem(last=False)
        return texts
