"""`medvid annotate agreement`: how far annotators who saw the same clip say the same."""

from pathlib import Path
from typing import Annotated

import typer

from annotation.archive import Archive
from annotation.reliability.page import COLUMNS, render_agreement, summary_rows
from annotation.reliability.report import AgreementReport, measure_agreement
from medvid.cli.output import console, counted, print_json, print_table, write_document
from schemas.errors import ConfigError


def agreement(
    home: Annotated[
        Path, typer.Option("--home", help="Folder that `medvid annotate pull` fills.")
    ] = Path("annotations"),
    output: Annotated[
        Path | None, typer.Option(help="Write the whole report as an offline page, e.g. page.html.")
    ] = None,
    unled: Annotated[
        bool, typer.Option("--unled", help="Only answers to tasks pushed with --hide-labels.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure agreement by job, label, annotator and pair of annotators.

    Rests on every answer that was pulled to a task with answers of two annotators or more. Push
    such tasks with --hide-labels: labels filled in beforehand lead annotators to agree.
    """
    if not (home / "pulled").is_dir():
        raise ConfigError(
            f"{home} holds no pulled annotations.", field="home",
            action="Run `medvid annotate pull` first, or name the folder it filled.",
        )  # fmt: skip
    report = measure_agreement(Archive(home / "pulled"), unled_only=unled)
    if output is not None:
        write_document(output, render_agreement(report).encode(errors="replace"))
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    _print(report)
    if output is not None:
        console.print(f"the whole report is {output}", markup=False)


def _print(report: AgreementReport) -> None:
    if report.jobs:
        print_table("agreement", list(COLUMNS), summary_rows(report))
    else:
        console.print("no task has answers of two annotators: nothing to compare")
    counts = report.intake
    left_out = (
        (counts.alone, "answered by one annotator alone"), (counts.skipped, "skipped"),
        (counts.unusable, "unusable"),
        (counts.repeated, "followed by a newer answer of the same annotator"),
        (counts.older, "followed by a newer version"),
        (counts.passed_over, "with labels filled in"),
    )  # fmt: skip
    said = "; ".join(f"{number:,} {what}" for number, what in left_out if number)
    console.print(
        f"{counted(counts.annotations, 'annotation')}, {counts.compared:,} compared, "
        f"{counts.unchanged:,} of them as the labels were, {counts.led:,} with labels filled in"
        + (f"; left out: {said}" if said else "")
    )
