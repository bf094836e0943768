"""Blocking code on the loop: greenlets that give way while they wait. It knows nothing of Locust.

loop ──switch──▶ a greenlet: wait_for(future) ──switch──▶ loop … the future is done ──switch──▶ the greenlet

The loop runs in the main greenlet of its thread, the hub. Only the hub switches to others, so whoever is not
running waits here, for one thing. A wake-up that comes when nobody waits for it any more finds that who is
there waits for another, or nobody, and is passed over.
"""

from __future__ import annotations

import asyncio
import time
from _asyncio import Future  # the engine's own futures are of just this type
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

__all__ = [
    "GreenletExit",
    "Line",
    "dismiss",
    "hub",
    "in_a_thread",
    "later",
    "run_blocking",
    "sleep",
    "soon",
    "throw",
    "wait_for",
    "wait_for_answer",
]

if TYPE_CHECKING:
    from loadgen._engine import Call, Request, Response

T = TypeVar("T")

_sleep_for_real = time.sleep
# Those that wait for no answer, and those that end when theirs has come.
_idle: set[greenlet] = set()
_dismissed: set[greenlet] = set()


def wait_for(awaitable: Awaitable[T]) -> T:
    """Blocks this greenlet, and nobody else, until the awaitable is done; its result, or what it raised."""
    current = getcurrent()
    hub = current.parent
    if hub is None:
        raise RuntimeError(_NOWHERE)
    future: Any = awaitable if type(awaitable) is Future else asyncio.ensure_future(awaitable)
    wake = current.switch
    future.add_done_callback(wake)
    try:
        while hub.switch() is not future:
            pass
    except BaseException:  # thrown in: whoever waits no more wants it no more
        future.remove_done_callback(wake)
        future.cancel()
        raise
    if _dismissed and current in _dismissed:
        _dismissed.discard(current)
        raise GreenletExit
    return future.result()  # type: ignore[no-any-return]


def wait_for_answer(
    call_engine: Callable[..., Call], request: Request, later: bool, after: Response | None = None
) -> Response:
    """Blocks this greenlet, and nobody else, while a request is on its way."""
    current = getcurrent()
    hub = current.parent
    if hub is None:
        raise RuntimeError(_NOWHERE)
    call = call_engine(current, request, later, after)
    try:
        while hub.switch() is not call:
            pass
    except BaseException:
        call.give_up()
        raise
    if _dismissed and current in _dismissed:
        _dismissed.discard(current)
        raise GreenletExit
    response: Response = call.response  # it has come
    return response


def sleep(seconds: float = 0) -> None:
    """What `time.sleep` and `gevent.sleep` are for a user. Elsewhere it is the true one."""
    current = getcurrent()
    hub = current.parent
    if hub is None:
        _sleep_for_real(seconds)
        return
    loop = asyncio.get_running_loop()
    token = object()
    wake = current.switch
    # gevent's takes what is below 0 too.
    timer = loop.call_later(seconds, wake, token) if seconds > 0 else loop.call_soon(wake, token)
    _idle.add(current)
    try:
        while hub.switch() is not token:
            pass
    finally:
        _idle.discard(current)
        timer.cancel()


def run_blocking(function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
    """Runs a function in a greenlet of its own, from the next turn of the loop on; a future of its end.

    Cancelling the future ends the greenlet where it waits.
    """
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def run() -> None:
        try:
            value = function(*arguments)
        except (SystemExit, KeyboardInterrupt):
            future.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            if not future.done():
                future.set_exception(error) if not isinstance(error, StopIteration) else future.cancel()
        else:
            if not future.done():
                future.set_result(value)

    worker = greenlet(run, parent=hub())
    soon(worker.switch)
    future.add_done_callback(lambda _: throw(worker, GreenletExit))
    return future


class Line:
    """Greenlets that wait for something, the first one first. What waits in gevent is made of it."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bool]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it was woken: False where the time was over before."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(future)
        timer = None if timeout is None else loop.call_later(timeout, _answer, future, False)
        current = getcurrent()
        _idle.add(current)
        try:
            return wait_for(future)
        finally:
            _idle.discard(current)
            if timer is not None:
                timer.cancel()
            if future in self._waiting:
                self._waiting.remove(future)

    def wake(self, count: int | None = None) -> None:
        """So many of them, or all."""
        for future in self._waiting[:count]:
            self._waiting.remove(future)
            _answer(future, True)


def _answer(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)


def throw(other: greenlet, error: BaseException | type[BaseException]) -> None:
    """Raises in another greenlet where it waits. For the hub to call; one that has ended hears nothing."""
    if not other.dead:
        other.throw(error)


def dismiss(other: greenlet) -> None:
    """Ends another greenlet: now where it idles, or else when the answer has come that it waits for."""
    if other in _idle:
        soon(throw, other, GreenletExit)
    elif not other.dead:
        _dismissed.add(other)


def in_a_thread(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """What a function returns that blocks in its own way, run beside the loop."""
    return wait_for(asyncio.to_thread(function, *arguments, **options))


def soon(callback: Callable[..., object], *arguments: Any) -> asyncio.Handle:
    """Has the hub call it in the next turn."""
    return asyncio.get_running_loop().call_soon(callback, *arguments)


def later(seconds: float, callback: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
    """Has the hub call it after a while."""
    return asyncio.get_running_loop().call_later(seconds, callback, *arguments)


def hub() -> greenlet:
    """Of this thread: what runs its loop, and is the parent of every other greenlet."""
    current = getcurrent()
    return current if current.parent is None else current.parent


_NOWHERE = (
    "requests and other waiting belong into tasks, on_start, on_stop or listeners of events; this is none of "
    "them, or it is a thread of its own: use gevent.spawn in place of threading.Thread"
)
