"""What `import gevent` finds while a Locust file is loaded. What it does, its siblings do."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from greenlet import GreenletExit, getcurrent

from loadgen.importers.locust import driver, greenlets, signals


def nothing_to_patch(*_: Any, **__: Any) -> bool:
    """Of gevent.monkey: what waits is replaced already, and the rest stays as it is."""
    return True


def wait(
    objects: Iterable[Any] | None = None, timeout: float | None = None, count: int | None = None
) -> list[Any]:
    """Waits for greenlets or events."""
    waited = list(objects or ())
    if all(isinstance(one, greenlets.Greenlet) for one in waited):
        return list(greenlets.joinall(waited, timeout, count=count))
    for one in waited:
        one.wait(timeout)
    return [one for one in waited if one.ready()]


def iwait(objects: Iterable[Any], timeout: float | None = None, count: int | None = None) -> Any:
    """The same, one after the other."""
    return iter(wait(objects, timeout, count))


def kill(one: Any, exception: Any = GreenletExit) -> None:
    """Ends a greenlet, without waiting for it."""
    one.kill(exception, block=False)


class ThreadPool:
    """Threads, for what blocks in a way of its own."""

    def __init__(self, maxsize: int | None = None) -> None:
        del maxsize  # asyncio has a limit

    def apply(self, function: Any, args: Any = (), kwds: Any = None) -> Any:
        """What a function returns, run in a thread."""
        return driver.in_a_thread(function, *args, **(kwds or {}))

    def spawn(self, function: Any, *args: Any, **kwargs: Any) -> greenlets.Greenlet:
        """One that waits for a function which runs in a thread."""
        return greenlets.Greenlet.spawn(driver.in_a_thread, function, *args, **kwargs)


class Hub:
    """What files ask of gevent's hub: its threads."""

    threadpool = ThreadPool()


_HUB = Hub()


def get_hub() -> Hub:
    """There is one."""
    return _HUB


def standing_in() -> dict[str, Mapping[str, Any]]:
    """By name, what each module has."""
    spawning = {
        "Greenlet": greenlets.Greenlet,
        "GreenletExit": GreenletExit,
        "Timeout": greenlets.Timeout,
        "getcurrent": getcurrent,
        "joinall": greenlets.joinall,
        "killall": greenlets.killall,
    }
    locks = {
        "BoundedSemaphore": signals.BoundedSemaphore,
        "DummySemaphore": signals.BoundedSemaphore,
        "RLock": signals.RLock,
        "Semaphore": signals.Semaphore,
    }
    patches = (
        "all",
        "socket",
        "ssl",
        "thread",
        "time",
        "os",
        "select",
        "subprocess",
        "queue",
        "dns",
        "builtins",
    )
    return {
        "gevent": {
            **spawning,
            "spawn": greenlets.Greenlet.spawn,
            "spawn_later": greenlets.Greenlet.spawn_later,
            "spawn_raw": greenlets.Greenlet.spawn,
            "sleep": driver.sleep,
            "idle": lambda _priority=0: driver.sleep(0),
            "wait": wait,
            "iwait": iwait,
            "kill": kill,
            "get_hub": get_hub,
            "with_timeout": greenlets.with_timeout,
            "version_info": (26, 9, 0),
            "__version__": "26.9.0",
        },
        "gevent.greenlet": spawning,
        "gevent.hub": {
            "getcurrent": getcurrent,
            "get_hub": get_hub,
            "GreenletExit": GreenletExit,
            "sleep": driver.sleep,
        },
        "gevent.threadpool": {"ThreadPool": ThreadPool},
        "gevent.timeout": {"Timeout": greenlets.Timeout, "with_timeout": greenlets.with_timeout},
        "gevent.pool": {"Group": greenlets.Group, "Pool": greenlets.Pool},
        "gevent.event": {"Event": signals.Event, "AsyncResult": signals.AsyncResult},
        "gevent.lock": locks,
        "gevent.queue": {
            name: getattr(signals, name) for name in ("Queue", "LifoQueue", "PriorityQueue", "Empty", "Full")
        }
        | {"JoinableQueue": signals.Queue, "SimpleQueue": signals.Queue},
        "gevent.local": {"local": _Local},
        "gevent.monkey": {f"patch_{name}": nothing_to_patch for name in patches}
        | {"is_module_patched": nothing_to_patch, "is_anything_patched": nothing_to_patch},
    }


class _Local:
    """Attributes that each greenlet has of its own."""

    def __init__(self) -> None:
        object.__setattr__(self, "_name", f"_local_{id(self)}_{threading.get_ident()}")

    def _own(self) -> dict[str, Any]:
        found: dict[str, Any] = getcurrent().__dict__.setdefault(object.__getattribute__(self, "_name"), {})
        return found

    def __getattr__(self, name: str) -> Any:
        try:
            return self._own()[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._own()[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self._own()[name]
        except KeyError:
            raise AttributeError(name) from None
