"""From official rows to samples: our own come back whole, foreign ones are worked out.

A row of our own export says all under one key, and its id is checked against what it says. Of a
foreign row the identity comes from the dataset's way of naming videos, the times from its frame
numbers, the subject from `struc_info` and the question; where a question cannot be taken apart,
its normalised text is the subject. A row without answer becomes an `OfficialQuestion`.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import orjson
from pydantic import ValidationError

from medvid.tasks.official.names import parse_row_id
from medvid.tasks.official.rows import OfficialRow
from medvid.tasks.official.subjects import question_subject
from medvid.tasks.official.timing import frame_times, sampling_rate
from medvid.tasks.official.writing import ID_KEY, OWN_FIELDS, OWN_KEY
from medvid.tasks.registry import get_task
from schemas.errors import SampleError
from schemas.hashing import canonical_json, stable_id
from schemas.sample import NO_REGION, Sample
from schemas.scalars import SCHEMA_VERSION, Label, Model

UNKNOWN_SIZE: Final = (0, 0)
_ID: Final = re.compile(r"[0-9a-f]{32}")
_ANSWERED: Final = {"schema_version", "sample_id", "label", "answer", "target"}
_FIX: Final = "Correct the row, or leave it out."


class OfficialQuestion(Model):
    """A row without answer: what a model is to be asked.

    Attributes:
        row: Position in the official file, from 0; submissions are merged by it.
        official_id: `id` of the row, not unique; a submission repeats it.
        sample_id: As of a sample; rows that ask the same of one clip share it.
        fields: All other fields of `Sample` but label, answer and target.
    """

    schema_version: int = SCHEMA_VERSION
    row: int
    official_id: str
    sample_id: Label
    fields: dict[str, Any]


def sample_of_row(
    row: OfficialRow, *, licence: str, size_wh: tuple[int, int] = UNKNOWN_SIZE
) -> Sample | OfficialQuestion:
    """Make a sample of a row, or a question where it has no answer.

    Args:
        row: The row.
        licence: Licence id of foreign rows.
        size_wh: Size of the original image in pixels; foreign rows do not say it.

    Raises:
        SampleError: The row contradicts itself, or its answer is not of its task's grammar;
            `field` names the official field.
    """
    fields = _own_fields(row) if OWN_KEY in row.extra else _worked_out(row, licence, size_wh)
    if row.answer is None:
        # Every field but the answer must be as good as a sample's.
        asked = _checked(Sample, {**fields, "answer": "unknown", "target": "null"})
        return OfficialQuestion(
            row=row.index, official_id=row.id, sample_id=asked.sample_id,
            fields=asked.model_dump(mode="json", exclude=_ANSWERED),
        )  # fmt: skip
    answer = row.answer if OWN_KEY in row.extra else row.answer.strip()
    target = get_task(row.task).parse_(answer)
    return _checked(Sample, {**fields, "answer": answer, "target": canonical_json(target).decode()})


def _checked(kind: Callable[..., Sample], fields: Mapping[str, Any]) -> Sample:
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "row"
        raise SampleError(f"{first['msg']}.", field=place, action=_FIX) from error


def _own_fields(row: OfficialRow) -> dict[str, Any]:
    """Fields of a sample that this project exported, checked against its id."""
    own = row.extra[OWN_KEY]
    if not isinstance(own, dict) or any(field not in own for field in OWN_FIELDS):
        raise SampleError("facts of the export are missing.", field=OWN_KEY, action=_FIX)
    if own.get("schema_version") != SCHEMA_VERSION:
        raise SampleError(
            f"the row has schema_version {own.get('schema_version')}, this code reads "
            f"{SCHEMA_VERSION}.",
            field=OWN_KEY, action="Export it again with this version.",
        )  # fmt: skip
    fields = {field: own[field] for field in OWN_FIELDS} | {
        "sample_id": row.extra.get(ID_KEY), "dataset_name": row.dataset_name,
        "video_id": row.video_id, "task": row.task, "question": row.question,
        "frame_index": row.sampled_video_frames,
    }  # fmt: skip
    clip_id = stable_id(
        "clip", *(str(fields[key]) for key in (
            "source", "video_id", "clip_start", "clip_end", "rate_num", "rate_den",
        ))
    )  # fmt: skip
    identity = stable_id(
        "sample", clip_id, row.task.value, str(fields["qa_type"]), str(fields["subject"])
    )
    if (fields["clip_id"], fields["sample_id"]) != (clip_id, identity):
        raise SampleError(
            "the row says something else than what its id stands for.", field=ID_KEY,
            action="Export it again, or take both keys out to have it worked out anew.",
        )  # fmt: skip
    ticks = fields["frame_tick"]
    if not isinstance(ticks, list) or len(ticks) != len(row.sampled_video_frames):
        raise SampleError("times and frames differ in number.", field=OWN_KEY, action=_FIX)
    return fields


def _worked_out(row: OfficialRow, licence: str, size_wh: tuple[int, int]) -> dict[str, Any]:
    """Fields of a foreign row."""
    times, rate = frame_times(row), sampling_rate(row)
    source = row.source or re.sub(r"[^a-z0-9]", "", row.dataset_name.lower())
    video_id = video_of(row)
    subject, label = question_subject(row)
    start, end = times.tick[0], times.tick[-1] + 1
    clip_id = stable_id("clip", source, video_id, start, end, rate.numerator, rate.denominator)
    text = canonical_json(subject).decode()
    given = row.extra.get(ID_KEY)
    identity = stable_id("sample", clip_id, row.task.value, row.qa_type, text)
    region_frame, region_xyxy = region_of(row)
    provenance = {
        "captions": [], "records": [f"row:{row.index}", f"id:{row.id}"], "revision": "",
        "template": f"{row.task.value}:official", "times": times.rule,
        "repeated_frames": times.repeated,
    }  # fmt: skip
    return {
        "sample_id": given if isinstance(given, str) and _ID.fullmatch(given) else identity,
        "source": source, "dataset_name": row.dataset_name, "video_id": video_id,
        "identity": identity_of(source, video_id), "clip_id": clip_id, "task": row.task,
        "qa_type": row.qa_type, "subject": text, "label": label, "question": row.question,
        "candidates": tuple(_listed(row)), "clip_start": start, "clip_end": end,
        "rate_num": rate.numerator, "rate_den": rate.denominator,
        "tick_rate_num": times.tick_rate.numerator, "tick_rate_den": times.tick_rate.denominator,
        "frame_index": times.numbers, "frame_tick": times.tick, "width": size_wh[0],
        "height": size_wh[1], "region_frame": region_frame, "region_xyxy": region_xyxy,
        "sparse": False, "licence": licence, "provenance": orjson.dumps(provenance).decode(),
    }  # fmt: skip


def video_of(row: OfficialRow) -> str:
    """The video; CoPESD's part stands in the id alone, and is another recording of a session."""
    named = parse_row_id(row.id).video_id
    return named if named.startswith(f"{row.video_id}_part") else row.video_id


def identity_of(source: str, video_id: str) -> str:
    """What must never cross a split, from the dataset's way of naming videos.

    >>> identity_of("cholect50", "VID07"), identity_of("jigsaws", "Knot_Tying_B001")
    ('cholec80:7', 'jigsaws:B')
    """
    number = re.search(r"[0-9]+", video_id)
    surgeon = re.search(r"_([A-Z])[0-9]{3}", video_id)
    if source in ("cholec80cvs", "cholect50", "cholectrack20") and number:
        return f"cholec80:{int(number.group())}"
    if source == "jigsaws" and surgeon:
        return f"jigsaws:{surgeon.group(1)}"
    if source in ("avos", "nurvid"):
        return f"youtube:{video_id}"
    return f"{source}:{video_id.partition('_')[0]}" if source in _PARTED else f"{source}:{video_id}"


_PARTED: Final = ("copesd", "egosurgery")


def region_of(row: OfficialRow) -> tuple[int, tuple[float, float, float, float]]:
    """Frame and box of a region; -1 and four times -1 where the row asks about none.

    Raises:
        SampleError: The box has no area, or its frame is none of the row's.
    """
    if row.rc_info is None:
        if row.is_rc:
            raise SampleError(
                "a region is asked about but not given.", field="RC_info", action=_FIX
            )
        return -1, NO_REGION
    x1, y1, x2, y2 = (float(value) for value in row.rc_info["start_frame_bbox"])
    if not (0 <= x1 < x2 and 0 <= y1 < y2):
        raise SampleError(
            f"box {[x1, y1, x2, y2]} has no area.", field="RC_info.start_frame_bbox", action=_FIX
        )
    path = row.rc_info["start_frame"]
    places = [place for place, own in enumerate(row.video) if own == path]
    if not places:
        name = PurePosixPath(path).name
        places = [place for place, own in enumerate(row.video) if PurePosixPath(own).name == name]
    if not places:
        raise SampleError(
            "the boxed frame is none of the row's frames.", field="RC_info.start_frame", action=_FIX
        )
    return row.sampled_video_frames[places[0]], (x1, y1, x2, y2)


def _listed(row: OfficialRow) -> list[str]:
    """Candidates the row says its question lists."""
    for item in row.struc_info if isinstance(row.struc_info, list) else [row.struc_info]:
        listed = item.get("action_list") if isinstance(item, dict) else None
        if isinstance(listed, list) and all(isinstance(label, str) for label in listed):
            return listed
    return []
