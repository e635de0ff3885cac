"""The agreement report as a page: one file, offline, safe whatever annotators are called."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from annotation.jobs import Job
from annotation.reliability.report import AgreementReport, Score, TopicAgreement
from annotation.reliability.tally import BOXES

TEMPLATE: Final = "report.html"
MOST_IN_MAP: Final = 24
"""Annotators in a map of pairs; with more, the table of pairs alone is legible."""

COLUMNS: Final = (
    "job", "source", "topic", "tasks", "units", "agreement", "kappa", "alpha", "mean IoU", "F1@0.5",
)  # fmt: skip

_CELL, _ROOM, _LINE, _GLYPH = 46, 10, 18, 6.7
_TITLES: Final = {
    Job.TIMELINE: "Timeline", Job.BOXES: "Boxes", Job.CAPTION: "Captions", Job.SKILL: "Skill",
    Job.CVS: "Critical view of safety", Job.REVIEW: "Review of pairs",
    Job.EXCLUDED: "Excluded stretches",
}  # fmt: skip


def render_agreement(report: AgreementReport) -> str:
    """Render the page: equal reports give equal text.

    Names and labels are escaped; the page holds no script, fetches nothing, and a content security
    policy says so to the browser.
    """
    return _template().render(
        report=report,
        titles=_TITLES,
        intake=_intake_rows(report),
        annotators=_annotators(report),
        maps={
            (job.job, job.source, topic.name): draw_pairs(topic)
            for job in report.jobs
            for topic in job.topics
        },
    )


def summary_rows(report: AgreementReport) -> list[list[object]]:
    """One line a topic for the terminal, under `COLUMNS`."""
    return [
        [
            job.job.value, job.source, topic.name, topic.score.tasks,
            f"{topic.score.units:,} {topic.unit}", *map(figure, _headline(topic.score)),
        ]
        for job in report.jobs
        for topic in job.topics
    ]  # fmt: skip


def _headline(score: Score) -> tuple[float | None, ...]:
    overlap = score.overlap
    mean = overlap.mean_iou if overlap else None
    return score.agreement, score.kappa, score.alpha, mean, overlap.f1["0.5"] if overlap else None


def figure(value: float | None) -> str:
    """A coefficient with two decimals and a true minus sign, a dash where it is not defined.

    >>> figure(0.875), figure(-0.1), figure(None)
    ('0.88', '−0.10', '–')
    """
    if value is None:
        return "–"
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def _intake_rows(report: AgreementReport) -> list[tuple[str, int, str]]:
    """Every annotation once, by what became of it."""
    counts = report.intake
    return [
        ("compared", counts.compared, "held against the answers of others"),
        ("alone", counts.alone, "answers to clips that nobody else answered"),
        ("skipped", counts.skipped, "passed on by the annotator"),
        ("unusable", counts.unusable, "with something drawn that means nothing; a pull names them"),
        ("repeated", counts.repeated, "older answers of one annotator to one clip"),
        (
            "led",
            counts.passed_over,
            "answers to filled-in clips, which were not asked for",
        ),
        ("older versions", counts.older, "replaced when the answer was submitted again"),
    ]


def _annotators(report: AgreementReport) -> int:
    return len({row.who for job in report.jobs for topic in job.topics for row in topic.annotators})


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = figure
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["share"] = lambda value: "–" if value is None else f"{100 * value:.0f} %"
    environment.filters["percent"] = lambda value: round(100 * min(max(value, 0.0), 1.0), 2)
    text = (files(__package__) / TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text)


@dataclass(frozen=True, slots=True)
class PairMap:
    """Pairs of annotators as squares, the darker the more they agree.

    Attributes:
        what: What the squares say.
        svg: The drawing.
    """

    what: str
    svg: Markup


def draw_pairs(topic: TopicAgreement) -> PairMap | None:
    """Draw the pairs of annotators of a topic.

    Words in common of captions, overlap of boxes, else kappa where it is defined for some pair,
    else the share of equal answers. None with two annotators, whose one number stands above, and
    with more than `MOST_IN_MAP`.
    """
    names = [row.who for row in topic.annotators]
    if not 3 <= len(names) <= MOST_IN_MAP:
        return None
    what, values = _pair_values(topic)
    shown = [
        f"{name if len(name) <= _LINE else name[: _LINE - 1] + '…'}  {number}"
        for number, name in enumerate(names, start=1)
    ]
    left = round(max(map(len, shown)) * _GLYPH) + _ROOM
    width, height = left + _CELL * len(names), _CELL * len(names) + 24
    parts = [
        f'<svg class="map" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{html.escape(f"{what} by pair of annotators")}">'
    ]
    for row, first in enumerate(names):
        y = 24 + _CELL * row + _CELL / 2 + 4
        parts.append(f'<text x="{left - 8}" y="{y}" class="who">{html.escape(shown[row])}</text>')
        x = left + _CELL * row + _CELL / 2
        parts.append(f'<text x="{x}" y="16" class="number">{row + 1}</text>')
        for column, second in enumerate(names):
            parts.append(_square(left, row, column, values.get((first, second)), (first, second)))
    parts.append("</svg>")
    return PairMap(what, Markup("".join(parts)))


def _pair_values(topic: TopicAgreement) -> tuple[str, Mapping[tuple[str, str], float | None]]:
    choices: Sequence[tuple[str, list[float | None]]] = (
        ("words in common", [pair.score.words for pair in topic.pairs]),
        ("mean IoU", [_box_overlap(topic, pair.score) for pair in topic.pairs]),
        ("kappa", [pair.score.kappa for pair in topic.pairs]),
        ("equal answers", [pair.score.agreement for pair in topic.pairs]),
    )
    what, found = next((c for c in choices if any(v is not None for v in c[1])), choices[-1])
    values = {
        key: value
        for pair, value in zip(topic.pairs, found, strict=True)
        for key in ((pair.first, pair.second), (pair.second, pair.first))
    }
    return what, values


def _box_overlap(topic: TopicAgreement, score: Score) -> float | None:
    return score.overlap.mean_iou if score.overlap and topic.regions == BOXES else None


def _square(left: int, row: int, column: int, value: float | None, names: tuple[str, str]) -> str:
    x, y, side = left + _CELL * column + 1, 24 + _CELL * row + 1, _CELL - 2
    if row == column:
        return f'<rect x="{x}" y="{y}" width="{side}" height="{side}" class="self"/>'
    depth = 0.0 if value is None else round(min(max(value, 0.0), 1.0), 3)
    dark = " deep" if depth > 0.6 else ""
    said = html.escape(f"{names[0]}, {names[1]}: {figure(value)}")
    return (
        f'<g><title>{said}</title><rect x="{x}" y="{y}" width="{side}" height="{side}" '
        f'class="cell" fill-opacity="{depth}"/><text x="{x + side / 2}" y="{y + side / 2 + 4}" '
        f'class="value{dark}">{figure(value)}</text></g>'
    )
