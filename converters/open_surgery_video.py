"""Read what AVOS's shared files say of one video, each file with a log of its own."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from converters.hand_tool_boxes import BOX_TABLES, choose_canvas, read_boxes
from converters.image_size import Size
from converters.issue_log import DROPPED, FLAGGED, REPAIRED, IssueLog
from converters.open_surgery import DATASET, TICK_HZ
from converters.open_surgery_pictures import image_sizes, media_size
from converters.open_surgery_tree import SEGMENT_TABLE, VIDEO_TABLE, WINDOW_TABLE, Entry
from converters.vote_segments import (
    compare_with_windows,
    join_windows,
    list_unknown_time,
    note_unknown_time,
    unite_stretches,
)
from converters.vote_tables import parse_tick, read_stretches
from schemas.annotation import Issue
from schemas.geometry import Box
from schemas.timeline import Interval, Segment
from schemas.video import Recording

SPLIT_SCHEME: Final = "avos"


class Reading:
    """One video's rows while they are read, with a log for each file they come from.

    Args:
        table: The table of votes that issues of the whole video name.
        entry: What the shared files say of the video.
    """

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


def read_length(reading: Reading) -> int | None:
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


def read_segments(reading: Reading) -> tuple[list[Segment], tuple[Interval, ...]]:
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


def flag_late_ends(
    reading: Reading, segments: Sequence[Segment], duration: int | None
) -> list[Segment]:
    """The segments, those that end past the video's stated length flagged."""
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


def read_lists(reading: Reading, hints: Mapping[str, str]) -> dict[str, str]:
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


def read_all_boxes(
    reading: Reading, recording: Recording, duration: int | None
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


def note_missing_labels(reading: Reading, segments: Sequence[Segment]) -> None:
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
