"""`medvid build`: native labels in, a release out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import polars as pl
import typer

from medvid.cli.output import BuildProgress, console, print_json, print_table, size_text
from medvid.media import load_ahead
from medvid.releases.config import BuildConfig, load_config, make_config
from medvid.releases.units import LocalExecutor
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from flows.pipeline import BuildResult

STAGES_MODULE = "flows.stages"
"""What worker processes run: loaded where they are forked from while this one still imports."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ServerOption = Annotated[
    bool,
    typer.Option(
        "--server/--no-server",
        help="Run as a Prefect flow (an ephemeral server, or the one PREFECT_API_URL names), or "
        "run the same functions without Prefect.",
    ),
]


ConfigArgument = Annotated[Path | None, typer.Argument(help="A build as a yaml file.")]
SourceOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=ROOT",
        help="A source and its native files; repeatable. Beside a yaml file it gives that source "
        "another root, or adds it.",
    ),
]
ExtraTaskOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME:TASK",
        help="A further task a source's labels support, e.g. cholect50:stg; repeatable.",
    ),
]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="The release.")]
WorkspaceOption = Annotated[
    Path | None, typer.Option(help="Folder of finished work [default: OUTPUT.workspace].")
]
MediaOption = Annotated[
    str | None, typer.Option(help="frames, or none for labels only [default: frames].")
]
CorrectionsOption = Annotated[
    Path | None, typer.Option(help="Folder of annotators' correction log, as pulled.")
]
WorkersOption = Annotated[int | None, typer.Option(help="Processes at a time.")]
SeedOption = Annotated[int | None, typer.Option(help="Seed of every hash choice.")]
StandardSizeOption = Annotated[int | None, typer.Option(help="Samples of `standard`.")]
SelfcontainedOption = Annotated[
    bool | None,
    typer.Option("--selfcontained/--no-selfcontained", help="Write clips with frames inline."),
]
PlanOption = Annotated[
    bool, typer.Option(help="Only say what is stale, why, and what it will take.")
]
WaitOption = Annotated[bool, typer.Option(help="Wait for another build in the workspace.")]


def build(
    config: ConfigArgument = None,
    source: SourceOption = None,
    extra_task: ExtraTaskOption = None,
    output: OutputOption = None,
    workspace: WorkspaceOption = None,
    media: MediaOption = None,
    corrections: CorrectionsOption = None,
    workers: WorkersOption = None,
    seed: SeedOption = None,
    standard_size: StandardSizeOption = None,
    selfcontained: SelfcontainedOption = None,
    plan: PlanOption = False,
    wait: WaitOption = False,
    server: ServerOption = True,
    as_json: JsonOption = False,
) -> None:
    """Build a release from one yaml file, from flags, or from both (flags win).

    A second run does only what changed; a killed run goes on where it was.
    """
    settings = _flag_settings(
        source, extra_task, output=output, workspace=workspace, workers=workers, seed=seed,
        selfcontained=selfcontained, corrections=corrections,
    )  # fmt: skip
    resolved = resolve(config, settings, media=media, standard_size=standard_size)
    if plan:
        print_plan(resolved, as_json=as_json)
        return
    result = run(resolved, server=server, wait=wait, quiet=as_json)
    print_result(result, as_json=as_json)


def _flag_settings(
    sources: list[str] | None, extra_tasks: list[str] | None, **flags: object
) -> dict[str, Any]:
    settings: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    extras: dict[str, list[str]] = {}
    for item in extra_tasks or []:
        name, colon, task = item.partition(":")
        if not colon:
            raise ConfigError(f"{item!r} is not NAME:TASK.", field="--extra-task")
        extras.setdefault(name, []).append(task)
    named = []
    for item in sources or []:
        name, equals, root = item.partition("=")
        if not equals:
            raise ConfigError(f"{item!r} is not NAME=ROOT.", field="--source")
        named.append({"name": name, "root": Path(root)})
    return settings | {EXTRA_TASKS: extras} | ({"sources": named} if named else {})


EXTRA_TASKS = "extra tasks"


def _with_extra_tasks(config: BuildConfig, extras: dict[str, list[str]]) -> BuildConfig:
    """Add the tasks of --extra-task to the sources they name, from flags or from the file."""
    strangers = sorted(set(extras) - {source.name for source in config.sources})
    if strangers:
        raise ConfigError(
            f"extra tasks for {strangers}, which the build does not hold.", field="--extra-task"
        )
    settings = config.model_dump()
    for source in settings["sources"]:
        added = [*source["extra_tasks"], *extras.get(source["name"], [])]
        source["extra_tasks"] = list(dict.fromkeys(added))
    return make_config(settings)


def resolve(
    path: Path | None,
    settings: dict[str, Any],
    *,
    media: str | None = None,
    standard_size: int | None = None,
) -> BuildConfig:
    """Turn a yaml file and flags into a build.

    Raises:
        ConfigError: Neither names what a build needs, or a setting means nothing.
    """
    extras = settings.pop(EXTRA_TASKS, {})
    base = load_config(path, settings) if path else _from_flags(settings)
    base = _with_extra_tasks(base, extras)
    changes: dict[str, Any] = {}
    if media is not None:
        changes["media"] = base.media.model_dump() | {"mode": media}
    if standard_size is not None:
        changes["splits"] = base.splits.model_dump() | {"standard_size": standard_size}
    return make_config(base.model_dump() | changes) if changes else base


def _from_flags(settings: dict[str, Any]) -> BuildConfig:
    missing = [f"--{name.rstrip('s')}" for name in ("sources", "output") if name not in settings]
    if missing:
        raise ConfigError(
            f"a build needs {' and '.join(missing)}, or a yaml file.",
            action="Example: medvid build --source cholect50=DATA/CholecT50 --output releases/one.",
        )
    return make_config(settings)


def run(config: BuildConfig, *, server: bool, wait: bool, quiet: bool) -> "BuildResult":
    """Run a build with or without Prefect, which is imported only when it is wanted."""
    load_ahead(STAGES_MODULE)
    with BuildProgress(config.workspace / "events.jsonl", quiet=quiet) as progress:
        if not server:
            from flows.pipeline import build_release

            return build_release(config, LocalExecutor(config.workers), progress, wait=wait)
        from medvid.cli.prefect_server import run_with_prefect

        return run_with_prefect(config, progress, wait=wait)


def result_facts(result: "BuildResult") -> dict[str, Any]:
    """What a build made, as JSON values."""
    published = result.published
    return {
        "release": str(published.root), "manifest_sha256": published.manifest_sha256,
        "changed": published.changed, "bytes": published.size, "seconds": result.seconds,
        "samples": _sample_counts(published.root),
        "videos": {name: dict(c) for name, c in result.tally.videos.items()},
        "quarantined": len(result.tally.rows),
    }  # fmt: skip


def print_result(result: "BuildResult", *, as_json: bool) -> None:
    """Print what a build made: source by task, what was dropped, bytes, seconds."""
    if as_json:
        print_json(result_facts(result))
        return
    root = result.published.root
    counts = _sample_counts(root)
    tasks = sorted({row["task"] for row in counts})
    sources = sorted({row["source"] for row in counts})
    cells = {(row["source"], row["task"]): row["samples"] for row in counts}
    rows: list[list[object]] = [
        [source, *(cells.get((source, task), 0) for task in tasks),
         sum(cells.get((source, task), 0) for task in tasks)]
        for source in sources
    ]  # fmt: skip
    totals = [sum(int(str(row[i])) for row in rows) for i in range(1, len(tasks) + 2)]
    print_table("samples", ["source", *tasks, "all"], [*rows, ["all", *totals]])
    _print_losses(result)
    state = "written" if result.published.changed else "unchanged"
    console.print(
        f"\n{state}: {size_text(result.published.size)} in {result.seconds['total']:.1f} s"
    )
    console.print(f"release          {root}", soft_wrap=True)
    console.print(f"manifest sha256  {result.published.manifest_sha256}", soft_wrap=True)
    console.print(f"report           {root / 'report.html'}", soft_wrap=True)


def _sample_counts(root: Path) -> list[dict[str, Any]]:
    grouped = (
        pl.scan_parquet(root / "index" / "samples.parquet")
        .group_by("source", "task")
        .agg(pl.len().alias("samples"))
        .sort("source", "task")
    )
    return grouped.collect().to_dicts()


def _print_losses(result: "BuildResult") -> None:
    words = {word for counts in result.tally.videos.values() for word in counts}
    columns = [w for w in ("with samples", "without samples", "quarantined") if w in words]
    rows: list[list[object]] = [
        [source, *(counts.get(word, 0) for word in columns)]
        for source, counts in sorted(result.tally.videos.items())
    ]
    console.print()
    print_table("videos", ["source", *columns], rows)
    reasons: dict[tuple[str, str, str], int] = {}
    for row in result.tally.rows:
        key = (row.source, row.kind, row.reason)
        reasons[key] = reasons.get(key, 0) + 1
    if reasons:
        console.print()
        print_table(
            "quarantine", ["source", "record", "reason", "rows"],
            [[*key, count] for key, count in sorted(reasons.items())],
        )  # fmt: skip


def print_plan(config: BuildConfig, *, as_json: bool) -> None:
    """Say what a build would do."""
    from flows.plan import plan_build

    plan = plan_build(config)
    if as_json:
        print_json(orjson.loads(plan.model_dump_json()))
        return
    rows: list[list[object]] = [
        [s.stage, s.units, s.stale, s.why, f"{s.seconds:.0f} s"] for s in plan.stages
    ]
    print_table("plan", ["stage", "units", "stale", "why", "time at most"], rows)
    console.print(
        f"\nnew frames {plan.new_frames:,}, about {size_text(plan.new_bytes)}; "
        f"free on the disk {size_text(plan.free_bytes)}"
    )
    for note in plan.notes:
        console.print(note)
