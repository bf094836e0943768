"""gevent's greenlets on the loop: spawned, joined, killed; in groups and pools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from greenlet import GreenletExit, getcurrent, greenlet

from loadgen.importers.locust.driver import Line, hub, later, soon, throw


class Greenlet(greenlet):
    """A function that runs beside others."""

    def __init__(self, run: Callable[..., Any] | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(parent=hub())
        self._function = self._run if run is None else run
        self.args, self.kwargs = args, kwargs
        self.value: Any = None
        self.exception: BaseException | None = None
        self._is_over = False
        self._has_begun = False
        self._joining = Line()
        self._links: list[Callable[[Greenlet], Any]] = []

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """What it does; a class of its own may say it so."""
        raise NotImplementedError(f"{type(self).__name__} has nothing to run")

    def run(self) -> None:
        """Its whole life."""
        try:
            self.value = self._function(*self.args, **self.kwargs)
        except GreenletExit as end:
            self.value = end
        except (SystemExit, KeyboardInterrupt):
            self._end()
            raise
        except BaseException as error:  # noqa: BLE001 - whoever joins it gets it
            self.exception = error
            self._tell(error)
        self._end()

    def _tell(self, error: BaseException) -> None:
        told = {"message": f"in a greenlet that runs {_named(self._function)}", "exception": error}
        asyncio.get_running_loop().call_exception_handler(told)

    def _end(self) -> None:
        self._is_over = True
        self._joining.wake()
        for link in self._links:
            soon(link, self)

    @classmethod
    def spawn(cls, *args: Any, **kwargs: Any) -> Self:
        """One that runs from the next turn of the loop on."""
        one = cls(*args, **kwargs)
        one.start()
        return one

    @classmethod
    def spawn_later(cls, seconds: float, *args: Any, **kwargs: Any) -> Self:
        """One that runs after a while."""
        one = cls(*args, **kwargs)
        one.start_later(seconds)
        return one

    def start(self) -> None:
        """From the next turn of the loop on."""
        soon(self._begin)

    def start_later(self, seconds: float) -> None:
        """After a while."""
        later(seconds, self._begin)

    def _begin(self) -> None:
        if not self._has_begun and not self._is_over:
            self._has_begun = True
            self.switch()

    def ready(self) -> bool:
        """Whether it is over."""
        return self._is_over

    def successful(self) -> bool:
        """Whether it is over, and well."""
        return self._is_over and self.exception is None

    @property
    def started(self) -> bool:
        """Whether it has begun and is not over."""
        return self._has_begun and not self._is_over

    def __bool__(self) -> bool:
        return self.started

    def is_current(self) -> bool:
        """Whether this is the one that runs."""
        return getcurrent() is self

    def join(self, timeout: float | None = None) -> None:
        """Waits for its end, or so long."""
        if not self._is_over:
            self._joining.wait(timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """What it came to."""
        if block:
            self.join(timeout)
        if not self._is_over:
            raise Timeout(timeout)
        if self.exception is not None:
            raise self.exception
        return self.value

    def kill(
        self,
        exception: BaseException | type[BaseException] = GreenletExit,
        block: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Raises an exception in it where it waits."""
        if self._is_over:
            return
        if not self._has_begun:
            self.value = exception() if isinstance(exception, type) else exception
            self._end()
        elif self.is_current():
            raise exception
        else:
            soon(throw, self, exception)
            if block:
                self.join(timeout)

    def link(self, callback: Callable[[Greenlet], Any]) -> None:
        """Has a function called with it at its end."""
        if self._is_over:
            soon(callback, self)
        else:
            self._links.append(callback)

    def link_value(self, callback: Callable[[Greenlet], Any]) -> None:
        """The same, if it ends well."""
        self.link(lambda one: callback(one) if one.successful() else None)

    def link_exception(self, callback: Callable[[Greenlet], Any]) -> None:
        """The same, if it does not."""
        self.link(lambda one: None if one.successful() else callback(one))

    rawlink = link


class Timeout(BaseException):
    """Raised in the greenlet that started it when its time is over."""

    def __init__(self, seconds: float | None = None, exception: Any = None) -> None:
        super().__init__()
        self.seconds = seconds
        self.exception = exception
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def start_new(cls, timeout: float | None = None, exception: Any = None) -> Timeout:
        """One whose time runs."""
        one = cls(timeout, exception)
        one.start()
        return one

    def start(self) -> None:
        """From now on."""
        if self.seconds is not None:
            raised = self if self.exception in (None, False) else self.exception
            self._timer = later(self.seconds, throw, getcurrent(), raised)

    @property
    def pending(self) -> bool:
        """Whether its time runs."""
        return self._timer is not None

    def cancel(self) -> None:
        """No more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    close = cancel

    def __enter__(self) -> Self:
        if not self.pending:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.cancel()
        return error is self and self.exception is False

    def __str__(self) -> str:
        return "" if self.seconds is None else f"{self.seconds:g} seconds"


def with_timeout(seconds: float, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function returns in time, or else `timeout_value`."""
    missing = object()
    instead = kwargs.pop("timeout_value", missing)
    timeout = Timeout.start_new(seconds)
    try:
        return function(*args, **kwargs)
    except Timeout as raised:
        if raised is not timeout or instead is missing:
            raise
        return instead
    finally:
        timeout.cancel()


def joinall(
    greenlets: Iterable[Greenlet],
    timeout: float | None = None,
    raise_error: bool = False,
    count: int | None = None,
) -> list[Greenlet]:
    """Waits for all of them, or so many; those that are over."""
    waited = list(greenlets)
    until = None if timeout is None else time.monotonic() + timeout
    if count is None:
        for one in waited:
            one.join(None if until is None else max(0.0, until - time.monotonic()))
    else:
        ended = Line()
        for one in waited:
            one.link(lambda _: ended.wake())
        while sum(one.ready() for one in waited) < count:
            if not ended.wait(None if until is None else max(0.0, until - time.monotonic())):
                break
    over = [one for one in waited if one.ready()]
    failed = next((one.exception for one in over if one.exception is not None), None)
    if raise_error and failed is not None:
        raise failed
    return over


def killall(
    greenlets: Iterable[Greenlet],
    exception: type[BaseException] = GreenletExit,
    block: bool = True,
    timeout: float | None = None,
) -> None:
    """Ends all of them."""
    killed = list(greenlets)
    for one in killed:
        one.kill(exception, block=False)
    if block:
        joinall(killed, timeout=timeout)


class Group:
    """Greenlets that are waited for together."""

    greenlet_class = Greenlet

    def __init__(self, greenlets: Iterable[Greenlet] = ()) -> None:
        self.greenlets: set[Greenlet] = set()
        for one in greenlets:
            self.add(one)

    def __len__(self) -> int:
        return len(self.greenlets)

    def __iter__(self) -> Iterator[Greenlet]:
        return iter(set(self.greenlets))

    def __contains__(self, one: object) -> bool:
        return one in self.greenlets

    def add(self, one: Greenlet) -> None:
        """One more."""
        self.greenlets.add(one)
        one.link(self.discard)

    def discard(self, one: Greenlet) -> None:
        """One fewer."""
        self.greenlets.discard(one)

    def start(self, one: Greenlet) -> None:
        """Adds one, and lets it run."""
        self.add(one)
        one.start()

    def spawn(self, *args: Any, **kwargs: Any) -> Greenlet:
        """One that belongs to the group."""
        one = self.greenlet_class(*args, **kwargs)
        self.start(one)
        return one

    def join(self, timeout: float | None = None, raise_error: bool = False) -> bool:
        """Waits for all of them; whether none is left."""
        joinall(list(self.greenlets), timeout, raise_error)
        self.greenlets = {one for one in self.greenlets if not one.ready()}
        return not self.greenlets

    def kill(
        self,
        exception: type[BaseException] = GreenletExit,
        block: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Ends all of them."""
        killall(self, exception, block, timeout)

    def killone(self, one: Greenlet, *args: Any, **kwargs: Any) -> None:
        """Ends one of them."""
        one.kill(*args, **kwargs)

    def apply(self, function: Callable[..., Any], args: Any = (), kwds: Any = None) -> Any:
        """What a function returns, in a greenlet of the group."""
        return self.spawn(function, *args, **(kwds or {})).get()

    def apply_async(self, function: Callable[..., Any], args: Any = (), kwds: Any = None) -> Greenlet:
        """The greenlet of a function."""
        return self.spawn(function, *args, **(kwds or {}))

    def map(self, function: Callable[..., Any], values: Iterable[Any]) -> list[Any]:
        """What a function returns for each, all at the same time."""
        return [one.get() for one in [self.spawn(function, value) for value in values]]

    def imap(self, function: Callable[..., Any], *values: Iterable[Any]) -> Iterator[Any]:
        """The same, one after the other, in their order."""
        for one in [self.spawn(function, *each) for each in zip(*values, strict=False)]:
            yield one.get()

    imap_unordered = imap


class Pool(Group):
    """A group of at most so many; who wants one more waits."""

    def __init__(self, size: int | None = None, greenlet_class: type[Greenlet] | None = None) -> None:
        super().__init__()
        self.size = size
        self._leaving = Line()
        if greenlet_class is not None:
            self.greenlet_class = greenlet_class

    def start(self, one: Greenlet) -> None:
        """Adds one when there is room, and lets it run."""
        while self.full():
            self._leaving.wait()
        super().start(one)

    def discard(self, one: Greenlet) -> None:
        """One fewer: there is room for another."""
        super().discard(one)
        self._leaving.wake(1)

    def full(self) -> bool:
        """Whether there is no room."""
        return self.size is not None and len(self.greenlets) >= self.size

    def free_count(self) -> int:
        """For how many there is room."""
        return 1 if self.size is None else max(0, self.size - len(self.greenlets))

    def wait_available(self, timeout: float | None = None) -> int:
        """Waits until there is room."""
        if self.full():
            self._leaving.wait(timeout)
        return self.free_count()


def _named(function: object) -> str:
    return str(getattr(function, "__qualname__", function))
