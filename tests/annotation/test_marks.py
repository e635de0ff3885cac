"""Marks lie where captions and pairs speak of, on frames the annotator sees."""

from pathlib import Path
from typing import Any

import pytest

from annotation.jobs import AnnotationTask, Job
from flows.annotate import PushQuery, ReleaseLabels, make_tasks
from medvid.releases.config import BuildConfig
from medvid.shards import ReleaseReader


def tasks_of(release: BuildConfig, job: Job, media: Path) -> list[AnnotationTask]:
    query = PushQuery(job=job, sources=("copesd",), limit=60)
    return list(make_tasks(release.output, query, media))


def scope(task: AnnotationTask) -> Any:
    return task.items[0].content["scope"]


def test_captions_mark_their_event_or_object(release: BuildConfig, tmp_path: Path) -> None:
    tasks = tasks_of(release, Job.CAPTION, tmp_path)
    assert {scope(task) for task in tasks} == {"summary", "event", "region"}
    labels = ReleaseLabels(release.output)
    for task in tasks:
        if scope(task) == "summary":
            assert task.marks == ()
        elif scope(task) == "event":
            assert [mark.frames is not None for mark in task.marks] == [True]
        else:
            (mark,) = task.marks
            drawn = labels.labels(f"{task.source}/{task.video_id}").annotation.boxes
            held = {(box.tick, box.xyxy) for box in drawn}
            shown = {(task.frame_tick[frame - 1], box) for frame, box in mark.boxes.items()}
            assert shown
            assert shown <= held
            assert "asked about, box on frame" in task.notes


@pytest.mark.parametrize(
    ("kind", "frames", "boxes"),
    [("tal", True, False), ("stg", False, True), ("dense_captioning", True, False)],
)
def test_pairs_mark_their_answer(
    release: BuildConfig, tmp_path: Path, kind: str, frames: bool, boxes: bool
) -> None:
    found = [t for t in tasks_of(release, Job.REVIEW, tmp_path) if t.notes["task"] == kind]
    assert found
    with ReleaseReader(release.output) as reader:
        for task in found:
            assert {mark.label for mark in task.marks} == {"answer"}
            assert any(mark.frames is not None for mark in task.marks) == frames
            assert any(mark.boxes for mark in task.marks) == boxes
            if boxes:
                sample = reader.sample(task.subject)
                answered = {tuple(item["xyxy"]) for item in sample.target_value()}
                assert {box for mark in task.marks for box in mark.boxes.values()} <= answered
