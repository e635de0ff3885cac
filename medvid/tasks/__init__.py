"""Tasks: clip planning, questions, answer grammars, samples."""

from medvid.tasks.build import SampleBuild, build_samples
from medvid.tasks.clips import ClipPlan, ClipSettings, nominal_frames, plan_clips
from medvid.tasks.registry import get_task, load_tasks

__all__ = [
    "ClipPlan",
    "ClipSettings",
    "SampleBuild",
    "build_samples",
    "get_task",
    "load_tasks",
    "nominal_frames",
    "plan_clips",
]
