"""Collect what is wrong with a recording while it is read."""

from collections import Counter
from dataclasses import dataclass, field

from schemas.annotation import Disposition, Issue
from schemas.errors import MalformedSourceError

DROPPED = Disposition.DROPPED
REPAIRED = Disposition.REPAIRED
FLAGGED = Disposition.FLAGGED


@dataclass(slots=True)
class IssueLog:
    """Faults of one recording and counts of the native records it held.

    Attributes:
        dataset: Module name of the source.
        file: Label file, relative to the source root.
        counts: Native records read, by kind.
    """

    dataset: str
    file: str
    counts: Counter[str] = field(default_factory=Counter)
    _found: list[tuple[tuple[int, int], Issue]] = field(default_factory=list)

    def add(
        self,
        reason: str,
        kind: str,
        disposition: Disposition,
        detail: str,
        action: str,
        *,
        where: str | None = None,
        at: tuple[int, int] = (-1, 0),
    ) -> None:
        """Note one fault.

        Args:
            reason: Word in snake case.
            kind: What kind of native record it is about.
            disposition: What became of the record.
            detail: The fault in one sentence.
            action: What a data engineer can do.
            where: Key or field in the file.
            at: Position of the frame in the file and of the record in the frame, to keep file
                order; faults of the file as a whole come first.
        """
        issue = Issue(
            reason=reason, kind=kind, disposition=disposition, detail=detail, action=action,
            file=self.file, field=where,
        )  # fmt: skip
        self._found.append((at, issue))

    def malformed(self, problem: str, where: str) -> MalformedSourceError:
        """Build the error for a file that cannot be trusted as a whole, to be raised."""
        return MalformedSourceError(problem, dataset=self.dataset, source=self.file, field=where)

    def in_file_order(self) -> tuple[Issue, ...]:
        """All faults, those of the file first, then by frame and record."""
        return tuple(issue for _, issue in sorted(self._found, key=lambda pair: pair[0]))

    def records_in(self) -> dict[str, int]:
        """Counts by kind, in alphabetical order, kinds that were not met left out."""
        return {kind: self.counts[kind] for kind in sorted(self.counts) if self.counts[kind]}
