"""What an export is to hold."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from schemas.scalars import Model, PositiveInt, SourceName
from schemas.source import TaskName


class ExportFormat(StrEnum):
    """Formats of other projects, by the names their users call them."""

    MEDVIDBENCH = "medvidbench"
    MS_SWIFT = "ms-swift"
    LLAMAFACTORY = "llamafactory"
    SELFCONTAINED = "selfcontained"
    PARQUET = "parquet"


class MediaStyle(StrEnum):
    """How a trainer is told of frames: one video that is a list of pictures, or many pictures."""

    VIDEOS = "videos"
    IMAGES = "images"


class ExportSettings(Model):
    """What an export is to hold.

    Attributes:
        format: The format.
        splits: Splits to write, one file or set of shards each; empty for all.
        subset: `large`, or `standard` for the balanced part of it.
        sources: Sources to write; empty for all.
        tasks: Tasks to write; empty for all.
        frames: Whether to write frames; None for what suits the format: Parquet without, since
            it repeats the frames of a clip with each of its pairs, the others with, where the
            release has any.
        map_label_captions: Write `…_label` row types as `…_gpt` (`medvidbench` alone).
        plain: Write nothing but official keys and `sample_id` (`medvidbench` alone).
        media: How trainers are told of frames (`ms-swift` and `llamafactory`); None for what the
            trainer's own documents promise: images for ms-swift, where lists as videos depend on
            the model, videos for LLaMA-Factory.
        objects: Write boxes of grounding answers as `objects` with placeholders, which ms-swift
            turns into the model's own form of boxes (`ms-swift` with `images` alone).
        for_own_use: Write what the licences forbid to pass on, with a notice that says so.
        clips_per_shard: Clips of a self-contained shard.
        rows_per_shard: Rows of a Parquet shard; None for what suits with and without frames.
    """

    format: ExportFormat
    splits: tuple[str, ...] = ()
    subset: str = Field(default="large", pattern="^(large|standard)$")
    sources: tuple[SourceName, ...] = ()
    tasks: tuple[TaskName, ...] = ()
    frames: bool | None = None
    map_label_captions: bool = False
    plain: bool = False
    media: MediaStyle | None = None
    objects: bool = False
    for_own_use: bool = False
    clips_per_shard: PositiveInt = 64
    rows_per_shard: PositiveInt | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.map_label_captions or self.plain) and self.format is not ExportFormat.MEDVIDBENCH:
            raise ValueError("map_label_captions and plain belong to the format medvidbench")
        if self.objects and (self.format, self.media_style) != (
            ExportFormat.MS_SWIFT, MediaStyle.IMAGES
        ):  # fmt: skip
            raise ValueError("objects belong to the format ms-swift with images")
        if self.format is ExportFormat.SELFCONTAINED and self.frames is False:
            raise ValueError("self-contained shards are their frames; they cannot go without")
        return self

    @property
    def media_style(self) -> MediaStyle:
        """How trainers are told of frames."""
        by_format = MediaStyle.IMAGES if self.format is ExportFormat.MS_SWIFT else MediaStyle.VIDEOS
        return self.media or by_format
