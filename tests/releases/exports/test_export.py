"""Exports: what each format holds, and that it is whole or not there."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from medvid.releases.card_check import HUB_LICENCES
from medvid.releases.exports import ExportFormat, MediaStyle, export_release
from medvid.releases.exports import exporting as export_module
from medvid.shards import ReleaseReader
from schemas.errors import ReleaseError, SampleError
from schemas.sample import Sample
from schemas.source import TaskName
from tests.releases.exports.exported import FORMATS, files_of, lines, settings


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_what_it_holds_and_repeats_to_the_byte(
    release: Path, tmp_path: Path, form: ExportFormat
) -> None:
    chosen = settings(form, subset="standard")
    summary = export_release(release, tmp_path / "one", chosen)
    export_release(release, tmp_path / "two", chosen)
    files = files_of(tmp_path / "one")
    assert files == files_of(tmp_path / "two")
    facts = json.loads(files["export.json"])
    assert facts["pairs"] == sum(summary.pairs.values()) > 0
    assert set(summary.pairs) == {"train"}
    assert not summary.restricted
    assert "LICENCE-NOTICE.txt" not in files
    assert b"CC0" in files["README.md"].upper()
    assert str(tmp_path).encode() not in b"".join(files.values())


@pytest.mark.parametrize("form", FORMATS)
def test_an_output_that_holds_something_is_refused(
    release: Path, tmp_path: Path, form: ExportFormat
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(ReleaseError, match="not empty"):
        export_release(release, tmp_path / "out", settings(form))
    assert files_of(tmp_path / "out") == {"mine.txt": b"keep"}


def test_an_export_that_fails_half_way_leaves_nothing_and_can_be_repeated(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> bytes:
        raise SampleError("cut off.")

    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "left-by-a-kill").write_text("x")
    with monkeypatch.context() as patch:
        patch.setattr(export_module, "render_readme", broken)
        with pytest.raises(SampleError):
            export_release(release, tmp_path / "out", settings(ExportFormat.PARQUET))
    assert not [path for path in tmp_path.iterdir() if path.name != ".out.lock"]
    export_release(release, tmp_path / "out", settings(ExportFormat.PARQUET))
    assert "left-by-a-kill" not in files_of(tmp_path / "out")


def test_official_frames_are_written_once_where_rows_say(
    release: Path, samples: list[Sample], tmp_path: Path
) -> None:
    export_release(release, tmp_path / "out", settings(ExportFormat.MEDVIDBENCH))
    distinct = {(s.source, s.video_id, index) for s in samples for index in s.frame_index}
    rows = [
        row
        for path in (tmp_path / "out").glob("medvidbench_*.json")
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]
    paths = {path for row in rows for path in row["video"]}
    assert len(paths) == len(distinct)
    written = {
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out" / "frames").rglob("*.jpg")
    }
    assert written == paths
    with ReleaseReader(release) as reader:
        for row in rows[::7]:
            sample = reader.sample(row["sample_id"])
            stored = [(tmp_path / "out" / path).read_bytes() for path in row["video"]]
            assert stored == reader.frames_of(sample)


def test_label_captions_keep_their_name_unless_asked(release: Path, tmp_path: Path) -> None:
    def kinds(folder: str, **changes: Any) -> set[str]:
        chosen = settings(ExportFormat.MEDVIDBENCH, frames=False, **changes)
        export_release(release, tmp_path / folder, chosen)
        return {
            row["qa_type"]
            for path in (tmp_path / folder).glob("*.json") if path.name != "export.json"
            for row in json.loads(path.read_text(encoding="utf-8"))
        }  # fmt: skip

    assert {"dense_captioning_label", "region_caption_label"} <= kinds("as-it-is")
    mapped = kinds("mapped", map_label_captions=True)
    assert {"dense_captioning_gpt", "region_caption_gpt", "video_summary_gpt"} <= mapped
    assert not [kind for kind in mapped if kind.endswith("_label")]
    assert "no model wrote them" in (tmp_path / "mapped" / "README.md").read_text()


@pytest.mark.parametrize(
    ("form", "turns", "role", "text"),
    [
        (ExportFormat.MS_SWIFT, "messages", "role", "content"),
        (ExportFormat.LLAMAFACTORY, "conversations", "from", "value"),
    ],
)
@pytest.mark.parametrize("media", list(MediaStyle))
def test_trainers_get_tokens_and_media_in_equal_number(
    release: Path, tmp_path: Path, form: ExportFormat, turns: str, role: str, text: str,
    media: MediaStyle,
) -> None:  # fmt: skip
    export_release(release, tmp_path / "out", settings(form, media=media))
    asker, answerer = ("user", "assistant") if role == "role" else ("human", "gpt")
    rows = [row for path in (tmp_path / "out").glob("*.jsonl") for row in lines(path)]
    assert {row["task"] for row in rows} == {str(task) for task in TaskName}
    with ReleaseReader(release) as reader:
        for row in rows:
            sample = reader.sample(row["sample_id"])
            question, answer = row[turns]
            assert (question[role], answer[role]) == (asker, answerer)
            token = "<video>" if media is MediaStyle.VIDEOS else "<image>"
            assert question[text].count(token) == len(row[media.value])
            assert question[text].replace(token, "").lstrip("\n") == sample.question
            assert answer[text] == sample.answer
            paths = row["videos"][0] if media is MediaStyle.VIDEOS else row["images"]
            assert len(paths) == len(sample.frame_index)
            assert all((tmp_path / "out" / path).is_file() for path in paths)


def test_llamafactory_finds_each_split_by_its_description(release: Path, tmp_path: Path) -> None:
    export_release(release, tmp_path / "out", settings(ExportFormat.LLAMAFACTORY))
    described = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert set(described) == {f"medvidbench_{split}" for split in ("train", "val", "test")}
    for entry in described.values():
        assert entry["formatting"] == "sharegpt"
        row = lines(tmp_path / "out" / entry["file_name"])[0]
        assert set(entry["columns"].values()) <= set(row)
        turn = row[entry["columns"]["messages"]][0]
        assert turn[entry["tags"]["role_tag"]] == entry["tags"]["user_tag"]


def test_the_box_of_a_region_is_drawn_where_it_is_in_the_stored_frame(
    release: Path, tmp_path: Path
) -> None:
    export_release(
        release, tmp_path / "out",
        settings(ExportFormat.MS_SWIFT, tasks=(TaskName.REGION_CAPTION,)),
    )  # fmt: skip
    rows = [row for path in (tmp_path / "out").glob("*.jsonl") for row in lines(path)]
    assert rows
    with ReleaseReader(release) as reader:
        for row in rows:
            sample = reader.sample(row["sample_id"])
            at = sample.frame_index.index(sample.region_frame)
            assert row["images"][at] == f"regions/{sample.sample_id}.jpg"
            assert sum(path.startswith("regions/") for path in row["images"]) == 1
            plain = reader.frame(sample.source, sample.video_id, sample.region_frame)
            drawn = (tmp_path / "out" / row["images"][at]).read_bytes()
            before, after = (
                np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=int)
                for data in (plain, drawn)
            )
            changed = np.argwhere(np.abs(before - after).max(axis=-1) > 60)
            assert len(changed)
            height, width = before.shape[:2]
            x1, y1, x2, y2 = sample.region_xyxy
            scale_x, scale_y = width / sample.width, height / sample.height
            top, left = changed.min(axis=0)
            bottom, right = changed.max(axis=0)
            assert left >= x1 * scale_x - 6
            assert right <= x2 * scale_x + 6
            assert top >= y1 * scale_y - 6
            assert bottom <= y2 * scale_y + 6


def test_ms_swift_boxes_as_objects_name_their_picture(release: Path, tmp_path: Path) -> None:
    chosen = settings(ExportFormat.MS_SWIFT, objects=True)
    export_release(release, tmp_path / "out", chosen)
    rows = [row for path in (tmp_path / "out").glob("*.jsonl") for row in lines(path)]
    with ReleaseReader(release) as reader:
        for row in rows:
            sample = reader.sample(row["sample_id"])
            objects, answer = row["objects"], row["messages"][1]["content"]
            assert answer.count("<bbox>") == len(objects["bbox"]) == len(objects["image_id"])
            if sample.task is not TaskName.STG:
                assert answer == sample.answer
                continue
            target = sample.target_value()
            scale_x, scale_y = 64 / sample.width, 48 / sample.height
            for item, xyxy in zip(target, objects["bbox"], strict=True):
                x1, y1, x2, y2 = item["xyxy"]
                expected = (x1 * scale_x, y1 * scale_y, x2 * scale_x, y2 * scale_y)
                assert xyxy == pytest.approx(expected, abs=0.01)
            second = sample.tick_rate_den / sample.tick_rate_num
            for item, place in zip(target, objects["image_id"], strict=True):
                time = (sample.frame_tick[place] - sample.frame_tick[0]) * second
                assert abs(time - item["time"]) <= 0.051


def test_boxes_stay_in_the_original_size_where_no_picture_is_written(
    release: Path, tmp_path: Path
) -> None:
    chosen = settings(ExportFormat.MS_SWIFT, objects=True, frames=False, tasks=(TaskName.STG,))
    export_release(release, tmp_path / "out", chosen)
    rows = [row for path in (tmp_path / "out").glob("*.jsonl") for row in lines(path)]
    with ReleaseReader(release) as reader:
        for row in rows:
            target = reader.sample(row["sample_id"]).target_value()
            assert row["objects"]["bbox"] == [item["xyxy"] for item in target]
    assert "pixels of the pictures here" not in (tmp_path / "out" / "README.md").read_text()


def test_a_row_with_boxes_opens_every_file_that_has_one(release: Path, tmp_path: Path) -> None:
    plain, boxed = settings(ExportFormat.MS_SWIFT), settings(ExportFormat.MS_SWIFT, objects=True)
    export_release(release, tmp_path / "plain", plain)
    summary = export_release(release, tmp_path / "boxed", boxed)
    moved = 0
    for split in summary.pairs:
        before = [row["sample_id"] for row in lines(tmp_path / "plain" / f"{split}.jsonl")]
        rows = lines(tmp_path / "boxed" / f"{split}.jsonl")
        after = [row["sample_id"] for row in rows]
        boxed_rows = [row["objects"]["bbox"] for row in rows if row["objects"]["bbox"]]
        assert not boxed_rows or rows[0]["objects"]["bbox"]
        assert sorted(after) == sorted(before)
        assert after[1:] == [name for name in before if name != after[0]]
        moved += after != before
    assert moved


@pytest.mark.parametrize("form", [ExportFormat.MS_SWIFT, ExportFormat.LLAMAFACTORY])
def test_the_readme_says_how_far_apart_pictures_lie(
    release: Path, tmp_path: Path, form: ExportFormat
) -> None:
    export_release(release, tmp_path / "out", settings(form, media=MediaStyle.VIDEOS))
    spacing = json.loads((tmp_path / "out" / "export.json").read_text())["spacing_s"]
    found: dict[str, list[float]] = {}
    with ReleaseReader(release) as reader:
        for sample in reader.samples():
            ticks, rate = sample.frame_tick, sample.tick_rate_num / sample.tick_rate_den
            if len(ticks) > 1:
                mean = (ticks[-1] - ticks[0]) / rate / (len(ticks) - 1)
                found.setdefault(sample.source, []).append(mean)
    assert set(spacing) == set(found)
    for source, means in found.items():
        assert spacing[source] == pytest.approx([min(means), max(means)], abs=0.0051)
    readme = (tmp_path / "out" / "README.md").read_text()
    assert ("FPS=1" in readme, "video_fps" in readme) == (
        form is ExportFormat.MS_SWIFT, form is ExportFormat.LLAMAFACTORY,
    )  # fmt: skip
    source, (least, most) = max(spacing.items(), key=lambda item: item[1][1] - item[1][0])
    assert f"{source} {least:.2f} to {most:.2f}" in readme


def test_selfcontained_shards_hold_each_clip_once_with_all_pairs(
    release: Path, tmp_path: Path
) -> None:
    chosen = settings(ExportFormat.SELFCONTAINED, clips_per_shard=5)
    summary = export_release(release, tmp_path / "out", chosen)
    seen: dict[str, int] = {}
    with ReleaseReader(release) as reader:
        for path in sorted((tmp_path / "out").glob("*.tar")):
            with tarfile.open(path) as tar:
                members = {member.name: tar.extractfile(member) for member in tar}
            assert len(members) <= 10
            for name in [name for name in members if name.endswith(".json")]:
                with tarfile.open(path) as tar:
                    facts = json.loads(tar.extractfile(name).read())  # type: ignore[union-attr]
                    frames = tar.extractfile(name.replace(".json", ".frames"))
                    assert frames is not None
                    payload = frames.read()
                assert facts["clip_id"] not in seen
                seen[facts["clip_id"]] = len(facts["pairs"])
                sample = reader.sample(facts["pairs"][0]["sample_id"])
                assert payload == b"".join(reader.frames_of(sample))
                assert facts["frame_offsets"][-1] == len(payload)
    assert sum(seen.values()) == sum(summary.pairs.values())


@pytest.mark.parametrize("frames", [False, True])
def test_parquet_is_typed_sharded_and_whole(release: Path, tmp_path: Path, frames: bool) -> None:
    chosen = settings(ExportFormat.PARQUET, frames=frames, rows_per_shard=17)
    summary = export_release(release, tmp_path / "out", chosen)
    assert not (tmp_path / "out" / "frames").exists()
    with ReleaseReader(release) as reader:
        for split, expected in summary.pairs.items():
            shards = sorted((tmp_path / "out" / "data").glob(f"{split}-*.parquet"))
            assert [path.name for path in shards] == [
                f"{split}-{n:05d}-of-{len(shards):05d}.parquet" for n in range(len(shards))
            ]
            tables = [pq.read_table(path) for path in shards]
            assert len({table.schema for table in tables}) == 1
            assert [len(table) for table in tables[:-1]] == [17] * (len(tables) - 1)
            rows = [row for table in tables for row in table.to_pylist()]
            assert len(rows) == expected
            for row in rows:
                sample = reader.sample(row["sample_id"])
                plain = sample.model_dump(mode="json") | {"candidates": list(sample.candidates)}
                assert {key: row[key] for key in plain if key != "schema_version"} == {
                    key: value for key, value in plain.items() if key != "schema_version"
                }
                if frames:
                    assert [f["bytes"] for f in row["frames"]] == reader.frames_of(sample)


def test_parquet_says_where_its_splits_are(release: Path, tmp_path: Path) -> None:
    import yaml

    export_release(release, tmp_path / "out", settings(ExportFormat.PARQUET))
    _, front, _ = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    fields = yaml.safe_load(front)
    assert fields["license"] == "cc0-1.0"
    assert fields["license"] in HUB_LICENCES
    (config,) = fields["configs"]
    for entry in config["data_files"]:
        assert list((tmp_path / "out").glob(entry["path"]))
