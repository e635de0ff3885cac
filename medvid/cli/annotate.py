"""`medvid annotate`: from a release to Label Studio and back into the next build."""

import signal
import threading
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import orjson
import typer

from annotation.agreement import Policy, Rule
from annotation.client import LabelStudio
from annotation.connection import DEFAULT_URL, open_server
from annotation.jobs import Job
from annotation.log import CorrectionLog
from annotation.pull import load_cursors, pull_corrections
from annotation.push import PushReport, push_tasks
from annotation.server import ServerSettings, start_server
from flows.annotate import PushQuery, make_tasks
from medvid.cli.annotate_agreement import agreement
from medvid.cli.output import console, counted, make_folder, print_json, print_table
from schemas.errors import ConfigError, CorrectionError

SHOWN = 10
DEFAULT_HOME = Path("annotations")

app = typer.Typer(
    no_args_is_help=True,
    help="Send clips to annotators in Label Studio, and bring their fixes into the next build.",
)

HomeOption = Annotated[
    Path, typer.Option("--home", help="Folder of the server, the proxies and the correction log.")
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        envvar="LABEL_STUDIO_URL",
        help=f"The server [default: where `serve` last "
        f"started one for --home, else {DEFAULT_URL}].",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        envvar="LABEL_STUDIO_TOKEN", show_envvar=True,
        help="Your token [default: that of the server `serve` made in the home folder].",
    ),
]  # fmt: skip
TitleOption = Annotated[str, typer.Option(help="First words of the projects' titles.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def serve(
    home: HomeOption = DEFAULT_HOME,
    port: Annotated[int, typer.Option(help="TCP port.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Interface; anything but loopback is open to your network.")
    ] = "127.0.0.1",
    database: Annotated[
        str | None,
        typer.Option(envvar="MEDVID_LABEL_DATABASE", help="postgresql://… [default: SQLite]."),
    ] = None,
) -> None:
    """Start a Label Studio of its own here, until interrupted.

    The first start makes an environment for it and its database: about a minute.
    """
    settings = ServerSettings(home / "server", home / "media", port, host, database)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with start_server(settings, console.print) as server:
        console.print(f"Label Studio   {server.url}")
        console.print(
            f"log in with    {server.access.email}  {server.access.password}", markup=False
        )
        console.print(f"stop it with   Ctrl-C; its log is {settings.home / 'server.log'}")
        while not stop.wait(0.5):
            if server.process.poll() is not None:
                raise CorrectionError(
                    "Label Studio ended by itself.", action="Read server.log beside its database."
                )


@app.command()
def init(
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that the server answers and the token opens it, and make the folders."""
    server = open_server(home, url, token)
    version = server.check()
    for folder in (home / "media" / "proxies", home / "corrections"):
        make_folder(folder)
    if as_json:
        print_json({"url": server.url, "version": version, "home": str(home)})
    else:
        console.print(f"Label Studio {version} at {server.url} is ready; corrections go to {home}")


ReleaseArgument = Annotated[Path, typer.Argument(help="Folder of the release.")]
JobOption = Annotated[Job, typer.Option(help="What annotators are asked.")]
SourceOption = Annotated[list[str] | None, typer.Option(help="Only this source; repeatable.")]
SplitOption = Annotated[str | None, typer.Option(help="Only train, val or test.")]
TaskOption = Annotated[
    list[str] | None, typer.Option(help="Only clips with pairs of this task; repeatable.")
]
VideoOption = Annotated[
    list[str] | None, typer.Option(metavar="SOURCE/VIDEO", help="Only this video; repeatable.")
]
ReasonOption = Annotated[
    list[str] | None,
    typer.Option(help="Only videos with a quarantine row of this reason; repeatable."),
]
ConflictsOption = Annotated[
    bool, typer.Option(help="Only videos whose corrections are in conflict.")
]
WorstOption = Annotated[
    Path | None,
    typer.Option(help="Only clips a model did worst on: a json list of sample ids, worst first."),
]
LimitOption = Annotated[int | None, typer.Option(help="At most so many tasks, drawn by hash.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the draw.")]
HideLabelsOption = Annotated[
    bool, typer.Option(help="Show no labels of today, where agreement is measured.")
]
AgainOption = Annotated[
    bool,
    typer.Option(
        help="Ask anew what was answered and pulled before, where labels have changed since; "
        "--conflicts always does."
    ),
]


@app.command()
def push(
    release: ReleaseArgument,
    job: JobOption = Job.TIMELINE,
    source: SourceOption = None,
    split: SplitOption = None,
    task: TaskOption = None,
    video: VideoOption = None,
    reason: ReasonOption = None,
    conflicts: ConflictsOption = False,
    worst: WorstOption = None,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    hide_labels: HideLabelsOption = False,
    again: AgainOption = False,
    title: TitleOption = "medvid",
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send what is worth an annotator's time, with today's labels filled in.

    Run again, it sends only what is new or whose labels changed. Proxies of the clips are made
    once, in HOME/media/proxies, which the server must be able to read.
    """
    query = PushQuery(
        job=job, sources=tuple(source or ()), split=split, tasks=tuple(task or ()),
        videos=tuple(video or ()), reasons=tuple(reason or ()), conflicts=conflicts,
        sample_ids=_read_ids(worst), limit=limit, seed=seed,
    )  # fmt: skip
    server = open_server(home, url, token)
    server.check()
    media = (home / "media").absolute()
    with console.status("making proxies", spinner="line") as line:
        tasks = list(
            make_tasks(release, query, media, lambda k, n: line.update(f"proxies {k:,} of {n:,}"))
        )
        report = push_tasks(
            server, tasks, title=title, media=str(media / "proxies"),
            show_predictions=not hide_labels, pulled=load_cursors(home), again=again or conflicts,
            heard=lambda k, n: line.update(f"sent {k:,} of {n:,}"),
        )  # fmt: skip
    if as_json:
        print_json({"tasks": len(tasks), **asdict(report)})
    else:
        _print_push(report, server)


def _print_push(report: PushReport, server: LabelStudio) -> None:
    console.print(
        f"{report.sent:,} sent, {report.replaced:,} of them in place of older labels; not sent: "
        f"{report.held:,} there already, {report.waiting:,} until their answers are pulled, "
        f"{report.answered:,} answered before"
    )
    for name, number in report.projects.items():
        console.print(f"{name}  {server.url}/projects/{number}", markup=False)


@app.command()
def pull(
    home: HomeOption = DEFAULT_HOME,
    rule: Annotated[
        Rule, typer.Option(help="How several answers to one task become one.")
    ] = Rule.EACH,
    annotators: Annotated[int, typer.Option(help="Answers a task needs before it is decided.")] = 1,
    senior: Annotated[list[str] | None, typer.Option(help="Name of a senior; repeatable.")] = None,
    title: Annotated[str | None, typer.Option(help="Only projects whose title begins so.")] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read new answers into the correction log, which the next build applies.

    `medvid build … --corrections HOME/corrections`. Run again, it adds nothing twice.
    """
    policy = Policy(rule=rule, annotators=annotators, seniors=tuple(senior or ()))
    report = pull_corrections(open_server(home, url, token), home, policy=policy, title=title)
    if as_json:
        print_json({
            "tasks": report.tasks, "annotations": report.annotations, "skipped": report.skipped,
            "corrections": report.corrections, "waiting": report.waiting,
            "foreign": report.foreign, "problems": report.problems,
        })  # fmt: skip
        return
    console.print(
        f"{counted(report.annotations, 'new answer')} ({report.skipped:,} skipped) gave "
        f"{counted(report.corrections, 'correction')}; "
        f"{counted(report.waiting, 'task')} still short of answers"
    )
    for problem in report.problems[:SHOWN]:
        console.print(f"unusable: {problem}", markup=False)
    if len(report.problems) > SHOWN:
        console.print(f"and {len(report.problems) - SHOWN:,} more; --json lists all")
    console.print(f"build with --corrections {home / 'corrections'}", markup=False)


@app.command()
def schedule(
    every: Annotated[float, typer.Option(min=1, help="Seconds between two runs.")],
    release: Annotated[
        Path | None,
        typer.Option(help="Push from this release too, each time [default: only pull]."),
    ] = None,
    job: Annotated[Job, typer.Option(help="What a push asks.")] = Job.TIMELINE,
    limit: Annotated[int | None, typer.Option(help="At most so many tasks a push.")] = None,
    rule: Annotated[
        Rule, typer.Option(help="How several answers to one task become one.")
    ] = Rule.EACH,
    annotators: Annotated[int, typer.Option(help="Answers a task needs before it is decided.")] = 1,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
) -> None:
    """Pull, and push if a release is named, at an interval, until interrupted.

    Each is a run of a Prefect flow: where PREFECT_API_URL names a running server (`prefect server
    start`), its page shows them. A run that fails is followed by the next.
    """
    from flows.annotate_flows import schedule as run_flows

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    run_flows(
        home, timedelta(seconds=every), stop, url=url, release=release,
        policy=Policy(rule=rule, annotators=annotators), query=PushQuery(job=job, limit=limit),
        heard=lambda line: console.print(line, markup=False),
    )  # fmt: skip


@app.command()
def status(
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show projects with their tasks and answers, and what the log holds."""
    server = open_server(home, url, token)
    server.check()
    rows: list[list[object]] = []
    for project in server.projects():
        held = [task for task in server.tasks(project) if task.task_key]
        answered = sum(task.annotations > 0 for task in held)
        rows.append([project.title, project.job.value, len(held), answered])
    log = CorrectionLog(home / "corrections")
    kinds = Counter((c.source, c.kind.value, c.who) for c in log)
    if as_json:
        names = ("project", "job", "tasks", "answered")
        print_json({
            "projects": [dict(zip(names, row, strict=True)) for row in rows],
            "log": {"head": log.head(), "corrections": sum(kinds.values())},
        })  # fmt: skip
        return
    print_table("projects", ["project", "job", "tasks", "answered"], rows)
    said = [[*key, count] for key, count in sorted(kinds.items())]
    print_table("corrections in the log", ["source", "kind", "annotator", "corrections"], said)


app.command()(agreement)


def _read_ids(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        ids = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError(f"not a json list of sample ids: {error}.", source=path.name) from error
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise ConfigError("not a json list of sample ids.", source=path.name)
    return tuple(ids)
