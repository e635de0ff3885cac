"""DVC_F1, DVC_llm, VS_llm and RC_llm as the leaderboard computes them."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from medvid.evaluation.columns import (
    Means,
    TaskScores,
    Value,
    aspect_mean,
    make_column,
    mean_column,
    mean_present,
    quotient,
    row_scores,
    unknown,
)
from medvid.evaluation.official.reading import ReadEvent, read_events
from medvid.evaluation.official.timing import flatten, frame_iou, union_iou
from medvid.evaluation.rows import (
    CaptionPair,
    ColumnScore,
    FloatArray,
    PairKey,
    PairScores,
    TruthRow,
)
from schemas.source import TaskName

THRESHOLDS: Final = (0.3, 0.5, 0.7)
CAPTION_COLUMNS: Final = {TaskName.VIDEO_SUMMARY: "VS_llm", TaskName.REGION_CAPTION: "RC_llm"}
_Frames = tuple[int, int]


def score_events(rows: Sequence[TruthRow], texts: Sequence[str], means: Means) -> TaskScores:
    """DVC_F1 and DVC_llm, §3.6 and §3.7 of the format notes."""
    read = [read_events(text) for text in texts]
    parsed = [bool(events) for events in read]
    f1 = [event_f1(row, events) for row, events in zip(rows, read, strict=True)]
    judged = [
        _judged_row(row, events, means.judged) for row, events in zip(rows, read, strict=True)
    ]
    values: list[dict[str, Value]] = [
        {"DVC_F1": score, "DVC_llm": _row_value(terms)}
        for score, terms in zip(f1, judged, strict=True)
    ]
    notes = [_note(row, events) for row, events in zip(rows, read, strict=True)]
    columns = (_f1_column(rows, f1, parsed), _judged_column(rows, judged, parsed, means.judged))
    return TaskScores(columns, row_scores(rows, values, parsed, notes))


def event_f1(row: TruthRow, events: Sequence[ReadEvent]) -> float | None:
    """F1 of a row from times alone, None where it has no events on either side.

    Predicted events are flattened; both sides become whole frames, cut down. At each threshold a
    guess is a hit if any true event overlaps it by more, and a true event likewise, however often
    either is used: `P = mean over thresholds of hit guesses / guesses`, R alike,
    `F1 = 2PR / (P + R)`, 0 where both are 0.
    """
    guesses = [_frames(event.start, event.end, row.fps) for event in flatten(events)]
    truths = [_frames(event.start, event.end, row.fps) for event in row.events]
    if not guesses or not truths:
        return None
    precision = recall = 0.0
    overlaps = np.array([[frame_iou(guess, truth) for truth in truths] for guess in guesses])
    for threshold in THRESHOLDS:
        hits = overlaps > threshold
        precision += float(hits.any(axis=1).mean()) / len(THRESHOLDS)
        recall += float(hits.any(axis=0).mean()) / len(THRESHOLDS)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score_captions(rows: Sequence[TruthRow], texts: Sequence[str], means: Means) -> TaskScores:
    """VS_llm or RC_llm, §3.8 of the format notes: mean over judged rows of their aspects' mean.

    Empty answers, rows without reference and pairs that could not be judged are left out.
    """
    name = CAPTION_COLUMNS[rows[0].task] if rows else "VS_llm"
    parsed = [bool(text) for text in texts]
    values: list[Value] = []
    for row, text in zip(rows, texts, strict=True):
        scores = (means.judged or {}).get((row.index, 0, 0)) if text and row.caption else None
        values.append(aspect_mean(scores) if scores else None)
    column = mean_column(name, rows, values, parsed)
    if means.judged is None:
        column = make_column(
            name, rows, column.sums, unknown, counted=[False] * len(rows), parsed=parsed
        )
    notes = ["" if read else "no answer" for read in parsed]
    return TaskScores(
        (column,), row_scores(rows, [{name: value} for value in values], parsed, notes)
    )


def pairs_of(row: TruthRow, text: str) -> Iterator[CaptionPair]:
    """Caption pairs that the official columns judge for one row."""
    column = CAPTION_COLUMNS.get(row.task)
    if column and text and row.caption:
        yield CaptionPair((row.index, 0, 0), column, row.source, row.question, text, row.caption)
    elif row.task is TaskName.DENSE_CAPTIONING:
        events = read_events(text)
        for key, _ in matched(row, events):
            candidate, reference = events[key[1]].caption, reference_text(row, key[2])
            yield CaptionPair(key, "DVC_llm", row.source, row.question, candidate, reference)


def matched(row: TruthRow, events: Sequence[ReadEvent]) -> Iterator[tuple[PairKey, float]]:
    """Each predicted event with the true event that overlaps it most, from the lowest threshold.

    Seconds, unflattened; the first of equals. Pairs without text on a side are left out.
    """
    for place, event in enumerate(events):
        overlaps = [union_iou((event.start, event.end), (t.start, t.end)) for t in row.events]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=-1)
        if best < 0 or overlaps[best] < THRESHOLDS[0]:
            continue
        if event.caption and reference_text(row, best):
            yield (row.index, place, best), overlaps[best]


def reference_text(row: TruthRow, event: int) -> str:
    """The text a predicted caption is judged against: the label, where one stands apart, first."""
    truth = row.events[event]
    return f"{truth.label}: {truth.caption}" if truth.label else truth.caption


def _judged_row(
    row: TruthRow, events: Sequence[ReadEvent], judged: PairScores | None
) -> FloatArray:
    """Sum and number of judged pairs of a row at each threshold, (2, thresholds)."""
    terms = np.zeros((2, len(THRESHOLDS)))
    for key, overlap in matched(row, events) if judged else ():
        scores = judged.get(key) if judged else None
        if scores:
            reached = np.array([overlap >= threshold for threshold in THRESHOLDS], dtype=float)
            terms += np.outer((aspect_mean(scores), 1.0), reached)
    return terms


def _row_value(terms: FloatArray) -> float | None:
    if not terms[1].any():
        return None
    return float(mean_present(quotient(terms[0], terms[1]), (terms[1] > 0).astype(np.float64)))


def _f1_column(
    rows: Sequence[TruthRow], scores: Sequence[float | None], parsed: Sequence[bool]
) -> ColumnScore:
    """Means over the scored rows of each source, weighted by all its rows."""
    places, blocks = _source_blocks(rows, 3)
    for place, score in enumerate(scores):
        blocks[place, places[place]] = (0, 0, 1) if score is None else (score, 1, 1)

    def combine(totals: FloatArray) -> FloatArray:
        found, counted, size = np.moveaxis(totals.reshape(-1, blocks.shape[1], 3), 2, 0)
        return quotient((quotient(found, counted) * size).sum(axis=1), size.sum(axis=1))

    counted = [score is not None for score in scores]
    return make_column("DVC_F1", rows, blocks, combine, counted=counted, parsed=parsed)


def _judged_column(
    rows: Sequence[TruthRow],
    judged: Sequence[FloatArray],
    parsed: Sequence[bool],
    given: PairScores | None,
) -> ColumnScore:
    """Mean over pairs, then over thresholds with any pair, then over sources by their rows."""
    size = len(THRESHOLDS)
    places, blocks = _source_blocks(rows, 2 * size + 1)
    for place, terms in enumerate(judged):
        blocks[place, places[place]] = (*terms.ravel(), 1)

    def combine(totals: FloatArray) -> FloatArray:
        block = totals.reshape(-1, blocks.shape[1], 2 * size + 1)
        summed, pairs, weight = block[..., :size], block[..., size:-1], block[..., -1]
        means = mean_present(quotient(summed, pairs), (pairs > 0).astype(np.float64))
        return quotient((means * weight).sum(axis=1), weight.sum(axis=1))

    counted = [bool(terms[1].any()) for terms in judged]
    rule = unknown if given is None else combine
    return make_column("DVC_llm", rows, blocks, rule, counted=counted, parsed=parsed)


def _source_blocks(rows: Sequence[TruthRow], terms: int) -> tuple[list[int], FloatArray]:
    """Place of each row's source, and zeros for its terms, (rows, sources, terms)."""
    sources = sorted({row.source for row in rows})
    return [sources.index(row.source) for row in rows], np.zeros((len(rows), len(sources), terms))


def _frames(start: float, end: float, fps: float) -> _Frames:
    return int(start * fps), int(end * fps)


def _note(row: TruthRow, events: Sequence[ReadEvent]) -> str:
    if not row.events:
        return "no true events"
    return "" if events else "no events read: left out of its source's mean"
