"""Hashes that stay: equal values give equal keys, one more item moves nobody."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.hashing import (
    canonical_json,
    content_key,
    file_sha256,
    hash_choice,
    hash_fraction,
    hash_order,
    stable_id,
)


@given(st.dictionaries(st.text(), st.integers(-(2**53), 2**53)))
def test_order_of_keys_is_no_content(value: dict[str, int]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(turned)
    assert content_key(value) == content_key(turned)


def test_known_values_never_change() -> None:
    assert (
        stable_id("clip", "cholect50", "VID25", 0, 60, 1, 1) == "1f003276a643774e5d779856362a998e"
    )
    assert hash_choice("abcdef", 0, "x") == "a"


def test_parts_do_not_run_together() -> None:
    assert stable_id("ab", "c") != stable_id("a", "bc")


def test_a_path_must_not_enter_a_hash() -> None:
    with pytest.raises(TypeError, match="PosixPath"):
        content_key(Path("here"))


@given(st.sets(st.text(min_size=1), min_size=2, max_size=20), st.integers(0, 5))
def test_one_item_less_leaves_the_order_of_the_rest(items: set[str], seed: int) -> None:
    order = hash_order(items, seed)
    gone = order[len(order) // 2]
    assert hash_order(items - {gone}, seed) == [item for item in order if item != gone]


@given(st.integers(), st.text())
def test_fractions_lie_in_the_unit_interval(seed: int, name: str) -> None:
    assert 0 <= hash_fraction(seed, name) < 1


def test_file_hash_is_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert file_sha256(path) == empty
