r"""CholecTrack20: tools boxed and tracked once a second in 20 laparoscopic cholecystectomies.

Raw tree; training and validation videos have frames, test videos an mp4 at 25 fps:
```
CholecTrack20/
  Training/VID02/   VID02.json   Frames/000001.png 000026.png …
  Validation/VID30/ VID30.json   Frames/…
  Testing/VID01/    VID01.json   VID01.mp4
```
A label file holds `info, annotations, categories, video`; annotations map a 25-fps, 1-based frame
number of the untrimmed recording to a list of tools, each with 23 keys: class ids, `tool_bbox`
(left, top, width, height as fractions), three track ids, and flags of what disturbs the view.

Known faults: `VID30.json` and `VID31.json` are wrong upstream; `area` is left times top; boxes
pass the image edge, one is all -1; `triplet` is -2 where verb and target hold but no class fits,
and disagrees with its components in 34 records; frames without a tool are not listed; some images
have no label; two mp4 files are 1920x1080 although labels speak of 854x480.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TextIO

from converters.base import Converter
from converters.cholec_splits import CHOLECTRACK20_SPLIT, parts_of
from converters.cholecystectomy import (
    OFFICIAL_SIZE_WH,
    OPERATOR,
    PHASE,
    TARGET,
    TOOL,
    TRIPLET,
    VERB,
    VOICE,
    identity,
    phase_segments,
    seal,
)
from converters.frame_images import common_size, frame_files, note_images, read_sizes
from converters.frame_labels import (
    check_classes,
    note_frame_count,
    note_keys,
    note_no_phase,
    open_log,
    read_frames,
)
from converters.image_size import Size, plausible_size, read_mp4_size
from converters.issue_log import FLAGGED, IssueLog
from converters.native_json import JsonObject, as_int, load_json, shown
from converters.native_tree import child_folder, find_base, numbered_files, numbered_folders
from converters.tracked_tools import FPS, ToolLabels, note_tracks, parse_frame, presences
from data_cards import load_card
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError
from schemas.source import SourceSpec, TaskName
from schemas.timeline import SegmentKind, TimeBase
from schemas.video import MediaKind, MediaRef, Recording, Video

NAME = "cholectrack20"
TIME_BASE = TimeBase(rate_num=FPS, frame_rate_num=FPS, first_index=1, label_step=FPS)
IMAGE_PATTERN = r"([0-9]{6})\.png"
WRONG_UPSTREAM = {
    "VID30": "the official VID30.json repeats the boxes and tracks of VID17",
    "VID31": "the official VID31.json describes the images of VID30",
}
"""Label files of other videos than they name (CAMMA-public/cholectrack20, issue 10)."""

_VOCABULARIES = {
    "phase": PHASE, "instrument": TOOL, "verb": VERB, "target": TARGET, "triplet": TRIPLET,
    "operator": OPERATOR,
}  # fmt: skip
_FOLDER = re.compile(r"vid0*([0-9]{1,3})", re.IGNORECASE)
_LABEL_FILE = re.compile(r"vid0*([0-9]{1,3})\.json", re.IGNORECASE)
_MOVIE_FILE = re.compile(r"vid0*([0-9]{1,3})\.mp4", re.IGNORECASE)


def parse_labels(handle: TextIO, log: IssueLog, number: int, image_size: Size | None) -> ToolLabels:
    """Read one label file; faults of single records go to the log.

    Args:
        handle: Open text handle of the label file.
        log: Takes faults and counts.
        number: Video number in the file's name.
        image_size: Width and height of the pictures, None to take those the file states.

    Raises:
        MalformedSourceError: The file as a whole cannot be trusted: no annotations, another
            video's name, or other class ids than the published ones.
        UnknownLabelError: The file names a class that is in no vocabulary.
    """
    document = load_json(handle, dataset=NAME, source=log.file)
    annotations = document.get("annotations")
    if not isinstance(annotations, JsonObject):
        raise log.malformed("the file has no annotations by frame.", "annotations")
    note_keys(log, document, ("info", "annotations", "categories", "video"))
    categories = document.get("categories")
    tables = categories if isinstance(categories, dict) else {}
    check_classes(log, TOOL, tables.get("tools"), "categories.tools")
    check_classes(log, OPERATOR, tables.get("operators"), "categories.operators")
    labels = _parse_video(document.get("video"), len(annotations), log, number, image_size)
    foreign: set[str] = set()
    for frame in read_frames(log, annotations):
        parse_frame(frame, labels, log, foreign)
    note_no_phase(log)
    note_tracks(log, labels)
    if foreign:
        log.add(
            "foreign_tool_keys", "tool", FLAGGED,
            f"some tools lack or add keys: {shown(sorted(foreign))}.",
            "Compare the file with the format in the source's data card.", where="annotations",
        )  # fmt: skip
    return labels


def _parse_video(
    block: object, frame_count: int, log: IssueLog, number: int, image_size: Size | None
) -> ToolLabels:
    """Check the `video` block and start the labels with the size it states."""
    if not isinstance(block, dict):
        return ToolLabels(image_size or OFFICIAL_SIZE_WH, None)
    name = block.get("name", block.get("seq"))
    match = _FOLDER.fullmatch(name) if isinstance(name, str) else None
    if name is not None and (match is None or int(match[1]) != number):
        raise log.malformed(
            f"the file is about video {shown(name)}, its name says {number}.", "video.name"
        )
    note_frame_count(log, block.get("num_frames"), frame_count, "video.num_frames")
    width, height = as_int(block.get("width")), as_int(block.get("height"))
    stated = plausible_size(width or 0, height or 0)
    used = image_size or stated or OFFICIAL_SIZE_WH
    if stated != used:
        log.add(
            "size_mismatch", "video", FLAGGED,
            f"the file states an image size of {shown(block.get('width'))} x"
            f" {shown(block.get('height'))}; {used[0]} x {used[1]} is used.",
            "Nothing to do: boxes are fractions of the image.", where="video.width",
        )  # fmt: skip
    split = block.get("split")
    return ToolLabels(used, split.lower() if isinstance(split, str) else None)


def _native_split(
    number: int, stated: str | None, folder: str | None, log: IssueLog
) -> dict[str, str]:
    """Part of the official split, as the label file, else the folder, else the table says."""
    table = parts_of(number, {NAME: CHOLECTRACK20_SPLIT}).get(NAME)
    claims = [claim for claim in (stated, folder, table) if claim is not None]
    if len(set(claims)) > 1:
        log.add(
            "split_mismatch", "video", FLAGGED,
            f"the file says {shown(stated)}, its folder {shown(folder)}, the published split"
            f" {shown(table)}.",
            "Move the video to its own folder, or correct `video.split`.", where="video.split",
        )  # fmt: skip
    known = [claim for claim in claims if claim in CHOLECTRACK20_SPLIT]
    return {NAME: known[0]} if known else {}


@dataclass(frozen=True, slots=True)
class _Copy:
    """One folder of a video, with what it holds."""

    part: str
    path: str
    files: tuple[str, ...]
    media: MediaRef | None


def _split_folders(base: Path) -> dict[str, Path]:
    found = {part: child_folder(base, part) for part in CHOLECTRACK20_SPLIT}
    return {part: folder for part, folder in found.items() if folder is not None}


def _is_base(folder: Path) -> bool:
    return any(numbered_folders(part, _FOLDER) for part in _split_folders(folder).values())


def _read_copy(base: Path, part: str, folder: Path, number: int) -> _Copy:
    found = numbered_files(folder, _LABEL_FILE).get(number, [])
    files = [path.relative_to(base).as_posix() for path in found]
    frames, movies = child_folder(folder, "Frames"), numbered_files(folder, _MOVIE_FILE).get(number)
    media = None
    if frames is not None:
        path = frames.relative_to(base).as_posix()
        media = MediaRef(kind=MediaKind.FRAMES, path=path, pattern=IMAGE_PATTERN)
    elif movies:
        media = MediaRef(kind=MediaKind.VIDEO, path=movies[0].relative_to(base).as_posix())
    return _Copy(part, folder.relative_to(base).as_posix(), tuple(files), media)


@cache
def _spec() -> SourceSpec:
    return SourceSpec(
        name=NAME, dataset_name="CholecTrack20", version=1, card=load_card(NAME),
        tasks=(TaskName.STG, TaskName.REGION_CAPTION),
        extra_tasks=(
            TaskName.TAL, TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING, TaskName.VIDEO_SUMMARY,
        ),
        clip_kinds=(SegmentKind.PHASE, SegmentKind.PRESENCE), label_kind=SegmentKind.PHASE,
        vocabularies=_VOCABULARIES, voice=VOICE, max_rate_num=1,
    )  # fmt: skip


@dataclass(frozen=True)
class CholecTrack20:
    """Converter of CholecTrack20."""

    @property
    def spec(self) -> SourceSpec:
        """Facts about the source."""
        return _spec()

    def discover(self, root: Path) -> list[Recording]:
        """List videos that have a folder in one of the three parts, sorted by id.

        Raises:
            MissingSourceError: Neither the root nor a single folder in it holds such folders.
        """
        base = find_base(root, _is_base, dataset=NAME, tree="Training, Validation or Testing/VIDnn")
        copies: dict[int, list[_Copy]] = {}
        for part, folder in _split_folders(base).items():
            for number, paths in numbered_folders(folder, _FOLDER).items():
                copies.setdefault(number, []).extend(
                    _read_copy(base, part, path, number) for path in paths
                )
        return sorted(
            (_recording(base, number, found) for number, found in copies.items() if found),
            key=lambda recording: recording.video_id,
        )

    def convert(self, recording: Recording) -> VideoAnnotation:
        """Read one video.

        Raises:
            MissingSourceError: The label file or the pictures are not there.
            MalformedSourceError: The label file cannot be read as its format says, or is known to
                describe another video.
            UnknownLabelError: The label file names a class that is in no vocabulary.
        """
        if recording.video_id in WRONG_UPSTREAM:
            raise MalformedSourceError(
                f"{WRONG_UPSTREAM[recording.video_id]}, so its labels fit no picture.",
                dataset=NAME, source=next(iter(recording.files), None),
                action="Leave the video out; it comes back with a converter version that knows a"
                " corrected file.",
            )  # fmt: skip
        log, path = open_log(recording)
        number = int(recording.video_id.removeprefix("VID"))
        images, image_size = _look_at_pictures(recording, log)
        with path.open(encoding="utf-8-sig") as handle:
            labels = parse_labels(handle, log, number, image_size)
        media = recording.media
        if media is not None and media.kind is MediaKind.FRAMES:
            note_images(log, labels.frames, set(images))
            media = media if images else None
        phases = phase_segments(sorted(labels.phases.items()), TIME_BASE)
        segments = [*phases, *presences(labels.stays)]
        video = Video(
            source=NAME, video_id=recording.video_id, identity=identity(number),
            resolution_wh=labels.resolution_wh, media=media, time_base=TIME_BASE,
            native_split=_native_split(number, labels.split, recording.hints.get("part"), log),
            licence=self.spec.card.licence.id,
        )  # fmt: skip
        return seal(
            VideoAnnotation(
                video=video, labelled_ticks=tuple(sorted(frame - 1 for frame in labels.frames)),
                segments=tuple(sorted(segments, key=lambda s: (s.start, s.end, s.kind, s.label))),
                boxes=tuple(sorted(labels.boxes, key=lambda b: (b.tick, b.label, b.track or ""))),
                triplets=tuple(sorted(labels.triplets, key=lambda found: found.tick)),
                candidates={"phase": PHASE.labels, "presence": TOOL.labels},
                records_in=log.records_in(), issues=log.in_file_order(),
            )
        )  # fmt: skip


def _recording(base: Path, number: int, copies: list[_Copy]) -> Recording:
    """Recording of one video; of several copies the one with labels, in its published part."""
    table = parts_of(number, {NAME: CHOLECTRACK20_SPLIT}).get(NAME)
    chosen, *others = sorted(
        copies, key=lambda copy: (not copy.files, copy.part != table, copy.path)
    )
    also = [*chosen.files[1:], *(copy.path for copy in others)]
    return Recording(
        source=NAME, video_id=f"VID{number:02d}", root=base, files=chosen.files[:1],
        media=chosen.media,
        hints={"part": chosen.part} | ({"also": ", ".join(also)} if also else {}),
    )  # fmt: skip


def _look_at_pictures(recording: Recording, log: IssueLog) -> tuple[dict[int, str], Size | None]:
    """Frame images by native number, and the size the pictures' own headers state."""
    if recording.media is None:
        return {}, None
    path = recording.root / recording.media.path
    if recording.media.kind is MediaKind.FRAMES:
        images = frame_files(path, IMAGE_PATTERN)
        return images, common_size(read_sizes(path, images, ()), log)
    with path.open("rb") as handle:
        size = read_mp4_size(handle)
    if size is None:
        log.add(
            "unreadable_video", "video", FLAGGED,
            f"{recording.media.path} has no movie header with a video track.",
            "Fetch the video again.",
        )  # fmt: skip
    return {}, size


CONVERTER: Converter = CholecTrack20()
