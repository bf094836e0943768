"""The load of a script while it is on: when it ends before its time, and why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from loadgen import load as module
from loadgen._engine import monotonic_ns
from loadgen.engine_plan import EnginePlan, MaxErrors, OpenStage, ScenarioPlan
from loadgen.load import Evidence, Load, too_many_errors
from loadgen.progress import Event, Progress
from loadgen.schedule import make_schedule
from tests.unit.figures import Counted
from tests.unit.scripts import SECOND, closed_load, open_load, scripted_plan

if TYPE_CHECKING:
    from loadgen.workers import Crew

MS = 1_000_000


@pytest.mark.parametrize(
    ("sentence", "limit", "ok", "failed", "at_end", "stops"),
    [
        ("nobody set a limit", None, 0, 1000, True, False),
        ("one below the number", MaxErrors(10, None), 0, 9, True, False),
        ("the number", MaxErrors(10, None), 10_000, 10, False, True),
        ("the share itself is allowed", MaxErrors(None, 0.1), 90, 10, False, False),
        ("more is not", MaxErrors(None, 0.1), 89, 11, False, True),
        ("nine are too few to tell", MaxErrors(None, 0.1), 0, 9, False, False),
        ("unless there will be no more", MaxErrors(None, 0.1), 0, 9, True, True),
        ("nothing is no share", MaxErrors(None, 0.0), 0, 0, True, False),
    ],
)
def test_too_many_errors(
    sentence: str, limit: MaxErrors | None, ok: int, failed: int, at_end: bool, stops: bool
) -> None:
    counters = {"iterations_ok": ok, "iterations_failed": failed}
    assert (too_many_errors(limit, counters, at_end=at_end) is not None) == stops, sentence


def test_the_reason_has_the_numbers() -> None:
    counters = {"iterations_ok": 89, "iterations_failed": 11}
    assert too_many_errors(MaxErrors(5, None), counters, at_end=False) == (
        "11 iterations failed, and 5 stop the run"
    )
    assert too_many_errors(MaxErrors(None, 0.05), counters, at_end=False) == (
        "11 % of iterations failed, and more than 5 % stop the run"
    )


class Grown(Counted):
    def since(self, earlier: Grown) -> Grown:  # noqa: ARG002 - the interval is of no interest here
        return self


class IdleCrew:
    """Workers that do nothing, and end when they are told to, or after a time."""

    def __init__(self, ends_after_s: float | None = None) -> None:
        self.ended = asyncio.Event()
        self.told: list[str] = []
        self.blocks: list[object] = []
        self.pids: list[int] = []
        self.workers = ["one"]
        self.lost: list[str] = []
        self._ends_after_s = ends_after_s

    def open_gate(self) -> int:
        if self._ends_after_s is not None:
            asyncio.get_running_loop().call_later(self._ends_after_s, self.ended.set)
        return monotonic_ns()

    def change(self, at_ns: int, loads: list[object]) -> None:
        self.told.append(f"change of {len(loads)} {at_ns > 0}")

    def finish(self) -> None:
        self.told.append("finish")
        self.ended.set()

    def stop(self) -> None:
        self.told.append("stop")
        self.ended.set()

    kill = stop


def play(
    monkeypatch: pytest.MonkeyPatch,
    plan: EnginePlan,
    crew_ends_after_s: float | None = None,
    act: Any = None,
    **counters: int,
) -> tuple[Evidence, list[Event], list[Progress], IdleCrew]:
    """A load over counters that do not change."""
    events: list[Event] = []
    looks: list[Progress] = []

    class Snapshots:
        @staticmethod
        def read(_: object) -> Grown:
            return Grown(counters=counters)

    monkeypatch.setattr(module, "Snapshot", Snapshots)
    monkeypatch.setattr(module, "TICK_NS", 5 * MS)

    async def main() -> tuple[Evidence, IdleCrew]:
        crew = IdleCrew(crew_ends_after_s)
        load = Load(plan, make_schedule(plan), cast("Crew", crew), looks.append, events.append)
        load.control.attach(asyncio.get_running_loop(), load.interrupt)
        load.open()
        if act is not None:
            asyncio.get_running_loop().call_later(0.01, act, load)
        async with asyncio.timeout(20):
            return await load.play(), crew

    evidence, crew = asyncio.run(main())
    return evidence, events, looks, crew


def test_failed_iterations_end_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = scripted_plan(load=open_load(seconds=3600), script={"max_errors": MaxErrors(5, None)})
    evidence, events, _, crew = play(monkeypatch, plan, iterations_failed=5)
    assert evidence.stopped == "5 iterations failed, and 5 stop the run"
    assert evidence.load_ns < 600 * SECOND, "it was cut short"
    assert crew.told == ["finish"]
    assert [event.event for event in events] == ["start", "stage", "script_stop", "gate_shut"]


def test_a_script_may_end_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = scripted_plan(load=open_load(seconds=3600))
    evidence, _, _, crew = play(monkeypatch, plan, act=lambda load: load.stop_for_script("no rows left"))
    assert evidence.stopped == "no rows left"
    assert not evidence.interrupted
    assert crew.told == ["finish"]


def test_errors_of_the_last_moment_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = scripted_plan(load=closed_load(seconds=3600), script={"max_errors": MaxErrors(None, 0.5)})
    evidence, _, _, _ = play(monkeypatch, plan, crew_ends_after_s=0.001, iterations_failed=3)
    assert evidence.stopped is not None


@pytest.mark.parametrize(
    ("sentence", "plan", "scheduled", "cut_short"),
    [
        ("all arrivals were taken and answered", scripted_plan(load=open_load(seconds=60)), 6000, False),
        ("iterations or data were used up", scripted_plan(load=open_load(seconds=60)), 5999, True),
        ("so they were by users", scripted_plan(load=closed_load(seconds=60)), 50, True),
    ],
)
def test_workers_that_end_early(
    monkeypatch: pytest.MonkeyPatch, sentence: str, plan: EnginePlan, scheduled: int, cut_short: bool
) -> None:
    evidence, _, _, _ = play(monkeypatch, plan, crew_ends_after_s=0.001, scheduled=scheduled)
    assert (evidence.load_ns < 60 * SECOND) == cut_short, sentence
    assert evidence.stopped is None


def test_several_loads_are_told_apart_and_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = scripted_plan(
        ScenarioPlan("browse", 1.0, None),
        ScenarioPlan("buy", 0.0, open_load(rate=5, seconds=60)),
        ScenarioPlan("idle", 0.0, closed_load(users=3, seconds=60)),
        load=open_load(rate=100, seconds=60),
    )
    _, events, looks, _ = play(monkeypatch, plan, crew_ends_after_s=0.05)
    assert [event.text for event in events if event.event == "stage"] == [
        "stage 1: 100/s for 1m",
        "buy: stage 1: 5/s for 1m",
        "idle: stage 1: 3 users for 1m",
    ]
    assert (looks[0].target_rate_per_s, looks[0].target_users) == (105, 3)


def test_what_a_script_no_longer_wanted_was_not_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hundredth arrival was the last; how long that took is no time of load."""
    plan = scripted_plan(load=open_load(rate=10_000, seconds=60))
    evidence, _, _, _ = play(monkeypatch, plan, crew_ends_after_s=0.05, scheduled=100)
    assert evidence.due == 100
    assert evidence.load_ns == pytest.approx(100 * SECOND / 10_000, abs=2)


def test_a_change_is_told_at_its_instant_and_takes_the_plans_stages_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stages = [OpenStage(200 * MS, 10.0, 10.0), OpenStage(200 * MS, 20.0, 20.0)]
    plan = scripted_plan(load=msgspec.structs.replace(open_load(), stages=stages))
    evidence, events, looks, crew = play(
        monkeypatch, plan, crew_ends_after_s=0.5, act=lambda load: load.control.change_rate(50)
    )
    assert crew.told[0] == "change of 1 True"
    (change,) = evidence.changes
    assert [event.event for event in events if event.event != "gate_shut"] == [
        "start",
        "stage",
        "rate_changed",
    ]
    assert [event.at_s for event in events if event.event == "rate_changed"] == [change.at_ns / 1e9]
    assert {look.target_rate_per_s for look in looks} >= {10, 50}
    assert 20 not in {look.target_rate_per_s for look in looks}


def test_a_change_whose_instant_never_comes_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def act(load: Load) -> None:
        load.control.pause()
        load.stop_for_script("no rows left")

    evidence, events, _, _ = play(monkeypatch, scripted_plan(load=open_load(seconds=3600)), act=act)
    assert evidence.changes == []
    assert "paused" not in [event.event for event in events]
