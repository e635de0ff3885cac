"""What every converter must do, whatever its source; a new source is tested by being there."""

import dataclasses
import pickle
import re
from functools import cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Protocol

import pytest
from pydantic import TypeAdapter

from converters.base import Converter
from converters.registry import get_converter, load_converters
from data_cards import load_card, load_licences
from medvid.synthetic.registry import load_writers
from schemas.annotation import VideoAnnotation
from schemas.errors import ConfigError, MissingSourceError, SourceError
from schemas.scalars import VideoId
from schemas.source import TaskName
from schemas.video import Recording

REPOSITORY = Path(__file__).parents[2]
NAMES = sorted(load_converters())
each_source = pytest.mark.parametrize("name", NAMES)
SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NEEDS_LABELS = {
    TaskName.TAL, TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING, TaskName.VIDEO_SUMMARY,
}  # fmt: skip


class SyntheticTree(Protocol):
    """Fixture `synthetic_tree`."""

    def __call__(self, name: str, media: bool) -> Path:
        """Give the root of a drawn tree."""
        ...


@dataclasses.dataclass(frozen=True)
class Source:
    """One converter on its smallest tree, with every video converted or refused."""

    name: str
    converter: Converter
    root: Path
    recordings: list[Recording]
    annotations: dict[str, VideoAnnotation]
    errors: dict[str, SourceError]


@cache
def _convert_all(name: str, root: Path) -> Source:
    converter = get_converter(name)
    recordings = converter.discover(root)
    annotations, errors = {}, {}
    for recording in recordings:
        try:
            annotations[recording.video_id] = converter.convert(recording)
        except SourceError as error:
            errors[recording.video_id] = error
    return Source(name, converter, root, recordings, annotations, errors)


@pytest.fixture(params=[(n, m) for n in NAMES for m in (False, True)], ids=lambda p: str(p))
def source(request: pytest.FixtureRequest, synthetic_tree: SyntheticTree) -> Source:
    """Every source, with labels only and with pictures."""
    name, media = request.param
    return _convert_all(name, synthetic_tree(name, media))


def test_there_are_sources() -> None:
    assert {"cholect50", "cholectrack20"} <= set(NAMES)


def test_a_source_is_four_files_and_none_stands_alone() -> None:
    homes = {
        "data card": {path.stem for path in (REPOSITORY / "data_cards").glob("*.md")},
        "synthetic writer": set(load_writers()),
        "golden file": {path.stem for path in (REPOSITORY / "tests/golden").glob("*.jsonl")},
    }
    for home, found in homes.items():
        assert found == set(NAMES), f"{home}: missing or without a converter"


@each_source
def test_it_is_a_stateless_frozen_dataclass(name: str) -> None:
    converter = get_converter(name)
    assert isinstance(converter, Converter)
    assert dataclasses.is_dataclass(converter)
    assert dataclasses.fields(converter) == ()
    assert converter.__dataclass_params__.frozen


@each_source
def test_card_and_licence_load(name: str) -> None:
    spec = get_converter(name).spec
    assert spec.name == name == spec.card.name
    assert spec.card == load_card(name)
    assert spec.card.licence == load_licences()[spec.card.licence.id]
    assert re.match(r"@\w+\{\w+,\s", spec.card.citation)
    assert spec.card.homepage.startswith("https://")


@each_source
def test_voice_has_enough_wording(name: str) -> None:
    voice = get_converter(name).spec.voice
    for wordings in (voice.roles, voice.contexts):
        assert len(set(wordings)) == len(wordings) >= 5
        assert all(re.search(r"[.!?]$", wording) for wording in wordings)
    assert "{" not in "".join(voice.roles)


@each_source
def test_tasks_have_the_labels_they_ask_about(name: str) -> None:
    spec = get_converter(name).spec
    assert not set(spec.tasks) & set(spec.extra_tasks)
    assert spec.tasks
    if NEEDS_LABELS & {*spec.tasks, *spec.extra_tasks}:
        assert spec.label_kind is not None
        assert spec.label_kind in spec.clip_kinds


@each_source
def test_an_empty_or_missing_root_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    for root in (tmp_path, tmp_path / "absent"):
        with pytest.raises(MissingSourceError) as caught:
            get_converter(name).discover(root)
        assert caught.value.dataset == name
        assert str(tmp_path) not in str(caught.value)


@each_source
def test_it_survives_pickling(name: str) -> None:
    assert pickle.loads(pickle.dumps(get_converter(name))) == get_converter(name)


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(ConfigError, match="cholect50"):
        get_converter("nowhere")


def test_videos_are_listed_once_in_order_with_legal_ids(source: Source) -> None:
    ids = [recording.video_id for recording in source.recordings]
    assert ids == sorted(set(ids))
    for video_id in ids:
        TypeAdapter(VideoId).validate_python(video_id)
    assert source.converter.discover(source.root) == source.recordings
    for recording in source.recordings:
        assert list(recording.files) == sorted(recording.files)
        for name in (*recording.files, *([recording.media.path] if recording.media else [])):
            assert (recording.root / name).exists()


def test_most_videos_convert_and_planted_faults_are_found(source: Source) -> None:
    assert source.annotations
    assert source.errors or any(a.issues for a in source.annotations.values())


def test_refused_videos_say_why(source: Source) -> None:
    for video_id, error in source.errors.items():
        assert error.dataset == source.name, video_id
        assert error.problem
        assert error.action
        assert str(source.root) not in str(error)


def test_videos_keep_their_names_and_licence(source: Source) -> None:
    by_id = {recording.video_id: recording for recording in source.recordings}
    for video_id, annotation in source.annotations.items():
        video = annotation.video
        assert (video.source, video.video_id) == (source.name, video_id)
        assert video.licence == source.converter.spec.card.licence.id
        assert video.media in (None, by_id[video_id].media)


def test_labels_are_in_the_vocabularies(source: Source) -> None:
    known = {
        label
        for vocabulary in source.converter.spec.vocabularies.values()
        for label in vocabulary.labels
    }
    for annotation in source.annotations.values():
        used = {segment.label for segment in annotation.segments}
        used |= {label for labels in annotation.candidates.values() for label in labels}
        triplets = [found.triplet for found in annotation.triplets]
        for box in annotation.boxes:
            used |= {box.label, *([box.operator] if box.operator else [])}
            triplets += [box.triplet] if box.triplet else []
        for triplet in set(triplets):
            used |= {part for part in (triplet.instrument, triplet.verb, triplet.target) if part}
        assert used <= known
        assert {segment.kind.value for segment in annotation.segments} <= set(annotation.candidates)


def test_times_are_ordered_and_inside_the_video(source: Source) -> None:
    for annotation in source.annotations.values():
        ticks = annotation.labelled_ticks
        assert all(a < b for a, b in pairwise(ticks))
        placed = {box.tick for box in annotation.boxes} | {t.tick for t in annotation.triplets}
        if ticks:
            assert placed <= set(ticks)
        length = annotation.video.duration_ticks
        if length is not None:
            assert all(tick < length for tick in (*ticks, *placed))
            assert all(s.end <= length or s.flags for s in annotation.segments)


def test_issues_can_be_acted_on(source: Source) -> None:
    for annotation in source.annotations.values():
        for issue in annotation.issues:
            assert SNAKE_CASE.fullmatch(issue.reason)
            assert SNAKE_CASE.fullmatch(issue.kind)
            assert issue.detail.endswith((".", "…"))
            assert issue.action.endswith(".")
            assert issue.file is not None
            path = PurePosixPath(issue.file)
            assert not path.is_absolute()
            assert ".." not in path.parts
            assert (source.root / issue.file).exists() or any(
                (recording.root / issue.file).exists() for recording in source.recordings
            )


def test_two_runs_give_the_same_bytes_and_read_back(source: Source) -> None:
    clone = pickle.loads(pickle.dumps(source.converter))
    for recording in source.recordings:
        annotation = source.annotations.get(recording.video_id)
        if annotation is not None:
            text = annotation.model_dump_json()
            again = clone.convert(pickle.loads(pickle.dumps(recording)))
            assert again.model_dump_json() == text
            assert VideoAnnotation.model_validate_json(text) == annotation


def test_revisions_name_the_content(source: Source) -> None:
    revisions = [annotation.revision for annotation in source.annotations.values()]
    assert all(re.fullmatch(r"[0-9a-f]{64}", revision) for revision in revisions)
    assert len(set(revisions)) == len(revisions)


def test_no_place_on_this_machine_is_written(source: Source) -> None:
    for annotation in source.annotations.values():
        text = annotation.model_dump_json()
        assert str(source.root) not in text
        assert source.root.name not in text
