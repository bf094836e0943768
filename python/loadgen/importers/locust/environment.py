"""What Locust files read of their surroundings: the environment, and its runner. Each worker has its own."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from loadgen.importers.locust.events import Events, events
from loadgen.importers.locust.greenlets import Greenlet, Group
from loadgen.importers.locust.stats import RequestStats

if TYPE_CHECKING:
    from loadgen.importers.locust.users import User

_logger = logging.getLogger("locust.runners")


class Environment:
    """One for all users of a worker."""

    def __init__(
        self,
        *,
        user_classes: Iterable[type[User]] = (),
        shape_class: Any = None,
        tags: Iterable[str] | None = None,
        exclude_tags: Iterable[str] | None = None,
        events: Events = events,
        host: str | None = None,
        reset_stats: bool = False,
        stop_timeout: float | None = None,
        catch_exceptions: bool = True,
        parsed_options: argparse.Namespace | None = None,
        locustfile: str | None = None,
        profile: str | None = None,
        **_: Any,
    ) -> None:
        self.locustfile = locustfile
        self.profile = profile
        self.user_classes = list(user_classes)
        self.shape_class = shape_class
        self.tags = list(tags) if tags else None
        self.exclude_tags = list(exclude_tags) if exclude_tags else None
        self.events = events
        self.host = host
        self.reset_stats = reset_stats
        self.stop_timeout = stop_timeout
        self.catch_exceptions = catch_exceptions
        self.parsed_options = parsed_options or argparse.Namespace()
        self.stats = RequestStats()
        events.request.count = self.stats.count_fired
        self.runner: Any = LocalRunner(self)
        self.web_ui: Any = None
        self.process_exit_code: int | None = None
        # Where exceptions of tasks are counted, and how the run is ended: told by who plays it.
        self._take_mishap: Callable[[str, BaseException], None] = _log_mishap
        self._end_run: Callable[[str], None] = _nothing

    @property
    def user_classes_by_name(self) -> dict[str, type[User]]:
        """By name."""
        return {one.__name__: one for one in self.user_classes}

    def create_local_runner(self) -> Runner:
        """The runner that there is."""
        return self.runner  # type: ignore[no-any-return]

    def update_user_class(self, settings: dict[str, Any]) -> None:
        """Changes what a class says of its users; as `--config-users` does."""
        configure(self.user_classes_by_name[settings["user_class_name"]], settings)


def configure(one: type[User], settings: Mapping[str, Any]) -> None:
    """Sets attributes of a class by their names; of its tasks those stay that are named."""
    for name, value in settings.items():
        if name == "tasks":
            one.tasks = [task for task in one.tasks if getattr(task, "__name__", "") in value]
        elif name != "user_class_name":
            setattr(one, name, value)


class Runner:
    """Which users there are. How many there are to be, the engine knows."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.state = "ready"
        self.greenlet = Group()
        self.user_greenlets = Group()
        self.users: set[User] = set()
        self.target_user_count = 0
        self.exceptions: dict[int, dict[str, Any]] = {}
        self.custom_messages: dict[str, tuple[Callable[..., Any], bool]] = {}
        self.cpu_usage = 0.0
        self.client_id = "loadgen"
        self.worker_index = 0
        self.worker_count = 1  # of its own

    @property
    def stats(self) -> RequestStats:
        """The environment's."""
        return self.environment.stats

    @property
    def errors(self) -> dict[Any, Any]:
        """Failures, by name and kind."""
        return self.environment.stats.errors

    @property
    def user_count(self) -> int:
        """Users that live in this worker."""
        return len(self.users)

    @property
    def user_classes(self) -> list[type[User]]:
        """The environment's."""
        return self.environment.user_classes

    @property
    def user_classes_count(self) -> dict[str, int]:
        """Users that live in this worker, by class."""
        counts = {one.__name__: 0 for one in self.user_classes}
        for user in self.users:
            counts[type(user).__name__] = counts.get(type(user).__name__, 0) + 1
        return counts

    def start(self, user_count: int, spawn_rate: float = 1, **_: Any) -> None:
        """Nothing: the plan says how many users there are."""
        _logger.warning(
            "runner.start(%d, %g) is not heard: -u, -r or a shape says it", user_count, spawn_rate
        )

    def stop(self) -> None:
        """Ends the run."""
        self.environment._end_run("environment.runner.stop()")

    def quit(self) -> None:
        """Ends the run."""
        self.environment._end_run("environment.runner.quit()")

    def register_message(self, msg_type: str, listener: Callable[..., Any], concurrent: bool = False) -> None:
        """Has a function called with messages of this type."""
        self.custom_messages[msg_type] = (listener, concurrent)

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
        """Sends one to whoever has registered for it in this worker."""
        known = self.custom_messages.get(msg_type)
        if known is None:
            _logger.warning("nobody in this worker has registered for the message %r", msg_type)
            return
        listener, concurrent = known
        message = Message(msg_type, data, client_id or self.client_id)
        if concurrent:
            Greenlet.spawn(listener, environment=self.environment, msg=message)
        else:
            listener(environment=self.environment, msg=message)

    def log_exception(self, node_id: str, msg: str, formatted_tb: str) -> None:
        """Counts an exception."""
        one = self.exceptions.setdefault(
            hash(formatted_tb), {"count": 0, "msg": msg, "traceback": formatted_tb, "nodes": set()}
        )
        one["count"] += 1
        one["nodes"].add(node_id)


class LocalRunner(Runner):
    """What each worker has: it is a Locust of its own."""


class MasterRunner(Runner):
    """What files ask for by this name; none of ours is one."""


class WorkerRunner(Runner):
    """As above."""


class Message:
    """What a registered function is given."""

    def __init__(self, message_type: str, data: Any, node_id: str | None) -> None:
        self.type = message_type
        self.data = data
        self.node_id = node_id


def _nothing(_why: str) -> None:
    """There is no run to end."""


def _log_mishap(where: str, error: BaseException) -> None:
    _logger.error("%s: %s: %s", where, type(error).__name__, error)
