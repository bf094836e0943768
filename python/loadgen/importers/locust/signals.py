"""gevent's events, locks and queues on the loop. None of them knows threads: all greenlets are on one."""

from __future__ import annotations

import heapq
import queue
from collections import deque
from types import TracebackType
from typing import Any, Self

from greenlet import getcurrent

from loadgen.importers.locust.driver import Line
from loadgen.importers.locust.greenlets import Timeout

Empty, Full = queue.Empty, queue.Full


class Event:
    """Something that has happened, or not yet."""

    def __init__(self) -> None:
        self._is_set = False
        self._line = Line()

    def is_set(self) -> bool:
        """Whether it has."""
        return self._is_set

    isSet = ready = is_set  # noqa: N815 - its other names

    def set(self) -> None:
        """Now it has."""
        self._is_set = True
        self._line.wake()

    def clear(self) -> None:
        """Not yet again."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Until it has, or so long."""
        return self._is_set or self._line.wait(timeout)


class AsyncResult:
    """A value that comes later, or an exception."""

    def __init__(self) -> None:
        self._event = Event()
        self.value: Any = None
        self.exception: BaseException | None = None

    def set(self, value: Any = None) -> None:
        """Here it is."""
        self.value = value
        self._event.set()

    def set_exception(self, exception: BaseException, exc_info: object = None) -> None:
        """It will not come."""
        del exc_info
        self.exception = exception
        self._event.set()

    def ready(self) -> bool:
        """Whether it has come."""
        return self._event.is_set()

    def successful(self) -> bool:
        """Whether it has come, and is no exception."""
        return self.ready() and self.exception is None

    def wait(self, timeout: float | None = None) -> Any:
        """The value; None where it has not come by then."""
        self._event.wait(timeout)
        return self.value

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The value, or its exception."""
        if not self.ready() and not (block and self._event.wait(timeout)):
            raise Timeout(timeout)
        if self.exception is not None:
            raise self.exception
        return self.value

    def get_nowait(self) -> Any:
        """The value, if it is there."""
        return self.get(block=False)


class Semaphore:
    """So many may hold it at a time."""

    def __init__(self, value: int = 1) -> None:
        self.counter = value
        self._line = Line()
        self._lookers = Line()

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Whether it is held now."""
        if timeout is not None and timeout < 0:
            timeout = None
        while self.counter <= 0:
            if not blocking or not self._line.wait(timeout):
                return False
        self.counter -= 1
        return True

    def release(self) -> None:
        """Not any more."""
        self.counter += 1
        self._line.wake(1)
        self._lookers.wake()

    def wait(self, timeout: float | None = None) -> int:
        """Until it could be held, or so long; it is not held then. How many more may hold it."""
        if self.counter <= 0:
            self._lookers.wait(timeout)
        return self.counter

    def locked(self) -> bool:
        """Whether nobody else may hold it."""
        return self.counter <= 0

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class BoundedSemaphore(Semaphore):
    """One that cannot be released more often than it was acquired."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._most = value

    def release(self) -> None:
        """Not any more."""
        if self.counter >= self._most:
            raise ValueError("released more often than acquired")
        super().release()


class RLock:
    """One greenlet may hold it, as often as it likes."""

    def __init__(self) -> None:
        self._lock = Semaphore(1)
        self._owner: Any = None
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Whether it is held now."""
        if self._owner is not getcurrent():
            if not self._lock.acquire(blocking, timeout):
                return False
            self._owner = getcurrent()
        self._depth += 1
        return True

    def release(self) -> None:
        """Not any more."""
        if self._owner is not getcurrent():
            raise RuntimeError("cannot release what another one holds")
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Queue:
    """First in, first out; of at most so many."""

    def __init__(self, maxsize: int | None = None, items: Any = ()) -> None:
        self.maxsize = maxsize or 0
        self._takers, self._givers, self._joining = Line(), Line(), Line()
        self.unfinished_tasks = 0
        self._start()
        for item in items:
            self.put(item)

    def _start(self) -> None:
        self.queue: Any = deque()

    def _add(self, item: Any) -> None:
        self.queue.append(item)

    def _take(self) -> Any:
        return self.queue.popleft()

    def qsize(self) -> int:
        """How many there are."""
        return len(self.queue)

    __len__ = qsize

    def __bool__(self) -> bool:
        return True

    def empty(self) -> bool:
        """Whether there is none."""
        return not self.queue

    def full(self) -> bool:
        """Whether there is no room."""
        return 0 < self.maxsize <= len(self.queue)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """One more."""
        while self.full():
            if not block or not self._givers.wait(timeout):
                raise Full
        self._add(item)
        self.unfinished_tasks += 1
        self._takers.wake(1)

    def put_nowait(self, item: Any) -> None:
        """One more, if there is room."""
        self.put(item, block=False)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The next one."""
        while not self.queue:
            if not block or not self._takers.wait(timeout):
                raise Empty
        item = self._take()
        self._givers.wake(1)
        return item

    def get_nowait(self) -> Any:
        """The next one, if there is one."""
        return self.get(block=False)

    def peek(self, block: bool = True, timeout: float | None = None) -> Any:
        """The next one, which stays."""
        while not self.queue:
            if not block or not self._takers.wait(timeout):
                raise Empty
        return self.queue[0]

    def task_done(self) -> None:
        """One that was taken is done with."""
        self.unfinished_tasks -= 1
        if self.unfinished_tasks <= 0:
            self._joining.wake()

    def join(self, timeout: float | None = None) -> bool:
        """Until all are done with."""
        return self.unfinished_tasks <= 0 or self._joining.wait(timeout)


class LifoQueue(Queue):
    """Last in, first out."""

    def _take(self) -> Any:
        return self.queue.pop()


class PriorityQueue(Queue):
    """The least first."""

    def _start(self) -> None:
        self.queue = []

    def _add(self, item: Any) -> None:
        heapq.heappush(self.queue, item)

    def _take(self) -> Any:
        return heapq.heappop(self.queue)
