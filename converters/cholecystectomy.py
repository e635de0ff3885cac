"""What the Cholec80 family shares: label lists, patients, phase runs and fraction boxes.

Ids and spellings follow the `categories` and `label_mapping.txt` of CholecT50 (Nwoye et al.,
Medical Image Analysis 78, 2022); the specimen bag, the operators and the camel-case phase names
follow CholecTrack20 and its DetEval script (Nwoye et al., CVPR 2025).
"""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from schemas.annotation import VideoAnnotation
from schemas.geometry import Triplet, Xyxy, clip_xyxy, xywh_to_xyxy
from schemas.hashing import content_key
from schemas.source import QuestionVoice
from schemas.timeline import Segment, SegmentKind, TimeBase
from schemas.vocabulary import Vocabulary

OFFICIAL_SIZE_WH = (854, 480)
MAX_LABEL_GAP_S = 30
"""Labelled frames further apart than this do not belong to one stretch: three steps of 10 s, the
widest hole a clip may have."""

MAX_FRACTION = 1.5
"""A box coordinate beyond this is no fraction of an image; native boxes reach 1.07 at most."""

NO_VERB, NO_TARGET = "null_verb", "null_target"
INSTRUMENTS = ("grasper", "bipolar", "hook", "scissors", "clipper", "irrigator")

PHASE = Vocabulary(
    name="phase",
    labels=(
        "preparation", "carlot-triangle-dissection", "clipping-and-cutting",
        "gallbladder-dissection", "gallbladder-packaging", "cleaning-and-coagulation",
        "gallbladder-extraction",
    ),
    aliases={
        "calot-triangle-dissection": "carlot-triangle-dissection",
        "calotTriangleDissection": "carlot-triangle-dissection",
        "clippingAndCutting": "clipping-and-cutting",
        "gallbladderDissection": "gallbladder-dissection",
        "gallbladderPackaging": "gallbladder-packaging",
        "cleaningAndCoagulation": "cleaning-and-coagulation",
        "gallbladderRetraction": "gallbladder-extraction",
        "Preparation": "preparation",
        "CalotTriangleDissection": "carlot-triangle-dissection",
        "ClippingCutting": "clipping-and-cutting",
        "GallbladderDissection": "gallbladder-dissection",
        "GallbladderPackaging": "gallbladder-packaging",
        "CleaningCoagulation": "cleaning-and-coagulation",
        "GallbladderRetraction": "gallbladder-extraction",
    },
    phrases={"carlot-triangle-dissection": "Calot's triangle dissection"},
)  # fmt: skip
INSTRUMENT = Vocabulary(
    name="instrument", labels=INSTRUMENTS, phrases={"bipolar": "bipolar forceps"}
)
TOOL = Vocabulary(
    name="instrument",
    labels=(*INSTRUMENTS, "specimen-bag"),
    aliases={"specimenbag": "specimen-bag", "specimen_bag": "specimen-bag"},
    phrases={"bipolar": "bipolar forceps", "specimen-bag": "specimen bag"},
)
VERB = Vocabulary(
    name="verb",
    labels=(
        "grasp", "retract", "dissect", "coagulate", "clip", "cut", "aspirate", "irrigate", "pack",
        NO_VERB,
    ),
    phrases={NO_VERB: "no action"},
)  # fmt: skip
TARGET = Vocabulary(
    name="target",
    labels=(
        "gallbladder", "cystic_plate", "cystic_duct", "cystic_artery", "cystic_pedicle",
        "blood_vessel", "fluid", "abdominal_wall_cavity", "liver", "adhesion", "omentum",
        "peritoneum", "gut", "specimen_bag", NO_TARGET,
    ),
    phrases={"abdominal_wall_cavity": "abdominal wall or cavity", NO_TARGET: "no target"},
)  # fmt: skip
OPERATOR = Vocabulary(
    name="operator",
    labels=(
        "null", "main-surgeon-left-hand", "assistant-surgeon-right-hand", "main-surgeon-right-hand",
    ),
    aliases={
        "main-surgeon-left-hand (MSLH)": "main-surgeon-left-hand",
        "assistant-surgeon-right-hand (ASRH)": "assistant-surgeon-right-hand",
        "main-surgeon-right-hand (MSRH)": "main-surgeon-right-hand",
    },
    phrases={
        "null": "nobody",
        "main-surgeon-left-hand": "main surgeon's left hand",
        "assistant-surgeon-right-hand": "assistant surgeon's right hand",
        "main-surgeon-right-hand": "main surgeon's right hand",
    },
)  # fmt: skip

_TRIPLET_TABLE = (
    ("grasper", "dissect", "cystic_plate gallbladder omentum"),
    (
        "grasper", "grasp",
        "cystic_artery cystic_duct cystic_pedicle cystic_plate gallbladder gut liver omentum"
        " peritoneum specimen_bag",
    ),
    ("grasper", "pack", "gallbladder"),
    (
        "grasper", "retract",
        "cystic_duct cystic_pedicle cystic_plate gallbladder gut liver omentum peritoneum",
    ),
    (
        "bipolar", "coagulate",
        "abdominal_wall_cavity blood_vessel cystic_artery cystic_duct cystic_pedicle cystic_plate"
        " gallbladder liver omentum peritoneum",
    ),
    ("bipolar", "dissect", "adhesion cystic_artery cystic_duct cystic_plate gallbladder omentum"),
    ("bipolar", "grasp", "cystic_plate liver specimen_bag"),
    ("bipolar", "retract", "cystic_duct cystic_pedicle gallbladder liver omentum"),
    (
        "hook", "coagulate",
        "blood_vessel cystic_artery cystic_duct cystic_pedicle cystic_plate gallbladder liver"
        " omentum",
    ),
    ("hook", "cut", "blood_vessel peritoneum"),
    (
        "hook", "dissect",
        "blood_vessel cystic_artery cystic_duct cystic_plate gallbladder omentum peritoneum",
    ),
    ("hook", "retract", "gallbladder liver"),
    ("scissors", "coagulate", "omentum"),
    (
        "scissors", "cut",
        "adhesion blood_vessel cystic_artery cystic_duct cystic_plate liver omentum peritoneum",
    ),
    ("scissors", "dissect", "cystic_plate gallbladder omentum"),
    ("clipper", "clip", "blood_vessel cystic_artery cystic_duct cystic_pedicle cystic_plate"),
    ("irrigator", "aspirate", "fluid"),
    ("irrigator", "dissect", "cystic_duct cystic_pedicle cystic_plate gallbladder omentum"),
    ("irrigator", "irrigate", "abdominal_wall_cavity cystic_pedicle liver"),
    ("irrigator", "retract", "gallbladder liver omentum"),
    *((instrument, NO_VERB, NO_TARGET) for instrument in INSTRUMENTS),
)  # fmt: skip
TRIPLETS: tuple[Triplet, ...] = tuple(
    Triplet(instrument=instrument, verb=verb, target=target)
    for instrument, verb, targets in _TRIPLET_TABLE
    for target in targets.split()
)
"""The 100 triplet classes; position is the id, 94 to 99 are instruments that do nothing."""

TRIPLET_IDS: tuple[tuple[int, int, int], ...] = tuple(
    (
        INSTRUMENTS.index(triplet.instrument),
        VERB.labels.index(triplet.verb or NO_VERB),
        TARGET.labels.index(triplet.target or NO_TARGET),
    )
    for triplet in TRIPLETS
)
"""Instrument, verb and target ids of each triplet, as `label_mapping.txt` lists them."""

TRIPLET = Vocabulary(
    name="triplet",
    labels=tuple(f"{t.instrument},{t.verb},{t.target}" for t in TRIPLETS),
)

VOICE = QuestionVoice(
    roles=(
        "You are a surgeon who reviews recordings of keyhole gallbladder removals.",
        "Act as a specialist in laparoscopic surgery who reads operative video frame by frame.",
        "You assist a surgical team by explaining what happens in laparoscopic footage.",
        "You are an experienced analyst of minimally invasive operations.",
        "Take the part of a teacher of laparoscopic cholecystectomy who comments on recordings.",
        "You know the workflow, the instruments and the anatomy of gallbladder surgery well.",
    ),
    contexts=(
        "The clip comes from the camera of a laparoscopic cholecystectomy.",
        "These frames show part of an operation in which the gallbladder is removed by keyhole.",
        "You are looking at an excerpt of a gallbladder removal, seen through the laparoscope.",
        "The footage was recorded inside the abdomen during a laparoscopic cholecystectomy.",
        "What follows is a piece of a minimally invasive operation on the gallbladder.",
        "In this excerpt a surgical team works on the gallbladder with laparoscopic instruments.",
    ),
    step_word="surgical phases",
)


class PixelBox(NamedTuple):
    """What became of a fraction box: pixels, or the reason why there are none.

    Attributes:
        xyxy: Left, top, right, bottom in pixels inside the image, or None.
        reason: Why the box was dropped or, where `xyxy` is set, `box_over_edge` if it was clipped.
    """

    xyxy: Xyxy | None
    reason: str | None


def identity(number: int) -> str:
    """Patient behind a VID number; the numbers agree over CholecT50, CholecTrack20 and Cholec80.

    >>> identity(7)
    'cholec80:7'
    """
    return f"cholec80:{number}"


def pixel_box(xywh: Sequence[object], resolution_wh: tuple[int, int]) -> PixelBox:
    """Turn a box in fractions of the image into pixels.

    Args:
        xywh: Left, top, width, height; fractions of image width and height.
        resolution_wh: Image width and height in pixels.

    Returns:
        The box rounded to 0.0001 px, so that integer pixels divided by the size come back whole,
        and clipped to the image. Reasons for none: `bad_box` (not four finite numbers),
        `box_absent` (all -1), `box_not_normalised`, `empty_box`, `box_outside_image`.
    """
    values = [_as_float(value) for value in xywh]
    if len(values) != 4 or not all(math.isfinite(value) for value in values):
        return PixelBox(None, "bad_box")
    if all(value == -1 for value in values):
        return PixelBox(None, "box_absent")
    if any(abs(value) > MAX_FRACTION for value in values):
        return PixelBox(None, "box_not_normalised")
    if values[2] <= 0 or values[3] <= 0:
        return PixelBox(None, "empty_box")
    width, height = resolution_wh
    x1, y1, x2, y2 = xywh_to_xyxy(values)
    scaled = (
        round(x1 * width, 4), round(y1 * height, 4), round(x2 * width, 4), round(y2 * height, 4),
    )  # fmt: skip
    inside, changed = clip_xyxy(scaled, resolution_wh)
    if inside is None:
        return PixelBox(None, "box_outside_image")
    return PixelBox(inside, "box_over_edge" if changed else None)


def _as_float(value: object) -> float:
    """A JSON number as a float; not a number for what is none, or too large to be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def phase_segments(frames: Iterable[tuple[int, int]], time_base: TimeBase) -> list[Segment]:
    """Join labelled frames into phases.

    A stretch ends where the phase changes, at a frame labelled -1 (no phase) and where the next
    labelled frame is more than 30 s away; labelled frames a..b at step s become `[a, b+s)`, cut
    where the next stretch starts off the label grid.

    Args:
        frames: `(tick, phase id or -1)` in strictly increasing time; ids inside the vocabulary.
        time_base: Clock of the video; its `label_step` is s.
    """
    gap = int(Fraction(MAX_LABEL_GAP_S) * time_base.tick_rate)
    runs: list[tuple[int, int, int]] = []
    last_phase = -1
    for tick, phase in frames:
        if phase >= 0:
            if phase == last_phase and tick - runs[-1][1] <= gap:
                runs[-1] = (runs[-1][0], tick, phase)
            else:
                runs.append((tick, tick, phase))
        last_phase = phase
    if not runs:
        return []
    ends = [last + time_base.label_step for _, last, _ in runs]
    starts_after = [first for first, _, _ in runs[1:]]
    return [
        Segment(start=first, end=min(end, after), kind=SegmentKind.PHASE, label=PHASE.labels[phase])
        for (first, _, phase), end, after in zip(runs, ends, [*starts_after, ends[-1]], strict=True)
    ]


def seal(annotation: VideoAnnotation) -> VideoAnnotation:
    """Set `revision` to the hash of everything else in the annotation."""
    bare = annotation.model_copy(update={"revision": ""})
    return bare.model_copy(update={"revision": content_key(bare.model_dump_json())})
