r"""Cholec80-CVS: the critical view of safety scored over time in 80 cholecystectomies.

Raw tree (Ríos et al., Scientific Data 2023); all but the workbook comes with Cholec80, in
`cholec80/` or beside the workbook:
```
cholec80-CVS.xlsx                          or data/surgeons_annotations.xlsx, as the authors' code
cholec80/phase_annotations/video01-phase.txt     one row per 25-fps frame, from 0
cholec80/videos/video01.mp4                      or 1-fps images frames/video01/video01_000001.png
```
A row of `Sheet1` is a video number, a start and an inclusive end in minute and second columns, the
three scores 0 to 2, their sum `Total`, and `critical_view`, 1 from a sum of 5 on. Seconds are those
of Cholec80's trimmed time line: frame 25 s, counted from 0.

Known faults: rows are not in time order, 3 run backwards, in 6 videos rows overlap with different
scores, 63 end after the first clip is set, which is where the authors' code cuts them.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from converters.base import Converter
from converters.cholec80_files import (
    FIRST_CLIP,
    VIDEO_BASE,
    VIDEOS,
    PhaseTimes,
    Pictures,
    find_phases,
    find_pictures,
    parse_phases,
    read_pictures,
)
from converters.cholec_splits import SplitTable, parts_of
from converters.cholecystectomy import OFFICIAL_SIZE_WH, VOICE, identity, seal
from converters.cvs_intervals import SheetLog, parse_whole, read_scoring
from converters.cvs_stretches import ASSESSMENT, lay_barriers, lay_segments
from converters.cvs_workbook import DATASET, NativeRow, dump_rows, load_rows, read_rows
from converters.issue_log import FLAGGED
from converters.native_json import shown
from converters.native_tree import find_base
from data_cards import load_card
from schemas.annotation import VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.source import SourceSpec, TaskName
from schemas.timeline import SegmentKind
from schemas.video import MediaRef, Recording, Video

WORKBOOKS = (
    "cholec80-CVS.xlsx", "surgeons_annotations.xlsx", "data/cholec80-CVS.xlsx",
    "data/surgeons_annotations.xlsx",
)  # fmt: skip
_TEST = frozenset({5, 6, 7, 9, 14, 22, 24, 26, 29, 33, 35, 39, 53, 55, 61})
_VAL = frozenset({1, 2, 10, 16, 17, 28, 32, 46, 47, 57, 59, 63, 65, 67, 70})
SPLIT: SplitTable = {"test": _TEST, "val": _VAL, "train": frozenset(VIDEOS) - _TEST - _VAL}
"""The authors' split (ManuelRios18/CHOLEC80-CVS-PUBLIC); not Cholec80's own."""

_STRAY = "row-"


@cache
def _spec() -> SourceSpec:
    return SourceSpec(
        name=DATASET, dataset_name="Cholec80_CVS", version=1, card=load_card(DATASET),
        tasks=(TaskName.CVS_ASSESSMENT,), clip_kinds=(SegmentKind.STEP,), label_kind=None,
        vocabularies={"step": ASSESSMENT}, voice=VOICE, max_rate_num=3,
    )  # fmt: skip


@dataclass(frozen=True)
class Cholec80Cvs:
    """The Cholec80-CVS converter."""

    @property
    def spec(self) -> SourceSpec:
        """Facts about Cholec80-CVS."""
        return _spec()

    def discover(self, root: Path) -> list[Recording]:
        """List the videos that have rows or pictures, and every row that names no video.

        A recording carries its own rows, so that one corrected row leaves the other videos'
        content keys alone.

        Raises:
            MissingSourceError: There is no workbook, or it has no row.
            MalformedSourceError: The workbook cannot be read.
        """
        base = find_base(
            root, lambda folder: _find_workbook(folder) is not None, dataset=DATASET,
            tree=f"workbook ({', '.join(WORKBOOKS)})",
        )  # fmt: skip
        workbook = _find_workbook(base) or WORKBOOKS[0]
        by_video: dict[int, list[NativeRow]] = {}
        recordings: list[Recording] = []
        with (base / workbook).open("rb") as handle:
            for row in read_rows(handle, source=workbook):
                number = parse_whole(row.cells["video"])
                if number is not None and number in VIDEOS:
                    by_video.setdefault(number, []).append(row)
                else:
                    video_id = f"{_STRAY}{row.line:07d}"
                    recordings.append(_recording(base, workbook, video_id, [row]))
        if not by_video and not recordings:
            raise MissingSourceError("the workbook has no row.", dataset=DATASET, source=workbook)
        pictures, phases = find_pictures(base), find_phases(base)
        for number in sorted(by_video.keys() | pictures.keys()):
            rows, refs = by_video.get(number, []), pictures.get(number, [])
            video_id = f"video{number:02d}"
            recordings.append(
                _recording(base, workbook, video_id, rows, refs, phases.get(number, []))
            )
        return sorted(recordings, key=lambda recording: recording.video_id)

    def convert(self, recording: Recording) -> VideoAnnotation:
        """Read one video's rows, with its phases where they are there.

        Raises:
            MissingSourceError: The video has no row, or a file of it is gone.
            MalformedSourceError: The row names no video, the phase file cannot be read, or the
                images are no 1-fps export.
            UnknownLabelError: The phase file names an unknown phase.
        """
        log = SheetLog(recording.hints["workbook"])
        rows = load_rows(recording.record or "[]")
        number = _require_rows(recording, rows, log.file)
        if "also" in recording.hints:
            log.add(
                "second_copy", FLAGGED,
                f"{recording.video_id} is there more than once; not read:"
                f" {recording.hints['also']}.", "Keep one copy of the files.", kind="video",
            )  # fmt: skip
        phases = _read_phases(recording, log)
        pictures = _read_pictures(recording, phases, log)
        scoring = read_scoring(rows, _scoring_end(phases), log)
        video = Video(
            source=DATASET, video_id=recording.video_id, identity=identity(number),
            resolution_wh=pictures.size or OFFICIAL_SIZE_WH, media=recording.media,
            time_base=pictures.time_base,
            duration_ticks=phases.frames if phases is not None else None,
            native_split=parts_of(number, {DATASET: SPLIT}), licence=self.spec.card.licence.id,
        )  # fmt: skip
        return seal(
            VideoAnnotation(
                video=video, segments=lay_segments(scoring, recording.video_id),
                candidates={SegmentKind.STEP.value: ASSESSMENT.labels},
                cvs=tuple(span.interval() for span in scoring.spans),
                excluded=lay_barriers(scoring), records_in={"row": len(rows)},
                issues=tuple(log.issues),
            )
        )  # fmt: skip


def _find_workbook(folder: Path) -> str | None:
    return next((name for name in WORKBOOKS if (folder / name).is_file()), None)


def _recording(
    base: Path,
    workbook: str,
    video_id: str,
    rows: list[NativeRow],
    pictures: list[MediaRef] | None = None,
    phases: list[str] | None = None,
) -> Recording:
    """A video with its first pictures and phase file; further ones are only named."""
    refs, paths = pictures or [], phases or []
    also = [*paths[1:], *(ref.path for ref in refs[1:])]
    return Recording(
        source=DATASET, video_id=video_id, root=base, files=tuple(paths[:1]),
        media=refs[0] if refs else None, record=dump_rows(rows),
        hints={"workbook": workbook} | ({"also": ", ".join(also)} if also else {}),
    )  # fmt: skip


def _require_rows(recording: Recording, rows: list[NativeRow], workbook: str) -> int:
    """Number of the video, once it is known to have one, and a row to read."""
    if recording.video_id.startswith(_STRAY):
        raise MalformedSourceError(
            f"the row names no video of Cholec80: {shown(rows[0].cells['video'])}.",
            dataset=DATASET, source=workbook, line=rows[0].line, field="video",
            action="Write a number from 1 to 80 into the column, or delete the row.",
        )  # fmt: skip
    if not rows:
        raise MissingSourceError(
            f"{recording.video_id} has pictures but no row in the workbook.", dataset=DATASET,
            source=workbook, action="Fetch the whole workbook, or leave the video out.",
        )  # fmt: skip
    return int(recording.video_id.removeprefix("video"))


def _read_phases(recording: Recording, log: SheetLog) -> PhaseTimes | None:
    if not recording.files:
        log.add(
            "no_phase_annotation", FLAGGED,
            f"there is no phase file of {recording.video_id}, so intervals are not cut at the first"
            " clip.", "Put Cholec80's phase_annotations beside the videos.", kind="video",
        )  # fmt: skip
        return None
    path = recording.root / recording.files[0]
    if not path.is_file():
        raise MissingSourceError("it is not there.", dataset=DATASET, source=recording.files[0])
    with path.open(encoding="utf-8-sig") as handle:
        phases = parse_phases(handle, dataset=DATASET, source=recording.files[0])
    if phases.first_clip is None:
        log.add(
            "no_clipping_phase", FLAGGED,
            f"no frame has the phase {FIRST_CLIP}; intervals are cut at the video's end.",
            "Check that the phase file is whole.", kind="video", file=recording.files[0],
        )  # fmt: skip
    return phases


def _scoring_end(phases: PhaseTimes | None) -> int | None:
    """First tick at which no score counts any more."""
    if phases is None:
        return None
    return phases.frames if phases.first_clip is None else phases.first_clip


def _read_pictures(recording: Recording, phases: PhaseTimes | None, log: SheetLog) -> Pictures:
    if recording.media is None:
        return Pictures(VIDEO_BASE, OFFICIAL_SIZE_WH)
    pictures = read_pictures(recording.root, recording.media, phases, dataset=DATASET)
    if pictures.size is None:
        log.add(
            "unreadable_media", FLAGGED, "no header states the size of the pictures.",
            "Fetch the pictures again.", kind="video", file=recording.media.path,
        )  # fmt: skip
    return pictures


CONVERTER: Converter = Cholec80Cvs()
