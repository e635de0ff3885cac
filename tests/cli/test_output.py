"""How commands word what they print."""

import pytest

from medvid.cli.output import counted


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (530_000, "530,000 rows")]
)
def test_a_number_agrees_with_its_noun(number: int, told: str) -> None:
    assert counted(number, "row") == told


def test_a_noun_may_bring_its_own_plural() -> None:
    assert counted(1, "reply", "replies") == "1 reply"
    assert counted(2, "reply", "replies") == "2 replies"
