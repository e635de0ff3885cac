"""Find videos that show the same footage, by fingerprints of their frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medvid.splits.alignment import Limits, Line, Track, align, lines_through
from medvid.splits.hamming import COMMON_BITS, HashArray, NearPairs, hamming, near_pairs
from schemas.errors import SplitError, bounded
from schemas.scalars import SCHEMA_VERSION, Label, Model, PositiveInt, Seconds
from schemas.timeline import IntArray


class MediaEdge(Model):
    """Two videos that show the same footage for a while.

    A moment at `t` seconds of `a` is at `speed * t + offset_s` seconds of `b`.

    Attributes:
        a: One video, `source/video_id`; `a < b`.
        b: The other.
        matched_s: Seconds of playback from first to last match, in the slower of the two.
        offset_s: Where in `b` the start of `a` lies, or would lie.
        speed: Seconds of `b` per second of `a`.
        matches: Pairs of frames that agree.
        distance: Mean bits of 64 in which they differ.
        rank: Mean share of the match's other pictures that agree better; 0.5 would be chance.
    """

    a: Label
    b: Label
    matched_s: Seconds
    offset_s: float
    speed: float = Field(gt=0)
    matches: PositiveInt
    distance: float = Field(ge=0, le=64)
    rank: float = Field(default=0.0, ge=0, le=1)


class DuplicateSettings(Model):
    """When two videos count as the same footage.

    Attributes:
        min_matched_s: Shortest aligned match, in seconds of the slower video.
        min_detail: Fewest clear differences, of 64, of a frame that counts.
        most_videos: Videos that may show a picture; one that more show is a logo, a title card
            or a fixed camera's table.
        seed_bits: Most bits between whole pictures for two frames to point at each other.
        min_seeds: Stretches of three seconds on each side that must point along one line.
        match_bits: Most bits between two frames on the line that agree.
        mean_bits: Most bits between them on average.
        max_gap_s: Longest time without agreement inside a match.
        min_share: Least share of a match's frames that agree.
        min_matches: Fewest frames that agree.
        min_pictures: Fewest different pictures among them; a still is one, however long.
        max_rank: Greatest mean share of a match's other pictures that may agree better than the
            right one; 0.5 is chance.
    """

    min_matched_s: float = Field(default=30.0, gt=0)
    min_detail: int = Field(default=16, ge=0, le=64)
    most_videos: PositiveInt = 3
    seed_bits: int = Field(default=8, ge=0, le=64)
    min_seeds: PositiveInt = 4
    match_bits: int = Field(default=12, ge=0, le=64)
    mean_bits: float = Field(default=7.0, ge=0, le=64)
    max_gap_s: float = Field(default=10.0, gt=0)
    min_share: float = Field(default=0.6, ge=0, le=1)
    min_matches: PositiveInt = 12
    min_pictures: float = Field(default=8.0, ge=1)
    max_rank: float = Field(default=0.1, ge=0, le=1)


class DuplicateReport(Model):
    """What a search found.

    Attributes:
        edges: Sorted by `a` and `b`.
        videos: Videos searched.
        frames: Frames searched.
        plain: Frames left out because there is too little to see.
        common: Frames left out because too many videos show them.
        candidates: Lines through near frames of two videos that were looked at closely.
    """

    schema_version: int = SCHEMA_VERSION
    edges: tuple[MediaEdge, ...] = ()
    videos: int = 0
    frames: int = 0
    plain: int = 0
    common: int = 0
    candidates: int = 0


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hashes of one video's frames, about one a second.

    Attributes:
        name: `source/video_id`.
        time_s: Playback time of each frame, float64, (n,), strictly increasing.
        hashes: 64-bit hashes, uint64, (n, windows); the first is of the whole picture, the last of
            its middle, those between of windows cut on some sides.
        detail: How many of a hash's differences are clear, uint8, (n,).
    """

    name: str
    time_s: npt.NDArray[np.float64]
    hashes: npt.NDArray[np.uint64]
    detail: npt.NDArray[np.uint8]


def find_duplicates(
    fingerprints: Sequence[Fingerprint], settings: DuplicateSettings
) -> DuplicateReport:
    """Find every pair of videos that show the same footage for long enough.

    Frames with little to see are left out, and of a still stretch all but every fourth. Among the
    rest, of all videos at once, near frames are found by a multi-index search; those that more
    than `most_videos` videos show are left out. Pairs of videos whose near frames point along one
    line are then compared frame by frame (`medvid.splits.alignment`).

    Args:
        fingerprints: One a video, in any order.
        settings: What counts.

    Raises:
        SplitError: Two fingerprints have one name.
    """
    ordered = sorted(fingerprints, key=lambda fingerprint: fingerprint.name)
    twice = sorted({a.name for a, b in pairwise(ordered) if a.name == b.name})
    if twice:
        raise SplitError(f"{len(twice)} videos have two fingerprints: {bounded(twice)}.")
    clear = [np.flatnonzero(item.detail >= settings.min_detail) for item in ordered]
    index = _index(ordered, clear)
    pairs, common = _near_frames(index, settings)
    shared = _common_frames(ordered, clear, index, common)
    edges: dict[tuple[str, str], MediaEdge] = {}
    candidates = 0
    for candidate in _candidates(index, pairs, settings):
        candidates += 1
        edge = _join(ordered, clear, shared, candidate, settings)
        known = edges.get((edge.a, edge.b)) if edge is not None else None
        if edge is not None and (known is None or edge.matched_s > known.matched_s):
            edges[edge.a, edge.b] = edge
    frames = sum(item.time_s.size for item in ordered)
    return DuplicateReport(
        edges=tuple(edges.values()), videos=len(ordered), frames=frames,
        plain=frames - sum(places.size for places in clear),
        common=sum(int(mask.sum()) for mask in shared), candidates=candidates,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Index:
    """The frames that are searched, of all videos in order of name.

    Attributes:
        hashes: Of the whole picture and of its middle, (n, 2).
        owner: Number of the video, (n,).
        place: Place among its video's frames, (n,).
        time_s: Playback time, (n,).
    """

    hashes: HashArray
    owner: npt.NDArray[np.int32]
    place: IntArray
    time_s: npt.NDArray[np.float64]


def _index(ordered: Sequence[Fingerprint], clear: Sequence[IntArray]) -> _Index:
    kept = [_thin(item, places) for item, places in zip(ordered, clear, strict=True)]
    sizes = [places.size for places in kept]
    if not kept:
        nothing = np.zeros(0, dtype=np.int64)
        empty = np.zeros((0, 2), dtype=np.uint64)
        return _Index(empty, nothing.astype(np.int32), nothing, nothing.astype(np.float64))
    pairs = list(zip(ordered, kept, strict=True))
    return _Index(
        hashes=np.concatenate([item.hashes[places][:, [0, -1]] for item, places in pairs]),
        owner=np.repeat(np.arange(len(kept), dtype=np.int32), sizes),
        place=np.concatenate(kept).astype(np.int64),
        time_s=np.concatenate([item.time_s[places] for item, places in pairs]),
    )


def _thin(item: Fingerprint, places: IntArray) -> IntArray:
    """Leave out frames like the one before, but for one every four seconds."""
    if places.size < 2:
        return places
    hashes = item.hashes[places, 0]
    moved = hamming(hashes[1:], hashes[:-1]) >= _MOVED_BITS
    beat = np.floor(item.time_s[places] / _STILL_S)
    kept: IntArray = places[np.concatenate([[True], moved | (np.diff(beat) > 0)])]
    return kept


def _near_frames(
    index: _Index, settings: DuplicateSettings
) -> tuple[NearPairs, npt.NDArray[np.bool_]]:
    """Near frames of different videos, and frames that too many videos show.

    The middle of a picture is searched beside the whole: it is what a copy cropped on all sides
    shows.
    """
    count = index.owner.size
    pairs, common = near_pairs(
        index.hashes.T.ravel(), np.tile(index.owner, 2),
        radius=settings.seed_bits, most_owners=settings.most_videos,
    )  # fmt: skip
    shared = common[:count] | common[count:]
    pairs = NearPairs(pairs.first % count, pairs.second % count, pairs.distance)
    first, second = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    return NearPairs(first, second, pairs.distance).take(~(shared[first] | shared[second])), shared


def _common_frames(
    ordered: Sequence[Fingerprint],
    clear: Sequence[IntArray],
    index: _Index,
    common: npt.NDArray[np.bool_],
) -> list[npt.NDArray[np.bool_]]:
    """Which clear frames of each video too many show, with those that were thinned out after."""
    shared: list[npt.NDArray[np.bool_]] = []
    for number, (item, places) in enumerate(zip(ordered, clear, strict=True)):
        own = slice(*np.searchsorted(index.owner, [number, number + 1]))
        kept, bad = index.place[own], common[own]
        if not kept.size:
            shared.append(np.zeros(places.size, dtype=np.bool_))
            continue
        leader = np.maximum(np.searchsorted(kept, places, side="right") - 1, 0)
        like = hamming(item.hashes[places, 0], item.hashes[kept[leader], 0]) <= COMMON_BITS
        shared.append(bad[leader] & like)
    return shared


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Two videos whose near frames point along a line.

    Attributes:
        a: Number of the first.
        b: Number of the second, greater.
        places: Places of the near frames in each, (m,) each.
        line: About where they lie.
    """

    a: int
    b: int
    places: tuple[IntArray, IntArray]
    line: Line


def _candidates(
    index: _Index, pairs: NearPairs, settings: DuplicateSettings
) -> Iterator[_Candidate]:
    """Lines to look at closely, in order of their two videos."""
    if not len(pairs):
        return
    videos = int(index.owner.max()) + 1
    key = index.owner[pairs.first].astype(np.int64) * videos + index.owner[pairs.second]
    order = np.argsort(key, kind="stable")
    first, second, key = pairs.first[order], pairs.second[order], key[order]
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(key)) + 1, [key.size]])
    for start, end in pairwise(bounds.tolist()):
        if end - start < settings.min_seeds:
            continue
        a, b = first[start:end], second[start:end]
        for line, on in lines_through(index.time_s[a], index.time_s[b], settings.min_seeds):
            yield _Candidate(
                int(key[start]) // videos, int(key[start]) % videos,
                (index.place[a[on]], index.place[b[on]]), line,
            )  # fmt: skip


def _join(
    ordered: Sequence[Fingerprint],
    clear: Sequence[IntArray],
    shared: Sequence[npt.NDArray[np.bool_]],
    candidate: _Candidate,
    settings: DuplicateSettings,
) -> MediaEdge | None:
    places = [clear[number][~shared[number]] for number in (candidate.a, candidate.b)]
    items = (ordered[candidate.a], ordered[candidate.b])
    tracks = [
        Track(item.time_s[own], item.hashes[own]) for item, own in zip(items, places, strict=True)
    ]
    seeds = (
        np.searchsorted(places[0], candidate.places[0]),
        np.searchsorted(places[1], candidate.places[1]),
    )
    limits = Limits(**settings.model_dump(include={f.name for f in fields(Limits)}))
    found = align(tracks[0], tracks[1], seeds, candidate.line, limits)
    if found is None:
        return None
    return MediaEdge(
        a=items[0].name, b=items[1].name, matched_s=round(found.matched_s, 3),
        offset_s=round(found.line.offset_s, 3), speed=round(found.line.speed, 4),
        matches=found.matches, distance=round(found.distance, 3), rank=round(found.rank, 4),
    )  # fmt: skip


_MOVED_BITS = 3
_STILL_S = 4.0
