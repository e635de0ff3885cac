"""What the licences of exported pairs forbid, and the notice where somebody exports it anyway.

A release is built for its builder's own use, and that needs nobody's leave. An export is made to
leave the machine: it is a folder in a format that others load. So what a licence forbids to pass
on is refused, unless the user says that the export stays with them; then the folder says so too.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from data_cards import load_card, load_licences
from medvid.releases.exports.selection import Count
from medvid.releases.terms import listed
from schemas.errors import ConfigError, ReleaseError, bounded
from schemas.source import Licence

NOTICE_FILE: Final = "LICENCE-NOTICE.txt"

_WANTED: Final = {
    "share_labels": "labels and the text made from them",
    "derivatives": "altered versions, such as questions and answers made from labels",
    "share_media": "pictures",
}


def forbidden(counts: Sequence[Count], *, frames: bool) -> dict[str, dict[str, list[str]]]:
    """What the licences of these pairs forbid to pass on: flag to licence id to sources.

    Args:
        counts: Pairs of the export.
        frames: Whether pictures are part of it.

    Raises:
        ReleaseError: A licence is not registered, so that nobody knows what it allows.
    """
    registered = load_licences()
    found: dict[str, dict[str, list[str]]] = {}
    flags = [flag for flag in _WANTED if frames or flag != "share_media"]
    for licence_id, sources in _sources(counts).items():
        licence = registered.get(licence_id)
        if licence is None:
            raise ReleaseError(
                f"licence {licence_id!r} of {listed(sources)} is not registered.",
                action="Register it in data_cards/licences.yaml with what it allows.",
            )
        for flag in flags:
            if not getattr(licence, flag):
                found.setdefault(flag, {})[licence_id] = sources
    return found


def require_allowed(counts: Sequence[Count], *, frames: bool) -> None:
    """Refuse an export that its licences forbid to pass on.

    Raises:
        ReleaseError: They do; the error names licences, sources, and what can be done.
    """
    found = forbidden(counts, frames=frames)
    if not found:
        return
    problems = [
        f"{_WANTED[flag]} of {listed(sources)} (licence {licence})"
        for flag, licences in found.items()
        for licence, sources in licences.items()
    ]
    ways = ["--source to leave sources out"]
    if set(found) == {"share_media"}:
        ways.append("--no-frames to leave pictures out")
    ways.append("--for-own-use to keep the export to yourself")
    raise ReleaseError(
        f"licences forbid to pass on: {bounded(problems)}.", action=f"Use {', or '.join(ways)}."
    )


def notice(counts: Sequence[Count], *, frames: bool) -> str | None:
    """Text of the notice for an export that must not be passed on, None where it may be."""
    found = forbidden(counts, frames=frames)
    if not found:
        return None
    lines = [
        "NOT FOR SHARING",
        "",
        "This folder was exported for its maker's own use. The licences of its pairs forbid to",
        "pass on what is named here; do not publish, upload or hand on the folder or parts of it.",
        "",
    ]
    registered = load_licences()
    for flag, licences in found.items():
        lines.append(f"Not to be passed on: {_WANTED[flag]}")
        for licence_id, sources in licences.items():
            lines.append(f"  {_named(registered[licence_id])}")
            lines.extend(f"    {title_of(source)}" for source in sources)
        lines.append("")
    return "\n".join(lines)


def licence_lines(counts: Sequence[Count]) -> list[str]:
    """One line a licence with the sources under it, for a README."""
    registered = load_licences()
    return [
        f"{_named(registered[licence_id])}: {listed(title_of(source) for source in sources)}"
        for licence_id, sources in _sources(counts).items()
        if licence_id in registered
    ]


def title_of(source: str) -> str:
    """The dataset as its authors spell it; the module name where there is no card."""
    try:
        return load_card(source).title
    except ConfigError:
        return source


def citations(counts: Sequence[Count]) -> list[str]:
    """BibTeX of the sources that have a card."""
    found = []
    for source in sorted({count.source for count in counts}):
        try:
            found.append(load_card(source).citation.strip())
        except ConfigError:
            continue
    return found


def _named(licence: Licence) -> str:
    return f"{licence.id}, {licence.name}" + (f", {licence.url}" if licence.url else "")


def _sources(counts: Sequence[Count]) -> Mapping[str, list[str]]:
    pairs = sorted({(count.licence, count.source) for count in counts})
    found: dict[str, list[str]] = {}
    for licence, source in pairs:
        found.setdefault(licence, []).append(source)
    return found
