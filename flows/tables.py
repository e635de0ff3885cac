"""Tables that stages hand on: a video's samples and clips, a shard's index.

Apart from the stages, since Polars starts threads: a process that only decodes never loads it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from medvid.tasks import ClipPlan
from schemas.sample import Sample

SAMPLES_FILE = "samples.arrow"
CLIPS_FILE = "clips.arrow"
INDEX_FILE = "index.arrow"

PolarsSchema = dict[str, pl.DataType | type[pl.DataType]]

SAMPLE_COLUMNS: PolarsSchema = {
    **dict.fromkeys(
        ("sample_id", "source", "dataset_name", "video_id", "identity", "clip_id", "task",
         "qa_type", "label", "licence"),
        pl.String,
    ),
    **dict.fromkeys(
        ("rate_num", "rate_den", "clip_start", "clip_end", "tick_rate_num", "tick_rate_den"),
        pl.Int64,
    ),
    **dict.fromkeys(("n_frames", "answer_chars", "answer_words"), pl.Int32),
    "payload": pl.Binary,
}  # fmt: skip
"""A video's samples: the columns selection and the index need, and each sample's bytes."""

CLIP_COLUMNS: PolarsSchema = {
    "clip_id": pl.String, "frame_index": pl.List(pl.Int64), "frame_tick": pl.List(pl.Int64),
}  # fmt: skip
"""A video's clips with the frames they need."""

MEDIA_INDEX: PolarsSchema = {
    "source": pl.String, "video_id": pl.String, "index": pl.Int64, "tick": pl.Int64,
    "width": pl.Int32, "height": pl.Int32, "key": pl.String, "offset": pl.Int64, "size": pl.Int64,
}  # fmt: skip
"""Rows of the frame table, without the shard's name."""

ANNOTATION_INDEX: PolarsSchema = {
    "sample_id": pl.String, "offset": pl.Int64, "size": pl.Int64,
}  # fmt: skip
"""Where each sample of a shard lies."""

_DERIVED = {"n_frames", "answer_chars", "answer_words", "payload"}


def write_samples(folder: Path, samples: Sequence[Sample]) -> None:
    """Write a video's samples as an Arrow file."""
    columns: dict[str, list[Any]] = {
        name: [getattr(sample, name) for sample in samples]
        for name in SAMPLE_COLUMNS
        if name not in _DERIVED
    }
    columns["n_frames"] = [len(sample.frame_index) for sample in samples]
    columns["answer_chars"] = [len(sample.answer) for sample in samples]
    columns["answer_words"] = [len(sample.answer.split()) for sample in samples]
    columns["payload"] = [sample.to_json() for sample in samples]
    table = pl.DataFrame(columns, schema=SAMPLE_COLUMNS)
    table.write_ipc(folder / SAMPLES_FILE, compression="lz4")


def write_clips(folder: Path, plan: ClipPlan) -> None:
    """Write a video's clips as an Arrow file."""
    columns: dict[str, list[Any]] = {
        "clip_id": [clip.clip_id for clip in plan.clips],
        "frame_index": [list(clip.frame_index) for clip in plan.clips],
        "frame_tick": [list(clip.frame_tick) for clip in plan.clips],
    }
    table = pl.DataFrame(columns, schema=CLIP_COLUMNS)
    table.write_ipc(folder / CLIPS_FILE, compression="lz4")
