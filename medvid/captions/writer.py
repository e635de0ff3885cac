"""The label-grounded writer: captions that say what the labels say and nothing else."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Final

from pydantic import Field

from medvid.captions.events import Event, find_events, write_event
from medvid.captions.region_text import write_region
from medvid.captions.regions import RegionLimits, find_regions
from medvid.captions.summaries import write_summary
from medvid.captions.tracks import ObjectTracks
from medvid.captions.video_facts import VideoFacts
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.errors import ConfigError
from schemas.scalars import Model
from schemas.source import SourceSpec

WRITER_VERSION: Final = 1
"""Raised with every change that alters a text."""

WRITER: Final = "label"
SCOPES: Final = ("event", "summary", "region")


class CaptionSettings(Model):
    """What is written about a clip, and with what seed its wording is chosen.

    Attributes:
        seed: Seed of every hash choice.
        max_regions_per_clip: At most this many region captions per clip.
        region_min_s: Shortest region in seconds, first to last sampled frame.
        region_max_s: Longest region in seconds; where one sampling step is longer, that step.
    """

    seed: int = 0
    max_regions_per_clip: int = Field(default=8, ge=1)
    region_min_s: int = Field(default=4, ge=1)
    region_max_s: int = Field(default=30, ge=1)


@dataclass(frozen=True, slots=True)
class CaptionBuild:
    """Captions of one video's clips.

    Attributes:
        captions: By clip in the order given; in a clip events, then the summary, then regions,
            each in time order.
        drops: What got no caption, by reason.
    """

    captions: list[Caption] = field(default_factory=list)
    drops: Counter[str] = field(default_factory=Counter)


def write_captions(
    annotation: VideoAnnotation,
    spec: SourceSpec,
    clips: Sequence[Clip],
    settings: CaptionSettings,
    *,
    scopes: Collection[str] = SCOPES,
) -> CaptionBuild:
    """Write the captions of one video's clips.

    Texts are English sentences made of the phrases of the labels and of closed lists of function
    words; a clip's captions depend on that clip alone.

    Args:
        annotation: The video's labels.
        spec: Facts about the source.
        clips: Clips of this video.
        settings: Limits and seed.
        scopes: Which of `event`, `summary` and `region` to write.

    Raises:
        ConfigError: A scope is unknown, a clip belongs to another video, or regions cannot be both
            as long and as short as asked.
    """
    _check(annotation, clips, settings, scopes)
    writer = _VideoWriter(annotation, spec, settings)
    build = CaptionBuild()
    for clip in clips:
        clip_id = clip.clip_id
        events = writer.find_events(clip, build.drops if "event" in scopes else Counter())
        if "event" in scopes:
            build.captions.extend(writer.write_events(clip_id, events))
        if "summary" in scopes:
            build.captions.extend(writer.write_summary(clip, clip_id, events, build.drops))
        if "region" in scopes:
            build.captions.extend(writer.write_regions(clip, clip_id, build.drops))
    return build


def _check(
    annotation: VideoAnnotation,
    clips: Sequence[Clip],
    settings: CaptionSettings,
    scopes: Collection[str],
) -> None:
    if strangers := sorted(set(scopes) - set(SCOPES)):
        raise ConfigError(
            f"there is no caption scope {strangers[0]!r}.", field="scopes",
            action=f"Choose from {', '.join(SCOPES)}.",
        )  # fmt: skip
    if settings.region_max_s < settings.region_min_s:
        raise ConfigError(
            f"regions of {settings.region_min_s} to {settings.region_max_s} s have no length.",
            field="region_max_s", action="Set region_max_s to region_min_s or more.",
        )  # fmt: skip
    video = annotation.video
    for clip in clips:
        if (clip.source, clip.video_id) != (video.source, video.video_id):
            raise ConfigError(
                f"a clip of {clip.source} {clip.video_id} cannot be captioned from the labels of"
                f" {video.source} {video.video_id}.", field="clips",
                action="Give each annotation its own clips.",
            )  # fmt: skip


def _caption(
    clip_id: str, scope: str, subject: str, span: tuple[int, int], label: str, text: str
) -> Caption:
    return Caption(
        clip_id=clip_id, scope=scope, subject=subject, start=span[0], end=span[1], label=label,
        text=text, writer=WRITER, writer_version=WRITER_VERSION, gates={},
    )  # fmt: skip


class _VideoWriter:
    """What one video's clips share while they are written about."""

    def __init__(
        self, annotation: VideoAnnotation, spec: SourceSpec, settings: CaptionSettings
    ) -> None:
        rate = annotation.video.time_base.tick_rate
        self._facts = VideoFacts(annotation, spec)
        self._segments = [s for s in annotation.segments if s.kind is spec.label_kind]
        self._seed = settings.seed
        self._limits = RegionLimits(
            shortest=-int(-Fraction(settings.region_min_s) * rate // 1),
            longest=int(Fraction(settings.region_max_s) * rate),
            most=settings.max_regions_per_clip,
            seed=settings.seed,
        )

    @cached_property
    def _objects(self) -> ObjectTracks:
        return ObjectTracks(self._facts)

    def find_events(self, clip: Clip, drops: Counter[str]) -> list[Event]:
        return find_events(clip, self._segments, drops)

    def write_events(self, clip_id: str, events: Sequence[Event]) -> Iterator[Caption]:
        text = ""
        for event in events:
            text = write_event(self._facts, event, clip_id, self._seed, previous=text)
            span = (event.start, event.end)
            yield _caption(clip_id, "event", event.subject, span, event.label, text)

    def write_summary(
        self, clip: Clip, clip_id: str, events: Sequence[Event], drops: Counter[str]
    ) -> Iterator[Caption]:
        text = write_summary(self._facts, clip, events, clip_id, self._seed)
        if text is None:
            drops["summary_without_labels"] += 1
        else:
            yield _caption(clip_id, "summary", "", (clip.start, clip.end), "", text)

    def write_regions(self, clip: Clip, clip_id: str, drops: Counter[str]) -> Iterator[Caption]:
        for region in find_regions(self._objects, clip, clip_id, self._limits, drops):
            text = write_region(self._facts, self._objects, region, clip_id, self._seed)
            span = (region.start, region.end)
            yield _caption(clip_id, "region", region.subject, span, region.key.label, text)
