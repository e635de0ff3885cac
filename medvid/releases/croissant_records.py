"""The tables of a release as Croissant record sets."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pyarrow as pa

from schemas.tables import FRAMES, LEFT_OUT, QUARANTINE, SAMPLES, SUBSETS, VIDEOS

Node = dict[str, Any]

SPLIT_TERMS: Final = {
    "train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit",
}  # fmt: skip

TABLES: Final[Mapping[str, tuple[str, pa.Schema, tuple[str, ...], str]]] = {
    "samples": (
        "index/samples.parquet", SAMPLES, ("sample_id",),
        "One record a question and answer pair: what it asks about and where its bytes lie.",
    ),
    "videos": (
        "index/videos.parquet", VIDEOS, ("source", "video_id"),
        "One record a video: whose it is, and the split that holds it.",
    ),
    "frames": (
        "index/frames.parquet", FRAMES, ("source", "video_id", "index"),
        "One record a stored frame: when it was taken and where its bytes lie.",
    ),
    "left_out": (
        "index/left_out.parquet", LEFT_OUT, ("sample_id",),
        "One record a pair that was built and is in no split, with the reason.",
    ),
    "subsets": (
        "index/subsets.parquet", SUBSETS, ("subset", "sample_id"),
        "One record a member of a subset of train, in an order whose every beginning is balanced.",
    ),
    "quarantine": (
        "quarantine.parquet", QUARANTINE, (),
        "One record a native record, frame or video that was refused: where it stands and why.",
    ),
}  # fmt: skip
"""Record set by name: file, schema, key columns (none where records may be alike), description."""

_SHARED: Final = {
    "source": "Module name of the source dataset.",
    "video_id": "The source's own name of the video.",
    "identity": "The person or recording that never crosses a split.",
    "split": "Part of the release: train, val or test.",
    "licence": "Id of the licence that the record inherits from its source.",
}

DESCRIPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "samples": _SHARED | {
        "sample_id": "Hash of clip, task, question type and subject.",
        "dataset_name": "Name of the source in MedVidBench's own rows.",
        "clip_id": "Hash of source, video, extent and sampling rate.",
        "task": "One of the eight tasks.",
        "qa_type": "Question type.",
        "label": "Label the question is about; empty where there is none.",
        "in_standard": "Whether the sample is in the balanced part as well.",
        "n_frames": "Sampled frames of the clip.",
        "rate_num": "Sampled frames per rate_den seconds.",
        "rate_den": "Seconds per rate_num sampled frames.",
        "clip_start": "First tick of the clip.",
        "clip_end": "First tick after the clip.",
        "tick_rate_num": "Ticks per tick_rate_den seconds.",
        "tick_rate_den": "Seconds per tick_rate_num ticks.",
        "shard": "Tar of large that holds the sample.",
        "offset": "First byte of the sample's json in that tar.",
        "size": "Bytes of that json.",
        "standard_shard": "Tar of standard that holds the sample, if any does.",
        "standard_offset": "First byte of the sample's json in that tar.",
        "standard_size": "Bytes of that json.",
        "answer_chars": "Characters of the answer.",
    },
    "videos": _SHARED | {
        "width": "Width of the original image in pixels.",
        "height": "Height of the original image in pixels.",
        "native_split": "The source's own splits, as JSON.",
        "n_clips": "Clips of the video that samples ask about.",
        "n_samples": "Samples of the video.",
        "links": "Ids of the video elsewhere, as JSON.",
    },
    "frames": _SHARED | {
        "index": "Frame number as the source counts it.",
        "tick": "Time of the frame in ticks of its video.",
        "shard": "Tar of media that holds the frame.",
        "offset": "First byte of the JPEG in that tar.",
        "size": "Bytes of the JPEG.",
        "width": "Width of the JPEG in pixels.",
        "height": "Height of the JPEG in pixels.",
        "key": "Name of the JPEG in the tar, without its extension.",
    },
    "left_out": _SHARED | {
        "sample_id": "Hash of clip, task, question type and subject.",
        "clip_id": "Hash of source, video, extent and sampling rate.",
        "task": "One of the eight tasks.",
        "qa_type": "Question type.",
        "label": "Label the question would be about; empty where there is none.",
        "split": "Split of its video: train, val or test.",
        "reason": "`over_quota`, or `held_out`: an unused pair of a test identity.",
    },
    "subsets": {
        "subset": "Name of the subset.",
        "sample_id": "The pair, as in `samples`.",
        "rank": "Place in the balanced order, from 0.",
    },
    "quarantine": _SHARED | {
        "stage": "Stage that refused it: convert, probe, integrity, decode, build, ….",
        "kind": "What was refused: record kind, frame or video.",
        "reason": "Reason as one word.",
        "detail": "Reason in a sentence.",
        "action": "What to do about it.",
        "file": "File, relative to the source's root.",
        "line": "Line in that file, from 1, where lines are counted.",
        "field": "Field of the record.",
        "retryable": "Whether the next build may succeed without a change of the file.",
    },
}  # fmt: skip
"""What each column says, by record set."""


def record_sets(
    paths: Iterable[str], file_sets: Iterable[str], splits: Iterable[str]
) -> list[Node]:
    """Record sets of the tables and file sets that a release has.

    Args:
        paths: Its files.
        file_sets: Ids of its file sets.
        splits: Splits that hold samples.
    """
    have, sets = set(paths), set(file_sets)
    found = [_splits(splits)]
    found.extend(_table(name) for name, (path, *_) in TABLES.items() if path in have)
    if "large-pairs" in sets:
        found.append(_contents(
            "pairs", "large-pairs", "json", "sc:Text", "One record a pair, as its JSON text: "
            "question, answer, candidates, target, clip, frames and provenance.",
        ))  # fmt: skip
    if "media-frames" in sets:
        found.append(_contents(
            "images", "media-frames", "jpg", "sc:ImageObject", "One record a stored frame: its "
            "picture, under the key that `frames` names.",
        ))  # fmt: skip
    return found


def _splits(splits: Iterable[str]) -> Node:
    rows = [
        {"splits/name": split, "splits/url": term}
        for split, term in SPLIT_TERMS.items()
        if split in set(splits)
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "Splits that no person or recording crosses.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
        ],
        "data": rows,
    }


def _table(name: str) -> Node:
    path, schema, key, description = TABLES[name]
    keys = [{"@id": f"{name}/{column}"} for column in key]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        **({"key": keys} if keys else {}),
        "field": [_column(name, path, column) for column in schema],
    }


def _column(table: str, path: str, column: pa.Field) -> Node:
    node = {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": column.name,
        "description": DESCRIPTIONS[table].get(column.name, column.name),
        "dataType": _data_type(table, column),
        "source": {"fileObject": {"@id": path}, "extract": {"column": column.name}},
    }
    if column.name == "split":
        node["references"] = {"field": {"@id": "splits/name"}}
    return node


def _data_type(table: str, column: pa.Field) -> str | list[str]:
    if (table, column.name) == ("samples", "label"):
        return ["sc:Text", "cr:Label"]
    if pa.types.is_boolean(column.type):
        return "sc:Boolean"
    return "sc:Integer" if pa.types.is_integer(column.type) else "sc:Text"


def _contents(name: str, file_set: str, part: str, data_type: str, description: str) -> Node:
    """Members of tars: their key from the file name, and what they hold.

    mlcroissant 1.1.1 keeps what it unpacks under the relative path of each tar, so a second
    release read with the same cache gives the members of the first; the description warns.
    """
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{description} Empty CROISSANT_CACHE before reading another release.",
        "key": {"@id": f"{name}/key"},
        "field": [
            {
                "@type": "cr:Field", "@id": f"{name}/key", "name": "key", "dataType": "sc:Text",
                "description": "File name without its extension.",
                "source": {
                    "fileSet": {"@id": file_set}, "extract": {"fileProperty": "filename"},
                    "transform": {"regex": rf"^(.*)\.{part}$"},
                },
            },
            {
                "@type": "cr:Field", "@id": f"{name}/content", "name": "content",
                "dataType": data_type, "description": "What the file holds.",
                "source": {
                    "fileSet": {"@id": file_set}, "extract": {"fileProperty": "content"},
                },
            },
        ],
    }  # fmt: skip
