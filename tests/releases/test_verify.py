"""Every check of `verify_release` can fail, and fails alone where the damage is one of its own."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow.parquet as pq
import pytest

from flows.pipeline import build_release
from medvid.releases.config import make_config
from medvid.releases.publish import RUN_FILE
from medvid.releases.units import LocalExecutor, Outcome
from medvid.releases.verify import verify_release
from medvid.shards import ReleaseReader, scan_tar
from medvid.shards.ustar import BLOCK, Member, header
from medvid.synthetic import write_tree
from schemas.errors import ConfigError, ReleaseError
from schemas.hashing import file_sha256
from schemas.tables import (
    FRAMES,
    LEFT_OUT,
    SAMPLES,
    SUBSETS,
    VIDEOS,
    read_table,
    write_table,
)

FILES = "files match the manifest"
TABLES = "tables read and name each other's rows"
SAMPLES_CHECK = "samples are where the index says, legal, and answer in their grammar"
FRAMES_CHECK = "frames are where the index says, and are JPEGs of the stated size"
SPLITS = "no identity stands in two splits"
LICENCES = "every licence is registered"

SUBSETS_CHECK = "subsets are ranked parts of train"

SCHEMAS = {
    "samples": SAMPLES, "frames": FRAMES, "videos": VIDEOS, "left_out": LEFT_OUT,
    "subsets": SUBSETS,
}  # fmt: skip

Damage = Callable[[Path], object]


class Silent:
    """Progress that nobody hears."""

    def start(self, stage: str, total: int, done: int) -> None:
        """Ignore it."""

    def advance(self, stage: str, outcome: Outcome) -> None:
        """Ignore it."""

    def finish(self, stage: str, seconds: float) -> None:
        """Ignore it."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with samples in train and test, media, and a subset `standard`."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "native").mkdir()
    write_tree("cholect50", folder / "native", scale=0.0, max_seconds=40)
    config = make_config({
        "output": folder / "release", "workspace": folder / "workspace",
        "sources": [{"name": "cholect50", "root": folder / "native"}],
        "clips": {"min_frames": 20, "max_clips_per_video": 2},
        "splits": {
            "standard_size": 6, "subsets": {"rl": {"size": 4}, "captions": {
                "within": "large", "tasks": ["dense_captioning"]}},
        },
        "media": {"long_side": 64},
        "shards": {"annotation_buckets": 1, "standard_buckets": 1, "media_buckets": 1},
    })  # fmt: skip
    build_release(config, LocalExecutor(2), Silent())
    return folder / "release"


@pytest.fixture
def release(sound: Path, tmp_path: Path) -> Path:
    """A copy of the release to damage."""
    copy = tmp_path / "release"
    shutil.copytree(sound, copy)
    for path in copy.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return copy


def reseal(release: Path) -> None:
    """Have the manifest agree with the bytes that are there now: no hash gives them away."""
    path = release / "manifest.json"
    manifest = orjson.loads(path.read_bytes())
    manifest["files"] = {
        name: {"sha256": file_sha256(release / name), "size": (release / name).stat().st_size}
        for name in manifest["files"]
        if (release / name).is_file()
    }
    path.write_bytes(orjson.dumps(manifest))


def failures(release: Path, *, quick: bool = False) -> dict[str, str]:
    """Failures by check, those of one check in one text."""
    checks = verify_release(release, quick=quick)
    return {check.name: " ".join(check.failures) for check in checks if check.failed}


def edit(release: Path, table: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    path, schema = release / "index" / f"{table}.parquet", SCHEMAS[table]
    frame = pl.DataFrame(read_table(path, schema)).with_columns(
        pl.col(pl.Categorical).cast(pl.String)
    )
    write_table(path, change(frame).to_arrow(), schema)


def rows_of(release: Path, table: str) -> pl.DataFrame:
    frame = pl.DataFrame(read_table(release / "index" / f"{table}.parquet", SCHEMAS[table]))
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def shard_of(release: Path, folder: str) -> Path:
    return sorted((release / folder).glob("*.tar"))[0]


def members_of(shard: Path) -> list[Member]:
    return list(scan_tar(shard))


def patch(shard: Path, at: int, old: bytes, new: bytes) -> None:
    assert len(old) == len(new)
    content = bytearray(shard.read_bytes())
    assert content[at : at + len(old)] == old
    content[at : at + len(old)] = new
    shard.write_bytes(content)


def alter(release: Path, pattern: bytes, change: Callable[[bytes], bytes]) -> None:
    """Change group 1 of the first match in a sample of `large`, which keeps its length."""
    shard = shard_of(release, "large")
    match = re.search(pattern, shard.read_bytes())
    assert match is not None
    patch(shard, match.start(1), match[1], change(match[1]))


def other_digit(text: bytes) -> bytes:
    return bytes([ord("1") if text[0] != ord("1") else ord("2")]) + text[1:]


def put(column: str, value: object, row: Callable[[pl.DataFrame], int] = lambda _: 0) -> Any:
    """A change of one cell of a table."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        values = frame[column].to_list()
        values[row(frame)] = value
        return frame.with_columns(pl.Series(column, values, dtype=frame[column].dtype))

    return change


def first(column: str, value: object) -> Callable[[pl.DataFrame], int]:
    return lambda frame: frame[column].to_list().index(value)


def test_the_undamaged_copy_is_sound(release: Path) -> None:
    reseal(release)
    assert failures(release) == {}
    counted = {check.name: check.checked for check in verify_release(release)}
    assert list(counted) == [
        FILES, TABLES, SAMPLES_CHECK, FRAMES_CHECK, SPLITS, SUBSETS_CHECK, LICENCES,
    ]  # fmt: skip
    assert counted[SAMPLES_CHECK] > len(rows_of(release, "samples"))
    assert counted[FRAMES_CHECK] == len(rows_of(release, "frames"))
    assert set(rows_of(release, "samples")["split"]) >= {"train", "test"}


def test_a_flipped_payload_byte_is_found_by_its_hash_alone(release: Path) -> None:
    shard = shard_of(release, "media")
    member = members_of(shard)[0]
    content = bytearray(shard.read_bytes())
    content[member.offset + member.size - 3] ^= 1
    shard.write_bytes(content)
    assert failures(release) == {FILES: f"media/{shard.name} has other bytes."}


def test_a_missing_file_is_named_and_nothing_stops(release: Path) -> None:
    (release / "report.html").unlink()
    assert failures(release) == {FILES: "report.html is missing."}


def test_an_extra_file_is_named(release: Path) -> None:
    (release / "large" / "stray.tar").write_bytes(b"x")
    assert failures(release) == {FILES: "large/stray.tar is not in the manifest."}


def test_another_size_is_named_before_any_hash(release: Path) -> None:
    with (release / "README.md").open("ab") as handle:
        handle.write(b"x")
    assert failures(release) == {FILES: "README.md has another size."}


def test_quick_trusts_stamps_and_reads_what_they_no_longer_fit(release: Path, sound: Path) -> None:
    assert failures(sound, quick=True) == {}
    shard = shard_of(release, "large")
    alter(release, rb'"answer":"([^"])', lambda _: b"#")
    assert shard.stat().st_size == (sound / "large" / shard.name).stat().st_size
    found = failures(release, quick=True)
    assert set(found) == {FILES, SAMPLES_CHECK}
    assert f"{shard.name} has other bytes" in found[FILES]


def test_quick_hashes_again_what_the_last_build_wrote(release: Path) -> None:
    shard = shard_of(release, "large")
    stamp = shard.stat().st_mtime_ns
    alter(release, rb'"answer":"([^"])', lambda _: b"#")
    os.utime(shard, ns=(stamp, stamp))
    run = orjson.loads((release / RUN_FILE).read_bytes())
    run["stamps"][f"large/{shard.name}"] = [shard.stat().st_size, stamp]
    others = [name for name in run["stamps"] if name != f"large/{shard.name}"]
    for carried, found in ((None, {}), (list(run["stamps"]), {}), (others, {FILES})):
        (release / RUN_FILE).write_bytes(orjson.dumps(run | {"carried": carried}))
        assert failures(release, quick=True).keys() == set(found)


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


def test_an_unregistered_licence_is_named(release: Path) -> None:
    edit(release, "videos", put("licence", "none-such"))
    reseal(release)
    assert failures(release) == {LICENCES: "licence 'none-such' is not registered."}


def test_members_of_subsets_are_checked(release: Path) -> None:
    with ReleaseReader(release) as reader:
        ids = reader.subset_ids("rl")
        assert [sample.sample_id for sample in reader.samples(subset="rl")] == ids
        assert {sample.task for sample in reader.samples("train", "captions")} == {
            "dense_captioning"
        }
        with pytest.raises(ConfigError, match="large, standard, captions, rl"):
            reader.subset_ids("sft")
    assert len(ids) == 4
    edit(release, "subsets", lambda rows: rows.with_columns(pl.col("rank") + 1))
    reseal(release)
    assert "rl does not rank its members" in failures(release)[SUBSETS_CHECK]


def test_a_member_that_tests_and_a_sample_left_out_are_found(release: Path) -> None:
    tested = rows_of(release, "samples").filter(pl.col("split") == "test")
    edit(release, "subsets", put("sample_id", tested["sample_id"][0], first("rank", 3)))
    reseal(release)
    assert failures(release) == {SUBSETS_CHECK: "1 members are not in train."}
    rows = tested.head(2).with_columns(reason=pl.lit("held_out")).select(LEFT_OUT.names)
    edit(release, "left_out", lambda frame: pl.concat([frame, rows]))
    reseal(release)
    assert failures(release) == {TABLES: "2 samples are left out as well."}


@pytest.mark.parametrize("table", sorted(SCHEMAS))
def test_a_table_of_another_version_ends_the_checks(release: Path, table: str) -> None:
    path = release / "index" / f"{table}.parquet"
    content = pq.read_table(path)
    metadata = {**content.schema.metadata, b"schema_version": b"99"}
    pq.write_table(content.replace_schema_metadata(metadata), path)
    reseal(release)
    found = failures(release)
    assert list(found) == [TABLES]
    assert "schema_version 99" in found[TABLES]


@pytest.mark.parametrize("content", [b"", b"PAR1 is not enough PAR1"])
def test_a_table_that_is_none_ends_the_checks(release: Path, content: bytes) -> None:
    (release / "quarantine.parquet").write_bytes(content)
    reseal(release)
    found = failures(release)
    assert list(found) == [TABLES]
    assert "quarantine.parquet" in found[TABLES]


def test_a_video_missing_in_its_table_ends_the_checks(release: Path) -> None:
    video = rows_of(release, "samples")["video_id"][0]
    edit(release, "videos", lambda frame: frame.filter(pl.col("video_id") != video))
    reseal(release)
    found = failures(release)
    assert list(found) == [TABLES]
    assert re.search(r"\d+ samples of unknown videos. \d+ frames of unknown", found[TABLES])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"schema_version": 99, "files": {}}', "schema version 99"),
        (b'{"schema_version": 1, "files": [1]}', "names no files"),
        (b'{"schema_version": 1, "files": {"a": {"size": 1}}}', "names no files"),
        (b'{"schema_version": 1, "files": {"a": null}}', "names no files"),
    ],
)
def test_a_manifest_that_is_none_is_refused(release: Path, content: bytes, said: str) -> None:
    (release / "manifest.json").write_bytes(content)
    with pytest.raises(ReleaseError, match=said):
        verify_release(release)


def test_a_folder_without_a_manifest_is_no_release(release: Path) -> None:
    (release / "manifest.json").unlink()
    with pytest.raises(ReleaseError, match="no release"):
        verify_release(release)
