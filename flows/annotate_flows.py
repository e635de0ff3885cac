"""The Prefect flows `annotate-push` and `annotate-pull`, and a schedule that runs them.

Both are safe to run as often as one likes: a push sends what the server does not hold, a pull adds
what the log does not hold. Tokens are no parameters, since a flow's page shows those: they come
from `LABEL_STUDIO_TOKEN`, or from the home folder of a server that `medvid annotate serve` made.
"""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event

from prefect import flow
from prefect.logging import get_run_logger

from annotation.agreement import Policy
from annotation.connection import open_server
from annotation.pull import load_cursors, pull_corrections
from annotation.push import push_tasks
from flows.annotate import PROXY_FOLDER, PushQuery, make_tasks
from schemas.errors import MedVidError


@flow(name="annotate-push", flow_run_name="{query.job}")
def push_flow(
    release: Path,
    home: Path,
    query: PushQuery,
    url: str | None = None,
    title: str = "medvid",
    show_predictions: bool = True,
) -> dict[str, int]:
    """Send what a query finds and the server does not hold.

    Args:
        release: Folder of the release.
        home: Folder of the proxies and the log.
        query: Which clips, for which job.
        url: Address of the server.
        title: First words of the projects' titles.
        show_predictions: Whether annotators see today's labels.

    Returns:
        Counts of `annotation.push.PushReport`.
    """
    media = (home / "media").absolute()
    with closing(open_server(home, url)) as server:
        server.check()
        report = push_tasks(
            server, list(make_tasks(release, query, media)), title=title,
            media=str(media / PROXY_FOLDER), show_predictions=show_predictions,
            pulled=load_cursors(home), again=query.conflicts,
        )  # fmt: skip
    counts = {
        name: getattr(report, name)
        for name in ("sent", "held", "replaced", "waiting", "answered")
    }  # fmt: skip
    get_run_logger().info("push: %s", counts)
    return counts


@flow(name="annotate-pull")
def pull_flow(
    home: Path, url: str | None = None, policy: Policy | None = None, title: str | None = None
) -> dict[str, int]:
    """Read new answers into the correction log.

    Args:
        home: Folder of the log.
        url: Address of the server.
        policy: How several answers to one task become one.
        title: First words of the projects to read.

    Returns:
        Counts of `annotation.pull.PullReport`.
    """
    with closing(open_server(home, url)) as server:
        report = pull_corrections(server, home, policy=policy, title=title)
    for problem in report.problems:
        get_run_logger().warning("unusable: %s", problem)
    counts = {
        name: getattr(report, name)
        for name in ("tasks", "annotations", "skipped", "waiting", "corrections")
    }  # fmt: skip
    get_run_logger().info("pull: %s", counts)
    return counts


def schedule(
    home: Path,
    every: timedelta,
    stop: Event,
    *,
    url: str | None = None,
    policy: Policy | None = None,
    release: Path | None = None,
    query: PushQuery | None = None,
    heard: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the flows at an interval until told to stop; a run that fails is followed by the next.

    Runs are recorded by the Prefect server of `PREFECT_API_URL`, or by an ephemeral one. The
    interval is kept here and not by a deployment, as Prefect's scheduler needs an older SQLAlchemy
    than the rest of the environment.

    Args:
        home: Folder of the proxies and the log.
        every: Time from one start to the next.
        stop: Set to end after the run that goes on.
        url: Address of Label Studio.
        policy: How several answers to one task become one.
        release: Release to push from each time; only pulls where not given.
        query: What to push from it.
        heard: Told what each run did.
    """
    runs: list[tuple[str, Callable[[], dict[str, int]]]] = [
        ("pull", lambda: pull_flow(home=home, url=url, policy=policy))
    ]
    if release is not None:
        asked, folder = query or PushQuery(), release
        runs.append(
            ("push", lambda: push_flow(release=folder, home=home, query=asked, url=url))
        )  # fmt: skip
    while True:
        started = time.monotonic()
        for name, run in runs:
            try:
                heard(f"{name}: {run()}")
            except MedVidError as error:
                heard(f"{name} failed, the next is in {every}: {error}")
        if stop.wait(max(0.0, every.total_seconds() - (time.monotonic() - started))):
            return
