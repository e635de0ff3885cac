"""From native roots to one finished set of pairs a video: discover, convert, check, build."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from converters.registry import get_converter
from data_cards import load_licences
from flows.corrections import plan_correction
from flows.pool import load_pool
from flows.recordings import list_recordings
from flows.stages import (
    ANNOTATION_FILE,
    ConvertPayload,
    MediaPayload,
    convert_unit,
    media_unit,
)
from flows.tables import CLIPS_FILE
from medvid.releases.config import BuildConfig, SourceConfig
from medvid.releases.keys import code_key, media_content_key, recording_key
from medvid.releases.units import Outcome, Unit
from medvid.releases.workspace import Workspace
from schemas.correction import Correction
from schemas.errors import ConfigError, MissingSourceError, SourceError, bounded
from schemas.hashing import content_key
from schemas.quarantine import QuarantineRow
from schemas.video import Recording, Video

LABEL_TIMEOUT_S = 600.0


@dataclass(slots=True)
class VideoState:
    """One video on its way through the build.

    Attributes:
        recording: What `discover` found.
        config: Its source's settings.
        convert: Unit that reads its labels.
        correct: Unit that applies annotators' corrections, None where there are none.
        media: Unit that checks its pictures, None without media.
        media_key: Content key of its pictures, empty without media.
        pairs: Unit that builds its samples.
        video: The video as its annotation describes it, once converted.
        alive: Whether it can still reach the release.
    """

    recording: Recording
    config: SourceConfig
    convert: Unit
    correct: Unit | None = None
    media: Unit | None = None
    media_key: str = ""
    pairs: Unit | None = None
    video: Video | None = None
    alive: bool = True

    @property
    def name(self) -> str:
        """Readable name: source and video id."""
        return f"{self.recording.source}/{self.recording.video_id}"

    @property
    def labels(self) -> Unit:
        """Unit whose annotation counts: the corrected one where there is one."""
        return self.correct or self.convert

    @property
    def pictures_key(self) -> str:
        """Hash of the pictures and of how they are counted; empty without media."""
        if not self.media_key or self.video is None:
            return ""
        return content_key(self.media_key, self.video.time_base)


@dataclass(slots=True)
class Tally:
    """What became of everything that went in; filled stage by stage.

    Attributes:
        rows: The quarantine.
        records_in: Native records by source and kind.
        issues: Faults by source and `disposition:kind:reason`.
        fates: Segments by source and `kind:fate`.
        candidates: Clip candidates by source and fate.
        drops: Questions not asked, by source and `task:reason`.
        videos: Videos by source and what became of them.
        corrections: Annotators' corrections by source and what became of them.
        corrections_head: Hash that names the whole correction log, None without one.
    """

    rows: list[QuarantineRow] = field(default_factory=list)
    records_in: dict[str, Counter[str]] = field(default_factory=dict)
    issues: dict[str, Counter[str]] = field(default_factory=dict)
    fates: dict[str, Counter[str]] = field(default_factory=dict)
    candidates: dict[str, Counter[str]] = field(default_factory=dict)
    drops: dict[str, Counter[str]] = field(default_factory=dict)
    videos: dict[str, Counter[str]] = field(default_factory=dict)
    corrections: dict[str, Counter[str]] = field(default_factory=dict)
    corrections_head: str | None = None

    def add(self, table: str, source: str, counts: dict[str, int]) -> None:
        """Add counts of a source to one of the tables."""
        getattr(self, table).setdefault(source, Counter()).update(counts)


def converter_key(source: str) -> str:
    """Hash of all that decides what a converter returns."""
    spec = spec_key(source)  # before its file is looked for: this names an unknown source
    own = code_key("schemas", f"converters.datasets:{source}.py")
    return content_key(own, _shared_converter_code(), spec)


def _shared_converter_code() -> str:
    folder = Path(__file__).parent.parent / "converters"
    names = sorted(path.name for path in folder.glob("*.py"))
    return code_key(*(f"converters:{name}" for name in names))


def discover(config: BuildConfig, workspace: Workspace) -> list[VideoState]:
    """List every video of every source, with the content key of its conversion.

    Raises:
        MissingSourceError: A root holds nothing of its source.
        ConfigError: A video asked for by name is not there.
    """
    states: list[VideoState] = []
    for source in config.sources:
        try:
            code = converter_key(source.name)
            recordings = list_recordings(source.name, source.root, code, workspace)
        except SourceError:
            raise
        except OSError as error:
            raise MissingSourceError(
                f"a file of the source cannot be read: {error.strerror}.", dataset=source.name,
                source=Path(str(error.filename or source.root)).name,
                action="Make it readable, and run the build again.",
            ) from error  # fmt: skip
        states.extend(_states_of(source, recordings, workspace))
    return states


def _states_of(
    source: SourceConfig, recordings: Sequence[Recording], workspace: Workspace
) -> list[VideoState]:
    if source.videos is not None:
        known = {recording.video_id for recording in recordings}
        unknown = sorted(set(source.videos) - known)
        if unknown:
            raise ConfigError(
                f"videos {unknown} are not under the root.", dataset=source.name, field="videos"
            )
        recordings = [r for r in recordings if r.video_id in source.videos]
    if source.licence is not None and source.licence not in load_licences():
        raise ConfigError(
            f"licence {source.licence!r} is not registered.", dataset=source.name, field="licence",
            action="Choose an id of data_cards/licences.yaml, or add its flags there.",
        )  # fmt: skip
    code = converter_key(source.name)
    states = []
    for recording in recordings:
        key = recording_key(recording, code, workspace.ledger.sha256_of)
        name = f"{recording.source}/{recording.video_id}"
        if source.licence is not None:
            key = content_key("licensed", key, source.licence)
        payload = ConvertPayload(recording, source.licence)
        unit = Unit("convert", name, key, convert_unit, payload, LABEL_TIMEOUT_S)
        states.append(VideoState(recording, source, unit))
    return states


def plan_corrections(
    states: Sequence[VideoState],
    corrections: Mapping[str, Sequence[Correction]],
    workspace: Workspace,
) -> None:
    """Give every converted video that annotators corrected its unit."""
    for state in states:
        said = corrections.get(state.name)
        if said and state.alive:
            annotation = workspace.folder("convert", state.convert.key) / ANNOTATION_FILE
            state.correct = plan_correction(state.name, state.convert.key, annotation, said)


class _UnknownHashError(Exception):
    """A file was met whose hash is not at hand."""


def is_hashed(state: VideoState, workspace: Workspace) -> bool:
    """Whether the bytes of a video's pictures are known without reading them."""

    def known(path: Path) -> str:
        digest = workspace.ledger.known_sha256(path)
        if digest is None:
            raise _UnknownHashError
        return digest

    recording = state.recording
    if recording.media is None:
        return True
    try:
        media_content_key(recording.root, recording.media, known)
    except _UnknownHashError:
        return False
    except MissingSourceError:
        return True
    return True


def plan_media(
    state: VideoState, config: BuildConfig, workspace: Workspace
) -> QuarantineRow | None:
    """Give a video its media unit; a video without pictures leaves the build with a row."""
    recording = state.recording
    media = recording.media
    if media is None:
        state.alive = False
        return _no_media(recording, "labels are here, pictures are not.", "")
    try:
        state.media_key = media_content_key(recording.root, media, workspace.ledger.sha256_of)
    except MissingSourceError as error:
        state.alive = False
        return _no_media(recording, error.problem, error.source or "")
    key = content_key("media", state.media_key, media, code_key("medvid.media"))
    state.media = Unit(
        "media", state.name, key, media_unit, MediaPayload(recording.root, media),
        config.media.timeout_s,
    )  # fmt: skip
    return None


def _no_media(recording: Recording, detail: str, file: str) -> QuarantineRow:
    return QuarantineRow(
        source=recording.source, video_id=recording.video_id, stage="probe", kind="video",
        reason="missing_media", detail=detail, file=file,
        action="Put the video where the data card says, or build with --media none.",
    )  # fmt: skip


@cache
def spec_key(source: str) -> str:
    """Hash of a source's specification."""
    return content_key(get_converter(source).spec)


def failure_row(outcome: Outcome, stage: str) -> QuarantineRow:
    """Quarantine row of a unit the machine failed."""
    source, _, video_id = outcome.unit.name.partition("/")
    return QuarantineRow(
        source=source, video_id=video_id, stage=stage, kind="video",
        reason=outcome.failure or "crashed", detail=outcome.detail, retryable=True,
        action="Run `medvid quarantine RELEASE --retry`; raise media.timeout_s if it recurs.",
    )  # fmt: skip


def media_rows(state: VideoState, info: dict[str, Any]) -> list[QuarantineRow]:
    """Quarantine rows of a media check: the whole video, or single frames of a folder."""
    media = state.recording.media
    place = media.path if media else ""
    common = {"source": state.recording.source, "video_id": state.recording.video_id}
    if not info["ok"]:
        return [
            QuarantineRow(
                **common, stage="integrity", kind="video", reason=info["reason"],
                detail=info["detail"], file=place,
                action="Fetch the file again; the next build tries the new bytes by itself.",
            )
        ]  # fmt: skip
    return [
        QuarantineRow(
            **common, stage="integrity", kind="frame", reason=info["reason"] or "unreadable",
            detail=f"frame {index} does not decode.", file=place, field=str(index),
            action="Fetch the image again; clips leave this frame out until then.",
        )
        for index in info["bad_indices"]
    ]  # fmt: skip


def read_pool(
    states: Sequence[VideoState], workspace: Workspace, seed: int, tally: Tally | None = None
) -> pl.DataFrame:
    """All candidate samples, without their bytes, with their turns by a seed.

    Raises:
        ConfigError: There is not one; the commonest reasons are named.
    """
    keys: dict[str, list[str]] = {}
    for state in states:
        if state.alive and state.pairs is not None:
            keys.setdefault(state.recording.source, []).append(state.pairs.key)
    pool = load_pool(keys, workspace, seed)
    if pool.is_empty():
        raise _no_samples(tally)
    return pool


def _no_samples(tally: Tally | None) -> ConfigError:
    rows = tally.rows if tally else []
    reasons = Counter((row.source, row.kind, row.reason) for row in rows)
    if not reasons:
        return ConfigError(
            "no source gave a single sample.",
            action="See `medvid convert` on one source, or loosen the clip settings.",
        )
    told = [f"{count} {source} {kind}: {reason}" for (source, kind, reason), count
            in reasons.most_common()]  # fmt: skip
    first = next(r for r in rows if (r.source, r.kind, r.reason) == reasons.most_common(1)[0][0])
    return ConfigError(f"no source gave a single sample: {bounded(told)}.", action=first.action)


def frames_needed(
    state: VideoState, workspace: Workspace, clip_ids: Sequence[str]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Native numbers and ticks of every frame of these clips, in time order."""
    if state.pairs is None or not clip_ids:
        return (), ()
    clips = pl.read_ipc(workspace.folder("pairs", state.pairs.key) / CLIPS_FILE)
    frames = (
        clips.filter(pl.col("clip_id").is_in(clip_ids))
        .select("frame_tick", "frame_index")
        .explode("frame_tick", "frame_index")
        .unique("frame_tick", keep="any")
        .sort("frame_tick")
    )
    return tuple(frames["frame_index"].to_list()), tuple(frames["frame_tick"].to_list())
