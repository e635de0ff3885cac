"""`medvid submission`: check a file of answers before it is uploaded, and make one."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from medvid.cli.output import console, counted, print_json, write_document
from medvid.evaluation.findings import Finding, cut
from medvid.evaluation.submission import load_submission
from medvid.evaluation.submission_check import SubmissionCheck, check_submission
from medvid.evaluation.submission_make import (
    official_submission,
    place_answers,
    submission_template,
)
from medvid.evaluation.truth import Truth, load_truth
from schemas.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help=__doc__)

SHOWN = 5
_SIGNS = {"refused": "refused", "misscored": "mis-scored", "note": "note"}

Answers = Annotated[Path, typer.Argument(help="File of answers: a JSON list, or JSON lines.")]
TruthPath = Annotated[
    Path | None,
    typer.Option("--truth", help="Folder of a release, or an official json with answers."),
]
Questions = Annotated[
    Path | None,
    typer.Option("--questions", help="Official json of questions, where no answers are at hand."),
]
Split = Annotated[str, typer.Option(help="Split of a release.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def check(
    predictions: Answers,
    truth: TruthPath = None,
    questions: Questions = None,
    split: Split = "test",
    as_json: AsJson = False,
) -> None:
    """Say whether the benchmark would take the file, and score what the model meant.

    Exit codes: 0 fine, 1 refused or mis-scored, 2 wrong usage.
    """
    found = check_submission(_truth(truth, questions, split), load_submission(predictions))
    if as_json:
        print_json(found.to_json())
    else:
        _print_check(found)
    raise typer.Exit(0 if found.fine else 1)


@app.command()
def make(
    predictions: Answers,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the submission.")],
    truth: TruthPath = None,
    questions: Questions = None,
    split: Split = "test",
    match_by: Annotated[
        Literal["auto", "sample_id", "index", "question", "order"],
        typer.Option(help="What names the row an answer belongs to."),
    ] = "auto",
    fill_missing: Annotated[
        str | None,
        typer.Option(
            help='Text for rows without an answer, e.g. ""; without it they are an error.'
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put answers into the benchmark's order and form: a list of {id, qa_type, prediction}."""
    rows = _truth(truth, questions, split)
    placed = place_answers(rows, load_submission(predictions), match_by=match_by, fill=fill_missing)
    write_document(output, official_submission(rows, placed.texts))
    if as_json:
        print_json({"output": str(output), **placed.to_json()})
        return
    console.print(f"{counted(len(placed.texts), 'row')} written to {output}", markup=False)
    console.print(f"matched by {placed.matched_by}", markup=False)
    if placed.filled:
        rows_filled = counted(len(placed.filled), "row")
        console.print(f"{rows_filled} without an answer filled with your text", markup=False)
    if placed.shared:
        console.print(
            f"{counted(placed.shared, 'row')} with the answer of a word-for-word equal question",
            markup=False,
        )
    if placed.strangers:
        records = counted(len(placed.strangers), "record")
        console.print(f"{records} left out, answering no row of the truth", markup=False)


@app.command()
def template(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it.")],
    truth: TruthPath = None,
    questions: Questions = None,
    split: Split = "test",
    as_json: AsJson = False,
) -> None:
    """Write JSON lines to fill in, one a row in the benchmark's order, each with its keys."""
    rows = _truth(truth, questions, split)
    write_document(output, submission_template(rows))
    if as_json:
        print_json({"output": str(output), "rows": len(rows)})
    else:
        console.print(f"{counted(len(rows), 'row')} written to {output}", markup=False)


def print_findings(findings: tuple[Finding, ...]) -> None:
    """Print findings for people, the gravest first."""
    for finding in findings:
        sign = _SIGNS[finding.level]
        console.print(f"{sign:<11} {finding.problem} ({finding.count:,})", markup=False)
        for example in finding.examples[:SHOWN]:
            console.print(f"            {cut(example)}", markup=False, soft_wrap=True)
        if finding.action:
            console.print(f"            -> {finding.action}", markup=False, soft_wrap=True)


def _print_check(found: SubmissionCheck) -> None:
    print_findings(found.findings)
    verdict = "fine: it would be taken, and scored as meant" if found.fine else "not fit to upload"
    console.print(
        f"{found.name}: {counted(found.records, 'answer')} to {counted(found.rows, 'row')} of "
        f"{found.truth}; {verdict}.",
        markup=False, soft_wrap=True,
    )  # fmt: skip


def _truth(truth: Path | None, questions: Path | None, split: str) -> Truth:
    path = truth or questions
    if path is None or (truth and questions):
        raise ConfigError(
            "name the rows to hold the answers against.",
            action="Give one of `--truth RELEASE|official.json` and `--questions official.json`.",
        )
    return load_truth(path, split=split)
