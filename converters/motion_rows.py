"""Read one CoPESD session's rows: an action a frame, what each instrument does, and boxes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from converters.issue_log import DROPPED, FLAGGED, REPAIRED, IssueLog
from converters.native_json import shown
from converters.sentence_boxes import (
    Convention,
    Fractions,
    SentenceBox,
    Verdict,
    decide_convention,
    fits_picture,
    frozen_runs,
    place_box,
    split_sentence,
)
from converters.submucosal_motion import (
    GOAL_OF,
    Deed,
    Motion,
    MotionError,
    parse_goal,
    parse_motion,
    triplet_of,
)
from schemas.annotation import FrameTriplet
from schemas.geometry import Box, Triplet
from schemas.timeline import Segment, SegmentKind

FIRST_FRAME = 1
_TURNS = ("human", "gpt")


class Row(NamedTuple):
    """A native row that names a session and a frame.

    Attributes:
        file: Label file, relative to the source root.
        number: Place in the file's list, from 0.
        frame: Number in the image's name.
        conversations: The turns, not yet checked.
    """

    file: str
    number: int
    frame: int
    conversations: Any

    @property
    def where(self) -> str:
        """Field of the row's turns."""
        return f"[{self.number}].conversations"


class PlacedRow(NamedTuple):
    """A row's box with its place in the file.

    Attributes:
        row: The row.
        at: Place among the session's rows and in the sentence.
        instrument: Lower-case name.
        fractions: The four numbers.
    """

    row: Row
    at: tuple[int, int]
    instrument: str
    fractions: Fractions


@dataclass(slots=True)
class MotionLabels:
    """What a session's rows say.

    Attributes:
        frames: Frames with a usable row.
        actions: Published action by frame; frames whose sentence is not understood are absent.
        deeds: What each instrument does, by frame and instrument.
        boxes: Boxes in fractions, in file order.
    """

    frames: set[int] = field(default_factory=set)
    actions: dict[int, str] = field(default_factory=dict)
    deeds: dict[tuple[int, str], Deed] = field(default_factory=dict)
    boxes: list[PlacedRow] = field(default_factory=list)

    def triplet(self, frame: int, instrument: str) -> Triplet | None:
        """What an instrument does on a frame, None where the sentence does not say."""
        deed = self.deeds.get((frame, instrument))
        return triplet_of(instrument, deed) if deed is not None else None


def read_rows(rows: Iterable[Row], log: IssueLog) -> MotionLabels:
    """Read a session's rows in file order; faults of single rows go to the log."""
    labels = MotionLabels()
    by_frame: dict[int, list[tuple[int, Row]]] = defaultdict(list)
    for place, row in enumerate(rows):
        log.counts["row"] += 1
        by_frame[row.frame].append((place, row))
    for frame, found in by_frame.items():
        kept = _one_row(frame, found, log)
        turns = _turns(*kept, log) if kept else None
        if kept and turns:
            labels.frames.add(frame)
            _read_row(*kept, *turns, labels, log)
    return labels


def _one_row(frame: int, found: list[tuple[int, Row]], log: IssueLog) -> tuple[int, Row] | None:
    """The frame's row: of equal ones the first, of rows that differ none."""
    first = found[0]
    if all(row.conversations == first[1].conversations for _, row in found):
        for place, row in found[1:]:
            _drop_row(log, place, row, "repeated_row", f"says again what is said of frame {frame}")
        return first
    for place, row in found:
        _drop_row(
            log, place, row, "conflicting_rows",
            f"and {len(found) - 1} more say different things of frame {frame}",
        )  # fmt: skip
    return None


def _turns(place: int, row: Row, log: IssueLog) -> tuple[str, str] | None:
    """Instruction and motion sentence; None and a fault where there are no such two turns."""
    turns = row.conversations
    if (
        isinstance(turns, list)
        and len(turns) == len(_TURNS)
        and all(isinstance(turn, dict) for turn in turns)
        and tuple(turn.get("from") for turn in turns) == _TURNS
        and all(isinstance(turn.get("value"), str) for turn in turns)
    ):
        return turns[0]["value"], turns[1]["value"]
    _drop_row(log, place, row, "bad_turns", f"is no instruction and answer: {shown(turns)}")
    return None


def _drop_row(log: IssueLog, place: int, row: Row, reason: str, what: str) -> None:
    log.file = row.file
    log.add(
        reason, "row", DROPPED, f"row {row.number} {what}.",
        "Correct the row, or keep one of them.",
        where=row.where, at=(place, 0),
    )  # fmt: skip


def _read_row(
    place: int, row: Row, instruction: str, sentence: str, labels: MotionLabels, log: IssueLog
) -> None:
    log.file = row.file
    log.counts["motion"] += 1
    bare, boxes = split_sentence(sentence)
    motion = _motion(place, row, bare, instruction, log)
    if motion is not None:
        labels.actions[row.frame] = motion.action
        for instrument, deed in motion.deeds.items():
            labels.deeds[row.frame, instrument] = deed
    seen: set[str] = set()
    for number, box in enumerate(boxes):
        log.counts["box"] += 1
        at = (place, 1 + number)
        fault = _box_fault(box, seen)
        if fault is not None or box.fractions is None:
            log.add(
                fault or "bad_box", "box", DROPPED,
                f"frame {row.frame}: [{shown(box.text)}] {_BOX_FAULTS[fault or 'bad_box']}.",
                "Write the instrument's name and four fractions behind it.",
                where=row.where, at=at,
            )  # fmt: skip
        else:
            seen.add(box.instrument)
            labels.boxes.append(PlacedRow(row, at, box.instrument, box.fractions))


_BOX_FAULTS = {
    "bad_box": "is not four numbers",
    "nameless_box": "has no instrument before it",
    "repeated_instrument": "is a second box of an instrument there is one of",
}


def _box_fault(box: SentenceBox, seen: set[str]) -> str | None:
    if not box.instrument:
        return "nameless_box"
    if box.fractions is None:
        return "bad_box"
    return "repeated_instrument" if box.instrument in seen else None


def _motion(place: int, row: Row, bare: str, instruction: str, log: IssueLog) -> Motion | None:
    """What the sentence says, None where it is outside the closed set or against its goal."""
    action = "Correct the sentence, or add its words to the closed set with a test."
    try:
        motion = parse_motion(bare)
    except MotionError as error:
        log.add(
            error.reason, "motion", DROPPED, f"frame {row.frame}: {shown(bare)}: {error}.", action,
            where=f"{row.where}[1]", at=(place, 0),
        )  # fmt: skip
        return None
    goal = parse_goal(instruction)
    if goal is None:
        log.add(
            "unknown_goal", "motion", FLAGGED,
            f"frame {row.frame}: {shown(instruction)} is no known instruction; the motion stands.",
            action, where=f"{row.where}[0]", at=(place, 0),
        )  # fmt: skip
    elif goal is not GOAL_OF[motion.action]:
        log.add(
            "goal_mismatch", "motion", DROPPED,
            f"frame {row.frame}: the goal is to {goal.value}, the motion is {motion.action!r}.",
            "Correct the one that is wrong.", where=row.where, at=(place, 0),
        )  # fmt: skip
        return None
    return motion


def place_boxes(
    labels: MotionLabels, resolution_wh: tuple[int, int], log: IssueLog
) -> tuple[Box, ...]:
    """Turn the session's boxes into pixels by its one convention, sorted by time and label.

    Args:
        labels: What the rows say.
        resolution_wh: Width and height of the picture in pixels.
        log: Takes faults, and how the session's convention was decided.
    """
    height = resolution_wh[1] / max(resolution_wh)
    verdict = decide_convention((box.fractions for box in labels.boxes), height)
    if labels.boxes:
        _note_verdict(verdict, labels, log)
    if verdict.convention is None:
        return ()
    frozen = _find_frozen(labels, log)
    placed = [
        found
        for box in labels.boxes
        if (found := _place(box, verdict.convention, labels, resolution_wh, frozen, log))
    ]
    return tuple(sorted(placed, key=lambda box: (box.tick, box.label)))


def _note_verdict(verdict: Verdict, labels: MotionLabels, log: IssueLog) -> None:
    """Say how the convention was decided; drop every box where it was not."""
    log.file = labels.boxes[0].row.file
    evidence = (
        f"of {verdict.different} different boxes {verdict.as_xyxy} make sense as left, top, right,"
        f" bottom, {verdict.as_xywh} as left, top, width, height"
    )
    if verdict.convention is Convention.XYWH:
        log.add(
            "boxes_as_xywh", "video", REPAIRED, f"{evidence}: read as the latter.",
            "Nothing to do: the whole session was read so.",
        )  # fmt: skip
    if verdict.convention is not None:
        return
    for box in labels.boxes:
        log.file = box.row.file
        log.add(
            "box_convention_unclear", "box", DROPPED,
            f"frame {box.row.frame}: {box.instrument} {[*box.fractions]}; {evidence}.",
            "Find out how this session writes boxes; its actions are used all the same.",
            where=f"{box.row.where}[1]", at=box.at,
        )  # fmt: skip


def _find_frozen(labels: MotionLabels, log: IssueLog) -> set[tuple[int, str]]:
    """Frame and instrument of every frozen box."""
    frozen: set[tuple[int, str]] = set()
    instruments = sorted({box.instrument for box in labels.boxes})
    for instrument in instruments:
        own = sorted(
            (box for box in labels.boxes if box.instrument == instrument),
            key=lambda box: box.row.frame,
        )
        rows = [(b.row.frame, b.fractions, _moves(labels, b.row.frame, instrument)) for b in own]
        for first, last in frozen_runs(rows):
            held = [box for box in own if first <= box.row.frame <= last]
            frozen.update((box.row.frame, instrument) for box in held)
            log.file = held[0].row.file
            log.add(
                "frozen_box", "box", FLAGGED,
                f"the {instrument} has one box, {[*held[0].fractions]}, on all {len(held)} boxed"
                f" frames from {first} to {last}, though it is said to move.",
                "Draw these boxes again; until then they carry the flag `frozen`.",
                where=f"{held[0].row.where}[1]", at=held[0].at,
            )  # fmt: skip
    return frozen


def _moves(labels: MotionLabels, frame: int, instrument: str) -> bool:
    return labels.deeds.get((frame, instrument), Deed.IDLE) is not Deed.IDLE


def _place(
    box: PlacedRow,
    convention: Convention,
    labels: MotionLabels,
    resolution_wh: tuple[int, int],
    frozen: set[tuple[int, str]],
    log: IssueLog,
) -> Box | None:
    frame, where = box.row.frame, f"{box.row.where}[1]"
    log.file = box.row.file
    height = resolution_wh[1] / max(resolution_wh)
    fits = fits_picture(box.fractions, convention, height)
    xyxy, cut = place_box(box.fractions, convention, resolution_wh) if fits else (None, False)
    if xyxy is None:
        log.add(
            "box_against_convention", "box", DROPPED,
            f"frame {frame}: {box.instrument} {[*box.fractions]} is no box read as"
            f" {convention.value}, which the session's others are.",
            "Draw the box again.", where=where, at=box.at,
        )  # fmt: skip
        return None
    if cut:
        log.add(
            "box_over_edge", "box", REPAIRED,
            f"frame {frame}: {box.instrument} {[*box.fractions]} passes the edge of the picture"
            " by the rounding of its numbers.",
            "Nothing to do: it was cut at the edge.", where=where, at=box.at,
        )  # fmt: skip
    flags = [
        *(["clipped"] if cut else []),
        *(["frozen"] if (frame, box.instrument) in frozen else []),
    ]
    return Box(
        tick=frame - FIRST_FRAME, xyxy=xyxy, label=box.instrument,
        triplet=labels.triplet(frame, box.instrument), flags=tuple(flags),
    )  # fmt: skip


def join_actions(actions: Mapping[int, str]) -> Iterator[Segment]:
    """Join frames that follow each other with one action; frames a..b become `[a, b + 1)` in ticks.

    Args:
        actions: Action by frame.
    """
    run: tuple[int, int, str] | None = None
    for frame in sorted(actions):
        if run is not None and (frame, actions[frame]) == (run[1] + 1, run[2]):
            run = (run[0], frame, run[2])
            continue
        if run is not None:
            yield _segment(*run)
        run = (frame, frame, actions[frame])
    if run is not None:
        yield _segment(*run)


def _segment(first: int, last: int, action: str) -> Segment:
    return Segment(
        start=first - FIRST_FRAME, end=last + 1 - FIRST_FRAME, kind=SegmentKind.ACTION, label=action
    )


def frame_triplets(labels: MotionLabels) -> tuple[FrameTriplet, ...]:
    """What instruments do on each frame, sorted by time and instrument."""
    return tuple(
        FrameTriplet(tick=frame - FIRST_FRAME, triplet=triplet_of(instrument, deed))
        for (frame, instrument), deed in sorted(labels.deeds.items())
    )
