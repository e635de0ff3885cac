"""Vocabularies and question voice of CoPESD."""

from typing import Final

from converters.submucosal_motion import (
    ACTIONS,
    ADJUST_CAMERA,
    DISSECT,
    INSTRUMENTS,
    LIFT,
    POSITION,
    POSITION_TOGETHER,
    RETRACT,
    RETRACT_TOGETHER,
    STABILIZE,
    Deed,
)
from schemas.source import QuestionVoice
from schemas.vocabulary import Vocabulary

PROCEDURE: Final = "endoscopic submucosal dissection"

VOCABULARIES: Final = {
    "action": Vocabulary(
        name="action",
        labels=ACTIONS,
        aliases={
            "manipulate flap with forceps and knife": POSITION_TOGETHER,
            "dissect flap with knife": DISSECT,
            "manipulate flap with forceps": POSITION,
            "retract flap with forceps": RETRACT,
            "retract flap with forceps and knife": RETRACT_TOGETHER,
            "retracting mucosa flap with forceps and knife": RETRACT_TOGETHER,
            "hold flap with forceps": STABILIZE,
        },
        phrases={
            ADJUST_CAMERA: "adjust the camera",
            POSITION_TOGETHER: "position the flap with the forceps and the knife",
            DISSECT: "dissect the flap tissue with the knife",
            POSITION: "position the flap with the forceps alone",
            RETRACT: "retract the flap edge with the forceps alone",
            RETRACT_TOGETHER: "retract the flap edge with the forceps and the knife",
            LIFT: "lift the flap with the forceps",
            STABILIZE: "stabilize the flap with the forceps",
        },
    ),
    "instrument": Vocabulary(
        name="instrument",
        labels=INSTRUMENTS,
        aliases={name.capitalize(): name for name in INSTRUMENTS},
    ),
    "verb": Vocabulary(
        name="verb",
        labels=tuple(deed.value for deed in Deed),
        phrases={Deed.IDLE.value: "no action"},
    ),
    "target": Vocabulary(
        name="target",
        labels=("mucosal-flap", "flap-edge"),
        phrases={"flap-edge": "edge of the mucosal flap"},
    ),
    "procedure": Vocabulary(name="procedure", labels=(PROCEDURE,)),
}

VOICE: Final = QuestionVoice(
    roles=(
        "You are an endoscopist who reviews recordings of submucosal dissections.",
        "Act as a specialist in therapeutic endoscopy who reads operative video frame by frame.",
        "You assist an endoscopy team by explaining what forceps and knife do in the footage.",
        "You are an experienced analyst of robot-assisted endoscopic surgery.",
        "Take the part of a teacher of endoscopic submucosal dissection who comments on videos.",
        "You know the instruments and the course of endoscopic submucosal dissection well.",
    ),
    contexts=(
        "The clip comes from the endoscope during an endoscopic submucosal dissection.",
        "These frames show how a lesion is taken off the wall of the gut through the endoscope.",
        "You are looking at an excerpt of an endoscopic submucosal dissection.",
        "The footage was recorded by the endoscope while a mucosal flap was dissected.",
        "What follows is a piece of an endoscopic operation beneath the mucosa.",
        "In this excerpt forceps and knife work on a mucosal flap, seen through the endoscope.",
    ),
    step_word="surgical actions",
)
