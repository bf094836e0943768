"""The worker's side of a scripted run: its users and their sessions. The load itself is the engine's.

spawn ──▶ session set up ──▶ park ──▶ iteration ──▶ park ──▶ … ──▶ leave ──▶ session torn down
                               ▲ the engine wakes the user when its next iteration is due
"""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from loadgen._engine import Engine
from loadgen.conversation import converse_by
from loadgen.data import Exhausted
from loadgen.engine_plan import EnginePlan
from loadgen.errors import ScriptFailed, failure_kind
from loadgen.importers import TOOL
from loadgen.leaving import die_with_the_parent, leave
from loadgen.loop import LoadgenLoop
from loadgen.mishaps import Blocking, Mishaps
from loadgen.rehearsal import NOBODY, NOWHERE
from loadgen.script import Script, load_script
from loadgen.socket import until_all_are_closed
from loadgen.user import User, tell

if TYPE_CHECKING:
    from loadgen.scenario import Once, Scenario

# How often to look whether the load is over.
LOOK_S = 0.02
# What is broken off may still clean up for so long, and what is told to stop at once for so long.
TEARDOWN_S, STOP_S = 2.0, 1.0
# What a script wants done after its last user has left may take so long.
CLOSING_S = 10.0
# Sessions that fail in a row, none having stood yet, before the run is stopped; and the rest after each.
HOPELESS, SESSION_REST_S = 10, 0.1
# What a script says to leave the program. It stops the run.
EXITS = (SystemExit, KeyboardInterrupt)
# Iterations of a scenario that are looked at for whether they ever wait.
LOOKED_AT = 100
# Users may have come in for so long before they are taken out of the garbage collector's sight.
SETTLED_S = 0.5


def main(document: bytes, block_fd: int, index: int, control_fd: int, report_fd: int) -> NoReturn:
    """Be worker `index` of a scripted run, to the end of the process."""
    plan = msgspec.json.decode(document, type=EnginePlan)
    share = plan.script
    assert share is not None
    script = load_script(share.path, share.import_options)
    engine = Engine(
        document,
        block_fd=block_fd,
        index=index,
        control_fd=control_fd,
        report_fd=report_fd,
    )
    loop = LoadgenLoop(engine)
    asyncio.set_event_loop(loop)
    troupe = Troupe(engine, loop, script, plan, index)
    try:
        play = loop.create_task(troupe.play())
        while not play.done():
            try:
                loop.run_until_complete(play)
            except EXITS as end:  # in a task of the script's own: asyncio lets it through
                troupe.stop("a task of the script", end)
        play.result()
    finally:
        engine.close_the_books()
    engine.report("done")
    leave(0)


class Troupe:
    """The users of one worker."""

    def __init__(
        self, engine: Engine, loop: LoadgenLoop, script: Script, plan: EnginePlan, index: int
    ) -> None:
        share = plan.script
        assert share is not None
        self._engine = engine
        self._loop = loop
        self._script = script
        self._plan = plan
        self._share = share
        self._index = index
        self._company = script.company
        by_name = {scenario.name: scenario for scenario in script.scenarios}
        self._scenarios: list[Scenario] = [by_name[one.name] for one in share.scenarios]
        self._users: set[asyncio.Task[None]] = set()
        self._mishaps = Mishaps(str(script.path))
        tool = str(script.options.get(TOOL, ""))
        self._blocking = Blocking(str(script.path), lambda: engine.running_since_ns, self._report, tool)
        self._frozen = 0
        self._is_ending = False
        self._breaks_off = False  # users are being cancelled
        self._sessions_failed: int | None = 0  # None once one has stood
        self._looked_at = [0] * len(self._scenarios)

    async def play(self) -> None:
        """From what is done once to the last user's leaving."""
        warnings.showwarning = self._warn  # type: ignore[assignment]
        asyncio.get_running_loop().set_exception_handler(self._unhandled)
        for feed in self._script.feeds.values():
            feed._attach(self._index, self._plan.workers, self._share.seed)
        converse_by(self._share, self._engine)
        for once in self._script.onces:
            await self._prepare(once)
        if self._company is not None:
            base_url, workers = self._share.base_url, self._plan.workers
            await self._company.open(self._engine, self._mishaps, base_url, self._index, workers)
        self._engine.set_spawn(self._spawn)
        gc.collect()
        gc.freeze()
        self._engine.calibrate()
        self._blocking.begin()
        # From here on the engine sees it go, and sessions are still torn down.
        die_with_the_parent(0)
        self._engine.report("ready")
        await self._until_over()
        await self._leave()
        if self._company is not None:
            await self._company.close(self._engine)
        for closing in self._script.closings:
            await self._close_with(closing)
        self._blocking.end()
        self._report_leaks()
        self._report()

    async def _prepare(self, once: Once) -> None:
        """What a script wants done before the load. Where it fails there is none."""
        user = self._user(NOWHERE, NOBODY)
        try:
            await once.run(user)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the script's
            raise ScriptFailed(self._mishaps.describe(f"@once {once.name}", error)) from None
        user._leave_sockets()

    async def _close_with(self, closing: Once) -> None:
        """What a script wants done after the load. Where it fails, the load was what it was."""
        user = self._user(NOWHERE, NOBODY)
        try:
            await asyncio.wait_for(closing.run(user), CLOSING_S)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the script's
            self._mishaps.add(closing.name, error)
        user._leave_sockets()

    def _user(self, place: int, number: int) -> User:
        return User(self._engine, place, number, self._share.seed, self._share.arguments)

    async def _until_over(self) -> None:
        loop = asyncio.get_running_loop()
        reported_at = grown_at = loop.time()
        users = 0
        while (phase := self._engine.phase) in ("waiting", "load", "drain"):
            if phase == "drain" and not self._is_ending:
                self._is_ending = True
                self._engine.finish()
                if self._company is not None:
                    self._company.finish()
            await asyncio.sleep(LOOK_S)
            now = loop.time()
            if now - reported_at >= 1:
                reported_at = now
                self._report()
            if len(self._users) != users:
                users, grown_at = len(self._users), now
            elif users > self._frozen and now - grown_at > SETTLED_S:
                # They live to the end: a collection that walks over thousands of them would stop the load.
                gc.freeze()
                self._frozen = users

    def _spawn(self, stream: int) -> None:
        place, number = self._engine.born(stream)
        user = self._user(place, number)
        live = self._live if self._company is None else self._company.live
        task = asyncio.get_running_loop().create_task(live(user), name=f"user {number}")
        self._users.add(task)
        task.add_done_callback(self._users.discard)

    async def _live(self, user: User) -> None:
        engine, place, scenarios = self._engine, user._place, self._scenarios
        sessions: list[AsyncIterator[object]] = []
        ok: bool | None = None
        failure: str | None = None
        task = asyncio.current_task()
        assert task is not None
        try:
            ready = await self._open(user, sessions)
            while (number := await engine.park(place, ok, failure)) is not None:
                scenario = scenarios[number]
                user.scenario = scenario.name
                user.iteration += 1
                ok, failure = False, None
                try:
                    # A session that could not be set up is tried again, and the iteration fails with it.
                    ready = ready or await self._open(user, sessions)
                    if ready:
                        turn = engine.turns
                        await scenario.function(user)
                        if task.cancelling() > 0:
                            await asyncio.sleep(0)  # it has cancelled itself: let that hit this iteration
                        ok = True
                        if engine.turns == turn:
                            self._never_waited(number)
                        else:
                            self._looked_at[number] = LOOKED_AT
                except BaseException as error:
                    if not self._take(scenario.name, error):
                        raise
                    failure = failure_kind(error)
        except EXITS:
            engine.gone(place, False)
        except BaseException as error:  # noqa: BLE001 - the engine must know of it
            engine.gone(place, None)
            if not isinstance(error, Exhausted) and not self._is_broken_off(error):
                self._mishaps.add(user.scenario, error)
            _uncancel()
        await self._close(sessions)
        user._leave_sockets()
        for feed in self._script.feeds.values():
            feed._release(user)

    def _take(self, where: str, error: BaseException) -> bool:
        """Tells what a script raised. Whether its user goes on."""
        if isinstance(error, Exhausted):
            # No iteration begins any more; this one is unfinished, which is no failure.
            tell(self._engine, "data_exhausted", text=str(error))
            self._engine.finish()
            return False
        if isinstance(error, EXITS):
            self.stop(where, error)
            return False
        if self._is_broken_off(error):
            return False
        if failure_kind(error) is None:
            self._mishaps.add(where, error)
        else:  # counted by its kind where it failed
            self._mishaps.last = self._mishaps.describe(where, error)
        _uncancel()
        return True

    def _is_broken_off(self, error: BaseException) -> bool:
        """Whether this is our own cancellation, at the end of the run. Others come from within the script."""
        task = asyncio.current_task()
        return (
            isinstance(error, asyncio.CancelledError)
            and self._breaks_off
            and task is not None
            and task.cancelling() > 0
        )

    def stop(self, where: str, error: BaseException) -> None:
        """The script has left the program: nothing begins any more, and the parent ends the run."""
        tell(self._engine, "script_stop", text=self._mishaps.describe(where, error))
        self._engine.finish()

    def _never_waited(self, number: int) -> None:
        """Told once, when it is the scenario's habit: such a one loads nothing but the core it runs on."""
        self._looked_at[number] += 1
        if self._looked_at[number] == LOOKED_AT:
            name = self._scenarios[number].name
            text = f"{name} never waits for anything: has it an `await`, and does it make a request?"
            tell(self._engine, "never_waits", text=text)

    async def _open(self, user: User, sessions: list[AsyncIterator[object]]) -> bool:
        """Sets the user's sessions up; whether all of them stand."""
        stands = await self._open_all(user, sessions)
        if stands:
            self._sessions_failed = None
            return True
        if self._sessions_failed is not None and self._engine.phase == "load":
            self._sessions_failed += 1
            if self._sessions_failed == HOPELESS:
                text = f"no session could be set up: {self._mishaps.last}"
                tell(self._engine, "script_stop", text=text)
                self._engine.finish()
        await asyncio.sleep(SESSION_REST_S)
        return False

    async def _open_all(self, user: User, sessions: list[AsyncIterator[object]]) -> bool:
        for session in self._script.sessions[len(sessions) :]:
            try:
                sessions.append(await session.set_up(user))
            except BaseException as error:
                if not self._take(session.name, error):
                    raise
                return False
        return True

    async def _close(self, sessions: list[AsyncIterator[object]]) -> None:
        """Tears them down, the last first."""
        for session, generator in reversed(list(zip(self._script.sessions, sessions, strict=False))):
            try:
                await session.tear_down(generator)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the others still end
                if self._is_broken_off(error):
                    text = f"session {session.name} did not end within {TEARDOWN_S:g} s and was cut off"
                    tell(self._engine, "session_cut_off", text=text)
                else:
                    self._take(session.name, error)

    async def _leave(self) -> None:
        """Lets all users go; those that do not are broken off, and in the end left behind."""
        stopped = self._engine.phase == "stopped"
        self._is_ending = True
        self._engine.finish()
        if not stopped and self._users:
            await asyncio.wait(self._users, timeout=0.05 if self._engine.phase != "over" else TEARDOWN_S)
        if self._users:
            self._breaks_off = True
            for task in self._users:
                task.cancel()
            await asyncio.wait(self._users, timeout=STOP_S if stopped else TEARDOWN_S)
        if self._users:
            tell(
                self._engine,
                "task_leak",
                text=f"{len(self._users)} users did not end when they were cancelled: does the script "
                "catch CancelledError?",
            )
        await until_all_are_closed(self._engine)

    def _report_leaks(self) -> None:
        current = asyncio.current_task()
        lookups = set(self._loop.lookups.values())
        leaked = [task for task in asyncio.all_tasks() - self._users - lookups if task is not current]
        if leaked:
            names = sorted({_name_of(task) for task in leaked})
            tell(
                self._engine,
                "task_leak",
                text=f"the script left {len(leaked)} tasks running: {', '.join(names[:5])}",
            )

    def _report(self) -> None:
        told = self._script.tell() if self._script.tell is not None else ()
        for kind, fields in [*self._mishaps.take(), *self._blocking.take(), *told]:
            tell(self._engine, kind, **fields)

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What went wrong in a task or a callback of the script's for which nobody waits."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self._mishaps.add("in the background", error)
        else:
            self._mishaps.warn(str(context.get("message")), str(self._script.path), 0)

    def _warn(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any
    ) -> None:
        self._mishaps.warn(f"{category.__name__}: {message}", filename, lineno)


def _uncancel() -> None:
    """Takes back what cancelled this task: it goes on."""
    task = asyncio.current_task()
    while task is not None and task.cancelling() > 0:
        task.uncancel()


def _name_of(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", None) or task.get_name()
