"""The data card: what it counts, what the Hub would say of it, and that its code runs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.media import encode_jpeg
from medvid.releases.card import check_card, plain_text, render_card, size_category
from medvid.releases.facts import ReleaseFacts
from medvid.shards import (
    SelfContainedClip,
    ShardFile,
    TarWriter,
    write_annotation_shard,
    write_selfcontained_shard,
)
from schemas.sample import Sample, frame_key
from schemas.source import TaskName
from schemas.tables import FRAMES, SAMPLES, table_of, write_table

FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


def _front(card: str) -> dict[str, object]:
    found = FRONT.match(card)
    assert found is not None
    fields = yaml.safe_load(found[1])
    assert isinstance(fields, dict)
    return fields


def _tables(card: str) -> list[list[list[str]]]:
    """Markdown tables as rows of cells, alignment lines left out."""
    tables: list[list[list[str]]] = []
    before = ""
    for line in card.splitlines():
        if line.startswith("|"):
            if not before.startswith("|"):
                tables.append([])
            if not set(line) <= set("|-: "):
                tables[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        before = line
    return tables


@pytest.mark.parametrize("name", ["small", "large", "labels_only", "hostile"])
def test_the_hub_finds_no_fault(name: str, request: pytest.FixtureRequest) -> None:
    facts: ReleaseFacts = request.getfixturevalue(name)
    card = render_card(facts)
    assert card == render_card(facts)
    assert check_card(card.decode()) == []
    assert _front(card.decode())["pretty_name"] == facts.name


def test_counts_are_those_of_the_facts(large: ReleaseFacts) -> None:
    by_source, by_question, by_split, folders, *_ = _tables(render_card(large).decode())
    tasks = [task.replace("\\", "") for task in by_source[0][1:-1]]
    for row in by_source[1:]:
        own = [c for c in large.counts if row[0] in (c.source, "all sources")]
        expected = [sum(c.samples for c in own if c.task == task) for task in tasks]
        assert row[1:] == [f"{number:,}" for number in (*expected, sum(expected))]
    assert [row[0] for row in by_source[1:]] == [*large.sources, "all sources"]
    assert by_question[-1][-2:] == by_split[-1][-2:]
    assert by_split[-1][-2] == f"{sum(c.samples for c in large.counts):,}"
    assert {row[0]: row[2] for row in folders[1:-1]} == {
        name: f"{size:,}" for name, size in large.bytes.items()
    }


def test_globs_name_the_splits_and_folders_there_are(
    small: ReleaseFacts, labels_only: ReleaseFacts
) -> None:
    configs = _front(render_card(small).decode())["configs"]
    assert isinstance(configs, list)
    assert [config["config_name"] for config in configs] == ["large", "standard", "frames"]
    assert [item["path"] for item in configs[0]["data_files"]] == [
        "large/train-*.tar", "large/val-*.tar", "large/test-*.tar",
    ]  # fmt: skip
    train = tuple(c for c in labels_only.counts if c.split == "train")
    bare = labels_only.model_copy(
        update={"counts": tuple(c.model_copy(update={"in_standard": 0}) for c in train)}
    )
    configs = _front(render_card(bare).decode())["configs"]
    assert configs == [
        {
            "config_name": "large", "default": True,
            "data_files": [{"split": "train", "path": "large/train-*.tar"}],
        }
    ]  # fmt: skip
    inline = small.model_copy(update={"shards": small.shards | {"standard-selfcontained": 2}})
    configs = _front(render_card(inline).decode())["configs"]
    assert isinstance(configs, list)
    assert "standard-selfcontained" in [config["config_name"] for config in configs]


def test_one_licence_keeps_its_id_and_many_unite_to_the_strictest(
    small: ReleaseFacts, large: ReleaseFacts
) -> None:
    assert _front(render_card(small).decode())["license"] == "cc-by-nc-sa-4.0"
    card = render_card(large).decode()
    front = _front(card)
    assert front["license"] == "other"
    assert front["license_name"] == "cc-by-4.0-and-cc-by-nc-sa-4.0-and-closed-terms"
    assert "- Pictures of Gamma and Zeta may not be passed on." in card
    assert "- Alpha, Gamma, Delta, Zeta and Eta may not be used commercially." in card
    table = next(t for t in _tables(card) if t[0][0] == "term")
    release = {row[0]: row[-1] for row in table[1:]}
    assert release == {
        "Pictures may be passed on": "no",
        "Labels and the text made from them may be passed on": "yes",
        "Altered versions may be passed on": "yes",
        "Commercial use is allowed": "no",
        "What is passed on must carry the same licence": "yes",
    }
    for name, source in large.sources.items():
        column = table[0].index(name)
        flags = source.card.licence
        assert table[1][column] == ("yes" if flags.share_media else "no")
        assert table[4][column] == ("yes" if flags.commercial else "no")


def test_an_open_release_forbids_nothing(labels_only: ReleaseFacts) -> None:
    card = render_card(labels_only).decode()
    assert "may not" not in card
    assert _front(card)["license"] == "cc-by-4.0"


def test_hostile_text_stays_text(hostile: ReleaseFacts) -> None:
    card = render_card(hostile).decode()
    body = card[card.index("\n---\n", 4) + 5 :]
    outside = re.sub(r"(`{3,})\w*\n.*?\n\1\n", "", body, flags=re.DOTALL)
    assert "<script" not in outside
    assert "<img" not in outside
    assert "javascript:" not in outside
    headings = re.findall(r"^(#+ .*)$", outside, flags=re.MULTILINE)
    assert headings == [
        "# made-up", "## Counts", "## Splits", "## Files", "## How to load", "## Licences",
        "## Citations", "## Limits", "## How it was made",
    ]  # fmt: skip
    assert "````bibtex\n" in body


def test_limits_say_what_the_facts_say(small: ReleaseFacts, labels_only: ReleaseFacts) -> None:
    card = render_card(small).decode()
    rows = sum(row.rows for row in small.quarantine)
    assert f"- {rows} native records, files or videos could not be used." in card
    assert "composed from the native labels by rule" in card
    assert "| alpha | flagged | segment | end\\_past\\_duration | 11 |" in card
    plain = tuple(c for c in labels_only.counts if not c.qa_type.endswith("_label"))
    bare = render_card(labels_only.model_copy(update={"counts": plain})).decode()
    assert "composed from the native labels" not in bare
    assert "files or videos could not be used" not in bare
    assert "frames must be taken from the native files" in bare


FAULTS = [
    ("---\npretty_name", "pretty_name", "does not begin"),
    ("\n---\n\n#", "\n\n#", "not closed"),
    ("pretty_name: made-up", "pretty_name: [made-up", "not YAML"),
    ("pretty_name: made-up", "pretty_name: a\npretty_name: b", "stand twice"),
    ("pretty_name: made-up\n", "", "pretty_name is missing"),
    ("pretty_name: made-up", "pretty_name: 7", "must be a filled str"),
    ("license: other", "license: our-own", "not known to the Hub"),
    ("license: other", "license: mit", "only beside"),
    ("license_name: cc-by-4.0-and", "license_name: CC BY and", "small letters"),
    ("license: other", "license: other\nlicense_link: README.md", "neither LICENSE"),
    ("video-text-to-text", "video-to-gold", "task_categories"),
    ("100K<n<1M", "many", "size_categories"),
    ("- en\n", "- xx\n", "language"),
    ("- medical", "- 12", "Tag 12"),
    ("tags:", "colour: red\ntags:", "'colour' is none of"),
    ("config_name: standard", "config_name: large", "stands twice"),
    ("config_name: standard", "config_name: a/b", "no name of a config"),
    ("  default: true\n", "", "Exactly one"),
    ("split: val", "split: a-b", "no name of a split"),
    ("split: val", "split: test", "a split twice"),
    ("path: large/val-*.tar", "path: /large/val-*.tar", "leaves the release"),
    ("path: large/val-*.tar", "path: ../val-*.tar", "leaves the release"),
    ("path: large/val-*.tar", "path: large/val-*.zip", "matches no tar"),
    ("## Limits", "## Ends", "'Limits' is missing"),
]


@pytest.mark.parametrize(("before", "after", "fault"), FAULTS)
def test_each_fault_of_a_card_is_named(
    large: ReleaseFacts, before: str, after: str, fault: str
) -> None:
    card = render_card(large).decode()
    assert before in card
    found = check_card(card.replace(before, after, 1))
    assert any(fault in text for text in found), found


def test_sizes_are_named_as_the_hub_names_them() -> None:
    sizes = [0, 999, 1_000, 51_505, 531_850, 1_000_000, 10**12]
    assert [size_category(size) for size in sizes] == [
        "n<1K", "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M",
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_plain_text_is_one_line_without_live_characters(text: str) -> None:
    escaped = plain_text(text)
    assert "\n" not in escaped
    assert "<" not in escaped
    assert not re.search(r"(?<!\\)(?:\\\\)*[`|*_\[\]]", escaped)
    assert not re.match(r"[#>+=-]|\d+[.)](\s|$)", escaped)


CLIPS = {"a1": (0, 1, 2), "b2": (2, 3)}


def _sample(sample_id: str, clip_id: str, task: str) -> Sample:
    frames = CLIPS[clip_id]
    return Sample(
        sample_id=sample_id, source="alpha", dataset_name="Alpha", video_id="V1", identity="a:1",
        clip_id=clip_id, task=TaskName(task), qa_type=task, subject="{}", label="clipping",
        question="When is it?", answer="0.0-1.0 seconds.", candidates=("clipping",), target="[]",
        clip_start=frames[0] * 10, clip_end=frames[-1] * 10 + 10, rate_num=1, rate_den=1,
        tick_rate_num=10, tick_rate_den=1, frame_index=frames,
        frame_tick=tuple(index * 10 for index in frames), width=32, height=24, sparse=True,
        licence="cc-by-4.0", provenance="{}",
    )  # fmt: skip


def _row(sample: Sample, shard: ShardFile, place: int) -> dict[str, object]:
    member = next(m for m in shard.members if m.key == sample.sample_id)
    where = {"shard": f"large/{shard.name}", "offset": member.offset, "size": member.size}
    return sample.model_dump(mode="json") | where | {
        "split": "train", "in_standard": True, "n_frames": len(sample.frame_index),
        "standard_shard": f"standard/{shard.name}", "standard_offset": member.offset,
        "standard_size": member.size, "answer_chars": len(sample.answer), "place": place,
    }  # fmt: skip


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of two clips, three pairs and four frames, written as the build writes one."""
    root = tmp_path_factory.mktemp("release")
    for folder in ("large", "standard", "standard-selfcontained", "media", "index"):
        (root / folder).mkdir()
    samples = [_sample("s1", "a1", "tal"), _sample("s2", "a1", "next_action"),
               _sample("s3", "b2", "tal")]  # fmt: skip
    encoded = [(sample.sample_id, sample.to_json()) for sample in samples]
    write_annotation_shard(root / "standard/train-001.tar", encoded)
    shard = write_annotation_shard(root / "large/train-001.tar", encoded)
    rows = [_row(sample, shard, place) for place, sample in enumerate(samples)]
    write_table(root / "index/samples.parquet", table_of(rows, SAMPLES), SAMPLES)
    frames = {i: encode_jpeg(np.full((24, 32, 3), 40 * i, np.uint8)) for i in range(4)}
    with TarWriter(root / "media/alpha-000.tar") as tar:
        for index, jpeg in frames.items():
            tar.add(f"{frame_key('alpha', 'V1', index)}.jpg", jpeg)
        media = tar.close()
    places = [
        {
            "source": "alpha", "video_id": "V1", "index": index, "tick": index * 10,
            "shard": "media/alpha-000.tar", "offset": member.offset, "size": member.size,
            "width": 32, "height": 24, "key": member.key,
        }
        for index, member in enumerate(media.members)
    ]  # fmt: skip
    write_table(root / "index/frames.parquet", table_of(places, FRAMES), FRAMES)
    clips = [
        SelfContainedClip(
            clip_id, indices, [float(i - indices[0]) for i in indices],
            [frames[i] for i in indices],
            [s.model_dump(mode="json") for s in samples if s.clip_id == clip_id],
        )
        for clip_id, indices in CLIPS.items()
    ]  # fmt: skip
    write_selfcontained_shard(root / "standard-selfcontained/train-000.tar", clips)
    return root


def _blocks(facts: ReleaseFacts) -> list[str]:
    shards = facts.shards | {"standard-selfcontained": 1}
    card = render_card(facts.model_copy(update={"shards": shards})).decode()
    return re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)


def _run(code: str, release: Path) -> list[str]:
    """Lines that a block prints when it is run in the release's folder."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=release, env=environment, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_the_card_loads_in_three_lines(small: ReleaseFacts, release: Path) -> None:
    code = _blocks(small)[0]
    assert len(code.splitlines()) == 3
    (printed,) = _run(code + "print(json.dumps(pair))\n", release)
    assert json.loads(printed) == _sample("s3", "b2", "tal").model_dump(mode="json")


def test_the_card_joins_pairs_and_frames_in_ten_lines(small: ReleaseFacts, release: Path) -> None:
    code = _blocks(small)[1]
    assert len(code.splitlines()) <= 10
    assert _run(code, release) == [
        "3 frames over 2.0 seconds", "When is it? -> 0.0-1.0 seconds.",
        "3 frames over 2.0 seconds", "When is it? -> 0.0-1.0 seconds.",
        "2 frames over 1.0 seconds", "When is it? -> 0.0-1.0 seconds.",
    ]  # fmt: skip


def test_the_card_reads_clips_with_their_frames(small: ReleaseFacts, release: Path) -> None:
    code = _blocks(small)[2]
    assert len(code.splitlines()) <= 10
    checked = "        assert all(frame[:2] == b'\\xff\\xd8' for frame in frames)\n"
    answer = "frames: When is it? -> 0.0-1.0 seconds."
    assert _run(code + checked, release) == [f"{number} {answer}" for number in (3, 3, 2)]
