"""`medvid inspect`: a release at a glance, or one sample as text and as a picture."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import polars as pl
import typer

from medvid.cli.output import console, counted, print_json, print_table, write_document
from medvid.releases.publish import read_manifest
from medvid.releases.sheets import frame_times, sample_sheet
from medvid.shards import ReleaseReader
from schemas.errors import ReleaseError
from schemas.sample import Sample
from schemas.tables import SAMPLES, read_table

SHOWN = 20


def inspect(
    release: Annotated[Path, typer.Argument(help="Folder of the release.")],
    sample: Annotated[
        str | None, typer.Argument(help="A sample id, or how one begins; lists samples without.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="List only this task.")] = None,
    source: Annotated[str | None, typer.Option(help="List only this source.")] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", "-p", help="Where to write the contact sheet [default: ID.png]."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List samples, or show one: the pair as text, and its frames with boxes and time line."""
    read_manifest(release)
    with ReleaseReader(release) as reader:
        if sample is None:
            _list(release, task=task, source=source, as_json=as_json)
            return
        found = reader.sample(_resolve(release, sample))
        path = picture or Path(f"{found.sample_id}.png")
        has_frames = bool((release / "media").is_dir())
        if has_frames:
            write_sheet(reader, found, path)
        _show(found, path if has_frames else None, as_json=as_json)


def write_sheet(reader: ReleaseReader, sample: Sample, path: Path) -> Path:
    """Write the contact sheet of a sample."""
    write_document(path, sample_sheet(reader, sample))
    return path


def _index(release: Path) -> pl.LazyFrame:
    return pl.DataFrame(read_table(release / "index" / "samples.parquet", SAMPLES)).lazy()


def _resolve(release: Path, prefix: str) -> str:
    ids = (
        _index(release)
        .filter(pl.col("sample_id").str.starts_with(prefix))
        .select("sample_id")
        .head(2)
        .collect()["sample_id"]
    )
    if len(ids) == 1:
        return str(ids[0])
    problem = "no sample" if ids.is_empty() else "more than one sample"
    raise ReleaseError(
        f"{problem} has an id that begins with {prefix!r}.", source=release.name,
        action="List ids with `medvid inspect RELEASE`.",
    )  # fmt: skip


def _list(release: Path, *, task: str | None, source: str | None, as_json: bool) -> None:
    rows = _index(release)
    if task is not None:
        rows = rows.filter(pl.col("task") == task)
    if source is not None:
        rows = rows.filter(pl.col("source") == source)
    columns = ["sample_id", "source", "video_id", "task", "label", "split", "n_frames"]
    frame = rows.select(columns).sort("task", "source", "sample_id").collect()
    if as_json:
        print_json({"samples": frame.to_dicts()})
        return
    shown = frame.group_by("task", "source", maintain_order=True).head(3).head(SHOWN * 3)
    print_table(
        f"{counted(len(frame), 'sample')}; the first of each task and source",
        columns, [[*row] for row in shown.select(columns).iter_rows()],
    )  # fmt: skip
    console.print("\nmedvid inspect RELEASE SAMPLE_ID shows one.")


def _show(sample: Sample, picture: Path | None, *, as_json: bool) -> None:
    if as_json:
        facts: dict[str, Any] = orjson.loads(sample.to_json())
        facts["picture"] = str(picture) if picture else None
        print_json(facts)
        return
    times = frame_times(sample)
    lines = [
        ("sample", sample.sample_id),
        ("clip", f"{sample.dataset_name} {sample.video_id}, {counted(len(times), 'frame')} over "
                 f"{times[-1]:.1f} s at {sample.rate_num}/{sample.rate_den} fps"),
        ("task", f"{sample.task} ({sample.qa_type})"),
        ("question", sample.question),
        ("answer", sample.answer),
        ("label", sample.label),
        ("licence", sample.licence),
        ("provenance", sample.provenance),
    ]  # fmt: skip
    if picture is not None:
        lines.append(("picture", str(picture)))
    for name, value in lines:
        console.print(f"{name:<11} {value}", markup=False, soft_wrap=True)
