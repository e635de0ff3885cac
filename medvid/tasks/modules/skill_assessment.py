"""Skill assessment: how well is the exercise done, by six aspects?

Grammar, after MedVidBench: the six aspects of the modified OSATS scale in this order and spelling,
each with a score of 1 to 5 out of 5, joined by a comma and a space, as in

```
Respect for tissue: 2/5, Suture/needle handling: 1/5, Time and motion: 1/5, Flow of operation: 2/5,
Overall performance: 1/5, Quality of final product: 3/5
```

on one line. Target: `{"Respect for tissue": 2, ...}`, all six aspects.

A rating holds for a whole trial, which runs from the first to the last segment of the video. Clips
come from the general planner: the source gives a segment of its own for the whole trial, so that
one clip is the trial, and runs of shorter segments give parts of it. Of the parts of at least half
the trial's length, one in `PART_EVERY` is asked about, chosen by hash of seed and clip; their
subject says `partial`, and the question that they are parts.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from medvid.tasks.base import ClipContext, Task
from medvid.tasks.grammar import Cursor, fail
from medvid.tasks.samples import Finding, make_sample
from medvid.tasks.wording import Wording
from schemas.errors import SampleError
from schemas.hashing import hash_rank
from schemas.sample import Sample
from schemas.source import TaskName

ASPECTS: Final = (
    "Respect for tissue", "Suture/needle handling", "Time and motion", "Flow of operation",
    "Overall performance", "Quality of final product",
)  # fmt: skip
"""Published names, in the order of every answer."""

WORST: Final = 1
BEST: Final = 5
PART_EVERY: Final = 4
"""A trial of 20 gestures has some 20 clips that show half of it or more, all with one answer."""

WORDING = Wording(
    asks=(
        "Grade the operator from 1 (poor) to 5 (excellent) on each of these aspects: {aspects}.",
        "How skilfully is this done? Give one to five points for each of the following: {aspects}.",
        "Fill in the rating sheet for this trial. It has six lines, each scored out of 5:"
        " {aspects}.",
        "As an examiner, mark the performance out of 5 under six headings: {aspects}.",
        "Judge the technique shown. State a score between 1 and 5 for {aspects}.",
        "What marks out of five does the surgeon earn for {aspects}?",
        "Appraise the exercise aspect by aspect, 1 being worst and 5 best: {aspects}.",
        "Put the skill you see into numbers from 1 to 5, one for each of {aspects}.",
    )
)

PART_WORDING = Wording(
    asks=(
        "This is a part of a longer trial. Grade the whole trial from 1 (poor) to 5 (excellent) on"
        " each of these aspects: {aspects}.",
        "Only a portion of the exercise is shown. Going by it, what marks out of five does the"
        " trial earn for {aspects}?",
        "From this excerpt, estimate how the complete exercise was rated between 1 and 5 for"
        " {aspects}.",
        "You see at least half of a trial. Fill in its rating sheet, six lines scored out of 5:"
        " {aspects}.",
        "The clip leaves out some of the trial it is taken from. Score that trial from 1 to 5"
        " under six headings: {aspects}.",
        "Infer from this section how well the exercise went as a whole, 1 being worst and 5 best:"
        " {aspects}.",
    )
)


class SkillAssessment:
    """Asks for the six scores of a rated trial."""

    name: TaskName = TaskName.SKILL_ASSESSMENT
    qa_types: tuple[str, ...] = ("skill_assessment",)

    def build(self, context: ClipContext) -> Iterator[Sample]:
        """Yield at most one sample.

        Counts `no_rating`, `incomplete_rating` (not all six aspects, or a score that is none),
        `no_segments` (nothing says where the trial starts and ends), `part_too_short` and
        `part_not_chosen`.
        """
        skill, clip = context.annotation.skill, context.clip
        if skill is None:
            context.drops["no_rating"] += 1
        elif fault_of(skill.scores):
            context.drops["incomplete_rating"] += 1
        elif not context.annotation.segments:
            context.drops["no_segments"] += 1
        else:
            segments = context.annotation.segments
            start, end = segments[0].start, max(segment.end for segment in segments)
            shown = min(end, clip.end) - max(start, clip.start)
            if shown == end - start:
                yield self._sample(context, skill.level, skill.scores, partial=False)
            elif 2 * shown < end - start:
                context.drops["part_too_short"] += 1
            elif hash_rank(context.settings.seed, "skill", context.clip_id) % PART_EVERY:
                context.drops["part_not_chosen"] += 1
            else:
                yield self._sample(context, skill.level, skill.scores, partial=True)

    def _sample(
        self, context: ClipContext, level: str, scores: Mapping[str, int], *, partial: bool
    ) -> Sample:
        target = {aspect: scores[aspect] for aspect in ASPECTS}
        finding = Finding(
            task=self.name, qa_type="skill_assessment", subject={"partial": partial},
            label=f"{sum(target.values())}/{BEST * len(ASPECTS)}", answer=self.format_(target),
            target=target, wording=PART_WORDING if partial else WORDING,
            values={"aspects": f"{', '.join(ASPECTS[:-1])} and {ASPECTS[-1]}"},
            records=[f"skill_level:{level}"],
        )  # fmt: skip
        return make_sample(context, finding)

    def format_(self, target: Mapping[str, int]) -> str:
        """Write scores as an answer, whatever their order.

        Raises:
            SampleError: An aspect is missing or unknown, or a score is not 1 to 5.
        """
        fault = fault_of(target)
        if fault:
            raise SampleError(f"an answer of skill assessment {fault}.")
        return ", ".join(f"{aspect}: {target[aspect]}/{BEST}" for aspect in ASPECTS)

    def parse_(self, text: str) -> dict[str, int]:
        """Read an answer strictly.

        Raises:
            SampleError: The text is not of this grammar; `field` names the character.
        """
        cursor = Cursor(text)
        scores: dict[str, int] = {}
        for aspect in ASPECTS:
            cursor.take(f"{', ' if scores else ''}{aspect}: ")
            digit = text[cursor.position : cursor.position + 1]
            if digit not in {str(score) for score in range(WORST, BEST + 1)}:
                fail(text, cursor.position, f"a score from {WORST} to {BEST}")
            cursor.take(f"{digit}/{BEST}")
            scores[aspect] = int(digit)
        if not cursor.at_end:
            fail(text, cursor.position, "the end of the answer")
        return scores


def fault_of(scores: Mapping[str, int]) -> str:
    """What keeps scores from being an answer, empty where nothing does."""
    if set(scores) != set(ASPECTS):
        return "needs the six aspects, no more and no fewer"
    strange = [
        score for score in scores.values() if type(score) is not int or not WORST <= score <= BEST
    ]
    return f"has the score {strange[0]!r}, which is not {WORST} to {BEST}" if strange else ""


TASK: Task = SkillAssessment()
