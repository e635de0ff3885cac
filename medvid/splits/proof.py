"""The proof that no person and no recording crosses a split, and its independent check."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from medvid.splits.assign import SplitAssignment, split_counts
from medvid.splits.duplicates import MediaEdge
from medvid.splits.graph import VideoLike, join_videos
from schemas.errors import LeakageError, SplitError, bounded
from schemas.hashing import content_key
from schemas.scalars import SCHEMA_VERSION, Model

Edges = dict[str, dict[str, tuple[str, ...]]]


class SpanningComponent(Model):
    """A component that several sources share.

    Attributes:
        component: Its smallest identity.
        identities: All its identities, sorted.
        sources: Its sources, sorted.
        split: Where it is; several splits, joined by `+`, where official splits part it.
    """

    component: str
    identities: tuple[str, ...]
    sources: tuple[str, ...]
    split: str


class Leak(Model):
    """A component that official splits part.

    Attributes:
        component: Its smallest identity.
        identities: Its identities, sorted: the patients or recordings.
        videos: Its videos as `source/video_id`, by split.
    """

    component: str
    identities: tuple[str, ...]
    videos: dict[str, tuple[str, ...]]


class ProvenVideo(Model):
    """A video in the proof.

    Attributes:
        source: Module name of the source.
        video_id: The source's own name of the video.
        identity: What must never cross a split.
        component: Smallest identity it is joined with.
        split: Where it is.
    """

    source: str
    video_id: str
    identity: str
    component: str
    split: str


class LeakProof(Model):
    """What `leak_proof.json` holds.

    Attributes:
        mode: `identity`: nothing that belongs together is parted; or `native`: official splits
            are honoured and `leaks` lists what they part.
        seed: Seed of the assignment.
        edges: By kind and shared value, the `source/video_id` names that share it.
        media_edges: Pairs of videos that show the same footage.
        spanning: Components over several sources.
        leaks: Components in two splits, of `native` alone.
        unlisted: Of `native`, videos by source that no official split names.
        splits: Split by identity; several, joined by `+`, where official splits part it.
        counts: Videos and identities by source and split.
        pinned: Components a pin put into test.
        unmet: Sources that lack test or train, with the reason.
        videos: The assignment, sorted by source and video id.
        assignment_sha256: Hash of `videos`.
    """

    schema_version: int = SCHEMA_VERSION
    mode: Literal["identity", "native"] = "identity"
    seed: int
    edges: Edges
    media_edges: tuple[MediaEdge, ...] = ()
    leaks: tuple[Leak, ...] = ()
    unlisted: dict[str, int] = {}
    spanning: tuple[SpanningComponent, ...]
    splits: dict[str, str]
    counts: dict[str, dict[str, dict[str, int]]]
    pinned: tuple[str, ...]
    unmet: tuple[str, ...]
    videos: tuple[ProvenVideo, ...]
    assignment_sha256: str


def leak_proof(
    videos: Sequence[VideoLike], assignment: SplitAssignment, edges: Iterable[MediaEdge] = ()
) -> dict[str, Any]:
    """Write down what joins videos and where each of them is, as plain JSON values.

    Args:
        videos: Videos of all sources of a build.
        assignment: Their splits.
        edges: Pairs of them that show the same footage, as the assignment was given them.

    Raises:
        SplitError: The assignment is of other videos.
        LeakageError: The assignment parts what belongs together, other than by official splits.
    """
    names = {(video.source, video.video_id) for video in videos}
    if names != {(video.source, video.video_id) for video in assignment.videos}:
        raise SplitError("the assignment is of other videos than the proof was asked for.")
    rows = _proven(assignment)
    graph = join_videos(videos, edges)
    proof = LeakProof(
        mode=assignment.mode,
        seed=assignment.seed,
        edges=graph.edges,
        media_edges=graph.media,
        leaks=_leaks(rows) if assignment.mode == "native" else (),
        unlisted=assignment.unlisted,
        spanning=_spanning(rows),
        splits=_placed(rows),
        counts=dict(split_counts(assignment)),
        pinned=tuple(sorted({video.component for video in assignment.videos if video.pinned})),
        unmet=assignment.unmet,
        videos=rows,
        assignment_sha256=content_key(rows),
    )
    plain: dict[str, Any] = proof.model_dump(mode="json")
    check_leaks(videos, plain)
    return plain


def parted_components(assignment: SplitAssignment) -> tuple[Leak, ...]:
    """Components in two splits: whom official splits part; there are none in mode `identity`."""
    return _leaks(_proven(assignment))


def _proven(assignment: SplitAssignment) -> tuple[ProvenVideo, ...]:
    return tuple(
        ProvenVideo(**video.model_dump(mode="json", exclude={"pinned"}))
        for video in assignment.videos
    )


def _components(rows: Sequence[ProvenVideo]) -> list[tuple[str, list[ProvenVideo]]]:
    members: dict[str, list[ProvenVideo]] = {}
    for row in rows:
        members.setdefault(row.component, []).append(row)
    return sorted(members.items())


def _placed(rows: Sequence[ProvenVideo]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.identity, set()).add(row.split)
    return {identity: "+".join(sorted(splits)) for identity, splits in found.items()}


def _spanning(rows: Sequence[ProvenVideo]) -> tuple[SpanningComponent, ...]:
    return tuple(
        SpanningComponent(
            component=component, split="+".join(sorted({row.split for row in own})),
            identities=tuple(sorted({row.identity for row in own})),
            sources=tuple(sorted({row.source for row in own})),
        )
        for component, own in _components(rows)
        if len({row.source for row in own}) > 1
    )  # fmt: skip


def _leaks(rows: Sequence[ProvenVideo]) -> tuple[Leak, ...]:
    """Components in two splits."""
    return tuple(
        Leak(
            component=component,
            identities=tuple(sorted({row.identity for row in own})),
            videos={
                split: tuple(f"{row.source}/{row.video_id}" for row in own if row.split == split)
                for split in sorted({row.split for row in own})
            },
        )
        for component, own in _components(rows)
        if len({row.split for row in own}) > 1
    )


def check_leaks(rows: Iterable[VideoLike | Mapping[str, Any]], proof: Mapping[str, Any]) -> None:
    """Refuse a release that leaks, or whose rows are not those of its proof.

    Args:
        rows: Videos as objects or mappings with `source`, `video_id`, `identity` and, where they
            have them, `split` and `links` (a mapping or its JSON text).
        proof: Content of `leak_proof.json`.

    Raises:
        LeakageError: `find_leaks` found something.
    """
    leaks = find_leaks(rows, proof)
    if leaks:
        raise LeakageError(f"{len(leaks)} faults between splits: {bounded(leaks)}.")


def find_leaks(
    rows: Iterable[VideoLike | Mapping[str, Any]], proof: Mapping[str, Any]
) -> list[str]:
    """List every leak and every difference between rows and proof, in a stable order.

    What joins videos is worked out twice: from the proof's edges, and from the rows' own
    identities and links, so that a proof that forgets an edge does not hide a leak. Media edges
    stand in the proof alone. A proof of mode `native` may part what belongs together, as long as
    it lists each of these leaks.

    Args:
        rows: As for `check_leaks`.
        proof: Content of `leak_proof.json`.
    """
    try:
        known = LeakProof.model_validate_json(orjson.dumps(proof))
    except (ValidationError, TypeError) as error:
        return [f"the proof cannot be read: {str(error)[:200]}"]
    if known.schema_version != SCHEMA_VERSION:
        return [f"the proof has version {known.schema_version}, not {SCHEMA_VERSION}"]
    given = [_read_row(row) for row in rows]
    faults = {*_proof_faults(known), *_row_faults(given, known), *_joined_faults(given, known)}
    return sorted(faults)


class _Row(Model):
    source: str
    video_id: str
    identity: str
    split: str | None
    links: dict[str, str]


def _read_row(row: VideoLike | Mapping[str, Any]) -> _Row:
    def get(name: str) -> Any:  # noqa: ANN401 - objects and mappings alike
        return row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)

    links = get("links") or {}
    if isinstance(links, str | bytes):
        links = orjson.loads(links)
    split = get("split")
    return _Row(
        source=get("source"), video_id=get("video_id"), identity=get("identity"),
        split=None if split is None else str(split), links=links,
    )  # fmt: skip


def _proof_faults(proof: LeakProof) -> list[str]:
    """What is wrong with the proof by itself."""
    faults = []
    if proof.assignment_sha256 != content_key(proof.videos):
        faults.append("the proof's videos do not have the hash it states")
    names = [(row.source, row.video_id) for row in proof.videos]
    faults.extend(
        f"the proof is not sorted or repeats {source}/{video_id}"
        for (source, video_id), after in pairwise(names)
        if (source, video_id) >= after
    )
    if proof.splits != _placed(proof.videos):
        faults.append("the proof's splits by identity are not those of its videos")
    leaks = _leaks(proof.videos)
    if proof.mode == "identity":
        faults.extend(
            f"{leak.component} and all it joins are in {' and '.join(leak.videos)} of the proof"
            for leak in leaks
        )
    elif proof.leaks != leaks:
        faults.append("the proof does not list what its official splits part")
    if proof.spanning != _spanning(proof.videos):
        faults.append("the proof's components over several sources are not those of its videos")
    return faults


def _row_faults(rows: Sequence[_Row], proof: LeakProof) -> list[str]:
    """Where rows and proof differ, and identities in two splits among the rows."""
    faults = []
    proven = {(row.source, row.video_id): row for row in proof.videos}
    splits: dict[str, set[str]] = {}
    for row in rows:
        name = f"{row.source}/{row.video_id}"
        video = proven.get((row.source, row.video_id))
        if video is None:
            faults.append(f"{name} is not in the proof")
            continue
        if video.identity != row.identity:
            faults.append(f"{name} is {row.identity}, in the proof {video.identity}")
        if row.split is not None and row.split != video.split:
            faults.append(f"{name} is in {row.split}, in the proof in {video.split}")
        splits.setdefault(row.identity, set()).add(row.split or video.split)
    faults.extend(
        f"identity {identity} is in {' and '.join(sorted(found))}"
        for identity, found in splits.items()
        if len(found) > 1 and proof.mode == "identity"
    )
    return faults


def _joined_faults(rows: Sequence[_Row], proof: LeakProof) -> list[str]:
    """Videos that share something, by the proof's edges or the rows' links, and are parted.

    In mode `native` they may be in two splits, but not in two components of the proof.
    """
    component = {f"{row.source}/{row.video_id}": row.component for row in proof.videos}
    placed = {f"{row.source}/{row.video_id}": row.split for row in proof.videos}
    placed |= {f"{row.source}/{row.video_id}": row.split for row in rows if row.split is not None}
    media: Edges = {
        "footage": {f"{edge.a} = {edge.b}": (edge.a, edge.b) for edge in proof.media_edges}
    }
    told: list[tuple[Edges, str]] = [
        (proof.edges | media, "the proof"),
        (join_videos(rows).edges, "the videos"),
    ]
    faults = []
    for edges, teller in told:
        for kind, shared in edges.items():
            for value, names in shared.items():
                splits = sorted({placed[name] for name in names if name in placed})
                if len(splits) > 1 and proof.mode == "identity":
                    faults.append(
                        f"{kind} {value}, by {teller}, joins videos in {' and '.join(splits)}"
                    )
                if len({component[name] for name in names if name in component}) > 1:
                    faults.append(f"{kind} {value}, by {teller}, joins components of the proof")
    return faults
