"""Every loader reads the same samples from the same bytes, self-contained shards included."""

import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import simplejpeg
import webdataset

from medvid.shards import SelfContainedClip, ShardFile, load_shard, write_selfcontained_shard
from schemas.errors import ShardError
from schemas.sample import Sample

Release = Any  # the dataclass of conftest.py, which is no package to import it from

Loaded = dict[str, dict[str, bytes]]
Load = Callable[[list[Path]], Loaded]

# webdataset leaves closing to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


def load_with_webdataset(paths: list[Path]) -> Loaded:
    dataset = webdataset.WebDataset([str(path) for path in paths], shardshuffle=False)
    loaded: Loaded = {}
    for sample in dataset:
        parts = {k: v for k, v in sample.items() if not k.startswith("__")}
        assert sample["__key__"] not in loaded
        loaded[sample["__key__"]] = parts
    return loaded


def load_with_tarfile(paths: list[Path]) -> Loaded:
    loaded: Loaded = {}
    for path in paths:
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                key, part = info.name.split(".")
                extracted = archive.extractfile(info)
                assert extracted is not None
                loaded.setdefault(key, {})[part] = extracted.read()
    return loaded


@pytest.mark.parametrize("load", [load_with_webdataset, load_with_tarfile])
def test_loaders_return_every_pair_with_equal_bytes(release: Release, load: Load) -> None:
    loaded = load(sorted((release.path / "large").glob("*.tar")))
    assert loaded == {s.sample_id: {"json": s.to_json()} for s in release.samples}
    for sample in release.samples:
        assert Sample.model_validate_json(loaded[sample.sample_id]["json"]) == sample


@pytest.mark.parametrize("load", [load_with_webdataset, load_with_tarfile])
def test_loaders_return_every_frame_with_equal_bytes(release: Release, load: Load) -> None:
    loaded = load(sorted((release.path / "media").glob("*.tar")))
    assert loaded == {
        f"cholect50_{video}_{index:08d}": {"jpg": jpeg}
        for (video, index), jpeg in release.frames.items()
    }


def clips_of(release: Release) -> list[SelfContainedClip]:
    by_clip: dict[str, list[Sample]] = {}
    for sample in release.samples:
        by_clip.setdefault(sample.clip_id, []).append(sample)
    return [
        SelfContainedClip(
            clip_id=clip_id,
            frame_index=samples[0].frame_index,
            frame_time_s=[float(tick - samples[0].frame_tick[0]) for tick in samples[0].frame_tick],
            frames=[release.frames[samples[0].video_id, i] for i in samples[0].frame_index],
            samples=[orjson.loads(sample.to_json()) for sample in samples],
        )
        for clip_id, samples in sorted(by_clip.items())
    ]


@pytest.fixture
def selfcontained(release: Release, tmp_path: Path) -> ShardFile:
    return write_selfcontained_shard(tmp_path / "train-000.tar", clips_of(release))


def test_ten_lines_of_webdataset_give_frames_and_pairs(
    release: Release, selfcontained: ShardFile, tmp_path: Path
) -> None:
    seen = []
    for clip in webdataset.WebDataset(str(tmp_path / selfcontained.name), shardshuffle=False):
        facts = json.loads(clip["json"])
        edges = facts["frame_offsets"]
        frames = [simplejpeg.decode_jpeg(clip["frames"][a:b]) for a, b in zip(edges, edges[1:])]  # noqa: B905, RUF007 - as a newcomer would
        for pair in facts["pairs"]:
            seen.append((pair["sample_id"], pair["question"], pair["answer"]))
            assert len(frames) == 8
            assert frames[0].shape == (32, 48, 3)
    assert sorted(seen) == sorted((s.sample_id, s.question, s.answer) for s in release.samples)


def test_selfcontained_clips_hold_true_facts(
    release: Release, selfcontained: ShardFile, tmp_path: Path
) -> None:
    loaded = load_with_tarfile([tmp_path / selfcontained.name])
    assert set(loaded) == {sample.clip_id for sample in release.samples}
    for clip_id, parts in loaded.items():
        facts = json.loads(parts["json"])
        edges = facts["frame_offsets"]
        assert edges[0] == 0
        assert edges[-1] == len(parts["frames"])
        for i, index in enumerate(facts["frame_index"]):
            jpeg = parts["frames"][edges[i] : edges[i + 1]]
            assert jpeg == release.frames[facts["video_id"], index]
        assert facts["clip_id"] == clip_id
        assert facts["n_frames"] == 8
        assert facts["frame_time_s"] == [float(i) for i in range(8)]
        assert facts["frame_width"] == [48] * 8
        assert (facts["width"], facts["height"]) == (96, 64)
        regions = [pair["region_xyxy"] for pair in facts["pairs"] if pair["region_frame"] >= 0]
        assert regions == [[1.0, 2.0, 30.5, 20.25]]
    assert load_shard(tmp_path / selfcontained.name) == selfcontained


def test_frames_may_be_read_when_their_turn_comes(
    release: Release, selfcontained: ShardFile, tmp_path: Path
) -> None:
    asked: list[str] = []

    def reading(clip: SelfContainedClip) -> Callable[[], Sequence[bytes]]:
        def read() -> Sequence[bytes]:
            asked.append(clip.clip_id)
            assert not callable(clip.frames)
            return clip.frames

        return read

    clips = (
        SelfContainedClip(c.clip_id, c.frame_index, c.frame_time_s, reading(c), c.samples)
        for c in clips_of(release)
    )
    again = write_selfcontained_shard(tmp_path / "again.tar", clips)
    assert again.sha256 == selfcontained.sha256
    assert asked == [clip.clip_id for clip in clips_of(release)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"frames": []}, "0 frames do not belong together"),
        ({"frames": [b"no jpeg"] * 8}, "is no JPEG"),
        ({"frames": [b""] * 8}, "is no JPEG"),
        ({"frame_time_s": [0.0]}, "1 times"),
        ({"samples": []}, "at least one pair"),
        ({"clip_id": "0" * 32}, "differ in clip_id"),
        ({"frame_index": list(range(1, 9))}, "differ in frame_index"),
    ],
)
def test_clips_that_contradict_themselves_are_refused(
    release: Release, tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    clip = clips_of(release)[0]
    fields = {name: getattr(clip, name) for name in SelfContainedClip.__dataclass_fields__}
    with pytest.raises(ShardError, match=why):
        write_selfcontained_shard(tmp_path / "a.tar", [SelfContainedClip(**{**fields, **change})])
    assert not list(tmp_path.iterdir())


def test_pairs_of_two_clips_are_not_mixed(release: Release, tmp_path: Path) -> None:
    first, second = clips_of(release)[:2]
    mixed = SelfContainedClip(
        first.clip_id, first.frame_index, first.frame_time_s, first.frames,
        [*first.samples, *second.samples],
    )  # fmt: skip
    with pytest.raises(ShardError, match="differ in clip_id"):
        write_selfcontained_shard(tmp_path / "a.tar", [mixed])
    with pytest.raises(ShardError, match="keys must rise"):
        write_selfcontained_shard(tmp_path / "a.tar", [second, first])
