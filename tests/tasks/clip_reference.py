"""A slow reference that plans clips by following the rules word by word."""

from fractions import Fraction

from medvid.tasks.clips import ClipSettings
from schemas.annotation import VideoAnnotation
from schemas.source import SourceSpec

Extent = tuple[int, int, Fraction]


def grid_slots(ticks: list[int], start: int, end: int, step: Fraction) -> list[int | None]:
    """The frame of each grid point, or None, one point at a time."""
    inside = [tick for tick in ticks if start <= tick < end]
    slots: list[int | None] = []
    k = 0
    while start + k * step < end:
        place = start + k * step
        near = [tick for tick in inside if abs(tick - place) <= step / 2]
        frame = min(near, key=lambda tick: (abs(tick - place), tick), default=None)
        slots.append(None if slots and frame is not None and frame == slots[-1] else frame)
        k += 1
    return slots


def obeys(slots: list[int | None], limits: ClipSettings) -> bool:
    missing = [slot is None for slot in slots]
    window = limits.max_hole_steps + 1
    hole = any(all(missing[i : i + window]) for i in range(len(slots) - window + 1))
    return not hole and sum(missing) <= limits.max_missing_share * len(slots)


def longest_prefix(
    ticks: list[int], start: int, end: int, step: Fraction, limits: ClipSettings
) -> tuple[int, list[int], int]:
    """End, frames and grid points of the longest prefix that obeys both rules."""
    slots = grid_slots(ticks, start, end, step)
    if obeys(slots, limits):
        return end, [slot for slot in slots if slot is not None], len(slots)
    size = max((m for m in range(len(slots)) if obeys(slots[:m], limits)), default=0)
    slots = slots[:size]
    while slots and slots[-1] is None:
        slots.pop()
    frames = [slot for slot in slots if slot is not None]
    if not frames:
        return start, [], 0
    after = frames[-1] + step
    return min(end, -int(-after // 1)), frames, len(slots)


def best_clip(
    video: VideoAnnotation,
    spec: SourceSpec,
    ticks: list[int],
    start: int,
    end: int,
    limits: ClipSettings,
) -> tuple[Extent, list[int], int] | None:
    base = video.video.time_base
    least = limits.sparse_min_frames if base.sparse else limits.min_frames
    best: tuple[int, Fraction, list[int], int] | None = None
    for rate in sorted(limits.rates):
        if rate > min(base.frame_rate, spec.max_rate):
            continue
        stop, frames, points = longest_prefix(ticks, start, end, base.tick_rate / rate, limits)
        seconds = (stop - start) / base.tick_rate
        if not least <= len(frames) <= limits.max_frames:
            continue
        if not limits.min_seconds <= seconds <= limits.max_seconds:
            continue
        if best is None or (stop, rate) > (best[0], best[1]):
            best = (stop, rate, frames, points)
    if best is None:
        return None
    return (start, best[0], best[1]), best[2], best[3] - len(best[2])


def all_runs(video: VideoAnnotation) -> list[tuple[int, int]]:
    """Extents of all runs of the action segments, cut tick by tick at excluded ticks."""
    dark = {t for gap in video.excluded for t in range(gap.start, gap.end)}
    pieces: list[tuple[int, int]] = []
    for segment in video.segments:
        start: int | None = None
        for tick in range(segment.start, segment.end + 1):
            lit = tick < segment.end and tick not in dark
            if lit and start is None:
                start = tick
            elif not lit and start is not None:
                pieces.append((start, tick))
                start = None
    pieces.sort()
    return [
        (pieces[i][0], max(end for _, end in pieces[i : j + 1]))
        for i in range(len(pieces))
        for j in range(i, len(pieces))
    ]


def reference(
    video: VideoAnnotation, spec: SourceSpec, ticks: list[int], limits: ClipSettings
) -> tuple[dict[Extent, tuple[list[int], int]], int]:
    dark = {t for gap in video.excluded for t in range(gap.start, gap.end)}
    clips: dict[Extent, tuple[list[int], int]] = {}
    runs = all_runs(video)
    for start, end in runs:
        seconds = (end - start) / video.video.time_base.tick_rate
        if not limits.min_seconds <= seconds <= limits.max_seconds:
            continue
        if any(tick in dark for tick in range(start, end)):
            continue
        found = best_clip(video, spec, ticks, start, end, limits)
        if found is not None:
            clips[found[0]] = (found[1], found[2])
    return clips, len(runs)
