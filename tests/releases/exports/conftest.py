"""Pairs of all eight tasks, made by the real line from drawn native labels, and a release of them.

Labels come from every source's own writer; pictures are small and drawn here, since an export
copies them and looks at no content.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import orjson
import pytest
import simplejpeg

from converters.registry import load_converters
from medvid.captions import CaptionSettings, write_captions
from medvid.shards import TarWriter, write_annotation_shard
from medvid.synthetic import write_tree
from medvid.tasks import ClipSettings, build_samples, nominal_frames, plan_clips
from medvid.tasks.base import TaskSettings
from schemas.errors import SourceError
from schemas.hashing import file_sha256
from schemas.sample import Sample, frame_key
from schemas.scalars import SCHEMA_VERSION
from schemas.source import TaskName
from schemas.tables import FRAMES, SAMPLES, VIDEOS, table_of, write_table

PER_KIND = 3
"""Pairs kept of each source and task."""

SPLITS = ("train", "val", "test")
STORED_WH = (64, 48)

MakeRelease = Callable[..., Path]


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Pairs of every source and task."""
    kept: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for name, converter in load_converters().items():
        root = tmp_path_factory.mktemp("native") / name
        root.mkdir()
        write_tree(name, root, scale=0.0, media=False, max_seconds=100, faults=False)
        spec = converter.spec
        tasks = (*spec.tasks, *(task for task in spec.extra_tasks if task is TaskName.STG))
        for recording in converter.discover(root):
            try:
                annotation = converter.convert(recording)
            except SourceError:
                continue
            plan = plan_clips(
                annotation, spec, nominal_frames(annotation), ClipSettings(max_clips_per_video=3)
            )
            captions = write_captions(annotation, spec, plan.clips, CaptionSettings())
            built = build_samples(
                annotation, spec, plan.clips, captions.captions, TaskSettings(), tasks
            )
            for sample in built.samples:
                if len(kept[sample.source, sample.task]) < PER_KIND:
                    kept[sample.source, sample.task].append(sample)
    found = [sample for group in kept.values() for sample in group]
    assert {sample.task for sample in found} == set(TaskName)
    assert {sample.source for sample in found} == set(load_converters())
    return found


@pytest.fixture(scope="session")
def make_release() -> MakeRelease:
    """Writes a release of samples into a folder."""
    return write_release


@pytest.fixture(scope="session")
def release(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the pairs under a licence that allows all, to be read only."""
    return write_release(tmp_path_factory.mktemp("exported") / "release", freed(samples))


@pytest.fixture(scope="session")
def bound_release(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same under the sources' own licences."""
    return write_release(tmp_path_factory.mktemp("bound") / "release", samples)


def freed(samples: list[Sample]) -> list[Sample]:
    """The same pairs in the public domain."""
    return [sample.model_copy(update={"licence": "cc0-1.0"}) for sample in samples]


def draw_jpeg(source: str, video_id: str, index: int) -> bytes:
    """A picture of its own."""
    width, height = STORED_WH
    rows, columns = np.mgrid[0:height, 0:width]
    seed = (sum(map(ord, source + video_id)) + 7 * index) % 100
    image = np.stack([rows * 2 + seed, columns * 2, rows + columns], axis=-1)
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image, dtype=np.uint8), quality=80))


def split_of(sample: Sample) -> str:
    """A split by identity."""
    return SPLITS[sum(map(ord, sample.identity)) % len(SPLITS)]


def write_release(root: Path, samples: list[Sample], *, media: bool = True) -> Path:
    """Write shards, tables and manifest; every third pair of train is in `standard`."""
    for folder in ("large", "media", "index"):
        (root / folder).mkdir(parents=True)
    rows = []
    for split in SPLITS:
        chosen = {sample.sample_id: sample for sample in samples if split_of(sample) == split}
        if not chosen:
            continue
        name = f"large/{split}-000.tar"
        shard = write_annotation_shard(
            root / name, [(key, sample.to_json()) for key, sample in chosen.items()]
        )
        for place, member in enumerate(shard.members):
            sample = chosen[member.key]
            standard = split == "train" and place % 3 == 0
            rows.append({
                **sample.model_dump(mode="json"), "split": split, "in_standard": standard,
                "n_frames": len(sample.frame_index), "shard": name, "offset": member.offset,
                "size": member.size, "standard_shard": name if standard else None,
                "standard_offset": member.offset if standard else None,
                "standard_size": member.size if standard else None,
                "answer_chars": len(sample.answer),
            })  # fmt: skip
    index = root / "index"
    write_table(index / "samples.parquet", table_of(rows, SAMPLES), SAMPLES)
    frames = table_of(_media(root, samples) if media else [], FRAMES)
    write_table(index / "frames.parquet", frames, FRAMES)
    write_table(index / "videos.parquet", table_of(_videos(samples), VIDEOS), VIDEOS)
    files = {
        path.relative_to(root).as_posix(): {
            "sha256": file_sha256(path), "size": path.stat().st_size,
        }
        for path in sorted(root.rglob("*")) if path.is_file()
    }  # fmt: skip
    manifest = {"schema_version": SCHEMA_VERSION, "files": files}
    (root / "manifest.json").write_bytes(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS))
    return root


def _media(root: Path, samples: list[Sample]) -> list[Mapping[str, object]]:
    wanted: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for sample in samples:
        wanted[sample.source, sample.video_id].update(
            zip(sample.frame_index, sample.frame_tick, strict=True)
        )
    rows: list[Mapping[str, object]] = []
    with TarWriter(root / "media" / "all-000.tar") as tar:
        for source, video_id in sorted(wanted, key=lambda place: f"{place[0]}_{place[1]}_"):
            for index, tick in sorted(wanted[source, video_id].items()):
                key = frame_key(source, video_id, index)
                member = tar.add(f"{key}.jpg", draw_jpeg(source, video_id, index))
                rows.append({
                    "source": source, "video_id": video_id, "index": index, "tick": tick,
                    "shard": "media/all-000.tar", "offset": member.offset, "size": member.size,
                    "width": STORED_WH[0], "height": STORED_WH[1], "key": key,
                })  # fmt: skip
    return rows


def _videos(samples: list[Sample]) -> list[Mapping[str, object]]:
    by_video = {(sample.source, sample.video_id): sample for sample in samples}
    return [
        {
            "source": sample.source, "video_id": sample.video_id, "identity": sample.identity,
            "split": split_of(sample), "licence": sample.licence, "width": sample.width,
            "height": sample.height, "native_split": "{}", "n_clips": 1, "n_samples": 1,
            "links": "{}",
        }
        for sample in by_video.values()
    ]  # fmt: skip
