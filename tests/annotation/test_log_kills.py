"""Writers of the log and of the archive, killed at random: nothing is lost, nothing is twice."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from annotation.archive import Archive, PulledAnnotation
from annotation.jobs import AnnotationTask, Job
from annotation.log import CorrectionLog
from schemas.correction import Correction, CorrectionKind

ROUNDS = 25
WRITERS = 2
TASK = AnnotationTask(
    job=Job.TIMELINE, source="cholect50", video_id="VID01", clip_id="c1", base_revision="native",
    frame_index=(0, 1), frame_tick=(0, 10), end_tick=20, width=64, height=48, fps=5,
    video="/v.mp4", vocabulary={"phase": ("cut",)}, items=(),
)  # fmt: skip
Append = Callable[[Path, Sequence[int]], object]


def _to_log(home: Path, numbers: Sequence[int]) -> object:
    return CorrectionLog(home / "log").append([
        Correction(
            who="ada", when="2026-01-01T10:00:00Z", tool="test", task_id=str(number),
            source="cholect50", video_id="VID01", base_revision="r", kind=CorrectionKind.SEGMENT,
            before=None, reason="Grüße 三" * 50,
            after={"start": number, "end": number + 1, "kind": "phase", "label": "cut"},
        )
        for number in numbers
    ])  # fmt: skip


def _to_archive(home: Path, numbers: Sequence[int]) -> object:
    return Archive(home / "pulled").append([
        PulledAnnotation(
            annotation_id=str(number), task=TASK, who="ada", when="2026-01-01T10:00:00Z",
            tool="test", skipped=False, senior=False, lead_time_s=1.0,
            results=[{"text": "Grüße 三" * 50}],
        )
        for number in numbers
    ])  # fmt: skip


def _held_by_log(home: Path) -> list[str]:
    return [correction.task_id for correction in CorrectionLog(home / "log")]


def _held_by_archive(home: Path) -> list[str]:
    return [annotation.annotation_id for annotation in Archive(home / "pulled")]


def _write_until_killed(append: Append, home: Path, seed: int, told: int) -> NoReturn:
    """Append without end in a process of its own; say what was appended when it returned."""
    draw = random.Random(seed)
    try:
        while True:
            numbers = [draw.randrange(900) for _ in range(draw.randrange(1, 30))]
            append(home, numbers)
            os.write(told, (" ".join(map(str, numbers)) + "\n").encode())
    finally:
        os.write(told, b"failed\n")
        os._exit(1)


@pytest.mark.parametrize(
    ("append", "held"),
    [(_to_log, _held_by_log), (_to_archive, _held_by_archive)],
    ids=["log", "archive"],
)
def test_writers_killed_at_random_lose_and_double_nothing(
    tmp_path: Path, append: Append, held: Callable[[Path], list[str]]
) -> None:
    said = tmp_path / "said"
    told = os.open(said, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    draw = random.Random(0)
    for turn in range(ROUNDS):
        writers = []
        for number in range(WRITERS):
            writer = os.fork()
            if writer == 0:
                _write_until_killed(append, tmp_path, turn * WRITERS + number, told)
            writers.append(writer)
        try:
            time.sleep(draw.random() * 0.04)
            seen = Counter(held(tmp_path))  # reading beside writers sees whole entries alone
        finally:
            for writer in writers:
                os.kill(writer, signal.SIGKILL)
                os.waitpid(writer, 0)
        assert set(seen.values()) <= {1}
    os.close(told)
    returned = set(said.read_text().split())
    assert "failed" not in returned
    assert len(returned) > 100
    append(tmp_path, [])
    found = Counter(held(tmp_path))
    assert returned <= set(found)
    assert set(found.values()) == {1}
    assert not list((tmp_path / "log").glob(".*.partial"))
