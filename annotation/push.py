"""Send tasks to Label Studio: validated first, in batches, each once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from label_studio_sdk.label_interface.interface import LabelInterface

from annotation.client import HeldTask, LabelStudio, Project
from annotation.codec import MODEL_VERSION, encode_results
from annotation.configs import INSTRUCTIONS, labelling_config
from annotation.jobs import AnnotationTask
from schemas.errors import ConfigError, CorrectionError, bounded
from schemas.hashing import canonical_json, content_key

BATCH: Final = 100
MAX_TITLE: Final = 50
LED: Final = "led"
"""Field of a task's data that says whether it came with labels filled in."""

PAYLOAD: Final = "medvid"
"""Field of a task's data that carries the whole `AnnotationTask`, so that a pull needs no state."""

Heard = Callable[[int, int], None]
"""Takes how many tasks are sent, and how many there are."""


@dataclass(slots=True)
class PushReport:
    """What a push did.

    Attributes:
        sent: Tasks that are new on the server.
        held: Tasks the server had already, as they are.
        replaced: Tasks whose labels changed and that nobody had annotated, taken away and sent
            anew.
        waiting: Tasks whose labels changed after somebody annotated them: left until pulled.
        answered: Tasks whose labels changed and whose answers are pulled: not asked again.
        projects: Project ids by title.
    """

    sent: int = 0
    held: int = 0
    replaced: int = 0
    waiting: int = 0
    answered: int = 0
    projects: dict[str, int] = field(default_factory=dict)


def push_tasks(
    server: LabelStudio,
    tasks: Sequence[AnnotationTask],
    *,
    title: str,
    media: str | None,
    show_predictions: bool = True,
    pulled: Mapping[str, str] | None = None,
    again: bool = False,
    heard: Heard | None = None,
) -> PushReport:
    """Send tasks that the server does not hold yet.

    Tasks of one job, source and vocabulary go to one project. Safe to repeat and to kill: the
    server is asked what it holds, and a batch that arrived is not sent again.

    Args:
        server: Where to.
        tasks: What to send; of several with one key the last counts.
        title: First words of the projects' titles.
        media: Folder of the proxies on the server, None where the tasks name URLs.
        show_predictions: Whether annotators see today's labels. Without them, agreement is not
            led by what is filled in.
        pulled: How far each project was pulled, as `annotation.pull.load_cursors` returns it.
        again: Whether to ask anew what was answered before, once the answers are pulled and where
            labels or notes have changed since; the earlier answers stay where they are.
        heard: Told after each batch.

    Raises:
        ConfigError: A project's title is too long.
        CorrectionError: A task does not fit its own configuration, or a project's configuration
            was changed on the server.
        ReleaseError: The server does not answer.
    """
    report = PushReport()
    groups: dict[str, list[AnnotationTask]] = {}
    for task in {task.task_key: task for task in tasks}.values():
        groups.setdefault(project_title(title, task), []).append(task)
    _require_titles(groups)
    done, total = 0, sum(len(group) for group in groups.values())
    for name, group in sorted(groups.items()):
        config = labelling_config(group[0].job, dict(group[0].vocabulary))
        _require_valid(config, group)
        project = server.ensure_project(
            name, group[0].job, config, INSTRUCTIONS[group[0].job],
            show_predictions=show_predictions,
        )  # fmt: skip
        report.projects[name] = project.number
        if media is not None:
            server.show_media(project, media)
        until = (pulled or {}).get(server.place(project))
        wanted = _choose(server, project, group, report, until, again=again)
        done += len(group) - len(wanted)
        for sent in _send(server, project, wanted, show_predictions=show_predictions):
            report.sent += sent
            done += sent
            if heard is not None:
                heard(done, total)
    return report


def _send(
    server: LabelStudio,
    project: Project,
    tasks: Sequence[AnnotationTask],
    *,
    show_predictions: bool,
) -> Iterator[int]:
    """Send tasks batch by batch; yields how many arrived with each."""
    for batch in _batches(tasks):
        payload = [_payload(task, show_predictions=show_predictions) for task in batch]
        arrived = server.import_tasks(project, payload)
        if arrived != len(batch):
            raise CorrectionError(
                f"{arrived} of {len(batch)} tasks arrived in {project.title!r}.",
                action="Push again: what arrived is not sent twice.",
            )
        yield arrived


def project_title(title: str, task: AnnotationTask) -> str:
    """Title of the project for a task: one for each job, source and vocabulary."""
    named = f"{title} · {task.job} · {task.source}"
    return f"{named} · {content_key(task.vocabulary)[:6]}" if task.vocabulary else named


def _require_titles(names: Iterable[str]) -> None:
    longest = max(names, key=len, default="")
    if len(longest) > MAX_TITLE:
        raise ConfigError(
            f"the title {longest!r} is longer than Label Studio's {MAX_TITLE} characters.",
            field="title", action=f"Give one that is {len(longest) - MAX_TITLE} shorter.",
        )  # fmt: skip


def _choose(
    server: LabelStudio,
    project: Project,
    group: Sequence[AnnotationTask],
    report: PushReport,
    pulled: str | None,
    *,
    again: bool,
) -> list[AnnotationTask]:
    """Tasks to send; stale ones that nobody annotated are taken away first."""
    held: dict[str, list[HeldTask]] = {}
    for found in server.tasks(project):
        held.setdefault(found.task_key, []).append(found)
    wanted = []
    for task in group:
        rows = held.get(task.task_key, [])
        answered = [row for row in rows if row.annotations]
        if any(row.content_hash == task.content_hash for row in rows):
            report.held += 1
        elif not all(_is_pulled(row, pulled) for row in answered):
            report.waiting += 1
        elif answered and not again:
            report.answered += 1
        else:
            stale = [row for row in rows if not row.annotations]
            for row in stale:
                server.delete_task(row.number)
            report.replaced += bool(stale)
            wanted.append(task)
    return wanted


def _is_pulled(row: HeldTask, pulled: str | None) -> bool:
    return pulled is not None and (
        datetime.fromisoformat(row.updated_at) <= datetime.fromisoformat(pulled)
    )


def _batches(tasks: Sequence[AnnotationTask]) -> Iterable[Sequence[AnnotationTask]]:
    return (tasks[first : first + BATCH] for first in range(0, len(tasks), BATCH))


def _payload(task: AnnotationTask, *, show_predictions: bool) -> dict[str, Any]:
    data = {
        "video": task.video,
        "notes": "\n".join(f"{name}: {text}" for name, text in task.notes.items()) or task.video_id,
        "source": task.source,
        "video_id": task.video_id,
        "task_key": task.task_key,
        "content_hash": task.content_hash,
        LED: show_predictions,
        PAYLOAD: canonical_json(task).decode(),
    }
    results = encode_results(task) if show_predictions else []
    predictions = [{"model_version": MODEL_VERSION, "result": results}] if results else []
    return {"data": data, "predictions": predictions}


def _require_valid(config: str, group: Sequence[AnnotationTask]) -> None:
    """Check what would be filled in: the server itself would take anything."""
    interface = LabelInterface(config)
    faults = []
    for task in group:
        prediction = {"model_version": MODEL_VERSION, "result": encode_results(task)}
        found = interface.validate_prediction(prediction, return_errors=True)  # type: ignore[no-untyped-call]
        faults += [f"{task.source}/{task.video_id} {task.clip_id[:8]}: {text}" for text in found]
    if faults:
        raise CorrectionError(
            f"{len(faults)} labels do not fit the configuration: {bounded(faults)}.",
            action="Nothing was sent. Add the label to the source's vocabulary.",
        )


def read_task(data: dict[str, Any]) -> AnnotationTask | None:
    """The task that a server's task carries, None for one somebody else made."""
    payload = data.get(PAYLOAD)
    if not isinstance(payload, str):
        return None
    return AnnotationTask.model_validate(orjson.loads(payload))
