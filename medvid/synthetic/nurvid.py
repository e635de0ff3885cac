"""Write a NurViD tree: annotation file, class workbook, split lists and drawn H.264 videos.

At scale 1 the counts are the published ones: 1,538 videos, videos a procedure, segments a video,
5,615 segments; durations follow the published quantiles, and faults their published numbers. Which
action follows which, who is seen and where are made up.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from converters.nursing import ACTIONS, CANDIDATE_ACTIONS, PROCEDURES
from medvid.synthetic.backgrounds import Look
from medvid.synthetic.base import SyntheticSource
from medvid.synthetic.drawing import Actor, Motion, Rgb, Scene, render
from medvid.synthetic.encoding import write_h264
from medvid.synthetic.nursing_counts import (
    SECONDS_QUANTILES,
    SEGMENTS_PER_ACTION,
    VIDEOS_BY_FPS,
    VIDEOS_BY_RESOLUTION,
    VIDEOS_BY_SEGMENTS,
    VIDEOS_BY_SPLIT,
    VIDEOS_PER_PROCEDURE,
    write_workbook,
)
from schemas.errors import ConfigError
from schemas.hashing import hash_choice, hash_rank

OFFICIAL_VIDEOS: Final = 1538
SMALLEST: Final = 5
"""Videos of the smallest set: one to each of `_FAULTS`."""

_FAULTS: Final = {
    "zero_length": 1, "unsorted": 69, "overlap": 189, "late_end": 156, "wrong_duration": 16,
}  # fmt: skip
"""Official number of videos (of segments for `late_end`) with each fault."""

_DRAWN_WH: Final = (426, 240)
_DRAWN_RATES: Final = (29, 25, 27, 30, 24)
_VARIABLE_RATE: Final = 27
"""A rate that only phones write: 30 frames a second with every tenth left out."""

_TRUNCATED: Final = 1
_MISSING: Final = 3
_LEADING_PROCEDURES: Final = (3, 31)
"""Isolation gowns, two of whose actions share a name, and one without a published action list."""

_FETCH_GOWN: Final = 130

T = TypeVar("T")


@dataclass
class _Video:
    """One made-up video; times in hundredths of a second.

    Attributes:
        youtube_id: Eleven characters.
        procedure: Workbook id, from 0.
        length: True length.
        duration_s: Length as the annotation file states it, in whole seconds.
        fps: Frames a second, rounded down.
        resolution: `WxH`.
        actions: Workbook ids, from 0, in file order.
        spans: Start and end of each segment, in file order.
    """

    youtube_id: str
    procedure: int
    length: int
    duration_s: int
    fps: int
    resolution: str
    actions: list[int]
    spans: list[tuple[int, int]]


def _spread(weights: Mapping[T, int], count: int) -> list[T]:
    """Values in proportion to their weights; with as many as the weights' sum, exactly those."""
    every = [value for value, weight in weights.items() for _ in range(weight)]
    return [every[(2 * i + 1) * len(every) // (2 * count)] for i in range(count)]


def _shuffled(values: list[T], random: np.random.Generator) -> list[T]:
    return [values[i] for i in random.permutation(len(values))]


def _youtube_id(seed: int, number: int) -> str:
    """Eleven characters as YouTube makes them; the first begins with `-`, the second holds `_`."""
    attempt = 0
    while True:
        digest = hashlib.sha256(f"nurvid {seed} {number} {attempt}".encode()).digest()[:8]
        name = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (number != 0 or name[0] == "-") and (number != 1 or "_" in name):
            return name
        attempt += 1


def _draw_sizes(
    count: int, max_seconds: int | None, random: np.random.Generator
) -> list[tuple[int, int]]:
    """Length and number of segments of each video; the first `SMALLEST` hold four or more."""
    lengths = np.interp((np.arange(count) + 0.5) / count, *SECONDS_QUANTILES)
    # Longer videos tend to hold more segments.
    likeness = np.log(lengths) + random.normal(0, 0.8, count)
    numbers = np.sort(_spread(VIDEOS_BY_SEGMENTS, count))[np.argsort(np.argsort(likeness))]
    limit = 100 * (max_seconds or 86_400)
    sizes = [
        (min(round(100 * length), limit), int(number))
        for length, number in zip(lengths, numbers, strict=True)
    ]
    sizes = _shuffled(sizes, random)
    front = [size for size in sizes if size[1] >= 4 and size[0] >= min(limit, 3000)][:SMALLEST]
    for size in front:
        sizes.remove(size)
    sizes = front + sizes
    # Only sets so small that too few of their videos hold four segments get more than their share.
    return [(a, max(4, n) if i < SMALLEST else n) for i, (a, n) in enumerate(sizes)]


def _draw_procedures(count: int, random: np.random.Generator) -> list[int]:
    """Procedures in shuffled order, led by one with a shared action name and an unlisted one."""
    drawn = _shuffled(_spread(dict(enumerate(VIDEOS_PER_PROCEDURE)), count), random)
    for position, wanted in enumerate(_LEADING_PROCEDURES):
        if wanted in drawn:
            drawn.remove(wanted)
        else:
            drawn.pop()
        drawn.insert(position, wanted)
    return drawn


def _draw_spans(length: int, number: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Segments in time order that do not touch and leave time at both ends."""
    shortest = max(1, min(50, length // (4 * number)))
    wanted = np.maximum(shortest, 100 * random.lognormal(2.84, 1.10, number))
    scale = min(1.0, 0.8 * length / wanted.sum())
    spans = np.maximum(shortest, wanted * scale).astype(int)
    rest = length - int(spans.sum())
    gaps = (random.dirichlet(np.ones(number + 1)) * (rest - number - 1)).astype(int) + 1
    starts = np.cumsum(gaps[:-1]) + np.concatenate([[0], np.cumsum(spans)[:-1]])
    return [(int(a), int(a + b)) for a, b in zip(starts, spans, strict=True)]


def _draw_actions(procedure: int, number: int, random: np.random.Generator) -> list[int]:
    """Actions of the procedure, the common ones more often, none twice in a row."""
    names = set(CANDIDATE_ACTIONS[PROCEDURES[procedure]])
    ids = [i for i, name in enumerate(ACTIONS) if name in names]
    drawn: list[int] = []
    for _ in range(number):
        free = [i for i in ids if drawn[-1:] != [i]] or ids
        weights = np.array([SEGMENTS_PER_ACTION[i] for i in free], float)
        drawn.append(int(random.choice(free, p=weights / weights.sum())))
    return drawn


def _draw_videos(count: int, seed: int, max_seconds: int | None) -> list[_Video]:
    random = np.random.Generator(np.random.PCG64([seed, count]))
    sizes = _draw_sizes(count, max_seconds, random)
    procedures = _draw_procedures(count, random)
    rates = _shuffled(_spread(VIDEOS_BY_FPS, count), random)
    resolutions = _shuffled(_spread(VIDEOS_BY_RESOLUTION, count), random)
    videos = [
        _Video(
            youtube_id=_youtube_id(seed, i), procedure=procedures[i], length=length,
            duration_s=length // 100, fps=rates[i], resolution=resolutions[i],
            actions=_draw_actions(procedures[i], number, random),
            spans=_draw_spans(length, number, random),
        )
        for i, (length, number) in enumerate(sizes)
    ]  # fmt: skip
    _use_every_action(videos, random)
    videos[0].actions[1] = _FETCH_GOWN
    return videos


def _use_every_action(videos: list[_Video], random: np.random.Generator) -> None:
    """Where there are videos enough, give each unused action the place of a common one."""
    used = {action for video in videos for action in video.actions}
    unused = [action for action in range(len(ACTIONS)) if action not in used]
    places = [(v, i) for v in videos[SMALLEST:] for i, action in enumerate(v.actions) if action < 9]
    if len(places) >= 4 * len(unused):
        for action, place in zip(unused, random.permutation(len(places)), strict=False):
            video, index = places[place]
            video.actions[index] = action


def _plant_faults(videos: list[_Video], seed: int) -> None:
    """Plant each fault in one of the first videos, the rest of its official share behind them."""
    roomy = [video for video in videos[SMALLEST:] if len(video.spans) >= 3 and video.length > 1000]
    roomy.sort(key=lambda video: hash_rank(seed, "faults", video.youtube_id))
    spare = iter(roomy)
    for position, (name, official) in enumerate(_FAULTS.items()):
        share = max(1, round(official * len(videos) / OFFICIAL_VIDEOS))
        chosen = [videos[position], *islice(spare, share - 1)]
        for number, video in enumerate(chosen):
            _plant(name, video, number)


def _plant(name: str, video: _Video, number: int) -> None:
    spans = video.spans
    if name == "zero_length":
        spans[0] = (spans[0][0], spans[0][0])
    elif name == "unsorted":
        spans[0], spans[1] = spans[1], spans[0]
        video.actions[:2] = video.actions[1::-1]
    elif name == "overlap":
        for i in (0, 1) if number % 4 == 0 else (0,):
            spans[i + 1] = ((spans[i][0] + spans[i][1]) // 2, spans[i + 1][1])
        if number == 0:
            # One official pair has equal bounds.
            spans[1], video.actions[1] = spans[0], (video.actions[0] + 1) % len(ACTIONS)
    elif name == "late_end":
        video.length = video.duration_s * 100 + 60
        spans[-1] = (spans[-1][0], video.length - 10)
    else:
        spans[-1] = (min(spans[-1][0], video.length - 400), video.length)
        video.duration_s = max(1, video.length // 100 - 3)


def _seconds(hundredths: int) -> int | float:
    """Seconds as the annotation file has them: mostly floats, some whole numbers without point."""
    return hundredths // 100 if hundredths % 200 == 0 else hundredths / 100


def _record(video: _Video) -> dict[str, object]:
    return {
        "operationID": video.procedure + 1,
        "annotations": [
            {"actionID": action + 1, "segment": [_seconds(start), _seconds(end)]}
            for action, (start, end) in zip(video.actions, video.spans, strict=True)
        ],
        "duration": video.duration_s,
        "resolution": video.resolution,
        "fps": video.fps,
        "subset": None,
        "url": f"https://www.youtube.com/watch?v={video.youtube_id}",
    }


def _write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())


def _write_lists(folder: Path, videos: list[_Video], seed: int) -> None:
    """Write the split lists: task 1&3 by video, task 2 by segment, so that it leaks as it does."""
    splits = _spread(VIDEOS_BY_SPLIT, len(videos))
    for name in VIDEOS_BY_SPLIT:
        lines = ["path-label"]
        for video, split in zip(videos, splits, strict=True):
            if split == name:
                lines.append(f"/video_path/{video.youtube_id}.mp4 {video.procedure + 1}")
        _write_lines(folder / "task1&3" / f"{name}.csv", lines)
    for kind in ("procedure", "action"):
        lists = {name: ["path-label"] for name in VIDEOS_BY_SPLIT}
        if kind == "procedure":
            lists["train"] = ["path-lable"]
        pool = [
            name for name, share in (("train", 7), ("val", 1), ("test", 2)) for _ in range(share)
        ]
        for video in videos:
            for k, action in enumerate(video.actions, start=1):
                label = video.procedure if kind == "procedure" else action
                clip = f"{video.youtube_id}_{k}"
                lists[hash_choice(pool, seed, kind, clip)].append(
                    f"/segment_path/{clip}.mp4 {label}"
                )
        for name, lines in lists.items():
            _write_lines(folder / "task2" / f"{kind}_{name}.csv", lines)


def _frame_ticks(video: _Video) -> list[int]:
    """Times of the frames at 90 kHz."""
    rate = _true_rate(video.fps)
    count = int(Fraction(video.length, 100) * rate)
    ticks = [int(Fraction(90_000 * i) / rate) for i in range(count)]
    return [t for i, t in enumerate(ticks) if video.fps != _VARIABLE_RATE or i % 10 != 7]


def _true_rate(fps: int) -> Fraction:
    if fps == _VARIABLE_RATE:
        return Fraction(30)
    return Fraction((fps + 1) * 1000, 1001) if fps in (23, 29, 59) else Fraction(fps)


def _paint(video: _Video, ticks: list[int], seed: int) -> Iterator[Rgb]:
    """Draw a bedside where hands and a tool come in for each action, whose name is printed."""
    scene = Scene(
        _DRAWN_WH, hash_rank(seed, video.youtube_id) % (1 << 31), Look.WARD, video.procedure
    )
    events = [
        (start / 100, end / 100, ACTIONS[action])
        for action, (start, end) in zip(video.actions, video.spans, strict=True)
    ]
    spans = tuple(sorted((start, end) for start, end, _ in events))
    tool = ("syringe", "swab")[video.procedure % 2]
    actors = [
        Actor("hand", "left", Motion((0.40, 0.62), (0.1, 1.2), period_s=5.0, spans_s=spans), 0.34),
        Actor(tool, "tool", Motion((0.58, 0.52), (1.1, 1.0), period_s=3.4, spans_s=spans), 0.22),
    ]
    for tick in ticks:
        t_s = tick / 90_000
        shown = next((label for start, end, label in events if start <= t_s < end), None)
        yield render(scene, actors, t_s, overlay=shown)[0]


def _write_media(folder: Path, videos: list[_Video], seed: int, *, faults: bool) -> None:
    folder.mkdir(parents=True)
    for position, video in enumerate(videos):
        if faults and position == _MISSING:
            continue
        path = folder / f"{video.youtube_id}.mp4"
        ticks = _frame_ticks(video)
        write_h264(
            path, _paint(video, ticks, seed), rate=_true_rate(video.fps), gop=50,
            pts_ticks=ticks, time_base=Fraction(1, 90_000),
        )  # fmt: skip
        if faults and position == _TRUNCATED:
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])


class NurViD:
    """Writes a NurViD tree."""

    name = "nurvid"

    def write(
        self,
        root: Path,
        *,
        scale: float,
        seed: int = 0,
        media: bool = True,
        max_seconds: int | None = None,
        faults: bool = True,
    ) -> None:
        """Write the tree.

        With media every video is 426x240 and the labels say so; among the first five are one of
        29.97 frames a second and one of variable rate, and with faults one cut short and one that
        is not there.

        Args:
            root: Folder to write into; made if absent, must be empty.
            scale: Share of the official 1,538 videos; five videos at least.
            seed: Seed of every choice.
            media: Draw the videos too.
            max_seconds: Cut every video to this length; None keeps official lengths.
            faults: Plant the source's known faults.

        Raises:
            ConfigError: The folder is not empty, or `max_seconds` is below 10.
        """
        if root.exists() and any(root.iterdir()):
            raise ConfigError("a synthetic tree needs an empty folder.", source=root.name)
        if max_seconds is not None and max_seconds < 10:
            raise ConfigError("a NurViD video needs 10 seconds.", field="max_seconds")
        videos = _draw_videos(max(SMALLEST, round(OFFICIAL_VIDEOS * scale)), seed, max_seconds)
        if media:
            for position, video in enumerate(videos):
                video.fps = _DRAWN_RATES[position % len(_DRAWN_RATES)]
                video.resolution = "{}x{}".format(*_DRAWN_WH)
        if faults:
            _plant_faults(videos, seed)
        folder = root / "annotations"
        folder.mkdir(parents=True)
        records = {video.youtube_id: _record(video) for video in videos}
        text = json.dumps(records, indent=4)
        (folder / "NurViD_annotations.json").write_bytes(text.replace("\n", "\r\n").encode())
        _write_lists(folder, videos, seed)
        write_workbook(folder / "Procedure&Action_ID.xlsx")
        if media:
            _write_media(root / "dataset" / "Original_videos", videos, seed, faults=faults)


SYNTHETIC: SyntheticSource = NurViD()
