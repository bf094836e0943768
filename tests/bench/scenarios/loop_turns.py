"""Turns of a bare loop, without a run: `python -m … LOOP KIND TASKS TURNS` prints CPU µs per await.

Every task waits, in each turn, for sleep(0) or for a future that another callback has to resolve.
"""

import asyncio
import gc
import importlib
import sys
import time

LOOPS = {
    "asyncio": "asyncio:SelectorEventLoop",
    "loadgen": "tests.engine.loops:new_loadgen_loop",
    "uvloop": "uvloop:Loop",
}


async def sleep(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def future(turns: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(turns):
        waited_for = loop.create_future()
        loop.call_soon(waited_for.set_result, None)
        await waited_for


async def nothing(_: int) -> None: ...


KINDS = {"sleep": sleep, "future": future}


async def cpu_s(kind: str, tasks: int, turns: int) -> float:
    """Processor time of so many tasks that take so many turns each, less that of tasks that take none."""
    costs = []
    for body in (nothing, KINDS[kind]):
        began = time.process_time()
        await asyncio.gather(*(body(turns) for _ in range(tasks)))
        costs.append(time.process_time() - began)
    return costs[1] - costs[0]


def main() -> None:
    name, kind, tasks, turns = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    module, _, attribute = LOOPS[name].partition(":")
    with asyncio.Runner(loop_factory=getattr(importlib.import_module(module), attribute)) as runner:
        runner.run(cpu_s(kind, tasks, 10))
        gc.collect()
        gc.freeze()
        print(runner.run(cpu_s(kind, tasks, turns)) / (tasks * turns) * 1e6)


if __name__ == "__main__":
    main()
