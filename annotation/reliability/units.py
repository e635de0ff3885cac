"""From pulled annotations to what can be held against each other: whole labellings of one clip.

An annotation says what it changes. What an annotator says of a clip is what the task showed with
those changes made, so that leaving a label as it is counts as agreeing with it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from annotation.archive import PulledAnnotation
from annotation.box_codec import decode_boxes, is_same, shown_boxes
from annotation.codec import CVS_CRITERIA, decode_results
from annotation.jobs import AnnotationTask, Job
from annotation.reliability.coefficients import FrameBoxes, Metric, Value
from annotation.results import Problem, Result
from schemas.correction import Correction

Content = Mapping[str, Any]
Span = tuple[float, float]
"""First tick inside and first tick after, inside the clip."""

Xyxy = Sequence[float]

INTERVAL: Final = "interval"
OBJECTS: Final = "objects"
EXCLUDED: Final = "excluded"
VERDICT: Final = "verdict"
TEXT: Final = "text"
LEVEL: Final = "level"

_ROUNDING_PX: Final = 0.02
"""Boxes are kept to hundredths of a pixel; a smaller one may lose its area."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """What an annotator leaves of a clip's labels.

    Attributes:
        items: Every item, as the job has it.
        changed: Whether it differs from what was shown.
    """

    items: Sequence[Content]
    changed: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one annotator says on one topic of one clip.

    Attributes:
        values: One value a unit (a frame, or the clip); None where they do not judge it.
        metric: How far values are from each other.
        unit: What a unit is, in the plural.
        spans: Segments by label, in ticks.
        boxes: Boxes by label; frames are counted from 1.
        text: What they wrote.
    """

    values: Sequence[Value | None] = ()
    metric: Metric = Metric.NOMINAL
    unit: str = "frames"
    spans: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    boxes: Mapping[str, FrameBoxes] = field(default_factory=dict)
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What several annotators say of one clip.

    Attributes:
        task: The task, as one of them saw it.
        judgements: By annotator, in order of names, then by topic.
    """

    task: AnnotationTask
    judgements: Mapping[str, Mapping[str, Judgement]]


@dataclass(slots=True)
class Intake:
    """What became of the annotations; the parts add up to `annotations`.

    Attributes:
        annotations: Annotations and earlier versions of them that were given.
        older: Versions that a later one replaced.
        skipped: Passed on by the annotator.
        unusable: With something drawn that means nothing.
        repeated: Further answers of one annotator to one task; the newest counts.
        alone: Answers to tasks that nobody else answered.
        compared: Answers that were held against others.
        unchanged: Those of them that left everything as the labels of the task were.
        led: Those of them whose task came with labels filled in.
        unled: Those of them whose task came without; of the rest it was not recorded.
        passed_over: Left out where only answers without labels filled in are asked for.
    """

    annotations: int = 0
    older: int = 0
    skipped: int = 0
    unusable: int = 0
    repeated: int = 0
    alone: int = 0
    compared: int = 0
    unchanged: int = 0
    led: int = 0
    unled: int = 0
    passed_over: int = 0


def gather_answers(
    annotations: Iterable[PulledAnnotation],
    intake: Intake | None = None,
    *,
    unled_only: bool = False,
) -> Iterator[Answers]:
    """Yield what can be compared, one clip and job at a time, in order of task keys.

    Args:
        annotations: As archived, in any order, earlier versions included.
        intake: Counts what is used and what is left out.
        unled_only: Leave out answers to tasks that came, or may have come, with labels filled in.
    """
    counts = intake if intake is not None else Intake()
    groups: dict[tuple[str, tuple[int, ...], int], list[PulledAnnotation]] = defaultdict(list)
    for annotation in _newest(annotations, counts):
        if annotation.skipped:
            counts.skipped += 1
        elif unled_only and annotation.led is not False:
            counts.passed_over += 1
        else:
            task = annotation.task
            groups[task.task_key, task.frame_tick, task.end_tick].append(annotation)
    for key in sorted(groups):
        answers = _answers(groups.pop(key), counts)
        if answers is not None:
            yield answers


def _newest(annotations: Iterable[PulledAnnotation], counts: Intake) -> Iterator[PulledAnnotation]:
    newest: dict[str, PulledAnnotation] = {}
    for annotation in annotations:
        counts.annotations += 1
        held = newest.get(annotation.annotation_id)
        if held is None or held.when <= annotation.when:
            newest[annotation.annotation_id] = annotation
    counts.older += counts.annotations - len(newest)
    yield from (newest[name] for name in sorted(newest))


def _answers(group: Sequence[PulledAnnotation], counts: Intake) -> Answers | None:
    """The newest answer of each annotator that means something; None where one alone answered."""
    found: dict[str, tuple[PulledAnnotation, Labelling]] = {}
    for annotation in sorted(group, key=lambda a: (a.when, a.annotation_id), reverse=True):
        if annotation.who in found:
            counts.repeated += 1
            continue
        labelling = read_labelling(annotation)
        if labelling is None:
            counts.unusable += 1
        else:
            found[annotation.who] = (annotation, labelling)
    if len(found) < 2:
        counts.alone += len(found)
        return None
    unchanged = sum(not labelling.changed for _, labelling in found.values())
    counts.compared += len(found)
    counts.unchanged += unchanged
    counts.led += sum(answer.led is True for answer, _ in found.values())
    counts.unled += sum(answer.led is False for answer, _ in found.values())
    judgements = {w: judge(answer.task, said.items) for w, (answer, said) in sorted(found.items())}
    return Answers(next(iter(found.values()))[0].task, judgements)


def read_labelling(annotation: PulledAnnotation) -> Labelling | None:
    """What an annotation leaves of the clip's labels, None where something on it means nothing."""
    task = annotation.task
    if task.job is Job.BOXES:
        quick = _read_boxes(task, annotation.results)
        if quick is not None:
            return quick
    read = decode_results(
        task, annotation.results, who=annotation.who, when=annotation.when,
        tool=annotation.tool, annotation_id=annotation.annotation_id,
    )  # fmt: skip
    if read.problems:
        return None
    return Labelling(apply_corrections(task, read.corrections), bool(read.corrections))


def _read_boxes(task: AnnotationTask, results: Sequence[Result]) -> Labelling | None:
    """Boxes as they stand, without a correction for each: a moved track makes one a frame.

    Returns:
        None where there is a problem, or a box so small that one may lie in its rounding.
    """
    problems: list[Problem] = []
    shown = shown_boxes(task)
    drawn = decode_boxes(task, results, problems)
    if problems:
        return None
    items: list[Content] = []
    kept = 0
    for region, (label, by_frame) in drawn.items():
        before = shown.get(region, {})
        for frame, xyxy in by_frame.items():
            item = before.get(frame)
            if item is not None and item.content["label"] == label and _is_at(item.content, xyxy):
                items.append(item.content)
                kept += 1
                continue
            if min(xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]) < _ROUNDING_PX:
                return None
            plain = [round(value, 2) for value in xyxy]
            items.append({"tick": task.frame_tick[frame - 1], "label": label, "xyxy": plain})
    total = sum(len(by_frame) for by_frame in shown.values())
    return Labelling(items, not kept == total == len(items))


def _is_at(content: Content, xyxy: Xyxy) -> bool:
    x1, y1, x2, y2 = content["xyxy"]
    return is_same((x1, y1, x2, y2), (xyxy[0], xyxy[1], xyxy[2], xyxy[3]))


def apply_corrections(
    task: AnnotationTask, corrections: Sequence[Correction]
) -> list[dict[str, Any]]:
    """Make an annotation's changes to what its task showed.

    Returns:
        Every item as the annotator leaves it: those kept in the task's order, then what is new.
    """
    taken: dict[object, list[Content]] = defaultdict(list)
    for correction in corrections:
        if correction.before is not None:
            taken[_place(correction.before)].append(correction.before)
    items: list[dict[str, Any]] = []
    for item in task.items:
        waiting = taken.get(_place(item.content))
        if waiting and item.content in waiting:
            waiting.remove(item.content)
        else:
            items.append(item.content)
    items.extend(c.after for c in corrections if c.after is not None)
    return items


def _place(item: Content) -> object:
    """Where an item is: few share it, so that finding one by what it says is quick."""
    return item.get("tick", item.get("start"))


def judge(task: AnnotationTask, items: Sequence[Content]) -> dict[str, Judgement]:
    """Part a labelling into topics: each segment kind, aspect or criterion by itself."""
    return _JUDGES[task.job](task, items)


def _judge_timeline(task: AnnotationTask, items: Sequence[Content]) -> dict[str, Judgement]:
    return {
        kind: _ranges(task, [(item, str(item["label"])) for item in items if item["kind"] == kind])
        for kind in task.vocabulary
    }


def _judge_excluded(task: AnnotationTask, items: Sequence[Content]) -> dict[str, Judgement]:
    return {EXCLUDED: _ranges(task, [(item, str(item["reason"])) for item in items])}


def _ranges(task: AnnotationTask, labelled: Sequence[tuple[Content, str]]) -> Judgement:
    """Labels that hold on each frame, and the segments, cut to the clip: nobody saw more."""
    on: list[set[str]] = [set() for _ in range(task.frames)]
    spans: dict[str, list[Span]] = {}
    for item, label in labelled:
        start, end = int(item["start"]), int(item["end"])
        inside = task.frames_inside(start, end)
        if inside is None:
            continue
        for frame in range(inside[0], inside[1] + 1):
            on[frame - 1].add(label)
        span = (max(start, task.frame_tick[0]), min(end, task.end_tick))
        spans.setdefault(label, []).append(span)
    return Judgement([tuple(sorted(labels)) for labels in on], spans=spans)


def _judge_boxes(task: AnnotationTask, items: Sequence[Content]) -> dict[str, Judgement]:
    frame_of = {tick: number for number, tick in enumerate(task.frame_tick, start=1)}
    on: list[set[str]] = [set() for _ in range(task.frames)]
    boxes: dict[str, list[tuple[int, Xyxy]]] = {}
    for item in items:
        frame = frame_of.get(int(item["tick"]))
        if frame is None:
            continue
        on[frame - 1].add(item["label"])
        boxes.setdefault(item["label"], []).append((frame, item["xyxy"]))
    held = {label: FrameBoxes.of(found) for label, found in boxes.items()}
    return {OBJECTS: Judgement([tuple(sorted(labels)) for labels in on], boxes=held)}


def _judge_cvs(task: AnnotationTask, items: Sequence[Content]) -> dict[str, Judgement]:
    """Scores of the frames inside an interval; where there is none, there is no score to differ."""
    topics = {INTERVAL: _ranges(task, [(item, INTERVAL) for item in items])}
    scores: dict[str, list[Value | None]] = {name: [None] * task.frames for name in CVS_CRITERIA}
    for item in items:
        inside = task.frames_inside(int(item["start"]), int(item["end"]))
        for name in CVS_CRITERIA if inside is not None else ():
            for frame in range(inside[0], inside[1] + 1) if inside is not None else ():
                scores[name][frame - 1] = int(item[name])
    return topics | {name: Judgement(rows, Metric.ORDINAL) for name, rows in scores.items()}


def _judge_skill(task: AnnotationTask, items: Sequence[Content]) -> dict[str, Judgement]:
    """Level and aspects as places on their scales, in the order of the vocabulary."""
    said: dict[str, str] = {}
    for item in items[:1]:
        said = {LEVEL: str(item["level"])} | {k: str(v) for k, v in item["scores"].items()}
    return {
        aspect: Judgement(
            [scale.index(said[aspect]) if said.get(aspect) in scale else None],
            Metric.ORDINAL, "trials",
        )
        for aspect, scale in task.vocabulary.items()
    }  # fmt: skip


def _judge_review(task: AnnotationTask, items: Sequence[Content]) -> dict[str, Judgement]:
    said = (str(items[0]["verdict"]),) if items else None
    return {VERDICT: Judgement([said], unit="pairs")}


def _judge_caption(task: AnnotationTask, items: Sequence[Content]) -> dict[str, Judgement]:
    text = str(items[0]["text"]).strip() if items else None
    return {TEXT: Judgement([text], unit="captions", text=text)}


_JUDGES: Final[
    Mapping[Job, Callable[[AnnotationTask, Sequence[Content]], dict[str, Judgement]]]
] = {
    Job.TIMELINE: _judge_timeline,
    Job.EXCLUDED: _judge_excluded,
    Job.BOXES: _judge_boxes,
    Job.CVS: _judge_cvs,
    Job.SKILL: _judge_skill,
    Job.REVIEW: _judge_review,
    Job.CAPTION: _judge_caption,
}
