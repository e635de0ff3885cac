"""Every hand-worked case of the format notes, under both profiles, to nine decimals."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from medvid.evaluation.metrics import caption_pairs, evaluate
from medvid.evaluation.rows import PairScores, Profile, TruthEvent, TruthRow
from medvid.tasks.modules.cvs_assessment import CRITERIA
from medvid.tasks.modules.skill_assessment import ASPECTS
from schemas.source import TaskName

FOLDER = Path(__file__).parent
TASKS = {
    "tal": TaskName.TAL, "stg": TaskName.STG, "next_action": TaskName.NEXT_ACTION,
    "skill": TaskName.SKILL_ASSESSMENT, "cvs": TaskName.CVS_ASSESSMENT,
    "dense": TaskName.DENSE_CAPTIONING, "DVC_llm": TaskName.DENSE_CAPTIONING,
    "VS_llm": TaskName.VIDEO_SUMMARY, "RC_llm": TaskName.REGION_CAPTION,
}  # fmt: skip
SOURCES = {
    TaskName.TAL: "avos", TaskName.STG: "cholectrack20", TaskName.NEXT_ACTION: "avos",
    TaskName.SKILL_ASSESSMENT: "jigsaws", TaskName.CVS_ASSESSMENT: "cholec80cvs",
    TaskName.DENSE_CAPTIONING: "avos", TaskName.VIDEO_SUMMARY: "cholect50",
    TaskName.REGION_CAPTION: "cholectrack20",
}  # fmt: skip


class Placed:
    """An encoder whose vectors stand in the case: the distances are part of what is worked out."""

    def __init__(self, vectors: Mapping[str, Sequence[float]]) -> None:
        self.vectors = vectors

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        return np.array([self.vectors.get(text, (0, 0, 1)) for text in texts], dtype=np.float32)


def cases() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.yaml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in table["cases"]:
            columns = table.get("columns") or [case["column"]]
            task = TASKS[case.get("column", path.stem)]
            yield pytest.param(task, columns, case, id=f"{path.stem}: {case['n']}")


CASES = list(cases())


def truth_of(task: TaskName, truth: Any) -> dict[str, Any]:
    if task is TaskName.TAL:
        return {"spans": truth}
    if task is TaskName.STG:
        return {"boxes": truth}
    if task is TaskName.NEXT_ACTION:
        return {"label": truth}
    if task is TaskName.SKILL_ASSESSMENT:
        return {"skill": dict(zip(ASPECTS, truth, strict=True))}
    if task is TaskName.CVS_ASSESSMENT:
        return {"cvs": dict(zip(CRITERIA, truth, strict=True))}
    if task is TaskName.DENSE_CAPTIONING:
        return {"events": [TruthEvent(start=s, end=e, caption=text) for s, e, text in truth]}
    return {"caption": truth}


def rows_of(task: TaskName, case: dict[str, Any]) -> tuple[list[TruthRow], list[str | None]]:
    entries = case.get("rows") or [case]
    rows = [
        TruthRow(
            index=index, row_id="", qa_type=task.value, task=task,
            source=entry.get("source", SOURCES[task]), dataset_name="", video_id="v",
            clip_key="c", question=entry.get("q", ""), fps=entry.get("fps", 1.0),
            **truth_of(task, entry["t"]),
        )
        for index, entry in enumerate(entries)
    ]  # fmt: skip
    return rows, [entry["a"] for entry in entries]


def judged_of(case: dict[str, Any]) -> PairScores | None:
    entries = case.get("rows") or [case]
    if any(entry.get("j") is None for entry in entries):
        return None
    return {
        (index, event, truth): {str(aspect): score for aspect, score in enumerate(scores)}
        for index, entry in enumerate(entries)
        for event, truth, scores in entry["j"]
    }


def value_of(profile: Profile, column: str, task: TaskName, case: dict[str, Any]) -> float | None:
    rows, texts = rows_of(task, case)
    encoder = None if case.get("encoder") is False else Placed(case.get("vectors", {}))
    scores = evaluate(rows, texts, profile, encoder, judged_of(case))
    return scores.columns[column].value


def expected(number: Any) -> Any:
    return None if number is None else pytest.approx(float(Fraction(str(number))), abs=1e-9, rel=0)


@pytest.mark.parametrize(("task", "columns", "case"), CASES)
def test_case(task: TaskName, columns: list[str], case: dict[str, Any]) -> None:
    strict = dict(zip(columns, case.get("s", case["o"]), strict=True)) | case.get("more", {})
    for column, number in zip(columns, case["o"], strict=True):
        assert value_of("official", column, task, case) == expected(number), (column, case["why"])
    for column, number in strict.items():
        assert value_of("strict", column, task, case) == expected(number), (column, case["why"])


def test_there_are_enough_cases_of_every_column_and_each_says_why() -> None:
    found = [case.values for case in CASES]
    columns = {column for _, names, _ in found for column in names}
    assert len(found) >= 150
    assert columns >= {"TAG_mIoU@0.3", "STG_mIoU", "NAP_acc", "SA_acc", "CVS_acc", "DVC_F1"}
    assert columns >= {"TAG_mIoU@0.5", "DVC_llm", "VS_llm", "RC_llm"}
    assert all(case["why"] for _, _, case in found)


@pytest.mark.parametrize(("task", "columns", "case"), CASES)
def test_a_judge_is_asked_for_every_pair_that_scores(
    task: TaskName, columns: list[str], case: dict[str, Any]
) -> None:
    judged = judged_of(case)
    rows, texts = rows_of(task, case)
    keys = {pair.key for pair in caption_pairs(rows, texts)}
    assert all(pair.candidate and pair.reference for pair in caption_pairs(rows, texts))
    if judged and not case.get("unasked"):
        assert judged.keys() <= keys
