"""`medvid demo`: draw miniature native trees, build a release from them, show what came out."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from medvid.cli.build import JsonOption, ServerOption, print_result, result_facts, run
from medvid.cli.inspection import write_sheet
from medvid.cli.output import console, print_json
from medvid.media import run_isolated
from medvid.releases.config import BuildConfig, load_config
from medvid.releases.sheets import first_samples
from medvid.releases.verify import verify_release
from medvid.shards import ReleaseReader
from medvid.synthetic import load_writers, write_tree
from schemas.errors import ReleaseError

NATIVE_MARK = ".drawn"


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder to work in.")] = Path("demo"),
    workers: Annotated[int, typer.Option(help="Processes at a time.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of the drawn trees and of the build.")] = 0,
    server: ServerOption = True,
    as_json: JsonOption = False,
) -> None:
    """Draw miniatures of the native trees, build and verify a release, print what it holds.

    Everything is drawn: real names and formats, moving instruments whose boxes are true, one
    patient in two sources, planted faults.
    """
    started = time.monotonic()
    if not as_json:
        console.print("drawing the native trees ...")
    draw_trees(folder / "native", seed=seed, workers=workers)
    config = demo_config(folder, workers=workers, seed=seed)
    drawn = time.monotonic() - started
    result = run(config, server=server, wait=False, quiet=as_json)
    if not as_json:
        print_result(result, as_json=False)
    checks = verify_release(config.output)
    failed = [failure for check in checks for failure in check.failures]
    if failed:
        raise ReleaseError(f"the demo's release is not sound: {failed[0]}")
    sheets = _sheets(config.output, folder / "sheets")
    if as_json:
        sheet_paths = [str(path) for path in sheets]
        print_json(result_facts(result) | {"sheets": sheet_paths, "verified": True})
        return
    checked = sum(check.checked for check in checks)
    console.print(f"verified         {checked:,} things checked, none failed")
    console.print(f"contact sheet    {sheets[0]}", soft_wrap=True)
    if len(sheets) > 1:
        console.print(f"                 one for each task in {folder / 'sheets'}", soft_wrap=True)
    console.print(f"drawn in {drawn:.0f} s, all in {time.monotonic() - started:.0f} s")


def draw_trees(root: Path, *, seed: int, workers: int) -> None:
    """Draw every source's miniature tree, `workers` at a time; a whole tree is kept."""
    stale = [name for name in load_writers() if not _is_drawn(root, name, seed)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda name: _draw(root, name, seed), stale))


def _is_drawn(root: Path, name: str, seed: int) -> bool:
    mark = root / f"{name}{NATIVE_MARK}"
    return mark.is_file() and mark.read_text() == str(seed)


def _draw(root: Path, name: str, seed: int) -> None:
    tree = root / name
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    run_isolated(
        write_tree, name, tree, scale=0.0, seed=seed, max_seconds=DEMO_SECONDS,
        timeout_s=DRAW_TIMEOUT_S,
    )  # fmt: skip
    (root / f"{name}{NATIVE_MARK}").write_text(str(seed))


DRAW_TIMEOUT_S = 600.0
DEMO_SECONDS = 100
"""Length of a miniature video: long enough for clips at several rates."""


def demo_config(folder: Path, *, workers: int, seed: int) -> BuildConfig:
    """The packaged configuration of the demo, set in a folder."""
    from importlib.resources import as_file, files

    overrides = {
        "output": folder / "release", "workspace": folder / "workspace", "workers": workers,
        "seed": seed,
    }  # fmt: skip
    with as_file(files("configs") / "demo.yaml") as path:
        config = load_config(path, overrides)
    sources = tuple(
        source.model_copy(update={"root": folder / "native" / source.name})
        for source in config.sources
    )
    return config.model_copy(update={"sources": sources})


def _sheets(release: Path, folder: Path) -> list[Path]:
    """One contact sheet for each task and source."""
    folder.mkdir(parents=True, exist_ok=True)
    with ReleaseReader(release) as reader:
        return [
            write_sheet(reader, sample, folder / f"{sample.task}-{sample.source}.png")
            for sample in first_samples(reader)
        ]
