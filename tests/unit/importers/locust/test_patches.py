"""What waits in Python's own ways waits on the loop, for a user; in threads it is what it was."""

import asyncio
import threading
import time
from typing import Any

import pytest

from loadgen.importers.locust import driver
from loadgen.importers.locust.greenlets import Greenlet, joinall
from loadgen.importers.locust.patches import patched


def blocking(function: Any) -> Any:
    async def run() -> Any:
        with patched():
            return await driver.run_blocking(function)

    return asyncio.run(run())


def test_a_lock_held_over_a_wait_keeps_the_others_and_nobody_else() -> None:
    order: list[str] = []

    def work() -> None:
        lock = threading.Lock()

        def hold(name: str) -> None:
            with lock:
                order.append(f"{name} in")
                time.sleep(0.005)
                order.append(f"{name} out")

        joinall([Greenlet.spawn(hold, name) for name in "ab"], raise_error=True)
        assert not lock.locked()

    blocking(work)
    assert order == ["a in", "a out", "b in", "b out"]


def test_a_recursive_lock_is_a_greenlets_own() -> None:
    def work() -> bool:
        lock = threading.RLock()
        with lock, lock:
            other = Greenlet.spawn(lock.acquire, False)
            other.join()
        with pytest.raises(RuntimeError):
            lock.release()
        return bool(other.value)

    assert blocking(work) is False


def test_conditions_and_events_wake_greenlets_and_threads() -> None:
    def work() -> list[bool]:
        event = threading.Event()
        thread = threading.Thread(target=event.set)
        waiting = Greenlet.spawn(event.wait, 5)
        driver.sleep(0)
        thread.start()
        waiting.join()
        thread.join()
        return [bool(waiting.value), event.wait(0.001)]

    assert blocking(work) == [True, True]


def test_a_lock_is_waited_for_only_so_long() -> None:
    def work() -> bool:
        lock = threading.Lock()
        lock.acquire()
        return lock.acquire(timeout=0.002)

    assert blocking(work) is False


def test_a_coroutine_runs_on_the_loop_that_there_is() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 7

    run = asyncio.run  # the true one is what runs this test
    assert blocking(lambda: asyncio.run(answer())) == 7
    assert asyncio.run is run


def test_they_are_put_back() -> None:
    before = time.sleep, threading.Lock, threading.RLock
    with patched():
        assert time.sleep is driver.sleep
    assert (time.sleep, threading.Lock, threading.RLock) == before
