"""EgoSurgery: open operations seen from the surgeon's head, with phases, tools and hands.

Raw tree; `coco_format/` may stand between `annotations` and the rest, folders may be called `tool`
and `hand`, and `by_video/<VV>/annotations.json` may stand for `by_split`:

```
EgoSurgery/
  annotations/phase/04_1.csv                              Frame,Phase: a row a labelled frame
  annotations/bbox/by_split/tools/{train,val,test}.json   COCO, 15 classes, ids 0 to 14
  annotations/bbox/by_split/hands/{train,val,test}.json   COCO, 4 classes, ids 1 to 4
  images/04/04_1_0001.jpg                                 one picture every 2 s, 1920x1080
  gaze/04_1.csv                                           not read
```

A part (`04_1`: recording 04, camera file 1) is one video here; its frames count from 1. All parts
of a recording share one identity.

Known faults: phase files list labelled frames only and have hundreds of holes; ids of the COCO
files are local to each file, so tools and hands are joined by file name; widths and heights are
rounded down; five recordings have no boxes; the two published splits cut across each other;
pictures of some phase files were never released; gaze repeats x as y.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from converters.base import Converter
from converters.cholecystectomy import seal
from converters.coco_boxes import (
    BoxRules,
    CocoBlock,
    dump_blocks,
    image_sizes,
    load_blocks,
    place_boxes,
)
from converters.egocentric_checks import PartBoxes, flag, native_split, note_boxes, note_phases
from converters.egocentric_labels import (
    DATASET,
    HAND,
    OFFICIAL_SIZE_WH,
    PHASE,
    TIME_BASE,
    TOOL,
    VOICE,
    PhaseRows,
    join_phases,
    parse_phases,
)
from converters.egocentric_tree import (
    BoxFile,
    find_pictures,
    index_boxes,
    is_base,
    phase_files,
)
from converters.frame_images import frame_files, note_images
from converters.image_size import Size
from converters.issue_log import IssueLog
from converters.jpeg_size import read_jpeg_size
from converters.native_tree import find_base
from data_cards import load_card
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.source import SourceSpec, TaskName
from schemas.timeline import SegmentKind
from schemas.video import Recording, Video

CLASSES = {"hand": HAND, "tool": TOOL}
SHAPE_TOLERANCE = 0.01
"""Largest share by which a resized picture may be wider or narrower than the labelled image."""


@cache
def _spec() -> SourceSpec:
    return SourceSpec(
        name=DATASET, dataset_name="EgoSurgery", version=1, card=load_card(DATASET),
        tasks=(
            TaskName.TAL, TaskName.STG, TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING,
            TaskName.VIDEO_SUMMARY, TaskName.REGION_CAPTION,
        ),
        clip_kinds=(SegmentKind.PHASE,), label_kind=SegmentKind.PHASE,
        vocabularies={"phase": PHASE, "instrument": TOOL, "hand": HAND}, voice=VOICE,
        max_rate_num=1, max_rate_den=2, candidate_style="text",
    )  # fmt: skip


@dataclass(frozen=True)
class EgoSurgery:
    """Converter of EgoSurgery."""

    @property
    def spec(self) -> SourceSpec:
        """Facts about the source."""
        return _spec()

    def discover(self, root: Path) -> list[Recording]:
        """List the parts that have a phase file, boxes or pictures, sorted by id.

        Each COCO file is read once; a recording carries its own records, so that one changed box
        leaves the other videos' content keys alone.

        Raises:
            MissingSourceError: Neither the root nor a single folder in it holds phases or boxes.
            MalformedSourceError: A COCO file cannot be read and no video is there to say so, or
                its folder is there twice.
        """
        base = find_base(root, is_base, dataset=DATASET, tree="phase/*.csv or bbox/by_split/*")
        phases, index, pictures = phase_files(base), index_boxes(base), find_pictures(base)
        parts = sorted({*phases, *index.blocks, *pictures})
        for file, error in index.broken.items():
            if not any(part[:2] in file.recordings for part in parts):
                raise error
        recordings = []
        for part in parts:
            hints = _broken_hints(part, index.broken)
            if pictures and part not in pictures:
                hints["pictures"] = "none"
            recordings.append(
                Recording(
                    source=DATASET, video_id=part, root=base,
                    files=(phases[part],) if part in phases else (), media=pictures.get(part),
                    record=dump_blocks(index.blocks[part]) if part in index.blocks else None,
                    hints=hints,
                )
            )  # fmt: skip
        return recordings

    def convert(self, recording: Recording) -> VideoAnnotation:
        """Read one part.

        Raises:
            MissingSourceError: The phase file or the pictures are gone, or there are no labels.
            MalformedSourceError: The phase file, or a COCO file that should hold this part's
                boxes, cannot be read as its format says, or pictures are of another shape than
                the images the boxes were drawn on.
        """
        log = _open_log(recording)
        blocks = load_blocks(recording.record) if recording.record else {}
        rows = _read_phases(recording)
        log.counts["frame"] = rows.rows
        segments, holes = join_phases(rows.phases)
        images, picture_wh = _look_at_pictures(recording, log)
        resolution_wh = _resolution(blocks, picture_wh, recording, log)
        logs = [log]
        found = _read_boxes(blocks, resolution_wh, logs)
        note_phases(log, recording, rows, holes)
        note_boxes(log, recording.video_id, found, rows)
        if recording.media is not None:
            note_images(log, {*rows.phases, *found.all_frames}, set(images))
        video = Video(
            source=DATASET, video_id=recording.video_id,
            identity=f"egosurgery:{recording.video_id[:2]}", resolution_wh=resolution_wh,
            media=recording.media if images else None, time_base=TIME_BASE,
            native_split=native_split(recording.video_id, blocks, log),
            licence=self.spec.card.licence.id,
        )  # fmt: skip
        return seal(
            VideoAnnotation(
                video=video,
                labelled_ticks=_labelled_ticks(found, rows),
                segments=tuple(segments),
                boxes=tuple(sorted(found.boxes, key=lambda box: (box.tick, box.label))),
                candidates={"phase": PHASE.labels},
                records_in=_add_counts(logs),
                issues=(*rows.issues, *(i for entry in logs for i in entry.in_file_order())),
            )
        )  # fmt: skip


def _broken_hints(part: str, broken: dict[BoxFile, MalformedSourceError]) -> dict[str, str]:
    """What `convert` must say of the first broken file that should hold a part's boxes."""
    for file, error in broken.items():
        if part[:2] in file.recordings:
            return {"broken_file": file.path, "broken": error.problem}
    return {}


def _labelled_ticks(found: PartBoxes, rows: PhaseRows) -> tuple[int, ...]:
    """Frames looked at by the annotators of boxes, else of phases.

    A frame with a phase alone says nothing of what is in view, and must not pass for a frame on
    which no tool was found.
    """
    frames = found.all_frames or rows.phases.keys()
    return tuple(sorted(frame - TIME_BASE.first_index for frame in frames))


def _add_counts(logs: Sequence[IssueLog]) -> dict[str, int]:
    """Native records by kind over all files, in alphabetical order."""
    counts = sum((log.counts for log in logs), Counter[str]())
    return {kind: counts[kind] for kind in sorted(counts) if counts[kind]}


def _open_log(recording: Recording) -> IssueLog:
    """Start the log of a part; refuse a part whose labels are not there or cannot be trusted."""
    hints = recording.hints
    if "broken" in hints:
        raise MalformedSourceError(hints["broken"], dataset=DATASET, source=hints["broken_file"])
    if not recording.files and recording.record is None:
        raise MissingSourceError(
            f"{recording.video_id} has pictures but no labels.", dataset=DATASET,
            source=recording.media.path if recording.media else None,
            action="Fetch the label files, or leave the part out.",
        )  # fmt: skip
    for name in (*recording.files, *([recording.media.path] if recording.media else [])):
        if not (recording.root / name).exists():
            raise MissingSourceError("it is not there.", dataset=DATASET, source=name)
    if recording.files:
        return IssueLog(DATASET, recording.files[0])
    blocks = load_blocks(recording.record or "{}")
    return IssueLog(DATASET, next(block.file for found in blocks.values() for block in found))


def _read_phases(recording: Recording) -> PhaseRows:
    if not recording.files:
        return PhaseRows()
    source = recording.files[0]
    with (recording.root / source).open(encoding="utf-8-sig", newline="") as handle:
        return parse_phases(handle, recording.video_id, source=source)


def _look_at_pictures(recording: Recording, log: IssueLog) -> tuple[dict[int, str], Size | None]:
    """Picture names by native frame, and the size the first of them states."""
    media = recording.media
    if media is None or media.pattern is None:
        if recording.hints.get("pictures") == "none":
            flag(log, "no_pictures", "no picture of this part is there.", "Fetch its pictures.")
        return {}, None
    images = frame_files(recording.root / media.path, media.pattern)
    size = None
    if images:
        name = images[min(images)]
        with (recording.root / media.path / name).open("rb") as handle:
            size = read_jpeg_size(handle)
        if size is None:
            detail = f"{media.path}/{name} has no JPEG header."
            flag(log, "unreadable_image", detail, "Unpack the pictures again.", kind="image")
    return images, size


def _resolution(
    blocks: dict[str, list[CocoBlock]], picture_wh: Size | None, recording: Recording, log: IssueLog
) -> Size:
    """Size of the images the boxes were drawn on; without boxes that of the pictures."""
    stated = Counter(size for _, size in image_sizes(blocks))
    if not stated:
        return picture_wh or OFFICIAL_SIZE_WH
    size = stated.most_common(1)[0][0]
    if picture_wh is None or picture_wh == size:
        return size
    stretch = picture_wh[0] * size[1] / (picture_wh[1] * size[0])
    problem = (
        f"pictures are {picture_wh[0]}x{picture_wh[1]}, boxes were drawn on {size[0]}x{size[1]}."
    )
    if abs(stretch - 1) > SHAPE_TOLERANCE:
        raise MalformedSourceError(
            problem, dataset=DATASET, source=recording.media.path if recording.media else None,
            action="Fetch the original pictures: nothing says where the boxes lie on these.",
        )  # fmt: skip
    action = "Nothing to do: boxes keep their own scale, and pictures are stretched to it."
    flag(log, "pictures_resized", problem, action)
    return size


def _read_boxes(
    blocks: dict[str, list[CocoBlock]], resolution_wh: Size, logs: list[IssueLog]
) -> PartBoxes:
    """Place the boxes of all class lists; each file gets a log of its own."""
    found = PartBoxes()
    for kind, own in blocks.items():
        taken: frozenset[int] = frozenset()
        for block in own:
            logs.append(IssueLog(DATASET, block.file))
            rules = BoxRules(CLASSES[kind], resolution_wh, TIME_BASE.first_index, taken)
            placed = place_boxes(block, rules, logs[-1])
            found.boxes.extend(placed.boxes)
            taken |= placed.frames
        found.frames[kind] = taken
    return found


CONVERTER: Converter = EgoSurgery()
