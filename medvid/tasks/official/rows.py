"""One row of an official MedVidBench file, with its quirks read once and for all.

Rows differ by revision and source: ids in two grammars, three names for a clip's extent, numbers
as text, `RC_info` null or empty, roles `human`/`gpt` or `user`/`assistant`, two spellings of some
datasets. A row here has one form; what it cannot hold is kept under `extra`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from pydantic import BaseModel, ConfigDict

from medvid.tasks.official.names import official_dataset, parse_row_id, task_of_qa_type
from schemas.errors import MalformedSourceError
from schemas.source import TaskName

VIDEO_TOKEN: Final = "<video>"
"""Where the frames go in the text of a question; every official question starts with it."""

MAX_DEPTH: Final = 16
MAX_FPS: Final = 1000.0
_MAX_FRAME: Final = 1 << 53
_ACTION: Final = "Correct the row, or leave it out."
_ASKERS: Final = ("human", "user")
_ANSWERERS: Final = ("gpt", "assistant")
_KNOWN: Final = frozenset({
    "id", "qa_type", "dataset_name", "data_source", "train", "video", "sampled_video_frames",
    "conversations", "metadata", "struc_info", "is_RC", "RC_info",
})  # fmt: skip


class OfficialRow(BaseModel):
    """A row of an official file.

    Attributes:
        index: Position in the file, from 0; the only key that is unique.
        id: As it stands; not unique.
        qa_type: As it stands, with the writer's suffix.
        dataset_name: Official spelling, whatever the row's.
        source: Our module name of the dataset, None where it is none of the eight.
        task: The task `qa_type` belongs to.
        video: Paths of the frames, as they stand.
        sampled_video_frames: Source frame numbers of the frames; may repeat.
        question: Text of the question without the `<video>` token.
        answer: Text of the answer, None in test rows.
        metadata: As it stands, all values as text.
        struc_info: Structured ground truth as JSON, None where the row has none.
        is_rc: Whether the row asks about a region.
        rc_info: `start_frame` (a path) and `start_frame_bbox` (x1, y1, x2, y2 in pixels of the
            original image), None where the row asks about no region.
        video_id: The video as `metadata` names it, else as the id does.
        fps: Sampled frames per second.
        extra: Keys that are no part of the format, `sample_id` of our own exports among them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    id: str
    qa_type: str
    dataset_name: str
    source: str | None
    task: TaskName
    video: tuple[str, ...]
    sampled_video_frames: tuple[int, ...]
    question: str
    answer: str | None
    metadata: dict[str, str]
    struc_info: Any
    is_rc: bool
    rc_info: dict[str, Any] | None
    video_id: str
    fps: float
    extra: dict[str, Any]


def parse_row(
    row: object, index: int, *, source: str | None = None, line: int | None = None
) -> OfficialRow:
    """Read a decoded row.

    Args:
        row: What the JSON says.
        index: Position in the file, from 0.
        source: Name of the file, for errors.
        line: Line in the file, from 1, for errors.

    Raises:
        MalformedSourceError: A field is absent, of another type or against the format; the error
            names file, line, row and field.
    """
    return _RowReader(row, index, source, line).read()


class _RowReader:
    """Reads the fields of one row and says which of them is wrong."""

    def __init__(self, row: object, index: int, source: str | None, line: int | None) -> None:
        self._index, self._source, self._line = index, source, line
        if not isinstance(row, Mapping):
            self._fail("row", f"a row is an object, found {_kind(row)}.")
        self._row: Mapping[str, Any] = row

    def read(self) -> OfficialRow:
        row = self._row
        qa_type = self._text("qa_type")
        task = task_of_qa_type(qa_type)
        if task is None:
            self._fail("qa_type", f"{qa_type[:40]!r} is no type of question.")
        source, dataset_name = self._dataset()
        metadata = self._metadata()
        # A row without an id is still a row: nothing may be keyed by it.
        row_id = self._text("id", empty=True) if "id" in row else ""
        named = parse_row_id(row_id)
        video, frames = self._frames()
        question, answer = self._turns()
        video_id = metadata.get("video_id") or named.video_id
        if not video_id:
            self._fail("metadata.video_id", "neither it nor the id names a video.")
        extra = {key: value for key, value in row.items() if key not in _KNOWN}
        for key in ("struc_info", "RC_info", *extra):
            if deeper_than(row.get(key), MAX_DEPTH):
                self._fail(key, f"the value nests deeper than {MAX_DEPTH} levels.")
        return OfficialRow(
            index=self._index, id=row_id, qa_type=qa_type, dataset_name=dataset_name,
            source=source, task=task, video=video, sampled_video_frames=frames,
            question=question, answer=answer, metadata=metadata,
            struc_info=row.get("struc_info"), is_rc=self._is_rc(), rc_info=self._region(),
            video_id=video_id, fps=self._fps(metadata.get("fps") or named.fps), extra=extra,
        )  # fmt: skip

    def _fail(self, field: str, problem: str) -> NoReturn:
        raise MalformedSourceError(
            problem, source=self._source, line=self._line, field=f"row {self._index} {field}",
            action=_ACTION,
        )  # fmt: skip

    def _text(self, field: str, *, empty: bool = False) -> str:
        value = self._row.get(field)
        if not isinstance(value, str) or not (value or empty):
            self._fail(field, f"expected text, found {_kind(value)}.")
        return value

    def _dataset(self) -> tuple[str | None, str]:
        # The leaderboard's evaluator reads `data_source` first.
        names = [
            self._text(field) for field in ("data_source", "dataset_name") if field in self._row
        ]
        if not names:
            self._fail("dataset_name", "the row names no dataset.")
        found = [official_dataset(name) for name in names]
        if found[0] != found[-1]:
            self._fail("data_source", f"{names[0]!r} and dataset_name {names[-1]!r} disagree.")
        return found[0]

    def _metadata(self) -> dict[str, str]:
        value = self._row.get("metadata")
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._fail("metadata", f"expected an object, found {_kind(value)}.")
        metadata = {}
        for key, item in value.items():
            if item is None:
                continue
            if isinstance(item, bool) or not isinstance(item, str | int | float):
                self._fail(f"metadata.{key}", f"expected text or a number, found {_kind(item)}.")
            metadata[str(key)] = str(item)
        return metadata

    def _frames(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        video = self._list("video")
        for path in video:
            if not isinstance(path, str) or not path or "\0" in path:
                self._fail("video", f"expected paths, found {_kind(path)}.")
        frames = self._list("sampled_video_frames")
        numbers = tuple(self._frame_number(frame) for frame in frames)
        if len(video) != len(numbers):
            self._fail(
                "sampled_video_frames", f"{len(numbers)} numbers stand for {len(video)} frames."
            )
        if not numbers:
            self._fail("video", "the row has no frames.")
        return tuple(video), numbers

    def _list(self, field: str) -> Sequence[Any]:
        value = self._row.get(field)
        if not isinstance(value, list):
            self._fail(field, f"expected a list, found {_kind(value)}.")
        return value

    def _frame_number(self, value: object) -> int:
        number = value
        if isinstance(value, str):
            number = int(value) if re.fullmatch(r"[0-9]{1,15}", value) else None
        elif isinstance(value, float):
            number = int(value) if value.is_integer() else None
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _MAX_FRAME:
            self._fail("sampled_video_frames", f"{str(value)[:40]!r} is no frame number.")
        return number

    def _turns(self) -> tuple[str, str | None]:
        turns = []
        for turn in self._list("conversations"):
            if not isinstance(turn, Mapping):
                self._fail("conversations", f"expected objects, found {_kind(turn)}.")
            role, text = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
            if not isinstance(text, str):
                self._fail("conversations", f"expected text, found {_kind(text)}.")
            turns.append((role, text))
        roles = [role for role, _ in turns]
        if not roles or roles[0] not in _ASKERS or len(roles) > 2:
            self._fail("conversations", "expected one question and at most one answer.")
        if len(roles) == 2 and roles[1] not in _ANSWERERS:
            self._fail("conversations", f"{str(roles[1])[:40]!r} answers: no such role.")
        question = without_token(turns[0][1])
        if not question.strip():
            self._fail("conversations", "the question is empty.")
        answer = turns[1][1] if len(turns) == 2 else None
        return question, answer if answer and answer.strip() else None

    def _is_rc(self) -> bool:
        value = self._row.get("is_RC", False)
        if not isinstance(value, bool):
            self._fail("is_RC", f"expected true or false, found {_kind(value)}.")
        return value

    def _region(self) -> dict[str, Any] | None:
        value = self._row.get("RC_info")
        if not value:
            return None
        if not isinstance(value, Mapping):
            self._fail("RC_info", f"expected an object or null, found {_kind(value)}.")
        if not isinstance(value.get("start_frame"), str):
            self._fail("RC_info.start_frame", "expected the path of a frame.")
        box = value.get("start_frame_bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            self._fail("RC_info.start_frame_bbox", "expected four numbers.")
        return dict(value)

    def _fps(self, text: str) -> float:
        try:
            fps = float(text)
        except ValueError:
            fps = math.nan
        if not 0 < fps <= MAX_FPS:
            self._fail("metadata.fps", f"{text[:40]!r} is no sampling rate.")
        return fps


def without_token(text: str) -> str:
    r"""A question without its `<video>` token, which stands at one end; all else is kept.

    >>> without_token("<video>\nWhen does it bleed?")
    'When does it bleed?'
    """
    for token in (f"{VIDEO_TOKEN}\n", VIDEO_TOKEN):
        if text.startswith(token):
            return text[len(token) :]
    for token in (f"\n{VIDEO_TOKEN}", VIDEO_TOKEN):
        if text.endswith(token):
            return text[: -len(token)]
    return text


def deeper_than(value: object, limit: int) -> bool:
    """Whether JSON nests deeper than `limit` lists and objects."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return False
        level = [
            inner
            for item in containers
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    if value is None:
        return "nothing"
    return names.get(type(value), "a number")
