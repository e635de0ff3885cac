"""Boxes drawn on pictures: colours that everyone can tell apart, tags that stay readable."""

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

from medvid.media.lettering import LINE_HEIGHT, Font, load_font, plain, shorten, text_width

Color = tuple[int, int, int]
Rect = tuple[int, int, int, int]
LabelledBox = tuple[Sequence[float], str, int]
"""`xyxy` in pixels of the picture it belongs to, text, and index into `PALETTE`, wrapping."""

PALETTE: Final[tuple[Color, ...]] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167),
    (240, 228, 66), (213, 94, 0), (0, 114, 178), (148, 103, 189),
)  # fmt: skip
"""Okabe and Ito's colours for colour-blind readers, bright ones first, violet for black."""

INK: Final[Color] = (32, 32, 32)
PAPER: Final[Color] = (255, 255, 255)


def scale_xyxy(
    xyxy: Sequence[float], from_wh: tuple[int, int], to_wh: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Move a box from a picture of one size to the same picture of another size.

    Args:
        xyxy: Left, top, right, bottom in pixels of the first size.
        from_wh: Width and height the box is given in.
        to_wh: Width and height of the result.
    """
    x_scale, y_scale = to_wh[0] / from_wh[0], to_wh[1] / from_wh[1]
    x1, y1, x2, y2 = xyxy
    return (x1 * x_scale, y1 * y_scale, x2 * x_scale, y2 * y_scale)


def color_of(index: int) -> Color:
    """Colour of an index, repeating past the end of the palette."""
    return PALETTE[index % len(PALETTE)]


def text_color_on(background: Color) -> Color:
    """Black or white, whichever is easier to read (relative luminance, ITU-R BT.709)."""
    red, green, blue = background
    return INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 140 else PAPER


def draw_boxes(image: Image.Image, boxes: Sequence[LabelledBox], font_px: int) -> None:
    """Draw boxes with their tags on a picture, in place.

    Outlines have a dark rim, so that they show on any ground; a tag stands where it hides no other.

    Args:
        image: RGB picture.
        boxes: Boxes in pixels of this picture.
        font_px: Size of the tags' letters in pixels.
    """
    draw = ImageDraw.Draw(image)
    thick = max(2, font_px // 6)
    for xyxy, _, index in boxes:
        rect = _inside(xyxy, image.size)
        draw.rectangle(_grown(rect, 1), outline=INK, width=thick + 2)
        draw.rectangle(rect, outline=color_of(index), width=thick)
    font = load_font(font_px)
    taken: list[Rect] = []
    for xyxy, text, index in boxes:
        tag = shorten(plain(text), font, image.width - 6)
        if tag:
            rect = _tag_place(_inside(xyxy, image.size), tag, font, font_px, image.size, taken)
            taken.append(rect)
            draw.rectangle(rect, fill=color_of(index), outline=INK)
            draw.text(
                (rect[0] + 3, (rect[1] + rect[3]) / 2),
                tag, font=font, fill=text_color_on(color_of(index)), anchor="lm",
            )  # fmt: skip


def _inside(xyxy: Sequence[float], size_wh: tuple[int, int]) -> Rect:
    """Whole pixels a half-open box covers, kept on the picture, at least one."""
    width, height = size_wh
    x1, y1 = min(max(0, round(xyxy[0])), width - 1), min(max(0, round(xyxy[1])), height - 1)
    x2, y2 = min(round(xyxy[2]), width) - 1, min(round(xyxy[3]), height) - 1
    return x1, y1, max(x1, x2), max(y1, y2)


def _grown(rect: Rect, margin: int) -> Rect:
    return rect[0] - margin, rect[1] - margin, rect[2] + margin, rect[3] + margin


def _tag_place(
    box: Rect, text: str, font: Font, font_px: int, size_wh: tuple[int, int], taken: list[Rect]
) -> Rect:
    """Where a tag goes: the first free place above, below, beside or else inside its box."""
    width, height = text_width(text, font) + 6, round(font_px * LINE_HEIGHT)
    x1, y1, x2, y2 = box
    places = [
        (x1, y1 - height), (x1, y2), (x2 - width, y1 - height), (x2 - width, y2), (x2, y1),
        (x1, y1), (x1, y2 - height),
    ]  # fmt: skip
    rects = [_kept_on(x, y, width, height, size_wh) for x, y in places]
    wanted = [rect for rect, (_, y) in zip(rects, places, strict=True) if rect[1] == y]
    free = [r for r in [*wanted, *rects] if not any(_overlap(r, other) for other in taken)]
    return (free or rects)[0]


def _kept_on(x: int, y: int, width: int, height: int, size_wh: tuple[int, int]) -> Rect:
    left = min(max(0, x), max(0, size_wh[0] - width))
    top = min(max(0, y), max(0, size_wh[1] - height))
    return left, top, left + width - 1, top + height - 1


def _overlap(a: Rect, b: Rect) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
