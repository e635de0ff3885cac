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
from medvid.tasks.official.samples import OfficialQuestion, sample_of_row
from medvid.tasks.official.writing import frame_path, official_row, write_official_rows

__all__ = [
    "OFFICIAL_DATASETS",
    "OfficialQuestion",
    "OfficialRow",
    "RowId",
    "frame_path",
    "official_dataset",
    "official_row",
    "parse_row",
    "parse_row_id",
    "read_official_rows",
    "sample_of_row",
    "struc_info_of",
    "task_of_qa_type",
    "write_official_rows",
]
