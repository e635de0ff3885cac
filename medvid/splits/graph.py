"""Which videos must stay together: components over identities, public names and footage."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from medvid.splits.duplicates import MediaEdge
from schemas.errors import SplitError, bounded

IDENTITY = "identity"
MIN_JOINED = 3
"""Videos of a source from which on a component of media edges alone can be too large: in a source
of a few videos any two are a large share."""


class VideoLike(Protocol):
    """What assignment must know of a video; `schemas.video.Video` is one."""

    @property
    def source(self) -> str:
        """Module name of the source."""
        ...

    @property
    def video_id(self) -> str:
        """The source's own name of the video."""
        ...

    @property
    def identity(self) -> str:
        """The person or recording that must never cross a split."""
        ...

    @property
    def links(self) -> Mapping[str, str]:
        """Public names of the recording, e.g. `{"youtube": "AbCdEfGhIjK"}`."""
        ...


@dataclass(frozen=True, slots=True)
class IdentityGraph:
    """Videos joined by what they share.

    Attributes:
        component: By identity, the smallest identity it is joined with, itself included.
        edges: By kind (`identity`, `youtube`, …) and shared value, the `source/video_id` names of
            the two or more videos that share it, sorted.
        media: Pairs of videos that show the same footage, sorted.
    """

    component: dict[str, str]
    edges: dict[str, dict[str, tuple[str, ...]]]
    media: tuple[MediaEdge, ...] = ()


class _Forest:
    """Disjoint sets of text."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, node: str) -> str:
        root = node
        while (parent := self._parent.setdefault(root, root)) != root:
            root = parent
        while self._parent[node] != root:
            self._parent[node], node = root, self._parent[node]
        return root

    def join(self, a: str, b: str) -> None:
        first, second = sorted((self.find(a), self.find(b)))
        self._parent[second] = first


def join_videos(videos: Iterable[VideoLike], edges: Iterable[MediaEdge] = ()) -> IdentityGraph:
    """Join videos over equal identities, public names and footage, over all sources at once.

    A public name is the text `kind:value`, so that an identity which is one, `youtube:AbC…`, also
    joins another source's video that only links to it.

    Args:
        videos: The videos.
        edges: Pairs of them that show the same footage.

    Raises:
        SplitError: An edge names another video.
    """
    forest = _Forest()
    identity_of: dict[str, str] = {}
    holders: dict[str, tuple[set[str], set[str]]] = {}
    for video in videos:
        name = f"{video.source}/{video.video_id}"
        identity_of[name] = video.identity
        holders.setdefault(video.identity, (set(), set()))[0].add(name)
        for kind, value in video.links.items():
            link = f"{kind}:{value}"
            forest.join(video.identity, link)
            holders.setdefault(link, (set(), set()))[1].add(name)
    media = tuple(sorted(edges, key=lambda edge: (edge.a, edge.b)))
    strangers = sorted({n for edge in media for n in (edge.a, edge.b) if n not in identity_of})
    if strangers:
        raise SplitError(f"media edges name videos that are not given: {bounded(strangers)}.")
    for edge in media:
        forest.join(identity_of[edge.a], identity_of[edge.b])
    components = _name_components(forest, set(identity_of.values()))
    return IdentityGraph(components, _name_edges(holders), media)


def require_few_joined(
    videos: Sequence[VideoLike], edges: Sequence[MediaEdge], share: float
) -> None:
    """Refuse media edges that by themselves join a large part of a source.

    Footage that many videos share, a title card or a test picture, would else pull a whole source
    into one split. Edges between videos that identity or public names join anyway do not count.

    Args:
        videos: All videos of the build.
        edges: Pairs of them that show the same footage.
        share: Largest share of a source's videos that a component may hold; components of fewer
            than `MIN_JOINED` of them always pass.

    Raises:
        SplitError: A component holds more; its videos are named.
    """
    known = join_videos(videos).component
    component_of = {f"{v.source}/{v.video_id}": known[v.identity] for v in videos}
    forest = _Forest()
    joined = {
        name
        for edge in edges
        if component_of[edge.a] != component_of[edge.b]
        for name in (edge.a, edge.b)
    }
    for edge in edges:
        if component_of[edge.a] != component_of[edge.b]:
            forest.join(edge.a, edge.b)
    totals = Counter(video.source for video in videos)
    members: dict[tuple[str, str], list[str]] = {}
    for name in sorted(joined):
        members.setdefault((forest.find(name), name.partition("/")[0]), []).append(name)
    for (_, source), names in sorted(members.items(), key=lambda item: item[1]):
        if len(names) >= MIN_JOINED and len(names) > share * totals[source]:
            raise SplitError(
                f"{len(names)} of the {totals[source]} videos of {source} are one recording by "
                f"their pictures alone, more than a share of {share:g}: {bounded(names)}.",
                action="Look at them: where they share a title card or a test picture, ask for "
                "longer matches; where they are one recording, raise splits.max_joined_share.",
            )


def _name_components(forest: _Forest, identities: set[str]) -> dict[str, str]:
    smallest: dict[str, str] = {}
    component = {}
    for identity in sorted(identities):
        component[identity] = smallest.setdefault(forest.find(identity), identity)
    return component


def _name_edges(
    holders: Mapping[str, tuple[set[str], set[str]]],
) -> dict[str, dict[str, tuple[str, ...]]]:
    edges: dict[str, dict[str, tuple[str, ...]]] = {IDENTITY: {}}
    for value, (owners, linkers) in sorted(holders.items()):
        names = owners | linkers
        kind = IDENTITY if names == owners else value.partition(":")[0]
        if len(names) > 1:
            edges.setdefault(kind, {})[value] = tuple(sorted(names))
    return edges


def require_distinct(videos: Sequence[VideoLike]) -> None:
    """Refuse a list that names one video twice.

    Raises:
        SplitError: It does.
    """
    names = sorted(f"{video.source}/{video.video_id}" for video in videos)
    twice = [a for a, b in pairwise(names) if a == b]
    if twice:
        raise SplitError(f"{len(twice)} videos are given more than once: {bounded(twice)}.")
