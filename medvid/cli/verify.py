"""`medvid verify`: check a release against its own words."""

from pathlib import Path
from typing import Annotated

import typer

from medvid.cli.output import console, print_json
from medvid.releases.publish import manifest_hash
from medvid.releases.verify import Check, verify_release

SHOWN = 10


def verify(
    release: Annotated[Path, typer.Argument(help="Folder of the release.")],
    quick: Annotated[
        bool,
        typer.Option(help="Trust files whose size and time are those recorded at publication."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check hashes, tars, indexes, grammar, frames, splits and licences of a release.

    Exit code 0 when the release is sound, 1 when anything failed.
    """
    checks = verify_release(release, quick=quick, heard=None if as_json else _print)
    sound = not any(check.failed for check in checks)
    sha256 = manifest_hash(release)
    if as_json:
        rows = [
            {"check": c.name, "checked": c.checked, "failed": c.failed, "failures": c.failures}
            for c in checks
        ]
        print_json({"sound": sound, "manifest_sha256": sha256, "checks": rows})
    else:
        console.print(f"manifest sha256 {sha256}")
        console.print("the release is sound." if sound else "the release is NOT sound.")
    if not sound:
        raise typer.Exit(1)


def _print(check: Check) -> None:
    word = "ok  " if not check.failed else "FAIL"
    console.print(f"{word} {check.checked:>9,}  {check.name}", markup=False)
    for failure in check.failures[:SHOWN]:
        console.print(f"      {failure}", markup=False)
    if check.failed > SHOWN:
        console.print(f"      and {check.failed - SHOWN} more")
