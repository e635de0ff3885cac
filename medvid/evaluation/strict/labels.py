"""Strict scores of next-action prediction: no nearest label, every row counted."""

from collections.abc import Sequence
from functools import lru_cache

from medvid.evaluation.columns import (
    Means,
    TaskScores,
    Value,
    make_column,
    mean_column,
    row_scores,
)
from medvid.evaluation.official.labels import label_lists, official_labels
from medvid.evaluation.rows import TruthRow
from medvid.evaluation.strict.classes import (
    balanced_accuracy,
    class_terms,
    macro_f1,
    per_question,
)
from medvid.evaluation.strict.reading import read_label


def score_labels(rows: Sequence[TruthRow], texts: Sequence[str], _: Means) -> TaskScores:
    """NAP_acc, NAP_F1 and NAP_balanced over all rows.

    An answer is right if it equals the true label after `read_label`, CoPESD's older names being
    renewed on both sides. A class is a label of a source. An answer counts as read if it is a label
    that the row could be answered with: one the row lists, one of the official list, or the truth.
    """
    truths = [_label(row.label, row.source) for row in rows]
    guesses = [_label(text, row.source) for row, text in zip(rows, texts, strict=True)]
    keys = [(row.source, truth) for row, truth in zip(rows, truths, strict=True)]
    called = [(row.source, guess) for row, guess in zip(rows, guesses, strict=True)]
    right = [float(guess == truth) for guess, truth in zip(guesses, truths, strict=True)]
    lists = label_lists(rows)
    parsed = [
        guess == truth or guess in _labels((*row.labels, *listed), row.source)
        for row, guess, truth, listed in zip(rows, guesses, truths, lists, strict=True)
    ]
    terms = class_terms(keys, called, sorted(set(keys)))
    everyone = [True] * len(rows)
    columns = (
        mean_column("NAP_acc", rows, right, parsed),
        make_column(
            "NAP_F1", rows, terms, per_question(macro_f1, 1), counted=everyone, parsed=parsed
        ),
        make_column(
            "NAP_balanced", rows, terms, per_question(balanced_accuracy, 1),
            counted=everyone, parsed=parsed,
        ),
    )  # fmt: skip
    values: list[dict[str, Value]] = [{"NAP_acc": value} for value in right]
    notes = ["" if read else "not a label of the list" for read in parsed]
    return TaskScores(columns, row_scores(rows, values, parsed, notes))


def _label(text: str, source: str) -> str:
    label = read_label(text)
    return _renamed().get(label, label) if source == "copesd" else label


@lru_cache(maxsize=256)
def _labels(labels: tuple[str, ...], source: str) -> frozenset[str]:
    return frozenset(_label(label, source) for label in labels)


@lru_cache(maxsize=1)
def _renamed() -> dict[str, str]:
    renamed = official_labels().renamed
    return {read_label(old): read_label(new) for old, new in renamed.items()}
