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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from converters.base import Converter
from converters.open_surgery import ACTION, DATASET, FRAME_HZ, TICK_HZ, VOCABULARIES, VOICE
from converters.open_surgery_tree import YOUTUBE_ID, Entry, load_tree, repair_lists
from converters.open_surgery_video import (
    Reading,
    flag_late_ends,
    note_missing_labels,
    read_all_boxes,
    read_length,
    read_lists,
    read_segments,
)
from data_cards import load_card
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError
from schemas.hashing import content_key, stable_id
from schemas.source import SourceSpec, TaskName
from schemas.timeline import SegmentKind, TimeBase
from schemas.video import Recording, Video

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
        reading = Reading(recording.hints["table"], entry)
        duration = read_length(reading)
        segments, excluded = read_segments(reading)
        segments = flag_late_ends(reading, segments, duration)
        split = read_lists(reading, recording.hints)
        size, boxes = read_all_boxes(reading, recording, duration)
        note_missing_labels(reading, segments)
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


CONVERTER: Converter = Avos()
