"""Strict scores of localisation and of spatiotemporal grounding."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from medvid.evaluation.columns import Means, TaskScores, Value, mean_column, row_scores
from medvid.evaluation.rows import Box, Span, TruthRow
from medvid.evaluation.strict.matching import best_total, dice, overlap_table
from medvid.evaluation.strict.reading import read_boxes, read_spans
from schemas.geometry import box_iou

THRESHOLDS: Final = (0.3, 0.5)
_ROUNDING: Final = 1e-9


def score_spans(rows: Sequence[TruthRow], texts: Sequence[str], _: Means) -> TaskScores:
    """TAG_mIoU, TAG_mIoU@t and TAG_F1@t at 0.3 and 0.5: means over all rows of `span_scores`."""
    read = [read_spans(text) for text in texts]
    parsed = [bool(spans) for spans in read]
    values: list[dict[str, Value]] = [
        span_scores(row.spans, spans, row.fps) for row, spans in zip(rows, read, strict=True)
    ]
    notes = [
        f"{len(spans)} spans for {len(row.spans)}" if spans else "no spans read"
        for row, spans in zip(rows, read, strict=True)
    ]
    names = list(values[0]) if values else []
    columns = tuple(
        mean_column(name, rows, [value[name] for value in values], parsed) for name in names
    )
    return TaskScores(columns, row_scores(rows, values, parsed, notes))


def span_scores(truth: Sequence[Span], guess: Sequence[Span], fps: float) -> dict[str, Value]:
    """Scores of one row, from one-to-one matchings of `span_iou`.

    With T true spans and P guesses:

    ```
    TAG_mIoU   = 2 max_matching(sum of IoU) / (T + P)
    TAG_mIoU@t = 2 max_matching(sum of IoU over pairs with IoU >= t) / (T + P)
    TAG_F1@t   = 2 max_matching(pairs with IoU >= t) / (T + P)
    ```

    Missed, spurious and repeated spans cost alike. Without true spans any guess is wrong and none
    is not: such a row does not occur in the benchmark and scores 0.
    """
    overlaps = overlap_table(truth, guess, fps)
    scores: dict[str, Value] = {}
    sizes = len(truth), len(guess)
    for threshold in THRESHOLDS:
        reached = overlaps >= threshold
        kept = np.where(reached, overlaps, 0.0)
        scores[f"TAG_mIoU@{threshold}"] = dice(best_total(kept), *sizes)
        scores[f"TAG_F1@{threshold}"] = dice(best_total(reached.astype(np.float64)), *sizes)
    scores["TAG_mIoU"] = dice(best_total(overlaps), *sizes)
    return scores


def score_boxes(rows: Sequence[TruthRow], texts: Sequence[str], _: Means) -> TaskScores:
    """STG_mIoU: mean over all rows of `timed_iou`."""
    read = [read_boxes(text) for text in texts]
    parsed = [bool(boxes) for boxes in read]
    values = [
        timed_iou(list(row.boxes.items()), boxes, row.fps)
        for row, boxes in zip(rows, read, strict=True)
    ]
    notes = [
        f"{len(boxes)} boxes for {len(row.boxes)}" if boxes else "no boxes read"
        for row, boxes in zip(rows, read, strict=True)
    ]
    column = mean_column("STG_mIoU", rows, values, parsed)
    scores = row_scores(rows, [{"STG_mIoU": value} for value in values], parsed, notes)
    return TaskScores((column,), scores)


def timed_iou(
    truth: Sequence[tuple[float, Box]], guess: Sequence[tuple[float, Box]], fps: float
) -> float:
    """`sum of IoU over true times / (true times + guesses left over)`, 0 without true times.

    Each true time, in order, takes the nearest unused guess at most half a sampling step away, the
    earlier of two, the first written of equals. A time without one scores 0, and guesses that no
    true time takes add to the denominator. A box without area scores 0.
    """
    pairs = pair_boxes(truth, guess, fps)
    total = sum(box_iou(found, box) for _, box, found in pairs if found is not None)
    left_over = len(guess) - sum(found is not None for _, _, found in pairs)
    return total / (len(truth) + left_over) if truth else 0.0


def pair_boxes(
    truth: Sequence[tuple[float, Box]], guess: Sequence[tuple[float, Box]], fps: float
) -> list[tuple[float, Box, Box | None]]:
    """Give every true time the guess that `timed_iou` holds against it, in order of time."""
    free = sorted(guess, key=lambda item: item[0])
    pairs: list[tuple[float, Box, Box | None]] = []
    for time, box in sorted(truth):
        near = [place for place, item in enumerate(free) if _apart(item[0], time) <= 0.5 / fps]
        nearest = min(near, key=lambda place: _apart(free[place][0], time), default=None)
        pairs.append((time, box, None if nearest is None else free.pop(nearest)[1]))
    return pairs


def _apart(a: float, b: float) -> float:
    # Times are tenths: a difference of exactly half a step must not fail by the last bit.
    return abs(a - b) - _ROUNDING
