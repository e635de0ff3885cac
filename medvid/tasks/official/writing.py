"""Samples as official rows: every field of the format, one id grammar, and our own facts beside.

What the format cannot say (true times of frames, the exact region box, licence, identity) stands
under one extra key, so that nothing is lost on the way back; readers of the format skip it.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import orjson

from medvid.tasks.official.answers import struc_info_of
from medvid.tasks.official.rows import VIDEO_TOKEN
from schemas.errors import SampleError
from schemas.sample import Sample
from schemas.scalars import SCHEMA_VERSION

OWN_KEY: Final = "medvid"
ID_KEY: Final = "sample_id"
FRAME_FOLDER: Final = "frames"

OWN_FIELDS: Final = (
    "source", "qa_type", "identity", "clip_id", "clip_start", "clip_end",
    "rate_num", "rate_den", "tick_rate_num", "tick_rate_den", "frame_tick", "width", "height",
    "subject", "label", "candidates", "region_frame", "region_xyxy", "sparse", "licence",
    "provenance",
)  # fmt: skip
"""Fields of a sample that an official row has no place for."""

_LABEL_WRITER: Final = "_label"
_TIMED: Final = "nurvid"
_BARE_EXTENT: Final = "cholec80cvs"
_TOKENS: Final = (VIDEO_TOKEN, "<image>", "<audio>")


def frame_path(dataset_name: str, video_id: str, index: int) -> str:
    """Path of a frame in an export: four parts, so that its suffix names one frame of all sources.

    >>> frame_path("CholecT50", "VID75", 548)
    'frames/CholecT50/VID75/00000548.jpg'
    """
    return f"{FRAME_FOLDER}/{dataset_name}/{video_id}/{index:08d}.jpg"


def official_row(
    sample: Sample, *, split: str = "", map_label_captions: bool = False, plain: bool = False
) -> dict[str, Any]:
    """Write a sample as an official row.

    Args:
        sample: The sample.
        split: Its split; `train` sets the row's flag.
        map_label_captions: Write `…_label` row types as `…_gpt`.
        plain: Leave out the key with our own facts; `sample_id` stays.

    Raises:
        SampleError: The question holds a token that stands for frames.
    """
    folder = f"{FRAME_FOLDER}/{sample.dataset_name}/{sample.video_id}/"
    video = [f"{folder}{number:08d}.jpg" for number in sample.frame_index]
    metadata = _metadata(sample)
    start, end = list(metadata.values())[-2:]
    row: dict[str, Any] = {
        "id": f"{sample.video_id}&&{start}&&{end}&&{metadata['fps']}",
        "qa_type": official_qa_type(sample.qa_type, map_label_captions=map_label_captions),
        "dataset_name": sample.dataset_name,
        "data_source": sample.dataset_name,
        "train": split == "train",
        "video": video,
        "sampled_video_frames": list(sample.frame_index),
        "conversations": [
            {"from": "human", "value": f"{VIDEO_TOKEN}\n{require_no_token(sample)}"},
            {"from": "gpt", "value": sample.answer},
        ],
        "metadata": metadata,
        "struc_info": struc_info_of(sample),
        "is_RC": sample.region_frame >= 0,
        "RC_info": _region(sample),
        ID_KEY: sample.sample_id,
    }
    if not plain:
        own = {field: getattr(sample, field) for field in OWN_FIELDS}
        row[OWN_KEY] = {"schema_version": SCHEMA_VERSION, "split": split, **own}
    return row


def official_qa_type(qa_type: str, *, map_label_captions: bool) -> str:
    """Row type as the file has it.

    >>> official_qa_type("video_summary_label", map_label_captions=True)
    'video_summary_gpt'
    """
    if map_label_captions and qa_type.endswith(_LABEL_WRITER):
        return f"{qa_type.removesuffix(_LABEL_WRITER)}_gpt"
    return qa_type


def require_no_token(sample: Sample) -> str:
    """The question, which must not hold what readers take for the place of frames.

    Raises:
        SampleError: It does.
    """
    for token in _TOKENS:
        if token in sample.question:
            raise SampleError(
                f"the question holds {token}, which stands for frames.", field=sample.sample_id,
                action="Correct the label it comes from, and build the release again.",
            )  # fmt: skip
    return sample.question


def write_official_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as a JSON array, one row a line; the file is not complete before this returns.

    Returns:
        How many rows were written.
    """
    written = 0
    with path.open("wb") as handle:
        handle.write(b"[")
        for row in rows:
            handle.write(b",\n" if written else b"\n")
            handle.write(orjson.dumps(row))
            written += 1
        handle.write(b"\n]\n")
    return written


def _metadata(sample: Sample) -> dict[str, str]:
    """Video, rate and extent, the extent last, named as the dataset's own rows name it."""
    fps = str(float(Fraction(sample.rate_num, sample.rate_den)))
    named = {"video_id": sample.video_id, "fps": fps}
    if sample.source == _TIMED:
        second = Fraction(sample.tick_rate_den, sample.tick_rate_num)
        start, end = (f"{float(sample.frame_tick[at] * second):.1f}" for at in (0, -1))
        return {**named, "input_video_start_time": start, "input_video_end_time": end}
    start, end = str(sample.frame_index[0]), str(sample.frame_index[-1])
    if sample.source == _BARE_EXTENT:
        return {**named, "start_frame": start, "end_frame": end}
    return {**named, "input_video_start_frame": start, "input_video_end_frame": end}


def _region(sample: Sample) -> dict[str, Any] | None:
    """The boxed frame by its path, and the box in whole pixels with an area."""
    if sample.region_frame < 0:
        return None
    x1, y1, x2, y2 = (round(value) for value in sample.region_xyxy)
    return {
        "start_frame": frame_path(sample.dataset_name, sample.video_id, sample.region_frame),
        "start_frame_bbox": [x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)],
    }
