"""A made-up CoPESD: rows as its json files hold them, pictures of drawn dissections.

Sessions, numbers of rows, of boxes and of rows without them follow the published figures: 17,679
images and 32,699 boxes, of which the test file has 1,787 and 3,456 (Wang et al., ACM MM 2025). How
train rows spread over sessions, and which of these write boxes as xywh, is made up.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from medvid.media.jpeg import encode_jpeg
from medvid.synthetic.backgrounds import Look
from medvid.synthetic.base import SyntheticSource
from medvid.synthetic.drawing import PixelBox, Scene, black_frame, render
from medvid.synthetic.submucosal import (
    Size,
    actors_of,
    boxes_of,
    plan_course,
)
from medvid.synthetic.tree import choose_videos, claim_root, cut_seconds
from schemas.hashing import hash_rank

PICTURE_WH: Final = (1306, 1009)
SMALL_WH: Final = (653, 505)
SHORTEST_S: Final = 40
IMAGES: Final = "high_light_images"
_PREFIX: Final = "D:/made-up/video"
_SEEDS: Final = 1 << 31
_QUALITY: Final = 80

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    """One recording session.

    Attributes:
        name: Six digits, as its folder.
        test: Rows in the test file, its first pictures.
        train: Rows in the train file.
        camera: Rows on which the camera is adjusted.
        knife_only: Rows that name the knife alone.
        widths: Boxes are written as left, top, width, height.
        frozen: Test rows all carry one box an instrument.
        mixed: Rows change the way they write boxes.
        damaged: Rows carry every planted damage.
    """

    name: str
    test: int = 0
    train: int = 0
    camera: int = 5
    knife_only: int = 221
    widths: bool = False
    frozen: bool = False
    mixed: bool = False
    damaged: bool = False

    @property
    def rows(self) -> int:
        """Rows in both files."""
        return self.test + self.train


SESSIONS: Final = (
    Session("000937", train=1640),
    Session("001815", train=1262),
    Session("001841", train=1390),
    Session("003054", train=1522, damaged=True),
    Session("010300", train=1344),
    Session("012626", train=1480, widths=True),
    Session("012710", train=1150, mixed=True),
    Session("014014", train=1236),
    Session("020502", train=1298),
    Session("023521", test=1049, camera=3, knife_only=94),
    Session("222032", train=1210, widths=True),
    Session("232521", test=220, train=2360, frozen=True),
    Session("233029", test=518, knife_only=8, widths=True),
)
SMALLEST: Final = (3, 6, 9, 11, 12)
"""Places of the sessions that show every format and fault."""


@dataclass(slots=True)
class CoPESD:
    """Writer of the tree."""

    name: str = field(default="copesd", init=False)

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
        """Write `annotations/smllm/` and `high_light_images/`; see `SyntheticSource`.

        Published faults at any scale: absolute paths, two ways to write boxes, frozen boxes, a
        session in both files. At scale 0, also damage that no known file has: a session that mixes
        both ways, and rows with every single fault (003054). Pictures of scale 0 are half as large.
        """
        chosen = choose_videos(range(len(SESSIONS)), SMALLEST, scale)
        size = SMALL_WH if scale == 0 else PICTURE_WH
        claim_root(root)
        files: dict[str, list[Row]] = {"test": [], "train": []}
        for session in (SESSIONS[place] for place in chosen):
            writer = _SessionWriter(session, seed, size, max_seconds, faults, faults and scale == 0)
            for split, row in writer.rows():
                files[split].append(row)
            if media:
                writer.draw(root / IMAGES / session.name)
        folder = root / "annotations" / "smllm"
        folder.mkdir(parents=True)
        for split, rows in files.items():
            text = json.dumps(rows, indent=4)
            (folder / f"smllm_{split}.json").write_text(text, encoding="utf-8", newline="\n")


class _SessionWriter:
    """Rows and pictures of one session."""

    def __init__(
        self,
        session: Session,
        seed: int,
        size: Size,
        max_seconds: int | None,
        faults: bool,
        damage: bool,
    ) -> None:
        length = cut_seconds(session.rows, max_seconds, SHORTEST_S)
        cut = length / session.rows
        self.session, self.size, self.faults, self.damage = session, size, faults, damage
        shared = min(session.test, length // 2)
        self.test = shared if session.train else round(session.test * cut)
        self.course = plan_course(
            session.name, length, seed,
            camera=session.camera if cut == 1 else min(session.camera, 2),
            knife_only=round(session.knife_only * cut), calm=self.test if session.frozen else 0,
        )  # fmt: skip
        self.shown = actors_of(self.course)

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Yield split and row in picture order."""
        rows = []
        for place in range(len(self.course.moments)):
            boxes = boxes_of(self.shown[place], self.size, place)
            texts = {name: self._box_text(box, place) for name, box in boxes.items()}
            if self.faults and self.session.frozen and place < self.test:
                texts = {name: _FROZEN[name] for name in texts}
            rows.append(self._row(place, self.course.sentence(place, texts)))
        if self.damage and self.session.damaged:
            _damage(rows)
        for place, row in enumerate(rows):
            yield ("test" if place < self.test else "train"), row

    def _row(self, place: int, sentence: str) -> Row:
        return {
            "conversations": [
                {"from": "human", "value": self.course.instruction(place)},
                {"from": "gpt", "value": sentence},
            ],
            "image": f"{_PREFIX}/{IMAGES}/{self.session.name}/{place + 1:04d}.jpg",
        }

    def _box_text(self, box: PixelBox, place: int) -> str:
        x1, y1, x2, y2 = (value / max(self.size) for value in box)
        widths = self.faults and self.session.widths
        if self.damage and self.session.mixed:
            widths = place % 2 == 0
        values = (x1, y1, x2 - x1, y2 - y1) if widths else (x1, y1, x2, y2)
        return f"[{', '.join(f'{value:.2f}' for value in values)}]"

    def draw(self, folder: Path) -> None:
        """Draw the session's pictures; a damaged session lacks one and has one too many."""
        folder.mkdir(parents=True)
        seed = hash_rank(self.course.seed, "session", self.session.name) % _SEEDS
        scene = Scene(self.size, seed, Look.LAPAROSCOPY, 5)
        damaged = self.damage and self.session.damaged
        for place, moment in enumerate(self.course.moments):
            if damaged and place == _NO_PICTURE:
                continue
            actors = [actor for _, actor in self.shown[place]]
            picture = render(scene, actors, float(place), overlay=f"{place + 1:04d}")[0]
            picture = picture // 4 if moment.goal == "camera" else picture
            (folder / f"{place + 1:04d}.jpg").write_bytes(encode_jpeg(picture, _QUALITY))
        if damaged:
            extra = encode_jpeg(black_frame(self.size), _QUALITY)
            (folder / f"{len(self.course.moments) + 1:04d}.jpg").write_bytes(extra)


_FROZEN: Final = {"Forceps": "[0.21, 0.24, 0.43, 0.61]", "Knife": "[0.52, 0.31, 0.79, 0.66]"}
_NO_PICTURE: Final = 6


def _damage(rows: list[Row]) -> None:
    """Plant one of every single fault."""
    answers = [row["conversations"][1] for row in rows]
    boxed = [place for place, answer in enumerate(answers) if answer["value"].count("[") == 2]
    first, second, third, fourth, fifth, sixth, seventh = boxed[3:31:4]
    answers[first]["value"] = "The Forceps[0.20, 0.30, 0.40, 0.60] juggle; the Knife stays idle."
    answers[second]["value"] = answers[second]["value"].replace("[", "[oops ", 1)
    answers[third]["value"] = answers[third]["value"].replace("[", "[-0.0, 9.99, 0.3, 0.2], [", 1)
    rows[fourth]["conversations"][0]["value"] = "Adjust the camera."
    rows[fifth]["conversations"].pop()
    rows[sixth]["conversations"][0]["value"] = "Sing to the patient, s'il vous plaît."
    answers[seventh]["value"] = answers[seventh]["value"].replace("Knife[0.", "Knife[9.", 1)
    rows.append(json.loads(json.dumps(rows[0])))
    other = json.loads(json.dumps(rows[1]))
    other["conversations"] = rows[2]["conversations"]
    rows.append(other)
    rows.append({"conversations": rows[0]["conversations"], "image": f"{_PREFIX}/clip 7/one.jpg"})
    rows.append({"image": None})


SYNTHETIC: SyntheticSource = CoPESD()
