"""What Label Studio's results hold, and what is wrong with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Result = dict[str, Any]
"""One entry of an annotation's or a prediction's `result` list: the JSON edge of the page."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something an annotator drew that means nothing; the rest of their work is used or waits.

    Attributes:
        region: Id of the region on the page, or the control's name.
        detail: What is wrong, without a full stop.
    """

    region: str
    detail: str


def texts_of(results: Sequence[Result], control: str) -> list[str]:
    """Texts of a text area."""
    return [
        str(text)
        for result in results
        if result.get("from_name") == control
        for text in _listed(result, "text")
    ]


def choices_of(results: Sequence[Result], control: str, region: str | None = None) -> list[str]:
    """Choices of a control, of one region where the control belongs to regions."""
    return [
        str(choice)
        for result in results
        if result.get("from_name") == control and (region is None or result.get("id") == region)
        for choice in _listed(result, "choices")
    ]


def _listed(result: Result, name: str) -> list[Any]:
    value = result.get("value")
    found = value.get(name, []) if isinstance(value, Mapping) else []
    return found if isinstance(found, list) else [found]
