"""Why a video is in its split, told from the proof and the settings that ship with a release."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from medvid.splits import SplitSettings
from schemas.hashing import hash_rank
from schemas.scalars import Model

SHOWN: Final = 10


class SplitTrace(Model):
    """Why a video is in its split.

    Attributes:
        split: train, val or test.
        component: Smallest identity of all that must stay together.
        reason: Why, in one sentence.
        joined: What joins it to other videos: `kind value: videos`.
        together: Other videos of the component, at most ten.
        together_count: How many there are.
    """

    split: str
    component: str
    reason: str
    joined: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    together_count: int = 0


Rows = Sequence[Mapping[str, Any]]


def trace_split(
    proof: Mapping[str, Any], splits: Mapping[str, Any], source: str, video_id: str
) -> SplitTrace | None:
    """Say why a video is in its split.

    Args:
        proof: Content of `leak_proof.json`.
        splits: The split settings of `build.json`.
        source: Module name of the source.
        video_id: The video.

    Returns:
        None where the proof does not know the video, as when it could not be read.
    """
    rows: Rows = proof["videos"]
    own = next((r for r in rows if (r["source"], r["video_id"]) == (source, video_id)), None)
    if own is None:
        return None
    members = [row for row in rows if row["component"] == own["component"]]
    others = [f"{r['source']}/{r['video_id']}" for r in members if r is not own]
    return SplitTrace(
        split=own["split"], component=own["component"],
        reason=_reason(own, members, rows, proof, splits),
        joined=tuple(_joins(proof, f"{source}/{video_id}")), together=tuple(others[:SHOWN]),
        together_count=len(others),
    )  # fmt: skip


def _reason(
    own: Mapping[str, Any],
    members: Rows,
    rows: Rows,
    proof: Mapping[str, Any],
    splits: Mapping[str, Any],
) -> str:
    if proof.get("mode") == "native":
        return "the source's own official split is honoured (splits.mode: native)."
    if own["component"] in proof["pinned"]:
        return _pin(members, splits)
    seed = proof["seed"]
    source = own["source"]
    ranked = sorted(
        {row["component"] for row in rows if row["source"] == source},
        key=lambda component: (hash_rank(seed, "split", component), component),
    )
    place = ranked.index(own["component"]) + 1
    shares = (
        f"the first go to test until {splits.get('test_share', 0):.0%} of the videos are there, "
        f"the next to val until {splits.get('val_share', 0):.0%}, the rest trains"
    )
    sources = sorted({row["source"] for row in members})
    also = ""
    if len(sources) > 1:
        named = ", ".join(sources)
        also = f"; it spans {named}, which share its one assignment"
    return (
        f"{own['component']} stands at place {place} of {len(ranked)} of {source} in the order of "
        f"hashes (seed {seed}): {shares}, and no source goes without test or train{also}."
    )


def _pin(members: Rows, splits: Mapping[str, Any]) -> str:
    """Name the setting that pins a component."""
    try:
        settings = SplitSettings(**splits)
    except (ValidationError, TypeError):
        return "a pin put its component into test."
    for row in members:
        names = (row["video_id"], row["identity"].partition(":")[2])
        name = f"{row['source']}/{row['video_id']}"
        for setting in ("pins", "extra_pins"):
            if set(names) & set(getattr(settings, setting).get(row["source"], ())):
                return f"{name} must test (splits.{setting}), and with it all that it is joined to."
    for row in members:
        if row["identity"] in settings.pinned_identities:
            return (
                f"{row['identity']} must test (splits.pinned_identities), and "
                f"{row['source']}/{row['video_id']} shows it."
            )
    return "a pin put its component into test."


def _joins(proof: Mapping[str, Any], name: str) -> list[str]:
    found = [
        f"{kind} {value}: {', '.join(names[:SHOWN])}"
        for kind, shared in proof["edges"].items()
        for value, names in shared.items()
        if name in names
    ]
    found.extend(
        f"footage: {edge['a']} = {edge['b']}"
        for edge in proof.get("media_edges", ())
        if name in (edge["a"], edge["b"])
    )
    return found
