"""AVOS: cutting, tying and suturing in 330 public videos of open operations.

Raw tree (Goodman et al., JAMA Surgery 2024; arXiv 2112.07219), labels of version 0.5.0:

```
v0.5.0-anns-smoothed.csv             segments: votes of up to three labelers, label, seconds
v0.5.0-anns-5sec.csv                 windows of five seconds: votes, seconds, frames
videos.csv                           length and quality of each video
splits/{train,test}.csv              video ids
data/new_annotations/{train,val,test}/<part>_data_....csv    boxes of hands and tools
frames_15fps/<youtube id>/<n>.jpg    frame n at n / 15 seconds, or
videos/<youtube id>.mp4              as fetched by the user, at its own rate
```

Segments come from the smoothed table, whose rows MedVidBench's clips start and end on; windows are
the evidence beside it, and stand in for videos that it lacks. Rows say background too, which is no
event. Nothing is claimed about time on which labelers abstain: no clip touches it.

Known faults, each an issue of its video: starts before zero, and rows beside them that overlap;
windows given twice; videos without a length or without labels; a test id cut short at its dash.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from converters.base import Converter
from converters.hand_tool_boxes import BOX_TABLES, choose_canvas, read_boxes
from converters.image_size import Size
from converters.issue_log import DROPPED, FLAGGED, REPAIRED, IssueLog
from converters.open_surgery import (
    ACTION,
    DATASET,
    FRAME_HZ,
    TICK_HZ,
    VOCABULARIES,
    VOICE,
)
from converters.open_surgery_pictures import image_sizes, media_size
from converters.open_surgery_tree import (
    SEGMENT_TABLE,
    VIDEO_TABLE,
    WINDOW_TABLE,
    YOUTUBE_ID,
    Entry,
    load_tree,
    repair_lists,
)
from converters.vote_segments import (
    compare_with_windows,
    join_windows,
    list_unknown_time,
    note_unknown_time,
    unite_stretches,
)
from converters.vote_tables import parse_tick, read_stretches
from data_cards import load_card
from schemas.annotation import Issue, VideoAnnotation
from schemas.errors import MalformedSourceError
from schemas.geometry import Box
from schemas.hashing import content_key, stable_id
from schemas.source import SourceSpec, TaskName
from schemas.timeline import Interval, Segment, SegmentKind, TimeBase
from schemas.video import Recording, Video

SPLIT_SCHEME: Final = "avos"
STAND_IN_WH: Final = (1280, 720)
"""Size given to videos of which there is neither a picture nor a box."""

TIME_BASE: Final = TimeBase(rate_num=TICK_HZ, frame_rate_num=FRAME_HZ)
"""90 kHz: seconds, frames at 15 a second and the frames of any common video are whole ticks."""


@cache
def _load_spec() -> SourceSpec:
    return SourceSpec(
        name=DATASET, dataset_name="AVOS", version=1, card=load_card(DATASET),
        tasks=(TaskName.TAL, TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING),
        extra_tasks=(TaskName.VIDEO_SUMMARY,),
        clip_kinds=(SegmentKind.ACTION,), label_kind=SegmentKind.ACTION,
        vocabularies=VOCABULARIES, voice=VOICE, max_rate_num=3, labelled_events=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Avos:
    """The AVOS converter."""

    @property
    def spec(self) -> SourceSpec:
        """Facts about AVOS."""
        return _load_spec()

    def discover(self, root: Path) -> list[Recording]:
        """List every video that a table, a split list or a picture names, sorted by id.

        A recording carries its own rows of the shared tables, so that one changed row leaves the
        other videos' content keys alone.

        Raises:
            MissingSourceError: There is no table of votes.
            MalformedSourceError: A shared table cannot be read.
        """
        tree = load_tree(root)
        cut_ids = repair_lists(tree)
        recordings = []
        for native_id in tree.native_ids():
            entry = tree.entries.get(native_id, Entry())
            hints = {"table": tree.table}
            if tree.splits is not None:
                hints["lists"] = ",".join(tree.splits.get(native_id, ()))
            if native_id in cut_ids:
                hints["cut_id"] = cut_ids[native_id]
            video_id = native_id
            if not YOUTUBE_ID.fullmatch(native_id):
                video_id = f"invalid-{stable_id(ascii(native_id))}"
                hints["native_id"] = ascii(native_id)
            recordings.append(
                Recording(
                    source=DATASET, video_id=video_id, root=tree.base,
                    files=tuple(tree.box_images.get(native_id, ()) if entry.boxes else ()),
                    media=tree.media.get(native_id) if entry.is_labelled else None,
                    record=json.dumps(entry.as_fields()), hints=hints,
                )
            )  # fmt: skip
        return sorted(recordings, key=lambda recording: recording.video_id)

    def convert(self, recording: Recording) -> VideoAnnotation:
        """Read one video's rows.

        Raises:
            MalformedSourceError: The rows name no YouTube id.
        """
        if "native_id" in recording.hints:
            raise MalformedSourceError(
                f"{recording.hints['native_id']:.80} is no YouTube id of 11 characters.",
                dataset=DATASET, source=recording.hints["table"], field="video_id",
            )  # fmt: skip
        entry = Entry(**json.loads(recording.record or "{}"))
        reading = _Reading(recording.hints["table"], entry)
        duration = _read_length(reading)
        segments, excluded = _read_segments(reading)
        segments = _flag_late_ends(reading, segments, duration)
        split = _read_lists(reading, recording.hints)
        size, boxes = _read_boxes(reading, recording, duration)
        _note_missing_labels(reading, segments)
        video = Video(
            source=DATASET, video_id=recording.video_id,
            identity=f"youtube:{recording.video_id}", resolution_wh=size or STAND_IN_WH,
            media=recording.media, time_base=TIME_BASE, duration_ticks=duration,
            native_split=split, licence=self.spec.card.licence.id,
            links={"youtube": recording.video_id},
        )  # fmt: skip
        return VideoAnnotation(
            video=video, segments=tuple(segments), boxes=tuple(boxes),
            candidates={SegmentKind.ACTION.value: ACTION.labels}, excluded=excluded,
            records_in=reading.records_in(), issues=reading.issues(),
            revision=content_key(DATASET, recording.record, recording.hints, size, boxes),
        )  # fmt: skip


class _Reading:
    """One video's rows while they are read, with a log for each file they come from."""

    def __init__(self, table: str, entry: Entry) -> None:
        self.entry = entry
        self.table = table
        self._logs: dict[str, IssueLog] = {}
        self.log(table).counts["video"] = 1

    def log(self, file: str) -> IssueLog:
        """The log of a file, made at its first use."""
        return self._logs.setdefault(file, IssueLog(DATASET, file))

    def records_in(self) -> dict[str, int]:
        """Native records by kind over all files."""
        counts: Counter[str] = Counter()
        for log in self._logs.values():
            counts.update(log.records_in())
        return dict(sorted(counts.items()))

    def issues(self) -> tuple[Issue, ...]:
        """Faults by file, in the order the files were first used."""
        return tuple(issue for log in self._logs.values() for issue in log.in_file_order())


def _read_length(reading: _Reading) -> int | None:
    """Length in ticks; 0 seconds, and two lengths that differ, stand for an unknown one."""
    lengths = reading.entry.lengths
    ticks = {parse_tick(text) for text in lengths}
    length = ticks.pop() if len(ticks) == 1 else None
    if length is not None and length > 0:
        return length
    reading.log(VIDEO_TABLE if lengths else reading.table).add(
        "no_duration", "video", FLAGGED,
        f"{' and '.join(lengths)[:40]} is no length in seconds." if lengths
        else "no table of videos gives the length.",
        "Nothing to do: ends of segments are not checked against it.", where="duration_seconds",
    )  # fmt: skip
    return None


def _read_segments(reading: _Reading) -> tuple[list[Segment], tuple[Interval, ...]]:
    """Segments of the smoothed table, else of the windows; and time nothing is known about."""
    rows, windows = reading.log(SEGMENT_TABLE), reading.log(WINDOW_TABLE)
    stretches = read_stretches(rows, reading.entry.segments, windows=False)
    votes = read_stretches(windows, reading.entry.windows, windows=True)
    if votes and not reading.entry.segments:
        stretches = join_windows(votes)
        # Joined windows are no fault worth a word each.
        united = unite_stretches(IssueLog(DATASET, WINDOW_TABLE), stretches)
        segments = [_flagged(segment, "rebuilt_from_windows") for segment in united]
        windows.add(
            "rebuilt_from_windows", "video", FLAGGED,
            "the smoothed table lacks this video; its segments are rebuilt from windows.",
            f"Put {SEGMENT_TABLE} in place, or leave it: most segments come out the same.",
        )  # fmt: skip
    else:
        segments = compare_with_windows(rows, unite_stretches(rows, stretches), votes)
    excluded = list_unknown_time(stretches)
    note_unknown_time(reading.log(reading.table), excluded)
    return segments, excluded


def _flag_late_ends(
    reading: _Reading, segments: Sequence[Segment], duration: int | None
) -> list[Segment]:
    checked = list(segments)
    for place, segment in enumerate(segments):
        if duration is not None and segment.end > duration:
            checked[place] = _flagged(segment, "end_past_duration")
            reading.log(reading.table).add(
                "end_past_duration", "segment", FLAGGED,
                f"{segment.label} ends {(segment.end - duration) / TICK_HZ:g} s past the video.",
                f"Check duration_seconds in {VIDEO_TABLE}.", where=f"row[{segment.native_index}]",
            )  # fmt: skip
    return checked


def _flagged(segment: Segment, flag: str) -> Segment:
    return segment.model_copy(update={"flags": tuple(sorted({*segment.flags, flag}))})


def _read_lists(reading: _Reading, hints: Mapping[str, str]) -> dict[str, str]:
    """Split by the one list that names the video; nothing where none or several do."""
    if "lists" not in hints:
        return {}
    lists = [name for name in hints["lists"].split(",") if name]
    if "cut_id" in hints:
        reading.log(lists[-1]).add(
            "truncated_id", "video", REPAIRED,
            f"the list names {hints['cut_id']!a:.40}, this video's id cut short at a dash.",
            "Nothing to do.", where="video_id",
        )  # fmt: skip
    splits = [PurePosixPath(name).stem for name in lists]
    if len(splits) == 1:
        return {SPLIT_SCHEME: splits[0]}
    reading.log(lists[0] if lists else reading.table).add(
        "ambiguous_split" if lists else "no_native_split", "video", FLAGGED,
        f"the video is named by {len(lists)} split lists.",
        "Nothing to do: the native split decides nothing here.",
    )  # fmt: skip
    return {}


def _read_boxes(
    reading: _Reading, recording: Recording, duration: int | None
) -> tuple[Size | None, list[Box]]:
    """Size of the video's pictures, and its boxes in pixels of that size."""
    tables: defaultdict[str, list[list[str]]] = defaultdict(list)
    owner: dict[str, str] = {}
    for table, frame, *cells in sorted(
        reading.entry.boxes, key=lambda row: BOX_TABLES.index(row[0])
    ):
        if owner.setdefault(frame, table) == table:
            tables[table].append([frame, *cells])
        else:
            log = reading.log(table)
            log.counts["box"] += any(cells)
            if any(cells):
                log.add(
                    "superseded_box", "box", DROPPED, f"{owner[frame]} has this image anew.",
                    "Nothing to do: its boxes are used.", where=f"frame[{frame}]",
                )  # fmt: skip
    every = [row for rows in tables.values() for row in rows]
    canvas = choose_canvas(media_size(recording), image_sizes(recording), every)
    boxes = [
        box
        for table, rows in tables.items()
        for box in read_boxes(reading.log(table), rows, canvas, duration)
    ]
    return canvas.size, sorted(boxes, key=lambda box: (box.tick, box.label))


def _note_missing_labels(reading: _Reading, segments: Sequence[Segment]) -> None:
    """Say so of a video that a file names but that has no label, or none of an action."""
    entry = reading.entry
    if not entry.is_labelled:
        reading.log(reading.table).add(
            "no_labels", "video", DROPPED, "no table has a label of this video.",
            "Nothing to do: the dataset's labels cover a part of its videos.",
        )  # fmt: skip
    elif not segments:
        reading.log(reading.table).add(
            "no_segments", "video", FLAGGED, "no usable row names an action of this video.",
            "Correct the rows of this video, or leave it: it yields no clip.",
        )  # fmt: skip


CONVERTER: Converter = Avos()
