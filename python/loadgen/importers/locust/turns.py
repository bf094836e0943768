"""A user's turns: each is a task, and an iteration of the load. When it begins, the engine says.

begin ──▶ park: the last turn ended, the user rests, the next is due ──▶ is_on … ok, or end(False)
"""

from __future__ import annotations

from _asyncio import Future  # the engine's own futures are of just this type
from typing import TYPE_CHECKING, Any

from loadgen.importers.locust.driver import GreenletExit, wait_for
from loadgen.importers.locust.flow import StopUser

if TYPE_CHECKING:
    from loadgen.user import User


class Turns:
    """The turns of one user. Its task sets write to it: it stands in the way of every request."""

    __slots__ = ("_go_on", "_park", "_place", "is_on", "ok", "rest", "stops")

    def __init__(self, user: User) -> None:
        self._park, self._go_on = user._engine.park, user._engine.go_on
        self._place = user._place
        self.is_on = False
        self.ok: bool | None = None  # how the last one ended; None before the first
        self.rest = 0.0  # seconds before the next one
        self.stops = False  # the user has been told to end after its task

    @property
    def rests(self) -> bool:
        """Whether the user waits for its next turn, one having ended."""
        return self.ok is not None and not self.is_on

    def begin(self) -> None:
        """Waits for the next turn. Where there is none, the user ends here."""
        if self.stops:
            raise StopUser
        rest, self.rest = self.rest, 0.0
        next_one: Any
        if rest <= 0 and self.ok is not None:
            next_one = self._go_on(self._place, self.ok)
            if type(next_one) is Future:
                next_one = wait_for(next_one)
        else:
            next_one = wait_for(self._park(self._place, self.ok, None, rest))
        if next_one is None:
            self.ok = None
            raise GreenletExit
        self.is_on = True

    def end(self, ok: bool) -> None:
        """How this turn ended, unless one within it has said so."""
        if self.is_on:
            self.ok = ok
            self.is_on = False
