"""What storing each frame once saves, measured on the release at hand."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from flows.assembly import Assembly, media_index
from flows.tables import CLIPS_FILE
from medvid.releases.facts import MediaStorage
from medvid.releases.workspace import Workspace


def measure_storage(
    assembly: Assembly, samples: pl.DataFrame, workspace: Workspace
) -> MediaStorage | None:
    """Measure the pictures of a release, None where it holds none.

    Args:
        assembly: The finished shards.
        samples: Selected pairs with `source`, `video_id`, `clip_id`.
        workspace: Where the clips' frame lists lie.
    """
    if not assembly.media:
        return None
    tables = [media_index(shard, assembly, workspace)[1] for shard in assembly.media]
    members = pl.concat([table.select("source", "video_id", "index", "size") for table in tables])
    distinct = members.unique(["source", "video_id", "index"])
    pairs = samples.group_by("clip_id").agg(pl.len().alias("pairs"))
    by_clip = by_pair = 0
    for (source, video_id), sizes in distinct.group_by("source", "video_id"):
        folder = _pairs_folder(assembly, workspace, f"{source}/{video_id}")
        if folder is None:
            continue
        clips = pl.read_ipc(folder / CLIPS_FILE, columns=["clip_id", "frame_index"])
        shown = (
            clips.explode("frame_index")
            .join(sizes, left_on="frame_index", right_on="index")
            .group_by("clip_id")
            .agg(pl.col("size").sum())
            .join(pairs, on="clip_id")
        )
        by_clip += int(shown["size"].sum())
        by_pair += int((shown["size"] * shown["pairs"]).sum())
    return MediaStorage(
        member_bytes=int(members["size"].sum()), distinct_bytes=int(distinct["size"].sum()),
        by_clip_bytes=by_clip, by_pair_bytes=by_pair,
    )  # fmt: skip


def _pairs_folder(assembly: Assembly, workspace: Workspace, name: str) -> Path | None:
    states: Sequence[Path] = [
        workspace.folder("pairs", state.pairs.key)
        for state in assembly.states
        if state.name == name and state.pairs is not None
    ]
    return states[0] if states else None
