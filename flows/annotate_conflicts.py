"""What annotators asked for and did not get: the notes a conflict goes back with."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from annotation.history import describe
from annotation.jobs import Job
from annotation.log import CorrectionLog
from schemas.correction import Correction, CorrectionKind
from schemas.quarantine import QuarantineRow
from schemas.sample import Sample

REASON: Final = "correction_conflict"
KINDS: Final = {
    Job.TIMELINE: CorrectionKind.SEGMENT,
    Job.BOXES: CorrectionKind.BOX,
    Job.CAPTION: CorrectionKind.CAPTION,
    Job.SKILL: CorrectionKind.SKILL,
    Job.CVS: CorrectionKind.CVS,
    Job.REVIEW: CorrectionKind.SAMPLE,
    Job.EXCLUDED: CorrectionKind.EXCLUDED,
}


class Conflicts:
    """Corrections of a release that could not be applied.

    Args:
        rows: The release's quarantine.
        folder: The correction log it was built with, None where it had none.
    """

    def __init__(self, rows: Sequence[QuarantineRow], folder: Path | None) -> None:
        self._folder = folder
        self._rows: dict[str, list[QuarantineRow]] = {}
        for row in rows:
            if row.reason == REASON:
                self._rows.setdefault(f"{row.source}/{row.video_id}", []).append(row)

    def notes(self, sample: Sample, job: Job) -> dict[str, str]:
        """What was asked about a clip for a job; empty where nothing of it is in conflict."""
        notes: dict[str, str] = {}
        for row in self._rows.get(f"{sample.source}/{sample.video_id}", ()):
            correction = self._corrections.get(row.field or "")
            if correction is None or correction.kind is not KINDS[job]:
                continue
            if _touches(correction, sample):
                name = f"asked by {correction.who}" + (f" ({len(notes) + 1})" if notes else "")
                rate = Fraction(sample.tick_rate_num, sample.tick_rate_den)
                wish = describe(correction, rate, sample.frame_tick[0])
                notes[name] = f"{wish} Not done: {row.detail}"
        return notes

    @cached_property
    def _corrections(self) -> Mapping[str, Correction]:
        wanted = {row.field for rows in self._rows.values() for row in rows}
        log = () if self._folder is None else CorrectionLog(self._folder)
        return {c.correction_id: c for c in log if c.correction_id in wanted}


def _touches(correction: Correction, sample: Sample) -> bool:
    """Whether a correction is about something the clip shows."""
    return any(_shows(sample, side) for side in (correction.before, correction.after) if side)


def _shows(sample: Sample, item: Mapping[str, JsonValue]) -> bool:
    if "clip_id" in item:
        return item["clip_id"] == sample.clip_id
    if "sample_id" in item:
        return item["sample_id"] == sample.sample_id
    if "tick" in item:
        return int(str(item["tick"])) in sample.frame_tick
    if "start" in item:
        start, end = int(str(item["start"])), int(str(item["end"]))
        return start < sample.clip_end and end > sample.clip_start
    return True
