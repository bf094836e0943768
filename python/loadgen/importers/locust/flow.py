"""What a task raises to change the way of its user, and what Locust's own code raises. They decide nothing.

LocustError
├── InterruptTaskSet            leave this task set: its parent goes on
├── RescheduleTask              leave this task, and wait before the next
│   └── RescheduleTaskImmediately       the same without the wait
├── StopUser                    this user ends
├── StopTest                    the test ends
├── MissingWaitTimeError
└── CatchResponseError          how a response is said to have failed
"""

from __future__ import annotations


class LocustError(Exception):
    """Whatever Locust raises on purpose."""


class InterruptTaskSet(LocustError):
    """Leaves a task set; `reschedule` says whether its parent goes on without a wait."""

    def __init__(self, reschedule: bool = True) -> None:
        super().__init__(reschedule)
        self.reschedule = reschedule


class RescheduleTask(LocustError):
    """Leaves a task; its task set waits and goes on."""


class RescheduleTaskImmediately(RescheduleTask):
    """Leaves a task; its task set goes on at once."""


class StopUser(LocustError):
    """Ends a user."""


class StopTest(LocustError):
    """Ends the test."""


class MissingWaitTimeError(LocustError):
    """A user without a wait time."""


class CatchResponseError(LocustError):
    """What a script calls the failure of a response."""


class ResponseError(LocustError):
    """A response that is of no use."""


class RunnerAlreadyExistsError(LocustError):
    """A second runner for one environment."""


# They say where to go on, and are no errors of a task.
WAYS = (InterruptTaskSet, RescheduleTask, StopUser, StopTest)
