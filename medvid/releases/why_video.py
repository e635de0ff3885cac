"""The history of one video or of one native segment: what it gave, and why it gave no more."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import polars as pl

from medvid.releases.documents import (
    FRAME_TABLE,
    LEFT_OUT_TABLE,
    QUARANTINE_TABLE,
    SAMPLE_TABLE,
)
from medvid.releases.why import VideoTrace, video_trace
from medvid.releases.why_native import NativeTrace, RecordTrace, VideoWork
from medvid.releases.why_release import Opened
from medvid.releases.why_split import SplitTrace
from schemas.errors import ReleaseError, bounded
from schemas.scalars import Model

IN_CLIP: Final = "in_clip"
FATES: Final = {
    IN_CLIP: "lies at least partly in a clip",
    "excluded": "lies in a stretch that no clip may touch",
    "too_long": "every run that holds it is longer than clips.max_seconds",
    "too_short": "every run that holds it is shorter than clips.min_seconds",
    "no_rate": "no sampling rate of the settings is at most its native rate",
    "no_frames": "no frame of it exists",
    "too_few_frames": "no rate gives a run that holds it clips.min_frames frames",
    "too_many_frames": "every rate gives the runs that hold it more than clips.max_frames frames",
    "hole": "a hole of more than clips.max_hole_steps sampling steps interrupts every run",
    "missing_frames": "more than clips.max_missing_share of every run's frames are missing",
    "over_cap": "the clips that hold it fell to clips.max_clips_per_video, in the order of hashes",
}
"""What each fate of a segment means, by the settings that decide it."""

_SEGMENT = re.compile(r"segment:(\d+)(?:@\d+)?")


class TaskCount(Model):
    """Pairs of a video by task.

    Attributes:
        task: One of the eight tasks.
        samples: In `large`.
        in_standard: Those of them in `standard`.
        left_out: Built, and in no split.
    """

    task: str
    samples: int
    in_standard: int
    left_out: int


class QuarantineTrace(Model):
    """One row of the quarantine.

    Attributes:
        stage: Where it was found.
        kind: What is missing.
        reason: Machine-readable word.
        place: File, line and field, as far as they are known.
        detail: The fault in one sentence.
        action: What to do about it.
    """

    stage: str
    kind: str
    reason: str
    place: str
    detail: str
    action: str


class VideoHistory(Model):
    """The history of one video.

    Attributes:
        kind: `video`.
        release: SHA-256 of the release's manifest.
        name: `source/video_id`.
        reason: What it gave and why no more, in a sentence.
        video: The video, None where it could not be converted.
        native: Where its labels come from.
        split: Why it is in its split, None where it has none.
        clips: Clips with pairs in the release.
        tasks: Its pairs by task.
        left_out: Pairs that were built and are in no split, by reason.
        fates: Segments by `kind:fate`; empty where the workspace is not at hand, as are the next.
        candidates: Clip candidates by fate.
        drops: Questions that could not be asked, by `task:reason`.
        quarantine: Its rows of the quarantine.
        shards: Tars that hold its pairs and its frames.
    """

    kind: Literal["video"] = "video"
    release: str
    name: str
    reason: str
    video: VideoTrace | None
    native: NativeTrace
    split: SplitTrace | None
    clips: int = 0
    tasks: tuple[TaskCount, ...] = ()
    left_out: dict[str, int] = {}
    fates: dict[str, int] = {}
    candidates: dict[str, int] = {}
    drops: dict[str, int] = {}
    quarantine: tuple[QuarantineTrace, ...] = ()
    shards: tuple[str, ...] = ()


class SegmentHistory(Model):
    """The history of one native segment.

    Attributes:
        kind: `segment`.
        release: SHA-256 of the release's manifest.
        name: `source/video_id`.
        record: The segment.
        reason: What became of it, in a sentence.
        native: Where the video's labels come from.
        clips: Clips with pairs in the release that it lies in.
        samples: Ids of the pairs that stand on it, by task.
        quarantine: The video's rows of the quarantine.
    """

    kind: Literal["segment"] = "segment"
    release: str
    name: str
    record: RecordTrace
    reason: str
    native: NativeTrace
    clips: int
    samples: dict[str, tuple[str, ...]]
    quarantine: tuple[QuarantineTrace, ...]


def explain_video(opened: Opened, source: str, video_id: str) -> VideoHistory:
    """Tell the history of a video.

    Raises:
        ReleaseError: It was not among the native files of the build.
    """
    row = opened.video_row(source, video_id)
    quarantine = _quarantine(opened, source, video_id)
    if row is None and not quarantine:
        _require_known(opened, source, video_id)
    of_video = _of_video(source, video_id)
    samples, left_out = opened.rows(SAMPLE_TABLE, of_video), opened.rows(LEFT_OUT_TABLE, of_video)
    work = opened.work(source, video_id)
    pairs = work.info.get("pairs", {})
    return VideoHistory(
        release=opened.manifest_sha256, name=f"{source}/{video_id}",
        reason=_video_reason(row, samples, left_out, quarantine, pairs),
        video=None if row is None else video_trace(opened, row), native=work.trace(),
        split=opened.split(source, video_id), clips=len({r["clip_id"] for r in samples}),
        tasks=_count_tasks(samples, left_out), left_out=_count(left_out, "reason"),
        fates=dict(pairs.get("fate", {})), candidates=dict(pairs.get("candidates", {})),
        drops=dict(pairs.get("drops", {})), quarantine=quarantine,
        shards=_shards(opened, samples, of_video),
    )  # fmt: skip


def explain_segment(opened: Opened, source: str, video_id: str, name: str) -> SegmentHistory:
    """Tell the history of a native segment.

    Args:
        opened: The release.
        source: Module name of the source.
        video_id: The video.
        name: The segment as `provenance` names it: `segment:3` or `segment:3@5`.

    Raises:
        ReleaseError: The name is no segment's, the video has no such segment, or the workspace
            that holds its labels is not at hand.
        ShardError: A shard does not hold what the index says.
    """
    match = _SEGMENT.fullmatch(name)
    if match is None:
        raise ReleaseError(
            f"{name!r} names no segment.", source=opened.root.name,
            action="Write it as provenance does: segment:3, counted from 0 in order of time.",
        )  # fmt: skip
    _require_known(opened, source, video_id)
    work, place = opened.work(source, video_id), int(match[1])
    segments = work.segments()
    if place >= len(segments):
        raise _no_segment(opened, f"{source}/{video_id}", place, work)
    segment = segments[place]
    samples = opened.rows(SAMPLE_TABLE, _of_video(source, video_id))
    citing = _citing(opened, samples, place)
    record = work.record(f"segment:{place}")
    inside = {
        row["clip_id"]
        for row in samples
        if row["clip_start"] < segment["end"] and row["clip_end"] > segment["start"]
    }
    return SegmentHistory(
        release=opened.manifest_sha256, name=f"{source}/{video_id}", record=record,
        reason=_segment_reason(record, inside, citing, work), native=work.trace(),
        clips=len(inside), samples=citing, quarantine=_quarantine(opened, source, video_id),
    )  # fmt: skip


def _of_video(source: str, video_id: str) -> pl.Expr:
    return (pl.col("source") == source) & (pl.col("video_id") == video_id)


def _require_known(opened: Opened, source: str, video_id: str) -> None:
    """Refuse a video that was not among the native files."""
    inputs = opened.build.get("inputs", {})
    name = f"{source}/{video_id}"
    if name in inputs or opened.video_row(source, video_id) is not None:
        return
    alike = sorted(n for n in inputs if video_id.lower() in n.lower() or n.endswith(f"/{video_id}"))
    known = sorted({n.partition("/")[0] for n in inputs})
    hint = f" Its names are like {bounded(alike[:5])}." if alike else ""
    raise ReleaseError(
        f"{name} was not among the native files of this build, whose sources are "
        f"{', '.join(known)}.{hint}", source=opened.root.name,
        action="Ask as SOURCE/VIDEO_ID; see whether the settings' `videos` leave it out.",
    )  # fmt: skip


def _no_segment(opened: Opened, name: str, place: int, work: VideoWork) -> ReleaseError:
    if work.annotation:
        last = len(work.segments()) - 1
        held = "no segment" if last < 0 else f"segments 0 to {last}" if last else "segment 0 alone"
        return ReleaseError(
            f"{name} has {held}; there is no {place}.",
            source=opened.root.name, action=f"`medvid why RELEASE {name}` tells of the video.",
        )  # fmt: skip
    return ReleaseError(
        f"the labels of {name} lie in the workspace of the build, which is not at hand.",
        source=opened.root.name, action="Give it with --workspace.",
    )  # fmt: skip


def _quarantine(opened: Opened, source: str, video_id: str) -> tuple[QuarantineTrace, ...]:
    found = opened.rows(QUARANTINE_TABLE, _of_video(source, video_id))
    return tuple(
        QuarantineTrace(
            stage=row["stage"], kind=row["kind"], reason=row["reason"], place=_place(row),
            detail=row["detail"], action=row["action"],
        )
        for row in found
    )  # fmt: skip


def _place(row: Mapping[str, Any]) -> str:
    file = ":".join(str(part) for part in (row["file"], row["line"]) if part)
    return " ".join(part for part in (file, row["field"]) if part)


def _count(rows: Sequence[Mapping[str, Any]], column: str) -> dict[str, int]:
    return dict(sorted(Counter(row[column] for row in rows).items()))


def _count_tasks(
    samples: Sequence[Mapping[str, Any]], left_out: Sequence[Mapping[str, Any]]
) -> tuple[TaskCount, ...]:
    held, spare = _count(samples, "task"), _count(left_out, "task")
    standard = _count([row for row in samples if row["in_standard"]], "task")
    return tuple(
        TaskCount(
            task=task, samples=held.get(task, 0), in_standard=standard.get(task, 0),
            left_out=spare.get(task, 0),
        )
        for task in sorted(held.keys() | spare.keys())
    )  # fmt: skip


def _shards(
    opened: Opened, samples: Sequence[Mapping[str, Any]], of_video: pl.Expr
) -> tuple[str, ...]:
    found = {row["shard"] for row in samples} | {row["standard_shard"] for row in samples}
    stored = opened.query(
        FRAME_TABLE, lambda table: table.filter(of_video).select("shard").unique()
    )
    found |= {row["shard"] for row in stored}
    return tuple(sorted(shard for shard in found if shard is not None))


def _video_reason(
    row: Mapping[str, Any] | None,
    samples: Sequence[Mapping[str, Any]],
    left_out: Sequence[Mapping[str, Any]],
    quarantine: Sequence[QuarantineTrace],
    pairs: Mapping[str, Any],
) -> str:
    if samples:
        clips = _clips(len({sample["clip_id"] for sample in samples}))
        return f"in the release with {_pairs(len(samples))} of {clips}."
    whole = [found for found in quarantine if found.kind == "video"]
    if whole:
        first = whole[0]
        return f"quarantined at {first.stage}, {first.reason}: {first.detail} {first.action}"
    if left_out:
        told = ", ".join(f"{n:,} {reason}" for reason, n in _count(left_out, "reason").items())
        return f"left out with {_pairs(len(left_out))}: {told}."
    if row is None:
        return "it gave no annotation; its quarantine rows say why."
    if not pairs:
        return "it converted and gave no pair; the workspace of the build, not at hand, knows why."
    if not pairs.get("clips"):
        return f"no clip could be cut: {_told(pairs.get('candidates', {})) or 'no segment at all'}."
    return f"cut into {_clips(pairs['clips'])}, with no question: {_told(pairs.get('drops', {}))}."


def _pairs(number: int) -> str:
    return "one pair" if number == 1 else f"{number:,} pairs"


def _clips(number: int) -> str:
    return "one clip" if number == 1 else f"{number:,} clips"


def _told(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return bounded([f"{count:,} {reason}" for reason, count in ordered])


def _citing(
    opened: Opened, samples: Sequence[Mapping[str, Any]], place: int
) -> dict[str, tuple[str, ...]]:
    """Pairs whose answers stand on a segment, by task."""
    found: dict[str, list[str]] = {}
    for row in samples:
        provenance = opened.payload(row)["provenance"]
        told = opened.parse(provenance, f"{row['sample_id']}.json, provenance")
        records = told.get("records", ())
        named = (_SEGMENT.fullmatch(record) for record in records)
        if any(match is not None and int(match[1]) == place for match in named):
            found.setdefault(row["task"], []).append(row["sample_id"])
    return {task: tuple(sorted(ids)) for task, ids in sorted(found.items())}


def _segment_reason(
    record: RecordTrace,
    inside: set[str],
    citing: Mapping[str, tuple[str, ...]],
    work: VideoWork,
) -> str:
    total = sum(len(ids) for ids in citing.values())
    lost = ""
    if record.fate and record.fate != IN_CLIP:
        lost = f"it is in no clip ({record.fate}): {FATES.get(record.fate, record.fate)}"
    if total:
        where = lost or f"it lies in {_clips(len(inside))} with pairs"
        stand = "stands" if total == 1 else "stand"
        return f"{_pairs(total)} of the release {stand} on it; {where}."
    if lost:
        return f"{lost}."
    drops = work.info.get("pairs", {}).get("drops", {})
    if record.fate == IN_CLIP:
        where = f"it lies in {_clips(len(inside))} with pairs" if inside else "its clips gave none"
        told = f" Questions not asked about this video: {_told(drops)}." if drops else ""
        return f"no pair of the release stands on it, though it {FATES[IN_CLIP]}; {where}.{told}"
    return f"no pair stands on it: clips are not cut from {record.text.partition(' ')[0]} segments."
