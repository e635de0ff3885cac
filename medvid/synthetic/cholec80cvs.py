"""A made-up Cholec80-CVS: the workbook, and the Cholec80 phases and videos it speaks of.

Sheet, columns, value types and faults follow the published workbook (Ríos et al., Scientific Data
2023), the rest Cholec80 (Twinanda et al., IEEE TMI 2017). What is drawn shows the scores: tubes,
plate and fat of the triangle are there or not as the row of the moment says.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from openpyxl import Workbook

from medvid.synthetic.backgrounds import Look
from medvid.synthetic.base import SyntheticSource
from medvid.synthetic.cholecystectomy import Operation, plan_operation
from medvid.synthetic.cvs_sheet import COLUMNS, Scores, SheetRow, plan_stages, plant_faults
from medvid.synthetic.drawing import Rgb, render
from medvid.synthetic.encoding import write_h264, write_png
from medvid.synthetic.safety_view import SafetyScene
from medvid.synthetic.theatre import Size
from medvid.synthetic.tree import choose_videos, claim_root, cut_seconds
from schemas.hashing import hash_order, hash_rank

VIDEOS: Final = range(1, 81)
SMALLEST: Final = (1, 2, 3, 6, 25)
SHORTEST_S: Final = 40
FPS: Final = 25
OFFICIAL_FRAMES: Final = 4_612_532
"""Rows of all phase files: 25 for each row of the tool files, and one or two more a video."""

WORKBOOK: Final = "cholec80-CVS.xlsx"
PHASE_NAMES: Final = (
    "Preparation", "CalotTriangleDissection", "ClippingCutting", "GallbladderDissection",
    "GallbladderPackaging", "CleaningCoagulation", "GallbladderRetraction",
)  # fmt: skip
_CLIPPING = 2
_SHORTEST, _LONGEST = (78, 739), (58, 5993)
_TOOL_ROWS = 184_498
_ONE_MORE: Final = frozenset({40, 80})
_OFF_SECOND: Final = frozenset({15, 37})
"""Videos whose first clip does not sit on a whole second."""

_EXPORTED, _DAMAGED = 2, 2
_BRIEF_S: Final = {1: 12, 3: 30}
"""Seconds of the smallest set's videos that only show a fault."""

_SMALL_WH, _FULL_WH = (320, 180), (854, 480)
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_STAMPS = re.compile(rb"(<dcterms:\w+ [^>]*>)[^<]*")
_SEEDS = 1 << 31


@dataclass(slots=True)
class Cholec80Cvs:
    """Writer of the tree."""

    name: str = field(default="cholec80cvs", init=False)

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
        """Write the workbook and `cholec80/`; see `SyntheticSource`.

        A cut video ends early in a longer operation, so that most of it lies before the first
        clip. Video 2 ships 1-fps images, the others movies. Below scale 1, `faults` also plants
        what the published sheet is free of: a number as text, a blank score, a row of no video.
        """
        numbers = choose_videos(VIDEOS, SMALLEST, scale)
        lengths = official_seconds(seed)
        videos, cut = {}, max_seconds is not None
        for number in numbers:
            seconds = cut_seconds(lengths[number], max_seconds, SHORTEST_S)
            if scale == 0:
                seconds = min(seconds, _BRIEF_S.get(number, seconds))
            videos[number] = _plan(number, seconds, seed, cut=cut)
        stages = {
            n: plan_stages(n, v.clip_frame // FPS, seed, cut=cut, coarse=n == _EXPORTED)
            for n, v in videos.items()
        }
        sheet = plant_faults(stages, seed, cut=cut) if faults else stages
        claim_root(root)
        rows = [row.cells() for number in numbers for row in sheet[number]]
        _write_workbook(root / WORKBOOK, _damage(rows) if faults and scale < 1 else rows)
        cholec80 = root / "cholec80"
        for name in ("phase_annotations", *(("videos", "frames") if media else ())):
            (cholec80 / name).mkdir(parents=True)
        for number, video in videos.items():
            video.write_phases(cholec80 / "phase_annotations" / f"video{number:02d}-phase.txt")
            if media:
                _write_pictures(cholec80, _View(video, stages[number], small=scale == 0))


def official_seconds(seed: int) -> dict[int, int]:
    """Whole seconds of each of the 80 videos: 184,498 in all, from 739 to 5,993.

    The published length of most single videos is not at hand; these are made up in between.
    """
    ends = dict((_SHORTEST, _LONGEST))
    inner = hash_order([n for n in VIDEOS if n not in ends], seed, "cholec80 length")
    mean = (_TOOL_ROWS - sum(ends.values())) / len(inner)
    low, high = _SHORTEST[1] + 1, 2 * mean - _SHORTEST[1] - 1
    seconds = {
        n: round(low + (high - low) * place / (len(inner) - 1)) for place, n in enumerate(inner)
    }
    seconds[inner[len(inner) // 2]] += _TOOL_ROWS - sum(ends.values()) - sum(seconds.values())
    return dict(sorted((seconds | ends).items()))


@dataclass(frozen=True, slots=True)
class Video80:
    """One video of Cholec80.

    Attributes:
        number: Official number.
        operation: What happens; goes on after the video's end where that is cut.
        frames: Frames at 25 fps.
        clip_frame: First frame of clipping and cutting, at most `frames`.
    """

    number: int
    operation: Operation
    frames: int
    clip_frame: int

    def write_phases(self, path: Path) -> None:
        """Write one row per frame."""
        edges = [round(stretch.end_s * FPS) for stretch in self.operation.stretches]
        edges[-1] = max(edges[-1], self.frames)
        lines, frame = ["Frame\tPhase\n"], 0
        for stretch, edge in zip(self.operation.stretches, edges, strict=True):
            first = max(frame, self.clip_frame) if stretch.phase == _CLIPPING else frame
            lines += (f"{k}\tCalotTriangleDissection\n" for k in range(frame, first))
            end = min(edge, self.frames)
            lines += (f"{k}\t{PHASE_NAMES[stretch.phase]}\n" for k in range(first, end))
            frame = end
        path.write_text("".join(lines), encoding="utf-8", newline="\n")


def _plan(number: int, seconds: int, seed: int, *, cut: bool) -> Video80:
    frames = seconds * FPS + 1 + (number in _ONE_MORE)
    operation = plan_operation(number, seconds * 2 if cut else seconds, seed)
    clip_s = next(s.start_s for s in operation.stretches if s.phase == _CLIPPING)
    late = number in _OFF_SECOND and not cut
    return Video80(number, operation, frames, min(clip_s * FPS + late, frames))


def _damage(rows: list[list[int | str | None]]) -> list[list[int | str | None]]:
    """Plant a number as text, a row with a blank score, and a row of no video."""
    damaged = [list(row) for row in rows]
    own = next(row for row in damaged if row[0] == _DAMAGED)
    own[COLUMNS.index("final_second")] = f" {own[COLUMNS.index('final_second')]}"
    blank: list[int | str | None] = [_DAMAGED, 0, 0, 0, 0, 5, 0, None, 0, 0]
    return [*damaged, blank, [None, 0, 0, 0, 1, 30, 1, 0, 0, 1]]


def _write_workbook(path: Path, rows: Sequence[Sequence[int | str | None]]) -> None:
    """Write the sheet, free of the clock."""
    book = Workbook()
    sheet = book.active or book.create_sheet()
    sheet.title = "Sheet1"
    for row in ([*COLUMNS], *rows):
        sheet.append(list(row))
    raw = io.BytesIO()
    book.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _STAMPS.sub(rb"\g<1>1980-01-01T00:00:00Z", content)
            part = zipfile.ZipInfo(name, _DATE)
            part.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(part, content)


class _View:
    """Draws one video."""

    def __init__(self, video: Video80, rows: Sequence[SheetRow], *, small: bool) -> None:
        self.video = video
        self._rows = sorted(rows, key=lambda row: row.start_s)
        self._resolution_wh: Size = _SMALL_WH if small else _FULL_WH
        self._seed = hash_rank(video.operation.seed, "patient", video.number) % _SEEDS
        self._scenes: dict[int, SafetyScene] = {}

    def picture(self, t_s: float) -> Rgb:
        operation = self.video.operation
        phase = operation.stretch_at(t_s).phase
        if phase not in self._scenes:
            self._scenes[phase] = SafetyScene(
                self._resolution_wh, self._seed, Look.LAPAROSCOPY, phase
            )
        scene = self._scenes[phase]
        scene.scores = self._scores_at(t_s)
        actors, effects = operation.actors_at(t_s), operation.effects_at(t_s)
        return render(scene, actors, t_s, effects=effects)[0]

    def _scores_at(self, t_s: float) -> Scores:
        begun = [row for row in self._rows if row.start_s <= t_s]
        return begun[-1].scores if begun else (0, 0, 0)


def _write_pictures(cholec80: Path, view: _View) -> None:
    name = f"video{view.video.number:02d}"
    if view.video.number == _EXPORTED:
        folder = cholec80 / "frames" / name
        folder.mkdir()
        for second in range(view.video.frames // FPS + 1):
            write_png(folder / f"{name}_{second + 1:06d}.png", view.picture(second))
        return
    frames: Iterator[Rgb] = (view.picture(frame / FPS) for frame in range(view.video.frames))
    write_h264(cholec80 / "videos" / f"{name}.mp4", frames, rate=Fraction(FPS))


SYNTHETIC: SyntheticSource = Cholec80Cvs()
