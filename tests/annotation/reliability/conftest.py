"""Answers to tasks, written as the page submits them."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from annotation.archive import PulledAnnotation
from annotation.codec import encode_results
from annotation.jobs import AnnotationTask, Item, Job, region_id

LABELS = ("cut", "näht – 縫う", "wash <b>")
VOCABULARY: dict[Job, dict[str, tuple[str, ...]]] = {
    Job.TIMELINE: {"phase": LABELS, "action": LABELS[:2]},
    Job.BOXES: {"objects": LABELS},
    Job.EXCLUDED: {"excluded": ("out_of_body", "face")},
    Job.CVS: {"interval": ("critical view",)},
    Job.SKILL: {"level": ("N", "I", "E"), "Respect for tissue": tuple("12345")},
    Job.CAPTION: {},
    Job.REVIEW: {},
}
Content = dict[str, Any]
MakeTask = Callable[..., AnnotationTask]
MakeAnswer = Callable[..., PulledAnnotation]


def _items(contents: list[Content], *name: str) -> tuple[Item, ...]:
    return tuple(
        Item(region_id=str(content.pop("_region", region_id(*name, k))), content=content)
        for k, content in enumerate(copy.deepcopy(contents))
    )


def _task(
    job: Job, contents: list[Content], *, number: int = 1, frames: int = 10,
    source: str = "cholect50",
) -> AnnotationTask:  # fmt: skip
    """A clip with a frame every ten ticks, from tick 100."""
    return AnnotationTask(
        job=job, source=source, video_id=f"VID{number:02d}", clip_id=f"c{number}",
        base_revision="r1", frame_index=tuple(range(frames)),
        frame_tick=tuple(range(100, 100 + 10 * frames, 10)), end_tick=100 + 10 * frames,
        width=854, height=480, fps=5, video="/v.mp4", vocabulary=VOCABULARY[job],
        items=_items(contents, "shown"),
    )  # fmt: skip


def _answer(
    task: AnnotationTask, who: str, contents: list[Content] | None = None, **facts: Any
) -> PulledAnnotation:
    """What an annotator submits who leaves these items; those of the task by default."""
    left = task.items if contents is None else _items(contents, who)
    results = encode_results(task.model_copy(update={"items": left}))
    fields = {
        "annotation_id": f"{task.task_key}:{who}", "when": "2026-01-01T10:00:00Z",
        "skipped": False, "results": results, **facts,
    }  # fmt: skip
    return PulledAnnotation(
        task=task, who=who, tool="test", senior=False, lead_time_s=1.0, **fields
    )


@pytest.fixture
def make_task() -> MakeTask:
    return _task


@pytest.fixture
def make_answer() -> MakeAnswer:
    return _answer
