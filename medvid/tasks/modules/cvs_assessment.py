"""Assessment of the critical view of safety: how far is each of Strasberg's criteria met?

Grammar, after MedVidBench: the three scores on one line, each 0, 1 or 2, in this order:

```
Two structures: 0, Cystic plate: 0, Hepatocystic triangle: 0
```

Target: `{"two_structures": 0, "cystic_plate": 0, "hepatocystic_triangle": 0}`.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypedDict

from medvid.tasks.base import ClipContext, Task
from medvid.tasks.grammar import Cursor, fail
from medvid.tasks.samples import Finding, make_sample, segment_record
from medvid.tasks.wording import Wording
from schemas.annotation import CvsInterval
from schemas.errors import SampleError
from schemas.sample import Sample
from schemas.source import TaskName

WORDING = Wording(
    asks=(
        "Score the critical view of safety as this clip shows it: from 0 (not met) over 1 (met in"
        " part) to 2 (met), say how far exactly two structures are seen to enter the gallbladder,"
        " how far the cystic plate is exposed, and how far the hepatocystic triangle is cleared.",
        "How safe would it be to clip now? Give Strasberg's three criteria 0, 1 or 2 points each:"
        " two structures, cystic plate, hepatocystic triangle.",
        "For each of the three criteria of the critical view of safety (two structures, cystic"
        " plate, hepatocystic triangle), state the points the dissection has earned so far, on a"
        " scale that runs from 0 to 2.",
        "Judge the dissection against Strasberg's criteria. Rate the two structures, the cystic"
        " plate and the hepatocystic triangle; 0 stands for absent, 1 for partial, 2 for complete.",
        "Has the critical view of safety been reached? Answer with one grade between 0 and 2 for"
        " the two structures, one for the cystic plate and one for the hepatocystic triangle.",
        "Which grade, 0, 1 or 2, does each part of the critical view of safety deserve here? Name"
        " them in the order two structures, cystic plate, hepatocystic triangle.",
        "Look at the anatomy in these frames and grade it: are only two structures left that lead"
        " to the gallbladder, is the lower part of the cystic plate bare, is the hepatocystic"
        " triangle free of fat and fibrous tissue? Use 0 for no, 1 for partly and 2 for fully.",
        "Before anything is divided, the two structures, the cystic plate and the hepatocystic"
        " triangle have to be in plain view. Grade all three from 0 to 2 for this footage.",
    )
)

CRITERIA: Final[dict[str, str]] = {
    "two_structures": "Two structures",
    "cystic_plate": "Cystic plate",
    "hepatocystic_triangle": "Hepatocystic triangle",
}
"""Criteria by their names in the target, as an answer spells them and in its order."""

_SCORES: Final = (0, 1, 2)


class CvsScores(TypedDict):
    """Points for each of Strasberg's criteria, 0 to 2."""

    two_structures: int
    cystic_plate: int
    hepatocystic_triangle: int


class CvsAssessment:
    """Asks for the three scores of a clip that lies within one scored interval."""

    name: TaskName = TaskName.CVS_ASSESSMENT
    qa_types: tuple[str, ...] = ("cvs_assessment",)

    def build(self, context: ClipContext) -> Iterator[Sample]:
        """Yield at most one sample.

        Counts `not_scored` (no interval reaches into the clip), `several_intervals` (more than
        one does) and `partly_scored` (the only one does not fill it).
        """
        clip = context.clip
        touched = [
            (place, interval)
            for place, interval in enumerate(context.annotation.cvs)
            if interval.start < clip.end and interval.end > clip.start
        ]
        if not touched:
            context.drops["not_scored"] += 1
        elif len(touched) > 1:
            context.drops["several_intervals"] += 1
        elif touched[0][1].start > clip.start or touched[0][1].end < clip.end:
            context.drops["partly_scored"] += 1
        else:
            yield self._sample(context, *touched[0])

    def _sample(self, context: ClipContext, place: int, interval: CvsInterval) -> Sample:
        target = CvsScores(
            two_structures=interval.two_structures, cystic_plate=interval.cystic_plate,
            hepatocystic_triangle=interval.hepatocystic_triangle,
        )  # fmt: skip
        finding = Finding(
            task=self.name, qa_type="cvs_assessment", subject={}, label=score_pattern(target),
            answer=self.format_(target), target=target, wording=WORDING,
            records=[f"cvs:{place}", *_segment_records(context)],
        )  # fmt: skip
        return make_sample(context, finding)

    def format_(self, target: CvsScores) -> str:
        """Write scores as an answer.

        Raises:
            SampleError: A score is missing or not 0, 1 or 2, or there is a criterion too many.
        """
        if target.keys() != CRITERIA.keys():
            raise SampleError(f"CVS scores need exactly {', '.join(CRITERIA)}.", field="target")
        parts = zip(CRITERIA.values(), _in_order(target), strict=True)
        return ", ".join(f"{name}: {score}" for name, score in parts)

    def parse_(self, text: str) -> CvsScores:
        """Read an answer strictly.

        Raises:
            SampleError: The text is not of this grammar; `field` names the character.
        """
        cursor = Cursor(text)
        scores: list[int] = []
        for place, name in enumerate(CRITERIA.values()):
            cursor.take(f", {name}: " if place else f"{name}: ")
            scores.append(_take_score(cursor))
        if not cursor.at_end:
            fail(text, cursor.position, "the end of the answer")
        return CvsScores(
            two_structures=scores[0], cystic_plate=scores[1], hepatocystic_triangle=scores[2]
        )


def score_pattern(scores: CvsScores) -> str:
    """The three scores as the label that selection balances over.

    >>> score_pattern({"two_structures": 1, "cystic_plate": 0, "hepatocystic_triangle": 2})
    '1-0-2'
    """
    return "-".join(str(score) for score in _in_order(scores))


def _in_order(scores: CvsScores) -> Sequence[int]:
    """The three scores in the order of an answer.

    Raises:
        SampleError: One is not 0, 1 or 2.
    """
    values = (scores["two_structures"], scores["cystic_plate"], scores["hepatocystic_triangle"])
    for name, value in zip(CRITERIA, values, strict=True):
        if type(value) is not int or value not in _SCORES:
            raise SampleError(f"score {value!r} is not 0, 1 or 2.", field=name)
    return values


def _take_score(cursor: Cursor) -> int:
    for score in _SCORES:
        if cursor.skips(str(score)):
            return score
    fail(cursor.text, cursor.position, "a score of 0, 1 or 2")


def _segment_records(context: ClipContext) -> Iterator[str]:
    """Segments the clip was cut from, which name rows of the native file."""
    clip = context.clip
    for position, segment in enumerate(context.annotation.segments):
        inside = segment.start < clip.end and segment.end > clip.start
        if segment.kind is clip.kind and inside:
            yield segment_record(position, segment)


TASK: Task = CvsAssessment()
