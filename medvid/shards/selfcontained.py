"""Self-contained shards: the frames of a clip inline with all its pairs, for a plain loop.

Two parts a clip: `<clip_id>.frames` is the clip's JPEGs one after the other (one member instead of
180 makes sequential readers 2.6 times as fast), `<clip_id>.json` says where each begins, when it
was taken, and what is asked about the clip:

```python
import json, simplejpeg, webdataset

for clip in webdataset.WebDataset("standard-selfcontained/train-000.tar", shardshuffle=False):
    facts = json.loads(clip["json"])
    edges = facts["frame_offsets"]
    frames = [simplejpeg.decode_jpeg(clip["frames"][a:b]) for a, b in zip(edges, edges[1:])]
    for pair in facts["pairs"]:
        print(len(frames), "frames:", pair["question"], "->", pair["answer"])
```
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

import simplejpeg

from medvid.shards.tar import ShardFile, TarWriter
from schemas.errors import ShardError
from schemas.hashing import canonical_json
from schemas.scalars import SCHEMA_VERSION

FRAMES_PART: Final = "frames"
FACTS_PART: Final = "json"

_CLIP_FIELDS: Final = (
    "clip_id", "source", "dataset_name", "video_id", "identity", "clip_start", "clip_end",
    "rate_num", "rate_den", "tick_rate_num", "tick_rate_den", "frame_index", "frame_tick",
    "width", "height", "sparse", "licence",
)  # fmt: skip
_PAIR_FIELDS: Final = (
    "sample_id", "task", "qa_type", "subject", "label", "question", "answer", "candidates",
    "target", "region_frame", "region_xyxy", "provenance",
)  # fmt: skip

JsonObject = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SelfContainedClip:
    """A clip with its frames and pairs.

    Attributes:
        clip_id: The clip.
        frame_index: Native numbers of its frames, in time order.
        frame_time_s: Their times in seconds from the first of them.
        frames: Their JPEGs, or a function that reads these when the clip's turn comes, so that
            only one clip of a shard is in memory.
        samples: Its pairs as `Sample.to_json` writes them, parsed; at least one.
    """

    clip_id: str
    frame_index: Sequence[int]
    frame_time_s: Sequence[float]
    frames: Sequence[bytes] | Callable[[], Sequence[bytes]]
    samples: Sequence[JsonObject]


def write_selfcontained_shard(path: Path, clips: Iterable[SelfContainedClip]) -> ShardFile:
    """Write one sample a clip.

    Args:
        path: The shard.
        clips: Sorted by clip id.

    Raises:
        ShardError: Clips are not sorted or repeat, samples of one clip differ in what is the
            clip's, frames are missing or no JPEGs, there is no clip, or the disk is full.
    """
    with TarWriter(path) as tar:
        for clip in clips:
            frames = clip.frames() if callable(clip.frames) else clip.frames
            facts = canonical_json(clip_facts(clip, frames))
            tar.add(f"{clip.clip_id}.{FRAMES_PART}", b"".join(frames))
            tar.add(f"{clip.clip_id}.{FACTS_PART}", facts)
        return tar.close()


def clip_facts(clip: SelfContainedClip, frames: Sequence[bytes]) -> dict[str, object]:
    """What the json part of a clip says.

    Keys and types are the same for every clip. `frame_offsets` are n + 1 positions in the frames
    part, the last its length; `frame_time_s` counts from the first frame; `frame_width` and
    `frame_height` are those of the JPEGs, `width` and `height` those of the original image, in
    whose pixels boxes are; pairs are sorted by sample id.

    Args:
        clip: The clip.
        frames: Its JPEGs, in time order.

    Raises:
        ShardError: Samples of the clip differ in what is the clip's, or frames are missing or no
            JPEGs.
    """
    pairs = sorted(clip.samples, key=lambda pair: str(pair["sample_id"]))
    sizes = _sizes(clip, frames)
    return {
        "schema_version": SCHEMA_VERSION,
        **_shared_facts(clip, pairs),
        "n_frames": len(frames),
        "frame_offsets": [0, *accumulate(len(frame) for frame in frames)],
        "frame_time_s": [float(time_s) for time_s in clip.frame_time_s],
        "frame_width": [width for width, _ in sizes],
        "frame_height": [height for _, height in sizes],
        "pairs": [{field: pair[field] for field in _PAIR_FIELDS} for pair in pairs],
    }


def _shared_facts(clip: SelfContainedClip, pairs: Sequence[JsonObject]) -> dict[str, object]:
    if not pairs:
        raise ShardError("a clip needs at least one pair.", field=clip.clip_id)
    shared = {field: pairs[0][field] for field in _CLIP_FIELDS}
    claims: list[JsonObject] = [
        {**shared, "clip_id": clip.clip_id, "frame_index": list(clip.frame_index)},
        *pairs[1:],
    ]
    for claim in claims:
        differing = [field for field in _CLIP_FIELDS if claim[field] != shared[field]]
        if differing:
            raise ShardError(
                f"clip {clip.clip_id} and its pair {pairs[0]['sample_id']}, or two of its pairs, "
                f"differ in {', '.join(differing)}.",
                field=clip.clip_id,
            )
    return shared


def _sizes(clip: SelfContainedClip, frames: Sequence[bytes]) -> list[tuple[int, int]]:
    """Width and height of each JPEG."""
    if not len(frames) == len(clip.frame_index) == len(clip.frame_time_s):
        raise ShardError(
            f"{len(clip.frame_index)} frame numbers, {len(clip.frame_time_s)} times and "
            f"{len(frames)} frames do not belong together.",
            field=clip.clip_id,
        )
    sizes = []
    for index, frame in zip(clip.frame_index, frames, strict=True):
        try:
            height, width, *_ = simplejpeg.decode_jpeg_header(frame)
        except ValueError as error:
            raise ShardError(f"frame {index} is no JPEG: {error}.", field=clip.clip_id) from error
        sizes.append((int(width), int(height)))
    return sizes
