"""Agreement by job and source, label, annotator and pair of annotators."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from annotation.archive import PulledAnnotation
from annotation.jobs import Job
from annotation.reliability.coefficients import (
    THRESHOLDS,
    Metric,
    Overlap,
    Value,
    Weights,
    cohen_kappa,
    krippendorff_alpha,
    observed_agreement,
)
from annotation.reliability.tally import (
    Pair,
    PairCounts,
    Row,
    Tally,
    as_yes_or_no,
    labels_in,
    pair_counts,
    without,
)
from annotation.reliability.units import Answers, Intake, gather_answers
from schemas.scalars import SCHEMA_VERSION, Label, Model, SourceName

PLACES: Final = 6
"""Decimals of every figure: equal annotations give an equal report, on any machine."""


class OverlapScore(Model):
    """How well segments or boxes lie on each other.

    Attributes:
        items: Segments or boxes of both annotators, over all pairs of annotators.
        mean_iou: Overlap of an item with its partner, 0 where it has none.
        paired_iou: Overlap of those that overlap at all.
        f1: By least overlap, the share of items that have a partner so close.
    """

    items: int
    mean_iou: float | None
    paired_iou: float | None
    f1: dict[str, float | None]


class Score(Model):
    """Agreement over some units.

    Attributes:
        tasks: Clips that count.
        units: Frames, trials, pairs or captions with two values or more.
        agreement: Share of pairs of values that are equal.
        kappa: Cohen's kappa; of several pairs of annotators the mean, weighted by their units.
        kappa_linear: The same with linear weights, of scores alone.
        kappa_quadratic: The same with quadratic weights.
        alpha: Krippendorff's alpha, ordinal for scores and nominal for all else.
        overlap: Of segments or boxes, where there are such.
        words: Mean share of words in common, of captions alone.
    """

    tasks: int
    units: int
    agreement: float | None
    kappa: float | None = None
    kappa_linear: float | None = None
    kappa_quadratic: float | None = None
    alpha: float | None = None
    overlap: OverlapScore | None = None
    words: float | None = None


class LabelScore(Model):
    """Agreement on one label: for each unit, whether it holds.

    Attributes:
        label: The label.
        said: Units of which somebody says that it holds.
        score: The agreement; its tasks are those with the label.
    """

    label: Label
    said: int
    score: Score


class AnnotatorScore(Model):
    """Agreement of one annotator with all others.

    Attributes:
        who: Annotator.
        score: Over the units they judged; kappa and overlap of the pairs they are in.
        alpha_without: Alpha of the others alone; above the topic's own where this annotator is
            the one who differs. None with fewer than three annotators.
    """

    who: Label
    score: Score
    alpha_without: float | None


class PairScore(Model):
    """Agreement of two annotators."""

    first: Label
    second: Label
    score: Score


class TopicAgreement(Model):
    """Agreement on one segment kind, aspect or criterion.

    Attributes:
        name: The topic.
        unit: What a unit is, in the plural.
        metric: How far values are from each other.
        regions: `segments` or `boxes` where there are such, else empty.
        score: Over everybody.
        labels: By label, where there are several.
        annotators: By annotator, in order of names.
        pairs: By pair of annotators.
    """

    name: Label
    unit: Label
    metric: Metric
    regions: str
    score: Score
    labels: tuple[LabelScore, ...]
    annotators: tuple[AnnotatorScore, ...]
    pairs: tuple[PairScore, ...]


class JobAgreement(Model):
    """Agreement on one job of one source: labels of two sources have nothing in common.

    Attributes:
        job: The job.
        source: Module name of the source.
        tasks: Clips that two annotators or more answered.
        answers: Their answers.
        topics: By topic, in order of names.
    """

    job: Job
    source: SourceName
    tasks: int
    answers: int
    topics: tuple[TopicAgreement, ...]


class AgreementReport(Model):
    """All that can be said of agreement.

    Attributes:
        intake: What became of the annotations.
        jobs: By job and source.
    """

    schema_version: int = SCHEMA_VERSION
    intake: Intake
    jobs: tuple[JobAgreement, ...]


def measure_agreement(
    annotations: Iterable[PulledAnnotation], *, unled_only: bool = False
) -> AgreementReport:
    """Hold the answers of several annotators to one clip against each other.

    Args:
        annotations: As archived, in any order; of several versions of one the newest counts.
        unled_only: Leave out answers to tasks that came, or may have come, with labels filled in.

    Returns:
        The report; it does not depend on the order of the annotations. Its jobs are empty where
        no clip has two answers.
    """
    intake = Intake()
    jobs: dict[tuple[Job, str], dict[str, Tally]] = {}
    sizes: dict[tuple[Job, str], Counter[str]] = {}
    for answers in gather_answers(annotations, intake, unled_only=unled_only):
        key = (answers.task.job, answers.task.source)
        _count(jobs.setdefault(key, {}), answers)
        sizes.setdefault(key, Counter()).update(tasks=1, answers=len(answers.judgements))
    return AgreementReport(
        intake=intake,
        jobs=tuple(
            JobAgreement(
                job=key[0], source=key[1], tasks=sizes[key]["tasks"], answers=sizes[key]["answers"],
                topics=tuple(_topic(name, tally) for name, tally in sorted(jobs[key].items())),
            )
            for key in sorted(jobs)
        ),
    )  # fmt: skip


def _count(tallies: dict[str, Tally], answers: Answers) -> None:
    topics = sorted({topic for judged in answers.judgements.values() for topic in judged})
    for topic in topics:
        judged = {w: said[topic] for w, said in answers.judgements.items() if topic in said}
        if len(judged) > 1:
            first = next(iter(judged.values()))
            tallies.setdefault(topic, Tally(first.metric, first.unit)).add(judged)


def _topic(name: str, tally: Tally) -> TopicAgreement:
    counts = pair_counts(tally.rows)
    labels = sorted(
        labels_in(values for _, values in tally.rows)
        | {label for sums in tally.overlaps.values() for label in sums}
    )
    return TopicAgreement(
        name=name, unit=tally.unit, metric=tally.metric, regions=tally.regions,
        score=_score(tally, tally.rows, counts, tally.tasks),
        labels=tuple(_label(tally, label) for label in labels) if len(labels) > 1 else (),
        annotators=tuple(_annotator(tally, counts, who) for who in sorted(tally.tasks_of)),
        pairs=tuple(_pair(tally, counts, pair) for pair in sorted(tally.tasks_of_pair)),
    )  # fmt: skip


def _label(tally: Tally, label: str) -> LabelScore:
    rows = as_yes_or_no(tally.rows, label)
    said = sum(count for (_, values), count in rows.items() if 1 in values)
    score = _score(tally, rows, pair_counts(rows), tally.tasks_with[label], label=label)
    return LabelScore(label=label, said=said, score=score)


def _annotator(tally: Tally, counts: PairCounts, who: str) -> AnnotatorScore:
    judged: Counter[Row] = Counter({
        row: count for row, count in tally.rows.items()
        if dict(zip(*row, strict=True)).get(who) is not None
    })  # fmt: skip
    own = {pair: said for pair, said in counts.items() if who in pair}
    left = None
    if len(tally.tasks_of) > 2 and not tally.is_text:
        left = _alpha(without(tally.rows, who), tally.metric)
    score = _score(tally, judged, own, tally.tasks_of[who], who=who)
    return AnnotatorScore(who=who, score=score, alpha_without=left)


def _pair(tally: Tally, counts: PairCounts, pair: Pair) -> PairScore:
    said = counts.get(pair, Counter())
    rows: Counter[Row] = Counter({(pair, values): count for values, count in said.items()})
    score = _score(tally, rows, {pair: said}, tally.tasks_of_pair[pair], pair=pair)
    return PairScore(first=pair[0], second=pair[1], score=score)


def _score(
    tally: Tally,
    rows: Counter[Row],
    counts: PairCounts,
    tasks: int,
    *,
    label: str | None = None,
    who: str | None = None,
    pair: Pair | None = None,
) -> Score:
    """Score some of a topic's units; overlaps and words are those of the label, annotator or pair.

    Agreement, kappa and overlap rest on `counts`, alpha and the number of units on `rows`.
    """
    pooled: Counter[tuple[Value, Value]] = Counter()
    for said in counts.values():
        pooled.update(said)
    chosen = [p for p in tally.tasks_of_pair if pair in (None, p) and (who is None or who in p)]
    scores = tally.metric is not Metric.NOMINAL
    return Score(
        tasks=tasks,
        units=sum(c for (_, said), c in rows.items() if sum(v is not None for v in said) > 1),
        agreement=_rounded(observed_agreement(pooled)),
        kappa=None if tally.is_text else _kappa(counts, Weights.EQUAL),
        kappa_linear=_kappa(counts, Weights.LINEAR) if scores else None,
        kappa_quadratic=_kappa(counts, Weights.QUADRATIC) if scores else None,
        alpha=None if tally.is_text else _alpha(rows, tally.metric),
        overlap=_overlap(tally, chosen, label) if tally.regions else None,
        words=_words(tally.words, chosen),
    )


def _kappa(counts: PairCounts, weights: Weights) -> float | None:
    """Mean of the pairs' kappas, as Light 1971 has it, each weighted by the units of the pair.

    Pairs are not pooled: annotators who use labels differently often would look better than they
    are. Pairs without a kappa do not count.
    """
    found = [(cohen_kappa(said, weights), said.total()) for _, said in sorted(counts.items())]
    defined = [(kappa, units) for kappa, units in found if kappa is not None]
    total = sum(units for _, units in defined)
    return _rounded(sum(k * units for k, units in defined) / total) if total else None


def _alpha(rows: Counter[Row], metric: Metric) -> float | None:
    values: Counter[tuple[Value | None, ...]] = Counter()
    for (_, said), count in rows.items():
        values[said] += count
    return _rounded(krippendorff_alpha(values, metric))


def _overlap(tally: Tally, pairs: Iterable[Pair], label: str | None) -> OverlapScore:
    total = Overlap()
    for pair in sorted(pairs):
        for name, found in sorted(tally.overlaps.get(pair, {}).items()):
            if label in (None, name):
                total += found
    return OverlapScore(
        items=total.items,
        mean_iou=_rounded(total.mean_iou),
        paired_iou=_rounded(total.paired_iou),
        f1={str(t): _rounded(f1) for t, f1 in zip(THRESHOLDS, total.f1, strict=True)},
    )


def _words(words: Mapping[Pair, tuple[float, int]], pairs: Iterable[Pair]) -> float | None:
    held = [words[pair] for pair in sorted(pairs) if pair in words]
    total = sum(count for _, count in held)
    return _rounded(sum(shared for shared, _ in held) / total) if total else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, PLACES) + 0.0
