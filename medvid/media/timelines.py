"""Segments and answers as bars on a time axis."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from medvid.media.lettering import Font, load_font, plain, shorten, text_width, wrap
from medvid.media.overlays import INK, PAPER, color_of, text_color_on

_BAR_PX = 22
_LANE_PX = _BAR_PX + 4
_ROW_GAP_PX = 8
_FONT_PX = 13
_AXIS_PX = 26
_RIGHT_PX = 28
_NAME_SHARE = 0.22
_LABEL_PAD_PX = 4
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MOST_TICKS = 12
_GRID = (226, 226, 226)
_TRACK = (246, 246, 246)


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One line of a timeline.

    Attributes:
        name: What the bars are, e.g. `phases` or `answer`.
        spans: `(start_s, end_s, label)` in seconds; overlapping spans are stacked.
        duration_s: Length of what the row spans, in seconds; the longest row sets the axis.
    """

    name: str
    spans: tuple[tuple[float, float, str], ...]
    duration_s: float


@dataclass(frozen=True, slots=True)
class _Axis:
    left: int
    width: int
    duration_s: float

    def x(self, time_s: float) -> int:
        """Pixel column of a time, kept on the axis."""
        share = min(max(time_s / self.duration_s, 0.0), 1.0)
        return self.left + round(share * (self.width - 1))


def draw_timeline(rows: Sequence[TimelineRow], width_px: int) -> Image.Image:
    """Draw rows of bars over a common time axis.

    A label stands in its bar, else beside it, else in a legend below; one label has one colour.

    Args:
        rows: At least one row.
        width_px: Width of the picture.
    """
    font = load_font(_FONT_PX)
    most = int(width_px * _NAME_SHARE)
    names = [shorten(plain(row.name), font, most) for row in rows]
    left = max(text_width(name, font) for name in names) + 12
    duration_s = max([row.duration_s for row in rows if row.duration_s > 0] or [1.0])
    axis = _Axis(left, max(1, width_px - left - _RIGHT_PX), duration_s)
    lanes = [_stack(row.spans) for row in rows]
    labels = list(dict.fromkeys(plain(span[2]) for row in rows for span in row.spans))
    colors = {label: index for index, label in enumerate(labels)}
    heights = [max(1, len(stack)) * _LANE_PX + _ROW_GAP_PX for stack in lanes]
    canvas = Image.new("RGB", (width_px, sum(heights) + _AXIS_PX), PAPER)
    draw = ImageDraw.Draw(canvas)
    _draw_axis(draw, axis, sum(heights), font)
    hidden: set[str] = set()
    top = 0
    for name, stack, height in zip(names, lanes, heights, strict=True):
        middle = top + (height - _ROW_GAP_PX) // 2
        draw.text((0, middle), name, font=font, fill=INK, anchor="lm")
        for number, lane in enumerate(stack):
            hidden |= _draw_lane(draw, axis, lane, top + number * _LANE_PX, colors, font)
        top += height
    return _with_legend(canvas, [label for label in labels if label in hidden], colors, font)


Span = tuple[float, float, str]


def _stack(spans: Sequence[Span]) -> list[list[Span]]:
    """Share spans out to as few lanes as keep them apart, earliest first."""
    lanes: list[list[Span]] = []
    for span in sorted(spans):
        free = next((lane for lane in lanes if lane[-1][1] <= span[0]), None)
        if free is None:
            lanes.append([span])
        else:
            free.append(span)
    return lanes


def _draw_axis(draw: ImageDraw.ImageDraw, axis: _Axis, bottom: int, font: Font) -> None:
    draw.rectangle((axis.left, 0, axis.left + axis.width - 1, bottom - _ROW_GAP_PX), fill=_TRACK)
    at = bisect_left(_TICKS_S, axis.duration_s / _MOST_TICKS)
    step = _TICKS_S[min(at, len(_TICKS_S) - 1)]
    right = 0
    for number in range(int(axis.duration_s / step + 1e-9) + 1):
        x = axis.x(number * step)
        draw.line((x, 0, x, bottom - 2), fill=_GRID)
        text = _clock(number * step, step)
        half = text_width(text, font) // 2
        if number == 0 or x - half > right + 6:
            draw.text((x, bottom), text, font=font, fill=INK, anchor="ma")
            right = x + half
    draw.line((axis.left, bottom - 2, axis.left + axis.width - 1, bottom - 2), fill=INK)


def _clock(time_s: float, step_s: float) -> str:
    """A time on the axis: `12 s`, `0.5 s`, `2:05`, `1:02:05`."""
    if step_s < 15:
        return f"{time_s:.1f} s" if step_s < 1 else f"{time_s:.0f} s"
    minutes, seconds = divmod(round(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _draw_lane(
    draw: ImageDraw.ImageDraw,
    axis: _Axis,
    lane: Sequence[Span],
    top: int,
    colors: dict[str, int],
    font: Font,
) -> set[str]:
    """Draw one lane of bars; the labels that could not be written out."""
    hidden = set()
    for number, (start_s, end_s, text) in enumerate(lane):
        label = plain(text)
        x1, x2 = axis.x(start_s), axis.x(end_s)
        x2 = max(x2, x1 + 3)  # an answer of one frame has no length, and must be seen
        color = color_of(colors[label])
        draw.rectangle((x1, top + 2, x2, top + 2 + _BAR_PX), fill=color, outline=PAPER)
        middle = top + 2 + _BAR_PX // 2
        following = axis.x(lane[number + 1][0]) if number + 1 < len(lane) else axis.x(1e18)
        needed = text_width(label, font) + 2 * _LABEL_PAD_PX
        if needed <= x2 - x1:
            at, ink, shown = x1, text_color_on(color), label
        elif needed <= following - x2:
            at, ink, shown = x2, INK, label
        else:
            hidden.add(label)
            at, ink = x1, text_color_on(color)
            shown = shorten(label, font, x2 - x1 - 2 * _LABEL_PAD_PX)
        draw.text((at + _LABEL_PAD_PX, middle), shown, font=font, fill=ink, anchor="lm")
    return hidden


def _with_legend(
    canvas: Image.Image, labels: Sequence[str], colors: dict[str, int], font: Font
) -> Image.Image:
    """Add a legend of labels below, in as many lines as it takes."""
    entries = [(label, wrap(label, font, canvas.width - 24, 1)[0]) for label in labels if label]
    places: list[tuple[int, int, str, str]] = []
    x = y = 0
    for label, shown in entries:
        width = text_width(shown, font) + 34
        if x and x + width > canvas.width:
            x, y = 0, y + _LANE_PX
        places.append((x, y, label, shown))
        x += width
    if not places:
        return canvas
    whole = Image.new("RGB", (canvas.width, canvas.height + places[-1][1] + _LANE_PX), PAPER)
    whole.paste(canvas, (0, 0))
    draw = ImageDraw.Draw(whole)
    for x, y, label, shown in places:
        middle = canvas.height + y + _LANE_PX // 2
        draw.rectangle((x, middle - 6, x + 12, middle + 6), fill=color_of(colors[label]))
        draw.text((x + 18, middle), shown, font=font, fill=INK, anchor="lm")
    return whole
