"""What a release says of itself, read for questions: of the right shape, or one plain error."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
from pydantic import BaseModel, ValidationError

from medvid.releases.publish import read_manifest
from schemas.errors import ReleaseError, ShardError
from schemas.tables import FRAMES, LEFT_OUT, QUARANTINE, SAMPLES, SUBSETS, VIDEOS, read_table

BUILD_FILE: Final = "build.json"
PROOF_FILE: Final = "leak_proof.json"
SAMPLE_TABLE: Final = "index/samples.parquet"
VIDEO_TABLE: Final = "index/videos.parquet"
FRAME_TABLE: Final = "index/frames.parquet"
LEFT_OUT_TABLE: Final = "index/left_out.parquet"
SUBSET_TABLE: Final = "index/subsets.parquet"
QUARANTINE_TABLE: Final = "quarantine.parquet"

Query = Callable[[pl.LazyFrame], pl.LazyFrame]
"""What is asked of a table."""

_SCHEMAS: Final = {
    SAMPLE_TABLE: SAMPLES, VIDEO_TABLE: VIDEOS, FRAME_TABLE: FRAMES, LEFT_OUT_TABLE: LEFT_OUT,
    SUBSET_TABLE: SUBSETS, QUARANTINE_TABLE: QUARANTINE,
}  # fmt: skip

_ACTION: Final = "`medvid verify` names what is damaged; build the release again."


class _Splits(BaseModel):
    test_share: float = 0
    val_share: float = 0
    standard_size: int | None = None


class _Config(BaseModel):
    splits: _Splits = _Splits()


class _Build(BaseModel):
    """Only what questions look into; releases of before lack some of it."""

    config: _Config = _Config()
    inputs: dict[str, dict[str, str]] = {}
    converters: dict[str, str] = {}
    versions: dict[str, str] = {}
    corrections_head: str | None = None


class _Place(BaseModel):
    source: str
    video_id: str
    identity: str
    component: str
    split: str


class _Footage(BaseModel):
    a: str
    b: str


class _Proof(BaseModel):
    mode: str = ""
    media_edges: list[_Footage] = []
    videos: list[_Place]
    edges: dict[str, dict[str, list[str]]]
    pinned: list[str]
    seed: int


def load_build(root: Path) -> Mapping[str, Any]:
    """Read `build.json`: what decided a release's bytes.

    Raises:
        ReleaseError: It is absent, damaged, or of another shape.
    """
    return _load(root, BUILD_FILE, _Build)


def load_proof(root: Path) -> Mapping[str, Any]:
    """Read `leak_proof.json`: what joins videos, and where each of them is.

    Raises:
        ReleaseError: It is absent, damaged, or of another shape.
    """
    return _load(root, PROOF_FILE, _Proof)


def _load(root: Path, name: str, shape: type[BaseModel]) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = orjson.loads((root / name).read_bytes())
        shape.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ReleaseError(
            f"{name} is not what a build writes: {first['msg']}.", source=root.name,
            field=field or None, action=_ACTION,
        ) from error  # fmt: skip
    except (OSError, orjson.JSONDecodeError) as error:
        raise ReleaseError(f"{name} cannot be read.", source=root.name, action=_ACTION) from error
    return found


def read_rows(root: Path, table: str, query: Query) -> pl.DataFrame | None:
    """Ask a table of a release.

    Args:
        root: Folder of the release.
        table: One of the tables above, relative to it.
        query: What is asked.

    Returns:
        The answer; None where the release never had such a table.

    Raises:
        ReleaseError: The table is gone, damaged, or of another schema.
    """
    path = root / table
    if not path.exists() and table not in read_manifest(root):
        return None
    try:
        read_table(path, _SCHEMAS[table], ())  # columns and types alone: no row is read
        return query(pl.scan_parquet(path)).collect()
    except (ShardError, pl.exceptions.PolarsError, OSError) as error:
        raise ReleaseError(
            f"{table} cannot be read: {error}.", source=root.name, action=_ACTION
        ) from error


def parse_object(root: Path, text: str | bytes, place: str) -> dict[str, Any]:
    """Parse a JSON object that stands in a table or a shard.

    Raises:
        ReleaseError: It is none; the message says where.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ReleaseError(f"{place} is no JSON.", source=root.name, action=_ACTION) from error
    if not isinstance(found, dict):
        raise ReleaseError(f"{place} is no JSON object.", source=root.name, action=_ACTION)
    return found
