"""Read annotations from Label Studio into the correction log; nothing is lost, nothing comes twice.

```
annotations/
  corrections/          the log (`annotation.log`)
  pulled/               every annotation as it was pulled, append-only; agreement is measured on it
  cursors.json          how far each project was read
```
"""

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

from annotation.agreement import Policy, Rule, resolve
from annotation.archive import Archive, PulledAnnotation
from annotation.client import LabelStudio
from annotation.codec import decode_results
from annotation.jobs import AnnotationTask
from annotation.log import CorrectionLog
from annotation.push import LED, read_task
from schemas.correction import Correction, item_key
from schemas.errors import CorrectionError

CURSORS: Final = "cursors.json"
_CURSORS: Final = TypeAdapter(dict[str, str])
OVERLAP: Final = timedelta(seconds=60)
"""Read again before each cursor: a change gets its time before others can see it."""

Heard = Callable[[str, int], None]
"""Takes a project's title and how many tasks of it were read."""


@dataclass(slots=True)
class PullReport:
    """What a pull did.

    Attributes:
        tasks: Tasks read.
        annotations: Annotations that were new or had changed.
        skipped: Skips among them.
        waiting: Tasks that need more annotators, or one to decide.
        corrections: Corrections that are new in the log.
        problems: What annotators drew that means nothing, as `task annotator: what`.
        foreign: Tasks of the projects that are not ours.
    """

    tasks: int = 0
    annotations: int = 0
    skipped: int = 0
    waiting: int = 0
    corrections: int = 0
    problems: list[str] = field(default_factory=list)
    foreign: int = 0


def pull_corrections(
    server: LabelStudio,
    home: Path,
    *,
    policy: Policy | None = None,
    title: str | None = None,
    heard: Heard | None = None,
) -> PullReport:
    """Read everything that changed since the last pull, and append what it says to the log.

    Order makes it safe to kill: first the annotation itself is kept, then its corrections are
    logged, and once a project is read its cursor moves to where the project stood before. What is
    read twice is the same the second time. An answer that was deleted on the server stays.

    Args:
        server: Where from.
        home: Folder of the log.
        policy: How several annotators of one task become one answer; by default each counts.
        title: First words of the projects to read; all of ours by default.
        heard: Told how it goes.

    Raises:
        ConfigError: The token is not known.
        CorrectionError: A project was deleted, or the log was changed by hand.
        ReleaseError: The server does not answer.
    """
    with _alone(home):
        return _pull(server, home, policy or Policy(), title, heard)


def _pull(
    server: LabelStudio, home: Path, policy: Policy, title: str | None, heard: Heard | None
) -> PullReport:
    report = PullReport()
    version = server.check()
    names = server.users()
    log, archive = CorrectionLog(home / "corrections"), Archive(home / "pulled")
    cursors = load_cursors(home)
    history = _History(log)
    for project in server.projects():
        if title is not None and not project.title.startswith(title):
            continue
        place = server.place(project)
        newest = server.newest_change(project)
        changed = server.annotated_since(project, _before(cursors.get(place)))
        for batch in _batches(changed):
            read = [
                (task, _annotations(task, item, names, f"label-studio {version}", place))
                for task, item in _read(batch, report)
            ]
            new = archive.append(annotation for _, found in read for annotation in found)
            report.annotations += len(new)
            report.skipped += sum(annotation.skipped for annotation in new)
            fresh = [
                correction
                for task, found in read
                for correction in _decide(task, found, history, policy, report)
            ]
            report.corrections += log.append(fresh)
            history.add(fresh)
            if heard is not None:
                heard(project.title, report.tasks)
        if newest is not None:
            cursors[place] = newest
            _store_cursors(home, cursors)
    return report


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One pull at a time: a second waits, and then finds nothing new."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle = (home / ".pull.lock").open("w")
    except OSError as error:
        raise CorrectionError(
            f"nothing can be written in {home}: {error.strerror}.", field="home",
            action="Name a folder you may write in, and pull again.",
        ) from error  # fmt: skip
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _before(cursor: str | None) -> str | None:
    """A little before the cursor: what was being written while the last pull read."""
    if cursor is None:
        return None
    earlier = datetime.fromisoformat(cursor) - OVERLAP
    return earlier.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _batches(items: Iterable[dict[str, Any]], size: int = 200) -> Iterable[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(
    items: Sequence[dict[str, Any]], report: PullReport
) -> list[tuple[AnnotationTask, dict[str, Any]]]:
    found = []
    for item in items:
        report.tasks += 1
        try:
            task = read_task(item["data"])
        except (ValidationError, orjson.JSONDecodeError) as error:
            report.problems.append(f"task {item['id']}: its data were changed ({error}).")
            continue
        if task is None:
            report.foreign += 1
        else:
            found.append((task, item))
    return found


def _annotations(
    task: AnnotationTask, item: dict[str, Any], names: dict[int, str], tool: str, place: str
) -> list[PulledAnnotation]:
    return [
        PulledAnnotation(
            annotation_id=f"{place}:{row['id']}",
            task=task,
            who=_name(row.get("completed_by"), names),
            when=str(row["updated_at"]),
            tool=tool,
            skipped=bool(row.get("was_cancelled")),
            senior=bool(row.get("ground_truth")),
            lead_time_s=float(row.get("lead_time") or 0.0),
            results=row.get("result") or [],
            led=_led(item["data"]),
        )
        for row in sorted(item["annotations"], key=lambda row: int(row["id"]))
    ]


def _led(data: dict[str, Any]) -> bool | None:
    said = data.get(LED)
    return said if isinstance(said, bool) else None


def _name(user: object, names: dict[int, str]) -> str:
    number = user.get("id") if isinstance(user, dict) else user
    return names.get(int(str(number)), f"user {number}") if number is not None else "unknown"


class _History:
    """The log's corrections by task, read once: no other pull writes while this one does."""

    def __init__(self, log: CorrectionLog) -> None:
        self._by_task: dict[str, dict[str, Correction]] = {}
        self.add(log)

    def add(self, corrections: Iterable[Correction]) -> None:
        """Take in corrections the log now holds; as there, each counts once."""
        for correction in corrections:
            of_task = self._by_task.setdefault(correction.task_id, {})
            of_task.setdefault(correction.correction_id, correction)

    def of_task(self, task_id: str) -> list[Correction]:
        """Corrections of a task, oldest first."""
        return list(self._by_task.get(task_id, {}).values())


def _decide(
    task: AnnotationTask,
    found: Sequence[PulledAnnotation],
    history: _History,
    policy: Policy,
    report: PullReport,
) -> list[Correction]:
    """Corrections that a task's annotations make beyond what the log holds of them."""
    decoded: list[tuple[PulledAnnotation, tuple[Correction, ...]]] = []
    for annotation in found:
        if annotation.skipped:
            continue
        read = decode_results(
            task, annotation.results, who=annotation.who, when=annotation.when,
            tool=annotation.tool, annotation_id=annotation.annotation_id,
        )  # fmt: skip
        report.problems += [
            f"{task.source}/{task.video_id} by {annotation.who}, region {p.region}: {p.detail}."
            for p in read.problems
        ]
        if not read.problems:
            decoded.append((annotation, read.corrections))
    outcome = resolve(task, decoded, policy)
    if outcome is None:
        report.waiting += 1
        return []
    earlier = history.of_task(task.task_key)
    fresh = []
    for annotation, corrections in outcome:
        own = [
            c for c in earlier
            if c.annotation_id == annotation.annotation_id
            or (policy.rule is not Rule.EACH and c.base_revision == task.base_revision)
        ]  # fmt: skip
        fresh += supersede(own, corrections, annotation)
    return fresh


def supersede(
    earlier: Sequence[Correction], now: Sequence[Correction], annotation: PulledAnnotation
) -> list[Correction]:
    """Corrections that lead from what an annotation said to what it says now.

    The log is never edited: an annotation that was submitted again builds on its earlier self, and
    what it no longer changes is changed back. Both are compared by what they take away and add in
    all, since items are what they say: one may be deleted and another moved into its place.
    """
    left = _effect(now)
    left.subtract(_effect(earlier))
    items = {
        item_key(item): item
        for correction in (*earlier, *now)
        for item in (correction.before, correction.after)
        if item is not None
    }
    pairs = _pairs(left, earlier, now)
    pairs.sort(key=lambda pair: not pair[0])
    model = (*now, *earlier)
    said = {"who": annotation.who, "when": annotation.when, "tool": annotation.tool}
    return [
        model[0].model_copy(update={**said, "before": items.get(before), "after": items.get(after)})
        for before, after in pairs
    ]


def _pairs(
    left: Counter[bytes], earlier: Sequence[Correction], now: Sequence[Correction]
) -> list[tuple[bytes, bytes]]:
    """Part an effect into items before and after; what was changed is changed back in place."""
    origin = {_key(c.after): _key(c.before) for c in earlier if c.after is not None}
    pairs: list[tuple[bytes, bytes]] = []
    for correction in now:
        after = _key(correction.after)
        stands = [key for key in (_key(correction.before), *_places(origin, correction)) if key]
        before = next((key for key in stands if left[key] < 0), b"")
        if after and before and left[after] > 0:
            left[before] += 1
            left[after] -= 1
            pairs.append((before, after))
    for correction in reversed(earlier):
        before, after = _key(correction.after), _key(correction.before)
        if before and after and left[before] < 0 < left[after]:
            left[before] += 1
            left[after] -= 1
            pairs.append((before, after))
    for key, count in sorted(left.items()):
        pairs += [(key, b"")] * -count if count < 0 else [(b"", key)] * count
    return pairs


def _effect(corrections: Sequence[Correction]) -> Counter[bytes]:
    """How many items of each content corrections add, negative where they take away."""
    effect: Counter[bytes] = Counter()
    for correction in corrections:
        effect[_key(correction.before)] -= 1
        effect[_key(correction.after)] += 1
    del effect[b""]
    return effect


def _places(origin: dict[bytes, bytes], correction: Correction) -> list[bytes]:
    """What the item a correction starts from was changed into before."""
    start = _key(correction.before)
    return [after for after, before in origin.items() if before == start]


def _key(item: dict[str, Any] | None) -> bytes:
    return b"" if item is None else item_key(item)


def load_cursors(home: Path) -> dict[str, str]:
    """How far each project was pulled: by `LabelStudio.place` a time, ISO 8601 in UTC.

    Raises:
        CorrectionError: The file was damaged.
    """
    path = home / CURSORS
    if not path.exists():
        return {}
    try:
        cursors = _CURSORS.validate_json(path.read_bytes())
        for cursor in cursors.values():
            datetime.fromisoformat(cursor)
    except (OSError, ValueError) as error:
        raise CorrectionError(
            "the cursors cannot be read.", source=CURSORS,
            action="Delete the file: the next pull reads everything again and adds nothing twice.",
        ) from error  # fmt: skip
    return cursors


def _store_cursors(home: Path, cursors: dict[str, str]) -> None:
    aside = home / f".{CURSORS}.partial"
    try:
        aside.write_bytes(orjson.dumps(cursors, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2))
        with aside.open("rb") as handle:
            os.fsync(handle.fileno())
        aside.replace(home / CURSORS)
    except OSError as error:
        raise CorrectionError(
            f"cannot be written: {error.strerror}.", source=CURSORS,
            action="Free the disk, and pull again: what was read is in the log, and nothing comes "
            "twice.",
        ) from error  # fmt: skip
