"""Measure the annotator's loop against a Label Studio of its own: push, push again, answer, pull.

python benchmarks/annotate.py [--tasks 500] [--answers 500]
"""

import argparse
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from annotation.client import LabelStudio
from annotation.codec import encode_results
from annotation.jobs import AnnotationTask, Item, Job, region_id
from annotation.pull import PullReport, pull_corrections
from annotation.push import push_tasks
from annotation.server import RunningServer, ServerSettings, start_server

FRAMES, SEGMENTS, STEP = 90, 8, 10
LABELS = ("clip", "cut", "dissect", "grasp", "irrigate", "retract")
PARALLEL = 4


def make_task(number: int) -> AnnotationTask:
    """A clip of ninety frames with eight segments."""
    contents: list[dict[str, Any]] = [
        {
            "start": STEP * k, "end": STEP * (k + 1), "kind": "phase",
            "label": LABELS[(number + k) % len(LABELS)],
        }
        for k in range(SEGMENTS)
    ]  # fmt: skip
    items = tuple(
        Item(region_id=region_id(number, k), content=content) for k, content in enumerate(contents)
    )
    return AnnotationTask(
        job=Job.TIMELINE, source="cholect50", video_id=f"VID{number % 50:02d}",
        clip_id=f"clip-{number}", base_revision="r1", frame_index=tuple(range(FRAMES)),
        frame_tick=tuple(range(FRAMES)), end_tick=FRAMES, width=854, height=480, fps=5,
        video="/data/local-files/?d=proxies/none.mp4", vocabulary={"phase": LABELS}, items=items,
    )  # fmt: skip


def answer_all(running: RunningServer, server: LabelStudio, count: int) -> None:
    """Submit an answer that moves one edge to so many tasks."""
    (project,) = server.projects()
    numbers = [task.number for task in server.tasks(project)][:count]
    results = {n: encode_results(make_task(k)) for k, n in enumerate(numbers)}
    headers = {"Authorization": f"Token {running.access.token}"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=120) as client:

        def submit(number: int) -> None:
            drawn = results[number]
            drawn[0]["value"]["ranges"][0]["end"] -= 2
            body = {"result": drawn, "lead_time": 1.0}
            client.post(f"/api/tasks/{number}/annotations", json=body).raise_for_status()

        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(submit, numbers))


def measure(name: str, count: int, work: Callable[[], object]) -> Any:  # noqa: ANN401
    """Time one piece of work, report it, and hand back what it gave."""
    start = time.perf_counter()
    outcome = work()
    seconds = time.perf_counter() - start
    sys.stdout.write(f"{name:<24} {count:>6,} {seconds:8.1f} s {count / seconds:8.0f}/s\n")
    return outcome


def run(running: RunningServer, home: Path, tasks: Sequence[AnnotationTask], answers: int) -> None:
    """Push, push again, answer, pull, pull again."""
    with closing(LabelStudio(running.url, running.access.token)) as server:

        def send() -> object:
            return push_tasks(server, tasks, title="benchmark", media=None)

        def receive() -> PullReport:
            return pull_corrections(server, home)

        measure("push", len(tasks), send)
        measure("push again, all held", len(tasks), send)
        measure("answers through the API", answers, lambda: answer_all(running, server, answers))
        report = measure("pull", answers, receive)
        again = measure("pull again", answers, receive)
        sys.stdout.write(
            f"corrections {report.corrections:,}, then {again.corrections:,}; "
            f"unusable {len(report.problems)}\n"
        )


def _hear(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--answers", type=int, default=500)
    chosen = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = ServerSettings(home / "server", home / "media", port)
        with start_server(settings, _hear) as running:
            tasks = [make_task(number) for number in range(chosen.tasks)]
            run(running, home, tasks, min(chosen.answers, chosen.tasks))


if __name__ == "__main__":
    main()
