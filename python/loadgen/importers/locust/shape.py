"""A load shape: its ticks are asked ahead of the run, for every second of it, and become stages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from loadgen.errors import UsageError
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
        self._virtual_users = 0

    def reset_time(self) -> None:
        """The run begins now."""
        self._began = time.perf_counter()

    def get_run_time(self) -> float:
        """Seconds since the run began."""
        return self._virtual_s if self._virtual_s is not None else time.perf_counter() - self._began

    def get_current_user_count(self) -> int:
        """Users that there are."""
        return self._virtual_users

    def tick(self) -> Any:
        """What there is to be from now on."""
        raise NotImplementedError(f"{type(self).__name__} has no tick()")


def stages_of(
    shape: LoadTestShape, longest_s: float = LONGEST_S, most: float = math.inf
) -> tuple[list[Stage], tuple[str, ...]]:
    """Stages of users from the first tick to the last, and what of the shape cannot be kept."""
    stages: list[Stage] = []
    notes: list[str] = []
    users = 0
    for second, until, wanted, rate in _spans(_ticks(shape, longest_s, notes)):
        target = int(min(wanted, most))
        stages += spawning(users, target, rate, until - second)
        users = stages[-1].users or 0
    if not stages:
        raise UsageError(f"{type(shape).__name__}: its first tick() ends the run")
    return stages, tuple(notes)


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


def _ticks(shape: LoadTestShape, longest_s: float, notes: list[str]) -> Iterator[tuple[int, float]]:
    """(users, spawn rate) of every second."""
    name = type(shape).__name__
    clocks = _Clocks()
    second = 0
    while second < longest_s:
        shape._virtual_s = float(second)
        try:
            with clocks.at(second):
                told = shape.tick()
        except Exception as error:
            raise UsageError(
                f"{name}.tick() at {second} s: {type(error).__name__}: {error}",
                hint="It is asked before the run, for every second of it: it can read get_run_time() and "
                "get_current_user_count(), but neither the runner nor its statistics.",
            ) from error
        if told is None:
            return
        users, rate, *classes = told
        if rate <= 0 or users < 0:
            raise UsageError(
                f"{name}.tick() at {second} s: expected users and a spawn rate above 0, got {told}"
            )
        if classes and classes[0] and not notes:
            notes.append(f"{name} names user classes in its ticks: all classes take part, by weight")
        shape._virtual_users = _after_a_second(shape._virtual_users, int(users), float(rate))
        yield int(users), float(rate)
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


def _spans(ticks: Iterator[tuple[int, float]]) -> Iterator[tuple[int, int, int, float]]:
    """(from second, until second, users, rate) of ticks that say the same."""
    begun, last, second = 0, None, -1
    for second, told in enumerate(ticks):
        if last is not None and told != last:
            yield begun, second, *last
            begun = second
        last = told
    if last is not None:
        yield begun, second + 1, *last


def _after_a_second(users: int, target: int, rate: float) -> int:
    step = max(1, round(rate))
    return min(users + step, target) if users < target else max(users - step, target)


def _toward(users: int, target: int) -> int:
    return 1 if target > users else -1
