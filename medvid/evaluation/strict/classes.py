"""Scores of answers that are classes: macro F1 and balanced accuracy from sums over rows.

For each class of the truth, three sums: rows that are it (`support`), rows called it (`called`),
rows that are both (`hits`).

```
F1(class) = 2 hits / (support + called)        recall(class) = hits / support
```

Macro F1 and balanced accuracy are the means over the classes with support (Opitz and Burst 2019,
Brodersen et al. 2010). A call of a class that the truth never shows costs the recall of the true
one and nothing else.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from medvid.evaluation.columns import mean_present, quotient
from medvid.evaluation.rows import FloatArray


def class_terms(
    truths: Sequence[Hashable], guesses: Sequence[Hashable | None], classes: Sequence[Hashable]
) -> FloatArray:
    """Support, calls and hits of each row for each class, (rows, 3, classes).

    Args:
        truths: Class of each row.
        guesses: Class each row is called, None where there is none.
        classes: Classes of the truth.
    """
    place = {name: number for number, name in enumerate(classes)}
    terms = np.zeros((len(truths), 3, len(classes)))
    for row, (truth, guess) in enumerate(zip(truths, guesses, strict=True)):
        terms[row, 0, place[truth]] = 1
        if guess in place:
            terms[row, 1, place[guess]] = 1
            terms[row, 2, place[guess]] = guess == truth
    return terms


def macro_f1(sums: FloatArray) -> FloatArray:
    """Mean F1 over classes with support, (..., 3, classes) to (...)."""
    support, called, hits = np.moveaxis(sums, -2, 0)
    return mean_present(quotient(2 * hits, support + called), (support > 0).astype(np.float64))


def balanced_accuracy(sums: FloatArray) -> FloatArray:
    """Mean recall over classes with support, (..., 3, classes) to (...)."""
    support, _, hits = np.moveaxis(sums, -2, 0)
    return mean_present(quotient(hits, support), (support > 0).astype(np.float64))


def per_question(
    measure: Callable[[FloatArray], FloatArray], questions: int
) -> Callable[[FloatArray], FloatArray]:
    """Mean of a measure over questions that are answered side by side (aspects, criteria).

    Args:
        measure: From sums (..., 3, classes) to (...).
        questions: How many there are.

    Returns:
        From summed terms (draws, questions * 3 * classes) to (draws,).
    """

    def combine(totals: FloatArray) -> FloatArray:
        sums = totals.reshape(totals.shape[0], questions, 3, -1)
        asked = (sums[:, :, 0].sum(axis=-1) > 0).astype(np.float64)
        return mean_present(measure(sums), asked)

    return combine
