"""How long a user waits between its tasks, in seconds. A function of the user, or of its task set."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import monotonic
from typing import Any

WaitTime = Callable[[Any], float]


def between(least: float, most: float) -> WaitTime:
    """A time drawn evenly between two."""
    return lambda _: random.uniform(least, most)  # noqa: S311 - a load, not a secret


def constant(wait_time: float) -> WaitTime:
    """Always so long."""
    return lambda _: wait_time


def constant_pacing(wait_time: float) -> WaitTime:
    """What is left of this time since the last wait was over, so that tasks begin this far apart.

    The first time it counts from when the user was made. Who is late catches up on nothing: the next task
    begins at once, and the pace counts from there.
    """

    def pace(user: Any) -> float:
        now = monotonic()
        left: float = max(0.0, user._paced_at + wait_time - now)
        user._paced_at = now + left
        return left

    return pace


def constant_throughput(task_runs_per_second: float) -> WaitTime:
    """At most so many tasks a second of each user."""
    return constant_pacing(1 / _checked("constant_throughput", task_runs_per_second))


def poisson(rate: float) -> WaitTime:
    """Times drawn so that tasks come at this rate a second, each independent of those before it."""
    _checked("poisson", rate)
    return lambda _: random.expovariate(rate)


def _checked(name: str, rate: float) -> float:
    if not rate > 0:
        raise ValueError(f"{name}() wants a rate above 0, got {rate}")
    return rate
