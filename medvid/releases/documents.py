"""What a release says of itself, read for questions: documents of the right shape, or an error."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
from pydantic import BaseModel, ValidationError

from schemas.errors import ReleaseError

BUILD_FILE: Final = "build.json"
PROOF_FILE: Final = "leak_proof.json"

_ACTION: Final = "`medvid verify` names what is damaged; build the release again."


class _Config(BaseModel):
    splits: dict[str, Any] = {}


class _Build(BaseModel):
    """Only what questions look into; releases of before lack some of it."""

    config: _Config = _Config()
    inputs: dict[str, dict[str, Any]] = {}
    converters: dict[str, Any] = {}
    versions: dict[str, Any] = {}


class _Place(BaseModel):
    source: str
    video_id: str
    identity: str
    component: str
    split: str


class _Proof(BaseModel):
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


@contextmanager
def naming_damage(root: Path, table: str) -> Iterator[None]:
    """Turn what Polars makes of a damaged or absent table into one error that says what to do.

    Args:
        root: Folder of the release.
        table: The table, or which tables are read.

    Raises:
        ReleaseError: A table cannot be read.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, FileNotFoundError) as error:
        raise ReleaseError(
            f"{table} cannot be read: {error}.", source=root.name, action=_ACTION
        ) from error
