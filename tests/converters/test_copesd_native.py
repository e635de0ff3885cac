"""Real test rows of two sessions, where the environment names them."""

from collections import Counter
from pathlib import Path

import pytest

from converters.datasets.copesd import CONVERTER
from schemas.annotation import Disposition, VideoAnnotation

pytestmark = pytest.mark.native


@pytest.fixture(scope="module")
def sessions(native: Path) -> dict[str, VideoAnnotation]:
    recordings = CONVERTER.discover(native / "copesd")
    return {recording.video_id: CONVERTER.convert(recording) for recording in recordings}


@pytest.mark.parametrize(
    ("session", "rows", "boxes", "frozen", "clipped", "widths"),
    [("232521", 220, 440, 440, 0, False), ("233029", 518, 1018, 0, 78, True)],
)
def test_every_row_and_box_is_used(
    sessions: dict[str, VideoAnnotation],
    session: str,
    rows: int,
    boxes: int,
    frozen: int,
    clipped: int,
    widths: bool,
) -> None:
    annotation = sessions[session]
    assert annotation.records_in == {"box": boxes, "motion": rows, "row": rows}
    assert annotation.labelled_ticks == tuple(range(rows))
    assert sum(s.end - s.start for s in annotation.segments) == rows
    flags = Counter(flag for box in annotation.boxes for flag in box.flags)
    assert (len(annotation.boxes), flags["frozen"], flags["clipped"]) == (boxes, frozen, clipped)
    assert not any(i.disposition is Disposition.DROPPED for i in annotation.issues)
    assert ("boxes_as_xywh" in {i.reason for i in annotation.issues}) is widths
    assert annotation.video.native_split == {"copesd": "test"}


def test_sessions_are_all_there_is(sessions: dict[str, VideoAnnotation]) -> None:
    assert sorted(sessions) == ["232521", "233029"]


def test_frames_by_action(sessions: dict[str, VideoAnnotation]) -> None:
    frames: Counter[str] = Counter()
    for annotation in sessions.values():
        for segment in annotation.segments:
            frames[segment.label] += segment.end - segment.start
    assert frames == {
        "dissect flap tissue with knife": 506, "lift flap with forceps": 99,
        "position flap with forceps and knife": 58, "position flap with forceps only": 21,
        "retract flap edge with forceps and knife": 27, "stabilize flap with forceps": 18,
        "adjust camera": 5, "retract flap edge with forceps only": 4,
    }  # fmt: skip


def test_boxes_end_where_the_picture_ends(sessions: dict[str, VideoAnnotation]) -> None:
    lowest = {name: max(b.xyxy[3] for b in a.boxes) for name, a in sessions.items()}
    assert lowest == {"232521": pytest.approx(1005.62), "233029": 1009}
