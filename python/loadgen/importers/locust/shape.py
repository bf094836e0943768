"""A load shape: its ticks are asked ahead of the run, for every second of it, and become stages."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

from loadgen.errors import UsageError
from loadgen.importers.locust.order import Dispatch, Step
from loadgen.shapes import Stage

# A shape that has not ended by then is cut off there.
LONGEST_S = 24 * 3600


class LoadTestShape:
    """How many users there are to be, asked each second: (users, spawn rate), or None for the end."""

    abstract = False
    use_common_options = False
    runner: Any = None

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._virtual_s: float | None = None

    def reset_time(self) -> None:
        """The run begins now."""
        self._began = time.perf_counter()

    def get_run_time(self) -> float:
        """Seconds since the run began."""
        return self._virtual_s if self._virtual_s is not None else time.perf_counter() - self._began

    def get_current_user_count(self) -> int:
        """Users that there are."""
        return int(self.runner.user_count)

    def tick(self) -> Any:
        """What there is to be from now on."""
        raise NotImplementedError(f"{type(self).__name__} has no tick()")


def stages_of(
    shape: LoadTestShape, dispatch: Dispatch, longest_s: float = LONGEST_S, most: float = math.inf
) -> tuple[list[Stage], list[Step], tuple[str, ...]]:
    """Stages of users from the first tick to the last, of which classes they are, and what cannot be kept."""
    stages: list[Stage] = []
    steps: list[Step] = []
    notes: list[str] = []
    users = 0
    for second, until, tick in _spans(_ticks(shape, dispatch, longest_s, notes)):
        stages += spawning(users, int(min(tick.users, most)), tick.rate, until - second)
        users = stages[-1].users or 0
        steps.append(Step(users, tick.names))
    if not stages:
        raise UsageError(f"{type(shape).__name__}: its first tick() ends the run")
    return stages, steps, tuple(notes)


def spawning(users: int, target: int, rate: float, length_s: float) -> list[Stage]:
    """From so many users to as many as there are to be, and from then on as many, for so long in all.

    Locust adds a second's users, or one, at its beginning; here as many come at once, and the others evenly.
    """
    at_once = max(1, int(rate))
    step = min(abs(target - users), at_once)
    rest = abs(target - users) - step
    ramp_s = min(length_s, rest / rate)
    reached = target if ramp_s < length_s else users + _toward(users, target) * (step + int(ramp_s * rate))
    stages = [Stage(duration=0, users=users + _toward(users, target) * step)] if step else []
    if ramp_s > 0:
        stages.append(Stage(duration=ramp_s, users=reached))
    return [*stages, Stage(duration=length_s - ramp_s, users=reached)]


class _Tick(NamedTuple):
    users: int
    rate: float
    names: frozenset[str] | None  # of classes; None: as before


class _Foreseen:
    """What a shape may read of the runner: how many users there will be. What they do nobody knows yet."""

    state = "running"

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self.target_user_count = 0

    @property
    def user_count(self) -> int:
        """All of them."""
        return len(self._dispatch.present)

    @property
    def user_classes_count(self) -> dict[str, int]:
        """By class."""
        return Counter(self._dispatch.present)


def _ticks(shape: LoadTestShape, dispatch: Dispatch, longest_s: float, notes: list[str]) -> Iterator[_Tick]:
    """What it says of every second."""
    name = type(shape).__name__
    clocks = _Clocks()
    second = 0
    shape.runner = foreseen = _Foreseen(dispatch)
    while second < longest_s:
        shape._virtual_s = float(second)
        try:
            with clocks.at(second):
                told = shape.tick()
        except Exception as error:
            raise UsageError(
                f"{name}.tick() at {second} s: {type(error).__name__}: {error}",
                hint="It is asked before the run, for every second of it: it can read get_run_time() and how "
                "many users there are, but no statistics.",
            ) from error
        if told is None:
            return
        users, rate, *rest = told
        if rate <= 0 or users < 0:
            raise UsageError(
                f"{name}.tick() at {second} s: expected users and a spawn rate above 0, got {told}"
            )
        names = frozenset(one.__name__ for one in rest[0]) if rest and rest[0] is not None else None
        if names is not None and (unknown := names - dispatch.names):
            raise UsageError(
                f"{name}.tick() at {second} s: {', '.join(sorted(unknown))} is not among the users"
            )
        foreseen.target_user_count = int(users)
        there = len(dispatch.present)
        dispatch.go_to(Step(_after_a_second(there, int(users), float(rate)), names))
        yield _Tick(int(users), float(rate), names)
        second += 1
    if longest_s == LONGEST_S:
        notes.append(f"{name} does not end by itself: it is cut off after {LONGEST_S // 3600} h")


class _Clocks:
    """For shapes that look at a clock themselves: a second of the run is now."""

    def __init__(self) -> None:
        self._true = {name: getattr(time, name) for name in ("time", "monotonic", "perf_counter")}
        self._shifted = {name: self._shift(clock) for name, clock in self._true.items()}
        self._by_s = 0

    def at(self, second: int) -> Self:
        """From here to the end of the block."""
        self._by_s = second
        return self

    def _shift(self, clock: Callable[[], float]) -> Callable[[], float]:
        return lambda: clock() + self._by_s

    def __enter__(self) -> None:
        vars(time).update(self._shifted)

    def __exit__(self, *_: object) -> None:
        vars(time).update(self._true)


def _spans(ticks: Iterator[_Tick]) -> Iterator[tuple[int, int, _Tick]]:
    """From which second until which ticks say the same."""
    begun, last, second = 0, None, -1
    for second, told in enumerate(ticks):
        if last is not None and told != last:
            yield begun, second, last
            begun = second
        last = told
    if last is not None:
        yield begun, second + 1, last


def _after_a_second(users: int, target: int, rate: float) -> int:
    step = max(1, round(rate))
    return min(users + step, target) if users < target else max(users - step, target)


def _toward(users: int, target: int) -> int:
    return 1 if target > users else -1
