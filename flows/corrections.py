"""Apply the correction log between `convert` and everything after it."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson

from annotation.history import describe
from annotation.log import CorrectionLog
from annotation.merge import CaptionChange, CaptionKey, Fate, Verdict, merge_corrections
from medvid.releases.keys import code_key
from medvid.releases.units import Unit
from medvid.releases.workspace import ANNOTATION_FILE, FIXES_FILE
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.correction import Correction
from schemas.hashing import content_key
from schemas.quarantine import QuarantineRow
from schemas.sample import Sample

CORRECT_TIMEOUT_S = 600.0

VideoName = str
"""`source/video_id`."""


def read_log(folder: Path | None) -> tuple[str | None, dict[VideoName, tuple[Correction, ...]]]:
    """Read a correction log: its head, and the corrections of each video, oldest first.

    Raises:
        CorrectionError: The log was changed by hand.
    """
    if folder is None:
        return None, {}
    head, corrections = CorrectionLog(folder).snapshot()
    found: dict[VideoName, list[Correction]] = {}
    for correction in corrections:
        found.setdefault(f"{correction.source}/{correction.video_id}", []).append(correction)
    return head, {name: tuple(rows) for name, rows in found.items()}


@dataclass(frozen=True, slots=True)
class CorrectPayload:
    """One video's labels and what annotators say of them.

    Attributes:
        annotation: Path of what the converter returned.
        corrections: Corrections of the video, oldest first.
    """

    annotation: Path
    corrections: tuple[Correction, ...]


def correct_unit(work: Path, payload: CorrectPayload) -> dict[str, Any]:
    """Merge a video's corrections; conflicts become quarantine rows and change nothing."""
    native = VideoAnnotation.model_validate_json(payload.annotation.read_bytes())
    merge = merge_corrections(native, payload.corrections)
    (work / ANNOTATION_FILE).write_bytes(merge.annotation.model_dump_json().encode())
    captions = [
        [*key, change.before, change.after] for key, change in sorted(merge.captions.items())
    ]
    fixes = {"captions": captions, "rejected": sorted(merge.rejected)}
    (work / FIXES_FILE).write_bytes(orjson.dumps(fixes))
    rows = [
        _conflict_row(verdict).model_dump(mode="json")
        for verdict in merge.verdicts
        if verdict.fate is Fate.CONFLICT
    ]
    return {
        "counts": merge.count(),
        "rows": rows,
        "revision": merge.annotation.revision,
        "corrections": [
            [verdict.correction.correction_id, verdict.fate.value] for verdict in merge.verdicts
        ],
        "history": [_told(verdict, native) for verdict in merge.verdicts],
    }


def _told(verdict: Verdict, native: VideoAnnotation) -> str:
    """One line of a video's history."""
    base, correction = native.video.time_base, verdict.correction
    wish = describe(correction, Fraction(base.rate_num, base.rate_den))
    fate = f"{verdict.fate.value}, {verdict.detail}" if verdict.detail else verdict.fate.value
    said = f"{correction.when} {correction.who}: {wish}"
    return f"{said} {fate} ({correction.correction_id[:12]} on {correction.base_revision[:12]})"


def _conflict_row(verdict: Verdict) -> QuarantineRow:
    correction = verdict.correction
    return QuarantineRow(
        source=correction.source, video_id=correction.video_id, stage="correct",
        kind=correction.kind.value, reason="correction_conflict", detail=f"{verdict.detail}.",
        field=correction.correction_id,
        action="`medvid annotate push --conflicts` sends it back to annotators.",
    )  # fmt: skip


def plan_correction(
    name: VideoName, convert_key: str, annotation: Path, corrections: Sequence[Correction]
) -> Unit:
    """The unit that corrects one video's labels."""
    ids = [correction.correction_id for correction in corrections]
    key = content_key(
        "correct", convert_key, ids,
        code_key("schemas", "annotation:history.py", "annotation:merge.py",
            "flows:corrections.py"),
    )  # fmt: skip
    payload = CorrectPayload(annotation, tuple(corrections))
    return Unit("correct", name, key, correct_unit, payload, CORRECT_TIMEOUT_S)


def unknown_videos(
    corrections: Mapping[VideoName, Sequence[Correction]],
    names: Iterable[VideoName],
    sources: Container[str],
) -> list[QuarantineRow]:
    """Quarantine rows of corrections of videos that sources of this build do not hold.

    Args:
        corrections: By video.
        names: Videos at hand.
        sources: Sources that are built whole: of others a video may be left out on purpose.
    """
    known = set(names)
    return [
        QuarantineRow(
            source=correction.source, video_id=correction.video_id, stage="correct",
            kind=correction.kind.value, reason="correction_without_video",
            detail="the corrected video is not among the native files.",
            field=correction.correction_id,
            action="Bring the video back, or leave it: the log keeps the correction.",
        )
        for name, rows in sorted(corrections.items())
        if name not in known and name.partition("/")[0] in sources
        for correction in rows
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fixes:
    """What annotators say of a video's captions and pairs.

    Attributes:
        captions: Changes by clip id, scope and subject.
        rejected: Pairs to leave out.
    """

    captions: Mapping[CaptionKey, CaptionChange]
    rejected: frozenset[str]


def load_fixes(path: Path) -> Fixes:
    """Read what `correct_unit` wrote beside the annotation."""
    stored = orjson.loads(path.read_bytes())
    captions = {
        (clip_id, scope, subject): CaptionChange(before, after)
        for clip_id, scope, subject, before, after in stored["captions"]
    }
    return Fixes(captions, frozenset(stored["rejected"]))


def fix_captions(
    captions: Sequence[Caption], fixes: Fixes
) -> tuple[tuple[Caption, ...], Counter[str]]:
    """Let annotators' texts stand in for written ones, three ways as with labels.

    A caption whose text the writer has changed meanwhile keeps the writer's; one that is gone
    (its clip moved) is counted. The writer's name stays, so that the pair's type does.

    Returns:
        The captions, and counts by `caption:<what became of the fix>`.
    """
    told: Counter[str] = Counter()
    kept: list[Caption] = []
    met: set[CaptionKey] = set()
    for caption in captions:
        key = (caption.clip_id, caption.scope, caption.subject)
        change = fixes.captions.get(key)
        if change is None:
            kept.append(caption)
            continue
        met.add(key)
        if change.before is not None and caption.text not in (change.before, change.after):
            told["caption:conflict"] += 1
            kept.append(caption)
        elif change.after is None:
            told["caption:taken_away"] += 1
        else:
            gates = caption.gates | {"corrected": 1.0}
            kept.append(caption.model_copy(update={"text": change.after, "gates": gates}))
    gone = len(fixes.captions.keys() - met)
    if gone:
        told["caption:gone"] = gone
    return tuple(kept), told


def leave_out(samples: Sequence[Sample], fixes: Fixes) -> tuple[list[Sample], int]:
    """Samples that no annotator rejected, and how many were."""
    kept = [sample for sample in samples if sample.sample_id not in fixes.rejected]
    return kept, len(samples) - len(kept)
