"""Which videos must stay together: components over identities and public names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from schemas.errors import SplitError, bounded

IDENTITY = "identity"


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
    """

    component: dict[str, str]
    edges: dict[str, dict[str, tuple[str, ...]]]


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


def join_videos(videos: Iterable[VideoLike]) -> IdentityGraph:
    """Join videos over equal identities and equal public names, over all sources at once.

    A public name is the text `kind:value`, so that an identity which is one, `youtube:AbC…`, also
    joins another source's video that only links to it.
    """
    forest = _Forest()
    identities: set[str] = set()
    holders: dict[str, tuple[set[str], set[str]]] = {}
    for video in videos:
        name = f"{video.source}/{video.video_id}"
        identities.add(video.identity)
        holders.setdefault(video.identity, (set(), set()))[0].add(name)
        for kind, value in video.links.items():
            link = f"{kind}:{value}"
            forest.join(video.identity, link)
            holders.setdefault(link, (set(), set()))[1].add(name)
    return IdentityGraph(_name_components(forest, identities), _name_edges(holders))


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
