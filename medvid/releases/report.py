"""The report: one page, offline, that says what a release holds, what is missing and why."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import cv2
import numpy as np
import numpy.typing as npt
import yaml
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from medvid.media import encode_jpeg
from medvid.releases.distributions import Classes, count_seconds, count_words, draw_all
from medvid.releases.facts import ContactSheet, ReleaseFacts
from medvid.releases.report_tables import (
    Table,
    candidate_table,
    correction_table,
    drop_table,
    dropped_records,
    fault_table,
    folder_table,
    quarantine_table,
    question_table,
    record_table,
    sample_table,
    segment_table,
    split_table,
    video_table,
)
from medvid.releases.selection_tables import (
    leak_table,
    left_out_table,
    quota_table,
    selection_notes,
    subset_table,
    task_table,
)
from medvid.releases.terms import DUTIES, PERMISSIONS, strictest_terms
from schemas.errors import ReleaseError

TEMPLATE = "report.html"
TOP_LABELS = 20
"""Labels shown per source; the rest is summed."""

SHEET_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Balance:
    """Two counts of the same things.

    Attributes:
        what: The things.
        left: Where the first count comes from, and the count.
        right: The same of the second.
    """

    what: str
    left: tuple[str, int]
    right: tuple[str, int]

    @property
    def holds(self) -> bool:
        """Whether the counts are equal."""
        return self.left[1] == self.right[1]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn distribution.

    Attributes:
        title: What it shows.
        note: Extremes and median in words.
        svg: The drawing, empty where there is nothing to draw.
    """

    title: str
    note: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class LabelBar:
    """One label of a source.

    Attributes:
        label: The label, or how many are summed.
        samples: Samples that ask about it.
        percent: Length of its bar, that of the most frequent label being 100.
        rest: Whether it sums the labels that are not shown, and so has no bar.
    """

    label: str
    samples: int
    percent: float
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A contact sheet ready for the page."""

    sheet: ContactSheet
    uri: str


def render_report(facts: ReleaseFacts) -> bytes:
    """Render `report.html`: equal facts give equal bytes.

    Everything that comes from labels, file names or cards is escaped; the page holds no script,
    fetches nothing, and a content security policy says so to the browser.

    Raises:
        ReleaseError: A contact sheet is no picture.
    """
    page = _template().render(
        facts=facts,
        totals=_totals(facts),
        balances=balances(facts),
        buried=sum(source.videos.get("quarantined", 0) for source in facts.sources.values()),
        corrected=any(source.corrections for source in facts.sources.values()),
        tables=_tables(facts),
        charts=_charts(facts),
        labels={name: label_bars(counts) for name, counts in sorted(facts.labels.items())},
        notes=selection_notes(facts),
        pictures=[Picture(sheet, _data_uri(sheet)) for sheet in facts.sheets],
        terms=strictest_terms([source.card for source in facts.sources.values()]),
        flags={**PERMISSIONS, **DUTIES},
        config=yaml.safe_dump(facts.config, sort_keys=False, allow_unicode=True, width=100),
    )
    return page.encode()


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["size"] = human_size
    environment.tests["web"] = is_web_address
    text = (files(__package__) / TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text)


def human_size(size: int) -> str:
    """Bytes in a unit that leaves one to three digits before the point.

    >>> human_size(999), human_size(1_234_567)
    ('999 B', '1.2 MB')
    """
    number, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while number >= 999.5 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return f"{size} B" if units[0] == "B" else f"{number:.1f} {units[0]}"


def is_web_address(address: str | None) -> bool:
    """Whether a link may lead there; `javascript:` and `data:` are no addresses."""
    return address is not None and address.startswith(("https://", "http://"))


def _totals(facts: ReleaseFacts) -> list[tuple[str, str]]:
    """The numbers that come first, each with what it counts."""
    numbers = [
        ("samples in large", sum(count.samples for count in facts.counts)),
        ("samples in standard", sum(count.in_standard for count in facts.counts)),
        ("videos with samples", sum(facts.videos.values())),
        ("identities", sum(facts.identities.values())),
        ("distinct clips", len(facts.clip_seconds)),
        ("stored frames", facts.frames),
        ("rows in quarantine", sum(row.rows for row in facts.quarantine)),
    ]
    size = human_size(sum(facts.bytes.values()))
    return [*((name, f"{number:,}") for name, number in numbers), ("on disk", size)]


def balances(facts: ReleaseFacts) -> list[Balance]:
    """Counts that must agree, since they are taken at different places of the build."""
    samples = sum(count.samples for count in facts.counts)
    outside = sum(count.in_standard for count in facts.counts if count.split != "train")
    built = sum(source.videos.get("with samples", 0) for source in facts.sources.values())
    dropped = {
        (name, *key): number
        for name, source in facts.sources.items()
        for key, number in dropped_records(source).items()
    }
    held = sum(
        row.rows
        for row in facts.quarantine
        if row.stage == "convert" and (row.source, row.kind, row.reason) in dropped
    )
    clips = (len(facts.clip_seconds), sum(facts.rates.values()))
    shown = sum(facts.videos.values()) + facts.left_out_videos
    chosen = facts.selection
    pairs = (chosen.pool, samples + sum(chosen.left_out.values())) if chosen else (samples, samples)
    return [
        Balance("samples", ("in the table", samples), ("answers", len(facts.answer_words))),
        Balance("pairs", ("built", pairs[0]), ("in a split or left out", pairs[1])),
        Balance("clips", ("by length", clips[0]), ("by sampling rate", clips[1])),
        Balance("videos with samples", ("built", built), ("in a split or left out", shown)),
        Balance("samples of standard outside train", ("found", outside), ("allowed", 0)),
        Balance("dropped records", ("counted", sum(dropped.values())), ("in quarantine", held)),
    ]


def _tables(facts: ReleaseFacts) -> dict[str, Table]:
    return {
        "samples": sample_table(facts),
        "questions": question_table(facts),
        "splits": split_table(facts),
        "quotas": quota_table(facts),
        "tests": task_table(facts),
        "subsets": subset_table(facts),
        "leaks": leak_table(facts),
        "left_out": left_out_table(facts),
        "videos": video_table(facts),
        "records": record_table(facts),
        "faults": fault_table(facts),
        "segments": segment_table(facts),
        "candidates": candidate_table(facts),
        "drops": drop_table(facts),
        "corrections": correction_table(facts),
        "quarantine": quarantine_table(facts),
        "folders": folder_table(facts),
    }


def _charts(facts: ReleaseFacts) -> list[Chart]:
    rates = sorted(facts.rates.items(), key=lambda item: (float(item[0]), item[0]))
    by_rate = Classes(tuple(n for _, n in rates), tuple(rate for rate, _ in rates))
    seconds, words = facts.clip_seconds, facts.answer_words
    charts = [
        (
            "clips", "Clip length", "seconds", count_seconds(seconds),
            f"Distinct clips. {_extremes(seconds, 'seconds')} Each bar stands between its bounds "
            "and includes the upper one.",
        ),
        ("rates", "Sampling rate", "frames per second", by_rate, "Distinct clips."),
        (
            "words", "Answer length", "words", count_words(words),
            f"Samples. {_extremes(words, 'words')}",
        ),
    ]  # fmt: skip
    drawn = iter(draw_all([
        (key, classes, f"{title.lower()} in {unit}")
        for key, title, unit, classes, _ in charts if classes.counts
    ]))  # fmt: skip
    return [
        Chart(title, note, Markup(next(drawn))) if classes.counts
        else Chart(title, "Nothing to count.", Markup())
        for _, title, _, classes, note in charts
    ]  # fmt: skip


def _extremes(values: Sequence[float], unit: str) -> str:
    if not values:
        return ""
    points = (min(values), float(np.median(values)), max(values))
    low, middle, high = (f"{round(value, 1):,.10g}" for value in points)
    return f"Shortest {low}, median {middle}, longest {high} {unit}."


def label_bars(counts: dict[str, int], top: int = TOP_LABELS) -> list[LabelBar]:
    """The most frequent labels and the sum of the rest, as bars."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = (ranked, []) if len(ranked) <= top + 1 else (ranked[:top], ranked[top:])
    most = max((number for _, number in ranked), default=1) or 1
    bars = [LabelBar(label, number, round(100 * number / most, 2)) for label, number in shown]
    if rest:
        total = sum(number for _, number in rest)
        bars.append(LabelBar(f"{len(rest):,} further labels", total, 0.0, rest=True))
    return bars


def _data_uri(sheet: ContactSheet) -> str:
    """The picture inside the page, as JPEG where that is smaller."""
    encoded = np.frombuffer(sheet.png, dtype=np.uint8)
    bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if bgr is None:
        raise ReleaseError(f"the contact sheet {sheet.title!r} is no picture.")
    rgb: npt.NDArray[np.uint8] = np.ascontiguousarray(bgr[:, :, ::-1], dtype=np.uint8)
    jpeg = encode_jpeg(rgb, SHEET_QUALITY)
    kind, payload = ("jpeg", jpeg) if len(jpeg) < len(sheet.png) else ("png", sheet.png)
    return f"data:image/{kind};base64,{base64.b64encode(payload).decode()}"
