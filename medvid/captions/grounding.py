"""The grounding check: every content word of a caption comes from a label or a closed list."""

import re
from collections.abc import Iterable
from typing import Final

from medvid.captions.morphology import inflections, plain
from medvid.captions.region_text import FLAG_CLAUSES
from medvid.captions.video_facts import Speech, is_null
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.geometry import Box, Triplet
from schemas.source import SourceSpec
from schemas.timeline import SegmentKind

_WORD = re.compile(r"\w+(?:[-'’]\w+)*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON: Final = "a an and are first in is of the then"

EVENT_WORDS: Final = _words(
    f"{_COMMON} action addition after afterward again all also as at be begin beginning being"
    " belongs briefly by can carried during end finally for gesture here idle last later more most"
    " next once out part performed performing performs phase place point procedure progress seen"
    " segment shown shows step take takes that this time to under video view visible way while with"
    " within work"
)
"""Words of event captions that come from no label: articles, order, and that something is shown."""

SUMMARY_WORDS: Final = _words(
    f"{_COMMON} about action actions appear appears at back begins by closes comes continues covers"
    " ends excerpt finally finishes followed frequent from gestures goes more most moves occur"
    " occurs often on once opens other overlapping part phase phases place procedure returns runs"
    " seen shows starts step steps take takes than this through times to video view visible with"
)
"""Words of summaries that come from no label: order, repetition, frequency."""

REGION_WORDS: Final = _words(
    f"{_COMMON} about almost alternate alternates at began between bottom by center close different"
    " end ends for from held idle it left little lower most move moves moving on only"
    " otherwise out part place remain remaining remains right shift shifting shifts slightly some"
    " stay staying stays they this throughout time times to top toward upper used view where while"
    " whole"
)
"""Words of region captions that come from no label: what boxes show, and for how long."""

SCOPE_WORDS: Final = {
    "event": EVENT_WORDS, "summary": SUMMARY_WORDS, "region": REGION_WORDS,
}  # fmt: skip


def ungrounded_words(text: str, phrases: Iterable[str], *, scope: str = "event") -> list[str]:
    """Find the words of a caption that neither its labels nor the closed lists hold.

    Args:
        text: The caption.
        phrases: Phrases of the labels it may draw upon.
        scope: `event`, `summary` or `region`.

    Returns:
        Words in order of appearance, lower-case; empty for a grounded caption.

    >>> ungrounded_words("The hook burns the liver.", ["hook", "coagulate", "liver"])
    ['burns']
    """
    known = set(SCOPE_WORDS[scope])
    for phrase in phrases:
        for word in _WORD.findall(plain(phrase)):
            known |= inflections(word)
    return [word for word in map(str.lower, _WORD.findall(text)) if word not in known]


def _segment_phrases(
    caption: Caption, annotation: VideoAnnotation, spec: SourceSpec, speech: Speech
) -> set[str]:
    """Phrases of a caption's own label, or for a summary of every label in its time."""
    if spec.label_kind is None:
        return set()
    say = speech.thing if spec.label_kind is SegmentKind.PRESENCE else None
    labels = (
        {caption.label}
        if caption.scope == "event"
        else {
            segment.label
            for segment in annotation.segments
            if segment.kind is spec.label_kind
            and segment.start < caption.end
            and segment.end > caption.start
        }
    )
    return {
        say(label) if say is not None else speech.say(spec.label_kind.value, label)
        for label in labels
    }


def allowed_phrases(
    caption: Caption, annotation: VideoAnnotation, spec: SourceSpec
) -> frozenset[str]:
    """The phrases a label-grounded caption may draw upon.

    These are its own label's, the procedure's name, the word for who acts in this source, and for
    its stretch of time the labels of segments, triplets, boxes, operators and visibility flags. A
    region draws on boxes and triplets of its own class alone.
    """
    speech = Speech(spec)
    found: set[str] = set()
    if caption.scope == "region":
        found.add(speech.thing(caption.label))
    else:
        found |= _segment_phrases(caption, annotation, spec, speech)
        if annotation.procedure is not None:
            found.add(speech.say("procedure", annotation.procedure))
    if caption.scope == "event" and speech.actor is not None:
        found.add(speech.actor)
    inside = [box for box in annotation.boxes if _covers(caption, box.tick)]
    for box in inside:
        if caption.scope == "summary":
            found.add(speech.thing(box.label))
        elif caption.scope == "region" and box.label == caption.label:
            found |= _box_phrases(box, speech)
    triplets = [item.triplet for item in annotation.triplets if _covers(caption, item.tick)]
    for triplet in (*triplets, *(box.triplet for box in inside if box.triplet is not None)):
        if caption.scope != "region" or triplet.instrument == caption.label:
            found |= _triplet_phrases(triplet, speech)
    return frozenset(found)


def _covers(caption: Caption, tick: int) -> bool:
    return caption.start <= tick < caption.end


def _box_phrases(box: Box, speech: Speech) -> set[str]:
    found = {FLAG_CLAUSES[f].format(subject="", are="") for f in box.flags if f in FLAG_CLAUSES}
    if box.operator is not None and not is_null(box.operator):
        found.add(speech.say("operator", box.operator))
    return found


def _triplet_phrases(triplet: Triplet, speech: Speech) -> set[str]:
    found = {speech.thing(triplet.instrument)}
    if triplet.verb is not None and not is_null(triplet.verb):
        found.add(speech.say("verb", triplet.verb))
        if triplet.target is not None and not is_null(triplet.target):
            found.add(speech.say("target", triplet.target))
    return found
