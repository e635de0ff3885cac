"""What is told of an EgoSurgery part whose files are whole but do not go together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from converters.coco_boxes import CocoBlock
from converters.egocentric_labels import (
    BOX_SPLIT,
    MAX_BRIDGED,
    PHASE_SPLIT,
    Hole,
    PhaseRows,
    split_of,
)
from converters.egocentric_tree import KINDS
from converters.issue_log import FLAGGED, REPAIRED, IssueLog
from schemas.annotation import Disposition
from schemas.errors import bounded
from schemas.geometry import Box
from schemas.video import Recording

PHASE_SCHEME: Final = "egosurgery-phase"
BOX_SCHEME: Final = "egosurgery-tool"


@dataclass(slots=True)
class PartBoxes:
    """Boxes of one part.

    Attributes:
        boxes: In pixels, those of one file after those of another.
        frames: Native frames whose images each class list names.
    """

    boxes: list[Box] = field(default_factory=list)
    frames: dict[str, frozenset[int]] = field(default_factory=dict)

    @property
    def all_frames(self) -> frozenset[int]:
        """Frames of any list."""
        return frozenset().union(*self.frames.values())


def flag(
    log: IssueLog, reason: str, detail: str, action: str, *, kind: str = "video",
    disposition: Disposition = FLAGGED,
) -> None:  # fmt: skip
    """Note one fault of the part as a whole."""
    log.add(reason, kind, disposition, detail, action)


def note_phases(
    log: IssueLog, recording: Recording, rows: PhaseRows, holes: Sequence[Hole]
) -> None:
    """Report holes, bridged and open, and a part without phases."""
    if not recording.files:
        detail = "there is no phase file of this part."
        flag(log, "no_phase_file", detail, "Fetch it: without phases no clip can be cut.")
    elif not any(rows.phases.values()):
        detail = "no row gives a frame a phase."
        flag(log, "no_phases", detail, "Fetch the file again: without phases no clip can be cut.")
    texts = (
        (True, REPAIRED, "bridged_holes", "Nothing to do: the phase is taken to go on."),
        (False, FLAGGED, "open_holes", "Nothing to do: these frames belong to no phase."),
    )
    for bridged, disposition, reason, action in texts:
        own = [hole for hole in holes if hole.bridged == bridged]
        if own:
            what = f"of at most {MAX_BRIDGED} frames inside a phase" if bridged else "left open"
            frames = sum(hole.last - hole.first + 1 for hole in own)
            shown = bounded([f"{hole.first}-{hole.last}" for hole in own])
            detail = f"holes {what}: {len(own)}, {frames} missing frames in all: {shown}."
            flag(log, reason, detail, action, kind="frame", disposition=disposition)


def note_boxes(log: IssueLog, part: str, found: PartBoxes, rows: PhaseRows) -> None:
    """Flag class lists that are missing, and frames that some labels have and others lack."""
    for kind in KINDS:
        if kind not in found.frames and (found.frames or split_of(part, BOX_SPLIT)):
            detail = f"no {kind} file lists an image of this part."
            flag(log, f"no_{kind}_boxes", detail, f"Fetch the {kind} boxes if they are wanted.")
    if len(found.frames) > 1:
        lists = [*found.frames.values()]
        _note_frames(log, "frames_of_one_list", lists[0] ^ lists[1],
                     "frames that only one of the tool and hand files lists")  # fmt: skip
    if rows.phases:
        _note_frames(log, "boxed_frame_without_phase", found.all_frames - rows.phases.keys(),
                     "frames with boxes and without a phase row")  # fmt: skip


def _note_frames(log: IssueLog, reason: str, frames: Iterable[int], what: str) -> None:
    if ordered := sorted(frames):
        detail = f"{what}, {len(ordered)} in all: {bounded(ordered)}."
        flag(log, reason, detail, "Nothing to do: each label is used as it stands.", kind="frame")


def native_split(part: str, blocks: dict[str, list[CocoBlock]], log: IssueLog) -> dict[str, str]:
    """Split of the phase list by its author, and that of the COCO file that holds the boxes."""
    stems = {PurePosixPath(block.file).stem for found in blocks.values() for block in found}
    holding, listed = stems & BOX_SPLIT.keys(), split_of(part, BOX_SPLIT)
    if holding and holding != {listed}:
        detail = f"boxes lie in {', '.join(sorted(holding))}, the published list says {listed}."
        flag(log, "split_mismatch", detail, "Compare the files with the published ones.")
    named = holding or ({listed} if listed and blocks else set())
    phase_split = split_of(part, PHASE_SPLIT)
    return ({PHASE_SCHEME: phase_split} if phase_split else {}) | (
        {BOX_SCHEME: next(iter(named))} if len(named) == 1 else {}
    )
