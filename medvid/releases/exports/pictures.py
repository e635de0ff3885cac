"""Frames as files: each once, under the path that rows name; regions with their box drawn."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from medvid.media import decode_jpeg, encode_jpeg, scale_xyxy
from medvid.media.overlays import draw_boxes
from medvid.shards import ReleaseReader
from medvid.tasks.official import frame_path
from schemas.sample import Sample

REGION_FOLDER: Final = "regions"
REGION_QUALITY: Final = 95
_TAG_PX: Final = 14
_STEP: Final = 500

Heard = Callable[[str, int, int], None]


class FrameList:
    """Frames that rows name, gathered while the rows are written."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str, str], set[int]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._wanted.values()))

    def add(self, sample: Sample) -> None:
        """Take in the frames of a sample."""
        key = (sample.dataset_name, sample.source, sample.video_id)
        self._wanted.setdefault(key, set()).update(sample.frame_index)

    def write(self, reader: ReleaseReader, folder: Path, heard: Heard) -> int:
        """Write each frame once; returns how many bytes.

        Raises:
            ShardError: The release does not hold a frame.
        """
        total, done, size = len(self), 0, 0
        for (dataset_name, source, video_id), indices in sorted(self._wanted.items()):
            (folder / frame_path(dataset_name, video_id, 0)).parent.mkdir(parents=True)
            for index in sorted(indices):
                picture = reader.frame(source, video_id, index)
                (folder / frame_path(dataset_name, video_id, index)).write_bytes(picture)
                done += 1
                size += len(picture)
                if not done % _STEP or done == total:
                    heard("frames", done, total)
        return size


def region_path(sample: Sample) -> str:
    """Path of a region's picture."""
    return f"{REGION_FOLDER}/{sample.sample_id}.jpg"


def write_region(reader: ReleaseReader, sample: Sample, folder: Path) -> None:
    """Write the boxed frame of a region caption with its box drawn, in the frame's own size.

    Boxes count in pixels of the original image; a frame stored smaller gets a smaller box.
    """
    rgb = decode_jpeg(reader.frame(sample.source, sample.video_id, sample.region_frame))
    image = Image.fromarray(rgb)
    original = (sample.width or image.width, sample.height or image.height)
    draw_boxes(image, [(scale_xyxy(sample.region_xyxy, original, image.size), "", 0)], _TAG_PX)
    path = folder / region_path(sample)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode_jpeg(np.asarray(image), REGION_QUALITY))


def media_paths(sample: Sample, *, drawn: bool) -> list[str]:
    """Paths of a sample's frames; the boxed frame's is that of its drawn picture, if one is."""
    paths: Iterable[str] = (
        region_path(sample)
        if drawn and index == sample.region_frame
        else frame_path(sample.dataset_name, sample.video_id, index)
        for index in sample.frame_index
    )
    return list(paths)
