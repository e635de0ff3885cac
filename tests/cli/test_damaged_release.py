"""What commands that ask a release say of one that is damaged: one error, which names the file."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import Result

from schemas.errors import MedVidError, ReleaseError, ShardError

Medvid = Callable[..., Result]
SAMPLES, VIDEOS = "index/samples.parquet", "index/videos.parquet"
TABLES = (
    SAMPLES, VIDEOS, "index/frames.parquet", "index/left_out.parquet", "index/subsets.parquet",
    "quarantine.parquet",
)  # fmt: skip


@pytest.fixture
def damaged(release: Path, tmp_path: Path) -> Path:
    """A copy of the release whose files may be replaced, not written to."""
    copy = tmp_path / "damaged"
    shutil.copytree(release, copy, copy_function=os.link)
    return copy


def replace(path: Path, content: bytes | None) -> None:
    """Put a file, a folder or nothing in the place of a file."""
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


def refused(medvid: Medvid, *arguments: object) -> str:
    with pytest.raises(MedVidError) as caught:
        medvid(*arguments)
    return str(caught.value)


DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "empty": lambda _: b"", "half": lambda content: content[: len(content) // 2],
    "tail": lambda content: content[:-3], "folder": lambda _: None, "text": lambda _: b"[]",
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_table_is_named(medvid: Medvid, release: Path, damaged: Path, how: str) -> None:
    row = pl.read_parquet(release / SAMPLES).row(0, named=True)
    video = f"{row['source']}/{row['video_id']}"
    path = damaged / SAMPLES
    replace(path, DAMAGE[how](path.read_bytes()))
    for asked in (
        ("why", damaged, row["sample_id"]), ("why", damaged, video), ("diff", damaged, release),
        ("diff", release, damaged),
        ("export", damaged, "-o", damaged.with_name("out"), "-f", "parquet"),
        ("evaluate", "absent.json", "--truth", damaged),
    ):  # fmt: skip
        assert "samples.parquet" in refused(medvid, *asked), asked
    assert not damaged.with_name("out").exists()


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_another_hand_wrote_is_refused(
    medvid: Medvid, release: Path, damaged: Path, table: str
) -> None:
    if table not in json.loads((release / "manifest.json").read_text())["files"]:
        pytest.skip("this release has no such table")
    frame = pl.read_parquet(damaged / table)
    (damaged / table).unlink()
    frame.with_columns(pl.lit("none").alias(frame.columns[0])).write_parquet(damaged / table)
    row = pl.read_parquet(release / SAMPLES).filter(pl.col("split") == "train").row(0, named=True)
    asked = row["sample_id"] if "subsets" in table else f"{row['source']}/{row['video_id']}"
    assert f"{table} cannot be read" in refused(medvid, "why", damaged, asked)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_is_gone_is_missed(
    medvid: Medvid, release: Path, damaged: Path, table: str
) -> None:
    if table not in json.loads((release / "manifest.json").read_text())["files"]:
        pytest.skip("this release has no such table")
    (damaged / table).unlink()
    row = pl.read_parquet(release / SAMPLES).filter(pl.col("split") == "train").row(0, named=True)
    asked = row["sample_id"] if "subsets" in table else f"{row['source']}/{row['video_id']}"
    assert f"{table} cannot be read" in refused(medvid, "why", damaged, asked)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("build.json", "corrections_head", ["a"]),
        ("build.json", "inputs", {"cholect50/VID01": {"labels": None}}),
        ("build.json", "converters", [1]),
        ("build.json", "config", {"splits": {"test_share": "much"}}),
        ("build.json", "config", None),
        ("leak_proof.json", "media_edges", None),
        ("leak_proof.json", "media_edges", [{"a": "x"}]),
        ("leak_proof.json", "videos", "x"),
        ("leak_proof.json", "mode", 7),
    ],
)
def test_a_document_of_another_shape_names_its_field(
    medvid: Medvid, release: Path, damaged: Path, name: str, field: str, value: Any
) -> None:
    document = json.loads((damaged / name).read_text())
    replace(damaged / name, json.dumps({**document, field: value}).encode())
    row = pl.read_parquet(release / SAMPLES).row(0, named=True)
    told = refused(medvid, "why", damaged, row["sample_id"])
    assert f"{field}" in told
    assert f"{name} is not what a build writes" in told


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"[" * 100_000, b"null"]
)
@pytest.mark.parametrize("name", ["build.json", "leak_proof.json", "manifest.json"])
def test_a_document_that_is_no_json_is_named(
    medvid: Medvid, release: Path, damaged: Path, name: str, content: bytes
) -> None:
    replace(damaged / name, content)
    row = pl.read_parquet(release / SAMPLES).row(0, named=True)
    assert name in refused(medvid, "why", damaged, row["sample_id"])


def test_a_shard_that_is_gone_or_holds_something_else_is_named(
    medvid: Medvid, release: Path, damaged: Path
) -> None:
    row = pl.read_parquet(release / SAMPLES).row(0, named=True)
    shard = damaged / row["shard"]
    content = bytearray(shard.read_bytes())
    content[row["offset"] : row["offset"] + 2] = b"[]"
    replace(shard, bytes(content))
    with pytest.raises(ReleaseError, match="is no JSON"):
        medvid("why", damaged, row["sample_id"])
    shard.unlink()
    with pytest.raises(ShardError, match=row["shard"]):
        medvid("why", damaged, row["sample_id"])
    with pytest.raises(ShardError, match=row["shard"]):
        medvid("export", damaged, "-o", damaged.with_name("out"), "-f", "ms-swift")
    assert not damaged.with_name("out").exists()
