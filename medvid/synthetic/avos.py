"""Write an AVOS tree: tables of votes, windows, videos and boxes, lists, frames and videos.

At scale 1 the counts are the published ones of version 0.5.0: 7,352 rows by label, 33,626 windows,
330 videos with rows among 343 that are named. Who votes what, when and where are made up.
"""

import csv
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

from medvid.media import encode_jpeg
from medvid.synthetic.base import SyntheticSource
from medvid.synthetic.drawing import PixelBox, Rgb
from medvid.synthetic.encoding import write_h264
from medvid.synthetic.open_field import FieldPainter, OpenField, events_of, shown_at
from medvid.synthetic.tree import claim_root
from medvid.synthetic.vote_plans import SMALLEST, Row, VideoPlan, plan_videos
from schemas.errors import ConfigError
from schemas.hashing import hash_choice, hash_rank

FRAME_HZ: Final = 15
SHORTEST_S: Final = 40
DRAWN_WH: Final = (426, 240)
BOXED_WH: Final = (852, 480)
"""Size of the boxed images, twice that of the videos, so that scaling shows."""

_RATES: Final = {1: Fraction(30_000, 1001), 2: Fraction(25), 3: Fraction(24)}
"""Rates of the drawn video files; of the first video single frames are drawn instead."""

_VARIABLE, _TRUNCATED = 2, 3
_SIZES_WH: Final = ((1280, 720), (640, 360), (480, 360), (1920, 1080), (320, 240))
_CLASS_IDS: Final = {"bovie": 0, "forceps": 1, "needledriver": 2, "hand": 3}
_BOX_FOLDER: Final = "data/new_annotations"
_QUALITIES: Final = ("good,no,non_overhead", "okay,yes,non_overhead", "bad,no,overhead")

BoxedFrame = tuple[int, Sequence[tuple[str, PixelBox]]]


class Avos:
    """Writes an AVOS tree."""

    name = "avos"

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

        With media the first video is a folder of frames at 15 a second, three more are H.264: one
        of 29.97 frames a second, one of variable rate, and with faults one cut short.

        Args:
            root: Folder to write into; made if absent, must be empty.
            scale: Share of the official 330 labelled videos; five at least.
            seed: Seed of every choice.
            media: Draw pictures of the first five videos, whatever the scale.
            max_seconds: Cut every video to this length; None keeps official lengths.
            faults: Plant the source's known faults.

        Raises:
            ConfigError: The folder is not empty, or a number means nothing.
        """
        if not 0 <= scale <= 1:
            raise ConfigError(f"scale {scale} must be between 0 and 1.", field="scale")
        if max_seconds is not None and max_seconds < SHORTEST_S:
            raise ConfigError(f"an AVOS video needs {SHORTEST_S} seconds.", field="max_seconds")
        claim_root(root)
        plans = plan_videos(scale, seed, max_seconds, faults=faults)
        _write_votes(root, plans)
        _write_videos(root / "videos.csv", plans)
        for split in ("train", "test"):
            lines = [plan.list_id for plan in plans if plan.split == split]
            _write_lines(root / "splits" / f"{split}.csv", ["video_id", *lines])
        _BoxWriter(root, seed, media=media, faults=faults).write(plans)
        if media:
            _write_media(root, plans[:SMALLEST], seed, faults=faults)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _write_table(path: Path, columns: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns.split(","))
        writer.writerows(rows)


def _write_votes(root: Path, plans: Sequence[VideoPlan]) -> None:
    ordered = sorted(plans, key=lambda plan: plan.youtube_id)
    rows = [(plan, row) for plan in ordered for row in plan.rows]
    _write_table(
        root / "v0.5.0-anns-smoothed.csv",
        ",video_id,labeler_2,labeler_1,duration,labeler_3,label,start_seconds,end_seconds",
        (
            (i, plan.youtube_id, row.votes[1], row.votes[0], float(row.end - row.start),
             row.votes[2], row.label, float(row.start), float(row.end))
            for i, (plan, row) in enumerate(rows)
        ),
    )  # fmt: skip
    windows = [(plan, window) for plan in ordered for window in plan.windows]
    _write_table(
        root / "v0.5.0-anns-5sec.csv",
        ",Unnamed: 0,Unnamed: 0.1,video_id,labeler_2,labeler_1,start_seconds,end_seconds,duration,"
        "start_frame,end_frame,labeler_3",
        (
            (i, i, i, plan.youtube_id, row.votes[1], row.votes[0], float(row.start),
             float(row.end), row.end - row.start, row.start * FRAME_HZ, row.end * FRAME_HZ,
             row.votes[2])
            for i, (plan, row) in enumerate(windows)
        ),
    )  # fmt: skip


def _write_videos(path: Path, plans: Sequence[VideoPlan]) -> None:
    stated = [plan for plan in plans if plan.stated_s is not None]
    _write_table(
        path,
        ",video_id,video_url,youtube_url,duration_seconds,annotations,seconds_annotated,cutting,"
        "tying,suturing,quality,severe_jumps,style",
        (
            (i, plan.youtube_id, f"https://example.org/videos/{plan.youtube_id}.mp4",
             f"https://www.youtube.com/watch?v={plan.youtube_id}", float(plan.stated_s or 0),
             *_summary(plan.rows), *hash_choice(_QUALITIES, 0, plan.youtube_id).split(","))
            for i, plan in enumerate(stated)
        ),
    )  # fmt: skip


def _summary(rows: Sequence[Row]) -> list[int]:
    """Number of actions, their seconds, and number by action."""
    acts = [row for row in rows if row.label in ("cutting", "tying", "suturing")]
    counts = [sum(row.label == label for row in acts) for label in ("cutting", "tying", "suturing")]
    return [len(acts), sum(row.end - row.start for row in acts), *counts]


def _field(plan: VideoPlan, seed: int) -> OpenField:
    events = events_of([(row.start, row.end, row.label) for row in plan.rows])
    return OpenField(events, hash_rank(seed, plan.youtube_id) % (1 << 31))


class _BoxWriter:
    """Writes tables of boxes, and with media the boxed images and their YOLO files."""

    def __init__(self, root: Path, seed: int, *, media: bool, faults: bool) -> None:
        self._root, self._seed = root, seed
        self._media, self._faults = media, faults
        self._older: list[list[object]] = []

    def write(self, plans: Sequence[VideoPlan]) -> None:
        """Write ten images a video, evenly from a fifth to four fifths of it."""
        tables: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
        for number, plan in enumerate(plans):
            if not plan.rows:
                continue
            part = plan.split if number % 7 or plan.split == "test" else "val"
            for frame, boxes in self._frames(number, plan):
                name = f"{plan.youtube_id}-{frame:09d}"
                rows = [[*box, label] for label, box in boxes] or [[""] * 5]
                tables[part] += [[f"../{_BOX_FOLDER}/{part}/{name}.jpg", *row] for row in rows]
                if number == 0:
                    tools = [row for row in rows if row[-1] != "hand"]
                    self._older += [[f"/data/images/{name}.jpg", *row] for row in tools]
                if self._media and number < SMALLEST:
                    self._draw(number, plan, f"{part}/{name}", frame, boxes)
        for part, rows in tables.items():
            if self._faults and part == "train" and any(rows[0][1:]):
                rows.insert(1, rows[0])
            path = self._root / _BOX_FOLDER / part / f"{part}_data_emmett_annotations.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_rows(path, rows)
        _write_rows(self._root / "train_data.csv", self._older)

    def _size(self, number: int, plan: VideoPlan) -> tuple[int, int]:
        if not self._media or number >= SMALLEST:
            return hash_choice(_SIZES_WH, 0, plan.youtube_id)
        return DRAWN_WH if number == 0 else BOXED_WH

    def _frames(self, number: int, plan: VideoPlan) -> list[BoxedFrame]:
        field, size = _field(plan, self._seed), self._size(number, plan)
        frames = [k * plan.length_s - 1 for k in range(3, 13)]
        return [(frame, field.boxes(size, shown_at(frame / FRAME_HZ))) for frame in frames]

    def _draw(
        self, number: int, plan: VideoPlan, name: str, frame: int,
        boxes: Sequence[tuple[str, PixelBox]],
    ) -> None:  # fmt: skip
        size = self._size(number, plan)
        picture = FieldPainter(_field(plan, self._seed), size).picture(shown_at(frame / FRAME_HZ))
        path = self._root / _BOX_FOLDER / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(picture))
        lines = []
        for label, (x1, y1, x2, y2) in boxes:
            values = ((x1 + x2) / 2 / size[0], (y1 + y2) / 2 / size[1],
                      (x2 - x1) / size[0], (y2 - y1) / size[1])  # fmt: skip
            lines.append(" ".join([str(_CLASS_IDS[label]), *(f"{v:.6f}" for v in values)]))
        _write_lines(path.with_suffix(".txt"), lines)


def _write_rows(path: Path, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows(rows)


def _write_media(root: Path, plans: Sequence[VideoPlan], seed: int, *, faults: bool) -> None:
    for number, plan in enumerate(plans):
        painter = FieldPainter(_field(plan, seed), DRAWN_WH)
        if number == 0:
            _write_frames(root / "frames_15fps" / plan.youtube_id, painter, plan.length_s)
        elif number in _RATES:
            path = root / "videos" / f"{plan.youtube_id}.mp4"
            path.parent.mkdir(exist_ok=True)
            rate = _RATES[number]
            ticks = [int(90_000 * i / rate) for i in range(int(plan.length_s * rate))]
            if number == _VARIABLE:
                ticks = [tick for i, tick in enumerate(ticks) if i % 8 != 5]
            pictures = painter.pictures([tick / 90_000 for tick in ticks])
            write_h264(path, pictures, rate=rate, pts_ticks=ticks, time_base=Fraction(1, 90_000))
            if faults and number == _TRUNCATED:
                path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])


def _write_frames(folder: Path, painter: FieldPainter, length_s: int) -> None:
    """Write frame n as it is at n / 15 seconds, numbers without leading zeros."""
    folder.mkdir(parents=True)
    times = [n / FRAME_HZ for n in range(length_s * FRAME_HZ)]
    encoded = b""
    shown: Rgb | None = None
    for n, picture in enumerate(painter.pictures(times)):
        if picture is not shown:
            encoded, shown = encode_jpeg(picture), picture
        (folder / f"{n}.jpg").write_bytes(encoded)


SYNTHETIC: SyntheticSource = Avos()
