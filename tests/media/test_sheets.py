"""Contact sheets: every part is drawn, in its place, the same way each time."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medvid.media import (
    LabelledBox,
    SheetFrame,
    TimelineRow,
    contact_sheet,
    read_image,
    scale_xyxy,
    write_png,
)
from medvid.media.lettering import load_font, shorten, text_width, wrap
from medvid.media.overlays import INK, PALETTE, text_color_on
from medvid.media.timelines import draw_timeline

RgbArray = npt.NDArray[np.uint8]
MARGIN = 16


def frame(caption: str = "12.0 s", boxes: tuple[LabelledBox, ...] = ()) -> SheetFrame:
    return SheetFrame(np.full((90, 160, 3), 128, dtype=np.uint8), caption, boxes)


def has_color(rgb: RgbArray, color: tuple[int, int, int]) -> RgbArray:
    found: RgbArray = (rgb == np.array(color, dtype=np.uint8)).all(axis=-1)
    return found


def test_boxes_scale_with_the_picture() -> None:
    assert scale_xyxy((10, 20, 30, 40), (100, 100), (200, 50)) == (20, 10, 60, 20)


def test_a_box_lies_where_the_tile_shows_its_object() -> None:
    sheet = contact_sheet([frame(boxes=(((40, 45, 80, 90), "", 0),))], tile_width=320)
    rows, columns = np.nonzero(has_color(sheet, PALETTE[0]))
    assert (columns.min() - MARGIN, columns.max() - MARGIN) == (80, 159)
    assert (rows.min() - MARGIN, rows.max() - MARGIN) == (90, 179)


def test_a_box_past_the_edge_stays_on_its_tile() -> None:
    sheet = contact_sheet([frame(boxes=(((-50, -50, 900, 900), "", 1),))], tile_width=320)
    rows, columns = np.nonzero(has_color(sheet, PALETTE[1]))
    assert (columns.min(), columns.max()) == (MARGIN, MARGIN + 319)
    assert (rows.min(), rows.max()) == (MARGIN, MARGIN + 179)


def test_tags_do_not_hide_each_other() -> None:
    box = (40.0, 45.0, 80.0, 90.0)
    boxes = tuple((box, f"instrument {number}", number) for number in range(3))
    sheet = contact_sheet([frame(boxes=boxes)], tile_width=320)
    one = contact_sheet([frame(boxes=boxes[:1])], tile_width=320)
    tag_pixels = [int(has_color(sheet, PALETTE[number]).sum()) for number in range(3)]
    assert min(tag_pixels) > 0.4 * int(has_color(one, PALETTE[0]).sum())


def test_tiles_stand_in_rows(tmp_path: Path) -> None:
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    frames = [SheetFrame(np.full((80, 80, 3), color, dtype=np.uint8), "") for color in colors]
    sheet = contact_sheet(frames, columns=2, tile_width=400)
    centers = [np.argwhere(has_color(sheet, color)).mean(axis=0) for color in colors]
    assert centers[0][0] == centers[1][0] < centers[2][0]
    assert centers[0][1] == centers[2][1] < centers[1][1]


def test_a_sheet_is_the_same_each_time() -> None:
    def draw() -> RgbArray:
        return contact_sheet(
            [frame("naïve µ ≥ 5 °C", (((1, 2, 60, 70), "hook", 3),))] * 5,
            title=("Title", "words " * 60),
            timeline=[TimelineRow("phase", ((0, 3, "a"), (3, 9, "b")), 10)],
        )

    assert np.array_equal(draw(), draw())


def test_long_titles_make_the_sheet_higher_not_wider() -> None:
    short = contact_sheet([frame()], title=("Title", "words"))
    long = contact_sheet([frame()], title=("Title", "words " * 200))
    assert long.shape[0] > short.shape[0]
    assert long.shape[1] == short.shape[1]


def test_captions_are_cut_after_two_lines() -> None:
    one = contact_sheet([frame("a")])
    two = contact_sheet([frame("word " * 12)])
    many = contact_sheet([frame("word " * 400)])
    assert one.shape[0] < two.shape[0] == many.shape[0]


@pytest.mark.parametrize("frames", [[], [frame("")]])
def test_a_sheet_needs_nothing(frames: list[SheetFrame]) -> None:
    assert contact_sheet(frames).ndim == 3
    assert contact_sheet(frames, timeline=[TimelineRow("empty", (), 0.0)]).ndim == 3


def pixels(row: TimelineRow, width: int = 1000) -> RgbArray:
    return np.asarray(draw_timeline([row], width))


def test_bars_are_as_long_as_their_spans() -> None:
    rgb = pixels(TimelineRow("row", ((0, 50, "a"), (50, 60, "b")), 100))
    widths = [int(np.ptp(np.nonzero(has_color(rgb, PALETTE[number]))[1])) for number in range(2)]
    assert widths[0] / widths[1] == pytest.approx(5, rel=0.05)


def test_an_instant_can_be_seen() -> None:
    rgb = pixels(TimelineRow("answer", ((66.0, 66.0, "clip"),), 1000))
    assert has_color(rgb, PALETTE[0]).sum() > 20


def test_overlapping_bars_are_stacked() -> None:
    apart = pixels(TimelineRow("row", ((0, 5, "a"), (5, 9, "b")), 10))
    stacked = pixels(TimelineRow("row", ((0, 6, "a"), (5, 9, "b")), 10))
    assert stacked.shape[0] > apart.shape[0]


def test_labels_without_room_go_to_a_legend() -> None:
    spans = tuple((float(s), s + 0.5, f"a long label number {s % 3}") for s in range(60))
    crowded = pixels(TimelineRow("row", spans, 60))
    roomy = pixels(TimelineRow("row", ((0, 30, "a"), (30, 60, "b")), 60))
    assert crowded.shape[0] > roomy.shape[0]


def test_one_label_has_one_color_over_rows() -> None:
    rows = [TimelineRow("x", ((0, 5, "cut"),), 10), TimelineRow("y", ((5, 10, "cut"),), 10)]
    rgb = np.asarray(draw_timeline(rows, 800))
    assert has_color(rgb, PALETTE[0]).any()
    assert not has_color(rgb, PALETTE[1]).any()


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60), width=st.integers(0, 300))
def test_shortened_text_fits(text: str, width: int) -> None:
    font = load_font(13)
    shown = shorten(text, font, width)
    assert not shown or text_width(shown, font) <= width
    assert shown == text or shown == "" or shown.endswith("…")


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=120), width=st.integers(20, 300))
def test_wrapped_text_fits_and_loses_nothing(text: str, width: int) -> None:
    font = load_font(13)
    lines = wrap(text, font, width)
    assert all(len(line) == 1 or text_width(line, font) <= width for line in lines)
    shown = "".join(c for c in text if c.isprintable() and not c.isspace())
    assert "".join("".join(lines).split()) == shown


def test_text_is_dark_on_bright_and_bright_on_dark() -> None:
    assert text_color_on((240, 228, 66)) == INK
    assert text_color_on((0, 60, 90)) != INK


def test_a_png_is_written_whole_and_bare(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    path = tmp_path / "sheet.png"
    path.write_text("older")
    write_png(path, rgb)
    assert np.array_equal(read_image(path), rgb)
    assert [entry.name for entry in tmp_path.iterdir()] == ["sheet.png"]
    with Image.open(path) as image:
        assert image.info == {}
