"""Builds as documents: bad settings are named, no path of a machine gets into a release."""

from pathlib import Path

import pytest

from medvid.releases.config import load_config, make_config
from schemas.errors import ConfigError

GOOD = """
name: small
output: out
workspace: work
seed: 7
sources:
  - {name: cholect50, root: native/cholect50}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "build.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD), {})
    assert config.output == tmp_path / "out"
    assert config.sources[0].root == tmp_path / "native" / "cholect50"


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD), {"workers": 1, "output": Path("/elsewhere")})
    assert (config.workers, config.output) == (1, Path("/elsewhere"))


def test_one_seed_rules_every_room(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD), {})
    assert {config.clips.seed, config.tasks.seed, config.splits.seed} == {7}


def test_a_source_may_differ_in_single_settings(tmp_path: Path) -> None:
    own = "50, clips: {max_clips_per_video: 9}, questions: {max_grounding_per_clip: 3}}"
    text = GOOD.replace("50}", own) + "clips: {max_frames: 90, max_clips_per_video: 5}\n"
    config = load_config(write(tmp_path, text), {})
    clips, questions = config.clips_of(config.sources[0]), config.questions_of(config.sources[0])
    assert (clips.max_clips_per_video, clips.max_frames, clips.seed) == (9, 90, 7)
    assert (questions.max_grounding_per_clip, questions.max_regions_per_clip) == (3, 8)
    assert clips.rates == config.clips.rates
    assert make_config(config.model_dump(mode="json")) == config


def test_resolved_settings_name_no_place_and_no_worker(tmp_path: Path) -> None:
    text = str(load_config(write(tmp_path, GOOD), {}).resolved())
    assert str(tmp_path) not in text
    assert "workers" not in text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- a list", "mapping"),
        ("name: [", "yaml"),
        (GOOD.replace("cholect50,", "Cholec T50,"), "sources.0.name"),
        (GOOD + "unknown_setting: 1", "unknown_setting"),
        (GOOD + "media: {jpeg_quality: 101}", "jpeg_quality"),
        (GOOD + "  - {name: cholect50, root: b}", "twice"),
        (GOOD.replace("50}", "50, clips: {max_clips: 3}}"), "cholect50: max_clips: "),
        (GOOD.replace("50}", "50, clips: {seed: 3}}"), "one seed"),
        (GOOD.replace("50}", "50, questions: {max_regions_per_clip: 0}}"), "max_regions_per_clip"),
        ("name: x\noutput: a\nworkspace: b\nsources: []", "sources"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load_config(write(tmp_path, text), {})


def test_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.yaml", {})


def test_a_build_needs_a_source() -> None:
    with pytest.raises(ConfigError, match="sources"):
        make_config({"output": "a", "workspace": "b"})


def test_name_and_workspace_follow_from_the_output() -> None:
    sources = [{"name": "cholect50", "root": "native"}]
    config = make_config({"output": Path("a/mein Bündel"), "sources": sources})
    assert config.workspace == Path("a/mein Bündel.workspace")
    assert config.name == "mein-B-ndel"


def test_a_workspace_of_the_file_survives_an_output_flag(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD), {"output": Path("/elsewhere/r")})
    assert config.workspace == tmp_path / "work"
    assert config.name == "small"


def test_an_anchored_build_runs_from_any_folder(tmp_path: Path) -> None:
    sources = [{"name": "cholect50", "root": "native"}]
    config = make_config({"output": "out", "sources": sources}).anchored()
    assert config.output.is_absolute()
    assert config.workspace.is_absolute()
    assert config.sources[0].root.is_absolute()


def test_a_given_source_moves_the_one_of_the_file_or_joins_it(tmp_path: Path) -> None:
    text = GOOD + "  - {name: nurvid, root: nurvid, extra_tasks: [next_action]}\n"
    given = [{"name": "nurvid", "root": Path("/n")}, {"name": "avos", "root": Path("/a")}]
    config = load_config(write(tmp_path, text), {"sources": given})
    found = {source.name: (source.root, source.extra_tasks) for source in config.sources}
    assert list(found)[-2:] == ["nurvid", "avos"]
    assert found["nurvid"] == (Path("/n"), ("next_action",))
    assert found["avos"] == (Path("/a"), ())
    untouched = load_config(write(tmp_path, text), {})
    assert config.sources[:-2] == untouched.sources[:-1]
