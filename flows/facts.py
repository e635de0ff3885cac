"""Count what a release holds."""

import platform
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import polars as pl

from data_cards import load_card, load_licences
from flows.assembly import Assembly
from flows.sources import Tally
from flows.storage import measure_storage
from medvid.releases.config import BuildConfig, SourceConfig
from medvid.releases.facts import (
    ContactSheet,
    QuarantineCount,
    ReleaseFacts,
    SampleCount,
    SourceFacts,
)
from medvid.releases.workspace import Workspace
from medvid.splits import parted_components
from schemas.timeline import rate_text

SHAPING_PACKAGES = (
    "av", "numpy", "opencv-python-headless", "orjson", "pillow", "polars", "pyarrow", "pydantic",
    "simplejpeg", "matplotlib", "jinja2",
)  # fmt: skip
"""Packages whose version can change a byte of a release."""

_OF_CLIPS = ("rate_num", "rate_den", "clip_start", "clip_end", "tick_rate_num", "tick_rate_den")
FOLDERS = ("media", "large", "standard", "standard-selfcontained", "index")


def shaping_versions() -> dict[str, str]:
    """Versions of the code and of the packages that can change a byte."""
    own = {"medvidbench": version("medvidbench"), "python": platform.python_version()}
    return own | {name: version(name) for name in SHAPING_PACKAGES}


def gather_facts(
    config: BuildConfig,
    assembly: Assembly,
    tally: Tally,
    root: Path,
    versions: dict[str, str],
    sheets: Sequence[ContactSheet],
    workspace: Workspace,
) -> ReleaseFacts:
    """Put a release in numbers, before it is sealed; `folder_facts` adds those of its files."""
    samples = assembly.samples
    clips = samples.select("clip_id", *_OF_CLIPS).unique("clip_id", keep="any")
    return ReleaseFacts(
        name=config.name,
        config=config.resolved(),
        versions=versions,
        sources={source.name: _source_facts(source, tally) for source in config.sources},
        counts=_counts(samples),
        identities=_distinct(samples, ["identity"]),
        videos=_distinct(samples, ["source", "video_id"]),
        clip_seconds=_clip_seconds(clips),
        rates=_rates(clips),
        answer_words=tuple(samples["answer_words"].sort().to_list()),
        labels=_labels(samples),
        quarantine=_quarantine(tally),
        frames=pl.scan_parquet(root / "index" / "frames.parquet").select(pl.len()).collect().item(),
        storage=measure_storage(assembly, samples, workspace),
        sheets=tuple(sheets),
        selection=assembly.selection.report,
        left_out_videos=_left_out_videos(assembly, samples),
        split_mode=assembly.assignment.mode,
        leaks=parted_components(assembly.assignment),
        unlisted=assembly.assignment.unlisted,
        media_edges=len(assembly.edges),
    )


def folder_facts(root: Path) -> dict[str, dict[str, int]]:
    """Fields of `ReleaseFacts` that say how many tars and bytes each folder holds."""
    return {
        "shards": {name: len(list((root / name).glob("*.tar"))) for name in FOLDERS},
        "bytes": {name: _bytes(root / name) for name in FOLDERS},
    }


def _clip_seconds(clips: pl.DataFrame) -> tuple[float, ...]:
    """Length of every clip in seconds, sorted."""
    ticks = pl.col("clip_end") - pl.col("clip_start")
    seconds = clips.select(ticks * pl.col("tick_rate_den") / pl.col("tick_rate_num")).to_series()
    return tuple(seconds.round(3).sort().to_list())


def _rates(clips: pl.DataFrame) -> dict[str, int]:
    """Clips by sampling rate as text."""
    counted: Counter[str] = Counter()
    for num, den, number in clips.group_by("rate_num", "rate_den").len().iter_rows():
        counted[rate_text(Fraction(num, den))] += number
    return dict(sorted(counted.items()))


def _left_out_videos(assembly: Assembly, samples: pl.DataFrame) -> int:
    """Videos with pairs, none of which is in a split."""
    keys = ["source", "video_id"]
    videos = assembly.pool.select(keys).unique()
    return len(videos.join(samples.select(keys).unique(), on=keys, how="anti"))


def _source_facts(source: SourceConfig, tally: Tally) -> SourceFacts:
    tables = {
        field: dict(sorted(getattr(tally, field).get(source.name, Counter()).items()))
        for field in (
            "videos",
            "records_in",
            "issues",
            "fates",
            "candidates",
            "drops",
            "corrections",
        )
    }
    card = load_card(source.name)
    if source.licence is not None:
        card = card.model_copy(update={"licence": load_licences()[source.licence]})
    return SourceFacts(card=card, **tables)


def _counts(samples: pl.DataFrame) -> tuple[SampleCount, ...]:
    keys = ["source", "task", "qa_type", "split"]
    grouped = samples.group_by(keys).agg(
        pl.len().alias("samples"), pl.col("in_standard").sum().alias("in_standard")
    )
    return tuple(SampleCount(**row) for row in grouped.sort(keys).iter_rows(named=True))


def _distinct(samples: pl.DataFrame, keys: list[str]) -> dict[str, int]:
    grouped = samples.unique(["split", *keys]).group_by("split").len().sort("split")
    return {split: int(count) for split, count in grouped.iter_rows()}


def _labels(samples: pl.DataFrame) -> dict[str, dict[str, int]]:
    grouped = samples.filter(pl.col("label") != "").group_by("source", "label").len()
    labels: dict[str, dict[str, int]] = {}
    for source, label, count in grouped.sort("source", "label").iter_rows():
        labels.setdefault(source, {})[label] = int(count)
    return labels


def _quarantine(tally: Tally) -> tuple[QuarantineCount, ...]:
    counts: Counter[tuple[str, str, str, str]] = Counter()
    actions: dict[tuple[str, str, str, str], str] = {}
    ordered = sorted(tally.rows, key=lambda r: (r.source, r.stage, r.kind, r.reason, r.action))
    for row in ordered:
        key = (row.source, row.stage, row.kind, row.reason)
        counts[key] += 1
        actions.setdefault(key, row.action)
    names = ("source", "stage", "kind", "reason")
    return tuple(
        QuarantineCount(**dict(zip(names, key, strict=True)), rows=count, action=actions[key])
        for key, count in sorted(counts.items())
    )


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
