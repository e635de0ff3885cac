"""`medvid export`: a release in another project's format."""

import sys
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from medvid.cli.output import console, print_json
from medvid.releases.exports import (
    ExportFormat,
    ExportSettings,
    ExportSummary,
    MediaStyle,
    export_release,
)
from schemas.errors import ConfigError
from schemas.source import TaskName


class StageProgress:
    """Bars on a terminal, one line a finished stage elsewhere, silence with `--json`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(file=sys.stderr, highlight=False)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(),
                console=self._console,
            )  # fmt: skip
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def heard(self, stage: str, done: int, total: int) -> None:
        """Take in that `done` of `total` units of a stage are finished."""
        if self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=total)
            self._bars.update(self._tasks[stage], completed=done, total=total)
        elif not self._quiet and done == total:
            self._console.print(f"{stage:<12} {total:>9,}", markup=False)


ReleaseArgument = Annotated[Path, typer.Argument(help="Folder of the release.")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")]
FormOption = Annotated[ExportFormat, typer.Option("--format", "-f", help="Format to write.")]
SplitOption = Annotated[
    list[str] | None, typer.Option(help="Only this split; may be given again. [default: all]")
]
SubsetOption = Annotated[
    str, typer.Option(help="`large`, or `standard` for the balanced part of it.")
]
SourceOption = Annotated[
    list[str] | None, typer.Option(help="Only this source; may be given again.")
]
TaskOption = Annotated[
    list[TaskName] | None, typer.Option(help="Only this task; may be given again.")
]
FramesOption = Annotated[
    bool | None,
    typer.Option(
        "--frames/--no-frames",
        help="Write frames [default: yes, but for parquet and for releases of labels only].",
    ),
]
MapLabelCaptionsOption = Annotated[
    bool, typer.Option(help="Write `…_label` row types as `…_gpt` (medvidbench).")
]
PlainOption = Annotated[
    bool, typer.Option(help="Only official keys and `sample_id` (medvidbench).")
]
MediaOption = Annotated[
    MediaStyle | None,
    typer.Option(
        help="A clip as images or as one video [default: images for ms-swift, videos for "
        "llamafactory]."
    ),
]
ObjectsOption = Annotated[
    bool, typer.Option(help="Boxes of answers as `objects` (ms-swift with images).")
]
ForOwnUseOption = Annotated[
    bool,
    typer.Option(help="Export what licences forbid to pass on; the folder then says so."),
]
AsJsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def export(
    release: ReleaseArgument,
    output: OutputOption,
    form: FormOption,
    split: SplitOption = None,
    subset: SubsetOption = "large",
    source: SourceOption = None,
    task: TaskOption = None,
    frames: FramesOption = None,
    map_label_captions: MapLabelCaptionsOption = False,
    plain: PlainOption = False,
    media: MediaOption = None,
    objects: ObjectsOption = False,
    for_own_use: ForOwnUseOption = False,
    as_json: AsJsonOption = False,
) -> None:
    """Write a release as MedVidBench json, for ms-swift, LLaMA-Factory, webdataset or datasets.

    The folder appears whole or not at all. What licences forbid to pass on is refused.
    """
    try:
        settings = ExportSettings(
            format=form, splits=tuple(split or ()), subset=subset, sources=tuple(source or ()),
            tasks=tuple(task or ()), frames=frames, map_label_captions=map_label_captions,
            plain=plain, media=media, objects=objects, for_own_use=for_own_use,
        )  # fmt: skip
    except ValidationError as error:
        raise ConfigError(
            f"{error.errors()[0]['msg']}.", action="See `medvid export --help`."
        ) from error
    with StageProgress(quiet=as_json) as progress:
        summary = export_release(release, output, settings, progress.heard)
    if as_json:
        print_json({
            "format": form.value, "pairs": summary.pairs, "frames": summary.frames,
            "restricted": summary.restricted,
        })  # fmt: skip
    else:
        _print(summary, output)


def _print(summary: ExportSummary, output: Path) -> None:
    for name, rows in summary.pairs.items():
        console.print(f"{name:<12} {rows:>9,} pairs", markup=False)
    if summary.frames > 0:
        console.print(f"{'frames':<12} {summary.frames:>9,} files", markup=False)
    console.print(f"written      {output}", markup=False, soft_wrap=True)
    if summary.restricted:
        console.print("NOT FOR SHARING: LICENCE-NOTICE.txt in the folder says what and why.")
