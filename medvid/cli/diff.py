"""`medvid diff`: what differs between two releases, and why."""

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from medvid.cli.output import console, counted, print_json, print_table, size_text
from medvid.releases.diff import ReleaseDiff, diff_releases, iter_changes
from medvid.releases.diff_builds import BuildDiff

SHOWN = 30
NAMED = 5


def diff(
    before: Annotated[Path, typer.Argument(help="Folder of the first release.")],
    after: Annotated[Path, typer.Argument(help="Folder of the second.")],
    every: Annotated[
        bool, typer.Option("--all", help="Print every pair that differs, one JSON line each.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 where anything differs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say which pairs were added, removed or changed between two releases, and for what reason.

    Shards of equal hash are passed over, so that one corrected label among half a million pairs
    takes a second or two. Exit code 0 whether or not anything differs; with --exit-code 1 where
    anything does, as git has it.
    """
    if every:
        different = _stream(before, after)
    else:
        found = diff_releases(before, after)
        different = not found.same
        if as_json:
            print_json(orjson.loads(found.model_dump_json()))
        else:
            _print(found)
    if exit_code and different:
        raise typer.Exit(1)


def _stream(before: Path, after: Path) -> bool:
    """Print changes as they are found; whether the releases differ at all."""
    from medvid.releases.publish import manifest_hash

    for change in iter_changes(before, after):
        sys.stdout.write(orjson.dumps(change.as_json()).decode() + "\n")
    return manifest_hash(before) != manifest_hash(after)


def _print(found: ReleaseDiff) -> None:
    console.print(
        f"before  {found.before}  {counted(found.samples_before, 'pair')}", soft_wrap=True
    )
    console.print(f"after   {found.after}  {counted(found.samples_after, 'pair')}", soft_wrap=True)
    if found.same:
        console.print("the releases are the same, byte for byte.")
        return
    console.print(
        f"{counted(found.added, 'pair')} added, {found.removed:,} removed, "
        f"{found.changed:,} changed\n"
    )
    _print_builds(found.builds)
    _print_changes(found)
    rows: list[list[object]] = [
        [
            folder.folder, folder.kept, size_text(folder.kept_bytes), len(folder.rewritten),
            size_text(folder.rewritten_bytes), len(folder.added), size_text(folder.added_bytes),
            len(folder.removed),
        ]
        for folder in found.folders
    ]  # fmt: skip
    console.print()
    columns = ["tars of", "kept", "bytes", "rewritten", "bytes ", "added", "bytes  ", "removed"]
    print_table("shards", columns, rows)
    written = [name for folder in found.folders for name in (*folder.rewritten, *folder.added)]
    if written:
        console.print(f"\nwritten: {_named(written)}", markup=False, soft_wrap=True)
    if found.files:
        console.print(f"other files: {_named(found.files)}", markup=False, soft_wrap=True)


def _print_builds(builds: BuildDiff) -> None:
    lines = [
        ("setting", f"{change.setting}: {_value(change.before)} -> {_value(change.after)}")
        for change in builds.settings[:SHOWN]
    ]
    if builds.code_changed:
        which = f", converters of {_named(builds.converters)}" if builds.converters else ""
        lines.append(("code", f"changed{which}"))
    lines += [("version", f"{name} {told}") for name, told in builds.versions.items()]
    if builds.corrections_head is not None:
        lines.append(("correction log", builds.corrections_head))
    moved = [f"{move.video} {move.before} -> {move.after}" for move in builds.moved]
    lost = [f"{name} ({reason})" for name, reason in builds.quarantined.items()]
    for word, names in (
        ("videos added", builds.videos_added), ("videos removed", builds.videos_removed),
        ("quarantined", lost), ("restored", builds.restored), ("labels", builds.labels_changed),
        ("read anew", builds.converter_changed), ("pictures", builds.media_changed),
        ("split", moved),
    ):  # fmt: skip
        if names:
            lines.append((word, f"{len(names):,}: {_named(names)}"))
    for name, told in lines:
        console.print(f"{name:<15} {told}", markup=False, soft_wrap=True)


def _print_changes(found: ReleaseDiff) -> None:
    if not found.changes:
        return
    rows: list[list[object]] = [
        [
            change.kind, change.reason, " ".join(change.what), change.source, change.task,
            change.samples, change.examples[0][:12],
        ]
        for change in found.changes[:SHOWN]
    ]  # fmt: skip
    columns = ["kind", "reason", "what", "source", "task", "pairs", "e.g."]
    console.print()
    print_table("pairs", columns, rows)
    if len(found.changes) > SHOWN:
        rest = found.changes[SHOWN:]
        told = sum(change.samples for change in rest)
        console.print(
            f"and {counted(told, 'pair')} in {counted(len(rest), 'more group')}; --json has all"
        )
    console.print("--all lists every pair; `medvid why RELEASE ID` tells its history.")


def _named(names: tuple[str, ...] | list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _value(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
