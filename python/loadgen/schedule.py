"""When the arrivals of a plan are due, also of one that is changed on the way: the engine's schedules of its
open loads, as one. Reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from operator import itemgetter

import msgspec

from loadgen._engine import EngineError, Schedule
from loadgen.engine_plan import ClosedLoad, EnginePlan, OpenLoad, Request
from loadgen.errors import Mistake, PlanError
from loadgen.wire import USUAL

# When arrivals are due does not depend on where they go, so it is known before the target is.
_ANY_REQUEST = Request(method="GET", url="http://127.0.0.1/", headers=[], body=None)
_ANY_ADDRESS = "127.0.0.1:80"


class Schedules:
    """The arrivals of all open loads of a plan. Each load deals its own to the workers: k = i, i + N, ..."""

    def __init__(self, parts: Mapping[int, Schedule]) -> None:
        """By the places of the loads in the plan."""
        self._places, self._parts = list(parts), list(parts.values())

    def change(self, at_ns: int, loads: Sequence[OpenLoad | ClosedLoad | None]) -> None:
        """From an instant on; `loads` are all of the plan, in its order, and None stays as it is."""
        for place, load in enumerate(loads):
            if isinstance(load, OpenLoad):
                part = self._places.index(place)
                self._parts[part] = self._parts[part].changed(at_ns, msgspec.json.encode(load))

    @property
    def total(self) -> int:
        """Arrivals of the whole plan, over all workers."""
        return sum(part.total for part in self._parts)

    @property
    def duration_ns(self) -> int:
        """Until the longest has ended."""
        return max(part.duration_ns for part in self._parts)

    def count_before(self, ns: int) -> int:
        """Arrivals due before `ns` since the start."""
        return sum(part.count_before(ns) for part in self._parts)

    def share_before(self, ns: int, worker: int, workers: int) -> int:
        """One worker's part of these."""
        return sum(len(range(worker, part.count_before(ns), workers)) for part in self._parts)

    def reached_at(self, count: int) -> int:
        """When the last of so many arrivals had been due; the whole time where there are no more."""
        low, high = 0, self.duration_ns
        while low < high:
            middle = (low + high) // 2
            if self.count_before(middle) < count:
                low = middle + 1
            else:
                high = middle
        return low

    def rate_at(self, ns: int) -> float:
        """Planned arrivals per second at `ns` since the start."""
        return sum(part.rate_at(ns) for part in self._parts)

    def arrivals(self) -> Iterator[tuple[int, int]]:
        """(k, due in ns since the start), in order; several loads' are numbered anew, as they come."""
        if len(self._parts) == 1:
            return self._parts[0].arrivals()
        together = merge(*(part.arrivals() for part in self._parts), key=itemgetter(1))
        return ((number, due_ns) for number, (_, due_ns) in enumerate(together))


def make_schedule(plan: EnginePlan) -> Schedules | None:
    """The arrivals of a plan; None where it has no open load. What the engine refuses is a mistake in it."""
    loads = {place: load for place, load in enumerate(plan.loads) if isinstance(load, OpenLoad)}
    if not loads:
        return None
    # The engine reads whole plans, of one load, and no proxy whose address is not looked up yet.
    bare = msgspec.structs.replace(
        plan,
        request=plan.request or _ANY_REQUEST,
        label="any",
        addresses=[_ANY_ADDRESS],
        script=None,
        mix=None,
        sockets=None,
        wire=USUAL,
    )
    try:
        schedule = Schedules(
            {
                place: Schedule(msgspec.structs.replace(bare, load=load).encode())
                for place, load in loads.items()
            }
        )
    except EngineError as error:
        raise PlanError([Mistake("load", str(error))]) from None
    if schedule.total == 0:
        raise PlanError([Mistake("load", "no arrival is due in this time: raise the rate or the duration")])
    return schedule
