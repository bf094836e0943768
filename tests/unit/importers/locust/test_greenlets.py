"""Blocking code beside an asyncio loop: what waits gives way to the others, and to nobody else."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from loadgen.importers.locust import driver, signals
from loadgen.importers.locust.greenlets import (
    Greenlet,
    Group,
    Pool,
    Timeout,
    joinall,
    killall,
    with_timeout,
)


def blocking(function: Callable[[], Any]) -> Any:
    """What it returns, run in a greenlet on a loop."""

    async def run() -> Any:
        return await driver.run_blocking(function)

    return asyncio.run(run())


def test_waiting_gives_way_and_returns_what_came() -> None:
    async def answer(value: int) -> int:
        await asyncio.sleep(0)
        return value

    order: list[str] = []

    def work() -> int:
        other = Greenlet.spawn(order.append, "other")
        value = driver.wait_for(answer(7))
        order.append("worker")
        other.join()
        return value

    assert blocking(work) == 7
    assert order == ["other", "worker"]


def test_what_is_awaited_raises_where_it_was_waited_for() -> None:
    async def fails() -> None:
        raise ValueError("no")

    def work() -> str:
        with pytest.raises(ValueError, match="no"):
            driver.wait_for(fails())
        return "went on"

    assert blocking(work) == "went on"


def test_nobody_waits_outside_of_a_greenlet() -> None:
    async def nothing() -> None: ...

    coroutine = nothing()
    with pytest.raises(RuntimeError, match=r"gevent\.spawn"):
        driver.wait_for(coroutine)
    coroutine.close()


def test_sleepers_sleep_side_by_side() -> None:
    order: list[int] = []

    def sleeper(number: int) -> None:
        driver.sleep(0.01 * number)
        order.append(number)

    def work() -> None:
        joinall([Greenlet.spawn(sleeper, number) for number in (3, 1, 2)])

    blocking(work)
    assert order == [1, 2, 3]


def test_sleep_is_the_true_one_outside() -> None:
    began = time.monotonic()
    driver.sleep(0.01)
    assert time.monotonic() - began >= 0.01


def test_one_that_is_dismissed_ends_after_its_answer() -> None:
    async def run() -> list[str]:
        told: list[str] = []
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def asks() -> None:
            try:
                driver.wait_for(answer)
                told.append("never")
            finally:
                told.append(f"left {answer.done()}")

        one = Greenlet.spawn(asks)
        await asyncio.sleep(0)
        driver.dismiss(one)
        await asyncio.sleep(0)
        assert not told
        answer.set_result("")
        await asyncio.sleep(0)
        return told

    assert asyncio.run(run()) == ["left True"]


def test_one_that_idles_is_dismissed_at_once() -> None:
    async def run() -> bool:
        one = Greenlet.spawn(driver.sleep, 60)
        await asyncio.sleep(0)
        driver.dismiss(one)
        await asyncio.sleep(0)
        return one.ready()

    assert asyncio.run(run())


def test_a_greenlet_gives_its_value_or_raises_its_exception() -> None:
    def fails() -> None:
        raise KeyError("gone")

    async def run() -> list[Any]:
        unheard: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))

        def work() -> None:
            one, other = Greenlet.spawn(lambda: 5), Greenlet.spawn(fails)
            assert one.get() == 5
            assert one.successful()
            with pytest.raises(KeyError):
                other.get()
            assert isinstance(other.exception, KeyError)

        await driver.run_blocking(work)
        return unheard

    assert len(asyncio.run(run())) == 1


def test_killing_ends_those_that_wait_and_those_that_never_began() -> None:
    ended: list[str] = []

    def sleeper() -> None:
        try:
            driver.sleep(60)
        finally:
            ended.append("sleeper")

    def work() -> None:
        begun, later = Greenlet.spawn(sleeper), Greenlet.spawn_later(60, sleeper)
        driver.sleep(0)
        killall([begun, later])
        assert begun.ready()
        assert later.ready()

    blocking(work)
    assert ended == ["sleeper"]


def test_a_pool_has_room_for_so_many() -> None:
    running, most = 0, 0

    def job() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        driver.sleep(0.001)
        running -= 1

    def work() -> None:
        pool = Pool(2)
        for _ in range(6):
            pool.spawn(job)
        pool.join()

    blocking(work)
    assert most == 2


def test_a_group_maps_side_by_side() -> None:
    assert blocking(lambda: Group().map(lambda value: value * 2, [1, 2, 3])) == [2, 4, 6]


def test_timeouts_break_into_what_waits() -> None:
    def work() -> list[str]:
        told = []
        with Timeout(0.001, False):
            driver.sleep(60)
            told.append("never")
        try:
            with Timeout(0.001):
                driver.sleep(60)
        except Timeout as timeout:
            told.append(f"after {timeout}")
        told.append(with_timeout(0.001, driver.sleep, 60, timeout_value="instead"))
        with Timeout(60):
            told.append("in time")
        return told

    assert blocking(work) == ["after 0.001 seconds", "instead", "in time"]


def test_events_and_results_wake_those_that_wait() -> None:
    def work() -> list[Any]:
        event, result = signals.Event(), signals.AsyncResult()
        waiting = [Greenlet.spawn(event.wait), Greenlet.spawn(result.get)]
        driver.sleep(0)
        assert event.wait(0.001) is False
        event.set()
        result.set(9)
        return [one.get() for one in waiting]

    assert blocking(work) == [True, 9]


def test_a_semaphore_lets_so_many_in_and_a_lock_its_owner_again() -> None:
    def work() -> int:
        lock, again = signals.BoundedSemaphore(1), signals.RLock()
        inside: list[int] = []

        def enter() -> None:
            with lock, again, again:
                inside.append(1)
                driver.sleep(0.001)
                assert len(inside) == 1
                inside.pop()

        joinall([Greenlet.spawn(enter) for _ in range(3)], raise_error=True)
        with pytest.raises(ValueError, match="more often"):
            lock.release()
        return len(inside)

    assert blocking(work) == 0


def test_who_waits_for_a_semaphore_holds_nothing() -> None:
    def work() -> list[object]:
        semaphore, seen = signals.Semaphore(1), []
        semaphore.acquire()

        def look() -> None:
            seen.append(semaphore.wait())

        lookers = [Greenlet.spawn(look) for _ in range(2)]
        driver.sleep(0.001)
        assert (seen, semaphore.wait(0.001)) == ([], 0)
        semaphore.release()
        joinall(lookers, raise_error=True)
        return [*seen, semaphore.wait(), semaphore.counter]

    assert blocking(work) == [1, 1, 1, 1]


def test_a_queue_hands_on_in_order_and_holds_so_many() -> None:
    def work() -> list[int]:
        queue, taken = signals.Queue(1), []

        def give() -> None:
            for number in range(3):
                queue.put(number)

        giver = Greenlet.spawn(give)
        for _ in range(3):
            taken.append(queue.get())
            queue.task_done()
        giver.join()
        assert queue.join()
        with pytest.raises(signals.Empty):
            queue.get(timeout=0.001)
        return taken

    assert blocking(work) == [0, 1, 2]
