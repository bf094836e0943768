"""`run(plan)`: from a plan to a result. Brings together target, workers, load, folder and those who watch."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from loadgen import health
from loadgen.capacity import check_capacity
from loadgen.conclusion import WorkerEnd, conclude_run, failed_at_the_end
from loadgen.control import Control
from loadgen.courtesy import breathe, let_workers_go_first
from loadgen.deliveries import Deliveries
from loadgen.engine_plan import EnginePlan
from loadgen.errors import ExitCode, Interrupted, LoadgenError, ScriptFailed, WorkerError
from loadgen.load import Load
from loadgen.outputs.kinds import make_output, tell_that_it_never_began
from loadgen.outputs.outputs import Outputs
from loadgen.plan import Plan
from loadgen.progress import Event, EventKind, Observer, Opening, Progress
from loadgen.resolve import find_addresses
from loadgen.result import Result
from loadgen.run_folder import RunFolder
from loadgen.schedule import Schedules, make_schedule
from loadgen.script_news import ScriptNews, describe_error
from loadgen.target import EmbeddedTarget
from loadgen.workers import Crew

# A signal that the kernel hands to another thread wakes nobody in the main one, where its handler has to run.
LONGEST_DEAF_S = 0.2

# Somebody's own code that looks at a load and changes it.
Steer = Callable[[Progress, Control], None]


def run(
    plan: Plan,
    *,
    out: str | Path | None = None,
    outputs: Sequence[str] = (),
    observers: Sequence[Observer] = (),
    steer: Steer | None = None,
) -> Result:
    """Run a plan to its end and say what it showed.

    `out` is the run folder; without it nothing is written. `outputs` are what `--output` takes, such as
    "junit=report.xml". `steer(progress, control)` is called every second while the load is on, and may
    change it; the control may be kept, and used in any thread. What it raises ends the run. Ctrl-C and
    SIGTERM shut the gate and drain; once more stops at once. Works in any thread, and where an event loop is
    running already: it blocks that loop.
    """
    receivers = Outputs([make_output(text, f"outputs[{index}]") for index, text in enumerate(outputs)])
    try:
        return conduct(plan, Path(out) if out is not None else None, receivers, observers, steer)
    except LoadgenError as error:
        for text in tell_that_it_never_began(outputs, plan.kind, error):
            error.add_note(text)
        raise


def conduct(
    plan: Plan,
    out: Path | None,
    outputs: Outputs,
    observers: Sequence[Observer],
    steer: Steer | None = None,
) -> Result:
    """The same, with outputs that are there already."""
    return see_through(Conductor(plan, out, outputs, observers, steer))


def see_through(conductor: Conductor) -> Result:
    """The same, for who wants to ask the conductor something afterwards."""
    with _signals(conductor):
        return _run_beside(conductor)


@contextlib.contextmanager
def _signals(conductor: Conductor) -> Iterator[None]:
    """Ctrl-C and SIGTERM are ours while the run lasts, if this is the main thread: others get none.

    Not by the loop's own handlers: where a loop was running already, ours runs in another thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: object) -> None:
        conductor.interrupt_from_outside("interrupted" if number == signal.SIGINT else "terminated")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_beside(conductor: Conductor) -> Result:
    """In a thread of its own: this one may have a loop (a notebook has), and keeps its place among others."""
    outcome: list[Result] = []
    problem: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(conductor.conduct()))
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that asked
            problem.append(error)

    thread = threading.Thread(target=work, name="loadgen")
    thread.start()
    while thread.is_alive():
        thread.join(LONGEST_DEAF_S)
    if problem:
        raise problem[0]
    return outcome[0]


class Conductor:
    """One run. Before the gate opens an interrupt cancels everything; then the load decides what it means."""

    def __init__(
        self,
        plan: Plan,
        out: Path | None,
        outputs: Outputs,
        observers: Sequence[Observer],
        steer: Steer | None = None,
    ) -> None:
        self._asked = plan
        self._steer = steer
        self._out = out
        self._outputs = outputs
        self._observers = [*observers, outputs]
        self._folder: RunFolder | None = None
        self._failure_told = False
        self._news = ScriptNews(self._tell_of_script)
        self._deliveries = Deliveries(self._tell)
        self._early: list[tuple[EventKind, str]] = []  # told before there was anybody to hear it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._load: Load | None = None
        self._asked_to_stop = False
        self._is_over = False

    async def conduct(self) -> Result:
        """The whole way."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        health.raise_descriptor_limit()
        try:
            if self._asked_to_stop:
                raise asyncio.CancelledError
            async with contextlib.AsyncExitStack() as stack:
                return await self._prepare_and_play(stack)
        except asyncio.CancelledError:
            if self._asked_to_stop:
                raise Interrupted("interrupted before the load began") from None
            raise

    async def _prepare_and_play(self, stack: contextlib.AsyncExitStack) -> Result:
        self._outputs.open()
        stack.callback(self._outputs.close)
        self._early += [("output", note) for note in self._outputs.notes]
        asked, note = self._asked, None
        if asked.needs_embedded_target:
            target = await stack.enter_async_context(EmbeddedTarget())
            note = f"the embedded target at {target.url} takes the load"
            if (asked.url if asked.script is None else asked.base_url) is None:
                note = f"no URL given: {note}"
            asked = asked.at(target.url)
        plan = asked.compile()
        self._early += [("imported", note) for note in plan.script.notes] if plan.script else []
        schedule = make_schedule(plan)
        plan = await find_addresses(plan)
        check_capacity(plan)
        if self._out is not None:
            self._folder = RunFolder.create(self._out)
            self._observers.insert(0, self._folder)
        for observer in self._observers:
            if observer is not self._outputs:
                stack.callback(observer.close)
        listener = self if plan.script else self._deliveries if plan.sockets else None
        crew = Crew(plan, self._tell, listener)
        stack.push_async_callback(crew.close)
        await self._start(crew)
        let_workers_go_first()
        return await self._play(plan, schedule, crew, note)

    async def _start(self, crew: Crew) -> None:
        """Bring the workers up; where the user's own code did not let them, that is said."""
        try:
            await crew.start()
        except WorkerError:
            if self._news.stop is not None:
                raise ScriptFailed(self._news.stop) from None
            for group in self._news.errors:
                raise ScriptFailed(describe_error(group), hint=group.code or None) from None
            raise

    async def _play(
        self, plan: EnginePlan, schedule: Schedules | None, crew: Crew, note: str | None
    ) -> Result:
        self._load = load = Load(plan, schedule, crew, self._progress, self._event)
        load.control.attach(asyncio.get_running_loop(), self.interrupt)
        started_at = load.open()
        opening = Opening(
            plan=plan, note=note, started_at=started_at, monotonic_ns=load.monotonic_ns, control=load.control
        )
        for observer in self._observers:
            observer.begin(opening)
        asyncio.get_running_loop().call_soon(self._tell_early, load)  # after the start has been told
        evidence = await load.play()
        self._is_over = True
        # Who asked it to end may have given it ten seconds, and the summary is not written yet.
        received = await self._outputs.drain(linger=not evidence.interrupted)
        load.control.detach()
        self._tell_of_failure()
        workers = [
            WorkerEnd(index=worker.index, pid=worker.pid, exit=worker.exit, lost=worker.state == "lost")
            for worker in crew.workers
        ]
        result, wrong = conclude_run(plan, schedule, evidence, workers, self._news, self._deliveries)
        result = self._with_record(msgspec.structs.replace(result, outputs=received))
        for identity in wrong:
            load.tell("books_wrong", f"the books do not balance: {identity}")
        for state in failed_at_the_end(plan, evidence, result):
            load.tell("threshold_failed", str(state))
        load.tell("end", f"{result.verdict}, exit code {result.exit_code}")
        for observer in self._observers:
            observer.end(result)
        self._tell_of_failure()
        if self._folder and self._folder.missing_report:
            self._tell("no_report", f"report.html was not written: {self._folder.missing_report}")
        return self._with_record(result)

    def _with_record(self, result: Result) -> Result:
        """A run whose record is incomplete has not passed, whatever it showed."""
        if self._failure and result.exit_code == ExitCode.PASSED:
            return msgspec.structs.replace(result, exit_code=int(ExitCode.UNUSABLE))
        return result

    def _progress(self, progress: Progress) -> None:
        progress = replace(progress, exceptions=self._news.errors)
        for observer in self._observers:
            breathe()
            observer.progress(progress)
        self._tell_of_failure()
        if self._steer is not None and self._load is not None and self._load.is_on:
            self._steer(progress, self._load.control)

    def _tell_of_failure(self) -> None:
        """Once, that the record is incomplete; and once of each receiver, that it does not take it."""
        if self._failure and not self._failure_told:
            self._failure_told = True
            self._tell("recording_failed", self._failure)
        for text in self._outputs.news():
            self._tell("output_failed", text)

    @property
    def _failure(self) -> str | None:
        """Why the record is incomplete, if it is."""
        return (self._folder.failure if self._folder else None) or self._outputs.failure

    def _event(self, event: Event) -> None:
        for observer in self._observers:
            observer.event(event)

    def _tell(self, kind: EventKind, text: str) -> None:
        if self._load is not None:
            self._load.tell(kind, text)

    def _tell_of_script(self, kind: EventKind, text: str) -> None:
        if self._load is not None:
            self._load.tell(kind, text)
        else:
            self._early.append((kind, text))

    def _tell_early(self, load: Load) -> None:
        for kind, text in self._early:
            load.tell(kind, text)
        if self._news.stop is not None:
            load.stop_for_script(self._news.stop)

    def hear(self, line: str) -> None:
        """What a worker tells about its script."""
        self._news.hear(line)
        if self._news.stop is not None and self._load is not None:
            self._load.stop_for_script(self._news.stop)
        if self._news.end is not None and self._load is not None:
            self._load.end_for_script(self._news.end)

    def output(self, line: str) -> None:
        """What a script printed."""
        self._news.output(line)

    def interrupt(self, reason: str) -> None:
        """What Ctrl-C does. When the load is over, only receivers are waited for."""
        if self._is_over:
            self._outputs.hurry()
        elif self._load is not None:
            self._load.interrupt(reason)
        elif self._task is not None:
            self._task.cancel()

    @property
    def asked_to_stop(self) -> bool:
        """Whether it was interrupted, be it too late for the run to end otherwise."""
        return self._asked_to_stop

    def interrupt_from_outside(self, reason: str) -> None:
        """The same, from a signal handler: at any time, and maybe in another thread."""
        self._asked_to_stop = (
            True  # before the loop is looked at: if it is not there yet, it will look at this
        )
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed: all is over already
                self._loop.call_soon_threadsafe(self.interrupt, reason)
