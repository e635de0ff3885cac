"""Reasons of a difference, one by one, on releases written through the shard and table writers."""

import copy
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from medvid.releases.diff import ReleaseDiff, diff_releases, iter_changes
from medvid.releases.diff_reasons import Change
from medvid.releases.publish import Staging
from medvid.shards import write_annotation_shard
from schemas.errors import ReleaseError, ShardError
from schemas.tables import LEFT_OUT, QUARANTINE, SAMPLES, VIDEOS, table_bytes, table_of

Facts = dict[str, Any]
SOURCE = "nurvid"


def pair(video: str, clip: int, label: str, **changes: Any) -> Facts:
    """A pair of a made-up clip of ten ticks that begins at `clip`."""
    return {
        "sample_id": f"{video}{clip:03d}{label}", "source": SOURCE, "dataset_name": "NurViD",
        "video_id": video, "identity": f"p:{video}", "clip_id": f"{video}-{clip}", "task": "tal",
        "qa_type": "tal", "label": label, "licence": "cc-by-4.0", "rate_num": 1, "rate_den": 1,
        "clip_start": clip, "clip_end": clip + 10, "tick_rate_num": 1, "tick_rate_den": 1,
        "question": f"when {label}?", "answer": "0.0-1.0 seconds.", "candidates": "[]",
        "frame_index": [clip, clip + 1], "frame_tick": [clip, clip + 1],
        "provenance": {"captions": [], "records": [], "revision": video, "template": "tal:ask0"},
        "split": "train", "in_standard": False,
    } | changes  # fmt: skip


@pytest.fixture
def facts() -> Facts:
    """A release of three videos with four pairs each; one of them is in standard."""
    pairs = [
        pair(video, clip, label, in_standard=clip == 0 and label == "cut")
        for video in ("va", "vb", "vc")
        for clip in (0, 50)
        for label in ("cut", "tie")
    ]
    inputs = {f"{SOURCE}/{v}": {"labels": f"{v}0", "media": f"{v}m"} for v in ("va", "vb", "vc")}
    build = {
        "inputs": inputs, "converters": {SOURCE: "c0"}, "code_sha256": "0", "versions": {"av": "1"},
        "corrections_head": None,
        "config": {
            "name": "r", "seed": 0, "clips": {"max_frames": 180}, "media": {"jpeg_quality": 90},
            "splits": {"standard_size": 3, "pins": {SOURCE: ["x"]}},
            "sources": [{"name": SOURCE, "tasks": None}],
        },
    }  # fmt: skip
    return {"pairs": pairs, "build": build, "left_out": [], "quarantine": []}


def write(root: Path, facts: Facts) -> Path:
    """Write facts as a release: one shard of `large` a video and split, one of `standard`."""
    staging = Staging(root)
    try:
        pairs = [dict(row) for row in facts["pairs"]]
        for row in pairs:
            row["path"] = f"large/{row['split']}-{row['video_id']}.tar"
        places = _shards(staging, pairs, "path")
        for row in pairs:
            row["standard"] = "standard/train-000.tar" if row["in_standard"] else None
        standard = _shards(staging, [row for row in pairs if row["standard"]], "standard")
        rows = [_index_row(row, places, standard) for row in pairs]
        staging.write("index/samples.parquet", table_bytes(table_of(rows, SAMPLES), SAMPLES))
        staging.write("index/videos.parquet", table_bytes(_videos(facts), VIDEOS))
        left_out = [row | {"reason": reason} for row, reason in facts["left_out"]]
        staging.write("index/left_out.parquet", table_bytes(table_of(left_out, LEFT_OUT), LEFT_OUT))
        dead = table_of(facts["quarantine"], QUARANTINE)
        staging.write("quarantine.parquet", table_bytes(dead, QUARANTINE))
        staging.write("build.json", orjson.dumps(facts["build"]))
        staging.seal()
        staging.swap_in()
    finally:
        staging.discard()
    return root


def _shards(staging: Staging, pairs: list[Facts], key: str) -> dict[str, tuple[str, int, int]]:
    places = {}
    for path in sorted({row[key] for row in pairs}):
        (staging.root / path).parent.mkdir(exist_ok=True)
        own = [(row["sample_id"], _payload(row)) for row in pairs if row[key] == path]
        shard = write_annotation_shard(staging.root / path, own)
        for member in shard.members:
            places[member.key] = (path, member.offset, member.size)
    return places


def _payload(row: Facts) -> bytes:
    shown = {
        name: value
        for name, value in row.items()
        if name not in ("split", "in_standard", "path", "standard")
    }
    return orjson.dumps(shown | {"provenance": orjson.dumps(row["provenance"]).decode()})


def _index_row(
    row: Facts,
    places: dict[str, tuple[str, int, int]],
    standard: dict[str, tuple[str, int, int]],
) -> Facts:
    own, other = places[row["sample_id"]], standard.get(row["sample_id"], (None, None, None))
    names = ("shard", "offset", "size")
    return row | dict(zip(names, own, strict=True)) | {
        f"standard_{name}": value for name, value in zip(names, other, strict=True)
    } | {"n_frames": 2, "answer_chars": 9}  # fmt: skip


def _videos(facts: Facts) -> Any:
    rows = []
    for video in sorted({row["video_id"] for row in facts["pairs"]}):
        own = [row for row in facts["pairs"] if row["video_id"] == video]
        rows.append({
            "source": SOURCE, "video_id": video, "identity": f"p:{video}", "licence": "cc-by-4.0",
            "split": own[0]["split"], "width": 1, "height": 1, "native_split": "{}", "links": "{}",
            "n_clips": 1, "n_samples": len(own),
        })  # fmt: skip
    return table_of(rows, VIDEOS)


@pytest.fixture
def before(facts: Facts, tmp_path: Path) -> Path:
    return write(tmp_path / "before", facts)


def changes(before: Path, facts: Facts, tmp_path: Path) -> list[Change]:
    """Changes from the first release to these facts; the counts must say the same."""
    after = write(tmp_path / "after", facts)
    found = list(iter_changes(before, after))
    counted = diff_releases(before, after)
    for kind in ("added", "removed", "changed"):
        assert getattr(counted, kind) == sum(change.kind == kind for change in found)
    assert sum(count.samples for count in counted.changes) == len(found)
    assert not counted.same
    return found


def own(facts: Facts, video: str) -> list[Facts]:
    return [row for row in facts["pairs"] if row["video_id"] == video]


def reasons(found: list[Change]) -> set[tuple[str, str, tuple[str, ...]]]:
    return {(change.kind.value, change.reason.value, change.what) for change in found}


def test_the_same_release_differs_in_nothing(before: Path, facts: Facts, tmp_path: Path) -> None:
    after = write(tmp_path / "after", copy.deepcopy(facts))
    found = diff_releases(before, after)
    assert found.same
    assert found.samples_before == found.samples_after == 12
    assert not list(iter_changes(before, after))
    assert [folder.kept for folder in found.folders] == [3, 1]


def test_a_video_that_came_and_one_that_went(before: Path, facts: Facts, tmp_path: Path) -> None:
    facts["pairs"] = [row for row in facts["pairs"] if row["video_id"] != "va"]
    facts["pairs"].append(pair("vd", 0, "cut"))
    inputs = facts["build"]["inputs"]
    del inputs[f"{SOURCE}/va"]
    inputs[f"{SOURCE}/vd"] = {"labels": "d", "media": "d"}
    found = changes(before, facts, tmp_path)
    assert reasons(found) == {
        ("added", "video_added", ("video",)), ("removed", "video_removed", ("video",)),
    }  # fmt: skip
    builds = diff_releases(before, tmp_path / "after").builds
    assert (builds.videos_added, builds.videos_removed) == ((f"{SOURCE}/vd",), (f"{SOURCE}/va",))


def test_a_quarantined_video_and_its_return(before: Path, facts: Facts, tmp_path: Path) -> None:
    facts["pairs"] = [row for row in facts["pairs"] if row["video_id"] != "va"]
    facts["build"]["inputs"][f"{SOURCE}/va"]["labels"] = "va1"
    facts["quarantine"] = [{
        "source": SOURCE, "video_id": "va", "stage": "convert", "kind": "video",
        "reason": "malformed_file", "detail": "", "action": "", "file": "", "line": None,
        "field": "", "retryable": False,
    }]  # fmt: skip
    found = changes(before, facts, tmp_path)
    assert reasons(found) == {("removed", "video_quarantined", ("video",))}
    assert {change.detail for change in found} == {"convert malformed_file"}
    back = list(iter_changes(tmp_path / "after", before))
    assert reasons(back) == {("added", "video_restored", ("video",))}


def test_a_corrected_label(before: Path, facts: Facts, tmp_path: Path) -> None:
    facts["build"]["inputs"][f"{SOURCE}/va"]["labels"] = "va1"
    rows = own(facts, "va")
    for row in rows:
        row["provenance"] = row["provenance"] | {"revision": "va1"}
    rows[0]["answer"] = "2.0-3.0 seconds."
    moved = pair("va", 45, "cut", provenance=rows[0]["provenance"])
    facts["pairs"][facts["pairs"].index(rows[2])] = moved
    found = {change.sample_id: change for change in changes(before, facts, tmp_path)}
    assert {change.reason for change in found.values()} == {"label_corrected"}
    assert found["va000cut"].what == ("answer",)
    assert found["va000tie"].what == ("revision",)
    assert found["va050cut"].what == found["va045cut"].what == ("clip_moved",)
    assert found["va050cut"].counterpart == "va045cut"
    assert found["va045cut"].counterpart == "va050cut"
    assert len(found) == 5


def test_the_converter_alone_changed(before: Path, facts: Facts, tmp_path: Path) -> None:
    facts["build"]["converters"] = {SOURCE: "c1"}
    facts["build"]["code_sha256"] = "1"
    for keys in facts["build"]["inputs"].values():
        keys["labels"] += "x"
    own(facts, "va")[0]["answer"] = "5.0-6.0 seconds."
    row = own(facts, "vb")[0]
    row["provenance"] = row["provenance"] | {"revision": "other"}
    found = {change.sample_id: change for change in changes(before, facts, tmp_path)}
    assert found["va000cut"].reason == "code_changed"
    assert found["vb000cut"].reason == "converter_changed"
    assert len(diff_releases(before, tmp_path / "after").builds.converter_changed) == 3


def test_wording_by_code_and_by_setting(before: Path, facts: Facts, tmp_path: Path) -> None:
    facts["build"]["code_sha256"] = "1"
    row = own(facts, "va")[0]
    row["question"] = "at what time?"
    found = changes(before, facts, tmp_path)
    assert reasons(found) == {("changed", "code_changed", ("wording",))}
    facts["build"]["config"]["seed"] = 1
    found = changes(before, facts, tmp_path)
    assert reasons(found) == {("changed", "settings_changed", ("wording",))}
    assert found[0].detail == "seed"


def test_an_added_question_of_a_clip_both_have(before: Path, facts: Facts, tmp_path: Path) -> None:
    facts["build"]["config"]["clips"]["max_frames"] = 90
    facts["pairs"] += [pair("va", 0, "sew"), pair("vb", 90, "sew")]
    found = {change.sample_id: change for change in changes(before, facts, tmp_path)}
    assert found["va000sew"].what == ("question_new",)
    assert found["vb090sew"].what == ("clip_new",)
    assert {change.detail for change in found.values()} == {"clips.max_frames"}


def test_a_caption_of_another_draw(before: Path, facts: Facts, tmp_path: Path) -> None:
    row = own(facts, "va")[0]
    row["answer"] = "The knife cuts."
    row["provenance"] = row["provenance"] | {"captions": ["other"]}
    found = changes(before, facts, tmp_path)
    assert reasons(found) == {("changed", "caption_changed", ("answer", "caption"))}


def test_other_pictures_of_one_video_and_of_all(before: Path, facts: Facts, tmp_path: Path) -> None:
    facts["build"]["inputs"][f"{SOURCE}/va"]["media"] = "other"
    own(facts, "va")[0]["frame_index"] = [0, 2]
    found = changes(before, facts, tmp_path)
    assert {change.sample_id for change in found} == {row["sample_id"] for row in own(facts, "va")}
    assert reasons(found) == {
        ("changed", "media_changed", ("pictures",)),
        ("changed", "media_changed", ("frames", "pictures")),
    }
    facts["build"]["config"]["media"]["jpeg_quality"] = 80
    found = changes(before, facts, tmp_path)
    assert len(found) == 12
    assert ("changed", "settings_changed", ("pictures",)) in reasons(found)


def test_another_split(before: Path, facts: Facts, tmp_path: Path) -> None:
    for row in own(facts, "va"):
        row["split"], row["in_standard"] = "test", False
    gone = facts["pairs"].pop(3)
    assert gone["video_id"] == "va"
    facts["left_out"] = [(gone, "held_out")]
    facts["build"]["config"]["splits"]["pins"] = {SOURCE: ["va"]}
    found = {change.sample_id: change for change in changes(before, facts, tmp_path)}
    assert {change.reason for change in found.values()} == {"split_changed"}
    assert found["va000cut"].what == ("left_standard", "split")
    assert (found["va000cut"].before, found["va000cut"].after) == ("train+standard", "test")
    assert found[gone["sample_id"]].what == ("left_out",)
    assert found[gone["sample_id"]].detail.startswith("held_out; train -> test; splits.pins")
    assert diff_releases(before, tmp_path / "after").builds.moved[0].video == f"{SOURCE}/va"


def test_another_selection(before: Path, facts: Facts, tmp_path: Path) -> None:
    facts["build"]["config"]["splits"]["standard_size"] = 2
    rows = own(facts, "va")
    rows[0]["in_standard"], rows[1]["in_standard"] = False, True
    facts["left_out"] = [(facts["pairs"].pop(3), "over_quota")]
    found = {change.sample_id: change for change in changes(before, facts, tmp_path)}
    assert {change.reason for change in found.values()} == {"selection_changed"}
    assert found["va000cut"].what == ("left_standard",)
    assert found["va000tie"].what == ("entered_standard",)
    assert found["va050tie"].what == ("left_out",)
    assert found["va000cut"].detail == "splits.standard_size"
    back = {change.sample_id: change for change in iter_changes(tmp_path / "after", before)}
    assert back["va050tie"].what == ("drawn",)


def test_shards_of_equal_hash_are_not_opened(before: Path, facts: Facts, tmp_path: Path) -> None:
    facts["build"]["code_sha256"] = "1"
    own(facts, "va")[0]["question"] = "at what time?"
    after = write(tmp_path / "after", facts)
    for root in (before, after):
        (root / "large" / "train-vb.tar").write_bytes(b"")
    assert diff_releases(before, after).changed == 1
    (after / "large" / "train-va.tar").write_bytes(b"")
    with pytest.raises(ShardError, match=r"train-va\.tar"):
        diff_releases(before, after)


def test_folders_add_up(before: Path, facts: Facts, tmp_path: Path) -> None:
    own(facts, "va")[0]["question"] = "at what time?"
    facts["build"]["code_sha256"] = "1"
    for row in own(facts, "vb"):
        row["split"], row["in_standard"] = "val", False
    after = write(tmp_path / "after", facts)
    found: ReleaseDiff = diff_releases(before, after)
    large = next(folder for folder in found.folders if folder.folder == "large")
    assert large.kept == 1
    assert large.rewritten == ("large/train-va.tar",)
    assert large.added == ("large/val-vb.tar",)
    assert large.removed == ("large/train-vb.tar",)
    written = large.kept_bytes + large.rewritten_bytes + large.added_bytes
    assert written == sum(path.stat().st_size for path in (after / "large").glob("*.tar"))
    assert "build.json" in found.files


def test_other_buckets_change_no_pair(before: Path, facts: Facts, tmp_path: Path) -> None:
    after = write(tmp_path / "after", facts)
    staging = Staging(tmp_path / "renamed")
    rows = pl.read_parquet(after / "index" / "samples.parquet").with_columns(
        pl.col("shard").cast(pl.String).str.replace("train-", "train-0")
    )
    for path in after.rglob("*"):
        name = path.relative_to(after).as_posix().replace("large/train-", "large/train-0")
        if path.is_file() and path.name not in ("manifest.json", "samples.parquet"):
            staging.write(name, path.read_bytes())
    staging.write("index/samples.parquet", table_bytes(rows.to_arrow(), SAMPLES))
    staging.seal()
    staging.swap_in()
    found = diff_releases(before, tmp_path / "renamed")
    assert not found.same
    assert (found.added, found.removed, found.changed) == (0, 0, 0)


def test_what_is_no_release_is_said(before: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no release"):
        diff_releases(before, tmp_path)
