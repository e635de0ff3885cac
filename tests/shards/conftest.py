"""Drawn frames and pairs, and a small release made of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from medvid.shards.annotations import write_annotation_shard
from medvid.shards.tar import ShardFile, TarWriter
from schemas.clip import Clip
from schemas.hashing import canonical_json
from schemas.sample import NO_REGION, Sample, frame_key, sample_id
from schemas.source import TaskName
from schemas.tables import FRAMES, SAMPLES, table_of, write_table
from schemas.timeline import SegmentKind

SOURCE = "cholect50"
SPLIT_OF_VIDEO = {"VID01": "train", "VID02": "train", "VID03": "val", "VID04": "test"}


def draw_jpeg(seed: int) -> bytes:
    """A 48 x 32 picture of its own: a diagonal ramp and a block that moves with the seed."""
    rows, columns = np.mgrid[0:32, 0:48]
    image = np.stack([rows * 5, columns * 4, (rows + columns + seed) % 256], axis=-1)
    image[8:16, (seed * 3) % 40 : (seed * 3) % 40 + 8] = 255 - seed % 100
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image, dtype=np.uint8), quality=90))


def make_samples(video_id: str, *, first: int = 0, frames: int = 8) -> list[Sample]:
    """Two pairs about one clip of a 1 Hz video, one with a region."""
    ticks = tuple(range(first, first + frames))
    clip = Clip(
        source=SOURCE, video_id=video_id, kind=SegmentKind.PHASE, start=first,
        end=first + frames, rate_num=1, frame_index=ticks, frame_tick=ticks, sparse=True,
    )  # fmt: skip
    return [
        _sample(clip, TaskName.TAL, {"action": "grasping “Ω”"}, "0.0-3.0 seconds", -1, NO_REGION),
        _sample(
            clip, TaskName.REGION_CAPTION, {"label": "grasper"}, "A grasper.", first,
            (1.0, 2.0, 30.5, 20.25),
        ),
    ]  # fmt: skip


def _sample(
    clip: Clip,
    task: TaskName,
    subject: dict[str, object],
    answer: str,
    region_frame: int,
    region: tuple[float, float, float, float],
) -> Sample:
    return Sample(
        sample_id=sample_id(clip, task, task.value, subject), source=clip.source,
        dataset_name="CholecT50", video_id=clip.video_id, identity=f"cholec80:{clip.video_id}",
        clip_id=clip.clip_id, task=task, qa_type=task.value,
        subject=canonical_json(subject).decode(), label="grasping", question="When? <ü>",
        answer=answer, candidates=("grasping", "cutting"), target="{}", clip_start=clip.start,
        clip_end=clip.end, rate_num=clip.rate_num, rate_den=clip.rate_den, tick_rate_num=1,
        tick_rate_den=1, frame_index=clip.frame_index, frame_tick=clip.frame_tick, width=96,
        height=64, region_frame=region_frame, region_xyxy=region, sparse=clip.sparse,
        licence="cc0-1.0", provenance="{}",
    )  # fmt: skip


@dataclass(frozen=True)
class Release:
    """A release on disk, and what went into it."""

    path: Path
    samples: list[Sample]
    frames: dict[tuple[str, int], bytes]
    media: list[ShardFile]
    large: list[ShardFile]
    standard: list[ShardFile]
    large_splits: dict[str, list[str]]


@pytest.fixture(scope="session")
def make_release() -> Callable[[Path], Release]:
    """Writes the shards and index tables of four small videos into a folder."""
    return _write_release


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """One such release, to be read only."""
    return _write_release(tmp_path_factory.mktemp("release"))


@pytest.fixture
def jpegs() -> list[bytes]:
    """Thirty different pictures."""
    return [draw_jpeg(seed) for seed in range(30)]


def _write_release(root: Path) -> Release:
    for folder in ("media", "large", "standard", "index"):
        (root / folder).mkdir()
    samples = {
        video: [s for first in (0, 6) for s in make_samples(video, first=first)]
        for video in SPLIT_OF_VIDEO
    }
    frames = {
        (video, index): draw_jpeg(100 * number + index)
        for number, video in enumerate(SPLIT_OF_VIDEO)
        for index in range(14)
    }
    media = [_write_media(root, n, v, frames) for n, v in enumerate(_pairs(SPLIT_OF_VIDEO))]
    large, splits = [], {"train": [], "val": [], "test": []}  # type: ignore[var-annotated]
    for video, split in SPLIT_OF_VIDEO.items():
        name = f"{split}-{video.lower()}.tar"
        large.append(_write_annotations(root / "large" / name, samples[video]))
        splits[split].append(name)
    kept = samples["VID01"][:2]
    standard = [_write_annotations(root / "standard" / "train-000.tar", kept)]
    _write_index(root, samples, large, standard, media)
    return Release(
        root, [s for each in samples.values() for s in each], frames, media, large, standard, splits
    )


def _pairs(videos: dict[str, str]) -> Iterator[Sequence[str]]:
    names = sorted(videos)
    yield from (names[i : i + 2] for i in range(0, len(names), 2))


def _write_media(
    root: Path, number: int, videos: Sequence[str], frames: dict[tuple[str, int], bytes]
) -> ShardFile:
    with TarWriter(root / "media" / f"{SOURCE}-{number:03d}.tar") as tar:
        for (video, index), jpeg in frames.items():
            if video in videos:
                tar.add(f"{frame_key(SOURCE, video, index)}.jpg", jpeg)
        return tar.close()


def _write_annotations(path: Path, samples: Sequence[Sample]) -> ShardFile:
    return write_annotation_shard(path, [(s.sample_id, s.to_json()) for s in samples])


def _write_index(
    root: Path,
    samples: dict[str, list[Sample]],
    large: Sequence[ShardFile],
    standard: Sequence[ShardFile],
    media: Sequence[ShardFile],
) -> None:
    rows = table_of(_sample_rows(samples, large, standard), SAMPLES)
    write_table(root / "index" / "samples.parquet", rows, SAMPLES)
    frames = [
        {
            "source": SOURCE, "video_id": member.key.split("_")[1],
            "index": int(member.key.split("_")[2]), "tick": int(member.key.split("_")[2]),
            "shard": f"media/{shard.name}", "offset": member.offset, "size": member.size,
            "width": 48, "height": 32, "key": member.key,
        }
        for shard in media
        for member in shard.members
    ]  # fmt: skip
    write_table(root / "index" / "frames.parquet", table_of(frames, FRAMES), FRAMES)


def _sample_rows(
    samples: dict[str, list[Sample]], large: Sequence[ShardFile], standard: Sequence[ShardFile]
) -> list[dict[str, object]]:
    by_id = {s.sample_id: s for each in samples.values() for s in each}
    in_standard = {m.key: (f"standard/{s.name}", m) for s in standard for m in s.members}
    rows: list[dict[str, object]] = []
    for shard in large:
        for member in shard.members:
            sample = by_id[member.key]
            path, other = in_standard.get(member.key, (None, None))
            rows.append(
                {
                    **sample.model_dump(mode="json"),
                    "split": SPLIT_OF_VIDEO[sample.video_id],
                    "in_standard": other is not None,
                    "n_frames": len(sample.frame_index),
                    "shard": f"large/{shard.name}",
                    "offset": member.offset,
                    "size": member.size,
                    "standard_shard": path,
                    "standard_offset": other.offset if other else None,
                    "standard_size": other.size if other else None,
                    "answer_chars": len(sample.answer),
                }
            )
    return rows
