"""The pairs an export takes, by the index alone, in an order that is the same every time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from medvid.releases.exports.settings import ExportSettings
from medvid.shards import ReleaseReader
from schemas.errors import ConfigError
from schemas.sample import Sample
from schemas.source import TaskName
from schemas.tables import SAMPLES, read_table

SPLITS: Final = ("train", "val", "test")

_COLUMNS: Final = (
    "sample_id", "source", "dataset_name", "video_id", "clip_id", "task", "qa_type", "split",
    "in_standard", "licence", "shard", "offset",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Count:
    """Pairs of one kind.

    Attributes:
        source: Module name of the source.
        task: The task.
        split: The split.
        licence: Licence id.
        rows: How many.
    """

    source: str
    task: str
    split: str
    licence: str
    rows: int


class Selection:
    """Selected pairs of a release.

    Args:
        release: Folder of the release.
        settings: What to select.

    Raises:
        ConfigError: A split, source or task is none of the release's, or nothing is left.
    """

    def __init__(self, release: Path, settings: ExportSettings) -> None:
        table = read_table(release / "index" / "samples.parquet", SAMPLES, _COLUMNS)
        frame = pl.DataFrame(table)
        for column, wanted in (
            ("split", settings.splits), ("source", settings.sources), ("task", settings.tasks),
        ):  # fmt: skip
            held = frame[column].unique().sort().to_list()
            strangers = sorted({str(name) for name in wanted} - {*held})
            if strangers:
                raise ConfigError(
                    f"the release has no {column} {', '.join(strangers)}.",
                    action=f"It has: {', '.join(map(str, held))}.",
                )
            if wanted:
                frame = frame.filter(pl.col(column).is_in([str(name) for name in wanted]))
        if settings.subset == "standard":
            frame = frame.filter(pl.col("in_standard"))
        if frame.is_empty():
            raise ConfigError(
                "no pair is left to export.", action="`standard` is a part of train: loosen the "
                "choice of split, subset, source or task.",
            )  # fmt: skip
        self._frame = frame.sort(pl.col("shard").cast(pl.String), "offset")

    def __len__(self) -> int:
        return len(self._frame)

    @property
    def splits(self) -> list[str]:
        """Splits with a pair, train first."""
        held = set(self._frame["split"].unique())
        return [split for split in SPLITS if split in held] + sorted(held - {*SPLITS})

    def rows(self, split: str) -> int:
        """Pairs of a split."""
        return self._frame.filter(pl.col("split") == split).height

    def samples(
        self, reader: ReleaseReader, split: str, first: TaskName | None = None
    ) -> Iterator[Sample]:
        """Yield the samples of a split in shard order.

        Args:
            reader: Reader of the release.
            split: The split.
            first: Task whose first sample comes before all others, where the split has one.
        """
        rows = self._frame.filter(pl.col("split") == split).with_row_index("row")
        lead = rows.filter(pl.col("task").cast(pl.String) == str(first or "")).head(1)
        for sample_id in pl.concat([lead, rows.join(lead, on="row", how="anti")])["sample_id"]:
            yield reader.sample(sample_id)

    def clips(self, split: str) -> list[tuple[str, list[str]]]:
        """Clips of a split with the ids of their pairs, by clip id."""
        grouped = (
            self._frame.filter(pl.col("split") == split)
            .group_by("clip_id").agg(pl.col("sample_id").sort()).sort("clip_id")
        )  # fmt: skip
        return [(str(clip), list(ids)) for clip, ids in grouped.iter_rows()]

    def counts(self) -> list[Count]:
        """Pairs by source, task, split and licence, sorted."""
        names = ["source", "task", "split", "licence"]
        grouped = self._frame.group_by(names).len().sort(names)
        return [
            Count(source=source, task=task, split=split, licence=licence, rows=rows)
            for source, task, split, licence, rows in grouped.iter_rows()
        ]
