"""Official rows: every quirk of their files read into one form, every fault named by place."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.tasks.official import (
    OfficialRow,
    parse_row,
    parse_row_id,
    read_official_rows,
    task_of_qa_type,
)
from medvid.tasks.official import reading as official_reading
from schemas.errors import MalformedSourceError, MissingSourceError
from schemas.source import TaskName

ROW: dict[str, Any] = {
    "id": "kcOqlifSukA&&22425&&22455&&1.0",
    "qa_type": "tal",
    "dataset_name": "AVOS",
    "data_source": "AVOS",
    "train": False,
    "video": [f"/data/AVOS/frames_15fps/kcOqlifSukA/{n}.jpg" for n in (22425, 22440, 22455)],
    "sampled_video_frames": [22425, 22440, 22455],
    "conversations": [
        {"from": "human", "value": "<video>\nWhen does cutting happen?"},
        {"from": "gpt", "value": "0.0-1.0 seconds."},
    ],
    "metadata": {
        "video_id": "kcOqlifSukA", "fps": "1.0", "input_video_start_frame": "22425",
        "input_video_end_frame": "22455",
    },
    "struc_info": [{"action": "cutting", "spans": [{"start": 0.0, "end": 1.0}]}],
    "is_RC": False,
    "RC_info": None,
}  # fmt: skip

Write = Callable[..., Path]


def row(**changes: Any) -> dict[str, Any]:
    """The example row with other fields; a field that becomes `...` is left out."""
    changed = copy.deepcopy(ROW) | changes
    return {key: value for key, value in changed.items() if value is not ...}


def read(path: Path) -> list[OfficialRow]:
    return list(read_official_rows(path))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write text or rows to a file."""

    def to_file(content: object, name: str = "rows.json") -> Path:
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def test_a_row_is_read_whole() -> None:
    read_row = parse_row(row(), 7)
    assert read_row.index == 7
    assert (read_row.source, read_row.dataset_name) == ("avos", "AVOS")
    assert read_row.task is TaskName.TAL
    assert read_row.question == "When does cutting happen?"
    assert read_row.answer == "0.0-1.0 seconds."
    assert read_row.sampled_video_frames == (22425, 22440, 22455)
    assert read_row.fps == 1.0
    assert read_row.metadata["input_video_end_frame"] == "22455"
    assert read_row.extra == {}


@pytest.mark.parametrize(
    "layout",
    [
        lambda rows: json.dumps(rows),
        lambda rows: json.dumps(rows, indent=2),
        lambda rows: "\ufeff" + json.dumps(rows, indent="\t", ensure_ascii=False),
        lambda rows: "\n".join(map(json.dumps, rows)),
        lambda rows: "\n\n".join(map(json.dumps, rows)) + "\n",
        lambda rows: "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n",
        lambda rows: "[" + " , ".join(map(json.dumps, rows)) + " ]  \r\n",
        lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows),
    ],
)  # fmt: skip
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_arrays_and_lines_of_any_layout_hold_the_same_rows(
    write: Write, layout: Callable[[object], str], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(official_reading, "_CHUNK", chunk)
    rows = [
        row(),
        row(qa_type="next_action", conversations=[
            {"from": "human", "value": "<video>\nBrackets ]}[{ and \"quotes\\\" and \\: é\n"},
        ]),
        row(video=["a/b/c.jpg"], sampled_video_frames=["12"]),
    ]  # fmt: skip
    found = read(write(layout(rows)))
    assert [item.index for item in found] == [0, 1, 2]
    assert found[1].question.startswith("Brackets ]}[{")
    assert found == [parse_row(item, place) for place, item in enumerate(rows)]


def test_an_empty_list_holds_no_rows(write: Write) -> None:
    assert read(write(" [ ] ")) == []


@pytest.mark.parametrize(
    ("text", "video_id", "start", "end", "fps"),
    [
        ("kcOqlifSukA&&22425&&25124&&1.0", "kcOqlifSukA", "22425", "25124", "1.0"),
        ("1.0$VID25$9726$12701", "VID25", "9726", "12701", "1.0"),
        ("0.5$023521_part0$0464$0500", "023521_part0", "0464", "0500", "0.5"),
        ("Z6Sr3Rk1k-8&&&&&&1.0", "Z6Sr3Rk1k-8", "", "", "1.0"),
        ("kcOqlifSukA&&22425&&25124", "kcOqlifSukA", "22425", "25124", ""),
        ("just a name", "just a name", "", "", ""),
    ],
)
def test_both_id_grammars_are_read(
    text: str, video_id: str, start: str, end: str, fps: str
) -> None:
    assert parse_row_id(text) == (video_id, start, end, fps)


def test_the_id_stands_in_for_what_metadata_lacks() -> None:
    read_row = parse_row(row(id="0.5$VID92$1$51", metadata={}), 0)
    assert (read_row.video_id, read_row.fps) == ("VID92", 0.5)


@pytest.mark.parametrize(
    ("spelling", "source", "dataset_name"),
    [
        ("jigsaws", "jigsaws", "JIGSAWS"),
        ("JIGSAWS", "jigsaws", "JIGSAWS"),
        ("Cholec80_CVS", "cholec80cvs", "Cholec80_CVS"),
        ("Cholec80-CVS", "cholec80cvs", "Cholec80_CVS"),
        ("CholecT50", "cholect50", "CholecT50"),
        ("MyHospital", None, "MyHospital"),
    ],
)
def test_datasets_have_one_spelling(spelling: str, source: str | None, dataset_name: str) -> None:
    read_row = parse_row(row(dataset_name=spelling, data_source=spelling), 0)
    assert (read_row.source, read_row.dataset_name) == (source, dataset_name)
    assert parse_row(row(dataset_name=spelling, data_source=...), 0).source == source


@pytest.mark.parametrize(
    ("qa_type", "task"),
    [
        ("tal", "tal"), ("stg", "stg"), ("next_action", "next_action"),
        ("dense_captioning_gpt", "dense_captioning"), ("dense_captioning", "dense_captioning"),
        ("dense_captioning_label", "dense_captioning"), ("dc", "dense_captioning"),
        ("video_summary_gemini", "video_summary"), ("region_caption_gpt", "region_caption"),
        ("skill_assessment", "skill_assessment"), ("cvs_assessment", "cvs_assessment"),
        ("talk", None), ("", None), ("dense_captioning_bard", None), ("_gpt", None),
    ],
)  # fmt: skip
def test_row_types_name_their_task(qa_type: str, task: str | None) -> None:
    assert task_of_qa_type(qa_type) == task


@pytest.mark.parametrize(
    "turns",
    [
        [{"from": "user", "value": "<video>\nQ?"}, {"from": "assistant", "value": "A."}],
        [{"role": "user", "content": "<video>Q?"}, {"role": "assistant", "content": "A."}],
        [{"from": "human", "value": "Q?\n<video>"}, {"from": "gpt", "value": "A."}],
        [{"from": "human", "value": "Q?"}, {"from": "gpt", "value": "A."}],
    ],
)
def test_roles_and_tokens_of_every_kind(turns: list[dict[str, str]]) -> None:
    read_row = parse_row(row(conversations=turns), 0)
    assert (read_row.question, read_row.answer) == ("Q?", "A.")


@pytest.mark.parametrize("turn", [[], [{"from": "gpt", "value": " \n"}]])
def test_a_test_row_has_no_answer(turn: list[dict[str, str]]) -> None:
    turns = [{"from": "human", "value": "<video>\nQ?"}, *turn]
    assert parse_row(row(conversations=turns, struc_info=...), 0).answer is None


@pytest.mark.parametrize("region", [None, {}, ...])
def test_no_region_is_null_empty_or_absent(region: object) -> None:
    assert parse_row(row(RC_info=region), 0).rc_info is None


def test_a_region_keeps_path_and_box() -> None:
    region = {"start_frame": ROW["video"][1], "start_frame_bbox": [592, 151, 750, 280]}
    read_row = parse_row(row(is_RC=True, RC_info=region), 0)
    assert read_row.is_rc
    assert read_row.rc_info == region


def test_numbers_may_be_text_or_numbers() -> None:
    metadata = {"video_id": "v", "fps": 0.5, "start_frame": 12, "end_frame": "40", "none": None}
    read_row = parse_row(row(metadata=metadata, sampled_video_frames=["1", 2.0, 3]), 0)
    assert read_row.metadata == {
        "video_id": "v", "fps": "0.5", "start_frame": "12", "end_frame": "40"
    }  # fmt: skip
    assert read_row.sampled_video_frames == (1, 2, 3)


def test_unknown_keys_are_kept() -> None:
    assert parse_row(row(sample_id="ab", more={"x": 1}), 0).extra == {
        "sample_id": "ab", "more": {"x": 1}
    }  # fmt: skip


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"qa_type": "guess"}, "qa_type"),
    ({"qa_type": ...}, "qa_type"),
    ({"qa_type": 3}, "qa_type"),
    ({"id": 5}, "id"),
    ({"dataset_name": ..., "data_source": ...}, "dataset_name"),
    ({"dataset_name": "CoPESD"}, "data_source"),
    ({"video": "a.jpg"}, "video"),
    ({"video": [], "sampled_video_frames": []}, "video"),
    ({"video": ["a", "b", 3]}, "video"),
    ({"video": ["a", "b", ""]}, "video"),
    ({"video": ["a", "b", "c\0d"]}, "video"),
    ({"sampled_video_frames": [1, 2]}, "sampled_video_frames"),
    ({"sampled_video_frames": [1, 2, -3]}, "sampled_video_frames"),
    ({"sampled_video_frames": [1, 2, True]}, "sampled_video_frames"),
    ({"sampled_video_frames": [1, 2, 2.5]}, "sampled_video_frames"),
    ({"sampled_video_frames": [1, 2, "٣"]}, "sampled_video_frames"),
    ({"sampled_video_frames": [1, 2, 10**17]}, "sampled_video_frames"),
    ({"conversations": []}, "conversations"),
    ({"conversations": [{"from": "gpt", "value": "A."}]}, "conversations"),
    ({"conversations": [{"from": "human", "value": "<video>\n "}]}, "conversations"),
    ({"conversations": [{"from": "human", "value": None}]}, "conversations"),
    ({"conversations": ["human"]}, "conversations"),
    ({"conversations": ROW["conversations"] * 2}, "conversations"),
    ({"conversations": [ROW["conversations"][0], {"from": "x", "value": "A"}]}, "conversations"),
    ({"metadata": ["fps"]}, "metadata"),
    ({"metadata": {"video_id": "v", "fps": True}}, "metadata.fps"),
    ({"metadata": {"video_id": "v", "fps": "fast"}}, "metadata.fps"),
    ({"metadata": {"video_id": "v", "fps": "0"}}, "metadata.fps"),
    ({"metadata": {"video_id": "v", "fps": "nan"}}, "metadata.fps"),
    ({"metadata": {"video_id": "v", "fps": "inf"}}, "metadata.fps"),
    ({"metadata": {"fps": "1.0"}, "id": ""}, "metadata.video_id"),
    ({"is_RC": "yes"}, "is_RC"),
    ({"RC_info": [1]}, "RC_info"),
    ({"RC_info": {"start_frame": 1, "start_frame_bbox": [1, 2, 3, 4]}}, "RC_info.start_frame"),
    ({"RC_info": {"start_frame": "a"}}, "RC_info.start_frame_bbox"),
    ({"RC_info": {"start_frame": "a", "start_frame_bbox": [1, 2, 3]}}, "RC_info.start_frame_bbox"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field"), FAULTS)
def test_a_faulty_row_is_named_by_file_line_row_and_field(
    write: Write, changes: dict[str, Any], field: str
) -> None:
    path = write("\n".join(json.dumps(item) for item in (row(), row(**changes), row())))
    with pytest.raises(MalformedSourceError) as caught:
        read(path)
    assert (caught.value.source, caught.value.line) == ("rows.json", 2)
    assert caught.value.field == f"row 1 {field}"
    faults: list[MalformedSourceError] = []
    kept = list(read_official_rows(path, faults=faults))
    assert [item.index for item in kept] == [0, 2]
    assert [fault.field for fault in faults] == [f"row 1 {field}"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "{'a': 1}"])
def test_what_is_no_json_is_a_fault_of_its_row(write: Write, value: str) -> None:
    bad = json.dumps(row())[:-1] + f', "struc_info": {value}}}'
    faults: list[MalformedSourceError] = []
    path = write(f"[{json.dumps(row())},\n{bad},\n{json.dumps(row())}]")
    kept = list(read_official_rows(path, faults=faults))
    assert [item.index for item in kept] == [0, 2]
    assert [fault.line for fault in faults] == [2]


@pytest.mark.parametrize("depth", [17, 500, 5000])
def test_deep_values_are_refused(write: Write, depth: int) -> None:
    deep = json.dumps(row())[:-1] + ', "struc_info": ' + "[" * depth + "]" * depth + "}"
    faults: list[MalformedSourceError] = []
    assert not list(read_official_rows(write(deep), faults=faults))
    assert len(faults) == 1


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "null", "12", '"rows"', "[1]", "[{]", "[" + json.dumps(ROW),
        "[" + json.dumps(ROW) + ",]", "[" + json.dumps(ROW) + "]]", json.dumps(ROW) + ",",
        "[" + json.dumps(ROW) + json.dumps(ROW) + "]", json.dumps(ROW)[:-20], "[[]]",
    ],
)  # fmt: skip
def test_a_file_that_is_not_rows_is_refused_even_when_faults_are_collected(
    write: Write, text: str
) -> None:
    with pytest.raises(MalformedSourceError, match=r"rows\.json"):
        list(read_official_rows(write(text), faults=[]))


def test_a_row_without_end_is_refused_before_memory_is(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(official_reading, "_CHUNK", 1 << 10)
    monkeypatch.setattr(official_reading, "MAX_ROW_BYTES", 1 << 12)
    with pytest.raises(MalformedSourceError, match="4096 bytes"):
        read(write('[{"id": "' + "x" * 20_000))


def test_bytes_that_are_no_text_are_a_fault_of_their_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(json.dumps(row()).encode().replace(b"cutting", b"\xff\xfe") + b"\n")
    faults: list[MalformedSourceError] = []
    assert not list(read_official_rows(path, faults=faults))
    assert len(faults) == 1


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingSourceError, match=r"none\.json"):
        read(tmp_path / "none.json")


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(min_size=1).filter(lambda t: t.strip() and "<video>" not in t)),
    indent=st.sampled_from([None, 0, 3]), plain=st.booleans(), chunk=st.integers(1, 64),
)  # fmt: skip
def test_any_text_survives_any_layout(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], indent: int | None, plain: bool,
    chunk: int,
) -> None:  # fmt: skip
    texts = [text.encode("utf-8", "ignore").decode() or "x" for text in texts]
    texts = [text if text.strip() else "x" for text in texts]
    rows = [
        row(conversations=[{"from": "human", "value": f"<video>\n{text}"}], struc_info=text)
        for text in texts
    ]
    path = tmp_path_factory.mktemp("any") / "rows.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=plain), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(official_reading, "_CHUNK", chunk)
        found = read(path)
    assert [item.question for item in found] == texts
    assert [item.struc_info for item in found] == texts
