"""What the judge is given and what it returns."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.scalars import SCHEMA_VERSION, Label, Model, PositiveInt

MIN_SCORE = 1
MAX_SCORE = 5

Score = Annotated[int, Field(ge=MIN_SCORE, le=MAX_SCORE)]
Cosine = Annotated[float, Field(ge=0, le=1)]


class Dimension(StrEnum):
    """The five clinical dimensions, in the order in which they are asked."""

    TERMINOLOGY = "terminology"
    IDENTIFICATION = "identification"
    SPECIFICITY = "specificity"
    CONTEXT = "context"
    ACTION_STATE = "action_state"


OFFICIAL_KEYS = {
    Dimension.TERMINOLOGY: "R2",
    Dimension.IDENTIFICATION: "R3",
    Dimension.SPECIFICITY: "R8",
    Dimension.CONTEXT: "R5",
    Dimension.ACTION_STATE: "R4",
}
"""Names of the dimensions in the leaderboard's code."""

Scores = dict[Dimension, Score]


class CaptionPair(Model):
    """A candidate text and the reference it is compared with.

    Attributes:
        pair_id: Name of the pair, unique in a call.
        reference: The text taken as true.
        candidate: The text to judge.
        question: What was asked about the video.
        task: Task of the pair, e.g. `region_caption`.
        source: Source of the video, e.g. `copesd`.
    """

    pair_id: Label
    reference: str
    candidate: str
    question: str = ""
    task: str = ""
    source: str = ""


class JudgeSettings(Model):
    """How pairs are judged.

    Attributes:
        profile: `clinical` asks for the dimensions by name, as JSON; `official` for the
            leaderboard's keys, as lines, so that its caption columns can be filled. The wording
            of both is ours.
        temperature: Sampling temperature.
        max_tokens: Tokens of a judge's answer at most.
        attempts: How often an answer without five scores is asked for anew, in all.
        max_chars: Characters of a candidate, reference or question that are shown; the rest is
            cut and the judgement says so.
        repeats: How often a checked pair is judged; only the first counts as its score.
        swap: Whether a checked pair is judged with roles exchanged, too.
        check_share: Share of the pairs, chosen by hash, on which repeats and swap are made.
        seed: Seed of that choice.
    """

    profile: Literal["clinical", "official"] = "clinical"
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_tokens: PositiveInt = 400
    attempts: PositiveInt = 5
    max_chars: Annotated[int, Field(ge=200)] = 6_000
    repeats: PositiveInt = 1
    swap: bool = False
    check_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: int = 0


class PairJudgement(Model):
    """What became of a pair.

    Attributes:
        pair_id: The pair.
        status: `judged`, with `scores` from 1 to 5; `similar`, with `similarity` from 0 to 1 and
            no scores; `empty`, for an empty candidate, which is not asked about; `unjudged`.
        scores: One integer a dimension.
        similarity: Cosine of the sentence encoder, below 0 taken as 0.
        reason: Why there is no score: `no_scores`, `refused` or `empty_reference`.
        detail: More on that, for people.
        attempts: Answers it took to get the scores.
        repeats: Scores of further repetitions.
        swapped: Scores with roles exchanged.
        cut: Whether a text was too long to be shown whole.
        task: Task of the pair.
        source: Source of the pair.
    """

    pair_id: Label
    status: Literal["judged", "similar", "empty", "unjudged"]
    scores: Scores | None = None
    similarity: Cosine | None = None
    reason: str = ""
    detail: str = ""
    attempts: Annotated[int, Field(ge=0)] = 0
    repeats: tuple[Scores, ...] = ()
    swapped: Scores | None = None
    cut: bool = False
    task: str = ""
    source: str = ""

    @property
    def mean(self) -> float | None:
        """Mean over the five dimensions, 1 to 5; None unless judged."""
        return sum(self.scores.values()) / len(self.scores) if self.scores else None


class Consistency(Model):
    """How far a judge agrees with itself; counts beside every rate.

    Attributes:
        checked: Pairs that were judged more than once.
        repeat_comparisons: Scores of repetitions that were compared with the first.
        repeat_equal: Share of them that are equal; None without comparisons.
        repeat_within_one: Share of them that differ by one at most.
        swap_comparisons: Scores with roles exchanged that were compared.
        swap_equal: Share of them that are equal.
        swap_within_one: Share of them that differ by one at most.
        swap_shift: Mean of score minus swapped score: above 0 the judge favours what stands in
            the candidate's place.
        missing: Further judgements that were asked for and brought no scores.
    """

    checked: int = 0
    repeat_comparisons: int = 0
    repeat_equal: float | None = None
    repeat_within_one: float | None = None
    swap_comparisons: int = 0
    swap_equal: float | None = None
    swap_within_one: float | None = None
    swap_shift: float | None = None
    missing: int = 0


class JudgeReport(Model):
    """Judgements of pairs, on one scale.

    Attributes:
        scale: `1-5` from a language model, or `0-1` from the sentence encoder. A number without
            its scale means nothing, and the two are never mixed.
        judge: Model that was asked, or the sentence encoder.
        prompt_version: Version of the wording; empty for the encoder.
        settings: How pairs were judged.
        judgements: One a pair, in the order given.
        consistency: How far the judge agrees with itself.
    """

    schema_version: int = SCHEMA_VERSION
    scale: Literal["1-5", "0-1"]
    judge: Label
    prompt_version: str
    settings: JudgeSettings
    judgements: tuple[PairJudgement, ...]
    consistency: Consistency = Consistency()

    @property
    def label(self) -> str:
        """The judge and its scale, to print beside every number of this report.

        A number from our wording compares with the published ones by scale alone.
        """
        if self.scale == "0-1":
            return f"semantic similarity, {self.judge}, scale 0-1, no judge"
        return f"{self.judge}, {self.settings.profile}, {self.prompt_version}, scale 1-5"

    def scores(self) -> dict[str, float]:
        """Score of each pair that has one, on the report's scale."""
        if self.scale == "0-1":
            return {j.pair_id: j.similarity for j in self.judgements if j.similarity is not None}
        return {j.pair_id: mean for j in self.judgements if (mean := j.mean) is not None}

    def counts(self) -> dict[str, int]:
        """Pairs by status; they add up to all pairs."""
        counts = dict.fromkeys(("judged", "similar", "empty", "unjudged"), 0)
        for judgement in self.judgements:
            counts[judgement.status] += 1
        return counts

    def dimension_means(self) -> dict[Dimension, float]:
        """Mean of each dimension over judged pairs; empty where none is."""
        judged = list(self._judged())
        return {
            dimension: sum(scores[dimension] for scores in judged) / len(judged)
            for dimension in Dimension
            if judged
        }

    def official_mean(self) -> float | None:
        """The leaderboard's column: mean over aspects of mean scores.

        Empty candidates and pairs without scores are left out, as its code does. On the scale
        0-1 the mean similarity of what was compared.
        """
        if self.scale == "0-1":
            return _mean(list(self.scores().values()))
        return _mean(list(self.dimension_means().values()))

    def strict_mean(self) -> float | None:
        """Mean with empty candidates at the lowest score.

        Pairs that the judge failed to score stay out, being no fault of the candidate; `counts`
        shows how many they are.
        """
        lowest = 0.0 if self.scale == "0-1" else float(MIN_SCORE)
        empty = sum(judgement.status == "empty" for judgement in self.judgements)
        return _mean([*self.scores().values(), *[lowest] * empty])

    def _judged(self) -> Iterator[Scores]:
        return (j.scores for j in self.judgements if j.scores is not None)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
