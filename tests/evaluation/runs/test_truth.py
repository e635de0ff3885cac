"""Truth from official files in every published form, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medvid.evaluation.rows import TruthRow
from medvid.evaluation.truth import Truth, load_truth
from medvid.evaluation.truth_official import cluster_of
from schemas.errors import MalformedSourceError, MissingSourceError, SubmissionError

Row = dict[str, Any]
RowMaker = Callable[..., Row]
ROW_ID = "kcOqlifSukA&&0&&900&&1.0"


@pytest.fixture
def one(row_maker: RowMaker, tmp_path: Path) -> Callable[..., TruthRow]:
    """Read a single row of a task with the given `struc_info`."""

    def read(qa_type: str, struc_info: object, answer: str | None = "x", **more: Any) -> TruthRow:
        path = tmp_path / "one.json"
        question = more.pop("question", "When?")
        row = row_maker(ROW_ID, qa_type, question, answer, struc_info, **more)
        path.write_text(json.dumps([row]), encoding="utf-8")
        return load_truth(path).rows[0]

    return read


@pytest.mark.parametrize(
    "info",
    [
        [{"action": "cutting", "spans": [{"start": 1, "end": 3.5}]}],
        {"spans": [{"start": 1, "end": 3.5}]},
        [{"spans": [{"start": "1.0", "end": "3.5"}]}],
        [{"spans": [[1.0, 3.5]]}],
    ],
    ids=["list", "dict", "numbers as text", "pairs"],
)
def test_spans_are_read_in_every_form(one: Callable[..., TruthRow], info: object) -> None:
    assert one("tal", info).spans == ((1.0, 3.5),)


def test_spans_of_all_items_count(one: Callable[..., TruthRow]) -> None:
    info = [{"spans": [{"start": 1, "end": 2}]}, {"spans": [{"start": 66.0, "end": 66.0}]}]
    assert one("tal", info).spans == ((1.0, 2.0), (66.0, 66.0))


@pytest.mark.parametrize(
    "info",
    [
        [{"object": "hook", "bbox_dict": {"0.0": [1, 2, 3, 4], "4.0": [1, 2, 3, 5]}}],
        {"bbox_dict": {"0.0": [1, 2, 3, 4], "4.0": [1, 2, 3, 5]}},
        {"0.0": [1, 2, 3, 4], "4.0": [1, 2, 3, 5]},
        [{"bbox_dict": {"0.0": [1, 2, 3, 4], "4.0": [1, 2, 3, 5], "8.0": [1, 2]}},
         {"bbox_dict": {"9.0": [1, 2, 3, 4]}}],
    ],
    ids=["list", "dict", "bare boxes", "first item alone, whole boxes alone"],
)  # fmt: skip
def test_boxes_are_read_in_every_form(one: Callable[..., TruthRow], info: object) -> None:
    assert one("stg", info).boxes == {0.0: (1, 2, 3, 4), 4.0: (1, 2, 3, 5)}


@pytest.mark.parametrize("wrap", [lambda e: [e], lambda e: [{"dc_segments": e}], list])
def test_events_are_read_in_every_form(
    one: Callable[..., TruthRow], wrap: Callable[[list[Any]], object]
) -> None:
    events: list[Any] = [
        {"start": 0, "end": 2, "caption": "cutting: The wound is opened."},
        {"start": 3, "end": 4},
    ]
    row = one("dense_captioning_gpt", wrap(events), question="Of ['cutting', 'tying']: list.")
    assert [(e.start, e.end, e.label, e.caption) for e in row.events] == [
        (0.0, 2.0, "cutting", "The wound is opened.")
    ]


def test_scores_are_read_and_other_keys_left(truth: Truth) -> None:
    skill = next(row for row in truth.rows if row.skill)
    assert skill.source == "jigsaws"
    assert skill.dataset_name == "JIGSAWS"
    assert skill.skill["Suture/needle handling"] == 2
    assert set(next(row for row in truth.rows if row.cvs).cvs) == {
        "two_structures", "cystic_plate", "hepatocystic_triangle",
    }  # fmt: skip


def test_labels_come_from_the_question_where_nothing_lists_them(truth: Truth) -> None:
    row = next(row for row in truth.rows if row.qa_type == "next_action")
    assert row.labels == ("cutting", "tying", "suturing")
    assert row.label in row.labels


def test_a_row_without_structured_truth_is_kept_and_counted(
    official_rows: list[Row], tmp_path: Path
) -> None:
    rows = json.loads(json.dumps(official_rows))
    rows[0]["struc_info"] = []
    path = tmp_path / "empty.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    truth = load_truth(path)
    assert len(truth) == len(rows)
    assert truth.untruthful == {"tal": 1}


def test_questions_alone_cannot_be_scored_against(official_rows: list[Row], tmp_path: Path) -> None:
    rows = [{**row, "conversations": row["conversations"][:1]} for row in official_rows]
    for row in rows:
        row.pop("struc_info", None)
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    truth = load_truth(path)
    assert truth.questions_only
    with pytest.raises(SubmissionError, match="questions without answers"):
        truth.require_answers()


def test_one_damaged_row_refuses_the_file_since_rows_are_matched_by_place(
    official_rows: list[Row], tmp_path: Path
) -> None:
    rows = [*official_rows[:3], {"id": "x"}, *official_rows[3:]]
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(MalformedSourceError, match=r"one row cannot be read.*row 3"):
        load_truth(path)


@pytest.mark.parametrize("number", ["NaN", "1e999", '"ten"', "[]"])
def test_a_number_that_is_none_names_its_row(
    row_maker: RowMaker, tmp_path: Path, number: str
) -> None:
    row = row_maker(ROW_ID, "tal", "When?", "x", [{"spans": [{"start": 1, "end": 2}]}])
    path = tmp_path / "number.json"
    path.write_text(json.dumps([row]).replace('"end": 2', f'"end": {number}'), encoding="utf-8")
    with pytest.raises(MalformedSourceError, match="row 0"):
        load_truth(path)


@pytest.mark.parametrize(
    ("qa_type", "info", "told"),
    [
        ("tal", [{"spans": [{"start": 1}]}], "'end' is absent"),
        ("tal", [{"spans": [{}]}], "'start' is absent"),
        ("tal", [{"spans": [[1]]}], "not enough values"),
        ("dense_captioning_gpt", [{"caption": "cutting", "start": 1}], "'end' is absent"),
    ],
)
def test_structured_truth_that_lacks_something_names_it(
    row_maker: RowMaker, tmp_path: Path, qa_type: str, info: object, told: str
) -> None:
    path = tmp_path / "lacking.json"
    row = row_maker(ROW_ID, qa_type, "When?", "x", info)
    path.write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(MalformedSourceError, match=f"row 0.*{told}"):
        load_truth(path)


def test_nothing_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(MissingSourceError):
        load_truth(tmp_path / "none.json")


def test_patients_of_the_three_cholec_sources_are_one_cluster() -> None:
    assert cluster_of("cholectrack20", "VID25") == cluster_of("cholec80cvs", "video25")
    assert cluster_of("jigsaws", "Suturing_B001") == cluster_of("jigsaws", "Knot_Tying_B003")
    assert cluster_of("avos", "a") != cluster_of("nurvid", "a")


def test_the_key_changes_with_any_truth(truth: Truth) -> None:
    rows = list(truth.rows)
    rows[0] = rows[0].model_copy(update={"spans": ((0.0, 7.1),)})
    assert Truth("x", tuple(rows), truth.clusters).key != truth.key
    assert Truth("x", truth.rows, truth.clusters).key == truth.key
