"""What differs between two releases, pair by pair and shard by shard, and why."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from medvid.releases.diff_builds import BuildDiff, Side, diff_builds
from medvid.releases.diff_reasons import Change, Explainer
from medvid.releases.diff_rows import Payloads, by_video, differing_rows
from medvid.releases.documents import SAMPLE_TABLE
from schemas.scalars import SCHEMA_VERSION, Model

EXAMPLES: Final = 3
"""Sample ids named for each group of changes."""

_FOLDERS: Final = ("media", "large", "standard", "standard-selfcontained")


class ChangeCount(Model):
    """Pairs of one source and task that differ alike.

    Attributes:
        kind: `added`, `removed` or `changed`.
        reason: Why, see `diff_reasons.Reason`.
        what: What became of them, see `diff_reasons.Change`.
        source: Module name of the source.
        task: One of the eight tasks.
        samples: How many.
        examples: Ids of the first few.
        detail: More about the reason, of the first of them; may be empty.
    """

    kind: str
    reason: str
    what: tuple[str, ...]
    source: str
    task: str
    samples: int
    examples: tuple[str, ...]
    detail: str = ""


class FolderDiff(Model):
    """What became of the tars of a folder.

    Attributes:
        folder: The folder.
        kept: Tars that are byte for byte the same.
        kept_bytes: Their bytes.
        rewritten: Names of those of other bytes.
        rewritten_bytes: Their bytes in the second release.
        added: Names of those the second release alone has.
        added_bytes: Their bytes.
        removed: Names of those the first alone has.
    """

    folder: str
    kept: int
    kept_bytes: int
    rewritten: tuple[str, ...]
    rewritten_bytes: int
    added: tuple[str, ...]
    added_bytes: int
    removed: tuple[str, ...]


class ReleaseDiff(Model):
    """What differs between two releases.

    Attributes:
        before: SHA-256 of the first one's manifest.
        after: Of the second's.
        same: Whether they are one and the same, byte for byte.
        samples_before: Pairs of the first.
        samples_after: Pairs of the second.
        added: Pairs the second alone has.
        removed: Pairs the first alone has.
        changed: Pairs of both that differ.
        builds: What their builds differ in.
        changes: Counts by kind, reason, what became of them, source and task; the largest first.
        folders: What became of the tars.
        files: Other files that differ, sorted.
    """

    schema_version: int = SCHEMA_VERSION
    before: str
    after: str
    same: bool
    samples_before: int
    samples_after: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    builds: BuildDiff = BuildDiff()
    changes: tuple[ChangeCount, ...] = ()
    folders: tuple[FolderDiff, ...] = ()
    files: tuple[str, ...] = ()


def diff_releases(before: Path, after: Path) -> ReleaseDiff:
    """Count what differs between two releases.

    Args:
        before: Folder of the first.
        after: Folder of the second.

    Raises:
        ReleaseError: One of them is no release, or of another schema version.
        ShardError: A shard does not hold what its index says.
    """
    a, b = Side(before), Side(after)
    same = a.sha256 == b.sha256 and a.files == b.files
    sizes = (_count(a), _count(b))
    if same:
        return ReleaseDiff(
            before=a.sha256, after=b.sha256, same=True, samples_before=sizes[0],
            samples_after=sizes[1], folders=_folders(a.files, b.files),
        )  # fmt: skip
    builds = diff_builds(a, b)
    changes = _counted(_changes(a, b, builds))
    totals = {
        kind: sum(change.samples for change in changes if change.kind == kind)
        for kind in ("added", "removed", "changed")
    }
    return ReleaseDiff(
        before=a.sha256, after=b.sha256, same=False, samples_before=sizes[0],
        samples_after=sizes[1], builds=builds, changes=changes,
        folders=_folders(a.files, b.files), files=_others(a.files, b.files), **totals,
    )  # fmt: skip


def iter_changes(before: Path, after: Path) -> Iterator[Change]:
    """Yield every pair that differs, by source, video and sample id.

    Args:
        before: Folder of the first release.
        after: Folder of the second.

    Raises:
        ReleaseError: One of them is no release, or of another schema version.
        ShardError: A shard does not hold what its index says.
    """
    a, b = Side(before), Side(after)
    if a.sha256 != b.sha256:
        yield from _changes(a, b, diff_builds(a, b))


def _changes(a: Side, b: Side, builds: BuildDiff) -> Iterator[Change]:
    rows = differing_rows(a, b, _repictured(builds))
    with Payloads(a.root) as old, Payloads(b.root) as new:
        explainer = Explainer(a, b, builds, rows, (old, new))
        for group in by_video(rows):
            yield from explainer.explain(group)


def _repictured(builds: BuildDiff) -> pl.Expr | None:
    """Which pairs show other pictures though their words may be the same."""
    if builds.pictures_changed:
        return pl.lit(value=True)
    if builds.media_changed:
        name = pl.concat_str("source", pl.lit("/"), "video_id")
        return name.is_in(list(builds.media_changed))
    return None


_Key = tuple[str, str, tuple[str, ...], str, str]


def _counted(changes: Iterator[Change]) -> tuple[ChangeCount, ...]:
    counts: dict[_Key, int] = {}
    examples: dict[_Key, list[str]] = {}
    details: dict[_Key, str] = {}
    for change in changes:
        key = (change.kind.value, change.reason.value, change.what, change.source, change.task)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= EXAMPLES:
            examples.setdefault(key, []).append(change.sample_id)
            details.setdefault(key, change.detail)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        ChangeCount(
            kind=key[0], reason=key[1], what=key[2], source=key[3], task=key[4], samples=count,
            examples=tuple(examples[key]), detail=details[key],
        )
        for key, count in ordered
    )  # fmt: skip


def _count(side: Side) -> int:
    found = side.query(SAMPLE_TABLE, lambda table: table.select(pl.len()))
    return 0 if found is None else int(found.item())


Files = Mapping[str, Mapping[str, object]]


def _folders(before: Files, after: Files) -> tuple[FolderDiff, ...]:
    found = []
    for folder in _FOLDERS:
        old, new = _tars(before, folder), _tars(after, folder)
        if not old and not new:
            continue
        kept = {name for name, sha in old.items() if new.get(name) == sha}
        rewritten = sorted((old.keys() & new.keys()) - kept)
        added = sorted(new.keys() - old.keys())
        found.append(
            FolderDiff(
                folder=folder, kept=len(kept), kept_bytes=_size(after, kept),
                rewritten=tuple(rewritten), rewritten_bytes=_size(after, rewritten),
                added=tuple(added), added_bytes=_size(after, added),
                removed=tuple(sorted(old.keys() - new.keys())),
            )
        )  # fmt: skip
    return tuple(found)


def _tars(files: Files, folder: str) -> dict[str, object]:
    return {
        name: item["sha256"]
        for name, item in files.items()
        if name.startswith(f"{folder}/") and name.endswith(".tar")
    }


def _size(files: Files, names: set[str] | list[str]) -> int:
    return sum(int(str(files[name]["size"])) for name in names)


def _others(before: Files, after: Files) -> tuple[str, ...]:
    return tuple(
        name
        for name in sorted(before.keys() | after.keys())
        if not name.endswith((".tar", ".idx")) and "/.nv-meta/" not in name
        and before.get(name) != after.get(name)
    )  # fmt: skip
