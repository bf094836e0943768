"""Worker processes: how they come up, and every way in which they may be lost."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import msgspec
import pytest

from loadgen.engine_plan import EnginePlan
from loadgen.errors import WorkerError
from loadgen.plan import Plan
from loadgen.workers import STALLED_NS, Crew

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def plan(**fields: object) -> EnginePlan:
    """An hour of next to nothing, to nobody."""
    usual: dict[str, object] = {"rate": "1/s", "duration": "1h", "workers": 2}
    compiled = Plan(**usual | fields).compile()  # type: ignore[arg-type]
    return msgspec.structs.replace(compiled, addresses=["127.0.0.1:9"])


def with_crew(act: Callable[[Crew], Awaitable[None]], compiled: EnginePlan | None = None) -> list[str]:
    """What a crew told while something was done with it."""
    told: list[str] = []

    async def main() -> None:
        crew = Crew(compiled or plan(), lambda kind, text: told.append(f"{kind}: {text}"))
        try:
            await act(crew)
        finally:
            await crew.close()
        assert all(worker.exit is not None for worker in crew.workers if worker.process is not None)

    asyncio.run(main())
    return told


def test_they_start_and_stop() -> None:
    async def act(crew: Crew) -> None:
        await crew.start()
        assert [worker.state for worker in crew.workers] == ["ready", "ready"]
        crew.open_gate()
        assert len(crew.pids) == 2
        crew.stop()
        await crew.ended.wait()
        assert [(worker.state, worker.exit) for worker in crew.workers] == [("done", 0), ("done", 0)]

    assert with_crew(act) == []


def test_one_that_is_killed_is_lost_and_the_others_go_on() -> None:
    async def act(crew: Crew) -> None:
        await crew.start()
        crew.open_gate()
        os.kill(crew.workers[1].pid, signal.SIGKILL)
        await crew._attendants[1]
        assert [worker.state for worker in crew.workers] == ["running", "lost"]
        assert not crew.ended.is_set()
        assert [worker.index for worker in crew.lost] == [1]

    (text,) = with_crew(act)
    assert text.startswith("worker_lost: worker 1 (pid ")
    assert text.endswith(") was lost: killed by SIGKILL")


def test_ctrl_c_in_the_terminal_does_not_reach_them() -> None:
    async def act(crew: Crew) -> None:
        await crew.start()
        crew.open_gate()
        for pid in crew.pids:
            os.kill(pid, signal.SIGINT)
        crew.stop()
        await crew.ended.wait()
        assert [worker.exit for worker in crew.workers] == [0, 0]

    assert with_crew(act) == []


def test_one_that_does_not_listen_is_killed_and_that_is_said() -> None:
    async def act(crew: Crew) -> None:
        await crew.start()
        crew.open_gate()
        os.kill(crew.workers[0].pid, signal.SIGSTOP)
        crew.stop()
        crew.kill()
        await crew.ended.wait()

    assert any("was lost: it did not end and was killed" in text for text in with_crew(act))


def test_silence_is_noticed_and_so_is_the_return() -> None:
    async def act(crew: Crew) -> None:
        await crew.start()
        start_at = crew.open_gate()
        heard = max(start_at, *(worker.block.heartbeat_ns for worker in crew.workers))
        crew.check_heartbeats(heard + STALLED_NS * 2)
        crew.check_heartbeats(heard + STALLED_NS * 3)
        crew.check_heartbeats(heard)

    told = with_crew(act, plan(workers=1))
    assert [text.partition(":")[0] for text in told] == ["worker_stalled", "worker_resumed"]
    assert "has given no sign of life for" in told[0]


def test_a_plan_that_the_engine_refuses_says_why() -> None:
    async def act(crew: Crew) -> None:
        await crew.start()

    with pytest.raises(WorkerError, match=r"worker 0 \(pid \d+\) could not start: .*addresses"):
        with_crew(act, msgspec.structs.replace(plan(workers=1), addresses=[]))
