"""Python's own ways to wait, while Locust files are loaded and run: for a user they wait on the loop.

Elsewhere, in other threads and for the loop itself, they are what they were.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from greenlet import getcurrent

from loadgen.importers.locust.driver import sleep, wait_for

# Another thread may hold a lock, of which nobody here is told: it is looked at again after so long.
LOOK_S = 0.001

T = TypeVar("T")

_allocate = threading.Lock
_run = asyncio.run


class Lock:
    """threading.Lock, for threads and greenlets."""

    def __init__(self) -> None:
        self._lock = _allocate()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether it is held now."""
        if self._lock.acquire(False):
            return True
        if not blocking:
            return False
        if getcurrent().parent is None:
            return self._lock.acquire(True, timeout)
        until = time.monotonic() + timeout if timeout >= 0 else float("inf")
        while not self._lock.acquire(False):
            if time.monotonic() >= until:
                return False
            sleep(LOOK_S)
        return True

    def release(self) -> None:
        """Not any more."""
        self._lock.release()

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._lock.locked()

    def _at_fork_reinit(self) -> None:
        self._lock = _allocate()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class RLock(Lock):
    """threading.RLock: one thread, or one greenlet, may hold it as often as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self._owner: Any = None
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether it is held now."""
        current = getcurrent()
        if self._owner is not current:
            if not super().acquire(blocking, timeout):
                return False
            self._owner = current
        self._depth += 1
        return True

    def release(self) -> None:
        """Not any more."""
        if self._owner is not getcurrent():
            raise RuntimeError("cannot release un-acquired lock")
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            super().release()

    # What threading.Condition asks of it.

    def _is_owned(self) -> bool:
        return self._owner is getcurrent()

    def _release_save(self) -> tuple[int, Any]:
        saved = self._depth, self._owner
        self._depth, self._owner = 0, None
        super().release()
        return saved

    def _acquire_restore(self, saved: tuple[int, Any]) -> None:
        super().acquire()
        self._depth, self._owner = saved


def run_coroutine(main: Coroutine[Any, Any, T], **options: Any) -> T:
    """asyncio.run: a user's runs beside the others, on the loop that there is."""
    return _run(main, **options) if getcurrent().parent is None else wait_for(main)


@contextmanager
def patched() -> Iterator[None]:
    """Puts them in place, for as long as files are loaded or run."""
    ours = {"Lock": Lock, "RLock": RLock, "_allocate_lock": Lock}
    before = {name: getattr(threading, name) for name in ours}
    before_sleep = time.sleep
    time.sleep = sleep  # type: ignore[assignment]  # ours takes numbers alone
    asyncio.run = run_coroutine
    vars(threading).update(ours)
    try:
        yield
    finally:
        time.sleep = before_sleep
        asyncio.run = _run
        vars(threading).update(before)
