"""Copies among encoded videos are found through the build's own stages, once for known bytes."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from flows.duplicates import load_fingerprint, media_edges, plan_search, search_duplicates
from flows.sources import VideoState, is_hashed, plan_media
from flows.stages import convert_unit
from medvid.releases.config import BuildConfig, SourceConfig, make_config
from medvid.releases.units import LocalExecutor, Unit, run_stage
from medvid.releases.workspace import Workspace
from medvid.splits import DuplicateSettings
from medvid.synthetic.encoding import write_h264
from medvid.synthetic.footage import Alteration, Film, copy_film, draw_moment, shoot
from schemas.errors import ReleaseError
from schemas.timeline import TimeBase
from schemas.video import MediaKind, MediaRef, Recording, Video
from tests.flows.progress import Counting

SETTINGS = DuplicateSettings()
SIZE = (128, 96)
CHANGES = {
    "crf35": Alteration(crf=35),
    "cropped": Alteration(crop=(0.05, 0.02, 0.0, 0.05), crf=30),
    "slow": Alteration(speed=0.5, crf=28),
    "fast": Alteration(speed=1.7, crf=26),
    "all": Alteration((0.03, 0.05, 0.05, 0.0), 0.8, 4.5, (96, 72), (0.12, 0.0), 30),
}


def film_of(number: int) -> Film:
    """Films 1 and 2 share a theatre and its fixed camera; 5 and 6 begin with one still."""
    theatre = {2: 1, 6: 5}.get(number, number)
    still_s = 22.0 if number in (5, 6) else 0.0
    return Film(number, theatre, 55, 5, SIZE, fixed=number in (1, 2, 5, 6), still_s=still_s)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    for number in range(1, 8):
        write_h264(folder / f"film{number}.mp4", shoot(film_of(number)), rate=Fraction(5), crf=23)
    for number, (name, change) in enumerate(CHANGES.items(), start=3):
        path = folder / f"{name}.mp4"
        frames = copy_film(film_of(number), change)
        write_h264(path, frames, rate=Fraction(5), crf=change.crf, preset="veryfast")
    (folder / "images").mkdir()
    for second in range(55):
        rgb = draw_moment(film_of(7), second)
        path = folder / "images" / f"{second + 10:06d}.png"
        cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return folder


def state_of(name: str, root: Path, *, frames: bool = False) -> VideoState:
    media = (
        MediaRef(kind=MediaKind.FRAMES, path=name, pattern=r"(\d{6})\.png")
        if frames
        else MediaRef(kind=MediaKind.VIDEO, path=f"{name}.mp4")
    )
    base = TimeBase(rate_num=1 if frames else 5, frame_rate_num=1 if frames else 5)
    video = Video(
        source="drawn", video_id=name, identity=f"drawn:{name}", resolution_wh=SIZE, media=media,
        time_base=base, licence="CC0-1.0",
    )  # fmt: skip
    recording = Recording(source="drawn", video_id=name, root=root, media=media)
    convert = Unit("convert", f"drawn/{name}", name, convert_unit, recording, 60)
    return VideoState(recording, SourceConfig(name="drawn", root=root), convert, video=video)


def check(
    states: Sequence[VideoState], config: BuildConfig, workspace: Workspace, heard: Counting
) -> None:
    for state in states:
        assert plan_media(state, config, workspace) is None
    units = [state.media for state in states if state.media is not None]
    run_stage(workspace, "media", units, LocalExecutor(2), heard)
    search_duplicates(states, workspace, SETTINGS, LocalExecutor(1), heard)


@pytest.fixture
def config(root: Path, tmp_path: Path) -> BuildConfig:
    sources = [{"name": "drawn", "root": root}]
    return make_config({"output": tmp_path / "release", "sources": sources})


def test_copies_are_joined_and_others_are_not(root: Path, config: BuildConfig) -> None:
    names = [*(f"film{number}" for number in range(1, 8)), *CHANGES]
    heard = Counting()
    with Workspace(config.workspace) as workspace:
        states = [state_of(name, root) for name in names]
        states.append(state_of("images", root, frames=True))
        assert not any(is_hashed(state, workspace) for state in states)
        check(states, config, workspace, heard)
        assert all(is_hashed(state, workspace) for state in states)
        edges = media_edges(states, workspace, SETTINGS)
        planted = {(f"film{number}", name) for number, name in enumerate(CHANGES, start=3)}
        planted |= {("film7", "images"), ("images", "all")}
        expected = {tuple(sorted((f"drawn/{a}", f"drawn/{b}"))) for a, b in planted}
        assert {(edge.a, edge.b) for edge in edges} == expected
        assert heard.ran == {"media": 13, "duplicates": 1}
        check(states, config, workspace, heard)
        assert heard.ran == {"media": 13, "duplicates": 1}, "known bytes are not looked at again"
        assert media_edges(list(reversed(states)), workspace, SETTINGS) == edges
        check(states[:3], config, workspace, heard)
        assert heard.ran == {"media": 13, "duplicates": 2}, "fewer videos, another search"
        assert media_edges(states[:3], workspace, SETTINGS) == ()
        longer = SETTINGS.model_copy(update={"min_matched_s": 120.0})
        search_duplicates(states, workspace, longer, LocalExecutor(1), heard)
        assert heard.ran == {"media": 13, "duplicates": 3}, "other settings, another search"
        assert media_edges(states, workspace, longer) == ()
        assert media_edges(states, workspace, SETTINGS) == edges


def test_frame_times_come_from_the_time_base(root: Path, config: BuildConfig) -> None:
    with Workspace(config.workspace) as workspace:
        states = [state_of("film1", root), state_of("images", root, frames=True)]
        check(states, config, workspace, Counting())
        unit = plan_search(states, workspace, SETTINGS)
        assert unit is not None
        video, images = (load_fingerprint(item) for item in unit.payload.prints)
        assert video.time_s == pytest.approx(np.arange(55))
        assert images.time_s == pytest.approx(np.arange(10, 65))
        assert video.hashes.shape == images.hashes.shape == (55, 16)


def test_without_media_there_are_no_edges(root: Path, config: BuildConfig) -> None:
    with Workspace(config.workspace) as workspace:
        states = [state_of("film1", root), state_of("film2", root)]
        assert media_edges(states, workspace, SETTINGS) == ()
        search_duplicates(states, workspace, SETTINGS, LocalExecutor(1), Counting())


def test_edges_are_not_guessed_before_the_search(root: Path, config: BuildConfig) -> None:
    with Workspace(config.workspace) as workspace:
        states = [state_of("film1", root), state_of("film2", root)]
        for state in states:
            plan_media(state, config, workspace)
        units = [state.media for state in states if state.media is not None]
        run_stage(workspace, "media", units, LocalExecutor(2), Counting())
        with pytest.raises(ReleaseError, match="not done yet"):
            media_edges(states, workspace, SETTINGS)
