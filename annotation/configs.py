"""Labelling configurations, generated from the vocabularies.

The controls stand above and beside the video, since below a timeline they are out of sight. A
label's colour is a hash of the label, so that it is the same in every project and over the years;
its hotkey is its place in the vocabulary.
"""

import colorsys
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from annotation.forms import CVS_CONTROL, CVS_CRITERIA, CVS_LABEL, control_name
from annotation.jobs import MARK_LABELS, PROXY_FPS, Job
from annotation.marks import BOXES_CONTROL, STRETCH_CONTROL
from schemas.hashing import hash_fraction

HOTKEYS: Final = "123456789qwertyuopasdfghjklzxcvbnm"
VIDEO_HEIGHT_PX: Final = 330
TIMELINE_HEIGHT_PX: Final = 150
"""Controls, picture and time line together stand on a page of 1500 by 1000 without scrolling."""

PANEL_STYLE: Final = "display:flex;gap:16px;align-items:flex-start"
FORM_STYLE: Final = "display:flex;flex-wrap:wrap;gap:4px 16px;align-items:flex-start"
LABELS_STYLE: Final = "flex:1 1 auto;min-width:0;max-height:190px;overflow-y:auto"
REASON_STYLE: Final = "flex:0 0 260px"
LONG_LIST: Final = 30
"""Labels from which a list is searched rather than read."""


INSTRUCTIONS: Final[dict[Job, str]] = {
    Job.TIMELINE: "Every stretch on the time line is a label of today. Drag an edge to the first "
    "or last frame that belongs to it, choose another label, delete what is not there, add what "
    "is missing: press a label's key, then drag over the time line. A stretch holds both the frame "
    "it starts on and the frame it ends on.",
    Job.BOXES: "Each box is one object through the clip. Go to a frame and move or resize the box; "
    "between frames you set, it follows straight lines. End an object with the toggle beside its "
    "row where it leaves the picture. Boxes are upright and stay inside the picture.",
    Job.CAPTION: "Correct the text so that it says what the clip shows: right terms, right "
    "instruments and anatomy, nothing that cannot be seen. The marks on the time line and on the "
    "picture show what it is about; moving them changes nothing.",
    Job.SKILL: "Rate the whole trial on the six aspects of the modified OSATS scale, 1 to 5.",
    Job.CVS: "Each stretch carries the three criteria of the critical view of safety, 0 to 2. "
    "Stretches must not overlap. Select one to see its scores.",
    Job.REVIEW: "Read the question and the answer beside the clip. Reject the pair if the clip "
    "does not answer the question so, or if it cannot be asked; say why in a few words. Marks on "
    "the time line and on the picture show what is asked about and what is answered: select one in "
    "the list, and go to its next key frame. Moving them changes nothing.",
    Job.EXCLUDED: "Mark every stretch that no one may train on: the camera outside the body, faces "
    "and other things that name a person.",
}
"""What the project tells its annotators, by job."""


def label_colour(label: str) -> str:
    """Colour of a label, the same wherever it stands.

    >>> label_colour("cutting") == label_colour("cutting")
    True
    """
    hue = hash_fraction(0, "colour", label)
    shade = 0.40 + 0.18 * hash_fraction(0, "shade", label)
    red, green, blue = colorsys.hls_to_rgb(hue, shade, 0.65)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def labelling_config(job: Job, vocabulary: dict[str, Sequence[str]]) -> str:
    """Build the configuration of a job's project.

    Args:
        job: The job.
        vocabulary: Labels by control, in order: by segment kind for `timeline`, `objects` for
            `boxes`, `excluded` for `excluded`, `level` and the six aspects for `skill`.

    Returns:
        XML that Label Studio accepts.
    """
    view = ET.Element("View")
    ET.SubElement(view, "Text", name="notes", value="$notes")
    panel = ET.SubElement(view, "View", style=FORM_STYLE if job is Job.SKILL else PANEL_STYLE)
    keys = iter(HOTKEYS)
    if job in (Job.TIMELINE, Job.EXCLUDED):
        for control, labels in vocabulary.items():
            _labels(panel, "TimelineLabels", control, labels, keys)
    elif job is Job.BOXES:
        _labels(panel, "Labels", "objects", vocabulary["objects"], keys)
    elif job is Job.CVS:
        _labels(panel, "TimelineLabels", CVS_CONTROL, (CVS_LABEL,), keys)
        for criterion in CVS_CRITERIA:
            _choices(panel, criterion, criterion.replace("_", " "), "012", per_region=True)
    elif job is Job.SKILL:
        for aspect, scores in vocabulary.items():
            _choices(panel, control_name(aspect), aspect, scores)
    elif job is Job.CAPTION:
        _text(panel, "caption", rows=4)
        _marks(panel)
    else:
        _choices(panel, "verdict", "This pair is", ("accept", "reject"))
        _marks(panel)
    _text(panel, "reason", rows=1, hint="why, if you changed something")
    _video(view, job)
    ET.indent(view)
    return ET.tostring(view, encoding="unicode")


def _marks(panel: ET.Element) -> None:
    """Labels of what is shown to be seen; they have no keys, since nobody is to draw them."""
    _labels(panel, "Labels", BOXES_CONTROL, MARK_LABELS, ())
    _labels(panel, "TimelineLabels", STRETCH_CONTROL, MARK_LABELS, ())


def _video(view: ET.Element, job: Job) -> None:
    ET.SubElement(
        view, "Video", name="video", value="$video", framerate=str(PROXY_FPS),
        height=str(VIDEO_HEIGHT_PX), timelineHeight=str(TIMELINE_HEIGHT_PX),
    )  # fmt: skip
    if job in (Job.BOXES, Job.CAPTION, Job.REVIEW):
        ET.SubElement(view, "VideoRectangle", name="box", toName="video")


def _labels(
    panel: ET.Element, tag: str, name: str, labels: Sequence[str], keys: Iterable[str]
) -> None:
    box = ET.SubElement(panel, "View", style=LABELS_STYLE)
    ET.SubElement(box, "Header", value=name.replace("_", " "), size="5")
    if len(labels) > LONG_LIST:
        ET.SubElement(
            box, "Filter", name=f"{name}_filter", toName=name, minlength="0",
            placeholder="search a label",
        )  # fmt: skip
    control = ET.SubElement(box, tag, name=name, toName="video")
    for label in labels:
        attributes = {"value": label, "background": label_colour(label)}
        key = next(iter(keys), None)
        if key is not None:
            attributes["hotkey"] = key
        ET.SubElement(control, "Label", attributes)


def _choices(
    panel: ET.Element, name: str, title: str, choices: Iterable[str], *, per_region: bool = False
) -> None:
    box = ET.SubElement(panel, "View")
    ET.SubElement(box, "Header", value=title, size="5")
    attributes = {"name": name, "toName": "video", "choice": "single-radio", "showInline": "true"}
    if per_region:
        attributes["perRegion"] = "true"
    control = ET.SubElement(box, "Choices", attributes)
    for choice in choices:
        ET.SubElement(control, "Choice", value=choice)


def _text(panel: ET.Element, name: str, *, rows: int, hint: str = "") -> None:
    style = REASON_STYLE if name == "reason" else "flex:1 1 auto;min-width:0"
    box = ET.SubElement(panel, "View", style=style)
    ET.SubElement(box, "Header", value=name, size="5")
    ET.SubElement(
        box, "TextArea", name=name, toName="video", rows=str(rows), editable="true",
        maxSubmissions="1", placeholder=hint,
    )  # fmt: skip
