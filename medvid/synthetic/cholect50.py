"""A made-up CholecT50: labels as CAMMA writes them, pictures drawn at one frame a second.

Layout, key order and value types follow the published challenge-validation clips; video numbers,
frame counts and shares of triplets follow the release of 50 videos (Nwoye et al., 2022).
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from medvid.synthetic.base import SyntheticSource
from medvid.synthetic.cholecystectomy import (
    INSTRUMENTS,
    PHASES,
    TARGETS,
    TRIPLETS,
    VERBS,
    Bout,
    Hand,
    Operation,
    Stretch,
    plan_operation,
)  # fmt: skip
from medvid.synthetic.drawing import Actor, Motion, PixelBox, boxes_at
from medvid.synthetic.encoding import write_png
from medvid.synthetic.theatre import Size, Theatre
from medvid.synthetic.tree import choose_videos, claim_root, cut_seconds, write_json
from schemas.hashing import hash_rank

VIDEOS: Final = (
    1, 2, 4, 5, 6, 8, 10, 12, 13, 14, 15, 18, 22, 23, 25, 26, 27, 29, 31, 32, 35, 36, 40, 42, 43,
    47, 48, 49, 50, 51, 52, 56, 57, 60, 62, 65, 66, 68, 70, 73, 74, 75, 78, 79, 80, 92, 96, 103,
    110, 111,
)  # fmt: skip
SMALLEST: Final = (1, 8, 25, 73, 92, 111)
SHORTEST_S: Final = 40
OFFICIAL_FRAMES: Final = 100_863
_LEAST, _MEDIAN, _MOST = 740, 1970, 3946

OUT_OF_BODY: Final = frozenset({92, 96, 103, 110, 111})
_SPARSE, _SPARSE_WH = 73, (586, 328)
_FULL_WH, _SMALL_WH = (854, 480), (427, 240)
_MISCOUNTED, _UNPAIRED, _TRUNCATED = 1, 8, 111
_NO_TRIPLET = [-1] * 14
_NO_BOX = [-1.0] * 4
_EDGE_SHARE = 1.0115
"""How far the furthest box of the real VID68 runs, as a share of the image height."""


@dataclass(slots=True)
class CholecT50:
    """Writer of the tree."""

    name: str = field(default="cholect50", init=False)

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
        """Write `labels/`, `videos/` and `label_mapping.txt`; see `SyntheticSource`.

        Below scale 1 VID73 is a sparse challenge clip with boxes, pictures of scale 0 are small,
        and damage that the published release is free of is planted where `faults` asks for it: a
        wrong frame count (VID01), a picture without a label and a label without a picture
        (VID08), a label file cut off in the middle (VID111).
        """
        numbers = choose_videos(VIDEOS, SMALLEST, scale)
        lengths = official_frames(seed)
        cuts = {n: cut_seconds(lengths[n], max_seconds, SHORTEST_S) for n in numbers}
        if faults and scale == 0:
            cuts[_TRUNCATED] = SHORTEST_S
        claim_root(root)
        (root / "labels").mkdir()
        _write_mapping(root / "label_mapping.txt")
        for number in numbers:
            clip = Clip50(
                number=number,
                operation=_plan(number, cuts[number], seed),
                resolution_wh=_SMALL_WH if scale == 0 else _FULL_WH,
                sparse=number == _SPARSE and scale < 1,
                damaged=faults and scale < 1,
            )
            clip.write(root, media=media)


def official_frames(seed: int) -> dict[int, int]:
    """Frames of each of the 50 videos: 100,863 in all, 740 to 3,946, median 1,970.

    The published length of each single video is not public; these are made up around the totals.
    """
    order = sorted(VIDEOS, key=lambda number: hash_rank(seed, "length", number))
    half = len(order) // 2
    lengths = [
        _LEAST + (_MEDIAN - 1 - _LEAST) * (i / (half - 1)) ** 0.55 if i < half
        else _MEDIAN + 1 + (_MOST - _MEDIAN - 1) * ((i - half) / (half - 1)) ** 3.0
        for i in range(len(order))
    ]  # fmt: skip
    frames = [round(length) for length in lengths]
    # The middle of the upper half takes up the rest, so that extremes and median stay.
    inner = range(half + 3, len(order) - 3)
    rest = OFFICIAL_FRAMES - sum(frames)
    for place, position in enumerate(inner):
        frames[position] += rest // len(inner) + (place < rest % len(inner))
    return dict(zip(order, frames, strict=True))


def _plan(number: int, seconds: int, seed: int) -> Operation:
    share = 0.05 if number in OUT_OF_BODY else 0.0
    return plan_operation(number, seconds, seed, outside_share=share)


@dataclass(frozen=True, slots=True)
class Clip50:
    """One video of the tree.

    Attributes:
        number: Official video number.
        operation: What happens in it.
        resolution_wh: Size of its pictures; a sparse clip has the cropped size of the real one.
        sparse: Whether it is a challenge clip: few frames, each with boxes.
        damaged: Whether damage is planted.
    """

    number: int
    operation: Operation
    resolution_wh: Size
    sparse: bool
    damaged: bool

    def write(self, root: Path, *, media: bool) -> None:
        """Write the label file, and the pictures where asked for."""
        clip = self._as_challenge_clip() if self.sparse else self
        name = f"VID{clip.number:02d}"
        annotations, pictures = clip.annotate()
        label_path = root / "labels" / f"{name}.json"
        write_json(label_path, clip.document(annotations))
        if clip.damaged and clip.number == _TRUNCATED:
            text = label_path.read_bytes()
            label_path.write_bytes(text[: len(text) * 3 // 5])
        if media:
            folder = root / "videos" / name
            folder.mkdir(parents=True)
            theatre = Theatre(clip.operation, clip.resolution_wh)
            for second in pictures:
                write_png(folder / f"{second:06d}.png", theatre.picture(second))

    def _as_challenge_clip(self) -> "Clip50":
        bouts = (*self.operation.bouts, _lie_over_edge(self.operation, _SPARSE_WH))
        ordered = tuple(sorted(bouts, key=lambda bout: bout.start_s))
        operation = replace(self.operation, bouts=ordered)
        return replace(self, operation=operation, resolution_wh=_SPARSE_WH)

    def annotate(self) -> tuple[dict[str, list[list[float]]], list[int]]:
        """Rows by frame id, and the seconds that have a picture."""
        annotations: dict[str, list[list[float]]] = {}
        pictures: list[int] = []
        chosen = set(_sparse_seconds(self.operation)) if self.sparse else None
        for second, stretch, bouts in self.operation.seconds():
            if chosen is not None and second not in chosen:
                continue
            rows: dict[int, list[float]] = {}
            for bout in bouts:
                triplet = self._free_triplet(bout, second, stretch, rows)
                if triplet is not None:
                    rows[triplet] = self._row(triplet, stretch.phase, bout, second)
            if rows or not self.sparse:
                pictures.append(second)
                ordered = [rows[triplet] for triplet in sorted(rows)]
                annotations[str(second)] = ordered or [[*_NO_TRIPLET, stretch.phase]]
        self._unpair(annotations, pictures)
        return annotations, pictures

    def _free_triplet(
        self, bout: Bout, second: int, stretch: Stretch, taken: Container[int]
    ) -> int | None:
        """What an instrument does, if CholecT50 knows it; no triplet comes twice in a frame."""
        if not bout.choices:
            return None
        null = len(TRIPLETS) - len(INSTRUMENTS) + INSTRUMENTS.index(bout.actor.label)
        first = self.operation.triplet_at(bout, second, stretch)
        options = (first, *bout.choices[stretch.phase], null)
        return next((triplet for triplet in options if triplet not in taken), None)

    def _row(self, triplet: int, phase: int, bout: Bout, second: int) -> list[float]:
        instrument, verb, target = TRIPLETS[triplet]
        share = _NO_BOX
        if self.sparse:
            box = boxes_at(self.resolution_wh, [bout.actor], second)[bout.actor.track]
            share = _as_shares(box, self.resolution_wh)
        return [triplet, instrument, 1.0, *share, verb, target, 1.0, *_NO_BOX, phase]

    def _unpair(self, annotations: dict[str, list[list[float]]], pictures: list[int]) -> None:
        """Part labels from pictures, where the real clips do and where damage is planted."""
        if self.sparse:
            # One picture in eleven of the real challenge clips has no label.
            for second in pictures[7:-1:11]:
                del annotations[str(second)]
        if self.damaged and self.number == _UNPAIRED:
            del annotations[str(pictures[len(pictures) * 2 // 3])]
            del pictures[len(pictures) // 3]

    def document(self, annotations: dict[str, list[list[float]]]) -> dict[str, Any]:
        """The whole label file, keys in native order."""
        miscounted = self.damaged and self.number == _MISCOUNTED
        return {
            "info": _info(self.sparse),
            "licenses": {
                "id": 1,
                "name": "CC0 1.0 Universal",
                "url": "https://creativecommons.org/publicdomain/zero/1.0/",
            },
            "categories": _CATEGORIES,
            "video": self.number,
            "fps": 1,
            "num_frames": len(annotations) + 3 * miscounted,
            "annotations": annotations,
        }


def _info(sparse: bool) -> dict[str, str | int | float]:
    return {
        "dataset": "cholect50-challenge-validation" if sparse else "cholect50",
        "year": 2022,
        "version": 1.5 if sparse else 2.0,
        "description": "Made-up labels of drawn operations in the format of CholecT50",
        "contributor": "medvidbench",
        "copyright": "none",
        "url": "",
        "date_created": "2021-05-01",
        "bbox format": "[x1,y1,bw,bh] == [top_left_x, top_left_y, box_width, box_height]",
    }


def _numbered(names: tuple[str, ...]) -> dict[str, str]:
    return {str(i): name for i, name in enumerate(names)}


_CATEGORIES: Final = {
    "instrument": _numbered(INSTRUMENTS),
    "verb": _numbered(VERBS),
    "target": _numbered(TARGETS),
    "phase": _numbered(PHASES),
    "triplet": _numbered(
        tuple(f"{INSTRUMENTS[i]},{VERBS[v]},{TARGETS[t]}" for i, v, t in TRIPLETS)
    ),
}


def _write_mapping(path: Path) -> None:
    """Write triplet, instrument, verb, target, instrument-verb and instrument-target ids."""
    lines = [
        f"{number},{i},{v},{t},{i * len(VERBS) + v},{i * len(TARGETS) + t}"
        for number, (i, v, t) in enumerate(TRIPLETS)
    ]
    text = "\n".join(("# IVT, I, V, T, IV, IT", *lines, ""))
    path.write_text(text, encoding="utf-8", newline="\n")


def _as_shares(box: PixelBox, resolution_wh: Size) -> list[float]:
    """Left, top, width, height as shares of the image; a box may end a little past the image."""
    width, height = resolution_wh
    left, top = max(0, box[0]), max(0, box[1])
    right = box[2] if box[2] <= width * _EDGE_SHARE + 1 else width
    bottom = box[3] if box[3] <= height * _EDGE_SHARE + 1 else height
    return [left / width, top / height, (right - left) / width, (bottom - top) / height]


def _sparse_seconds(operation: Operation) -> Iterator[int]:
    """Seconds that were labelled: runs a second or two apart, with holes between them."""
    gaps = (1, 1, 1, 1, 1, 1, 2, 2, 3, 5, 7)
    hole = 25 if operation.duration_s > 600 else 9
    second = hash_rank(operation.seed, "first", operation.patient) % 3
    while second < operation.duration_s - 1:
        yield second
        rank = hash_rank(operation.seed, "gap", operation.patient, second)
        second += hole if rank % 17 == 0 else gaps[rank % len(gaps)]
    yield operation.duration_s - 1


def _lie_over_edge(operation: Operation, resolution_wh: Size) -> Bout:
    """An instrument that rests at the end with its tip a little past the lower edge."""
    height = resolution_wh[1]
    end = operation.duration_s
    y = 0.8
    for _ in range(4):
        motion = Motion(
            centre_xy=(0.55, y), entry_xy=(1.2, 0.9), sway_xy=(0.0, 0.0), work_s=1e9,
            spans_s=((end - 6.0, end + 1.0),),
        )  # fmt: skip
        actor = Actor("bipolar", "edge", motion, 0.3)
        bottom = boxes_at(resolution_wh, [actor], end - 3.0)["edge"][3]
        y += (round(height * _EDGE_SHARE) - bottom) / height
    bag = TRIPLETS.index((1, 0, 13))
    return Bout(actor, Hand.RIGHT, end - 5, end, ((bag,),) * len(PHASES))


SYNTHETIC: SyntheticSource = CholecT50()
