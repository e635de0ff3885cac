"""Schema to Label Studio and back, lossless: what nobody touched comes back as no correction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from annotation.box_codec import Xyxy, decode_boxes, encode_boxes, is_same, shown_boxes, xyxy_of
from annotation.forms import (
    CVS_CRITERIA,
    control_name,
    encode_cvs,
    encode_form,
    read_cvs,
    read_skill,
)
from annotation.jobs import AnnotationTask, Item, Job
from annotation.marks import encode_marks
from annotation.results import Problem, Result, choices_of, texts_of
from annotation.timeline_codec import decode_ranges, encode_ranges, ticks_of
from schemas.correction import Correction, CorrectionKind, item_key

MODEL_VERSION: Final = "medvid"
"""Whose predictions the filled-in labels are."""

Change = tuple[dict[str, JsonValue] | None, dict[str, JsonValue] | None]
"""An item before and after."""

_KINDS: Final = {
    Job.TIMELINE: CorrectionKind.SEGMENT,
    Job.BOXES: CorrectionKind.BOX,
    Job.CAPTION: CorrectionKind.CAPTION,
    Job.SKILL: CorrectionKind.SKILL,
    Job.CVS: CorrectionKind.CVS,
    Job.REVIEW: CorrectionKind.SAMPLE,
    Job.EXCLUDED: CorrectionKind.EXCLUDED,
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one annotation says.

    Attributes:
        corrections: Changes against what the task showed; none where it was right, and none where
            there are problems: a region that means nothing would look like one taken away.
        problems: What means nothing.
    """

    corrections: tuple[Correction, ...]
    problems: tuple[Problem, ...]


def encode_results(task: AnnotationTask) -> list[Result]:
    """Write what the annotator sees filled in, as a prediction's `result`."""
    if task.job is Job.TIMELINE:
        return encode_ranges(task, "kind", "label")
    if task.job is Job.EXCLUDED:
        return encode_ranges(task, "excluded", "reason")
    if task.job is Job.BOXES:
        return encode_boxes(task)
    if task.job is Job.CVS:
        return encode_cvs(task)
    return [*encode_form(task), *encode_marks(task)]


def decode_results(
    task: AnnotationTask,
    results: Sequence[Result],
    *,
    who: str,
    when: str,
    tool: str,
    annotation_id: str = "",
) -> Decoded:
    """Read an annotation as corrections of what its task showed.

    Args:
        task: The task as it was pushed.
        results: The annotation's `result`, as the page or the API wrote it.
        who: Annotator.
        when: Time of the annotation, ISO 8601 in UTC.
        tool: Tool and version.
        annotation_id: The tool's id of the annotation.
    """
    problems: list[Problem] = []
    changes = list(_changes(task, results, problems))
    reason = " ".join(texts_of(results, "reason"))
    corrections = []
    for before, after in changes:
        try:
            corrections.append(
                Correction(
                    who=who, when=when, tool=tool, task_id=task.task_key,
                    annotation_id=annotation_id, source=task.source,
                    video_id=task.video_id, base_revision=task.base_revision,
                    kind=_KINDS[task.job], before=before, after=after, reason=reason,
                )
            )  # fmt: skip
        except ValidationError as error:
            problems.append(Problem(task.job, error.errors()[0]["msg"]))
    return Decoded(() if problems else tuple(corrections), tuple(problems))


def _changes(
    task: AnnotationTask, results: Sequence[Result], problems: list[Problem]
) -> Iterator[Change]:
    if task.job is Job.TIMELINE or task.job is Job.EXCLUDED:
        yield from _range_changes(task, results, problems)
    elif task.job is Job.BOXES:
        yield from _box_changes(task, results, problems)
    elif task.job is Job.CVS:
        yield from _cvs_changes(task, results, problems)
    elif task.job is Job.SKILL:
        yield from _skill_changes(task, results, problems)
    elif task.job is Job.CAPTION:
        yield from _caption_changes(task, results, problems)
    else:
        yield from _verdict_changes(task, results)


def _shown(task: AnnotationTask) -> dict[str, Item]:
    """Items the annotator could see, by region id."""
    return {
        item.region_id: item
        for item in task.items
        if task.frames_inside(int(str(item.content["start"])), int(str(item.content["end"])))
    }


def _range_changes(
    task: AnnotationTask, results: Sequence[Result], problems: list[Problem]
) -> Iterator[Change]:
    left = _shown(task)
    drawn: list[tuple[str, dict[str, JsonValue], Item | None]] = []
    for region, control, label, span in decode_ranges(task, results, problems):
        shown = left.pop(region, None)
        after = _range_item(task, control, label, ticks_of(task, span, shown))
        drawn.append((region, after, shown))
    for number, (region, after, shown) in enumerate(drawn):
        if shown is None:
            twin = next((key for key, item in left.items() if _agrees(after, item.content)), None)
            drawn[number] = (region, after, left.pop(twin) if twin is not None else None)
    _refuse_twins(drawn, problems)
    for item in left.values():
        yield item.content, None
    for _, after, shown in sorted(drawn, key=lambda row: row[2] is None):
        if shown is None:
            yield None, after
        elif not _agrees(after, shown.content):
            yield shown.content, shown.content | after


def _refuse_twins(
    drawn: Sequence[tuple[str, dict[str, JsonValue], Item | None]], problems: list[Problem]
) -> None:
    """Report a stretch that was drawn where the same one stands: one of them is a slip."""
    seen: dict[bytes, bool] = {}
    for region, after, shown in drawn:
        key, untouched = item_key(after), shown is not None and _agrees(after, shown.content)
        if key in seen and not (untouched and seen[key]):
            problems.append(Problem(region, "the same stretch is marked twice with one label"))
        seen[key] = untouched


def _range_item(
    task: AnnotationTask, control: str, label: str, ticks: tuple[int, int]
) -> dict[str, JsonValue]:
    edges: dict[str, JsonValue] = {"start": ticks[0], "end": ticks[1]}
    if task.job is Job.EXCLUDED:
        return edges | {"reason": label}
    return edges | {"kind": control, "label": label}


def _agrees(after: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    return all(content.get(name) == value for name, value in after.items())


def _box_changes(
    task: AnnotationTask, results: Sequence[Result], problems: list[Problem]
) -> Iterator[Change]:
    shown = shown_boxes(task)
    drawn = decode_boxes(task, results, problems)
    for region in sorted(shown.keys() | drawn.keys()):
        before = shown.get(region, {})
        label, after = drawn.get(region, ("", {}))
        for frame in sorted(before.keys() | after.keys()):
            item, xyxy = before.get(frame), after.get(frame)
            if item is None and xyxy is not None:
                neighbour = next(iter(before.values()), None)
                yield None, _new_box(task, region, label, frame, xyxy, neighbour)
            elif item is not None and xyxy is None:
                yield item.content, None
            elif (
                item is not None
                and xyxy is not None
                and (item.content["label"] != label or not is_same(xyxy_of(item), xyxy))
            ):
                yield item.content, item.content | {"label": label, "xyxy": _plain(xyxy)}


def _new_box(
    task: AnnotationTask, region: str, label: str, frame: int, xyxy: Xyxy, neighbour: Item | None
) -> dict[str, JsonValue]:
    """A box on a frame that had none; it joins the track of its rectangle."""
    track = neighbour.content.get("track") if neighbour is not None else None
    return {
        "tick": task.frame_tick[frame - 1], "xyxy": _plain(xyxy), "label": label,
        "track": track or f"drawn-{region}",
    }  # fmt: skip


def _plain(xyxy: Xyxy) -> list[JsonValue]:
    """Hundredths of a pixel: what answers carry."""
    return [round(value, 2) for value in xyxy]


def _cvs_changes(
    task: AnnotationTask, results: Sequence[Result], problems: list[Problem]
) -> Iterator[Change]:
    left = _shown(task)
    for region, _, _, span in decode_ranges(task, results, problems):
        shown = left.pop(region, None)
        scores = read_cvs(results, region)
        if isinstance(scores, str):
            problems.append(Problem(region, scores))
            continue
        start, end = ticks_of(task, span, shown)
        after: dict[str, JsonValue] = {"start": start, "end": end, **scores}
        if shown is None:
            yield None, after
        elif not _agrees(after, shown.content):
            yield shown.content, after
    for item in left.values():
        yield item.content, None


def _skill_changes(
    task: AnnotationTask, results: Sequence[Result], problems: list[Problem]
) -> Iterator[Change]:
    before = task.items[0].content if task.items else None
    after = read_skill(task, results)
    if isinstance(after, str):
        problems.append(Problem("skill", after))
    elif before is None or not _agrees(after, before):
        yield before, after


def _caption_changes(
    task: AnnotationTask, results: Sequence[Result], problems: list[Problem]
) -> Iterator[Change]:
    before = task.items[0].content
    texts = [text.strip() for text in texts_of(results, "caption")]
    text = "\n".join(text for text in texts if text)
    if not text:
        problems.append(Problem("caption", "the caption is empty; reject the pair instead"))
    elif text != str(before["text"]).strip():
        yield before, before | {"text": text}


def _verdict_changes(task: AnnotationTask, results: Sequence[Result]) -> Iterator[Change]:
    before = task.items[0].content if task.items else None
    said = choices_of(results, "verdict")
    after: dict[str, JsonValue] | None = (
        {"sample_id": task.subject, "verdict": said[0]} if said else None
    )
    if after is not None and (before is None or not _agrees(after, before)):
        yield before, after


__all__ = [
    "CVS_CRITERIA", "MODEL_VERSION", "Decoded", "control_name", "decode_results", "encode_results",
]  # fmt: skip
