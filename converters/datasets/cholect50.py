r"""CholecT50: phases and instrument-verb-target triplets of 50 laparoscopic cholecystectomies.

Raw tree (50 videos; the challenge-validation download holds VID68, 70, 73, 74 and 75 alike):
```
CholecT50/
  labels/VID01.json            one object a video
  videos/VID01/000000.png      one image a second, six-digit 0-based number; no video file
  label_mapping.txt
```
A label file holds `info, licenses, categories, video, fps, num_frames, annotations`; annotations
map a frame number to rows of 15 values: 0 triplet (-1 none), 1 instrument, 2 instrument score, 3-6
instrument box (fractions of that PNG's own size, -1 not given), 7 verb, 8 target, 9 target score,
10-13 target box (never given), 14 phase. Native frame k is second k.

Known faults: boxes only in the five challenge clips, whose frame numbers are sparse and of which
three boxes pass the image edge; rows without a triplet have unspecified slots 1-13; triplets 94 to
99 are instruments at rest, not missing ones; images without a label; the first dissection phase
is misspelt `carlot-…`; the format's README scales y by the width, the files by the height.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from converters.base import Converter
from converters.cholec_splits import CHOLECT50_SPLITS, parts_of
from converters.cholecystectomy import (
    INSTRUMENT,
    OFFICIAL_SIZE_WH,
    PHASE,
    TARGET,
    TRIPLET,
    TRIPLET_IDS,
    TRIPLETS,
    VERB,
    VOICE,
    identity,
    phase_segments,
    seal,
)
from converters.frame_images import common_size, frame_files, note_images, read_sizes
from converters.frame_labels import (
    FrameRecords,
    check_classes,
    frame_phase,
    note_frame_count,
    note_keys,
    note_no_phase,
    open_log,
    place_box,
    read_frames,
)
from converters.image_size import Size
from converters.issue_log import DROPPED, FLAGGED, IssueLog
from converters.native_json import JsonObject, as_int, load_json, shown
from converters.native_tree import child_folder, find_base, numbered_files, numbered_folders
from data_cards import load_card
from schemas.annotation import FrameTriplet, VideoAnnotation
from schemas.geometry import Box, Triplet
from schemas.source import SourceSpec, TaskName
from schemas.timeline import SegmentKind, TimeBase
from schemas.video import MediaKind, MediaRef, Recording, Video

NAME = "cholect50"
IMAGE_PATTERN = r"([0-9]{6})\.png"
CHALLENGE_SET = "cholect50-challenge-validation"
SPARSE_SHARE = 0.1
"""Where a larger share of the seconds between first and last label is unlabelled, labelled frames
are missing as a rule; a smaller share is a hole, and clips bear a tenth of holes."""

ROW_LENGTH = 15
_NO_BOX = [-1.0, -1.0, -1.0, -1.0]
_KEYS = ("info", "licenses", "categories", "video", "fps", "num_frames", "annotations")
_VOCABULARIES = {
    "instrument": INSTRUMENT, "verb": VERB, "target": TARGET, "phase": PHASE, "triplet": TRIPLET,
}  # fmt: skip
_LABEL_FILE = re.compile(r"vid0*([0-9]{1,3})\.json", re.IGNORECASE)
_FOLDER = re.compile(r"vid0*([0-9]{1,3})", re.IGNORECASE)


class BoxRow(NamedTuple):
    """An instrument box in fractions of its image, with its place in the file."""

    frame: int
    triplet: Triplet
    xywh: list[Any]
    where: str
    at: tuple[int, int]


@dataclass(slots=True)
class Labels:
    """What a label file says, before pictures are looked at.

    Attributes:
        challenge: Whether the file is of the challenge-validation clips.
        phases: Phase id by labelled frame, -1 for no phase; frames with a faulty phase are absent.
        frames: Labelled frame numbers.
        triplets: Triplets in file order.
        boxes: Boxes in file order.
    """

    challenge: bool = False
    phases: dict[int, int] = field(default_factory=dict)
    frames: set[int] = field(default_factory=set)
    triplets: list[FrameTriplet] = field(default_factory=list)
    boxes: list[BoxRow] = field(default_factory=list)


def parse_labels(handle: TextIO, log: IssueLog, number: int) -> Labels:
    """Read one label file; faults of single records go to the log.

    Args:
        handle: Open text handle of the label file.
        log: Takes faults and counts.
        number: Video number in the file's name.

    Raises:
        MalformedSourceError: The file as a whole cannot be trusted: no annotations, another
            video's number, another frame rate or other class ids than the published ones.
        UnknownLabelError: The file names a class that is in no vocabulary.
    """
    document = load_json(handle, dataset=NAME, source=log.file)
    annotations = document.get("annotations")
    if not isinstance(annotations, JsonObject):
        raise log.malformed("the file has no annotations by frame.", "annotations")
    _check_header(document, len(annotations), log, number)
    info = document.get("info")
    labels = Labels(challenge=isinstance(info, dict) and info.get("dataset") == CHALLENGE_SET)
    for frame in read_frames(log, annotations):
        _parse_frame(frame, labels, log)
    note_no_phase(log)
    _note_unread(log)
    return labels


def _check_header(document: JsonObject, frame_count: int, log: IssueLog, number: int) -> None:
    note_keys(log, document, _KEYS)
    if "video" in document and as_int(document["video"]) != number:
        raise log.malformed(
            f"the file is about video {shown(document['video'])}, its name says {number}.", "video"
        )
    if "fps" in document and as_int(document["fps"]) != 1:
        raise log.malformed(
            f"the file has {shown(document['fps'])} frames a second, the format has 1.", "fps"
        )
    if "num_frames" in document:
        note_frame_count(log, document["num_frames"], frame_count, "num_frames")
    categories = document.get("categories")
    for name, vocabulary in _VOCABULARIES.items():
        table = categories.get(name) if isinstance(categories, dict) else None
        check_classes(log, vocabulary, table, f"categories.{name}")


def _parse_frame(frame: FrameRecords, labels: Labels, log: IssueLog) -> None:
    phases: list[object] = []
    for index, row in enumerate(frame.records):
        log.counts["row"] += 1
        if isinstance(row, list) and len(row) == ROW_LENGTH:
            phases.append(row[14])
            _parse_row(row, frame.frame, (frame.position, index), labels, log)
        else:
            log.add(
                "bad_row_length", "row", DROPPED,
                f"a row of frame {frame.frame} is not {ROW_LENGTH} values: {shown(row)}.",
                "Correct the row.", where=f"annotations[{frame.frame}][{index}]",
                at=(frame.position, index),
            )  # fmt: skip
    if phases:
        labels.frames.add(frame.frame)
        phase = frame_phase(log, phases, frame)
        if phase is not None:
            labels.phases[frame.frame] = phase


def _parse_row(
    row: list[Any], frame: int, at: tuple[int, int], labels: Labels, log: IssueLog
) -> None:
    """Read one row of 15 values; `at` is its place in the file."""
    number = as_int(row[0])
    if number == -1:
        log.counts["no_instrument"] += 1
        return
    where = f"annotations[{frame}][{at[1]}]"
    if number is None or not 0 <= number < len(TRIPLETS):
        log.add(
            "unknown_triplet", "row", DROPPED, f"{shown(row[0])} is no triplet id.",
            "Correct the triplet id (0..99, or -1 for none).", where=f"{where}[0]", at=at,
        )  # fmt: skip
        return
    if (as_int(row[1]), as_int(row[7]), as_int(row[8])) != TRIPLET_IDS[number]:
        log.add(
            "component_mismatch", "row", DROPPED,
            f"triplet {number} has instrument, verb, target {TRIPLET_IDS[number]}, the row gives"
            f" {shown([row[1], row[7], row[8]])}.",
            "Correct the triplet id or its components by label_mapping.txt.", where=where, at=at,
        )  # fmt: skip
        return
    log.counts["triplet"] += 1
    log.counts["scored_row"] += row[2] != 1
    log.counts["target_box"] += row[10:14] != _NO_BOX
    labels.triplets.append(FrameTriplet(tick=frame, triplet=TRIPLETS[number]))
    if row[3:7] != _NO_BOX:
        log.counts["box"] += 1
        labels.boxes.append(BoxRow(frame, TRIPLETS[number], row[3:7], f"{where}[3:7]", at))


def _note_unread(log: IssueLog) -> None:
    """Flag what rows carry beside the labels that are read."""
    if log.counts["scored_row"]:
        log.add(
            "scores_below_one", "row", FLAGGED,
            f"rows with an instrument score other than 1: {log.counts['scored_row']}.",
            "Check that the file holds annotations, not predictions.", where="annotations",
        )  # fmt: skip
    if log.counts["target_box"]:
        log.add(
            "target_box_ignored", "row", FLAGGED,
            f"rows with a target box, which no known release has: {log.counts['target_box']}.",
            "Nothing to do: target boxes are not read.", where="annotations",
        )  # fmt: skip


def _boxes(
    rows: Iterable[BoxRow], sizes: Mapping[int, Size | None], common: Size | None, log: IssueLog
) -> Iterator[Box]:
    """Yield the boxes that can be placed on their image, in file order."""
    for row in rows:
        size = sizes.get(row.frame, common)
        if size is None or common is None:
            log.add(
                "no_image_size", "box", DROPPED,
                f"frame {row.frame} has a box in fractions of an image that cannot be read.",
                "Unpack the video's images, whose own size the box needs.",
                where=row.where, at=row.at,
            )  # fmt: skip
        elif size != common:
            log.add(
                "image_size_differs", "box", DROPPED,
                f"the image of frame {row.frame} is {size[0]}x{size[1]}, the video's others are"
                f" {common[0]}x{common[1]}.",
                "Unpack the image again.", where=row.where, at=row.at,
            )  # fmt: skip
        elif placed := place_box(log, row.xywh, common, row.where, row.at):
            yield Box(
                tick=row.frame, xyxy=placed.xyxy, label=row.triplet.instrument,
                triplet=row.triplet, flags=placed.flags,
            )  # fmt: skip


def _is_base(folder: Path) -> bool:
    labels, videos = child_folder(folder, "labels"), child_folder(folder, "videos")
    return bool(numbered_files(labels, _LABEL_FILE) or numbered_folders(videos, _FOLDER))


def _is_sparse(frames: set[int]) -> bool:
    span = max(frames) - min(frames) + 1 if frames else 0
    return span - len(frames) > SPARSE_SHARE * span


@cache
def _spec() -> SourceSpec:
    return SourceSpec(
        name=NAME, dataset_name="CholecT50", version=1, card=load_card(NAME),
        tasks=(
            TaskName.TAL, TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING, TaskName.VIDEO_SUMMARY,
        ),
        extra_tasks=(TaskName.STG, TaskName.REGION_CAPTION),
        clip_kinds=(SegmentKind.PHASE,), label_kind=SegmentKind.PHASE,
        vocabularies=_VOCABULARIES, voice=VOICE, max_rate_num=1,
    )  # fmt: skip


@dataclass(frozen=True)
class CholecT50:
    """Converter of CholecT50 and its challenge-validation clips."""

    @property
    def spec(self) -> SourceSpec:
        """Facts about the source."""
        return _spec()

    def discover(self, root: Path) -> list[Recording]:
        """List videos that have a label file, a frame folder, or both, sorted by id.

        Raises:
            MissingSourceError: Neither the root nor a single folder in it holds such videos.
        """
        base = find_base(root, _is_base, dataset=NAME, tree="labels/VIDnn.json or videos/VIDnn")
        files = numbered_files(child_folder(base, "labels"), _LABEL_FILE)
        folders = numbered_folders(child_folder(base, "videos"), _FOLDER)
        found = []
        for number in files.keys() | folders.keys():
            names = [path.relative_to(base).as_posix() for path in files.get(number, [])]
            folder = next(iter(folders.get(number, [])), None)
            media = folder and MediaRef(
                kind=MediaKind.FRAMES, path=folder.relative_to(base).as_posix(),
                pattern=IMAGE_PATTERN,
            )  # fmt: skip
            found.append(
                Recording(
                    source=NAME, video_id=f"VID{number:02d}", root=base, files=tuple(names[:1]),
                    media=media, hints={"also": ", ".join(names[1:])} if names[1:] else {},
                )
            )  # fmt: skip
        return sorted(found, key=lambda recording: recording.video_id)

    def convert(self, recording: Recording) -> VideoAnnotation:
        """Read one video.

        Raises:
            MissingSourceError: The label file or the frame folder is not there.
            MalformedSourceError: The label file cannot be read as its format says.
            UnknownLabelError: The label file names a class that is in no vocabulary.
        """
        log, path = open_log(recording)
        number = int(recording.video_id.removeprefix("VID"))
        with path.open(encoding="utf-8-sig") as handle:
            labels = parse_labels(handle, log, number)
        images: dict[int, str] = {}
        sizes: dict[int, Size | None] = {}
        if recording.media is not None:
            folder = recording.root / recording.media.path
            images = frame_files(folder, IMAGE_PATTERN)
            note_images(log, labels.frames, set(images))
            sizes = read_sizes(folder, images, (row.frame for row in labels.boxes))
        common = common_size(sizes, log)
        boxes = list(_boxes(labels.boxes, sizes, common, log))
        sparse = labels.challenge or _is_sparse(labels.frames)
        time_base = TimeBase(rate_num=1, frame_rate_num=1, sparse=sparse)
        last = max([*labels.frames, *images], default=-1)
        splits = parts_of(number, CHOLECT50_SPLITS)
        video = Video(
            source=NAME, video_id=recording.video_id, identity=identity(number),
            resolution_wh=common or OFFICIAL_SIZE_WH, media=recording.media if images else None,
            time_base=time_base, duration_ticks=None if sparse or last < 0 else last + 1,
            native_split=splits | ({CHALLENGE_SET: "val"} if labels.challenge else {}),
            licence=self.spec.card.licence.id,
        )  # fmt: skip
        return seal(
            VideoAnnotation(
                video=video, labelled_ticks=tuple(sorted(labels.frames)),
                segments=tuple(phase_segments(sorted(labels.phases.items()), time_base)),
                boxes=tuple(sorted(boxes, key=lambda box: (box.tick, box.label))),
                triplets=tuple(sorted(labels.triplets, key=lambda found: found.tick)),
                candidates={"phase": PHASE.labels}, records_in=log.records_in(),
                issues=log.in_file_order(),
            )
        )  # fmt: skip


CONVERTER: Converter = CholecT50()
