"""An annotator's fix reaches the shards, and touches nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from annotation.log import CorrectionLog
from flows.pipeline import build_release
from medvid.releases.config import BuildConfig
from medvid.releases.publish import read_manifest
from medvid.releases.units import LocalExecutor
from medvid.releases.verify import verify_release
from medvid.releases.workspace import Workspace
from medvid.shards import ReleaseReader
from schemas.annotation import VideoAnnotation
from schemas.correction import Correction, CorrectionKind
from schemas.sample import Sample
from tests.flows.progress import Silent

Make = Callable[..., BuildConfig]


@pytest.fixture
def config(small_build: Make, native: Path, tmp_path: Path) -> BuildConfig:
    """A build of labels of two sources, with a correction log that is empty yet."""
    for name in ("cholect50", "nurvid"):
        shutil.copytree(native / name, tmp_path / "native" / name)
    return small_build(
        tmp_path, tmp_path / "native",
        sources=[
            {"name": name, "root": tmp_path / "native" / name} for name in ("cholect50", "nurvid")
        ],
        media={"mode": "none"}, selfcontained=False, corrections=tmp_path / "corrections",
        shards={"annotation_buckets": 8, "standard_buckets": 2, "media_buckets": 1},
    )  # fmt: skip


def _build(config: BuildConfig) -> bool:
    result = build_release(config, LocalExecutor(2), Silent())
    assert [c.failures for c in verify_release(config.output) if c.failed] == []
    return result.published.changed


def _samples(config: BuildConfig) -> dict[str, Sample]:
    with ReleaseReader(config.output) as reader:
        return {sample.sample_id: sample for sample in reader.samples()}


def _annotation(config: BuildConfig, source: str) -> VideoAnnotation:
    """The labels of a video that has a segment in some answer."""
    video_id = min(s.video_id for s in _samples(config).values() if s.source == source)
    build = orjson.loads((config.output / "build.json").read_bytes())
    key = build["inputs"][f"{source}/{video_id}"]["labels"]
    with Workspace(config.workspace) as workspace:
        path = workspace.folder("convert", key) / "annotation.json"
        return VideoAnnotation.model_validate_json(path.read_bytes())


def _fix(annotation: VideoAnnotation, kind: CorrectionKind, before: Any, after: Any) -> Correction:
    return Correction(
        who="ada", when="2026-01-01T10:00:00Z", tool="test", task_id="t1", annotation_id="a1",
        source=annotation.video.source, video_id=annotation.video.video_id,
        base_revision=annotation.revision, kind=kind, before=before, after=after,
    )  # fmt: skip


def _shorten(annotation: VideoAnnotation) -> Correction:
    segment = max(annotation.segments, key=lambda s: s.end - s.start)
    shorter = segment.model_copy(update={"end": segment.end - (segment.end - segment.start) // 3})
    return _fix(
        annotation, CorrectionKind.SEGMENT,
        segment.model_dump(mode="json"), shorter.model_dump(mode="json"),
    )  # fmt: skip


def test_one_fix_changes_its_video_and_no_other(config: BuildConfig) -> None:
    _build(config)
    before, files = _samples(config), read_manifest(config.output)
    annotation = _annotation(config, "nurvid")
    log = CorrectionLog(config.corrections or Path())
    log.append([_shorten(annotation)])
    assert _build(config)
    after = _samples(config)
    changed = {
        sample.video_id
        for name in before.keys() | after.keys()
        for sample in (before.get(name), after.get(name))
        if sample is not None and before.get(name) != after.get(name)
    }
    assert changed == {annotation.video.video_id}
    rewritten = {
        path
        for path, item in read_manifest(config.output).items()
        if path.startswith("large/") and path.endswith(".tar") and files.get(path) != item
    }
    assert len(rewritten) == 1
    build = orjson.loads((config.output / "build.json").read_bytes())
    assert build["corrections_head"] == log.head()
    assert "corrected" in build["inputs"][f"nurvid/{annotation.video.video_id}"]
    assert not _build(config)


def test_a_rejected_pair_and_a_rewritten_caption_reach_the_release(config: BuildConfig) -> None:
    _build(config)
    before = _samples(config)
    annotation = _annotation(config, "cholect50")
    own = [s for s in before.values() if s.video_id == annotation.video.video_id]
    gone = next(s for s in own if s.task == "tal")
    summary = next(s for s in own if s.task == "video_summary")
    caption = {"clip_id": summary.clip_id, "scope": "summary", "subject": ""}
    CorrectionLog(config.corrections or Path()).append([
        _fix(annotation, CorrectionKind.SAMPLE, None,
             {"sample_id": gone.sample_id, "verdict": "reject"}),
        _fix(annotation, CorrectionKind.CAPTION, caption | {"text": summary.answer},
             caption | {"text": "The gallbladder is freed from its bed. Ünï 三"}),
    ])  # fmt: skip
    assert _build(config)
    after = _samples(config)
    assert set(before) - set(after) == {gone.sample_id}
    assert after[summary.sample_id].answer == "The gallbladder is freed from its bed. Ünï 三"
    same = set(before) - {gone.sample_id, summary.sample_id}
    assert all(
        after[name].answer == before[name].answer and after[name].target == before[name].target
        for name in same
    )


def test_a_conflict_and_a_video_that_is_gone_are_in_the_quarantine(config: BuildConfig) -> None:
    _build(config)
    annotation = _annotation(config, "nurvid")
    good = _shorten(annotation)
    stale = good.model_copy(update={
        "before": {**(good.before or {}), "start": 1}, "task_id": "t2",
    })  # fmt: skip
    lost = good.model_copy(update={"video_id": "not-here-any-more"})
    CorrectionLog(config.corrections or Path()).append([stale, lost])
    result = build_release(config, LocalExecutor(2), Silent())
    rows = [row for row in result.tally.rows if row.stage == "correct"]
    assert {(row.video_id, row.reason) for row in rows} == {
        (annotation.video.video_id, "correction_conflict"),
        ("not-here-any-more", "correction_without_video"),
    }
    assert result.tally.corrections["nurvid"] == {"conflict": 1, "without_video": 1}
    page = (config.output / "report.html").read_text(encoding="utf-8")
    assert "Annotators' corrections" in page or "Annotators&#39; corrections" in page


def test_the_command_line_takes_a_log_and_refuses_a_touched_one(
    config: BuildConfig, tmp_path: Path
) -> None:
    from medvid.cli.main import app

    _build(config)
    folder = tmp_path / "log"
    CorrectionLog(folder).append([_shorten(_annotation(config, "nurvid"))])
    (part,) = folder.glob("*.jsonl")
    part.write_bytes(part.read_bytes() + b"\n")
    root = config.sources[1].root
    ran = CliRunner().invoke(app, [
        "build", "--no-server", "--source", f"nurvid={root}", "--media", "none",
        "-o", str(tmp_path / "other"), "--corrections", str(folder),
    ])  # fmt: skip
    assert ran.exit_code == 1
    assert "not what it was" in str(ran.exception)
