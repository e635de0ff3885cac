"""What could not be used, why, and what to do about it."""

from schemas.annotation import Issue
from schemas.scalars import SCHEMA_VERSION, Label, Model, PositiveInt, SourceName


class QuarantineRow(Model):
    """One native record, file or video that did not reach the release.

    Attributes:
        source: Module name of the source.
        video_id: The video, or empty where the fault lies above one video.
        stage: Where it was found: `discover`, `convert`, `probe`, `integrity`, `decode`, `build`.
        kind: What is missing: `video`, `frame`, `segment`, `box`, ….
        reason: Machine-readable word in snake case.
        detail: The fault in one sentence.
        action: What to do about it.
        file: POSIX path relative to the source root, or empty.
        line: Line from 1, or None.
        field: Field or column, or empty.
        retryable: Whether the same bytes may succeed next time, as after a time-out.
    """

    schema_version: int = SCHEMA_VERSION
    source: SourceName
    video_id: str
    stage: Label
    kind: Label
    reason: Label
    detail: str
    action: str
    file: str = ""
    line: PositiveInt | None = None
    field: str = ""
    retryable: bool = False

    @classmethod
    def from_issue(cls, issue: Issue, *, source: str, video_id: str) -> "QuarantineRow":
        """Turn a converter's dropped record into a quarantine row."""
        return cls(
            source=source, video_id=video_id, stage="convert", kind=issue.kind,
            reason=issue.reason, detail=issue.detail, action=issue.action,
            file=issue.file or "", line=issue.line, field=issue.field or "",
        )  # fmt: skip
