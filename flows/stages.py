"""What one unit of each stage does: plain functions that run in a worker process."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson

from converters.registry import get_converter
from flows.corrections import Fixes, fix_captions, leave_out, load_fixes
from flows.pair_files import write_clips, write_samples
from medvid.captions import CaptionSettings, write_captions
from medvid.media import (
    FrameHasher,
    MediaVerdict,
    check_media,
    encode_jpeg,
    frames_of_probe,
    jpeg_size,
    list_frames,
    probe_video,
    read_frames,
)
from medvid.releases.workspace import ANNOTATION_FILE as ANNOTATION_FILE
from medvid.releases.workspace import FATES_FILE
from medvid.shards import PartWriter
from medvid.tasks import build_samples, nominal_frames, plan_clips
from medvid.tasks.base import TaskSettings
from medvid.tasks.clips import ClipPlan, ClipSettings
from schemas.annotation import Disposition, VideoAnnotation
from schemas.errors import MediaError, SourceError
from schemas.quarantine import QuarantineRow
from schemas.sample import frame_key
from schemas.source import TaskName
from schemas.timeline import FrameList, TimeBase
from schemas.video import MediaKind, MediaRef, Recording

FRAMES_FILE = "frames.npz"
FINGERPRINT_FILE = "fingerprint.npz"
PART_FILE = "frames.part"
MEMBERS_FILE = "members.json"


@contextmanager
def _collector_resting() -> Iterator[None]:
    """Keep the cycle collector still: labels and samples hold no cycles for it to find."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class ConvertPayload:
    """A recording to convert.

    Attributes:
        recording: What `discover` found.
        licence: Licence id of the root's content where it is not the source's own.
    """

    recording: Recording
    licence: str | None = None


def convert_unit(work: Path, payload: ConvertPayload) -> dict[str, Any]:
    """Convert one recording; what cannot be read becomes quarantine rows."""
    with _collector_resting():
        return _convert_recording(work, payload)


def _convert_recording(work: Path, payload: ConvertPayload) -> dict[str, Any]:
    recording = payload.recording
    try:
        annotation = get_converter(recording.source).convert(recording)
    except SourceError as error:
        row = QuarantineRow(
            source=recording.source, video_id=recording.video_id, stage="convert", kind="video",
            reason=_reason(error), detail=error.problem, action=error.action,
            file=error.source or "", line=error.line, field=error.field or "",
        )  # fmt: skip
        return {"ok": False, "rows": [row.model_dump(mode="json")]}
    except OSError as error:
        return {"ok": False, "rows": [_unreadable(recording, error).model_dump(mode="json")]}
    if payload.licence is not None:
        video = annotation.video.model_copy(update={"licence": payload.licence})
        annotation = annotation.model_copy(update={"video": video})
    (work / ANNOTATION_FILE).write_bytes(annotation.model_dump_json().encode())
    dropped = [i for i in annotation.issues if i.disposition is Disposition.DROPPED]
    rows = [
        QuarantineRow.from_issue(
            issue, source=recording.source, video_id=recording.video_id
        ).model_dump(mode="json")
        for issue in dropped
    ]
    return {
        "ok": True,
        "rows": rows,
        "files": list(recording.files),
        "records_in": annotation.records_in,
        "issues": _count_issues(annotation),
        "video": annotation.video.model_dump(mode="json"),
        "revision": annotation.revision,
    }


def _unreadable(recording: Recording, error: OSError) -> QuarantineRow:
    """Row of a video whose native files the system does not give out."""
    path = Path(str(error.filename or ""))
    inside = path.is_relative_to(recording.root)
    file = path.relative_to(recording.root).as_posix() if inside else path.name
    return QuarantineRow(
        source=recording.source, video_id=recording.video_id, stage="convert", kind="video",
        reason="unreadable_file", detail=f"the file cannot be read: {error.strerror}.", file=file,
        action="Make the file readable; the next build tries it by itself.",
    )  # fmt: skip


def _reason(error: SourceError) -> str:
    words = {"MissingSourceError": "missing_file", "UnknownLabelError": "unknown_label"}
    return words.get(type(error).__name__, "malformed_file")


def _count_issues(annotation: VideoAnnotation) -> dict[str, int]:
    counts: dict[str, int] = {}
    for issue in annotation.issues:
        key = f"{issue.disposition}:{issue.kind}:{issue.reason}"
        counts[key] = counts.get(key, 0) + 1
    return counts


@dataclass(frozen=True, slots=True)
class MediaPayload:
    """Which pictures to check."""

    root: Path
    media: MediaRef


def media_unit(work: Path, payload: MediaPayload) -> dict[str, Any]:
    """Decode everything once; remember which frames exist, when they show, and their hashes."""
    hasher = FrameHasher()
    try:
        verdict = check_media(payload.root, payload.media, hasher)
    except OSError as error:
        detail = f"The system does not give the file out: {error.strerror}."
        verdict = MediaVerdict(ok=False, reason="unreadable", detail=detail, frames=0)
    info: dict[str, Any] = {
        "ok": verdict.ok, "reason": verdict.reason, "detail": verdict.detail,
        "frames": verdict.frames, "bad_indices": list(verdict.bad_indices),
    }  # fmt: skip
    if not verdict.ok and not verdict.bad_indices:
        return info
    if payload.media.kind is MediaKind.VIDEO:
        probe = probe_video(payload.root / payload.media.path)
        stamp = probe.time_base
        np.savez(
            work / FRAMES_FILE, pts=probe.pts,
            time_base=np.array([stamp.numerator, stamp.denominator], dtype=np.int64),
        )  # fmt: skip
        info["resolution_wh"] = list(probe.resolution_wh)
        info["codec"] = probe.codec
    else:
        unit_base = TimeBase(rate_num=1, frame_rate_num=1)
        index = list_frames(payload.root, payload.media, unit_base).index
        good = index[~np.isin(index, np.array(verdict.bad_indices, dtype=np.int64))]
        np.savez(work / FRAMES_FILE, index=good)
        info["ok"] = bool(good.size)
    found = hasher.finish()
    np.savez(work / FINGERPRINT_FILE, number=found.number, hashes=found.hashes, detail=found.detail)
    return info


def load_frame_list(path: Path, time_base: TimeBase) -> FrameList:
    """Read what `media_unit` remembered as frames of a time base."""
    with np.load(path, allow_pickle=False) as stored:
        if "pts" in stored:
            numerator, denominator = (int(value) for value in stored["time_base"])
            return frames_of_probe(stored["pts"], Fraction(numerator, denominator), time_base)
        index = stored["index"]
        index = index[index >= time_base.first_index]
        return FrameList(index=index, tick=time_base.ticks_of_indices(index))


@dataclass(frozen=True, slots=True)
class PairsPayload:
    """What is needed to turn one annotation into samples.

    Attributes:
        annotation: Path of the annotation.
        frames: Path of the frame list, None for a build without media.
        tasks: Tasks to build.
        clips: Clip planning.
        captions: Caption writing.
        settings: Questions per clip.
        fixes: Path of what annotators say of captions and pairs, None where nobody said anything.
    """

    annotation: Path
    frames: Path | None
    tasks: tuple[TaskName, ...]
    clips: ClipSettings
    captions: CaptionSettings
    settings: TaskSettings
    fixes: Path | None = None


def pairs_unit(work: Path, payload: PairsPayload) -> dict[str, Any]:
    """Plan clips, write captions, build samples of one video."""
    with _collector_resting():
        return _pair_video(work, payload)


def _pair_video(work: Path, payload: PairsPayload) -> dict[str, Any]:
    annotation = VideoAnnotation.model_validate_json(payload.annotation.read_bytes())
    video = annotation.video
    spec = get_converter(video.source).spec
    frames = (
        nominal_frames(annotation)
        if payload.frames is None
        else load_frame_list(payload.frames, video.time_base)
    )
    plan = plan_clips(annotation, spec, frames, payload.clips)
    scopes = caption_scopes(payload.tasks)
    captions = write_captions(annotation, spec, plan.clips, payload.captions, scopes=scopes)
    fixes = load_fixes(payload.fixes) if payload.fixes is not None else Fixes({}, frozenset())
    texts, told = fix_captions(captions.captions, fixes)
    built = build_samples(annotation, spec, plan.clips, texts, payload.settings, payload.tasks)
    samples, rejected = leave_out(built.samples, fixes)
    write_samples(work, samples)
    write_clips(work, plan)
    fates = [[kind, position, fate] for (kind, position), fate in plan.fate.items()]
    (work / FATES_FILE).write_bytes(orjson.dumps(sorted(fates)))
    drops = {f"caption:{reason}": count for reason, count in captions.drops.items()} | dict(told)
    if rejected:
        drops["review:rejected"] = rejected
    return {
        "samples": len(samples),
        "clips": len(plan.clips),
        "candidates": dict(plan.counts),
        "fate": _count_fates(plan),
        "drops": drops | dict(built.drops),
    }


def caption_scopes(tasks: Sequence[TaskName]) -> tuple[str, ...]:
    """Captions that some task will ask for."""
    wanted = {
        "event": TaskName.DENSE_CAPTIONING,
        "summary": TaskName.VIDEO_SUMMARY,
        "region": TaskName.REGION_CAPTION,
    }
    return tuple(scope for scope, task in wanted.items() if task in tasks)


def _count_fates(plan: ClipPlan) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (kind, _), fate in plan.fate.items():
        key = f"{kind}:{fate}"
        counts[key] = counts.get(key, 0) + 1
    return counts


@dataclass(frozen=True, slots=True)
class FramesPayload:
    """Which frames of one video to store, and how.

    Attributes:
        root: Root folder of the source.
        source: Module name of the source.
        video_id: The video.
        media: Its pictures.
        time_base: How it counts frames.
        indices: Native frame numbers, increasing.
        backend: Decoder.
        quality: JPEG quality.
        long_side: Longest stored side in pixels, None to store as it is.
    """

    root: Path
    source: str
    video_id: str
    media: MediaRef
    time_base: TimeBase
    indices: tuple[int, ...]
    backend: str
    quality: int
    long_side: int | None


def frames_unit(work: Path, payload: FramesPayload) -> dict[str, Any]:
    """Decode one video once and store its wanted frames as a piece of a tar."""
    sizes: list[tuple[int, int]] = []
    decoded = read_frames(
        payload.root, payload.media, payload.time_base, payload.indices, backend=payload.backend
    )
    try:
        with PartWriter(work / PART_FILE) as writer:
            for index, rgb in decoded:
                jpeg = encode_jpeg(_fit(rgb, payload.long_side), quality=payload.quality)
                key = frame_key(payload.source, payload.video_id, index)
                writer.add(f"{key}.jpg", jpeg)
                sizes.append(jpeg_size(jpeg))
            members = [[m.name, m.offset, m.size] for m in writer.members]
    except MediaError as error:
        (work / PART_FILE).unlink(missing_ok=True)
        return {"ok": False, "reason": error.reason, "detail": error.problem}
    (work / MEMBERS_FILE).write_bytes(orjson.dumps({"members": members, "sizes": sizes}))
    return {"ok": True, "frames": len(members)}


def _fit(rgb: np.ndarray[Any, np.dtype[np.uint8]], long_side: int | None) -> Any:  # noqa: ANN401
    height, width = rgb.shape[:2]
    if long_side is None or max(height, width) <= long_side:
        return rgb
    scale = long_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.ascontiguousarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
