"""A release being asked about: its index, documents and workspace, each read when it is needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import ValidationError

from medvid.releases.documents import (
    VIDEO_TABLE,
    Query,
    load_build,
    load_proof,
    parse_object,
    read_rows,
)
from medvid.releases.publish import manifest_hash, read_manifest
from medvid.releases.why_native import LEDGER_FILE, VideoWork, load_work, workspace_of
from medvid.releases.why_split import SplitTrace, trace_split
from medvid.shards.reader import ShardReader
from schemas.errors import ReleaseError
from schemas.sample import Sample

MAX_MATCHES: Final = 5
"""Rows looked up at most where an id is not unique."""


@dataclass(frozen=True)
class Opened:
    """A release being asked; what several questions share is read once.

    Attributes:
        root: Its folder.
        workspace: Workspace of its build, None where it is not at hand.
    """

    root: Path
    workspace: Path | None

    @cached_property
    def manifest_sha256(self) -> str:
        """Hash of its manifest."""
        read_manifest(self.root)
        return manifest_hash(self.root) or ""

    @cached_property
    def build(self) -> Mapping[str, Any]:
        """What decided its bytes."""
        return load_build(self.root)

    @cached_property
    def proof(self) -> Mapping[str, Any]:
        """What joins videos, and where each of them is."""
        return load_proof(self.root)

    def rows(self, table: str, where: pl.Expr) -> list[dict[str, Any]]:
        """Rows of a table of the index; none where it has no such table."""
        return self.query(table, lambda found: found.filter(where))

    def rows_by_id(self, table: str, prefix: str) -> list[dict[str, Any]]:
        """The first few rows whose sample id begins so; other columns are read for them alone."""
        begins = pl.col("sample_id").str.starts_with(prefix)
        places = self.query(
            table,
            lambda found: (
                found.select("sample_id").with_row_index("row").filter(begins).head(MAX_MATCHES)
            ),
        )
        numbers = [place["row"] for place in places]
        return [row for number in numbers for row in self.query(table, _only(number))]

    def query(self, table: str, query: Query) -> list[dict[str, Any]]:
        """What a table answers; no rows where it has no such table."""
        found = read_rows(self.root, table, query)
        return [] if found is None else found.to_dicts()

    def video_row(self, source: str, video_id: str) -> dict[str, Any] | None:
        """A video's row of the index."""
        of_video = (pl.col("source") == source) & (pl.col("video_id") == video_id)
        return next(iter(self.rows(VIDEO_TABLE, of_video)), None)

    def work(self, source: str, video_id: str) -> VideoWork:
        """What the workspace holds of a video."""
        name = f"{source}/{video_id}"
        key = self.build.get("inputs", {}).get(name, {}).get("labels", "")
        return load_work(self.workspace, self.manifest_sha256, name, key)

    def split(self, source: str, video_id: str) -> SplitTrace | None:
        """Why a video is in its split."""
        return trace_split(self.proof, self.config.get("splits", {}), source, video_id)

    @property
    def config(self) -> Mapping[str, Any]:
        """Settings of the build."""
        found: Mapping[str, Any] = self.build.get("config", {})
        return found

    def parse(self, text: str, place: str) -> dict[str, Any]:
        """A JSON object of a table or a shard, at a place that an error would name."""
        return parse_object(self.root, text, place)

    def payload(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The json of a sample of the index.

        Raises:
            ShardError: The shard does not hold it.
            ReleaseError: What it holds is no sample.
        """
        reader = ShardReader(self.root)
        name = f"{row['sample_id']}.json"
        found = reader.read(row["shard"], row["offset"], row["size"], name)
        place = f"{row['shard']}: {name}"
        document: Mapping[str, Any] = parse_object(self.root, found, place)
        try:
            Sample.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ReleaseError(
                f"{place} is no sample: {first['msg']}.", source=self.root.name,
                field=field or None, action="`medvid verify` names what is damaged.",
            ) from error  # fmt: skip
        return document


def _only(number: int) -> Query:
    """Takes one row of a table."""
    return lambda table: table.slice(number, 1)


def open_release(release: Path, workspace: Path | None = None) -> Opened:
    """Open a release for questions.

    Args:
        release: Its folder.
        workspace: Where it was built; the one its `run.json` names where not given.

    Raises:
        ReleaseError: The folder is no release, or the workspace none.
    """
    read_manifest(release)
    if workspace is not None and not (workspace / LEDGER_FILE).is_file():
        raise ReleaseError(
            "this folder holds no ledger.sqlite, so it is no workspace.", source=workspace.name,
            action="Give the workspace of the build: OUTPUT.workspace unless it was named.",
        )  # fmt: skip
    return Opened(release, workspace or workspace_of(release))
