"""MedVidBench's own rows: what they hold, reading and writing them, and the way to samples."""

from medvid.tasks.official.answers import struc_info_of
from medvid.tasks.official.names import (
    OFFICIAL_DATASETS,
    RowId,
    official_dataset,
    parse_row_id,
    task_of_qa_type,
)
from medvid.tasks.official.reading import read_official_rows
from medvid.tasks.official.rows import OfficialRow, parse_row

__all__ = [
    "OFFICIAL_DATASETS",
    "OfficialRow",
    "RowId",
    "official_dataset",
    "parse_row",
    "parse_row_id",
    "read_official_rows",
    "struc_info_of",
    "task_of_qa_type",
]
