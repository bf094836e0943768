"""Tasks on the loop: sleep, timeouts, groups, cancellation, contexts, with asyncio's own Task and Future."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import Run


def test_tasks_and_futures_are_asyncios_own(run: Run) -> None:
    """Libraries look at the type, and C code at the layout."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(asyncio.sleep(0))
        assert type(task) is asyncio.Task
        assert type(loop.create_future()) is asyncio.Future
        assert task.get_loop() is loop
        await task

    run(main())


# Sleep


def test_sleepers_wake_in_the_order_of_their_times(run: Run) -> None:
    woken: list[int] = []

    async def sleeper(number: int) -> int:
        await asyncio.sleep(number / 500)
        woken.append(number)
        return number

    async def main() -> None:
        assert await asyncio.gather(*map(sleeper, (3, 0, 4, 1, 2))) == [3, 0, 4, 1, 2]

    run(main())
    assert woken == [0, 1, 2, 3, 4]


def test_ten_thousand_sleep_at_the_same_time(run: Run) -> None:
    woken: list[int] = []

    async def sleeper(number: int) -> None:
        await asyncio.sleep(0.01 + number % 7 / 1000)
        woken.append(number)

    async def main() -> None:
        await asyncio.gather(*map(sleeper, range(10_000)))

    run(main())
    assert sorted(woken) == list(range(10_000))


def test_sleep_of_nothing_gives_everybody_a_turn(run: Run) -> None:
    turns: list[str] = []

    async def take_turns(name: str) -> None:
        for _ in range(3):
            turns.append(name)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*map(take_turns, "abc"))

    run(main())
    assert turns == ["a", "b", "c"] * 3


def test_a_task_that_is_always_ready_starves_nobody(run: Run) -> None:
    """Timers, sockets and threads get their turn beside one that only ever says sleep(0)."""

    async def main() -> None:
        reader_at_work = asyncio.Event()

        async def always_ready() -> None:
            while True:  # noqa: ASYNC110 - never idle is the point
                await asyncio.sleep(0)

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            reader_at_work.set()
            writer.close()

        busy = [asyncio.create_task(always_ready()) for _ in range(3)]
        await asyncio.sleep(0.002)
        await asyncio.to_thread(int)
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"here\n")
            assert await reader.readline() == b"here\n"
            writer.close()
            await writer.wait_closed()
        assert reader_at_work.is_set()
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)

    run(main())


# Timeouts


def test_a_timeout_ends_what_takes_too_long(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001) as limit:
                await asyncio.sleep(3600)
        assert limit.expired()
        async with asyncio.timeout(3600) as limit:
            await asyncio.sleep(0)
        assert not limit.expired()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0, "the cancellation was the timeout's own and is taken back"

    run(main())


def test_a_timeout_can_be_moved_and_nested(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(3600) as outer:
            with pytest.raises(TimeoutError):  # noqa: PT012 - the timeout is what raises
                async with asyncio.timeout(None) as inner:
                    inner.reschedule(loop.time() + 0.001)
                    await asyncio.sleep(3600)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout_at(loop.time() - 1):
                    await asyncio.sleep(3600)
        assert not outer.expired()

    run(main())


def test_wait_for_returns_in_time_or_cancels(run: Run) -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main() -> None:
        assert await asyncio.wait_for(asyncio.sleep(0, "value"), 3600) == "value"
        assert await asyncio.wait_for(asyncio.sleep(0, "value"), None) == "value"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 0.001)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().create_future(), 0)

    run(main())
    assert ended == ["cancelled"]


# Several at once


async def fail_soon(message: str) -> None:
    await asyncio.sleep(0)
    raise LookupError(message)


def test_a_task_group_waits_for_all(run: Run) -> None:
    async def main() -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.001, number)) for number in range(100)]
        return [task.result() for task in tasks]

    assert run(main()) == list(range(100))


def test_a_task_group_cancels_the_siblings_of_one_that_failed(run: Run) -> None:
    ended: list[str] = []

    async def sibling() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("sibling")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the group is what raises
            async with asyncio.TaskGroup() as group:
                group.create_task(sibling())
                group.create_task(fail_soon("one"))
        assert [str(error) for error in caught.value.exceptions] == ["one"]

    run(main())
    assert ended == ["sibling"]


def test_gather_keeps_order_and_hands_on_errors(run: Run) -> None:
    async def main() -> None:
        found = await asyncio.gather(
            asyncio.sleep(0.002, "slow"),
            fail_soon("bad"),
            asyncio.sleep(0, "quick"),
            return_exceptions=True,
        )
        slow, bad, quick = found
        assert (slow, quick) == ("slow", "quick")
        assert isinstance(bad, LookupError)
        with pytest.raises(LookupError, match="bad"):
            await asyncio.gather(asyncio.sleep(0), fail_soon("bad"))

    run(main())


def test_wait_and_as_completed_tell_who_is_first(run: Run) -> None:
    async def main() -> None:
        quick, slow = (asyncio.create_task(asyncio.sleep(delay, delay)) for delay in (0, 3600))
        done, pending = await asyncio.wait([quick, slow], return_when=asyncio.FIRST_COMPLETED)
        assert (done, pending) == ({quick}, {slow})
        done, pending = await asyncio.wait([slow], timeout=0.001)
        assert (done, pending) == (set(), {slow})
        slow.cancel()
        sleepers = [asyncio.sleep(number / 500, number) for number in (2, 0, 1)]
        assert [await next_one for next_one in asyncio.as_completed(sleepers)] == [0, 1, 2]

    run(main())


def test_a_shield_keeps_what_is_under_it_running(run: Run) -> None:
    async def main() -> None:
        inner = asyncio.create_task(asyncio.sleep(0.002, "kept"))

        async def shielded() -> str:
            return await asyncio.shield(inner)

        outer = asyncio.create_task(shielded())
        await asyncio.sleep(0)
        outer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outer
        assert await inner == "kept"

    run(main())


def test_queues_locks_events_and_barriers_pass_the_turn_on(run: Run) -> None:
    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
        lock, event, semaphore = asyncio.Lock(), asyncio.Event(), asyncio.Semaphore(2)
        barrier, condition = asyncio.Barrier(3), asyncio.Condition()
        inside, most_inside = 0, 0
        got: list[int] = []

        async def produce() -> None:
            for number in range(20):
                await queue.put(number)

        async def consume() -> None:
            while len(got) < 20:
                got.append(await queue.get())
                queue.task_done()

        async def enter() -> None:
            nonlocal inside, most_inside
            await event.wait()
            async with semaphore:
                inside += 1
                most_inside = max(most_inside, inside)
                await asyncio.sleep(0)
                inside -= 1
            await barrier.wait()
            async with condition:
                condition.notify_all()

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
            for _ in range(3):
                group.create_task(enter())
            async with condition:
                event.set()
                await condition.wait()
            async with lock:
                assert lock.locked()
            await queue.join()
        assert got == list(range(20))
        assert most_inside == 2

    run(main())


# Cancellation


def test_a_cancelled_task_cleans_up_first(run: Run) -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as cancelled:
            steps.append(str(cancelled))
            await asyncio.sleep(0.001)
            steps.append("cleaned up")
            raise

    async def main() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel("the reason")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(main())
    assert steps == ["the reason", "cleaned up"]


def test_a_task_cancelled_while_it_cleans_up_is_cancelled_there(run: Run) -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            try:
                await asyncio.sleep(3600)
            finally:
                steps.append("second")

    async def main() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert task.cancelled()

    run(main())
    assert steps == ["second"]


def test_a_task_may_swallow_its_cancellation(run: Run) -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            assert task.uncancel() == 0
        await asyncio.sleep(0)
        return "went on"

    async def main() -> str:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert run(main()) == "went on"


def test_a_task_cancelled_before_its_first_step_never_begins(run: Run) -> None:
    began: list[str] = []

    async def work() -> None:
        began.append("began")

    async def main() -> None:
        task = asyncio.create_task(work())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert not began


def test_a_future_set_and_a_task_cancelled_in_one_round_end_well(run: Run) -> None:
    """The result is on its way when the cancellation comes: cancelled once, and the loop goes on."""

    async def main() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def wait() -> int:
            return await future

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        future.set_result(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    run(main())


# Contexts, factories, who is who


def test_every_task_has_a_context_of_its_own(run: Run) -> None:
    variable = contextvars.ContextVar("variable", default="default")

    async def write(text: str) -> str:
        before = variable.get()
        variable.set(text)
        await asyncio.sleep(0)
        assert variable.get() == text
        return before

    async def main() -> None:
        variable.set("parent")
        assert set(await asyncio.gather(*map(write, "abc"))) == {"parent"}
        assert variable.get() == "parent"
        given = contextvars.Context()
        assert await asyncio.create_task(write("given"), context=given) == "default"
        assert given[variable] == "given"

    run(main())


def test_the_running_task_is_known_at_every_step(run: Run) -> None:
    async def who() -> list[asyncio.Task[Any] | None]:
        seen = []
        for _ in range(3):
            seen.append(asyncio.current_task())
            await asyncio.sleep(0)
        return seen

    async def main() -> None:
        tasks = [asyncio.create_task(who(), name=name) for name in "ab"]
        assert asyncio.all_tasks() == {asyncio.current_task(), *tasks}
        for task in tasks:
            assert await task == [task] * 3
        assert [task.get_name() for task in tasks] == ["a", "b"]

    run(main())


def test_a_task_factory_is_asked_for_every_task(run: Run) -> None:
    made: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coroutine.__qualname__)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        await asyncio.create_task(asyncio.sleep(0))

    run(main())
    assert "sleep" in made


def test_eager_tasks_begin_at_once(run: Run) -> None:
    """The first step happens within create_task(), outside any callback of the loop."""
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory is None:
        pytest.skip("eager tasks came with Python 3.12")
    steps: list[str] = []

    async def work(name: str, delay: float | None) -> str:
        steps.append(name)
        if delay is not None:
            await asyncio.sleep(delay)
        return name

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        at_once = asyncio.create_task(work("at once", None))
        assert at_once.done()
        later = asyncio.create_task(work("later", 0.001))
        assert steps == ["at once", "later"]
        assert not later.done()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work(name, 0)) for name in "abc"]
        assert [task.result() for task in tasks] == ["a", "b", "c"]
        assert await later == "later"

    run(main())
