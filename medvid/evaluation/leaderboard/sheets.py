"""Two entries on one clip: frames with both entries' boxes, their times over one axis."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from medvid.evaluation.rows import Box, TruthRow
from medvid.evaluation.strict.reading import read_boxes, read_events, read_spans
from medvid.media import (
    LabelledBox,
    SheetFrame,
    TimelineRow,
    contact_sheet,
    decode_jpeg,
    scale_xyxy,
)
from medvid.shards import ReleaseReader
from schemas.errors import ShardError
from schemas.sample import Sample
from schemas.source import TaskName

RgbArray = npt.NDArray[np.uint8]
Spans = tuple[tuple[float, float, str], ...]
TRUTH: Final = "truth"
MAX_FRAMES: Final = 8
MAX_BARS: Final = 40
_ACROSS: Final = 4
_TILE_WIDTH: Final = 300
_COLOURS: Final = {"A": 5, "B": 1, TRUTH: 2}


def comparison_sheet(
    row: TruthRow,
    answers: Mapping[str, str],
    reader: ReleaseReader | None,
    truth: TruthRow | None = None,
) -> RgbArray | None:
    """Draw answers to one row side by side.

    Which frames are shown follows from the clip and the answers alone, so that without `truth` the
    picture tells nothing of it.

    Args:
        row: The row without its truth.
        answers: Text by short name, `A` and `B`.
        reader: Release with the frames, or None.
        truth: The row with its truth, where it may be shown.

    Returns:
        The sheet, (h, w, 3); None where there is nothing to draw.
    """
    spans = {name: _spans(row, text) for name, text in answers.items()}
    boxes = {
        name: {round(time, 1): box for time, box in read_boxes(text)} if _boxed(row) else {}
        for name, text in answers.items()
    }
    if truth is not None:
        spans[TRUTH] = _true_spans(truth)
        boxes[TRUTH] = {round(time, 1): box for time, box in truth.boxes.items()}
    sample = None
    if reader is not None and row.sample_id is not None and row.sample_id in reader:
        sample = reader.sample(row.sample_id)
    frames = _frames(sample, reader, spans, boxes) if sample and reader else ()
    timeline = _timeline(row, spans)
    if not frames and not timeline:
        return None
    return contact_sheet(frames, timeline=timeline, columns=_ACROSS, tile_width=_TILE_WIDTH)


def _boxed(row: TruthRow) -> bool:
    return row.task is TaskName.STG


def _spans(row: TruthRow, text: str) -> Spans:
    if row.task is TaskName.TAL:
        return tuple((start, end, "") for start, end in read_spans(text)[:MAX_BARS])
    if row.task is TaskName.DENSE_CAPTIONING:
        events = read_events(text)[:MAX_BARS]
        return tuple((event.start, event.end, str(n)) for n, event in enumerate(events, 1))
    return ()


def _true_spans(row: TruthRow) -> Spans:
    if row.task is TaskName.TAL:
        return tuple((start, end, "") for start, end in row.spans)
    return tuple((event.start, event.end, str(n)) for n, event in enumerate(row.events, 1))


def _timeline(row: TruthRow, spans: Mapping[str, Spans]) -> tuple[TimelineRow, ...]:
    ends = [end for found in spans.values() for _, end, _ in found]
    if not ends:
        return ()
    duration = row.duration_s or max(ends)
    return tuple(TimelineRow(name, found, duration) for name, found in spans.items())


def _frames(
    sample: Sample,
    reader: ReleaseReader,
    spans: Mapping[str, Spans],
    boxes: Mapping[str, Mapping[float, Box]],
) -> tuple[SheetFrame, ...]:
    rate = Fraction(sample.tick_rate_num, sample.tick_rate_den)
    times = [float((tick - sample.frame_tick[0]) / rate) for tick in sample.frame_tick]
    placed = _placed(sample, times, boxes)
    answered = sorted(at for at, drawn in placed.items() if drawn)
    wanted = [*_evenly(answered, MAX_FRAMES), *_evenly(range(len(times)), MAX_FRAMES)]
    chosen = sorted(list(dict.fromkeys(wanted))[:MAX_FRAMES])
    try:
        encoded = reader.frames(
            sample.source, sample.video_id, [sample.frame_index[at] for at in chosen]
        )
    except (ShardError, FileNotFoundError):
        return ()  # a release of labels alone has no frames
    tiles = []
    for at, jpeg in zip(chosen, encoded, strict=True):
        rgb = decode_jpeg(jpeg)
        stored = (rgb.shape[1], rgb.shape[0])
        drawn = tuple(
            (_inside(scale_xyxy(xyxy, (sample.width, sample.height), stored), stored), tag, colour)
            for xyxy, tag, colour in placed.get(at, ())
        )
        inside = ", ".join(
            name for name, found in spans.items()
            if any(start <= times[at] <= end for start, end, _ in found)
        )  # fmt: skip
        tiles.append(SheetFrame(rgb, f"{times[at]:.1f} s   {inside}".rstrip(), drawn))
    return tuple(tiles)


def _placed(
    sample: Sample, times: Sequence[float], boxes: Mapping[str, Mapping[float, Box]]
) -> dict[int, tuple[LabelledBox, ...]]:
    """Boxes by position of the frame; the region a question asks about is no secret."""
    placed: dict[int, tuple[LabelledBox, ...]] = {}
    if sample.region_frame >= 0:
        position = sample.frame_index.index(sample.region_frame)
        placed[position] = ((sample.region_xyxy, "asked about", 3),)
    for name, found in boxes.items():
        for time, box in list(found.items())[:MAX_BARS]:
            at = min(range(len(times)), key=lambda i: (abs(times[i] - time), i))
            placed[at] = (*placed.get(at, ()), (box, name, _COLOURS[name]))
    return placed


def _inside(xyxy: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A box that a model wrote, kept where it can be drawn."""
    left, top, right, bottom = xyxy
    x = sorted(min(max(value, 0.0), size[0] - 1.0) for value in (left, right))
    y = sorted(min(max(value, 0.0), size[1] - 1.0) for value in (top, bottom))
    return x[0], y[0], x[1], y[1]


def _evenly(positions: Sequence[int], most: int) -> list[int]:
    if len(positions) <= most:
        return list(positions)
    return [positions[round(i * (len(positions) - 1) / (most - 1))] for i in range(most)]
