"""The report of an evaluation: one page, offline, safe to open whatever a model wrote."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined, Template

from medvid.evaluation.findings import cut
from medvid.evaluation.report.examples import Example, choose_examples
from medvid.evaluation.report.pictures import draw_example, read_marks
from medvid.evaluation.rows import COLUMNS, LOWER_IS_BETTER, Profile, TruthRow
from medvid.evaluation.run import Matched
from medvid.evaluation.run_result import ColumnResult, CompareResult, EvaluationResult
from medvid.evaluation.truth import Truth
from medvid.shards import ReleaseReader
from medvid.shards.aside import write_whole
from schemas.source import TaskName

TEMPLATE: Final = "page.html"
REPORT_NAME: Final = "evaluation.html"
MAX_TEXT: Final = 1_600
"""Characters shown of an answer or a question."""

MAX_VIDEOS: Final = 60
_JUDGED_TOP: Final = 5.0
_TITLES: Final = {
    TaskName.TAL: "Temporal action localisation", TaskName.STG: "Spatiotemporal grounding",
    TaskName.NEXT_ACTION: "Next action", TaskName.DENSE_CAPTIONING: "Dense captioning",
    TaskName.VIDEO_SUMMARY: "Video summary", TaskName.REGION_CAPTION: "Region caption",
    TaskName.SKILL_ASSESSMENT: "Skill assessment",
    TaskName.CVS_ASSESSMENT: "Critical view of safety",
}  # fmt: skip
_GROUPS: Final = {
    "source": "By source", "task": "By task", "length": "By length of the clip",
    "video": "By video",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A column under both profiles.

    Attributes:
        name: The column.
        official: Under `official`, None where that profile did not run or has no such column.
        strict: Under `strict`.
        top: Value of the right end of a bar.
    """

    name: str
    official: ColumnResult | None
    strict: ColumnResult | None
    top: float

    @property
    def judged(self) -> bool:
        """Whether a judge gave its numbers."""
        return self.top == _JUDGED_TOP

    @property
    def any(self) -> ColumnResult:
        """Either of them, for what both share."""
        found = self.official or self.strict
        if found is None:
            raise ValueError(f"column {self.name} is in no profile")
        return found

    def percent(self, value: float | None) -> float:
        """Where a value stands on the bar, 0 to 100."""
        low = 1.0 if self.judged else 0.0
        share = 0.0 if value is None else (value - low) / (self.top - low)
        return round(100 * min(max(share, 0.0), 1.0), 2)


@dataclass(frozen=True, slots=True)
class Shown:
    """An example as the page has it."""

    example: Example
    row: TruthRow
    answer: str
    reference: str
    note: str
    uri: str


def write_report(
    folder: Path,
    truth: Truth,
    matched: Matched,
    result: EvaluationResult,
    compared: CompareResult | None = None,
) -> Path:
    """Write `evaluation.html` into a folder.

    Returns:
        Its path.

    Raises:
        ShardError: It cannot be written, or the release's frames are damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_NAME
    write_whole(path, render_report(truth, matched, result, compared).encode(errors="replace"))
    return path


def render_report(
    truth: Truth,
    matched: Matched,
    result: EvaluationResult,
    compared: CompareResult | None = None,
) -> str:
    """Render the page.

    Args:
        truth: What was scored against; its release gives the frames.
        matched: The answers.
        result: Their scores, with rows kept.
        compared: Another submission held against it, if any.
    """
    return _template().render(
        result=result, compared=compared, lines=_lines(result, COLUMNS),
        further=_lines(result, _further(result)),
        groups=_groups(result), videos_left=_videos_left(result),
        tasks=_examples(truth, matched, result), titles=_TITLES,
    )  # fmt: skip


def _further(result: EvaluationResult) -> list[str]:
    strict = result.profiles.get("strict")
    return [name for name in strict.columns if name not in COLUMNS] if strict else []


def _lines(result: EvaluationResult, names: Sequence[str]) -> list[Line]:
    official, strict = result.profiles.get("official"), result.profiles.get("strict")
    lines = []
    for name in names:
        one = official.columns.get(name) if official else None
        two = strict.columns.get(name) if strict else None
        if one or two:
            lines.append(Line(name, one, two, _top(name)))
    return lines


def _top(name: str) -> float:
    if name in LOWER_IS_BETTER:
        return 4.0
    return _JUDGED_TOP if name.endswith("_llm") else 1.0


def _groups(result: EvaluationResult) -> list[dict[str, Any]]:
    """Tables of the official columns, of the strict ones where official did not run."""
    profile: Profile = "official" if "official" in result.profiles else "strict"
    found = []
    for kind, title in _GROUPS.items():
        groups = [group for group in result.profiles[profile].groups if group.kind == kind]
        shown = sorted(groups, key=lambda g: -g.rows)[:MAX_VIDEOS] if kind == "video" else groups
        columns = [
            name for name in COLUMNS
            if any(group.values.get(name) is not None for group in shown)
        ]  # fmt: skip
        found.append({"kind": kind, "title": title, "columns": columns, "groups": shown})
    return found


def _videos_left(result: EvaluationResult) -> int:
    groups = next(iter(result.profiles.values())).groups
    return max(0, sum(group.kind == "video" for group in groups) - MAX_VIDEOS)


def _examples(
    truth: Truth, matched: Matched, result: EvaluationResult
) -> Mapping[TaskName, list[Shown]]:
    chosen = choose_examples(truth.rows, matched.texts, result)
    if truth.release is None:
        return {task: _shown(truth, matched, result, found, None) for task, found in chosen.items()}
    with ReleaseReader(truth.release) as reader:
        return {
            task: _shown(truth, matched, result, found, reader) for task, found in chosen.items()
        }


def _shown(
    truth: Truth,
    matched: Matched,
    result: EvaluationResult,
    examples: Sequence[Example],
    reader: ReleaseReader | None,
) -> list[Shown]:
    shown = []
    for example in examples:
        row, text = truth.rows[example.index], matched.texts[example.index] or ""
        picture = draw_example(row, text, reader)
        notes = [
            f"{profile}: {found.rows[example.index].note}"
            for profile, found in result.profiles.items()
            if found.rows and found.rows[example.index].note
        ]
        notes += [note for note in [read_marks(row, text).note] if note]
        uri = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}" if picture else ""
        shown.append(
            Shown(example, row, clean(text), clean(reference_text(row)), "; ".join(notes), uri)
        )
    return shown


def reference_text(row: TruthRow) -> str:
    """The reference as text, from the structured truth where the row has no answer's text."""
    if row.answer:
        return row.answer
    if row.events:
        return "\n".join(f"{e.start}-{e.end} seconds: {e.caption}" for e in row.events)
    if row.boxes:
        return " ".join(f"{t} seconds: {list(box)}" for t, box in row.boxes.items())
    if row.spans:
        return ", ".join(f"{start}-{end}" for start, end in row.spans) + " seconds."
    scores = row.skill or row.cvs
    return ", ".join(f"{name}: {score}" for name, score in scores.items()) or row.caption


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """A stranger's text for a page: bounded, line breaks kept, nothing that steers a terminal."""
    return "\n".join(cut(line, limit) for line in text[: limit + 1].split("\n"))


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["clean"] = clean
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:.3f}"
    environment.filters["share"] = lambda value: "–" if value is None else f"{100 * value:.1f} %"
    environment.filters["count"] = lambda value: f"{value:,}"
    text = files("medvid.evaluation.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text)
