"""A sample as a picture: its frames with boxes, its time line with segments and the answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import polars as pl

from medvid.media import SheetFrame, TimelineRow, contact_sheet, decode_jpeg, scale_xyxy
from medvid.releases.facts import ContactSheet
from medvid.shards import ReleaseReader
from schemas.sample import Sample
from schemas.source import TaskName

MAX_FRAMES = 12
COLUMNS = 4
TILE_WIDTH = 320
ANSWER_COLOUR = 0
REGION_COLOUR = 1

Spans = tuple[tuple[float, float, str], ...]


@dataclass(slots=True)
class Overlay:
    """What to draw of an answer.

    Attributes:
        spans: `(start, end, label)` in clip-relative seconds.
        boxes: Boxes with text and colour by position of the sampled frame.
    """

    spans: Spans = ()
    boxes: dict[int, list[tuple[tuple[float, float, float, float], str, int]]] = field(
        default_factory=dict
    )


def frame_times(sample: Sample) -> list[float]:
    """Clip-relative seconds of every sampled frame."""
    rate = Fraction(sample.tick_rate_num, sample.tick_rate_den)
    first = sample.frame_tick[0]
    return [float((tick - first) / rate) for tick in sample.frame_tick]


def overlay_of(sample: Sample) -> Overlay:
    """Turn a sample's structured answer into something to draw."""
    target = sample.target_value()
    overlay = Overlay()
    if sample.task is TaskName.TAL:
        overlay.spans = tuple((s["start"], s["end"], sample.label) for s in target)
    elif sample.task is TaskName.DENSE_CAPTIONING:
        overlay.spans = tuple(
            (s["start"], s["end"], f"event {number}") for number, s in enumerate(target, 1)
        )
    elif sample.task is TaskName.STG:
        times = frame_times(sample)
        for time_s, xyxy in _boxes(target):
            position = _nearest(times, time_s)
            overlay.boxes.setdefault(position, []).append((xyxy, sample.label, ANSWER_COLOUR))
    if sample.region_frame >= 0:
        position = sample.frame_index.index(sample.region_frame)
        x1, y1, x2, y2 = sample.region_xyxy
        entry = ((x1, y1, x2, y2), "asked about", REGION_COLOUR)
        overlay.boxes.setdefault(position, []).append(entry)
    return overlay


def _boxes(target: Any) -> Iterator[tuple[float, tuple[float, float, float, float]]]:  # noqa: ANN401
    for item in target:
        x1, y1, x2, y2 = item["xyxy"]
        yield item["time"], (x1, y1, x2, y2)


def _nearest(times: Sequence[float], time_s: float) -> int:
    return min(range(len(times)), key=lambda position: (abs(times[position] - time_s), position))


def choose_frames(sample: Sample, overlay: Overlay, limit: int = MAX_FRAMES) -> list[int]:
    """Positions of the frames to show: those with boxes first, then an even spread."""
    boxed = sorted(overlay.boxes)[:limit]
    count = len(sample.frame_index)
    spread = [round(i * (count - 1) / max(1, limit - 1)) for i in range(min(limit, count))]
    chosen = set(boxed)
    for position in spread:
        if len(chosen) >= limit:
            break
        chosen.add(position)
    return sorted(chosen)


def sample_sheet(reader: ReleaseReader, sample: Sample) -> bytes:
    """Draw a sample as a PNG contact sheet.

    Args:
        reader: The release that holds its frames.
        sample: The sample.
    """
    overlay = overlay_of(sample)
    times = frame_times(sample)
    frames = reader.frames_of(sample)
    tiles = []
    for position in choose_frames(sample, overlay):
        rgb = decode_jpeg(frames[position])
        stored = (rgb.shape[1], rgb.shape[0])
        boxes = tuple(
            (scale_xyxy(xyxy, (sample.width, sample.height), stored), text, colour)
            for xyxy, text, colour in overlay.boxes.get(position, [])
        )
        caption = f"{times[position]:.1f} s   frame {sample.frame_index[position]}"
        label = _label_at(overlay.spans, times[position])
        tiles.append(SheetFrame(rgb, f"{caption}   {label}".rstrip(), boxes))
    title = (
        f"{sample.dataset_name} {sample.video_id}   {sample.qa_type}",
        f"Q: {sample.question}",
        f"A: {sample.answer}",
    )
    rows = _timeline(reader, sample, overlay, times)
    sheet = contact_sheet(tiles, title=title, timeline=rows, columns=COLUMNS, tile_width=TILE_WIDTH)
    encoded = cv2.imencode(".png", sheet[:, :, ::-1])[1]
    return encoded.tobytes()


def _label_at(spans: Spans, time_s: float) -> str:
    inside = [label for start, end, label in spans if start <= time_s <= end]
    return inside[0] if inside else ""


def _timeline(
    reader: ReleaseReader, sample: Sample, overlay: Overlay, times: Sequence[float]
) -> tuple[TimelineRow, ...]:
    """The clip's labelled segments, then the answer."""
    duration = times[-1] + sample.rate_den / sample.rate_num
    rows = []
    others = [reader.sample(sample_id) for sample_id in _neighbours(reader.release, sample)]
    spans: Spans = tuple(sorted(span for other in others for span in overlay_of(other).spans))
    if spans:
        rows.append(TimelineRow("segments", spans, duration))
    answer = overlay.spans or tuple(
        (times[position], times[position], sample.label) for position in sorted(overlay.boxes)
    )
    if answer:
        rows.append(TimelineRow("answer", answer, duration))
    return tuple(rows)


def _neighbours(release: Path, sample: Sample) -> list[str]:
    """Localisation samples of the same clip: together they name its labelled segments."""
    rows = pl.scan_parquet(release / "index" / "samples.parquet").filter(
        (pl.col("clip_id") == sample.clip_id) & (pl.col("task") == TaskName.TAL.value)
    )
    return list(rows.select("sample_id").sort("sample_id").collect()["sample_id"])


def first_samples(reader: ReleaseReader) -> list[Sample]:
    """Of each task and source the sample with the lowest id, by task, then source."""
    rows = pl.scan_parquet(reader.release / "index" / "samples.parquet")
    chosen = rows.group_by("task", "source").agg(pl.col("sample_id").min()).sort("task", "source")
    return [reader.sample(sample_id) for sample_id in chosen.collect()["sample_id"]]


def release_sheets(reader: ReleaseReader) -> tuple[ContactSheet, ...]:
    """One sheet for each task and source."""
    return tuple(
        ContactSheet(
            title=f"{sample.task} on {sample.dataset_name}", question=sample.question,
            answer=sample.answer, png=sample_sheet(reader, sample),
        )
        for sample in first_samples(reader)
    )  # fmt: skip
