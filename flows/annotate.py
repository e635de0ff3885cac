"""From a release to annotation tasks, and the flows that push and pull them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl

from annotation.jobs import PROXY_FPS, AnnotationTask, Item, Job, Mark, region_id
from converters.registry import get_converter
from flows.annotate_conflicts import REASON, Conflicts
from flows.annotate_items import ItemMaker, Spoken
from flows.corrections import Fixes, load_fixes
from medvid.media.proxies import proxy_name, write_proxy
from medvid.releases.config import BuildConfig, make_config
from medvid.releases.publish import RUN_FILE, read_manifest
from medvid.releases.workspace import ANNOTATION_FILE, FIXES_FILE
from medvid.shards import ReleaseReader
from schemas.annotation import VideoAnnotation
from schemas.errors import ConfigError, ReleaseError
from schemas.hashing import hash_rank
from schemas.quarantine import QuarantineRow
from schemas.sample import Sample
from schemas.scalars import Model
from schemas.tables import QUARANTINE, read_table

PROXY_FOLDER: Final = "proxies"
LOCAL_FILES_URL: Final = "/data/local-files/?d="
"""Where Label Studio serves a file below its document root."""

Heard = Callable[[int, int], None]
"""Takes how many tasks are ready, and how many there will be."""


class PushQuery(Model):
    """Which clips are worth an annotator's time.

    Attributes:
        job: What is asked.
        sources: Only these sources; all by default.
        split: Only this split.
        tasks: Only clips with pairs of these tasks.
        videos: Only these videos, as `source/video_id`.
        reasons: Only videos with a quarantine row of one of these reasons.
        conflicts: Only videos with corrections in conflict.
        sample_ids: Only clips of these pairs, in this order: the worst of a model's, say.
        limit: At most so many tasks. Without `sample_ids` they are drawn by hash: a random audit.
        seed: Seed of the draw.
    """

    job: Job = Job.TIMELINE
    sources: tuple[str, ...] = ()
    split: str | None = None
    tasks: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    conflicts: bool = False
    sample_ids: tuple[str, ...] = ()
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LabelState:
    """Today's labels of a video.

    Attributes:
        annotation: The labels, corrections applied.
        fixes: What annotators said of captions and pairs.
    """

    annotation: VideoAnnotation
    fixes: Fixes


class ReleaseLabels:
    """A published release with the labels it was made from.

    Args:
        release: Folder of the release.

    Raises:
        ReleaseError: It has no frames, or its workspace is gone.
    """

    def __init__(self, release: Path) -> None:
        read_manifest(release)
        self.release = release
        if not (release / "media").is_dir():
            raise ReleaseError(
                "the release holds no frames to look at.",
                action="Build it with --media frames.",
            )
        run = orjson.loads((release / RUN_FILE).read_bytes())
        self.config: BuildConfig = make_config(run["config"])
        self._inputs: dict[str, dict[str, str]] = orjson.loads(
            (release / "build.json").read_bytes()
        )["inputs"]

    @cached_property
    def samples(self) -> pl.DataFrame:
        """The release's index of samples."""
        table = pl.read_parquet(self.release / "index" / "samples.parquet")
        return table.with_columns(
            pl.format("{}/{}", pl.col("source"), pl.col("video_id")).alias("name")
        )

    @cached_property
    def quarantine(self) -> list[QuarantineRow]:
        """The release's quarantine."""
        table = read_table(self.release / "quarantine.parquet", QUARANTINE)
        return [QuarantineRow(**row) for row in table.to_pylist()]

    def labels(self, name: str) -> LabelState:
        """Today's labels of a video, `source/video_id`.

        Raises:
            ReleaseError: The workspace no longer holds them.
        """
        keys = self._inputs[name]
        stage, key = (
            ("correct", keys["corrected"]) if "corrected" in keys else ("convert", keys["labels"])
        )
        folder = self.config.workspace / "store" / stage / key
        try:
            content = (folder / ANNOTATION_FILE).read_bytes()
        except FileNotFoundError as error:
            raise ReleaseError(
                f"the labels of {name} are not in the workspace {self.config.workspace}.",
                action="Run the build again: it finds them or makes them anew.",
            ) from error
        fixes = load_fixes(folder / FIXES_FILE) if stage == "correct" else Fixes({}, frozenset())
        return LabelState(VideoAnnotation.model_validate_json(content), fixes)


def choose_samples(labels: ReleaseLabels, query: PushQuery) -> list[str]:
    """Pairs whose clips to push: the first of each clip, in the order to push them.

    Raises:
        ConfigError: The query names something the release does not hold.
    """
    rows = labels.samples.lazy()
    for column, wanted in (
        ("source", query.sources), ("task", query.tasks), ("name", query.videos),
        ("sample_id", query.sample_ids),
    ):  # fmt: skip
        if wanted:
            rows = rows.filter(pl.col(column).is_in(wanted))
    if query.split:
        rows = rows.filter(pl.col("split") == query.split)
    if query.reasons or query.conflicts:
        reasons = {*query.reasons, *([REASON] if query.conflicts else [])}
        named = {f"{r.source}/{r.video_id}" for r in labels.quarantine if r.reason in reasons}
        rows = rows.filter(pl.col("name").is_in(sorted(named)))
    if query.job is Job.REVIEW:
        table = rows.select("sample_id", "clip_id").sort("sample_id").collect()
    else:
        table = (
            rows.sort("sample_id").group_by("clip_id").agg(pl.col("sample_id").first())
        ).collect()
    found = table["sample_id"].to_list()
    if query.sample_ids:
        order = {sample_id: place for place, sample_id in enumerate(query.sample_ids)}
        found.sort(key=order.__getitem__)
    else:
        found.sort(key=lambda sample_id: hash_rank(query.seed, "audit", sample_id))
    if not found:
        raise ConfigError(
            "no clip of the release answers the query.",
            action="`medvid inspect RELEASE` lists what it holds.",
        )
    return found


def make_tasks(
    release: Path, query: PushQuery, media: Path, heard: Heard | None = None
) -> Iterator[AnnotationTask]:
    """Yield annotation tasks for a query, with their proxies made.

    A clip that has nothing to show for the job (no rating, no box) gives no task. Asked for
    conflicts, only clips give one that show what is in conflict, with a note of what was asked.

    Args:
        release: Folder of the release.
        query: What to look at.
        media: Document root of Label Studio; proxies go below `proxies/`.
        heard: Told after each task.

    Raises:
        ConfigError: The query names something the release does not hold.
        ReleaseError: The release has no frames, or its workspace is gone.
    """
    labels = ReleaseLabels(release)
    chosen = choose_samples(labels, query)
    limit = len(chosen) if query.limit is None else query.limit
    conflicts = Conflicts(labels.quarantine, labels.config.corrections)
    states: dict[str, LabelState] = {}
    made = 0
    with ReleaseReader(release) as reader:
        for sample_id in chosen:
            sample = reader.sample(sample_id)
            asked = conflicts.notes(sample, query.job) if query.conflicts else {}
            if query.conflicts and not asked:
                continue
            name = f"{sample.source}/{sample.video_id}"
            if name not in states:
                states[name] = labels.labels(name)
            video: str | None = None
            for task in _tasks_of(sample, query.job, states[name], labels.config):
                if made >= limit:
                    return
                if video is None:
                    video = _proxy(reader, sample, media)
                yield task.model_copy(update={"video": video, "notes": task.notes | asked})
                made += 1
                if heard is not None:
                    heard(made, limit)


def _proxy(reader: ReleaseReader, sample: Sample, media: Path) -> str:
    """URL of the clip's proxy, made now unless it is there."""
    jpegs = reader.frames_of(sample)
    name = proxy_name(jpegs, PROXY_FPS)
    write_proxy(media / PROXY_FOLDER / name, jpegs, PROXY_FPS)
    return f"{LOCAL_FILES_URL}{PROXY_FOLDER}/{name}"


def _tasks_of(
    sample: Sample, job: Job, state: LabelState, config: BuildConfig
) -> Iterable[AnnotationTask]:
    spec = get_converter(sample.source).spec
    maker = ItemMaker(sample, state.annotation, state.fixes, spec, config)
    for asked in maker.asked(job):
        task = AnnotationTask(
            job=job, source=sample.source, video_id=sample.video_id, clip_id=sample.clip_id,
            subject=asked.subject, base_revision=state.annotation.revision,
            frame_index=sample.frame_index, frame_tick=sample.frame_tick,
            end_tick=max(sample.clip_end, sample.frame_tick[-1] + 1), width=sample.width,
            height=sample.height, fps=PROXY_FPS, video="pending", vocabulary=asked.vocabulary,
            items=_items(asked.items), notes=asked.notes,
        )  # fmt: skip
        marks = tuple(_marks(task, asked.marks))
        yield task.model_copy(update={"marks": marks, "notes": task.notes | _places(marks)})


def _places(marks: Sequence[Mark]) -> dict[str, str]:
    """Where to look, in the page's own count: a question names seconds of the clip."""
    places: dict[str, list[str]] = {}
    for mark in marks:
        spans = [mark.frames] if mark.frames else _runs(sorted(mark.boxes))
        kind = "frames" if mark.frames else "box on frame"
        words = [f"{a}" if a == b else f"{a}-{b}" for a, b in spans]
        places.setdefault(f"{mark.label}, {kind}", []).extend(words)
    return {what: ", ".join(words) for what, words in places.items()}


def _runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Frames in order as first and last of those that follow each other.

    >>> _runs([3, 4, 5, 9])
    [(3, 5), (9, 9)]
    """
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and runs[-1][1] == frame - 1:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def _marks(task: AnnotationTask, spoken: Sequence[Spoken]) -> Iterator[Mark]:
    """Put what is spoken of on the frames of the proxy."""
    for thing in spoken:
        boxes = {task.frame_near(tick): xyxy for tick, xyxy in thing.boxes.items()}
        frames = None
        if thing.span is not None:
            start, end = thing.span
            near = task.frame_near(start)
            frames = task.frames_inside(start, end) or (near, near)
        if boxes or frames:
            yield Mark(label=thing.label, boxes=boxes, frames=frames)


def _items(contents: Sequence[tuple[str, dict[str, Any]]]) -> tuple[Item, ...]:
    """Give contents their region ids: what shares a thing shares a region."""
    return tuple(Item(region_id=region_id(thing), content=content) for thing, content in contents)
