"""Label Studio over its API: projects found by their mark, tasks by our key, annotations by time.

The server validates nothing and imports twice what is sent twice, so what it holds is always
asked before anything is sent, and our own marks in it say what is ours.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar, cast

import httpx
import orjson
from label_studio_sdk.client import LabelStudio as Sdk
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.core.request_options import RequestOptions
from label_studio_sdk.types.import_api_request import ImportApiRequest

from annotation.jobs import Job
from schemas.errors import ConfigError, CorrectionError, ReleaseError
from schemas.hashing import content_key

T = TypeVar("T")

PAGE: Final = 500
RETRIES: Final = 4
TIMEOUT_S: Final = 120.0
_MARK: Final = "medvid"
_ONCE: Final = RequestOptions(max_retries=0)
"""The SDK repeats a POST by itself when a server stumbles, and the server keeps both."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project of ours on the server.

    Attributes:
        number: The server's id.
        title: Its title.
        job: What its tasks ask.
    """

    number: int
    title: str
    job: Job


@dataclass(frozen=True, slots=True)
class HeldTask:
    """A task the server holds.

    Attributes:
        number: The server's id.
        task_key: Our id, empty for a task somebody else made.
        content_hash: Hash of what it shows.
        predictions: Filled-in label sets it has.
        annotations: Annotations and skips it has.
        updated_at: When it or one of its annotations was last changed, ISO 8601 in UTC.
    """

    number: int
    task_key: str
    content_hash: str
    predictions: int
    annotations: int
    updated_at: str


class LabelStudio:
    """One server, one user.

    What changes the server goes through its SDK; pages of tasks are read as they come, since the
    SDK builds a model of every region of every annotation.

    Args:
        url: Address, e.g. `http://127.0.0.1:8080`.
        token: The user's token; a legacy token as `annotate serve` makes, or an access token.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_S)
        self._sdk = Sdk(  # type: ignore[no-untyped-call]
            base_url=self.url, api_key=token, httpx_client=self._http
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def check(self) -> str:
        """Return the server's version, having checked that the token opens it.

        Raises:
            ReleaseError: Nothing answers.
            ConfigError: The token is not known.
        """
        self._call("/api/current-user/whoami")
        release = self._call("/api/version")
        return str(release.get("release", "unknown"))

    def find_project(self, title: str) -> Project | None:
        """The project of ours with this title."""
        for found in self.projects():
            if found.title == title:
                return found
        return None

    def projects(self) -> list[Project]:
        """Every project of ours, by number."""
        found, page = [], 1
        while True:
            answer = self._call("/api/projects", {"page": page, "page_size": 100})
            for item in answer["results"]:
                mark = str(item.get("description") or "").split(":")
                if mark[0] == _MARK and len(mark) == 3:
                    found.append(Project(int(item["id"]), str(item["title"]), Job(mark[1])))
            if not answer.get("next"):
                return sorted(found, key=lambda project: project.number)
            page += 1

    def ensure_project(
        self, title: str, job: Job, config: str, instructions: str, *, show_predictions: bool
    ) -> Project:
        """Make a project, or find the one made before.

        One whose configuration nobody touched since an earlier version of this code laid it out
        is brought up to date.

        Raises:
            CorrectionError: Its labelling configuration is no longer the one it was made with:
                annotations would come back under other labels.
        """
        mark = _mark(job, config)
        found = self.find_project(title)
        if found is not None:
            held = self._call(f"/api/projects/{found.number}")
            if held["description"] != _mark(job, str(held["label_config"])):
                raise CorrectionError(
                    f"the labelling configuration of project {title!r} is not the one it was made "
                    "with.",
                    action="Restore it in the project's settings, or push under another --title.",
                )
            if held["description"] != mark:
                self._write(
                    lambda: self._sdk.projects.update(
                        found.number, description=mark, label_config=config,
                        request_options=_ONCE,
                    )
                )  # fmt: skip
            return found
        made = self._write(
            lambda: self._sdk.projects.create(
                title=title, description=mark, label_config=config,
                expert_instruction=instructions, show_instruction=True,
                show_collab_predictions=show_predictions, request_options=_ONCE,
            )
        )  # fmt: skip
        return Project(int(made.id or 0), title, job)

    def show_media(self, project: Project, folder: str) -> None:
        """Let a project show files of a local folder of the server.

        Args:
            project: The project.
            folder: Absolute path on the server, strictly below its document root.
        """
        held = self._call("/api/storages/localfiles", {"project": project.number})
        if any(item.get("path") == folder for item in held):
            return
        self._write(
            lambda: self._sdk.import_storage.local.create(
                project=project.number,
                path=folder,
                title="medvid proxies",
                use_blob_urls=True,
                request_options=_ONCE,
            )
        )

    def place(self, project: Project) -> str:
        """Name of a project among those of all servers."""
        return f"{self.url}#{project.number}"

    def tasks(self, project: Project) -> Iterator[HeldTask]:
        """Yield every task a project holds."""
        fields = "id,data,total_predictions,total_annotations,cancelled_annotations,updated_at"
        for item in self._pages(project, include=fields):
            yield HeldTask(
                int(item["id"]),
                str(item["data"].get("task_key", "")),
                str(item["data"].get("content_hash", "")),
                int(item.get("total_predictions") or 0),
                int(item.get("total_annotations") or 0)
                + int(item.get("cancelled_annotations") or 0),
                str(item["updated_at"]),
            )

    def newest_change(self, project: Project) -> str | None:
        """When a task of a project was last changed, ISO 8601 in UTC; None where it has none.

        Submitting, skipping, editing and deleting an annotation all change its task.
        """
        query = orjson.dumps({"ordering": ["-tasks:updated_at"]}).decode()
        answer = self._call(
            "/api/tasks",
            {
                "project": project.number, "page": 1, "page_size": 1, "include": "id,updated_at",
                "query": query,
            },
        )  # fmt: skip
        return next((str(item["updated_at"]) for item in answer.get("tasks", [])), None)

    def annotated_since(self, project: Project, cursor: str | None) -> Iterator[dict[str, Any]]:
        """Yield tasks that have annotations or skips and changed after a time, by number.

        Args:
            project: The project.
            cursor: ISO 8601 in UTC; None for every task.
        """
        changed = {
            "filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime",
            "value": cursor,
        }  # fmt: skip
        for item in self._pages(project, () if cursor is None else (changed,), fields="all"):
            if item["annotations"]:
                yield item

    def import_tasks(self, project: Project, tasks: Sequence[dict[str, Any]]) -> int:
        """Send tasks with their predictions as one batch; returns how many arrived."""
        # The model wants each prediction's task, whose number only the server knows.
        request = cast("list[ImportApiRequest]", list(tasks))
        answer = self._write(
            lambda: self._sdk.projects.import_tasks(
                project.number, request=request, request_options=_ONCE
            )
        )
        return int(answer.task_count or 0)

    def delete_task(self, number: int) -> None:
        """Remove a task; one that is gone is no error."""
        try:
            self._sdk.tasks.delete(id=str(number))
        except ApiError as error:
            if error.status_code != httpx.codes.NOT_FOUND:
                self._raise(error.status_code, f"task {number}", str(error.body))

    def users(self) -> dict[int, str]:
        """Names of the server's users by number: their e-mail before the @, which is no address."""
        answer = self._call("/api/users")
        return {
            int(user["id"]): str(user.get("username") or user["email"]).partition("@")[0]
            or str(user["id"])
            for user in answer
        }

    def _pages(
        self, project: Project, filters: Sequence[dict[str, Any]] = (), **fields: str
    ) -> Iterator[dict[str, Any]]:
        """Yield tasks by number, each page from the number the last one ended on.

        Pages by position would skip a task whenever an earlier one leaves the list meanwhile.
        """
        last = 0
        while True:
            after = {
                "filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": last
            }  # fmt: skip
            query = {
                "filters": {"conjunction": "and", "items": [*filters, after]},
                "ordering": ["tasks:id"],
            }
            answer = self._call(
                "/api/tasks",
                {
                    "project": project.number, "page": 1, "page_size": PAGE,
                    "query": orjson.dumps(query).decode(), **fields,
                },
            )  # fmt: skip
            tasks = answer.get("tasks", [])
            yield from tasks
            if len(tasks) < PAGE:
                return
            last = int(tasks[-1]["id"])

    def _call(self, path: str, query: dict[str, str | int] | None = None) -> Any:  # noqa: ANN401 - the JSON edge
        """Read; connection faults and 5xx are tried again, since reading repeats nothing."""
        fault: Exception | str = ""
        for attempt in range(RETRIES):
            if attempt:
                time.sleep(0.5 * 2**attempt)
            try:
                headers = self._sdk._client_wrapper.get_headers()
                answer = self._http.get(path, params=query, headers=headers)
            except httpx.TransportError as error:
                fault = error
                continue
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                fault = f"HTTP {answer.status_code}"
                continue
            if answer.is_error:
                self._raise(answer.status_code, path, answer.text)
            return answer.json() if answer.content else {}
        raise self._silent(fault)

    def _write(self, call: Callable[[], T]) -> T:
        """Change the server, once."""
        try:
            return call()
        except ApiError as error:
            self._raise(error.status_code, "the request", str(error.body))
        except httpx.TransportError as error:
            raise self._silent(error) from error

    def _silent(self, fault: Exception | str) -> ReleaseError:
        name = fault if isinstance(fault, str) else type(fault).__name__
        return ReleaseError(
            f"Label Studio at {self.url} does not answer ({name}).",
            action="Start it (`medvid annotate serve`) or give its --url; then run this again: "
            "what is done stays done.",
        )

    def _raise(self, status: int | None, what: str, words: str) -> NoReturn:
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise ConfigError(
                f"Label Studio at {self.url} does not know the token.", field="token",
                action="Give the token of the account page, or LABEL_STUDIO_TOKEN.",
            )  # fmt: skip
        if status == httpx.codes.NOT_FOUND:
            raise CorrectionError(
                f"{what} is not there: the project or task was deleted on the server.",
                action="Push again to make it anew; corrections pulled before stay in the log.",
            )
        if status is not None and status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise self._silent(f"HTTP {status}")
        raise CorrectionError(f"Label Studio refuses {what}: {words[:400]}.")


def _mark(job: Job, config: str) -> str:
    """What a project of ours carries as its description."""
    return f"{_MARK}:{job}:{content_key(''.join(config.split()))[:16]}"
