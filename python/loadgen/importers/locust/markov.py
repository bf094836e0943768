"""MarkovTaskSet: from each task the next one is drawn, by what its transitions say."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from loadgen.importers.locust.flow import LocustError
from loadgen.importers.locust.tasks import Task, TaskSet, TaskSetMeta

T = TypeVar("T", bound="Callable[..., Any]")

_TRANSITIONS = "transitions"


def transition(func_name: str, weight: int = 1) -> Callable[[T], T]:
    """From this task to the one of that name."""
    return transitions({func_name: weight})


def transitions(weights: Mapping[str, int] | Sequence[str | tuple[str, int]]) -> Callable[[T], T]:
    """From this task to any of those, by weight."""
    pairs = weights.items() if isinstance(weights, Mapping) else weights

    def decorate(task: T) -> T:
        known = task.__dict__.setdefault(_TRANSITIONS, {})
        for one in pairs:
            name, weight = (one, 1) if isinstance(one, str) else one
            known[name] = weight
        return task

    return decorate


class MarkovTaskSetMeta(TaskSetMeta):
    """Collects the tasks that have transitions, and sees that they lead somewhere."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> MarkovTaskSetMeta:  # noqa: PYI034 - mypy knows no Self here
        marked = (value for value in namespace.values() if _TRANSITIONS in getattr(value, "__dict__", {}))
        tasks = list(dict.fromkeys(marked))  # `current` is another name of one of them
        if bases != (TaskSet,) and not namespace.get("abstract"):
            _check(name, tasks, namespace)
        made: Any = super().__new__(cls, name, bases, namespace)
        made.tasks = tasks
        made.current = namespace.get("current") or next(iter(tasks), None)
        return cast("MarkovTaskSetMeta", made)


def _check(name: str, tasks: Sequence[Task], namespace: Mapping[str, Any]) -> None:
    if not tasks:
        raise LocustError(f"{name} has no tasks with @transition")
    known = {task.__name__ for task in tasks}
    for task in tasks:
        for target in getattr(task, _TRANSITIONS):
            if target not in namespace:
                raise LocustError(f"{name}: {task.__name__} leads to {target}, which there is not")
            if target not in known:
                raise LocustError(f"{name}: {task.__name__} leads to {target}, which leads nowhere")


class MarkovTaskSet(TaskSet, metaclass=MarkovTaskSetMeta):
    """Tasks that lead from one to another, from `current` on, or from the one that is written first."""

    current: Any = None

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        if not self.tasks:
            raise LocustError(f"{type(self).__name__} has no tasks with @transition")

    def get_next_task(self) -> Task:
        """The current one, after which another is."""
        found: Task = self.current
        ways: Mapping[str, int] = getattr(found, _TRANSITIONS)
        name = random.choices(list(ways), list(ways.values()))[0]  # noqa: S311 - a load, not a secret
        self.current = getattr(self, name)
        return found
