"""All outputs of a run together: nobody waits for another one's receiver."""

from __future__ import annotations

import asyncio
import os
import threading

from loadgen.outputs.output import Output
from loadgen.outputs.outputs import Outputs
from loadgen.plan import Plan
from loadgen.progress import Opening

MANY = 3 * (os.cpu_count() or 1) + 10


class Lingering(Output):
    """May go when all the others are asked as well."""

    live = True
    linger_s = 10

    def __init__(self, together: threading.Barrier) -> None:
        super().__init__("lingering")
        self._together = together
        self.gone = False

    def may_go(self) -> bool:
        self._together.wait(5)
        self.gone = True
        return True


def drained(made: list[Lingering], *, linger: bool) -> int:
    outputs = Outputs(made)
    plan = Plan(rate=1, workers=1).compile()
    outputs.begin(Opening(plan=plan, note=None, started_at=0, monotonic_ns=0))
    told = asyncio.run(outputs.drain(linger=linger))
    outputs.close()
    return len(told)


def test_all_are_waited_for_at_once() -> None:
    together = threading.Barrier(MANY)
    made = [Lingering(together) for _ in range(MANY)]
    assert drained(made, linger=True) == MANY and all(one.gone for one in made)


def test_where_nobody_shall_linger_nobody_is_asked() -> None:
    alone = Lingering(threading.Barrier(2))
    assert drained([alone], linger=False) == 1 and not alone.gone
