"""There and back: what an export writes and an import makes of it are the same pairs."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvid.releases.exports import (
    ExportFormat,
    ExportSettings,
    export_release,
    import_official,
)
from medvid.releases.verify import verify_release
from medvid.shards import ReleaseReader
from medvid.tasks.official import (
    official_row,
    parse_row,
    read_official_rows,
    sample_of_row,
    write_official_rows,
)
from schemas.errors import (
    SampleError,
)
from schemas.hashing import canonical_json
from schemas.sample import NO_REGION, Sample
from schemas.scalars import SCHEMA_VERSION
from schemas.source import TaskName


def read_back(row: dict[str, Any]) -> Sample:
    """The sample of an exported row."""
    found = sample_of_row(parse_row(row, 0), licence="cc0-1.0")
    assert isinstance(found, Sample)
    return found


TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=40
).filter(lambda text: "<" not in text)
PIXEL = st.integers(0, 190_000).map(lambda value: value / 100)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("media", [False, True])
def test_what_was_exported_comes_back_whole(
    release: Path, tmp_path: Path, mapped: bool, media: bool
) -> None:
    chosen = ExportSettings(
        format=ExportFormat.MEDVIDBENCH, map_label_captions=mapped, frames=media
    )
    export_release(release, tmp_path / "out", chosen)
    back: dict[str, Sample] = {}
    for split in ("train", "val", "test"):
        folder = tmp_path / split
        summary = import_official(
            tmp_path / "out" / f"medvidbench_{split}.json", folder,
            frames=tmp_path / "out" if media else None,
        )  # fmt: skip
        assert summary.rows == summary.samples > 0
        assert not summary.quarantined
        with ReleaseReader(folder) as reader:
            found = list(reader.samples(split))
            assert len(found) == len(reader) == summary.samples
            back |= {sample.sample_id: sample for sample in found}
            if media:
                assert len(reader.frames_of(found[0])) == len(found[0].frame_index)
        failed = {check.name for check in verify_release(folder) if check.failed}
        allowed = {"no identity stands in two splits"}  # one file proves nothing of the others
        if not media:
            allowed.add("frames are where the index says, and are JPEGs of the stated size")
        assert failed <= allowed
    with ReleaseReader(release) as reader:
        assert back == {sample.sample_id: sample for sample in reader.samples()}
    assert {sample.task for sample in back.values()} == set(TaskName)


def test_plain_rows_bring_back_ids_questions_answers_targets_times_and_boxes(
    release: Path, tmp_path: Path
) -> None:
    chosen = ExportSettings(format=ExportFormat.MEDVIDBENCH, plain=True, frames=False)
    export_release(release, tmp_path / "out", chosen)
    found: dict[str, Sample] = {}
    for split in ("train", "val", "test"):
        rows = read_official_rows(tmp_path / "out" / f"medvidbench_{split}.json")
        for row in rows:
            assert set(row.extra) == {"sample_id"}
            sample = sample_of_row(row, licence="cc0-1.0")
            assert isinstance(sample, Sample)
            found[sample.sample_id] = sample
    with ReleaseReader(release) as reader:
        assert len(found) == len(reader)
        for before in reader.samples():
            after = found[before.sample_id]
            for field in ("source", "video_id", "identity", "task", "qa_type", "question",
                          "answer", "target", "frame_index", "region_frame"):  # fmt: skip
                assert getattr(after, field) == getattr(before, field), field
            assert after.label in ("", before.label)
            for old, new in zip(before.region_xyxy, after.region_xyxy, strict=True):
                assert abs(old - new) <= 1


def test_an_import_repeats_to_the_byte_and_can_be_exported_again(
    release: Path, tmp_path: Path
) -> None:
    chosen = ExportSettings(format=ExportFormat.MEDVIDBENCH, frames=False)
    export_release(release, tmp_path / "out", chosen)
    path = tmp_path / "out" / "medvidbench_train.json"
    for name in ("one", "two"):
        import_official(path, tmp_path / name)
    one, two = (
        {f.relative_to(root): f.read_bytes() for f in sorted(root.rglob("*")) if f.is_file()}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    export_release(tmp_path / "one", tmp_path / "again", chosen)
    again = json.loads((tmp_path / "again" / "medvidbench_train.json").read_text())
    assert sorted(again, key=lambda row: row["sample_id"]) == sorted(
        json.loads(path.read_text()), key=lambda row: row["sample_id"]
    )


def test_a_row_that_lies_about_its_id_is_refused(samples: list[Sample]) -> None:
    row = json.loads(json.dumps(official_row(samples[0]), default=list))
    assert read_back(row) == samples[0]
    for place, value in (("subject", '{"x":1}'), ("clip_end", 1), ("source", "avosx")):
        changed = copy.deepcopy(row)
        changed["medvid"][place] = value
        with pytest.raises(SampleError, match="id stands for"):
            read_back(changed)
    row["medvid"]["frame_tick"] = row["medvid"]["frame_tick"][:-1]
    with pytest.raises(SampleError, match="differ in number"):
        read_back(row)
    row["medvid"]["schema_version"] = 99
    with pytest.raises(SampleError, match="99"):
        read_back(row)
    row["medvid"] = {}
    with pytest.raises(SampleError, match="missing"):
        read_back(row)


@st.composite
def pairs(draw: Callable[..., Any], samples: list[Sample]) -> Sample:
    """A sample of any task with other words, frames and box; its id is made anew."""
    base: Sample = draw(st.sampled_from(samples))
    first, count = draw(st.integers(0, 10**6)), draw(st.integers(1, 30))
    steps = draw(st.lists(st.integers(1, 900), min_size=count, max_size=count))
    index = [first + sum(steps[:place]) for place in range(count)]
    region = base.region_frame >= 0
    x1, y1 = draw(PIXEL), draw(PIXEL)
    caption = base.task in (TaskName.VIDEO_SUMMARY, TaskName.REGION_CAPTION)
    answer = draw(TEXT) if caption else base.answer
    subject = canonical_json({"word": draw(TEXT)}).decode()
    fields = base.model_dump() | {
        "question": draw(TEXT), "answer": answer, "subject": subject,
        "target": canonical_json(answer).decode() if caption else base.target,
        "frame_index": tuple(index), "frame_tick": tuple(3 * number for number in index),
        "clip_start": 3 * index[0], "clip_end": 3 * index[-1] + draw(st.integers(1, 99)),
        "region_frame": draw(st.sampled_from(index)) if region else -1,
        "region_xyxy": (x1, y1, x1 + 0.25, y1 + 0.5) if region else NO_REGION,
        "candidates": tuple(draw(st.lists(TEXT, max_size=4))),
    }  # fmt: skip
    return Sample(**identified(fields))


def identified(fields: dict[str, Any]) -> dict[str, Any]:
    from schemas.hashing import stable_id

    clip = stable_id("clip", *(fields[key] for key in (
        "source", "video_id", "clip_start", "clip_end", "rate_num", "rate_den",
    )))  # fmt: skip
    sample = stable_id("sample", clip, fields["task"], fields["qa_type"], fields["subject"])
    return fields | {"clip_id": clip, "sample_id": sample}


@settings(max_examples=80, deadline=None)
@given(drawing=st.data(), mapped=st.booleans(), split=st.sampled_from(["train", "val", "test"]))
def test_any_pair_survives_the_way_there_and_back(
    drawing: st.DataObject, mapped: bool, split: str, samples: list[Sample],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    drawn = drawing.draw(st.lists(pairs(samples), min_size=1, max_size=4))
    path = tmp_path_factory.mktemp("way") / "rows.json"
    count = write_official_rows(
        path, (official_row(item, split=split, map_label_captions=mapped) for item in drawn)
    )
    assert count == len(json.loads(path.read_text(encoding="utf-8")))
    rows = list(read_official_rows(path))
    assert [sample_of_row(row, licence="x") for row in rows] == drawn
    assert all(row.extra["medvid"]["schema_version"] == SCHEMA_VERSION for row in rows)
