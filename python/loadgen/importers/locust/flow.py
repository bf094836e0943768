"""What a task raises to change the way of its user, and what Locust's own code raises. They decide nothing.

InterruptTaskSet            leave this task set: its parent goes on
RescheduleTask              leave this task, and wait before the next
└── RescheduleTaskImmediately       the same without the wait
StopUser                    this user ends
StopTest                    the test ends
MissingWaitTimeError        it has no wait time
"""

from __future__ import annotations

from loadgen.importers.locust.failures import CatchResponseError, LocustError, ResponseError

__all__ = [
    "WAYS",
    "CatchResponseError",
    "InterruptTaskSet",
    "LocustError",
    "MissingWaitTimeError",
    "RescheduleTask",
    "RescheduleTaskImmediately",
    "ResponseError",
    "RunnerAlreadyExistsError",
    "StopTest",
    "StopUser",
]


class InterruptTaskSet(Exception):
    """Leaves a task set; `reschedule` says whether its parent goes on without a wait."""

    def __init__(self, reschedule: bool = True) -> None:
        super().__init__(reschedule)
        self.reschedule = reschedule


class RescheduleTask(Exception):
    """Leaves a task; its task set waits and goes on."""


class RescheduleTaskImmediately(RescheduleTask):
    """Leaves a task; its task set goes on at once."""


class StopUser(Exception):
    """Ends a user."""


class StopTest(Exception):
    """Ends the test."""


class MissingWaitTimeError(LocustError):
    """A user without a wait time."""


class RunnerAlreadyExistsError(LocustError):
    """A second runner for one environment."""


# They say where to go on, and are no errors of a task.
WAYS = (InterruptTaskSet, RescheduleTask, StopUser, StopTest)
