"""The page itself, in a real browser: what is filled in, what is changed, which frame is shown."""

import os
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotation.jobs import PROXY_FPS, AnnotationTask, Job
from annotation.log import CorrectionLog
from annotation.pull import pull_corrections
from annotation.push import push_tasks
from flows.annotate import LOCAL_FILES_URL, PROXY_FOLDER, PushQuery, make_tasks
from medvid.media.jpeg import encode_jpeg
from medvid.media.proxies import proxy_name, write_proxy
from medvid.media.stamp import read_number, stamp_number
from medvid.releases.config import BuildConfig
from medvid.shards import ReleaseReader
from schemas.correction import CorrectionKind
from schemas.hashing import stable_id
from schemas.source import TaskName

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.labelstudio, pytest.mark.browser]

CHROMIUM = Path(os.environ.get("MEDVID_CHROMIUM", "/usr/bin/chromium"))
PLAYS = "() => { const v = document.querySelector('video'); return v && v.readyState >= 2 }"
Open = Callable[[AnnotationTask], Any]


@pytest.fixture(scope="module")
def page(host: Any) -> Iterator[Any]:
    """A page of 1500 by 1000, logged in."""
    if not CHROMIUM.exists():
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        found = browser.new_page(viewport={"width": 1500, "height": 1000})
        found.set_default_timeout(90_000)
        found.goto(f"{host.url}/user/login")
        found.fill("input[name=email]", host.server.access.email)
        found.fill("input[name=password]", host.server.access.password)
        found.keyboard.press("Enter")
        found.wait_for_url(lambda url: "login" not in url, wait_until="commit")
        yield found
        browser.close()


@pytest.fixture
def shown(host: Any, page: Any, request: pytest.FixtureRequest) -> Open:
    """Pushes a task and opens it."""
    title = title_of(request)

    def show(task: AnnotationTask) -> Any:
        server = host.client()
        media = str(host.home / "media" / PROXY_FOLDER)
        (number,) = push_tasks(server, [task], title=title, media=media).projects.values()
        project = next(p for p in server.projects() if p.number == number)
        (held,) = server.tasks(project)
        page.goto(f"{host.url}/projects/{number}/data?task={held.number}")
        page.wait_for_function(PLAYS)
        page.get_by_text("Submit", exact=True).wait_for()
        return page

    return show


def title_of(request: pytest.FixtureRequest) -> str:
    return f"p{stable_id('page', request.node.name)[:6]}"


def made(release: BuildConfig, host: Any, job: Job) -> AnnotationTask:
    query = PushQuery(job=job, sources=("copesd",), limit=1)
    return next(make_tasks(release.output, query, host.home / "media"))


def submit(page: Any) -> None:
    def is_answer(response: Any) -> bool:
        return "/annotations" in response.url and response.request.method == "POST"

    with page.expect_response(is_answer) as answer:
        page.get_by_text("Submit", exact=True).click()
    assert answer.value.status == 201


def pulled(host: Any, folder: Path, request: pytest.FixtureRequest) -> CorrectionLog:
    report = pull_corrections(host.client(), folder, title=title_of(request))
    assert (report.annotations, report.problems) == (1, [])
    return CorrectionLog(folder / "corrections")


@pytest.mark.parametrize("job", [Job.TIMELINE, Job.BOXES, Job.CVS])
def test_what_nobody_touched_is_submitted_as_it_was_filled_in(
    release: BuildConfig, host: Any, shown: Open, tmp_path: Path,
    request: pytest.FixtureRequest, job: Job,
) -> None:  # fmt: skip
    if job is Job.CVS:
        task = next(make_tasks(release.output, PushQuery(job=job, limit=1), host.home / "media"))
    else:
        task = made(release, host, job)
    page = shown(task)
    listed = min(3, len({item.region_id for item in task.items}))  # the list scrolls
    page.wait_for_function(
        f"() => document.querySelectorAll('.lsf-outliner-item__content').length >= {listed}"
    )
    submit(page)
    assert list(pulled(host, tmp_path, request)) == []


def test_an_edge_moved_on_the_page_moves_that_edge(
    release: BuildConfig, host: Any, shown: Open, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    task = made(release, host, Job.TIMELINE)
    page = shown(task)
    for control in ("action", "reason"):
        box = page.get_by_text(control, exact=True).first.bounding_box()
        assert 0 < box["y"] < 300, f"{control} is out of sight"
    timeline = page.locator(".lsf-timeline-frames__scroll").first.bounding_box()
    assert timeline["y"] + timeline["height"] <= 960, "the time line is out of sight"
    page.locator(".lsf-outliner-item__content").first.click()
    edges = page.locator("input[type=number]:not([readonly]):not([disabled])")
    start, end = (int(edges.nth(place).input_value()) for place in range(2))
    spans = {
        (task.frames_inside(int(str(i.content["start"])), int(str(i.content["end"]))) or (0, 0)): i
        for i in task.items
    }
    assert (start, end) in spans, "the page shows another range than was pushed"
    moved = end - 1 if end > start else end + 1
    edges.nth(1).fill(str(moved))
    edges.nth(1).press("Enter")
    page.get_by_placeholder("why, if you changed something").fill("it ends earlier")
    page.keyboard.press("Enter")
    submit(page)
    (fix,) = pulled(host, tmp_path, request)
    before, after = fix.before or {}, fix.after or {}
    assert fix.kind is CorrectionKind.SEGMENT
    assert after == before | {"end": task.end_of(moved)}
    assert (before["label"], fix.reason) == (after["label"], "it ends earlier")


def test_a_pair_under_review_shows_what_it_asks_about(
    release: BuildConfig, host: Any, shown: Open, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    query = PushQuery(job=Job.REVIEW, sources=("copesd",), tasks=(TaskName.REGION_CAPTION,))
    task = next(make_tasks(release.output, query, host.home / "media"))
    ((label, (frame,)),) = ((mark.label, tuple(mark.boxes)) for mark in task.marks)
    assert label == "asked about"
    with ReleaseReader(release.output) as reader:
        sample = reader.sample(task.subject)
    assert task.frame_index[frame - 1] == sample.region_frame
    assert task.marks[0].boxes[frame] == sample.region_xyxy
    page = shown(task)
    page.get_by_text(f"asked about, box on frame: {frame}", exact=True).wait_for()
    page.locator(".lsf-outliner-item__content").get_by_text("asked about").wait_for()
    page.get_by_text(re.compile(r"^accept")).first.click()
    page.locator("input[name=accept]:checked").wait_for(state="attached")
    submit(page)
    (fix,) = pulled(host, tmp_path, request)
    assert (fix.kind, fix.after) == (
        CorrectionKind.SAMPLE, {"sample_id": task.subject, "verdict": "accept"},
    )  # fmt: skip


def test_the_page_shows_frame_k_at_frame_k(host: Any, shown: Open, release: BuildConfig) -> None:
    count = 37
    jpegs = [encode_jpeg(_stamped(number)) for number in range(1, count + 1)]
    name = proxy_name(jpegs, PROXY_FPS)
    write_proxy(host.home / "media" / PROXY_FOLDER / name, jpegs, PROXY_FPS)
    model = made(release, host, Job.EXCLUDED)
    ticks = tuple(7 * k + k % 3 for k in range(count))
    task = model.model_copy(update={
        "video": f"{LOCAL_FILES_URL}{PROXY_FOLDER}/{name}", "clip_id": "stamped", "items": (),
        "frame_index": tuple(range(count)), "frame_tick": ticks, "end_tick": ticks[-1] + 5,
        "width": 640, "height": 360,
    })  # fmt: skip
    page = shown(task)
    page.wait_for_timeout(500)
    seen = {}
    for _ in range(count // 10 + 2):
        label = page.get_by_text(re.compile(rf"^\s*\d+\s+of\s+{count}\s*$")).first.inner_text()
        frame = int(label.split()[0])
        seen[frame] = _number_shown(page)
        page.keyboard.press("Alt+ArrowRight")
        page.wait_for_timeout(120)
    assert len(seen) >= 5, "the key goes ten frames on, and at last to the end"
    assert {frame: number for frame, number in seen.items() if number != frame} == {}


def _stamped(number: int) -> Any:
    rgb = np.full((360, 640, 3), 90, dtype=np.uint8)
    stamp_number(rgb, number)
    return rgb


def _number_shown(page: Any) -> int | None:
    """The number painted into the picture on the page, read off a screenshot.

    The picture is found by its grey, as it stands somewhere inside a wider canvas.
    """
    with Image.open(BytesIO(page.screenshot())) as whole:
        picture = whole.convert("RGB")
    grey = (np.abs(np.asarray(picture, dtype=np.int16) - 90) < 12).all(axis=2)
    columns = np.flatnonzero(grey.mean(axis=0) > 0.15)
    rows = np.flatnonzero(grey.mean(axis=1) > 0.15)
    left, right, bottom = int(columns[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    area = (left, bottom - round((right - left) * 360 / 640), right, bottom)
    return read_number(np.asarray(picture.crop(area).resize((640, 360)), dtype=np.uint8))
