"""`medvid why`: histories of pairs, videos and segments of real small releases."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import Result

from medvid.releases.publish import manifest_hash
from medvid.releases.workspace import Workspace, commit_unit, unit_folder
from medvid.shards import ReleaseReader
from medvid.synthetic import write_tree
from schemas.errors import ReleaseError

Medvid = Callable[..., Result]


def why(medvid: Medvid, *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(medvid("why", *arguments, "--json").stdout)
    return found


@pytest.fixture(scope="module")
def small(medvid: Medvid, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels of two sources that share a patient, few enough test pairs that some are held out."""
    folder = tmp_path_factory.mktemp("why")
    (folder / "cholec80cvs").mkdir()
    write_tree("cholec80cvs", folder / "cholec80cvs", scale=0.0, max_seconds=60)
    (folder / "build.yaml").write_text(
        f"output: release\nmedia: {{mode: none}}\nclips: {{max_clips_per_video: 3}}\n"
        "splits: {standard_size: 20, test_counts: {tal: 2}, "
        "quotas: {cholect50: 60}, subsets: {rl: {size: 5}}}\n"
        f"sources:\n  - {{name: cholect50, root: {tree}}}\n"
        "  - {name: cholec80cvs, root: cholec80cvs}\n"
    )
    assert medvid("build", folder / "build.yaml", "--no-server").exit_code == 0
    return folder / "release"


def samples(release: Path) -> pl.DataFrame:
    return pl.read_parquet(release / "index" / "samples.parquet")


def left_out(release: Path, reason: str) -> pl.DataFrame:
    rows = pl.read_parquet(release / "index" / "left_out.parquet")
    return rows.filter(pl.col("reason") == reason)


def test_a_pair_is_told_from_native_record_to_shard(medvid: Medvid, release: Path) -> None:
    rows = samples(release).filter((pl.col("task") == "tal") & pl.col("in_standard"))
    row = rows.row(0, named=True)
    found = why(medvid, release, row["sample_id"][:14])
    with ReleaseReader(release) as reader:
        sample = reader.sample(row["sample_id"])
    provenance = json.loads(sample.provenance)
    assert (found["kind"], found["sample_id"]) == ("sample", sample.sample_id)
    assert found["release"] == manifest_hash(release)
    assert found["question"]["question"] == sample.question
    assert found["question"]["answer"] == sample.answer
    assert found["question"]["template"] == provenance["template"]
    assert found["native"]["files"] == [f"labels/{row['video_id']}.json"]
    assert [record["record"] for record in found["records"]] == provenance["records"]
    assert all(sample.label in record["text"] for record in found["records"])
    assert found["revision"] == provenance["revision"]
    assert "no correction log" in medvid("why", release, row["sample_id"]).output
    clip = found["clip"]
    assert (clip["frames"], clip["first_frame"]) == (row["n_frames"], sample.frame_index[0])
    inside = {segment["record"] for segment in clip["segments"]}
    assert {record.partition("@")[0] for record in provenance["records"]} <= inside
    for record in found["records"]:
        assert clip["start_s"] < record["end_s"]
        assert record["start_s"] < clip["end_s"]
        assert record["fate"] == "in_clip"
    for place, folder in zip(found["places"], ("large", "standard"), strict=True):
        assert place["shard"].startswith(f"{folder}/train-")
        payload = (release / place["shard"]).read_bytes()[place["offset"] :][: place["size"]]
        assert json.loads(payload)["sample_id"] == sample.sample_id


def test_levels_of_balance_add_up(medvid: Medvid, release: Path) -> None:
    table = samples(release).filter(pl.col("split") == "train")
    for member in (True, False):
        row = table.filter(pl.col("in_standard") == member).row(0, named=True)
        levels = why(medvid, release, row["sample_id"])["selection"]["levels"]
        group = table
        for level, column in zip(levels, ("task", "source", "label", "video_id"), strict=True):
            group = group.filter(pl.col(column) == row[column])
            assert level["train"] == len(group)
            assert level["in_standard"] == group["in_standard"].sum()
        assert levels[-1]["in_standard"] > 0 or not member


def test_splits_are_explained(medvid: Medvid, small: Path) -> None:
    pinned = why(medvid, small, "cholec80cvs/video25")["split"]
    assert pinned["split"] == "test"
    assert "must test" in pinned["reason"]
    assert "splits.pins" in pinned["reason"]
    assert pinned["together"] == ["cholect50/VID25"]
    assert any("cholec80:25" in join for join in pinned["joined"])
    trained = why(medvid, small, "cholect50/VID01")["split"]
    assert "order of hashes" in trained["reason"]
    assert trained["split"] == "train"


def test_pairs_left_out_say_why(medvid: Medvid, small: Path) -> None:
    held = why(medvid, small, left_out(small, "held_out")["sample_id"][0])
    assert held["kind"] == "left_out"
    assert not held["selection"]["in_large"]
    assert "never trains" in held["selection"]["reason"]
    assert "splits.test_counts" in held["selection"]["reason"]
    assert held["places"] == []
    over = why(medvid, small, left_out(small, "over_quota")["sample_id"][0])
    assert "quota of" in over["selection"]["reason"]
    assert "(splits.quotas, given)" in over["selection"]["reason"]
    text = medvid("why", small, over["sample_id"]).output
    assert "in no split" in text
    assert "left out" in text


def test_subsets_of_a_pair_are_named(medvid: Medvid, small: Path) -> None:
    subset = pl.read_parquet(small / "index" / "subsets.parquet")
    found = why(medvid, small, subset["sample_id"][0])
    assert found["selection"]["subsets"] == ["rl"]


def test_a_video_is_told_with_counts_that_add_up(medvid: Medvid, small: Path) -> None:
    own = samples(small).filter(pl.col("video_id") == "VID01")
    found = why(medvid, small, "cholect50/VID01")
    assert sum(task["samples"] for task in found["tasks"]) == len(own)
    assert sum(task["in_standard"] for task in found["tasks"]) == own["in_standard"].sum()
    assert sum(task["left_out"] for task in found["tasks"]) == sum(found["left_out"].values())
    assert found["clips"] == own["clip_id"].n_unique()
    for place in range(sum(found["fates"].values())):
        why(medvid, small, f"cholect50/VID01/segment:{place}")
    assert set(found["shards"]) >= set(own["shard"])


def test_frames_of_a_video_name_their_media_tars(medvid: Medvid, release: Path) -> None:
    video = samples(release)["video_id"][0]
    shards = why(medvid, release, f"cholect50/{video}")["shards"]
    assert any(shard.startswith("media/cholect50-") for shard in shards)


def test_a_quarantined_video_says_what_to_do(medvid: Medvid, small: Path) -> None:
    found = why(medvid, small, "cholect50/VID111")
    assert found["video"] is None
    assert found["reason"].startswith("quarantined at convert, malformed_file")
    assert found["quarantine"][0]["place"].startswith("labels/VID111.json")
    assert "again" in medvid("why", small, "cholect50/VID111").output


def test_a_video_without_a_pair_names_the_rule(medvid: Medvid, small: Path) -> None:
    empty = pl.read_parquet(small / "index" / "videos.parquet").filter(
        (pl.col("n_samples") == 0) & (pl.col("source") == "cholec80cvs")
    )
    told = {}
    for video in empty["video_id"]:
        found = why(medvid, small, f"cholec80cvs/{video}")
        assert found["split"] is not None
        told[video] = (found["reason"], {**found["candidates"], **found["drops"]})
    assert told
    for reason, counted in told.values():
        assert any(name in reason for name in counted)


def test_a_segment_names_the_pairs_that_stand_on_it(medvid: Medvid, small: Path) -> None:
    row = samples(small).filter(pl.col("task") == "tal").row(0, named=True)
    record = why(medvid, small, row["sample_id"])["records"][0]["record"]
    name = f"{row['source']}/{row['video_id']}"
    found = why(medvid, small, f"{name}/{record}")
    assert row["sample_id"] in found["samples"]["tal"]
    pairs = sum(len(ids) for ids in found["samples"].values())
    one = "one pair of the release stands on it"
    told = one if pairs == 1 else f"{pairs:,} pairs of the release stand on it"
    assert told in found["reason"]
    assert row["sample_id"] in medvid("why", small, f"{name}/{record}").output


def test_segments_that_gave_nothing_say_which_rule(
    medvid: Medvid, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "build.yaml").write_text(
        f"output: release\nmedia: {{mode: none}}\nclips: {{min_seconds: 30, max_seconds: 40}}\n"
        f"sources: [{{name: cholect50, root: {tree}}}]\n"
    )
    medvid("build", tmp_path / "build.yaml", "--no-server")
    release = tmp_path / "release"
    videos = pl.read_parquet(release / "index" / "videos.parquet")["video_id"]
    fates = {video: why(medvid, release, f"cholect50/{video}")["fates"] for video in videos}
    video = next(v for v, told in fates.items() if any(":in_clip" not in f for f in told))
    told = []
    for place in range(sum(fates[video].values())):
        found = why(medvid, release, f"cholect50/{video}/segment:{place}")
        fate = found["record"]["fate"]
        told.append(f"phase:{fate}")
        assert (f"({fate})" in found["reason"]) == (fate != "in_clip")
    assert dict(Counter(told)) == fates[video]


def test_a_release_alone_tells_what_it_knows(medvid: Medvid, small: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(small, alone)
    (alone / "run.json").unlink()
    row = samples(small).row(0, named=True)
    found = why(medvid, alone, row["sample_id"])
    whole = why(medvid, small, row["sample_id"])
    assert not found["native"]["workspace"]
    assert [r["record"] for r in found["records"]] == [r["record"] for r in whole["records"]]
    assert {k: found[k] for k in ("question", "split", "selection", "places")} == {
        k: whole[k] for k in ("question", "split", "selection", "places")
    }
    assert "not at hand" in medvid("why", alone, row["sample_id"]).output
    with pytest.raises(ReleaseError, match="--workspace"):
        medvid("why", alone, f"{row['source']}/{row['video_id']}/segment:0")
    workspace = small.parent / "release.workspace"
    assert why(medvid, alone, row["sample_id"], "--workspace", workspace) == whole


def test_corrections_of_a_video_and_rejected_pairs_are_told(
    medvid: Medvid, small: Path, tmp_path: Path
) -> None:
    row = samples(small).filter(pl.col("source") == "cholect50").row(0, named=True)
    name = f"cholect50/{row['video_id']}"
    workspace = tmp_path / "workspace"
    shutil.copytree(small.parent / "release.workspace", workspace)
    convert = json.loads((small / "build.json").read_text())["inputs"][name]["labels"]
    with Workspace(workspace) as opened:
        with unit_folder(workspace, "correct", "k") as work:
            native = json.loads((opened.folder("convert", convert) / "annotation.json").read_text())
            native["segments"][0]["flags"] = ["corrected"]
            (work / "annotation.json").write_text(json.dumps(native))
            fixes = {"captions": [], "rejected": ["feedfacefeedface"]}
            (work / "fixes.json").write_text(json.dumps(fixes))
            info = {"corrections": [["c0ffee", "applied"]]}
            opened.ledger.record(commit_unit(
                workspace, work, stage="correct", key="k", unit=name, info=info, seconds=0.0
            ))  # fmt: skip
        release = opened.ledger.releases()[0]
        keys = opened.ledger.units_of_release(release.manifest) | {"k"}
        opened.ledger.record_release(release, keys)
    found = why(medvid, small, f"{name}/segment:0", "--workspace", workspace)
    assert found["record"]["flags"] == ["corrected"]
    assert found["native"]["corrections"] == ["c0ffee: applied"]
    with pytest.raises(ReleaseError, match=f"rejected the pair 'feedface' of {name}"):
        medvid("why", small, "feedface", "--workspace", workspace)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("zz", "no sample"),
        ("", "more than one sample"),
        ("cholect50/VID999", "not among the native files"),
        ("cholect50/VID01/segment:999", "there is no 999"),
        ("cholect50/VID01/phase", "names no segment"),
    ],
)
def test_what_is_not_there_is_said(medvid: Medvid, small: Path, asked: str, told: str) -> None:
    with pytest.raises(ReleaseError, match=told):
        medvid("why", small, asked)


def test_a_folder_that_is_no_workspace_is_said(medvid: Medvid, small: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no workspace"):
        medvid("why", small, "cholect50/VID01", "--workspace", tmp_path)
