"""Locust's events: who listens, and what they are told. One that fails is counted, and the others hear."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from loadgen.importers.locust.flow import InterruptTaskSet, RescheduleTask, StopTest, StopUser

T = TypeVar("T", bound="Callable[..., Any]")

_logger = logging.getLogger("locust.event")


def _nothing(_where: str, _error: BaseException) -> None:
    """Nobody counts what goes wrong yet."""


# What a listener says to its user, and not of itself.
_MEANT = (StopUser, StopTest, RescheduleTask, InterruptTaskSet)
_NAMES = (
    "user_error",
    "report_to_master",
    "worker_report",
    "worker_connect",
    "spawning_complete",
    "init",
    "init_command_line_parser",
    "test_start",
    "test_stopping",
    "test_stop",
    "quitting",
    "quit",
    "reset_stats",
    "cpu_warning",
    "heartbeat_sent",
    "heartbeat_received",
    "usage_monitor",
)


class EventHook:
    """One event."""

    # Where failures of listeners are counted: told by who plays the run.
    take_mishap: Callable[[str, BaseException], None] = staticmethod(_nothing)

    def __init__(self) -> None:
        self._handlers: list[Callable[..., Any]] = []
        self.failure: Exception | None = None  # the last of a listener's

    def __bool__(self) -> bool:
        return bool(self._handlers)

    def add_listener(self, handler: T) -> T:
        """Has a function told; also a decorator."""
        self._handlers.append(handler)
        return handler

    def remove_listener(self, handler: Callable[..., Any]) -> None:
        """Has it told no more."""
        self._handlers.remove(handler)

    def fire(self, *, reverse: bool = False, **arguments: Any) -> None:
        """Tells all of them, in the order in which they came."""
        for handler in list(reversed(self._handlers) if reverse else self._handlers):
            try:
                handler(**arguments)
            except _MEANT:
                raise
            except Exception as error:
                self.failure = error
                name = getattr(handler, "__qualname__", handler)
                _logger.exception("a listener failed: %s", name)
                self.take_mishap(f"listener {name}", error)

    @contextmanager
    def measure(
        self, request_type: str, name: str, response_length: int = 0, context: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Times a block of code and fires with what it came to; what is in the dictionary may be changed."""
        told: dict[str, Any] = {
            "request_type": request_type,
            "name": name,
            "response_length": response_length,
            "context": context or {},
            "exception": None,
            "response": None,
            "start_time": time.time(),
        }
        began = time.perf_counter()
        try:
            yield told
        except Exception as error:  # noqa: BLE001 - it is what the event tells
            told["exception"] = error
        finally:
            told["response_time"] = (time.perf_counter() - began) * 1000
            self.fire(**told)


class RequestHook(EventHook):
    """Requests: those that a script makes by other means are counted when it fires this."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Callable[..., None] | None = None  # enters them into the results

    def fire(self, *, reverse: bool = False, **arguments: Any) -> None:
        """As of any event, once it is counted."""
        if self.count is not None:
            self.count(**arguments)
        super().fire(reverse=reverse, **arguments)

    def tell(self, **arguments: Any) -> None:
        """What the engine has counted itself is only told."""
        super().fire(**arguments)


class Events:
    """All events, by name."""

    request: RequestHook
    user_error: EventHook
    spawning_complete: EventHook
    init: EventHook
    init_command_line_parser: EventHook
    test_start: EventHook
    test_stopping: EventHook
    test_stop: EventHook
    quitting: EventHook
    quit: EventHook
    reset_stats: EventHook

    def __init__(self) -> None:
        self.forget_all()

    def forget_all(self) -> None:
        """Nobody listens any more: other files, or the same ones again, are about to be loaded."""
        self.request = RequestHook()
        for name in _NAMES:
            setattr(self, name, EventHook())


# Those that a file names when it says `from locust import events`.
events = Events()
