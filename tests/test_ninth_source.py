"""One more dataset is four new files: a toy source in a copy of the code, no file of it edited."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("configs", "converters", "data_cards", "flows", "medvid", "schemas")

CONVERTER = '''
"""Toy: one text file a video, `start end label` in seconds a line."""

from dataclasses import dataclass
from pathlib import Path

from data_cards import load_card
from schemas.annotation import Disposition, Issue, VideoAnnotation
from schemas.errors import MissingSourceError
from schemas.source import QuestionVoice, SourceSpec, TaskName
from schemas.timeline import Segment, SegmentKind, TimeBase
from schemas.video import Recording, Video
from schemas.vocabulary import Vocabulary

ACTION = Vocabulary(name="action", labels=("swab", "suture"))
VOICE = QuestionVoice(
    roles=("You watch toys.", "You know toys.", "You like toys."),
    contexts=("A toy is shown.", "This is a toy.", "Toys at work."),
    step_word="toy actions",
)


@dataclass(frozen=True)
class Toy:
    """The ninth source."""

    @property
    def spec(self) -> SourceSpec:
        return SourceSpec(
            name="toy", dataset_name="Toy", version=1, card=load_card("toy"),
            tasks=(TaskName.TAL, TaskName.DENSE_CAPTIONING), clip_kinds=(SegmentKind.ACTION,),
            label_kind=SegmentKind.ACTION, vocabularies={"action": ACTION}, voice=VOICE,
            max_rate_num=1,
        )

    def discover(self, root: Path) -> list[Recording]:
        files = sorted(root.glob("*.txt"))
        if not files:
            raise MissingSourceError("there is no label file.", dataset="toy")
        return [
            Recording(source="toy", video_id=path.stem, root=root, files=(path.name,))
            for path in files
        ]

    def convert(self, recording: Recording) -> VideoAnnotation:
        rows = (recording.root / recording.files[0]).read_text().splitlines()
        segments, issues = [], []
        for line, row in enumerate(rows, 1):
            start, end, label = row.split()
            if label not in ACTION.labels:
                issues.append(Issue(
                    reason="unknown_label", kind="segment", disposition=Disposition.DROPPED,
                    detail=f"{label} is no toy action.", file=recording.files[0], line=line,
                ))
                continue
            segments.append(Segment(
                start=int(start), end=int(end), kind=SegmentKind.ACTION, label=label,
            ))
        video = Video(
            source="toy", video_id=recording.video_id, identity=f"toy:{recording.video_id}",
            resolution_wh=(64, 48), media=None, licence="cc0-1.0",
            time_base=TimeBase(rate_num=1, frame_rate_num=1),
        )
        return VideoAnnotation(
            video=video, segments=tuple(segments), issues=tuple(issues),
            candidates={"action": ACTION.labels}, records_in={"segment": len(rows)},
        )


CONVERTER = Toy()
'''

WRITER = '''
"""Draws toys."""

from pathlib import Path


class ToyTree:
    name = "toy"

    def write(self, root: Path, *, scale, seed=0, media=True, max_seconds=None, faults=True):
        for number in range(4):
            rows = [f"{i * 20} {i * 20 + 18} {('swab', 'suture')[i % 2]}" for i in range(6)]
            rows += ["130 140 juggle"] if faults and number == 0 else []
            (root / f"toy{number}.txt").write_text("\\n".join(rows))


SYNTHETIC = ToyTree()
'''

CARD = """---
name: toy
title: Toy
licence: cc0-1.0
citation: |
  @misc{toy, title = {Toy}}
access: Draw it.
homepage: https://example.org
procedures:
  - toy surgery
---

# Toy
"""


def digest(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of all our packages."""
    for name in PACKAGES:
        shutil.copytree(
            ROOT / name, tmp_path / "code" / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path / "code"


def test_a_ninth_source_is_four_new_files(copy: Path, tmp_path: Path) -> None:
    before = digest(copy)
    (copy / "converters" / "datasets" / "toy.py").write_text(CONVERTER)
    (copy / "medvid" / "synthetic" / "toy.py").write_text(WRITER)
    (copy / "data_cards" / "toy.md").write_text(CARD)
    script = (
        "from pathlib import Path\n"
        "from medvid.synthetic import write_tree\n"
        "Path('tree').mkdir()\n"
        "write_tree('toy', Path('tree'), scale=0.0)\n"
        "from medvid.cli.main import main\n"
        "import sys\n"
        "sys.argv = ['medvid', 'build', '--source', 'toy=tree', '--output', 'out', '--media',\n"
        "            'none', '--no-server', '--json']\n"
        "main()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout)
    made = {row["task"]: row["samples"] for row in facts["samples"]}
    assert made["tal"] > 0
    assert made["dense_captioning"] > 0
    assert facts["quarantined"] == 1
    after = digest(copy)
    assert {path for path in after if after[path] != before.get(path)} == {
        "converters/datasets/toy.py", "medvid/synthetic/toy.py", "data_cards/toy.md",
    }  # fmt: skip
