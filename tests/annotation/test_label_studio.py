"""The annotator's loop against a real Label Studio: out, back, and into the shards."""

import copy
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

import annotation.push
from annotation.agreement import Policy, Rule
from annotation.archive import Archive
from annotation.client import LabelStudio
from annotation.codec import encode_results
from annotation.connection import open_server
from annotation.jobs import AnnotationTask, Job
from annotation.log import CorrectionLog
from annotation.pull import load_cursors, pull_corrections
from annotation.push import PushReport, push_tasks
from flows.annotate import PushQuery, make_tasks
from medvid.releases.config import BuildConfig
from medvid.releases.diff import diff_releases
from medvid.releases.publish import read_manifest
from medvid.releases.verify import verify_release
from medvid.releases.why import explain_sample
from medvid.releases.why_release import open_release
from medvid.shards import ReleaseReader
from schemas.correction import Correction, CorrectionKind
from schemas.errors import ConfigError, CorrectionError, ReleaseError
from schemas.sample import Sample

pytestmark = pytest.mark.labelstudio

Build = Callable[[BuildConfig], bool]
Tasks = dict[Job, list[AnnotationTask]]
JOBS = (Job.TIMELINE, Job.BOXES, Job.CVS, Job.CAPTION, Job.REVIEW)


@pytest.fixture(scope="module")
def tasks(release: BuildConfig, host: Any) -> Tasks:
    """Up to sixteen tasks of five jobs, proxies made."""
    made = {}
    for job in JOBS:
        sources = () if job is Job.CVS else ("copesd", "cholect50")
        query = PushQuery(job=job, sources=sources, limit=16)
        made[job] = list(make_tasks(release.output, query, host.home / "media"))
    return made


def push(host: Any, tasks: list[AnnotationTask], title: str, **how: Any) -> PushReport:
    server = host.client()
    return push_tasks(server, tasks, title=title, media=str(host.home / "media/proxies"), **how)


def numbers(host: Any, title: str) -> dict[str, int]:
    """The server's number of each task of the projects with this title; each key once."""
    server, found = host.client(), {}
    for project in server.projects():
        if project.title.startswith(title):
            for task in server.tasks(project):
                assert task.task_key not in found, "a task is there twice"
                found[task.task_key] = task.number
    return found


def answer(
    host: Any, number: int, results: list[dict[str, Any]], token: str | None = None, **more: Any
) -> int:
    body = {"result": results, "lead_time": 4.5, "was_cancelled": False} | more
    made = host.ask("POST", f"/api/tasks/{number}/annotations", body, token)
    return int(made["id"])


def with_reason(results: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    said = {
        "id": "why", "type": "textarea", "from_name": "reason", "to_name": "video",
        "value": {"text": [text]},
    }  # fmt: skip
    return [*results, said]


def moved(task: AnnotationTask, place: int, by: int) -> list[dict[str, Any]]:
    """What is filled in, with the end of one stretch moved by frames."""
    results = copy.deepcopy(encode_results(task))
    results[place]["value"]["ranges"][0]["end"] += by
    return results


def longest(task: AnnotationTask) -> int:
    spans = [r["value"]["ranges"][0] for r in encode_results(task)]
    return max(range(len(spans)), key=lambda k: spans[k]["end"] - spans[k]["start"])


def samples_of(config: BuildConfig) -> dict[str, Sample]:
    with ReleaseReader(config.output) as reader:
        return {sample.sample_id: sample for sample in reader.samples()}


def files_of(config: BuildConfig, folder: str) -> dict[str, Any]:
    return {
        name: item
        for name, item in read_manifest(config.output).items()
        if name.startswith(f"{folder}/") and name.endswith(".tar")
    }


def test_a_fix_reaches_the_shards_and_touches_nothing_else(
    release: BuildConfig, build: Build, host: Any, tasks: Tasks
) -> None:
    home = (release.corrections or Path()).parent
    sent = push(host, [task for job in JOBS for task in tasks[job]], "loop")
    assert sent.sent >= 50
    _annotate(host, tasks)
    made, head = _pull_what_was_said(release, host, home)

    before, large, media = (
        samples_of(release),
        files_of(release, "large"),
        files_of(release, "media"),
    )
    parent = release.model_copy(update={"output": release.output.with_name("before")})
    release.output.rename(parent.output)
    assert build(release)
    assert [c.failures for c in verify_release(release.output) if c.failed] == []
    after = samples_of(release)
    touched = {(c.source, c.video_id) for c in made}
    _only_touched_videos_differ(before, after, touched)
    subject = tasks[Job.REVIEW][0].subject
    assert subject in before
    assert subject not in after
    rewritten = {
        name for name, item in files_of(release, "large").items() if large.get(name) != item
    }
    assert 1 <= len(rewritten) <= 3 * len(touched)
    assert files_of(release, "media").items() >= media.items()
    difference = diff_releases(parent.output, release.output)
    assert (difference.builds.corrections_head or "").endswith((head or "")[:12]) or head
    changed = next(s for s in after.values() if before.get(s.sample_id) not in (None, s))
    history = explain_sample(open_release(release.output), changed.sample_id)
    assert any("admin" in text or "bob" in text for text in history.native.corrections)
    _conflict_goes_back(release, build, host, tasks[Job.TIMELINE][0], home)


def _annotate(host: Any, tasks: Tasks) -> None:
    """Two annotators fix, agree, differ, skip and reject; two answers mean nothing."""
    bob = host.sign_up("bob@medvid.example")
    number = numbers(host, "loop")
    first, second, third, fourth, fifth = tasks[Job.TIMELINE][:5]
    place = longest(first)
    answer(host, number[first.task_key], with_reason(moved(first, place, -2), "Grüße 三"))
    answer(host, number[first.task_key], moved(first, place, -3), bob)
    answer(host, number[second.task_key], encode_results(second), bob)
    answer(host, number[third.task_key], [], bob, was_cancelled=True)
    boxes = tasks[Job.BOXES][0]
    shifted = copy.deepcopy(encode_results(boxes))
    shifted[0]["value"]["sequence"][0]["x"] += 1.0
    answer(host, number[boxes.task_key], shifted[:-1] if len(shifted) > 1 else shifted)
    verdict = {
        "id": "v", "type": "choices", "from_name": "verdict", "to_name": "video",
        "value": {"choices": ["reject"]},
    }  # fmt: skip
    rejected = number[tasks[Job.REVIEW][0].task_key]
    answer(host, rejected, with_reason([verdict], "cannot be seen"), bob)
    strange = copy.deepcopy(encode_results(fourth))
    strange[0]["value"]["timelinelabels"] = ["no such label"]
    answer(host, number[fourth.task_key], strange)
    backward = copy.deepcopy(encode_results(fifth))
    backward[0]["value"]["ranges"][0] = {"start": 9, "end": 3}
    answer(host, number[fifth.task_key], backward)


def _pull_what_was_said(
    release: BuildConfig, host: Any, home: Path
) -> tuple[list[Correction], str | None]:
    """Every answer is a correction, a skip or a problem; a second pull finds nothing new."""
    report = pull_corrections(host.client(), home, title="loop")
    assert (report.annotations, report.skipped) == (8, 1)
    assert len(report.problems) == 2
    told = "\n".join(report.problems)
    assert "'no such label' is not in the vocabulary" in told
    assert "starts at frame 9, after its end at frame 3" in told
    log = CorrectionLog(release.corrections or Path())
    made = list(log)
    assert {c.who for c in made} == {"admin", "bob"}
    edge = [c for c in made if c.kind is CorrectionKind.SEGMENT]
    assert [(c.before or {})["end"] for c in edge] == [(edge[0].before or {})["end"]] * 2
    assert edge[0].reason == "Grüße 三"
    head = log.head()
    again = pull_corrections(host.client(), home, title="loop")
    assert (again.annotations, again.corrections, log.head()) == (0, 0, head)
    return made, head


def _only_touched_videos_differ(
    before: dict[str, Sample], after: dict[str, Sample], touched: set[tuple[str, str]]
) -> None:
    differ = {
        (s.source, s.video_id)
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
        for s in (before.get(name) or after[name],)
    }
    assert differ <= touched


def _conflict_goes_back(
    release: BuildConfig, build: Build, host: Any, first: AnnotationTask, home: Path
) -> None:
    query = PushQuery(job=Job.TIMELINE, conflicts=True)
    asked = list(make_tasks(release.output, query, host.home / "media"))
    mine = next(task for task in asked if task.task_key == first.task_key)
    (note,) = (text for name, text in mine.notes.items() if name.startswith("asked by bob"))
    assert "should be" in note
    assert "no longer there" in note
    how = {"pulled": load_cursors(home), "again": True}
    assert push(host, asked, "loop", **how).sent == len(asked)
    assert push(host, asked, "loop", **how).held == len(asked)
    server = host.client()
    number = next(
        task.number
        for project in server.projects()
        for task in server.tasks(project)
        if task.content_hash == mine.content_hash
    )
    answer(host, number, moved(mine, longest(mine), 1))
    pull_corrections(server, home, title="loop")
    build(release)
    with pytest.raises(ConfigError, match="no clip of the release"):
        list(make_tasks(release.output, query, host.home / "media"))


def test_a_home_knows_where_its_server_listens(
    host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    monkeypatch.delenv("LABEL_STUDIO_TOKEN", raising=False)
    found = open_server(host.home)
    assert (found.url, found.check()) == (host.url, host.client().check())
    found.close()
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:1")
    other = open_server(host.home)
    assert other.url == "http://127.0.0.1:1"
    other.close()
    with pytest.raises(ConfigError, match="holds no server"):
        open_server(tmp_path)


def test_what_is_edited_again_or_deleted_on_the_server_keeps_the_log_true(
    host: Any, tasks: Tasks, tmp_path: Path
) -> None:
    task = tasks[Job.TIMELINE][0]
    push(host, [task], "edited")
    (number,) = numbers(host, "edited").values()
    made = answer(host, number, moved(task, longest(task), -2))
    assert pull_corrections(host.client(), tmp_path, title="edited").corrections == 1
    host.ask("PATCH", f"/api/annotations/{made}", {"result": encode_results(task)})
    assert pull_corrections(host.client(), tmp_path, title="edited").corrections == 1
    there, back = CorrectionLog(tmp_path / "corrections")
    assert {answer.led for answer in Archive(tmp_path / "pulled")} == {True}
    assert (there.before, there.after) == (back.after, back.before)
    host.ask("DELETE", f"/api/annotations/{made}")
    assert pull_corrections(host.client(), tmp_path, title="edited").corrections == 0


def test_two_annotators_without_labels_decide_by_majority(
    host: Any, tasks: Tasks, tmp_path: Path
) -> None:
    task = tasks[Job.TIMELINE][1]
    push(host, [task], "blind", show_predictions=False)
    ((key, number),) = numbers(host, "blind").items()
    shown = host.ask("GET", f"/api/tasks/{number}")
    assert (key, shown["predictions"]) == (task.task_key, [])
    policy = Policy(rule=Rule.MAJORITY, annotators=2)
    results = [
        {k: v for k, v in result.items() if k != "id"} | {"id": f"drawn{place}"}
        for place, result in enumerate(moved(task, longest(task), -2))
    ]
    answer(host, number, results)
    report = pull_corrections(host.client(), tmp_path, policy=policy, title="blind")
    assert (report.waiting, report.corrections) == (1, 0)
    answer(host, number, results, host.sign_up("eve@medvid.example"))
    report = pull_corrections(host.client(), tmp_path, policy=policy, title="blind")
    assert (report.waiting, report.corrections) == (0, 2)
    assert {c.who for c in CorrectionLog(tmp_path / "corrections")} == {"admin+eve"}
    assert {answer.led for answer in Archive(tmp_path / "pulled")} == {False}


def test_a_killed_push_goes_on_and_sends_nothing_twice(
    host: Any, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotation.push, "BATCH", 3)
    wanted = [task for job in (Job.TIMELINE, Job.REVIEW) for task in tasks[job]]
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_push_and_die, args=(host, wanted))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    assert 0 < len(numbers(host, "killed")) < len(wanted)

    with pytest.raises(ReleaseError, match="does not answer"):
        push(host, wanted, "killed", heard=lambda *_: host.kill())
    host.restart()
    inside = threading.Timer(0.02, host.kill)
    monkeypatch.setattr(annotation.push, "BATCH", 6)
    with pytest.raises(ReleaseError, match="does not answer"):
        push(host, wanted, "killed", heard=lambda *_: None if inside.ident else inside.start())
    inside.join()
    host.restart()
    push(host, wanted, "killed")
    assert numbers(host, "killed").keys() == {task.task_key for task in wanted}
    done = push(host, wanted, "killed")
    assert (done.sent, done.held) == (0, len(wanted))
    server = host.client()
    for project in server.projects():
        if project.title.startswith("killed"):
            assert {task.predictions for task in server.tasks(project)} <= {0, 1}


def _push_and_die(host: Any, wanted: list[AnnotationTask]) -> None:
    push(host, wanted, "killed", heard=lambda *_: os.kill(os.getpid(), signal.SIGKILL))


def test_a_killed_pull_goes_on_and_loses_nothing(
    host: Any, tasks: Tasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(host, tasks[Job.TIMELINE], "half")
    for task in tasks[Job.TIMELINE]:
        number = numbers(host, "half")[task.task_key]
        answer(host, number, moved(task, longest(task), -1))
    context = multiprocessing.get_context("fork")
    for _ in range(2):
        child = context.Process(target=_pull_and_die, args=(host.client(), tmp_path))
        child.start()
        child.join(120)
        assert child.exitcode == -signal.SIGKILL
    with monkeypatch.context() as patched:
        patched.setattr(LabelStudio, "users", lambda _: host.kill() or {})
        with pytest.raises(ReleaseError, match="does not answer"):
            pull_corrections(host.client(), tmp_path, title="half")
    host.restart()
    report = pull_corrections(host.client(), tmp_path, title="half")
    assert report.corrections == len(tasks[Job.TIMELINE])
    assert pull_corrections(host.client(), tmp_path, title="half").corrections == 0
    assert len(list(CorrectionLog(tmp_path / "corrections"))) == len(tasks[Job.TIMELINE])


def _pull_and_die(server: LabelStudio, home: Path) -> None:
    """Die between keeping the answers and logging what they change."""
    CorrectionLog.append = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment, method-assign]
    pull_corrections(server, home, title="half")


def test_what_is_wrong_on_the_server_is_said(host: Any, tasks: Tasks, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not know the token"):
        host.client("0" * 40).check()
    task = tasks[Job.TIMELINE][0]
    with pytest.raises(ConfigError, match="longer than"):
        push(host, [task], "a title that goes on and on")
    (number,) = push(host, [task], "faults").projects.values()
    held = host.ask("GET", f"/api/projects/{number}")
    changed = held["label_config"].replace('value="preparation"', 'value="prelude"')
    host.ask("PATCH", f"/api/projects/{number}", {"label_config": changed})
    with pytest.raises(CorrectionError, match="configuration of project"):
        push(host, [task], "faults")
    host.ask("DELETE", f"/api/projects/{number}")
    assert pull_corrections(host.client(), tmp_path, title="faults").tasks == 0
    assert push(host, [task], "faults").sent == 1
    data = orjson.loads(orjson.dumps(host.ask("GET", "/api/version")))
    assert host.client().check() == data["release"]


def test_a_project_laid_out_by_an_earlier_version_is_brought_up_to_date(
    host: Any, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks[Job.TIMELINE][0]
    with monkeypatch.context() as patched:
        patched.setattr("annotation.configs.VIDEO_HEIGHT_PX", 500)
        (number,) = push(host, [task], "older").projects.values()
    assert push(host, [task], "older").held == 1
    config = host.ask("GET", f"/api/projects/{number}")["label_config"]
    assert 'height="500"' not in config
    assert push(host, [task], "older").held == 1
