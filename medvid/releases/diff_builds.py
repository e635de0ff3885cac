"""What two builds differ in: settings, code, native labels, pictures, and where videos ended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from medvid.releases.documents import (
    BUILD_FILE,
    QUARANTINE_TABLE,
    VIDEO_TABLE,
    Query,
    load_build,
    read_rows,
)
from medvid.releases.publish import manifest_hash, read_manifest
from schemas.scalars import Model

Names = tuple[str, ...]
Values = Mapping[str, Any]

CONTENT: Final = ("clips", "tasks", "sources", "seed", "captions", "corrections")
"""Settings that decide which pairs a video gives and what they say."""

PICTURES: Final = ("mode", "jpeg_quality", "long_side")
"""Media settings that decide the bytes of stored frames."""


class SettingChange(Model):
    """One setting two builds differ in.

    Attributes:
        setting: Its path, e.g. `splits.standard_size`.
        before: Its JSON value in the first release, null where it was not there.
        after: In the second.
    """

    setting: str
    before: Any
    after: Any


class VideoMove(Model):
    """A video that changed its split."""

    video: str
    before: str
    after: str


class BuildDiff(Model):
    """What two builds differ in; videos are named `source/video_id`.

    Attributes:
        settings: Settings, sorted.
        code_changed: Whether any code of the project differs.
        converters: Sources whose converter differs.
        versions: Packages of other versions, as `before -> after`.
        corrections_head: Heads of the correction logs where they differ, as `before -> after`.
        videos_added: Videos the first build did not have among its native files.
        videos_removed: Those the second has no more.
        labels_changed: Videos of both whose native labels or corrections differ.
        converter_changed: Videos whose labels were read by another converter; whether the files
            differ too cannot be told apart.
        media_changed: Videos of both whose pictures differ.
        quarantined: Videos with pairs in the first that the second holds in quarantine.
        restored: Videos with pairs in the second that the first held in quarantine.
        moved: Videos that changed their split.
    """

    settings: tuple[SettingChange, ...] = ()
    code_changed: bool = False
    converters: Names = ()
    versions: dict[str, str] = {}
    corrections_head: str | None = None
    videos_added: Names = ()
    videos_removed: Names = ()
    labels_changed: Names = ()
    converter_changed: Names = ()
    media_changed: Names = ()
    quarantined: dict[str, str] = {}
    restored: Names = ()
    moved: tuple[VideoMove, ...] = ()

    def changed_settings(self, *roots: str) -> Names:
        """Changed settings whose first word is one of these."""
        return tuple(
            change.setting
            for change in self.settings
            if change.setting.partition(".")[0].partition("[")[0] in roots
        )

    @property
    def pictures_changed(self) -> bool:
        """Whether every frame may be stored otherwise."""
        return any(f"media.{name}" in self.changed_settings("media") for name in PICTURES)


@dataclass(frozen=True)
class Side:
    """One of the two releases.

    Attributes:
        root: Its folder.
    """

    root: Path

    @cached_property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        """SHA-256 and size of its files."""
        return read_manifest(self.root)

    @cached_property
    def sha256(self) -> str:
        """Hash of its manifest."""
        return manifest_hash(self.root) or ""

    @cached_property
    def build(self) -> Values:
        """What decided its bytes; empty for a release that was imported, not built."""
        return load_build(self.root) if (self.root / BUILD_FILE).is_file() else {}

    def query(self, table: str, query: Query) -> pl.DataFrame | None:
        """What a table of the release answers, None where it has none.

        Raises:
            ReleaseError: The table is damaged.
        """
        return read_rows(self.root, table, query)

    @cached_property
    def videos(self) -> Mapping[str, tuple[str, int]]:
        """Split and number of pairs of every video, by name."""
        columns = ("source", "video_id", "split", "n_samples")
        found = self.query(VIDEO_TABLE, lambda table: table.select(columns))
        rows = [] if found is None else found.iter_rows()
        return {f"{source}/{video}": (split, count) for source, video, split, count in rows}

    @cached_property
    def dead(self) -> Mapping[str, str]:
        """Why a whole video is in the quarantine, by name."""
        found = self.query(QUARANTINE_TABLE, lambda table: table.filter(pl.col("kind") == "video"))
        rows = [] if found is None else found.iter_rows(named=True)
        return {f"{r['source']}/{r['video_id']}": f"{r['stage']} {r['reason']}" for r in rows}

    @property
    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Content keys of every video among its native files, by name."""
        found: Mapping[str, Mapping[str, Any]] = self.build.get("inputs", {})
        return found or {name: {} for name in self.videos}


def diff_builds(a: Side, b: Side) -> BuildDiff:
    """Find what two builds differ in."""
    both = sorted(a.inputs.keys() & b.inputs.keys())
    converters = _differing(a.build.get("converters", {}), b.build.get("converters", {}))
    code = a.build.get("code_sha256") != b.build.get("code_sha256")
    known = "converters" in a.build and "converters" in b.build
    labels: list[str] = []
    read_anew: list[str] = []
    for name in both:
        keys = _differing(a.inputs[name], b.inputs[name]) - {"media"}
        converter = name.partition("/")[0] in converters if known else code
        if keys:
            (read_anew if converter and keys == {"labels"} else labels).append(name)
    heads = [found.build.get("corrections_head") or "none" for found in (a, b)]
    return BuildDiff(
        settings=tuple(_settings(a.build.get("config", {}), b.build.get("config", {}))),
        code_changed=code, converters=tuple(sorted(converters)) if known else (),
        versions=_versions(a.build.get("versions", {}), b.build.get("versions", {})),
        corrections_head=None if heads[0] == heads[1] else " -> ".join(heads),
        videos_added=tuple(sorted(b.inputs.keys() - a.inputs.keys())),
        videos_removed=tuple(sorted(a.inputs.keys() - b.inputs.keys())),
        labels_changed=tuple(labels), converter_changed=tuple(read_anew),
        media_changed=tuple(
            name for name in both if a.inputs[name].get("media") != b.inputs[name].get("media")
        ),
        quarantined={n: b.dead[n] for n in _gone(a, b)}, restored=tuple(_gone(b, a)),
        moved=tuple(_moves(a, b)),
    )  # fmt: skip


def _differing(before: Values, after: Values) -> set[str]:
    return {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}


def _versions(before: Values, after: Values) -> dict[str, str]:
    changed = sorted(_differing(before, after))
    return {name: f"{before.get(name)} -> {after.get(name)}" for name in changed}


def _gone(before: Side, after: Side) -> Iterator[str]:
    """Videos with pairs in one release that the other holds in quarantine, sorted."""
    for name, (_, count) in sorted(before.videos.items()):
        if count and name in after.dead and not after.videos.get(name, ("", 0))[1]:
            yield name


def _moves(a: Side, b: Side) -> Iterator[VideoMove]:
    for name in sorted(a.videos.keys() & b.videos.keys()):
        before, after = a.videos[name][0], b.videos[name][0]
        if before != after:
            yield VideoMove(video=name, before=before, after=after)


def _settings(before: Values, after: Values) -> Iterator[SettingChange]:
    old, new = dict(_flat("", before)), dict(_flat("", after))
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield SettingChange(setting=name, before=old.get(name), after=new.get(name))


def _flat(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    """Settings by path; sources are told apart by name, other lists are one value."""
    named = isinstance(value, list) and value and all(
        isinstance(item, dict) and "name" in item for item in value
    )  # fmt: skip
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), part)
    elif named and isinstance(value, list):
        for item in value:
            for key, part in item.items():
                yield from _flat(f"{prefix}[{item['name']}].{key}", part)
    else:
        yield prefix, value
