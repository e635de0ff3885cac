r"""CoPESD: motions of forceps and knife in endoscopic submucosal dissection, told in sentences.

Raw tree:
```
CoPESD/
  high_light_images/023521/0001.jpg     one folder a session, four-digit numbers from 1
  annotations/smllm/smllm_train.json    list of {"conversations": [human, gpt], "image": path}
  annotations/smllm/smllm_test.json
```
The first turn is an instruction (the goal), the second the motion with boxes inside the sentence:
`… the Forceps[0.14, 0.21, 0.47, 0.77] …`, fractions of a square of side 1306 on both axes, into
whose top the 1306x1009 picture is pasted. Labels of a session are the rows that name its folder.

Known faults: `image` is an absolute Windows path, of which only session and frame hold; boxes are
xyxy in some sessions and xywh in others; one session's boxes are all alike; a session is both in
train and in test; the frame rate of the images is stated nowhere.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from converters.base import Converter
from converters.issue_log import FLAGGED, IssueLog
from converters.motion_rows import (
    FIRST_FRAME,
    Row,
    frame_triplets,
    join_actions,
    place_boxes,
    read_rows,
)
from converters.native_json import MAX_CHARACTERS, shown
from converters.native_tree import child_folder, find_base, subfolders
from converters.session_pictures import drop_odd_boxes, look_at_pictures, most_common_size
from converters.submucosal_motion import ACTIONS
from converters.submucosal_words import PROCEDURE, VOCABULARIES, VOICE
from data_cards import load_card
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError, bounded
from schemas.hashing import content_key
from schemas.source import SourceSpec, TaskName
from schemas.timeline import SegmentKind, TimeBase
from schemas.video import MediaKind, MediaRef, Recording, Video

NAME = "copesd"
PICTURE_WH = (1306, 1009)
"""Size of the pictures: the boxes' common scale is 1306, the height is inferred from them."""

IMAGE_PATTERN = r"((?!0000)[0-9]{4})\.jpg"
TIME_BASE = TimeBase(rate_num=1, frame_rate_num=1, first_index=FIRST_FRAME)
"""One image a second, which is assumed: the authors state no rate."""

IMAGE_FOLDER = "high_light_images"
LABEL_FOLDERS = ("annotations/smllm", "annotations", ".")
UNPLACED = "unplaced"

_LABEL_FILE = re.compile(r"smllm_(train|test)(?:[_-][A-Za-z0-9_-]+)?\.json")
_SESSION = re.compile(r"([0-9]{6})(?:_part[0-9]+)?")
_IMAGE = re.compile(
    r"(?:.*[/\\])?([0-9]{6}(?:_part[0-9]+)?)[/\\]([0-9]{1,4})\.jpe?g", re.IGNORECASE
)


def parse_list(handle: TextIO, source: str) -> list[Any]:
    """Read a label file: one JSON list.

    Raises:
        MalformedSourceError: The text is not UTF-8, not whole JSON, too large, or no list.
    """
    line = None
    try:
        text = handle.read(MAX_CHARACTERS + 1)
        value = json.loads(text) if len(text) <= MAX_CHARACTERS else None
        problem = "the file holds no list of rows, or more than 256 Mi characters."
    except json.JSONDecodeError as error:
        value, line, problem = None, error.lineno, f"the file is not whole JSON: {error.msg}."
    except RecursionError:
        value, problem = None, "the file nests values too deeply."
    except ValueError:
        value, problem = None, "the file is not UTF-8 text, or holds a number without end."
    if isinstance(value, list):
        return value
    raise MalformedSourceError(problem, dataset=NAME, source=source, line=line)


def parse_image(value: object) -> tuple[str, int] | None:
    r"""Session folder and frame number of an image path, whatever stands before them.

    >>> parse_image("D:\\video\\123456\\0042.jpg")
    ('123456', 42)
    """
    match = _IMAGE.fullmatch(value) if isinstance(value, str) else None
    return (match[1].lower(), int(match[2])) if match and int(match[2]) else None


def identity(video_id: str) -> str:
    """Recording behind a session folder; parts of one session are one recording.

    >>> identity("123456_part1")
    'copesd:123456'
    """
    return f"{NAME}:{video_id[:6]}"


def _label_files(base: Path) -> list[Path]:
    """Label files of all folders they may lie in, by folder and name."""
    folders = [base / name for name in LABEL_FOLDERS if (base / name).is_dir()]
    paths = [path for folder in folders for path in sorted(folder.glob("*.json"))]
    return [path for path in paths if path.is_file() and _LABEL_FILE.fullmatch(path.name)]


def _session_folders(base: Path) -> dict[str, Path]:
    images = child_folder(base, IMAGE_FOLDER)
    folders = subfolders(images) if images is not None else []
    return {folder.name: folder for folder in folders if _SESSION.fullmatch(folder.name)}


def _is_base(folder: Path) -> bool:
    return bool(_label_files(folder) or _session_folders(folder))


def _split_of(file: str) -> str:
    match = _LABEL_FILE.fullmatch(Path(file).name)
    return match[1] if match else ""


def _group_rows(base: Path) -> dict[str, list[list[Any]]]:
    """Rows of all label files by session; rows without one by `unplaced-<split>`."""
    groups: dict[str, list[list[Any]]] = {}
    for path in _label_files(base):
        source = path.relative_to(base).as_posix()
        with path.open(encoding="utf-8-sig") as handle:
            rows = parse_list(handle, source)
        for index, row in enumerate(rows):
            fields = row if isinstance(row, dict) else {}
            place = parse_image(fields.get("image"))
            if place is None:
                name = f"{UNPLACED}-{_split_of(source)}"
                groups.setdefault(name, []).append([source, index, shown(fields.get("image"))])
            else:
                turns = fields.get("conversations")
                groups.setdefault(place[0], []).append([source, index, place[1], turns])
    return groups


@cache
def _spec() -> SourceSpec:
    return SourceSpec(
        name=NAME, dataset_name="CoPESD", version=1, card=load_card(NAME),
        tasks=(
            TaskName.TAL, TaskName.STG, TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING,
            TaskName.VIDEO_SUMMARY, TaskName.REGION_CAPTION,
        ),
        clip_kinds=(SegmentKind.ACTION,), label_kind=SegmentKind.ACTION,
        vocabularies=VOCABULARIES, voice=VOICE, max_rate_num=1, integer_times=True,
    )  # fmt: skip


@dataclass(frozen=True)
class CoPESD:
    """Converter of CoPESD."""

    @property
    def spec(self) -> SourceSpec:
        """Facts about the source."""
        return _spec()

    def discover(self, root: Path) -> list[Recording]:
        """List sessions that have rows, a frame folder, or both, sorted by id.

        A recording carries its rows and names no label file, so that one changed row leaves the
        other sessions' content keys alone. Rows that name no session come as one further recording
        a split, which `convert` refuses.

        Raises:
            MissingSourceError: Neither the root nor a single folder in it holds such sessions.
            MalformedSourceError: A label file cannot be read as its format says.
        """
        tree = f"annotations/smllm/smllm_train.json or {IMAGE_FOLDER}/nnnnnn"
        base = find_base(root, _is_base, dataset=NAME, tree=tree)
        groups, folders = _group_rows(base), _session_folders(base)
        found = []
        for video_id in sorted(groups.keys() | folders.keys()):
            folder = folders.get(video_id)
            media = folder and MediaRef(
                kind=MediaKind.FRAMES, path=folder.relative_to(base).as_posix(),
                pattern=IMAGE_PATTERN,
            )  # fmt: skip
            rows = groups.get(video_id)
            record = json.dumps(rows) if rows is not None else None
            found.append(
                Recording(source=NAME, video_id=video_id, root=base, media=media, record=record)
            )
        return found

    def convert(self, recording: Recording) -> VideoAnnotation:
        """Read one session.

        Raises:
            MissingSourceError: The session has pictures but no rows, or its pictures are gone.
            MalformedSourceError: The rows name no session.
        """
        rows = _load_rows(recording)
        log = IssueLog(NAME, rows[0].file)
        _note_rate(log)
        labels = read_rows(rows, log)
        split = _native_split(rows, log)
        log.file = rows[0].file
        images, sizes = look_at_pictures(recording, IMAGE_PATTERN, labels, log)
        size = most_common_size(sizes, log)
        drop_odd_boxes(labels, sizes, size, log)
        resolution_wh = size or PICTURE_WH
        boxes = place_boxes(labels, resolution_wh, log)
        video = Video(
            source=NAME, video_id=recording.video_id, identity=identity(recording.video_id),
            resolution_wh=resolution_wh, media=recording.media if images else None,
            time_base=TIME_BASE, duration_ticks=max([*(row.frame for row in rows), *images]),
            native_split=split, licence=self.spec.card.licence.id,
        )  # fmt: skip
        return VideoAnnotation(
            video=video, procedure=PROCEDURE,
            labelled_ticks=tuple(sorted(frame - FIRST_FRAME for frame in labels.frames)),
            segments=tuple(join_actions(labels.actions)), boxes=boxes,
            triplets=frame_triplets(labels), candidates={"action": ACTIONS},
            records_in=log.records_in(), issues=log.in_file_order(),
            revision=content_key(NAME, recording.record, images, resolution_wh),
        )  # fmt: skip


def _load_rows(recording: Recording) -> list[Row]:
    if recording.record is None:
        raise MissingSourceError(
            f"session {recording.video_id} has pictures but no row.", dataset=NAME,
            source=recording.media.path if recording.media else None,
            action="Fetch the label files, or leave the session out.",
        )  # fmt: skip
    values = json.loads(recording.record)
    if recording.video_id.startswith(UNPLACED):
        examples = [f"[{index}] {image}" for _, index, image in values]
        raise MalformedSourceError(
            f"{len(values)} rows name no session and frame: {bounded(examples)}.", dataset=NAME,
            source=values[0][0], field="image",
            action="Give `image` as <six-digit session>/<four-digit frame>.jpg behind any prefix.",
        )  # fmt: skip
    if recording.media is not None and not (recording.root / recording.media.path).is_dir():
        raise MissingSourceError("it is not there.", dataset=NAME, source=recording.media.path)
    return [Row(*value) for value in values]


def _note_rate(log: IssueLog) -> None:
    log.add(
        "frame_rate_assumed", "video", FLAGGED,
        "the source states no frame rate; images are taken to be one second apart.",
        "Nothing to do: times are counts of images.",
    )  # fmt: skip


def _native_split(rows: list[Row], log: IssueLog) -> dict[str, str]:
    """The authors' split where all rows of the session are in one part of it."""
    counts = Counter(_split_of(row.file) for row in rows)
    if len(counts) == 1:
        return {NAME: next(iter(counts))}
    log.file = rows[0].file
    parts = ", ".join(f"{count} in {split}" for split, count in sorted(counts.items()))
    log.add(
        "session_in_both_splits", "video", FLAGGED, f"rows of the session: {parts}.",
        "Nothing to do: the whole session goes to one split of a release.",
    )  # fmt: skip
    return {}


CONVERTER: Converter = CoPESD()
