"""Report and card say how the pairs were chosen, in the selection's own numbers."""

import pytest

from medvid.releases.card import render_card
from medvid.releases.facts import ReleaseFacts
from medvid.releases.report import balances, render_report
from medvid.releases.report_tables import Row
from medvid.releases.selection_tables import (
    leak_table,
    left_out_table,
    quota_table,
    selection_notes,
    subset_table,
    task_table,
)
from medvid.splits import Leak, Quota, SelectionReport


@pytest.fixture
def sized(small: ReleaseFacts) -> ReleaseFacts:
    """Facts of a release drawn under quotas that its pool does not fill."""
    total = sum(count.samples for count in small.counts)
    name = next(iter(small.sources))
    report = SelectionReport.model_validate({
        "pool": total + 30, "splits": {"train": total}, "requested": 9, "selected": 9,
        "shortfall": 0, "tasks": {}, "large_requested": 5_000, "large_selected": total,
        "quota_origin": "given", "left_out": {"held_out": 20, "over_quota": 10},
        "sources": {name: Quota(requested=5_000, available=total, reached=total, closest=total)},
        "tests": {"tal": Quota(requested=40, available=90, reached=40, closest=40)},
        "subsets": {"rl": {"requested": 8, "selected": 8, "tasks": {"stg": 4, "tal": 4}}},
    })  # fmt: skip
    return small.model_copy(update={"selection": report, "left_out_videos": 1})


def test_tables_hold_what_was_asked_and_reached(sized: ReleaseFacts) -> None:
    total = sum(count.samples for count in sized.counts)
    (row,) = quota_table(sized).rows
    assert row.cells == (5_000, total, total, total)
    assert task_table(sized).rows == (Row(("tal",), (40, 90, 40, 40)),)
    assert subset_table(sized).columns == ("asked for", "stg", "tal", "all tasks")
    assert subset_table(sized).rows[0].cells == (8, 4, 4, 8)
    assert [row.cells[0] for row in left_out_table(sized).rows] == [20, 10, 30]


def test_shortfalls_stand_in_report_and_card(sized: ReleaseFacts) -> None:
    notes = selection_notes(sized)
    assert notes[:2] == [
        "Sources have quotas that the settings give.",
        "Test is 40 of 40 pairs asked for by task, drawn from test identities and fair over "
        "sources, labels and videos; other pairs of these identities are in no split.",
    ]
    assert "of 5000; the closest reachable table is quotas" in notes[2]
    page, card = render_report(sized).decode(), render_card(sized).decode()
    for text in ("Quotas by source", "Test by task", "Members of subsets", "left_out.parquet"):
        assert text in page
    assert notes[1] in page
    assert notes[1] in card
    assert "| rl | 8 | 4 | 4 | 8 |" in card


def test_pairs_left_out_are_part_of_the_balance(sized: ReleaseFacts) -> None:
    assert [b.holds for b in balances(sized) if b.what == "pairs"] == [True]
    report = sized.selection
    assert report is not None
    lost = sized.model_copy(update={"selection": report.model_copy(update={"left_out": {}})})
    assert [b.what for b in balances(lost) if not b.holds and b.what == "pairs"] == ["pairs"]


def test_whom_official_splits_part_is_named(sized: ReleaseFacts) -> None:
    leak = Leak(
        component="cholec80:25", identities=("cholec80:25", "x<b>:1"),
        videos={"test": ("cholectrack20/VID25",), "train": ("cholect50/VID25",)},
    )  # fmt: skip
    native = sized.model_copy(
        update={"split_mode": "native", "leaks": (leak,), "unlisted": {"nurvid": 3}}
    )
    assert leak_table(native).rows == (
        Row(("cholec80:25; x<b>:1",), ("cholectrack20/VID25", "cholect50/VID25")),
    )
    notes = selection_notes(native)
    assert "2 identities stand in two splits" in notes[0]
    assert notes[1].startswith("3 videos of nurvid are named by no official split")
    page, card = render_report(native).decode(), render_card(native).decode()
    assert "x&lt;b&gt;:1" in page
    assert "<b>:1" not in page
    assert "No identity, that is" in render_card(sized).decode()
    assert "No identity, that is" not in card


def test_a_release_without_quotas_says_nothing_of_them(small: ReleaseFacts) -> None:
    assert selection_notes(small) == []
    page = render_report(small).decode()
    assert "Quotas by source" not in page
    assert "Every pair is in a split." in page
