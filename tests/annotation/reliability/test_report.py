"""The report: by hand where the numbers can be counted, whoever is asked first, safe to open."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from typer.testing import CliRunner

from annotation.archive import Archive, PulledAnnotation
from annotation.jobs import AnnotationTask, Job
from annotation.reliability.page import COLUMNS, figure, render_agreement, summary_rows
from annotation.reliability.report import AgreementReport, TopicAgreement, measure_agreement
from medvid.cli.annotate_agreement import agreement
from schemas.errors import ConfigError

MakeTask = Callable[..., AnnotationTask]
MakeAnswer = Callable[..., PulledAnnotation]
Content = dict[str, Any]
HOSTILE = '<script>alert("x")</script>'


def _phases(*ends: int, labels: tuple[str, ...] = ("cut", "wash <b>")) -> list[Content]:
    """Phases that follow each other from tick 100, ending after so many frames."""
    starts = (0, *ends[:-1])
    return [
        {"start": 100 + 10 * a, "end": 100 + 10 * b, "kind": "phase", "label": label}
        for a, b, label in zip(starts, ends, labels, strict=True)
    ]


def _topic(report: AgreementReport, name: str, source: str = "cholect50") -> TopicAgreement:
    return next(
        topic for job in report.jobs if job.source == source
        for topic in job.topics if topic.name == name
    )  # fmt: skip


def test_equal_answers_agree_in_full_and_a_lone_topic_has_no_chance(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    task = make_task(Job.TIMELINE, _phases(4, 10))
    report = measure_agreement([make_answer(task, who) for who in ("ada", "bob", "eve")])
    phase = _topic(report, "phase")
    assert (phase.score.tasks, phase.score.units) == (1, 10)
    assert (phase.score.agreement, phase.score.kappa, phase.score.alpha) == (1.0, 1.0, 1.0)
    assert phase.score.overlap is not None
    assert (phase.score.overlap.items, phase.score.overlap.mean_iou) == (12, 1.0)
    assert set(phase.score.overlap.f1.values()) == {1.0}
    action = _topic(report, "action").score
    assert (action.agreement, action.kappa, action.alpha, action.overlap) == (1.0, None, None, None)


def test_a_moved_edge_gives_the_numbers_counted_by_hand(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    """Frames 1-4 | 5-10 against 1-6 | 7-10: two of ten differ.

    Kappa `(0.8 - (0.4 * 0.6 + 0.6 * 0.4)) / (1 - 0.48)`; overlaps 4/6 and 4/6. Alpha has ten
    values of each label: `1 - 19 * 4 / 2 / 100` per ordered pair.
    """
    task = make_task(Job.TIMELINE, _phases(4, 10))
    report = measure_agreement([
        make_answer(task, "ada"), make_answer(task, "bob", _phases(6, 10)),
    ])  # fmt: skip
    phase = _topic(report, "phase")
    assert phase.score.agreement == 0.8
    assert phase.score.kappa == pytest.approx(0.32 / 0.52, abs=1e-6)
    assert phase.score.alpha == pytest.approx(1 - 19 * 4 / 200, abs=1e-6)
    overlap = phase.score.overlap
    assert overlap is not None
    assert overlap.mean_iou == pytest.approx(2 / 3, abs=1e-6)
    assert overlap.f1 == {"0.3": 1.0, "0.5": 1.0, "0.7": 0.0}
    cut, wash = phase.labels
    assert (cut.label, cut.said, wash.said) == ("cut", 6, 6)
    assert cut.score.kappa == phase.score.kappa
    assert cut.score.overlap is not None
    assert cut.score.overlap.items == 2
    assert [(pair.first, pair.second) for pair in phase.pairs] == [("ada", "bob")]
    assert phase.pairs[0].score == phase.score
    assert report.intake.unchanged == 1


def test_boxes_pair_within_a_frame_and_missed_ones_count_nothing(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    def box(frame: int, x: float) -> Content:
        return {
            "_region": f"r{frame}", "tick": 100 + 10 * frame, "label": "cut", "track": f"t{frame}",
            "xyxy": [x, 0.0, x + 20, 20.0], "triplet": None, "operator": None, "flags": [],
        }  # fmt: skip

    task = make_task(Job.BOXES, [], frames=4)
    report = measure_agreement([
        make_answer(task, "ada", [box(0, 0), box(1, 0)]),
        make_answer(task, "bob", [box(0, 10), box(2, 0)]),
    ])  # fmt: skip
    overlap = _topic(report, "objects").score.overlap
    assert overlap is not None
    assert overlap.items == 4
    assert overlap.paired_iou == pytest.approx(1 / 3, abs=1e-6)
    assert overlap.mean_iou == pytest.approx(2 / 3 / 4, abs=1e-6)
    assert overlap.f1 == {"0.3": 0.5, "0.5": 0.0, "0.7": 0.0}


def test_scores_near_each_other_agree_more_than_scores_far_apart(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    def rating(score: int) -> list[Content]:
        return [{"level": "I", "scores": {"Respect for tissue": score}}]

    given_answers = []
    for number, (ada, bob, eve) in enumerate([(1, 2, 5), (2, 3, 1), (4, 4, 4), (5, 4, 2)]):
        task = make_task(Job.SKILL, [], number=number, source="jigsaws")
        said = (("ada", ada), ("bob", bob), ("eve", eve))
        given_answers += [make_answer(task, who, rating(score)) for who, score in said]
    tissue = _topic(measure_agreement(given_answers), "Respect for tissue", "jigsaws")
    near = next(pair.score for pair in tissue.pairs if pair.second == "bob")
    assert None not in (near.kappa, near.kappa_linear, near.kappa_quadratic)
    assert (near.kappa or 0) < (near.kappa_linear or 0) < (near.kappa_quadratic or 0)
    alone = {row.who: row.alpha_without or 0 for row in tissue.annotators}
    assert max(alone, key=lambda who: alone[who]) == "eve"
    assert alone["eve"] > (tissue.score.alpha or 0)
    level = _topic(measure_agreement(given_answers), "level", "jigsaws")
    assert (level.score.agreement, level.score.alpha) == (1.0, None)


def test_captions_have_words_in_common_and_no_chance(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    caption = {"clip_id": "c1", "scope": "summary", "subject": "", "text": "The hook cuts"}
    task = make_task(Job.CAPTION, [caption])
    report = measure_agreement([
        make_answer(task, "ada"), make_answer(task, "bob", [caption | {"text": "the hook burns"}]),
    ])  # fmt: skip
    score = _topic(report, "text").score
    assert (score.agreement, score.kappa, score.alpha) == (0.0, None, None)
    assert score.words == pytest.approx(2 / 3, abs=1e-6)


def _answers(make_task: MakeTask, make_answer: MakeAnswer) -> list[PulledAnnotation]:
    """Three annotators of two sources, one with a name that means harm."""
    draw = random.Random(7)
    found = []
    for number in range(6):
        source = ("cholect50", "jigsaws")[number % 2]
        task = make_task(Job.TIMELINE, _phases(4, 10), number=number, source=source)
        found += [
            make_answer(task, who, _phases(draw.randint(1, 8), 10))
            for who in ("ada", HOSTILE, "縫う & co")
        ]
    return found


def test_the_order_of_annotations_does_not_matter(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    given_answers = _answers(make_task, make_answer)
    report = measure_agreement(given_answers)
    random.Random(3).shuffle(given_answers)
    assert measure_agreement(given_answers) == report
    assert [(job.source, job.tasks, job.answers) for job in report.jobs] == [
        ("cholect50", 3, 9), ("jigsaws", 3, 9),
    ]  # fmt: skip
    assert AgreementReport.model_validate_json(orjson.dumps(report.model_dump(mode="json")))


def test_the_page_is_offline_and_escapes_names(
    make_task: MakeTask, make_answer: MakeAnswer
) -> None:
    page = render_agreement(measure_agreement(_answers(make_task, make_answer)))
    assert HOSTILE not in page
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 4
    assert "縫う &amp; co" in page
    assert "wash &lt;b&gt;" in page
    assert not re.search(r"(src|href)=\"(?!#)|url\(|@import|https?://", page)
    assert "default-src 'none'" in page
    assert page.count("<svg") == page.count("Nobody marks anything") == 2
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))
    assert "--hide-labels" in page


def test_with_nothing_to_compare_page_and_table_say_so() -> None:
    report = measure_agreement([])
    assert report.jobs == ()
    assert summary_rows(report) == []
    assert "nothing to compare" in render_agreement(report)


def test_the_command_reads_what_was_pulled(
    make_task: MakeTask, make_answer: MakeAnswer, tmp_path: Path
) -> None:
    app = typer.Typer()
    app.command()(agreement)
    missing = CliRunner().invoke(app, ["--home", str(tmp_path)])
    assert isinstance(missing.exception, ConfigError)
    given_answers = _answers(make_task, make_answer)
    Archive(tmp_path / "pulled").append(given_answers)
    page = tmp_path / "pages" / "agreement.html"
    shown = CliRunner().invoke(app, ["--home", str(tmp_path), "--output", str(page)])
    assert shown.exit_code == 0
    assert "18 annotations, 18 compared" in shown.stdout
    report = measure_agreement(given_answers)
    assert page.read_text(encoding="utf-8") == render_agreement(report)
    printed = CliRunner().invoke(app, ["--home", str(tmp_path), "--json"])
    assert orjson.loads(printed.stdout) == report.model_dump(mode="json")
    assert all(len(row) == len(COLUMNS) for row in summary_rows(report))


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (1.0, "1.00"), (-0.004, "0.00"), (-0.25, "−0.25")]
)
def test_figures_are_short(value: float | None, text: str) -> None:
    assert figure(value) == text
