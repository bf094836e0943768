"""The modules that stand in for Locust's and gevent's, while a file is loaded that imports them."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from loadgen.importers.locust import (
    arguments,
    client,
    environment,
    events,
    fast,
    flow,
    gevent_module,
    logs,
    markov,
    response,
    shape,
    stats,
    tags,
    tasks,
    users,
    waits,
)
from loadgen.importers.locust.debug import run_single_user
from loadgen.importers.locust.exceptions import stand_ins
from loadgen.importers.locust.patches import patched

_TOPS = ("locust", "gevent")
_REMEDY = (
    "loadgen stands in for {top} and has no {name}: take that part out, or run the file with Locust itself"
)


def _public(module: ModuleType, *names: str) -> dict[str, Any]:
    return {name: getattr(module, name) for name in names}


_FLOW = _public(
    flow,
    *(
        "LocustError",
        "InterruptTaskSet",
        "RescheduleTask",
        "RescheduleTaskImmediately",
        "StopUser",
        "StopTest",
    ),
    *("MissingWaitTimeError", "CatchResponseError", "ResponseError", "RunnerAlreadyExistsError"),
)
_WAITS = _public(waits, "between", "constant", "constant_pacing", "constant_throughput", "poisson")
_TASKS = _public(tasks, "TaskSet", "DefaultTaskSet", "TaskSetMeta", "task") | {"tag": tags.tag}
_MARKOV = _public(markov, "MarkovTaskSet", "transition", "transitions")
_USERS = _public(users, "User", "HttpUser", "FastHttpUser")
_RUNNERS = _public(environment, "Runner", "LocalRunner", "MasterRunner", "WorkerRunner")
_STATES = {
    "STATE_INIT": "ready",
    "STATE_SPAWNING": "spawning",
    "STATE_RUNNING": "running",
    "STATE_CLEANUP": "cleanup",
    "STATE_STOPPING": "stopping",
    "STATE_STOPPED": "stopped",
    "STATE_MISSING": "missing",
}


def _standing_in() -> dict[str, Mapping[str, Any]]:
    """By name, what each module has."""
    sequential = {"SequentialTaskSet": tasks.SequentialTaskSet}
    top = {
        **{name: _USERS[name] for name in _USERS},
        **{name: _TASKS[name] for name in ("TaskSet", "task", "tag")},
        **sequential,
        **_MARKOV,
        **_WAITS,
        "wait_time": ModuleType("locust.wait_time"),
        "events": events.events,
        "LoadTestShape": shape.LoadTestShape,
        "run_single_user": run_single_user,
        "__version__": "2.46.3",
    }
    return {
        "locust": top,
        "locust.user": {
            **_public(users, "User", "HttpUser"),
            **{n: _TASKS[n] for n in ("TaskSet", "task", "tag")},
        },
        "locust.user.users": _USERS,
        "locust.user.task": {**_TASKS, **_public(tasks, "collect_tasks")},
        "locust.user.sequential_taskset": sequential,
        "locust.user.markov_taskset": _MARKOV,
        "locust.user.wait_time": _WAITS,
        "locust.wait_time": _WAITS,
        "locust.exception": _FLOW,
        "locust.event": _public(events, "EventHook", "Events"),
        "locust.env": {"Environment": environment.Environment},
        "locust.runners": {**_RUNNERS, **_STATES},
        "locust.shape": {"LoadTestShape": shape.LoadTestShape},
        "locust.stats": _public(stats, "RequestStats", "StatsEntry", "stats_printer", "stats_history"),
        "locust.argument_parser": _public(arguments, "LocustArgumentParser"),
        "locust.log": {"setup_logging": logs.setup_logging},
        "locust.debug": {"run_single_user": run_single_user},
        "locust.contrib": {},
        "locust.contrib.fasthttp": {
            **_public(users, "FastHttpUser"),
            **_public(fast, "FastHttpSession", "FastResponse", "LocustBadStatusCode"),
            "ResponseContextManager": fast.FastResponse,
            "RestResponseContextManager": fast.FastResponse,
        },
        "locust.clients": {
            **_public(client, "HttpSession"),
            "LocustResponse": response.Response,
            "Response": response.Response,
            "ResponseContextManager": response.Response,
        },
        "locust.util": {},
        "locust.util.timespan": {"parse_timespan": arguments.run_time_s},
        **gevent_module.standing_in(),
    }


class _Module(ModuleType):
    """One of them."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        top = self.__name__.partition(".")[0]
        raise ImportError(_REMEDY.format(top=top, name=f"{self.__name__}.{name}"), name=self.__name__)


class _Finder(importlib.abc.MetaPathFinder):
    """Says what is not there before anybody else looks for it."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top = fullname.partition(".")[0]
        if top in _TOPS:
            raise ImportError(_REMEDY.format(top=top, name=fullname), name=fullname)
        return None


@contextmanager
def stand_in() -> Iterator[None]:
    """Has `import locust` and `import gevent` find ours, and waiting wait on the loop; until it is left."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in _TOPS}
    for name in before:
        del sys.modules[name]
    made: dict[str, ModuleType] = {}
    for name, members in _standing_in().items():
        module = made[name] = sys.modules[name] = _Module(name)
        module.__dict__.update(members)
        module.__path__ = []
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(made[parent], last, module)
    made.update(stand_ins())
    sys.modules.update(made)
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        with patched():
            yield
    finally:
        sys.meta_path.remove(finder)
        for name in made:
            sys.modules.pop(name, None)
        sys.modules.update(before)
