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

    Who is late catches up on nothing: the next task begins at once, and the pace counts from there.
    """

    def pace(user: Any) -> float:
        now = monotonic()
        since = getattr(user, "_paced_at", None)
        # Before the first there was no wait: the task has taken no time that we know of.
        left = wait_time if since is None else max(0.0, since + wait_time - now)
        user._paced_at = now + left
        return left

    return pace


def constant_throughput(task_runs_per_second: float) -> WaitTime:
    """At most so many tasks a second of each user."""
    return constant_pacing(1 / task_runs_per_second)
