"""No identity in two splits, shares met, and little moves when one video comes."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.splits import (
    PUBLIC_TEST_VIDEOS,
    Split,
    SplitAssignment,
    SplitSettings,
    assign_splits,
    join_videos,
    split_counts,
)
from schemas.errors import SplitError

UNPINNED = SplitSettings(pins={}, pinned_identities=())


@dataclass(frozen=True)
class Clue:
    """A video as assignment sees it."""

    source: str
    video_id: str
    identity: str
    links: dict[str, str] = field(default_factory=dict)


def make_source(source: str, count: int, identity: str | None = None) -> list[Clue]:
    return [Clue(source, f"VID{i:03d}", f"{identity or source}:{i}") for i in range(1, count + 1)]


def splits_by_name(assignment: SplitAssignment) -> dict[str, Split]:
    return {f"{v.source}/{v.video_id}": v.split for v in assignment.videos}


@st.composite
def graphs(draw: st.DrawFn) -> list[Clue]:
    """Videos of up to four sources that share identities and public names at will."""
    count = draw(st.integers(1, 40))
    videos = []
    for i in range(count):
        source = draw(st.sampled_from(["avos", "cholect50", "nurvid", "x9"]))
        identity = draw(st.sampled_from([f"{source}:{i}", f"p:{i % 7}", f"youtube:{i % 5}"]))
        links = draw(st.sampled_from([{}, {"youtube": str(i % 5)}, {"doi": str(i % 3)}]))
        videos.append(Clue(source, f"v{i}", identity, dict(links)))
    return videos


def reachable(videos: Sequence[Clue]) -> dict[str, frozenset[str]]:
    """Videos joined to each video, by walking; an independent word on components."""
    tokens = {
        f"{v.source}/{v.video_id}": {v.identity, *(f"{k}:{x}" for k, x in v.links.items())}
        for v in videos
    }
    joined = {}
    for name in tokens:
        seen, frontier = {name}, [name]
        while frontier:
            here = tokens[frontier.pop()]
            near = [other for other in tokens if other not in seen and tokens[other] & here]
            seen.update(near)
            frontier.extend(near)
        joined[name] = frozenset(seen)
    return joined


@given(videos=graphs(), seed=st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_nothing_that_is_joined_is_parted(videos: list[Clue], seed: int) -> None:
    assignment = assign_splits(videos, SplitSettings(seed=seed))
    placed = splits_by_name(assignment)
    assert len(placed) == len(videos)
    for group in set(reachable(videos).values()):
        assert len({placed[name] for name in group}) == 1
    components = {f"{v.source}/{v.video_id}": v.component for v in assignment.videos}
    for name, group in reachable(videos).items():
        assert {components[other] for other in group} == {components[name]}


@given(videos=graphs(), seed=st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_every_source_that_can_has_test_and_train(videos: list[Clue], seed: int) -> None:
    """A source of two components of its own always has both; others are met or named."""
    assignment = assign_splits(videos, UNPINNED.model_copy(update={"seed": seed}))
    sources_of: dict[str, set[str]] = defaultdict(set)
    held: dict[str, set[str]] = defaultdict(set)
    placed: dict[str, set[Split]] = defaultdict(set)
    for video in assignment.videos:
        sources_of[video.component].add(video.source)
        held[video.source].add(video.component)
        placed[video.source].add(video.split)
    for source, components in held.items():
        met = {Split.TEST, Split.TRAIN} <= placed[source]
        named = any(text.startswith(f"{source} ") for text in assignment.unmet)
        assert met or named or len(components) == 1
        assert not (met and named)
        own = [c for c in components if sources_of[c] == {source}]
        if len(own) >= 2:
            assert met


@given(
    holders=st.lists(st.frozensets(st.sampled_from("abc"), min_size=1), min_size=2, max_size=5),
    seed=st.integers(0, 2),
)
@settings(max_examples=80, deadline=None)
def test_what_cannot_be_met_is_named(holders: list[frozenset[str]], seed: int) -> None:
    """Three sources that share components in a ring cannot all have both; that is said."""
    videos = [
        Clue(f"source{s}", f"v{i}", f"p:{i}") for i, sources in enumerate(holders) for s in sources
    ]
    assignment = assign_splits(videos, UNPINNED.model_copy(update={"seed": seed}))
    needs = [
        [i for i, sources in enumerate(holders) if s in sources]
        for s in "abc"
        if sum(s in sources for sources in holders) > 1
    ]
    possible = any(
        all(len({colour[i] for i in need}) == 2 for need in needs)
        for colour in product((0, 1), repeat=len(holders))
    )
    if not possible:
        assert assignment.unmet
    if len(needs) <= 1:
        assert not assignment.unmet


def test_a_source_of_one_component_does_not_hold_it_back() -> None:
    """Both patients of `avos` are the only one of another source, which needs no second split."""
    videos = [
        Clue("avos", "a", "p:1"), Clue("x9", "a", "p:1"),
        Clue("avos", "b", "p:2"), Clue("y9", "b", "p:2"),
    ]  # fmt: skip
    assignment = assign_splits(videos, UNPINNED)
    assert assignment.unmet == ()
    assert {v.split for v in assignment.videos} == {Split.TEST, Split.TRAIN}


@pytest.mark.parametrize("count", [1, 2, 5, 20, 50, 206, 1538])
def test_shares_are_met_to_the_nearest_video(count: int) -> None:
    videos = make_source("avos", count)
    counts = Counter(v.split for v in assign_splits(videos, UNPINNED).videos)
    if count == 1:
        assert counts == {Split.TRAIN: 1}
        return
    assert abs(counts[Split.TEST] - max(1, 0.12 * count)) <= 0.5
    assert abs(counts[Split.VAL] - 0.03 * count) <= 0.5
    assert counts[Split.TRAIN] >= 1


def test_shares_are_of_videos_where_identities_differ_in_size() -> None:
    videos = [Clue("jigsaws", f"t{i}", f"surgeon:{i % 8}") for i in range(103)]
    counts = Counter(v.split for v in assign_splits(videos, UNPINNED).videos)
    assert counts == {Split.TEST: 13, Split.TRAIN: 90}


def test_one_huge_identity_does_not_become_the_test_set() -> None:
    for seed in range(20):
        videos = [Clue("avos", f"a{i}", "p:big") for i in range(90)]
        videos += [Clue("avos", f"b{i}", f"p:{i}") for i in range(10)]
        settings_ = UNPINNED.model_copy(update={"seed": seed})
        counts = Counter(v.split for v in assign_splits(videos, settings_).videos)
        assert counts[Split.TRAIN] >= 90
        assert counts[Split.TEST] >= 1


def test_the_three_cholec80_sources_part_patients_alike() -> None:
    videos = [
        *make_source("cholec80cvs", 80, "cholec80"),
        *make_source("cholect50", 50, "cholec80"),
        *make_source("cholectrack20", 20, "cholec80"),
    ]
    assignment = assign_splits(videos, SplitSettings())
    by_patient = defaultdict(set)
    for video in assignment.videos:
        by_patient[video.identity].add(video.split)
    assert all(len(found) == 1 for found in by_patient.values())
    counts = split_counts(assignment)
    assert {source: part["test"]["videos"] for source, part in counts.items()} == {
        "cholec80cvs": 10, "cholect50": 6, "cholectrack20": 2,
    }  # fmt: skip


def test_pinned_videos_take_their_whole_component_to_test() -> None:
    videos = [
        Clue("cholect50", "VID25", "cholec80:25"),
        Clue("cholec80cvs", "video25", "cholec80:25"),
        Clue("egosurgery", "04_1", "egosurgery:04"),
        Clue("egosurgery", "04_2", "egosurgery:04"),
        Clue("egosurgery", "05_1", "egosurgery:05"),
        Clue("copesd", "023521_part0", "copesd:023521"),
        Clue("copesd", "014014", "copesd:014014"),
        Clue("other", "clip7", "other:7", {"youtube": "kcOqlifSukA"}),
        Clue("avos", "kcOqlifSukA", "youtube:kcOqlifSukA"),
        Clue("avos", "AAAAAAAAAAA", "youtube:AAAAAAAAAAA"),
    ]
    assignment = assign_splits(videos, SplitSettings())
    tested = {f"{v.source}/{v.video_id}" for v in assignment.videos if v.split is Split.TEST}
    assert tested == {
        "cholect50/VID25", "cholec80cvs/video25", "egosurgery/04_1", "egosurgery/04_2",
        "copesd/023521_part0", "other/clip7", "avos/kcOqlifSukA",
    }  # fmt: skip
    assert {v.video_id for v in assignment.videos if v.pinned} == {
        name.partition("/")[2] for name in tested
    }
    assert "cholect50/VID66" in assignment.unused_pins
    assert "cholect50/VID25" not in assignment.unused_pins


def test_a_public_test_patient_tests_even_through_another_source_alone() -> None:
    videos = make_source("cholec80cvs", 80, "cholec80")
    split = splits_by_name(assign_splits(videos, SplitSettings()))
    for number in (15, 25, 40, 42, 49, 66):
        assert split[f"cholec80cvs/VID{number:03d}"] is Split.TEST


def test_pins_of_a_user_come_on_top_and_every_known_test_video_is_pinned() -> None:
    chosen = SplitSettings(extra_pins={"avos": ("mine",)})
    assert chosen.pinned("avos") == tuple(sorted({*PUBLIC_TEST_VIDEOS["avos"], "mine"}))
    assert SplitSettings(extra_pins={"x9": ("a", "a")}).pinned("x9") == ("a",)
    videos = [
        Clue(source, name, f"{source}:{name}")
        for source, names in PUBLIC_TEST_VIDEOS.items()
        for name in names
    ]
    assignment = assign_splits(videos, SplitSettings())
    assert {v.split for v in assignment.videos} == {Split.TEST}
    assert len(assignment.unmet) == sum(len(names) > 1 for names in PUBLIC_TEST_VIDEOS.values())


@pytest.mark.parametrize("count", [20, 50, 326, 1538])
def test_one_more_video_moves_at_most_two_others_of_its_source(count: int) -> None:
    videos = [*make_source("avos", count), *make_source("cholect50", 50, "cholec80")]
    before = splits_by_name(assign_splits(videos, UNPINNED))
    worst = 0
    for i in range(12):
        extra = Clue("avos", f"new{i}", f"new:{i}")
        after = splits_by_name(assign_splits([*videos, extra], UNPINNED))
        moved = [name for name in before if before[name] is not after[name]]
        assert all(name.startswith("avos/") for name in moved)
        worst = max(worst, len(moved))
    assert worst <= 2


@pytest.mark.parametrize("sources", [("cholec80cvs",), ("cholect50",), ("cholectrack20",)])
def test_one_more_patient_of_shared_sources_moves_at_most_four_others(
    sources: tuple[str, ...],
) -> None:
    videos = [
        *make_source("cholec80cvs", 80, "cholec80"),
        *make_source("cholect50", 50, "cholec80"),
        *make_source("cholectrack20", 20, "cholec80"),
    ]
    for seed in range(5):
        settings_ = UNPINNED.model_copy(update={"seed": seed})
        before = splits_by_name(assign_splits(videos, settings_))
        for i in range(5):
            extra = [Clue(source, f"new{i}", f"cholec80:new{i}") for source in sources]
            after = splits_by_name(assign_splits([*videos, *extra], settings_))
            moved = {n.partition("/")[2] for n in before if before[n] is not after[n]}
            assert len(moved) <= 4


def test_order_of_the_input_and_hash_seed_of_python_do_not_matter() -> None:
    videos = [*make_source("avos", 60), *make_source("cholect50", 50, "cholec80")]
    settings_ = SplitSettings(seed=4)
    assert assign_splits(videos, settings_) == assign_splits(videos[::-1], settings_)
    other = assign_splits(videos, SplitSettings(seed=5))
    assert splits_by_name(other) != splits_by_name(assign_splits(videos, settings_))


def test_a_video_given_twice_or_not_at_all_is_refused() -> None:
    with pytest.raises(SplitError, match="avos/VID001"):
        assign_splits([*make_source("avos", 3), *make_source("avos", 1)], UNPINNED)
    with pytest.raises(SplitError, match="avos/none"):
        assign_splits(make_source("avos", 3), UNPINNED).split_of("avos", "none")
    assert assign_splits([], UNPINNED).videos == ()


@pytest.mark.parametrize(
    "changes", [{"test_share": 0.9, "val_share": 0.1}, {"test_share": -0.1}, {"standard_size": -1}]
)
def test_settings_that_mean_nothing_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"share|standard_size"):
        SplitSettings.model_validate(changes)


def test_edges_name_what_is_shared_and_how() -> None:
    videos = [
        Clue("avos", "a", "youtube:AAAAAAAAAAA", {"youtube": "AAAAAAAAAAA"}),
        Clue("nurvid", "n", "nurse:1", {"youtube": "AAAAAAAAAAA"}),
        Clue("nurvid", "m", "nurse:1"),
        Clue("avos", "alone", "youtube:BBBBBBBBBBB", {"youtube": "BBBBBBBBBBB"}),
    ]
    graph = join_videos(videos)
    assert graph.edges == {
        "identity": {"nurse:1": ("nurvid/m", "nurvid/n")},
        "youtube": {"youtube:AAAAAAAAAAA": ("avos/a", "nurvid/n")},
    }
    assert graph.component["youtube:AAAAAAAAAAA"] == graph.component["nurse:1"] == "nurse:1"
