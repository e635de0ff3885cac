"""Read the tool records of CholecTrack20: class, box, track, triplet, operator and view flags."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from converters.cholecystectomy import OPERATOR, TARGET, TOOL, TRIPLET_IDS, TRIPLETS, VERB
from converters.frame_labels import FrameRecords, frame_phase, place_box
from converters.image_size import Size
from converters.issue_log import DROPPED, FLAGGED, IssueLog
from converters.native_json import JsonObject, as_int, shown
from schemas.annotation import FrameTriplet
from schemas.geometry import Box, Triplet
from schemas.timeline import Segment, SegmentKind

FPS = 25
"""Native frames, and ticks, per second; labels stand one second apart."""

SPECIAL_TRIPLET = -2
"""Verb and target hold, but no CholecT50 class combines them, as with most specimen bags."""

VIEW_FLAGS = (
    "bleeding", "blurred", "crowded", "occluded", "reflection", "smoke", "stainedlens",
    "undercoverage",
)  # fmt: skip
_TOOL_KEYS = frozenset(
    {
        "instrument", "verb", "target", "phase", "triplet", "tool_bbox", "operator", "iscrowd",
        "area", "score", "intraoperative_track", "intracorporeal_track", "visibility_track",
        "visibility", "visible", *VIEW_FLAGS,
    }
)  # fmt: skip


@dataclass(slots=True)
class ToolLabels:
    """What a label file says.

    Attributes:
        resolution_wh: Image size the boxes are in.
        split: Part of the official split the file names, or None.
        frames: Labelled native frame numbers.
        phases: Phase id by tick, -1 for no phase; frames with a faulty phase are absent.
        boxes: Boxes in file order.
        triplets: Triplets in file order.
        stays: First and last tick of each tool and intracorporeal track.
    """

    resolution_wh: Size
    split: str | None
    frames: set[int] = field(default_factory=set)
    phases: dict[int, int] = field(default_factory=dict)
    boxes: list[Box] = field(default_factory=list)
    triplets: list[FrameTriplet] = field(default_factory=list)
    stays: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)


def parse_frame(frame: FrameRecords, labels: ToolLabels, log: IssueLog, foreign: set[str]) -> None:
    """Read the tools of one frame."""
    tick, where, at = frame.frame - 1, f"annotations[{frame.frame}]", (frame.position, 0)
    if tick < 0:
        log.add(
            "bad_frame_key", "frame", DROPPED, "frame 0 is before the first frame, number 1.",
            "Correct the frame number.", where=where, at=at,
        )  # fmt: skip
        return
    if tick % FPS:
        log.add(
            "off_grid_frame", "frame", FLAGGED,
            f"frame {frame.frame} is not 1 more than a multiple of {FPS}.",
            "Check the frame number; it is kept at its own time.", where=where, at=at,
        )  # fmt: skip
    phases: list[object] = []
    met: set[tuple[str, int]] = set()
    for index, tool in enumerate(frame.records):
        log.counts["tool"] += 1
        place = _Place(tick, f"{where}[{index}]", (frame.position, index))
        if isinstance(tool, JsonObject):
            phases.append(tool.get("phase"))
            foreign |= tool.keys() ^ _TOOL_KEYS
            _parse_tool(tool, place, labels, log, met)
        else:
            place.drop(log, "bad_record", "tool", f"a tool is no object: {shown(tool)}.")
    if phases:
        labels.frames.add(frame.frame)
        phase = frame_phase(log, phases, frame)
        if phase is not None:
            labels.phases[tick] = phase


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in time and in the file a tool stands."""

    tick: int
    where: str
    at: tuple[int, int]

    def drop(self, log: IssueLog, reason: str, kind: str, detail: str) -> None:
        log.add(reason, kind, DROPPED, detail, "Correct the record.", where=self.where, at=self.at)

    def flag(self, log: IssueLog, reason: str, key: str, value: object) -> None:
        log.add(
            reason, "tool", FLAGGED, f"{key} is {shown(value)}; it is left out.",
            "Correct the value.", where=f"{self.where}.{key}", at=self.at,
        )  # fmt: skip


def _parse_tool(
    tool: Mapping[str, Any],
    place: _Place,
    labels: ToolLabels,
    log: IssueLog,
    met: set[tuple[str, int]],
) -> None:
    """Read one tool; `met` holds the label and track of the frame's tools before it."""
    number = as_int(tool.get("instrument"))
    if number is None or not 0 <= number < len(TOOL.labels):
        place.drop(
            log, "unknown_instrument", "tool", f"{shown(tool.get('instrument'))} is no instrument."
        )
        return
    label = TOOL.labels[number]
    track = as_int(tool.get("intracorporeal_track"))
    if track is None or track < 1:
        place.flag(log, "no_track", "intracorporeal_track", tool.get("intracorporeal_track"))
    elif (label, track) in met:
        place.drop(
            log, "repeated_track", "tool", f"track {track} of the {label} is on this frame twice."
        )
        return
    else:
        met.add((label, track))
        first, last = labels.stays.get((label, track), (place.tick, place.tick))
        labels.stays[label, track] = (min(first, place.tick), max(last, place.tick))
    triplet = _parse_triplet(tool, number, place, log)
    if triplet is not None:
        labels.triplets.append(FrameTriplet(tick=place.tick, triplet=triplet))
    log.counts["box"] += 1
    placed = place_box(
        log, tool.get("tool_bbox"), labels.resolution_wh, f"{place.where}.tool_bbox", place.at
    )
    if placed is not None:
        labels.boxes.append(
            Box(
                tick=place.tick, xyxy=placed.xyxy, label=label, triplet=triplet,
                track=str(track) if track is not None and track >= 1 else None,
                operator=_parse_operator(tool, place, log),
                flags=tuple(sorted((*placed.flags, *_parse_flags(tool, place, log)))),
            )
        )  # fmt: skip


def _parse_triplet(
    tool: Mapping[str, Any], number: int, place: _Place, log: IssueLog
) -> Triplet | None:
    """Triplet of a tool, None where none is stated or the ids contradict each other."""
    stated, verb, target = (tool.get(key, -1) for key in ("triplet", "verb", "target"))
    if stated == verb == target == -1:
        return None
    log.counts["triplet"] += 1
    stated, verb, target = as_int(stated), as_int(verb), as_int(target)
    if stated is not None and verb is not None and target is not None:
        if 0 <= stated < len(TRIPLETS) and TRIPLET_IDS[stated] == (number, verb, target):
            return TRIPLETS[stated]
        fits = 0 <= verb < len(VERB.labels) and 0 <= target < len(TARGET.labels)
        if stated == SPECIAL_TRIPLET and fits:
            log.counts["special_triplet"] += 1
            return _triplet(number, verb, target)
    place.drop(
        log, "triplet_mismatch", "triplet",
        f"triplet {shown(tool.get('triplet'))} does not go with instrument {number}, verb"
        f" {shown(tool.get('verb'))} and target {shown(tool.get('target'))}.",
    )  # fmt: skip
    return None


@cache
def _triplet(instrument: int, verb: int, target: int) -> Triplet:
    return Triplet(
        instrument=TOOL.labels[instrument], verb=VERB.labels[verb], target=TARGET.labels[target]
    )


def _parse_operator(tool: Mapping[str, Any], place: _Place, log: IssueLog) -> str | None:
    number = as_int(tool.get("operator", 0))
    if number is None or not 0 <= number < len(OPERATOR.labels):
        place.flag(log, "unknown_operator", "operator", tool.get("operator"))
        return None
    return OPERATOR.labels[number] if number else None


def _parse_flags(tool: Mapping[str, Any], place: _Place, log: IssueLog) -> list[str]:
    flags = []
    for key in VIEW_FLAGS:
        value = tool.get(key, 0)
        if value == 1:
            flags.append(key)
        elif value != 0:
            place.flag(log, "bad_flag", key, value)
    visible = tool.get("visible", 1)
    if visible == 0:
        flags.append("out_of_view")
    elif visible != 1:
        place.flag(log, "bad_flag", "visible", visible)
    return flags


def note_tracks(log: IssueLog, labels: ToolLabels) -> None:
    """Flag intracorporeal tracks that carry more than one tool."""
    tools: dict[int, list[str]] = {}
    for label, track in labels.stays:
        tools.setdefault(track, []).append(label)
    for track, names in sorted(tools.items()):
        if len(names) > 1:
            log.add(
                "track_changes_tool", "tool", FLAGGED,
                f"intracorporeal track {track} is a {' and a '.join(sorted(names))}.",
                "Nothing to do: it counts as one track for each tool.", where="annotations",
            )  # fmt: skip


def presences(stays: Mapping[tuple[str, int], tuple[int, int]]) -> list[Segment]:
    """Each track's stay in the body, `[first, last + one second)`."""
    return [
        Segment(start=first, end=last + FPS, kind=SegmentKind.PRESENCE, label=label)
        for (label, _), (first, last) in stays.items()
    ]
