"""Random and sequential access to a release, by its own index.

Every read goes through `ShardReader.read(shard, offset, size, name)`. A reader of `s3://` releases
needs no more than another class with that one method (fsspec's `cat_file(path, start, end)` is
the same call over the network) and a local copy of the two index tables.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import numpy as np
from pydantic import ValidationError

from medvid.shards.annotations import SAMPLE_PART
from medvid.shards.index import SUBSETS, FrameIndex, Place, SampleIndex
from medvid.shards.ustar import BLOCK, header
from schemas.errors import ConfigError, ShardError
from schemas.sample import Sample, frame_key
from schemas.scalars import SCHEMA_VERSION
from schemas.tables import SUBSETS as SUBSET_TABLE
from schemas.tables import read_table

FRAME_PART: Final = "jpg"
"""Part of a frame in `media`."""

OPEN_FILES: Final = 64


class _OpenShard:
    """A file descriptor that closes with its last user."""

    __slots__ = ("_fd",)

    def __init__(self, path: Path) -> None:
        self._fd = -1
        self._fd = os.open(path, os.O_RDONLY)

    def read(self, size: int, offset: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class ShardReader:
    """Reads members of the shards below one folder; safe to share by threads and after a fork.

    Args:
        root: Folder the shard paths are relative to.
        open_files: Shards kept open; the one unused for longest is closed first.
    """

    def __init__(self, root: Path, *, open_files: int = OPEN_FILES) -> None:
        self._root = root
        self._limit = max(1, open_files)
        self._open: OrderedDict[str, _OpenShard] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Travel to another process without the open files."""
        return (_reopened_shards, (self._root, self._limit))

    def read(self, shard: str, offset: int, size: int, name: str) -> bytes:
        """Return the payload of one member, having checked its header.

        Args:
            shard: Path of the tar, relative to the root.
            offset: First byte of the payload.
            size: Its bytes.
            name: Name the member must have.

        Raises:
            ShardError: The shard is absent, or does not hold that member there.
        """
        try:
            block = self._shard(shard).read(BLOCK + size, offset - BLOCK)
        except OSError as error:
            raise ShardError(f"cannot be read: {error.strerror}.", source=shard) from error
        if len(block) != BLOCK + size or block[:BLOCK] != header(name.encode(), size):
            raise ShardError(
                f"member {name!r} of {size} bytes is not at byte {offset}.", source=shard
            )
        return block[BLOCK:]

    def close(self) -> None:
        """Close all files; reading opens them again."""
        with self._lock:
            self._open.clear()

    def _shard(self, name: str) -> _OpenShard:
        with self._lock:
            shard = self._open.get(name)
            if shard is not None:
                self._open.move_to_end(name)
                return shard
            shard = self._open[name] = _OpenShard(self._root / name)
            if len(self._open) > self._limit:
                self._open.popitem(last=False)
            return shard


class ReleaseReader:
    """Samples and frames of a release on a local disk.

    The index tables are read on first use. Readers may be pickled: a copy in another process
    reads the tables anew and opens its own files.

    Args:
        release: Folder of the release.
        open_files: Shards kept open.
    """

    def __init__(self, release: Path | str, *, open_files: int = OPEN_FILES) -> None:
        if "://" in str(release):
            raise ConfigError(
                f"release {str(release)!r} is not a local folder.",
                action="Copy or mount it; give the local path.",
            )
        self.release = Path(release)
        self._open_files = open_files
        self._shards = ShardReader(self.release, open_files=open_files)
        self._samples: SampleIndex | None = None
        self._frames: FrameIndex | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Travel to another process without tables and open files."""
        return (_reopened_release, (str(self.release), self._open_files))

    def __len__(self) -> int:
        return len(self.sample_index)

    def __contains__(self, sample_id: str) -> bool:
        return self.sample_index.row(sample_id) >= 0

    @property
    def sample_index(self) -> SampleIndex:
        """Where each sample lies."""
        if self._samples is None:
            self._samples = SampleIndex(self.release / "index" / "samples.parquet")
        return self._samples

    @property
    def frame_index(self) -> FrameIndex:
        """Where each frame lies."""
        if self._frames is None:
            self._frames = FrameIndex(self.release / "index" / "frames.parquet")
        return self._frames

    def sample(self, sample_id: str) -> Sample:
        """Read one sample.

        Raises:
            ShardError: The release does not hold it, or holds something else in its place.
        """
        row = self.sample_index.row(sample_id)
        if row < 0:
            raise ShardError(
                f"there is no sample {sample_id!r}.", source="samples.parquet",
                action="`medvid inspect RELEASE` lists samples.",
            )  # fmt: skip
        return self._load(sample_id, self.sample_index.place(row))

    def samples(self, split: str | None = None, subset: str = "large") -> Iterator[Sample]:
        """Yield samples in shard order.

        Args:
            split: `train`, `val` or `test`; all by default.
            subset: `large`, `standard` for the balanced part of it, or a named subset, which comes
                in the order of its ranks.

        Raises:
            ConfigError: There is no such subset.
            ShardError: A shard does not hold what the index says.
        """
        if subset not in SUBSETS:
            ids = self.subset_ids(subset)
            yield from (self.sample(name) for name in ids if split in (None, "train"))
            return
        for sample_id, place in self.sample_index.rows(split, subset):
            yield self._load(sample_id, place)

    def subset_ids(self, name: str) -> list[str]:
        """Sample ids of a named subset of train, in the order of their ranks.

        Raises:
            ConfigError: There is no such subset.
        """
        path = self.release / "index" / "subsets.parquet"
        table = read_table(path, SUBSET_TABLE, ("subset", "sample_id")) if path.exists() else None
        named = table.column("subset").to_pylist() if table is not None else []
        if table is None or name not in named:
            known = ", ".join([*SUBSETS, *sorted(set(named))])
            raise ConfigError(f"subset {name!r} is none of {known}.")
        ids = table.column("sample_id").to_pylist()
        return [key for key, subset in zip(ids, named, strict=True) if subset == name]

    def frame(self, source: str, video_id: str, index: int) -> bytes:
        """Return the JPEG of one native frame.

        Raises:
            ShardError: It is not stored, or the shard holds something else in its place.
        """
        return self.frames(source, video_id, [index])[0]

    def frames(self, source: str, video_id: str, indices: list[int]) -> list[bytes]:
        """Return the JPEGs of native frames of one video, in the order asked for."""
        places = self.frame_index.places(source, video_id, np.asarray(indices, dtype=np.int64))
        return [
            self._shards.read(*place, f"{frame_key(source, video_id, index)}.{FRAME_PART}")
            for index, place in zip(indices, places, strict=True)
        ]

    def frames_of(self, sample: Sample) -> list[bytes]:
        """Return the JPEGs of a sample's clip, in time order."""
        return self.frames(sample.source, sample.video_id, list(sample.frame_index))

    def close(self) -> None:
        """Close all files; reading opens them again."""
        self._shards.close()

    def _load(self, sample_id: str, place: Place) -> Sample:
        encoded = self._shards.read(*place, f"{sample_id}.{SAMPLE_PART}")
        try:
            sample = Sample.model_validate_json(encoded)
        except ValidationError as error:
            raise ShardError(
                f"not a sample: {error.errors()[0]['msg']}.", source=place.shard, field=sample_id
            ) from error
        if sample.sample_id != sample_id or sample.schema_version != SCHEMA_VERSION:
            raise ShardError(
                f"holds sample {sample.sample_id!r} of schema_version {sample.schema_version}, "
                f"this code reads {SCHEMA_VERSION}.",
                source=place.shard, field=sample_id,
            )  # fmt: skip
        return sample


def _reopened_shards(root: Path, open_files: int) -> ShardReader:
    return ShardReader(root, open_files=open_files)


def _reopened_release(release: str, open_files: int) -> ReleaseReader:
    return ReleaseReader(release, open_files=open_files)
