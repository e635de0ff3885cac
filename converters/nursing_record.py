"""Read one NurViD record: strict on what decides time and size, forgiving a segment at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_DOWN, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from converters.nursing import ACTIONS, CANDIDATE_ACTIONS, DATASET, PROCEDURES, SHARED_NAMES
from schemas.annotation import Disposition, Issue
from schemas.errors import MalformedSourceError, UnknownLabelError
from schemas.timeline import Segment, SegmentKind, TimeBase

TICK_HZ: Final = 90_000
LONGEST_S: Final = 86_400
FRAME_RATES: Final = {fps: Fraction((fps + 1) * 1000, 1001) for fps in (23, 29, 59)}
"""Nominal rates whose `fps` is rounded down: 23.976, 29.97 and 59.94 frames a second."""

_RESOLUTION = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


@dataclass
class Record:
    """One video's record while it is read.

    Attributes:
        video_id: YouTube id.
        source: Annotation file, relative to the root.
        fields: The record.
        issues: Faults met so far.
    """

    video_id: str
    source: str
    fields: dict[str, Any]
    issues: list[Issue] = field(default_factory=list)

    def get(self, key: str) -> Any:  # noqa: ANN401 - the JSON edge
        """Return a field that no record may lack.

        Raises:
            MalformedSourceError: The record lacks it.
        """
        if key not in self.fields:
            raise self.malformed(f"the record has no {key!r}.", key)
        return self.fields[key]

    def malformed(self, problem: str, key: str) -> MalformedSourceError:
        """Build the error that refuses the whole video."""
        return MalformedSourceError(
            problem, dataset=DATASET, source=self.source, field=f"{self.video_id}.{key}"
        )

    def flag(self, reason: str, detail: str, key: str, *, kind: str = "segment") -> None:
        """Note a fault of something that is kept."""
        self._note(Disposition.FLAGGED, reason, detail, key, kind)

    def drop(self, reason: str, detail: str, key: str) -> None:
        """Note a segment that is not kept."""
        self._note(Disposition.DROPPED, reason, detail, key, "segment")

    def _note(
        self, disposition: Disposition, reason: str, detail: str, key: str, kind: str
    ) -> None:
        issue = Issue(
            reason=reason, kind=kind, disposition=disposition, detail=detail, file=self.source,
            field=f"{self.video_id}.{key}",
        )  # fmt: skip
        self.issues.append(issue)


def parse_ticks(value: object) -> int | None:
    """Turn seconds into the nearest tick; None where they are no time inside a video.

    >>> parse_ticks(Decimal("12.38")), parse_ticks(Decimal("NaN"))
    (1114200, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    seconds = Decimal(value)
    if not seconds.is_finite() or not 0 <= seconds <= LONGEST_S:
        return None
    return int((seconds * TICK_HZ).to_integral_value(ROUND_HALF_DOWN))


def _parse_segment(record: Record, index: int, item: object) -> Segment | None:
    key = f"annotations[{index}]"
    fields = item if isinstance(item, dict) else {}
    bounds, action = fields.get("segment"), fields.get("actionID")
    ticks = [parse_ticks(bound) for bound in bounds] if isinstance(bounds, list) else []
    start, end = ticks if len(ticks) == 2 else (None, None)
    if start is None or end is None:
        record.drop("malformed_segment", f"{bounds!s:.60} is no start and end in seconds.", key)
    elif type(action) is not int or not 1 <= action <= len(ACTIONS):
        record.drop("unknown_action", f"actionID {action!s:.40} is not 1..{len(ACTIONS)}.", key)
    elif start >= end:
        reason = "zero_length" if start == end else "reversed_segment"
        record.drop(reason, f"the segment runs from tick {start} to tick {end}.", key)
    else:
        label = ACTIONS[action - 1]
        flags = {f"action_id:{action}"} if label in SHARED_NAMES else set()
        flags |= _flag_late_end(record, end, key)
        return Segment(
            start=start, end=end, kind=SegmentKind.ACTION, label=label, native_index=index,
            flags=tuple(sorted(flags)),
        )  # fmt: skip
    return None


def _flag_late_end(record: Record, end: int, key: str) -> set[str]:
    """Flag an end past the duration; by more than a second no rounding explains it."""
    duration = parse_ticks(record.fields.get("duration"))
    if not duration or end <= duration:
        return set()
    detail = f"the segment ends {(end - duration) / TICK_HZ:.2f} s past the stated duration."
    reasons = ["end_past_duration"]
    if end - duration > TICK_HZ:
        reasons.append("end_far_past_duration")
    for reason in reasons:
        record.flag(reason, detail, key)
    return set(reasons)


def parse_segments(record: Record) -> tuple[Segment, ...]:
    """Read `annotations` and sort a copy by start, end and position in the file.

    Overlaps stay. `native_index` k names the official clip `<id>_<k + 1>.mp4`.
    """
    items = record.get("annotations")
    if not isinstance(items, list):
        raise record.malformed("annotations must be a list.", "annotations")
    segments: list[Segment] = []
    seen = set()
    for index, item in enumerate(items):
        segment = _parse_segment(record, index, item)
        if segment is None:
            continue
        if (key := (segment.start, segment.end, item["actionID"])) in seen:
            record.drop("duplicate_segment", "an earlier item is equal.", f"annotations[{index}]")
            continue
        seen.add(key)
        segments.append(segment)
    ordered = sorted(segments, key=lambda s: (s.start, s.end, s.native_index))
    _flag_order(record, segments, ordered)
    return tuple(ordered)


def _flag_order(record: Record, native: Sequence[Segment], ordered: Sequence[Segment]) -> None:
    if list(native) != list(ordered):
        record.flag("unsorted_segments", "items are not in time order.", "annotations")
    overlaps = sum(a.end > b.start for a, b in pairwise(ordered))
    if overlaps:
        detail = f"{overlaps} pairs of neighbours in time overlap."
        record.flag("overlapping_segments", detail, "annotations")
    if not ordered:
        record.flag("no_segments", "no usable segment is left.", "annotations", kind="video")


def parse_time_base(record: Record) -> TimeBase:
    """Read `fps`, a rate rounded down, into 90 kHz ticks and a nominal frame rate."""
    fps = record.get("fps")
    if type(fps) is not int or not 1 <= fps <= 1000:
        raise record.malformed(f"fps {fps!s:.40} is no whole frame rate.", "fps")
    rate = FRAME_RATES.get(fps, Fraction(fps))
    return TimeBase(
        rate_num=TICK_HZ, frame_rate_num=rate.numerator, frame_rate_den=rate.denominator
    )


def parse_resolution(record: Record) -> tuple[int, int]:
    """Read `resolution`, e.g. `1280x720`, into width and height in pixels."""
    text = record.get("resolution")
    match = _RESOLUTION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise record.malformed(f"resolution {text!s:.40} is not like '1280x720'.", "resolution")
    return int(match[1]), int(match[2])


def parse_procedure(record: Record) -> str:
    """Read `operationID`, which counts from 1, into the procedure's name."""
    number = record.get("operationID")
    if type(number) is not int or not 1 <= number <= len(PROCEDURES):
        raise UnknownLabelError(
            f"operationID {number!s:.40} is not 1..{len(PROCEDURES)}.", dataset=DATASET,
            source=record.source, field=f"{record.video_id}.operationID",
        )  # fmt: skip
    return PROCEDURES[number - 1]


def list_candidates(procedure: str, segments: Sequence[Segment]) -> tuple[str, ...]:
    """The procedure's published actions, then this video's other actions in alphabetical order."""
    published = CANDIDATE_ACTIONS[procedure]
    return (*published, *sorted({s.label for s in segments} - set(published)))
