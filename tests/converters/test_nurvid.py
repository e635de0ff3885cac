"""NurViD: what is read, what is refused, and what is said about it."""

import io
import json
import pickle
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.base import Converter
from converters.datasets.nurvid import CONVERTER, parse_records, parse_split
from converters.nursing import CANDIDATE_ACTIONS
from converters.nursing_record import TICK_HZ, parse_ticks
from schemas.annotation import Disposition, VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError, UnknownLabelError
from schemas.source import TaskName

ID = "AbC-_fGhIjK"


def make_record(**changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "operationID": 3,
        "annotations": [
            {"actionID": 29, "segment": [4.2, 11.75]},
            {"actionID": 1, "segment": [12, 48.31]},
        ],
        "duration": 95,
        "resolution": "1280x720",
        "fps": 29,
        "subset": None,
        "url": f"https://www.youtube.com/watch?v={ID}",
    }
    return record | changes


def write_tree(root: Path, records: dict[str, Any], **splits: str) -> Path:
    folder = root / "annotations"
    folder.mkdir(parents=True)
    (folder / "NurViD_annotations.json").write_text(json.dumps(records), encoding="utf-8")
    for name, text in splits.items():
        (folder / "task1&3").mkdir(exist_ok=True)
        (folder / "task1&3" / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    return root


def convert_one(root: Path, record: object, **splits: str) -> VideoAnnotation:
    (recording,) = CONVERTER.discover(write_tree(root, {ID: record}, **splits))
    return CONVERTER.convert(recording)


def spans(annotation: VideoAnnotation) -> list[tuple[int, int, int | None]]:
    return [(s.start, s.end, s.native_index) for s in annotation.segments]


def reasons(annotation: VideoAnnotation) -> list[str]:
    return [issue.reason for issue in annotation.issues]


def test_a_record_becomes_exact_ticks_and_names_one_id_below(tmp_path: Path) -> None:
    annotation = convert_one(tmp_path, make_record())
    assert spans(annotation) == [(378_000, 1_057_500, 0), (1_080_000, 4_347_900, 1)]
    assert [s.label for s in annotation.segments] == [
        "Draw bed curtains",
        "Clean and scrub the perineum",
    ]
    assert annotation.procedure == "Perineal Care"
    assert annotation.issues == ()
    video = annotation.video
    assert (video.identity, video.links) == (f"youtube:{ID}", {"youtube": ID})
    assert (video.resolution_wh, video.duration_ticks) == ((1280, 720), 95 * TICK_HZ)
    assert video.licence == "nurvid-terms"
    assert annotation.records_in == {"video": 1, "segment": 2}


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (29, Fraction(30_000, 1001)),
        (23, Fraction(24_000, 1001)),
        (59, Fraction(60_000, 1001)),
        (30, Fraction(30)),
        (13, Fraction(13)),
    ],
)
def test_rates_that_were_rounded_down_are_restored(
    tmp_path: Path, fps: int, rate: Fraction
) -> None:
    time_base = convert_one(tmp_path, make_record(fps=fps)).video.time_base
    assert time_base.frame_rate == rate
    assert time_base.tick_rate == TICK_HZ


@given(hundredths=st.integers(0, 86_400 * 100))
@settings(max_examples=200, deadline=None)
def test_hundredths_of_a_second_are_exact(hundredths: int) -> None:
    text = json.dumps(hundredths / 100)
    value = json.loads(text, parse_float=Decimal)
    assert parse_ticks(value) == hundredths * 900


@pytest.mark.parametrize(
    "value", [True, None, "4.2", -0.01, Decimal("-1"), Decimal("NaN"), Decimal("Infinity"), 10**9]
)
def test_what_is_no_time_in_a_video_has_no_tick(value: object) -> None:
    assert parse_ticks(value) is None


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"actionID": 1, "segment": [12.38, 12.38]}, "zero_length"),
        ({"actionID": 1, "segment": [12.4, 12.3]}, "reversed_segment"),
        ({"actionID": 1, "segment": [1.0, 1.000001]}, "zero_length"),
        ({"actionID": 1, "segment": [-1, 3]}, "malformed_segment"),
        ({"actionID": 1, "segment": [float("nan"), 3]}, "malformed_segment"),
        ({"actionID": 1, "segment": [1, 1e999]}, "malformed_segment"),
        ({"actionID": 1, "segment": ["1", 3]}, "malformed_segment"),
        ({"actionID": 1, "segment": [1, 2, 3]}, "malformed_segment"),
        ({"actionID": 1, "segment": [True, 3]}, "malformed_segment"),
        ({"actionID": 1}, "malformed_segment"),
        ({"segment": [1, 3]}, "unknown_action"),
        ({"actionID": 0, "segment": [1, 3]}, "unknown_action"),
        ({"actionID": 178, "segment": [1, 3]}, "unknown_action"),
        ({"actionID": "7", "segment": [1, 3]}, "unknown_action"),
        ({"actionID": True, "segment": [1, 3]}, "unknown_action"),
        (None, "malformed_segment"),
        ([1, 3], "malformed_segment"),
        ({"actionID": 29, "segment": [4.2, 11.75]}, "duplicate_segment"),
    ],
)
def test_a_faulty_segment_is_dropped_by_name_and_its_neighbours_stay(
    tmp_path: Path, item: object, reason: str
) -> None:
    record = make_record()
    record["annotations"].insert(1, item)
    annotation = convert_one(tmp_path, record)
    assert [index for _, _, index in spans(annotation)] == [0, 2]
    (issue,) = annotation.issues
    assert (issue.reason, issue.disposition, issue.kind) == (
        reason,
        Disposition.DROPPED,
        "segment",
    )
    assert issue.field == f"{ID}.annotations[1]"
    assert issue.file == "annotations/NurViD_annotations.json"
    assert annotation.records_in["segment"] == 3


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (95, []),
        (95.5, ["end_past_duration"]),
        (96, ["end_past_duration"]),
        (96.01, ["end_past_duration", "end_far_past_duration"]),
    ],
)
def test_ends_past_the_duration_are_kept_and_flagged(
    tmp_path: Path, end: float, expected: list[str]
) -> None:
    items = [{"actionID": 1, "segment": [90, end]}]
    annotation = convert_one(tmp_path, make_record(annotations=items))
    assert annotation.segments[0].end == round(end * 100) * 900
    assert annotation.segments[0].flags == tuple(sorted(expected))
    assert reasons(annotation) == expected
    assert {issue.disposition for issue in annotation.issues} <= {Disposition.FLAGGED}


def test_order_in_the_file_is_kept_as_an_index_and_overlaps_stay(tmp_path: Path) -> None:
    items = [
        {"actionID": 5, "segment": [30, 40.5]},
        {"actionID": 7, "segment": [10, 20]},
        {"actionID": 4, "segment": [35, 36]},
        {"actionID": 9, "segment": [30, 40.5]},
    ]
    annotation = convert_one(tmp_path, make_record(annotations=items))
    assert [index for _, _, index in spans(annotation)] == [1, 0, 3, 2]
    assert reasons(annotation) == ["unsorted_segments", "overlapping_segments"]
    assert annotation.issues[1].detail.startswith("2 pairs")


def test_two_actions_of_one_name_share_a_label_and_keep_their_ids(tmp_path: Path) -> None:
    items = [
        {"actionID": 24, "segment": [1, 5]},
        {"actionID": 131, "segment": [6, 9]},
        {"actionID": 131, "segment": [1, 5]},
    ]
    annotation = convert_one(tmp_path, make_record(operationID=4, annotations=items))
    assert {s.label for s in annotation.segments} == {"Remove isolation gown"}
    assert [s.flags for s in annotation.segments] == [
        ("action_id:24",),
        ("action_id:131",),
        ("action_id:131",),
    ]


def test_candidates_are_the_published_list_then_the_rest_in_order(tmp_path: Path) -> None:
    items = [{"actionID": i, "segment": [i, i + 0.5]} for i in (92, 2, 29)]
    annotation = convert_one(tmp_path, make_record(annotations=items))
    assert annotation.candidates["action"] == (
        *CANDIDATE_ACTIONS["Perineal Care"],
        "Disinfect skin",
        "Wear gloves",
    )


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"operationID": 52}, UnknownLabelError, "operationID"),
        ({"operationID": 0}, UnknownLabelError, "operationID"),
        ({"operationID": "3"}, UnknownLabelError, "operationID"),
        ({"fps": 0}, MalformedSourceError, "fps"),
        ({"fps": 29.97}, MalformedSourceError, "fps"),
        ({"fps": None}, MalformedSourceError, "fps"),
        ({"resolution": "1280*720"}, MalformedSourceError, "resolution"),
        ({"resolution": "0x720"}, MalformedSourceError, "resolution"),
        ({"resolution": "１２８０x720"}, MalformedSourceError, "resolution"),
        ({"resolution": [1280, 720]}, MalformedSourceError, "resolution"),
        ({"annotations": {}}, MalformedSourceError, "annotations"),
    ],
)
def test_what_decides_time_size_or_class_refuses_the_video(
    tmp_path: Path, changes: dict[str, Any], error: type[MalformedSourceError], field: str
) -> None:
    with pytest.raises(error) as caught:
        convert_one(tmp_path, make_record(**changes))
    assert caught.value.field == f"{ID}.{field}"
    assert caught.value.source == "annotations/NurViD_annotations.json"


@pytest.mark.parametrize("key", ["operationID", "annotations", "resolution", "fps"])
def test_a_missing_field_refuses_the_video(tmp_path: Path, key: str) -> None:
    record = make_record()
    del record[key]
    with pytest.raises(MalformedSourceError, match=key):
        convert_one(tmp_path, record)


@pytest.mark.parametrize("record", [None, [], 7, "x"])
def test_a_record_that_is_no_object_refuses_its_video_alone(tmp_path: Path, record: object) -> None:
    root = write_tree(tmp_path, {ID: record, "zzzzzzzzzzz": make_record()})
    bad, good = CONVERTER.discover(root)
    with pytest.raises(MalformedSourceError):
        CONVERTER.convert(bad)
    assert len(CONVERTER.convert(good).segments) == 2


@pytest.mark.parametrize("key", ["short", "has space !", "../../../etc", "é" * 11, "a" * 12, ""])
def test_a_key_that_is_no_youtube_id_refuses_its_video_alone(tmp_path: Path, key: str) -> None:
    recordings = CONVERTER.discover(write_tree(tmp_path, {key: make_record(), ID: make_record()}))
    by_id = {recording.video_id: recording for recording in recordings}
    assert len(CONVERTER.convert(by_id.pop(ID)).segments) == 2
    (bad,) = by_id.values()
    with pytest.raises(MalformedSourceError, match="YouTube id"):
        CONVERTER.convert(bad)


def test_lesser_doubts_about_a_video_are_flagged(tmp_path: Path) -> None:
    annotation = convert_one(
        tmp_path, make_record(url="https://youtu.be/x", duration=-3, annotations=[])
    )
    assert reasons(annotation) == ["url_mismatch", "bad_duration", "no_segments"]
    assert annotation.video.duration_ticks is None


def test_a_video_listed_twice_is_read_once_and_flagged(tmp_path: Path) -> None:
    first, last = json.dumps(make_record(fps=25)), json.dumps(make_record(fps=30))
    (tmp_path / "NurViD_annotations.json").write_text(f'{{"{ID}": {first}, "{ID}": {last}}}')
    (recording,) = CONVERTER.discover(tmp_path)
    annotation = CONVERTER.convert(recording)
    assert annotation.video.time_base.frame_rate == 30
    assert reasons(annotation) == ["repeated_video"]
    assert annotation.issues[0].file == "NurViD_annotations.json"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"AbC-_fGhIjK": {"operationID": 3,\n "annot',
        b"[]",
        b"null",
        b'{"a": "\xff\xfe"}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_file_that_is_no_json_object_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "NurViD_annotations.json").write_bytes(content)
    with pytest.raises(MalformedSourceError) as caught:
        CONVERTER.discover(tmp_path)
    assert caught.value.source == "NurViD_annotations.json"
    assert len(str(caught.value)) < 500


def test_a_cut_file_names_the_line() -> None:
    with pytest.raises(MalformedSourceError) as caught:
        list(parse_records(io.StringIO('{"AbC-_fGhIjK": {\n "fps": 3,\n')))
    assert caught.value.line == 3


@pytest.mark.parametrize("content", [None, "{}"])
def test_nothing_to_read_is_missing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "NurViD_annotations.json").write_text(content)
    with pytest.raises(MissingSourceError):
        CONVERTER.discover(tmp_path)


def test_layout_byte_order_mark_and_line_ends_are_not_content(tmp_path: Path) -> None:
    plain = write_tree(tmp_path / "plain", {ID: make_record()})
    pretty = tmp_path / "pretty"
    (pretty / "annotations").mkdir(parents=True)
    text = json.dumps({ID: dict(reversed(make_record().items()))}, indent=4)
    (pretty / "annotations" / "NurViD_annotations.json").write_bytes(
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    )
    (a,), (b,) = CONVERTER.discover(plain), CONVERTER.discover(pretty)
    assert a.record == b.record
    assert CONVERTER.convert(a) == CONVERTER.convert(b)


def test_a_changed_record_changes_one_recording_only(tmp_path: Path) -> None:
    ids = [f"video-{i:05d}" for i in range(20)]
    before = write_tree(tmp_path / "a", {i: make_record() for i in ids})
    after = write_tree(
        tmp_path / "b", {i: make_record(duration=95 + (i == ids[7])) for i in reversed(ids)}
    )
    pairs = zip(CONVERTER.discover(before), CONVERTER.discover(after), strict=True)
    changed = [a.video_id for a, b in pairs if (a.record, a.hints) != (b.record, b.hints)]
    assert changed == [ids[7]]
    assert all(recording.files == () for recording in CONVERTER.discover(before))


def test_split_lines_are_cut_at_the_last_space() -> None:
    text = "path-label\r\n/video_path/-b_ c-E.mp4 17\r\n\r\nbroken\r\n/video_path/x.mp4 4"
    assert list(parse_split(io.StringIO(text, newline=""))) == [("-b_ c-E", 17), ("x", 4)]


@pytest.mark.parametrize(
    ("splits", "native_split", "expected"),
    [
        ({}, {}, []),
        ({"train": f"path-label\r\n/v/{ID}.mp4 3\r\n"}, {"task1&3": "train"}, []),
        ({"train": "path-label\r\n"}, {}, ["no_native_split"]),
        ({"val": f"/v/{ID}.mp4 4\r\n"}, {"task1&3": "val"}, ["split_label_mismatch"]),
        (
            {"train": f"/v/{ID}.mp4 3\r\n", "test": f"/v/{ID}.mp4 3\r\n"},
            {},
            ["ambiguous_split"],
        ),
        ({"test": f"/v/{ID}.mp4 3\r\n" * 2}, {"task1&3": "test"}, []),
    ],
)
def test_the_split_by_video_is_carried_and_checked(
    tmp_path: Path, splits: dict[str, str], native_split: dict[str, str], expected: list[str]
) -> None:
    annotation = convert_one(tmp_path, make_record(), **splits)
    assert annotation.video.native_split == native_split
    assert reasons(annotation) == expected


def test_media_are_found_in_the_usual_places_in_order(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {ID: make_record()})
    assert CONVERTER.discover(root)[0].media is None
    for path in ("videos/{}.mp4", "dataset/Original_videos/{}.webm", "Original_videos/{}.mkv"):
        target = root / path.format(ID)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"x")
    (root / "videos" / "unrelated file.mp4").write_bytes(b"x")
    media = CONVERTER.discover(root)[0].media
    assert media is not None
    assert media.path == f"dataset/Original_videos/{ID}.webm"
    (root / f"dataset/Original_videos/{ID}.mp4").mkdir()
    media = CONVERTER.discover(root)[0].media
    assert media is not None
    assert media.path == f"dataset/Original_videos/{ID}.webm"


def test_the_converter_is_a_picklable_protocol_with_a_card() -> None:
    assert isinstance(CONVERTER, Converter)
    assert pickle.loads(pickle.dumps(CONVERTER)) == CONVERTER
    spec = CONVERTER.spec
    assert spec.card.title == "NurViD"
    assert not spec.card.licence.share_media
    assert not spec.card.licence.commercial
    assert spec.tasks == (TaskName.TAL, TaskName.DENSE_CAPTIONING)
    assert len(spec.voice.roles) >= 5
    assert len(spec.voice.contexts) >= 5
    assert all("{procedure}" in context for context in spec.voice.contexts)
