"""Damage to samples, frames and splits fails the check it is one of, and that one alone."""

import re
from pathlib import Path

import orjson
import polars as pl
import pytest

from medvid.shards.ustar import BLOCK, header
from tests.releases.damage import (
    FILES,
    FRAMES_CHECK,
    SAMPLES_CHECK,
    SPLITS,
    Damage,
    alter,
    edit,
    failures,
    first,
    members_of,
    other_digit,
    patch,
    put,
    reseal,
    rows_of,
    shard_of,
)


def truncate(release: Path) -> None:
    shard = shard_of(release, "large")
    member = members_of(shard)[-1]
    shard.write_bytes(shard.read_bytes()[: member.offset + member.size // 2])


def rename_member(release: Path) -> None:
    shard = shard_of(release, "large")
    member = members_of(shard)[-1]
    name = f"zzzz{member.name[4:]}"
    old, new = header(member.name.encode(), member.size), header(name.encode(), member.size)
    patch(shard, member.offset - BLOCK, old, new)


def break_header(release: Path) -> None:
    shard = shard_of(release, "large")
    patch(shard, members_of(shard)[0].offset - BLOCK + 100, b"0000644", b"0000777")


def forget_shard(release: Path) -> None:
    only = rows_of(release, "samples")["shard"][0]
    edit(release, "samples", lambda frame: frame.filter(pl.col("shard") != only))


SAMPLE_DAMAGES: list[tuple[str, Damage, str]] = [
    ("truncated", truncate, r"the file ends .* before this member does.*is in the index alone"),
    ("renamed", rename_member, r"zzzz\w+ is not in the index.*is in the index alone"),
    ("foreign header", break_header, r"header checksum"),
    (
        "answer out of grammar",
        lambda release: alter(release, rb'"answer":"(\d[\d.]*)', lambda text: b"x" * len(text)),
        r"^large/\S+ \w+ .*(answer|span|second|time)",
    ),
    (
        "answer and target",
        lambda release: alter(release, rb'"target":".*?(\d)', other_digit),
        r"answer and target differ",
    ),
    (
        "target no JSON",
        lambda release: alter(release, rb'"target":"([\[{])', lambda _: b"?"),
        r"target is not JSON",
    ),
    (
        "sample id",
        lambda release: alter(release, rb'"sample_id":"(\w)', other_digit),
        r"sample_id differs from the index",
    ),
    (
        "licence in a sample",
        lambda release: alter(release, rb'"licence":"(\w)', lambda _: b"_"),
        r"licence differs from the index",
    ),
    (
        "foreign field",
        lambda release: alter(release, rb'"(label)":', lambda _: b"lapel"),
        r"is no sample: 2 bad fields",
    ),
    (
        "offset",
        lambda release: edit(release, "samples", put("offset", 7)),
        r"stands at another place than the index says",
    ),
    (
        "size in standard",
        lambda release: edit(
            release, "samples", put("standard_size", 7, first("in_standard", value=True))
        ),
        r"standard/\S+ \w+ stands at another place",
    ),
    (
        "frames counted",
        lambda release: edit(release, "samples", put("n_frames", 1)),
        r"n_frames differs",
    ),
    (
        "absent from the index",
        lambda release: edit(
            release, "samples", lambda f: f.filter(pl.col("sample_id") != f["sample_id"][0])
        ),
        r"is not in the index",
    ),
    ("unindexed shard", forget_shard, r"large/\S+: the index names none of its parts"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "said"), [pytest.param(*case[1:], id=case[0]) for case in SAMPLE_DAMAGES]
)
def test_a_damaged_sample_is_found_by_the_check_of_samples(
    release: Path, damage: Damage, said: str
) -> None:
    damage(release)
    reseal(release)
    found = failures(release)
    assert list(found) == [SAMPLES_CHECK]
    assert re.search(said, found[SAMPLES_CHECK])


def replace_jpeg(release: Path) -> None:
    shard = shard_of(release, "media")
    member = members_of(shard)[0]
    old = shard.read_bytes()[member.offset : member.offset + member.size]
    patch(shard, member.offset, old, b"not a picture ".ljust(member.size, b"."))


FRAME_DAMAGES: list[tuple[str, Damage, str]] = [
    ("text for a jpeg", replace_jpeg, r"media/\S+ \w+ .*header is damaged"),
    (
        "width",
        lambda release: edit(release, "frames", put("width", 9)),
        r"and not the stated size",
    ),
    (
        "offset",
        lambda release: edit(release, "frames", put("offset", 9)),
        r"stands at another place than the index says",
    ),
    (
        "truncated",
        lambda release: shard_of(release, "media").write_bytes(
            shard_of(release, "media").read_bytes()[:-512]
        ),
        r"without the two zero blocks",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "said"), [pytest.param(*case[1:], id=case[0]) for case in FRAME_DAMAGES]
)
def test_a_damaged_frame_is_found_by_the_check_of_frames(
    release: Path, damage: Damage, said: str
) -> None:
    damage(release)
    reseal(release)
    found = failures(release)
    assert list(found) == [FRAMES_CHECK]
    assert re.search(said, found[FRAMES_CHECK])


def test_a_frame_missing_in_the_index_is_missed_by_its_samples_too(release: Path) -> None:
    video = rows_of(release, "samples")["video_id"][0]
    gone = rows_of(release, "frames").filter(pl.col("video_id") == video)["key"][3]
    edit(release, "frames", lambda frame: frame.filter(pl.col("key") != gone))
    reseal(release)
    found = failures(release)
    assert set(found) == {SAMPLES_CHECK, FRAMES_CHECK}
    assert "that are not stored" in found[SAMPLES_CHECK]
    assert found[FRAMES_CHECK].endswith(f"{gone} is not in the index")


def test_an_index_without_a_single_frame_does_not_pass(release: Path) -> None:
    edit(release, "frames", lambda frame: frame.clear())
    reseal(release)
    assert "the index names none of its parts" in failures(release)[FRAMES_CHECK]


def test_a_lost_shard_of_media_is_said_without_a_traceback(release: Path) -> None:
    shard = shard_of(release, "media")
    shard.unlink()
    found = failures(release)
    assert set(found) == {FILES, FRAMES_CHECK}
    assert "No such file" in found[FRAMES_CHECK]


def move_one_sample(release: Path) -> None:
    edit(release, "samples", put("split", "val", first("split", "test")))


def share_identity(release: Path) -> None:
    videos = rows_of(release, "videos")
    identity = videos.filter(pl.col("split") == "test")["identity"][0]
    edit(release, "videos", put("identity", identity, first("split", "train")))


def edit_proof(release: Path) -> None:
    path = release / "leak_proof.json"
    proof = orjson.loads(path.read_bytes())
    proof["videos"][0]["identity"] = "someone:else"
    path.write_bytes(orjson.dumps(proof))


SPLIT_DAMAGES: list[tuple[str, Damage, str]] = [
    ("sample moved", move_one_sample, r"1 samples left their video's split.*in two splits"),
    (
        "standard outside train",
        lambda release: edit(release, "samples", put("in_standard", True, first("split", "test"))),
        r"1 of standard are not in train",
    ),
    (
        "standard without a place",
        lambda release: edit(
            release, "samples", put("in_standard", False, first("in_standard", value=True))
        ),
        r"1 samples lie in shards of another split",
    ),
    ("identity shared", share_identity, r"faults between splits.*left their video's identity"),
    ("proof edited", edit_proof, r"do not have the hash it states"),
    (
        "proof garbled",
        lambda release: (release / "leak_proof.json").write_bytes(b'{"videos": ['),
        r"leak_proof.json cannot be read",
    ),
    (
        "proof empty",
        lambda release: (release / "leak_proof.json").write_bytes(b"[]"),
        r"the proof cannot be read",
    ),
    ("proof gone", lambda release: (release / "leak_proof.json").unlink(), r"cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "said"), [pytest.param(*case[1:], id=case[0]) for case in SPLIT_DAMAGES]
)
def test_a_leak_is_found_by_the_check_of_splits(release: Path, damage: Damage, said: str) -> None:
    damage(release)
    reseal(release)
    found = failures(release)
    assert list(found) == [SPLITS]
    assert re.search(said, found[SPLITS])
