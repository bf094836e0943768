"""What people may change of a load while it is on: its rate, its users, whether it pauses, when it stops.

          ┌── change_rate, change_users
          ▼   │                                                        stop, or the planned end
    on ───────┴── pause ──▶ paused ── resume ──▶ on ─────────────────────────────────────────▶ over

A change holds from one instant on, a little ahead, so that every worker has heard of it by then. It is told
as the load's levels over the whole run, laid from its start: what went before that instant stays as it was.
It may be asked for in any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, Protocol, TypeVar

from msgspec import Struct

from loadgen._engine import monotonic_ns
from loadgen.engine_plan import ClosedLoad, EnginePlan, OpenLoad, length_ns, level_at, peak, users_at
from loadgen.errors import ControlRefused
from loadgen.levels import delayed, flat, silent, whole
from loadgen.shapes import check_rate, check_users
from loadgen.units import counted, format_count, format_rate

# All workers have read an order long before this is over.
LEAD_NS = 100_000_000
# Each is one more stage of a schedule, in every worker.
MOST_CHANGES = 1000
# The engine refuses more arrivals than this, and takes a level to hold for the whole run.
MOST_ARRIVALS = 1e11

Ability = Literal["rate", "users", "pause", "stop"]
ChangeKind = Literal["rate_changed", "users_changed", "paused", "resumed"]
Level = TypeVar("Level", int, float)


class ControlState(Struct, frozen=True, kw_only=True):
    """How things stand. While the load is paused, rate and users are those it will go on with."""

    paused: bool
    rate_per_s: float | None  # of all open loads that can be changed; None where there is none
    users: int | None  # of all closed loads
    can_change: tuple[Ability, ...]


class Change(Struct, frozen=True, kw_only=True):
    """Other levels from an instant on, counted from the start of the run."""

    at_ns: int
    loads: list[OpenLoad | ClosedLoad | None]  # in the plan's order; None stays as it is
    kind: ChangeKind
    text: str


class Steered(Protocol):
    """The load."""

    @property
    def is_on(self) -> bool:
        """Whether the gate is open, and nothing has shut it yet."""

    @property
    def monotonic_ns(self) -> int:
        """When the gate opened: what every instant of the load counts from."""

    def change(self, change: Change) -> None:
        """Let the workers know, and everybody else."""


class Control:
    """One load's. What cannot be done raises ControlRefused, with a sentence for people."""

    def __init__(self, plan: EnginePlan, steered: Steered) -> None:
        self._plan = plan
        self._steered = steered
        self._loads = list(plan.loads)  # the levels in force, but for a pause
        self._astray: dict[int, int] = {}  # since when a load is not as planned, by its place
        self._paused_ns: int | None = None
        self._changes = 0
        self._last_ns = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interrupt: Callable[[str], None]

    def attach(self, loop: asyncio.AbstractEventLoop, interrupt: Callable[[str], None]) -> None:
        """The loop of the run, and what Ctrl-C does there."""
        self._loop, self._interrupt = loop, interrupt

    def detach(self) -> None:
        """Workers have ended, and receivers have all they get: there is nothing left to stop."""
        self._loop = None

    @property
    def state(self) -> ControlState:
        """As of now, with what has been asked for."""
        ns = self._elapsed_ns()
        rates, users = self._levels(OpenLoad, ns), self._levels(ClosedLoad, ns)
        possible: dict[Ability, bool] = {
            "rate": bool(rates) and self._steered.is_on,
            "users": bool(users) and self._steered.is_on,
            "pause": self._steered.is_on,
            "stop": self._loop is not None,
        }
        return ControlState(
            paused=self._paused_ns is not None,
            rate_per_s=sum(rates.values()) if rates else None,
            users=self.users_at(ns) if users else None,
            can_change=tuple(name for name, can in possible.items() if can),
        )

    def change_rate(self, per_s: str | float) -> None:
        """From now on arrivals come at this rate, to the planned end. Several open loads keep their shares.

        Of sockets it is the rate of their messages.
        """
        rate = _checked(check_rate, per_s)
        with self._lock:
            at_ns = self._next_instant(running=True)
            was = self._levels(OpenLoad, at_ns)
            if not was:
                why = "its users make it" if self._plan.sockets is None else "it says nothing"
                raise ControlRefused(f"this load has no rate to change: {why}")
            if rate * self._plan.duration_ns / 1e9 > MOST_ARRIVALS:
                raise ControlRefused(f"{format_rate(rate)} for so long are more arrivals than can be counted")
            text = f"the rate was changed from {format_rate(sum(was.values()))} to {format_rate(rate)}"
            self._hold(at_ns, self._shares(was, rate, at_ns), "rate_changed", text)

    def change_users(self, users: str | int) -> None:
        """From now on there are so many users, to the planned end. Several closed loads keep their shares."""
        wanted = _checked(check_users, users)
        with self._lock:
            at_ns = self._next_instant(running=True)
            was = self._levels(ClosedLoad, at_ns)
            if not was:
                raise ControlRefused("this load has no users to change: its arrivals come at a rate")
            before, after = format_count(self.users_at(at_ns)), format_count(wanted)
            text = f"users were changed from {before} to {after}"
            levels = whole(self._shares(was, wanted, at_ns))
            self._hold(at_ns, levels, "users_changed", text)

    def pause(self) -> None:
        """Nothing new begins; what is under way ends. Time goes on, and the planned end stays."""
        with self._lock:
            at_ns = self._next_instant(running=True)
            loads = [silent(load) if length_ns(load) > at_ns else None for load in self._loads]
            self._order(at_ns, loads, "paused", "the load was paused")
            self._paused_ns = at_ns

    def resume(self) -> None:
        """Go on as it would stand now without the pause; nothing is made up for.

        But sockets that were not opened meanwhile are opened now.
        """
        with self._lock:
            at_ns = self._next_instant(running=False)
            assert self._paused_ns is not None
            connects = self._loads[0]
            if self._plan.sockets is not None and isinstance(connects, OpenLoad):
                self._loads[0] = delayed(connects, at_ns - self._paused_ns)
            loads = [load if length_ns(load) > at_ns else None for load in self._loads]
            self._paused_ns = None
            self._order(at_ns, loads, "resumed", f"the load was resumed{self._words(at_ns)}")

    def stop(self) -> None:
        """What Ctrl-C does: nothing new begins, and what is under way may end; once more ends it at once."""
        self._soon(lambda: self._interrupt("stopped"))

    def follows_plan(self, place: int, ns: int) -> bool:
        """Whether one of the plan's loads is as planned at `ns` since the start, so that its stages come."""
        return ns < self._astray.get(place, ns + 1)

    def users_at(self, ns: int) -> int:
        """Users that there should be at `ns` since the start, as changed."""
        return users_at(self._loads, ns)

    def _elapsed_ns(self) -> int:
        return max(0, monotonic_ns() - self._steered.monotonic_ns)

    def _levels(self, kind: type[OpenLoad | ClosedLoad], ns: int) -> dict[int, float]:
        """The level of each load that can be changed, by its place."""
        # How many sockets there are, the plan says; how much they say, people may.
        first = 1 if self._plan.sockets is not None else 0
        places = enumerate(self._loads[first:], first)
        return {place: level_at(load, ns) for place, load in places if isinstance(load, kind)}

    def _shares(self, was: dict[int, float], level: float, at_ns: int) -> dict[int, float]:
        """A level dealt out as those before it were; where they are all 0, as the highest of each."""
        on = {place: was[place] for place in was if length_ns(self._loads[place]) > at_ns}
        if not on:
            raise ControlRefused("the part of the load that this would change is over")
        if not any(on.values()):
            on = {place: peak([self._plan.loads[place]]) for place in on}
        return {place: level * share / sum(on.values()) for place, share in on.items()}

    def _next_instant(self, *, running: bool) -> int:
        """When a change can begin, if there can be one."""
        at_ns = max(self._elapsed_ns() + LEAD_NS, self._last_ns + 1)
        if not self._steered.is_on:
            raise ControlRefused("the load is over")
        if at_ns >= self._plan.duration_ns:
            raise ControlRefused("the load is about to end")
        if self._changes >= MOST_CHANGES:
            raise ControlRefused(f"a load can be changed {format_count(MOST_CHANGES)} times, and was")
        if running and self._paused_ns is not None:
            raise ControlRefused("the load is paused: resume it first")
        if not running and self._paused_ns is None:
            raise ControlRefused("the load is not paused")
        return at_ns

    def _hold(self, at_ns: int, levels: Mapping[int, float], kind: ChangeKind, text: str) -> None:
        loads = [
            flat(load, levels[place]) if place in levels else None for place, load in enumerate(self._loads)
        ]
        self._order(at_ns, loads, kind, text)
        self._loads = [new or load for new, load in zip(loads, self._loads, strict=True)]

    def _order(
        self, at_ns: int, loads: Sequence[OpenLoad | ClosedLoad | None], kind: ChangeKind, text: str
    ) -> None:
        change = Change(at_ns=at_ns, loads=list(loads), kind=kind, text=text)
        self._soon(partial(self._steered.change, change))
        for place, load in enumerate(loads):
            if load is self._plan.loads[place]:
                self._astray.pop(place, None)
            elif load is not None:
                self._astray.setdefault(place, at_ns)
        self._changes += 1
        self._last_ns = at_ns

    def _soon(self, act: Callable[[], None]) -> None:
        """On the loop of the run, whoever asks."""
        loop = self._loop
        try:
            if loop is None:
                raise RuntimeError
            loop.call_soon_threadsafe(act)  # which raises the same where the run broke
        except RuntimeError:
            raise ControlRefused("the run is over") from None

    def _words(self, ns: int) -> str:
        """At which levels, for people."""
        rates, users = self._levels(OpenLoad, ns), self._levels(ClosedLoad, ns)
        parts = [format_rate(sum(rates.values()))] if rates else []
        parts += [counted(self.users_at(ns), "user")] if users else []
        return f" at {' and '.join(parts)}" if parts else ""


def _checked(check: Callable[[Level | str], Level], value: Level | str) -> Level:
    try:
        return check(value)
    except ValueError as error:
        raise ControlRefused(str(error)) from None
