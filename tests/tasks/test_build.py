"""Samples of a whole video: identities, order, counts, and what a changed label touches."""

import inspect
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from converters.registry import get_converter
from medvid.tasks import (
    ClipSettings,
    SampleBuild,
    build_samples,
    get_task,
    load_tasks,
    nominal_frames,
    plan_clips,
)
from medvid.tasks.base import TaskSettings
from schemas.annotation import VideoAnnotation
from schemas.caption import Caption
from schemas.clip import Clip
from schemas.errors import ConfigError
from schemas.geometry import Box
from schemas.sample import Sample
from schemas.source import SourceSpec, TaskName

SpecMaker = Callable[..., SourceSpec]
VideoMaker = Callable[..., VideoAnnotation]
CaptionMaker = Callable[..., Caption]
ASSESSMENTS = {TaskName.SKILL_ASSESSMENT, TaskName.CVS_ASSESSMENT}
TASKS = tuple(get_task(name).name for name in load_tasks() if name not in ASSESSMENTS)
"""Tasks that ask about segments, boxes and captions; assessments have tests of their own."""
ROWS = [(i * 40, i * 40 + 38, ("cutting", "tying", "suturing")[i % 3]) for i in range(8)]
LIMITS = ClipSettings(max_clips_per_video=12)


@pytest.fixture(scope="module")
def video(make_video: VideoMaker) -> VideoAnnotation:
    boxes = [
        Box(tick=t, xyxy=(t % 50, 5.0, t % 50 + 30.5, 60.0), label=label, track=label)
        for t in range(320)
        for label in ("grasper", "hook")
        if (t + len(label)) % 9
    ]
    return make_video(ROWS, boxes=boxes)


def captions_of(
    clips: tuple[Clip, ...], video: VideoAnnotation, caption: CaptionMaker
) -> list[Caption]:
    captions: list[Caption] = []
    for clip in clips:
        captions.append(caption(clip, "summary", clip.start, clip.end))
        for segment in video.segments:
            start, end = max(segment.start, clip.start), min(segment.end, clip.end)
            if start < end:
                captions.append(caption(clip, "event", start, end, segment.label))
        subject = f"hook:{clip.start + 1}:{clip.start + 9}"
        captions.append(
            caption(clip, "region", clip.start + 1, clip.start + 9, "hook", subject=subject)
        )
    return captions


@pytest.fixture(scope="module")
def built(video: VideoAnnotation, make_spec: SpecMaker, caption: CaptionMaker) -> SampleBuild:
    return build_all(video, make_spec(max_rate_num=1), caption)


def build_all(
    video: VideoAnnotation, spec: SourceSpec, caption: CaptionMaker, seed: int = 0
) -> SampleBuild:
    clips = plan_clips(video, spec, nominal_frames(video), LIMITS).clips
    captions = captions_of(clips, video, caption)
    return build_samples(video, spec, clips, captions, TaskSettings(seed=seed), TASKS)


def test_every_task_gives_whole_samples(built: SampleBuild, video: VideoAnnotation) -> None:
    assert {sample.task for sample in built.samples} == set(TASKS)
    assert len({sample.sample_id for sample in built.samples}) == len(built.samples)
    for sample in built.samples:
        assert get_task(sample.task).parse_(sample.answer) == sample.target_value()
        assert Sample.model_validate_json(sample.to_json()) == sample
        assert sample.frame_index == sample.frame_tick
        assert (sample.width, sample.height) == video.video.resolution_wh
        assert re.fullmatch(
            r"(\w+):role\d+\.context\d+\.(list\d+\.)?ask\d+",
            orjson.loads(sample.provenance)["template"],
        )
        assert orjson.loads(sample.provenance)["revision"] == "r1"
        assert "{" not in sample.question
        assert "<video>" not in sample.question


def test_same_input_gives_the_same_bytes_and_another_seed_only_other_words(
    built: SampleBuild, video: VideoAnnotation, make_spec: SpecMaker, caption: CaptionMaker
) -> None:
    spec = make_spec(max_rate_num=1)
    again = build_all(video, spec, caption)
    assert [s.to_json() for s in again.samples] == [s.to_json() for s in built.samples]
    assert again.drops == built.drops
    other = build_all(video, spec, caption, seed=1)
    fixed = {TaskName.TAL, TaskName.NEXT_ACTION, TaskName.DENSE_CAPTIONING, TaskName.VIDEO_SUMMARY}
    before = {s.sample_id: s for s in built.samples if s.task in fixed}
    after = {s.sample_id: s for s in other.samples if s.task in fixed}
    assert before.keys() == after.keys()
    assert all(before[key].answer == after[key].answer for key in before)
    assert sum(before[key].question != after[key].question for key in before) > len(before) / 2


def test_a_changed_label_touches_only_clips_that_see_it(
    built: SampleBuild, video: VideoAnnotation, make_spec: SpecMaker, caption: CaptionMaker
) -> None:
    segments = list(video.segments)
    last = segments[-1]
    segments[-1] = last.model_copy(update={"label": "cutting"})
    changed = build_all(
        video.model_copy(update={"segments": tuple(segments)}),
        make_spec(max_rate_num=1),
        caption,
    )
    old = {s.sample_id: s.to_json() for s in built.samples}
    new = {s.sample_id: s.to_json() for s in changed.samples}
    touched = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    by_id = {s.sample_id: s for s in (*built.samples, *changed.samples)}
    assert touched
    for key in touched:
        # Next action looks 30 s past the clip, everything else stays inside it.
        reach = 30 if by_id[key].task is TaskName.NEXT_ACTION else 0
        assert by_id[key].clip_end + reach >= last.start


def test_order_of_captions_and_tasks_does_not_matter(
    built: SampleBuild, video: VideoAnnotation, make_spec: SpecMaker, caption: CaptionMaker
) -> None:
    spec = make_spec(max_rate_num=1)
    clips = plan_clips(video, spec, nominal_frames(video), LIMITS).clips
    captions = captions_of(clips, video, caption)
    again = build_samples(
        video, spec, clips, captions[::-1], TaskSettings(), [*TASKS[::-1], *TASKS]
    )
    assert [s.to_json() for s in again.samples] == [s.to_json() for s in built.samples]


def test_strays_and_duplicates_are_counted(
    video: VideoAnnotation, make_spec: SpecMaker, caption: CaptionMaker
) -> None:
    spec = make_spec(max_rate_num=1)
    clip, other = plan_clips(video, spec, nominal_frames(video), LIMITS).clips[:2]
    captions = [
        caption(clip, "summary", clip.start, clip.end),
        caption(clip, "summary", clip.start, clip.end, text="Another text."),
        caption(other, "summary", other.start, other.end),
        caption(other, "region", 0, 5, "hook"),
        caption(clip, "mood", 0, 5),
    ]
    build = build_samples(video, spec, [clip], captions, TaskSettings(), [TaskName.VIDEO_SUMMARY])
    assert [s.answer for s in build.samples] == ["The scene is seen."]
    assert build.drops == Counter(
        {
            "video_summary:duplicate": 1,
            "video_summary:caption_without_clip": 1,
            "caption:unknown_scope": 1,
        }
    )


def test_wrong_clip_or_task_is_refused(
    video: VideoAnnotation, make_spec: SpecMaker, make_clip: Callable[..., Clip]
) -> None:
    clip = make_clip(range(60), video_id="V2")
    with pytest.raises(ConfigError, match="V2"):
        build_samples(video, make_spec(), [clip], [], TaskSettings(), TASKS)
    strange = TaskName.TAL.replace("tal", "dance")
    with pytest.raises(ConfigError, match="dance"):
        build_samples(video, make_spec(), [], [], TaskSettings(), [strange])  # type: ignore[list-item]


def test_questions_vary(built: SampleBuild) -> None:
    """Every paraphrase of a part is used, none is used for most samples."""
    parts: dict[str, Counter[str]] = {}
    for sample in built.samples:
        if sample.task is TaskName.STG:
            for part in orjson.loads(sample.provenance)["template"].split(":")[1].split("."):
                name = part.rstrip("0123456789")
                parts.setdefault(name, Counter())[part] += 1
    assert set(parts) == {"role", "context", "ask"}
    assert len(parts["role"]) == 3
    assert len(parts["ask"]) >= 5
    assert all(max(counts.values()) < 0.7 * counts.total() for counts in parts.values())


@pytest.fixture(scope="module")
def native() -> Path:
    folder = os.environ.get("MEDVID_NATIVE")
    if not folder:
        pytest.skip("MEDVID_NATIVE names no folder of native labels")
    return Path(folder)


@pytest.mark.native
def test_every_nurvid_segment_is_in_a_clip_or_has_its_reason(native: Path) -> None:
    converter = get_converter("nurvid")
    fates: Counter[str] = Counter()
    for recording in converter.discover(native / "nurvid")[::8]:
        annotation = converter.convert(recording)
        plan = plan_clips(annotation, converter.spec, nominal_frames(annotation), ClipSettings())
        assert len(plan.fate) == len(annotation.segments)
        build = build_samples(
            annotation, converter.spec, plan.clips, [], TaskSettings(), [TaskName.TAL]
        )
        assert all(get_task("tal").parse_(s.answer) == s.target_value() for s in build.samples)
        fates.update(plan.fate.values())
    assert fates["in_clip"] > 0.9 * fates.total()


@pytest.mark.native
def test_no_paraphrase_is_taken_from_the_benchmark(native: Path) -> None:
    folder = native / "medvidbench"
    examples = orjson.loads((folder / "official_oneshot_examples.json").read_bytes())
    rows = orjson.loads((folder / "public_test_question_samples.json").read_bytes())
    questions = [example["question"] for example in examples.values()]
    questions += [turn["value"] for row in rows for turn in row["conversations"]]
    grammar = {piece for example in examples.values() for piece in _shingles(example["answer"])}
    official = {piece for question in questions for piece in _shingles(question)} - grammar
    assert len(official) > 100
    for name in load_tasks():
        source = Path(inspect.getfile(type(get_task(name))))
        ours = re.findall(r'"([^"]{12,})"', source.read_text(encoding="utf-8"))
        shared = official & {piece for line in ours for piece in _shingles(line)}
        assert not shared, f"{name} repeats {sorted(shared)[:3]}"


def _shingles(text: str) -> list[str]:
    """Every run of six words."""
    words = re.findall(r"[a-z]+", text.lower())
    return [" ".join(words[i : i + 6]) for i in range(len(words) - 5)]
