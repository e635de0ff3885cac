"""Shards: deterministic tar writer, index, reader."""

from medvid.shards.annotations import write_annotation_shard
from medvid.shards.aside import remove_partials
from medvid.shards.energon import NvSampleType, NvShard, write_nv_meta
from medvid.shards.reader import ReleaseReader, ShardReader
from medvid.shards.scan import load_shard, scan_tar
from medvid.shards.selfcontained import SelfContainedClip, write_selfcontained_shard
from medvid.shards.tar import PartWriter, ShardFile, TarWriter, concatenate
from medvid.shards.ustar import Member

__all__ = [
    "Member",
    "NvSampleType",
    "NvShard",
    "PartWriter",
    "ReleaseReader",
    "SelfContainedClip",
    "ShardFile",
    "ShardReader",
    "TarWriter",
    "concatenate",
    "load_shard",
    "remove_partials",
    "scan_tar",
    "write_annotation_shard",
    "write_nv_meta",
    "write_selfcontained_shard",
]
