"""An answer as a picture: frames with true and predicted boxes, both on one time axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from medvid.evaluation.official.timing import box_iou
from medvid.evaluation.rows import Box, TruthRow
from medvid.evaluation.strict.grounding import pair_boxes
from medvid.evaluation.strict.reading import read_boxes, read_events, read_spans
from medvid.media import (
    LabelledBox,
    SheetFrame,
    TimelineRow,
    contact_sheet,
    decode_jpeg,
    encode_jpeg,
    scale_xyxy,
)
from medvid.shards import ReleaseReader
from schemas.errors import ShardError
from schemas.sample import Sample
from schemas.source import TaskName

MAX_FRAMES: Final = 8
COLUMNS: Final = 4
TILE_WIDTH: Final = 300
QUALITY: Final = 82
MAX_BARS: Final = 40
"""Bars of a timeline row: a model that loops can write thousands of spans."""

TRUE_COLOUR: Final = 2
GUESS_COLOUR: Final = 5
REGION_COLOUR: Final = 1

Spans = tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Marks:
    """What truth and prediction say about times and places.

    Attributes:
        true_spans: `(start, end, text)` in clip-relative seconds.
        guess_spans: The same of the answer.
        boxes: `(true, predicted)` by second asked about; None where there is none.
        note: What a picture cannot show.
    """

    true_spans: Spans = ()
    guess_spans: Spans = ()
    boxes: Mapping[float, tuple[Box, Box | None]] = field(default_factory=dict)
    note: str = ""


def read_marks(row: TruthRow, text: str) -> Marks:
    """Read from truth and answer what can be drawn."""
    match row.task:
        case TaskName.TAL:
            guess = read_spans(text)
            return Marks(
                tuple((start, end, "truth") for start, end in row.spans),
                tuple((start, end, "prediction") for start, end in guess[:MAX_BARS]),
                note=_too_many(len(guess)),
            )
        case TaskName.DENSE_CAPTIONING:
            events = read_events(text)
            return Marks(
                tuple((e.start, e.end, str(n)) for n, e in enumerate(row.events, 1)),
                tuple((e.start, e.end, str(n)) for n, e in enumerate(events[:MAX_BARS], 1)),
                note=_too_many(len(events)),
            )
        case TaskName.STG:
            pairs = pair_boxes(list(row.boxes.items()), read_boxes(text), row.fps)
            return Marks(boxes={time: (box, guess) for time, box, guess in pairs})
        case _:
            return Marks()


def draw_example(row: TruthRow, text: str, reader: ReleaseReader | None) -> bytes | None:
    """Draw an answer against its truth.

    Args:
        row: The row.
        text: The answer.
        reader: Release with the frames, or None.

    Returns:
        A JPEG; None where there is nothing to draw: no frames, and no times either.
    """
    marks = read_marks(row, text)
    sample = _sample(row, reader)
    frames = _frames(sample, reader, row, marks) if sample and reader else ()
    rows = _timeline(row, marks)
    if not frames and not rows:
        return None
    sheet = contact_sheet(frames, timeline=rows, columns=COLUMNS, tile_width=TILE_WIDTH)
    return encode_jpeg(sheet, quality=QUALITY)


def _sample(row: TruthRow, reader: ReleaseReader | None) -> Sample | None:
    if reader is None or row.sample_id is None or row.sample_id not in reader:
        return None
    return reader.sample(row.sample_id)


def _timeline(row: TruthRow, marks: Marks) -> tuple[TimelineRow, ...]:
    if not marks.true_spans and not marks.guess_spans:
        return ()
    ends = [end for _, end, _ in (*marks.true_spans, *marks.guess_spans)]
    duration = row.duration_s or max(ends, default=0.0)
    # An answer far beyond the clip would squeeze the truth to nothing; bars stop at the edge.
    return (
        TimelineRow("truth", marks.true_spans, duration),
        TimelineRow("prediction", marks.guess_spans, duration),
    )


def _frames(
    sample: Sample, reader: ReleaseReader, row: TruthRow, marks: Marks
) -> tuple[SheetFrame, ...]:
    times = _times(sample)
    boxes = _placed_boxes(sample, times, marks)
    chosen = _choose(times, sorted(boxes), marks)
    try:
        indices = [sample.frame_index[position] for position in chosen]
        encoded = reader.frames(sample.source, sample.video_id, indices)
    except (ShardError, FileNotFoundError):
        return ()  # a release of labels alone has no frames
    tiles = []
    for position, jpeg in zip(chosen, encoded, strict=True):
        rgb = decode_jpeg(jpeg)
        stored = (rgb.shape[1], rgb.shape[0])
        drawn, words = boxes.get(position, ((), ""))
        scaled = tuple(
            (scale_xyxy(xyxy, (sample.width, sample.height), stored), tag, colour)
            for xyxy, tag, colour in drawn
        )
        caption = f"{times[position]:.1f} s   {words or _inside(marks, times[position])}"
        tiles.append(SheetFrame(rgb, caption.rstrip(), scaled))
    return tuple(tiles)


def _times(sample: Sample) -> list[float]:
    rate = Fraction(sample.tick_rate_num, sample.tick_rate_den)
    return [float((tick - sample.frame_tick[0]) / rate) for tick in sample.frame_tick]


def _placed_boxes(
    sample: Sample, times: Sequence[float], marks: Marks
) -> dict[int, tuple[tuple[LabelledBox, ...], str]]:
    """Boxes and words by position of the frame."""
    placed: dict[int, tuple[tuple[LabelledBox, ...], str]] = {}
    for time, (true, guess) in marks.boxes.items():
        drawn: list[LabelledBox] = [(true, "truth", TRUE_COLOUR)]
        if guess is not None:
            drawn.append((guess, "prediction", GUESS_COLOUR))
        words = "no box predicted" if guess is None else f"IoU {box_iou(true, guess):.2f}"
        placed[_nearest(times, time)] = (tuple(drawn), words)
    if sample.region_frame >= 0:
        position = sample.frame_index.index(sample.region_frame)
        region: LabelledBox = (sample.region_xyxy, "asked about", REGION_COLOUR)
        placed[position] = ((region,), "the region asked about")
    return placed


def _choose(times: Sequence[float], boxed: Sequence[int], marks: Marks) -> list[int]:
    """Positions to show: boxed frames, then the spans' ends and middles, then an even spread."""
    wanted = [*_evenly(boxed, MAX_FRAMES)]
    for start, end, _ in (*marks.true_spans, *marks.guess_spans)[: MAX_FRAMES // 2]:
        wanted.append(_nearest(times, (start + end) / 2))
    wanted += _evenly(range(len(times)), MAX_FRAMES)
    return sorted(list(dict.fromkeys(wanted))[:MAX_FRAMES])


def _evenly(positions: Sequence[int], most: int) -> list[int]:
    if len(positions) <= most:
        return list(positions)
    return [positions[round(i * (len(positions) - 1) / (most - 1))] for i in range(most)]


def _nearest(times: Sequence[float], time_s: float) -> int:
    return min(range(len(times)), key=lambda position: (abs(times[position] - time_s), position))


def _inside(marks: Marks, time_s: float) -> str:
    """Whether truth and prediction cover a frame, in words."""
    words = []
    for name, spans in (("truth", marks.true_spans), ("prediction", marks.guess_spans)):
        inside = [text for start, end, text in spans if start <= time_s <= end]
        if inside:
            words.append(name if inside[0] == name else f"{name} {inside[0]}")
    return ", ".join(words)


def _too_many(count: int) -> str:
    return f"{count:,} are written, {MAX_BARS} drawn" if count > MAX_BARS else ""
