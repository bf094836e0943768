"""The asyncio loop of a worker: sockets, timers and ready queue are the engine's. It knows nothing of load.

_run_once:  engine.turn       what is due begins, the one wait, answers resolve their futures
            timers            asyncio's own, by its own heap
            engine.run_ready  callbacks, and with them every task's next step
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

    from loadgen._engine import Engine

_logger = logging.getLogger("asyncio")
# Timers that were cancelled and may stay in the heap, as long as they are not most of it.
CANCELLED_KEPT = 100


class _EngineSelector(selectors.BaseSelector):
    """The descriptors of other libraries, watched by the engine's own epoll: there is one wait for all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = _number(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        self._engine.watch(fd, events, True)
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        fd = self._find(fileobj)
        key = self._keys.pop(fd)
        # Closed before it was taken out: then the kernel has done it.
        with contextlib.suppress(OSError):
            self._engine.unwatch(fd)
        return key

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = self._find(fileobj)
        key = self._keys[fd]
        if events != key.events:
            self._engine.watch(fd, events, False)
        key = self._keys[fd] = key._replace(events=events, data=data)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        raise NotImplementedError("the engine waits, not the selector")

    def ready(self, found: list[tuple[int, int]]) -> list[tuple[selectors.SelectorKey, int]]:
        """What the engine has found, as asyncio wants it."""
        return [(key, what & key.events) for fd, what in found if (key := self._keys.get(fd)) is not None]

    def close(self) -> None:
        self._keys.clear()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return _Registered(self._keys, self._find)

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._keys[self._find(fileobj)]

    def _find(self, fileobj: FileDescriptorLike) -> int:
        try:
            fd = _number(fileobj)
        except ValueError:  # a closed file no longer has a number
            fd = next((key.fd for key in self._keys.values() if key.fileobj is fileobj), -1)
        if fd not in self._keys:
            raise KeyError(f"{fileobj!r} is not registered")
        return fd


class _Registered(Mapping[Any, selectors.SelectorKey]):
    """What is registered, by a file or by its number: asyncio asks by either."""

    def __init__(
        self, keys: dict[int, selectors.SelectorKey], find: Callable[[FileDescriptorLike], int]
    ) -> None:
        self._keys = keys
        self._find = find

    def __getitem__(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._keys[self._find(fileobj)]

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _number(fileobj: FileDescriptorLike) -> int:
    fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    if fd < 0:
        raise ValueError(f"invalid file descriptor: {fd}")
    return fd


class LoadgenLoop(asyncio.SelectorEventLoop):
    """A loop that any asyncio library lives on."""

    # Parts of asyncio's loop that its stub does not tell of.
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool
    _thread_id: int | None
    _timer_cancelled_count: int
    _current_handle: asyncio.Handle | None
    slow_callback_duration: float

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._engine_selector = _EngineSelector(engine)
        self._from_threads: deque[asyncio.Handle] = deque()
        # Hosts besides the base's, by authority: looked up once for all users. See user.py.
        self.lookups: dict[str, asyncio.Task[bool]] = {}
        super().__init__(self._engine_selector)
        engine.attach(self)
        self.set_debug(self.get_debug())

    def set_debug(self, enabled: bool) -> None:
        """Debug mode keeps asyncio's own handles, which know where they were made."""
        super().set_debug(enabled)
        # Found on the instance before the class: asyncio's C code then calls the engine without a detour.
        if enabled:
            self.__dict__.pop("call_soon", None)
            self.__dict__.pop("get_debug", None)
        else:
            self.__dict__["call_soon"] = self._engine.call_soon
            # Every future asks; without an argument this says no, and says it in C.
            self.__dict__["get_debug"] = bool

    def close(self) -> None:
        super().close()
        # From here on asyncio's own refuses what comes.
        self.__dict__.pop("call_soon", None)
        self._engine.detach()

    def _call_soon(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._engine.push(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if self._thread_id == threading.get_ident():
            return self.call_soon(callback, *args, context=context)
        self._check_closed()  # type: ignore[attr-defined]
        handle = asyncio.Handle(callback, args, self, context)
        self._from_threads.append(handle)
        self._write_to_self()  # type: ignore[attr-defined]
        return handle

    def _add_callback(self, handle: asyncio.Handle) -> None:
        if not handle._cancelled:
            self._engine.push(handle)

    def _run_once(self) -> None:
        scheduled = self._scheduled
        if self._timer_cancelled_count > max(CANCELLED_KEPT, len(scheduled) // 2):
            self._forget_cancelled_timers()
        while scheduled and scheduled[0]._cancelled:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1
        timer = scheduled[0].when() if scheduled else None
        found = self._engine.turn(timer, self._stopping or bool(self._from_threads))
        if found:
            self._process_events(self._engine_selector.ready(found))  # type: ignore[attr-defined]
        while self._from_threads:
            self._add_callback(self._from_threads.popleft())
        if timer is not None:
            now = self.time()
            while scheduled and scheduled[0].when() <= now:
                handle = heapq.heappop(scheduled)
                handle._scheduled = False  # type: ignore[attr-defined]
                self._add_callback(handle)
        self._engine.run_ready()

    def _forget_cancelled_timers(self) -> None:
        """Timeouts are cancelled long before they are due: without this they would pile up until then."""
        scheduled = self._scheduled
        for handle in scheduled:
            # A handle that is cancelled a second time must not be counted again.
            handle._scheduled = not handle._cancelled  # type: ignore[attr-defined]
        scheduled[:] = [handle for handle in scheduled if not handle._cancelled]
        heapq.heapify(scheduled)
        self._timer_cancelled_count = 0

    def _run_handle(self, handle: asyncio.Handle) -> None:
        """One of asyncio's own handles, called by the engine."""
        if not self.get_debug():
            handle._run()
            return
        began = time.monotonic()
        try:
            self._current_handle = handle
            handle._run()
        finally:
            self._current_handle = None
        took = time.monotonic() - began
        if took >= self.slow_callback_duration:
            task = getattr(getattr(handle, "_callback", None), "__self__", None)
            what = task if isinstance(task, asyncio.Task) else handle
            _logger.warning("Executing %r took %.3f seconds", what, took)
