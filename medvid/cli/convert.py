"""`medvid convert`: one source into the shared schema, without clips, media or a release."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from converters.registry import get_converter
from medvid.cli.output import console, counted, print_json, print_table, write_document
from schemas.annotation import Issue, VideoAnnotation
from schemas.errors import SourceError

SHOWN = 12


def convert(
    source: Annotated[str, typer.Argument(help="Name of the source, e.g. cholect50.")],
    root: Annotated[Path, typer.Argument(help="Folder of its native files.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write one JSON line a video here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read the native files of one source and say what they hold and what is wrong with them.

    Exit code 0 when every video converted, 1 when at least one could not be read.
    """
    converter = get_converter(source)
    annotations: list[VideoAnnotation] = []
    failures: list[dict[str, str]] = []
    for recording in converter.discover(root):
        try:
            annotations.append(converter.convert(recording))
        except SourceError as error:
            failures.append({"video_id": recording.video_id, "problem": str(error)})
    if output is not None:
        lines = [f"{annotation.model_dump_json()}\n".encode() for annotation in annotations]
        write_document(output, b"".join(lines))
    _report(source, annotations, failures, as_json=as_json)
    if failures:
        raise typer.Exit(1)


def _report(
    source: str,
    annotations: list[VideoAnnotation],
    failures: list[dict[str, str]],
    *,
    as_json: bool,
) -> None:
    records: Counter[str] = Counter()
    for annotation in annotations:
        records.update(annotation.records_in)
    issues = Counter(
        (issue.disposition.value, issue.kind, issue.reason)
        for annotation in annotations
        for issue in annotation.issues
    )
    made = {
        "segments": sum(len(a.segments) for a in annotations),
        "boxes": sum(len(a.boxes) for a in annotations),
        "triplets": sum(len(a.triplets) for a in annotations),
    }
    if as_json:
        rows = [
            {"disposition": d, "kind": k, "reason": r, "records": n}
            for (d, k, r), n in sorted(issues.items())
        ]
        print_json({
            "source": source, "videos": len(annotations), "failed": failures,
            "records_in": dict(records), "made": made, "issues": rows,
        })  # fmt: skip
        return
    console.print(
        f"{source}: {counted(len(annotations), 'video')} converted, {len(failures):,} failed"
    )
    _print_tables(records, made, issues)
    _print_examples([(a.video.video_id, i) for a in annotations for i in a.issues])
    for failure in failures[:SHOWN]:
        console.print(f"{failure['video_id']}: {failure['problem']}", markup=False)


def _print_tables(
    records: Counter[str], made: dict[str, int], issues: Counter[tuple[str, str, str]]
) -> None:
    counts: list[list[object]] = [list(item) for item in sorted(records.items())]
    print_table("native records in", ["record", "count"], counts)
    print_table("made", ["what", "count"], [list(item) for item in made.items()])
    if issues:
        found: list[list[object]] = [[*key, count] for key, count in sorted(issues.items())]
        print_table("issues", ["what was done", "record", "reason", "records"], found)


def _print_examples(issues: list[tuple[str, Issue]]) -> None:
    seen: set[str] = set()
    for video_id, issue in issues:
        if issue.reason not in seen and len(seen) < SHOWN:
            seen.add(issue.reason)
            place = " ".join(str(p) for p in (issue.file, issue.line, issue.field) if p)
            console.print(
                f"{issue.reason}: {video_id} {place}: {issue.detail}", markup=False, soft_wrap=True
            )
