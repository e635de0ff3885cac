"""One-to-one matching of spans, with a tolerance for spans of a single frame."""

from collections.abc import Sequence

import numpy as np

from medvid.evaluation.rows import FloatArray, Span
from schemas.geometry import tiou


def span_iou(truth: Span, guess: Span, fps: float) -> float:
    """Overlap of a true and a predicted span.

    Plain `tiou` where the true span has a length. One that starts and ends on the same sampled
    frame stands for that frame: both spans are widened by half a sampling step at either end, so
    that the same frame scores 1 and a neighbour's 0. A guess that runs backwards scores 0.

    >>> span_iou((66.0, 66.0), (65.0, 67.0), 1.0)
    0.3333333333333333
    """
    if guess[1] < guess[0]:
        return 0.0
    if truth[0] == truth[1]:
        half = 0.5 / fps
        truth, guess = (truth[0] - half, truth[1] + half), (guess[0] - half, guess[1] + half)
    return tiou(truth, guess)


def overlap_table(truth: Sequence[Span], guess: Sequence[Span], fps: float) -> FloatArray:
    """`span_iou` of every pair, (true spans, guesses)."""
    table = [[span_iou(span, other, fps) for other in guess] for span in truth]
    return np.array(table, dtype=np.float64).reshape(len(truth), len(guess))


def best_total(weights: FloatArray) -> float:
    """Greatest sum of weights over one-to-one pairs (Kuhn 1955), 0 without any pair.

    Args:
        weights: Weight of each pair, not negative, (rows, columns).
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and not always needed

    if not weights.any():
        return 0.0
    rows, columns = linear_sum_assignment(weights, maximize=True)
    return float(weights[rows, columns].sum())


def dice(total: float, truths: int, guesses: int) -> float:
    """`2 total / (truths + guesses)`: 1 where all is matched in full, 0 where nothing is there."""
    return 2 * total / (truths + guesses) if truths + guesses else 0.0
