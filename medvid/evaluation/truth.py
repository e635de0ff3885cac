"""Truth to score against: a split of a release, or an official file with `struc_info`.

It never comes from inside a submission. Rows keep one documented order, since the benchmark knows
no other key: the order of the file for an official file; for a release the order of its index
(shard path, then offset), in which `ReleaseReader.samples` and the official export walk too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from medvid.evaluation.official.labels import procedure_of
from medvid.evaluation.rows import TruthEvent, TruthRow
from medvid.evaluation.submission_questions import question_hash
from medvid.evaluation.truth_official import cluster_of, truth_of_official
from medvid.shards import ReleaseReader
from medvid.tasks.modules.dense_captioning import split_label
from medvid.tasks.official import OfficialRow, read_official_rows
from medvid.tasks.official.writing import OWN_KEY
from schemas.errors import MalformedSourceError, MissingSourceError, SubmissionError, bounded
from schemas.hashing import content_key
from schemas.sample import Sample
from schemas.source import TaskName

_EMPTY_TRUTH: Final = {
    TaskName.TAL: "spans", TaskName.STG: "boxes", TaskName.DENSE_CAPTIONING: "events",
    TaskName.NEXT_ACTION: "label", TaskName.SKILL_ASSESSMENT: "skill",
    TaskName.CVS_ASSESSMENT: "cvs", TaskName.VIDEO_SUMMARY: "caption",
    TaskName.REGION_CAPTION: "caption",
}  # fmt: skip

_TIMED: Final = "nurvid"


@dataclass(frozen=True, slots=True)
class Truth:
    """Rows to be answered, in the benchmark's order.

    Attributes:
        name: What it is, for people: folder or file name, with the split of a release.
        rows: Row i has `index` i.
        clusters: What row i is resampled with.
        release: Folder that holds the frames, None for an official file.
        untruthful: Rows without structured truth, by task.
    """

    name: str
    rows: tuple[TruthRow, ...]
    clusters: tuple[str, ...]
    release: Path | None = None
    untruthful: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def questions_only(self) -> bool:
        """Whether no row has an answer."""
        return sum(self.untruthful.values()) == len(self.rows)

    @property
    def key(self) -> str:
        """Hash of all rows: scores of two submissions compare only where it is the same."""
        return content_key("truth", [row.model_dump(mode="json") for row in self.rows])

    def require_answers(self) -> None:
        """Refuse questions without answers.

        Raises:
            SubmissionError: No row has an answer.
        """
        if self.questions_only:
            raise SubmissionError(
                "these are questions without answers: nothing can be scored against them.",
                source=self.name,
                action="Give a release, or the official file that holds `struc_info`.",
            )


def load_truth(path: Path, *, split: str = "test", subset: str = "large") -> Truth:
    """Read truth from a release's folder or an official file.

    Args:
        path: A release's folder, or a json file of official rows, with or without answers.
        split: Split of a release.
        subset: Subset of a release.

    Raises:
        MissingSourceError: There is nothing at that path.
        MalformedSourceError: The file is no official file, or rows of it are damaged.
        ShardError: The release is damaged.
        SubmissionError: There are no rows.
    """
    if path.is_dir():
        truth = _from_release(path, split, subset)
    elif path.exists():
        truth = _from_official(path)
    else:
        raise MissingSourceError(
            "there is no truth here.", source=path.name,
            action="Give the folder of a release, or an official json file.",
        )  # fmt: skip
    if not truth.rows:
        raise SubmissionError(
            "the truth has no rows.", source=truth.name,
            action="Choose another split with `--split`, or another file.",
        )  # fmt: skip
    return truth


def truth_of_official_rows(rows: Sequence[OfficialRow], name: str) -> Truth:
    """Make truth of official rows, which must be all rows of their file."""
    return _collected(
        name,
        tuple(map(truth_of_official, rows)),
        tuple(map(_cluster_of_official, rows)),
    )


def _cluster_of_official(row: OfficialRow) -> str:
    """The identity that our own exports state, else what source and video tell."""
    own = row.extra.get(OWN_KEY)
    if isinstance(own, dict) and isinstance(own.get("identity"), str):
        return str(own["identity"])
    return cluster_of(row.source or row.dataset_name, row.video_id)


def truth_of_samples(samples: Sequence[Sample], name: str, *, release: Path | None = None) -> Truth:
    """Make truth of a release's samples, in the order given."""
    rows = tuple(truth_of_sample(sample, index) for index, sample in enumerate(samples))
    return _collected(name, rows, tuple(sample.identity for sample in samples), release)


def truth_of_sample(sample: Sample, index: int) -> TruthRow:
    """Read one sample.

    Args:
        sample: The sample.
        index: Its place in the benchmark's order.
    """
    rate = Fraction(sample.tick_rate_num, sample.tick_rate_den)
    return TruthRow(
        index=index, row_id=release_row_id(sample), qa_type=sample.qa_type, task=sample.task,
        source=sample.source, dataset_name=sample.dataset_name, video_id=sample.video_id,
        clip_key=sample.clip_id, question=sample.question, fps=sample.rate_num / sample.rate_den,
        duration_s=float((sample.clip_end - sample.clip_start) / rate), answer=sample.answer,
        labels=sample.candidates, sample_id=sample.sample_id, **_structured(sample),
    )  # fmt: skip


def release_row_id(sample: Sample) -> str:
    """`VIDEO&&START&&END&&FPS` of a sample's clip, as the official export writes it.

    The extent is in frame numbers; NurViD's is in seconds.
    """
    start, end = str(sample.frame_index[0]), str(sample.frame_index[-1])
    if sample.source == _TIMED:
        second = Fraction(sample.tick_rate_den, sample.tick_rate_num)
        start, end = (f"{float(sample.frame_tick[at] * second):.1f}" for at in (0, -1))
    return f"{sample.video_id}&&{start}&&{end}&&{float(Fraction(sample.rate_num, sample.rate_den))}"


def _structured(sample: Sample) -> dict[str, Any]:
    target = sample.target_value()
    match sample.task:
        case TaskName.TAL:
            return {"spans": tuple((span["start"], span["end"]) for span in target)}
        case TaskName.STG:
            return {"boxes": {item["time"]: tuple(item["xyxy"]) for item in target}}
        case TaskName.DENSE_CAPTIONING:
            return {"events": tuple(_event(item, sample.candidates) for item in target)}
        case TaskName.NEXT_ACTION:
            named = procedure_of(sample.question) if sample.source == _TIMED else None
            return {"label": target, "procedure": named or ""}
        case TaskName.SKILL_ASSESSMENT:
            return {"skill": target}
        case TaskName.CVS_ASSESSMENT:
            return {"cvs": target}
        case _:
            return {"caption": target}


def _event(item: dict[str, Any], labels: Sequence[str]) -> TruthEvent:
    label, caption = split_label(item["caption"], labels)
    return TruthEvent(start=item["start"], end=item["end"], caption=caption, label=label)


def _from_release(path: Path, split: str, subset: str) -> Truth:
    with ReleaseReader(path) as reader:
        samples = tuple(reader.samples(split, subset))
    try:
        return truth_of_samples(samples, f"{path.name}, split {split}", release=path)
    except (ValueError, KeyError, TypeError) as error:  # ValueError: no JSON, or not ours
        raise MalformedSourceError(
            f"a target cannot be read: {str(error)[:200]}.", source=path.name,
            action="Verify the release with `medvid verify`.",
        ) from error  # fmt: skip


def _from_official(path: Path) -> Truth:
    """All rows or none: a row left out would shift every row after it."""
    faults: list[MalformedSourceError] = []
    rows = tuple(read_official_rows(path, faults=faults))
    if faults:
        rows_named = "one row" if len(faults) == 1 else f"{len(faults):,} rows"
        raise MalformedSourceError(
            f"{rows_named} cannot be read: {bounded(faults)}", source=path.name,
            action="Rows are matched by place, so none may be left out: correct these.",
        )  # fmt: skip
    return truth_of_official_rows(rows, path.name)


def _collected(
    name: str,
    rows: tuple[TruthRow, ...],
    clusters: tuple[str, ...],
    release: Path | None = None,
) -> Truth:
    empty = Counter(str(row.task) for row in rows if not getattr(row, _EMPTY_TRUTH[row.task]))
    return Truth(name, rows, clusters, release, empty)


def question_key(row: TruthRow) -> tuple[str, str, str]:
    """The narrowest key a question has of itself: id, row type and hash of its words."""
    return row.row_id, row.qa_type, question_hash(row.question)
