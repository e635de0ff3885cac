"""What is known of a release, in numbers: the one input of report, card and Croissant."""

from typing import Any

from pydantic import SkipValidation

from medvid.splits import Leak, SelectionReport
from schemas.scalars import Model
from schemas.source import DataCard


class SourceFacts(Model):
    """One source in a release.

    Attributes:
        card: Licence, citation, access.
        videos: Videos by what became of them: `with samples`, `without samples`, `quarantined`.
        records_in: Native records read, by kind.
        issues: Faults by `disposition:kind:reason`; disposition is dropped, repaired or flagged.
        fates: Segments by `kind:fate`; fate is `in_clip` or why a segment is in no clip.
        candidates: Clip candidates by fate.
        drops: Questions that could not be asked, by `task:reason`.
        corrections: Annotators' corrections by fate: `applied`, `already` in the native files,
            `conflict`, or `without_video`.
    """

    card: DataCard
    videos: dict[str, int] = {}
    records_in: dict[str, int] = {}
    issues: dict[str, int] = {}
    fates: dict[str, int] = {}
    candidates: dict[str, int] = {}
    drops: dict[str, int] = {}
    corrections: dict[str, int] = {}


class SampleCount(Model):
    """How many samples one cell of the release holds.

    Attributes:
        source: Module name of the source.
        task: One of the eight tasks.
        qa_type: The benchmark's row type.
        split: train, val or test.
        samples: Samples in `large`.
        in_standard: Those of them in `standard`.
    """

    source: str
    task: str
    qa_type: str
    split: str
    samples: int
    in_standard: int


class QuarantineCount(Model):
    """How many rows of the quarantine share a reason."""

    source: str
    stage: str
    kind: str
    reason: str
    rows: int
    action: str


class ContactSheet(Model):
    """A picture for the report.

    Attributes:
        title: Task and source.
        question: The question shown.
        answer: Its answer.
        png: The picture.
    """

    title: str
    question: str
    answer: str
    png: bytes


class MediaStorage(Model):
    """Payload bytes of pictures, in `media` and as other layouts would need them.

    Attributes:
        member_bytes: All members of `media`.
        distinct_bytes: One for each distinct source, video and native frame number.
        by_clip_bytes: What clips with their frames inline would need, each clip once.
        by_pair_bytes: What pairs with their frames inline would need.
    """

    member_bytes: int
    distinct_bytes: int
    by_clip_bytes: int
    by_pair_bytes: int

    @property
    def ratio(self) -> float:
        """Stored over distinct bytes; 1 where each frame is stored once."""
        return self.member_bytes / self.distinct_bytes if self.distinct_bytes else 1.0

    @property
    def clip_factor(self) -> float:
        """How many times the bytes clips with inline frames would need."""
        return self.by_clip_bytes / self.member_bytes if self.member_bytes else 1.0

    @property
    def pair_factor(self) -> float:
        """How many times the bytes pairs with inline frames would need."""
        return self.by_pair_bytes / self.member_bytes if self.member_bytes else 1.0


class ReleaseFacts(Model):
    """A release in numbers; holds no clock, no host and no path.

    Attributes:
        name: Name of the release.
        config: Resolved configuration.
        versions: Versions of the code and of the packages that shape bytes.
        sources: By module name.
        counts: Samples by source, task, qa type and split; sums to all of `large`.
        identities: Distinct identities by split.
        videos: Videos with samples by split.
        clip_seconds: Length of every distinct clip with a sample, sorted.
        rates: Distinct clips by sampling rate as text, e.g. `{"0.5": 12}`.
        answer_words: Words of every answer, sorted.
        labels: Samples by source and label.
        quarantine: Rows by source, stage, kind and reason.
        shards: Number of tars by folder.
        bytes: Bytes by folder.
        frames: Distinct stored frames, 0 for labels only.
        storage: Payload bytes of pictures, None for labels only.
        sheets: Pictures.
        selection: What was asked of the selection and what the pool could give.
        left_out_videos: Videos with pairs of which not one is in a split.
        split_mode: `identity`, or `native` where official splits are honoured.
        leaks: Components that official splits part.
        unlisted: Videos by source that no official split names, where they are honoured.
        media_edges: Pairs of videos that show the same footage.
    """

    name: str
    config: dict[str, Any]
    versions: dict[str, str]
    sources: dict[str, SourceFacts]
    counts: tuple[SampleCount, ...]
    identities: dict[str, int]
    videos: dict[str, int]
    clip_seconds: SkipValidation[tuple[float, ...]]
    rates: dict[str, int]
    answer_words: SkipValidation[tuple[int, ...]]
    labels: dict[str, dict[str, int]]
    quarantine: tuple[QuarantineCount, ...] = ()
    shards: dict[str, int] = {}
    bytes: dict[str, int] = {}
    frames: int = 0
    storage: MediaStorage | None = None
    sheets: tuple[ContactSheet, ...] = ()
    selection: SelectionReport | None = None
    left_out_videos: int = 0
    split_mode: str = "identity"
    leaks: tuple[Leak, ...] = ()
    unlisted: dict[str, int] = {}
    media_edges: int = 0
