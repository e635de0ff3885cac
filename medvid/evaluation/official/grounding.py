"""TAG_mIoU and STG_mIoU as the leaderboard computes them."""

from collections.abc import Sequence
from typing import Final

from medvid.evaluation.columns import Means, TaskScores, Value, mean_column, row_scores
from medvid.evaluation.official.reading import ReadBoxes, read_boxes, read_spans
from medvid.evaluation.official.timing import box_iou, hull_iou
from medvid.evaluation.rows import Box, Span, TruthRow

THRESHOLDS: Final = (0.3, 0.5)
_NO_BOX: Final = (0.0, 0.0, 0.0, 0.0)


def score_spans(rows: Sequence[TruthRow], texts: Sequence[str], _: Means) -> TaskScores:
    """TAG_mIoU at 0.3 and 0.5, §3.1 of the format notes: means over all rows of `matched_iou`."""
    read = [read_spans(text) for text in texts]
    parsed = [bool(spans) for spans in read]
    values: list[dict[str, Value]] = []
    notes: list[str] = []
    for row, spans in zip(rows, read, strict=True):
        truth, guess = _in_frames(row.spans, row.fps), _in_frames(spans, row.fps)
        values.append({f"TAG_mIoU@{t}": matched_iou(truth, guess, t) for t in THRESHOLDS})
        notes.append(_span_note(row, spans))
    columns = tuple(
        mean_column(name, rows, [value[name] for value in values], parsed)
        for name in (f"TAG_mIoU@{threshold}" for threshold in THRESHOLDS)
    )
    return TaskScores(columns, row_scores(rows, values, parsed, notes))


def matched_iou(truth: Sequence[Span], guess: Sequence[Span], threshold: float) -> float:
    """Mean overlap of accepted pairs alone, 0 without any.

    Each true span in turn takes the unused guess that overlaps it most, and keeps it where the
    overlap reaches the threshold. Spans left over on either side cost nothing; a true span
    without length overlaps nothing.
    """
    free = list(guess)
    accepted: list[float] = []
    for span in truth:
        overlaps = [hull_iou(other, span) for other in free]
        best = max(range(len(free)), key=overlaps.__getitem__, default=-1)
        if best >= 0 and overlaps[best] >= threshold:
            accepted.append(overlaps[best])
            del free[best]
    return sum(accepted) / len(accepted) if accepted else 0.0


def score_boxes(rows: Sequence[TruthRow], texts: Sequence[str], _: Means) -> TaskScores:
    """STG_mIoU, §3.2 of the format notes: mean over the rows with true boxes of `timed_iou`."""
    read = [read_boxes(text) for text in texts]
    parsed = [bool(boxes) for boxes in read]
    scores: list[Value] = []
    notes: list[str] = []
    for row, boxes in zip(rows, read, strict=True):
        scores.append(timed_iou(list(row.boxes.items()), boxes) if row.boxes else None)
        missing = 0 if isinstance(boxes, tuple) else len(row.boxes.keys() - _times(boxes))
        notes.append(f"{missing} of {len(row.boxes)} times carried forward" if missing else "")
    column = mean_column("STG_mIoU", rows, scores, parsed)
    values = [{"STG_mIoU": score} for score in scores]
    return TaskScores((column,), row_scores(rows, values, parsed, notes))


def timed_iou(truth: Sequence[tuple[float, Box]], guess: ReadBoxes) -> float:
    """Mean box overlap over the true times.

    A time is looked up as text of one decimal. From the second true time on, a box that is
    missing, or all zeros, is the one used before. Boxes without times go to the true times in
    order. Other predicted times count for nothing.
    """
    if isinstance(guess, tuple):
        pairs = zip(truth, guess, strict=False)
        guess = {f"{time:.1f}": box for (time, _), box in pairs}
    used = _NO_BOX
    total = 0.0
    for time, box in truth:
        found = guess.get(f"{time:.1f}", _NO_BOX)
        used = used if found == _NO_BOX else found
        total += box_iou(used, box)
    return total / len(truth)


def _in_frames(spans: Sequence[Span], fps: float) -> list[Span]:
    # Multiplying moves overlaps by the last bit, and some lie on a threshold.
    return [(start * fps, end * fps) for start, end in spans]


def _span_note(row: TruthRow, spans: Sequence[Span]) -> str:
    if not row.spans:
        return "no true spans"
    if not spans:
        return "no spans read"
    if all(start == end for start, end in row.spans):
        return "all true spans have no length"
    return "a span runs backwards" if any(end < start for start, end in spans) else ""


def _times(boxes: dict[str, Box]) -> set[float]:
    return {float(time) for time in boxes}
