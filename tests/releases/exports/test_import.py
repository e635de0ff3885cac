"""Imports: what comes back from an export, what is made of foreign rows, what is refused."""

import copy
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from medvid.releases.exports import (
    ImportSettings,
    import_official,
)
from medvid.releases.exports import importing as importing_module
from medvid.releases.exports.finding import FrameFinder
from medvid.shards import ReleaseReader
from medvid.tasks.official import (
    OfficialQuestion,
    official_row,
    parse_row,
    sample_of_row,
    write_official_rows,
)
from schemas.errors import (
    ConfigError,
    MalformedSourceError,
    MissingSourceError,
    ReleaseError,
    SampleError,
)
from schemas.sample import Sample
from schemas.tables import QUARANTINE, read_table

AVOS: dict[str, Any] = {
    "id": "kcOqlifSukA&&22425&&22485&&1.0", "qa_type": "tal", "dataset_name": "AVOS",
    "data_source": "AVOS", "train": False,
    "video": [
        f"/data/root/AVOS/frames_15fps/kcOqlifSukA/{n}.jpg" for n in range(22425, 22486, 15)
    ],
    "sampled_video_frames": list(range(22425, 22486, 15)),
    "conversations": [
        {"from": "human", "value": "<video>\nYou see surgery. When does cutting happen?"},
        {"from": "gpt", "value": "0.0-1.0, 3.0-3.0 seconds."},
    ],
    "metadata": {
        "video_id": "kcOqlifSukA", "fps": "1.0", "input_video_start_frame": "22425",
        "input_video_end_frame": "22485",
    },
    "struc_info": [{
        "action_list": ["cutting", "tying"], "action": "cutting",
        "spans": [{"start": 0.0, "end": 1.0}, {"start": 3.0, "end": 3.0}],
    }],
    "is_RC": False, "RC_info": None,
}  # fmt: skip


def foreign(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(AVOS) | changes


def asked(question: str, answer: str | None) -> list[dict[str, str]]:
    turns = [{"from": "human", "value": f"<video>\n{question}"}]
    return [*turns, {"from": "gpt", "value": answer}] if answer is not None else turns


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def quarantine(folder: Path) -> list[dict[str, Any]]:
    return pl.DataFrame(read_table(folder / "quarantine.parquet", QUARANTINE)).to_dicts()


def as_sample(row: dict[str, Any]) -> Sample:
    found = sample_of_row(parse_row(row, 0), licence="cc0-1.0")
    assert isinstance(found, Sample)
    return found


def test_a_foreign_row_is_worked_out() -> None:
    sample = as_sample(foreign())
    assert (sample.source, sample.video_id, sample.identity) == (
        "avos", "kcOqlifSukA", "youtube:kcOqlifSukA"
    )  # fmt: skip
    assert json.loads(sample.subject) == {"action": "cutting"}
    assert sample.label == "cutting"
    assert sample.candidates == ("cutting", "tying")
    assert sample.target_value() == [{"start": 0.0, "end": 1.0}, {"start": 3.0, "end": 3.0}]
    times = [(tick - sample.frame_tick[0]) / 15 for tick in sample.frame_tick]
    assert times == [0, 1, 2, 3, 4]
    assert "row:0" in sample.provenance


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("When does tying happen?", {"action": "tying"}),
        ("Find the segment(s) where tying happens.", {"action": "tying"}),
        ("When can I see tying in the video?", {"action": "tying"}),
        ("What is the time span of tying?", {"action": "tying"}),
        ("Tell  me\nall ABOUT it.", {"question": "tell me all about it."}),
    ],
)
def test_localisation_is_about_its_action(question: str, subject: dict[str, Any]) -> None:
    turns = asked(question, "0.0-1.0 seconds.")
    sample = as_sample(foreign(conversations=turns, struc_info=None))
    assert json.loads(sample.subject) == subject


@pytest.mark.parametrize(
    "question",
    [
        "Track the Own hands left from 1 to 7 seconds, predicting its location every 4 seconds.",
        "What are the bounding boxes of the Own hands left sampled every 4 seconds from 1 to 7"
        " seconds?",
        "Give the bounding boxes for the Own hands left at every 4.0 seconds between 1.0 and 7.0"
        " seconds.",
        "List the positions of the Own hands left between 1 and 7 seconds, sampled every 4"
        " seconds.",
        "Between 1 seconds and 7 seconds, where is the Own hands left every 4 seconds?",
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_grounding_is_about_object_window_and_stride(question: str, known: bool) -> None:
    fact = {
        "start": 1, "end": 7.0, "stride": "4", "object": "Own hands left",
        "bbox_dict": {"1.0": [1, 2, 3, 4]},
    }  # fmt: skip
    row = foreign(
        qa_type="stg", conversations=asked(question, "1.0 seconds: [1, 2, 3.5, 4]"),
        struc_info=[fact] if known else None,
    )  # fmt: skip
    assert json.loads(as_sample(row).subject) == {
        "start": 1.0, "end": 7.0, "stride": 4.0, "object": "Own hands left", "track": ""
    }  # fmt: skip


def test_a_region_keeps_box_interval_and_frame() -> None:
    row = foreign(
        qa_type="region_caption_gpt", is_RC=True, struc_info=None,
        conversations=asked("From 1 seconds to 4 seconds, what is it doing?", "It cuts."),
        RC_info={"start_frame": AVOS["video"][1], "start_frame_bbox": [592, 151, 750, 280]},
    )  # fmt: skip
    sample = as_sample(row)
    assert (sample.region_frame, sample.region_xyxy) == (22440, (592.0, 151.0, 750.0, 280.0))
    assert json.loads(sample.subject) == {
        "box": [592.0, 151.0, 750.0, 280.0], "start": 1.0, "end": 4.0
    }  # fmt: skip
    row["RC_info"]["start_frame"] = "{DATA_ROOT}/other/place/22440.jpg"
    assert as_sample(row).region_frame == 22440


@pytest.mark.parametrize(
    ("name", "video_id", "row_id", "numbers", "fps", "seconds", "identity"),
    [
        ("CholecTrack20", "VID25", "1.0$VID25$9726$9801", [9726, 9751, 9801], "1.0", [0, 1, 3],
         "cholec80:25"),
        ("CholecT50", "VID07", "VID07&&10&&30&&0.1", [10, 20, 30], "0.1", [0, 10, 20],
         "cholec80:7"),
        ("NurViD", "Z6Sr3Rk1k-8", "Z6Sr3Rk1k-8&&&&&&1.0", [1, 3, 3, 5], "1.0", [0, 1, 2],
         "youtube:Z6Sr3Rk1k-8"),
        ("EgoSurgery", "04_1", "x", [1108, 1109, 1110], "0.5", [0, 2, 4], "egosurgery:04"),
        ("CoPESD", "023521", "0.5$023521_part0$464$468", [464, 466, 468], "0.5", [0, 2, 4],
         "copesd:023521"),
        ("jigsaws", "Knot_Tying_B001", "x", [1, 31, 61], "1.0", [0, 1, 2], "jigsaws:B"),
        ("Cholec80-CVS", "video05", "x", [25, 50, 75], "1.0", [0, 1, 2], "cholec80:5"),
        ("NurViD", "abc", "x", [30, 60, 90], "1.0", [0, 1, 2], "youtube:abc"),
    ],
)  # fmt: skip
def test_times_and_identities_go_by_the_dataset(
    name: str, video_id: str, row_id: str, numbers: list[int], fps: str, seconds: list[float],
    identity: str,
) -> None:  # fmt: skip
    row = foreign(
        id=row_id, dataset_name=name, data_source=name, sampled_video_frames=numbers,
        video=[f"a/b/c/{n}.jpg" for n in numbers], metadata={"video_id": video_id, "fps": fps},
        qa_type="video_summary_gpt", conversations=asked("What happens?", "Much."),
    )  # fmt: skip
    sample = as_sample(row)
    second = sample.tick_rate_den / sample.tick_rate_num
    assert [(t - sample.frame_tick[0]) * second for t in sample.frame_tick] == seconds
    assert sample.identity == identity
    assert list(sample.frame_index) == sorted(set(numbers))


def test_a_folder_that_names_a_rate_tells_the_time_of_an_unknown_dataset() -> None:
    row = foreign(
        dataset_name="Elsewhere", data_source="Elsewhere", sampled_video_frames=[0, 20],
        video=["x/frames_10fps/v/0.jpg", "x/frames_10fps/v/20.jpg"],
    )  # fmt: skip
    sample = as_sample(row)
    assert (sample.tick_rate_num, sample.source) == (10, "elsewhere")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"conversations": asked("When?", "around noon")}, "answer_grammar"),
        ({"conversations": asked("When?", "5.0-1.0 seconds.")}, "answer_grammar"),
        ({"sampled_video_frames": [5, 4, 3, 2, 1]}, "bad_sampled_video_frames"),
        ({"metadata": {"video_id": "a/../b", "fps": "1.0"}}, "bad_video_id"),
        ({"is_RC": True, "qa_type": "region_caption_gpt"}, "bad_rc_info"),
        ({"is_RC": True, "RC_info": {"start_frame": "no.jpg",
                                     "start_frame_bbox": [1, 1, 2, 2]}}, "bad_rc_info"),
        ({"is_RC": True, "RC_info": {"start_frame": AVOS["video"][0],
                                     "start_frame_bbox": [5, 1, 2, 2]}}, "bad_rc_info"),
        ({"qa_type": "riddle"}, "malformed_row"),
        ({"video": []}, "malformed_row"),
        ({"dataset_name": "!!!", "data_source": "!!!"}, "bad_source"),
        ({}, "repeated_row"),
        ({"conversations": asked("What is the time span of cutting?", "0.0-1.0 seconds.")},
         "same_subject"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_quarantined_alone(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    other = asked("What is the time span of tying?", "4.0-4.0 seconds.")
    rows = [foreign(), foreign(**changes), foreign(conversations=other, struc_info=None)]
    path = write_rows(tmp_path / "rows.json", rows)
    summary = import_official(path, tmp_path / "out")
    assert (summary.rows, summary.samples, summary.quarantined) == (3, 2, 1)
    assert summary.reasons == {reason: 1}
    (kept,) = quarantine(tmp_path / "out")
    assert (kept["reason"], kept["file"], kept["stage"]) == (reason, "rows.json", "import")
    assert kept["field"].startswith("row 1")
    assert kept["detail"]
    assert kept["action"]
    counts = json.loads((tmp_path / "out" / "import.json").read_text())
    assert counts["rows"] == counts["samples"] + counts["questions"] + counts["quarantined"]


def test_rows_without_answer_become_questions_in_order(tmp_path: Path) -> None:
    rows = [
        foreign(conversations=asked(f"When does {name} happen?", None), struc_info=...)
        for name in ("cutting", "tying", "cutting")
    ]
    rows = [{k: v for k, v in row.items() if v is not ...} for row in rows]
    path = write_rows(tmp_path / "rows.json", [*rows, foreign()])
    summary = import_official(path, tmp_path / "out", ImportSettings(split="val"))
    assert (summary.questions, summary.samples) == (3, 1)
    lines = (tmp_path / "out" / "questions.jsonl").read_text().splitlines()
    found = [OfficialQuestion.model_validate_json(line) for line in lines]
    assert [item.row for item in found] == [0, 1, 2]
    assert found[0].sample_id == found[2].sample_id != found[1].sample_id
    assert {"answer", "target", "label"}.isdisjoint(found[0].fields)
    assert {item.official_id for item in found} == {AVOS["id"]}
    with ReleaseReader(tmp_path / "out") as reader:
        assert [sample.sample_id for sample in reader.samples("val")] == [found[0].sample_id]


def picture(shade: int, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), (shade, 90, 200)).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """Frames of two videos with the same file names, one of them also in another place."""
    root = tmp_path / "valdata"
    for video, shade in (("kcOqlifSukA", 10), ("SublDZXJ7p4", 200)):
        folder = root / "AVOS" / "frames_15fps" / video
        folder.mkdir(parents=True)
        for number in AVOS["sampled_video_frames"]:
            (folder / f"{number}.jpg").write_bytes(picture(shade, "JPEG"))
    return root


@pytest.mark.parametrize(
    "prefix",
    ["/data/root/", "{DATA_ROOT}/", "testdata/", "valdata/", "", "./", "C:\\data\\"],
)
def test_frames_are_found_by_the_ends_of_their_paths(
    tmp_path: Path, unpacked: Path, prefix: str
) -> None:
    video = [path.replace("/data/root/", prefix) for path in AVOS["video"]]
    path = write_rows(tmp_path / "rows.json", [foreign(video=video)])
    for place, frames in enumerate((unpacked, unpacked / "AVOS", unpacked.parent)):
        summary = import_official(path, tmp_path / f"out{place}", frames=frames)
        assert (summary.samples, summary.frames) == (1, 5)
        with ReleaseReader(tmp_path / f"out{place}") as reader:
            (sample,) = reader.samples()
            assert (sample.width, sample.height) == (32, 24)
            for jpeg in reader.frames_of(sample):
                with Image.open(io.BytesIO(jpeg)) as stored:
                    red = stored.getpixel((5, 5))
                assert isinstance(red, tuple)
                assert red[0] < 40


def test_frames_that_are_missing_damaged_or_ambiguous_refuse_their_row_alone(
    tmp_path: Path, unpacked: Path
) -> None:
    other = [path.replace("kcOqlifSukA", "SublDZXJ7p4") for path in AVOS["video"]]
    third = [path.replace("kcOqlifSukA", "VsKw5d-4rq8") for path in AVOS["video"]]
    broken = unpacked / "AVOS" / "frames_15fps" / "SublDZXJ7p4" / "22455.jpg"
    broken.write_bytes(broken.read_bytes()[:60])
    rows = [
        foreign(),
        foreign(video=other, metadata={**AVOS["metadata"], "video_id": "SublDZXJ7p4"}),
        foreign(video=third, metadata={**AVOS["metadata"], "video_id": "VsKw5d-4rq8"}),
        foreign(video=["22425.jpg"] * 5),
    ]
    path = write_rows(tmp_path / "rows.json", rows)
    summary = import_official(path, tmp_path / "out", frames=unpacked)
    assert (summary.samples, summary.frames) == (1, 5)
    assert summary.reasons == {"bad_video": 2, "frame_bad_image": 1}


def test_the_longest_end_decides_between_copies(tmp_path: Path) -> None:
    for place in ("a/AVOS/frames_15fps/v", "b/AVOS/frames_15fps/v"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.jpg").write_bytes(picture(1, "JPEG"))
    finder = FrameFinder(tmp_path)
    found = finder.find("/x/b/AVOS/frames_15fps/v/1.jpg")
    assert found == tmp_path / "b/AVOS/frames_15fps/v/1.jpg"
    for path in ("/x/c/AVOS/frames_15fps/v/1.jpg", "v/1.jpg", "../AVOS/frames_15fps/v/1.jpg"):
        with pytest.raises(SampleError):
            finder.find(path)


def test_frames_outside_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture(1, "JPEG"))
    inside = tmp_path / "frames" / "AVOS" / "v"
    inside.mkdir(parents=True)
    (inside / "1.jpg").symlink_to(secret)
    with pytest.raises(MissingSourceError, match="no picture"):
        FrameFinder(tmp_path / "frames")


def test_files_that_are_not_official_leave_nothing(tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    cut.write_text(json.dumps([foreign()])[:-30])
    with pytest.raises(MalformedSourceError, match="ends within"):
        import_official(cut, tmp_path / "out")
    with pytest.raises(MissingSourceError):
        import_official(tmp_path / "none.json", tmp_path / "out")
    with pytest.raises(MissingSourceError, match="folder"):
        import_official(cut, tmp_path / "out", frames=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("")
    with pytest.raises(ReleaseError, match="not empty"):
        import_official(write_rows(tmp_path / "rows.json", []), tmp_path / "out")


@pytest.mark.parametrize("ticks", [None, True, "0", {}, [0]])
def test_an_exported_row_whose_times_are_damaged_is_set_aside(
    samples: list[Sample], tmp_path: Path, ticks: Any
) -> None:
    rows = [official_row(sample, split="train") for sample in samples[:2]]
    rows[0]["medvid"]["frame_tick"] = ticks
    summary = import_official(write_rows(tmp_path / "rows.json", rows), tmp_path / "out")
    assert (summary.samples, summary.quarantined) == (1, 1)


def test_a_licence_that_nobody_registered_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.json", [foreign()])
    with pytest.raises(ConfigError, match="medvidbench-terms"):
        import_official(path, tmp_path / "out", ImportSettings(licence="found-on-a-disk"))


def test_a_large_file_is_spread_over_shards_by_video(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing_module, "_BUCKET_BYTES", 100_000)
    path = tmp_path / "rows.json"
    write_official_rows(path, (official_row(item, split="train") for item in samples))
    assert import_official(path, tmp_path / "out").samples == len(samples)
    assert len(list((tmp_path / "out" / "large").glob("train-*.tar"))) > 2
    with ReleaseReader(tmp_path / "out") as reader:
        places = {(item.source, item.video_id): set[str]() for item in samples}
        for item in reader.samples():
            row = reader.sample_index.row(item.sample_id)
            places[item.source, item.video_id].add(reader.sample_index.place(row).shard)
            assert item in samples
    assert all(len(shards) == 1 for shards in places.values())
    assert not list((tmp_path / "out").glob(".spill*"))


def test_a_file_without_rows_is_an_empty_import(tmp_path: Path) -> None:
    summary = import_official(write_rows(tmp_path / "rows.json", []), tmp_path / "out")
    assert (summary.rows, summary.samples) == (0, 0)
    with ReleaseReader(tmp_path / "out") as reader:
        assert list(reader.samples()) == []
