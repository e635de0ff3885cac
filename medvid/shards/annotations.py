"""Annotation shards: one json part a sample, no media."""

from collections.abc import Iterable
from pathlib import Path

from medvid.shards.tar import ShardFile, TarWriter

SAMPLE_PART = "json"
"""Part of a sample in `large` and `standard`."""


def write_annotation_shard(path: Path, samples: Iterable[tuple[str, bytes]]) -> ShardFile:
    """Write `<sample_id>.json` members, sorted by sample id.

    Args:
        path: The shard.
        samples: Sample ids with the canonical JSON of each sample, in any order.

    Returns:
        The shard; `members[i].key` is a sample id.

    Raises:
        ShardError: Two samples share an id, there is no sample, or the disk is full.
    """
    with TarWriter(path) as tar:
        for sample_id, encoded in sorted(samples, key=lambda sample: sample[0]):
            tar.add(f"{sample_id}.{SAMPLE_PART}", encoded)
        return tar.close()
