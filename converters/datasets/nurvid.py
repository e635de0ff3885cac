"""NurViD: 1,538 YouTube videos of 51 nursing procedures with 177 timed actions.

Raw tree (Hu et al., NeurIPS 2023 Datasets and Benchmarks; arXiv 2310.13347):

```
annotations/NurViD_annotations.json          one object by YouTube id
annotations/Procedure&Action_ID.xlsx         class names; constants in `converters.nursing`
annotations/task1&3/{train,val,test}.csv     whole videos: the only split that keeps videos apart
annotations/task2/{procedure,action}_{train,val,test}.csv    segments; not read, they leak videos
dataset/Original_videos/<youtube id>.mp4     fetched by the user
```

A record is `{"operationID": 1..51, "annotations": [{"actionID": 1..177, "segment": [start_s,
end_s]}], "duration": seconds, "resolution": "WxH", "fps": frames a second, "subset": null, "url"}`.

Known faults, each an issue of its video: `duration` and `fps` are rounded down and some durations
are plainly wrong, so segments end past them; segments stand out of time order and overlap; one has
no length. Ids count from 1 in the annotation file and in task 1&3, from 0 everywhere else.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, TextIO

from converters.base import Converter
from converters.nursing import DATASET, VOCABULARIES, VOICE
from converters.nursing_record import (
    Record,
    list_candidates,
    parse_procedure,
    parse_resolution,
    parse_segments,
    parse_ticks,
    parse_time_base,
)
from data_cards import load_card
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.hashing import content_key, stable_id
from schemas.source import SourceSpec, TaskName
from schemas.timeline import SegmentKind
from schemas.video import MediaKind, MediaRef, Recording, Video

ANNOTATION_FILE: Final = "NurViD_annotations.json"
SPLIT_SCHEME: Final = "task1&3"
MEDIA_FOLDERS: Final = ("dataset/Original_videos", "Original_videos", "videos")
MEDIA_SUFFIXES: Final = (".mp4", ".mkv", ".webm")

_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_SPLIT_LINE = re.compile(r"(?:.*/)?([^/]+)\.mp4 ([0-9]{1,3})")


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys came more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs)
        self.repeated = {key for key, count in counts.items() if count > 1}


def parse_records(
    handle: TextIO, *, source: str = ANNOTATION_FILE
) -> Iterator[tuple[str, str, bool]]:
    """Read the annotation file.

    Yields:
        Key, record as JSON text in one canonical layout, and whether the key came more than once,
        in file order; of a repeated key the last record.

    Raises:
        MalformedSourceError: The file does not hold one JSON object.
    """
    try:
        document = json.load(handle, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise MalformedSourceError(
            f"the file cannot be read as JSON: {error}.", dataset=DATASET, source=source,
            line=getattr(error, "lineno", None),
        ) from error  # fmt: skip
    if not isinstance(document, _Object):
        raise MalformedSourceError(
            "the file must hold one object by YouTube id.", dataset=DATASET, source=source
        )
    for key, value in document.items():
        yield key, json.dumps(value, sort_keys=True), key in document.repeated


def parse_split(handle: TextIO) -> Iterator[tuple[str, int]]:
    """Read one list of task 1&3: a header, then `/video_path/<id>.mp4 <operationID>`, CRLF.

    Ids hold `-` and `_`, so a line is cut at its last space. The header and lines of another shape
    are passed over: a video that no list names is flagged by `convert`.

    Yields:
        YouTube id and `operationID`, from 1, in file order.
    """
    for line in handle:
        if match := _SPLIT_LINE.fullmatch(line.strip()):
            yield match[1], int(match[2])


def _read_split(record: Record, hints: dict[str, str]) -> dict[str, str]:
    """Check the lists' word on this video against its record; the split where they name one."""
    splits = hints.get("splits")
    if splits is None:
        return {}
    if not splits:
        record.flag("no_native_split", "no list of task 1&3 names it.", "subset", kind="video")
    elif "," in splits:
        detail = f"lists of task 1&3 place it in {splits}."
        record.flag("ambiguous_split", detail, "subset", kind="video")
    if hints.get("split_label", "") not in ("", str(record.fields["operationID"])):
        detail = f"task 1&3 says procedure {hints['split_label']}."
        record.flag("split_label_mismatch", detail, "operationID", kind="video")
    return {SPLIT_SCHEME: splits} if splits and "," not in splits else {}


def _load_record(recording: Recording) -> Record:
    hints = recording.hints
    record = Record(hints.get("native_id", recording.video_id), hints["file"], {})
    if not _YOUTUBE_ID.fullmatch(recording.video_id):
        raise record.malformed("the key is no YouTube id of 11 characters.", "key")
    fields = json.loads(recording.record or "null", parse_float=Decimal, parse_constant=Decimal)
    if not isinstance(fields, dict):
        raise record.malformed("the record must be an object.", "record")
    record.fields = fields
    if hints.get("repeated"):
        detail = "the file holds this video more than once; the last record is used."
        record.flag("repeated_video", detail, "record", kind="video")
    url = fields.get("url")
    if url != f"https://www.youtube.com/watch?v={recording.video_id}":
        record.flag("url_mismatch", f"url {url!s:.80} names another video.", "url", kind="video")
    return record


@cache
def _load_spec() -> SourceSpec:
    return SourceSpec(
        name=DATASET,
        dataset_name="NurViD",
        version=1,
        card=load_card(DATASET),
        tasks=(TaskName.TAL, TaskName.DENSE_CAPTIONING),
        extra_tasks=(TaskName.NEXT_ACTION, TaskName.VIDEO_SUMMARY),
        clip_kinds=(SegmentKind.ACTION,),
        label_kind=SegmentKind.ACTION,
        vocabularies=VOCABULARIES,
        voice=VOICE,
        max_rate_num=3,
        labelled_events=True,
        candidate_style="text",
    )


@dataclass(frozen=True)
class NurViD:
    """The NurViD converter."""

    @property
    def spec(self) -> SourceSpec:
        """Facts about NurViD."""
        return _load_spec()

    def discover(self, root: Path) -> list[Recording]:
        """List the videos of the annotation file, which lies in `root` or `root/annotations`.

        A recording carries all it needs and names no label file, so that one changed record
        leaves the other videos' content keys alone.
        """
        prefix = "" if (root / ANNOTATION_FILE).is_file() else "annotations/"
        source = f"{prefix}{ANNOTATION_FILE}"
        if not (root / source).is_file():
            raise MissingSourceError(
                "the annotation file is not there.", dataset=DATASET, source=source
            )
        splits = _load_splits(root / f"{prefix}{SPLIT_SCHEME}")
        media = _find_media(root)
        recordings = []
        with (root / source).open(encoding="utf-8-sig") as handle:
            for key, record, repeated in parse_records(handle, source=source):
                hints = {"file": source} | ({"repeated": "yes"} if repeated else {})
                if splits is not None:
                    hints |= splits.get(key, {"splits": ""})
                video_id = key
                if not _YOUTUBE_ID.fullmatch(key):
                    video_id, hints["native_id"] = f"invalid-{stable_id(ascii(key))}", ascii(key)
                recordings.append(
                    Recording(
                        source=DATASET, video_id=video_id, root=root, media=media.get(key),
                        record=record, hints=hints,
                    )
                )  # fmt: skip
        if not recordings:
            raise MissingSourceError(
                "the annotation file is empty.", dataset=DATASET, source=source
            )
        return sorted(recordings, key=lambda recording: recording.video_id)

    def convert(self, recording: Recording) -> VideoAnnotation:
        """Read one video's record."""
        record = _load_record(recording)
        duration = parse_ticks(record.fields.get("duration"))
        if not duration:
            detail = f"duration {record.fields.get('duration')!s:.40} is no length in seconds."
            record.flag("bad_duration", detail, "duration", kind="video")
        procedure = parse_procedure(record)
        native_split = _read_split(record, recording.hints)
        segments = parse_segments(record)
        video = Video(
            source=DATASET,
            video_id=recording.video_id,
            identity=f"youtube:{recording.video_id}",
            resolution_wh=parse_resolution(record),
            media=recording.media,
            time_base=parse_time_base(record),
            duration_ticks=duration or None,
            native_split=native_split,
            licence=self.spec.card.licence.id,
            links={"youtube": recording.video_id},
        )
        return VideoAnnotation(
            video=video,
            procedure=procedure,
            segments=segments,
            candidates={SegmentKind.ACTION.value: list_candidates(procedure, segments)},
            records_in={"video": 1, "segment": len(record.fields["annotations"])},
            issues=tuple(record.issues),
            revision=content_key(DATASET, recording.record, recording.hints),
        )


def _load_splits(folder: Path) -> dict[str, dict[str, str]] | None:
    """Read the lists of task 1&3 into hints by video id, None where there are none."""
    found: dict[str, dict[str, str]] = {}
    paths = [
        path for name in ("train", "val", "test") if (path := folder / f"{name}.csv").is_file()
    ]
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as handle:
            for video_id, label in parse_split(handle):
                hints = found.setdefault(video_id, {"splits": "", "split_label": str(label)})
                known = hints["splits"].split(",") if hints["splits"] else []
                hints["splits"] = ",".join([*known, *({path.stem} - set(known))])
    return found if paths else None


def _find_media(root: Path) -> dict[str, MediaRef]:
    """Video files by id; of several, the first folder and suffix of the lists above win."""
    ranked = [
        (rank, MEDIA_SUFFIXES.index(path.suffix), folder, path)
        for rank, folder in enumerate(MEDIA_FOLDERS)
        for path in (root / folder).glob("*")
        if path.suffix in MEDIA_SUFFIXES and _YOUTUBE_ID.fullmatch(path.stem)
    ]
    return {
        path.stem: MediaRef(kind=MediaKind.VIDEO, path=f"{folder}/{path.name}")
        for _, _, folder, path in sorted(ranked, reverse=True)
        if path.is_file()
    }


CONVERTER: Converter = NurViD()
