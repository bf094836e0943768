"""`@tag`, and which tasks are left of a file when only some tags are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T", bound="Callable[..., Any]")

TAGS = "locust_tag_set"


def tag(*names: str) -> Callable[[T], T]:
    """Marks a task, or all tasks of a task set, with names."""
    if not names or callable(names[0]):
        raise ValueError('@tag needs a name: @tag("slow")')

    def decorate(task: T) -> T:
        setattr(task, TAGS, getattr(task, TAGS, frozenset()) | set(names))
        return task

    return decorate


def keep_tagged(owner: Any, wanted: Iterable[str], unwanted: Iterable[str]) -> None:
    """Leaves a class, and the task sets within it, the tasks that have a wanted tag and no unwanted one.

    Without wanted tags all are wanted. A task set that has nothing left is left out itself.
    """
    _keep(owner, frozenset(wanted), frozenset(unwanted), frozenset(), {})


def _keep(
    owner: Any,
    wanted: frozenset[str],
    unwanted: frozenset[str],
    above: frozenset[str],
    seen: dict[tuple[Any, frozenset[str]], bool],
) -> None:
    kept = []
    for task in owner.tasks:
        tags = above | getattr(task, TAGS, frozenset())
        if hasattr(task, "tasks"):
            if (task, tags) not in seen:
                seen[task, tags] = True  # one that holds itself is looked at once
                _keep(task, wanted, unwanted, tags, seen)
                seen[task, tags] = bool(task.tasks)
            stays = seen[task, tags]
        else:
            stays = (not wanted or bool(tags & wanted)) and not tags & unwanted
        if stays:
            kept.append(task)
    owner.tasks = kept
