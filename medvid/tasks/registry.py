"""The tasks, found by the presence of their module."""

from functools import cache
from typing import cast

from medvid.tasks.base import Task
from schemas.discovery import discover_members
from schemas.errors import ConfigError


@cache
def load_tasks() -> dict[str, Task]:
    """Every task by name, in alphabetical order."""
    members = cast("dict[str, Task]", discover_members("medvid.tasks.modules", "TASK"))
    return {task.name.value: task for task in members.values()}


def get_task(name: str) -> Task:
    """Return a task by its name, a `TaskName` or its text.

    Raises:
        ConfigError: No task has this name.
    """
    tasks = load_tasks()
    if name not in tasks:
        raise ConfigError(
            f"there is no task {name!r}.", action=f"Choose one of: {', '.join(tasks)}."
        )
    return tasks[name]
