"""`medvid evaluate`: score a submission as the leaderboard does, and fairly, in seconds."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from medvid.cli.output import console, print_table
from medvid.evaluation.findings import cut
from medvid.evaluation.report import write_report
from medvid.evaluation.rows import COLUMNS, Profile, SentenceEncoder
from medvid.evaluation.run import (
    EvaluationSettings,
    Judged,
    Matched,
    Scored,
    compare_submissions,
    match_submission,
    score_submission,
    summarise,
)
from medvid.evaluation.run_result import (
    ColumnResult,
    CompareResult,
    EvaluationResult,
    GroupKind,
    IntervalResult,
)
from medvid.evaluation.submission import load_submission
from medvid.evaluation.truth import Truth, load_truth
from medvid.shards.aside import write_whole
from schemas.errors import ConfigError
from schemas.hashing import canonical_json

# What talks to a language model takes seconds to import and is asked for by two options alone, so
# it is imported where it is used.

RESULT_NAME = "evaluation.json"
SHOWN_VIDEOS = 15
_PROFILES: dict[str, tuple[Profile, ...]] = {
    "official": ("official",), "strict": ("strict",), "both": ("official", "strict"),
}  # fmt: skip
_progress = Console(stderr=True, highlight=False)


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="File of answers.")],
    truth: Annotated[
        Path, typer.Option("--truth", help="Folder of a release, or an official json with answers.")
    ],
    split: Annotated[str, typer.Option(help="Split of a release.")] = "test",
    profile: Annotated[
        Literal["official", "strict", "both"], typer.Option(help="Which rules to score by.")
    ] = "both",
    judge: Annotated[
        bool,
        typer.Option(
            "--judge", help="Have captions judged by the model MEDVID_LLM_BASE_URL names."
        ),
    ] = False,
    similarity: Annotated[
        bool,
        typer.Option("--similarity", help="Compare captions by meaning alone, on its own scale."),
    ] = False,
    judge_profile: Annotated[
        Literal["clinical", "official"], typer.Option(help="Wording of the judge.")
    ] = "official",
    cache: Annotated[
        Path, typer.Option(help="Folder in which the judge's paid answers are kept.")
    ] = Path("judge-cache"),
    compare: Annotated[
        Path | None, typer.Option(help="Another file of answers, tested against this one.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for evaluation.json and .html.")
    ] = None,
    draws: Annotated[
        int, typer.Option(min=0, max=100_000, help="Resamplings behind each interval.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the resamplings.")] = 0,
    as_uploaded: Annotated[
        bool,
        typer.Option("--as-uploaded", help="Match by place even where the order is plainly lost."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Score answers against a truth: the leaderboard's ten columns, strict ones beside them."""
    settings = EvaluationSettings(
        profiles=_PROFILES[profile], draws=draws, seed=seed, as_uploaded=as_uploaded
    )
    if judge:
        _require_endpoint()
    rows = load_truth(truth, split=split)
    rows.require_answers()
    encoder = _encoder()
    matched = match_submission(rows, load_submission(predictions), as_uploaded=as_uploaded)
    judged = None
    if judge:
        judged = _ask_judge(rows, matched, judge_profile, cache)
    elif similarity:
        judged = _compare_meaning(rows, matched)
    scored = _score(rows, matched, settings, encoder, judged)
    result = summarise(rows, scored, settings, judged=judged)
    compared = None
    if compare is not None:
        other = match_submission(rows, load_submission(compare), as_uploaded=as_uploaded)
        first = score_submission(rows, other, settings, encoder=encoder)
        compared = compare_submissions(rows, first, scored, settings)
    report = None
    if output is not None:
        report = write_report(output, rows, matched, result, compared)
        write_whole(output / RESULT_NAME, _document(result, compared))
    if as_json:
        sys.stdout.write(_document(result, compared, rows=output is None).decode() + "\n")
        return
    _print_result(result)
    if compared is not None:
        _print_comparison(compared)
    if report is not None:
        console.print(f"\nreport      {report}", markup=False, soft_wrap=True)


def _require_endpoint() -> None:
    """Fail before any work where no judge is set up."""
    from medvid.language import LanguageSettings

    if LanguageSettings.from_environment() is None:
        raise ConfigError(
            "no judge is set up.",
            action="Set MEDVID_LLM_BASE_URL and MEDVID_LLM_MODEL (and MEDVID_LLM_API_KEY), or "
            "take `--similarity`, which is no judge and has a scale of its own.",
        )


def _encoder() -> SentenceEncoder | None:
    """The encoder where it is installed; without it official NAP may have no value, and says so."""
    from medvid.language import encoder

    try:
        return encoder.SentenceEncoder()
    except encoder.EncoderMissingError:
        return None


def _ask_judge(
    truth: Truth, matched: Matched, wording: Literal["clinical", "official"], cache: Path
) -> Judged | None:
    from medvid.evaluation.judge import JudgeSettings
    from medvid.evaluation.run_judge import judge_submission
    from medvid.language import CallCache, LanguageClient, LanguageSettings

    endpoint = LanguageSettings.from_environment()
    if endpoint is None:
        return None
    with closing(CallCache(cache)) as calls, LanguageClient(endpoint, calls) as client:
        judged, report = judge_submission(
            truth, matched, client, JudgeSettings(profile=wording), progress=_told("judged")
        )
    counts = ", ".join(f"{count:,} {status}" for status, count in report.counts().items() if count)
    _progress.print(f"judge: {counts}", markup=False)
    return judged


def _compare_meaning(truth: Truth, matched: Matched) -> Judged:
    from medvid.evaluation.run_judge import judge_submission

    return judge_submission(truth, matched, None, progress=_told("compared"))[0]


def _told(what: str) -> Callable[[int, int], None]:
    """Progress on a terminal, in place; silence elsewhere."""

    def tell(done: int, total: int) -> None:
        if _progress.is_terminal:
            end = "\n" if done == total else "\r"
            _progress.print(f"{what} {done:,} of {total:,}", end=end, markup=False)

    return tell


def _score(
    truth: Truth,
    matched: Matched,
    settings: EvaluationSettings,
    encoder: SentenceEncoder | None,
    judged: Judged | None,
) -> Scored:
    marks = judged.scores if judged is not None and not judged.semantic else None
    return score_submission(truth, matched, settings, encoder=encoder, judged=marks)


def _document(
    result: EvaluationResult, compared: CompareResult | None, *, rows: bool = True
) -> bytes:
    facts = result.model_dump(mode="json")
    if not rows:
        for found in facts["profiles"].values():
            found["rows"] = []
    facts["compared"] = compared.model_dump(mode="json") if compared else None
    return canonical_json(facts)


def _print_result(result: EvaluationResult) -> None:
    profiles = list(result.profiles)
    heads = ["column"]
    for profile in profiles:
        heads += [profile, "95 % interval"]
    heads += ["rows", *([f"counted {profiles[0]}"]), "readable"]
    names = dict.fromkeys(
        [*COLUMNS, *(name for found in result.profiles.values() for name in found.columns)]
    )
    lines = []
    for name in names:
        columns = [found.columns.get(name) for found in result.profiles.values()]
        lines.append([name, *_cells(columns)])
    print_table(f"{cut(result.submission)} against {cut(result.truth)}", heads, lines)
    _print_missing(result)
    _print_similarity(result)
    for kind in ("source", "task", "length", "video"):
        _print_groups(result, kind)
    if result.findings:
        console.print(
            f"\na check found {len(result.findings)} kinds of things; "
            "`medvid submission check` lists them:",
            markup=False,
        )
        for finding in result.findings:
            console.print(f"  {finding['problem']} ({finding['count']:,})", markup=False)


def _cells(columns: list[ColumnResult | None]) -> list[object]:
    cells: list[object] = []
    for column in columns:
        cells += [_number(column.value) if column else "", _range(column)]
    shown = next(column for column in columns if column is not None)
    first = columns[0]
    cells += [shown.rows, first.counted if first else "", _share(shown.parsed_rate)]
    return cells


def _print_missing(result: EvaluationResult) -> None:
    reasons: dict[str, list[str]] = {}
    for found in result.profiles.values():
        for column in found.columns.values():
            if column.missing and column.name not in reasons.get(column.missing, []):
                reasons.setdefault(column.missing, []).append(column.name)
    for reason, names in reasons.items():
        console.print(f"no {', '.join(names)}: {reason}", markup=False, soft_wrap=True)
    if result.judge:
        console.print(f"judged by {result.judge}", markup=False, soft_wrap=True)
    columns = (c for found in result.profiles.values() for c in found.columns.values())
    if any(column.interval and column.interval.rough for column in columns):
        console.print("~ fewer than ten videos: the interval is a rough guide", markup=False)


def _print_similarity(result: EvaluationResult) -> None:
    if result.semantic is None:
        return
    profiles = list(result.semantic.columns)
    first = result.semantic.columns[profiles[0]]
    console.print()
    print_table(
        f"not judged: {result.semantic.label}",
        ["column", *profiles, "rows"],
        [
            [name, *(_number(result.semantic.columns[p][name].value) for p in profiles), c.rows]
            for name, c in first.items()
        ],
    )


def _print_groups(result: EvaluationResult, kind: GroupKind) -> None:
    profile = next(iter(result.profiles))
    groups = [g for g in result.profiles[profile].groups if g.kind == kind]
    names = [n for n in COLUMNS if any(g.values.get(n) is not None for g in groups)]
    shown = groups
    if kind == "video":
        shown = sorted(groups, key=lambda g: (-g.rows, g.name))[:SHOWN_VIDEOS]
    title = f"by {kind}, {profile}" + (
        f", {len(shown)} of {len(groups)}" if len(shown) < len(groups) else ""
    )
    console.print()
    print_table(
        title,
        [kind, "rows", "readable", *names],
        [
            [
                cut(group.name, 40), group.rows, _share(group.parsed_rate),
                *(_number(group.values[n]) if n in group.values else "" for n in names),
            ]
            for group in shown
        ],
    )  # fmt: skip


def _print_comparison(compared: CompareResult) -> None:
    for profile, columns in compared.columns.items():
        console.print()
        print_table(
            f"{cut(compared.second)} less {cut(compared.first)}, {profile}",
            ["column", "first", "second", "difference", "95 % interval", "p", "p (Holm)",
             "videos up", "down", "of"],
            [
                [
                    c.column, _number(c.first), _number(c.second), f"{c.difference:+.3f}",
                    _interval(c.interval), f"{c.p_value:.4f}", f"{c.p_holm:.4f}", c.better, c.worse,
                    c.clusters,
                ]
                for c in columns
            ],
        )  # fmt: skip


def _range(column: ColumnResult | None) -> str:
    return _interval(column.interval) if column else ""


def _interval(found: IntervalResult | None) -> str:
    if found is None:
        return ""
    return f"{found.low:.3f} to {found.high:.3f}{' ~' if found.rough else ''}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
