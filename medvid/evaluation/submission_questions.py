"""What a question alone says about its answer: how it is named, and which boxes it asks for."""

import hashlib
import re
from typing import Final

_TOKEN: Final = re.compile(r"<(?:video|image)>")
_NUMBER: Final = r"(\d{1,6}(?:\.\d{1,3})?)"
_STRIDE: Final = re.compile(
    rf"(?:\bevery|\beach|\bper|\bsteps? of|\bintervals? of|\bstride of)\s+{_NUMBER}\s+seconds?\b"
)
_TIME: Final = re.compile(rf"(?<![\w.]){_NUMBER}(?![\w]|\.\d)")
_MOST_BOXES: Final = 10_000


def question_hash(question: str) -> str:
    r"""Name a question by its words: blanks, case and the video token do not matter.

    >>> question_hash("<video>\nWhen  is it cut?") == question_hash("when is it cut?")
    True
    """
    words = " ".join(_TOKEN.sub(" ", question).lower().split())
    return hashlib.sha1(words.encode(errors="replace"), usedforsecurity=False).hexdigest()


def required_times(question: str) -> tuple[float, ...] | None:
    """Read from a grounding question the times it wants boxes for: s, s + k, ... up to e.

    Knows the benchmark's five wordings and ours, which all name a stride in seconds and, in the
    same sentence, a start and an end.

    Returns:
        Clip-relative seconds, or None where the question does not say.

    >>> required_times("Give the bounding boxes at every 4 seconds between 1 and 10.0 seconds.")
    (1.0, 5.0, 9.0)
    """
    strides = list(_STRIDE.finditer(question))
    if not strides:
        return None
    match = strides[-1]
    begin = _sentence_start(question, match.start())
    rest = question[begin : match.start()] + " , " + question[match.end() :]
    numbers = [float(text) for text in _TIME.findall(rest)]
    stride = float(match.group(1))
    if len(numbers) != 2 or stride <= 0:
        return None
    first, last = min(numbers), max(numbers)
    count = int((last - first) / stride + 1e-6) + 1
    if count > _MOST_BOXES:
        return None
    return tuple(round(first + step * stride, 1) for step in range(count))


def _sentence_start(text: str, before: int) -> int:
    """Where the sentence of a place begins; a point inside a number ends none."""
    at = max(text.rfind(mark, 0, before) for mark in (". ", "! ", "? ", "\n"))
    return at + 1 if at >= 0 else 0
