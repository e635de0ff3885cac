"""The page: one file, nothing fetched, nothing a model wrote can act in it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from medvid.evaluation.report import render_report, write_report
from medvid.evaluation.report.examples import choose_examples
from medvid.evaluation.report.page import MAX_TEXT
from medvid.evaluation.report.pictures import MAX_BARS, draw_example, read_marks
from medvid.evaluation.run import (
    EvaluationSettings,
    compare_submissions,
    match_submission,
    score_submission,
    summarise,
)
from medvid.evaluation.submission import parse_submission
from medvid.evaluation.truth import Truth
from medvid.media import decode_jpeg
from schemas.source import TaskName

Row = dict[str, Any]
HOSTILE = "</p><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}\u202e\u0000 & \ud7ff"


class Tags(HTMLParser):
    """Collects tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def page(truth: Truth, rows: list[Row], other: list[Row] | None = None) -> str:
    settings = EvaluationSettings(draws=50)
    name = "<i>name</i>.json"
    matched = match_submission(truth, parse_submission(json.dumps(rows).encode(), name))
    scored = score_submission(truth, matched, settings)
    compared = None
    if other is not None:
        again = match_submission(truth, parse_submission(json.dumps(other).encode(), "other.json"))
        first = score_submission(truth, again, settings)
        compared = compare_submissions(truth, first, scored, settings)
    return render_report(truth, matched, summarise(truth, scored, settings), compared)


def test_the_page_asks_for_nothing_and_runs_nothing(truth: Truth, perfect: list[Row]) -> None:
    rows = [{**row, "prediction": HOSTILE} for row in perfect]
    text = page(truth, rows, perfect)
    parser = Tags()
    parser.feed(text)
    assert not {"script", "iframe", "link", "object", "base", "form", "i"} & {
        tag for tag, _ in parser.tags
    }
    for tag, attributes in parser.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            target = attributes.get(name) or ""
            assert target.startswith(("data:image/jpeg;base64,", "#")) or not target, (tag, target)
    assert "default-src 'none'" in text
    assert "{{ 7*7 }}" in text
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "&lt;i&gt;name&lt;/i&gt;.json" in text


def test_every_column_and_task_is_on_it(truth: Truth, perfect: list[Row]) -> None:
    text = page(truth, perfect)
    for name in ("CVS_acc", "TAG_mIoU@0.5", "RC_llm", "DVC_soda"):
        assert f">{name}" in text
    for task in TaskName:
        assert f'<section id="{task}">' in text
    assert "no judge ran" in text


def test_the_page_is_the_same_for_the_same_answers(
    truth: Truth, perfect: list[Row], tmp_path: Path
) -> None:
    assert page(truth, perfect) == page(truth, perfect)
    settings = EvaluationSettings(draws=50)
    matched = match_submission(truth, parse_submission(json.dumps(perfect).encode(), "x"))
    result = summarise(truth, score_submission(truth, matched, settings), settings)
    path = write_report(tmp_path / "new" / "folder", truth, matched, result)
    assert path.read_text(encoding="utf-8") == render_report(truth, matched, result)


def test_best_and_worst_are_what_they_say(truth: Truth, perfect: list[Row]) -> None:
    tal = [i for i, row in enumerate(perfect) if row["qa_type"] == "tal"]
    for rank, place in enumerate(tal):
        start = float(perfect[place]["prediction"].split("-")[0])
        perfect[place]["prediction"] = f"{start}-{start + 7 - rank * 0.5} seconds."
    perfect[tal[3]]["prediction"] = ""
    perfect[tal[4]]["prediction"] = "I do not know."
    settings = EvaluationSettings(draws=0)
    matched = match_submission(truth, parse_submission(json.dumps(perfect).encode(), "x"))
    result = summarise(truth, score_submission(truth, matched, settings), settings)
    chosen = choose_examples(truth.rows, matched.texts, result)
    spans = {example.rank: example for example in reversed(chosen[TaskName.TAL])}
    assert spans["best"].index == tal[0]
    assert spans["worst"].index == tal[4]
    assert {example.rank for example in chosen[TaskName.STG]} == {"shown"}


def test_spans_and_boxes_are_drawn_without_frames(truth: Truth) -> None:
    row = next(row for row in truth.rows if row.qa_type == "tal")
    picture = draw_example(row, "0.0-7.0, 30.0-35.0 seconds.", None)
    assert picture is not None
    assert decode_jpeg(picture).shape[2] == 3
    summary = next(row for row in truth.rows if row.qa_type == "video_summary_gemini")
    assert draw_example(summary, "A text.", None) is None


@pytest.mark.parametrize(
    "text",
    [
        "9" * 400 + "-" + "9" * 400, "5.0-1.0 seconds.", "1e308-1e309", "",
        ", ".join(f"{i}.0-{i}.5" for i in range(3000)),
    ],
)  # fmt: skip
def test_senseless_times_are_drawn_or_left_out(truth: Truth, text: str) -> None:
    row = next(row for row in truth.rows if row.qa_type == "tal")
    assert draw_example(row, text, None)
    assert len(read_marks(row, text).guess_spans) <= MAX_BARS


def test_endless_answers_are_cut_on_the_page(truth: Truth, perfect: list[Row]) -> None:
    small = len(page(truth, perfect))
    for row in perfect:
        row["prediction"] = "word " * 15_000
    text = page(truth, perfect)
    assert len(text) < small + 60 * MAX_TEXT
    assert not re.search(r"(word ){400}", text)
