"""Worker processes: how they come up, and every way in which they may be lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from loadgen.engine_plan import EnginePlan
from loadgen.errors import LoadgenError, ScriptFailed, UsageError, WorkerError
from loadgen.plan import Plan
from loadgen.workers import SCRIPT_LABELS, STALLED_NS, Crew
from tests.unit.scripts import scripted_plan
from tests.unit.sockets import socket_plan, sockets_of

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


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.printed: list[str] = []

    def hear(self, line: str) -> None:
        self.heard.append(line)

    def output(self, line: str) -> None:
        self.printed.append(line)


def run_in_place_of_a_worker(monkeypatch: pytest.MonkeyPatch, code: str) -> tuple[Crew, Listener]:
    """Any program on the worker's side of the pipes."""
    true_exec = asyncio.create_subprocess_exec

    def other_program(*_: str, **pipes: object) -> object:
        return true_exec(sys.executable, "-c", f"import sys; sys.stdin.readline(); {code}", **pipes)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", other_program)
    listener = Listener()

    async def main() -> Crew:
        crew = Crew(scripted_plan(workers=1), lambda *_: None, listener)
        try:
            await crew.start()
            await crew.ended.wait()
        finally:
            await crew.close()
        return crew

    return asyncio.run(main()), listener


def test_events_of_a_script_are_passed_on_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = r"print('ready\nevent {\"kind\": \"x\"}\nevent nonsense\nsomething else\ndone', flush=True)"
    crew, listener = run_in_place_of_a_worker(monkeypatch, lines)
    assert listener.heard == ['{"kind": "x"}', "nonsense"]
    assert [worker.state for worker in crew.workers] == ["done"]


def test_a_line_without_end_costs_that_line(monkeypatch: pytest.MonkeyPatch) -> None:
    code = r"print('ready\nevent ' + 'x' * 300_000 + '\nevent {}\ndone', flush=True)"
    crew, listener = run_in_place_of_a_worker(monkeypatch, code)
    assert listener.heard[-1] == "{}"
    assert crew.workers[0].state == "done"


def test_what_a_script_prints_is_passed_on_to_the_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    code = r"print('ready', flush=True); print('hello\n\nworld', file=sys.stderr); print('done', flush=True)"
    _, listener = run_in_place_of_a_worker(monkeypatch, code)
    assert listener.printed == ["hello", "world"]


def test_scripts_name_their_own_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def block(labels: int) -> None:
        asked.append(labels)

    monkeypatch.setattr("loadgen.workers.Block", block)
    Crew(plan(workers=1), lambda *_: None)
    Crew(scripted_plan(workers=1), lambda *_: None)
    Crew(socket_plan(workers=1), lambda *_: None)
    assert asked == [1, SCRIPT_LABELS, len(sockets_of(socket_plan()).labels)]


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (
            "ScriptFailed: @once prepare: ValueError: no database",
            ScriptFailed,
            "@once prepare: ValueError: no",
        ),
        ("UsageError: more workers than rows", UsageError, "more workers than rows"),
        ("OSError: no memory", WorkerError, "could not start: OSError: no memory"),
    ],
)
def test_a_script_that_does_not_come_up_is_told_from_a_worker_that_does_not(
    monkeypatch: pytest.MonkeyPatch, said: str, kind: type[LoadgenError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        run_in_place_of_a_worker(monkeypatch, f"print('error {said}', flush=True); sys.exit(1)")
