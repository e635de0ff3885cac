"""Damaged native files end to end: each is named in the quarantine, and no neighbour is lost."""

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest

from flows.pipeline import BuildResult, build_release
from medvid.releases.config import BuildConfig
from medvid.releases.publish import manifest_hash
from medvid.releases.units import LocalExecutor
from medvid.releases.verify import verify_release
from schemas.errors import MalformedSourceError, MissingSourceError
from tests.flows.progress import Counting

Make = Callable[..., BuildConfig]
Plant = Callable[[Path], object]

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2

BUILD = """
import sys
from pathlib import Path
from flows.pipeline import build_release
from medvid.releases.config import BuildConfig
from medvid.releases.units import LocalExecutor
class Silent:
    def start(self, stage, total, done): pass
    def advance(self, stage, outcome): pass
    def finish(self, stage, seconds): pass
config = BuildConfig.model_validate_json(Path(sys.argv[1]).read_bytes())
build_release(config, LocalExecutor(2), Silent())
"""

ANNOTATIONS = "annotations/NurViD_annotations.json"
VIDEOS = "dataset/Original_videos"


def build(config: BuildConfig) -> tuple[BuildResult, dict[str, int]]:
    progress = Counting()
    return build_release(config, LocalExecutor(config.workers), progress), progress.ran


def settings(native: Path) -> dict[str, object]:
    return {
        "sources": [
            {"name": name, "root": native / name}
            for name in ("cholect50", "nurvid")
            if (native / name).exists()
        ],
        "clips": {"min_frames": 20, "max_clips_per_video": 2},
        "media": {"long_side": 64},
        "selfcontained": False,
    }


def sample_ids(release: Path) -> dict[str, set[str]]:
    """Sample ids by video."""
    table = pl.read_parquet(release / "index" / "samples.parquet")
    grouped = table.group_by("source", "video_id").agg("sample_id")
    return {f"{source}/{video}": set(ids) for source, video, ids in grouped.iter_rows()}


def quarantine(release: Path) -> pl.DataFrame:
    return pl.read_parquet(release / "quarantine.parquet").with_columns(
        pl.col(pl.Categorical).cast(pl.String)
    )


def overwrite(path: Path, begin: float, size: int, change: Callable[[bytes], bytes]) -> None:
    """Change `size` bytes from a place given as a share of the file."""
    content = bytearray(path.read_bytes())
    at = int(len(content) * begin)
    content[at : at + size] = change(bytes(content[at : at + size]))
    path.write_bytes(content)


def flip_bits(path: Path) -> None:
    for share in (0.2, 0.35, 0.5, 0.65, 0.8):
        overwrite(path, share, 64, lambda part: bytes(byte ^ 0x5A for byte in part))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_link(path: Path) -> None:
    """Lead out of the root, to a file that is whole."""
    outside = path.parents[3] / "outside" / path.name
    outside.parent.mkdir(exist_ok=True)
    path.rename(outside)
    path.symlink_to(outside)


def become_dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def become_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


MP4S: dict[str, tuple[Plant, str, str]] = {
    "dmg-cut-mp4": (cut, "integrity", "truncated"),
    "dmg-flipped": (flip_bits, "integrity", "damaged"),
    "dmg-zeroed-": (
        lambda path: overwrite(path, 0.4, 30_000, lambda part: bytes(len(part))),
        "integrity", "damaged",
    ),
    "dmg-cut-lst": (
        lambda path: path.write_bytes(path.read_bytes()[:-2000]), "integrity", "truncated",
    ),
    "dmg-is-text": (
        lambda path: path.write_text("<html>410 Gone</html>\n" * 40), "integrity", "unreadable",
    ),
    "dmg-is-none": (lambda path: path.write_bytes(b""), "integrity", "empty_file"),
    "dmg-is-dirt": (lambda path: path.write_bytes(bytes(9000)), "integrity", "unreadable"),
    "dmg-folder-": (become_folder, "probe", "missing_media"),
    "dmg-escapes": (become_link, "integrity", "outside_root"),
    "dmg-dangles": (become_dangling, "probe", "missing_media"),
    "dmg-no-file": (lambda path: path.unlink(), "probe", "missing_media"),
}  # fmt: skip
"""By the id of a copied NurViD video: the damage, and where and as what it is found."""


def label(folder: Path) -> Path:
    return folder.parents[1] / "labels" / f"{folder.name}.json"


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


FOLDERS: dict[str, tuple[Plant, str, str, str]] = {
    "VID02": (lambda f: cut(f / "000030.png"), "integrity", "frame", "bad_images"),
    "VID04": (lambda f: (f / "000030.png").write_text("no"), "integrity", "frame", "bad_images"),
    "VID05": (lambda f: (f / "000030.png").write_bytes(b""), "integrity", "frame", "bad_images"),
    "VID06": (lambda f: become_folder(f / "000030.png"), "integrity", "frame", "bad_images"),
    "VID10": (lambda f: become_dangling(f / "000030.png"), "integrity", "frame", "bad_images"),
    "VID12": (lambda f: become_link(f / "000030.png"), "integrity", "frame", "bad_images"),
    "VID13": (lambda f: cut(label(f)), "convert", "video", "malformed_file"),
    "VID14": (
        lambda f: overwrite(label(f), 0.5, 2, lambda _: b"\xff\xfe"),
        "convert", "video", "malformed_file",
    ),
    "VID15": (lambda f: label(f).write_bytes(b""), "convert", "video", "malformed_file"),
    "VID18": (lambda f: become_folder(label(f)), "convert", "video", "missing_file"),
    "VID22": (empty, "integrity", "video", "no_frames"),
    "VID23": (shutil.rmtree, "probe", "video", "missing_media"),
    "VID26": (lambda f: become_loop(f / "000030.png"), "convert", "video", "unreadable_file"),
    "VID27": (become_link, "integrity", "video", "outside_root"),
}  # fmt: skip
"""By the id of a copied CholecT50 video: the damage of its folder, and what is found."""


def plant(root: Path) -> None:
    """Copy a sound video of each source once for each damage, and damage the copies."""
    records = orjson.loads((root / "nurvid" / ANNOTATIONS).read_bytes())
    folder = root / "nurvid" / VIDEOS
    model = sorted(path.stem for path in folder.glob("*.mp4") if path.stem in records)[0]
    for name, (damage, _, _) in MP4S.items():
        records[name] = records[model] | {"url": f"https://www.youtube.com/watch?v={name}"}
        shutil.copyfile(folder / f"{model}.mp4", folder / f"{name}.mp4")
        damage(folder / f"{name}.mp4")
    (root / "nurvid" / ANNOTATIONS).write_bytes(orjson.dumps(records))
    cholec = root / "cholect50"
    for name, (damage_folder, *_) in FOLDERS.items():
        shutil.copytree(cholec / "videos" / "VID01", cholec / "videos" / name)
        labels = orjson.loads((cholec / "labels" / "VID01.json").read_bytes())
        labels["video"] = int(name.removeprefix("VID"))
        (cholec / "labels" / f"{name}.json").write_bytes(orjson.dumps(labels))
        damage_folder(cholec / "videos" / name)


@pytest.fixture(scope="module")
def undamaged(native: Path, small_build: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undamaged")
    shutil.copytree(native, folder / "native", ignore=shutil.ignore_patterns("cholectrack20"))
    build(small_build(folder, **settings(folder / "native")))
    return folder


@pytest.fixture(scope="module")
def damaged(undamaged: Path, small_build: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    shutil.copytree(undamaged / "native", folder / "native")
    plant(folder / "native")
    build(small_build(folder, **settings(folder / "native")))
    return folder


def rows_of(folder: Path, source: str, video_id: str) -> list[dict[str, object]]:
    rows = quarantine(folder / "release")
    own = rows.filter((pl.col("source") == source) & (pl.col("video_id") == video_id))
    return own.to_dicts()


@pytest.mark.parametrize("name", MP4S)
def test_a_damaged_video_file_is_quarantined_for_what_it_is(damaged: Path, name: str) -> None:
    _, stage, reason = MP4S[name]
    rows = [row for row in rows_of(damaged, "nurvid", name) if row["kind"] == "video"]
    assert [(row["stage"], row["reason"]) for row in rows] == [(stage, reason)]
    assert rows[0]["action"]
    assert rows[0]["detail"]
    assert not rows[0]["retryable"]
    assert f"nurvid/{name}" not in sample_ids(damaged / "release")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_damaged_folder_or_label_file_is_quarantined(damaged: Path, name: str) -> None:
    _, stage, kind, reason = FOLDERS[name]
    rows = [row for row in rows_of(damaged, "cholect50", name) if row["kind"] == kind]
    assert [(row["stage"], row["reason"]) for row in rows] == [(stage, reason)]
    alive = f"cholect50/{name}" in sample_ids(damaged / "release")
    assert alive == (kind == "frame"), "one bad image costs its frame, not its video"
    if kind == "frame":
        frames = pl.read_parquet(damaged / "release" / "index" / "frames.parquet")
        stored = frames.filter(pl.col("video_id") == name)["index"].to_list()
        assert rows[0]["field"] == "30"
        assert 30 not in stored
        assert {29, 31} <= set(stored)


def test_no_neighbour_is_lost_and_the_release_is_sound(undamaged: Path, damaged: Path) -> None:
    before = sample_ids(undamaged / "release")
    after = sample_ids(damaged / "release")
    assert {source.partition("/")[0] for source in before} == {"cholect50", "nurvid"}
    assert {name: after.get(name) for name in before} == before
    checks = verify_release(damaged / "release")
    assert [failure for check in checks for failure in check.failures] == []


def test_a_second_build_of_damage_does_nothing(damaged: Path, small_build: Make) -> None:
    before = manifest_hash(damaged / "release")
    _, ran = build(small_build(damaged, **settings(damaged / "native")))
    assert {stage: count for stage, count in ran.items() if count} == {}
    assert manifest_hash(damaged / "release") == before


def test_mended_files_come_back_by_themselves(
    undamaged: Path, damaged: Path, small_build: Make, tmp_path: Path
) -> None:
    shutil.copytree(damaged / "native", tmp_path / "native", symlinks=True)
    folder = tmp_path / "native" / "nurvid" / VIDEOS
    models = sorted((undamaged / "native" / "nurvid" / VIDEOS).glob("*.mp4"))
    config = small_build(tmp_path, workspace=damaged / "workspace",
                         **settings(tmp_path / "native"))  # fmt: skip
    for name, model in zip(("dmg-flipped", "dmg-escapes"), models, strict=False):
        (folder / f"{name}.mp4").unlink()
        shutil.copyfile(model, folder / f"{name}.mp4")
    build(config)
    after = sample_ids(tmp_path / "release")
    assert {"nurvid/dmg-flipped", "nurvid/dmg-escapes"} <= set(after)
    assert len(after["nurvid/dmg-flipped"]) == len(after["nurvid/dmg-escapes"])


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b'{"abc": {"operationID": 1', MalformedSourceError),
        (b"\xff\xfe\x00{", MalformedSourceError),
        (b"", MalformedSourceError),
        (b"[]", MalformedSourceError),
        (b"{}", MissingSourceError),
    ],
)
def test_a_label_file_of_the_whole_source_stops_the_build_by_name(
    undamaged: Path, small_build: Make, tmp_path: Path, content: bytes, error: type[Exception]
) -> None:
    shutil.copytree(undamaged / "native" / "nurvid", tmp_path / "native" / "nurvid")
    (tmp_path / "native" / "nurvid" / ANNOTATIONS).write_bytes(content)
    with pytest.raises(error, match=r"NurViD_annotations\.json"):
        build(small_build(tmp_path, **settings(tmp_path / "native")))
    assert not (tmp_path / "release").exists()


def test_a_time_out_is_no_verdict(undamaged: Path, small_build: Make, tmp_path: Path) -> None:
    native = undamaged / "native"
    slow = sorted(path.stem for path in (native / "nurvid" / VIDEOS).glob("*.mp4"))[0]
    hasty = settings(native) | {"media": {"long_side": 64, "timeout_s": 0.01}}
    sources = [{"name": "cholect50", "root": native / "cholect50"}]
    config = small_build(tmp_path, **(settings(native) | {"sources": sources}))
    build(config)
    ready = manifest_hash(tmp_path / "release")
    # CholecT50's verdicts are in the workspace by now: the short time is NurViD's alone.
    build(small_build(tmp_path, **hasty))
    rows = [row for row in rows_of(tmp_path, "nurvid", slow) if row["reason"] == "timeout"]
    assert [(row["stage"], row["retryable"]) for row in rows] == [("integrity", True)]
    assert not any(name.startswith("nurvid/") for name in sample_ids(tmp_path / "release"))
    assert manifest_hash(tmp_path / "release") != ready
    assert [c.failures for c in verify_release(tmp_path / "release") if c.failed] == []
    _, ran = build(small_build(tmp_path, **settings(native)))
    assert ran["media"] > 0
    assert sample_ids(tmp_path / "release") == sample_ids(undamaged / "release")


def obey_modes() -> None:
    """Take from root, for the process to be started, the right to read what is forbidden."""
    libc = ctypes.CDLL(None)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability)


def test_files_nobody_may_read_are_quarantined(
    undamaged: Path, small_build: Make, tmp_path: Path
) -> None:
    shutil.copytree(undamaged / "native", tmp_path / "native")
    native = tmp_path / "native"
    locked = sorted((native / "nurvid" / VIDEOS).glob("*.mp4"))[0]
    for path in (
        locked, native / "cholect50" / "labels" / "VID01.json",
        native / "cholect50" / "videos" / "VID08" / "000030.png",
    ):  # fmt: skip
        path.chmod(0)
    obeys = subprocess.run(["cat", locked], preexec_fn=obey_modes, check=False, capture_output=True)
    if obeys.returncode == 0:
        pytest.skip("this system lets its root read everything")
    config = small_build(tmp_path, **settings(native))
    (tmp_path / "build.json").write_text(config.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path / "build.json")],
        capture_output=True, text=True, check=False, timeout=300, preexec_fn=obey_modes,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = {
        (row["video_id"], row["stage"], row["kind"], row["reason"])
        for row in quarantine(tmp_path / "release").to_dicts()
    }
    assert (locked.stem, "integrity", "video", "unreadable") in found
    assert ("VID01", "convert", "video", "unreadable_file") in found
    assert ("VID08", "integrity", "frame", "bad_images") in found
    before, after = sample_ids(undamaged / "release"), sample_ids(tmp_path / "release")
    lost = {f"nurvid/{locked.stem}", "cholect50/VID01", "cholect50/VID08"}
    assert {name: ids for name, ids in after.items() if name not in lost} == {
        name: ids for name, ids in before.items() if name not in lost
    }
