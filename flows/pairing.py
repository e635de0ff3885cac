"""What making pairs of a video depends on: settings its source shares, its labels, its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from converters.registry import get_converter
from flows.sources import LABEL_TIMEOUT_S, VideoState, spec_key
from flows.stages import ANNOTATION_FILE, FRAMES_FILE, PairsPayload, pairs_unit
from medvid.captions import CaptionSettings
from medvid.releases.config import BuildConfig, SourceConfig
from medvid.releases.keys import code_key
from medvid.releases.units import Unit
from medvid.releases.workspace import FIXES_FILE, Workspace
from medvid.tasks import ClipSettings
from medvid.tasks.base import TaskSettings
from schemas.errors import ConfigError
from schemas.hashing import content_key
from schemas.source import SourceSpec, TaskName


@dataclass(frozen=True, slots=True)
class PairsPlan:
    """What a source's videos share on their way to pairs; made once for them all.

    Attributes:
        tasks: Tasks to build.
        clips: How stretches are cut.
        captions: How captions are written.
        questions: How many are asked.
        key: Hash of these, of the source's specification and of the code that makes pairs.
    """

    tasks: tuple[TaskName, ...]
    clips: ClipSettings
    captions: CaptionSettings
    questions: TaskSettings
    key: str

    @classmethod
    def of(cls, config: BuildConfig, source: SourceConfig) -> Self:
        """The plan of a source.

        Raises:
            ConfigError: Its labels do not support a task asked for.
        """
        tasks = tasks_of(get_converter(source.name).spec, source)
        clips, questions = config.clips_of(source), config.questions_of(source)
        captions = CaptionSettings(
            seed=config.seed, max_regions_per_clip=questions.max_regions_per_clip
        )
        code = code_key(
            "medvid.tasks",
            "medvid.captions",
            "schemas",
            "flows:stages.py",
            "flows:pair_files.py",
            "flows:corrections.py",
        )
        key = content_key("plan", code, spec_key(source.name), tasks, clips, captions, questions)
        return cls(tasks, clips, captions, questions, key)


def plan_pairs(states: Sequence[VideoState], config: BuildConfig, workspace: Workspace) -> None:
    """Give every video that is alive its pairs unit."""
    plans = {source.name: PairsPlan.of(config, source) for source in config.sources}
    for state in states:
        if state.alive:
            state.pairs = _pairs_unit(state, plans[state.recording.source], workspace)


def _pairs_unit(state: VideoState, plan: PairsPlan, workspace: Workspace) -> Unit:
    media = state.media.key if state.media else None
    key = content_key("pairs", state.labels.key, media, plan.key)
    labels = workspace.folder(state.labels.stage, state.labels.key)
    payload = PairsPayload(
        annotation=labels / ANNOTATION_FILE, fixes=labels / FIXES_FILE if state.correct else None,
        frames=workspace.folder("media", media) / FRAMES_FILE if media else None,
        tasks=plan.tasks, clips=plan.clips, captions=plan.captions, settings=plan.questions,
    )  # fmt: skip
    return Unit("pairs", state.name, key, pairs_unit, payload, LABEL_TIMEOUT_S)


def tasks_of(spec: SourceSpec, source: SourceConfig) -> tuple[TaskName, ...]:
    """Tasks to build for a source, in the order of the eight.

    Raises:
        ConfigError: The source's labels do not support a task asked for.
    """
    supported = {*spec.tasks, *spec.extra_tasks}
    asked = {*(spec.tasks if source.tasks is None else source.tasks), *source.extra_tasks}
    if asked - supported:
        raise ConfigError(
            f"{sorted(asked - supported)} cannot be made from these labels.",
            dataset=spec.name, field="tasks", action=f"Choose among {sorted(supported)}.",
        )  # fmt: skip
    return tuple(task for task in TaskName if task in asked)
