"""JIGSAWS's published lists, and readers of its rating rows and gesture transcriptions."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple, TextIO

from converters.native_json import shown
from schemas.annotation import Disposition, Issue, SkillScores
from schemas.timeline import Segment, SegmentKind
from schemas.vocabulary import Vocabulary

FPS: Final = 30
TASKS: Final = ("Suturing", "Knot_Tying", "Needle_Passing")
SURGEONS: Final = "BCDEFGHI"
LEVELS: Final = ("N", "I", "E")
ASPECTS: Final = (
    "Respect for tissue", "Suture/needle handling", "Time and motion", "Flow of operation",
    "Overall performance", "Quality of final product",
)  # fmt: skip
"""Columns 4 to 9 of a meta file, in the benchmark's spelling, each 1 to 5."""

TASK: Final = Vocabulary(
    name="step",
    labels=TASKS,
    aliases={"NeedlePassing": "Needle_Passing", "KnotTying": "Knot_Tying"},
    phrases={task: task.replace("_", " ").lower() for task in TASKS},
)

_PHRASES: Final = (
    "reaching for needle with right hand",
    "positioning needle",
    "pushing needle through tissue",
    "transferring needle from left to right",
    "moving to center with needle in grip",
    "pulling suture with left hand",
    "pulling suture with right hand",
    "orienting needle",
    "using right hand to help tighten suture",
    "loosening more suture",
    "dropping suture at end and moving to end points",
    "reaching for needle with left hand",
    "making C loop around right hand",
    "reaching for suture with right hand",
    "pulling suture with both hands",
)
_CODES: Final = tuple(f"G{number}" for number in range(1, len(_PHRASES) + 1))

GESTURE: Final = Vocabulary(
    name="gesture", labels=_PHRASES, aliases=dict(zip(_CODES, _PHRASES, strict=True))
)
"""The published meanings, since a question cannot be answered by whoever lacks the code book.

Codes are aliases; the label of G7 is published and never used.
"""


def _codes(*numbers: int) -> frozenset[str]:
    return frozenset(f"G{number}" for number in numbers)


README_GESTURES: Final[Mapping[str, frozenset[str]]] = {
    "Suturing": _codes(1, 2, 3, 4, 5, 6, 8, 9, 10, 11),
    "Knot_Tying": _codes(1, 11, 12, 13, 14, 15),
    "Needle_Passing": _codes(1, 2, 3, 4, 5, 6, 8, 11),
}
"""What `readme.txt` says each task uses."""

_UNLISTED: Final = {"Needle_Passing": _codes(9, 10)}
_UNFINISHED: Final = frozenset({"Needle_Passing_H004"})
_LAST_GESTURE: Final = "G11"
_ENDLESS: Final = 40 * FPS
"""No sound gesture is longer than 1,107 frames; H004's unfinished one has 2,660."""

_TRIAL = re.compile(rf"({'|'.join(TASKS)})_([A-Z])([0-9]{{3}})")
_FRAME = re.compile(r"[0-9]{1,7}")


class TrialName(NamedTuple):
    """A trial id taken apart."""

    task: str
    surgeon: str
    repetition: int


def parse_trial_name(text: str) -> TrialName | None:
    """Take a trial id apart from the right, since task names hold underscores themselves.

    >>> parse_trial_name("Knot_Tying_B001")
    TrialName(task='Knot_Tying', surgeon='B', repetition=1)
    >>> parse_trial_name("Knot_B001") is None
    True
    """
    match = _TRIAL.fullmatch(text)
    return TrialName(match[1], match[2], int(match[3])) if match else None


@dataclass(slots=True)
class TrialLog:
    """Faults of one trial.

    Attributes:
        issues: Faults met so far.
    """

    issues: list[Issue] = field(default_factory=list)

    def add(
        self,
        reason: str,
        kind: str,
        disposition: Disposition,
        detail: str,
        action: str,
        *,
        file: str,
        line: int | None = None,
    ) -> None:
        """Note one fault; arguments as the fields of `Issue`."""
        self.issues.append(
            Issue(
                reason=reason, kind=kind, disposition=disposition, detail=detail, action=action,
                file=file, line=line,
            )
        )  # fmt: skip


def parse_meta(handle: TextIO) -> Iterator[tuple[int, str]]:
    """Read a meta file: one row a trial, doubled tabs, CRLF or LF, empty lines at the end.

    Yields:
        Line from 1 and the row's fields joined by single spaces, empty lines left out.
    """
    for number, line in enumerate(handle, start=1):
        if fields := line.split():
            yield number, " ".join(fields)


def parse_rating(rows: Sequence[tuple[int, str]], log: TrialLog, file: str) -> SkillScores | None:
    """Read the rating of one trial: `trial level GRS` and six aspects, GRS being their sum.

    Args:
        rows: All rows of the meta file that name the trial, as `parse_meta` gives them.
        log: Takes the fault of a rating that cannot be used.
        file: Meta file relative to the root.

    Returns:
        The rating, or None where there is none to trust.
    """
    fix = "Correct the row from the release; the trial's gestures are used without a rating."
    if not rows:
        log.add(
            "no_rating", "rating", Disposition.FLAGGED, "no row of the meta file names the trial.",
            "Fetch the meta file again.", file=file,
        )  # fmt: skip
        return None
    texts = {row for _, row in rows}
    for line, _ in rows if len(texts) > 1 else rows[1:]:
        reason = "conflicting_ratings" if len(texts) > 1 else "repeated_rating"
        detail = f"{len(rows)} rows rate the trial; they {'differ' if len(texts) > 1 else 'agree'}."
        log.add(reason, "rating", Disposition.DROPPED, detail, fix, file=file, line=line)
    if len(texts) > 1:
        return None
    line, text = rows[0]
    reason, detail = _rating_fault(text.split())
    if reason:
        log.add(reason, "rating", Disposition.DROPPED, detail, fix, file=file, line=line)
        return None
    _, level, _, *scores = text.split()
    return SkillScores(level=level, scores=dict(zip(ASPECTS, map(int, scores), strict=True)))


def _rating_fault(fields: Sequence[str]) -> tuple[str, str]:
    if len(fields) != 9:
        return "malformed_rating", f"the row has {len(fields)} fields, not 9."
    _, level, total, *scores = fields
    if level not in LEVELS:
        return "unknown_level", f"skill level {shown(level)} is not N, I or E."
    if not all(score in {"1", "2", "3", "4", "5"} for score in scores):
        return "score_out_of_range", f"scores {' '.join(map(shown, scores))} are not each 1 to 5."
    if total != str(sum(map(int, scores))):
        return "rating_sum", f"GRS {shown(total)} is not the sum of {' + '.join(scores)}."
    return "", ""


def parse_gestures(handle: TextIO, trial: str, log: TrialLog, file: str) -> tuple[Segment, ...]:
    """Read a transcription: `start end Gx ` a line, frames from 1, both ends inclusive.

    Args:
        handle: Open text handle.
        trial: Trial id.
        log: Takes the faults; lines that cannot be used are dropped, never guessed.
        file: Transcription relative to the root.

    Returns:
        Gestures `[start - 1, end)` in ticks of 1/30 s, sorted by start, `native_index` being
        the place among the file's lines that are not empty.
    """
    found: dict[tuple[int, int, str], Segment] = {}
    lines: list[tuple[Segment, int]] = []
    rows = ((number, line.split()) for number, line in enumerate(handle, start=1))
    for index, (number, fields) in enumerate(row for row in rows if row[1]):
        reason, detail = _gesture_fault(fields)
        if not reason:
            key = (int(fields[0]) - 1, int(fields[1]), fields[2])
            if key not in found:
                found[key] = Segment(
                    start=key[0], end=key[1], kind=SegmentKind.GESTURE, label=key[2],
                    native_index=index,
                )  # fmt: skip
                lines.append((found[key], number))
                continue
            reason, detail = "duplicate_gesture", "the same line stands there before."
        log.add(reason, "gesture", Disposition.DROPPED, detail, "Correct the line.", file=file,
                line=number)  # fmt: skip
    return _note_gestures(lines, trial, log, file)


def _gesture_fault(fields: Sequence[str]) -> tuple[str, str]:
    if len(fields) != 3 or not all(_FRAME.fullmatch(bound) for bound in fields[:2]):
        return "malformed_line", f"{shown(' '.join(fields))} is not `start end gesture`."
    start, end = int(fields[0]), int(fields[1])
    if start < 1:
        return "frame_zero", f"frames count from 1, the line starts at {start}."
    if end < start:
        return "reversed_gesture", f"the gesture ends at {end}, before its start at {start}."
    if fields[2] not in GESTURE.aliases:
        return "unknown_gesture", f"{shown(fields[2])} is none of G1 to G15."
    return "", ""


def _note_gestures(
    lines: Sequence[tuple[Segment, int]], trial: str, log: TrialLog, file: str
) -> tuple[Segment, ...]:
    """Flag what is odd about gestures that are kept, and sort them."""
    task = trial.rpartition("_")[0]
    for segment, number in lines:
        if segment.label not in README_GESTURES[task]:
            log.add(
                "unlisted_gesture", "gesture", Disposition.FLAGGED,
                f"{segment.label} is not among the gestures readme.txt lists for {task}.",
                "Nothing to do: the label is used.", file=file, line=number,
            )  # fmt: skip
    ordered = sorted(lines, key=lambda pair: (pair[0].start, pair[0].end, pair[1]))
    if [pair[1] for pair in ordered] != [pair[1] for pair in lines]:
        log.add(
            "unsorted_gestures", "gesture", Disposition.REPAIRED, "lines are not in time order.",
            "Nothing to do: they were sorted.", file=file,
        )  # fmt: skip
    for (before, _), (after, number) in pairwise(ordered):
        for reason, detail in _neighbour_faults(before, after):
            log.add(reason, "gesture", Disposition.FLAGGED, detail,
                    "Look at the video there; both gestures are used as they stand.",
                    file=file, line=number)  # fmt: skip
    if not ordered:
        return ()
    *rest, (last, number) = ordered
    if _is_unfinished(trial, last):
        log.add(
            "unfinished_label", "gesture", Disposition.FLAGGED,
            f"the last gesture, {last.label}, lasts {last.end - last.start} frames to the end of"
            " the trial; its transcription was probably never finished.",
            "Leave the trial out of questions about gestures, or transcribe its end.",
            file=file, line=number,
        )  # fmt: skip
        last = last.model_copy(update={"flags": ("unfinished",)})
    return tuple(_spelled_out(segment) for segment in (*(segment for segment, _ in rest), last))


def _spelled_out(segment: Segment) -> Segment:
    return segment.model_copy(update={"label": GESTURE.label(segment.label)})


def _neighbour_faults(before: Segment, after: Segment) -> Iterator[tuple[str, str]]:
    """Faults of a gesture and the one after; frames are named as the file counts them."""
    if after.start < before.end:
        detail = f"{after.label} starts at {after.start + 1}, before {before.label} ends."
        yield "overlapping_gestures", detail
    elif after.start > before.end:
        yield "internal_gap", f"frames {before.end + 1} to {after.start} have no gesture."
    elif after.label == before.label:
        yield "repeated_gesture", f"{after.label} follows {before.label} without a gap."


def _is_unfinished(trial: str, last: Segment) -> bool:
    known = trial in _UNFINISHED and last.label != _LAST_GESTURE
    return known or last.end - last.start >= _ENDLESS


def list_gestures(task: str, gestures: Iterable[Segment]) -> tuple[str, ...]:
    """Gestures a question on a trial may offer: the task's, and whatever else the trial shows."""
    listed = README_GESTURES[task] | _UNLISTED.get(task, frozenset())
    offered = {GESTURE.label(code) for code in listed} | {segment.label for segment in gestures}
    return tuple(label for label in GESTURE.labels if label in offered)
