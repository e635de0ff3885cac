"""`medvid import`: official files as a folder that reads like a release."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from medvid.cli.export import StageProgress
from medvid.cli.output import console, print_json
from medvid.releases.exports import ImportSettings, import_official
from medvid.releases.exports.importing import OFFICIAL_LICENCE, QUESTIONS_FILE


class ImportFormat(StrEnum):
    """Formats that can be imported."""

    MEDVIDBENCH = "medvidbench"


class SplitName(StrEnum):
    """Splits a file can be taken for."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


FormArgument = Annotated[ImportFormat, typer.Argument(help="Format of the file.")]
PathArgument = Annotated[
    Path, typer.Argument(help="The file: a JSON array of rows, or JSON lines.")
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")]
FramesOption = Annotated[
    Path | None,
    typer.Option(help="Folder the frames were unpacked to [default: labels only]."),
]
SplitOption = Annotated[
    SplitName | None,
    typer.Option(help="Split of all rows [default: what our own exports say, else test]."),
]
LicenceOption = Annotated[str, typer.Option(help="Licence id of rows that do not name theirs.")]
AsJsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def import_(
    form: FormArgument,
    path: PathArgument,
    output: OutputOption,
    frames: FramesOption = None,
    split: SplitOption = None,
    licence: LicenceOption = OFFICIAL_LICENCE,
    as_json: AsJsonOption = False,
) -> None:
    """Read an official MedVidBench file into samples, questions and a quarantine.

    The folder reads like a release but proves nothing about other splits. It appears whole or not
    at all.
    """
    settings = ImportSettings(split=split.value if split else None, licence=licence)
    with StageProgress(quiet=as_json) as progress:
        summary = import_official(path, output, settings, frames=frames, heard=progress.heard)
    if as_json:
        print_json({
            "rows": summary.rows, "samples": summary.samples, "questions": summary.questions,
            "quarantined": summary.quarantined, "reasons": summary.reasons,
            "frames": summary.frames,
        })  # fmt: skip
        return
    for name, number, where in (
        ("rows", summary.rows, ""),
        ("samples", summary.samples, ""),
        ("questions", summary.questions, f"without answer, in {QUESTIONS_FILE}"),
        ("quarantined", summary.quarantined, "medvid quarantine FOLDER --explain"),
        ("frames", summary.frames, "" if frames else "labels only: no --frames given"),
    ):
        note = f"  {where}" if where and (number or name == "frames") else ""
        console.print(f"{name:<12} {number:>9,}{note}", markup=False)
    for reason, number in summary.reasons.items():
        console.print(f"  {reason:<24} {number:>7,}", markup=False)
    console.print(f"written      {output}", markup=False, soft_wrap=True)
