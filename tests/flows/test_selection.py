"""A release of a stated size, end to end: quotas met, the rest named, official splits told."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest

from flows.pipeline import build_release
from medvid.releases.config import BuildConfig
from medvid.releases.units import LocalExecutor
from medvid.releases.verify import verify_release
from medvid.shards import ReleaseReader
from schemas.errors import SplitError
from schemas.tables import LEFT_OUT, read_table
from tests.flows.progress import Silent

Make = Callable[..., BuildConfig]
QUOTAS = {"cholect50": 60, "cholectrack20": 50, "nurvid": 20}
COUNTS = {"tal": 9, "dense_captioning": 5}
SIZED = {
    "quotas": QUOTAS, "test_counts": COUNTS, "standard_size": 30,
    "subsets": {"rl": {"size": 10, "tasks": ["tal", "stg"]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One workspace for all builds, so that labels are read once."""
    return tmp_path_factory.mktemp("sized")


def build(make: Make, folder: Path, name: str, **splits: object) -> Path:
    config = make(
        folder, media={"mode": "none"}, selfcontained=False, output=folder / name, splits=splits
    )
    return build_release(config, LocalExecutor(2), Silent()).published.root


def faults(release: Path) -> list[str]:
    return [fault for check in verify_release(release) for fault in check.failures]


def test_a_release_of_a_stated_size(small_build: Make, folder: Path) -> None:
    release = build(small_build, folder, "sized", **SIZED, shortfall="refuse")
    assert faults(release) == []
    samples = pl.read_parquet(release / "index" / "samples.parquet")
    assert Counter(samples["source"].to_list()) == QUOTAS
    tested = samples.filter(pl.col("split") == "test")
    assert Counter(tested["task"].to_list()) == COUNTS
    left_out = pl.DataFrame(read_table(release / "index" / "left_out.parquet", LEFT_OUT))
    reasons = {tuple(row) for row in left_out.select("split", "reason").unique().iter_rows()}
    assert ("test", "held_out") in reasons
    assert ("train", "over_quota") in reasons
    assert ("train", "held_out") not in reasons
    page = (release / "report.html").read_text()
    assert "Quotas by source" in page
    assert "differ</td>" not in page
    card = (release / "README.md").read_text()
    assert "Test is 14 of 14 pairs asked for by task" in card
    assert "| rl | 10 |" in card
    with ReleaseReader(release) as reader:
        tasks = Counter(sample.task.value for sample in reader.samples(subset="rl"))
    assert tasks == {"tal": 5, "stg": 5}


def test_a_size_out_of_reach_is_reported_or_refused(small_build: Make, folder: Path) -> None:
    asked = {**SIZED, "quotas": {**QUOTAS, "nurvid": 100_000}}
    with pytest.raises(SplitError, match=r"nurvid \d+ of 100000; the closest reachable table"):
        build(small_build, folder, "refused", **asked, shortfall="refuse")
    assert not (folder / "refused").exists()
    release = build(small_build, folder, "short", **asked)
    assert "of 100000; the closest reachable table" in (release / "report.html").read_text()


def test_official_splits_part_patients_and_say_so(small_build: Make, folder: Path) -> None:
    native = {"cholect50": {"scheme": "cholect50"}}
    release = build(small_build, folder, "native", mode="native", native=native, standard_size=20)
    assert faults(release) == []
    proof = orjson.loads((release / "leak_proof.json").read_bytes())
    videos = pl.read_parquet(release / "index" / "videos.parquet")
    crossing = {
        identity
        for identity, count in videos.group_by("identity").agg(pl.col("split").n_unique()).rows()
        if count > 1
    }
    assert proof["mode"] == "native"
    assert {name for leak in proof["leaks"] for name in leak["identities"]} == crossing
    assert crossing
    page = (release / "report.html").read_text()
    assert all(identity in page for identity in crossing)
    proof["leaks"] = []
    (release / "leak_proof.json").chmod(0o644)
    (release / "leak_proof.json").write_bytes(orjson.dumps(proof))
    assert any("does not list" in fault for fault in faults(release))
