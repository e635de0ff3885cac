"""The report: what it says is what the facts say, and nothing on it can act."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import yaml

from medvid.releases.distributions import count_seconds, count_words
from medvid.releases.facts import ContactSheet, ReleaseFacts
from medvid.releases.report import TOP_LABELS, balances, render_report
from schemas.errors import ReleaseError
from schemas.source import DataCard
from tests.releases.pages.parsed_page import PLAIN, Page, cell_number


@pytest.fixture(scope="module")
def page(large: ReleaseFacts) -> Page:
    return Page.of(render_report(large))


@pytest.fixture(scope="module")
def hostile_page(hostile: ReleaseFacts) -> Page:
    return Page.of(render_report(hostile))


def test_every_sample_stands_in_its_cell(page: Page, large: ReleaseFacts) -> None:
    tasks = page.tables["samples"][0][2:]
    cells = page.numbers("samples", 2)
    for count in large.counts:
        assert cells[count.source, count.split][tasks.index(count.task)] == count.samples
    found = {
        (source, split, task)
        for (source, split), line in cells.items()
        for task, number in zip(tasks, line, strict=True)
        if number and split in ("train", "val", "test") and task != "all tasks"
        and source != "all sources"
    }  # fmt: skip
    assert found == {(c.source, c.split, c.task) for c in large.counts if c.samples}


def test_sample_table_adds_up_in_both_directions(page: Page, large: ReleaseFacts) -> None:
    cells = page.numbers("samples", 2)
    for (source, split), line in cells.items():
        assert sum(number or 0 for number in line[:-1]) == line[-1], (source, split)
    for source in [*large.sources, "all sources"]:
        parts = [cells[source, split] for split in ("train", "val", "test")]
        sums = [sum(number or 0 for number in column) for column in zip(*parts, strict=True)]
        assert cells[source, "all"] == sums
    for split in ("train", "val", "test", "all", "in standard"):
        parts = [cells[source, split] for source in large.sources]
        sums = [sum(number or 0 for number in column) for column in zip(*parts, strict=True)]
        assert cells["all sources", split] == sums
    assert cells["all sources", "all"][-1] == sum(count.samples for count in large.counts)
    chosen = sum(count.in_standard for count in large.counts)
    assert cells["all sources", "in standard"][-1] == chosen


def test_question_types_and_splits_show_the_facts(page: Page, large: ReleaseFacts) -> None:
    questions = page.numbers("questions", 2)
    for task, qa_type in {(count.task, count.qa_type) for count in large.counts}:
        own = [c for c in large.counts if (c.task, c.qa_type) == (task, qa_type)]
        splits = [sum(c.samples for c in own if c.split == s) for s in ("train", "val", "test")]
        standard = sum(c.in_standard for c in own)
        assert questions[task, qa_type] == [*splits, sum(splits), standard]
    by_split = page.numbers("splits", 1)
    for split in ("train", "val", "test"):
        own = [c for c in large.counts if c.split == split]
        assert by_split[(split,)] == [
            large.identities[split], large.videos[split], sum(c.samples for c in own),
            sum(c.in_standard for c in own),
        ]  # fmt: skip


def test_records_read_less_dropped_by_reason_is_used(page: Page, large: ReleaseFacts) -> None:
    cells = page.numbers("records", 3)
    for name, source in large.sources.items():
        for kind, read in source.records_in.items():
            lost = {
                key.split(":")[2]: number
                for key, number in source.issues.items()
                if key.startswith(f"dropped:{kind}:")
            }
            assert cells[name, kind, "all"] == [read, sum(lost.values()), read - sum(lost.values())]
            for reason, number in lost.items():
                assert cells[name, kind, reason] == [None, number, None]
    faults = page.numbers("faults", 4)
    for name, source in large.sources.items():
        for key, number in source.issues.items():
            if not key.startswith("dropped:"):
                assert faults[(name, *key.split(":"))] == [number]


@pytest.mark.parametrize(
    ("table", "heads", "field_name"),
    [("segments", 2, "fates"), ("candidates", 1, "candidates"), ("drops", 2, "drops")],
)
def test_tables_by_source_show_each_count_and_its_sum(
    page: Page, large: ReleaseFacts, table: str, heads: int, field_name: str
) -> None:
    columns = page.tables[table][0][heads:]
    cells = page.numbers(table, heads)
    for name, source in large.sources.items():
        for key, number in getattr(source, field_name).items():
            assert cells[tuple(key.split(":"))][columns.index(name)] == number
    for line in cells.values():
        assert sum(number or 0 for number in line[:-1]) == line[-1]
    whole = sum(sum(getattr(source, field_name).values()) for source in large.sources.values())
    sums = [line[-1] for key, line in cells.items() if "all" in key]
    assert sum(number or 0 for number in sums) == whole


def test_videos_quarantine_and_folders_show_the_facts(page: Page, large: ReleaseFacts) -> None:
    fates = page.tables["videos"][0][1:-1]
    videos = page.numbers("videos", 1)
    for name, source in large.sources.items():
        expected = [source.videos.get(fate, 0) for fate in fates]
        assert videos[(name,)] == [*expected, sum(expected)]
    rows = {tuple(row[:4]): row[4:] for row in page.tables["quarantine"][1:]}
    for row in large.quarantine:
        assert rows[row.source, row.stage, row.kind, row.reason] == [f"{row.rows:,}", row.action]
    assert rows["all", "", "", ""][0] == f"{sum(row.rows for row in large.quarantine):,}"
    folders = page.numbers("folders", 1)
    for name, size in large.bytes.items():
        assert folders[(name,)] == [large.shards.get(name, 0), size]
    assert folders[("all",)] == [sum(large.shards.values()), sum(large.bytes.values())]


def test_charts_show_the_counts_of_their_classes(page: Page, large: ReleaseFacts) -> None:
    clips, rates, words = page.drawn
    shown = [number for text in clips if (number := cell_number(text)) is not None]
    counts = count_seconds(large.clip_seconds).counts
    assert tuple(shown[-len(counts) :]) == counts
    assert sum(counts) == len(large.clip_seconds)
    for rate, number in large.rates.items():
        assert rate in rates
        assert f"{number:,}" in rates
    classes = count_words(large.answer_words)
    assert sum(classes.counts) == len(large.answer_words)
    for label, number in zip(classes.labels, classes.counts, strict=True):
        assert label in words
        assert f"{number:,}" in words


def test_labels_add_up_with_the_rest(page: Page, large: ReleaseFacts) -> None:
    for name, labels in large.labels.items():
        shown = page.numbers(f"labels-{name}", 1)
        rest = shown.pop((f"{len(labels) - TOP_LABELS} further labels",))[0]
        assert len(shown) == TOP_LABELS
        for (label,), line in shown.items():
            assert line[0] == labels[label]
        least = min(line[0] or 0 for line in shown.values())
        hidden = [number for label, number in labels.items() if (label,) not in shown]
        assert sum(hidden) == rest
        assert max(hidden) <= least


def test_counts_that_differ_are_named(small: ReleaseFacts) -> None:
    assert all(balance.holds for balance in balances(small))
    broken = small.model_copy(update={"answer_words": small.answer_words[1:]})
    assert [b.what for b in balances(broken) if not b.holds] == ["samples"]
    rows = Page.of(render_report(broken)).tables["balances"]
    total = sum(count.samples for count in small.counts)
    assert rows[1] == [
        "samples",
        "in the table",
        f"{total:,}",
        "answers",
        f"{total - 1:,}",
        "differ",
    ]
    later = small.quarantine[0].model_copy(update={"stage": "build"})
    both = small.model_copy(update={"quarantine": (*small.quarantine, later)})
    assert all(balance.holds for balance in balances(both))
    unread = small.model_copy(update={"quarantine": small.quarantine[1:]})
    assert [b.what for b in balances(unread) if not b.holds] == ["dropped records"]


def test_one_source_and_labels_only(labels_only: ReleaseFacts) -> None:
    page = Page.of(render_report(labels_only))
    assert "img" not in page.tags
    assert "Labels only" in page.text
    assert "Nothing is in quarantine." in page.text
    assert "No native records were counted." in page.text
    assert {row[0] for row in page.tables["samples"][1:]} == {"alpha"}


def test_an_empty_release_still_has_a_report(small: ReleaseFacts) -> None:
    empty = small.model_copy(
        update={
            "counts": (), "clip_seconds": (), "rates": {}, "answer_words": (), "labels": {},
            "identities": {}, "videos": {}, "shards": {}, "bytes": {}, "sheets": (),
        }
    )  # fmt: skip
    page = Page.of(render_report(empty))
    assert page.drawn == []
    assert page.numbers("samples", 2)["alpha", "all"] == [0]


@pytest.mark.parametrize("name", ["small", "large", "hostile"])
def test_nothing_acts_and_nothing_is_fetched(name: str, request: pytest.FixtureRequest) -> None:
    facts: ReleaseFacts = request.getfixturevalue(name)
    payload = render_report(facts)
    page = Page.of(payload)
    assert set(page.tags) <= PLAIN
    addresses = {card.homepage for card in _cards(facts)} | {
        str(card.licence.url) for card in _cards(facts)
    }
    for tag, attribute, value in page.attributes:
        assert not attribute.startswith("on")
        assert attribute not in ("srcset", "action", "data", "background")
        if attribute == "src":
            assert value.startswith(("data:image/png;base64,", "data:image/jpeg;base64,"))
        if attribute in ("href", "xlink:href") and not value.startswith("#"):
            assert tag == "a"
            assert value.startswith("https://")
            assert value in addresses
        if attribute == "style":
            assert "url(" not in value
    style = payload.decode().split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    policies = [value for _, name, value in page.attributes if name == "content"]
    assert any("default-src 'none'" in policy for policy in policies)


def _cards(facts: ReleaseFacts) -> list[DataCard]:
    return [source.card for source in facts.sources.values()]


def test_hostile_text_is_shown_as_text(hostile_page: Page, hostile: ReleaseFacts) -> None:
    evil = hostile.quarantine[0].reason
    rows = hostile_page.tables["quarantine"]
    assert " ".join(rows[1][3].split()) == " ".join(evil.split())
    assert hostile_page.tables["labels-alpha"][1][0].split() == evil.split()
    assert "49" not in hostile_page.tables["quarantine"][1][3]
    assert "script" not in hostile_page.tags
    assert not any("javascript:" in v for _, name, v in hostile_page.attributes if name == "href")


def test_ids_are_unique_and_references_lead_somewhere(page: Page) -> None:
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {
        value[1:]
        for _, name, value in page.attributes
        if name in ("href", "xlink:href") and value.startswith("#")
    }
    clips = {v[5:-1] for _, name, v in page.attributes if name == "clip-path"}
    assert links | clips <= set(ids)
    assert clips


def test_settings_can_be_read_back(page: Page, large: ReleaseFacts) -> None:
    assert yaml.safe_load(page.texts["settings"]) == large.config


def test_pictures_keep_their_size(small: ReleaseFacts) -> None:
    page = Page.of(render_report(small))
    uris = [value for _, name, value in page.attributes if name == "src"]
    assert len(uris) == len(small.sheets)
    for uri, sheet in zip(uris, small.sheets, strict=True):
        shown = cv2.imdecode(_decoded(uri), cv2.IMREAD_COLOR)
        given_ = cv2.imdecode(np.frombuffer(sheet.png, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert given_ is not None
        assert shown.shape == given_.shape
        assert float(np.abs(shown.astype(int) - given_.astype(int)).mean()) < 40


def _decoded(uri: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)


@pytest.mark.parametrize("payload", [b"", b"not a picture"])
def test_a_sheet_that_is_no_picture_is_refused(small: ReleaseFacts, payload: bytes) -> None:
    sheet = ContactSheet(title="tal", question="?", answer="!", png=payload)
    with pytest.raises(ReleaseError, match="tal"):
        render_report(small.model_copy(update={"sheets": (sheet,)}))


def test_same_facts_give_same_bytes_anywhere(
    small: ReleaseFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process, hash seed, folder, locale and matplotlibrc change nothing."""
    given_ = tmp_path / "facts.json"
    facts = small.model_copy(update={"sheets": ()})
    given_.write_text(facts.model_dump_json())
    (tmp_path / "matplotlibrc").write_text("axes.linewidth: 5\nxtick.major.size: 20\n")
    code = (
        "import sys, pathlib; from medvid.releases.facts import ReleaseFacts;"
        "from medvid.releases.report import render_report;"
        "facts = ReleaseFacts.model_validate_json(pathlib.Path('facts.json').read_text());"
        "pathlib.Path('report.html').write_bytes(render_report(facts))"
    )
    root = Path(__file__).parents[3]
    environment = os.environ | {
        "PYTHONHASHSEED": "7", "PYTHONPATH": str(root), "MPLCONFIGDIR": str(tmp_path),
        "MATPLOTLIBRC": str(tmp_path), "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "0",
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "report.html").read_bytes() == render_report(facts)
