"""Files that worker processes hand on: a video's samples and clips, the index of a shard.

Written and read with Arrow alone: it starts no thread when imported, so that the process from which
workers are forked can have it loaded. `flows.tables` is for the one process that joins them.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from medvid.tasks import ClipPlan
from schemas.sample import Sample

SAMPLES_FILE: Final = "samples.arrow"
CLIPS_FILE: Final = "clips.arrow"
INDEX_FILE: Final = "index.arrow"

PAYLOAD: Final = "payload"

SAMPLE_SCHEMA: Final = pa.schema([
    *((name, pa.large_string()) for name in (
        "sample_id", "source", "dataset_name", "video_id", "identity", "clip_id", "task", "qa_type",
        "label", "licence",
    )),
    *((name, pa.int64()) for name in (
        "rate_num", "rate_den", "clip_start", "clip_end", "tick_rate_num", "tick_rate_den",
    )),
    *((name, pa.int32()) for name in ("n_frames", "answer_chars", "answer_words")),
    (PAYLOAD, pa.large_binary()),
])  # fmt: skip
"""A video's samples: the columns selection and the index need, and each sample's bytes."""

CLIP_SCHEMA: Final = pa.schema([
    ("clip_id", pa.large_string()),
    ("frame_index", pa.large_list(pa.int64())),
    ("frame_tick", pa.large_list(pa.int64())),
])  # fmt: skip
"""A video's clips with the frames they need."""

MEDIA_SCHEMA: Final = pa.schema([
    ("source", pa.large_string()), ("video_id", pa.large_string()), ("index", pa.int64()),
    ("tick", pa.int64()), ("width", pa.int32()), ("height", pa.int32()),
    ("key", pa.large_string()), ("offset", pa.int64()), ("size", pa.int64()),
])  # fmt: skip
"""Rows of the frame table, without the shard's name."""

ANNOTATION_SCHEMA: Final = pa.schema([
    ("sample_id", pa.large_string()), ("offset", pa.int64()), ("size", pa.int64()),
])  # fmt: skip
"""Where each sample of a shard lies."""

# Arrow imports pandas at the first array that it makes, which takes 0.2 s: once in the process that
# workers are forked from, and not in each of them.
_NOTHING: Final = pa.array([], type=pa.large_string())
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_DERIVED: Final = {"n_frames", "answer_chars", "answer_words", PAYLOAD}


def write_columns(path: Path, columns: Mapping[str, Sequence[Any]], schema: pa.Schema) -> None:
    """Write columns as an Arrow file of one batch."""
    arrays = [pa.array(columns[field.name], type=field.type) for field in schema]
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=_OPTIONS) as out:
        out.write_batch(batch)


def read_columns(path: Path, names: Iterable[str]) -> pa.RecordBatch:
    """Read columns of a file that `write_columns` wrote; the others are not decompressed."""
    with pa.memory_map(str(path)) as source:
        schema = pa.ipc.open_file(source).schema
        fields = [schema.get_field_index(name) for name in names]
        options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        batch = pa.ipc.open_file(source, options=options).get_batch(0)
        return batch.select(list(names))


def write_samples(folder: Path, samples: Sequence[Sample]) -> None:
    """Write a video's samples as an Arrow file."""
    columns: dict[str, list[Any]] = {
        name: [getattr(sample, name) for sample in samples]
        for name in SAMPLE_SCHEMA.names
        if name not in _DERIVED
    }
    columns["n_frames"] = [len(sample.frame_index) for sample in samples]
    columns["answer_chars"] = [len(sample.answer) for sample in samples]
    columns["answer_words"] = [len(sample.answer.split()) for sample in samples]
    columns[PAYLOAD] = [sample.to_json() for sample in samples]
    write_columns(folder / SAMPLES_FILE, columns, SAMPLE_SCHEMA)


def read_payloads(folder: Path, sample_ids: Sequence[str]) -> list[tuple[str, bytes]]:
    """Ids and bytes of some of a video's samples, in the order of the file."""
    batch = read_columns(folder / SAMPLES_FILE, ("sample_id", PAYLOAD))
    if len(sample_ids) < batch.num_rows:
        wanted = pc.is_in(batch.column(0), pa.array(sample_ids, type=pa.large_string()))
        batch = batch.filter(wanted)
    return list(zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True))


def write_clips(folder: Path, plan: ClipPlan) -> None:
    """Write a video's clips as an Arrow file."""
    columns: dict[str, list[Any]] = {
        "clip_id": [clip.clip_id for clip in plan.clips],
        "frame_index": [clip.frame_index for clip in plan.clips],
        "frame_tick": [clip.frame_tick for clip in plan.clips],
    }
    write_columns(folder / CLIPS_FILE, columns, CLIP_SCHEMA)
