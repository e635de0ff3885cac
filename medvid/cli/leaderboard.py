"""`medvid leaderboard`: host a leaderboard, run further workers, export its table."""

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from medvid.cli.output import console, counted, print_json, print_table, write_document
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from medvid.evaluation.leaderboard.settings import LeaderboardSettings
    from medvid.evaluation.leaderboard.store import BoardStore

# Gradio and SQLAlchemy are an extra and slow to import: they are imported where they are used.

app = typer.Typer(no_args_is_help=True, help=__doc__)
_progress = Console(stderr=True, highlight=False)

Truth = Annotated[
    Path, typer.Option("--truth", help="Folder of a release, or an official json with answers.")
]
Database = Annotated[
    str, typer.Option(envvar="MEDVID_LEADERBOARD_DATABASE", help="SQLAlchemy URL.")
]
Split = Annotated[str, typer.Option(help="Split of a release.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_SQLITE = "sqlite:///leaderboard.sqlite"
_FIELDS = {
    "published": "show_published", "max_upload_mib": "max_upload_bytes",
    "time_limit": "time_limit_s", "memory_mib": "memory_bytes",
}  # fmt: skip


HostOption = Annotated[str, typer.Option(help="Address to listen on.")]
PortOption = Annotated[int, typer.Option(min=0, max=65_535, help="0 for any free one.")]
TitleOption = Annotated[str, typer.Option(help="Heading of the page.")]
ShowTruthOption = Annotated[
    bool, typer.Option("--show-truth", help="Show the truth beside answers: not for a test.")
]
PublishedOption = Annotated[
    bool, typer.Option(help="Start with the published scores, marked as such.")
]
CaptionsOption = Annotated[
    Literal["auto", "judge", "similarity", "none"],
    typer.Option(help="Second step: the judge MEDVID_LLM_BASE_URL names, or meaning alone."),
]
MaxUploadMibOption = Annotated[int, typer.Option(min=1, help="Largest upload.")]
TimeLimitOption = Annotated[float, typer.Option(min=1, help="Seconds an evaluation may take.")]
MemoryMibOption = Annotated[int, typer.Option(min=512, help="Memory it may take.")]
UploadsPerHourOption = Annotated[int, typer.Option(min=0, help="Of one address; 0: any.")]
TeamUploadsPerDayOption = Annotated[int, typer.Option(min=0, help="Of one team; 0: any.")]
WorkersOption = Annotated[int, typer.Option(min=1, max=16, help="Evaluations at a time.")]


@app.command()
def serve(
    context: typer.Context,
    truth: Truth,
    split: Split = "test",
    database: Database = _SQLITE,
    host: HostOption = "127.0.0.1",
    port: PortOption = 7860,
    title: TitleOption = "MedVidBench leaderboard",
    show_truth: ShowTruthOption = False,
    published: PublishedOption = True,
    captions: CaptionsOption = "auto",
    max_upload_mib: MaxUploadMibOption = 25,
    time_limit: TimeLimitOption = 600,
    memory_mib: MemoryMibOption = 4096,
    uploads_per_hour: UploadsPerHourOption = 20,
    team_uploads_per_day: TeamUploadsPerDayOption = 10,
    workers: WorkersOption = 1,
    as_json: AsJson = False,
) -> None:
    """Run a leaderboard until it is interrupted.

    Settings that are not given are read from MEDVID_LEADERBOARD_ and their name in capitals; the
    admin's token from MEDVID_LEADERBOARD_ADMIN_TOKEN alone.
    """
    settings_type, _ = _leaderboard()
    from medvid.evaluation.leaderboard.serving import serve as run

    given = {
        "truth": truth, "split": split, "database": database, "host": host, "port": port,
        "title": title, "show_truth": show_truth, "published": published, "captions": captions,
        "max_upload_mib": max_upload_mib << 20, "time_limit": time_limit,
        "memory_mib": memory_mib << 20, "uploads_per_hour": uploads_per_hour,
        "team_uploads_per_day": team_uploads_per_day, "workers": workers,
    }  # fmt: skip

    def started(url: str) -> None:
        if as_json:
            print_json({"url": url})
            sys.stdout.flush()
        else:
            console.print(f"leaderboard      {url}", markup=False, soft_wrap=True)
            _progress.print("Ctrl-C ends it; what was uploaded stays.", markup=False)

    run(_settings(settings_type, _asked_for(context, given)), started)


def _asked_for(context: typer.Context, given: dict[str, Any]) -> dict[str, Any]:
    """What stood on the command line; the rest is left to the environment."""
    return {
        _FIELDS.get(name, name): value
        for name, value in given.items()
        if (source := context.get_parameter_source(name)) is not None and source.name != "DEFAULT"
    }


@app.command()
def worker(
    truth: Truth,
    split: Split = "test",
    database: Database = _SQLITE,
    step: Annotated[
        Literal["evaluate", "captions"], typer.Option(help="Jobs to work on.")
    ] = "evaluate",
    once: Annotated[bool, typer.Option("--once", help="End when the queue is empty.")] = False,
    as_json: AsJson = False,
) -> None:
    """Work on the queue of a leaderboard from another machine or terminal."""
    settings_type, store_type = _leaderboard()
    from medvid.evaluation.leaderboard.worker import work, work_once

    given = {"truth": truth, "split": split, "database": database}
    settings = _settings(settings_type, given)
    stop, done = threading.Event(), 0
    with store_type(settings.database) as store:
        if not once:
            work(store, settings, step, stop)
        while once and work_once(store, settings, step, stop):
            done += 1
    if as_json:
        print_json({"jobs": done})
    else:
        console.print(f"{counted(done, 'job')} worked on", markup=False)


@app.command()
def export(
    truth: Truth,
    split: Split = "test",
    database: Database = _SQLITE,
    profile: Annotated[
        Literal["official", "strict"], typer.Option(help="Rules that make the order.")
    ] = "official",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .json file.")
    ] = None,
    published: Annotated[bool, typer.Option(help="With the published scores.")] = True,
    as_json: AsJson = False,
) -> None:
    """Print or write the table."""
    _, store_type = _leaderboard()
    from medvid.evaluation.leaderboard.board import export_csv, export_json, load_board
    from medvid.evaluation.truth import load_truth

    if output is not None and output.suffix not in (".csv", ".json"):
        raise ConfigError("the table is written as .csv or .json.", source=output.name)
    key = load_truth(truth, split=split).key
    with store_type(database) as store:
        board = load_board(store, key, profile=profile, published=published)
    if output is not None:
        write_document(output, (export_csv if output.suffix == ".csv" else export_json)(board))
    if as_json:
        sys.stdout.write(export_json(board).decode() + "\n")
        return
    rows: list[list[object]] = []
    for line in board.lines:
        values = line.official if profile == "official" else line.strict
        shown = (values.get(column) for column in board.columns)
        place = line.rank.place if line.rank else "-"
        rows.append([
            place, line.entry.name, line.entry.team, line.entry.origin,
            *("-" if value is None else f"{value:.3f}" for value in shown),
        ])  # fmt: skip
    print_table(f"{profile} rules", ["#", "model", "team", "origin", *board.columns], rows)


@app.command()
def space(
    folder: Annotated[Path, typer.Argument(help="Folder to write.")],
    title: Annotated[str, typer.Option(help="Title of the Space.")] = "MedVidBench leaderboard",
    as_json: AsJson = False,
) -> None:
    """Write a folder that runs the leaderboard as a Hugging Face Space."""
    _leaderboard()
    from medvid.evaluation.leaderboard.space import write_space

    written = write_space(folder, title)
    if as_json:
        print_json({"files": [path.name for path in written]})
        return
    for path in written:
        console.print(f"written          {path}", markup=False, soft_wrap=True)


def _settings(
    settings_type: "type[LeaderboardSettings]", given: Mapping[str, object]
) -> "LeaderboardSettings":
    """Options first, the environment for all that has none."""
    options = {f"MEDVID_LEADERBOARD_{name.upper()}": str(value) for name, value in given.items()}
    return settings_type.from_environment({**os.environ, **options})


def _leaderboard() -> "tuple[type[LeaderboardSettings], type[BoardStore]]":
    """Settings and store, or what to install."""
    try:
        from medvid.evaluation.leaderboard.settings import LeaderboardSettings
        from medvid.evaluation.leaderboard.store import BoardStore
    except ImportError as error:
        raise ConfigError(
            "the leaderboard's packages are not installed.",
            action="Install `medvidbench[leaderboard]`.",
        ) from error
    return LeaderboardSettings, BoardStore
