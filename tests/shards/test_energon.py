"""Energon metadata: the rows its own tool would write, in reproducible bytes."""

import os
import sqlite3
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from medvid.shards import NvSampleType, NvShard, ShardFile, TarWriter
from medvid.shards import write_nv_meta as write_columns_meta
from schemas.errors import ShardError


def write_nv_meta(
    folder: Path, shards: Sequence[ShardFile], splits: Any, *sample_type: NvSampleType
) -> tuple[str, ...]:
    return write_columns_meta(folder, [NvShard.of(s) for s in shards], splits, *sample_type)


Release = Any  # the dataclass of conftest.py, which is no package to import it from


@pytest.fixture
def prepared(make_release: Callable[[Path], Release], tmp_path: Path) -> Release:
    release = make_release(tmp_path)
    write_nv_meta(tmp_path / "large", release.large, release.large_splits)
    names = [shard.name for shard in release.media]
    write_nv_meta(tmp_path / "media", release.media, {"all": names}, NvSampleType.FRAME)
    return release


def rows(path: Path, query: str) -> list[Any]:
    database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def test_the_index_says_where_each_sample_and_part_lies(prepared: Release) -> None:
    path = prepared.path / "large" / ".nv-meta" / "index.sqlite"
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    stored = rows(path, "SELECT sample_key, tar_file_id, byte_offset, byte_size FROM samples")
    shards = sorted(shard.name for shard in prepared.large)
    for key, tar, offset, size in stored:
        content = (prepared.path / "large" / shards[tar]).read_bytes()[offset : offset + size]
        assert content.startswith(f"{key}.json\0".encode())
        assert size % 512 == 0
    assert {row[0] for row in stored} == {sample.sample_id for sample in prepared.samples}
    payloads = {sample.sample_id: sample.to_json() for sample in prepared.samples}
    parts = rows(
        path,
        "SELECT sample_key, part_name, tar_file_id, content_byte_offset, content_byte_size "
        "FROM sample_parts JOIN samples USING (tar_file_id, sample_index)",
    )
    assert len(parts) == len(payloads)
    for key, part, tar, offset, size in parts:
        content = (prepared.path / "large" / shards[tar]).read_bytes()
        assert part == "json"
        assert content[offset : offset + size] == payloads[key]


def test_tar_indexes_hold_the_start_of_each_sample_and_the_end(prepared: Release) -> None:
    for shard in prepared.media:
        raw = (prepared.path / "media" / f"{shard.name}.idx").read_bytes()
        offsets = struct.unpack(f"<{len(raw) // 8}Q", raw)
        assert offsets[:-1] == tuple(member.offset - 512 for member in shard.members)
        assert offsets[-1] == shard.size - 1024


def test_the_small_files_say_counts_splits_and_types(prepared: Release) -> None:
    meta = prepared.path / "large" / ".nv-meta"
    info = orjson.loads((meta / ".info.json").read_bytes())
    assert info["shard_counts"] == {shard.name: 4 for shard in prepared.large}
    split = yaml.safe_load((meta / "split.yaml").read_bytes())
    assert split == {"split_parts": prepared.large_splits, "exclude": []}
    assert yaml.safe_load((meta / "dataset.yaml").read_bytes())["field_map"] == {"text": "json"}
    assert yaml.safe_load((meta / "crude.yaml").read_bytes())["__class__"] == "CrudeWebdataset"
    media = prepared.path / "media" / ".nv-meta"
    assert yaml.safe_load((media / "dataset.yaml").read_bytes())["field_map"] == {"image": "jpg"}
    split = yaml.safe_load((media / "split.yaml").read_bytes())
    assert split["split_parts"]["train"] == []
    assert len(split["split_parts"]["all"]) == 2


def read_tree(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def test_equal_shards_in_any_order_give_equal_bytes(prepared: Release, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    names = write_nv_meta(first, prepared.large, prepared.large_splits, NvSampleType.PAIR)
    again = write_nv_meta(second, prepared.large[::-1], prepared.large_splits)
    assert names == again == tuple(sorted(names))
    found = sorted(p.relative_to(first).as_posix() for p in first.rglob("*") if p.is_file())
    assert tuple(found) == names
    tree = read_tree(first, names)
    assert tree == read_tree(second, names)
    write_nv_meta(first, prepared.large, prepared.large_splits)
    assert tree == read_tree(first, names)
    assert tree[".nv-meta/index.sqlite"][96:100] == struct.pack(">I", 3_040_000)


def test_another_content_has_another_uuid(prepared: Release, tmp_path: Path) -> None:
    uuid = prepared.path / "large" / ".nv-meta" / "index.uuid"
    before = uuid.read_text()
    changed = [
        ShardFile(s.name, s.size, s.sha256[::-1], s.members) if i == 0 else s
        for i, s in enumerate(prepared.large)
    ]
    write_nv_meta(prepared.path / "large", changed, prepared.large_splits)
    assert uuid.read_text() != before


def test_samples_of_two_parts_are_one_row(tmp_path: Path) -> None:
    with TarWriter(tmp_path / "a.tar") as tar:
        for key in ("a", "b", "c"):
            tar.add(f"{key}.frames", key.encode() * 700)
            tar.add(f"{key}.json", b"{}")
        shard = tar.close()
    assert shard.sample_count == 3
    write_nv_meta(tmp_path, [shard], {"train": ["a.tar"]}, NvSampleType.PAIR)
    path = tmp_path / ".nv-meta" / "index.sqlite"
    assert rows(path, "SELECT sample_key, sample_index, byte_offset, byte_size FROM samples") == [
        ("a", 0, 0, 2560), ("b", 1, 2560, 2560), ("c", 2, 5120, 2560),
    ]  # fmt: skip
    assert rows(path, "SELECT part_name FROM sample_parts WHERE sample_index = 1") == [
        ("frames",), ("json",),
    ]  # fmt: skip
    with pytest.raises(ShardError, match="neither frames nor pairs"):
        write_nv_meta(tmp_path, [shard], {"train": ["a.tar"]})


def test_contradictions_are_refused(prepared: Release, tmp_path: Path) -> None:
    target = tmp_path / "new"
    target.mkdir()
    shards = prepared.large
    first = shards[0].name
    with pytest.raises(ShardError, match="unknown shard"):
        write_nv_meta(target, shards, {"train": ["no.tar"]})
    with pytest.raises(ShardError, match="in the splits 'train' and 'val'"):
        write_nv_meta(target, shards, {"train": [first], "val": [first]})
    with pytest.raises(ShardError, match="without shards"):
        write_nv_meta(target, [], {})
    assert not list(target.iterdir())
    twin = ShardFile("zzz.tar", shards[0].size, shards[0].sha256, shards[0].members)
    with pytest.raises(ShardError, match="keys must be unique") as caught:
        write_nv_meta(target, [*shards, twin], {})
    assert shards[0].members[0].key in str(caught.value)
    assert not (target / ".nv-meta" / "index.sqlite").exists()
    assert not list((target / ".nv-meta").glob("*.partial*"))


@pytest.mark.skipif("MEDVID_ENERGON" not in os.environ, reason="MEDVID_ENERGON names no `energon`")
def test_energon_itself_accepts_the_metadata(prepared: Release) -> None:
    energon = os.environ["MEDVID_ENERGON"]
    for folder, splits, count in (("large", "train,val,test", 16), ("media", "all", 56)):
        path = str(prepared.path / folder)
        info = subprocess.run([energon, "info", path], capture_output=True, text=True, check=True)
        assert f"({count} samples" in info.stdout
        subprocess.run(
            [energon, "lint", path, "--split-parts", splits, "--parallel", "0"],
            capture_output=True, check=True,
        )  # fmt: skip
