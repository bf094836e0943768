"""Locust's users: what a class says of its users, and the life of one. How many there are, the cast says."""

from __future__ import annotations

import traceback
from time import monotonic
from typing import TYPE_CHECKING, Any

from loadgen.importers.locust.driver import GreenletExit, sleep
from loadgen.importers.locust.flow import StopTest, StopUser
from loadgen.importers.locust.greenlets import Greenlet, Group
from loadgen.importers.locust.rest import Rest
from loadgen.importers.locust.tasks import DefaultTaskSet, collect_tasks
from loadgen.importers.locust.waits import constant

if TYPE_CHECKING:
    from loadgen.importers.locust.environment import Environment
    from loadgen.importers.locust.turns import Turns
    from loadgen.user import User as LoadgenUser


class UserMeta(type):
    """Collects the tasks of a class when it is made. A class is abstract only if it says so itself."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> UserMeta:
        namespace["tasks"] = collect_tasks(bases, namespace)
        namespace.setdefault("abstract", False)
        return super().__new__(cls, name, bases, namespace)


class _NoClient:
    """In the place of a client that nobody has set. It must not cost those that have one anything."""

    def __get__(self, user: object, kind: type | None = None) -> Any:
        name = (kind or type(user)).__name__
        raise AttributeError(f"{name} has no client: inherit from HttpUser, or set self.client in __init__")


class User(metaclass=UserMeta):
    """One user: a greenlet that lives as long as the engine wants it."""

    abstract = True
    host: str | None = None
    min_wait: float | None = None
    max_wait: float | None = None
    wait_time: Any = constant(0)
    wait_function: Any = None
    weight: Any = 1
    fixed_count = 0
    tasks: Any = []  # noqa: RUF012 - users write it so
    client: Any = _NoClient()
    # Of the engine's, set before it is made: its constructor is the script's own.
    _loadgen: LoadgenUser
    _turns: Turns
    _greenlet: Greenlet | None = None

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._paced_at = monotonic()  # of constant_pacing
        self.group = Group()
        self._taskset_instance: DefaultTaskSet | None = None

    def on_start(self) -> None:
        """Done when it begins."""

    def on_stop(self) -> None:
        """Done when it ends."""

    def run(self) -> None:
        """Its life, in a greenlet of its own."""
        self._taskset_instance = DefaultTaskSet(self)
        try:
            try:
                self.on_start()
            except (StopUser, StopTest):
                raise
            except Exception as error:
                self._tell(error)
                raise
            self._taskset_instance.run()
        except (GreenletExit, StopUser):
            self.on_stop()
        except StopTest:
            self.environment.runner.quit()
            self.on_stop()

    def wait(self) -> None:
        """Waits as long as there is to be between two tasks."""
        sleep(self.wait_time())

    def stop(self, force: bool = False) -> bool:
        """Ends it: after its task, or at once where it waits for one or with `force`. Whether at once."""
        if self._greenlet is None or self._greenlet.dead:
            return True
        if force or self._turns.rests:
            self._greenlet.kill(block=False)
            return True
        self._turns.stops = True
        return False

    def context(self) -> dict[str, Any]:
        """What `events.request` is told beside each request of this user's."""
        return {}

    @property
    def greenlet(self) -> Greenlet | None:
        """In which it lives."""
        return self._greenlet

    @classmethod
    def fullname(cls) -> str:
        """Its name, with that of its module."""
        return f"{cls.__module__}.{cls.__qualname__}".replace(".<locals>", "")

    @classmethod
    def json(cls) -> dict[str, Any]:
        """What the class says of its users."""
        return {
            "host": cls.host,
            "weight": cls.weight,
            "fixed_count": cls.fixed_count,
            "tasks": [getattr(task, "__name__", str(task)) for task in cls.tasks],
        }

    def _fail(self, error: Exception) -> None:
        """A task has raised what it should not have: told, and the user goes on, unless it is not to."""
        self._tell(error)
        self.environment._take_mishap(type(self).__name__, error)
        if not self.environment.catch_exceptions:
            raise error

    def _tell(self, error: Exception) -> None:
        trace = error.__traceback__
        self.environment.events.user_error.fire(user_instance=self, exception=error, tb=trace)
        self.environment.runner.log_exception("local", str(error), "".join(traceback.format_tb(trace)))


class HttpUser(Rest, User):
    """A user whose `client` is like a session of requests."""

    abstract = True
    pool_manager: Any = None

    def __init__(self, environment: Environment) -> None:
        from loadgen.importers.locust.client import HttpSession  # when it is made: both know users

        super().__init__(environment)
        self.client = HttpSession(
            base_url=self.host,
            request_event=environment.events.request,
            user=self,
            pool_manager=self.pool_manager,
        )


class FastHttpUser(Rest, User):
    """A user whose `client` says less of a response, and raises nothing for it."""

    abstract = True
    network_timeout = 60.0
    connection_timeout = 60.0
    max_redirects = 30
    max_retries = 0
    insecure = True
    default_headers: dict[str, str] | None = None
    concurrency = 10
    proxy_host: str | None = None
    proxy_port: int | None = None
    client_pool: Any = None
    ssl_context_factory: Any = None

    def __init__(self, environment: Environment) -> None:
        from loadgen.importers.locust.fast import FastHttpSession  # as above

        super().__init__(environment)
        self.client = FastHttpSession(
            base_url=self.host,
            request_event=environment.events.request,
            user=self,
            network_timeout=self.network_timeout,
            max_redirects=self.max_redirects,
            default_headers=self.default_headers,
        )
