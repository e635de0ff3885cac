"""Which finished work no release in use refers to, and its removal.

A release holds its shards by hard link, so it never needs the workspace to be read; what a
workspace keeps is the way to the next build. `record_use` notes at each publication which units
went in. A unit is in use while a release that it went into stands at its output with the manifest
recorded for it. Other units are kept for some days more, counted from when they were made or from
when the last release they went into was replaced, so that neither a killed build nor a setting
that is taken back loses its work.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from medvid.releases.ledger import ReleaseRecord
from medvid.releases.publish import manifest_hash, read_manifest
from medvid.releases.workspace import RESULT_FILE, Workspace
from schemas.errors import ReleaseError
from schemas.scalars import SCHEMA_VERSION, Model

LEDGER_FILE: Final = "ledger.sqlite"
MEDIA_STAGE: Final = "media_shards"
DAY_S: Final = 86_400.0
DEFAULT_KEEP_DAYS: Final = 7.0


class StageUse(Model):
    """What one stage of a workspace holds.

    Attributes:
        stage: Stage name.
        kept: Units that stay.
        kept_bytes: Bytes of their files.
        removed: Units that go.
        removed_bytes: Bytes of their files.
        freed_bytes: Those of `removed_bytes` that no other hard link holds: what the disk gains.
    """

    stage: str
    kept: int = 0
    kept_bytes: int = 0
    removed: int = 0
    removed_bytes: int = 0
    freed_bytes: int = 0


class ReleaseUse(Model):
    """A release the workspace knows of.

    Attributes:
        output: Folder it was published at.
        manifest_sha256: Hash of its manifest.
        stands: Whether it is still there, unchanged.
        units: Units that went into it.
    """

    output: str
    manifest_sha256: str
    stands: bool
    units: int


class Collection(Model):
    """What a collection removed, or would remove.

    Attributes:
        workspace: Its folder.
        dry_run: Whether everything is still there.
        keep_days: Age below which unused units stay.
        releases: Releases known, the latest first.
        stages: By stage, sorted.
    """

    schema_version: int = SCHEMA_VERSION
    workspace: str
    dry_run: bool
    keep_days: float
    releases: tuple[ReleaseUse, ...]
    stages: tuple[StageUse, ...]

    @property
    def removed(self) -> int:
        """Units of all stages that go."""
        return sum(stage.removed for stage in self.stages)

    @property
    def freed_bytes(self) -> int:
        """What the disk gains."""
        return sum(stage.freed_bytes for stage in self.stages)


def record_use(workspace: Workspace, root: Path, output: Path, manifest_sha256: str) -> None:
    """Note which units a release is made of; called before it is swapped in.

    The order makes a kill harmless: a release that was recorded and never swapped in does not
    stand, and the one it would have replaced still does. Media tars taken over from the release
    before count as well, where the workspace still holds their units.

    Args:
        workspace: The workspace it was built in, open; `used` holds the build's units.
        root: Where the sealed release lies now.
        output: Where it will stand.
        manifest_sha256: Hash of its manifest.
    """
    held = {item["sha256"] for item in read_manifest(root).values()}
    ledger = workspace.ledger
    media = ledger.find([key for stage, key, _ in ledger.all_units() if stage == MEDIA_STAGE])
    kept_media = {key for key, unit in media.items() if unit.info.get("sha256") in held}
    release = ReleaseRecord(manifest_sha256, str(output.absolute()), time.time())
    ledger.record_release(release, sorted(workspace.used | kept_media))


def collect(
    root: Path,
    *,
    dry_run: bool = True,
    keep_days: float = DEFAULT_KEEP_DAYS,
    keep: Sequence[Path] = (),
    now: float | None = None,
) -> Collection:
    """Remove what no release in use refers to.

    Args:
        root: The workspace.
        dry_run: Only say what would go.
        keep_days: Days for which unused units stay.
        keep: Releases that were moved from their outputs and are in use where they are now.
        now: Seconds since the epoch; the clock's where not given.

    Raises:
        ReleaseError: There is no workspace, a build holds it, no release was ever recorded in it,
            or a folder of `keep` is no release.
    """
    if not (root / LEDGER_FILE).is_file():
        raise ReleaseError(
            "this folder holds no ledger.sqlite, so it is no workspace.", source=root.name,
            action="Give the workspace of a build: OUTPUT.workspace unless it was named.",
        )  # fmt: skip
    moved = {_manifest_of(path) for path in keep}
    with Workspace(root) as workspace:
        collector = _Collector(workspace, moved, (time.time() if now is None else now), keep_days)
        stages = collector.run(dry_run=dry_run)
    return Collection(
        workspace=str(root), dry_run=dry_run, keep_days=keep_days,
        releases=tuple(collector.described()), stages=tuple(stages),
    )  # fmt: skip


def _manifest_of(release: Path) -> str:
    sha256 = manifest_hash(release)
    if sha256 is None:
        raise ReleaseError(
            "this folder holds no manifest.json, so it is no release.", source=release.name,
            field="--keep",
        )  # fmt: skip
    return sha256


class _Collector:
    """Decides over every unit of one open workspace."""

    def __init__(self, workspace: Workspace, moved: set[str], now: float, keep_days: float) -> None:
        self._workspace = workspace
        self._cutoff = now - keep_days * DAY_S
        self._releases = workspace.ledger.releases()
        if not self._releases:
            raise ReleaseError(
                "no release was ever recorded in this workspace, so nothing says what is in use.",
                source=workspace.root.name,
                action="Run `medvid build` once: it records what its release is made of. To give "
                "up all of it, remove the folder.",
            )
        self._units = {
            release.manifest: workspace.ledger.units_of_release(release.manifest)
            for release in self._releases
        }
        self._standing = {
            release
            for release in self._releases
            if release.manifest in moved or manifest_hash(Path(release.output)) == release.manifest
        }
        self._stale = [r for r in self._releases if not self._is_recent(r)]
        self._kept = set().union(
            *(self._units[r.manifest] for r in self._releases if r not in self._stale)
        )

    def _is_recent(self, release: ReleaseRecord) -> bool:
        """Whether a release stands, or stood within the days that count."""
        if release in self._standing:
            return True
        later = [
            other.published
            for other in self._releases
            if other.output == release.output and other.published > release.published
        ]
        return min(later, default=release.published) > self._cutoff

    def described(self) -> Iterator[ReleaseUse]:
        """Releases known, the latest first."""
        for release in self._releases:
            yield ReleaseUse(
                output=release.output, manifest_sha256=release.manifest,
                stands=release in self._standing, units=len(self._units[release.manifest]),
            )  # fmt: skip

    def run(self, *, dry_run: bool) -> list[StageUse]:
        """Go through every stage; units on disk that the ledger does not know count too."""
        known: dict[str, set[str]] = {}
        for stage, key, _ in self._workspace.ledger.all_units():
            known.setdefault(stage, set()).add(key)
        store = self._workspace.root / "store"
        found = {folder.name: _names(folder) for folder in _folders(store)}
        stages = sorted(known.keys() | found.keys())
        uses = [
            self._stage(stage, known.get(stage, set()), found.get(stage, set()), dry_run=dry_run)
            for stage in stages
        ]
        if not dry_run:
            self._workspace.ledger.forget_releases(self._stale)
        return uses

    def _stage(self, stage: str, known: set[str], found: set[str], *, dry_run: bool) -> StageUse:
        sums = dict.fromkeys(("kept", "kept_bytes", "removed", "removed_bytes", "freed_bytes"), 0)
        going = []
        for key in sorted(known | found):
            folder = self._workspace.folder(stage, key)
            size, alone = _sizes(folder)
            if self._stays(key, folder):
                sums["kept"] += 1
                sums["kept_bytes"] += size
            else:
                going.append(key)
                sums["removed_bytes"] += size
                sums["freed_bytes"] += alone
        sums["removed"] = len(going)
        if going and not dry_run:
            self._remove(stage, going)
        return StageUse(stage=stage, **sums)

    def _stays(self, key: str, folder: Path) -> bool:
        made = folder / RESULT_FILE
        if not made.is_file():
            return False
        return key in self._kept or made.stat().st_mtime > self._cutoff

    def _remove(self, stage: str, keys: Iterable[str]) -> None:
        """Forget first, then take each folder out by one rename, then empty it.

        Killed in between, a unit is either whole and unrecorded, which the next build adopts, or
        in the folder of unfinished work, which the next opening empties.
        """
        keys = list(keys)
        self._workspace.ledger.forget(keys)
        for key in keys:
            folder = self._workspace.folder(stage, key)
            if folder.is_dir():
                aside = self._workspace.tmp / f"gc-{stage}-{key}"
                folder.rename(aside)
                shutil.rmtree(aside, ignore_errors=True)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _names(folder: Path) -> set[str]:
    return {path.name for path in _folders(folder)}


def _sizes(folder: Path) -> tuple[int, int]:
    """Bytes of a unit's files, and those of them no other hard link holds."""
    size = alone = 0
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                size += status.st_size
                alone += status.st_size if status.st_nlink == 1 else 0
    return size, alone
