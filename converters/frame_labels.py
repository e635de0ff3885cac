"""Read label files that list records by frame number, as CholecT50 and CholecTrack20 do."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from converters.cholecystectomy import PHASE, pixel_box
from converters.issue_log import DROPPED, FLAGGED, REPAIRED, IssueLog
from converters.native_json import (
    JsonObject,
    as_frame_number,
    as_int,
    missing_and_extra,
    shown,
)
from schemas.errors import MissingSourceError
from schemas.geometry import Xyxy
from schemas.video import Recording
from schemas.vocabulary import Vocabulary

_BOX_FAULTS = {
    "bad_box": "is not four finite numbers",
    "box_absent": "is not given",
    "box_not_normalised": "is no fraction of the image, perhaps pixels",
    "empty_box": "has no width or no height",
    "box_outside_image": "lies outside the image",
}


class FrameRecords(NamedTuple):
    """The records of one frame.

    Attributes:
        position: Place of the frame in the file, from 0.
        frame: Native frame number.
        records: Its records, at least one, not yet checked.
    """

    position: int
    frame: int
    records: list[Any]


class PlacedBox(NamedTuple):
    """A box in pixels and what was repaired."""

    xyxy: Xyxy
    flags: tuple[str, ...]


def open_log(recording: Recording) -> tuple[IssueLog, Path]:
    """Start the log of a recording and find its label file.

    Raises:
        MissingSourceError: The recording has no label file, or it or the media are gone.
    """
    if not recording.files:
        raise MissingSourceError(
            f"{recording.video_id} has pictures but no label file.", dataset=recording.source,
            source=recording.media.path if recording.media else None,
            action="Fetch the label file, or leave the video out.",
        )  # fmt: skip
    log = IssueLog(recording.source, recording.files[0])
    for name in (*recording.files[:1], *([recording.media.path] if recording.media else [])):
        if not (recording.root / name).exists():
            raise MissingSourceError("it is not there.", dataset=recording.source, source=name)
    if "also" in recording.hints:
        log.add(
            "second_copy", "video", FLAGGED,
            f"{recording.video_id} is there twice; not read: {recording.hints['also']}.",
            "Keep one copy of the video's files.",
        )  # fmt: skip
    return log, recording.root / recording.files[0]


def note_keys(log: IssueLog, value: Mapping[str, object], keys: Iterable[str]) -> None:
    """Flag top-level keys that are missing from or foreign to the format."""
    for reason, key in missing_and_extra(value, keys):
        log.add(
            reason, "video", FLAGGED,
            f"the file {'lacks' if reason == 'missing_key' else 'has the foreign'} key"
            f" {shown(key)}.",
            "Compare the file with the format in the source's data card.", where=shown(key),
        )  # fmt: skip


def note_frame_count(log: IssueLog, stated: object, listed: int, where: str) -> None:
    """Flag a stated number of frames that is not the number listed."""
    if as_int(stated) != listed:
        log.add(
            "frame_count_mismatch", "video", FLAGGED,
            f"the file says it has {shown(stated)} frames and lists {listed}.",
            "Check that the file is whole.", where=where,
        )  # fmt: skip


def check_classes(log: IssueLog, vocabulary: Vocabulary, table: object, where: str) -> None:
    """Check that a file numbers its classes as published.

    Args:
        log: Takes the fault where there is no table.
        vocabulary: Published classes.
        table: `{id: name}`, or a list of `{"id": id, "name": name}`.
        where: Place of the table in the file.

    Raises:
        MalformedSourceError: A class has another id than the published one, so that no id of
            the file can be trusted.
        UnknownLabelError: A class is in no vocabulary.
    """
    pairs = _class_pairs(table)
    if pairs is None:
        log.add(
            "missing_categories", "video", FLAGGED,
            f"the file has no table of {vocabulary.name} classes; the published ids are used.",
            "Compare the file with the format in the source's data card.", where=where,
        )  # fmt: skip
        return
    for number, name in pairs:
        plain = str(name).encode("ascii", "backslashreplace").decode()
        label = vocabulary.label(plain, dataset=log.dataset, source=log.file)
        if number != vocabulary.labels.index(label):
            raise log.malformed(
                f"{label} has id {number}, the published one is {vocabulary.labels.index(label)}.",
                where,
            )


def _class_pairs(table: object) -> list[tuple[int | None, object]] | None:
    if isinstance(table, dict):
        return [(as_frame_number(key), name) for key, name in table.items()]
    if isinstance(table, list) and all(isinstance(entry, dict) for entry in table):
        return [(as_int(entry.get("id")), entry.get("name")) for entry in table]
    return None


def read_frames(log: IssueLog, annotations: JsonObject) -> Iterator[FrameRecords]:
    """Yield the frames of an `annotations` object in file order; faulty ones go to the log.

    A frame number given twice counts once: of equal keys the last stands, as in every JSON
    parser, of keys that differ in leading zeros the first.
    """
    for key in annotations.repeated:
        _drop_frame(
            log, key, 0, "repeated_frame", "is listed more than once; the last list is used"
        )
    seen: list[int] = []
    taken: set[int] = set()
    for position, (key, records) in enumerate(annotations.items()):
        log.counts["frame"] += 1
        frame = as_frame_number(key)
        if frame is None:
            _drop_frame(log, key, position, "bad_frame_key", "is no frame number")
        elif frame in taken:
            _drop_frame(
                log, key, position, "repeated_frame", "is listed before with other leading zeros"
            )
        else:
            taken.add(frame)
            seen.append(frame)
            if isinstance(records, list) and records:
                yield FrameRecords(position, frame, records)
            else:
                _drop_frame(log, key, position, "empty_frame", f"has no records: {shown(records)}")
    if any(a > b for a, b in pairwise(seen)):
        log.add(
            "unsorted_frames", "video", REPAIRED, "frames are not listed in time order.",
            "Nothing to do: they were sorted.", where="annotations",
        )  # fmt: skip


def _drop_frame(log: IssueLog, key: str, position: int, reason: str, what: str) -> None:
    log.add(
        reason, "frame", DROPPED, f"frame {shown(key)} {what}.", "Correct the frame's entry.",
        where=f"annotations[{shown(key)}]", at=(position, 0),
    )  # fmt: skip


def frame_phase(log: IssueLog, values: list[object], frame: FrameRecords) -> int | None:
    """Phase id all records of a frame agree on: -1 for none given, None where it is faulty."""
    first = as_int(values[0])
    if any(value != values[0] for value in values):
        reason, what = "phase_conflict", f"records disagree on the phase: {shown(values)}"
    elif first is None or not -1 <= first < len(PHASE.labels):
        reason, what = "unknown_phase", f"{shown(values[0])} is no phase id"
    else:
        log.counts["no_phase"] += first == -1
        return first
    log.add(
        reason, "phase", DROPPED, f"frame {frame.frame}: {what}; it is taken as unlabelled.",
        "Give all records of the frame one phase id (0..6, or -1).",
        where=f"annotations[{frame.frame}]", at=(frame.position, 0),
    )  # fmt: skip
    return None


def place_box(
    log: IssueLog,
    xywh: object,
    resolution_wh: tuple[int, int],
    where: str,
    at: tuple[int, int],
) -> PlacedBox | None:
    """Turn a fraction box into pixels, clipped to the image; None and a fault where it cannot be.

    Args:
        log: Takes the fault or repair.
        xywh: Left, top, width and height as fractions, as found.
        resolution_wh: Image size in pixels.
        where: Field of the box.
        at: Place of frame and record in the file.
    """
    xyxy, reason = pixel_box(xywh if isinstance(xywh, list) else [], resolution_wh)
    if xyxy is not None and reason is None:
        return PlacedBox(xyxy, ())
    if xyxy is not None:
        log.add(
            "box_over_edge", "box", REPAIRED,
            f"box {shown(xywh)} passes the edge of the {resolution_wh[0]}x{resolution_wh[1]}"
            " image.",
            "Nothing to do: it was cut at the edge.", where=where, at=at,
        )  # fmt: skip
        return PlacedBox(xyxy, ("clipped",))
    fault = reason or "bad_box"
    log.add(
        fault, "box", DROPPED, f"box {shown(xywh)} {_BOX_FAULTS[fault]}.",
        "Draw the box again: left, top, width, height as fractions of the image.",
        where=where, at=at,
    )  # fmt: skip
    return None


def note_no_phase(log: IssueLog) -> None:
    """Flag how many frames say that they have no phase."""
    if log.counts["no_phase"]:
        log.add(
            "no_phase", "frame", FLAGGED,
            f"frames with phase -1, which no phase covers: {log.counts['no_phase']}.",
            "Nothing to do: their other labels are used.", where="annotations",
        )  # fmt: skip
