"""AVOS's names: columns, labels, object classes, and how questions about open surgery open."""

from collections.abc import Mapping
from typing import Final

from schemas.source import QuestionVoice
from schemas.vocabulary import Vocabulary

DATASET: Final = "avos"
TICK_HZ: Final = 90_000
FRAME_HZ: Final = 15
"""Frames are numbered at this rate whatever the video's own: frame n is at n / 15 seconds."""

BACKGROUND: Final = "background"
NONE: Final = "none"
ABSTAIN: Final = "abstain"
"""A labeler's `I cannot say`: neither an action nor the lack of one."""

ACTION: Final = Vocabulary(
    name="action", labels=("cutting", "tying", "suturing"), phrases={"tying": "tying a knot"}
)
INSTRUMENT: Final = Vocabulary(
    name="instrument",
    labels=("bovie", "forceps", "needledriver", "scalpel"),
    aliases={"needle driver": "needledriver", "needle_driver": "needledriver"},
    phrases={"bovie": "electrocautery pencil", "needledriver": "needle driver"},
)
HAND: Final = Vocabulary(name="hand", labels=("hand",))
VOCABULARIES: Final[Mapping[str, Vocabulary]] = {
    "action": ACTION, "instrument": INSTRUMENT, "hand": HAND,
}  # fmt: skip

VOICE: Final = QuestionVoice(
    roles=(
        "You are a surgeon who has taught open operating technique for many years.",
        "Act as an examiner of open surgery who times each manoeuvre from the recording.",
        "You review films of open operations and note what the hands are doing.",
        "As an expert in open surgery, you follow an operation second by second.",
        "You are trained to read the work of surgeons from videos of the operative field.",
        "Your task is to annotate open operations for a surgical training programme.",
    ),
    contexts=(
        "The clip was cut from a publicly posted video of an open operation.",
        "What follows is a piece of open surgery, filmed above or beside the operative field.",
        "You see frames from a recording of an open operation.",
        "These frames belong to an online video in which an open operation is carried out.",
        "The material is a stretch of open surgery with the surgeon's hands at work.",
        "An open operation is on show in this excerpt from a public video.",
    ),
    step_word="surgical actions",
)
