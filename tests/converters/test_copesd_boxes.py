"""Boxes inside sentences: how a session writes them, which are frozen, and JPEG sizes."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.datasets.copesd import CONVERTER
from converters.jpeg_size import read_jpeg_size
from converters.sentence_boxes import (
    FROZEN_ROWS,
    Convention,
    Fractions,
    decide_convention,
    fits_picture,
    frozen_runs,
    parse_fractions,
    place_box,
    split_sentence,
)
from medvid.media.jpeg import encode_jpeg
from schemas.annotation import Disposition, VideoAnnotation

HEIGHT = 1009 / 1306
PICTURE_WH = (1306, 1009)
SENTENCE = "Lift the flap with the Forceps{} while the Knife{} stays idle."


def drawn_box(random: np.random.Generator, instrument: int) -> Fractions:
    """Left, top, right, bottom of a forceps (0) on the left or a knife (1) on the right."""
    left = random.uniform(0.02, 0.25) + 0.5 * instrument
    top = random.uniform(0.05, 0.45)
    right, bottom = left + random.uniform(0.15, 0.3), random.uniform(top + 0.1, HEIGHT)
    return (left, top, min(right, 1.0), bottom)


def written(box: Fractions, convention: Convention) -> Fractions:
    x1, y1, x2, y2 = box
    values = box if convention is Convention.XYXY else (x1, y1, x2 - x1, y2 - y1)
    a, b, c, d = (round(value, 2) for value in values)
    return (a, b, c, d)


def session(seed: int, rows: int, convention: Convention) -> list[Fractions]:
    random = np.random.default_rng(seed)
    return [written(drawn_box(random, k % 2), convention) for k in range(2 * rows)]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 80), st.sampled_from(list(Convention)))
def test_a_session_tells_how_it_is_written(seed: int, rows: int, convention: Convention) -> None:
    boxes = session(seed, rows, convention)
    verdict = decide_convention(boxes, HEIGHT)
    assert verdict.convention is convention
    assert verdict.different == len(set(boxes))
    counted = verdict.as_xyxy if convention is Convention.XYXY else verdict.as_xywh
    assert counted == verdict.different


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(10, 60))
def test_a_session_that_mixes_both_is_not_decided(seed: int, rows: int) -> None:
    mixed = [*session(seed, rows, Convention.XYXY), *session(seed + 1, rows, Convention.XYWH)]
    assert decide_convention(mixed, HEIGHT).convention is None


@pytest.mark.parametrize("convention", list(Convention))
def test_a_few_damaged_boxes_do_not_blur_the_verdict(convention: Convention) -> None:
    boxes = session(3, 300, convention)
    damaged = [(0.9, 0.9, 0.1, 0.95 + 0.001 * k) for k in range(5)]
    assert decide_convention([*boxes, *damaged], HEIGHT).convention is convention


def test_one_box_is_not_enough_however_often_it_is_given() -> None:
    frozen: Fractions = (0.48, 0.29, 0.85, 0.77)
    assert decide_convention([frozen] * 500, HEIGHT).convention is None
    two = [frozen, (0.15, 0.33, 0.37, 0.77)]
    assert decide_convention(two * 200, HEIGHT).convention is Convention.XYXY


def test_boxes_that_fit_both_ways_decide_nothing() -> None:
    small = [(0.1, 0.1, 0.3 + 0.001 * k, 0.3) for k in range(50)]
    verdict = decide_convention(small, HEIGHT)
    assert verdict == (None, 50, 50, 50)
    assert decide_convention([], HEIGHT) == (None, 0, 0, 0)


def annotate(tmp_path: Path, sentences: list[str]) -> VideoAnnotation:
    rows = [
        {
            "conversations": [
                {"from": "human", "value": "Lift the flap with the Forceps."},
                {"from": "gpt", "value": sentence},
            ],
            "image": f"D:/x/123456/{frame:04d}.jpg",
        }
        for frame, sentence in enumerate(sentences, start=1)
    ]
    (tmp_path / "smllm_train.json").write_text(json.dumps(rows))
    (recording,) = CONVERTER.discover(tmp_path)
    return CONVERTER.convert(recording)


def texts(boxes: list[Fractions]) -> list[str]:
    return [
        SENTENCE.format(*(f"[{', '.join(f'{v:.2f}' for v in box)}]" for box in pair))
        for pair in zip(boxes[::2], boxes[1::2], strict=True)
    ]


def test_both_conventions_place_the_same_boxes(tmp_path: Path) -> None:
    found = {}
    for convention in Convention:
        root = tmp_path / convention.value
        root.mkdir()
        found[convention] = annotate(root, texts(session(7, 40, convention)))
    one, other = found[Convention.XYXY], found[Convention.XYWH]
    assert len(one.boxes) == len(other.boxes) == 80
    # Two rounded numbers make a right edge of the one, one makes that of the other.
    for a, b in zip(one.boxes, other.boxes, strict=True):
        assert a.xyxy == pytest.approx(b.xyxy, abs=13.07)
    repaired = [i.reason for i in other.issues if i.disposition is Disposition.REPAIRED]
    assert repaired[0] == "boxes_as_xywh"
    assert set(repaired[1:]) <= {"box_over_edge"}
    assert sum("clipped" in b.flags for b in other.boxes) == len(repaired) - 1
    assert not any(i.disposition is Disposition.REPAIRED for i in one.issues)


def test_an_undecided_session_loses_its_boxes_and_keeps_its_actions(tmp_path: Path) -> None:
    boxes = [*session(1, 20, Convention.XYXY), *session(2, 20, Convention.XYWH)]
    annotation = annotate(tmp_path, texts(boxes))
    assert annotation.boxes == ()
    dropped = [i for i in annotation.issues if i.disposition is Disposition.DROPPED]
    assert {i.reason for i in dropped} == {"box_convention_unclear"}
    assert len(dropped) == 80 == annotation.records_in["box"]
    assert [(s.start, s.end, s.label) for s in annotation.segments] == [
        (0, 40, "lift flap with forceps")
    ]
    assert len(annotation.triplets) == 80


def test_frozen_boxes_of_moving_instruments_are_flagged(tmp_path: Path) -> None:
    boxes = session(5, 40, Convention.XYXY)
    boxes[20:60:2] = [(0.15, 0.33, 0.37, 0.77)] * 20
    boxes[21:61:2] = [(0.48, 0.29, 0.85, 0.77)] * 20
    annotation = annotate(tmp_path, texts(boxes))
    frozen = {(b.label, b.tick) for b in annotation.boxes if "frozen" in b.flags}
    # The knife is said to rest all the time, so that its box may well stand still.
    assert frozen == {("forceps", tick) for tick in range(10, 30)}
    (issue,) = (i for i in annotation.issues if i.reason == "frozen_box")
    assert issue.disposition is Disposition.FLAGGED
    assert "on all 20 boxed frames from 11 to 30" in issue.detail


@pytest.mark.parametrize(
    ("moving", "runs"), [(FROZEN_ROWS, [(0, 11)]), (FROZEN_ROWS - 1, []), (0, [])]
)
def test_a_run_is_frozen_by_its_moving_rows(moving: int, runs: list[tuple[int, int]]) -> None:
    box: Fractions = (0.1, 0.1, 0.2, 0.2)
    assert frozen_runs([(frame, box, frame < moving) for frame in range(12)]) == runs


def test_boxes_are_cut_out_of_a_sentence() -> None:
    text, boxes = split_sentence(
        "The Forceps [0.1, 0.2, 0.3, 0.4]'s way; Knife[x] and [1, 2, 3, 4]."
    )
    assert text == "The Forceps 's way; Knife and ."
    assert [(b.instrument, b.fractions) for b in boxes] == [
        ("forceps", (0.1, 0.2, 0.3, 0.4)), ("knife", None), ("", (1.0, 2.0, 3.0, 4.0)),
    ]  # fmt: skip


@given(st.text(alphabet="0123456789.,-+eE naif_", max_size=40))
def test_only_plain_decimals_are_fractions(text: str) -> None:
    found = parse_fractions(text)
    assert found is None or (len(found) == 4 and all(np.isfinite(found)))
    if any(letter in text for letter in "eEnaif_+"):
        assert found is None


@pytest.mark.parametrize(
    ("box", "fits"),
    [
        ((0.0, 0.0, 1.0, 0.77), True), ((0.0, 0.04, 1.01, 0.78), True),
        ((0.0, 0.0, 1.02, 0.77), False), ((0.0, 0.0, 1.0, 0.79), False),
        ((-0.01, 0.0, 0.5, 0.5), False), ((0.2, 0.2, 0.2, 0.4), False),
    ],
)  # fmt: skip
def test_a_box_may_pass_the_picture_by_rounding_only(box: Fractions, fits: bool) -> None:
    assert fits_picture(box, Convention.XYXY, HEIGHT) is fits


def test_width_and_height_share_the_scale_and_the_edge_cuts() -> None:
    assert place_box((0.54, 0.42, 0.41, 0.36), Convention.XYWH, PICTURE_WH) == (
        (705.24, 548.52, 1240.7, 1009.0), True,
    )  # fmt: skip
    assert place_box((0.18, 0.20, 0.43, 0.77), Convention.XYXY, PICTURE_WH) == (
        (235.08, 261.2, 561.58, 1005.62), False,
    )  # fmt: skip


@pytest.mark.parametrize("size", [(16, 9), (653, 505), (1306, 1009)])
def test_a_jpeg_tells_its_size(size: tuple[int, int]) -> None:
    whole = encode_jpeg(np.zeros((size[1], size[0], 3), np.uint8))
    assert read_jpeg_size(io.BytesIO(whole)) == size
    exif = b"\xff\xe1\x00\x08Exif\0\0\xff\xff"
    assert read_jpeg_size(io.BytesIO(whole[:2] + exif + whole[2:])) == size


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_damaged_jpegs_have_no_size_or_a_plausible_one(noise: bytes, cut: int) -> None:
    whole = encode_jpeg(np.zeros((9, 16, 3), np.uint8))
    for content in (noise, b"\xff\xd8" + noise, whole[:cut], whole[:cut] + noise):
        size = read_jpeg_size(io.BytesIO(content))
        assert size is None or (0 < size[0] <= 1 << 15 and 0 < size[1] <= 1 << 15)
    assert read_jpeg_size(io.BytesIO(whole[:100])) is None
