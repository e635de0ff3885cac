"""Write a JIGSAWS tree: ratings, transcriptions, kinematics and drawn videos of both eyes.

At scale 1 the counts are the published ones: 103 rated trials of eight surgeons, 793 and 371
gestures of suturing and knot tying by class, 129,166 and 56,012 labelled frames, the 17 trials of
which kinematics alone are left. Needle passing follows the counts of later work. Which scores and
how long each gesture takes are made up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from converters.datasets.jigsaws import NAME, SIZE, SMALL_CAPTURES, SMALL_SIZE
from converters.gesture_trials import FPS
from medvid.synthetic.avi import write_mpeg4_avi
from medvid.synthetic.base import SyntheticSource
from medvid.synthetic.robot_bench import Bench
from medvid.synthetic.tree import choose_videos, claim_root, cut_seconds
from medvid.synthetic.trial_plans import PLANS, Trial, plan_trials
from schemas.hashing import hash_order, hash_rank

SHORTEST_S: Final = 18
MINIATURE_S: Final = 21
"""Trials of the smallest set last no longer: just enough for clips of the whole and of parts."""

SMALLEST: Final = (
    "Suturing_B001", "Suturing_G001", "Knot_Tying_B001", "Knot_Tying_B004", "Knot_Tying_F005",
    "Needle_Passing_C005", "Needle_Passing_H004",
)  # fmt: skip
SMALLEST_BARE: Final = ("Suturing_H002", "Knot_Tying_H002")
"""Trials that are kinematics alone, the second a file of no bytes."""

TRUNCATED: Final = "Suturing_G001_capture2"
MISSING_VIDEOS: Final = (
    "Knot_Tying_B004_capture2", "Needle_Passing_C005_capture1", "Needle_Passing_C005_capture2",
)  # fmt: skip
LONG_KINEMATICS: Final = "Knot_Tying_F005"
DOUBLED: Final = "Needle_Passing"
_EXTRA_ROWS: Final = 470
_USUAL_ROWS: Final = 2500
_BARE_ROWS: Final = {"Suturing_H002": 1493, "Knot_Tying_H001": 2459, "Knot_Tying_H002": 0,
                     "Knot_Tying_I004": 346}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Style:
    """How the text files of one task are written.

    Attributes:
        newline: End of a line.
        meta_end: What follows the last row of the meta file.
    """

    newline: str
    meta_end: str


_STYLES: Final[Mapping[str, _Style]] = {
    "Suturing": _Style("\n", "\n"),
    "Knot_Tying": _Style("\r\n", "\r\n\r\n"),
    "Needle_Passing": _Style("\r\n", ""),
}
_PLAIN = _Style("\n", "\n")


def _choose(scale: float) -> tuple[set[str], list[str]]:
    """Ids of the rated trials and of those with kinematics alone that a tree holds."""
    rated = [f"{task}_{name}" for task, plan in PLANS.items() for name in plan.trials]
    bare = [f"{task}_{name}" for task, plan in PLANS.items() for name in sorted(plan.missing)]
    chosen = []
    for every, smallest in ((rated, SMALLEST), (bare, SMALLEST_BARE)):
        ordered = [*smallest, *hash_order([n for n in every if n not in smallest], 0, NAME)]
        places = choose_videos(range(len(every)), range(len(smallest)), scale)
        chosen.append([ordered[place] for place in places])
    return set(chosen[0]), sorted(chosen[1])


def _write_readme(folder: Path) -> None:
    lines = [
        "Kinematics: 76 columns a frame, four arms of 19.",
        "Ratings: trial, skill level, global rating score, six elements.",
        "Transcriptions: first frame, last frame, gesture.",
        "Videos: capture1 is the left eye, capture2 the right.",
    ]
    (folder / "readme.txt").write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")


def _write_labels(folder: Path, task: str, trials: Sequence[Trial], style: _Style) -> None:
    rows = [
        f"{trial.trial_id}\t\t{trial.level}\t{sum(trial.scores)}\t\t"
        + "\t".join(map(str, trial.scores))
        for trial in trials
    ]
    text = style.newline.join(rows) + (style.meta_end if rows else "")
    (folder / f"meta_file_{task}.txt").write_bytes(text.encode())
    (folder / "transcriptions").mkdir()
    for trial in trials:
        lines = (f"{start} {end} {code} {style.newline}" for start, end, code in trial.gestures)
        path = folder / "transcriptions" / f"{trial.trial_id}.txt"
        path.write_bytes("".join(lines).encode())


def _write_kinematics(path: Path, rows: int, seed: int) -> None:
    """Write numbers that go round in three seconds, so that a block is formatted once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    phases = np.arange(76) * 0.37 + hash_rank(seed, path.stem) % 100
    turns = 2 * np.pi * np.arange(3 * FPS) / (3 * FPS)
    block = 0.1 * np.sin(turns[:, None] + phases)
    texts = ["".join(f"{value:16.8f}" for value in row)[1:] + "\n" for row in block]
    whole, rest = divmod(rows, len(texts))
    path.write_bytes(("".join(texts) * whole + "".join(texts[:rest])).encode())


def _write_videos(folder: Path, trial: Trial, seed: int, *, faults: bool) -> None:
    folder.mkdir(exist_ok=True)
    events = [((start - 1) / FPS, end / FPS, code) for start, end, code in trial.gestures]
    quality = (sum(trial.scores) - 6) / 24
    bench = Bench(trial.task, events, quality, hash_rank(seed, trial.task) % (1 << 31))
    for capture in (1, 2):
        name = f"{trial.trial_id}_capture{capture}"
        if faults and name in MISSING_VIDEOS:
            continue
        frames = trial.frames - (0 if capture == 1 else 2 + hash_rank(seed, name) % 2)
        size = SMALL_SIZE if name in SMALL_CAPTURES else SIZE
        path = folder / f"{name}.avi"
        write_mpeg4_avi(path, bench.pictures(size, frames, capture), rate=Fraction(FPS))
        if faults and name == TRUNCATED:
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])


def _kinematic_rows(trial: Trial, *, faults: bool) -> int:
    if faults and trial.trial_id == LONG_KINEMATICS:
        return trial.frames + _EXTRA_ROWS
    return max(trial.gestures[-1][1], trial.frames - 5)


class Jigsaws:
    """Writes a JIGSAWS tree."""

    name = NAME

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

        With faults the folder of needle passing is doubled, ends of lines differ by task, and, with
        media, one video is cut short and three are not there. Without media, kinematics are written
        of those trials alone that have nothing else.

        Args:
            root: Folder to write into; made if absent, must be empty.
            scale: Share of the official 103 trials; seven at least, of 21 seconds at scale 0.
            seed: Seed of every choice.
            media: Draw the videos and write kinematics of all trials too.
            max_seconds: Cut every trial to this length; None keeps official lengths.
            faults: Plant the source's known faults.

        Raises:
            ConfigError: The folder is not empty, the scale is outside [0, 1], or `max_seconds` is
                below 18.
        """
        rated, bare = _choose(scale)
        seconds = cut_seconds(MINIATURE_S if scale == 0 else 86_400, max_seconds, SHORTEST_S)
        claim_root(root)
        for task in PLANS:
            outer = root / task
            folder = outer / task if faults and task == DOUBLED else outer
            folder.mkdir(parents=True)
            planned = plan_trials(task, seed, seconds * FPS, faults=faults)
            trials = [trial for trial in planned if trial.trial_id in rated]
            _write_readme(folder)
            _write_labels(folder, task, trials, _STYLES[task] if faults else _PLAIN)
            sensors = folder / "kinematics" / "AllGestures"
            for name in (n for n in bare if faults and n.startswith(task)):
                rows = min(_BARE_ROWS.get(name, _USUAL_ROWS), seconds * FPS)
                _write_kinematics(sensors / f"{name}.txt", rows, seed)
            for trial in trials if media else ():
                rows = _kinematic_rows(trial, faults=faults)
                _write_kinematics(sensors / f"{trial.trial_id}.txt", rows, seed)
                _write_videos(folder / "video", trial, seed, faults=faults)


SYNTHETIC: SyntheticSource = Jigsaws()
