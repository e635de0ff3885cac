"""NAP_acc as the leaderboard computes it: closed lists, and the nearest label for other texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import yaml

from medvid.evaluation.columns import (
    Means,
    TaskScores,
    Value,
    make_column,
    mean_column,
    row_scores,
    unknown,
)
from medvid.evaluation.rows import SentenceEncoder, TruthRow

COLUMN: Final = "NAP_acc"
_LISTED: Final = ("avos", "cholect50", "copesd")


@dataclass(frozen=True)
class OfficialLabels:
    """Label lists of the evaluator, as published.

    Attributes:
        sources: Labels by module name of the source, for sources with one list.
        renamed: CoPESD's older names, to the present ones; applied to truth and answer alike.
        procedures: NurViD's actions by procedure, in the order in which procedures are looked for.
    """

    sources: dict[str, tuple[str, ...]]
    renamed: dict[str, str]
    procedures: dict[str, tuple[str, ...]]

    @property
    def all_actions(self) -> tuple[str, ...]:
        """NurViD's list for a question that names no procedure: all actions, by name."""
        return tuple(sorted({action for listed in self.procedures.values() for action in listed}))


@cache
def official_labels() -> OfficialLabels:
    """Load the lists."""
    text = (files("medvid.evaluation.official") / "labels.yaml").read_text(encoding="utf-8")
    lists = yaml.safe_load(text)
    return OfficialLabels(
        sources={source: tuple(lists[source]) for source in _LISTED},
        renamed=dict(lists["copesd_renamed"]),
        procedures={name: tuple(actions) for name, actions in lists["nurvid"].items()},
    )


def canonical(text: str, source: str) -> str:
    """A label as the evaluator compares it: without blanks at its ends, CoPESD's names renewed."""
    text = text.strip()
    return official_labels().renamed.get(text, text) if source == "copesd" else text


def procedure_of(question: str) -> str | None:
    """The first procedure, in list order, whose name stands in a question in any case.

    >>> procedure_of("... part of the subcutaneous injection insulin procedure.")
    'Subcutaneous Injection'
    """
    folded = question.lower()
    names = official_labels().procedures
    return next((name for name in names if name.lower() in folded), None)


def label_lists(rows: Sequence[TruthRow]) -> list[tuple[str, ...]]:
    """The list each row is answered from, §3.3 of the format notes.

    AVOS, CholecT50 and CoPESD have one each, NurViD one for each procedure; every other source,
    EgoSurgery among them, has the labels that its own rows hold as truth, by name.
    """
    known = official_labels()
    seen: dict[str, set[str]] = {}
    for row in rows:
        label = canonical(row.label, row.source)
        if label:
            seen.setdefault(row.source, set()).add(label)
    of_truth = {source: tuple(sorted(labels)) for source, labels in seen.items()}
    lists: list[tuple[str, ...]] = []
    for row in rows:
        if row.source == "nurvid":
            name = procedure_of(row.question)
            lists.append(known.procedures[name] if name else known.all_actions)
        else:
            lists.append(known.sources.get(row.source) or of_truth.get(row.source, ()))
    return lists


def score_labels(rows: Sequence[TruthRow], texts: Sequence[str], means: Means) -> TaskScores:
    """NAP_acc, §3.3 of the format notes: correct rows over counted rows.

    A row whose true label is not in its list is left out. A text that is no label becomes the
    label nearest by cosine. Without an encoder such texts have no class and the column no value.
    """
    lists = label_lists(rows)
    truths = [canonical(row.label, row.source) for row in rows]
    guesses = [canonical(text, row.source) for row, text in zip(rows, texts, strict=True)]
    counted = [label in listed for label, listed in zip(truths, lists, strict=True)]
    parsed = [guess in listed for guess, listed in zip(guesses, lists, strict=True)]
    asked = [place for place in range(len(rows)) if counted[place] and not parsed[place]]
    nearest: dict[int, str] = {}
    if asked and means.encoder is not None:
        found = _nearest([(guesses[p], lists[p]) for p in asked], means.encoder)
        nearest = dict(zip(asked, found, strict=True))
    values: list[Value] = []
    notes: list[str] = []
    for place, truth in enumerate(truths):
        guess = guesses[place] if parsed[place] else nearest.get(place)
        known = counted[place] and guess is not None
        values.append(float(guess == truth) if known else None)
        notes.append(_note(counted[place], parsed[place], guess))
    if len(nearest) < len(asked):
        terms = [(value or 0.0, float(value is not None)) for value in values]
        column = make_column(COLUMN, rows, terms, unknown, counted=counted, parsed=parsed)
    else:
        column = mean_column(COLUMN, rows, values, parsed)
    scores = row_scores(rows, [{COLUMN: value} for value in values], parsed, notes)
    return TaskScores((column,), scores)


def _nearest(
    asked: Sequence[tuple[str, tuple[str, ...]]], encoder: SentenceEncoder
) -> Iterable[str]:
    """The label of each list that is nearest to the text beside it, the first of equals."""
    texts = sorted({text for text, _ in asked} | {label for _, listed in asked for label in listed})
    vectors = np.asarray(encoder.encode(texts))
    place = {text: number for number, text in enumerate(texts)}
    matrices = {listed: vectors[[place[label] for label in listed]] for _, listed in asked}
    for text, listed in asked:
        yield listed[int(np.argmax(matrices[listed] @ vectors[place[text]]))]


def _note(counted: bool, parsed: bool, guess: str | None) -> str:
    if not counted:
        return "true label is not in the list"
    if parsed:
        return ""
    return f"read as its nearest label {guess!r}" if guess is not None else "needs the encoder"
