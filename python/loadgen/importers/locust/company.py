"""The users of one worker, each in a greenlet of its own, and what their file wants done around them.

open: init, test_start ─▶ live: each user, to its end ─▶ finish: who waits ends ─▶ close: test_stop, quitting
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from loadgen.errors import ScriptFailed
from loadgen.importers.locust.driver import GreenletExit, dismiss, run_blocking
from loadgen.importers.locust.events import EventHook
from loadgen.importers.locust.flow import StopTest
from loadgen.importers.locust.greenlets import Greenlet
from loadgen.importers.locust.loading import start_logging
from loadgen.importers.locust.modules import stand_in
from loadgen.importers.locust.order import Comings, Dispatch
from loadgen.importers.locust.turns import Turns
from loadgen.user import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadgen._engine import Engine
    from loadgen.importers.locust.environment import Environment
    from loadgen.importers.locust.order import Step
    from loadgen.importers.locust.users import User
    from loadgen.mishaps import Mishaps
    from loadgen.user import User as LoadgenUser

_logger = logging.getLogger("locust.main")


class Company:
    """Made when the file is loaded; `open` comes before everything else."""

    def __init__(self, environment: Environment, steps: Sequence[Step]) -> None:
        self._environment = environment
        self._steps = steps
        self._users = max(step.users for step in steps)  # of all workers, at the most
        self._workers = 1
        self.classes = tuple(environment.user_classes)
        self._places = {one: place for place, one in enumerate(self.classes)}
        self._living: dict[Life, None] = {}
        self._awaited = 0  # users of this worker that make it complete
        self._is_over = False  # users are told to end, and new ones do nothing
        self._standing_in = ExitStack()

    @property
    def absent(self) -> list[type[User]]:
        """Classes that no user is of."""
        dispatch = dispatch_of(self.classes)
        came = {name for step in self._steps for _, name in dispatch.go_to(step)}
        return [one for one in self.classes if one.__name__ not in came]

    # What the troupe asks.

    async def open(self, engine: Engine, mishaps: Mishaps, base_url: str, index: int, workers: int) -> None:
        """What is done before the first user comes."""
        environment = self._environment
        self._awaited = (self._users + workers - 1 - index) // workers
        self._workers = workers
        self._order = Comings(dispatch_of(self.classes), self._steps, index, workers)
        environment.runner.target_user_count = self._users
        environment.runner.worker_index = index
        self._standing_in.enter_context(stand_in())
        start_logging(environment)
        environment.stats.attach(engine)
        environment._take_mishap = EventHook.take_mishap = mishaps.add

        def end_run(why: str) -> None:
            tell(engine, "script_end", text=f"the script asked for it: {why}")
            self.finish()

        environment._end_run = end_run
        for one in environment.user_classes:
            if environment.host is not None or one.host is None:
                one.host = environment.host or base_url
        environment.host = environment.host or next((one.host for one in environment.user_classes), base_url)
        await run_blocking(self._fire_at_the_start)
        if (failure := environment.events.init.failure) is not None:
            raise ScriptFailed(mishaps.describe("listener of init", failure))

    async def live(self, user: LoadgenUser) -> None:
        """The whole life of one user. It may be broken off at any time; then it still leaves in order."""
        kind = self._environment.user_classes_by_name[self._order[user.id // self._workers]]
        life = Life(self._environment, kind, user, self._places)
        self._living[life] = None
        if self._is_over:
            life.kill()
        if len(self._living) == self._awaited:
            self._awaited = 0
            run_blocking(self._fire_spawning_complete)
        try:
            await life.over()
        finally:
            del self._living[life]

    def finish(self) -> None:
        """The load is over: whoever has nothing under way ends at once, the others after what they have."""
        if not self._is_over:
            self._is_over = True
            for life in self._living:
                life.begin_no_more()
            run_blocking(self._stop)

    def _stop(self) -> None:
        environment = self._environment
        environment.events.test_stopping.fire(environment=environment)
        environment.runner.state = "stopping"
        if not environment.stop_timeout:
            for life in list(self._living):
                life.stop()

    async def close(self, engine: Engine) -> None:
        """What is done after the last user has left."""
        self.finish()
        await run_blocking(self._fire_at_the_end)
        self._standing_in.close()
        code = self._environment.process_exit_code
        if code is not None:
            tell(engine, "exit_code", code=int(code))

    def _fire_at_the_start(self) -> None:
        environment, events = self._environment, self._environment.events
        events.init.fire(environment=environment, runner=environment.runner, web_ui=None)
        environment.runner.state = "spawning"
        events.test_start.fire(environment=environment)
        environment.runner.state = "running"

    def _fire_spawning_complete(self) -> None:
        self._environment.events.spawning_complete.fire(user_count=self._users)

    def _fire_at_the_end(self) -> None:
        environment, events = self._environment, self._environment.events
        events.test_stop.fire(environment=environment)
        environment.runner.state = "stopped"
        events.quitting.fire(environment=environment, reverse=True)
        events.quit.fire(exit_code=self._exit_code())

    def _exit_code(self) -> int:
        """How this worker would end by itself."""
        environment = self._environment
        if environment.process_exit_code is not None:
            return environment.process_exit_code
        is_well = not environment.stats.num_failures and not environment.runner.exceptions
        return 0 if is_well else int(getattr(environment.parsed_options, "exit_code_on_error", 1))


def dispatch_of(classes: Sequence[type[User]]) -> Dispatch:
    """Who comes, by what the classes say."""
    weights = {one.__name__: float(one.weight) for one in classes if not one.fixed_count}
    return Dispatch(weights, {one.__name__: one.fixed_count for one in classes if one.fixed_count})


class Life:
    """One user and its greenlet."""

    def __init__(
        self,
        environment: Environment,
        kind: type[User],
        loadgen: LoadgenUser,
        places: Mapping[type[User], int],
    ) -> None:
        self._environment = environment
        self._kind = kind
        self._loadgen = loadgen
        self._ended = asyncio.get_running_loop().create_future()
        self._user: User | None = None
        self._turns = Turns(loadgen)
        self._greenlet = Greenlet(self._run)
        loadgen.scenario = kind.__name__
        loadgen._engine.cast(loadgen._place, places[kind])
        self._greenlet.link(self._leave)
        self._greenlet.start()

    async def over(self) -> None:
        """Waits for its end. Where that is broken off it still leaves in order, and that is waited for."""
        while not self._ended.done():
            try:
                await asyncio.shield(self._ended)
            except asyncio.CancelledError:
                if self._ended.done():
                    break
                self.kill()

    def begin_no_more(self) -> None:
        """It ends after its task."""
        self._turns.stops = True

    def kill(self) -> None:
        """Ends it where it is, even before it has begun."""
        self._greenlet.kill(block=False)

    def stop(self) -> None:
        """Ends it where it waits for anything but an answer; else when that has come."""
        dismiss(self._greenlet)

    def _run(self) -> None:
        environment = self._environment
        try:
            user = self._kind.__new__(self._kind)
            user._loadgen, user._turns, user._greenlet = self._loadgen, self._turns, self._greenlet
            user.__init__(environment)  # type: ignore[misc]  # its own may make requests already
            environment.runner.users.add(user)
            self._user = user
            user.run()
        except GreenletExit:
            pass
        except StopTest:
            environment.runner.quit()
        except Exception as error:
            environment._take_mishap(self._kind.__name__, error)
            _logger.exception("a user of %s ended", self._kind.__name__)

    def _leave(self, _: Greenlet) -> None:
        """However it ended, and even if it never began."""
        turns = self._turns
        self._loadgen._engine.gone(self._loadgen._place, None if turns.is_on else turns.ok, for_good=True)
        if self._user is not None:
            self._environment.runner.users.discard(self._user)
        if not self._ended.done():
            self._ended.set_result(None)
