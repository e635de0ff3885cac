"""The history of one pair: from native record to shard, or to where it stopped and why.

Told from the release alone; where the workspace it was built in is at hand, native records are told
in full. No table is read whole: rows are filtered as they are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import polars as pl

from medvid.releases.publish import manifest_hash, read_manifest
from medvid.releases.why_native import (
    LEDGER_FILE,
    NativeTrace,
    RecordTrace,
    VideoWork,
    load_work,
    rejected_by,
    workspace_of,
)
from medvid.releases.why_selection import Membership, trace_membership
from medvid.releases.why_split import SplitTrace, trace_split
from medvid.shards.reader import ShardReader
from schemas.errors import ReleaseError, bounded
from schemas.scalars import Model

MAX_MATCHES: Final = 5


class VideoTrace(Model):
    """A video as the release knows it.

    Attributes:
        source: Module name of the source.
        video_id: The source's own name of the video.
        identity: What must never cross a split.
        licence: Licence id.
        resolution_wh: Width and height of the original image in pixels.
        native_split: The source's own splits, by scheme.
        links: Public names of the recording.
    """

    source: str
    video_id: str
    identity: str
    licence: str
    resolution_wh: tuple[int, int]
    native_split: dict[str, str]
    links: dict[str, str]


class ClipTrace(Model):
    """The clip of a pair.

    Attributes:
        clip_id: The clip.
        start_s: Start in seconds of the video.
        end_s: First second after.
        rate: Sampled frames per second, as a fraction.
        frames: Sampled frames; 0 where the pair itself is not at hand.
        first_frame: Native number of the first, None where not at hand.
        last_frame: Native number of the last.
        segments: Segments at least partly inside; empty where the annotation is not at hand.
    """

    clip_id: str
    start_s: float | None = None
    end_s: float | None = None
    rate: str = ""
    frames: int = 0
    first_frame: int | None = None
    last_frame: int | None = None
    segments: tuple[RecordTrace, ...] = ()


class QuestionTrace(Model):
    """How a pair got its words.

    Attributes:
        question: The question.
        answer: The answer.
        template: Task and places of the chosen paraphrases.
        candidates: Labels the question lists.
        captions: Keys of the captions the answer repeats.
        subject: The structured thing asked about.
    """

    question: str
    answer: str
    template: str
    candidates: tuple[str, ...]
    captions: tuple[str, ...]
    subject: dict[str, Any]


class Place(Model):
    """Where a pair's bytes lie.

    Attributes:
        shard: Path of the tar, relative to the release.
        offset: First byte of the payload.
        size: Its bytes.
    """

    shard: str
    offset: int
    size: int


class SampleHistory(Model):
    """The history of one pair.

    Attributes:
        kind: `sample`, or `left_out` for a pair that was built and is in no split.
        release: SHA-256 of the release's manifest.
        sample_id: The pair.
        task: One of the eight tasks.
        qa_type: The benchmark's row type.
        label: The label balanced over.
        video: Its video.
        native: Where the video's labels come from.
        records: Native records the answer stands on.
        revision: Hash of the native content and of every correction applied; empty where the pair
            itself is not at hand.
        corrections_head: Head of the correction log the release was built with, None for none.
        clip: Its clip.
        question: Its words, None for a pair that is in no shard.
        split: Why its video is where it is.
        selection: Why it is in `large` and `standard`, or not.
        places: Where its bytes lie, `large` first.
    """

    kind: Literal["sample", "left_out"]
    release: str
    sample_id: str
    task: str
    qa_type: str
    label: str
    video: VideoTrace
    native: NativeTrace
    records: tuple[RecordTrace, ...] = ()
    revision: str = ""
    corrections_head: str | None = None
    clip: ClipTrace
    question: QuestionTrace | None = None
    split: SplitTrace | None = None
    selection: Membership
    places: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Opened:
    """A release being asked; what several questions share is read once.

    Attributes:
        root: Its folder.
        workspace: Workspace of its build, None where it is not at hand.
    """

    root: Path
    workspace: Path | None

    @cached_property
    def manifest_sha256(self) -> str:
        """Hash of its manifest."""
        read_manifest(self.root)
        return manifest_hash(self.root) or ""

    @cached_property
    def build(self) -> Mapping[str, Any]:
        """What decided its bytes."""
        return self._document("build.json")

    @cached_property
    def proof(self) -> Mapping[str, Any]:
        """What joins videos, and where each of them is."""
        return self._document("leak_proof.json")

    def _document(self, name: str) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = orjson.loads((self.root / name).read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise ReleaseError(
                f"{name} cannot be read.", source=self.root.name,
                action="`medvid verify` names what is damaged; build the release again.",
            ) from error  # fmt: skip
        return found

    def rows(self, table: str, where: pl.Expr, limit: int | None = None) -> list[dict[str, Any]]:
        """Rows of a table of the index, at most so many; none where it has no such table."""
        path = self.root / "index" / f"{table}.parquet"
        if not path.is_file():
            return []
        try:
            found = pl.scan_parquet(path).filter(where)
            return (found if limit is None else found.head(limit)).collect().to_dicts()
        except pl.exceptions.PolarsError as error:
            raise ReleaseError(
                f"index/{path.name} cannot be read: {error}.", source=self.root.name,
                action="`medvid verify` names what is damaged; build the release again.",
            ) from error  # fmt: skip

    def video_row(self, source: str, video_id: str) -> dict[str, Any] | None:
        """A video's row of the index."""
        of_video = (pl.col("source") == source) & (pl.col("video_id") == video_id)
        return next(iter(self.rows("videos", of_video)), None)

    def work(self, source: str, video_id: str) -> VideoWork:
        """What the workspace holds of a video."""
        name = f"{source}/{video_id}"
        key = self.build.get("inputs", {}).get(name, {}).get("labels", "")
        return load_work(self.workspace, self.manifest_sha256, name, key)

    def split(self, source: str, video_id: str) -> SplitTrace | None:
        """Why a video is in its split."""
        return trace_split(self.proof, self.config.get("splits", {}), source, video_id)

    @property
    def config(self) -> Mapping[str, Any]:
        """Settings of the build."""
        found: Mapping[str, Any] = self.build.get("config", {})
        return found

    def payload(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The json of a sample of the index.

        Raises:
            ShardError: The shard does not hold it.
        """
        reader = ShardReader(self.root)
        name = f"{row['sample_id']}.json"
        found = reader.read(row["shard"], row["offset"], row["size"], name)
        document: Mapping[str, Any] = orjson.loads(found)
        return document


def open_release(release: Path, workspace: Path | None = None) -> Opened:
    """Open a release for questions.

    Args:
        release: Its folder.
        workspace: Where it was built; the one its `run.json` names where not given.

    Raises:
        ReleaseError: The folder is no release, or the workspace none.
    """
    read_manifest(release)
    if workspace is not None and not (workspace / LEDGER_FILE).is_file():
        raise ReleaseError(
            "this folder holds no ledger.sqlite, so it is no workspace.", source=workspace.name,
            action="Give the workspace of the build: OUTPUT.workspace unless it was named.",
        )  # fmt: skip
    return Opened(release, workspace or workspace_of(release))


def explain_sample(opened: Opened, prefix: str) -> SampleHistory:
    """Tell the history of the pair whose id begins so.

    Raises:
        ReleaseError: No pair has such an id, or several have.
        ShardError: Its shard does not hold it.
    """
    where = pl.col("sample_id").str.starts_with(prefix)
    for table in ("samples", "left_out"):
        rows = opened.rows(table, where, MAX_MATCHES)
        if len(rows) == 1:
            return _history(opened, rows[0], left_out=table == "left_out")
        if rows:
            ids = sorted(row["sample_id"] for row in rows)
            raise ReleaseError(
                f"more than one sample has an id that begins with {prefix!r}, e.g. {bounded(ids)}.",
                source=opened.root.name,
                action="Give more of it.",
            )  # fmt: skip
    rejected = rejected_by(opened.workspace, opened.manifest_sha256, prefix)
    if rejected is not None:
        raise ReleaseError(
            f"an annotator rejected the pair {prefix!r} of {rejected}, so it is in no release "
            "since.", source=opened.root.name,
            action=f"`medvid why RELEASE {rejected}` shows the corrections of its video.",
        )  # fmt: skip
    raise ReleaseError(
        f"no sample has an id that begins with {prefix!r}, in the release or left out of it.",
        source=opened.root.name,
        action="List ids with `medvid inspect RELEASE`; ask about a video as SOURCE/VIDEO_ID.",
    )


def video_trace(row: Mapping[str, Any]) -> VideoTrace:
    """A video from its row of the index."""
    return VideoTrace(
        source=row["source"], video_id=row["video_id"], identity=row["identity"],
        licence=row["licence"], resolution_wh=(row["width"], row["height"]),
        native_split=orjson.loads(row["native_split"]), links=orjson.loads(row["links"]),
    )  # fmt: skip


def _history(opened: Opened, row: Mapping[str, Any], *, left_out: bool) -> SampleHistory:
    source, video_id = row["source"], row["video_id"]
    work = opened.work(source, video_id)
    video = opened.video_row(source, video_id)
    if video is None:
        raise ReleaseError(
            f"videos.parquet does not hold {source}/{video_id}, which has samples.",
            source=opened.root.name, action="`medvid verify` names what is damaged.",
        )  # fmt: skip
    sample = None if left_out else opened.payload(row)
    provenance = orjson.loads(sample["provenance"]) if sample else {}
    reason = row["reason"] if left_out else ""
    return SampleHistory(
        kind="left_out" if left_out else "sample", release=opened.manifest_sha256,
        sample_id=row["sample_id"], task=row["task"], qa_type=row["qa_type"], label=row["label"],
        video=video_trace(video), native=work.trace(),
        records=tuple(work.record(name) for name in provenance.get("records", ())),
        revision=provenance.get("revision", ""),
        corrections_head=opened.build.get("corrections_head"),
        clip=_clip(row, sample, work), question=_question(sample, provenance),
        split=opened.split(source, video_id),
        selection=trace_membership(opened.root, row, opened.config, reason), places=_places(row),
    )  # fmt: skip


def _clip(row: Mapping[str, Any], sample: Mapping[str, Any] | None, work: VideoWork) -> ClipTrace:
    if sample is None:
        return ClipTrace(clip_id=row["clip_id"])
    scale = sample["tick_rate_den"] / sample["tick_rate_num"]
    start, end = sample["clip_start"], sample["clip_end"]
    inside = [
        work.record(f"segment:{place}")
        for place, segment in enumerate(work.segments())
        if segment["start"] < end and segment["end"] > start
    ]
    rate = f"{sample['rate_num']}/{sample['rate_den']}"
    return ClipTrace(
        clip_id=row["clip_id"], start_s=start * scale, end_s=end * scale,
        rate=rate.removesuffix("/1"), frames=len(sample["frame_index"]),
        first_frame=sample["frame_index"][0], last_frame=sample["frame_index"][-1],
        segments=tuple(inside),
    )  # fmt: skip


def _question(
    sample: Mapping[str, Any] | None, provenance: Mapping[str, Any]
) -> QuestionTrace | None:
    if sample is None:
        return None
    return QuestionTrace(
        question=sample["question"], answer=sample["answer"],
        template=provenance.get("template", ""),
        candidates=tuple(orjson.loads(sample["candidates"])),
        captions=tuple(provenance.get("captions", ())), subject=orjson.loads(sample["subject"]),
    )  # fmt: skip


def _places(row: Mapping[str, Any]) -> tuple[Place, ...]:
    return tuple(
        Place(
            shard=row[f"{prefix}shard"], offset=row[f"{prefix}offset"], size=row[f"{prefix}size"]
        )
        for prefix in ("", "standard_")
        if row.get(f"{prefix}shard") is not None
    )  # fmt: skip
