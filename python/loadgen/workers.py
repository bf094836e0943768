"""The worker processes: started together, watched, ended. It must know nothing of what they measure.

starting ──ready──▶ ready ──gate──▶ running ──done, exit 0──▶ done
    └────────── anything else: end of its stdout, `error`, a signal ──▶ lost

What a worker tells about the script that it runs (`event {json}`) is passed on unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal, Protocol

import msgspec

from loadgen._engine import Block, monotonic_ns
from loadgen.engine_plan import ClosedLoad, EnginePlan, OpenLoad
from loadgen.errors import LoadgenError, PlanError, ScriptError, ScriptFailed, UsageError, WorkerError
from loadgen.units import format_duration, printable

START_S = 30.0
# A script is imported, and what it does once is done, before its workers are ready.
SCRIPT_START_S = 60.0
# Labels that a worker can keep apart: scripts name their own.
SCRIPT_LABELS = 2000
BLAST_LABELS = 101  # where redirects bring labels along: as many as of --targets, and the iterations
# All workers have read `start` long before this is over, so that all open the gate at one instant.
GATE_NS = 100_000_000
# A worker gives a sign of life every 250 ms at least.
STALLED_NS = 1_000_000_000
LOOK_S = 0.25
# Between the end of a worker's stdout and its death there is a moment; one that lingers has hung.
LINGER_S = 1.0

State = Literal["starting", "ready", "running", "done", "lost"]
EventKind = Literal["worker_lost", "worker_stalled", "worker_resumed"]
Tell = Callable[[EventKind, str], None]


class Listener(Protocol):
    """Who hears what workers tell about their scripts."""

    def hear(self, line: str) -> None:
        """An event, in JSON."""

    def output(self, line: str) -> None:
        """A line that the script printed."""


class Worker:
    """One worker process and its block."""

    def __init__(self, index: int, labels: int = 1, listener: Listener | None = None) -> None:
        self.index = index
        self.block = Block(labels=labels)
        self._listener = listener
        self.state: State = "starting"
        self.exit: int | None = None
        self.stalled = False
        self.process: asyncio.subprocess.Process | None = None
        self.settled = asyncio.Event()  # ready, or lost before it was
        self._error = ""
        self._may_go = False  # it has said `done`, or was told to stop
        self._killed = False  # by us
        self._stderr: deque[str] = deque(maxlen=5)

    @property
    def pid(self) -> int:
        """0 where the process could not even be started."""
        return self.process.pid if self.process else 0

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"worker {self.index} (pid {self.pid})"

    async def start(self, plan: bytes) -> None:
        """Start the process and hand it the plan."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a json.py in the user's folder must not become ours
            "-m",
            "loadgen.worker_main",
            "--block-fd",
            str(self.block.fd),
            "--index",
            str(self.index),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=[self.block.fd],
        )
        self._write(plan + b"\n")

    async def attend(self) -> None:
        """Follow the worker to its end; then `state` is done or lost, and `exit` is known."""
        assert self.process is not None and self.process.stdout is not None
        errors = asyncio.ensure_future(self._collect_errors())
        async for line in _lines(self.process.stdout):
            word, _, text = line.partition(" ")
            if word == "ready" and self.state == "starting":
                self.state = "ready"
                self.settled.set()
            elif word == "done":
                self._may_go = True
            elif word == "error":
                self._error = printable(text)
            elif word == "event" and self._listener is not None:
                self._listener.hear(text)
        try:
            async with asyncio.timeout(LINGER_S):
                self.exit = await self.process.wait()
        except TimeoutError:
            self.kill()
            self.exit = await self.process.wait()
        if self._listener is not None:
            # What a script printed last; a process that it started may hold the pipe open.
            await asyncio.wait([errors], timeout=LINGER_S)
        errors.cancel()
        self.state = "done" if self._may_go and self.exit == 0 else "lost"
        self.settled.set()

    async def _collect_errors(self) -> None:
        assert self.process is not None and self.process.stderr is not None
        async for line in _lines(self.process.stderr):
            self._stderr.append(printable(line))
            if line and self._listener is not None:
                self._listener.output(line)

    def explanation(self) -> str:
        """Why it was lost, in the best words there are."""
        if self._error:
            return self._error
        if self._killed:
            return "it did not end and was killed"
        if self.exit is not None and self.exit < 0:
            return f"killed by {_signal_name(-self.exit)}"
        last = f": {self._stderr[-1]}" if self._stderr else ""
        return f"ended with status {self.exit}{last}"

    def command(self, text: str) -> None:
        """Say something to the worker; one that has gone does not hear it."""
        if self.state in ("ready", "running"):
            self._write(f"{text}\n".encode())

    def _write(self, data: bytes) -> None:
        assert self.process is not None and self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(data)

    def stop(self) -> None:
        """Ask it to end at once; ending without `done` is no loss then."""
        self._may_go = True
        self.command("stop")

    def kill(self) -> None:
        """SIGKILL, to this child alone."""
        if self.process is not None and self.process.returncode is None:
            self._killed = True
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()


class Crew:
    """All workers of a run. `tell` hears who is lost, stalls or resumes, `listener` what scripts say."""

    def __init__(self, plan: EnginePlan, tell: Tell, listener: Listener | None = None) -> None:
        self._plan = plan.encode()
        self._scripted = plan.script is not None
        self._tell = tell
        self._attendants: list[asyncio.Task[None]] = []
        self._watch: asyncio.Task[None] | None = None
        self._leaving = False
        labels = SCRIPT_LABELS if self._scripted else 1
        if plan.mix is not None:
            labels = len({target.label for target in plan.mix.targets})
        if plan.sockets is not None:
            labels = len(plan.sockets.labels)
        if plan.counts_iterations and not self._scripted:
            labels = BLAST_LABELS
        self.workers = [Worker(index, labels, listener) for index in range(plan.workers)]
        self.ended = asyncio.Event()

    @property
    def blocks(self) -> list[Block]:
        """Every worker's block, the lost ones' too: what they recorded counts."""
        return [worker.block for worker in self.workers]

    @property
    def pids(self) -> list[int]:
        """Of those that live."""
        return [worker.pid for worker in self.workers if worker.state in ("ready", "running")]

    @property
    def lost(self) -> list[Worker]:
        """Those that did not end as they should."""
        return [worker for worker in self.workers if worker.state == "lost"]

    async def start(self) -> None:
        """Start all and wait until all are ready. Raises WorkerError where one does not come up."""
        # Inherited, so that a child dies of no Ctrl-C before it can ignore it; ours arrives when the mask is
        # lifted.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for worker in self.workers:
                await worker.start(self._plan)
                self._attendants.append(asyncio.ensure_future(self._attend(worker)))
        except OSError as error:
            raise WorkerError(f"a worker could not be started: {error.strerror or error}") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        limit_s = SCRIPT_START_S if self._scripted else START_S
        try:
            async with asyncio.timeout(limit_s):
                for worker in self.workers:
                    await worker.settled.wait()
        except TimeoutError:
            raise WorkerError(
                f"the workers were not ready within {format_duration(limit_s * 1e9)}",
                hint="The script's imports and its @once functions must be done by then."
                if self._scripted
                else None,
            ) from None
        for worker in self.lost:
            raise _could_not_start(worker)

    def open_gate(self) -> int:
        """All begin at one instant, which is returned: the zero of every time in the run."""
        start_at = monotonic_ns() + GATE_NS
        for worker in self.workers:
            worker.command(f"start {start_at}")
            worker.state = "running"
        self._watch = asyncio.ensure_future(self._watch_heartbeats())
        return start_at

    def change(self, at_ns: int, loads: Sequence[OpenLoad | ClosedLoad | None]) -> None:
        """Other loads in the plan's order, from an instant on; None stays as it is."""
        order = f"change {at_ns} {msgspec.json.encode(loads).decode()}"
        for worker in self.workers:
            worker.command(order)

    def finish(self) -> None:
        """No new arrivals; what is in flight may end."""
        for worker in self.workers:
            worker.command("finish")

    def stop(self) -> None:
        """At once."""
        for worker in self.workers:
            worker.stop()

    def kill(self) -> None:
        """For those that do not listen."""
        for worker in self.workers:
            worker.kill()

    async def _watch_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.check_heartbeats(monotonic_ns())

    def check_heartbeats(self, now: int) -> None:
        """Notice workers that have stalled (stopped, starved) or that are back."""
        for worker in self.workers:
            if worker.state != "running":
                continue
            silence_ns = now - worker.block.heartbeat_ns
            if silence_ns > STALLED_NS and not worker.stalled:
                worker.stalled = True
                silence = format_duration(silence_ns // 10**8 * 10**8)
                self._tell("worker_stalled", f"{worker.name} has given no sign of life for {silence}")
            elif silence_ns <= STALLED_NS and worker.stalled:
                worker.stalled = False
                self._tell("worker_resumed", f"{worker.name} is back")

    async def _attend(self, worker: Worker) -> None:
        try:
            await worker.attend()
        finally:
            if worker.state == "lost" and not self._leaving:
                self._tell("worker_lost", f"{worker.name} was lost: {worker.explanation()}")
            if all(one.state in ("done", "lost") for one in self.workers):
                self.ended.set()

    async def close(self) -> None:
        """Leave no process behind, whatever happened."""
        self._leaving = True
        if self._watch is not None:
            self._watch.cancel()
        self.kill()
        if self._attendants:
            await asyncio.wait(self._attendants)


def _could_not_start(worker: Worker) -> LoadgenError:
    """What a script did wrong is said without the worker: any of them would have met it."""
    explanation = worker.explanation()
    for kind in (ScriptFailed, ScriptError, PlanError, UsageError):
        name = f"{kind.__name__}: "
        if explanation.startswith(name):
            text = explanation.removeprefix(name)
            return ScriptFailed(text) if kind is ScriptFailed else UsageError(text)
    return WorkerError(f"{worker.name} could not start: {explanation}")


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Line by line to the end; what is longer than a line may be is left out."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue
        if not line:
            return
        yield line.decode(errors="replace").strip()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
