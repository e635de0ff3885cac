"""What the licences of a release's sources allow together: the strictest of each flag."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.source import DataCard, Licence

PERMISSIONS = {
    "share_media": "Pictures may be passed on",
    "share_labels": "Labels and the text made from them may be passed on",
    "derivatives": "Altered versions may be passed on",
    "commercial": "Commercial use is allowed",
}
"""Flags that allow something, in words; a release has one where every source has it."""

DUTIES = {"share_alike": "What is passed on must carry the same licence"}
"""Flags that oblige to something; a release has one where any source has it."""

_FORBIDDEN = {
    "share_media": "Pictures of {} may not be passed on.",
    "share_labels": "Labels of {}, and text made from them, may not be passed on.",
    "derivatives": "Altered versions of {} may not be passed on.",
    "commercial": "{} may not be used commercially.",
}
_OBLIGED = {"share_alike": "What is made from {} and passed on must carry the same licence."}


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be done with a release as a whole.

    Attributes:
        flags: Every flag of `Licence`: permissions that all sources give, duties that any imposes.
        licences: Distinct licences, by id.
        sentences: What is forbidden and what is obliged, with the sources that ask for it.
    """

    flags: dict[str, bool]
    licences: tuple[Licence, ...]
    sentences: tuple[str, ...]


def strictest_terms(cards: Sequence[DataCard]) -> Terms:
    """Unite the licences of a release's sources."""
    licences = {card.licence.id: card.licence for card in cards}
    flags = {flag: all(_allows(card, flag) for card in cards) for flag in PERMISSIONS} | {
        flag: any(_allows(card, flag) for card in cards) for flag in DUTIES
    }
    sentences = [
        text.format(listed(card.title for card in cards if not _allows(card, flag)))
        for flag, text in _FORBIDDEN.items()
        if not flags[flag]
    ] + [
        text.format(listed(card.title for card in cards if _allows(card, flag)))
        for flag, text in _OBLIGED.items()
        if flags[flag]
    ]
    return Terms(flags, tuple(licences[key] for key in sorted(licences)), tuple(sentences))


def _allows(card: DataCard, flag: str) -> bool:
    return bool(getattr(card.licence, flag))


def listed(titles: Iterable[str]) -> str:
    """Join at least one title into an enumeration.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = titles
    return f"{', '.join(first)} and {last}" if first else last
