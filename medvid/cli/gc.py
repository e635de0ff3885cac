"""`medvid gc`: give back the disk that finished work nobody uses holds."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from medvid.cli.output import console, counted, print_json, print_table, size_text
from medvid.releases.gc import DEFAULT_KEEP_DAYS, Collection, collect


def gc(
    workspaces: Annotated[
        list[Path], typer.Argument(metavar="WORKSPACE...", help="Workspaces of builds.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run/--delete", help="Only say what would go, or remove it.")
    ] = True,
    keep_days: Annotated[
        float, typer.Option(min=0.0, help="Keep unused work younger than this many days.")
    ] = DEFAULT_KEEP_DAYS,
    keep: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RELEASE",
            help="A release in use that was moved from where it was built; repeatable.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Remove finished work that no release in use refers to; says what would go unless --delete.

    A release in use is one that stands, unchanged, where it was built. Releases never lose a
    byte: they hold their shards themselves. What goes would be done again if a build needed it.
    Refused while a build works in the workspace. Exit code 0 also where nothing was to remove.
    """
    done = []
    for workspace in workspaces:
        found = collect(workspace, dry_run=dry_run, keep_days=keep_days, keep=keep or ())
        done.append(found)
        if not as_json:
            _print(found)
    if as_json:
        documents = [orjson.loads(found.model_dump_json()) for found in done]
        print_json({
            "dry_run": dry_run, "workspaces": documents,
            "removed": sum(found.removed for found in done),
            "freed_bytes": sum(found.freed_bytes for found in done),
        })  # fmt: skip


def _print(found: Collection) -> None:
    rows: list[list[object]] = [
        [
            stage.stage, stage.kept, size_text(stage.kept_bytes), stage.removed,
            size_text(stage.removed_bytes), size_text(stage.freed_bytes),
        ]
        for stage in found.stages
    ]  # fmt: skip
    verb = "would go" if found.dry_run else "removed"
    columns = ["stage", "units kept", "bytes kept", verb, "their bytes", "freed on disk"]
    print_table(f"workspace {found.workspace}", columns, rows)
    console.print()
    for release in found.releases:
        word = "in use" if release.stands else "gone  "
        console.print(
            f"{word}  {release.output}  {release.manifest_sha256[:16]}", markup=False,
            soft_wrap=True,
        )  # fmt: skip
    console.print(
        f"{verb}: {counted(found.removed, 'unit')}, {size_text(found.freed_bytes)} of disk"
    )
    if found.dry_run and found.removed:
        console.print("Run again with --delete to remove them.")
