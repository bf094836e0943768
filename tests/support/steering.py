"""A Control without a run below it: what it has the workers told is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadgen._engine import monotonic_ns
from loadgen.control import Control
from loadgen.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.control import Change


class Loop:
    """Does at once what it is asked to do soon."""

    def call_soon_threadsafe(self, act: Callable[[], None]) -> None:
        act()


class Steered:
    """A load in its second second."""

    def __init__(self) -> None:
        self.is_on = True
        self.monotonic_ns = monotonic_ns() - 2_000_000_000
        self.told: list[str] = []

    def change(self, change: Change) -> None:
        self.told.append(change.text)

    def interrupt(self, reason: str) -> None:
        self.is_on = False
        self.told.append(reason)


def make_control(**fields: Any) -> tuple[Control, Steered]:
    """Of such a plan."""
    steered = Steered()
    control = Control(Plan(url="http://127.0.0.1:8000/", **fields).compile(), steered)
    loop: Any = Loop()
    control.attach(loop, steered.interrupt)
    return control, steered
