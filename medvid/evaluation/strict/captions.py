"""Strict scores of captions: every event and every row costs."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from medvid.evaluation.columns import (
    Means,
    TaskScores,
    Value,
    aspect_mean,
    make_column,
    mean_column,
    row_scores,
    unknown,
)
from medvid.evaluation.official.captions import CAPTION_COLUMNS, matched, reference_text
from medvid.evaluation.official.reading import ReadEvent
from medvid.evaluation.official.reading import read_events as read_official
from medvid.evaluation.rows import ColumnScore, FloatArray, PairKey, PairScores, Span, TruthRow
from medvid.evaluation.strict.matching import best_total, dice, overlap_table
from medvid.evaluation.strict.reading import read_events, words_of

THRESHOLDS: Final = (0.3, 0.5, 0.7)


def score_events(rows: Sequence[TruthRow], texts: Sequence[str], means: Means) -> TaskScores:
    """DVC_F1, DVC_soda and DVC_llm: means over all rows of the functions below."""
    read = [read_events(text) for text in texts]
    parsed = [bool(events) for events in read]
    values: list[dict[str, Value]] = [
        {
            "DVC_F1": event_f1(row, events),
            "DVC_soda": soda(row, events),
            "DVC_llm": judged_mean(row, read_official(text), means.judged),
        }
        for row, text, events in zip(rows, texts, read, strict=True)
    ]
    columns = (
        mean_column("DVC_F1", rows, [value["DVC_F1"] for value in values], parsed),
        mean_column("DVC_soda", rows, [value["DVC_soda"] for value in values], parsed),
        _judged_column("DVC_llm", rows, values, parsed, means.judged),
    )
    notes = [
        f"{len(events)} events for {len(row.events)}" if events else "no events read"
        for row, events in zip(rows, read, strict=True)
    ]
    return TaskScores(columns, row_scores(rows, values, parsed, notes))


def event_f1(row: TruthRow, events: Sequence[ReadEvent]) -> float:
    """Mean over thresholds 0.3, 0.5, 0.7 of `2 M / (T + P)`, from times in seconds alone.

    M is the greatest number of one-to-one pairs whose `span_iou` reaches the threshold, T the
    number of true events and P of predicted ones. Nothing is flattened, truncated or left out.
    """
    overlaps = _overlaps(row, events)
    hits = [best_total((overlaps >= t).astype(np.float64)) for t in THRESHOLDS]
    return sum(dice(hit, len(row.events), len(events)) for hit in hits) / len(THRESHOLDS)


def soda(row: TruthRow, events: Sequence[ReadEvent]) -> float:
    """Order-aware score of a dense caption, after SODA (Fujita et al., ECCV 2020).

    Both sides are put in order of time. Of all one-to-one pairings that keep the order, the one
    with the greatest `S = sum of tIoU * similarity of texts` is found by dynamic programming;
    `P = S / predicted events`, `R = S / true events`, score `2PR / (P + R) = 2S / (T + P)`.

    The similarity is `word_f1` where the paper takes METEOR, which needs a thesaurus that does not
    know the field; a repeated label is part of either text.
    """
    truths = sorted(range(len(row.events)), key=lambda i: (row.events[i].start, row.events[i].end))
    guesses = sorted(range(len(events)), key=lambda i: (events[i].start, events[i].end))
    overlaps = _overlaps(row, events)[np.ix_(truths, guesses)]
    if not overlaps.any():
        return 0.0
    theirs = [Counter(words_of(reference_text(row, place))) for place in truths]
    ours = [Counter(words_of(events[place].caption)) for place in guesses]
    for truth, guess in np.argwhere(overlaps):
        overlaps[truth, guess] *= word_f1(theirs[truth], ours[guess])
    return dice(ordered_total(overlaps), len(truths), len(guesses))


def ordered_total(weights: FloatArray) -> float:
    """Greatest sum of weights over pairs of which none crosses another, (rows, columns)."""
    best = np.zeros(weights.shape[1] + 1)
    for row in weights:
        taken = np.maximum(best[1:], best[:-1] + row)
        best[1:] = np.maximum.accumulate(taken)
    return float(best[-1])


def word_f1(a: Counter[str], b: Counter[str]) -> float:
    """`2 * shared words / (words of a + words of b)`, as ROUGE-1 has it (Lin 2004).

    >>> word_f1(Counter(["the", "duct", "is", "clipped"]), Counter(["the", "duct"]))
    0.6666666666666666
    """
    return dice((a & b).total(), a.total(), b.total())


def judged_mean(
    row: TruthRow, events: Sequence[ReadEvent], judged: PairScores | None
) -> float | None:
    """`2 * sum of judged scores / (T + P)`, on the judge's own scale; None without a judge.

    The pairs are the leaderboard's, of which each true event keeps the one that overlaps it most,
    and T and P its counts; events in no pair thus add nothing but to the denominator. A pair that
    could not be judged is taken out of it on both sides.
    """
    if judged is None:
        return None
    best: dict[int, tuple[float, PairKey]] = {}
    for key, overlap in matched(row, events):
        if key[2] not in best or overlap > best[key[2]][0]:
            best[key[2]] = (overlap, key)
    scores = [aspect_mean(judged[key]) for _, key in best.values() if judged.get(key)]
    failed = len(best) - len(scores)
    sizes = len(row.events) - failed, len(events) - failed
    return dice(sum(scores), *sizes) if sum(sizes) else None


def score_captions(rows: Sequence[TruthRow], texts: Sequence[str], means: Means) -> TaskScores:
    """VS_llm or RC_llm: mean over all rows on the judge's scale, an answer without text being 0.

    A pair that could not be judged is left out: that is no fault of the answer.
    """
    name = CAPTION_COLUMNS[rows[0].task] if rows else "VS_llm"
    parsed = [bool(text.strip()) for text in texts]
    values: list[dict[str, Value]] = []
    for row, read in zip(rows, parsed, strict=True):
        scores = (means.judged or {}).get((row.index, 0, 0))
        values.append({name: (aspect_mean(scores) if scores else None) if read else 0.0})
    column = _judged_column(name, rows, values, parsed, means.judged)
    notes = ["" if read else "no answer" for read in parsed]
    return TaskScores((column,), row_scores(rows, values, parsed, notes))


def _judged_column(
    name: str,
    rows: Sequence[TruthRow],
    values: Sequence[dict[str, Value]],
    parsed: Sequence[bool],
    judged: PairScores | None,
) -> ColumnScore:
    column = mean_column(name, rows, [value[name] for value in values], parsed)
    if judged is not None:
        return column
    return make_column(name, rows, column.sums, unknown, counted=[False] * len(rows), parsed=parsed)


def _overlaps(row: TruthRow, events: Sequence[ReadEvent]) -> FloatArray:
    truths: list[Span] = [(event.start, event.end) for event in row.events]
    guesses: list[Span] = [(event.start, event.end) for event in events]
    return overlap_table(truths, guesses, row.fps)
