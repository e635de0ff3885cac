"""Index tables: equal rows give equal bytes, wrong tables are refused."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import tables
from schemas.errors import ShardError
from schemas.quarantine import QuarantineRow
from schemas.tables import (
    FRAMES,
    QUARANTINE,
    SAMPLES,
    VIDEOS,
    read_table,
    table_bytes,
    table_of,
    write_table,
)

ALL = (SAMPLES, FRAMES, QUARANTINE, VIDEOS)


def frame_rows(count: int) -> list[dict[str, object]]:
    return [
        {
            "source": "cholect50", "video_id": f"VID{i % 3}", "index": i, "tick": 2 * i,
            "shard": f"media/cholect50-{i % 2:03d}.tar", "offset": 512 * i, "size": i,
            "width": 854, "height": 480, "key": f"k{i}",
        }
        for i in range(count)
    ]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 40), order=st.randoms(use_true_random=False), cut=st.integers(0, 40))
def test_order_and_chunking_of_rows_do_not_change_the_bytes(
    count: int, order: object, cut: int
) -> None:
    rows = frame_rows(count)
    expected = table_bytes(table_of(rows, FRAMES), FRAMES)
    order.shuffle(rows)  # type: ignore[attr-defined]
    halves = [table_of(part, FRAMES) for part in (rows[:cut], rows[cut:])]
    assert table_bytes(pa.concat_tables(halves), FRAMES) == expected


def test_row_groups_have_a_fixed_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_ROWS", 16)
    write_table(tmp_path / "frames.parquet", table_of(frame_rows(40), FRAMES), FRAMES)
    metadata = pq.read_metadata(tmp_path / "frames.parquet")
    assert [metadata.row_group(i).num_rows for i in range(3)] == [16, 16, 8]
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_rows_come_back_sorted_and_typed(tmp_path: Path) -> None:
    path = tmp_path / "frames.parquet"
    rows = frame_rows(10)
    write_table(path, table_of(reversed(rows), FRAMES), FRAMES)
    table = read_table(path, FRAMES)
    assert table.schema.equals(FRAMES, check_metadata=True)
    assert table.to_pylist() == sorted(rows, key=lambda r: (r["video_id"], r["index"]))
    narrow = read_table(path, FRAMES, ["size", "source"])
    assert narrow.column_names == ["size", "source"]
    assert [item.name for item in tmp_path.iterdir()] == ["frames.parquet"]


def test_polars_frames_give_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "frames.parquet"
    write_table(path, table_of(frame_rows(20), FRAMES), FRAMES)
    frame = pl.read_parquet(path)
    assert table_bytes(frame.to_arrow(), FRAMES) == path.read_bytes()
    newest = pl.CompatLevel.newest()
    assert table_bytes(frame.to_arrow(compat_level=newest), FRAMES) == path.read_bytes()


@pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.metadata[b"table"].decode())
def test_every_table_names_its_version_and_may_be_empty(schema: pa.Schema, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, table_of([], schema), schema)
    assert pq.read_schema(path).metadata[b"schema_version"] == b"1"
    assert read_table(path, schema).num_rows == 0


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({b"schema_version": b"2", b"table": b"frames"}, "schema_version 2, this code reads 1"),
        ({b"table": b"frames"}, "schema_version none"),
        (None, "schema_version none"),
        ({b"schema_version": b"1", b"table": b"samples"}, "the table b'samples'"),
    ],
)
def test_other_versions_and_tables_are_refused(
    metadata: dict[bytes, bytes] | None, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "frames.parquet"
    pq.write_table(table_of(frame_rows(2), FRAMES).replace_schema_metadata(metadata), path)
    with pytest.raises(ShardError, match=why) as caught:
        read_table(path, FRAMES)
    assert caught.value.source == "frames.parquet"


def test_columns_of_another_type_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.parquet"
    table = table_of(frame_rows(2), FRAMES)
    wider = table.set_column(8, pa.field("height", pa.int64(), nullable=False), [[1, 2]])
    pq.write_table(wider.replace_schema_metadata(FRAMES.metadata), path)
    with pytest.raises(ShardError, match=r"height: columns are absent or of another type"):
        read_table(path, FRAMES)


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.parquet"
    write_table(path, table_of(frame_rows(50), FRAMES), FRAMES)
    content = path.read_bytes()
    for damage in (content[:-20], content[: len(content) // 2], b"", b"PAR1" + b"x" * 100):
        path.write_bytes(damage)
        with pytest.raises(ShardError, match="cannot be read"):
            read_table(path, FRAMES)
    with pytest.raises(ShardError, match="cannot be read"):
        read_table(tmp_path / "none.parquet", FRAMES)


def test_absent_columns_nulls_and_twins_are_refused() -> None:
    table = table_of(frame_rows(3), FRAMES)
    with pytest.raises(ShardError, match=r"frames key: columns are absent"):
        table_bytes(table.drop_columns(["key"]), FRAMES)
    with pytest.raises(ShardError, match="nulls"):
        table_bytes(table_of([{"source": "a"}], FRAMES), FRAMES)
    with pytest.raises(ShardError, match=r"1 keys occur more than once: .*VID0.*0"):
        table_bytes(table_of(frame_rows(2) + frame_rows(1), FRAMES), FRAMES)
    text = table.set_column(2, "index", pa.array(["a", "b", "c"]))
    with pytest.raises(ShardError, match="does not become int64"):
        table_bytes(text, FRAMES)


def test_quarantine_rows_survive(tmp_path: Path) -> None:
    rows = [
        QuarantineRow(
            source="nurvid", video_id=video, stage="convert", kind="segment", reason="zero_length",
            detail="„5.0–5.0“ ⌀", action="Correct it.", file="a/b.json", line=line, retryable=True,
        )
        for video, line in (("b", None), ("a", 7))
    ]  # fmt: skip
    path = tmp_path / "quarantine.parquet"
    write_table(path, table_of([row.model_dump() for row in rows], QUARANTINE), QUARANTINE)
    assert [QuarantineRow(**row) for row in read_table(path, QUARANTINE).to_pylist()] == rows[::-1]


def test_a_table_that_cannot_be_written_spares_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "frames.parquet"
    write_table(path, table_of(frame_rows(1), FRAMES), FRAMES)
    before = path.read_bytes()
    with pytest.raises(ShardError):
        write_table(path, table_of([{"source": "a"}], FRAMES), FRAMES)
    assert path.read_bytes() == before
    with pytest.raises(ShardError, match=r"frames\.parquet: .*No such file"):
        write_table(tmp_path / "no" / "frames.parquet", table_of(frame_rows(1), FRAMES), FRAMES)
