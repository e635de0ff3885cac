"""The Prefect flows `annotate-push` and `annotate-pull`, and a schedule that runs them.

Both are safe to run as often as one likes: a push sends what the server does not hold, a pull adds
what the log does not hold. Tokens are no parameters, since a flow's page shows those: they come
from `LABEL_STUDIO_TOKEN`, or from the home folder of a server that `medvid annotate serve` made.
"""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from prefect import flow, serve
from prefect.deployments.runner import RunnerDeployment
from prefect.logging import get_run_logger

from annotation.agreement import Policy
from annotation.connection import open_server
from annotation.pull import load_cursors, pull_corrections
from annotation.push import push_tasks
from flows.annotate import PROXY_FOLDER, PushQuery, make_tasks


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
    *,
    url: str | None = None,
    policy: Policy | None = None,
    release: Path | None = None,
    query: PushQuery | None = None,
) -> None:
    """Serve the flows to the Prefect server of `PREFECT_API_URL` at an interval, until stopped.

    Args:
        home: Folder of the proxies and the log.
        every: Time between two runs.
        url: Address of Label Studio.
        policy: How several answers to one task become one.
        release: Release to push from at the same interval; only pulls where not given.
        query: What to push from it.
    """
    here = home.absolute()
    model = (policy or Policy()).model_dump(mode="json")
    jobs: list[RunnerDeployment] = [
        pull_flow.to_deployment(  # type: ignore[list-item]  # a coroutine only inside a loop
            name="every", interval=every,
            parameters={"home": str(here), "url": url, "policy": model},
        )
    ]  # fmt: skip
    if release is not None:
        asked = (query or PushQuery()).model_dump(mode="json")
        jobs.append(
            push_flow.to_deployment(  # type: ignore[arg-type]
                name="every", interval=every,
                parameters={
                    "home": str(here), "url": url, "release": str(release.absolute()),
                    "query": asked,
                },
            )
        )  # fmt: skip
    serve(*jobs)
