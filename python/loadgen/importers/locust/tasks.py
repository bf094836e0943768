"""Task sets: what a user does, and in which order. When each task begins, its turns say.

run:  on_start ─▶ next task ─▶ its turn begins ─▶ the task ─▶ wait ─▶ next task …
        interrupt ─▶ on_stop ─▶ the parent goes on       the end ─▶ on_stop ─▶ the user ends
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast, overload

from loadgen.importers.locust.driver import GreenletExit, sleep
from loadgen.importers.locust.flow import (
    WAYS,
    InterruptTaskSet,
    MissingWaitTimeError,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopTest,
    StopUser,
)
from loadgen.importers.locust.tags import TAGS

if TYPE_CHECKING:
    from loadgen.importers.locust.users import User

T = TypeVar("T", bound="Callable[..., Any]")
# A function of its task set, or a task set within it.
Task = Callable[..., Any]

_logger = logging.getLogger("locust.user.task")
_WEIGHT = "locust_task_weight"


@overload
def task(weight: T, /) -> T: ...
@overload
def task(weight: int = 1, /) -> Callable[[T], T]: ...
def task(weight: T | int = 1, /) -> T | Callable[[T], T]:
    """Makes a method, or a task set within a class, a task; one of weight 3 is done three times as often."""

    def decorate(function: T) -> T:
        if getattr(function, "__name__", "") in ("on_start", "on_stop"):
            raise ValueError(f"@task: {function.__name__} is done once for each user, and cannot be a task")
        setattr(function, _WEIGHT, 1 if callable(weight) else weight)
        return function

    return decorate(weight) if callable(weight) else decorate


def collect_tasks(
    bases: Iterable[type], namespace: Mapping[str, Any], *, in_order: bool = False
) -> list[Task]:
    """The tasks of a class, each as often as its weight: those of its bases, its `tasks`, its methods.

    `in_order`: its `tasks` stand among the methods where they are written, and not before them.
    """
    tasks: list[Task] = []
    for base in bases:
        tasks += getattr(base, "tasks", None) or []
    for name in namespace if in_order else sorted(namespace, key=lambda name: name != "tasks"):
        value = namespace[name]
        if name == "tasks":
            tasks += _listed(value)
        elif _WEIGHT in dir(value):  # also of a class that inherits from a task: it is one itself
            tasks += [value] * getattr(value, _WEIGHT)
    return tasks


def _listed(tasks: Any) -> list[Task]:
    found: list[Task] = []
    for one in tasks.items() if isinstance(tasks, Mapping) else tasks or ():
        found += [one[0]] * int(one[1]) if isinstance(one, tuple) else [one]
    return found


def draw(tasks: Sequence[Task]) -> Task:
    """One of them. It stands in the way of every request, and random.choice takes five times as long."""
    return tasks[0] if len(tasks) == 1 else tasks[int(random.random() * len(tasks))]  # noqa: S311


class TaskSetMeta(type):
    """Collects the tasks of a class when it is made."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> TaskSetMeta:
        namespace["tasks"] = collect_tasks(bases, namespace)
        return super().__new__(cls, name, bases, namespace)


class TaskSet(metaclass=TaskSetMeta):
    """Tasks that a user does one after the other, each drawn by its weight."""

    tasks: Any = []  # noqa: RUF012 - users write it so
    min_wait: float | None = None
    max_wait: float | None = None
    wait_function: Any = None
    _user: User
    _parent: Any

    def __init__(self, parent: Any) -> None:
        self._task_queue: deque[Task] = deque()
        self._parent = parent
        self._user = parent._user if isinstance(parent, TaskSet) else parent
        if self.min_wait is None:
            self.min_wait = self._user.min_wait
        if self.max_wait is None:
            self.max_wait = self._user.max_wait
        self._turns = self._user._turns
        self._paced_at = monotonic()  # of constant_pacing
        # What a script has not made its own need not be called: this stands in the way of every request.
        own = type(self)
        self._rests_as_its_user = (
            own.wait is TaskSet.wait and own.wait_time is TaskSet.wait_time and bool(self._user.wait_time)
        )
        self._queues_its_own_way = (
            own.schedule_task is not TaskSet.schedule_task
            or own.execute_next_task is not TaskSet.execute_next_task
        )

    @property
    def user(self) -> User:
        """Who does it."""
        return self._user

    @property
    def parent(self) -> Any:
        """The task set around this one, or the user."""
        return self._parent

    @property
    def client(self) -> Any:
        """The user's."""
        return self._user.client

    def on_start(self) -> None:
        """Done when a user begins with this task set."""

    def on_stop(self) -> None:
        """Done when a user leaves it."""

    def run(self) -> NoReturn:
        """To the end of the user, or to an interruption."""
        try:
            self.on_start()
        except InterruptTaskSet as interruption:
            raise _rescheduled(interruption) from interruption
        while True:
            try:
                try:
                    self._take_turn()
                except RescheduleTaskImmediately:
                    pass
                except RescheduleTask:
                    self._rest()
                else:
                    self._rest()
            except InterruptTaskSet as interruption:
                self._stop()
                raise _rescheduled(interruption) from interruption
            except (StopUser, StopTest, GreenletExit):
                self._stop()
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the script's
                self._user._fail(error)
                self._rest()

    def _take_turn(self) -> None:
        """The next task, which is a turn of its user's; finding none is one that fails."""
        turns = self._turns
        if not turns.is_on:
            turns.begin()
        try:
            task = None if self._task_queue else self.get_next_task()
            if task is None or self._task_queue or self._queues_its_own_way:
                if task is not None:
                    self.schedule_task(task)
                self.execute_next_task()
            else:
                self.execute_task(task)
        except Exception as error:
            turns.end(isinstance(error, WAYS))
            raise
        turns.ok = True
        turns.is_on = False

    def execute_next_task(self) -> None:
        """The first of those that are scheduled."""
        self.execute_task(self._task_queue.popleft())

    def execute_task(self, task: Task) -> None:
        """A function of this task set, a method that is bound to it, or a task set within it."""
        if getattr(task, "__self__", None) is self:
            task()
            return
        done = task(self)
        if done is not None and isinstance(done, TaskSet):  # most are None, and to ask that takes no time
            done.run()

    def schedule_task(self, task: Task, first: bool = False) -> None:
        """Has a task done next, or as the last of those that are scheduled."""
        if first:
            self._task_queue.appendleft(task)
        else:
            self._task_queue.append(task)

    def get_next_task(self) -> Task:
        """Drawn with replacement, by weight."""
        if not self.tasks:
            raise LookupError(f"{_named(self)} has no tasks: use the @task decorator, or set tasks")
        return draw(self.tasks)

    def wait_time(self) -> float:
        """Its own, or its user's."""
        if self._user.wait_time:
            return float(self._user.wait_time())
        if self.max_wait is None or self.min_wait is None:  # of old files, in ms
            raise MissingWaitTimeError(f"{_named(self._user)} has no wait_time")
        return random.randint(int(self.min_wait), int(self.max_wait)) / 1000  # noqa: S311

    def wait(self) -> None:
        """Waits as long as there is to be between two tasks."""
        sleep(self.wait_time())

    def _rest(self) -> None:
        """The wait before the next turn, which the engine keeps; a script's own is its own affair."""
        if self._rests_as_its_user:
            self._turns.rest = float(self._user.wait_time())
        elif type(self).wait is TaskSet.wait:
            self._turns.rest = float(self.wait_time())
        else:
            self.wait()

    def interrupt(self, reschedule: bool = True) -> NoReturn:
        """Leaves this task set."""
        raise InterruptTaskSet(reschedule)

    def _stop(self) -> None:
        """Its end, whatever comes of it."""
        try:
            self.on_stop()
        except (StopUser, StopTest, GreenletExit):
            raise
        except Exception:  # the way of its user is what it was
            _logger.exception("on_stop of %s failed", _named(self))


class DefaultTaskSet(TaskSet):
    """The tasks of a user that are its own methods."""

    def get_next_task(self) -> Task:
        """One of the user's."""
        tasks = self._user.tasks
        if not tasks:
            raise LookupError(f"{_named(self._user)} has no tasks: use the @task decorator, or set tasks")
        return draw(tasks)

    def execute_task(self, task: Task) -> None:
        """A method of the user's, or a task set."""
        done = task(self._user)
        if done is not None and isinstance(done, TaskSet):
            done.run()


class SequentialTaskSetMeta(TaskSetMeta):
    """Collects the tasks of a class in the order in which they are written."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> SequentialTaskSetMeta:
        tasks = collect_tasks(bases, namespace, in_order=True)
        made: Any = super().__new__(cls, name, bases, namespace)
        made.tasks = tasks
        return cast("SequentialTaskSetMeta", made)


class SequentialTaskSet(TaskSet, metaclass=SequentialTaskSetMeta):
    """Tasks that a user does in the order in which they are written, and then again."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self._next = 0

    def get_next_task(self) -> Task:
        """The one after the last."""
        if not self.tasks:
            raise LookupError(f"{_named(self)} has no tasks: use the @task decorator, or set tasks")
        found = self.tasks[self._next % len(self.tasks)]
        self._next += 1
        return cast("Task", found)


def _rescheduled(interruption: InterruptTaskSet) -> RescheduleTask:
    """What the parent is told."""
    return RescheduleTaskImmediately() if interruption.reschedule else RescheduleTask()


def _named(value: object) -> str:
    return type(value).__name__


__all__ = ["TAGS", "DefaultTaskSet", "SequentialTaskSet", "Task", "TaskSet", "collect_tasks", "task"]
