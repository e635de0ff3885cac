"""The history of one pair: from native record to shard, or to where it stopped and why.

Told from the release alone; where the workspace it was built in is at hand, native records are told
in full. No table is read whole: rows are filtered as they are read.
"""

from collections.abc import Mapping
from typing import Any, Literal

import orjson

from medvid.releases.documents import LEFT_OUT_TABLE, SAMPLE_TABLE, VIDEO_TABLE
from medvid.releases.why_native import NativeTrace, RecordTrace, VideoWork, rejected_by
from medvid.releases.why_release import Opened
from medvid.releases.why_selection import Membership, trace_membership
from medvid.releases.why_split import SplitTrace
from schemas.errors import ReleaseError, bounded
from schemas.scalars import Model


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


def explain_sample(opened: Opened, prefix: str) -> SampleHistory:
    """Tell the history of the pair whose id begins so.

    Raises:
        ReleaseError: No pair has such an id, or several have.
        ShardError: Its shard does not hold it.
    """
    for table in (SAMPLE_TABLE, LEFT_OUT_TABLE):
        rows = opened.rows_by_id(table, prefix)
        if len(rows) == 1:
            return _history(opened, rows[0], left_out=table == LEFT_OUT_TABLE)
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


def video_trace(opened: Opened, row: Mapping[str, Any]) -> VideoTrace:
    """A video from its row of the index.

    Raises:
        ReleaseError: The row is damaged.
    """
    name = f"{VIDEO_TABLE}, {row['source']}/{row['video_id']}"
    told = {
        column: opened.parse(row[column], f"{name}, {column}")
        for column in ("native_split", "links")
    }
    return VideoTrace(
        source=row["source"], video_id=row["video_id"], identity=row["identity"],
        licence=row["licence"], resolution_wh=(row["width"], row["height"]),
        **told,
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
    place = f"{row['sample_id']}.json, "
    provenance = opened.parse(sample["provenance"], place + "provenance") if sample else {}
    subject = opened.parse(sample["subject"], place + "subject") if sample else {}
    reason = row["reason"] if left_out else ""
    return SampleHistory(
        kind="left_out" if left_out else "sample", release=opened.manifest_sha256,
        sample_id=row["sample_id"], task=row["task"], qa_type=row["qa_type"], label=row["label"],
        video=video_trace(opened, video), native=work.trace(),
        records=tuple(work.record(name) for name in provenance.get("records", ())),
        revision=provenance.get("revision", ""),
        corrections_head=opened.build.get("corrections_head"),
        clip=_clip(row, sample, work), question=_question(sample, provenance, subject),
        split=opened.split(source, video_id),
        selection=trace_membership(opened, row, opened.config, reason), places=_places(row),
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
    sample: Mapping[str, Any] | None, provenance: Mapping[str, Any], subject: Mapping[str, Any]
) -> QuestionTrace | None:
    if sample is None:
        return None
    return QuestionTrace(
        question=sample["question"], answer=sample["answer"],
        template=provenance.get("template", ""),
        candidates=tuple(orjson.loads(sample["candidates"])),
        captions=tuple(provenance.get("captions", ())), subject=dict(subject),
    )  # fmt: skip


def _places(row: Mapping[str, Any]) -> tuple[Place, ...]:
    return tuple(
        Place(
            shard=row[f"{prefix}shard"], offset=row[f"{prefix}offset"], size=row[f"{prefix}size"]
        )
        for prefix in ("", "standard_")
        if row.get(f"{prefix}shard") is not None
    )  # fmt: skip
