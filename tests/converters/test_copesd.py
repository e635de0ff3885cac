"""CoPESD's rows and their faults, on label files of a few rows."""

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.datasets.copesd import CONVERTER, identity, parse_image
from schemas.annotation import Disposition, VideoAnnotation
from schemas.errors import MalformedSourceError, MissingSourceError, SourceError

Json = Any
Convert = Callable[..., VideoAnnotation]
INSTRUCTION = "Lift the flap with the Forceps."
LIFTS = "Lift the flap with the Forceps{} while the Knife{} stays idle."


def box(*values: float) -> str:
    return f"[{', '.join(f'{value:.2f}' for value in values)}]"


FORCEPS, KNIFE = box(0.10, 0.30, 0.40, 0.70), box(0.55, 0.25, 0.85, 0.77)
BOXED = LIFTS.format(FORCEPS, KNIFE)


def row(frame: int, sentence: str = BOXED, instruction: str = INSTRUCTION, **more: Json) -> Json:
    return {
        "conversations": [
            {"from": "human", "value": instruction},
            {"from": "gpt", "value": sentence},
        ],
        "image": f"D:/anywhere/at all/high_light_images/123456/{frame:04d}.jpg",
    } | more


def write(root: Path, rows: Json, split: str = "test") -> Path:
    folder = root / "annotations" / "smllm"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"smllm_{split}.json").write_text(json.dumps(rows))
    return root


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    def run(*rows: Json) -> VideoAnnotation:
        (recording,) = CONVERTER.discover(write(tmp_path, [*rows]))
        return CONVERTER.convert(recording)

    return run


def reasons(annotation: VideoAnnotation) -> list[str]:
    return [i.reason for i in annotation.issues if i.reason != "frame_rate_assumed"]


def labels(annotation: VideoAnnotation) -> list[tuple[int, int, str]]:
    return [(s.start, s.end, s.label) for s in annotation.segments]


def test_one_scale_holds_on_both_axes(convert: Convert) -> None:
    annotation = convert(row(1))
    forceps, knife = annotation.boxes
    assert forceps.xyxy == pytest.approx((130.6, 391.8, 522.4, 914.2))
    assert knife.xyxy == pytest.approx((718.3, 326.5, 1110.1, 1005.62))
    assert annotation.video.resolution_wh == (1306, 1009)
    assert reasons(annotation) == []


def test_a_row_becomes_action_triplets_and_boxes(convert: Convert) -> None:
    annotation = convert(row(3))
    assert annotation.video.video_id == "123456"
    assert annotation.video.identity == "copesd:123456"
    assert annotation.video.native_split == {"copesd": "test"}
    assert annotation.labelled_ticks == (2,)
    assert annotation.video.duration_ticks == 3
    assert labels(annotation) == [(2, 3, "lift flap with forceps")]
    first, second = (found.triplet for found in annotation.triplets)
    assert (first.instrument, first.verb, first.target) == ("forceps", "lift", "mucosal-flap")
    assert (second.instrument, second.verb, second.target) == ("knife", "null_verb", None)
    assert [b.triplet for b in annotation.boxes] == [first, second]
    assert annotation.records_in == {"box": 2, "motion": 1, "row": 1}


def test_the_assumed_rate_is_said(convert: Convert) -> None:
    annotation = convert(row(1))
    assert [i.reason for i in annotation.issues] == ["frame_rate_assumed"]
    assert annotation.video.time_base.seconds(7) == 7.0


def test_frames_in_a_row_join_and_a_hole_parts_them(convert: Convert) -> None:
    hold = row(6, "Surgical Finished! Hold the flap with the Forceps while the Knife is idle.",
               "Hold the flap with the Forceps.")  # fmt: skip
    annotation = convert(row(1), row(2), row(4), row(5), hold)
    lift = "lift flap with forceps"
    assert labels(annotation) == [(0, 2, lift), (3, 5, lift), (5, 6, "stabilize flap with forceps")]


@pytest.mark.parametrize(
    "image",
    [
        "D:/a/high_light_images/123456/0042.jpg", "D:\\a\\123456\\0042.JPG", "123456/42.jpeg",
        "{DATA_ROOT}/CoPESD/high_light_images/123456/0042.jpg",
    ],
)  # fmt: skip
def test_only_session_and_frame_of_a_path_count(image: str) -> None:
    assert parse_image(image) == ("123456", 42)


@pytest.mark.parametrize(
    "image",
    [
        None, 7, [], "", "0042.jpg", "123456/0042.png", "12345/0042.jpg", "123456/x/0042.jpg",
        "123456/00042.jpg", "123456/0000.jpg", "a123456/0042.jpg", "123456/٠٠٤٢.jpg",
        "123456/0042.jpg\n",
    ],
)  # fmt: skip
def test_other_paths_name_no_frame(image: Json) -> None:
    assert parse_image(image) is None


def test_parts_of_a_session_are_one_recording(tmp_path: Path) -> None:
    rows = [row(1), row(1, image="x/123456_part0/0001.jpg")]
    annotations = [CONVERTER.convert(r) for r in CONVERTER.discover(write(tmp_path, rows))]
    assert [a.video.video_id for a in annotations] == ["123456", "123456_part0"]
    assert {a.video.identity for a in annotations} == {identity("123456")} == {"copesd:123456"}


def test_rows_without_a_session_are_refused_and_counted(tmp_path: Path) -> None:
    rows = [row(1), row(1, image="clip/one.jpg"), {"image": None}, "no row", 3]
    good, bad = CONVERTER.discover(write(tmp_path, rows))
    assert (good.video_id, bad.video_id) == ("123456", "unplaced-test")
    with pytest.raises(MalformedSourceError, match=r"^copesd .*4 rows name no session.*\[1\]"):
        CONVERTER.convert(bad)
    assert labels(CONVERTER.convert(good))


def test_a_session_in_both_files_has_no_native_split(tmp_path: Path) -> None:
    write(tmp_path, [row(1)], "test")
    write(tmp_path, [row(2), row(3)], "train")
    (recording,) = CONVERTER.discover(tmp_path)
    annotation = CONVERTER.convert(recording)
    assert annotation.video.native_split == {}
    assert reasons(annotation) == ["session_in_both_splits"]
    assert annotation.issues[1].detail == "rows of the session: 1 in test, 2 in train."
    assert annotation.labelled_ticks == (0, 1, 2)


def test_one_changed_row_leaves_other_sessions_alone(tmp_path: Path) -> None:
    other = row(1, image="654321/0001.jpg")
    before = {r.video_id: r for r in CONVERTER.discover(write(tmp_path, [row(1), other]))}
    changed = row(1, BOXED.replace("0.10", "0.11"))
    after = {r.video_id: r for r in CONVERTER.discover(write(tmp_path, [changed, other]))}
    assert before["654321"] == after["654321"]
    assert before["123456"] != after["123456"]
    assert before["123456"].files == ()


def test_equal_rows_of_a_frame_count_once(convert: Convert) -> None:
    annotation = convert(row(1), row(2), row(1))
    assert reasons(annotation) == ["repeated_row"]
    assert annotation.issues[-1].field == "[2].conversations"
    assert annotation.labelled_ticks == (0, 1)
    assert len(annotation.boxes) == 4


def test_rows_that_differ_on_a_frame_are_both_dropped(convert: Convert) -> None:
    annotation = convert(row(1), row(2), row(1, BOXED.replace("0.10", "0.12")))
    assert reasons(annotation) == ["conflicting_rows"] * 2
    assert {i.disposition for i in annotation.issues[1:]} == {Disposition.DROPPED}
    assert annotation.labelled_ticks == (1,)


@pytest.mark.parametrize(
    "turns",
    [
        None, [], "text", [{}, {}], [{"from": "human", "value": "a"}],
        [{"from": "gpt", "value": BOXED}, {"from": "human", "value": INSTRUCTION}],
        [{"from": "human", "value": INSTRUCTION}, {"from": "gpt", "value": 3}],
    ],
)  # fmt: skip
def test_rows_without_two_turns_are_dropped(convert: Convert, turns: Json) -> None:
    annotation = convert(row(1), row(2, conversations=turns))
    assert reasons(annotation) == ["bad_turns"]
    assert annotation.labelled_ticks == (0,)
    assert annotation.records_in["row"] == 2


def test_an_unknown_sentence_loses_its_action_and_keeps_its_boxes(convert: Convert) -> None:
    strange = f"__import__('os').system('x'); the Forceps{FORCEPS} and the Knife{KNIFE} juggle."
    annotation = convert(row(1), row(2, strange), row(3))
    assert reasons(annotation) == ["unknown_phrase"]
    assert [span[:2] for span in labels(annotation)] == [(0, 1), (2, 3)]
    assert len(annotation.boxes) == 6
    assert annotation.boxes[2].triplet is None
    assert annotation.labelled_ticks == (0, 1, 2)


def test_an_instruction_against_the_motion_is_quarantined(convert: Convert) -> None:
    annotation = convert(row(1, instruction="Adjust the camera."))
    assert reasons(annotation) == ["goal_mismatch"]
    assert annotation.segments == ()
    assert annotation.triplets == ()
    assert len(annotation.boxes) == 2


def test_an_unknown_instruction_is_flagged(convert: Convert) -> None:
    annotation = convert(row(1, instruction="¿Qué?"))
    assert reasons(annotation) == ["unknown_goal"]
    assert annotation.issues[-1].disposition is Disposition.FLAGGED
    assert len(annotation.segments) == 1


@pytest.mark.parametrize(
    ("forceps", "reason"),
    [
        ("[0.1, 0.2, 0.3]", "bad_box"),
        ("[0.1, 0.2, 0.3, 1e-1]", "bad_box"),
        ("[0.1, 0.2, 0.3, nan]", "bad_box"),
        ("[]", "bad_box"),
        (f"{FORCEPS} [0.1, 0.2, 0.3, 0.4]", "nameless_box"),
        ("[0.40, 0.30, 0.10, 0.70]", "box_against_convention"),
        ("[0.10, 0.30, 0.40, 0.95]", "box_against_convention"),
    ],
)
def test_single_bad_boxes_are_dropped(convert: Convert, forceps: str, reason: str) -> None:
    many = [row(n, LIFTS.format(box(0.1, 0.3, 0.4, n / 200), KNIFE)) for n in range(70, 150)]
    annotation = convert(*many, row(200, LIFTS.format(forceps, KNIFE)))
    assert reasons(annotation) == [reason]
    issue = annotation.issues[-1]
    assert issue.disposition is Disposition.DROPPED
    assert issue.field is not None
    assert issue.field.startswith("[80].conversations")
    assert labels(annotation)[-1][2] == "lift flap with forceps"
    dropped = sum(i.kind == "box" for i in annotation.issues)
    assert len(annotation.boxes) + dropped == annotation.records_in["box"]


def test_minus_zero_and_one_decimal_are_numbers(convert: Convert) -> None:
    annotation = convert(row(1, LIFTS.format("[-0.0, 0.3, 0.4, 0.7]", KNIFE)))
    assert annotation.boxes[0].xyxy[0] == 0
    assert str(annotation.boxes[0].xyxy[0]) == "0.0"


@pytest.fixture
def jpeg() -> Callable[[Path, int, int], None]:
    def write_header(path: Path, width: int, height: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        frame = b"\x08" + size + b"\x01\x01\x11\x00"
        path.write_bytes(b"\xff\xd8\xff\xc0" + (2 + len(frame)).to_bytes(2, "big") + frame)

    return write_header


def test_pictures_give_the_scale(tmp_path: Path, jpeg: Callable[[Path, int, int], None]) -> None:
    folder = tmp_path / "high_light_images" / "123456"
    for frame in (1, 2, 4):
        jpeg(folder / f"{frame:04d}.jpg", 1306, 1009)
    jpeg(folder / "0003.jpg", 500, 386)
    (folder / "0005.jpg").write_bytes(b"no picture")
    (folder / "Thumbs.db").write_bytes(b"")
    rows = [row(frame) for frame in (1, 2, 3, 5, 6)]
    (recording,) = CONVERTER.discover(write(tmp_path, rows))
    annotation = CONVERTER.convert(recording)
    assert annotation.video.media == recording.media
    assert annotation.video.resolution_wh == (1306, 1009)
    assert reasons(annotation) == [
        "image_without_label", "label_without_image", "unreadable_image",
        "image_size_differs", "image_size_differs",
    ]  # fmt: skip
    assert {b.tick for b in annotation.boxes} == {0, 1, 4, 5}
    assert annotation.records_in["image"] == 5


def test_smaller_pictures_have_a_smaller_scale(
    tmp_path: Path, jpeg: Callable[[Path, int, int], None]
) -> None:
    jpeg(tmp_path / "high_light_images" / "123456" / "0001.jpg", 653, 505)
    (recording,) = CONVERTER.discover(write(tmp_path, [row(1)]))
    annotation = CONVERTER.convert(recording)
    assert annotation.boxes[0].xyxy == pytest.approx((65.3, 195.9, 261.2, 457.1))


def test_pictures_without_rows_are_refused(
    tmp_path: Path, jpeg: Callable[[Path, int, int], None]
) -> None:
    jpeg(tmp_path / "high_light_images" / "654321" / "0001.jpg", 653, 505)
    found = CONVERTER.discover(write(tmp_path, [row(1)]))
    assert [r.video_id for r in found] == ["123456", "654321"]
    with pytest.raises(MissingSourceError, match="no row"):
        CONVERTER.convert(found[1])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not whole JSON"), (b"[1, 2", "not whole JSON"), (b'{"a": 1}', "no list"),
        (b"\xff\xfe\x00", "not UTF-8"), (b"[" * 100_000, "too deeply"),
        (b"[" + b"9" * 5000 + b"]", "number without end"),
    ],
)  # fmt: skip
def test_damaged_label_files_are_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = write(tmp_path, []) / "annotations/smllm/smllm_test.json"
    path.write_bytes(content)
    with pytest.raises(MalformedSourceError, match=problem) as caught:
        CONVERTER.discover(tmp_path)
    assert caught.value.source == "annotations/smllm/smllm_test.json"


def test_label_files_may_lie_at_the_top_under_another_name(tmp_path: Path) -> None:
    root = tmp_path / "copy"
    root.mkdir()
    (root / "smllm_test_subset.json").write_text("\ufeff" + json.dumps([row(1)]), encoding="utf-8")
    (root / "other.json").write_text("never read")
    for place in (root, tmp_path):
        (recording,) = CONVERTER.discover(place)
        assert CONVERTER.convert(recording).video.native_split == {"copesd": "test"}


SENTENCES = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.sampled_from(
            ["Forceps", "Knife", "[", "]", "0.1,", "while", "lift", "idle", "1e99", "-"]
        ),
        max_size=12,
    ).map(" ".join),
)
TURNS = st.recursive(
    st.none() | st.integers() | st.floats() | SENTENCES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def two_turns() -> st.SearchStrategy[Json]:
    def build(human: str, gpt: str) -> Json:
        return [{"from": "human", "value": human}, {"from": "gpt", "value": gpt}]

    return st.builds(build, SENTENCES, SENTENCES)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), TURNS | two_turns()), max_size=5))
def test_no_content_of_a_row_stops_a_session(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[int, Json]]
) -> None:
    root = tmp_path_factory.mktemp("rows")
    rows = [row(9), *(row(frame, conversations=turns) for frame, turns in found)]
    for recording in CONVERTER.discover(write(root, rows)):
        try:
            annotation = CONVERTER.convert(pickle.loads(pickle.dumps(recording)))
        except SourceError:
            assert recording.video_id.startswith("unplaced")
            continue
        assert _accounted(annotation) == annotation.records_in["row"]
        assert VideoAnnotation.model_validate_json(annotation.model_dump_json()) == annotation
        assert all(len(issue.detail) < 2000 for issue in annotation.issues)


def _accounted(annotation: VideoAnnotation) -> int:
    return len(annotation.labelled_ticks) + sum(_dropped(annotation, "row"))


def _dropped(annotation: VideoAnnotation, kind: str) -> Iterator[int]:
    for issue in annotation.issues:
        yield issue.kind == kind and issue.disposition is Disposition.DROPPED
