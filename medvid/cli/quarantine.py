"""`medvid quarantine`: what did not reach a release, why, and another try."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import polars as pl
import typer

from medvid.cli.build import ServerOption, print_result, run
from medvid.cli.output import console, print_json, print_table
from medvid.releases.config import BuildConfig, make_config
from medvid.releases.publish import RUN_FILE, read_manifest
from medvid.releases.workspace import Workspace
from schemas.errors import ReleaseError
from schemas.tables import QUARANTINE, read_table

SHOWN = 50


def quarantine(
    release: Annotated[Path, typer.Argument(help="Folder of the release.")],
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    explain: Annotated[
        bool, typer.Option(help="Show every row in full: place, fault, what to do.")
    ] = False,
    retry: Annotated[
        bool, typer.Option(help="Forget the verdicts on these rows and build the release again.")
    ] = False,
    server: ServerOption = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List what did not reach a release, explain it, or try it again."""
    read_manifest(release)
    table = read_table(release / "quarantine.parquet", QUARANTINE)
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise ReleaseError("the quarantine is not a table.", source=release.name)
    for column, wanted in (("source", source), ("video_id", video), ("reason", reason)):
        if wanted is not None:
            frame = frame.filter(pl.col(column) == wanted)
    if retry:
        _retry(release, frame, server=server, as_json=as_json)
    elif as_json:
        print_json({"rows": frame.to_dicts()})
    elif explain:
        _explain(frame)
    else:
        _list(frame)


def _list(frame: pl.DataFrame) -> None:
    if frame.is_empty():
        console.print("the quarantine is empty.")
        return
    keys = ["source", "stage", "kind", "reason"]
    grouped = frame.group_by(keys).agg(pl.len(), pl.col("video_id").unique().sort()).sort(keys)
    rows: list[list[object]] = []
    for row in grouped.iter_rows(named=True):
        videos = row["video_id"]
        names = ", ".join(videos[:3]) + (f" and {len(videos) - 3} more" if len(videos) > 3 else "")
        rows.append([row["source"], row["stage"], row["kind"], row["reason"], row["len"], names])
    print_table("quarantine", ["source", "stage", "record", "reason", "rows", "videos"], rows)
    console.print("\n--explain shows places and what to do; --retry tries again.")


def _explain(frame: pl.DataFrame) -> None:
    for row in frame.head(SHOWN).iter_rows(named=True):
        place = ":".join(str(part) for part in (row["file"], row["line"]) if part)
        where = " ".join(
            part for part in (row["source"], row["video_id"], place, row["field"]) if part
        )
        console.print(f"{where}", markup=False, soft_wrap=True)
        console.print(
            f"  {row['kind']} {row['reason']} ({row['stage']}): {row['detail']}", markup=False,
            soft_wrap=True,
        )  # fmt: skip
        console.print(f"  {row['action']}", markup=False, soft_wrap=True)
    if len(frame) > SHOWN:
        console.print(f"and {len(frame) - SHOWN} more; narrow with --source, --video or --reason.")


def _retry(release: Path, frame: pl.DataFrame, *, server: bool, as_json: bool) -> None:
    config = build_of(release)
    names = {
        f"{source}/{video}"
        for source, video in frame.select("source", "video_id").unique().iter_rows()
    }
    with Workspace(config.workspace) as workspace:
        for stage in ("convert", "media", "pairs", "frames"):
            for name in names:
                workspace.forget(stage, name)
    print_result(run(config, server=server, wait=False, quiet=as_json), as_json=as_json)


def build_of(release: Path) -> BuildConfig:
    """The build that made a release, from the record it left outside the manifest.

    Raises:
        ReleaseError: The record is missing, as in a release copied from elsewhere.
    """
    path = release / RUN_FILE
    if not path.is_file():
        raise ReleaseError(
            f"{RUN_FILE} is missing, so it is not known where the native files are.",
            source=release.name,
            action="Run `medvid build` with its configuration instead.",
        )
    settings: dict[str, Any] = orjson.loads(path.read_bytes())["config"]
    config = make_config(settings, source=RUN_FILE)
    if config.output.absolute() != release.absolute():
        raise ReleaseError(
            f"this release was built as {config.output.name} in another folder and moved here.",
            source=release.name, action="Retry it where it was built, or build it here.",
        )  # fmt: skip
    return config
