"""A made-up EgoSurgery: phase files with holes, COCO files by split, pictures every 2 s.

Layout, keys and habits follow the published phase and tool files (Fujii et al., MICCAI 2024 and
arXiv 2406.03095); the hand files, which few have seen, follow what three independent loaders read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from medvid.media.jpeg import encode_jpeg
from medvid.synthetic.base import SyntheticSource
from medvid.synthetic.open_surgery import HANDS, TOOLS, Field, Operation, plan_operation
from medvid.synthetic.open_tools import PixelBox
from medvid.synthetic.tree import choose_videos, claim_root, cut_seconds, write_json
from schemas.hashing import hash_fraction

Json = dict[str, Any]

PARTS: Final = {
    1: 3, 2: 2, 3: 1, 4: 3, 5: 3, 6: 2, 7: 3, 8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 2, 14: 3, 15: 2,
    17: 1, 18: 2, 19: 2, 20: 3, 21: 3,
}  # fmt: skip
"""Parts of each recording: 43 in all, recording 16 missing; which has how many is made up."""

SPLITS: Final = {
    "train": (1, 2, 3, 6, 8, 11, 12, 13, 14, 15), "val": (9, 10), "test": (4, 5, 7),
    "": (17, 18, 19, 20, 21),
}  # fmt: skip
"""Recordings by split of the boxes; the last have none."""

ROWS: Final = {"train": 13_400, "val": 2000, "test": 5600, "": 6694}
"""Labelled frames: 27,694 in all, shared out so that each split holds its boxed frames."""

BOXED_FRAMES: Final = {"train": 9657, "val": 1515, "test": 4265}
SMALLEST: Final = (41, 42, 91, 141, 171)
SHORTEST_S: Final = 40
_UNRELEASED: Final = ("22_1", "22_2", "22_3")
_SHORT, _SHORT_ROWS, _SHORT_FIRST = 171, 56, 1504
_BRIEF, _BRIEF_SHARE = 42, 0.6
_FAULTY: Final = "14_1"
_HANDLESS: Final = "val"
_EMPTY_SHARE: Final = 0.02
"""Images without a box: 84 of 4,265."""

_FULL_WH, _SMALL_WH = (1920, 1080), (960, 540)
_QUALITY: Final = 82


@dataclass(slots=True)
class EgoSurgery:
    """Writer of the tree."""

    name: str = field(default="egosurgery", init=False)

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
        """Write `annotations/`, `gaze/` and `images/`; see `SyntheticSource`.

        A part is cut to as many labelled frames as `max_seconds` has seconds. They last twice as
        long: at one picture in 2 s the shortest clip of the benchmark, 50 frames, is 100 s.

        In the smallest set pictures are 960x540, part 04_2 is brief, and recording 09 has no
        hands. Below scale 1 part 14_1 also holds single faulty records that the published files
        are free of. Wherever faults are asked for, phase files of recording 22 come without
        pictures, and gaze repeats x as y.
        """
        official = official_rows(seed)
        numbers = choose_videos([*official], SMALLEST, scale)
        rows = {n: cut_seconds(official[n], max_seconds, SHORTEST_S) for n in numbers}
        if scale == 0:
            rows[_BRIEF] = round(rows[_BRIEF] * _BRIEF_SHARE)
        claim_root(root)
        tree = _Tree(root, seed, small=scale == 0, faults=faults, damaged=faults and scale < 1)
        operations = [tree.plan(number, rows[number]) for number in numbers]
        for operation in operations:
            tree.write_phases(operation)
            tree.write_gaze(operation)
        for split in BOXED_FRAMES:
            tree.write_boxes(split, [op for op in operations if int(op.part[:2]) in SPLITS[split]])
        if faults:
            for part in _UNRELEASED[: 3 if scale == 1 else 1]:
                tree.write_phases(tree.plan_unreleased(part))
        for operation in operations if media else ():
            tree.write_pictures(operation)


def official_rows(seed: int) -> dict[int, int]:
    """Labelled frames of each part, by ten times the recording plus the part.

    The published number of each part is not public; these are made up around the totals.
    """
    rows: dict[int, int] = {}
    for split, recordings in SPLITS.items():
        numbers = [10 * r + part for r in recordings for part in range(1, PARTS[r] + 1)]
        weights = [0.5 + hash_fraction(seed, "rows", number) for number in numbers]
        rest = ROWS[split]
        if _SHORT in numbers:
            rest -= _SHORT_ROWS
            weights[numbers.index(_SHORT)] = 0
        total, before, seen = sum(weights), 0, 0.0
        for number, weight in zip(numbers, weights, strict=True):
            seen += weight
            after = round(rest * seen / total)
            rows[number], before = after - before, after
        if _SHORT in numbers:
            rows[_SHORT] = _SHORT_ROWS
    return rows


@dataclass(frozen=True, slots=True)
class _Tree:
    """Where and how the tree is written.

    Attributes:
        root: Its folder.
        seed: Seed of every choice.
        small: Whether this is the smallest set.
        faults: Whether the published faults are planted.
        damaged: Whether faults are planted that the published files are free of.
    """

    root: Path
    seed: int
    small: bool
    faults: bool
    damaged: bool

    def plan(self, number: int, rows: int) -> Operation:
        """Make up a part; the smallest set shows most phases in each."""
        recording, part = divmod(number, 10)
        progress = ((part - 1) / PARTS[recording], part / PARTS[recording])
        if self.small:
            progress = (0.0, 1.0) if part == 1 else (0.5, 1.0)
        return plan_operation(
            f"{recording:02d}_{part}", rows, self.seed, progress=progress,
            resolution_wh=_SMALL_WH if self.small else _FULL_WH,
            first=_SHORT_FIRST if number == _SHORT else None,
        )  # fmt: skip

    def plan_unreleased(self, part: str) -> Operation:
        """Make up a part of which only the phases are there."""
        return plan_operation(
            part, 30, self.seed, progress=(0.4, 0.9), resolution_wh=_FULL_WH, first=20
        )

    def write_phases(self, operation: Operation) -> None:
        """Write `annotations/phase/<part>.csv`."""
        lines = [f"{_frame_name(operation, f)},{phase}" for f, phase in operation.labelled()]
        if self.damaged and operation.part == _FAULTY:
            lines[9:9] = [lines[8], "15_1_0001,closure"]
            lines[14] = f"{lines[14].split(',')[0]},suturing"
        _write_lines(self.root / "annotations/phase", operation, ["Frame,Phase", *lines])

    def write_gaze(self, operation: Operation) -> None:
        """Write `gaze/<part>.csv`, with the published files' fault: y is x."""
        lines = ["Frame,norm_pos_x,norm_pos_y"]
        for frame, _ in operation.labelled():
            x, y = (0.3 + 0.4 * hash_fraction(self.seed, a, operation.part, frame) for a in "xy")
            name = _frame_name(operation, frame)
            lines.append(f"{name},{x:.6f},{x if self.faults else y:.6f}")
        _write_lines(self.root / "gaze", operation, lines)

    def write_boxes(self, split: str, operations: Sequence[Operation]) -> None:
        """Write the tool file and the hand file of a split; ids start anew in each."""
        boxed = dict(_boxed_frames(split, operations))
        tools = _CocoFile(split, TOOLS, 0, "tools", self.seed)
        hands = _CocoFile(split, HANDS, 1, "hands", self.seed)
        seen = {op.part: [(f, op.boxes(f)) for f in boxed[op.part]] for op in operations}
        for operation in operations:
            tools.add(operation, seen[operation.part])
        for operation in reversed(operations):
            hands.add(operation, seen[operation.part])
        if self.damaged and _FAULTY in seen:
            _damage(tools.document, hands.document, operations[0].resolution_wh)
        for file in (tools, hands):
            if not (self.small and self.faults and split == _HANDLESS and file is hands):
                folder = self.root / "annotations/bbox/by_split" / file.folder
                folder.mkdir(parents=True, exist_ok=True)
                write_json(folder / f"{split}.json", file.document)

    def write_pictures(self, operation: Operation) -> None:
        """Write `images/<VV>/`: all frames, but for the first hole of a recording's first part."""
        folder = self.root / "images" / operation.part[:2]
        folder.mkdir(parents=True, exist_ok=True)
        hole = operation.holes[0] if operation.holes and operation.part.endswith("_1") else (0, 0)
        view = Field(operation)
        for frame in operation.frames:
            if not hole[0] <= frame <= hole[1]:
                path = folder / f"{_frame_name(operation, frame)}.jpg"
                path.write_bytes(encode_jpeg(view.picture(frame), _QUALITY))


def _boxed_frames(split: str, operations: Sequence[Operation]) -> Iterator[tuple[str, list[int]]]:
    """Frames of each part whose objects are boxed: its first ones, as many as its share."""
    share, rows = BOXED_FRAMES[split] / ROWS[split], 0
    for operation in operations:
        frames = [frame for frame, _ in operation.labelled()]
        before, rows = rows, rows + len(frames)
        yield operation.part, frames[: round(rows * share) - round(before * share)]


class _CocoFile:
    """One COCO file as it is written.

    Attributes:
        folder: Folder it belongs in.
        document: What it holds so far.
    """

    def __init__(
        self, split: str, classes: Sequence[str], first_id: int, folder: str, seed: int
    ) -> None:
        self.folder, self._split, self._seed = folder, split, seed
        self._ids = {name: number for number, name in enumerate(classes, start=first_id)}
        self._frames: dict[str, int] = {}
        self._flat = folder == "hands"
        self.document: Json = {
            "images": [], "annotations": [],
            "categories": [
                {"supercategory": "", "id": number, "name": name}
                for name, number in self._ids.items()
            ],
            "info": {
                "year": 2026, "version": "v1", "description": "Made-up open operations",
                "contributor": "medvidbench", "url": "", "date_created": "2026-01-01",
            },
            "licenses": [{"id": 1, "name": "CC0 1.0 Universal", "url": ""}],
        }  # fmt: skip
        if split != "test":
            self.document["videos"] = []

    def add(
        self, operation: Operation, seen: Sequence[tuple[int, list[tuple[str, PixelBox]]]]
    ) -> None:
        """Add the images of a part and their boxes of this file's classes."""
        recording = operation.part[:2]
        if recording not in self._frames:
            self._frames[recording] = 0
            if "videos" in self.document:
                name = f"{self._split}/{recording}"
                self.document["videos"].append({"id": len(self._frames), "name": name})
        width, height = operation.resolution_wh
        folder = "" if self._flat else f"{self._split}/{recording}/"
        for frame, boxes in seen:
            self._frames[recording] += 1
            image_id = len(self.document["images"])
            self.document["images"].append({
                "id": image_id, "width": width, "height": height,
                "file_name": f"{folder}{_frame_name(operation, frame)}.jpg", "license": 1,
                "flickr_url": None, "coco_url": None, "date_captured": None,
                "flickr_640_url": None, "video_id": [*self._frames].index(recording) + 1,
                "frame_id": self._frames[recording],
            })  # fmt: skip
            if hash_fraction(self._seed, "empty", operation.part, frame) >= _EMPTY_SHARE:
                for label, box in boxes:
                    if label in self._ids:
                        self._annotate(image_id, self._ids[label], box)

    def _annotate(self, image_id: int, class_id: int, box: PixelBox) -> None:
        """Add a box: width and height are rounded down, as if corners were not whole pixels."""
        left, top, right, bottom = box
        number = len(self.document["annotations"])
        short = [int(hash_fraction(self._seed, side, self._split, number) < 0.5) for side in "wh"]
        self.document["annotations"].append({
            "id": number, "image_id": image_id, "category_id": class_id,
            "bbox": [left, top, right - left - short[0], bottom - top - short[1]],
            "area": float((right - left) * (bottom - top)),
            "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
            "iscrowd": 0,
        })  # fmt: skip


def _frame_name(operation: Operation, frame: int) -> str:
    return f"{operation.part}_{frame:04d}"


def _write_lines(folder: Path, operation: Operation, lines: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{line}\n" for line in lines)
    (folder / f"{operation.part}.csv").write_text(text, encoding="utf-8", newline="\n")


def _damage(tools: Json, hands: Json, resolution_wh: tuple[int, int]) -> None:
    """Plant one of each fault of a record among those of part 14_1."""
    own = [image["id"] for image in tools["images"] if f"/{_FAULTY}_" in image["file_name"]]
    over, empty, foreign, stray = [a for a in tools["annotations"] if a["image_id"] in own][5:9]
    over["bbox"] = [resolution_wh[0] - 40, over["bbox"][1], 47, over["bbox"][3]]
    empty["bbox"][2] = 0
    tools["categories"].append({"supercategory": "", "id": 15, "name": "Kidney Dish"})
    foreign["category_id"] = 15
    stray["image_id"] = 10**6
    twice = next(
        annotation
        for annotation in hands["annotations"]
        if f"{_FAULTY}_" in hands["images"][annotation["image_id"]]["file_name"]
    )
    hands["annotations"].append(twice | {"id": len(hands["annotations"])})


SYNTHETIC: SyntheticSource = EgoSurgery()
