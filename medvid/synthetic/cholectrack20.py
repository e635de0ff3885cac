"""A made-up CholecTrack20: tracked tools once a second on the untrimmed recording.

Keys, their order, units and habits follow the published files (Nwoye et al., CVPR 2025): frame ids
count from one at 25 frames a second, boxes are fractions, `area` is left times top in pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from medvid.synthetic.base import SyntheticSource
from medvid.synthetic.cholecystectomy import Operation, plan_operation
from medvid.synthetic.drawing import Rgb
from medvid.synthetic.encoding import write_h264, write_png
from medvid.synthetic.theatre import Size, Theatre
from medvid.synthetic.tracked_tools import FPS, Recording20, as_native_id, write_records
from medvid.synthetic.tree import choose_videos, claim_root, cut_seconds, write_json
from schemas.hashing import hash_rank

SPLITS: Final[dict[str, dict[int, int]]] = {
    "Training": {
        2: 2545, 4: 1189, 11: 2962, 13: 924, 17: 1066, 23: 1456, 31: 2717, 37: 1201, 96: 1221,
        103: 1667,
    },
    "Validation": {30: 1066, 110: 1713},
    "Testing": {1: 1516, 6: 1962, 7: 4213, 12: 827, 25: 1915, 39: 1462, 92: 1730, 111: 1657},
}  # fmt: skip
"""Annotated frames of each official video."""

SMALLEST: Final = (2, 25, 30, 31, 92, 96, 110)
SHORTEST_S: Final = 40
_WRONG: Final = {30: 17, 31: 30}
"""Label files that describe another video upstream, and which."""

_TRUE_FRAMES: Final = {30: 2717, 31: 3903}
"""Pictures of the two videos whose labels are wrong."""

_LARGE: Final = frozenset({92, 111})
_LEAD_S: Final = {12: 56, 25: 115, 39: 127}
_UNLABELLED: Final = {23: 114, 110: 3}
_LOWER_CASE = 2


@dataclass(slots=True)
class CholecTrack20:
    """Writer of the tree."""

    name: str = field(default="cholectrack20", init=False)

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
        """Write `Training/`, `Validation/` and `Testing/`; see `SyntheticSource`.

        Without a cut every video has its official number of annotated frames. In the smallest
        set, videos that only show a fault are shorter: VID30 and VID31, whose labels are wrong
        upstream, and VID92, whose mp4 is 1920x1080 although its labels speak of 854x480.
        """
        frames = {number: n for part in SPLITS.values() for number, n in part.items()}
        course = Course(seed, max_seconds, brief=scale == 0, faults=faults)
        recordings = {n: course.recording(n) for n in choose_videos([*frames], SMALLEST, scale)}
        claim_root(root)
        for split, official in SPLITS.items():
            for number in sorted(official.keys() & recordings.keys()):
                folder = root / split / f"VID{number:02d}"
                folder.mkdir(parents=True)
                recording = recordings[number]
                ids = self._write_labels(folder, split, recording, course)
                if not media:
                    continue
                if split == "Testing":
                    _write_movie(folder / f"{folder.name}.mp4", recording)
                else:
                    _write_frames(
                        folder / "Frames", recording, [*ids, *course.unlabelled(ids, recording)]
                    )

    def _write_labels(
        self, folder: Path, split: str, recording: Recording20, course: "Course"
    ) -> list[int]:
        """Write the label file; return the ids whose pictures the video ships."""
        number = recording.number
        own = write_records(recording, faults=course.faults)
        annotations = own
        if course.faults and number in _WRONG:
            other = course.recording(_WRONG[number])
            annotations = write_records(other, faults=False, disguise=number == 30)
        document = {
            "info": _INFO,
            "annotations": annotations,
            "categories": _CATEGORIES,
            "video": {
                "name": folder.name,
                "num_frames": len(annotations),
                "split": split.lower(),
                "height": 480,
                "width": 854,
            },
        }
        name = folder.name.lower() if course.faults and number == _LOWER_CASE else folder.name
        write_json(folder / f"{name}.json", document)
        return [int(frame) for frame in own]


_INFO: Final = {
    "dataset": "CholecTrack20",
    "description": "Made-up labels of drawn operations in the format of CholecTrack20",
    "year": 2022,
    "version": 1.0,
    "author": "medvidbench",
    "copyright": "none",
    "url": "",
    "date_created": "2019-01-01",
    "bbox format": "tlwh = [top_left_x, top_left_y, box_width, box_height]",
    "license": "CC0 1.0 Universal",
}

_CATEGORIES: Final = {
    "tools": [
        {"id": i, "name": name}
        for i, name in enumerate(
            ("grasper", "bipolar", "hook", "scissors", "clipper", "irrigator", "specimen-bag")
        )
    ],
    "operators": [
        {"id": 0, "name": "null"},
        {"id": 1, "name": "main-surgeon-left-hand (MSLH)"},
        {"id": 2, "name": "assistant-surgeon-right-hand (ASRH)"},
        {"id": 3, "name": "main-surgeon-right-hand (MSRH)"},
    ],
}


@dataclass(frozen=True, slots=True)
class Course:
    """How long each video is and what is wrong with it.

    Attributes:
        seed: Seed of every choice.
        max_seconds: Longest video, or None for official numbers of annotated frames.
        brief: Whether videos that only show a fault are cut short.
        faults: Whether the published faults are planted.
    """

    seed: int
    max_seconds: int | None
    brief: bool
    faults: bool

    def recording(self, number: int) -> Recording20:
        """Make up one video."""
        size: Size = (1920, 1080) if number in _LARGE else (854, 480)
        if self.max_seconds is None:
            return self._official(number, size)
        total = cut_seconds(self.max_seconds, self.max_seconds, SHORTEST_S)
        if self.brief and (number in _WRONG or number in _WRONG.values()):
            total = min(total, 20)
        if self.brief and number in _LARGE:
            total = min(total, max(14, total // 5))
        lead, tail = min(self._lead(number), total // 12), total // 40
        operation = _plan(number, total - lead - tail, self.seed)
        return Recording20(number, operation, size, lead, total)

    def _lead(self, number: int) -> int:
        made_up = 20 + hash_rank(self.seed, "lead", number) % 160
        return _LEAD_S.get(number, made_up)

    def _official(self, number: int, size: Size) -> Recording20:
        """A video with exactly the official number of annotated frames."""
        official = {n: count for part in SPLITS.values() for n, count in part.items()}[number]
        wanted = _TRUE_FRAMES.get(number, official) if self.faults else official
        seconds = wanted
        for _ in range(20):
            seconds = seconds * 11 // 10
            operation = _plan(number, seconds, self.seed)
            recording = Recording20(number, operation, size, self._lead(number), 0, keep=wanted)
            if len(recording.annotated_ids()) == wanted:
                break
        return recording.until_end(tail_s=30 + hash_rank(self.seed, "tail", number) % 90)

    def unlabelled(self, ids: list[int], recording: Recording20) -> Iterator[int]:
        """Ids of further pictures, which upstream ship without a label."""
        wanted = _UNLABELLED.get(recording.number, 0) if self.faults else 0
        taken = set(ids)
        for second in range(recording.total_s):
            if wanted > 0 and as_native_id(second) not in taken:
                wanted -= 1
                yield as_native_id(second)


def _plan(number: int, seconds: int, seed: int) -> Operation:
    # Boxes a frame are more here than rows in CholecT50: 65,247 on 35,009 frames.
    return plan_operation(number, seconds, seed, assistant_share=0.26)


def _picture(theatre: Theatre, recording: Recording20, frame: int) -> Rgb:
    """Picture `frame`, counted from 0 at 25 frames a second."""
    t_s = frame / FPS
    inside = t_s - recording.lead_s
    if 0 <= inside < recording.operation.duration_s:
        return theatre.picture(inside, overlay=f"{t_s:.2f}")
    return theatre.room(t_s)


def _write_frames(folder: Path, recording: Recording20, ids: list[int]) -> None:
    folder.mkdir()
    theatre = Theatre(recording.operation, recording.resolution_wh)
    for native_id in sorted(ids):
        write_png(folder / f"{native_id:06d}.png", _picture(theatre, recording, native_id - 1))


def _write_movie(path: Path, recording: Recording20) -> None:
    theatre = Theatre(recording.operation, recording.resolution_wh)
    frames = (_picture(theatre, recording, frame) for frame in range(recording.total_s * FPS))
    write_h264(path, frames, rate=Fraction(FPS))


SYNTHETIC: SyntheticSource = CholecTrack20()
