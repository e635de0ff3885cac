"""Read AVOS's boxes of hands and tools: a headerless table, pixels of each image's own size."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from converters.image_size import Size
from converters.issue_log import DROPPED, FLAGGED, REPAIRED, IssueLog
from converters.native_json import shown
from converters.open_surgery import DATASET, FRAME_HZ, HAND, INSTRUMENT, TICK_HZ
from schemas.errors import MalformedSourceError
from schemas.geometry import Box, Xyxy, clip_xyxy

BOX_TABLES: Final = (
    *(f"data/new_annotations/{part}/{part}_data_emmett_annotations.csv"
      for part in ("train", "val", "test")),
    *(f"new_annotations/{part}/{part}_data_emmett_annotations.csv"
      for part in ("train", "val", "test")),
    "train_data.csv", "val_data.csv", "test_data.csv", "raw_data.csv",
)  # fmt: skip
"""Tables of boxes, the re-edited ones with hands first; of an image only the first is read."""

IMAGE_NAME: Final = re.compile(r"([A-Za-z0-9_-]{11})-([0-9]{1,9})\.jpe?g", re.IGNORECASE)
"""Name of a boxed image: YouTube id, which may hold `-` too, and frame number at 15 a second."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,6})?")
_TICKS_A_FRAME: Final = TICK_HZ // FRAME_HZ
_ASPECT_TOLERANCE: Final = 0.02
_EDGE_PX: Final = 8
"""Boxes may pass the edge of their image by so little and still belong to it."""

USUAL_SIZES_WH: Final = (
    (320, 240), (480, 360), (640, 360), (640, 480), (854, 480), (960, 720), (1280, 720),
    (1920, 1080),
)  # fmt: skip
"""Sizes of videos, smallest first."""

_DOUBTS: Final = {
    "box_size_assumed": (
        "boxed images are absent, so boxes are read as pixels of the video at hand.",
        "Put the boxed images in place, or compare the video with the boxes.",
    ),
    "box_size_guessed": (
        "no picture is at hand; boxes are read as pixels of the smallest usual size around them.",
        "Put the boxed images or the video in place.",
    ),
}
_COLUMNS: Final = 6

Cells = Sequence[str]


def parse_box_table(handle: TextIO, *, source: str) -> Iterator[tuple[str, list[str]]]:
    """Read a table of boxes: `path,x1,y1,x2,y2,class`, or `path,,,,,` for an image without any.

    Args:
        handle: Open text handle, decoded as UTF-8.
        source: File relative to the source root, for the error.

    Yields:
        File name at the end of the path, and the five values after it, in file order.

    Raises:
        MalformedSourceError: The text is not UTF-8 or a row has another number of values.
    """
    reader = csv.reader(handle)
    try:
        for row in reader:
            if not any(row):
                continue
            if len(row) != _COLUMNS:
                raise MalformedSourceError(
                    f"a row holds {len(row)} values, not {_COLUMNS}.", dataset=DATASET,
                    source=source, line=reader.line_num,
                )  # fmt: skip
            yield re.split(r"[/\\]", row[0])[-1], [cell.strip() for cell in row[1:]]
    except (csv.Error, UnicodeDecodeError) as error:
        raise MalformedSourceError(
            f"the file cannot be read as a table: {error}.", dataset=DATASET, source=source,
            line=reader.line_num + 1,
        ) from error  # fmt: skip


@dataclass(frozen=True, slots=True)
class Canvas:
    """The pictures that a video's boxes are given on, and those they were drawn on.

    Attributes:
        size: Size of the video's own pictures, else of its boxed images, else a usual size that
            holds all its boxes; None where there is nothing to tell it from.
        image_sizes: Sizes of boxed images at hand, by frame number.
        doubt: Reason word where the size boxes were drawn in is not known for sure, else None.
    """

    size: Size | None
    image_sizes: Mapping[int, Size]
    doubt: str | None = None

    def drawn_size(self, frame: int) -> Size | None:
        """Size of a boxed image, those of one video being alike where its own is not at hand."""
        return self.image_sizes.get(frame) or next(iter(self.image_sizes.values()), self.size)


def choose_canvas(
    media_size: Size | None, image_sizes: Mapping[int, Size], rows: Iterable[Cells]
) -> Canvas:
    """Decide what size a video's boxes were drawn in and are given in.

    Args:
        media_size: Size of the video's own pictures, None where none is at hand.
        image_sizes: Sizes of boxed images at hand, by frame number.
        rows: The video's boxes, as for `read_boxes`.
    """
    if image_sizes:
        return Canvas(media_size or next(iter(image_sizes.values())), image_sizes)
    right, bottom = _extent(rows)
    if right <= 0:
        return Canvas(media_size, image_sizes)
    if media_size is not None:
        fits = right <= media_size[0] + _EDGE_PX and bottom <= media_size[1] + _EDGE_PX
        return Canvas(media_size, image_sizes, "box_size_assumed" if fits else "image_too_small")
    usual = (size for size in USUAL_SIZES_WH if right <= size[0] and bottom <= size[1])
    guess = next(usual, None)
    return Canvas(guess, image_sizes, "box_size_guessed" if guess else "image_too_small")


def _extent(rows: Iterable[Cells]) -> tuple[float, float]:
    corners = [row[3:5] for row in rows if all(_NUMBER.fullmatch(cell) for cell in row[3:5])]
    return (
        max((float(right) for right, _ in corners), default=0.0),
        max((float(bottom) for _, bottom in corners), default=0.0),
    )


def read_boxes(
    log: IssueLog, rows: Iterable[Cells], canvas: Canvas, duration_ticks: int | None
) -> list[Box]:
    """Read one video's rows of one table.

    Args:
        log: Takes faults and counts: `box`, `image_without_box`.
        rows: Frame number, x1, y1, x2, y2 and class, as text.
        canvas: The pictures that the boxes are given on.
        duration_ticks: Length of the video, or None.

    Returns:
        Boxes in pixels of `canvas.size`, in file order.
    """
    read = list(_rows(log, rows, duration_ticks))
    if read and canvas.doubt in _DOUBTS:
        detail, action = _DOUBTS[canvas.doubt]
        log.add(canvas.doubt, "box", FLAGGED, detail, action)
    return [box for row in read if (box := _place(row, canvas))]


@dataclass(frozen=True, slots=True)
class _Row:
    """A readable row: its frame, box in its image's pixels, class and place in the file."""

    log: IssueLog
    frame: int
    xyxy: Xyxy
    label: str
    position: int

    def drop(self, reason: str, detail: str, action: str) -> None:
        _drop(self.log, self.position, self.frame, reason, detail, action)


def _drop(
    log: IssueLog, position: int, frame: int | str, reason: str, detail: str, action: str
) -> None:
    log.add(reason, "box", DROPPED, detail, action, where=f"frame[{frame}]", at=(position, 0))


def _rows(log: IssueLog, rows: Iterable[Cells], duration_ticks: int | None) -> Iterator[_Row]:
    seen: Counter[tuple[str, ...]] = Counter()
    for position, cells in enumerate(rows):
        frame, values = int(cells[0]), cells[1:]
        if not any(values):
            log.counts["image_without_box"] += 1
            continue
        log.counts["box"] += 1
        seen[tuple(cells)] += 1
        fault = _fault(values, seen[tuple(cells)], frame, duration_ticks)
        if fault is not None:
            _drop(log, position, frame, *fault)
            continue
        x1, y1, x2, y2 = (float(value) for value in values[:4])
        yield _Row(log, frame, (x1, y1, x2, y2), _label(values[4]) or "", position)


def _label(name: str) -> str | None:
    if name in HAND.labels:
        return name
    known = name in INSTRUMENT.labels or name in INSTRUMENT.aliases
    return INSTRUMENT.label(name) if known else None


def _fault(
    values: Cells, times: int, frame: int, duration_ticks: int | None
) -> tuple[str, str, str] | None:
    """Reason, detail and action for a row that cannot be used; None for one that can."""
    if not all(_NUMBER.fullmatch(value) for value in values[:4]):
        return "malformed_box", f"{shown(list(values[:4]))} are no pixels.", "Correct the row."
    if _label(values[4]) is None:
        return "unknown_class", f"{shown(values[4])} is no class of a box.", "Correct the class."
    if times > 1:
        return "duplicate_row", "an earlier row is equal.", "Nothing to do: one of the two is used."
    x1, y1, x2, y2 = (float(value) for value in values[:4])
    if x1 >= x2 or y1 >= y2:
        return "empty_box", f"{shown(list(values[:4]))} has no area.", "Draw the box again."
    if duration_ticks is not None and frame * _TICKS_A_FRAME >= duration_ticks:
        return ("frame_past_duration", f"frame {frame} lies past the end of the video.",
                "Check the video's duration.")  # fmt: skip
    return None


def _place(row: _Row, canvas: Canvas) -> Box | None:
    """Scale a box from its image to the video's pictures and cut it to them."""
    target, size = canvas.size, canvas.drawn_size(row.frame)
    if target is None or size is None or canvas.doubt == "image_too_small":
        row.drop(
            "image_too_small", "boxes of this video pass the edge of its pictures by far.",
            "Put the boxed images in place: they tell the size of the boxes.",
        )  # fmt: skip
        return None
    across, down = target[0] / size[0], target[1] / size[1]
    if abs(across / down - 1) > _ASPECT_TOLERANCE:
        row.drop(
            "image_shape_differs",
            f"the boxed image is {size[0]}x{size[1]}, the video {target[0]}x{target[1]}.",
            "Fetch the video in the shape it was labelled in.",
        )  # fmt: skip
        return None
    x1, y1, x2, y2 = row.xyxy
    scaled = (x1 * across, y1 * down, x2 * across, y2 * down)
    clipped, changed = clip_xyxy(scaled, target)
    if clipped is None:
        row.drop(
            "box_outside_image", f"the box lies outside its {size[0]}x{size[1]} image.",
            "Draw the box again.",
        )  # fmt: skip
        return None
    if changed:
        row.log.add(
            "box_clipped", "box", REPAIRED, f"the box passes the edge of its {size[0]}x{size[1]}"
            " image and is cut to it.", "Nothing to do.", where=f"frame[{row.frame}]",
            at=(row.position, 0),
        )  # fmt: skip
    return Box(
        tick=row.frame * _TICKS_A_FRAME, xyxy=clipped, label=row.label,
        flags=("clipped",) if changed else (),
    )  # fmt: skip
