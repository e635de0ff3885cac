"""Prints an evaluation for people: columns with intervals, groups, and two models side by side."""

from medvid.cli.output import console, counted, print_table
from medvid.evaluation.findings import cut
from medvid.evaluation.rows import COLUMNS, JUDGED_COLUMNS
from medvid.evaluation.run_result import (
    ColumnResult,
    CompareResult,
    EvaluationResult,
    GroupKind,
    IntervalResult,
)

SHOWN_VIDEOS = 15


def print_result(result: EvaluationResult) -> None:
    """Print every column with its interval, what is missing and why, groups, and findings."""
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
        judged = f" ({cut(result.judge)})" if result.judge and name in JUDGED_COLUMNS else ""
        lines.append([name + judged, *_cells(columns)])
    print_table(f"{cut(result.submission)} against {cut(result.truth)}", heads, lines)
    _print_missing(result)
    _print_similarity(result)
    for kind in ("source", "task", "length", "video"):
        _print_groups(result, kind)
    if result.findings:
        console.print(
            f"\na check found {counted(len(result.findings), 'kind')} of things; "
            "`medvid submission check` names them:",
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
    if result.judge and any(name in JUDGED_COLUMNS for name in names):
        title += f", captions: {cut(result.judge)}"
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


def print_comparison(compared: CompareResult) -> None:
    """Print differences of two models with intervals and p-values, profile by profile."""
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
