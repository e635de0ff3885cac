"""Frames of an import as media shards: each once, as JPEG, one video contiguous."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from medvid.media import encode_jpeg, jpeg_size, read_image
from medvid.releases.exports.pictures import Heard
from medvid.shards import TarWriter
from schemas.errors import ShardError
from schemas.sample import frame_key
from schemas.tables import FRAMES, table_of

MEDIA_FOLDER: Final = "media"
QUALITY: Final = 95
"""Official frames are mostly JPEG already; encoding them again strips what else their files say."""

_SHARD_BYTES: Final = 1 << 30
_STEP: Final = 500

Placed = tuple[str, str, tuple[int, ...], tuple[int, ...]]


class FrameStore:
    """Gathers the frames of rows and writes them once all rows are read.

    Every picture is decoded when it is taken, so that a damaged one refuses its row and no other.

    Args:
        folder: Folder of the import.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._frames: dict[tuple[str, str], dict[int, tuple[int, Path]]] = {}
        self._sound: set[Path] = set()

    def take(self, placed: Placed, files: Mapping[int, Path]) -> None:
        """Take in the frames of a row, all or none.

        Args:
            placed: Source, video, frame numbers and their ticks.
            files: File by frame number.

        Raises:
            ShardError: An earlier row puts a frame at another time.
            MediaError: A picture is damaged.
        """
        source, video_id, numbers, ticks = placed
        known = self._frames.get((source, video_id), {})
        for number, tick in zip(numbers, ticks, strict=True):
            if number in known and known[number][0] != tick:
                raise ShardError(
                    f"an earlier row puts frame {number} at another time.",
                    field="sampled_video_frames",
                    action="Import rows of other frame rates into a folder of their own.",
                )
        taken = {
            number: (tick, files[number])
            for number, tick in zip(numbers, ticks, strict=True) if number not in known
        }  # fmt: skip
        for _, path in taken.values():
            if path not in self._sound:
                read_image(path)
                self._sound.add(path)
        self._frames.setdefault((source, video_id), {}).update(taken)

    def write(self, heard: Heard) -> pa.Table:
        """Write media shards; returns the frame table."""
        rows: list[dict[str, Any]] = []
        total = sum(map(len, self._frames.values()))
        for name, videos in self._shards():
            (self._folder / MEDIA_FOLDER).mkdir(exist_ok=True)
            with TarWriter(self._folder / name) as tar:
                for source, video_id in videos:
                    for row in self._add(tar, source, video_id):
                        rows.append({**row, "shard": name})
                        if not len(rows) % _STEP or len(rows) == total:
                            heard("frames", len(rows), total)
        return table_of(rows, FRAMES)

    def _add(self, tar: TarWriter, source: str, video_id: str) -> Iterator[dict[str, Any]]:
        """Add the frames of a video; yields their rows of the table but for the shard."""
        for index, (tick, path) in sorted(self._frames[source, video_id].items()):
            picture = encode_jpeg(read_image(path), QUALITY)
            width, height = jpeg_size(picture)
            key = frame_key(source, video_id, index)
            member = tar.add(f"{key}.jpg", picture)
            yield {
                "source": source, "video_id": video_id, "index": index, "tick": tick,
                "offset": member.offset, "size": member.size, "width": width, "height": height,
                "key": key,
            }  # fmt: skip

    def _shards(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Videos of each shard: one source, about a gigabyte of files, keys rising."""
        # `VID10_…` sorts before `VID1_…`, so videos go by their name with the underscore.
        ordered = sorted(self._frames, key=lambda place: (place[0], f"{place[1]}_"))
        for source, places in groupby(ordered, key=lambda place: place[0]):
            number, size, shard = 0, 0, list[tuple[str, str]]()
            for place in places:
                if size > _SHARD_BYTES:
                    yield f"{MEDIA_FOLDER}/{source}-{number:03d}.tar", shard
                    number, size, shard = number + 1, 0, []
                shard.append(place)
                size += sum(path.stat().st_size for _, path in self._frames[place].values())
            yield f"{MEDIA_FOLDER}/{source}-{number:03d}.tar", shard
