"""From clips and captions to samples: every task asks about every clip."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from medvid.tasks.base import ClipContext, Task, TaskSettings
from medvid.tasks.registry import get_task
from medvid.tasks.view import VideoView
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.errors import ConfigError
from schemas.sample import Sample
from schemas.source import SourceSpec, TaskName

_SCOPES = {
    "event": TaskName.DENSE_CAPTIONING,
    "summary": TaskName.VIDEO_SUMMARY,
    "region": TaskName.REGION_CAPTION,
}


@dataclass(frozen=True, slots=True)
class SampleBuild:
    """Samples of one video.

    Attributes:
        samples: By clip in the order given, then task by name; no id twice.
        drops: Questions that could not be asked, by `task:reason`.
    """

    samples: list[Sample] = field(default_factory=list)
    drops: Counter[str] = field(default_factory=Counter)


def build_samples(
    annotation: VideoAnnotation,
    spec: SourceSpec,
    clips: Sequence[Clip],
    captions: Iterable[Caption],
    settings: TaskSettings,
    tasks: Collection[TaskName],
) -> SampleBuild:
    """Ask every task about every clip of one video.

    A clip's samples depend on that clip, its captions and the labels around it alone.

    Args:
        annotation: The video's labels.
        spec: Facts about the source.
        clips: Clips of this video.
        captions: Captions of these clips, in any order.
        settings: Limits and seed.
        tasks: Tasks to build.

    Raises:
        ConfigError: A task is unknown, or a clip belongs to another video.
    """
    chosen = [get_task(name) for name in sorted(set(tasks))]
    build, seen = SampleBuild(), set[str]()
    by_clip = _by_clip(captions, build.drops)
    shared = VideoView(annotation, spec)
    for clip in clips:
        _require_own(clip, annotation)
        own = tuple(by_clip.pop(clip.clip_id, ()))
        context = ClipContext(annotation, spec, clip, own, settings, shared=shared)
        for task in chosen:
            _ask(task, context, build, seen)
    _count_strays(by_clip.values(), tasks, build.drops)
    return build


def _require_own(clip: Clip, annotation: VideoAnnotation) -> None:
    video = annotation.video
    if (clip.source, clip.video_id) != (video.source, video.video_id):
        raise ConfigError(
            f"a clip of {clip.source} {clip.video_id} cannot be asked about with the labels of"
            f" {video.source} {video.video_id}.", field="clips",
            action="Give each annotation its own clips.",
        )  # fmt: skip


def _ask(task: Task, context: ClipContext, build: SampleBuild, seen: set[str]) -> None:
    context.drops.clear()
    for sample in task.build(context):
        if sample.sample_id in seen:
            context.drops["duplicate"] += 1
            continue
        seen.add(sample.sample_id)
        build.samples.append(sample)
    for reason, count in context.drops.items():
        if count:
            build.drops[f"{task.name.value}:{reason}"] += count


def _by_clip(captions: Iterable[Caption], drops: Counter[str]) -> dict[str, list[Caption]]:
    groups: dict[str, list[Caption]] = {}
    for caption in captions:
        if caption.scope in _SCOPES:
            groups.setdefault(caption.clip_id, []).append(caption)
        else:
            drops["caption:unknown_scope"] += 1
    return groups


def _count_strays(
    captions: Iterable[Sequence[Caption]], tasks: Collection[TaskName], drops: Counter[str]
) -> None:
    """Count captions of clips that were not given."""
    for group in captions:
        for caption in group:
            if _SCOPES[caption.scope] in tasks:
                drops[f"{_SCOPES[caption.scope].value}:caption_without_clip"] += 1
