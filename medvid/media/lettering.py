"""Text in pictures: one font with wide coverage, measured, wrapped and shortened to fit."""

import importlib.util
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
ELLIPSIS = "…"
LINE_HEIGHT = 1.35
"""Distance of base lines as a multiple of the font size."""


@lru_cache(maxsize=64)
def load_font(size_px: int, *, bold: bool = False) -> Font:
    """DejaVu Sans, which matplotlib carries and which covers Latin, Greek, Cyrillic and symbols.

    Args:
        size_px: Height of a line of capitals and descenders in pixels.
        bold: Whether to take the bold face.
    """
    spec = importlib.util.find_spec("matplotlib")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return ImageFont.truetype(path, size_px, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size_px)


def plain(text: str) -> str:
    """Text on one line: white space and unprintable characters become single spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def text_width(text: str, font: Font) -> int:
    """Advance of a line of text in pixels, rounded up."""
    return int(-(-font.getlength(text) // 1))


def shorten(text: str, font: Font, width_px: int) -> str:
    """The longest beginning of a text that fits, with an ellipsis where something is missing.

    Returns:
        The text; empty where not even a letter and the ellipsis fit.
    """
    if text_width(text, font) <= width_px:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + ELLIPSIS, font) <= width_px:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS if low else ""


def wrap(text: str, font: Font, width_px: int, max_lines: int | None = None) -> list[str]:
    """Break a text into lines that fit, at spaces where there are any.

    Args:
        text: Any text; white space runs count as one space.
        font: Font it will be drawn in.
        width_px: Width of a line in pixels.
        max_lines: Most lines; what is left over is cut with an ellipsis. None for any number.
    """
    lines: list[str] = []
    rest = plain(text)
    while rest:
        if max_lines is not None and len(lines) == max_lines - 1:
            return [*lines, shorten(rest, font, width_px)]
        line = _first_line(rest, font, width_px)
        lines.append(line)
        rest = rest[len(line) :].lstrip()
    return lines


def _first_line(text: str, font: Font, width_px: int) -> str:
    if text_width(text, font) <= width_px:
        return text
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if text_width(longer, font) > width_px:
            break
        line = longer
    if line:
        return line
    end = 1
    while end < len(text) and text_width(text[: end + 1], font) <= width_px:
        end += 1
    return text[:end]
