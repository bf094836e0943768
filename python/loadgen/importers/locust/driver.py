"""Blocking code on the loop: greenlets that give way while they wait. It knows nothing of Locust.

loop ──switch──▶ a greenlet: wait_for(future) ──switch──▶ loop … the future is done ──switch──▶ the greenlet

The loop runs in the main greenlet of its thread, the hub. Only the hub switches to others, so whoever is not
running waits in `_wait`. A wake-up that comes when nobody waits for it any more finds another one waiting,
or nobody, and is passed over.
"""

from __future__ import annotations

import asyncio
import time
from _asyncio import Future  # the engine's own futures are of just this type
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

__all__ = ["GreenletExit", "is_on_the_loop", "later", "run_blocking", "sleep", "soon", "wait_for"]

T = TypeVar("T")

_sleep_for_real = time.sleep


def is_on_the_loop() -> bool:
    """Whether this code may wait: it runs in a greenlet, beside the loop and not as a part of it."""
    return getcurrent().parent is not None


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
    return future.result()  # type: ignore[no-any-return]


def sleep(seconds: float = 0) -> None:
    """What `time.sleep` and `gevent.sleep` are for a user. Elsewhere it is the true one."""
    current = getcurrent()
    hub = current.parent
    if hub is None:
        _sleep_for_real(seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    loop = asyncio.get_running_loop()
    token = object()
    timer = (
        loop.call_later(seconds, current.switch, token) if seconds else loop.call_soon(current.switch, token)
    )
    try:
        while hub.switch() is not token:
            pass
    finally:
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

    worker = greenlet(run, parent=_hub())
    soon(worker.switch)
    future.add_done_callback(lambda _: throw(worker, GreenletExit))
    return future


def throw(other: greenlet, error: BaseException | type[BaseException]) -> None:
    """Raises in another greenlet where it waits. For the hub to call; one that has ended hears nothing."""
    if not other.dead:
        other.throw(error)


def soon(callback: Callable[..., object], *arguments: Any) -> asyncio.Handle:
    """Has the hub call it in the next turn."""
    return asyncio.get_running_loop().call_soon(callback, *arguments)


def later(seconds: float, callback: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
    """Has the hub call it after a while."""
    return asyncio.get_running_loop().call_later(seconds, callback, *arguments)


def _hub() -> greenlet:
    """Of this thread."""
    current = getcurrent()
    return current if current.parent is None else current.parent


_NOWHERE = (
    "requests and other waiting belong into tasks, on_start, on_stop or listeners of events; this is none of "
    "them, or it is a thread of its own: use gevent.spawn in place of threading.Thread"
)
