"""The official splits of the sources, honoured where a build asks for them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from medvid.splits.graph import IdentityGraph, VideoLike
from medvid.splits.settings import NativeScheme, Split, SplitSettings
from schemas.errors import SplitError, bounded

PARTS: Final[Mapping[str, Split]] = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VAL,
    "valid": Split.VAL,
    "validation": Split.VAL,
    "test": Split.TEST,
    "testing": Split.TEST,
}
"""What official splits call their parts."""

Name = tuple[str, str]
"""Source and video id."""


def native_splits(
    videos: Sequence[VideoLike], graph: IdentityGraph, settings: SplitSettings
) -> tuple[dict[Name, Split], dict[str, int]]:
    """Splits that official lists decide, and how many videos of each source none names.

    A video that no list names goes where listed videos of its component are, to test before val
    and to val before train; where there are none, nothing is decided here.

    Args:
        videos: Videos of all sources.
        graph: Their components.
        settings: Mode and scheme by source.

    Returns:
        Nothing in mode `identity`.

    Raises:
        SplitError: A source has several schemes and none is named, has not the one named, or a
            part's name is no split.
    """
    if settings.mode == "identity":
        return {}, {}
    listed: dict[Name, Split] = {}
    for source in sorted({video.source for video in videos}):
        own = [video for video in videos if video.source == source]
        listed |= _listed(source, own, settings.native.get(source, NativeScheme()))
    found: dict[str, set[Split]] = {}
    for video in videos:
        split = listed.get((video.source, video.video_id))
        if split is not None:
            found.setdefault(graph.component[video.identity], set()).add(split)
    unlisted = [video for video in videos if (video.source, video.video_id) not in listed]
    followed = {
        (video.source, video.video_id): next(s for s in (Split.TEST, Split.VAL, Split.TRAIN)
                                             if s in found[graph.component[video.identity]])
        for video in unlisted
        if graph.component[video.identity] in found
    }  # fmt: skip
    return listed | followed, dict(sorted(Counter(video.source for video in unlisted).items()))


def _listed(source: str, videos: Sequence[VideoLike], native: NativeScheme) -> dict[Name, Split]:
    """Split of each video of a source that its scheme names."""
    parts = {video.video_id: getattr(video, "native_split", {}) for video in videos}
    schemes = sorted({scheme for named in parts.values() for scheme in named})
    if not schemes and native.scheme is None:
        return {}
    if native.scheme is None and len(schemes) > 1:
        raise SplitError(
            f"{source} has several official splits: {bounded(schemes)}.",
            action=f"Name one in splits.native.{source}.scheme.",
        )
    scheme = native.scheme or schemes[0]
    if scheme not in schemes:
        raise SplitError(
            f"{source} has no official split {scheme!r}, but {bounded(schemes) or 'none'}.",
            action=f"Correct splits.native.{source}.scheme.",
        )
    names = {video_id: named[scheme] for video_id, named in parts.items() if scheme in named}
    known = {**PARTS, **native.parts}
    strangers = sorted({part for part in names.values() if part not in known})
    if strangers:
        raise SplitError(
            f"parts of {source}'s official split {scheme!r} are no splits: {bounded(strangers)}.",
            action=f"Say in splits.native.{source}.parts which of them train, val and test.",
        )
    return {(source, video_id): known[part] for video_id, part in names.items()}
