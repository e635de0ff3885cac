"""Videos of the same footage are found; videos that only look alike are not."""

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.media import FrameHasher
from medvid.splits import DuplicateSettings, Fingerprint, MediaEdge, find_duplicates
from medvid.splits.hamming import EXACT_RADIUS, near_pairs
from medvid.synthetic.footage import Alteration, Film, copy_film, shoot
from schemas.errors import SplitError

SETTINGS = DuplicateSettings()


@cache
def print_of(
    name: str, film: Film, change: Alteration | None = None, step_s: float = 1.0
) -> Fingerprint:
    """Fingerprint of a film drawn at its frame rate and sampled every so many seconds."""
    frames = list(shoot(film) if change is None else copy_film(film, change))
    places = range(0, len(frames), round(step_s * film.rate))
    hasher = FrameHasher()
    for place in places:
        hasher.add(place, frames[place])
    found = hasher.finish()
    return Fingerprint(name, found.number / film.rate, found.hashes, found.detail)


def edges_of(*prints: Fingerprint) -> dict[tuple[str, str], MediaEdge]:
    return {(edge.a, edge.b): edge for edge in find_duplicates(prints, SETTINGS).edges}


FILM = Film(seed=1, theatre=1, seconds=60, rate=6)
OTHERS = [print_of(f"s/other{k}", Film(seed=k, theatre=k, seconds=60, rate=6)) for k in (2, 3)]


@pytest.mark.parametrize(
    ("change", "speed", "offset_s"),
    [
        (Alteration(size_wh=(96, 72)), 1.0, 0.0),
        (Alteration(crop=(0.05, 0.05, 0.05, 0.05)), 1.0, 0.0),
        (Alteration(crop=(0.05, 0.0, 0.03, 0.04)), 1.0, 0.0),
        (Alteration(start_s=17.5), 1.0, -17.5),
        (Alteration(speed=0.5), 2.0, 0.0),
        (Alteration(speed=1.5), 2 / 3, 0.0),
        (Alteration(speed=2.0), 0.5, 0.0),
        (Alteration((0.05, 0.0, 0.0, 0.05), 0.8, 10.3, (128, 96), (0.12, 0.0)), 1.25, -12.9),
    ],
)
def test_a_copy_is_joined_to_its_film(change: Alteration, speed: float, offset_s: float) -> None:
    found = edges_of(print_of("s/film", FILM), print_of("t/copy", FILM, change), *OTHERS)
    assert set(found) == {("s/film", "t/copy")}
    edge = found["s/film", "t/copy"]
    assert edge.speed == pytest.approx(speed, rel=0.04)
    assert edge.offset_s == pytest.approx(offset_s, abs=1.5)
    assert edge.matched_s >= 30


def test_thirty_seconds_are_asked_for() -> None:
    film = print_of("s/film", FILM)
    assert edges_of(film, print_of("s/long", FILM, Alteration(start_s=24)), *OTHERS)
    assert not edges_of(film, print_of("s/short", FILM, Alteration(start_s=36)), *OTHERS)


def test_sparse_frames_are_joined_too() -> None:
    film = Film(seed=1, theatre=1, seconds=90, rate=6)
    sparse = print_of("s/sparse", film, step_s=2.0)
    found = edges_of(sparse, print_of("s/film", film, Alteration(start_s=5)), *OTHERS)
    assert set(found) == {("s/film", "s/sparse")}


@pytest.mark.parametrize("fixed", [False, True])
def test_other_action_in_the_same_theatre_is_not_joined(fixed: bool) -> None:
    films = [
        Film(seed=seed, theatre=9, seconds=90, rate=1, fixed=fixed, scope=seed % 2 == 0)
        for seed in range(20, 23)
    ]
    assert not edges_of(*(print_of(f"s/v{film.seed}", film) for film in films))


def test_still_pictures_of_one_place_are_not_joined() -> None:
    still = Film(seed=30, theatre=30, seconds=60, rate=2, still_s=60)
    same = replace(still, still_s=59)
    assert not edges_of(print_of("s/still", still), print_of("s/same", same))


def test_a_picture_that_four_videos_show_joins_none() -> None:
    copies = [replace(print_of("s/film", FILM), name=f"s/copy{k}") for k in range(4)]
    assert len(edges_of(*copies[:3])) == 3
    report = find_duplicates(copies, SETTINGS)
    assert not report.edges
    assert report.common > 0


def test_plain_frames_count_for_nothing() -> None:
    black = np.zeros((60, 96, 128, 3), dtype=np.uint8)
    hasher = FrameHasher()
    for number, rgb in enumerate(black):
        hasher.add(number, rgb)
    found = hasher.finish()
    prints = [
        Fingerprint(name, found.number.astype(np.float64), found.hashes, found.detail)
        for name in "ab"
    ]
    report = find_duplicates(prints, SETTINGS)
    assert (report.edges, report.plain) == ((), 120)


def test_order_changes_nothing() -> None:
    prints = [
        print_of("s/film", FILM), print_of("a/copy", FILM, Alteration(speed=1.5)), *OTHERS,
    ]  # fmt: skip
    first = find_duplicates(prints, SETTINGS)
    assert first.edges
    assert find_duplicates(prints[::-1], SETTINGS) == first


def test_names_must_differ_and_nothing_is_no_fault() -> None:
    film = print_of("s/film", FILM)
    with pytest.raises(SplitError, match="two fingerprints"):
        find_duplicates([film, film], SETTINGS)
    empty = Fingerprint("s/empty", film.time_s[:0], film.hashes[:0], film.detail[:0])
    one = Fingerprint("s/one", film.time_s[:1], film.hashes[:1], film.detail[:1])
    assert find_duplicates([], SETTINGS).edges == ()
    assert find_duplicates([empty, one, film], SETTINGS).edges == ()


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_near_pairs_are_exactly_those_of_brute_force(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 1 << 63, 60, dtype=np.uint64)
    changed = data.draw(st.integers(0, EXACT_RADIUS))
    for place in range(0, 60, 2):
        for bit in rng.choice(64, changed, replace=False):
            hashes[place + 1] = hashes[place] ^ (np.uint64(1) << np.uint64(bit))
    owner = rng.integers(0, 40, 60).astype(np.int32)
    pairs, common = near_pairs(hashes, owner, radius=EXACT_RADIUS, most_owners=100)
    brute = {
        (a, b)
        for a, b in combinations(range(60), 2)
        if owner[a] != owner[b] and int(hashes[a] ^ hashes[b]).bit_count() <= EXACT_RADIUS
    }
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == brute
    assert not common.any()
