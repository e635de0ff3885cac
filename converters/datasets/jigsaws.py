"""JIGSAWS: 103 rated trials of three robotic exercises, each filmed by both endoscope eyes.

Raw tree (Gao et al., M2CAI workshop 2014); task folders may be doubled, `Suturing/Suturing/…`:
```
Suturing/  Knot_Tying/  Needle_Passing/
  meta_file_Suturing.txt                  trial, level, GRS, six aspects of 1 to 5; doubled tabs
  transcriptions/Suturing_B001.txt        `start end Gx `, frames at 30 Hz from 1, inclusive
  video/Suturing_B001_capture1.avi        left eye; capture2 is the right one
  kinematics/AllGestures/Suturing_B001.txt     76 numbers a frame; only its length is looked at
```
A video is one capture of one trial, its identity the surgeon (B to I; there is no A).

Known faults: trials are missing, of some only kinematics are left, once a file of no bytes; meta
files come with CRLF and empty lines at their ends; 13 left captures have 320x240 pixels, all others
640x480, and captures of one trial differ by some frames; Knot_Tying_F005 has 470 more kinematic
rows than pictures; gestures occur that `readme.txt` does not list, follow themselves, leave a gap;
the transcription of Needle_Passing_H004 was left unfinished.

The whole trial is one more segment, of kind `step`, from the first labelled frame to the last: the
stretch that the release's own SkillDetection lists rate. Before and after it surgeons wait.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Final

from converters.avi_header import AviHeader, read_avi_header
from converters.base import Converter
from converters.gesture_tree import Trial, collect_trials, find_task_folders
from converters.gesture_trials import (
    FPS,
    GESTURE,
    SURGEONS,
    TASK,
    TrialLog,
    TrialName,
    list_gestures,
    parse_gestures,
    parse_rating,
    parse_trial_name,
)
from converters.native_tree import find_base
from data_cards import load_card
from schemas.annotation import Disposition, VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.hashing import content_key, stable_id
from schemas.source import QuestionVoice, SourceSpec, TaskName
from schemas.timeline import Segment, SegmentKind, TimeBase
from schemas.video import MediaKind, MediaRef, Recording, Video

NAME: Final = "jigsaws"
TIME_BASE: Final = TimeBase(rate_num=FPS, frame_rate_num=FPS, first_index=1)
CAPTURES: Final = (1, 2)
SIZE: Final = (640, 480)
SMALL_SIZE: Final = (320, 240)
SMALL_CAPTURES: Final = frozenset(
    f"{trial}_capture1"
    for trial in (
        "Knot_Tying_F004", "Knot_Tying_F005", *(f"Knot_Tying_G00{k}" for k in range(1, 6)),
        *(f"Suturing_G00{k}" for k in range(1, 6)), "Suturing_H001",
    )
)  # fmt: skip
"""Captures of half the usual width and height, for builds without videos."""

KINEMATIC_ROW_BYTES: Final = 1216
_FAR_APART: Final = 60
"""Kinematics are 1 to 17 rows shorter than their video; this many frames are no longer usual."""

_VOICE: Final = QuestionVoice(
    roles=(
        "You teach surgeons to operate with a robot and judge their exercises from video.",
        "You are an examiner of robot-assisted surgical technique.",
        "You study how trainees handle needle and suture with robotic instruments.",
        "You assess technical skill from recordings of robotic training tasks.",
        "You know the da Vinci system and the bench exercises surgeons practise on it.",
    ),
    contexts=(
        "The clip shows {procedure} on a bench model, seen through a surgical robot's endoscope.",
        "A surgeon practises {procedure} with two robotic instruments.",
        "The footage comes from a training exercise in {procedure} on a surgical robot.",
        "In this recording of a robot-assisted exercise, the operator is doing {procedure}.",
        "Shown is a bench-top trial of {procedure} with a teleoperated robot.",
    ),
    step_word="surgical gestures",
)


def _recordings(
    base: Path, name: str, task: str, trial: Trial, meta: str | None
) -> Iterator[Recording]:
    """Both captures of a trial; one recording where nothing but kinematics or no trial is there."""
    hints = {"trial": name, "task": task}
    if meta is not None:
        hints["meta"] = meta
    if trial.kinematics is not None:
        hints["kinematics_bytes"] = str(trial.kinematics)
    record = json.dumps({"rows": trial.rows})
    files = (trial.transcription,) if trial.transcription else ()
    parsed = parse_trial_name(name)
    if parsed is None or parsed.task != task:
        hints["trial"] = ascii(name)
        video_id = f"invalid-{stable_id(task, ascii(name))}"
        yield Recording(
            source=NAME, video_id=video_id, root=base, files=files, record=record, hints=hints
        )
        return
    if not (trial.rows or trial.transcription or trial.videos):
        yield Recording(source=NAME, video_id=name, root=base, record=record, hints=hints)
        return
    for capture in CAPTURES:
        path = trial.videos.get(capture)
        yield Recording(
            source=NAME, video_id=f"{name}_capture{capture}", root=base, files=files,
            media=MediaRef(kind=MediaKind.VIDEO, path=path) if path else None, record=record,
            hints=hints | {"capture": str(capture)},
        )  # fmt: skip


def _open_trial(recording: Recording) -> TrialName:
    """Check that a recording is a trial with pictures or labels and with a transcription."""
    hints = recording.hints
    name = parse_trial_name(hints["trial"])
    where = next(iter(recording.files), hints.get("meta"))
    if name is None or name.task != hints["task"]:
        raise MalformedSourceError(
            f"{hints['trial']:.80} is no trial of {hints['task']}, such as {hints['task']}_B001.",
            dataset=NAME, source=where, action="Rename the file, or correct the meta row.",
        )  # fmt: skip
    if "capture" not in hints:
        empty = ", and their file is empty" if hints["kinematics_bytes"] == "0" else ""
        raise MissingSourceError(
            f"of trial {hints['trial']} there are only kinematics{empty}: no rating, no"
            " transcription, no video.", dataset=NAME, source=where,
            action="Nothing to do: the release leaves the trial out.",
        )  # fmt: skip
    if not recording.files or not (recording.root / recording.files[0]).is_file():
        raise MissingSourceError(
            f"trial {hints['trial']} has no transcription.", dataset=NAME, source=where,
            action="Fetch the task's `transcriptions` again.",
        )  # fmt: skip
    return name


def _read_header(recording: Recording, last: int, log: TrialLog) -> AviHeader | None:
    """Read the video's header and flag what does not fit; `last` is the end of the labels."""
    media = recording.media
    if media is None:
        return None
    if not (recording.root / media.path).is_file():
        raise MissingSourceError("it is not there.", dataset=NAME, source=media.path)
    with (recording.root / media.path).open("rb") as handle:
        header = read_avi_header(handle)
    fix = "Fetch the video again."
    if header is None:
        detail = "the file has no AVI header with a video stream."
        log.add("unreadable_video", "video", Disposition.FLAGGED, detail, fix, file=media.path)
        return None
    if header.size != SIZE:
        detail = f"the capture has {header.size[0]}x{header.size[1]} pixels, not 640x480."
        log.add("capture_size", "video", Disposition.FLAGGED, detail,
                "Nothing to do: its own size is used.", file=media.path)  # fmt: skip
    if header.rate is None or abs(header.rate / FPS - 1) > Fraction(1, 1000):
        rate = "no rate" if header.rate is None else f"{float(header.rate):.3f} frames a second"
        detail = f"the header states {rate}; labels count frames at {FPS} Hz."
        log.add("frame_rate", "video", Disposition.FLAGGED, detail, fix, file=media.path)
    elif 0 < header.frames < last:
        detail = f"labels reach frame {last}, the header states {header.frames} frames."
        log.add("labels_past_video", "video", Disposition.FLAGGED, detail, fix, file=media.path)
    return header


def _note_kinematics(
    recording: Recording, header: AviHeader | None, last: int, log: TrialLog
) -> None:
    """Compare the kinematics' length with labels and video; what they hold is not used."""
    size = recording.hints.get("kinematics_bytes")
    if size is None:
        return
    rows, frames = int(size) // KINEMATIC_ROW_BYTES, header.frames if header else 0
    reason, detail = "", ""
    if size == "0":
        reason, detail = "empty_kinematics", "the kinematics file has no bytes."
    elif rows < last:
        reason, detail = "labels_past_kinematics", f"{rows} kinematic rows, labels to {last}."
    elif frames and abs(rows - frames) > _FAR_APART:
        reason, detail = "kinematics_length", f"{rows} kinematic rows, {frames} video frames."
    if reason:
        log.add(reason, "kinematics", Disposition.FLAGGED, detail,
                "Nothing to do: kinematics are not used.", file=recording.files[0])  # fmt: skip


@cache
def _spec() -> SourceSpec:
    return SourceSpec(
        name=NAME, dataset_name="JIGSAWS", version=1, card=load_card(NAME),
        tasks=(TaskName.SKILL_ASSESSMENT,),
        extra_tasks=(
            TaskName.TAL, TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING, TaskName.VIDEO_SUMMARY,
        ),
        clip_kinds=(SegmentKind.STEP, SegmentKind.GESTURE), label_kind=SegmentKind.GESTURE,
        vocabularies={"gesture": GESTURE, "step": TASK}, voice=_VOICE, max_rate_num=3,
    )  # fmt: skip


@dataclass(frozen=True)
class Jigsaws:
    """Converter of JIGSAWS."""

    @property
    def spec(self) -> SourceSpec:
        """Facts about the source."""
        return _spec()

    def discover(self, root: Path) -> list[Recording]:
        """List the captures of every trial that any file names, sorted by id.

        Raises:
            MissingSourceError: Neither the root nor a single folder in it holds a task's folder.
        """
        base = find_base(
            root, lambda folder: bool(find_task_folders(folder)), dataset=NAME,
            tree="Suturing, Knot_Tying or Needle_Passing",
        )  # fmt: skip
        found: list[Recording] = []
        for task, layers in find_task_folders(base).items():
            trials, meta = collect_trials(base, task, layers)
            for name, trial in trials.items():
                found.extend(_recordings(base, name, task, trial, meta))
        if not found:
            raise MissingSourceError("the task folders hold no trial.", dataset=NAME)
        return sorted(found, key=lambda recording: recording.video_id)

    def convert(self, recording: Recording) -> VideoAnnotation:
        """Read one capture of one trial.

        Raises:
            MissingSourceError: The transcription or the video is not there.
            MalformedSourceError: The trial's name is none, or its transcription holds no gesture.
        """
        name = _open_trial(recording)
        trial, log, file = recording.hints["trial"], TrialLog(), recording.files[0]
        rows = [(line, row) for line, row in json.loads(recording.record or "{}").get("rows", ())]
        skill = parse_rating(rows, log, recording.hints.get("meta", file))
        with (recording.root / file).open(encoding="utf-8-sig", errors="replace") as handle:
            gestures = parse_gestures(handle, trial, log, file)
        if not gestures:
            raise MalformedSourceError("no line holds a gesture.", dataset=NAME, source=file)
        if name.surgeon not in SURGEONS:
            log.add(
                "unknown_surgeon", "video", Disposition.FLAGGED,
                f"the release has surgeons B to I, not {name.surgeon}.",
                "Check where the trial comes from.", file=file,
            )  # fmt: skip
        start, end = gestures[0].start, max(gesture.end for gesture in gestures)
        header = _read_header(recording, end, log)
        _note_kinematics(recording, header, end, log)
        small = recording.video_id in SMALL_CAPTURES
        video = Video(
            source=NAME, video_id=recording.video_id, identity=f"jigsaws:{name.surgeon}",
            resolution_wh=header.size if header else SMALL_SIZE if small else SIZE,
            media=recording.media, time_base=TIME_BASE,
            duration_ticks=(header.frames or None) if header else None,
            native_split={"UserOut": name.surgeon, "SuperTrialOut": str(name.repetition)},
            licence=self.spec.card.licence.id,
        )  # fmt: skip
        whole = Segment(start=start, end=end, kind=SegmentKind.STEP, label=name.task)
        dropped = sum(issue.kind == "gesture" and issue.disposition is Disposition.DROPPED
                      for issue in log.issues)  # fmt: skip
        annotation = VideoAnnotation(
            video=video, procedure=TASK.phrase(name.task),
            segments=_in_order([whole, *gestures], video.duration_ticks),
            candidates={"gesture": list_gestures(name.task, gestures), "step": TASK.labels},
            skill=skill, issues=tuple(log.issues),
            records_in={"gesture": len(gestures) + dropped, "video": 1}
            | ({"rating": len(rows)} if rows else {}),
        )  # fmt: skip
        return annotation.model_copy(update={"revision": content_key(annotation.model_dump_json())})


def _in_order(segments: list[Segment], length: int | None) -> tuple[Segment, ...]:
    """Sort segments as the schema asks, and flag those that end past the video."""
    marked = (
        segment.model_copy(update={"flags": tuple(sorted({*segment.flags, "past_video"}))})
        if length is not None and segment.end > length
        else segment
        for segment in segments
    )
    return tuple(sorted(marked, key=lambda s: (s.start, s.end, s.native_index or 0)))


CONVERTER: Converter = Jigsaws()
