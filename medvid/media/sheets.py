"""Contact sheets: a clip's frames with boxes, and its segments and answers on a time axis."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from medvid.media.lettering import LINE_HEIGHT, load_font, wrap
from medvid.media.libav import RgbArray
from medvid.media.overlays import INK, PAPER, LabelledBox, draw_boxes, scale_xyxy
from medvid.media.timelines import TimelineRow, draw_timeline

_MARGIN_PX = 16
_GAP_PX = 10
_TITLE_PX = 20
_TEXT_PX = 15
_CAPTION_PX = 13
_CAPTION_LINES = 2
_LEAST_WIDTH_PX = 640
_TAG_SHARE = 1 / 24
_RULE = (200, 200, 200)


@dataclass(frozen=True, slots=True)
class SheetFrame:
    """One picture of a contact sheet.

    Attributes:
        rgb: Picture (h, w, 3).
        caption: Text below it, cut after two lines.
        boxes: `xyxy` in pixels of this picture, text, and index of a colour.
    """

    rgb: npt.NDArray[np.uint8]
    caption: str
    boxes: tuple[LabelledBox, ...] = ()


def contact_sheet(
    frames: Sequence[SheetFrame],
    *,
    title: Sequence[str] = (),
    timeline: Sequence[TimelineRow] = (),
    columns: int = 4,
    tile_width: int = 320,
) -> RgbArray:
    """Lay frames out in a grid, under a title and a timeline; same arguments, same pixels.

    Args:
        frames: Pictures in reading order, of any sizes.
        title: Paragraphs; the first is the heading. Long ones are wrapped.
        timeline: Rows of bars over a common axis.
        columns: Pictures in a row, at least one.
        tile_width: Width of a picture on the sheet in pixels, at least 64.

    Returns:
        The sheet, RGB, (h, w, 3).
    """
    tiles = [_draw_tile(frame, tile_width) for frame in frames]
    across = min(columns, max(1, len(tiles)))
    width = max(across * tile_width + (across - 1) * _GAP_PX, _LEAST_WIDTH_PX)
    parts = [
        *([_draw_title(title, width)] if title else []),
        *([draw_timeline(timeline, width)] if timeline else []),
        *(
            _join(tiles[start : start + across], width, tile_width)
            for start in range(0, len(tiles), across)
        ),
    ]
    height = sum(part.height for part in parts) + _GAP_PX * max(0, len(parts) - 1)
    sheet = Image.new("RGB", (width + 2 * _MARGIN_PX, height + 2 * _MARGIN_PX), PAPER)
    top = _MARGIN_PX
    for part in parts:
        sheet.paste(part, (_MARGIN_PX, top))
        top += part.height + _GAP_PX
    return np.array(sheet, dtype=np.uint8)


def write_png(path: Path, rgb: npt.NDArray[np.uint8]) -> None:
    """Write a picture (h, w, 3) as PNG without metadata; the file appears whole or not at all."""
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(encoded, format="PNG")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(encoded.getvalue())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _draw_tile(frame: SheetFrame, tile_width: int) -> Image.Image:
    """A picture with its boxes, and its caption below."""
    height, width, _ = frame.rgb.shape
    tile_wh = (tile_width, max(1, round(height * tile_width / width)))
    shrinks = tile_wh[0] < width
    scaled = cv2.resize(
        np.ascontiguousarray(frame.rgb), tile_wh,
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
    )  # fmt: skip
    picture = Image.fromarray(scaled.astype(np.uint8))
    boxes = [
        (scale_xyxy(xyxy, (width, height), tile_wh), text, color)
        for xyxy, text, color in frame.boxes
    ]
    draw_boxes(picture, boxes, max(11, round(tile_width * _TAG_SHARE)))
    font = load_font(_CAPTION_PX)
    lines = wrap(frame.caption, font, tile_width, _CAPTION_LINES)
    step = round(_CAPTION_PX * LINE_HEIGHT)
    tile = Image.new("RGB", (tile_width, picture.height + step * len(lines) + 4), PAPER)
    tile.paste(picture, (0, 0))
    draw = ImageDraw.Draw(tile)
    for number, line in enumerate(lines):
        draw.text((0, picture.height + 4 + number * step), line, font=font, fill=INK)
    return tile


def _draw_title(paragraphs: Sequence[str], width: int) -> Image.Image:
    """The heading and its paragraphs, above a rule."""
    placed: list[tuple[int, str, int, bool]] = []
    top = 0
    for number, paragraph in enumerate(paragraphs):
        size, bold = (_TITLE_PX, True) if number == 0 else (_TEXT_PX, False)
        for line in wrap(paragraph, load_font(size, bold=bold), width):
            placed.append((top, line, size, bold))
            top += round(size * LINE_HEIGHT)
        top += 4
    canvas = Image.new("RGB", (width, top + 4), PAPER)
    draw = ImageDraw.Draw(canvas)
    for line_top, line, size, bold in placed:
        draw.text((0, line_top), line, font=load_font(size, bold=bold), fill=INK)
    draw.line((0, top + 2, width, top + 2), fill=_RULE)
    return canvas


def _join(tiles: Sequence[Image.Image], width: int, tile_width: int) -> Image.Image:
    """Tiles side by side, on one upper edge."""
    row = Image.new("RGB", (width, max(tile.height for tile in tiles)), PAPER)
    for number, tile in enumerate(tiles):
        row.paste(tile, (number * (tile_width + _GAP_PX), 0))
    return row
