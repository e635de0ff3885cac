"""Reading a release by its index."""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medvid.shards import ReleaseReader, ShardReader
from schemas.errors import ConfigError, ShardError
from schemas.sample import Sample
from schemas.tables import FRAMES, SAMPLES, read_table, table_of, write_table

Release = Any  # the dataclass of conftest.py, which is no package to import it from


def test_every_sample_and_frame_is_read_back(release: Release) -> None:
    with ReleaseReader(release.path) as reader:
        assert len(reader) == len(release.samples) == 16
        for sample in release.samples:
            assert sample.sample_id in reader
            assert reader.sample(sample.sample_id) == sample
            expected = [release.frames[sample.video_id, i] for i in sample.frame_index]
            assert reader.frames_of(sample) == expected
        for (video, index), jpeg in release.frames.items():
            assert reader.frame("cholect50", video, index) == jpeg


def test_samples_come_in_shard_order(release: Release) -> None:
    reader = ReleaseReader(str(release.path))
    stored = [m.key for shard in sorted(release.large, key=lambda s: s.name) for m in shard.members]
    assert [sample.sample_id for sample in reader.samples()] == stored
    train = [
        m.key for shard in release.large for m in shard.members if shard.name.startswith("train")
    ]
    assert [sample.sample_id for sample in reader.samples("train")] == train
    kept = [m.key for m in release.standard[0].members]
    assert [sample.sample_id for sample in reader.samples("train", "standard")] == kept
    assert not list(reader.samples("val", "standard"))
    assert not list(reader.samples("no such split"))
    with pytest.raises(ConfigError, match="huge"):
        next(reader.samples(subset="huge"))


def test_frames_come_in_the_order_asked_for(release: Release) -> None:
    reader = ReleaseReader(release.path)
    wanted = [9, 0, 9, 3]
    assert reader.frames("cholect50", "VID03", wanted) == [
        release.frames["VID03", i] for i in wanted
    ]
    assert reader.frames("cholect50", "VID03", []) == []


def test_what_is_not_there_is_named(release: Release) -> None:
    reader = ReleaseReader(release.path)
    assert "0" * 32 not in reader
    assert "ü" not in reader
    for name in ("0" * 32, "z", ""):
        with pytest.raises(ShardError, match="there is no sample"):
            reader.sample(name)
    for video, index in (("VID01", 14), ("VID09", 0), ("VID01", -1)):
        with pytest.raises(ShardError, match=f"frame {index} of cholect50 {video} is not stored"):
            reader.frame("cholect50", video, index)


def test_few_open_files_suffice(release: Release) -> None:
    reader = ReleaseReader(release.path, open_files=1)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts descriptors, not files
    for sample in release.samples:
        reader.sample(sample.sample_id)
        reader.frames_of(sample)
    assert len(os.listdir("/proc/self/fd")) == before + 1  # noqa: PTH208
    reader.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_threads_may_share_a_reader(release: Release) -> None:
    reader = ReleaseReader(release.path, open_files=1)
    assert len(reader) == 16
    failures: list[BaseException] = []

    def read_all() -> None:
        try:
            for _ in range(5):
                for sample in release.samples:
                    assert reader.sample(sample.sample_id) == sample
                    assert len(reader.frames_of(sample)) == 8
        except (AssertionError, ShardError, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=read_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_readers_travel_to_other_processes(release: Release) -> None:
    reader = ReleaseReader(release.path, open_files=3)
    first = reader.sample(release.samples[0].sample_id)
    copy = pickle.loads(pickle.dumps(reader))
    assert copy.release == release.path
    assert copy.sample(first.sample_id) == first
    shards = pickle.loads(pickle.dumps(ShardReader(release.path / "media")))
    member = release.media[0].members[0]
    assert shards.read(release.media[0].name, member.offset, member.size, member.name)


def test_workers_need_no_polars(release: Release) -> None:
    script = (
        "import sys; from medvid.shards import ReleaseReader\n"
        "reader = ReleaseReader(sys.argv[1])\n"
        "sample = next(reader.samples('train'))\n"
        "print(len(reader.frames_of(sample)), 'polars' in sys.modules, 'pandas' in sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(release.path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout == "8 False False\n"


@pytest.fixture
def copied(make_release: Callable[[Path], Release], tmp_path: Path) -> Release:
    return make_release(tmp_path)


def test_a_shard_that_is_not_the_indexed_one_is_refused(copied: Release) -> None:
    reader = ReleaseReader(copied.path)
    first, second = sorted((copied.path / "media").iterdir())
    first.write_bytes(second.read_bytes())
    with pytest.raises(ShardError, match=r"media/cholect50-000\.tar: member .*VID01.* is not at"):
        reader.frame("cholect50", "VID01", 0)
    first.write_bytes(b"")
    with pytest.raises(ShardError, match="is not at byte"):
        reader.frame("cholect50", "VID02", 0)
    first.unlink()
    reader.close()
    with pytest.raises(ShardError, match=r"cholect50-000\.tar: cannot be read: No such file"):
        reader.frame("cholect50", "VID01", 0)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: text[:-1] + b" ", "not a sample"),
        (lambda text: text.replace(b'"schema_version":1', b'"schema_version":7'), "_version 7"),
        (lambda text: text.replace(b'"sample_id":"', b'"sample_id":"x')[:-1] + b"", "not a sample"),
    ],
)
def test_damaged_samples_are_refused(
    copied: Release, damage: Callable[[bytes], bytes], why: str
) -> None:
    shard = copied.large[0]
    member = shard.members[0]
    path = copied.path / "large" / shard.name
    content = bytearray(path.read_bytes())
    text = damage(bytes(content[member.offset : member.offset + member.size]))
    content[member.offset : member.offset + member.size] = text[: member.size].ljust(member.size)
    path.write_bytes(content)
    with pytest.raises(ShardError, match=why) as caught:
        ReleaseReader(copied.path).sample(member.key)
    assert caught.value.source == f"large/{shard.name}"
    assert caught.value.field == member.key


def test_an_index_that_leaves_the_release_is_refused(copied: Release) -> None:
    path = copied.path / "index" / "frames.parquet"
    for shard in ("/etc/passwd", "../other/a.tar"):
        rows = read_table(path, FRAMES).to_pylist()[:1]
        write_table(path, table_of([{**rows[0], "shard": shard}], FRAMES), FRAMES)
        with pytest.raises(ShardError, match="leaves the release"):
            ReleaseReader(copied.path).frame("cholect50", "VID01", 0)


def test_a_release_without_media_still_reads_labels(copied: Release) -> None:
    write_table(copied.path / "index" / "frames.parquet", table_of([], FRAMES), FRAMES)
    reader = ReleaseReader(copied.path)
    sample: Sample = copied.samples[0]
    assert reader.sample(sample.sample_id) == sample
    with pytest.raises(ShardError, match="labels only"):
        reader.frames_of(sample)
    write_table(copied.path / "index" / "samples.parquet", table_of([], SAMPLES), SAMPLES)
    empty = ReleaseReader(copied.path)
    assert len(empty) == 0
    assert not list(empty.samples())
    assert sample.sample_id not in empty


def test_a_url_is_refused_for_now() -> None:
    with pytest.raises(ConfigError, match="is not a local folder"):
        ReleaseReader("s3://bucket/release")
