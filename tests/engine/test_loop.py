"""The loop keeps asyncio's promises: callbacks, timers, threads, errors, its life. No test looks at a watch.

Every test runs on asyncio's own loop too: what fails there is no promise of asyncio's. Tasks, sockets and the
libraries have files of their own beside this one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import logging
import os
import signal
import sys
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.engine.conftest import NewLoop, Run

    Loop = asyncio.AbstractEventLoop


def run_one_round(loop: Loop) -> None:
    loop.call_soon(loop.stop)
    loop.run_forever()


# Callbacks


def test_callbacks_run_in_the_order_of_their_calls(loop: Loop) -> None:
    ran: list[int] = []
    for number in range(1000):
        loop.call_soon(ran.append, number)
    run_one_round(loop)
    assert ran == list(range(1000))


def test_stop_ends_after_the_round_and_the_rest_waits_for_the_next_run(loop: Loop) -> None:
    ran: list[str] = []

    def stop_and_go_on() -> None:
        ran.append("stopper")
        loop.stop()
        loop.call_soon(ran.append, "next round")

    loop.call_soon(stop_and_go_on)
    loop.call_soon(ran.append, "same round")
    loop.run_forever()
    assert ran == ["stopper", "same round"]
    run_one_round(loop)
    assert ran == ["stopper", "same round", "next round"]


def test_a_callback_that_calls_itself_again_leaves_others_their_turn(loop: Loop) -> None:
    rounds: list[str] = []

    def again(name: str, left: int) -> None:
        rounds.append(name)
        if left:
            loop.call_soon(again, name, left - 1)
        else:
            loop.call_soon(loop.stop)

    loop.call_soon(again, "a", 2)
    loop.call_soon(again, "b", 2)
    loop.run_forever()
    assert rounds == ["a", "b"] * 3


def test_a_cancelled_callback_does_not_run(loop: Loop) -> None:
    ran: list[str] = []
    handle = loop.call_soon(ran.append, "cancelled")
    loop.call_soon(ran.append, "kept")
    handle.cancel()
    run_one_round(loop)
    assert handle.cancelled()
    assert ran == ["kept"]


def test_a_callback_cancelled_by_its_neighbour_does_not_run(loop: Loop) -> None:
    """Both are in the round already: the handle is asked again when its turn comes."""
    ran: list[str] = []
    handles: list[asyncio.Handle] = []
    loop.call_soon(lambda: handles[0].cancel())  # noqa: PLW0108 - it is not there yet
    handles.append(loop.call_soon(ran.append, "cancelled"))
    run_one_round(loop)
    assert ran == []


def test_a_callback_runs_in_the_context_of_its_call_or_in_the_one_given(loop: Loop) -> None:
    variable = contextvars.ContextVar("variable", default="default")
    seen: list[str] = []
    given = contextvars.copy_context()
    given.run(variable.set, "given")
    variable.set("at the call")
    loop.call_soon(lambda: seen.append(variable.get()))
    variable.set("later")
    loop.call_soon(lambda: seen.append(variable.get()), context=given)
    loop.call_later(0, lambda: seen.append(variable.get()), context=given)  # type: ignore[misc, unused-ignore]
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert sorted(seen) == ["at the call", "given", "given"]


# Timers


def test_timers_run_in_the_order_of_their_times(loop: Loop) -> None:
    ran: list[int] = []
    start = loop.time()
    for number in (3, 1, 4, 0, 2):
        loop.call_at(start + number / 1000, ran.append, number)
    loop.call_at(start + 0.005, loop.stop)
    loop.run_forever()
    assert ran == [0, 1, 2, 3, 4]


def test_a_timer_is_never_early(loop: Loop) -> None:
    early: list[float] = []
    resolution = 1e-6

    def look(due: float) -> None:
        if loop.time() < due - resolution:
            early.append(due)

    start = loop.time()
    for number in range(200):
        due = start + number * 0.000_137
        loop.call_at(due, look, due)
    loop.call_at(start + 0.03, loop.stop)
    loop.run_forever()
    assert not early


def test_a_time_that_has_passed_is_now(loop: Loop) -> None:
    ran: list[str] = []
    loop.call_at(loop.time() - 10, ran.append, "ten seconds ago")
    loop.call_later(-1, ran.append, "a negative delay")
    loop.call_later(0, ran.append, "no delay")
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert len(ran) == 3
    assert ran[0] == "ten seconds ago"


def test_a_cancelled_timer_does_not_run_and_keeps_nobody_waiting(loop: Loop) -> None:
    ran: list[str] = []
    handle = loop.call_later(0.001, ran.append, "cancelled")
    far = loop.call_later(3600, ran.append, "in an hour")
    loop.call_later(0.002, ran.append, "kept")
    loop.call_later(0.003, loop.stop)
    assert isinstance(handle, asyncio.TimerHandle)
    assert far.when() > handle.when()
    handle.cancel()
    far.cancel()
    loop.run_forever()
    assert handle.cancelled()
    assert ran == ["kept"]


def test_cancelled_timers_do_not_pile_up_until_they_would_be_due(loop: Loop) -> None:
    """As timeouts do, which are nearly always cancelled. The few that are left still ring."""
    ran: list[str] = []
    handles = [loop.call_later(3600, ran.append, "in an hour") for _ in range(10_000)]
    kept = loop.call_later(3600, ran.append, "in an hour")
    loop.call_later(0.001, ran.append, "soon")
    for handle in handles:
        handle.cancel()
    run_one_round(loop)
    assert len(loop._scheduled) < 200  # type: ignore[attr-defined]  # noqa: SLF001
    for handle in handles:
        handle.cancel()
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert ran == ["soon"]
    assert not kept.cancelled()


def test_ten_thousand_cancelled_timers_leave_the_others_alone(loop: Loop) -> None:
    ran: list[int] = []
    handles = [loop.call_later(0.002 + number * 1e-6, ran.append, number) for number in range(10_000)]
    for number, handle in enumerate(handles):
        if number % 1000:
            handle.cancel()
    loop.call_later(0.02, loop.stop)
    loop.run_forever()
    assert ran == list(range(0, 10_000, 1000))


def test_a_timer_that_sets_the_next_one_goes_on(loop: Loop) -> None:
    ran: list[int] = []

    def tick(number: int) -> None:
        ran.append(number)
        if number < 50:
            loop.call_later(0.0001, tick, number + 1)
        else:
            loop.stop()

    loop.call_later(0, tick, 0)
    loop.run_forever()
    assert ran == list(range(51))


# Threads


def test_calls_from_many_threads_all_arrive_each_in_order(loop: Loop) -> None:
    """Nothing else happens on this loop: each call has to wake it."""
    threads, calls = 8, 500
    ran: list[tuple[int, int]] = []

    def arrive(thread: int, call: int) -> None:
        ran.append((thread, call))
        if len(ran) == threads * calls:
            loop.stop()

    def call_often(thread: int) -> None:
        for call in range(calls):
            loop.call_soon_threadsafe(arrive, thread, call)

    callers = [threading.Thread(target=call_often, args=(number,)) for number in range(threads)]
    for caller in callers:
        caller.start()
    loop.run_forever()
    for caller in callers:
        caller.join()
    for number in range(threads):
        assert [call for thread, call in ran if thread == number] == list(range(calls))


def test_calls_meant_for_threads_keep_the_order_where_there_is_only_one(loop: Loop) -> None:
    """Libraries use the safe call everywhere, the loop's own thread included."""
    ran: list[int] = []

    def call() -> None:
        for number in range(0, 10, 2):
            loop.call_soon_threadsafe(ran.append, number)
            loop.call_soon(ran.append, number + 1)
        loop.call_later(0.001, loop.stop)

    loop.call_soon(call)
    loop.run_forever()
    assert ran == list(range(10))


def test_a_call_from_a_thread_wakes_a_loop_that_waits_for_nothing(loop: Loop) -> None:
    waits = threading.Event()
    loop.call_soon(waits.set)

    def wake() -> None:
        waits.wait(10)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=wake)
    thread.start()
    loop.run_forever()
    thread.join()


def test_work_in_threads_comes_back(run: Run) -> None:
    async def main() -> None:
        here = threading.get_ident()
        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(threading.get_ident) != here
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            squares = [loop.run_in_executor(pool, pow, number, 2) for number in range(100)]
            assert await asyncio.gather(*squares) == [number**2 for number in range(100)]
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)

    run(main())


def test_a_thread_sees_the_context_of_the_task_that_sent_it(run: Run) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def main() -> str:
        variable.set("mine")
        return await asyncio.to_thread(variable.get)

    assert run(main()) == "mine"


def test_a_coroutine_can_be_handed_over_from_a_thread(run: Run) -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def main() -> int:
        loop = asyncio.get_running_loop()

        def in_thread() -> int:
            return asyncio.run_coroutine_threadsafe(double(21), loop).result(10)

        return await asyncio.to_thread(in_thread)

    assert run(main()) == 42


def test_loops_in_two_threads_do_not_know_each_other(new_loop: NewLoop) -> None:
    async def count() -> int:
        for _ in range(100):
            await asyncio.sleep(0.000_01)
        return threading.get_ident()

    both = threading.Barrier(2)

    def live() -> int:
        both.wait(30)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(count())

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        lives = [pool.submit(live) for _ in range(2)]
        assert len({life.result(30) for life in lives}) == 2


# Errors


@pytest.fixture
def told(loop: Loop) -> list[dict[str, Any]]:
    """What the loop's exception handler was told."""
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    return contexts


def test_an_error_in_a_callback_reaches_the_handler_and_the_loop_goes_on(
    loop: Loop, told: list[dict[str, Any]]
) -> None:
    ran: list[str] = []
    loop.call_soon(divmod, 1, 0)
    loop.call_soon(ran.append, "after")
    loop.call_later(0, divmod, 2, 0)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert ran == ["after"]
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError] * 2
    assert all("divmod" in context["message"] for context in told), told


def test_without_a_handler_the_error_is_logged(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.call_soon(divmod, 1, 0)
    run_one_round(loop)
    (record,) = [record for record in caplog.records if record.name == "asyncio"]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_an_error_that_nobody_fetched_is_told(loop: Loop, told: list[dict[str, Any]]) -> None:
    async def fail() -> None:
        raise LookupError("lost")

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        del task

    loop.run_until_complete(main())
    gc.collect()
    assert [str(context["exception"]) for context in told] == ["lost"]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["callback", "timer", "task"])
def test_what_ends_a_program_leaves_run_forever(
    loop: Loop, told: list[dict[str, Any]], kind: type[BaseException], where: str
) -> None:
    def leave() -> None:
        raise kind(7)

    async def leave_as_a_task() -> None:
        await asyncio.sleep(0)
        leave()

    task: asyncio.Task[None] | None = None
    if where == "task":
        task = loop.create_task(leave_as_a_task())
    elif where == "timer":
        loop.call_later(0.001, leave)
    else:
        loop.call_soon(leave)
    with pytest.raises(kind):
        loop.run_forever()
    assert not loop.is_running()
    run_one_round(loop)
    assert not told
    if task:
        assert isinstance(task.exception(), kind)


@pytest.fixture
def leaving_signal() -> Iterator[signal.Signals]:
    """A signal whose Python handler raises, as that of Ctrl-C does."""

    def leave(*_: object) -> None:
        raise LookupError("signal")

    before = signal.signal(signal.SIGUSR2, leave)
    yield signal.SIGUSR2
    signal.signal(signal.SIGUSR2, before)


def test_a_signal_that_raises_ends_an_idle_wait(loop: Loop, leaving_signal: signal.Signals) -> None:
    """As Ctrl-C does where nobody asked the loop for it. A wait that outlives signals cannot be stopped."""
    loop.call_soon(lambda: threading.Timer(0.05, os.kill, (os.getpid(), leaving_signal)).start())
    with pytest.raises(LookupError, match="signal"):
        loop.run_forever()
    run_one_round(loop)


def test_an_interrupt_cancels_the_main_task_of_a_runner(new_loop: NewLoop) -> None:
    cleaned_up: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.001, signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            cleaned_up.append("main")

    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(KeyboardInterrupt):
        runner.run(main())
    assert cleaned_up == ["main"]


# The loop's own life


def test_a_loop_runs_again_and_again(loop: Loop) -> None:
    async def identity(number: int) -> int:
        await asyncio.sleep(0)
        return number

    assert [loop.run_until_complete(identity(number)) for number in range(100)] == list(range(100))


def test_a_loop_knows_when_it_runs(loop: Loop) -> None:
    async def main() -> None:
        assert asyncio.get_running_loop() is loop
        assert loop.is_running()

    assert not loop.is_running()
    loop.run_until_complete(main())
    assert not loop.is_running()
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_run_until_complete_hands_on_the_error(loop: Loop) -> None:
    async def fail() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        loop.run_until_complete(fail())


def test_run_until_complete_says_when_it_was_stopped_first(loop: Loop) -> None:
    never = loop.create_future()
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError, match="stopped before Future completed"):
        loop.run_until_complete(never)


def test_a_running_loop_cannot_be_run_nor_closed(loop: Loop, new_loop: NewLoop) -> None:
    async def main() -> None:
        # Not by run_forever(): in Python 3.13.0 the refusal itself takes the loop's running state away.
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_until_complete(loop.create_future())
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()
        other = new_loop()
        with pytest.raises(RuntimeError, match="another loop is running"):
            other.run_until_complete(other.create_future())
        other.close()
        await asyncio.sleep(0)
        assert loop.is_running()

    loop.run_until_complete(main())


def test_a_closed_loop_refuses_work(new_loop: NewLoop) -> None:
    loop = new_loop()
    future = loop.create_future()
    loop.close()
    loop.close()
    assert loop.is_closed()
    for refused in (
        loop.run_forever,
        lambda: loop.run_until_complete(future),
        lambda: loop.call_soon(print),
        lambda: loop.call_soon_threadsafe(print),
        lambda: loop.call_later(0, print),
    ):
        with pytest.raises(RuntimeError, match="closed"):
            refused()


def test_loops_give_back_their_descriptors(new_loop: NewLoop) -> None:
    def descriptors() -> set[str]:
        return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - Path would hold one more while it lists

    new_loop().close()
    gc.collect()
    before = descriptors()
    for _ in range(20):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(asyncio.sleep(0))
    assert len(descriptors()) == len(before)


def test_a_closed_loop_can_be_collected(new_loop: NewLoop) -> None:
    """A Runner that is made per test or per session must not leave its loop behind."""

    class Witness: ...

    gone: list[bool] = []

    def make_and_drop() -> None:
        loop = new_loop()
        witness = Witness()
        weakref.finalize(witness, gone.append, True)
        loop.call_later(3600, print, witness)
        loop.call_soon(print, witness).cancel()
        loop.close()

    make_and_drop()
    gc.collect()
    assert gone == [True]


def test_generators_left_half_way_are_closed_at_the_end(run: Run) -> None:
    closed: list[int] = []
    kept: list[AsyncIterator[int]] = []

    async def numbers(name: int) -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
        finally:
            await asyncio.sleep(0)
            closed.append(name)

    async def main() -> None:
        for name in range(3):
            generator = numbers(name)
            kept.append(generator)
            assert await anext(generator) == 0

    run(main())
    assert sorted(closed) == [0, 1, 2]


def test_a_generator_that_is_dropped_is_closed_by_the_loop(run: Run) -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    async def main() -> None:
        async for _ in numbers():
            break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        assert closed == ["closed"]

    run(main())


def test_a_runner_runs_several_times_on_one_loop(new_loop: NewLoop) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def count() -> int:
        variable.set(variable.get() + 1)
        return id(asyncio.get_running_loop())

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert {runner.run(count()) for _ in range(3)} == {id(runner.get_loop())}
        assert runner.run(asyncio.sleep(0, "value")) == "value"
        assert runner.get_loop().time() > 0


def test_tasks_left_at_the_end_of_a_runner_are_cancelled(run: Run) -> None:
    ended: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.append("lingerer")

    async def main() -> None:
        tasks.add(asyncio.create_task(linger()))
        await asyncio.sleep(0)

    tasks: set[asyncio.Task[None]] = set()
    run(main())
    assert ended == ["lingerer"]


# Debug mode


def test_debug_names_a_callback_that_took_long(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    def laborious() -> None: ...

    loop.set_debug(True)
    # With no allowance at all every callback is slow, however quick the machine.
    loop.slow_callback_duration = 0
    loop.call_soon(laborious)
    run_one_round(loop)
    messages = [record.getMessage() for record in caplog.records if record.name == "asyncio"]
    assert any("laborious" in message and "took" in message for message in messages), messages


def test_debug_names_a_task_whose_step_took_long(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def laborious() -> None:
        await asyncio.sleep(0)

    loop.set_debug(True)
    loop.slow_callback_duration = 0
    loop.run_until_complete(laborious())
    messages = [record.getMessage() for record in caplog.records if record.name == "asyncio"]
    assert any("laborious" in message and "took" in message for message in messages), messages


def test_debug_catches_calls_from_the_wrong_thread(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        def wrong() -> None:
            with pytest.raises(RuntimeError, match="Non-thread-safe operation"):
                loop.call_soon(print)
            with pytest.raises(RuntimeError, match="Non-thread-safe operation"):
                loop.call_later(1, print)

        await asyncio.to_thread(wrong)

    run(main(), debug=True)


def test_debug_tells_where_a_forgotten_coroutine_came_from(run: Run) -> None:
    async def forgotten() -> None: ...

    async def main() -> None:
        assert sys.get_coroutine_origin_tracking_depth() > 0
        with pytest.warns(RuntimeWarning, match="never awaited") as caught:
            forgotten()  # type: ignore[unused-coroutine]
        assert "Coroutine created at" in str(caught[0].message)
        assert __file__ in str(caught[0].message)

    run(main(), debug=True)
    assert sys.get_coroutine_origin_tracking_depth() == 0


def test_debug_can_be_switched_in_a_running_loop(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        assert loop.get_debug()
        for _ in range(2):
            await asyncio.sleep(0)
        assert sys.get_coroutine_origin_tracking_depth() > 0
        loop.set_debug(False)
        for _ in range(2):
            await asyncio.sleep(0)
        assert sys.get_coroutine_origin_tracking_depth() == 0

    run(main(), debug=False)


def test_a_loop_that_was_not_closed_says_so(new_loop: NewLoop) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop = new_loop()
        del loop
        gc.collect()
    assert any(
        issubclass(item.category, ResourceWarning) and "unclosed event loop" in str(item.message)
        for item in caught
    )
