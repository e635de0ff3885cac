"""Videos that show the same footage stay together, and shared title cards do not join a source."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.splits import (
    MediaEdge,
    Split,
    SplitSettings,
    assign_splits,
    check_leaks,
    find_leaks,
    join_videos,
    leak_proof,
)
from schemas.errors import LeakageError, SplitError
from schemas.timeline import TimeBase
from schemas.video import Video

UNPINNED = SplitSettings(pins={}, pinned_identities=(), max_joined_share=1.0)


def make_video(source: str, number: int, identity: str, **links: str) -> Video:
    return Video(
        source=source, video_id=f"v{number}", identity=identity, resolution_wh=(2, 2), media=None,
        time_base=TimeBase(rate_num=1, frame_rate_num=1), licence="cc0-1.0", links=links,
    )  # fmt: skip


def name_of(video: Video) -> str:
    return f"{video.source}/{video.video_id}"


def join(first: Video, second: Video) -> MediaEdge:
    a, b = sorted((name_of(first), name_of(second)))
    return MediaEdge(a=a, b=b, matched_s=45.0, offset_s=-3.5, speed=1.0, matches=45, distance=2.5)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Video], list[MediaEdge]]:
    """Videos that share identities, public names and footage at will."""
    videos = []
    for i in range(draw(st.integers(1, 40))):
        source = draw(st.sampled_from(["avos", "cholect50", "nurvid", "x9"]))
        identity = draw(st.sampled_from([f"{source}:{i}", f"p:{i % 7}", f"youtube:{i % 5}"]))
        links = draw(st.sampled_from([{}, {"youtube": str(i % 5)}, {"doi": str(i % 3)}]))
        videos.append(make_video(source, i, identity, **links))
    pairs = list(combinations(range(len(videos)), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=15, unique=True)) if pairs else []
    return videos, [join(videos[a], videos[b]) for a, b in chosen]


def together(videos: Sequence[Video], edges: Sequence[MediaEdge]) -> list[set[str]]:
    """Groups of joined videos, by merging sets: an independent word on components."""
    groups = [{name_of(video)} for video in videos]
    shared: dict[str, set[str]] = defaultdict(set)
    for video in videos:
        for token in (video.identity, *(f"{k}:{v}" for k, v in video.links.items())):
            shared[token].add(name_of(video))
    for bond in [*shared.values(), *({edge.a, edge.b} for edge in edges)]:
        touched = [group for group in groups if group & bond]
        groups = [group for group in groups if not group & bond]
        groups.append(set().union(*touched))
    return groups


@given(graph=graphs(), seed=st.integers(0, 3))
@settings(max_examples=120, deadline=None)
def test_nobody_stands_in_two_splits(graph: tuple[list[Video], list[MediaEdge]], seed: int) -> None:
    videos, edges = graph
    assignment = assign_splits(videos, UNPINNED.model_copy(update={"seed": seed}), edges)
    placed = {f"{v.source}/{v.video_id}": v.split for v in assignment.videos}
    component = {f"{v.source}/{v.video_id}": v.component for v in assignment.videos}
    groups = together(videos, edges)
    assert sum(len(group) for group in groups) == len(videos)
    for group in groups:
        assert len({placed[name] for name in group}) == 1
        assert len({component[name] for name in group}) == 1
    assert len(set(component.values())) == len(groups)
    proof = leak_proof(videos, assignment, edges)
    assert len(proof["media_edges"]) == len(edges)
    assert find_leaks(videos, proof) == []


def test_a_proof_whose_footage_crosses_splits_is_refused() -> None:
    videos = [make_video("avos", i, f"avos:{i}") for i in range(40)]
    assignment = assign_splits(videos, UNPINNED)
    placed = {v.video_id: v.split for v in assignment.videos}
    train = next(v for v in videos if placed[v.video_id] is Split.TRAIN)
    test = next(v for v in videos if placed[v.video_id] is Split.TEST)
    proof = leak_proof(videos, assignment)
    proof["media_edges"] = [join(train, test).model_dump(mode="json")]
    with pytest.raises(LeakageError, match=r"footage .*joins videos in test and train"):
        check_leaks(videos, proof)
    with pytest.raises(LeakageError, match="footage"):
        leak_proof(videos, assignment, [join(train, test)])
    united = assign_splits(videos, UNPINNED, [join(train, test)])
    assert united.split_of("avos", train.video_id) is united.split_of("avos", test.video_id)


def test_an_edge_of_a_stranger_is_refused() -> None:
    videos = [make_video("avos", i, f"avos:{i}") for i in range(3)]
    with pytest.raises(SplitError, match="avos/v3"):
        join_videos(videos, [join(videos[0], make_video("avos", 3, "avos:3"))])


def test_a_title_card_that_joins_a_source_stops_the_build() -> None:
    videos = [make_video("nurvid", i, f"nurvid:{i}") for i in range(100)]
    strict = SplitSettings()
    five = [join(a, b) for a, b in pairwise(videos[:5])]
    assert len({v.component for v in assign_splits(videos, strict, five).videos}) == 96
    six = [*five, join(videos[4], videos[5])]
    with pytest.raises(SplitError, match=r"6 of the 100 videos of nurvid.*nurvid/v3.*title card"):
        assign_splits(videos, strict, six)
    loose = strict.model_copy(update={"max_joined_share": 0.06})
    assert assign_splits(videos, loose, six).videos


def test_edges_inside_a_component_and_tiny_sources_do_not_stop_it() -> None:
    surgeon = [make_video("jigsaws", i, "jigsaws:B") for i in range(10)]
    edges = [join(a, b) for a, b in pairwise(surgeon)]
    linked = [make_video("avos", i, f"avos:{i}", youtube="same") for i in range(10)]
    edges += [join(a, b) for a, b in pairwise(linked)]
    pair = [make_video("x9", i, f"x9:{i}") for i in range(2)]
    assignment = assign_splits([*surgeon, *linked, *pair], SplitSettings(), [*edges, join(*pair)])
    assert len({v.component for v in assignment.videos if v.source == "x9"}) == 1
