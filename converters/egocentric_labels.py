"""EgoSurgery's published lists, and readers of its frame names and phase files."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple, TextIO

from converters.native_json import shown
from schemas.annotation import Disposition, Issue
from schemas.errors import MalformedSourceError, UnknownLabelError
from schemas.source import QuestionVoice
from schemas.timeline import Segment, SegmentKind, TimeBase
from schemas.vocabulary import Vocabulary

DATASET: Final = "egosurgery"
OFFICIAL_SIZE_WH: Final = (1920, 1080)
TIME_BASE: Final = TimeBase(
    rate_num=1, rate_den=2, frame_rate_num=1, frame_rate_den=2, first_index=1
)
"""One picture every 2 s, counted from 1 in each part of a recording."""

MAX_BRIDGED: Final = 5
"""Missing frames, 10 s, up to which a phase is taken to go on."""

PHASE: Final = Vocabulary(
    name="phase",
    labels=(
        "disinfection", "design", "anesthesia", "incision", "dissection", "hemostasis",
        "irrigation", "closure", "dressing",
    ),
    aliases={"closing": "closure"},
)  # fmt: skip
"""The phase files' own words. Of the benchmark's list, `closing` can only be `closure`;
`preparation` may be any of the first three and is left out."""

TOOL: Final = Vocabulary(
    name="instrument",
    labels=(
        "Bipolar Forceps", "Electric Cautery", "Forceps", "Gauze", "Hook", "Mouth Gag",
        "Needle Holders", "Raspatory", "Retractor", "Scalpel", "Scissors", "Skewer",
        "Suction Cannula", "Syringe", "Tweezers",
    ),
    phrases={"Needle Holders": "needle holder"},
)  # fmt: skip
HAND: Final = Vocabulary(
    name="hand",
    labels=("Own hands left", "Own hands right", "Other hands left", "Other hands right"),
    aliases={
        "First Person's Left Hand": "Own hands left",
        "First Person's Right Hand": "Own hands right",
        "Other Person's Left Hand": "Other hands left",
        "Other Person's Right Hand": "Other hands right",
    },
    phrases={
        "Own hands left": "camera wearer's left hand",
        "Own hands right": "camera wearer's right hand",
        "Other hands left": "other person's left hand",
        "Other hands right": "other person's right hand",
    },
)
"""Classes of the hand files; aliases are those of the wider list of the same laboratory."""

VOICE: Final = QuestionVoice(
    roles=(
        "You are a surgeon who studies open operations recorded from a colleague's own viewpoint.",
        "Act as an expert in open surgery who can read footage from a head-mounted camera.",
        "You help a surgical team to review what its operator saw and did.",
        "You are a teacher of plastic surgery who comments on first-person recordings.",
        "Take the part of an analyst who knows the instruments and the workflow of open surgery.",
        "You are used to watching operations through the eyes of the person who performs them.",
    ),
    contexts=(
        "The clip was filmed by a camera on the head of the operating surgeon.",
        "These frames show an open operation as the surgeon sees it.",
        "You are looking at a first-person excerpt of an open surgical procedure.",
        "The view is that of a surgeon who wears a camera during an open operation.",
        "What follows is part of an operation on the body's surface, recorded at eye level.",
        "In this excerpt a surgeon and those who help work in an open surgical field, seen from"
        " the surgeon's head.",
    ),
    step_word="surgical phases",
)


def _videos(text: str) -> frozenset[str]:
    return frozenset(text.split())


PHASE_SPLIT: Final[Mapping[str, frozenset[str]]] = {
    "train": _videos("01 02 03 04 08 09 11 13 14 15 17 20 21"),
    "val": _videos("05 19"),
    "test": _videos("06 07 10 12 18"),
}
"""Videos of EgoSurgery-Phase, as its first author lists them (Fujiry0/EgoSurgery, issue 3)."""

BOX_SPLIT: Final[Mapping[str, frozenset[str]]] = {
    "train": _videos("01 02 03 06 08 11 12 13 14 15"),
    "val": _videos("09 10"),
    "test": _videos("04 05 07"),
}
"""Videos of EgoSurgery-Tool (Fujii et al., arXiv 2406.03095, table 3); it cuts across the other."""

_FRAME = re.compile(r"(?:.*[/\\])?([0-9]{2}_[1-9][0-9]?)_([0-9]{1,5})(?:\.(?:jpg|jpeg|png))?")


class FrameName(NamedTuple):
    """A frame name taken apart: the part of the recording, and the frame from 1."""

    part: str
    frame: int


class Hole(NamedTuple):
    """Frames without a row inside a phase file, first to last, and whether they were bridged."""

    first: int
    last: int
    bridged: bool


@dataclass(slots=True)
class PhaseRows:
    """What a phase file holds.

    Attributes:
        phases: Phase by native frame, None where the frame's rows cannot be trusted.
        rows: Rows read.
        issues: Faults in file order.
    """

    phases: dict[int, str | None] = field(default_factory=dict)
    rows: int = 0
    issues: list[Issue] = field(default_factory=list)


def parse_frame_name(text: str) -> FrameName | None:
    """Take a frame name apart, with or without folders, suffix and leading zeros.

    >>> parse_frame_name("val/09/09_1_0300.jpg"), parse_frame_name("04_1_640")
    (FrameName(part='09_1', frame=300), FrameName(part='04_1', frame=640))
    >>> parse_frame_name("04_1_0000.jpg") is None
    True
    """
    match = _FRAME.fullmatch(text)
    return FrameName(match[1], int(match[2])) if match and int(match[2]) > 0 else None


def split_of(part: str, split: Mapping[str, frozenset[str]]) -> str | None:
    """Name of the split that holds a part's video, None where none does."""
    return next((name for name, videos in split.items() if part[:2] in videos), None)


def parse_phases(handle: TextIO, part: str, *, source: str) -> PhaseRows:
    """Read a phase file: header `Frame,Phase`, then a row for every labelled frame.

    Args:
        handle: Open text handle with `newline=""`.
        part: Part the file is named after, e.g. `04_1`.
        source: File relative to the source root.

    Raises:
        MalformedSourceError: The file is not UTF-8 text in columns, or lacks the header.
    """
    lines = _read_columns(handle, source)
    header = lines[0][1] if lines else []
    if "Frame" not in header or "Phase" not in header:
        raise MalformedSourceError(
            "the file does not start with the header `Frame,Phase`.", dataset=DATASET,
            source=source, line=1,
        )  # fmt: skip
    found, order = PhaseRows(), [header.index("Frame"), header.index("Phase")]
    for number, row in lines[1:]:
        cells = [row[column] if column < len(row) else "" for column in order]
        found.rows += 1
        fault = _read_row(found, part, cells[0], cells[1])
        if fault is not None:
            found.issues.append(_issue(*fault, source=source, line=number))
    if any(a > b for a, b in pairwise(found.phases)):
        found.issues.append(
            Issue(
                reason="unsorted_frames", kind="frame", disposition=Disposition.REPAIRED,
                detail="rows are not in time order.", action="Nothing to do: they were sorted.",
                file=source,
            )
        )  # fmt: skip
    return found


def _read_columns(handle: TextIO, source: str) -> list[tuple[int, list[str]]]:
    """Line number and stripped cells of every line that is not empty."""
    reader = csv.reader(handle)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedSourceError(
            f"the file is not UTF-8 text in columns: {error}.", dataset=DATASET, source=source,
            line=reader.line_num + 1,
        ) from error  # fmt: skip
    return [(number, row) for number, row in lines if any(row)]


def _read_row(found: PhaseRows, part: str, frame: str, phase: str) -> tuple[str, str] | None:
    """Take a row in; reason and detail where it has to be dropped."""
    name = parse_frame_name(frame)
    if name is None:
        return "bad_frame_name", f"{shown(frame)} names no frame."
    if name.part != part:
        return "foreign_frame", f"{shown(frame)} is no frame of part {part}."
    try:
        label = PHASE.label(phase, dataset=DATASET)
    except UnknownLabelError:
        found.phases[name.frame] = None
        return "unknown_phase", f"{shown(phase)} is no phase; the frame is taken as unlabelled."
    if name.frame not in found.phases:
        found.phases[name.frame] = label
    elif found.phases[name.frame] == label:
        return "repeated_frame", f"frame {name.frame} stands there before with the same phase."
    else:
        found.phases[name.frame] = None
        return "phase_conflict", (
            f"frame {name.frame} stands there before with another phase than {label}; it is taken"
            " as unlabelled."
        )
    return None


def _issue(reason: str, detail: str, *, source: str, line: int) -> Issue:
    return Issue(
        reason=reason, kind="frame", disposition=Disposition.DROPPED, detail=detail,
        action="Correct the row.", file=source, line=line, field="Frame, Phase",
    )  # fmt: skip


def join_phases(phases: Mapping[int, str | None]) -> tuple[list[Segment], list[Hole]]:
    """Join labelled frames into phases.

    Frames a..b become `[a - 1, b)`. A phase goes on over a hole of up to five missing frames where
    the frames on both sides have it, and is flagged `bridged`; it ends at a longer hole, at
    another phase and at a frame that has a row without a usable phase.

    Args:
        phases: Phase by native frame, None where it is not known.

    Returns:
        Segments in time order, and the holes between the first frame and the last.
    """
    frames = sorted(phases)
    starts = [True, *(not _goes_on(phases, a, b) for a, b in pairwise(frames))]
    neighbours = [(a, b) for a, b in pairwise(frames) if b - a > 1]
    holes = [Hole(a + 1, b - 1, bridged=_goes_on(phases, a, b)) for a, b in neighbours]
    runs: list[list[int]] = []
    for frame, starts_run in zip(frames, starts, strict=False):
        if starts_run:
            runs.append([])
        runs[-1].append(frame)
    return [segment for run in runs for segment in _segment(run, phases[run[0]])], holes


def _goes_on(phases: Mapping[int, str | None], frame: int, after: int) -> bool:
    same = phases[frame] is not None and phases[frame] == phases[after]
    return same and after - frame - 1 <= MAX_BRIDGED


def _segment(run: list[int], label: str | None) -> Iterable[Segment]:
    if label is not None:
        bridged = run[-1] - run[0] + 1 > len(run)
        yield Segment(
            start=run[0] - TIME_BASE.first_index, end=run[-1], kind=SegmentKind.PHASE,
            label=label, flags=("bridged",) if bridged else (),
        )  # fmt: skip
