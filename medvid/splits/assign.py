"""Assign videos to train, val and test, component by component, over all sources at once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import polars as pl

from medvid.splits.duplicates import MediaEdge
from medvid.splits.graph import (
    IdentityGraph,
    VideoLike,
    join_videos,
    require_distinct,
    require_few_joined,
)
from medvid.splits.native import native_splits
from medvid.splits.settings import Split, SplitSettings
from schemas.errors import SplitError
from schemas.hashing import hash_rank
from schemas.scalars import SCHEMA_VERSION, Label, Model, SourceName, VideoId


class AssignedVideo(Model):
    """A video and its split.

    Attributes:
        source: Module name of the source.
        video_id: The source's own name of the video.
        identity: What must never cross a split.
        component: Smallest identity it is joined with.
        split: Where all of the component is.
        pinned: Whether a pin put the component there.
    """

    source: SourceName
    video_id: VideoId
    identity: Label
    component: Label
    split: Split
    pinned: bool


class SplitAssignment(Model):
    """The split of every video.

    Attributes:
        seed: Seed of the hash order.
        mode: `identity`, or `native` where official splits were honoured.
        videos: Sorted by source and video id.
        unmet: Sources of two or more components that nonetheless lack test or train, each with
            the reason.
        unused_pins: Pins of sources at hand that name no video at hand, as `source/pin`.
        unlisted: Of `native`, videos by source that no official split names.
    """

    schema_version: int = SCHEMA_VERSION
    seed: int
    mode: Literal["identity", "native"] = "identity"
    videos: tuple[AssignedVideo, ...]
    unmet: tuple[str, ...] = ()
    unused_pins: tuple[str, ...] = ()
    unlisted: dict[str, int] = {}

    @cached_property
    def _splits(self) -> dict[tuple[str, str], Split]:
        return {(video.source, video.video_id): video.split for video in self.videos}

    def split_of(self, source: str, video_id: str) -> Split:
        """Return the split of a video.

        Raises:
            SplitError: The video was not assigned.
        """
        split = self._splits.get((source, video_id))
        if split is None:
            raise SplitError(
                f"video {source}/{video_id} has no split.", action="Assign all videos of a build."
            )
        return split

    def table(self) -> pl.DataFrame:
        """One row a video: source, video_id, identity, component, split, pinned."""
        names = tuple(AssignedVideo.model_fields)
        columns = {name: [getattr(video, name) for video in self.videos] for name in names}
        types = {name: pl.Boolean if name == "pinned" else pl.String for name in names}
        return pl.DataFrame(columns, schema=types)


@dataclass
class _Plan:
    """Splits while they are chosen.

    Attributes:
        sizes: Number of videos by component and source.
        order: Position of each component in hash order.
        split: Component to split, for those chosen.
        pinned: Components that may not be moved.
    """

    sizes: dict[str, Counter[str]]
    order: dict[str, int]
    split: dict[str, Split] = field(default_factory=dict)
    pinned: set[str] = field(default_factory=set)

    def of_source(self, source: str) -> list[str]:
        """Components with videos of a source, in hash order."""
        own = [component for component, sizes in self.sizes.items() if sizes[source]]
        return sorted(own, key=self.order.__getitem__)

    def has(self, source: str, split: Split) -> bool:
        """Whether a source has a component in a split."""
        return any(self.split.get(component) is split for component in self.of_source(source))


def assign_splits(
    videos: Sequence[VideoLike], settings: SplitSettings, edges: Iterable[MediaEdge] = ()
) -> SplitAssignment:
    """Assign videos so that nothing they share crosses a split.

    Pinned videos take their components to test. Then, source by source, the one of fewest
    components first, free components go in hash order to test, then to val, as long as that brings
    the source nearer to its share of videos; the rest trains. A component is assigned once, for all
    its sources. At last each source of two or more components gets one in test and one in train,
    where components that no pin holds allow it.

    The order is a hash of seed and component, so that one more video moves no others but those at
    the two borders of its own source, and of sources that share components with it.

    In mode `native` official splits override this video by video, as `native_splits` has it, and
    may part what belongs together; `leak_proof` lists where they do.

    Args:
        videos: Videos of all sources of a build, in any order.
        settings: Shares, pins, seed, mode.
        edges: Pairs of them that show the same footage.

    Raises:
        SplitError: A video is given twice, an edge names another video, media edges alone join too
            large a part of a source, or a source's official split cannot be read.
    """
    require_distinct(videos)
    edges = tuple(edges)
    graph = join_videos(videos, edges)
    require_few_joined(videos, edges, settings.max_joined_share)
    plan = _start_plan(videos, graph, settings.seed)
    unused = _pin(plan, videos, graph, settings)
    sources = sorted({video.source for video in videos})
    for source in sorted(sources, key=lambda source: (len(plan.of_source(source)), source)):
        _fill_source(plan, source, settings)
    unmet = _repair(plan, sources)
    official, unlisted = native_splits(videos, graph, settings)
    assigned = [
        AssignedVideo(
            source=video.source, video_id=video.video_id, identity=video.identity,
            component=(component := graph.component[video.identity]),
            split=official.get((video.source, video.video_id), plan.split[component]),
            pinned=component in plan.pinned and (video.source, video.video_id) not in official,
        )
        for video in sorted(videos, key=lambda video: (video.source, video.video_id))
    ]  # fmt: skip
    return SplitAssignment(
        seed=settings.seed, mode=settings.mode, videos=tuple(assigned),
        unmet=tuple(unmet) if settings.mode == "identity" else (),
        unused_pins=tuple(unused), unlisted=unlisted,
    )  # fmt: skip


def _start_plan(videos: Sequence[VideoLike], graph: IdentityGraph, seed: int) -> _Plan:
    sizes: dict[str, Counter[str]] = {}
    for video in videos:
        sizes.setdefault(graph.component[video.identity], Counter())[video.source] += 1
    ranked = sorted(sizes, key=lambda component: (hash_rank(seed, "split", component), component))
    return _Plan(sizes, {component: rank for rank, component in enumerate(ranked)})


def _pin(
    plan: _Plan, videos: Sequence[VideoLike], graph: IdentityGraph, settings: SplitSettings
) -> list[str]:
    """Send pinned components to test; returns pins of these sources that fit no video."""
    wanted = {source: set(settings.pinned(source)) for source in {v.source for v in videos}}
    found: set[tuple[str, str]] = set()
    for video in videos:
        names = {video.video_id, video.identity.partition(":")[2]} & wanted[video.source]
        found.update((video.source, name) for name in names)
        if names or video.identity in settings.pinned_identities:
            component = graph.component[video.identity]
            plan.pinned.add(component)
            plan.split[component] = Split.TEST
    return sorted(
        f"{source}/{name}"
        for source, names in wanted.items()
        for name in names
        if (source, name) not in found
    )


def _fill_source(plan: _Plan, source: str, settings: SplitSettings) -> None:
    """Assign the free components of a source, counting what other sources brought it already."""
    components = plan.of_source(source)
    total = sum(plan.sizes[component][source] for component in components)
    for split, share in ((Split.TEST, settings.test_share), (Split.VAL, settings.val_share)):
        wanted = share * total
        have = sum(plan.sizes[c][source] for c in components if plan.split.get(c) is split)
        for component in components:
            size = plan.sizes[component][source]
            if component not in plan.split and have + size / 2 <= wanted:
                plan.split[component] = split
                have += size
    for component in components:
        plan.split.setdefault(component, Split.TRAIN)


def _repair(plan: _Plan, sources: Sequence[str]) -> list[str]:
    """Give each source of two or more components one in test and one in train, if it can be.

    Moves the smallest free component whose move takes the last test or train component from no
    source, until nothing is left to gain; returns what could not be met.
    """
    while any(_move_one(plan, *gap) for gap in _gaps(plan, sources)):
        pass
    return [
        f"{source} has no {split} video: others hold all its components."
        for source, split in _gaps(plan, sources)
    ]


def _gaps(plan: _Plan, sources: Sequence[str]) -> list[tuple[str, Split]]:
    return [
        (source, split)
        for source in sources
        if len(plan.of_source(source)) > 1
        for split in (Split.TEST, Split.TRAIN)
        if not plan.has(source, split)
    ]


def _move_one(plan: _Plan, source: str, split: Split) -> bool:
    """Move a component of a source into a split it lacks; False where none may move."""
    movable = [c for c in plan.of_source(source) if c not in plan.pinned and _may_leave(plan, c)]
    if not movable:
        return False
    chosen = min(movable, key=lambda c: (plan.sizes[c].total(), plan.order[c]))
    plan.split[chosen] = split
    return True


def _may_leave(plan: _Plan, component: str) -> bool:
    """Whether every source that needs both test and train keeps another component there."""
    split = plan.split[component]
    if split is Split.VAL:
        return True
    for source in plan.sizes[component]:
        others = [other for other in plan.of_source(source) if other != component]
        if others and not any(plan.split[other] is split for other in others):
            return False
    return True


def split_counts(assignment: SplitAssignment) -> Mapping[str, dict[str, dict[str, int]]]:
    """Videos and identities by source and split."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for source in sorted({video.source for video in assignment.videos}):
        own = [video for video in assignment.videos if video.source == source]
        counts[source] = {
            split: {
                "videos": sum(video.split is split for video in own),
                "identities": len({video.identity for video in own if video.split is split}),
            }
            for split in Split
        }
    return counts
