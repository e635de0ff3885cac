"""What the joining process knows of the files that workers hand on, as Polars has it.

Apart from `flows.pair_files`, since Polars starts threads: a worker process never loads it.
"""

import polars as pl

from flows.pair_files import (
    ANNOTATION_SCHEMA,
    CLIP_SCHEMA,
    CLIPS_FILE,
    INDEX_FILE,
    MEDIA_SCHEMA,
    SAMPLE_SCHEMA,
    SAMPLES_FILE,
)

PolarsSchema = dict[str, pl.DataType]


def _polars(schema: object) -> PolarsSchema:
    frame = pl.from_arrow(schema.empty_table())  # type: ignore[attr-defined]  # pyarrow is untyped
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a table has columns")
    return dict(frame.schema)


SAMPLE_COLUMNS = _polars(SAMPLE_SCHEMA)
CLIP_COLUMNS = _polars(CLIP_SCHEMA)
MEDIA_INDEX = _polars(MEDIA_SCHEMA)
ANNOTATION_INDEX = _polars(ANNOTATION_SCHEMA)

__all__ = [
    "ANNOTATION_INDEX", "CLIPS_FILE", "CLIP_COLUMNS", "INDEX_FILE", "MEDIA_INDEX", "SAMPLES_FILE",
    "SAMPLE_COLUMNS", "PolarsSchema",
]  # fmt: skip
