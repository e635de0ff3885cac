"""Parquet for Hugging Face `datasets`: typed columns, shards by split, pictures as its own type.

The schema carries the library's description of its features, so that `load_dataset(folder)` needs
no guess: an empty list would else be read as a list of nulls.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from medvid.releases.sheets import frame_times
from medvid.tasks.official import frame_path
from schemas.errors import ReleaseError
from schemas.sample import Sample

DATA_FOLDER: Final = "data"
ROWS_PER_SHARD: Final = 50_000
ROWS_WITH_FRAMES: Final = 100
"""About a gigabyte at 180 frames of 60 kB."""

_BATCH: Final = 1_000
_BATCH_WITH_FRAMES: Final = 8
_ZSTD_LEVEL: Final = 3
_TEXT: Final = (
    "sample_id", "source", "dataset_name", "video_id", "identity", "clip_id", "task", "qa_type",
    "subject", "label", "question", "answer",
)  # fmt: skip
_NUMBERS: Final = (
    "clip_start", "clip_end", "rate_num", "rate_den", "tick_rate_num", "tick_rate_den",
)  # fmt: skip
_PICTURE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

Frames = Callable[[Sample], list[bytes]]


def parquet_schema(*, frames: bool) -> pa.Schema:
    """Columns of an export, with the features of `datasets` in its metadata."""
    fields: list[tuple[str, pa.DataType]] = [
        *((name, pa.string()) for name in _TEXT),
        ("candidates", pa.list_(pa.string())),
        ("target", pa.string()),
        *((name, pa.int64()) for name in _NUMBERS),
        ("frame_index", pa.list_(pa.int64())),
        ("frame_tick", pa.list_(pa.int64())),
        ("frame_time_s", pa.list_(pa.float64())),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("region_frame", pa.int64()),
        ("region_xyxy", pa.list_(pa.float64())),
        ("sparse", pa.bool_()),
        ("licence", pa.string()),
        ("provenance", pa.string()),
    ]
    if frames:
        fields.append(("frames", pa.list_(_PICTURE)))
    features = {name: _feature(kind) for name, kind in fields}
    described = {"info": {"features": features}}
    return pa.schema(fields, metadata={b"huggingface": orjson.dumps(described)})


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == _PICTURE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        # Known to every version of `datasets`; the newer name is not.
        return {"feature": _feature(kind.value_type), "_type": "Sequence"}
    names = {pa.string(): "string", pa.bool_(): "bool", pa.float64(): "float64"}
    return {"dtype": names.get(kind, str(kind)), "_type": "Value"}


def parquet_row(sample: Sample, pictures: list[bytes] | None) -> dict[str, Any]:
    """A sample as a row; pictures are in time order."""
    row = sample.model_dump(mode="python", exclude={"schema_version"})
    row["task"] = sample.task.value
    row["frame_time_s"] = frame_times(sample)
    if pictures is not None:
        row["frames"] = [
            {"bytes": picture, "path": frame_path(sample.dataset_name, sample.video_id, index)}
            for index, picture in zip(sample.frame_index, pictures, strict=True)
        ]
    return row


def write_parquet_split(
    folder: Path,
    split: str,
    samples: Iterable[Sample],
    rows: int,
    *,
    rows_per_shard: int | None,
    frames: Frames | None,
) -> int:
    """Write the shards of a split: `data/<split>-00000-of-00012.parquet`.

    Args:
        folder: Folder of the export.
        split: The split.
        samples: Its samples.
        rows: How many they are.
        rows_per_shard: Rows of a shard, None for the default with or without frames.
        frames: Reads the JPEGs of a sample, or None to leave pictures out.

    Returns:
        How many rows were written.

    Raises:
        ReleaseError: There are more or fewer samples than `rows`.
    """
    size = rows_per_shard or (ROWS_WITH_FRAMES if frames else ROWS_PER_SHARD)
    shards = max(1, -(-rows // size))
    schema = parquet_schema(frames=frames is not None)
    (folder / DATA_FOLDER).mkdir(exist_ok=True)
    left = iter(samples)
    written = 0
    for number in range(shards):
        path = folder / DATA_FOLDER / f"{split}-{number:05d}-of-{shards:05d}.parquet"
        written += _write_shard(path, islice(left, size), schema, frames)
    if written != rows or next(left, None) is not None:
        raise ReleaseError(f"the index counts {rows} pairs of {split}, there are others.")
    return written


def _write_shard(
    path: Path, samples: Iterator[Sample], schema: pa.Schema, frames: Frames | None
) -> int:
    batch = _BATCH_WITH_FRAMES if frames else _BATCH
    written = 0
    with pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=_ZSTD_LEVEL, version="2.6"
    ) as writer:
        while taken := list(islice(samples, batch)):
            rows = [parquet_row(sample, frames(sample) if frames else None) for sample in taken]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            written += len(rows)
    return written


def card_configs(splits: Iterable[str]) -> list[dict[str, Any]]:
    """The `configs` block of a card, by which `datasets` finds the splits."""
    data_files = [{"split": split, "path": f"{DATA_FOLDER}/{split}-*.parquet"} for split in splits]
    return [{"config_name": "default", "data_files": data_files}]
