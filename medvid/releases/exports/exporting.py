"""Export a release: choose pairs, ask their licences, write a folder that appears whole."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from medvid.media import jpeg_size
from medvid.releases.exports.folder import require_empty, whole_folder
from medvid.releases.exports.licences import NOTICE_FILE, notice, require_allowed
from medvid.releases.exports.parquet import write_parquet_split
from medvid.releases.exports.pictures import FrameList, Heard, media_paths, write_region
from medvid.releases.exports.readme import (
    FACTS_FILE,
    README_FILE,
    ExportFacts,
    render_facts,
    render_readme,
)
from medvid.releases.exports.selection import Selection
from medvid.releases.exports.settings import ExportFormat, ExportSettings
from medvid.releases.exports.spacing import Spacing
from medvid.releases.exports.trainers import DATASET_INFO, dataset_info, trainer_row
from medvid.releases.publish import manifest_hash, read_manifest
from medvid.releases.sheets import frame_times
from medvid.shards import ReleaseReader, SelfContainedClip, write_selfcontained_shard
from medvid.tasks.official import official_row, write_official_rows
from schemas.errors import ConfigError
from schemas.sample import Sample
from schemas.source import TaskName
from schemas.tables import FRAMES, VIDEOS, read_table

_STEP = 1_000


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """An export that stands at its place.

    Attributes:
        folder: The folder.
        pairs: Pairs by split.
        frames: Frame files written; 0 where there are none, -1 where they are within shards.
        restricted: Whether a notice forbids to pass the folder on.
    """

    folder: Path
    pairs: dict[str, int]
    frames: int
    restricted: bool


def export_release(
    release: Path, output: Path, settings: ExportSettings, heard: Heard | None = None
) -> ExportSummary:
    """Write a release in another project's format.

    The same release and settings give the same bytes.

    Args:
        release: Folder of the release.
        output: Folder to make; it must be absent or empty.
        settings: What it is to hold.
        heard: Told of progress: stage, units done, units in all.

    Raises:
        ReleaseError: The folder is no release, the output is not empty, or a licence forbids it.
        ConfigError: Nothing is selected, or frames are asked for that the release has not.
        ShardError: The release does not hold what its index says, or the disk is full.
    """
    read_manifest(release)
    require_empty(output)
    selection = Selection(release, settings)
    with ReleaseReader(release) as reader:
        with_frames = _with_frames(settings, stored=len(reader.frame_index) > 0)
        counts = selection.counts()
        if not settings.for_own_use:
            require_allowed(counts, frames=with_frames)
        with whole_folder(output, "exporting here") as work:
            writer = _Writer(reader, selection, settings, work, heard or _silent)
            writer.write(with_frames=with_frames)
            facts = ExportFacts(
                settings=settings, release_sha256=manifest_hash(release) or "",
                counts=tuple(counts), splits=tuple(selection.splits), frames=writer.frame_files,
                with_frames=with_frames, regions=writer.regions,
                smaller=tuple(_stored_smaller(release)) if with_frames else (),
                spacing=writer.spacing.bounds(),
            )  # fmt: skip
            (work / README_FILE).write_bytes(render_readme(facts))
            (work / FACTS_FILE).write_bytes(render_facts(facts))
            warning = notice(counts, frames=with_frames)
            if warning:
                (work / NOTICE_FILE).write_text(warning, encoding="utf-8")
    pairs = {split: selection.rows(split) for split in selection.splits}
    return ExportSummary(output, pairs, writer.frame_files, restricted=warning is not None)


def _with_frames(settings: ExportSettings, *, stored: bool) -> bool:
    needs = settings.format is ExportFormat.SELFCONTAINED or bool(settings.frames)
    if needs and not stored:
        raise ConfigError(
            "the release has labels only, no frames.",
            action="Build it with media, or choose another format with --no-frames.",
        )
    if settings.frames is None:
        return stored and settings.format is not ExportFormat.PARQUET
    return settings.frames


def _stored_smaller(release: Path) -> list[str]:
    """Sources whose stored frames are not as large as the original image."""
    sizes = ["source", "video_id", "width", "height"]
    index = release / "index"
    stored = pl.DataFrame(read_table(index / "frames.parquet", FRAMES, sizes)).unique()
    videos = pl.DataFrame(read_table(index / "videos.parquet", VIDEOS, sizes))
    joined = stored.join(videos, on=["source", "video_id"], suffix="_original")
    differing = joined.filter(
        (pl.col("width") < pl.col("width_original"))
        | (pl.col("height") < pl.col("height_original"))
    )
    return sorted(differing["source"].unique().to_list())


def _silent(_stage: str, _done: int, _total: int) -> None:
    return


class _Writer:
    """Writes the splits of one export.

    Attributes:
        frame_files: Frame files written, -1 where frames are within shards.
        regions: Region pictures written.
        spacing: Seconds between the pictures of trainers' rows.
    """

    def __init__(
        self, reader: ReleaseReader, selection: Selection, settings: ExportSettings, work: Path,
        heard: Heard,
    ) -> None:  # fmt: skip
        self._reader, self._selection, self._settings = reader, selection, settings
        self._work, self._heard = work, heard
        self._frames = FrameList()
        self.frame_files = 0
        self.regions = 0
        self.spacing = Spacing()

    def write(self, *, with_frames: bool) -> None:
        """Write all splits, and then the frames that their rows name."""
        for split in self._selection.splits:
            match self._settings.format:
                case ExportFormat.MEDVIDBENCH:
                    self._official(split, with_frames=with_frames)
                case ExportFormat.MS_SWIFT | ExportFormat.LLAMAFACTORY:
                    self._trainer(split, with_frames=with_frames)
                case ExportFormat.SELFCONTAINED:
                    self._selfcontained(split)
                case ExportFormat.PARQUET:
                    self._parquet(split, with_frames=with_frames)
        if self._settings.format is ExportFormat.LLAMAFACTORY:
            names = {f"medvidbench_{split}": f"{split}.jsonl" for split in self._selection.splits}
            described = dataset_info(names, self._settings)
            encoded = orjson.dumps(described, option=orjson.OPT_INDENT_2)
            (self._work / DATASET_INFO).write_bytes(encoded + b"\n")
        if len(self._frames):
            self.frame_files = len(self._frames)
            self._frames.write(self._reader, self._work, self._heard)
        elif with_frames:
            self.frame_files = -1

    def _samples(self, split: str, first: TaskName | None = None) -> Iterator[Sample]:
        total = self._selection.rows(split)
        for done, sample in enumerate(self._selection.samples(self._reader, split, first), 1):
            yield sample
            if not done % _STEP or done == total:
                self._heard(split, done, total)

    def _official(self, split: str, *, with_frames: bool) -> None:
        write_official_rows(
            self._work / f"medvidbench_{split}.json",
            self._official_rows(split, with_frames=with_frames),
        )

    def _official_rows(self, split: str, *, with_frames: bool) -> Iterator[dict[str, Any]]:
        for sample in self._samples(split):
            if with_frames:
                self._frames.add(sample)
            yield official_row(
                sample, split=split, map_label_captions=self._settings.map_label_captions,
                plain=self._settings.plain,
            )  # fmt: skip

    def _trainer(self, split: str, *, with_frames: bool) -> None:
        # `datasets` takes the types of a file from its first block of rows: a block without any
        # box would make later boxes an error, so a row with boxes opens the file.
        first = TaskName.STG if self._settings.objects else None
        stored_size = self._stored_size if with_frames else None
        with (self._work / f"{split}.jsonl").open("wb") as handle:
            for sample in self._samples(split, first):
                drawn = with_frames and sample.region_frame >= 0
                if drawn:
                    write_region(self._reader, sample, self._work)
                    self.regions += 1
                if with_frames:
                    self._frames.add(sample)
                self.spacing.add(sample)
                paths = media_paths(sample, drawn=drawn)
                row = trainer_row(sample, paths, self._settings, stored_size)
                handle.write(orjson.dumps(row) + b"\n")

    def _stored_size(self, sample: Sample, index: int) -> tuple[int, int]:
        return jpeg_size(self._reader.frame(sample.source, sample.video_id, index))

    def _parquet(self, split: str, *, with_frames: bool) -> None:
        write_parquet_split(
            self._work, split, self._samples(split), self._selection.rows(split),
            rows_per_shard=self._settings.rows_per_shard,
            frames=self._reader.frames_of if with_frames else None,
        )  # fmt: skip

    def _selfcontained(self, split: str) -> None:
        clips = self._selection.clips(split)
        size = self._settings.clips_per_shard
        for number, start in enumerate(range(0, len(clips), size)):
            shard = self._work / f"{split}-{number:05d}.tar"
            write_selfcontained_shard(shard, self._clips(clips[start : start + size]))
            self._heard(split, min(start + size, len(clips)), len(clips))

    def _clips(self, clips: Iterable[tuple[str, list[str]]]) -> Iterator[SelfContainedClip]:
        for clip_id, sample_ids in clips:
            samples = [self._reader.sample(sample_id) for sample_id in sample_ids]
            yield SelfContainedClip(
                clip_id=clip_id, frame_index=samples[0].frame_index,
                frame_time_s=frame_times(samples[0]),
                frames=partial(self._reader.frames_of, samples[0]),
                samples=[orjson.loads(sample.to_json()) for sample in samples],
            )  # fmt: skip
