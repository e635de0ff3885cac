"""A build as one document: sources, media, clips, splits, shards."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from medvid.splits import DuplicateSettings, SplitSettings
from medvid.tasks.base import TaskSettings
from medvid.tasks.clips import ClipSettings
from schemas.errors import ConfigError, bounded
from schemas.scalars import Model, PositiveInt, SourceName
from schemas.source import TaskName


class SourceConfig(Model):
    """One source of a build.

    Attributes:
        name: Module name of the source.
        root: Folder of its native files.
        tasks: Tasks to build; the source's own defaults where None.
        extra_tasks: Further tasks its labels support, e.g. `stg` on CholecT50's boxed clips.
        videos: Only these video ids; all where None.
        licence: Licence id of what the root holds where it is not the source's own: drawn data are
            `cc0-1.0`.
        clips: Clip settings in which this source differs from the build's.
        questions: Settings of questions per clip in which this source differs from the build's.
    """

    name: SourceName
    root: Path
    tasks: tuple[TaskName, ...] | None = None
    extra_tasks: tuple[TaskName, ...] = ()
    videos: tuple[str, ...] | None = None
    licence: str | None = None
    clips: dict[str, Any] = {}
    questions: dict[str, Any] = {}


class MediaConfig(Model):
    """What happens to pictures.

    Attributes:
        mode: `frames` stores the clips' frames as JPEG; `none` builds labels only.
        backend: Decoder: `pyav`, `decord` or `opencv`; all give the same frames.
        jpeg_quality: 1 to 100.
        long_side: Longest side of stored frames in pixels; None stores them as they are.
        timeout_s: Wall-clock limit for one video, after which its process is killed.
    """

    mode: Literal["frames", "none"] = "frames"
    backend: Literal["pyav", "decord", "opencv"] = "pyav"
    jpeg_quality: int = Field(default=90, ge=1, le=100)
    long_side: PositiveInt | None = None
    timeout_s: float = Field(default=3600.0, gt=0)


class ShardConfig(Model):
    """Into how many shards a release falls; a video's bucket is a hash, so none ever moves.

    Attributes:
        annotation_buckets: Annotation shards per split of `large`.
        standard_buckets: Annotation shards of `standard`.
        media_buckets: Media tars per source.
    """

    annotation_buckets: PositiveInt = 16
    standard_buckets: PositiveInt = 4
    media_buckets: PositiveInt = 8


class BuildConfig(Model):
    """A whole build.

    Attributes:
        name: Name of the release.
        output: Folder the release appears at.
        workspace: Folder of finished work, shared by releases.
        sources: At least one.
        seed: Seed of every hash choice.
        media: Pictures.
        clips: Clip planning.
        tasks: Questions per clip.
        splits: Shares, pins, size of `standard`.
        duplicates: When two videos count as the same footage, and so go into one split.
        shards: Number of shards.
        selfcontained: Write `standard-selfcontained/` too.
        corrections: Folder of annotators' correction log, None for none.
        workers: Processes at a time; never changes a byte of the output.
        date_published: Date the metadata states, `2026-01-31`; no clock enters a release, so none
            is stated unless given.
    """

    name: str = Field(default="release", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    output: Path
    workspace: Path
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    seed: int = 0
    media: MediaConfig = MediaConfig()
    clips: ClipSettings = ClipSettings()
    tasks: TaskSettings = TaskSettings()
    splits: SplitSettings = SplitSettings()
    duplicates: DuplicateSettings = DuplicateSettings()
    shards: ShardConfig = ShardConfig()
    selfcontained: bool = False
    corrections: Path | None = None
    workers: PositiveInt = 2
    date_published: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")

    @model_validator(mode="after")
    def _sources_are_distinct(self) -> Self:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"a source stands twice in {names}")
        return self

    @model_validator(mode="after")
    def _seeds_agree(self) -> Self:
        for part in ("clips", "tasks", "splits"):
            settings = getattr(self, part)
            if settings.seed != self.seed:
                object.__setattr__(self, part, settings.model_copy(update={"seed": self.seed}))
        return self

    @model_validator(mode="after")
    def _differences_are_settings(self) -> Self:
        for source in self.sources:
            for part, own in (("clips", source.clips), ("questions", source.questions)):
                if "seed" in own:
                    raise ValueError(f"{source.name}.{part}: a build has one seed")
            try:
                self.clips_of(source)
                self.questions_of(source)
            except ValidationError as error:
                faults = [f"{item['loc'][-1]}: {item['msg']}" for item in error.errors()]
                raise ValueError(f"{source.name}: {bounded(faults)}") from error
        return self

    def clips_of(self, source: SourceConfig) -> ClipSettings:
        """Clip settings of a source."""
        return ClipSettings.model_validate(self.clips.model_dump() | source.clips)

    def questions_of(self, source: SourceConfig) -> TaskSettings:
        """Settings of questions per clip of a source."""
        return TaskSettings.model_validate(self.tasks.model_dump() | source.questions)

    def anchored(self) -> Self:
        """The same build with absolute paths, so that it can be run from any folder."""
        sources = tuple(
            source.model_copy(update={"root": source.root.absolute()}) for source in self.sources
        )
        places = {"output": self.output.absolute(), "workspace": self.workspace.absolute()}
        if self.corrections is not None:
            places["corrections"] = self.corrections.absolute()
        return self.model_copy(update={**places, "sources": sources})

    def resolved(self) -> dict[str, Any]:
        """Every setting that can change a byte of the release, and no path of this machine."""
        settings = self.model_dump(
            mode="json", exclude={"output", "workspace", "workers", "corrections"}
        )
        for source in settings["sources"]:
            del source["root"]
        return settings


def load_config(path: Path, overrides: dict[str, Any]) -> BuildConfig:
    """Read a build from a yaml file; relative paths in it are relative to the file.

    Args:
        path: The yaml file.
        overrides: Top-level settings that win over the file. A source of theirs gives the file's
            source of that name another root, or is added to those of the file.

    Raises:
        ConfigError: The file is missing, is not yaml, or holds a setting that means nothing.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError("there is no such file.", source=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"not a yaml file: {error}", source=str(path)) from error
    if not isinstance(document, dict):
        raise ConfigError("the file must hold a mapping of settings.", source=str(path))
    settings = _anchor(document, path.parent)
    sources = _merge_sources(settings.get("sources"), overrides.get("sources"))
    settings |= overrides | ({"sources": sources} if sources else {})
    return make_config(settings, source=str(path))


def _merge_sources(of_file: object, given: Sequence[dict[str, Any]] | None) -> object:
    """The file's sources in its order, those of the same name with the given settings on top."""
    if not given or not isinstance(of_file, list):
        return given or of_file
    left = {source["name"]: source for source in given}
    merged = [
        {**item, **left.pop(item["name"])}
        if isinstance(item, dict) and item.get("name") in left
        else item
        for item in of_file
    ]
    return [*merged, *left.values()]


def make_config(settings: dict[str, Any], *, source: str | None = None) -> BuildConfig:
    """Validate settings into a build; name and workspace follow from the output where not given.

    Raises:
        ConfigError: A setting means nothing; every bad one is named.
    """
    if settings.get("output"):
        output = Path(settings["output"])
        derived = {
            "name": re.sub(r"[^A-Za-z0-9_.-]+", "-", output.name).strip("-.") or "release",
            "workspace": output.parent / f"{output.name}.workspace",
        }
        settings = derived | {key: value for key, value in settings.items() if value is not None}
    try:
        return BuildConfig(**settings)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors()
        ]
        raise ConfigError(f"{bounded(problems)}.", source=source) from error


def _anchor(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    anchored = dict(document)
    for name in ("output", "workspace", "corrections"):
        if isinstance(anchored.get(name), str):
            anchored[name] = folder / anchored[name]
    sources = anchored.get("sources")
    if isinstance(sources, list):
        anchored["sources"] = [
            {**item, "root": folder / item["root"]}
            if isinstance(item, dict) and isinstance(item.get("root"), str)
            else item
            for item in sources
        ]
    return anchored
