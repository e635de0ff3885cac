"""Every check of `verify_release` can fail: files, tables, subsets, licences and the manifest."""

import os
import re
from pathlib import Path

import orjson
import polars as pl
import pyarrow.parquet as pq
import pytest

from medvid.releases.publish import RUN_FILE
from medvid.releases.verify import verify_release
from medvid.shards import ReleaseReader
from schemas.errors import ConfigError, ReleaseError
from schemas.tables import LEFT_OUT
from tests.releases.damage import (
    FILES,
    FRAMES_CHECK,
    LICENCES,
    SAMPLES_CHECK,
    SCHEMAS,
    SPLITS,
    SUBSETS_CHECK,
    TABLES,
    alter,
    edit,
    failures,
    first,
    members_of,
    put,
    reseal,
    rows_of,
    shard_of,
)


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
